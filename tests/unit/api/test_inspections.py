"""The regulator learns names in an approved case, once the look is on the log, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from creditchain.client.fresh import fresh_salt
from creditchain.events.codes import CaseMatter, LookGround, ObjectionOutcome, Role, Section
from creditchain.events.inspection import (
    CaseApproved,
    CaseClosed,
    CaseOpened,
    IdentitiesResolved,
)
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.officer import OfficerDismissed
from creditchain.seal import Sealed
from creditchain.tlog.tile import parse_bundle
from tests.unit.api.town import USCCS, Town, identity, mutation_of, officer_id, opaque, proof_of

ACME, BOLT = opaque("en", "en-acme"), opaque("en", "en-bolt")
CLERK = officer_id("bank-hana")
FIRST, SECOND, THIRD = (officer_id("regulator", f"audits{n}") for n in "123")


async def open_case(town: Town, member: str = "bank-hana", *, approved: bool = True) -> str:
    """The id of a case about a member, opened by FIRST and approved by SECOND."""
    for n in "123":
        if await town.ask("regulator", "Officer", id=officer_id("regulator", f"audits{n}")) == {
            "officer": None
        }:
            await town.appoint("regulator", f"audits{n}", (Role.AUDIT,))
    sealed = town.signer(FIRST).seal(CaseOpened("YF-2026-17", member, CaseMatter.ROUTINE))
    assert (await town.done(sealed))["case"]["status"] == "OPENED"
    if approved:
        payload = await town.done(town.signer(SECOND).seal(CaseApproved(sealed.event.id)))
        assert payload["case"]["status"] == "APPROVED"
    return sealed.event.id


def look(
    town: Town,
    case: str,
    subjects: Sequence[str] = (ACME, CLERK),
    by: str = FIRST,
    objections: tuple[str, ...] | None = None,
) -> Sealed:
    """A sealed look."""
    chosen = tuple(sorted(subjects))
    body = IdentitiesResolved(case, chosen, LookGround.SAMPLE, objections)
    return town.signer(by).seal(body)


async def close(town: Town, case: str) -> None:
    await town.done(town.signer(SECOND).seal(CaseClosed(case)))


async def objected(town: Town) -> tuple[str, str, str]:
    """(id, words, answer) of an objection of ACME that agency-pearl has answered."""
    words = {"text": "The loan was repaid.", "salt": fresh_salt()}
    raised = town.signer(ACME).seal(ObjectionRaised("agency-pearl", Section.LOANS, identity(words)))
    await town.done(raised, words)
    answer = {"text": "So it was.", "salt": fresh_salt()}
    body = ObjectionAnswered(raised.event.id, ObjectionOutcome.DATA_WRONG, identity(answer))
    await town.done(town.agent().seal(body), answer)
    return raised.event.id, words["text"], answer["text"]


async def test_a_look_is_on_the_log_and_shows_who_they_are(town: Town):
    case = await open_case(town)
    objection, words, answer = await objected(town)
    sealed = look(town, case, (ACME, CLERK), objections=(objection,))
    payload = await town.done(sealed)
    assert town.ledger.find(sealed.event.id)[0] == payload["receipt"]["index"]
    shown = {who["subject"]: who for who in payload["identities"]}
    assert shown[ACME]["name"] == "en-acme Ltd"
    assert shown[ACME]["uscc"] == USCCS["en-acme"]
    assert (shown[CLERK]["name"], shown[CLERK]["uscc"]) == ("orders of bank-hana", None)
    # What the hub shows is what was enrolled: the fingerprint on the log says so.
    for who in shown.values():
        row = {name: who[name] for name in ("name", "uscc", "salt") if who[name] is not None}
        assert identity(row) == who["identity"]
    assert payload["words"] == [{"id": objection, "statement": words, "answer": answer}]
    looks = [
        (access.actor, access.subject)
        for access in town.directory.accesses(limit=100)
        if access.case == case
    ]
    assert {(FIRST, ACME), (FIRST, CLERK), (FIRST, objection)} <= set(looks)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("opened", "CASE_STATUS"),
        ("closed", "CASE_STATUS"),
        ("third", "NOT_YOURS"),
        ("own key", "ROLE_MISSING"),
        ("alone", "CASE_OFFICERS"),
    ],
)
async def test_outside_an_approved_case_of_two_nobody_is_named(town: Town, state: str, code: str):
    case = await open_case(town, approved=state != "opened")
    by = {"third": THIRD, "own key": "regulator"}.get(state, FIRST)
    if state == "closed":
        await close(town, case)
    if state == "alone":
        await town.done(town.signer("regulator").seal(OfficerDismissed(SECOND)))
    payload = await town.say(look(town, case, by=by))
    assert payload["refusal"]["code"] == code
    assert (payload["identities"], payload["words"], payload["look"]) == (None, None, None)
    assert not any(access.case for access in town.directory.accesses(limit=100))


async def test_a_look_repeated_shows_the_same_until_the_case_is_closed(town: Town):
    case = await open_case(town)
    sealed = look(town, case, (ACME,))
    once, again = await town.done(sealed), await town.done(sealed)
    assert once["receipt"]["index"] == again["receipt"]["index"]
    assert once["identities"] == again["identities"] != []
    await close(town, case)
    late = await town.done(sealed)
    assert late["receipt"]["index"] == once["receipt"]["index"]
    assert (late["identities"], late["words"]) == (None, None)


async def test_names_are_shown_to_whoever_signed_the_look_and_to_no_colleague(town: Town):
    case = await open_case(town)
    sealed = look(town, case, (ACME,))
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    for other in (SECOND, THIRD, "regulator"):
        [error] = await town.errors(other, name, **variables)
        assert error["extensions"]["code"] == "FORBIDDEN"
    assert town.ledger.find(sealed.event.id) is None
    # Handed in among others, it is on the log and shows nothing.
    [done] = (await town.ask("regulator", "Submit", events=[sealed.body.decode()]))["submit"]
    assert done["receipt"] is not None
    for other in (SECOND, "regulator"):
        [error] = await town.errors(other, name, **variables)
        assert error["extensions"]["code"] == "FORBIDDEN"
    assert (await town.done(sealed))["identities"][0]["name"] == "en-acme Ltd"


async def test_an_erased_name_is_not_shown(town: Town):
    case = await open_case(town)
    town.directory.erase(ACME, town.clock())
    [who] = (await town.done(look(town, case, (ACME,))))["identities"]
    assert (who["name"], who["uscc"], who["salt"]) == (None, None, None)
    assert who["identity"] is not None


async def test_no_other_way_leads_the_regulator_to_a_name(town: Town):
    await open_case(town)
    objection, words, answer = await objected(town)
    order = await town.placed(await town.consent())
    secrets = ["en-acme Ltd", USCCS["en-acme"], "orders of bank-hana", words, answer]
    for actor in ("regulator", FIRST):
        text = ""
        for name, more in (
            ("Enterprise", {"id": ACME}),
            ("Officer", {"id": CLERK}),
            ("Officers", {"first": 100}),
            ("Objection", {"id": objection}),
            ("Order", {"id": order}),
            ("Orders", {"first": 100}),
            ("Consents", {"first": 100}),
            ("Accesses", {"first": 100}),
        ):
            text += str(await town.ask(actor, name, **more))
        for index in range(town.ledger.head().size):
            text += str(await town.ask(actor, "Event", index=index))
        assert [secret for secret in secrets if secret in text] == []
        [error] = await town.errors(actor, "FindEnterprise", uscc=USCCS["en-acme"])
        assert error["extensions"]["code"] == "FORBIDDEN"
    # Its own officers are its own.
    assert "audits1 of regulator" in str(await town.ask("regulator", "Officer", id=FIRST))


async def test_the_member_sees_the_case_and_each_look_once_it_is_closed(town: Town):
    case = await open_case(town)
    looked = look(town, case, (ACME, CLERK))
    await town.done(looked)
    everybody = ("bank-hana", CLERK, "bank-ivy", "agency-pearl", "operator", ACME)
    for actor in everybody:
        assert (await town.ask(actor, "Case", id=case))["case"] is None
        assert (await town.ask(actor, "Cases", first=10))["cases"]["nodes"] == []
        assert (await town.ask(actor, "Event", id=looked.event.id))["event"] is None
    await close(town, case)
    for actor in everybody:
        told = actor in ("bank-hana", CLERK)
        seen = (await town.ask(actor, "Case", id=case, first=10))["case"]
        listed = (await town.ask(actor, "Cases", first=10))["cases"]["nodes"]
        event = (await town.ask(actor, "Event", id=looked.event.id))["event"]
        assert (seen is not None, len(listed), event is not None) == (told, told, told), actor
    seen = (await town.ask("bank-hana", "Case", id=case, first=10))["case"]
    assert (seen["notice"], seen["lookCount"], seen["status"]) == ("YF-2026-17", 1, "CLOSED")
    [one] = seen["looks"]["nodes"]
    assert (one["id"], one["officer"]) == (looked.event.id, FIRST)
    assert one["subjects"] == sorted((ACME, CLERK))


async def test_the_bodies_of_a_case_join_the_members_feed_when_it_is_closed(town: Town):
    case = await open_case(town)
    looked = look(town, case, (ACME,))
    await town.done(looked)
    assert looked.body not in await bodies(town, "bank-hana")
    assert looked.body in await bodies(town, "regulator")
    await close(town, case)
    assert looked.body in await bodies(town, "bank-hana")
    assert looked.body not in await bodies(town, "bank-ivy")


async def bodies(town: Town, actor: str) -> list[bytes]:
    size = town.ledger.head().size
    headers = await town.headers(actor)
    answer = await town.http.get(f"/log/bodies/000.p/{size}", headers=headers)
    assert answer.status_code == 200, answer.text
    return parse_bundle(answer.content, size, allow_empty=True)


async def test_who_was_looked_at_is_told_once_the_case_is_closed(town: Town):
    case, other = await open_case(town), await open_case(town, "agency-pearl")
    await town.done(look(town, case, (ACME, CLERK)))
    await town.done(look(town, other, (ACME,)))
    for subject in (ACME, CLERK):
        assert in_cases(await town.ask(subject, "Accesses", first=100)) == []
    await close(town, case)
    for subject in (ACME, CLERK):
        assert in_cases(await town.ask(subject, "Accesses", first=100)) == [(FIRST, case)]
    assert in_cases(await town.ask(BOLT, "Accesses", first=100)) == []
    await close(town, other)
    told = in_cases(await town.ask(ACME, "Accesses", first=100))
    assert told == [(FIRST, case), (FIRST, other)]
    # The regulator sees its own looks at once.
    everyone = in_cases(await town.ask("regulator", "Accesses", first=100))
    assert {(FIRST, case), (FIRST, other)} <= set(everyone)


def in_cases(answer: dict[str, Any]) -> list[tuple[str, str]]:
    nodes = answer["accesses"]["nodes"]
    return [(node["actor"], node["case"]) for node in nodes if node["case"] is not None]


async def test_looks_are_paged(town: Town):
    case = await open_case(town)
    said = []
    for by in (FIRST, SECOND, FIRST):
        sealed = look(town, case, (ACME,), by)
        await town.done(sealed)
        said.append(sealed.event.id)
    await close(town, case)
    seen, after = [], None
    while True:
        page = (await town.ask("bank-hana", "Case", id=case, first=2, after=after))["case"]["looks"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == said
