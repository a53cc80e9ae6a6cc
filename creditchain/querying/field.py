"""Ways to say a field: one, maybe one, many; each with its description."""

from __future__ import annotations

from typing import Any

import graphene


def one(type_: Any, description: str, **arguments: Any) -> graphene.Field:
    """A field that always has a value."""
    return graphene.Field(type_, description=description, required=True, **arguments)


def maybe(type_: Any, description: str, **arguments: Any) -> graphene.Field:
    """A field that may be null: absent, or not for the caller."""
    return graphene.Field(type_, description=description, **arguments)


def many(type_: Any, description: str, **arguments: Any) -> graphene.Field:
    """A list without nulls that always has a value."""
    return graphene.Field(
        graphene.List(graphene.NonNull(type_)), description=description, required=True, **arguments
    )


def maybe_many(type_: Any, description: str) -> graphene.Field:
    """A list without nulls that may itself be null."""
    return graphene.Field(graphene.List(graphene.NonNull(type_)), description=description)
