"""Canonical JSON is RFC 8785, and nothing else is read."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain.events import MalformedEvent, canonical_json, parse_json
from creditchain.events.envelope import JSON_DEPTH_MAX

BYTES_MAX = 65_535

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
scalars = st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
).filter(lambda value: depth(value) <= JSON_DEPTH_MAX)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


# RFC 8785 sections 3.2.2 and 3.2.3 and appendix B, as far as our profile goes: its examples with
# floats, nulls and keys beyond ASCII are values that no event may hold.
VECTORS = [
    (
        {"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [True, False]},
        '{"literals":[true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    ),
    (
        {"\r": "Carriage Return", "1": "One", "\u0080"[:0]: "Empty"},
        '{"":"Empty","\\r":"Carriage Return","1":"One"}',
    ),
    (
        {"a": "\b\t\n\f\r", "A": "\x7f\u2028\u2029"},
        '{"A":"\x7f\u2028\u2029","a":"\\b\\t\\n\\f\\r"}',
    ),
    ({"b": "\u0000\u001f", "aa": 1, "a": 2}, '{"a":2,"aa":1,"b":"\\u0000\\u001f"}'),
    ([0, -1, 9007199254740991, -9007199254740991], "[0,-1,9007199254740991,-9007199254740991]"),
    ({"emoji": "\U0001f600", "han": "信用"}, '{"emoji":"\U0001f600","han":"信用"}'),
    ([[], {}, "", [{}]], '[[],{},"",[{}]]'),
]


@pytest.mark.parametrize(("value", "text"), VECTORS)
def test_the_vectors_of_rfc_8785_hold(value: Any, text: str):
    assert canonical_json(value) == text.encode()
    assert rfc8785.dumps(value) == text.encode()
    assert parse_json(text.encode(), BYTES_MAX) == value


@given(plain)
def test_canonical_json_is_what_another_implementation_writes(value: Any):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(plain)
def test_what_is_written_is_read_back(value: Any):
    assert parse_json(canonical_json(value), BYTES_MAX) == value


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text('{}[]",:0123456789.eE+-tfnul\\ \x00', max_size=40))
def test_any_bytes_are_read_or_malformed(data: bytes | str):
    raw = data.encode() if isinstance(data, str) else data
    try:
        value = parse_json(raw, BYTES_MAX)
    except MalformedEvent:
        return
    assert parse_json(canonical_json(value), BYTES_MAX) == value


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'"\x00"', "not JSON"),
        (b'"\\x41"', "not JSON"),
        (b"\xff", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"\x00{\x00}", "not JSON"),
        ('"\ud800"'.encode("utf-8", "surrogatepass"), "not JSON"),
        (b'{"a":1,"a":1}', "a key stands twice"),
        (b'[{"x":{"a":1,"b":2,"a":3}}]', "a key stands twice"),
        (b'{"a":1,"\\u0061":1}', "a key stands twice"),
        (b"1.0", "1.0 is no integer"),
        (b"[1e400]", "1e400 is no integer"),
        (b"-0.0", "-0.0 is no integer"),
        (b"1E2", "1E2 is no integer"),
        (b"NaN", "NaN is no integer"),
        (b"-Infinity", "-Infinity is no integer"),
        (b"9007199254740992", "beyond 2^53"),
        (b"[-9007199254740992]", "beyond 2^53"),
        (b"1" * 5000, "not JSON"),
        (b"null", "null"),
        (b'{"a":[null]}', "null"),
        (b'"\\ud800"', "lone surrogate"),
        (b'["\\udc00\\ud800"]', "lone surrogate"),
        (b'{"\\ud800":1}', "not ASCII"),
        ('{"é":1}'.encode(), "not ASCII"),
        (b"[" * 9 + b"1" + b"]" * 9, "nested over"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "nested over"),
        (b"[" * 2000 + b"]" * 2000, "not JSON|nested over"),
        (b"[" * 60_000, "too many"),
        (b"{}" * 2049, "too many"),
        (b'"' + b"a" * BYTES_MAX + b'"', "more than 65535 bytes"),
    ],
)
def test_what_canonical_json_cannot_hold_is_refused_by_name(raw: bytes, problem: str):
    with pytest.raises(MalformedEvent, match=problem.replace("^", r"\^").replace("+", r"\+")):
        parse_json(raw, BYTES_MAX)


def test_paired_surrogates_are_one_character():
    assert parse_json(b'"\\ud83d\\ude00"', BYTES_MAX) == "\U0001f600"


def test_minus_zero_is_not_the_canonical_zero():
    assert canonical_json(parse_json(b"-0", BYTES_MAX)) != b"-0"


def test_the_bound_on_bytes_is_inclusive():
    raw = json.dumps("a" * 98).encode()
    assert parse_json(raw, 100) == "a" * 98
    with pytest.raises(MalformedEvent):
        parse_json(raw, 99)
