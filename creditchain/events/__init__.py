"""What can be said on the chain: events, their fields, and their canonical bytes.

PURE: knows no clock, database, network, randomness or settings. One file per concept; `EVENTS` is
the table of all types. An event is parsed and checked in one call:

    event = parse_event(data)          # raises MalformedEvent, with path and problem
    assert format_event(event) == data
"""

from creditchain.events.envelope import (
    EVENT_BYTES_MAX,
    Event,
    canonical_json,
    event_object,
    format_event,
    parse_event,
    parse_event_object,
    parse_json,
)
from creditchain.events.field import (
    MalformedEvent,
    format_fields,
    format_time,
    parse_fields,
    parse_time,
)
from creditchain.events.key import PublicKey, b64u, unb64u
from creditchain.events.table import EVENTS, TYPE_OF, Body

__all__ = [
    "EVENTS",
    "EVENT_BYTES_MAX",
    "TYPE_OF",
    "Body",
    "Event",
    "MalformedEvent",
    "PublicKey",
    "b64u",
    "canonical_json",
    "event_object",
    "format_event",
    "format_fields",
    "format_time",
    "parse_event",
    "parse_event_object",
    "parse_fields",
    "parse_json",
    "parse_time",
    "unb64u",
]
