"""Variables, coerced by a plan that was made once for each operation.

graphql-core looks every type up and asks what it is for every value of every request, which costs
more than everything else a mutation needs. A plan knows. It only knows the good and plain case: for
whatever else it raises `Unplain`, and graphql-core coerces again and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    type_from_ast,
)

from creditchain.api.action import ACTIONS
from creditchain.events import Body, MalformedEvent, parse_fields

BODIES: Final[Mapping[str, type[Body]]] = {
    f"{action.mutation[0].upper()}{action.mutation[1:]}Input": action.body for action in ACTIONS
}
"""Input types that are the body of an event."""

Coerce = Callable[[Any], Any]


class Unplain(Exception):
    """The value is wrong, or right in a way the plan does not know."""


class Variable(NamedTuple):
    """One variable of an operation; without a value it is left out if it `may_lack` one."""

    name: str
    coerce: Coerce
    may_lack: bool


def plan_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode
) -> tuple[Variable, ...]:
    """The plan for the variables of a valid operation."""
    found = []
    for definition in operation.variable_definitions or ():
        type_: Any = type_from_ast(schema, definition.type)
        may_lack = definition.default_value is None and not isinstance(type_, GraphQLNonNull)
        found.append(Variable(definition.variable.name.value, _plan(type_), may_lack))
    return tuple(found)


def coerce_variables(plan: tuple[Variable, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the variables, as graphql-core has them; raises `Unplain`."""
    values = {}
    for name, coerce, may_lack in plan:
        if name in given:
            values[name] = coerce(given[name])
        elif not may_lack:
            raise Unplain
    return values


_PLANS: Final[dict[int, tuple[GraphQLInputType, Coerce]]] = {}
"""Plans by the identity of their type, which is kept beside so that it stays the same."""


def _plan(type_: Any) -> Coerce:
    known = _PLANS.get(id(type_))
    if known is None or known[0] is not type_:
        known = (type_, _make(type_))
        # Wrapping types are made anew for each operation; only the named ones are worth keeping.
        if not isinstance(type_, GraphQLNonNull | GraphQLList):
            _PLANS[id(type_)] = known
    return known[1]


def _make(type_: Any) -> Coerce:
    body = BODIES.get(getattr(type_, "name", ""))
    if body is not None:
        return _body(body)
    if isinstance(type_, GraphQLNonNull):
        return _required(_plan(type_.of_type))
    if isinstance(type_, GraphQLList):
        return _list(_plan(type_.of_type))
    if isinstance(type_, GraphQLEnumType):
        return _enum({name: value.value for name, value in type_.values.items()})
    if isinstance(type_, GraphQLInputObjectType):
        return _object(type_)
    assert isinstance(type_, GraphQLScalarType)
    return _scalar(type_.parse_value)


def _body(cls: type[Body]) -> Coerce:
    """The body of an event, parsed at once: whoever resolves the field need not do it again.

    The events' own parser accepts nothing that the input type does not, and more strictly so; what
    it refuses goes the long way, where each fault has its place.
    """

    def body(value: Any) -> Any:
        if value is None:
            return None
        try:
            return parse_fields(cls, value, "body")
        except MalformedEvent:
            raise Unplain from None

    return body


def _required(coerce: Coerce) -> Coerce:
    def required(value: Any) -> Any:
        if value is None:
            raise Unplain
        return coerce(value)

    return required


def _list(coerce: Coerce) -> Coerce:
    def items(values: Any) -> Any:
        if type(values) is list:
            return [coerce(value) for value in values]
        if values is None:
            return None
        raise Unplain  # one value stands for a list of one

    return items


def _enum(members: Mapping[str, Any]) -> Coerce:
    def member(value: Any) -> Any:
        if type(value) is str and value in members:
            return members[value]
        if value is None:
            return None
        raise Unplain

    return member


def _scalar(parse_value: Coerce) -> Coerce:
    def scalar(value: Any) -> Any:
        if value is None:
            return None
        try:
            parsed = parse_value(value)
        except Exception:  # noqa: BLE001 - graphql-core says what is wrong with it
            raise Unplain from None
        if parsed is Undefined:
            raise Unplain
        return parsed

    return scalar


def _object(type_: GraphQLInputObjectType) -> Coerce:
    # Only inputs that hand on a plain dict under the same names; all of ours do.
    plain = type_.out_type is dict
    fields: list[tuple[str, Coerce, bool]] = []
    for name, item in type_.fields.items():
        required = isinstance(item.type, GraphQLNonNull)
        plain = plain and item.out_name in (None, name) and item.default_value is Undefined
        fields.append((name, _plan(item.type), required))

    def mapping(value: Any) -> Any:
        if type(value) is not dict or not plain:
            if value is None:
                return None
            raise Unplain
        coerced = {}
        for name, coerce, required in fields:
            if name in value:
                coerced[name] = coerce(value[name])
            elif required:
                raise Unplain
        if len(coerced) != len(value):
            raise Unplain  # a field that the type does not have
        return coerced

    return mapping
