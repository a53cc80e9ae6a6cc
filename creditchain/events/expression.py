"""Canonical JSON of events as regular expressions, one for each event type, from its field table.

PURE. The canonical form of an event has one order of keys, no white space and one spelling of each
value, so one expression both checks the form of the whole and finds the values: in a third of the
time that parsing, writing again and comparing take. What it accepts is canonical, and the strict
reader gives the same event for it. What it does not accept may still be an event, a name with a
quote in it for example: it is a quick way for what is common, and refuses nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache, lru_cache
from operator import itemgetter
from typing import Annotated, Any, Final, get_args, get_origin

from creditchain.events.envelope import Event, canonical_json
from creditchain.events.field import (
    LIST_ITEMS_MAX,
    ActorId,
    EventId,
    Kind,
    Origin,
    Salt,
    Timestamp,
    fields_of,
    parse_time,
)
from creditchain.events.key import PublicKey
from creditchain.events.table import EVENTS

# Text that stands in JSON as it is; its kind's own parser still judges it.
_ANY_TEXT: Final = r'[^"\\\x00-\x1f]*'
_INTEGER: Final = "0|[1-9][0-9]{0,15}"
_CODE: Final = "[A-Z][A-Z0-9_]*"
_KEY: Final = r"\{[^{}\\]{1,400}\}"

Groups = Sequence[Any]
Build = Callable[[Groups], Any]
Convert = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Expression:
    """Canonical JSON of one kind of value.

    `pattern` has `groups` groups. `build` makes an object from all groups of a match, where it
    knows its own by number; `convert` makes any other value from the text of its one group; without
    either the text is the value. Both raise ValueError or KeyError where the form alone is right.
    """

    pattern: str
    groups: int
    build: Build | None = None
    convert: Convert | None = None


@cache
def event_expression(type_: str) -> Expression:
    """The expression of an event type, a key of `EVENTS`; its groups are numbered from 0."""
    body = _object(EVENTS[type_], 0)
    pattern, place = f'"body":{body.pattern}', body.groups
    for name, annotation in _HEAD.items():
        pattern += f',"{name}":{_value(annotation, place).pattern}'
        place += 1
    head, build_body = itemgetter(*range(body.groups, place)), body.build
    assert build_body is not None, "an object is built"

    def build(groups: Groups) -> Event:
        by, id_, log, salt, signed_at = head(groups)
        return Event(id_, log, by, parse_time(signed_at), salt, build_body(groups))

    return Expression(f'\\{{{pattern},"type":"{type_}"\\}}', place, build)


# The fields of an event beside body and type, in canonical order.
_HEAD: Final[dict[str, Any]] = {
    "by": ActorId,
    "id": EventId,
    "log": Origin,
    "salt": Salt,
    "signedAt": Timestamp,
}


def _object(cls: type[Any], first: int) -> Expression:
    """An object of a class; its groups are `first` and the following ones."""
    pattern, groups = "", 0
    places: dict[str, int] = {}
    values: dict[str, Expression] = {}
    sure = False  # whether a field before this one is always there
    for number, field in enumerate(fields_of(cls)):
        value = _value(field.annotation, first + groups)
        comma = "" if number == 0 else "," if sure else r"(?:(?<=\{)|(?<!\{),)"
        member = f'{comma}"{field.json_name}":{value.pattern}'
        pattern += f"(?:{member})?" if field.optional else member
        places[field.name], values[field.name] = first + groups, value
        groups += value.groups
        sure = sure or not field.optional
    names = [field.name for field in fields(cls)]
    return Expression(
        f"\\{{{pattern}\\}}",
        groups,
        _builder(cls, [places[name] for name in names], [values[name] for name in names]),
    )


def _builder(cls: type[Any], places: list[int], values: list[Expression]) -> Build:
    """What makes an instance from groups; for each field, its first group's place and its value."""
    # A slice of one, since a getter of one item gives no sequence.
    read = itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))
    numbered = list(enumerate(values))
    converted = [(at, value.convert) for at, value in numbered if value.convert is not None]
    built = [(at, value.build) for at, value in numbered if value.build is not None]

    def build(groups: Groups) -> Any:
        found = list(read(groups))
        for at, convert in converted:
            if found[at] is not None:
                found[at] = convert(found[at])
        for at, build_one in built:
            if found[at] is not None:
                found[at] = build_one(groups)
        return cls(*found)

    return build


def _value(annotation: Any, place: int) -> Expression:
    """A field's value; its first group, number `place`, is there if and only if the field is."""
    if get_origin(annotation) is Annotated:
        return _scalar(get_args(annotation)[1])
    if get_origin(annotation) is tuple:
        return _list_of(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return Expression(f'"({_CODE})"', 1, convert=_codes_of(annotation).__getitem__)
    if annotation is PublicKey:
        return Expression(f"({_KEY})", 1, convert=_read_key)
    inner = _object(annotation, place + 1)
    return Expression(f"({inner.pattern})", 1 + inner.groups, inner.build)


def _scalar(kind: Kind) -> Expression:
    if kind.format is int:
        return Expression(f"({_INTEGER})", 1, convert=lambda text: kind.parse(int(text)))
    if kind.pattern is not None:
        return Expression(f'"({kind.pattern})"', 1)
    return Expression(f'"({_ANY_TEXT})"', 1, convert=kind.parse)


def _list_of(item: Any) -> Expression:
    single = _value(item, 0)
    if get_origin(item) is Annotated:
        read = _scalars_reader(get_args(item)[1])
    elif isinstance(item, type) and issubclass(item, StrEnum):
        read = _codes_reader(item)
    else:
        read = _objects_reader(single)
    one = re.sub(r"(?<!\\)\((?!\?)", "(?:", single.pattern)
    return Expression(f"(\\[{one}(?:,{one}){{0,{LIST_ITEMS_MAX - 1}}}\\])", 1, convert=read)


def _codes_of(codes: type[StrEnum]) -> dict[str, StrEnum]:
    return {member.value: member for member in codes}


def _codes_reader(codes: type[StrEnum]) -> Convert:
    members = _codes_of(codes)

    # A product's sections stand in each of its orders and reports.
    @lru_cache(maxsize=512)
    def read(text: str) -> tuple[StrEnum, ...]:
        return tuple([members[name] for name in _in_order(text[2:-2].split('","'))])

    return read


def _scalars_reader(kind: Kind) -> Convert:
    return lambda text: tuple(_in_order([kind.parse(item) for item in json.loads(text)]))


def _objects_reader(single: Expression) -> Convert:
    find, build = re.compile(single.pattern).finditer, single.build
    assert build is not None, "an object is built"
    return lambda text: tuple([build(match.groups()) for match in find(text)])


def _in_order(items: list[Any]) -> list[Any]:
    """The items of a list that stands for a set; raises ValueError unless sorted, each once."""
    if any(items[at] >= items[at + 1] for at in range(len(items) - 1)):
        raise ValueError("not sorted, or an item twice")
    return items


@lru_cache(maxsize=8192)
def _read_key(text: str) -> PublicKey:
    key = PublicKey.from_json(json.loads(text))
    if canonical_json(key.to_json()).decode("ascii") != text:
        raise ValueError("not in canonical form")
    return key
