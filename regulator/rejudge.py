"""A signed refusal judged again: the rulebook is asked at the size and time that it names.

The book of that size is mostly there already: a record that nothing has changed since is the record
of then, and what is not there now was not there then. Only where a record that the law asks for has
changed is the log replayed from the beginning, into a database of its own that ends with the
judgement; so memory is the same for a log of any length. Refusals are cheap to collect and a replay
is not, so one replay serves all that need one.

Reads our own copy, beside a running observer, and writes nothing of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from creditchain.events import MalformedEvent
from creditchain.rulebook.book import Book
from creditchain.rulebook.record import Record
from creditchain.rulebook.record_json import record_from_json
from creditchain.seal import parse_entry
from creditchain.tlog.tile import TILE_WIDTH
from regulator.book import StoredBook
from regulator.database import open_database
from regulator.observer import Genesis, read_genesis
from regulator.opening import KeysAtHand
from regulator.replay import EarlierEntry, Replay, open_package
from regulator.stored import CopyDamaged
from regulator.submit import (
    Document,
    Judged,
    Kind,
    Outcome,
    Past,
    Refused,
    judge_refusal,
    open_refusal,
)

R = TypeVar("R", bound=Record)


class ChangedSince(Exception):
    """A record that the law asks for has changed since: only a replay knows what it was."""


def rejudge(database: Path, document: Document, scratch: Path | None = None) -> Judged:
    """The refusal judged again by the copy in `database`; see `rejudge_all`."""
    return rejudge_all(database, [document], scratch)[0]


def rejudge_all(
    database: Path, documents: Sequence[Document], scratch: Path | None = None
) -> list[Judged]:
    """The refusals judged again by the copy in `database`, in their order.

    Where the log must be replayed, once for all of them, its records go into the empty folder
    `scratch`; without one that is left unresolved. Raises `DatabaseUnusable` and `CopyDamaged`.
    """
    with open_database(database, readers=True) as engine:
        genesis = own_genesis(engine)
        if genesis is None:
            says = "our own copy is empty: follow the hub first"
            return [Judged(Kind.REFUSAL, Outcome.NOTHING, says) for _ in documents]
        quick = [_rejudge_quickly(engine, genesis, document) for document in documents]
        deep = {place: one for place, one in enumerate(quick) if isinstance(one, Refused)}
        judged = dict[int, Judged]()
        if scratch is not None:
            judged = _rejudge_by_replay(engine, scratch, genesis, deep)
        else:
            for place, one in deep.items():
                size = one.said.size
                says = f"the log is replayed to size {size}; what comes of it is among the findings"
                judged[place] = Judged(Kind.REFUSAL, Outcome.UNRESOLVED, says, size)
        return [
            judged[place] if isinstance(one, Refused) else one for place, one in enumerate(quick)
        ]


def _rejudge_quickly(engine: Engine, genesis: Genesis, document: Document) -> Judged | Refused:
    """By the records of now, as far as they are those of then; else the refusal, opened."""
    refused = open_refusal(document, genesis.refusal, genesis.origin)
    if isinstance(refused, Judged):
        return refused
    size = refused.said.size
    with engine.begin() as connection:
        held = _size(connection)
        if size > held:
            says = f"size {size} is more than we hold ({held}); remembered until we do"
            return Judged(Kind.REFUSAL, Outcome.UNRESOLVED, says, size)
        try:
            return judge_refusal(refused, _past(connection, size, _unseen(connection)))
        except ChangedSince:
            return refused


def own_genesis(engine: Engine) -> Genesis | None:
    """The founding that the copy begins with, None while it is empty; raises `CopyDamaged`."""
    with engine.begin() as connection:
        pinned = connection.exec_driver_sql("SELECT genesis FROM copy").scalar_one_or_none()
        row = connection.exec_driver_sql("SELECT body FROM entry WHERE idx = 0").first()
    if row is None:
        return None
    if hashlib.sha256(row[0] or b"").digest() != pinned:
        raise CopyDamaged("our own copy does not begin with the founding that was pinned")
    return read_genesis(row[0])


class BookOfThen:
    """The records of an earlier size, as far as nothing has changed them since; a `Book`."""

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection = connection
        self._size = size

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of then; raises `ChangedSince`."""
        row = self._connection.exec_driver_sql(
            "SELECT json, changed_index FROM record WHERE kind = ? AND id = ?", (kind.__name__, id)
        ).first()
        if row is None:
            return None
        if row[1] >= self._size:
            raise ChangedSince(f"{kind.__name__} {id}")
        return record_from_json(kind, json.loads(row[0]))


