"""The command line of an institution, and of the hub.

Exit codes: 0 done or verified; 1 refused by the law, or not verified; 2 the command, a file or the
profile is unfit; 3 the hub cannot be reached, or failed.

Who one is stands in a profile (`creditchain.client.profile`), chosen with `-p` or the variable
CREDITCHAIN_PROFILE. `--json` prints one JSON value on standard output and nothing else there.

One module for each kind of work (hub, member, order, ...); what they share is how a person's words
are read (`words`), how the hub is spoken to (`speaking`) and asked (`asking`), and how answers are
shown (`showing`). Commands import what they need when they run: `--help` must not wait for it.
"""

from __future__ import annotations

import typer

from creditchain.cli.agency import agency_app, product_app
from creditchain.cli.consent import consent_app
from creditchain.cli.enterprise import enrol, objection_app
from creditchain.cli.evidence import evidence
from creditchain.cli.finding import case_app, finding_app
from creditchain.cli.hub import found, hub_app
from creditchain.cli.keys import keys_app
from creditchain.cli.log import ask, log_app, watch
from creditchain.cli.member import member_app, officer_app
from creditchain.cli.order import order_app, report_app
from creditchain.cli.receipt import receipt
from creditchain.cli.records import records_app
from creditchain.cli.showing import NO_ANSWER, REFUSED, UNFIT
from creditchain.cli.verify import verify_app

__all__ = ["NO_ANSWER", "REFUSED", "UNFIT", "app", "main"]

app = typer.Typer(
    name="creditchain",
    help="Consent, order, sealed delivery and a verifiable log for credit reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (found, enrol, watch, receipt, evidence, ask):
    app.command()(command)

for group in (
    hub_app,
    keys_app,
    member_app,
    officer_app,
    product_app,
    consent_app,
    order_app,
    report_app,
    records_app,
    objection_app,
    finding_app,
    case_app,
    agency_app,
    verify_app,
    log_app,
):
    app.add_typer(group)


def main() -> None:
    """The command `creditchain`."""
    app()
