"""The register of findings, and taking one up with the member concerned.

Looking needs the observer's folder alone; asking and closing are events on the log, signed by an
officer of the regulator whose profile is given with -p, as for the program `creditchain`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from creditchain.cli.words import ProfileName, code_of, event_id_of
from creditchain.events import format_time
from regulator.cli.running import HERE, UNFIT, AsJson, Folder, copy_in, fail, load, print_json

findings_app = typer.Typer(
    name="findings", help="What was found, and how far each finding has come.", no_args_is_help=True
)

FINDING_ID_CHARS: Final = 43
"""A finding's id is SHA-256 in base64url; that of its asking is an event's and has 36."""

_LABELS: Final = {"index": "entry"}

FindingId = Annotated[str, typer.Argument(help="The finding's id.")]


@findings_app.command("list")
def list_findings(
    code: Annotated[str | None, typer.Option(help="A rule's code, e.g. C01, or FORK.")] = None,
    severity: Annotated[str | None, typer.Option(help="LOW, MEDIUM or HIGH.")] = None,
    member: Annotated[str | None, typer.Option(help="The member it is held against.")] = None,
    state: Annotated[str | None, typer.Option(help="OPEN, ASKED, ANSWERED or CLOSED.")] = None,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show the register; with --json one finding a line, evidence and all."""
    from creditchain.events.codes import Severity
    from regulator.finding import ABOUT_OURSELVES
    from regulator.findings import PAGE_MAX, State, Wanted, title_of

    if code is not None:
        code = code.strip().upper()
        if title_of(code)[0] == code:
            fail(UNFIT, f"{code} is no code of a rule or of a finding")
    wanted_severity = None if severity is None else code_of(Severity, severity).value
    wanted_state = None if state is None else code_of(State, state)
    register, after, count = _register(data), (-1, -1), 0
    while True:
        wanted = Wanted(code, wanted_severity, member, wanted_state, after=after)
        found = register.read(wanted)
        for one in found:
            if as_json:
                typer.echo(json.dumps(one.to_json(), ensure_ascii=False, sort_keys=True))
                continue
            where = "" if one.index is None else f", entry {one.index}"
            who = one.member or ("ourselves" if one.code in ABOUT_OURSELVES else "the hub")
            unsure = "" if one.certain else " (uncertain)"
            typer.echo(f"{one.id}  {one.code:<5} {one.severity:<6} {one.state.value:<8} {who}")
            typer.echo(f"    {title_of(one.code)[0]}{where}{unsure}")
            if one.asked is not None:
                reply = "" if one.reply is None else f", answered {one.reply}"
                end = "" if one.outcome is None else f", closed {one.outcome}"
                typer.echo(f"    asked as {one.asked}{reply}{end}")
        count += len(found)
        if len(found) < PAGE_MAX:
            break
        after = found[-1].place
    if not as_json:
        typer.echo(f"{count} findings")


@findings_app.command("show")
def show_finding(finding: FindingId, data: Folder = HERE, as_json: AsJson = False) -> None:
    """Show one finding: what, who, the entries that prove it, and how to check it again."""
    from regulator.findings import title_of

    one = _find(data, finding)
    told = one.to_json()
    if as_json:
        print_json(told)
        return
    for word in title_of(one.code):
        typer.echo(word)
    if one.at_ms is not None:
        told["at"] = format_time(one.at_ms)
    for name, value in told.items():
        if name != "evidence":
            typer.echo(f"{_LABELS.get(name, name):<9} {_plain(value)}")
    typer.echo(json.dumps(told["evidence"], indent=2, ensure_ascii=False))
    if (then := _next_step(one)) is not None:
        typer.echo(f"next: {then}")
    if one.pack is not None:
        typer.echo(
            f"check again: regulator audit --json --from {one.index} --to {one.index + 1}"
            "   under the pack named above, over any copy of the log"
        )
    elif one.index is not None:
        typer.echo("check again: regulator check   replays our whole copy without the hub")


@findings_app.command("ask")
def ask_finding(
    finding: FindingId,
    within_days: Annotated[int, typer.Option(min=1, max=366, help="Days to answer in.")] = 20,
    member: Annotated[
        str | None, typer.Option(help="Who must answer, where the finding names nobody.")
    ] = None,
    data: Folder = HERE,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Ask the member concerned; from then on it is on the log."""
    from creditchain.cli.speaking import say
    from creditchain.events.codes import Severity
    from creditchain.events.finding import FindingAsked
    from regulator.audit.rule import ENTRIES_CITED_MAX

    one = _find(data, finding)
    who = member or one.member
    if who is None:
        fail(UNFIT, "the finding names no member; say with --member who must answer")
    answer_by = datetime.now(UTC) + timedelta(days=within_days)
    body = FindingAsked(
        one.id,
        one.code,
        who,
        Severity(one.severity),
        int(answer_by.timestamp() * 1000),
        _entries(one.to_json()["evidence"], one.index, ENTRIES_CITED_MAX),
        one.pack,
    )
    say(profile, as_json, body, {"finding": one.id})


@findings_app.command("close")
def close_finding(
    finding: Annotated[
        str, typer.Argument(help="The finding's id, or the id under which it was asked.")
    ],
    outcome: Annotated[str, typer.Option(help="REMEDIED, UNFOUNDED, SANCTIONED or NOTED.")],
    data: Folder = HERE,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Close a finding that was asked about, answered or not."""
    from creditchain.cli.speaking import say
    from creditchain.events.codes import FindingOutcome
    from creditchain.events.finding import FindingClosed

    how = code_of(FindingOutcome, outcome)
    if len(finding) == FINDING_ID_CHARS:
        asked = _find(data, finding).asked
        if asked is None:
            fail(UNFIT, "nobody was asked about it yet: `regulator findings ask` comes first")
    else:
        asked = event_id_of(finding)
    say(profile, as_json, FindingClosed(asked, how))


def _next_step(one: Any) -> str | None:
    """What can be done with a finding as it stands; nothing with one about ourselves, or closed."""
    from regulator.finding import ABOUT_OURSELVES
    from regulator.findings import State

    if one.state is State.OPEN and one.code not in ABOUT_OURSELVES:
        whom = "" if one.member else " --member WHO"
        return f"regulator findings ask {one.id}{whom} -p PROFILE   asks the member, on the log"
    close = f"regulator findings close {one.id} --outcome OUTCOME -p PROFILE"
    if one.state is State.ASKED:
        return f"the member answers `creditchain finding answer {one.asked}`; then {close}"
    if one.state is State.ANSWERED:
        return f"creditchain finding show {one.asked} -p PROFILE   has its words; then {close}"
    return None


def _plain(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _register(data: Any) -> Any:
    from regulator.findings import FindingRegister

    return FindingRegister(copy_in(load(data).folder).parent)


def _find(data: Any, finding: str) -> Any:
    found = _register(data).find(finding)
    if found is None:
        fail(UNFIT, f"there is no finding {finding}")
    return found


def _entries(evidence: Any, index: int | None, most: int) -> tuple[int, ...] | None:
    """The indexes concerned, as the event lists them: each once, ascending."""
    cited = {int(one["index"]) for one in evidence.get("entries", [])}
    if index is not None:
        cited.add(index)
    return tuple(sorted(cited)[:most]) or None
