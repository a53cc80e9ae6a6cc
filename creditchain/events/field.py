"""Field kinds of events: what a field may hold, and how it stands in canonical JSON.

PURE. A kind is an `Annotated` alias, so that an event class reads like the format's own table and
the same annotation serves the type checker, the parser, the formatter and the GraphQL schema.
Times are integers of milliseconds since 1970 in Python, RFC 3339 UTC with milliseconds in JSON;
digests, salts and ids stay in their text form, which is canonical and compares as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

INTEGER_MAX: Final = 2**53 - 1
"""RFC 8785 numbers are IEEE doubles: larger integers would not survive a foreign reader."""
LIST_ITEMS_MAX: Final = 256
"""No list of an event is longer; records go in as one Merkle root, not as a list."""
LABEL_CHARS_MAX: Final = 120
"""Names of institutions and products: the longest registered company names fit."""


class MalformedEvent(ValueError):
    """The data is no event: `path` says where (dotted JSON path), `problem` what."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'event'}: {problem}")
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Kind:
    """One scalar field kind: its name in the GraphQL schema, its parser and its formatter.

    `pattern` matches its texts and no others; None where one may need an escape in JSON.
    """

    name: str
    parse: Callable[[object], Any]
    format: Callable[[Any], Any]
    description: str
    pattern: str | None = None


def text_kind(name: str, pattern: str, description: str, *, escapes: bool = False) -> Kind:
    """A kind of text; `escapes` where a quote, backslash or control character may stand in it."""
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            raise ValueError(f"not a {name}: {description}")
        return value

    return Kind(name, parse, str, description, None if escapes else pattern)


# Base64url without padding has spare bits in its last character; only zeros there are canonical,
# or one digest would have several spellings.
_LAST_OF_32 = "[AEIMQUYcgkosw048]"
_LAST_OF_16 = "[AQgw]"
_B64 = "[A-Za-z0-9_-]"

_TIME = re.compile("[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\\.[0-9]{3}Z")
_NOT_DIGITS = re.compile("[^0-9]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def parse_time(value: object) -> int:
    """Milliseconds since 1970 for `2026-11-22T08:00:00.000Z`; raises ValueError for other text."""
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        raise ValueError("not an RFC 3339 UTC time with milliseconds")
    return _parse_second(value[:19]) + int(value[20:23])


# Events of one second stand together, so that most ask for what was asked for just before.
@lru_cache(maxsize=1024)
def _parse_second(text: str) -> int:
    """Milliseconds since 1970 of `2026-11-22T08:00:00`, of which only the form is known."""
    year, month, day, hour, minute, second = map(int, _NOT_DIGITS.split(text))
    at = (datetime(year, month, day, hour, minute, second, 0, UTC) - _EPOCH) // _MS
    if at < 0:
        raise ValueError("a time before 1970")
    return at


@lru_cache(maxsize=64)
def _format_second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def format_time(at_ms: int) -> str:
    """The inverse of `parse_time`."""
    second, ms = divmod(at_ms, 1000)
    return f"{_format_second(second)}.{ms:03d}Z"


def integer_kind(name: str, low: int, high: int, description: str) -> Kind:
    def parse(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"not an integer from {low} to {high}")
        return value

    return Kind(name, parse, int, description)


# Controls, invisible and direction-turning characters: a name must be what it looks like. These are
# ranges, not Unicode categories, which differ between Python versions: an event parses everywhere
# or nowhere.
_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f"
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\udfff\\ufe00-\\ufe0f"
    "\\ufeff\\uffa0\\ufff0-\\uffff\\U000e0000-\\U000e0fff]"
)
_SPACES = re.compile("[ \\xa0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000]")


