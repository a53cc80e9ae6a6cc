"""Bringing a database that was restored from an older copy up to what the hub has signed.

What is missing comes from the observer, as an extract of its copy. It is read twice. First all of
it is verified and nothing written: the entries continue this very log and lead to a root signed
with the hub's own key, and to the root in the head register on the way. Then each batch is executed
and committed as it was the first time, with its own time; so the checkpoints, the digests of the
batches and the receipts come out as they were. A run that was cut short is run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, islice
from pathlib import Path
from sqlite3 import Connection
from typing import BinaryIO, Final

from creditchain.events import MalformedEvent
from creditchain.events.erasure import BodyErased
from creditchain.ledger.book import Records
from creditchain.ledger.database import Database
from creditchain.ledger.failure import LedgerRefused
from creditchain.ledger.ledger import REGISTER_NAME
from creditchain.ledger.machine import Falls, Machine, State
from creditchain.ledger.order import Batch
from creditchain.ledger.order.sqlite import BATCH_MAX
from creditchain.ledger.publisher import HubKeys, Publisher
from creditchain.ledger.recovery import check_register, read_state, root_at
from creditchain.ledger.register import HeadRegister
from creditchain.ledger.tiles import StoredTiles
from creditchain.rulebook import decide
from creditchain.seal import BadSeal, Entry, format_entry, parse_entry, unseal
from creditchain.tlog.checkpoint import Checkpoint
from creditchain.tlog.extract import BadExtract, ExtractReader
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.note import BadNote

_TILE: Final = "SELECT data, inside FROM tile WHERE level = ? AND n = ?"
_ENTRY: Final = "SELECT at, commitment FROM entry WHERE idx = ?"

_TOLD: Final = 5
"""Entries without a body that are told by number; the count is told in full."""


@dataclass(frozen=True, slots=True)
class Refilled:
    """A log of `before` entries now has `size`; `registered`: the head register vouches for it."""

    before: int
    size: int
    registered: bool


def refill(path: Path, keys: HubKeys, file: BinaryIO) -> Refilled:
    """Appends to the database at `path` what an extract has beyond it.

    Takes the database's lock. All or nothing for each batch; whatever ended it, it can be run
    again. A missing head register stays missing. Raises `LedgerRefused` with what does not fit, and
    `LedgerFailure` when the disk does not do its work.
    """
    if not path.exists():
        raise LedgerRefused(f"there is no database {path}: put back the newest copy first")
    database = Database(path)
    try:
        database.upgrade()
        kept_at = path.with_name(REGISTER_NAME)
        register = HeadRegister.open(kept_at) if kept_at.exists() else None
        try:
            return _refill(database, register, keys, file)
        except BadExtract as error:
            raise LedgerRefused(f"the file of entries is unfit: {error}") from error
        finally:
            if register is not None:
                register.close()
    finally:
        database.close()


def _refill(
    database: Database, register: HeadRegister | None, keys: HubKeys, file: BinaryIO
) -> Refilled:
    tiles = StoredTiles(lambda level, n: database.fetch(_TILE, (level, n)))
    publisher = Publisher(keys, tiles)
    writer = database.open_writer()
    try:
        state = read_state(writer, publisher, database.path)
        before = state.size
        extract = ExtractReader(file)
        signed = _open_checkpoint(extract, publisher)
        _verify(extract, signed, _kept(register, publisher), state, publisher, writer)
        # Without the register: until the end it knows more than the database.
        machine = Machine(database, writer, state, publisher, Records(), decide)
    except BaseException:
        writer.close()
        raise
    try:
        for at, bodies in _batches(extract, before, signed.size):
            _replay(machine, at, bodies)
    finally:
        machine.close()
    if register is not None:
        check_register(register, publisher, database.path)
    return Refilled(before, machine.state.size, register is not None)


def _open_checkpoint(extract: ExtractReader, publisher: Publisher) -> Checkpoint:
    try:
        return publisher.open(extract.note).checkpoint
    except BadNote as error:
        raise LedgerRefused(
            f"the checkpoint in the file of entries is not by this hub's log key ({error}): the "
            "file is of another log, or was changed"
        ) from error


def _kept(register: HeadRegister | None, publisher: Publisher) -> Checkpoint | None:
    if register is None:
        return None
    try:
        return publisher.open(register.note).checkpoint
    except BadNote as error:
        raise LedgerRefused(
            f"the head register is not of this log or not by its key ({error}): put back the one "
            "that belongs to it"
        ) from error


def _verify(
    extract: ExtractReader,
    signed: Checkpoint,
    kept: Checkpoint | None,
    state: State,
    publisher: Publisher,
    connection: Connection,
) -> None:
    """Whether the extract continues the database to the signed root, by way of the register's."""
    size = state.size
    if extract.start > size:
        raise LedgerRefused(
            f"the file begins with entry {extract.start}, but the database ends before entry "
            f"{size}: ask the observer for an export from {size}"
        )
    if kept is not None and kept.size > max(size, signed.size):
        raise LedgerRefused(
            f"the file goes up to {signed.size} entries, but this hub has already signed "
            f"{kept.size}. If the observer has more by now, ask it again; else a newer copy of the "
            "database is the only way back. Nothing was changed"
        )
    if kept is not None and kept.size <= size and root_at(kept, publisher) != kept.root:
        raise _other_history(kept.size, "head register", "database")
    edge = state.edge.copy()
    lacking: list[int] = []
    erasures: dict[int, int] = {}
    for index, (raw, body) in enumerate(extract.pairs(signed.size), extract.start):
        entry = _parse_entry(raw, index)
        if index < size:
            row = connection.execute(_ENTRY, (index,)).fetchone()
            if row is None or format_entry(Entry(*row)) != raw:
                raise LedgerRefused(
                    f"entry {index} of the file is not the one in the database: they are of "
                    "different histories. Nothing was changed"
                )
            continue
        if body and sha256(body).digest() != entry.commitment:
            raise LedgerRefused(f"the body of entry {index} in the file is not the one logged")
        if not body:
            lacking.append(index)
        elif lacking:
            _note_erasure(erasures, index, body)
        edge.append(leaf_hashes_of([raw]))
        if kept is not None and edge.size == kept.size and edge.root() != kept.root:
            raise _other_history(kept.size, "head register", "file")
    root = root_at(signed, publisher) if signed.size < size else edge.root()
    if root != signed.root:
        raise LedgerRefused(
            f"the entries do not lead to the root that was signed for {signed.size} entries: the "
            "file was changed, or the database is of another history. Nothing was changed"
        )
    if lacking:
        raise LedgerRefused(_without_bodies(lacking, erasures))


