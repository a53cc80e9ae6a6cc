"""The book over the tables: what a rule may ask, quickly, of committed and of half-done state.

- `Records` remembers committed records, so that a rule seldom waits for SQL. It is shared by the
  writer and by all readers, and bounded.
- `SqlBook` is the committed state; `Overlay` is a batch in the making on top of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from sqlite3 import Connection
from threading import Lock
from typing import Any, Final, TypeVar, cast

from creditchain.ledger.tables import CODECS, TABLE_OF, changed_columns, columns_of, record_from
from creditchain.rulebook.book import Book
from creditchain.rulebook.record import Record

R = TypeVar("R", bound=Record)

RECORDS_REMEMBERED: Final = 32_768
"""Committed records in memory, about 1 KiB each; twice as many for a moment."""

Fetch = Callable[[str, tuple[Any, ...]], Sequence[Any] | None]
"""The first row of a SELECT, or None."""

Key = tuple[type[Any], str]


class Records:
    """Committed records, the recently used ones of them, for many threads.

    Two generations stand in for an exact order of use: what is asked for moves to the young one,
    and when that is full the old one goes as a whole. A look-up that hits takes no lock.
    """

    def __init__(self, remembered: int = RECORDS_REMEMBERED) -> None:
        self._remembered = remembered
        self._young: dict[Key, Record] = {}
        self._old: dict[Key, Record] = {}
        self._lock = Lock()
        self.commits = 0
        """How often `publish` was called; a row read before the last time is not remembered."""

    def find(self, key: Key) -> Record | None:
        """The record if remembered."""
        record = self._young.get(key)
        if record is None and key in self._old:
            with self._lock:
                record = self._young.get(key) or self._old.get(key)
                if record is not None:
                    self._keep(key, record)
        return record

    def remember(self, key: Key, record: Record, commits: int) -> None:
        """Takes over a row that was read when `commits` was the count."""
        with self._lock:
            # Between the look and now the record may have changed; then the reader's is stale.
            if commits == self.commits:
                self._keep(key, record)

    def publish(self, written: Iterable[tuple[Key, Record]]) -> None:
        """Takes over what a batch has committed."""
        with self._lock:
            self.commits += 1
            for key, record in written:
                self._keep(key, record)

    def _keep(self, key: Key, record: Record) -> None:
        if len(self._young) >= self._remembered:
            self._old, self._young = self._young, {}
        self._young[key] = record


def _quote(names: Iterable[str]) -> str:
    # `order`, `count` and `key` are words of SQL.
    return ", ".join(f'"{name}"' for name in names)


_SELECT: Final = {
    kind: f"SELECT {_quote(codec.name for codec in CODECS[kind])} FROM {table.name} WHERE id = ?"  # noqa: S608
    for kind, table in TABLE_OF.items()
}


class SqlBook:
    """The committed state. Safe for threads as far as `fetch` is."""

    def __init__(self, records: Records, fetch: Fetch) -> None:
        self._records = records
        self._fetch = fetch

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of this kind and id, or None."""
        record = self._records.find((kind, id))
        if record is None:
            commits = self._records.commits
            row = self._fetch(_SELECT[kind], (id,))
            if row is None:
                return None
            record = record_from(kind, row)
            self._records.remember((kind, id), record, commits)
        return cast("R", record)


@dataclass(slots=True)
class Change:
    """What a batch does to one record: the committed one or None, the new one, and by which
    entries it was first and last written in the batch."""

    before: Record | None
    after: Record
    first_index: int
    changed_index: int


