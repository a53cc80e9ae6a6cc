"""The ledger as the rest of the hub sees it.

Ledger.found(path, genesis_body, keys)          # once
ledger = Ledger.open(path, keys)
sealed = ledger.screen(event, proof)            # Sealed | Violation, on any thread
[answer] = await ledger.submit([sealed])        # Admitted | Refused, durable by then
receipt = ledger.receipt(answer.index)          # the best evidence there is now
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from creditchain.durable import sync
from creditchain.events import Event, MalformedEvent
from creditchain.events.consortium import ConsortiumFounded
from creditchain.ledger.book import Records, SqlBook
from creditchain.ledger.database import Database, failure_code
from creditchain.ledger.failure import LedgerDamaged, LedgerRefused
from creditchain.ledger.machine import (
    EMPTY,
    Executed,
    Falls,
    Law,
    Machine,
    Step,
    bad_seal,
    no_step,
    open_body,
)
from creditchain.ledger.order import NO_DIGEST, Batch, Position
from creditchain.ledger.order.sqlite import SqliteOrder
from creditchain.ledger.publisher import (
    Answer,
    Head,
    HubKeys,
    Publisher,
    Receipt,
    Refused,
)
from creditchain.ledger.recovery import check_register, read_cosignatures, read_state
from creditchain.ledger.register import HeadRegister
from creditchain.ledger.tiles import StoredTiles
from creditchain.rulebook import Book, Refusal, Violation, decide, find_key
from creditchain.seal import BadSeal, Entry, Sealed, format_entry, seal_of
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.note import format_vkey
from creditchain.tlog.tile import TILE_WIDTH, format_bundle

REGISTER_NAME: Final = "head.register"

_DISK: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""How the names begin of what SQLite says when not the database but the disk is at fault."""

_FIND: Final = 'SELECT idx, type, "by", at FROM entry WHERE id = ?'
_BODY: Final = "SELECT body, commitment FROM entry WHERE idx = ?"
_ENTRY: Final = "SELECT at, commitment FROM entry WHERE idx = ?"
_ENTRIES: Final = "SELECT idx, at, commitment FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_BODIES: Final = "SELECT idx, commitment, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_TILE: Final = "SELECT data, inside FROM tile WHERE level = ? AND n = ?"
_CHECKPOINT: Final = "SELECT note FROM checkpoint WHERE size = ?"