def _parse_label(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= LABEL_CHARS_MAX:
        raise ValueError(f"not a text of 1 to {LABEL_CHARS_MAX} characters")
    if _UNSEEN.search(value) or _SPACES.match(value) or _SPACES.match(value[-1]):
        raise ValueError("a space at an end, or a character that cannot be seen")
    return value


_UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_MEMBER = "[a-z][a-z0-9-]{1,30}[a-z0-9]"
_OPAQUE = f"{_B64}{{21}}{_LAST_OF_16}"

# The kinds. Each is `Annotated[python type, Kind]`.
EventId = Annotated[str, text_kind("EventId", _UUID7, "UUIDv7 in lower case")]
MemberId = Annotated[str, text_kind("MemberId", _MEMBER, "a short readable name, a-z 0-9 and -")]
OfficerId = Annotated[str, text_kind("OfficerId", f"of_{_OPAQUE}", "of_ and 128 random bits")]
EnterpriseId = Annotated[str, text_kind("EnterpriseId", f"en_{_OPAQUE}", "en_ and 128 random bits")]
ActorId = Annotated[
    str,
    text_kind(
        "ActorId", f"{_MEMBER}|of_{_OPAQUE}|en_{_OPAQUE}", "a member, officer or enterprise id"
    ),
]
ProductId = Annotated[
    str,
    text_kind(
        "ProductId", f"{_MEMBER}/[a-z0-9][a-z0-9-]{{0,62}}", "agency/name, both a-z 0-9 and -"
    ),
]
Origin = Annotated[
    str,
    text_kind("Origin", r"[a-z0-9][a-z0-9.:-]{0,120}(?:/[a-z0-9._-]{1,60}){0,4}", "a log's name"),
]
Digest = Annotated[str, text_kind("Digest", f"{_B64}{{42}}{_LAST_OF_32}", "32 bytes in base64url")]
Salt = Annotated[str, text_kind("Salt", _OPAQUE, "16 bytes in base64url")]
Thumbprint = Annotated[
    str, text_kind("Thumbprint", f"{_B64}{{42}}{_LAST_OF_32}", "RFC 7638 thumbprint in base64url")
]
VerifierKey = Annotated[
    str,
    text_kind(
        "VerifierKey",
        r"[!-*,-~]{1,200}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{4,200}",
        "a C2SP vkey",
        escapes=True,
    ),
]
Region = Annotated[str, text_kind("Region", "[0-9]{6}", "GB/T 2260 code of six digits")]
Currency = Annotated[str, text_kind("Currency", "[A-Z]{3}", "ISO 4217 code")]
MediaType = Annotated[
    str, text_kind("MediaType", r"[a-z]+/[a-z0-9.+-]{1,80}", "a media type without parameters")
]
SchemaId = Annotated[
    str, text_kind("SchemaId", r"[a-z][a-z0-9-]{0,60}/v[1-9][0-9]{0,3}", "name/vN of a JSON Schema")
]
Label = Annotated[
    str, Kind("Label", _parse_label, str, f"text of 1 to {LABEL_CHARS_MAX} characters")
]
Timestamp = Annotated[
    int, Kind("Timestamp", parse_time, format_time, "RFC 3339 UTC time with milliseconds")
]
Count = Annotated[int, integer_kind("Count", 0, INTEGER_MAX, "a count from 0")]
Positive = Annotated[int, integer_kind("Positive", 1, INTEGER_MAX, "a count from 1")]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event class, with its two translations resolved once, at import."""

    name: str
    json_name: str
    optional: bool
    annotation: Any
    parse: Callable[[object, str], Any]
    format: Callable[[Any], Any]


def json_name(name: str) -> str:
    """`valid_until` as `validUntil`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_FIELDS: Final[dict[type[Any], tuple[Field, ...]]] = {}


def fields_of(cls: type[Any]) -> tuple[Field, ...]:
    """The fields of an event class in the order of their JSON names, which is canonical order."""
    found = _FIELDS.get(cls)
    if found is None:
        found = _FIELDS[cls] = _resolve(cls)
    return found


def _resolve(cls: type[Any]) -> tuple[Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    result = []
    for spec in fields(cls):
        annotation = hints[spec.name]
        # An optional field has the default None and is absent from JSON when None: no nulls.
        optional = spec.default is not MISSING
        assert not optional or spec.default is None, f"{cls.__name__}.{spec.name} has a default"
        if optional:
            annotation = _without_none(annotation)
        parse, format_ = _translations(annotation)
        result.append(Field(spec.name, json_name(spec.name), optional, annotation, parse, format_))
    return tuple(sorted(result, key=lambda field: field.json_name))


def parse_fields(cls: type[Any], data: object, path: str = "") -> Any:
    """An instance of `cls` from its JSON object; raises `MalformedEvent` naming the first fault."""
    if not isinstance(data, Mapping):
        raise MalformedEvent(path, "not an object")
    values: dict[str, Any] = {}
    seen = 0
    for field in fields_of(cls):
        if field.json_name in data:
            seen += 1
            values[field.name] = field.parse(
                data[field.json_name], f"{path}.{field.json_name}" if path else field.json_name
            )
        elif not field.optional:
            raise MalformedEvent(f"{path}.{field.json_name}".lstrip("."), "missing")
    if seen != len(data):
        known = {field.json_name for field in fields_of(cls)}
        extra = min(str(key) for key in data if key not in known)
        raise MalformedEvent(path, f"unknown field {extra[:60]!r}")
    return cls(**values)


def format_fields(value: Any) -> dict[str, Any]:
    """The JSON object of an event body or a nested value; absent fields are left out."""
    result = {}
    for field in fields_of(type(value)):
        item = getattr(value, field.name)
        if item is not None:
            result[field.json_name] = field.format(item)
    return result


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not type(None))
        return inner
    return annotation


def _translations(
    annotation: Any,
) -> tuple[Callable[[object, str], Any], Callable[[Any], Any]]:
    """The parser and the formatter of one annotation: a kind, a code list, a value or a tuple."""
    if get_origin(annotation) is Annotated:
        kind = get_args(annotation)[1]
        assert isinstance(kind, Kind)
        return _scalar(kind), kind.format
    if get_origin(annotation) is tuple:
        item, ellipsis = get_args(annotation)
        assert ellipsis is Ellipsis
        return _list_of(item)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return _code(annotation), str
    assert is_dataclass(annotation), f"{annotation!r} is no field kind"
    nested: Any = annotation
    if hasattr(nested, "from_json"):
        return nested.from_json, nested.to_json
    return (lambda value, path: parse_fields(nested, value, path)), format_fields


def _scalar(kind: Kind) -> Callable[[object, str], Any]:
    parse_value = kind.parse

    def parse(value: object, path: str) -> Any:
        try:
            return parse_value(value)
        except ValueError as error:
            raise MalformedEvent(path, str(error)) from None

    return parse


def _code(codes: type[StrEnum]) -> Callable[[object, str], Any]:
    members = {member.value: member for member in codes}

    def parse(value: object, path: str) -> StrEnum:
        member = members.get(value) if isinstance(value, str) else None
        if member is None:
            raise MalformedEvent(path, f"not one of the {codes.__name__} codes")
        return member

    return parse


def _list_of(item: Any) -> tuple[Callable[[object, str], Any], Callable[[Any], Any]]:
    parse_item, format_item = _translations(item)
    is_code = isinstance(item, type) and issubclass(item, StrEnum)

    def parse(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= LIST_ITEMS_MAX:
            raise MalformedEvent(path, f"not a list of 1 to {LIST_ITEMS_MAX} items")
        items = tuple(parse_item(entry, f"{path}.{at}") for at, entry in enumerate(value))
        # Codes and ids in a list form a set; one spelling of it keeps digests comparable.
        if (is_code or get_origin(item) is Annotated) and list(items) != sorted(set(items)):
            raise MalformedEvent(path, "not sorted, or an item twice")
        return items

    return parse, (lambda value: [format_item(entry) for entry in value])
