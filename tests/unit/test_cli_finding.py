"""Findings and closed cases on a member's command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from creditchain.cli import REFUSED, UNFIT
from creditchain.client.client import Client
from creditchain.client.profile import load_profile
from creditchain.client.supervision import (
    approve_case,
    ask_finding,
    close_case,
    close_finding,
    open_case,
    resolve_identities,
)
from creditchain.events.codes import CaseMatter, FindingOutcome, LookGround, Severity
from creditchain.events.finding import FindingAsked
from creditchain.events.inspection import CaseOpened, IdentitiesResolved
from tests.unit.test_cli import Town, town

__all__ = ["town"]  # the fixture: a hub founded, furnished and run through the command line

T = TypeVar("T")
DAY_MS = 86_400_000


def speak(town: Town, who: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` gives with a client of this profile."""

    async def run() -> T:
        async with load_profile(town.profile(who)).client() as client:
            return await work(client)

    return asyncio.run(run())


def appoint(town: Town, who: str) -> None:
    key = town.key(who)
    options = ("--name", who, "--key", key, "--role", "AUDIT")
    told = town.run("officer", "appoint", *options, who="regulator")
    town.write_profile(who, told["officer"], key)


def test_a_member_answers_what_it_is_asked_and_reads_of_its_inspection(town: Town):
    for who in ("qi", "ren"):
        appoint(town, who)
    soon = int(time.time() * 1000) + DAY_MS
    asking = FindingAsked("A" * 43, "C01", "bank-hana", Severity.HIGH, soon, (3, 4), "delta/1")
    asked = speak(town, "qi", lambda client: ask_finding(client, asking)).id

    [listed] = town.run("finding", "list", who="bank-hana")
    assert (listed["id"], listed["status"], listed["entries"]) == (asked, "ASKED", [3, 4])
    assert town.run("finding", "list", who="agency-pearl") == []
    words = ("finding", "answer", asked, "--text", "It was so.")
    refused = town.run(*words, "--reply", "accepted", who="agency-pearl", code=REFUSED)
    assert refused["refusal"]["code"] == "NOT_YOURS"
    town.run(*words, "--reply", "perhaps", who="bank-hana", code=UNFIT)
    assert town.run(*words, "--reply", "accepted", who="bank-hana")["type"] == "FindingAnswered"
    speak(town, "qi", lambda client: close_finding(client, asked, FindingOutcome.SANCTIONED))
    town.run(*words, "--reply", "contested", who="bank-hana")
    shown = town.run("finding", "show", asked, who="bank-hana")
    assert (shown["status"], shown["statement"], shown["contest"]) == (
        "CLOSED", "It was so.", "It was so.",
    )  # fmt: skip
    assert "no finding" in town.run("finding", "show", asked, who="ann", code=REFUSED)["error"]
    assert town.run("finding", "list", "--status", "asked", who="bank-hana") == []

    inspect(town)
    [case] = town.run("case", "list", who="bank-hana")
    assert (case["notice"], case["lookCount"]) == ("YF-2026-17", 2)
    told = town.run("case", "show", case["id"], who="bank-hana")
    assert [look["subjects"] for look in told["looks"]] == [[town.acme], [town.acme]]
    shown = town.try_run("case", "show", case["id"], "-p", town.profile("bob"), as_json=False)
    assert "notice: YF-2026-17" in shown.stdout
    assert shown.stdout.count(f"  {town.acme}\n") == 2
    assert town.run("case", "list", who="agency-pearl") == []
    assert "no case" in town.run("case", "show", case["id"], who="ann", code=REFUSED)["error"]


def inspect(town: Town) -> None:
    """A case about bank-hana with two looks at its enterprise, and its end."""
    opened = CaseOpened("YF-2026-17", "bank-hana", CaseMatter.FINDING)
    case = speak(town, "qi", lambda client: open_case(client, opened)).id
    speak(town, "ren", lambda client: approve_case(client, case))
    look = IdentitiesResolved(case, (town.acme,), LookGround.FINDING)
    for who in ("qi", "ren"):
        shown: Any = speak(town, who, lambda client: resolve_identities(client, look))
        assert [found.name for found in shown.identities] == ["Acme"]
        assert town.run("case", "list", who="bank-hana") == []
    speak(town, "ren", lambda client: close_case(client, case))


def test_an_enterprise_may_be_enrolled_with_its_legal_form(town: Town):
    paper, key = town.folder / "stall.pdf", town.key("stall")
    paper.write_bytes(b"authority")
    words = ("enrol", "--name", "Stall", "--uscc", "92440101MA5AKYY21N", "--region", "990100")
    words += ("--key", key, "--authority", str(paper))
    refused = town.run(*words, "--form", "guild", who="bank-hana", code=UNFIT)
    assert "SOLE_TRADER" in refused["error"]
    told = town.run(*words, "--form", "sole-trader", who="bank-hana")
    town.write_profile("stall", told["enterprise"], key)
    assert (
        speak(town, "stall", lambda client: client.ask("Enterprise", id=told["enterprise"]))["form"]
        == "SOLE_TRADER"
    )
