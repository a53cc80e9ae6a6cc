"""The book over the tables: what a rule may ask, quickly, of committed and of half-done state.

- `Records` remembers committed records, so that a rule seldom waits for SQL. It is shared by the
  writer and by all readers, and bounded.
- `SqlBook` is the committed state; `Overlay` is a batch in the making on top of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, TypeVar, cast

from creditchain.ledger.tables import CODECS, DERIVED, TABLE_OF, columns_of, record_from
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
    """The state while a batch is decided: what earlier items wrote, else what is committed."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.changes: dict[Key, Change] = {}

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of this kind and id, or None."""
        change = self.changes.get((kind, id))
        return self._book.get(kind, id) if change is None else cast("R", change.after)

    def put(self, writes: Iterable[Record], index: int) -> None:
        """Takes over what the decision on the entry at `index` wrote."""
        for record in writes:
            key = (type(record), record.id)
            change = self.changes.get(key)
            if change is None:
                before: Record | None = self._book.get(key[0], record.id)
                self.changes[key] = Change(before, record, index, index)
            else:
                change.after = record
                change.changed_index = index


Statement = tuple[str, list[tuple[Any, ...]]]
"""SQL text and the rows of values to execute it with."""

_INSERT: Final = {
    kind: f"INSERT INTO {table.name} ({_quote(table.columns.keys())})"  # noqa: S608
    f" VALUES ({', '.join('?' for _ in table.columns)})"
    for kind, table in TABLE_OF.items()
}


def statements_of(changes: dict[Key, Change]) -> list[Statement]:
    """The statements that bring the tables to the state after the batch.

    A known record is updated in the columns that changed, so that the indexes over the others are
    left alone.
    """
    inserts: dict[type[Any], list[tuple[Any, ...]]] = {}
    updates: dict[str, list[tuple[Any, ...]]] = {}
    for (kind, id_), change in changes.items():
        after, before = change.after, change.before
        if before is None:
            values = columns_of(after)
            inserts.setdefault(kind, []).append((*values, change.first_index, change.changed_index))
            continue
        columns = ["changed_index"]
        values = [change.changed_index]
        for codec in CODECS[kind]:
            value = getattr(after, codec.name)
            if value != getattr(before, codec.name):
                columns.append(codec.name)
                values.append(
                    value if value is None or codec.to_column is None else codec.to_column(value)
                )
        for derived in DERIVED.get(kind, ()):
            if derived.source in columns:
                columns.append(derived.name)
                values.append(derived.value(after))
        sets = ", ".join(f'"{name}" = ?' for name in columns)
        sql = f"UPDATE {TABLE_OF[kind].name} SET {sets} WHERE id = ?"  # noqa: S608
        updates.setdefault(sql, []).append((*values, id_))
    return [*((_INSERT[kind], rows) for kind, rows in inserts.items()), *updates.items()]
