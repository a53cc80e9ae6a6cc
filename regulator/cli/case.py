"""Inspections: two officers, a notice, and only then a look at who stands behind an id.

Every step is an event on the log, signed by an officer of the regulator whose profile is given with
-p, as for the program `creditchain`. The member sees case and looks once the case is closed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from creditchain.cli.words import ProfileName, code_of
from regulator.cli.running import AsJson, print_json

case_app = typer.Typer(
    name="case", help="Inspections, and the looks within them.", no_args_is_help=True
)

CaseId = Annotated[str, typer.Argument(help="The case's id.")]


@case_app.command("open")
def open_case(
    notice: Annotated[str, typer.Option(help="The number of the notice.")],
    member: Annotated[str, typer.Option(help="The supervised member.")],
    matter: Annotated[str, typer.Option(help="ROUTINE, FINDING, COMPLAINT or INCIDENT.")],
    finding: Annotated[
        list[str] | None, typer.Option(help="A finding it follows up; repeatable.")
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Open a case; nobody looks until a second officer has approved it."""
    from creditchain.cli.speaking import say
    from creditchain.events.codes import CaseMatter
    from creditchain.events.inspection import CaseOpened

    body = CaseOpened(
        notice, member, code_of(CaseMatter, matter), tuple(sorted(finding)) if finding else None
    )
    say(profile, as_json, body)
    if not as_json:
        typer.echo("next: another officer approves it: regulator case approve ID -p PROFILE")


@case_app.command("approve")
def approve_case(case: CaseId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Approve a case that another officer opened."""
    from creditchain.cli.speaking import say
    from creditchain.events.inspection import CaseApproved

    say(profile, as_json, CaseApproved(case))
    if not as_json:
        typer.echo(f"next: regulator case resolve {case} WHOM... --ground GROUND -p PROFILE")
        typer.echo(f"then: regulator case close {case} -p PROFILE   shows it to the member")


@case_app.command("resolve")
def resolve(
    case: CaseId,
    subjects: Annotated[list[str], typer.Argument(help="Ids of officers and enterprises.")],
    ground: Annotated[str, typer.Option(help="FINDING, COMPLAINT, SAMPLE or SANCTION.")],
    objection: Annotated[
        list[str] | None, typer.Option(help="An objection whose words are read; repeatable.")
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Look who is behind these ids: the look goes on the log first, then the names come."""
    from creditchain.cli.speaking import with_client
    from creditchain.client.supervision import resolve_identities
    from creditchain.events.codes import LookGround
    from creditchain.events.inspection import IdentitiesResolved

    look = IdentitiesResolved(
        case,
        tuple(sorted(subjects)),
        code_of(LookGround, ground),
        tuple(sorted(objection)) if objection else None,
    )

    async def work(client: Any) -> Any:
        return await resolve_identities(client, look)

    shown = with_client(profile, work)
    if as_json:
        print_json(
            {
                "id": shown.id,
                "index": shown.receipt.index,
                "identities": [asdict(one) for one in shown.identities],
                "words": [asdict(one) for one in shown.words],
            }
        )
        return
    typer.echo(f"the look is entry {shown.receipt.index} of the log")
    for one in shown.identities:
        typer.echo(f"{one.subject}  {one.name or 'erased'}  {one.uscc or ''}".rstrip())
    for words in shown.words:
        typer.echo(f"{words.objection}  {words.statement or 'erased'}")
        typer.echo(f"    answered: {words.answer or 'nothing'}")


@case_app.command("close")
def close_case(case: CaseId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Close a case; from now on the member sees it and every look in it."""
    from creditchain.cli.speaking import say
    from creditchain.events.inspection import CaseClosed

    say(profile, as_json, CaseClosed(case))