def _note_erasure(erasures: dict[int, int], index: int, body: bytes) -> None:
    if b'"BodyErased"' not in body:
        return
    try:
        # Only for the message, so it need not be believed.
        event = unseal(body, lambda _by, _kid: None).event
    except BadSeal as error:
        event = error.event
    except MalformedEvent:
        return
    if isinstance(event.body, BodyErased):
        erasures.setdefault(event.body.index, index)


def _without_bodies(lacking: list[int], erasures: dict[int, int]) -> str:
    told = [
        f"{index} (erased by entry {erasures[index]})"
        if index in erasures
        else f"{index} (never seen by the observer)"
        for index in lacking[:_TOLD]
    ]
    more = f" and {len(lacking) - _TOLD} more" if len(lacking) > _TOLD else ""
    return (
        f"the file has no body for entry {', '.join(told)}{more}. What such an entry did to the "
        "records cannot be known without it, so nothing was changed. Put back a copy of the "
        f"database with at least {max(lacking) + 1} entries, made before or after the erasure"
    )


def _batches(
    extract: ExtractReader, first: int, size: int
) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    """Time and bodies of each batch from index `first` on: its entries alone have its time."""
    pairs = extract.pairs(size)
    for _ in range(extract.start, min(first, size)):
        next(pairs)
    rows = ((parse_entry(entry).at, body) for entry, body in pairs)
    for at, group in groupby(rows, key=lambda row: row[0]):
        bodies = tuple(body for _, body in islice(group, BATCH_MAX + 1))
        if len(bodies) > BATCH_MAX:
            raise LedgerRefused(f"the file has more than {BATCH_MAX} entries of one time")
        yield at, bodies


def _replay(machine: Machine, at: int, bodies: tuple[bytes, ...]) -> None:
    first = machine.state.size
    position = machine.resume()
    batch = Batch(position.height + 1, position.digest, at, bodies)
    if not machine.accept(batch):
        raise LedgerRefused(f"entry {first} is not later than the one before it")
    outcome = machine.execute(batch)
    if len(outcome.rows) != len(bodies):
        place = next(
            place
            for place, verdict in enumerate(outcome.answers)
            if getattr(verdict, "index", None) != first + place
        )
        verdict = outcome.answers[place]
        why = verdict.violation.code.value if isinstance(verdict, Falls) else "it is no new event"
        raise LedgerRefused(
            f"entry {first + place} was admitted once, but this release refuses it ({why}). The "
            f"log now has {first} entries. Start the release that wrote it, or put back a newer "
            "copy of the database"
        )
    machine.commit(batch, outcome)


def _parse_entry(raw: bytes, index: int) -> Entry:
    try:
        return parse_entry(raw)
    except ValueError as error:
        raise LedgerRefused(f"entry {index} of the file is none: {error}") from None


def _other_history(size: int, one: str, other: str) -> LedgerRefused:
    return LedgerRefused(
        f"the {one} has another root for {size} entries than the {other}: they are of different "
        "histories. Nothing was changed; ask the observer which one it has cosigned"
    )
