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


@dataclass(frozen=True, slots=True)
class Expression:
    """Canonical JSON of one kind of value.

    `pattern` has `groups` groups. `build` makes the value from all groups of a match, where it
    knows its own by number; None: the value is the text of the first. It raises ValueError where
    the form alone is right.
    """

    pattern: str
    groups: int
    build: Build | None


@cache
def event_expression(type_: str) -> Expression | None:
    """The expression of an event type, its groups numbered from 0; None for no event type."""
    cls = EVENTS.get(type_)
    if cls is None:
        return None
    body = _object(cls, 0)
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
    builds: dict[str, Build] = {}
    sure = False  # whether a field before this one is always there
    for number, field in enumerate(fields_of(cls)):
        value = _value(field.annotation, first + groups)
        comma = "" if number == 0 else "," if sure else r"(?:(?<=\{)|(?<!\{),)"
        member = f'{comma}"{field.json_name}":{value.pattern}'
        pattern += f"(?:{member})?" if field.optional else member
        places[field.name] = first + groups
        if value.build is not None:
            builds[field.name] = value.build
        groups += value.groups
        sure = sure or not field.optional
    names = [field.name for field in fields(cls)]
    order = [places[name] for name in names]
    built = [(at, places[name], builds[name]) for at, name in enumerate(names) if name in builds]

    def build(groups: Groups) -> Any:
        values: list[Any] = [groups[place] for place in order]
        for at, place, build_one in built:
            if groups[place] is not None:
                values[at] = build_one(groups)
        return cls(*values)

    return Expression(f"\\{{{pattern}\\}}", groups, build)


def _value(annotation: Any, place: int) -> Expression:
    """A field's value; its first group, number `place`, is there if and only if the field is."""
    if get_origin(annotation) is Annotated:
        return _scalar(get_args(annotation)[1], place)
    if get_origin(annotation) is tuple:
        return _list_of(get_args(annotation)[0], place)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return Expression(f'"({_CODE})"', 1, _converted(_code_reader(annotation), place))
    if annotation is PublicKey:
        return Expression(f"({_KEY})", 1, _converted(_read_key, place))
    inner = _object(annotation, place + 1)
    return Expression(f"({inner.pattern})", 1 + inner.groups, inner.build)


def _scalar(kind: Kind, place: int) -> Expression:
    if kind.format is int:
        return Expression(f"({_INTEGER})", 1, _converted(lambda text: kind.parse(int(text)), place))
    if kind.pattern is not None:
        return Expression(f'"({kind.pattern})"', 1, None)
    return Expression(f'"({_ANY_TEXT})"', 1, _converted(kind.parse, place))


def _list_of(item: Any, place: int) -> Expression:
    single = _value(item, 0)
    if get_origin(item) is Annotated:
        read = _scalars_reader(get_args(item)[1])
    elif isinstance(item, type) and issubclass(item, StrEnum):
        read = _codes_reader(item)
    else:
        read = _objects_reader(single)
    one = re.sub(r"(?<!\\)\((?!\?)", "(?:", single.pattern)
    return Expression(
        f"(\\[{one}(?:,{one}){{0,{LIST_ITEMS_MAX - 1}}}\\])", 1, _converted(read, place)
    )


def _converted(convert: Callable[[str], Any], place: int) -> Build:
    def build(groups: Groups) -> Any:
        text = groups[place]
        assert text is not None, "asked only for what is there"
        return convert(text)

    return build


def _code_reader(codes: type[StrEnum]) -> Callable[[str], StrEnum]:
    members = {member.value: member for member in codes}

    def read(text: str) -> StrEnum:
        member = members.get(text)
        if member is None:
            raise ValueError(f"not one of the {codes.__name__} codes")
        return member

    return read


def _codes_reader(codes: type[StrEnum]) -> Callable[[str], Any]:
    read_code = _code_reader(codes)

    # A product's sections stand in each of its orders and reports.
    @lru_cache(maxsize=512)
    def read(text: str) -> tuple[StrEnum, ...]:
        return tuple([read_code(name) for name in _in_order(text[2:-2].split('","'))])

    return read


def _scalars_reader(kind: Kind) -> Callable[[str], Any]:
    return lambda text: tuple(_in_order([kind.parse(item) for item in json.loads(text)]))


def _objects_reader(single: Expression) -> Callable[[str], Any]:
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
