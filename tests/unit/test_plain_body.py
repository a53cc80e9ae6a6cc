"""The quick reader of bodies reads what the strict one reads, and nothing else."""

import re
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from creditchain.events import (
    EVENTS,
    Event,
    MalformedEvent,
    PublicKey,
    canonical_json,
    event_object,
    format_event,
)
from creditchain.events.envelope import _Head
from creditchain.events.field import Kind, fields_of
from creditchain.seal import (
    BODY_BYTES_MAX,
    _plain_form,
    _read_plainly,
    _read_strictly,
    assemble,
)
from tests.unit.events.any_event import any_event, events_of

JWS = "eyJhbGciOiJFZDI1NTE5In0.." + "A" * 86
ASSERTION = {"authenticatorData": "AA", "clientDataJSON": "", "kid": "A-_9", "signature": "AAAA"}
PROOFS = [JWS, ASSERTION]


def body_of(event: Event, proof: str | dict[str, str]) -> bytes:
    if isinstance(proof, str):
        return assemble(format_event(event), proof)
    return canonical_json({"event": event_object(event), "proof": proof})


def strictly(raw: bytes) -> tuple[Event, bytes, object] | None:
    try:
        return _read_strictly(raw)
    except MalformedEvent:
        return None


def agree(raw: bytes) -> None:
    """What the quick reader reads, the strict one reads alike; it may leave anything to it."""
    read = _read_plainly(raw)
    assert read is None or read == strictly(raw)


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_an_event_of_each_type_is_read_by_both_readers_alike(type_: str):
    @settings(max_examples=25)
    @given(events_of(type_), st.sampled_from(PROOFS))
    def alike(event: Event, proof: str | dict[str, str]) -> None:
        raw = body_of(event, proof)
        assert strictly(raw) == (event, format_event(event), proof)
        # A quote in a name stands with a backslash before it: that is left to the strict reader.
        assert _read_plainly(raw) == (None if b"\\" in raw else strictly(raw))

    alike()


PIECES = [
    *(b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b" ", b"\n", b"\x00", b"-", b"0", b"1"),
    *(b"null", b"true", b"1.0", b"1e3", b'\\"', b"\\u0041", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80"),
    *(b',"extra":1', b'"a":"b",', b',"type":"OrderPlaced"', b'"},"proof":"', b"A", b"_", b"z"),
]


@settings(max_examples=400)
@given(any_event, st.sampled_from(PROOFS), st.data())
def test_of_mangled_bodies_the_quick_reader_takes_none_that_the_strict_one_refuses(
    event: Event, proof: str | dict[str, str], data: st.DataObject
):
    raw = body_of(event, proof)
    places = st.integers(0, len(raw))
    at, to = sorted((data.draw(places), data.draw(places)))
    piece = data.draw(st.sampled_from(PIECES))
    agree(raw[:at] + piece + raw[at:])
    agree(raw[:at] + piece + raw[at + len(piece) :])
    agree(raw[:at] + raw[to:])
    agree(raw[:to] + raw[at:to] + raw[to:])
    # Members and items moved, doubled or left out: the seams where form could be misread.
    parts = re.split(rb"(?<=[,\[{}\]])", raw)
    one, two = (data.draw(st.integers(0, len(parts) - 1)) for _ in range(2))
    parts[one], parts[two] = parts[two], parts[one]
    agree(b"".join(parts))
    agree(b"".join(parts[:one] + parts[one + 1 :]))
    agree(b"".join(parts[:one] + parts[two : two + 1] + parts[one:]))


@given(st.binary(max_size=300))
@example(b"")
@example(b'{"event":{},"proof":""}')
@example(b'{"event":{"type":"OrderPlaced"},"proof":"')
def test_any_bytes_are_left_to_the_strict_reader(raw: bytes):
    assert _read_plainly(raw) is None


def test_a_body_over_the_bound_is_left_to_the_strict_reader():
    assert _read_plainly(b" " * (BODY_BYTES_MAX + 1)) is None


def test_types_that_do_not_exist_are_not_remembered():
    before = _plain_form.cache_info().currsize
    for number in range(50):
        assert _read_plainly(b'{"event":{"type":"Imagined%d"},"proof":""}' % number) is None
    assert _plain_form.cache_info().currsize == before <= len(EVENTS)


def kinds_in(annotation: Any) -> set[Kind]:
    if get_origin(annotation) is Annotated:
        return {get_args(annotation)[1]}
    if get_origin(annotation) is tuple:
        return kinds_in(get_args(annotation)[0])
    if hasattr(annotation, "__dataclass_fields__") and annotation is not PublicKey:
        return set().union(*(kinds_in(field.annotation) for field in fields_of(annotation)))
    return set()


KINDS = set().union(*map(kinds_in, (_Head, *EVENTS.values())))


def literals_in(parsed: Any) -> set[int]:
    """Every character that a parsed pattern can match, as code points."""
    found: set[int] = set()
    for op, value in parsed:
        name = str(op)
        if name == "LITERAL":
            found.add(value)
        elif name == "RANGE":
            found |= set(range(value[0], value[1] + 1))
        elif name == "IN":
            found |= literals_in(value)
        elif name == "MAX_REPEAT":
            found |= literals_in(value[2])
        elif name == "BRANCH":
            found |= set().union(*map(literals_in, value[1]))
        elif name == "SUBPATTERN":
            found |= literals_in(value[-1])
        else:
            raise AssertionError(f"a pattern with {name} must be looked at")
    return found


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.name), ids=lambda k: k.name)
def test_no_text_of_a_kind_with_a_pattern_needs_an_escape(kind: Kind):
    if kind.pattern is None:
        assert kind.name in {"VerifierKey", "Label", "Timestamp"} or kind.format is int
        return
    characters = literals_in(re._parser.parse(kind.pattern))
    assert characters
    assert all(0x20 <= c < 0x7F and chr(c) not in '"\\' for c in characters)
    assert re.compile(kind.pattern).groups == 0
