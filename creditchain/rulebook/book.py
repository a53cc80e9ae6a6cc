"""The book: what a rule may ask, and the one in memory that stories, tests and replay use.

PURE.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar, cast

from creditchain.rulebook.record import Record

R = TypeVar("R", bound=Record)

Writes = tuple[Record, ...]
"""The records an admitted event changes, whole; at most a handful."""


class Book(Protocol):
    """All a rule may know besides the event and its admission time."""

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of this kind and id, or None."""


class DictBook:
    """A book in memory."""

    def __init__(self) -> None:
        self._records: dict[tuple[type[Any], str], Record] = {}

    def get(self, kind: type[R], id: str) -> R | None:
        return cast("R | None", self._records.get((kind, id)))

    def put(self, writes: Iterable[Record]) -> None:
        """Takes over what a decision wrote."""
        for record in writes:
            self._records[type(record), record.id] = record

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a kind, in the order of first writing."""
        return [cast("R", r) for (k, _), r in self._records.items() if k is kind]
