"""The regulator's command line.

Exit codes: 0 all is well; 1 something is wrong with the log or the copy (a finding, a problem); 2 a
setting, a file or the command is unfit; 3 the hub gave no usable answer; 4 our own database cannot
be used.

One module for each kind of work; what they share is in `running`. Commands import what they need
when they run: `--help` must not wait for it.
"""

from __future__ import annotations

import typer

from regulator.cli.ask import ask
from regulator.cli.audit import audit
from regulator.cli.case import case_app
from regulator.cli.evidence import evidence
from regulator.cli.findings import findings_app
from regulator.cli.observing import check, export, follow, init, serve, status
from regulator.cli.report import report
from regulator.cli.running import DATABASE, NO_ANSWER, UNFIT, WRONG
from regulator.cli.sql import sql
from regulator.cli.submit import submit

__all__ = ["DATABASE", "NO_ANSWER", "UNFIT", "WRONG", "app", "main"]

app = typer.Typer(
    name="regulator",
    help="The observer: follows a hub's log, verifies, replays and audits it, cosigns what it saw.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    init,
    serve,
    follow,
    status,
    export,
    check,
    audit,
    submit,
    ask,
    sql,
    report,
    evidence,
):
    app.command()(command)

for group in (findings_app, case_app):
    app.add_typer(group)


def main() -> None:
    """The program."""
    app()
