"""Plain fields of the schema: read straight from their object, by a function made once for each.

A plain field has no arguments and no resolver of its own, and is a leaf, an object or a list of
one. Most of a response is plain. A value that is not (a null where none may be, an awaitable, an
exception, another type than expected) is `SLOW`: for graphql-core to look at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, cast

from graphene.types.resolver import attr_resolver, dict_or_attr_resolver, dict_resolver
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

Leaf = Callable[[Any], Any]
"""From the object to the response value of one field; `SLOW` if the long way is needed."""

SLOW: Final = object()
_PLAIN: Final = (str, int)
"""Values of records that serialise without surprise; StrEnum and bool are among them."""


class Branch(NamedTuple):
    """A field whose value is an object, or a list of objects, read straight from its parent."""

    attribute: str
    type_: GraphQLObjectType
    return_type: GraphQLOutputType
    required: bool
    many: bool


class Shortcuts(NamedTuple):
    """The plain fields of one object type."""

    leaves: dict[str, Leaf]
    branches: dict[str, Branch]


def shortcuts_of(schema: GraphQLSchema) -> dict[str, Shortcuts]:
    """For each object type its fields that are read straight from the object.

    That is: no arguments, graphene's default resolver, and a leaf, an object or a list of one. They
    are most of a page, and graphql-core takes 15 times as long for each leaf.
    """
    found = {}
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            leaves, branches = {}, {}
            for field_name, item in type_.fields.items():
                attribute = _attribute(item)
                leaf = None if attribute is None else _leaf(item, attribute)
                branch = None if attribute is None else branch_of(item, attribute)
                if leaf is not None:
                    leaves[field_name] = leaf
                elif branch is not None:
                    branches[field_name] = branch
            found[name] = Shortcuts(leaves, branches)
    return found


def _attribute(item: GraphQLField) -> str | None:
    """What the default resolver reads for this field; None if it has another."""
    resolve = item.resolve
    if not isinstance(resolve, partial) or item.args:
        return None
    if resolve.func not in (dict_or_attr_resolver, attr_resolver, dict_resolver):
        return None
    attribute: str = resolve.args[0]
    return attribute if resolve.args[1] is None else None


def _leaf(item: GraphQLField, attribute: str) -> Leaf | None:
    required = is_non_null_type(item.type)
    nullable: Any = get_nullable_type(cast("Any", item.type))
    if is_list_type(nullable):
        inner = nullable.of_type
        if not is_non_null_type(inner) or not is_leaf_type(inner.of_type):
            return None
        serialize_item = inner.of_type.serialize

        def serialize(values: Any) -> Any:
            if type(values) is not tuple or not all(isinstance(v, _PLAIN) for v in values):
                return SLOW
            return [serialize_item(value) for value in values]

    elif is_leaf_type(nullable):
        serialize_leaf = nullable.serialize

        def serialize(values: Any) -> Any:
            return serialize_leaf(values) if isinstance(values, _PLAIN) else SLOW

    else:
        return None

    def leaf(source: Any) -> Any:
        value = read(source, attribute)
        if value is None:
            return SLOW if required else None
        try:
            return serialize(value)
        except Exception:  # noqa: BLE001 - the long way raises it again and places it
            return SLOW

    return leaf


def branch_of(item: GraphQLField, attribute: str) -> Branch | None:
    """The field as a branch; None if it is a leaf, or its objects must be asked for their type."""
    nullable: Any = get_nullable_type(cast("Any", item.type))
    many = is_list_type(nullable)
    inner = nullable
    if many:
        if not is_non_null_type(nullable.of_type):
            return None
        inner = nullable.of_type.of_type
    if not isinstance(inner, GraphQLObjectType) or inner.is_type_of is not None:
        return None
    return Branch(attribute, inner, item.type, is_non_null_type(item.type), many)


def read(source: Any, attribute: str) -> Any:
    return source.get(attribute) if type(source) is dict else getattr(source, attribute, None)


def is_plain(branch: Branch, value: Any) -> bool:
    """Whether a branch with this value can be grown the short way."""
    if branch.many:
        return type(value) in (list, tuple) and all(map(_is_plain_object, value))
    return _is_plain_object(value)


def _is_plain_object(value: object) -> bool:
    """Whether a value is a dict or a dataclass: nothing to await, and no exception."""
    return type(value) is dict or hasattr(type(value), "__dataclass_fields__")