class Overlay:
    """The state while a batch is decided: what earlier items wrote, else what is committed.

    What was once asked of the committed state is kept until the batch ends: nobody else writes.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._now: dict[Key, Any] = {}
        self.changes: dict[Key, Change] = {}

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of this kind and id, or None."""
        key = (kind, id)
        record: R | None
        try:
            record = self._now[key]
        except KeyError:
            record = self._now[key] = self._book.get(kind, id)
        return record

    def put(self, writes: Iterable[Record], index: int, event_id: str) -> None:
        """Takes over what the decision on the event that becomes entry `index` wrote."""
        for record in writes:
            key = (type(record), record.id)
            change = self.changes.get(key)
            if change is None:
                # What has the id of a new event is new with it.
                before = None if record.id == event_id else self.get(key[0], record.id)
                self.changes[key] = Change(before, record, index, index)
            else:
                change.after = record
                change.changed_index = index
            self._now[key] = record


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement for many rows: `head`, then `row` for each, then `tail`.

    Many rows to a statement, not many statements: Python lets go of its lock once for each, and
    under load takes long to get it back. So SQLite also works while Python does something else.

    A row that must not be ends the whole transaction (OR ROLLBACK), which is what the machine does
    then anyway. By default SQLite would undo the one statement only, and for that copies every page
    into a temporary file before it changes it: more writing than the rows themselves.
    """

    head: str
    row: str
    tail: str
    rows: Sequence[tuple[Any, ...]]

    def run(self, connection: Connection) -> None:
        """Executes it over all rows."""
        at = 0
        for size in _ROWS_AT_A_TIME:
            while len(self.rows) - at >= size:
                values = list(chain.from_iterable(self.rows[at : at + size]))
                connection.execute(_sql(self.head, self.row, self.tail, size), values)
                at += size


# A few sizes only, so that each statement is parsed once; 64 of the widest rows are 2,000 values.
_ROWS_AT_A_TIME: Final = (64, 32, 16, 8, 4, 2, 1)


@lru_cache(maxsize=1024)
def _sql(head: str, row: str, tail: str, size: int) -> str:
    return head + ", ".join([row] * size) + tail


def insertion(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Statement:
    """The statement that inserts rows."""
    head = f"INSERT OR ROLLBACK INTO {table} ({_quote(columns)}) VALUES "  # noqa: S608
    return Statement(head, _places(len(columns)), "", rows)


_COLUMNS: Final = {kind: tuple(table.columns.keys()) for kind, table in TABLE_OF.items()}


def statements_of(changes: dict[Key, Change]) -> list[Statement]:
    """The statements that bring the tables to the state after the batch.

    A known record is updated in the columns that changed, so that the indexes over the others are
    left alone.
    """
    inserts: dict[type[Any], list[tuple[Any, ...]]] = {}
    updates: dict[tuple[type[Any], tuple[str, ...]], list[tuple[Any, ...]]] = {}
    for (kind, id_), change in changes.items():
        after, before = change.after, change.before
        if before is None:
            values = columns_of(after)
            values.append(change.first_index)
            values.append(change.changed_index)
            inserts.setdefault(kind, []).append(tuple(values))
            continue
        changed = changed_columns(before, after)
        columns = ("changed_index", *changed)
        values = [change.changed_index, *changed.values(), id_]
        updates.setdefault((kind, columns), []).append(tuple(values))
    return [
        *(insertion(TABLE_OF[kind].name, _COLUMNS[kind], rows) for kind, rows in inserts.items()),
        *(_update(kind, columns, rows) for (kind, columns), rows in updates.items()),
    ]


def _update(
    kind: type[Any], columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> Statement:
    """The statement that sets columns; a row of it is their values and the record's id."""
    table = TABLE_OF[kind].name
    # SQLite names the columns of a list of values column1, column2 and so on.
    sets = ", ".join(f'"{name}" = v.column{at}' for at, name in enumerate(columns, 1))
    return Statement(
        f"UPDATE OR ROLLBACK {table} SET {sets} FROM (VALUES ",  # noqa: S608
        _places(len(columns) + 1),
        f") AS v WHERE {table}.id = v.column{len(columns) + 1}",
        rows,
    )


def _places(count: int) -> str:
    return f"({', '.join('?' * count)})"
