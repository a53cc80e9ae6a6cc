"""Hypothesis strategies for events of every type, made from the same field tables as the parser."""

import string
from dataclasses import is_dataclass
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin

from hypothesis import strategies as st

from creditchain.events import EVENTS, Event, PublicKey, b64u
from creditchain.events.field import INTEGER_MAX, LABEL_CHARS_MAX, fields_of
from creditchain.events.product import Money
from creditchain.events.records import RECORDS_MAX
from fixtures.stories.story import public_key

B64 = string.ascii_letters + string.digits + "-_"
LOWER = string.ascii_lowercase + string.digits
TIME_MAX = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


def opaque(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(b64u)


def uuid7(raw: bytes) -> str:
    changed = bytearray(raw)
    changed[6] = 0x70 | changed[6] & 0x0F
    changed[8] = 0x80 | changed[8] & 0x3F
    text = changed.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


members = st.from_regex(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", fullmatch=True)
officers = opaque(16).map("of_{}".format)
enterprises = opaque(16).map("en_{}".format)
labels = (
    st.text(
        st.characters(categories=("L", "N", "P", "S")) | st.just(" "),
        min_size=1,
        max_size=LABEL_CHARS_MAX,
    )
    .map(lambda text: "".join(c for c in text if not 0x115F <= ord(c) <= 0x17B5).strip() or "x")
    .map(lambda text: "".join(c for c in text if c not in "\u3164\uffa0\ufffc\ufffd") or "x")
    .map(lambda text: text.strip() or "x")
)

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "EventId": st.binary(min_size=16, max_size=16).map(uuid7),
    "MemberId": members,
    "OfficerId": officers,
    "EnterpriseId": enterprises,
    "ActorId": members | officers | enterprises,
    "ProductId": st.builds("{}/{}".format, members, st.text(LOWER, min_size=1, max_size=63)),
    "Origin": st.from_regex(r"[a-z0-9][a-z0-9.:-]{0,20}(/[a-z0-9._-]{1,20}){0,4}", fullmatch=True),
    "Digest": opaque(32),
    "Salt": opaque(16),
    "Thumbprint": opaque(32),
    "VerifierKey": st.builds(
        "{}+{}+{}".format,
        st.from_regex("[a-z./]{1,50}", fullmatch=True),
        st.from_regex("[0-9a-f]{8}", fullmatch=True),
        st.from_regex("[A-Za-z0-9+/=]{4,60}", fullmatch=True),
    ),
    "Region": st.text("0123456789", min_size=6, max_size=6),
    "Currency": st.text(string.ascii_uppercase, min_size=3, max_size=3),
    "MediaType": st.from_regex(r"[a-z]+/[a-z0-9.+-]{1,20}", fullmatch=True),
    "SchemaId": st.from_regex(r"[a-z][a-z0-9-]{0,20}/v[1-9][0-9]{0,3}", fullmatch=True),
    "Label": labels,
    "Timestamp": st.integers(0, TIME_MAX),
    "Count": st.integers(0, INTEGER_MAX),
    "Positive": st.integers(1, INTEGER_MAX),
    "RecordCount": st.integers(1, RECORDS_MAX),
    "FindingLabel": st.from_regex(r"[A-Z][A-Z0-9_]{1,39}", fullmatch=True),
}

public_keys = st.builds(
    lambda number, use: public_key(f"any#{number}{use}"),
    st.integers(0, 5),
    st.sampled_from(["", ":seal"]),
)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of one field's annotation."""
    if get_origin(annotation) is Annotated:
        return SCALARS[get_args(annotation)[1].name]
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        if is_dataclass(item):
            return st.lists(values_of(item), min_size=1, max_size=4).map(tuple)
        items = st.lists(values_of(item), min_size=1, max_size=6, unique=True)
        return items.map(lambda found: tuple(sorted(found)))
    if annotation is PublicKey:
        return public_keys
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    assert annotation is Money or is_dataclass(annotation)
    return instances_of(annotation)


def instances_of(cls: Any) -> st.SearchStrategy[Any]:
    """Instances of an event class or of a value nested in one."""
    return st.builds(
        cls,
        **{
            field.name: (st.none() | values_of(field.annotation))
            if field.optional
            else values_of(field.annotation)
            for field in fields_of(cls)
        },
    )


def events_of(type_: str) -> st.SearchStrategy[Event]:
    """Events of one type."""
    return st.builds(
        Event,
        id=SCALARS["EventId"],
        log=SCALARS["Origin"],
        by=SCALARS["ActorId"],
        signed_at=SCALARS["Timestamp"],
        salt=SCALARS["Salt"],
        body=instances_of(EVENTS[type_]),
    )


any_event = st.sampled_from(sorted(EVENTS)).flatmap(events_of)
