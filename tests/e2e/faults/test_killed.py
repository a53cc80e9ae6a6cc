"""kill -9 of hub and observer at random moments of a load: nothing answered is lost or doubled.

Real clients keep a journal, as members do: what was answered, and what was sent and not answered.
The seed is printed; the same seed kills at the same moments after the first answer.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from creditchain.client.client import Client, HubFailure, HubUnreachable
from creditchain.client.evidence import BadEvidence, Level, Receipt, check_receipt
from creditchain.client.verify import LogUrl, verify_log
from creditchain.seal import Entry, Sealed, format_entry
from creditchain.tlog.tile import TILE_WIDTH, BundlePath, format_bundle_path, parse_bundle
from fixtures.demo.stage import Process
from tests.e2e.faults.small_stage import (
    BANK,
    ENTERPRISES,
    ORDERING,
    SmallStage,
    consent,
    end,
    eventually,
    order,
    row_of,
)

KILLS = 3
SUBMITTERS = 6
MOMENT_MOST_S = 0.5
"""A batch takes some milliseconds: within half a second every step of a commit comes up often."""


@dataclass
class Journal:
    """What one client knows of what it has said."""

    answered: dict[str, tuple[Sealed, Receipt]] = field(default_factory=dict)
    unanswered: dict[str, Sealed] = field(default_factory=dict)


class Load:
    """Clients that place orders, and one that enrols enterprises, until the hub is gone."""

    def __init__(self, stage: SmallStage, given: str) -> None:
        self.stage = stage
        self.given = given
        self.journal = Journal()
        self._new = list(ENTERPRISES[2:])
        self._rows: dict[str, dict[str, str]] = {}

    async def until_killed(self, moment_s: float) -> None:
        """Runs; so long after the first answer the hub is killed."""
        known = len(self.journal.answered)
        async with asyncio.TaskGroup() as group:
            for _ in range(SUBMITTERS):
                group.create_task(self._place())
            group.create_task(self._enrol())
            while len(self.journal.answered) == known:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await asyncio.sleep(moment_s)
            await asyncio.to_thread(end, self.stage.hub)

    async def ask_again(self) -> tuple[int, int]:
        """Asks for every id that was not answered, then says it again; (known, unknown)."""
        known = 0
        journal = self.journal
        async with self.stage.client(ORDERING) as officer, self._admin() as admin:
            for id_, sealed in sorted(journal.unanswered.items()):
                client = admin if id_ in self._rows else officer
                before = await client.receipt(sealed)
                receipt = await self._submit(client, sealed)
                if before is not None:
                    known += 1
                    assert (receipt.index, receipt.at) == (before.index, before.at)
                journal.answered[id_] = sealed, receipt
        unknown = len(journal.unanswered) - known
        journal.unanswered.clear()
        return known, unknown

    async def _place(self) -> None:
        async with self.stage.client(ORDERING, patience_s=0) as client:
            while await self._say(client, client.signer.seal(order(self.given))):
                pass

    async def _enrol(self) -> None:
        async with self._admin() as client:
            while True:
                enterprise = self._new.pop(0)
                sealed = client.signer.seal(enterprise.enrolled())
                self._rows[sealed.event.id] = row_of(enterprise)
                if not await self._say(client, sealed):
                    return

    def _admin(self) -> Client:
        return self.stage.client(f"{BANK}/admin", patience_s=0)

    async def _say(self, client: Client, sealed: Sealed) -> bool:
        """Whether it was answered; the journal says so either way."""
        self.journal.unanswered[sealed.event.id] = sealed
        try:
            receipt = await self._submit(client, sealed)
        except (HubUnreachable, HubFailure):
            return False
        del self.journal.unanswered[sealed.event.id]
        self.journal.answered[sealed.event.id] = sealed, receipt
        return True

    async def _submit(self, client: Client, sealed: Sealed) -> Receipt:
        return await client.submit(sealed, directory=self._rows.get(sealed.event.id))

    @property
    def enrolled(self) -> list[str]:
        """The enterprises whose enrolment was sent."""
        return [e.id for e in ENTERPRISES[2 : len(ENTERPRISES) - len(self._new)]]


@pytest.fixture(scope="module")
def running(copy: SmallStage) -> SmallStage:
    """A running stage to kill."""
    copy.start()
    return copy


def entries_of(stage: SmallStage) -> list[bytes]:
    """Every entry of the log, which is verified from its checkpoint down."""
    log = LogUrl(f"{stage.url}/log")
    try:
        verdict = verify_log(log, stage.trust)
        assert verdict.ok, verdict.problems
        found: list[bytes] = []
        size = stage.size()
        while len(found) < size:
            path = BundlePath(len(found) // TILE_WIDTH, min(TILE_WIDTH, size - len(found)))
            bundle = log.read(format_bundle_path(path), 1 << 20)
            assert bundle is not None
            found += parse_bundle(bundle, path.width)
    finally:
        log.close()
    return found


async def test_killed_at_random_moments_they_lose_nothing_answered_and_double_nothing(
    running: SmallStage,
):
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    moments = random.Random(seed)
    stage = running
    async with stage.cast() as cast:
        load = Load(stage, await consent(cast, uses_max=100_000))
    before = stage.size()
    for _ in range(KILLS):
        # The observer dies at a moment of its own, while it follows what the hub goes on with.
        killing = load.until_killed(moments.random() * MOMENT_MOST_S)
        await asyncio.gather(killing, kill_after(stage.observer, moments.random()))
        print(f"{len(load.journal.answered)} answered, {len(load.journal.unanswered)} not")
        await asyncio.to_thread(stage.start)
        known, unknown = await load.ask_again()
        print(f"of those not answered {known} were on the log, {unknown} were not")
    answered = load.journal.answered
    entries = entries_of(stage)
    assert len(entries) == before + len(answered)
    for sealed, receipt in answered.values():
        assert entries[receipt.index] == format_entry(Entry(receipt.at, sealed.commitment))
        again = check_receipt(
            sealed.commitment, receipt.at, receipt.proof, stage.trust, Level.CHECKPOINTED
        )
        assert again.index == receipt.index
    eventually(lambda: stage.cosigned() == len(entries))
    status = stage.observed()
    assert (status["violations"], status["uncertain"]) == (0, 0), status["findings"]
    async with stage.client(f"{BANK}/admin") as admin:
        for sealed, receipt in moments.sample(sorted(answered.values(), key=at_index), 20):
            observed = await admin.receipt(sealed, Level.OBSERVED)
            assert observed is not None
            assert observed.index == receipt.index
        for enterprise in load.enrolled:
            assert (await admin.ask("Enterprise", id=enterprise))["name"]


def at_index(item: tuple[Sealed, Receipt]) -> int:
    """The index of an answered event."""
    return item[1].index


async def kill_after(process: Process, seconds: float) -> None:
    """kill -9 after some seconds."""
    await asyncio.sleep(seconds)
    await asyncio.to_thread(end, process)


async def test_while_the_observer_is_dead_the_hub_admits_and_nothing_is_called_observed(
    running: SmallStage,
):
    stage = running
    end(stage.observer)
    async with stage.cast() as cast:
        given = await consent(cast)
        officer = await cast.of(ORDERING)
        sealed = officer.signer.seal(order(given))
        receipt = await officer.submit(sealed)
        assert receipt.level is Level.CHECKPOINTED
        with pytest.raises(BadEvidence):
            await officer.receipt(sealed, Level.OBSERVED)
        assert stage.is_ready()
        stage.start(stage.observer)
        assert (await officer.submit(sealed, wait_for=Level.OBSERVED)).index == receipt.index
