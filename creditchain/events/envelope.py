"""The event: who says what, when, on which log; and its canonical JSON.

PURE. Canonical JSON is RFC 8785 (JCS) restricted to ASCII keys, strings, integers, booleans, lists
and objects: there a sorted compact dump is byte-identical to JCS. Parsing accepts no other spelling
of an event than the canonical one, so bytes and meaning stand one to one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from creditchain.events.field import (
    ActorId,
    EventId,
    MalformedEvent,
    Origin,
    Salt,
    Timestamp,
    format_fields,
    format_time,
    parse_fields,
)
from creditchain.events.table import EVENTS, TYPE_OF, Body

EVENT_BYTES_MAX: Final = 61_440
"""An event and its proof must fit a log entry bundle's 65,535 bytes; the rest is for the proof."""

JSON_DEPTH_MAX: Final = 8
"""The deepest event (a delivery's section's batches) has 5 levels below its body."""


@dataclass(frozen=True, slots=True)
class Event:
    """One statement by one actor.

    `id` is a UUIDv7 and the idempotency key; `log` the origin of the only log it is meant for; `by`
    the actor whose key signs; `signed_at` the signer's clock, ms; `salt` 128 random bits, so that
    the commitment gives nothing away.
    """

    id: EventId
    log: Origin
    by: ActorId
    signed_at: Timestamp
    salt: Salt
    body: Body

    @property
    def type(self) -> str:
        """The name of the event's type, a key of `EVENTS`."""
        return TYPE_OF[type(self.body)]


@dataclass(frozen=True, slots=True)
class _Head:
    """The envelope's own fields, parsed by the same table-driven parser as the bodies."""

    id: EventId
    log: Origin
    by: ActorId
    signed_at: Timestamp
    salt: Salt


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
)
_HEAD_NAMES: Final = frozenset({"id", "log", "by", "signedAt", "salt"})


_to_json: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
).encode


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a value made of str, int, bool, list and dict with ASCII keys."""
    return _to_json(value).encode("utf-8")


def parse_json(data: bytes, bytes_max: int) -> Any:
    """The value of JSON bytes; raises `MalformedEvent` for what canonical JSON cannot hold.

    Refused by name: more than `bytes_max` bytes, duplicate keys, floats, nulls, non-ASCII keys,
    lone surrogates, NaN, integers beyond 2^53, nesting over `JSON_DEPTH_MAX`.
    """
    if len(data) > bytes_max:
        raise MalformedEvent("", f"more than {bytes_max} bytes")
    # Nesting is bounded before the recursive parser sees the text; brackets inside strings only
    # make the bound stricter, and no event holds that many.
    if data.count(b"{") + data.count(b"[") > 2048:
        raise MalformedEvent("", "too many objects or lists")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except MalformedEvent:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedEvent("", f"not JSON: {error}") from None
    _check_plain(value, 0)
    return value


def format_event(event: Event) -> bytes:
    """The canonical bytes of an event: what its author signs."""
    return canonical_json(event_object(event))


def event_object(event: Event) -> dict[str, Any]:
    """The JSON object of an event."""
    return {
        "body": format_fields(event.body),
        "by": event.by,
        "id": event.id,
        "log": event.log,
        "salt": event.salt,
        "signedAt": format_time(event.signed_at),
        "type": TYPE_OF[type(event.body)],
    }


def parse_event_object(value: Any) -> Event:
    """The event of a parsed JSON object; raises `MalformedEvent`."""
    if not isinstance(value, dict):
        raise MalformedEvent("", "not an object")
    type_ = value.get("type")
    cls = EVENTS.get(type_) if isinstance(type_, str) else None
    if cls is None:
        raise MalformedEvent("type", "unknown event type")
    if value.keys() - _HEAD_NAMES != {"type", "body"}:
        raise MalformedEvent("", "the fields are type, id, log, by, signedAt, salt and body")
    head = parse_fields(_Head, {name: value[name] for name in _HEAD_NAMES if name in value})
    body = parse_fields(cls, value["body"], "body")
    return Event(head.id, head.log, head.by, head.signed_at, head.salt, body)


def parse_event(data: bytes) -> Event:
    """The event of canonical bytes; raises `MalformedEvent`, also for any other spelling."""
    event = parse_event_object(parse_json(data, EVENT_BYTES_MAX))
    if format_event(event) != data:
        raise MalformedEvent("", "not in canonical form")
    return event


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedEvent("", "a key stands twice in one object")
    return result


def _no_float(text: str) -> Any:
    raise MalformedEvent("", f"{text[:24]} is no integer")


def _check_plain(value: Any, depth: int) -> None:
    if depth > JSON_DEPTH_MAX:
        raise MalformedEvent("", f"nested over {JSON_DEPTH_MAX} deep")
    if isinstance(value, str):
        if not value.isascii() and any(0xD800 <= ord(c) <= 0xDFFF for c in value):
            raise MalformedEvent("", "a lone surrogate")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not key.isascii():
                raise MalformedEvent("", "a key that is not ASCII")
            _check_plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, depth + 1)
    elif value is None:
        raise MalformedEvent("", "null; leave the field out")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        raise MalformedEvent("", "an integer beyond 2^53")
