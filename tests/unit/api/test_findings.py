"""Findings through the doors: asked of a member, answered in words, closed, contested."""

from __future__ import annotations

from typing import Any

from creditchain.client.fresh import fresh_salt
from creditchain.events.codes import FindingOutcome, FindingReply, Role, Severity
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from tests.unit.api.town import (
    DAY_MS,
    Town,
    digest,
    identity,
    mutation_of,
    officer_id,
    opaque,
    proof_of,
)

ACTORS = ("bank-hana", "bank-ivy", "agency-pearl", "operator", "regulator", opaque("en", "en-acme"))


async def ask(town: Town, **changes: Any) -> str:
    """The id of a finding that an auditor asks bank-hana about."""
    said = {
        "finding": digest("finding"),
        "code": "C01",
        "member": "bank-hana",
        "severity": Severity.HIGH,
        "answer_by": town.clock() + 20 * DAY_MS,
        "entries": (3, 17),
        "pack": "delta/2026.1",
    }
    auditor = officer_id("regulator", "audits")
    sealed = town.signer(auditor).seal(FindingAsked(**{**said, **changes}))
    payload = await town.done(sealed)
    assert payload["finding"]["status"] == "ASKED"
    return sealed.event.id


async def answer(town: Town, finding: str, reply: FindingReply, text: str) -> dict[str, Any]:
    """The finding after bank-hana has answered in these words."""
    words = {"text": text, "salt": fresh_salt()}
    body = FindingAnswered(finding, reply, identity(words))
    payload = await town.done(town.signer("bank-hana").seal(body), words)
    found: dict[str, Any] = payload["finding"]
    return found


async def close(town: Town, finding: str, outcome: FindingOutcome) -> None:
    await town.done(town.signer("regulator").seal(FindingClosed(finding, outcome)))


async def test_a_finding_is_asked_answered_closed_and_contested(town: Town):
    await town.appoint("regulator", "audits", (Role.AUDIT,))
    finding = await ask(town)
    assert (await answer(town, finding, FindingReply.ACCEPTED, "A clerk erred."))["status"] == (
        "ANSWERED"
    )
    await answer(town, finding, FindingReply.REMEDIED, "The clerk was trained.")
    await close(town, finding, FindingOutcome.SANCTIONED)
    contested = await answer(town, finding, FindingReply.CONTESTED, "The fine is too high.")
    assert contested["status"] == "CLOSED"
    again = await ask(town, severity=Severity.LOW)
    for actor in ("bank-hana", officer_id("bank-hana"), "regulator"):
        seen = (await town.ask(actor, "Finding", id=finding))["finding"]
        assert (seen["code"], seen["entries"], seen["pack"]) == ("C01", [3, 17], "delta/2026.1")
        assert (seen["reply"], seen["outcome"]) == ("REMEDIED", "SANCTIONED")
        assert seen["statement"] == "The clerk was trained."
        assert seen["contest"] == "The fine is too high."
        assert seen["contestedAt"] is not None
        later = (await town.ask(actor, "Finding", id=again))["finding"]
        assert (later["digest"], later["earlier"]) == (seen["digest"], finding)
        assert later["statement"] is None


async def test_a_member_sees_the_findings_it_is_asked_about_and_no_others(town: Town):
    await town.appoint("regulator", "audits", (Role.AUDIT,))
    mine = await ask(town)
    theirs = await ask(town, member="agency-pearl")
    may = {"bank-hana": {mine}, "agency-pearl": {theirs}, "regulator": {mine, theirs}}
    for actor in ACTORS:
        page = (await town.ask(actor, "Findings", first=10))["findings"]
        assert {node["id"] for node in page["nodes"]} == may.get(actor, set()), actor
        for finding in (mine, theirs):
            seen = (await town.ask(actor, "Finding", id=finding))["finding"]
            assert (seen is not None) == (finding in may.get(actor, set())), actor
            event = (await town.ask(actor, "Event", id=finding))["event"]
            assert (event is not None) == (finding in may.get(actor, set())), actor


async def test_findings_are_listed_by_how_far_they_are(town: Town):
    await town.appoint("regulator", "audits", (Role.AUDIT,))
    one = await ask(town)
    two = await ask(town, finding=digest("another"), severity=Severity.LOW)
    await close(town, two, FindingOutcome.NOTED)
    for wanted, found in (
        ({"status": "ASKED"}, [one]),
        ({"status": "CLOSED"}, [two]),
        ({"severity": "LOW"}, [two]),
        ({"member": "bank-hana"}, [one, two]),
        ({"member": "bank-ivy"}, []),
        ({"digest": digest("finding")}, [one]),
    ):
        page = (await town.ask("regulator", "Findings", first=10, **wanted))["findings"]
        assert [node["id"] for node in page["nodes"]] == found, wanted


async def test_words_that_are_not_those_of_the_answer_are_turned_away(town: Town):
    await town.appoint("regulator", "audits", (Role.AUDIT,))
    finding = await ask(town)
    words = {"text": "One thing.", "salt": fresh_salt()}
    sealed = town.signer("bank-hana").seal(
        FindingAnswered(finding, FindingReply.CONTESTED, identity(words))
    )
    name, variables = mutation_of(sealed.event, proof_of(sealed), words | {"text": "Another."})
    [error] = await town.errors("bank-hana", name, **variables)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await town.ask("bank-hana", "Finding", id=finding))["finding"]["status"] == "ASKED"


async def test_a_refused_answer_leaves_no_words_behind(town: Town):
    await town.appoint("regulator", "audits", (Role.AUDIT,))
    finding = await ask(town)
    words = {"text": "Not mine to say.", "salt": fresh_salt()}
    sealed = town.signer("bank-ivy").seal(
        FindingAnswered(finding, FindingReply.CONTESTED, identity(words))
    )
    payload = await town.say(sealed, words)
    assert payload["refusal"]["code"] == "NOT_YOURS"
    assert payload["finding"] is None
    assert town.directory.staged(0) == []
    assert not town.directory.has_row(sealed.event.id)