def now_ms() -> int:
    """The clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


class Ledger:
    """The only writer of the log, and everything one may read of it. Safe for threads."""

    def __init__(
        self,
        database: Database,
        register: HeadRegister,
        keys: HubKeys,
        *,
        clock: Callable[[], int],
        law: Law,
        step: Step,
    ) -> None:
        """Verifies what is stored, then starts to write; `open` is the way in."""
        self.origin = keys.origin
        self._database = database
        self._register = register
        self._keys = keys
        self._clock = clock
        self._closed = False
        records = Records()
        self._publisher = Publisher(keys, StoredTiles(self._fetch_tile))
        self.book: Book = SqlBook(records, self._fetch)
        """The committed state, for readers."""
        self._find_key = find_key(self.book)
        writer = database.open_writer()
        try:
            state = read_state(writer, self._publisher, database.path)
            check_register(register, self._publisher, database.path)
            read_cosignatures(writer, self._publisher)
            self._machine = Machine(
                database,
                writer,
                state,
                self._publisher,
                records,
                law,
                register=register,
                step=step,
            )
            self._order: SqliteOrder[Executed, Answer] = SqliteOrder(
                self._machine, database, clock, self._publisher.size, step=step
            )
            self._order.start()
        except BaseException:
            writer.close()
            raise

    @classmethod
    def found(
        cls,
        path: Path,
        genesis_body: bytes,
        keys: HubKeys,
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Creates the database at `path`, with the founding as entry 0, and the head register.

        Raises `LedgerRefused` when there is a database or a register already, or the founding does
        not stand or names other keys than the hub's.
        """
        register = path.with_name(REGISTER_NAME)
        for there in (path, register):
            if there.exists():
                raise LedgerRefused(f"{there} exists: a log is founded once")
        fresh = path.with_name(path.name + ".founding")
        for suffix in ("", "-wal", "-shm"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
        database = Database(fresh)
        try:
            note = _found(database, genesis_body, keys, clock)
        finally:
            database.close()
            fresh.with_name(fresh.name + ".lock").unlink()
        HeadRegister.create(register, note)
        fresh.replace(path)
        sync(path.parent)

    @classmethod
    def open(
        cls,
        path: Path,
        keys: HubKeys,
        *,
        clock: Callable[[], int] = now_ms,
        law: Law = decide,
        step: Step = no_step,
    ) -> Ledger:
        """The ledger in the database at `path`, once it has been verified.

        Takes the file's lock; brings the tables to the newest revision. `clock` gives ms since
        1970. Raises `LedgerRefused` with a message that says what to do.
        """
        if not path.exists():
            raise LedgerRefused(f"there is no database {path}. Found a consortium first.")
        database = Database(path)
        try:
            database.upgrade()
            register = HeadRegister.open(path.with_name(REGISTER_NAME))
            try:
                return cls(database, register, keys, clock=clock, law=law, step=step)
            except BaseException:
                register.close()
                raise
        except (sqlite3.DatabaseError, DatabaseError, CommandError) as error:
            database.close()
            cause = getattr(error, "orig", None) or error
            if isinstance(cause, sqlite3.Error) and failure_code(cause).startswith(_DISK):
                raise LedgerRefused(
                    f"the disk under {path} does not do its work ({cause}). Most likely it is "
                    "full: make space and start again. The database is as it was."
                ) from error
            raise LedgerRefused(
                f"{path} cannot be read ({cause}). If a newer release of the hub has written it, "
                "start that one; else put back the newest copy of the database."
            ) from error
        except BaseException:
            database.close()
            raise

    @classmethod
    def renew_register(cls, path: Path, keys: HubKeys, observer_size: int) -> Head:
        """Writes a new head register from the database, where the old one is lost for good.

        `observer_size` is how many entries the observer has seen: nothing else can tell then that
        the database is no older copy. Raises `LedgerRefused`, also when there is a whole register.
        """
        if not path.exists():
            raise LedgerRefused(f"there is no database {path}")
        kept_at = path.with_name(REGISTER_NAME)
        if _is_whole(kept_at):
            raise LedgerRefused(f"the head register {kept_at} is whole: there is nothing to renew")
        database = Database(path)
        try:
            database.upgrade()
            publisher = Publisher(keys, StoredTiles(lambda _level, _n: None))
            writer = database.open_writer()
            try:
                read_state(writer, publisher, path)
            finally:
                writer.close()
            head = publisher.head()
            if observer_size > head.size:
                raise LedgerRefused(
                    f"{path} holds a log of {head.size} entries, but the observer has seen "
                    f"{observer_size}: the database is an older copy. Have the observer export its "
                    "entries and bring them in with `creditchain hub recover` first."
                )
            HeadRegister.create(kept_at, head.note)
            return head
        finally:
            database.close()

    def close(self) -> None:
        """Writes what waits, then gives the file free; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self._order.stop()
        self._machine.close()
        self._register.close()
        self._database.close()

    # Writing.

    def screen(self, event: Event, proof: str | Mapping[str, Any]) -> Sealed | Violation:
        """The event with its proof, verified, or why it cannot be believed."""
        if event.log != self.origin:
            return Violation(Refusal.WRONG_LOG, "log")
        try:
            return seal_of(event, proof, self._find_key)
        except MalformedEvent as error:
            return Violation(Refusal.EVENT_MALFORMED, error.path)
        except BadSeal as error:
            return bad_seal(error, self.origin)

    def screen_body(self, raw: bytes) -> Sealed | Violation:
        """As `screen`, of canonical body bytes."""
        return open_body(raw, self._find_key, self.origin)

    async def submit(self, items: Sequence[Sealed]) -> list[Answer]:
        """The answers, one for each item, when all of them are durable.

        Safe to repeat: a body that is in the log already gets its entry again. Raises `Busy`,
        `StorageFull` or `LedgerStopped`; then some items may be in the log all the same, and
        repeating tells.
        """
        for sealed in items:
            self._machine.screened.put(sealed)
        placed = await self._order.submit([sealed.body for sealed in items])
        return [one.answer for one in placed]

    def refuse(self, commitment: bytes, violation: Violation) -> Refused:
        """The signed refusal of a body that never reached the log, at the current size."""
        return self._publisher.refuse(
            commitment, violation, self._publisher.size.value, self._clock()
        )

    def add_cosignatures(self, size: int, lines: Sequence[str]) -> None:
        """Verifies cosignature lines on the checkpoint of `size` and has them stored.

        Returns before they are; `observed` wakes when they are. Lines by strangers are left out.
        Raises `KeyError` when there is no such checkpoint, BadNote when no line is by a witness of
        the policy or one of theirs is wrong.
        """
        row = self._fetch(_CHECKPOINT, (size,))
        if row is None or size > self._publisher.size.value:
            raise KeyError(size)
        checked = self._publisher.check_cosignatures(row[0], lines)
        self._order.call(lambda: self._machine.store_cosignatures(size, checked))

    # Waiting.

    async def observed(self, index: int, timeout_s: float) -> str | None:
        """The `.tlog-proof` under a checkpoint cosigned as the policy asks; None if not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._publisher.observed_size.beyond(index)
        except TimeoutError:
            return None
        return self._publisher.observed_proof(index)

    async def beyond(self, size: int) -> int:
        """Waits until the log is longer than `size`; its size then."""
        return await self._publisher.size.beyond(size)

    def batches(self, after: Position) -> AsyncIterator[Batch]:
        """The batches after a position, each once it is published, without a gap and an end.

        Raises `WrongHistory` on the first step when the position is not one of this log.
        """
        return self._order.batches(after)

    # Reading.

    @property
    def stopped(self) -> Exception | None:
        """Why the ledger writes no more; None while all is well."""
        return self._order.stopped

    @property
    def storage_full(self) -> bool:
        """Whether the last write met a full disk."""
        return self._machine.storage_full

    @property
    def waiting(self) -> int:
        """How many events wait to be written."""
        return self._order.waiting

    def reading(self) -> AbstractContextManager[Connection]:
        """A read-only connection that sees one committed state; at most `READERS_MAX` at a time."""
        return self._database.reading()

    def head(self) -> Head:
        """The published head."""
        return self._publisher.head()

    def receipt(self, index: int) -> Receipt | None:
        """The best evidence there is now for an entry, None beyond the head.

        Raises `LedgerDamaged` when what is stored is not the tree that was signed.
        """
        if not 0 <= index < self._publisher.size.value:
            return None
        row = self._fetch(_ENTRY, (index,))
        if row is None:
            raise LedgerDamaged(f"entry {index} is missing")
        return self._publisher.receipt(index, row[0], format_entry(Entry(row[0], row[1])))

    def find(self, id: str) -> tuple[int, str, str, int] | None:
        """Index, type, author and admission time (ms) of the event with this id."""
        row = self._fetch(_FIND, (id,))
        if row is None or row[0] >= self._publisher.size.value:
            return None
        return row[0], row[1], row[2], row[3]

    def body(self, index: int) -> bytes | None:
        """The body of an entry; None when it is erased or there is no such entry."""
        if not 0 <= index < self._publisher.size.value:
            return None
        row = self._fetch(_BODY, (index,))
        if row is None:
            raise LedgerDamaged(f"entry {index} is missing")
        return _checked_body(index, row[0], row[1])

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        """The first `width` hashes of a tile; None when the log has not that many there."""
        if level < 0 or n < 0:
            return None
        return self._publisher.tiles.read(level, n, width, self._publisher.edge)

    def entry_bundle(self, n: int, width: int) -> bytes | None:
        """The bundle of the first `width` entries from index `256 n` on; None beyond the head."""
        if not self._has(n, width):
            return None
        rows = self._rows(_ENTRIES, n, width)
        entries = [format_entry(Entry(at, commitment)) for _, at, commitment in rows]
        if b"".join(leaf_hashes_of(entries)) != self.tile(0, n, width):
            raise LedgerDamaged(f"an entry of bundle {n} is not the one in the tree")
        return format_bundle(entries)

    def bodies(self, n: int, width: int) -> list[bytes | None]:
        """The bodies of a bundle, None where erased; none at all beyond the head."""
        if not self._has(n, width):
            return []
        rows = self._rows(_BODIES, n, width)
        return [_checked_body(index, body, commitment) for index, commitment, body in rows]

    def _has(self, n: int, width: int) -> bool:
        in_range = n >= 0 and 1 <= width <= TILE_WIDTH
        return in_range and n * TILE_WIDTH + width <= self._publisher.size.value

    def _rows(self, sql: str, n: int, width: int) -> Sequence[Any]:
        start = n * TILE_WIDTH
        with self._database.reading() as connection:
            rows = connection.exec_driver_sql(sql, (start, start + width)).all()
        if len(rows) != width:
            raise LedgerDamaged(f"entries of bundle {n} are missing")
        return rows

    def _fetch(self, sql: str, values: tuple[Any, ...]) -> Sequence[Any] | None:
        return self._database.fetch(sql, values)

    def _fetch_tile(self, level: int, n: int) -> Sequence[Any] | None:
        return self._fetch(_TILE, (level, n))


def _is_whole(register: Path) -> bool:
    try:
        HeadRegister.open(register).close()
    except LedgerRefused:
        return False
    return True


def _found(database: Database, genesis_body: bytes, keys: HubKeys, clock: Callable[[], int]) -> str:
    """Writes the first batch into a new database; its checkpoint."""
    database.upgrade()
    publisher = Publisher(keys, StoredTiles(lambda _level, _n: None))
    machine = Machine(database, database.open_writer(), EMPTY, publisher, Records(), decide)
    try:
        batch = Batch(1, NO_DIGEST, clock(), (genesis_body,))
        outcome = machine.execute(batch)
        [verdict] = outcome.answers
        if isinstance(verdict, Falls):
            violation = verdict.violation
            where = f" at {violation.path}" if violation.path else ""
            raise LedgerRefused(f"the founding does not stand: {violation.code.value}{where}")
        sealed = open_body(genesis_body, find_key(outcome.overlay), keys.origin)
        assert isinstance(sealed, Sealed), "it has just been executed"
        _check_founding(sealed.event, keys)
        machine.commit(batch, outcome)
        return publisher.head().note
    finally:
        machine.close()


def _check_founding(event: Event, keys: HubKeys) -> None:
    body = event.body
    assert isinstance(body, ConsortiumFounded), "nothing else stands on an empty book"
    wanted = {
        "log": (event.log, keys.origin),
        "body.logKey": (body.log_key, format_vkey(keys.log_signer.verifier)),
        "body.refusalKey": (body.refusal_key, format_vkey(keys.refusal_signer.verifier)),
        "body.operator.member": (body.operator.member, keys.operator),
    }
    for path, (named, ours) in wanted.items():
        if named != ours:
            raise LedgerRefused(f"the founding names {named} at {path}, this hub is {ours}")


def _checked_body(index: int, body: bytes | None, commitment: bytes) -> bytes | None:
    if body is not None and (type(body) is not bytes or sha256(body).digest() != commitment):
        raise LedgerDamaged(f"the stored body of entry {index} is not the one committed to")
    return body
