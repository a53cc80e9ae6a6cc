"""What the regulator asks a member, and what it looked at: findings to answer, closed cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditchain.cli.asking import find, show_list, show_one
from creditchain.cli.showing import AsJson, print_json, readable
from creditchain.cli.speaking import say, with_client
from creditchain.cli.words import Observed, ProfileName, code_of, event_id_of

if TYPE_CHECKING:
    from creditchain.client.client import Client

finding_app = typer.Typer(
    name="finding", help="Findings of the regulator, and your answers.", no_args_is_help=True
)
case_app = typer.Typer(
    name="case", help="Inspections of your institution that are over.", no_args_is_help=True
)

FindingId = Annotated[
    str, typer.Argument(help="The id under which it was asked.", callback=event_id_of)
]
CaseId = Annotated[str, typer.Argument(help="The case's id.", callback=event_id_of)]


@finding_app.command("list")
def finding_list(
    status: Annotated[str | None, typer.Option(help="ASKED, ANSWERED or CLOSED.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List the findings your institution was asked about."""
    from creditchain.rulebook.record import FindingStatus

    status = None if status is None else code_of(FindingStatus, status).value
    columns = ("id", "status", "code", "severity", "entries", "answerBy", "reply", "outcome")
    show_list(profile, as_json, "Findings", columns, status=status)


@finding_app.command("show")
def finding_show(finding: FindingId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a finding with what was said of it."""
    show_one(profile, as_json, "Finding", finding)


@finding_app.command("answer")
def finding_answer(
    finding: FindingId,
    reply: Annotated[str, typer.Option(help="ACCEPTED, REMEDIED, CONTESTED.")],
    text: Annotated[str, typer.Option(help="The answer's words, for the directory only.")],
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Answer a finding, or contest how it was closed. By an administrator or the member's key."""
    from creditchain.client.fresh import fresh_row
    from creditchain.events.codes import FindingReply
    from creditchain.events.finding import FindingAnswered

    row, digest = fresh_row(text=text)
    body = FindingAnswered(finding, code_of(FindingReply, reply), digest)
    say(profile, as_json, body, observed=observed, statement=row)


@case_app.command("list")
def case_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the closed inspection cases about your institution."""
    columns = ("id", "notice", "matter", "openedAt", "closedAt", "lookCount")
    show_list(profile, as_json, "Cases", columns)


@case_app.command("show")
def case_show(case: CaseId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a closed case with every look in it: who looked, when, why, and at whom."""

    async def work(client: Client) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
        found = dict(await find(client, "Case", case))
        looks, page = [], found.pop("looks")
        while True:
            looks += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return found, looks
            after = page["pageInfo"]["endCursor"]
            page = (await client.ask("Case", id=case, after=after))["looks"]

    found, looks = with_client(profile, work)
    if as_json:
        print_json({**found, "looks": looks})
        return
    for name, value in found.items():
        if value is not None:
            typer.echo(f"{name}: {readable(value)}")
    for look in looks:
        typer.echo(f"{look['lookedAt']} {look['officer']} {look['ground']}")
        for subject in [*look["subjects"], *(look["objections"] or ())]:
            typer.echo(f"  {subject}")
