"""What the ledger does when the disk, the operator or our own code fails it."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from creditchain.client.signer import now_ms
from creditchain.events.key import b64u
from creditchain.ledger import (
    HubKeys,
    Ledger,
    LedgerDamaged,
    LedgerRefused,
    LedgerStopped,
    Refused,
    StorageFull,
)
from creditchain.ledger.ledger import REGISTER_NAME
from creditchain.ledger.register import SLOT_BYTES, HeadRegister
from creditchain.rulebook import Book, Violation, Writes, decide
from creditchain.seal import Sealed
from creditchain.tlog.checkpoint import Checkpoint, sign_checkpoint
from creditchain.tlog.note import Signer
from creditchain.tlog.tlogproof import check_tlog_proof
from tests.contract import town


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return town.settled(tmp_path)


@pytest.fixture
def hub(path: Path) -> Iterator[Callable[..., Ledger]]:
    """Opens the ledger; whatever is still open at the end is closed."""
    opened: list[Ledger] = []

    def open_(**options: Any) -> Ledger:
        ledger = Ledger.open(path, options.pop("keys", town.KEYS), **options)
        opened.append(ledger)
        return ledger

    yield open_
    for ledger in opened:
        ledger.close()


def grow(path: Path, count: int) -> None:
    """Adds so many orders."""
    ledger = Ledger.open(path, town.KEYS)
    try:
        town.admitted(asyncio.run(ledger.submit(town.orders(count))))
    finally:
        ledger.close()


def alter(path: Path, *statements: str) -> None:
    """What an operator with a SQL prompt can do, once he has dropped the guards."""
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


# Founding.


def test_a_log_is_founded_once(path: Path):
    with pytest.raises(LedgerRefused, match="founded once"):
        Ledger.found(path, town.genesis(), town.KEYS)


def test_a_founding_needs_the_keys_it_names(tmp_path: Path):
    other = Signer(town.ORIGIN, bytes([7] * 32))
    keys = HubKeys(other, town.REFUSAL, town.OBSERVED, town.OPERATOR)
    with pytest.raises(LedgerRefused, match=r"body\.logKey"):
        Ledger.found(tmp_path / "ledger.db", town.genesis(), keys)
    assert not (tmp_path / "ledger.db").exists()
    assert not (tmp_path / REGISTER_NAME).exists()


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: town.order().body])
def test_a_founding_that_does_not_stand_founds_nothing(
    spoil: Callable[[bytes], bytes], tmp_path: Path
):
    with pytest.raises(LedgerRefused, match="does not stand"):
        Ledger.found(tmp_path / "ledger.db", spoil(town.genesis()), town.KEYS)
    Ledger.found(tmp_path / "ledger.db", town.genesis(), town.KEYS)


def test_an_old_founding_is_refused_by_the_clock(tmp_path: Path):
    with pytest.raises(LedgerRefused, match="CLOCK_SKEW"):
        Ledger.found(tmp_path / "ledger.db", town.genesis(now_ms() - 3_600_000), town.KEYS)


# Opening.


def test_no_database_is_said(tmp_path: Path):
    with pytest.raises(LedgerRefused, match="no database"):
        Ledger.open(tmp_path / "ledger.db", town.KEYS)


def test_a_second_opener_is_refused(hub: Callable[..., Ledger]):
    hub()
    with pytest.raises(LedgerRefused, match="another hub"):
        hub()


def test_a_closed_ledger_can_be_opened_again(hub: Callable[..., Ledger]):
    hub().close()
    hub()


async def test_a_closed_ledger_takes_nothing(hub: Callable[..., Ledger]):
    ledger = hub()
    ledger.close()
    with pytest.raises(LedgerStopped, match="shutting down"):
        await ledger.submit(town.orders(1))


async def test_closing_writes_what_waits(path: Path):
    ledger = Ledger.open(path, town.KEYS)
    waiting = [asyncio.ensure_future(ledger.submit([item])) for item in town.orders(50)]
    await asyncio.sleep(0)
    ledger.close()
    assert len([town.admitted(answer) for answer in await asyncio.gather(*waiting)]) == 50


def test_another_logs_key_is_refused(hub: Callable[..., Ledger]):
    other = Signer(town.ORIGIN, bytes([7] * 32))
    with pytest.raises(LedgerRefused, match="log key"):
        hub(keys=HubKeys(other, town.REFUSAL, town.OBSERVED, town.OPERATOR))


def test_a_file_that_is_no_database_is_refused(hub: Callable[..., Ledger], path: Path):
    path.write_bytes(b"not a database, whatever its name" * 100)
    with pytest.raises(LedgerRefused, match="cannot be read"):
        hub()


def test_a_database_of_a_newer_release_is_refused(hub: Callable[..., Ledger], path: Path):
    alter(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerRefused, match="newer release"):
        hub()


# The register.


def test_a_database_restored_from_an_older_copy_is_refused(
    hub: Callable[..., Ledger], path: Path, tmp_path: Path
):
    older = tmp_path / "older.db"
    shutil.copy(path, older)
    grow(path, 3)
    shutil.copy(older, path)
    with pytest.raises(LedgerRefused, match="older copy") as refused:
        hub()
    assert f"regulator export --from {town.SETTLED}`" in str(refused.value)
    assert "creditchain hub recover" in str(refused.value)


def test_a_register_behind_by_a_batch_catches_up(
    hub: Callable[..., Ledger], path: Path, tmp_path: Path
):
    register = path.with_name(REGISTER_NAME)
    older = register.read_bytes()
    grow(path, 3)
    register.write_bytes(older)
    size = hub().head().size
    assert HeadRegister.open(register).note.split("\n")[1] == str(size)


def test_a_torn_write_of_the_register_leaves_the_slot_before(
    hub: Callable[..., Ledger], path: Path
):
    grow(path, 1)
    register = path.with_name(REGISTER_NAME)
    data = bytearray(register.read_bytes())
    newest = HeadRegister.open(register)
    place = data.find(newest.note.encode())
    data[place + 10] ^= 1
    register.write_bytes(data)
    before = HeadRegister.open(register).note
    assert before != newest.note
    assert hub().head().size == town.SETTLED + 1
    assert HeadRegister.open(register).note == newest.note


@pytest.mark.parametrize("content", [b"", bytes(2 * SLOT_BYTES), b"x" * 10_000])
def test_a_damaged_register_is_refused(content: bytes, hub: Callable[..., Ledger], path: Path):
    path.with_name(REGISTER_NAME).write_bytes(content)
    with pytest.raises(LedgerRefused, match="damaged in both slots"):
        hub()


def test_a_missing_register_is_refused_until_it_is_renewed(hub: Callable[..., Ledger], path: Path):
    path.with_name(REGISTER_NAME).unlink()
    with pytest.raises(LedgerRefused, match="missing"):
        hub()
    with pytest.raises(LedgerRefused, match=f"the observer has seen {town.SETTLED + 1}"):
        Ledger.renew_register(path, town.KEYS, town.SETTLED + 1)
    head = Ledger.renew_register(path, town.KEYS, town.SETTLED)
    assert hub().head() == head


def test_a_register_that_is_whole_is_not_renewed(path: Path):
    with pytest.raises(LedgerRefused, match="nothing to renew"):
        Ledger.renew_register(path, town.KEYS, 1)


def test_a_register_of_another_history_is_refused(hub: Callable[..., Ledger], path: Path):
    for size in (town.SETTLED, town.SETTLED - 1):
        note = sign_checkpoint(Checkpoint(town.ORIGIN, size, bytes(32)), town.LOG)
        HeadRegister.create(path.with_name(REGISTER_NAME), note)
        with pytest.raises(LedgerRefused, match="different histories"):
            hub()


def test_a_register_by_another_key_is_refused(hub: Callable[..., Ledger], path: Path):
    other = Signer(town.ORIGIN, bytes([7] * 32))
    note = sign_checkpoint(Checkpoint(town.ORIGIN, 1, bytes(32)), other)
    HeadRegister.create(path.with_name(REGISTER_NAME), note)
    with pytest.raises(LedgerRefused, match="not by its key"):
        hub()


async def test_a_register_that_cannot_be_written_stops_the_ledger(
    hub: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
):
    ledger = hub()
    item = town.order()

    def fail(*_: object) -> int:
        raise OSError(5, "input/output error")

    monkeypatch.setattr("creditchain.ledger.register.os.pwrite", fail)
    with pytest.raises(LedgerStopped, match="head register"):
        await ledger.submit([item])
    with pytest.raises(LedgerStopped):
        await ledger.submit(town.orders(1))
    assert ledger.stopped is not None
    assert ledger.head().size == town.SETTLED
    assert ledger.find(item.event.id) is None
    monkeypatch.undo()
    ledger.close()
    ledger = hub()
    [answer] = town.admitted(await ledger.submit([item]))
    assert answer.index == town.SETTLED


# Altered rows.


@pytest.mark.parametrize("table", ["entry", "tile", "checkpoint", "batch"])
def test_the_log_only_grows_even_by_hand(table: str, path: Path):
    grow(path, 260)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute(f"DELETE FROM {table}")
    column = {"entry": '"by"', "tile": "n", "checkpoint": "note", "batch": "at"}[table]
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute(f"UPDATE {table} SET {column} = {column}")
    with pytest.raises(sqlite3.IntegrityError, match="erased or stays"):
        connection.execute("UPDATE entry SET body = x'00'")
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute("INSERT INTO checkpoint VALUES (1000000, x'', '', 0), (5, x'', '', 0)")
    connection.close()


_LAST = "(SELECT max(idx) FROM entry)"


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE entry SET at = at + 1 WHERE idx = {_LAST}",
        f"UPDATE entry SET commitment = zeroblob(32) WHERE idx = {_LAST} - 3",
        f"DELETE FROM entry WHERE idx = {_LAST}",
        f"DELETE FROM entry WHERE idx = {_LAST} - 1",
        "UPDATE tile SET data = zeroblob(8192) WHERE level = 0",
        "UPDATE tile SET data = CAST(substr(data, 1, 8191) || x'00' AS BLOB) WHERE level = 0",
        "UPDATE tile SET data = substr(data, 1, 8191) WHERE level = 0",
        "DELETE FROM tile WHERE level = 0",
        "UPDATE checkpoint SET root = zeroblob(32)",
        "UPDATE checkpoint SET note = replace(note, 'hub', 'hob')",
        "DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)",
        "UPDATE batch SET digest = zeroblob(32)",
        "UPDATE batch SET at = at + 1",
        "UPDATE batch SET count = count - 1",
        "DELETE FROM batch",
    ],
)
def test_an_altered_right_edge_does_not_open(
    statement: str, hub: Callable[..., Ledger], path: Path
):
    grow(path, 260)
    alter(path, statement)
    with pytest.raises(LedgerRefused):
        hub()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET at = at + 1 WHERE idx = 30",
        "UPDATE entry SET commitment = zeroblob(32) WHERE idx = 30",
        "DELETE FROM entry WHERE idx = 30",
    ],
)
def test_an_altered_old_entry_is_not_served(statement: str, hub: Callable[..., Ledger], path: Path):
    grow(path, 300)
    grow(path, 1)
    alter(path, statement)
    ledger = hub()
    with pytest.raises(LedgerDamaged):
        ledger.entry_bundle(0, 256)
    with pytest.raises(LedgerDamaged):
        ledger.receipt(30)
    assert ledger.tile(0, 0, 256) is not None


def test_an_altered_body_is_not_served(hub: Callable[..., Ledger], path: Path):
    grow(path, 5)
    alter(path, "UPDATE entry SET body = replace(body, 'event', 'tnevE') WHERE idx = 12")
    ledger = hub()
    with pytest.raises(LedgerDamaged):
        ledger.body(12)
    with pytest.raises(LedgerDamaged):
        ledger.bodies(0, 13)
    assert ledger.body(11) is not None


def test_a_tile_altered_while_the_hub_runs_is_not_served(hub: Callable[..., Ledger], path: Path):
    grow(path, 300)
    ledger = hub()
    alter(
        path,
        "UPDATE tile SET data = CAST(substr(data, 1, 100) || x'00' || substr(data, 102) AS BLOB)",
    )
    for read in (lambda: ledger.tile(0, 0, 256), lambda: ledger.receipt(2)):
        with pytest.raises(LedgerDamaged):
            read()
    receipt = ledger.receipt(5)  # what it needs of the tile is whole
    assert receipt is not None
    check_tlog_proof(receipt.proof, receipt.entry, town.LOG_ONLY)


# The disk.


async def assert_recovers(ledger: Ledger, item: Sealed) -> None:
    """Nothing of the item is there; then it is admitted as if nothing had been."""
    size = ledger.head().size
    assert ledger.find(item.event.id) is None
    assert ledger.stopped is None
    [answer] = town.admitted(await ledger.submit([item]))
    assert answer.index == size
    town.check(answer)


async def test_a_full_database_refuses_and_recovers(hub: Callable[..., Ledger]):
    ledger = hub()
    connection = ledger._machine._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    items = town.orders(40)
    with pytest.raises(StorageFull):
        await ledger.submit(items)
    with pytest.raises(StorageFull):
        await ledger.submit(items)
    assert ledger.head().size == town.SETTLED
    connection.execute("PRAGMA max_page_count = 1000000")
    await assert_recovers(ledger, items[0])
    town.admitted(await ledger.submit(items))
    assert ledger.head().size == town.SETTLED + 40


async def test_a_full_disk_refuses_and_recovers(hub: Callable[..., Ledger], path: Path):
    ledger = hub()
    [first] = town.admitted(await ledger.submit(town.orders(1)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    item = town.order()
    wal = path.with_name(path.name + "-wal")
    limit = wal.stat().st_size + 1000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        for _ in range(2):
            with pytest.raises(StorageFull):
                await ledger.submit([item])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ledger.head().size == first.index + 1
    await assert_recovers(ledger, item)
    ledger.close()
    assert hub().head().size == first.index + 2


class Failing:
    """A connection whose COMMIT does what a bad disk makes of it."""

    def __init__(self, real: sqlite3.Connection, name: str, *, commits: bool) -> None:
        self._real = real
        self._name = name
        self._commits = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, values: Any = ()) -> Any:
        if sql != "COMMIT":
            return self._real.execute(sql, values)
        if self._commits:
            self._real.execute(sql)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = self._name
        raise error


async def test_a_commit_that_happened_all_the_same_is_answered(hub: Callable[..., Ledger]):
    ledger = hub()
    real = ledger._machine._connection
    ledger._machine._connection = Failing(real, "SQLITE_IOERR_READ", commits=True)  # type: ignore[assignment]
    item = town.order()
    [answer] = town.admitted(await ledger.submit([item]))
    ledger._machine._connection = real
    [again] = town.admitted(await ledger.submit([item]))
    assert again.index == answer.index == town.SETTLED


async def test_a_commit_that_did_not_happen_is_not_answered(hub: Callable[..., Ledger]):
    ledger = hub()
    real = ledger._machine._connection
    ledger._machine._connection = Failing(real, "SQLITE_FULL", commits=False)  # type: ignore[assignment]
    item = town.order()
    with pytest.raises(StorageFull):
        await ledger.submit([item])
    ledger._machine._connection = real
    await assert_recovers(ledger, item)


async def test_a_failed_fsync_stops_the_ledger(hub: Callable[..., Ledger]):
    ledger = hub()
    real = ledger._machine._connection
    ledger._machine._connection = Failing(real, "SQLITE_IOERR_FSYNC", commits=False)  # type: ignore[assignment]
    with pytest.raises(LedgerStopped, match="did not confirm"):
        await ledger.submit(town.orders(1))
    real.execute("ROLLBACK")
    with pytest.raises(LedgerStopped):
        await ledger.submit(town.orders(1))


async def test_a_foreign_writer_stops_the_ledger(hub: Callable[..., Ledger], path: Path):
    ledger = hub()
    note = sign_checkpoint(Checkpoint(town.ORIGIN, 500, bytes(32)), town.LOG)
    alter(
        path,
        f"INSERT INTO batch VALUES (6, zeroblob(32), zeroblob(32), 0, {town.SETTLED}, 1)",
        f"INSERT INTO checkpoint VALUES (500, zeroblob(32), '{note}', 0)",
    )
    with pytest.raises(LedgerStopped, match="has not written"):
        await ledger.submit(town.orders(1))


# Our own mistakes.


def law_that_fails(on: str, error: Exception) -> Callable[[Book, Sealed, int], Writes | Violation]:
    """The law, but it breaks down on one event."""

    def law(book: Book, sealed: Sealed, at: int) -> Writes | Violation:
        if sealed.event.id == on:
            raise error
        return decide(book, sealed, at)

    return law


async def test_an_error_of_the_law_fails_its_item_alone(hub: Callable[..., Ledger]):
    items = town.orders(5)
    ledger = hub(law=law_that_fails(items[2].event.id, ZeroDivisionError("ours")))
    results = await asyncio.gather(
        *(ledger.submit([item]) for item in items), return_exceptions=True
    )
    assert [isinstance(result, ZeroDivisionError) for result in results] == [
        False, False, True, False, False,
    ]  # fmt: skip
    assert ledger.head().size == town.SETTLED + 4
    assert ledger.find(items[2].event.id) is None
    town.admitted(await ledger.submit(town.orders(1)))


async def test_a_failed_assertion_ends_its_batch_with_nothing_written(hub: Callable[..., Ledger]):
    items = town.orders(3)
    ledger = hub(law=law_that_fails(items[1].event.id, AssertionError("ours")))
    with pytest.raises(AssertionError):
        await ledger.submit(items)
    assert ledger.head().size == town.SETTLED
    assert [ledger.find(item.event.id) for item in items] == [None] * 3
    town.admitted(await ledger.submit([items[0], items[2]]))


def test_answers_that_cannot_be_made_leave_the_log_whole(hub: Callable[..., Ledger], path: Path):
    grow(path, 300)
    ledger = hub()
    old = ledger.body(12)
    assert old is not None
    alter(path, "UPDATE tile SET data = zeroblob(8192)")
    known, item = ledger.screen_body(old), town.order()
    assert isinstance(known, Sealed)
    with pytest.raises(LedgerDamaged):
        asyncio.run(ledger.submit([known, item]))
    assert ledger.head().size == town.SETTLED + 301
    [again] = town.admitted(asyncio.run(ledger.submit([item])))
    assert again.index == town.SETTLED + 300
    town.admitted(asyncio.run(ledger.submit(town.orders(3))))


async def test_a_body_nobody_screened_is_verified_before_it_is_decided(
    hub: Callable[..., Ledger],
):
    ledger = hub()
    good = town.order()
    forged = good.body.replace(b'signedAt":"2', b'signedAt":"3')
    [placed, refused] = await ledger._order.submit([good.body, forged])
    assert placed.index == town.SETTLED
    assert isinstance(refused.answer, Refused)
    assert refused.answer.violation.code == "SIGNATURE_INVALID"
    assert b64u(sha256(forged).digest()) in refused.answer.note
