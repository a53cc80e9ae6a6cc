"""Pages: what a list answers, and how many items it may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from creditchain.querying.failure import DoorError, ErrorCode
from creditchain.querying.limits import PAGE_DEFAULT, PAGE_MAX


@dataclass(frozen=True, slots=True)
class Page:
    """A page as the connection types read it."""

    nodes: Sequence[Any]
    cursors: Sequence[str]
    has_next_page: bool
    has_previous_page: bool
    place: str | None = None
    """The cursor to go on from, where that is not the last item's."""

    @property
    def edges(self) -> list[dict[str, Any]]:
        """The items with their cursors."""
        return [
            {"cursor": cursor, "node": node}
            for cursor, node in zip(self.cursors, self.nodes, strict=True)
        ]

    @property
    def page_info(self) -> Page:
        """Where the page stands."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first item."""
        return self.cursors[0] if self.cursors else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor to go on from: the last item's unless the list says another."""
        return self.place or (self.cursors[-1] if self.cursors else None)


def page_size(first: int | None) -> int:
    """How many items a page has; raises `DoorError`."""
    if first is None:
        return PAGE_DEFAULT
    if not 1 <= first <= PAGE_MAX:
        raise DoorError(ErrorCode.BAD_USER_INPUT, f"`first` is from 1 to {PAGE_MAX}.")
    return first
