"""Whether a record has its section's shape in the report's schema, fast enough for a million.

A record that is committed can never be changed, and one of another shape can never be delivered.
The schema stays the one definition: it is compiled here to plain functions, some eighty times
as fast as a general validator, which is asked only for the words of a problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from creditchain.client.records import Record
from creditchain.client.report import report_schema
from creditchain.events.codes import Section

PROBLEM_CHARS_MAX: Final = 300
"""A problem quotes the value it is about, which may be a whole record."""

NAMES_KEPT_MAX: Final = 1_024
"""Names of fields whose form was checked; a section has a dozen."""

Test = Callable[[Any], bool]

# What a schema may say of a record's data. Another word is not guessed at: compiling fails.
_SILENT: Final = frozenset({"description"})


def check_shape(record: Record) -> None:
    """Raises ValueError naming the field unless `record.data` has its section's shape."""
    if not _test_of(record.section)(record.data):
        raise ValueError(_problem(record))


def _problem(record: Record) -> str:
    error = best_match(_validator_of(record.section).iter_errors(dict(record.data)))
    assert error is not None, "the compiled test and the schema judge the same"
    where = ".".join(map(str, error.absolute_path))
    text = error.message[:PROBLEM_CHARS_MAX]
    return f"data of {record.section.value}{f', {where}' if where else ''}: {text}"


@cache
def _schema_of(section: Section) -> dict[str, Any]:
    """What the report's schema says of a record's data: in general, and in this section."""
    schema = report_schema()
    general = schema["$defs"]["record"]["properties"]["data"]
    return {"allOf": [general, {"$ref": f"#/$defs/{section.value}"}], "$defs": schema["$defs"]}


@cache
def _validator_of(section: Section) -> Draft202012Validator:
    return Draft202012Validator(_schema_of(section))


@cache
def _test_of(section: Section) -> Test:
    schema = _schema_of(section)
    tests: dict[str, Test] = {}
    parts = [_compiled(part, schema["$defs"], tests) for part in schema["allOf"]]
    return _all(parts)


def _compiled(schema: Mapping[str, Any], defs: Mapping[str, Any], made: dict[str, Test]) -> Test:
    """The test that a schema means; `made` holds those of the definitions, which may recur."""
    parts: list[Test] = []
    for word, said in schema.items():
        match word:
            case "$ref":
                parts.append(_reference(said.removeprefix("#/$defs/"), defs, made))
            case "type":
                parts.append(_TYPES[said])
            case "enum":
                parts.append(_in(said))
            case "oneOf":
                by_type = {part["type"]: _compiled(part, defs, made) for part in said}
                assert len(by_type) == len(said), "alternatives exclude each other by their type"
                parts.append(_one_of(by_type))
            case "properties":
                known = {name: _compiled(part, defs, made) for name, part in said.items()}
                parts.append(_properties(known))
            case "propertyNames":
                # The same few names come again and again.
                names = lru_cache(NAMES_KEPT_MAX)(_compiled(said, defs, made))
                parts.append(_each(names))
            case "additionalProperties":
                known_names = frozenset(schema.get("properties", ()))
                other = _compiled(said, defs, made) if said is not False else _never
                parts.append(_others(known_names, other))
            case "items":
                parts.append(_each(_compiled(said, defs, made)))
            case _ if word in _BOUNDS:
                parts.append(_BOUNDS[word](said))
            case _:
                assert word in _SILENT, f"the schema's word {word} has no meaning here"
    # The type comes first: the other tests may then rely on it.
    parts.sort(key=lambda part: part not in _TYPES.values())
    return _all(parts)


def _reference(name: str, defs: Mapping[str, Any], made: dict[str, Test]) -> Test:
    if name not in made:

        def within(value: Any) -> bool:
            return made[name](value)

        # A definition that contains itself finds its test when it is called.
        made[name] = within
        made[name] = _compiled(defs[name], defs, made)
    return made[name]


def _all(parts: list[Test]) -> Test:
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda value: first(value) and second(value)

    def test(value: Any) -> bool:
        for part in parts:  # noqa: SIM110 - as below
            if not part(value):
                return False
        return True

    return test


def _one_of(by_type: Mapping[str, Test]) -> Test:
    get = {_PYTHON_TYPES[name]: part for name, part in by_type.items()}.get

    def test(value: Any) -> bool:
        part = get(type(value))
        return part is not None and part(value)

    return test


def _in(values: list[str]) -> Test:
    known = frozenset(values)
    return lambda value: isinstance(value, str) and value in known


def _never(_value: Any) -> bool:
    return False


def _properties(known: Mapping[str, Test]) -> Test:
    get = known.get

    def test(value: Any) -> bool:
        for name, item in value.items():
            part = get(name)
            if part is not None and not part(item):
                return False
        return True

    return test


def _each(part: Test) -> Test:
    """Of a list its items, of an object its names."""

    def test(value: Any) -> bool:
        for item in value:  # noqa: SIM110 - a generator would take twice the time
            if not part(item):
                return False
        return True

    return test


def _others(known: frozenset[str], other: Test) -> Test:
    def test(value: Any) -> bool:
        for name, item in value.items():  # noqa: SIM110 - as above
            if name not in known and not other(item):
                return False
        return True

    return test


def _required(names: list[str]) -> Test:
    wanted = frozenset(names)
    return lambda value: value.keys() >= wanted


def _pattern(text: str) -> Test:
    search = re.compile(text).search
    return lambda value: search(value) is not None


# Booleans are no integers in JSON, though they are in Python.
_TYPES: Final[Mapping[str, Test]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
}

_PYTHON_TYPES: Final = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}
"""What a JSON parser makes of each type, and nothing else."""

# Each stands beside a type, which is tested first.
_BOUNDS: Final[Mapping[str, Callable[[Any], Test]]] = {
    "required": _required,
    "pattern": _pattern,
    "minLength": lambda bound: lambda value: len(value) >= bound,
    "maxLength": lambda bound: lambda value: len(value) <= bound,
    "minProperties": lambda bound: lambda value: len(value) >= bound,
    "minimum": lambda bound: lambda value: value >= bound,
    "maximum": lambda bound: lambda value: value <= bound,
}
