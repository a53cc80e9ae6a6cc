"""The clock on a real ledger: what falls due is said once, and private rows follow the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from creditchain import clock as clock_module
from creditchain.clock import Clock
from creditchain.config import load_policy, load_secrets
from creditchain.directory import Directory, OfficerRow, Reader, StatementRow
from creditchain.events import parse_json
from creditchain.events.codes import ErasureGround, Section
from creditchain.events.consent import ConsentWithdrawn
from creditchain.events.erasure import DirectoryErased, ReportErased
from creditchain.events.objection import ObjectionRaised
from creditchain.founding import ledger_keys, open_genesis
from creditchain.ledger import Busy, Ledger
from creditchain.private_store import open_private_store
from creditchain.rulebook.record import Consent, ConsentStatus, Erasure, Order, OrderStatus
from creditchain.vault import ORPHAN_MS, Vault
from tests.unit.hub_world import (
    AGENCY,
    BANK,
    DAY_MS,
    ENTERPRISE,
    FIXTURE,
    OPERATOR,
    ORDERING,
    PRODUCT,
    REGULATOR,
    Time,
    World,
    found,
)

READER = Reader("of_AAAAAAAAAAAAAAAAAAAAAA", BANK)


class Room:
    """Everything a clock looks at, opened from a folder; closed and opened again by tests."""

    def __init__(self, folder: Path, now: Time) -> None:
        config = found(folder)

        founded = open_genesis(config.genesis_path.read_bytes())
        keys = ledger_keys(founded, load_secrets(config), load_policy(config))
        self.now = now
        self.ledger = Ledger.open(config.ledger_path, keys, clock=now)
        self.engine = open_private_store(config.private_path)
        self.directory = Directory(self.engine)
        self.vault = Vault(self.engine, retention_days=90)
        self.world = World(self.ledger, now)
        self.republished = 0
        self.clock = Clock(
            self.ledger,
            self.directory,
            self.vault,
            self.world.signer(OPERATOR),
            scan_every_s=1,
            republish=self.republish,
            now=now,
        )

    def republish(self) -> None:
        self.republished += 1

    def status(self, order: str) -> OrderStatus:
        return self.ledger.book.get(Order, order).status

    async def close(self) -> None:
        await self.clock.stop()
        self.ledger.close()
        self.engine.dispose()

    def last(self) -> tuple[str, dict]:
        """Type and body of the last event."""
        event = parse_json(self.ledger.body(self.ledger.head().size - 1), 70_000)["event"]
        return event["type"], event


@pytest.fixture
async def room(tmp_path: Path):
    room = Room(tmp_path, Time())
    await room.world.furnish()
    yield room
    await room.close()


async def test_an_order_lapses_at_its_due_time_and_only_once(room: Room):
    consent = await room.world.consent()
    order = await room.world.order(consent)
    # A log's time may run a few ms ahead of a clock that stands still.
    room.now.ms = room.ledger.book.get(Order, order).due_at - 1
    assert await room.clock.lapse_orders() == 0
    room.now.ms += 1
    assert await room.clock.lapse_orders() == 1
    assert room.status(order) is OrderStatus.LAPSED
    type_, event = room.last()
    assert (type_, event["by"], event["body"]) == ("OrderLapsed", OPERATOR, {"order": order})
    size = room.ledger.head().size
    assert await room.clock.lapse_orders() == 0
    assert room.ledger.head().size == size


async def test_answered_orders_do_not_lapse(room: Room):
    order = await room.world.deliver(await room.world.consent(), b"sealed")
    room.now.ms += 2 * PRODUCT.due_within_ms
    assert await room.clock.lapse_orders() == 0
    assert room.status(order) is OrderStatus.DELIVERED


async def test_many_lapse_page_by_page_and_a_refused_one_does_not_hold_them_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(clock_module, "SCAN_MAX", 3)
    consent = await room.world.consent()
    orders = [await room.world.order(consent) for _ in range(8)]
    room.now.ms += PRODUCT.due_within_ms + DAY_MS
    refused = room.ledger.submit
    calls = []

    async def submit(items):
        calls.append(len(items))
        return await refused(items)

    monkeypatch.setattr(room.ledger, "submit", submit)
    assert await room.clock.lapse_orders() == 8
    assert calls == [3, 3, 2]
    assert {room.status(order) for order in orders} == {OrderStatus.LAPSED}


async def test_consents_and_requests_expire_at_the_end_of_their_window(room: Room):
    granted, requested = await room.world.consent(days=1), await room.world.request(days=1)
    longer, withdrawn = await room.world.consent(days=9), await room.world.consent(days=1)
    await room.world.say(ENTERPRISE.id, ConsentWithdrawn(withdrawn))
    room.now.ms += DAY_MS - 1
    assert await room.clock.expire_consents() == 0
    room.now.ms += 1
    assert await room.clock.expire_consents() == 2
    assert await room.clock.expire_consents() == 0
    book = room.ledger.book
    assert {book.get(Consent, c).status for c in (granted, requested)} == {ConsentStatus.EXPIRED}
    assert book.get(Consent, longer).status is ConsentStatus.GRANTED
    assert book.get(Consent, withdrawn).status is ConsentStatus.WITHDRAWN


async def test_a_report_is_purged_after_the_log_says_so(room: Room):
    sealed = b"sealed bytes"
    order = await room.world.deliver(await room.world.consent(), sealed)
    room.vault.bind(order, room.vault.stage(order, sealed, room.now()), room.now())
    room.now.ms += 90 * DAY_MS - 1
    assert await room.clock.purge_reports() == 0
    assert room.vault.open(order) == sealed
    room.now.ms += 1
    assert await room.clock.purge_reports() == 1
    assert room.vault.open(order) is None
    type_, event = room.last()
    assert (type_, event["by"]) == ("ReportErased", OPERATOR)
    assert event["body"] == {"order": order, "ground": "RETENTION_ENDED"}
    assert room.ledger.book.get(Erasure, f"report/{order}") is not None
    assert await room.clock.purge_reports() == 0


async def test_a_purge_that_was_cut_off_is_finished(room: Room):
    order = await room.world.deliver(await room.world.consent(), b"sealed")
    room.vault.bind(order, room.vault.stage(order, b"sealed", room.now()), room.now())
    room.now.ms += 90 * DAY_MS
    await room.world.say(OPERATOR, ReportErased(order, ErasureGround.RETENTION_ENDED))
    size = room.ledger.head().size
    assert await room.clock.purge_reports() == 1
    assert room.vault.open(order) is None
    assert room.ledger.head().size == size


async def test_what_the_log_does_not_let_go_stays(room: Room):
    digest = room.vault.stage("01900000-0000-7000-8000-000000000000", b"sealed", room.now())
    room.vault.bind("01900000-0000-7000-8000-000000000000", digest, room.now())
    room.now.ms += 90 * DAY_MS
    assert await room.clock.purge_reports() == 0
    assert room.vault.count() == 1


async def test_rows_cut_off_by_a_crash_are_confirmed_when_the_log_has_them(room: Room):
    row = room.world.enrol_in(room.directory)
    officer = FIXTURE.officers[ORDERING]
    name = OfficerRow(officer.name, officer.salt)
    room.directory.put_officer(officer.id, name, name.identity(), room.now())
    words = StatementRow("Not ours.", ENTERPRISE.salt)
    objection = await room.world.say(
        ENTERPRISE.id, ObjectionRaised(AGENCY, Section.IDENTITY, words.identity())
    )
    room.directory.put_statement(objection, words, words.identity(), room.now())
    assert await room.clock.settle_staged() == 3
    now = room.now()
    assert room.directory.enterprises([ENTERPRISE.id], READER, now) == {ENTERPRISE.id: row}
    assert room.directory.officers([officer.id], READER, now) == {officer.id: name}
    assert room.directory.statements([objection], READER, now) == {objection: words}
    assert await room.clock.settle_staged() == 0


async def test_rows_that_no_event_claims_are_purged_after_an_hour(room: Room):
    row = OfficerRow("Nobody", ENTERPRISE.salt)
    officer = FIXTURE.officers[ORDERING].id
    room.directory.put_officer(officer, row, row.identity(), room.now())
    other = "01900000-0000-7000-8000-000000000000"
    words = StatementRow("Never said.", ENTERPRISE.salt)
    room.directory.put_statement(other, words, words.identity(), room.now())
    room.vault.stage(other, b"orphan", room.now())
    room.now.ms += ORPHAN_MS
    assert await room.clock.settle_staged() == 0
    room.now.ms += 1
    assert await room.clock.settle_staged() == 3
    assert room.directory.staged(0) == []
    assert room.vault.count() == 0


async def test_a_delivery_cut_off_by_a_crash_is_bound_from_its_own_time(room: Room):
    sealed = b"sealed bytes"
    order = await room.world.deliver(await room.world.consent(), sealed)
    delivered_at = room.ledger.book.get(Order, order).delivered_at
    room.vault.stage(order, b"another try", delivered_at)
    room.vault.stage(order, sealed, delivered_at)
    room.now.ms += DAY_MS
    assert await room.clock.settle_staged() >= 1
    assert room.vault.open(order) == sealed
    assert room.vault.count() == 1
    assert room.vault.expired(delivered_at + 90 * DAY_MS) == [order]


async def test_erasures_are_repeated_on_an_older_copy_of_the_private_store(
    room: Room, tmp_path: Path
):
    row = room.world.enrol_in(room.directory)
    room.directory.confirm(ENTERPRISE.id, row.identity())
    order = await room.world.deliver(await room.world.consent(), b"sealed")
    room.vault.bind(order, room.vault.stage(order, b"sealed", room.now()), room.now())
    await room.world.say(BANK, DirectoryErased(ENTERPRISE.id, ErasureGround.SUBJECT_REQUEST))
    await room.world.say(ORDERING, ReportErased(order, ErasureGround.SUBJECT_REQUEST))
    # Neither was carried out here: as after a crash, or with a copy restored from before.
    assert await room.clock.repeat_erasures() == 2
    assert room.directory.enterprises([ENTERPRISE.id], READER, room.now()) == {}
    assert room.vault.open(order) is None
    assert await room.clock.repeat_erasures() == 0


async def test_the_scheduler_runs_every_job_at_once_and_again(room: Room):
    consent = await room.world.consent(days=1)
    order = await room.world.order(consent)
    room.now.ms += 2 * DAY_MS
    await room.clock.start()
    async with asyncio.timeout(10):
        while room.republished < 2:  # noqa: ASYNC110 - a job's second run
            await asyncio.sleep(0.02)
    assert room.status(order) is OrderStatus.LAPSED
    assert room.ledger.book.get(Consent, consent).status is ConsentStatus.EXPIRED
    await room.clock.stop()
    republished = room.republished
    await asyncio.sleep(1.2)
    assert room.republished == republished


async def test_a_failing_job_does_not_end_the_clock(room: Room, monkeypatch: pytest.MonkeyPatch):
    faults = [Busy("full"), RuntimeError("unforeseen")]

    async def submit(items):
        if faults:
            raise faults.pop(0)
        return await real(items)

    real = room.ledger.submit
    order = await room.world.order(await room.world.consent())
    room.now.ms += PRODUCT.due_within_ms + DAY_MS
    monkeypatch.setattr(room.ledger, "submit", submit)
    await room.clock.start()
    async with asyncio.timeout(10):
        while room.status(order) is not OrderStatus.LAPSED:  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.02)
    assert faults == []


async def test_only_the_operator_says_that_time_passed(room: Room):
    order = await room.world.order(await room.world.consent())
    room.now.ms += PRODUCT.due_within_ms + DAY_MS
    room.clock._operator = room.world.signer(REGULATOR)
    assert await room.clock.lapse_orders() == 0
    assert room.status(order) is OrderStatus.PLACED
