"""The records that replay gave, in observer.db and in memory: what the rulebook reads at replay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from creditchain.events.envelope import canonical_json
from creditchain.rulebook.record import Record
from creditchain.rulebook.record_json import record_from_json, record_to_json

RECORDS_REMEMBERED: Final = 20_000
"""Records kept in memory, about 1.5 KiB each: the orders and keys of the last hours."""

R = TypeVar("R", bound=Record)

_Known = dict[tuple[type[Any], str], Record | None]

_NOT_HERE: Final = object()


class StoredBook:
    """The records in the database, with the last used ones in memory; a `Book`.

    `put` keeps changes in memory until `flush` writes each record once.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # The records used last are those in the younger of two halves, or still in the older one.
        self._young: _Known = {}
        self._old: _Known = {}
        self._changed: dict[tuple[type[Any], str], tuple[Record, int]] = {}

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of this kind and id, or None."""
        place = (kind, id)
        found: Any = self._young.get(place, _NOT_HERE)
        if found is _NOT_HERE:
            found = self._old.get(place, _NOT_HERE)
            if found is _NOT_HERE:
                changed = self._changed.get(place)
                found = changed[0] if changed is not None else self._read(kind, id)
            self._remember(place, found)
        known: R | None = found
        return known

    def put(self, writes: Sequence[Record], index: int) -> None:
        """Take over what the entry at `index` wrote."""
        for record in writes:
            place = (type(record), record.id)
            self._changed[place] = (record, index)
            self._remember(place, record)

    def flush(self) -> None:
        """Write the changed records."""
        if self._changed:
            self._connection.exec_driver_sql(
                "INSERT INTO record (kind, id, json, changed_index) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET json = excluded.json, "
                "changed_index = excluded.changed_index",
                [
                    (kind.__name__, key, canonical_json(record_to_json(record)).decode(), index)
                    for (kind, key), (record, index) in self._changed.items()
                ],
            )
            self._changed.clear()

    def forget(self) -> None:
        """Drop what is in memory: the transaction it belonged to was rolled back."""
        self._young.clear()
        self._old.clear()
        self._changed.clear()

    def _remember(self, place: tuple[type[Any], str], record: Record | None) -> None:
        self._young[place] = record
        if len(self._young) >= RECORDS_REMEMBERED // 2:
            self._old, self._young = self._young, {}

    def _read(self, kind: type[R], id: str) -> R | None:
        row = self._connection.exec_driver_sql(
            "SELECT json FROM record WHERE kind = ? AND id = ?", (kind.__name__, id)
        ).first()
        return None if row is None else record_from_json(kind, json.loads(row[0]))
