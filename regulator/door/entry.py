"""An entry of the copy as the door shows it, its body taken apart as far as it goes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from creditchain.events import MalformedEvent, b64u, parse_time
from creditchain.seal import parse_entry

COLUMNS: Final = "idx, entry, body, event, type"
"""What `LoggedEntry.of_row` is made of."""


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry; what it does not say, or says in a way nobody can read, is None. Times are ms."""

    index: int
    at: int | None
    commitment: str | None
    id: str | None
    type: str | None
    by: str | None
    signed_at: int | None
    body: str | None

    @classmethod
    def of_row(cls, row: Any) -> LoggedEntry:
        """The entry of a row of `COLUMNS`."""
        index, raw, body, event, type_ = row
        at = commitment = None
        try:
            entry = parse_entry(raw)
        except MalformedEvent:
            pass  # it is a finding; its bytes are on the log all the same
        else:
            at, commitment = entry.at, b64u(entry.commitment)
        said = _event_in(body)
        by, signed_at = said.get("by"), said.get("signedAt")
        return cls(
            index,
            at,
            commitment,
            event,
            type_,
            by if isinstance(by, str) else None,
            _time(signed_at),
            None if body is None else body.decode("utf-8", "replace"),
        )


def _event_in(body: bytes | None) -> dict[str, Any]:
    try:
        event = json.loads(body or b"{}").get("event")
    except (ValueError, AttributeError, RecursionError):
        event = None
    return event if isinstance(event, dict) else {}


def _time(text: object) -> int | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