def _past(connection: Connection, size: int, unseen: int, book: Book | None = None) -> Past:
    """The log at `size`, out of the copy; the records too, unless there is another book of them."""

    def entry_at(index: int) -> EarlierEntry | None:
        return _entry_at(connection, index)

    def place_of(event_id: str) -> tuple[int, bytes] | None:
        row = connection.exec_driver_sql(
            "SELECT idx, entry FROM entry WHERE event = ? ORDER BY idx LIMIT 1", (event_id,)
        ).first()
        return None if row is None else (row[0], parse_entry(row[1]).commitment)

    before = _time_of(connection, size - 1)
    return Past(
        BookOfThen(connection, size) if book is None else book,
        size,
        0 if before is None else before,
        _time_of(connection, size),
        place_of,
        entry_at,
        unseen,
    )


def _rejudge_by_replay(
    engine: Engine, scratch: Path, genesis: Genesis, asked: Mapping[int, Refused]
) -> dict[int, Judged]:
    """Each of these, under its own place, at its own size."""
    by_size: dict[int, list[int]] = {}
    for place, refused in asked.items():
        by_size.setdefault(refused.said.size, []).append(place)
    judged = {}
    if asked:
        with closing(_replayed(engine, scratch, genesis, sorted(by_size))) as sizes:
            for size, replay in sizes:
                with engine.begin() as connection:
                    past = _past(connection, size, replay.unseen, replay.book)
                    for place in by_size[size]:
                        judged[place] = judge_refusal(asked[place], past)
    return judged


def _replayed(
    engine: Engine, scratch: Path, genesis: Genesis, sizes: Sequence[int]
) -> Generator[tuple[int, Replay]]:
    """Our log replayed, halting at each of these sizes, which ascend; its records in a database
    that ends with this."""
    with (
        open_database(scratch / "records.db") as own,
        own.connect() as records,
    ):
        book = StoredBook(records)
        keys = KeysAtHand()
        known: set[str] = set()
        replay = Replay(
            book,
            genesis.commitment,
            genesis.origin,
            is_known=lambda event_id: event_id in known,
            entry_at=lambda index: _read_entry_at(engine, index),
        )
        for start, end in _steps(sizes):
            entries, bodies = _read_package(engine, start, end - start)
            opened = open_package(entries, bodies, keys)
            known.clear()
            known |= _known_before(engine, start, [o.event.id for o in opened if o.event])
            with records.begin():
                for place, (one, body) in enumerate(zip(opened, bodies, strict=True)):
                    stepped = replay.step(start + place, one, body)
                    if stepped.writes:
                        book.put(stepped.writes, start + place)
                    if one.event is not None:
                        known.add(one.event.id)
                book.flush()
            if end in sizes:
                with records.begin():
                    yield end, replay


def _steps(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From and to, in packages that end at each of these sizes too."""
    start = 0
    for size in sizes:
        if size == 0:
            yield 0, 0
        while start < size:
            end = min(start + TILE_WIDTH, size)
            yield start, end
            start = end


def _read_package(engine: Engine, start: int, width: int) -> tuple[list[bytes], list[bytes]]:
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT entry, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
            (start, start + width),
        ).fetchall()
    if len(rows) != width:
        raise CopyDamaged(f"our own entries from {start} on are incomplete; run `regulator check`")
    return [row[0] for row in rows], [row[1] or b"" for row in rows]


def _known_before(engine: Engine, index: int, ids: list[str]) -> set[str]:
    """Those event ids that stand on the log before `index`."""
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT event FROM entry WHERE idx < ? AND event IN (SELECT value FROM json_each(?))",
            (index, json.dumps(ids)),
        ).fetchall()
    return {row[0] for row in rows}


def _read_entry_at(engine: Engine, index: int) -> EarlierEntry | None:
    with engine.begin() as connection:
        return _entry_at(connection, index)


def _entry_at(connection: Connection, index: int) -> EarlierEntry | None:
    row = connection.exec_driver_sql(
        "SELECT entry, type FROM entry WHERE idx = ?", (index,)
    ).first()
    if row is None:
        return None
    try:
        return EarlierEntry(parse_entry(row[0]).commitment, row[1])
    except MalformedEvent:
        return None


def _time_of(connection: Connection, index: int) -> int | None:
    """When an entry was admitted, ms; None if there is none, or none that can be read."""
    row = connection.exec_driver_sql("SELECT entry FROM entry WHERE idx = ?", (index,)).first()
    if row is None:
        return None
    try:
        return parse_entry(row[0]).at
    except MalformedEvent:
        return None


def _size(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT size FROM copy").scalar_one())


def _unseen(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT unseen FROM copy").scalar_one())
