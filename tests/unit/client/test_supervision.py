"""Findings and inspections as the client says them, at a hub that tells the truth and one that
does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from creditchain.client.client import Client, RefusedByHub
from creditchain.client.evidence import BadEvidence, Trust
from creditchain.client.supervision import (
    answer_finding,
    approve_case,
    ask_finding,
    close_case,
    close_finding,
    open_case,
    resolve_identities,
)
from creditchain.events.codes import (
    CaseMatter,
    FindingOutcome,
    FindingReply,
    LookGround,
    Role,
    Severity,
)
from creditchain.events.finding import FindingAsked
from creditchain.events.inspection import CaseOpened, IdentitiesResolved
from creditchain.rulebook import Refusal
from tests.unit.api.town import BASE, DAY_MS, USCCS, Town, digest, officer_id, opaque, open_town

FIRST, SECOND = officer_id("regulator", "audits1"), officer_id("regulator", "audits2")
ACME, CLERK = opaque("en", "en-acme"), officer_id("bank-hana")


class Speakers:
    """Clients of a town's actors."""

    def __init__(self, town: Town, stack: AsyncExitStack) -> None:
        self.town = town
        self._stack = stack
        self._trust = Trust.of_genesis((town.folder / "genesis.body").read_bytes())

    async def client(self, actor: str) -> Client:
        transport = httpx2.ASGITransport(app=self.town.app)
        client = Client(BASE, self.town.signer(actor), self._trust, transport=transport)
        return await self._stack.enter_async_context(client)

    async def case(self) -> str:
        """The id of an approved case about bank-hana."""
        opening = CaseOpened("YF-2026-17", "bank-hana", CaseMatter.ROUTINE)
        opened = await open_case(await self.client(FIRST), opening)
        await approve_case(await self.client(SECOND), opened.id)
        return opened.id


@pytest.fixture
async def speakers(tmp_path: Path) -> AsyncIterator[Speakers]:
    async with open_town(tmp_path) as town, AsyncExitStack() as stack:
        for post in ("audits1", "audits2"):
            await town.appoint("regulator", post, (Role.AUDIT,))
        yield Speakers(town, stack)


async def test_a_finding_goes_from_question_to_end(speakers: Speakers):
    auditor, bank = await speakers.client(FIRST), await speakers.client("bank-hana")
    answer_by = speakers.town.clock() + DAY_MS
    asking = FindingAsked(digest("finding"), "C01", "bank-hana", Severity.HIGH, answer_by)
    asked = await ask_finding(auditor, asking)
    await answer_finding(bank, asked.id, FindingReply.REMEDIED, "It is mended.")
    await close_finding(auditor, asked.id, FindingOutcome.REMEDIED)
    [listed] = [node async for node in bank.every("Findings", status="CLOSED")]
    assert (listed["id"], listed["outcome"]) == (asked.id, "REMEDIED")
    found = await auditor.ask("Finding", id=asked.id)
    assert found["statement"] == "It is mended."
    with pytest.raises(RefusedByHub) as refused:
        await close_finding(auditor, asked.id, FindingOutcome.NOTED)
    assert refused.value.code is Refusal.FINDING_CLOSED


async def test_a_look_shows_names_whose_fingerprints_are_on_the_log(speakers: Speakers):
    case = await speakers.case()
    look = IdentitiesResolved(case, (ACME, CLERK), LookGround.SAMPLE)
    shown = await resolve_identities(await speakers.client(FIRST), look)
    assert [(who.subject, who.name, who.uscc) for who in shown.identities] == [
        (ACME, "en-acme Ltd", USCCS["en-acme"]),
        (CLERK, "orders of bank-hana", None),
    ]
    assert shown.words == ()
    assert shown.receipt.index == speakers.town.ledger.head().size - 1
    # Sealed once and said twice, it is one look.
    sealed = speakers.town.signer(SECOND).seal(look)
    once = await resolve_identities(await speakers.client(SECOND), sealed)
    again = await resolve_identities(await speakers.client(SECOND), sealed)
    assert (once.id, once.identities) == (again.id, again.identities)
    assert once.receipt.index == again.receipt.index == shown.receipt.index + 1
    await close_case(await speakers.client(FIRST), case)
    with pytest.raises(RefusedByHub) as refused:
        await resolve_identities(await speakers.client(SECOND), look)
    assert refused.value.code is Refusal.CASE_STATUS


@pytest.mark.parametrize("lie", ["name", "uscc", "salt", "subject", "missing", "nothing"])
async def test_a_name_that_was_not_enrolled_is_not_believed(
    speakers: Speakers, lie: str, monkeypatch: pytest.MonkeyPatch
):
    case, client = await speakers.case(), await speakers.client(FIRST)
    honest = client.submit_and_read

    async def lying(sealed: Any, **more: Any) -> Any:
        receipt, answer = await honest(sealed, **more)
        first, second = answer["identities"]
        other = {"name": "Other Ltd", "uscc": USCCS["en-bolt"], "salt": "A" * 22}
        if lie in other:
            first = {**first, lie: other[lie]}
        elif lie == "subject":
            first = {**first, "subject": opaque("en", "en-bolt")}
        elif lie == "missing":
            del second["salt"]
        rows = [first] if lie == "nothing" else [first, second]
        return receipt, {**answer, "identities": rows}

    monkeypatch.setattr(client, "submit_and_read", lying)
    look = IdentitiesResolved(case, (ACME, CLERK), LookGround.SAMPLE)
    with pytest.raises(BadEvidence, match=r"enrolled|incomplete|others"):
        await resolve_identities(client, look)


async def test_erased_names_are_shown_as_none(speakers: Speakers):
    case = await speakers.case()
    speakers.town.directory.erase(ACME, speakers.town.clock())
    look = IdentitiesResolved(case, (ACME,), LookGround.COMPLAINT)
    [who] = (await resolve_identities(await speakers.client(SECOND), look)).identities
    assert (who.subject, who.name, who.uscc, who.salt) == (ACME, None, None, None)
    assert who.identity
