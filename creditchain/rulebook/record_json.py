"""Records as plain JSON, for stores that keep them as text.

PURE. Keys are the field names; absent fields are left out; times and other numbers stay integers;
values that events carry (terms, money, keys) stand as in events. The two functions are inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from creditchain.events import PublicKey, format_fields, parse_fields
from creditchain.rulebook.record import RECORDS, Record

R = TypeVar("R", bound=Record)


class _Column(NamedTuple):
    name: str
    optional: bool
    to_json: Callable[[Any], Any]
    from_json: Callable[[Any], Any]


def record_to_json(record: Record) -> dict[str, Any]:
    """The JSON object of a record."""
    result = {}
    for column in _COLUMNS[type(record)]:
        value = getattr(record, column.name)
        if value is not None:
            result[column.name] = column.to_json(value)
    return result


def record_from_json(kind: type[R], data: Mapping[str, Any]) -> R:
    """The record of a JSON object that `record_to_json` made; raises ValueError for any other."""
    columns = _COLUMNS[kind]
    unknown = data.keys() - {column.name for column in columns}
    if unknown:
        raise ValueError(f"{kind.__name__} has no {min(unknown)}")
    values = {}
    for column in columns:
        if column.name in data:
            values[column.name] = column.from_json(data[column.name])
        elif not column.optional:
            raise ValueError(f"{kind.__name__}.{column.name} is missing")
    return kind(**values)


def _same(value: Any) -> Any:
    return value


def _plain(kind: type[Any]) -> Callable[[Any], Any]:
    def take(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"not a {kind.__name__}: {value!r:.60}")
        return value

    return take


def _translations(annotation: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (arg for arg in get_args(annotation) if arg is not type(None))
    if get_origin(annotation) is tuple:
        to_item, from_item = _translations(get_args(annotation)[0])
        return (lambda items: [to_item(i) for i in items]), (
            lambda items: tuple(from_item(i) for i in items)
        )
    if annotation is PublicKey:
        return PublicKey.to_json, PublicKey.from_json
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return str, annotation
    if is_dataclass(annotation):
        nested: Any = annotation
        return format_fields, (lambda value: parse_fields(nested, value))
    assert annotation in (str, int), f"{annotation!r} is no field of a record"
    return _same, _plain(annotation)


_COLUMNS: Final[dict[type[Any], tuple[_Column, ...]]] = {
    kind: tuple(
        _Column(
            field.name,
            field.default is not MISSING,
            *_translations(get_type_hints(kind)[field.name]),
        )
        for field in fields(kind)
    )
    for kind in RECORDS
}
