"""Ways to say a field, and what the resolvers of this door get."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import graphene

from creditchain.querying import scalar
from creditchain.querying.connection import connection_of, page_arguments
from creditchain.querying.field import many, maybe, maybe_many, one
from creditchain.rulebook.record import Record
from regulator.door.inquiry import Inquiry

__all__ = ["Info", "by_id", "entries_page", "many", "maybe", "maybe_many", "one", "page_of"]


class Info(Protocol):
    """What graphql-core hands a resolver beside the object; of it ours use the inquiry only."""

    context: Inquiry


@cache
def _connection_of(node: Any) -> Any:
    """One connection type for each type, wherever it is listed."""
    return connection_of(node, node.__name__, "")


def times(what: str) -> dict[str, graphene.Argument]:
    """The arguments of a list that may be bounded by when its items were `what`."""
    bounds = {"from": "from this time on", "to": "before this time"}
    return {
        name: graphene.Argument(scalar.Timestamp, description=f"Only those {what} {when}.")
        for name, when in bounds.items()
    }


def by_id(kind: type[Record], type_: Any, node: Any, description: str) -> Any:
    """A field for one record by its id; null if there is none."""

    async def resolve(_root: object, info: Info, id: str) -> object:
        return await info.context.record(kind, id)

    argument = graphene.Argument(type_, required=True, description="Its id.")
    return maybe(node, description, args={"id": argument}, resolver=resolve)


def page_of(
    kind: type[Record],
    node: Any,
    description: str,
    /,
    timed: str | None = None,
    **filters: tuple[Any, str],
) -> Any:
    """A connection over the records of a kind; `filters` are argument to type and description.

    `timed` is the record's field that `from` and `to` bound.
    """

    def resolve(
        _root: object,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        **given: Any,
    ) -> object:
        return info.context.page(kind, first, after, given, timed)

    wanted = {
        name: graphene.Argument(type_, description=says) for name, (type_, says) in filters.items()
    }
    return one(
        _connection_of(node),
        f"{description} In the order of their ids.",
        args={**page_arguments(), **wanted, **(times(timed.removesuffix("_at")) if timed else {})},
        resolver=resolve,
    )


def entries_page(node: Any, description: str, resolver: Any, **wanted: graphene.Argument) -> Any:
    """A connection over something else than records."""
    return one(
        _connection_of(node),
        description,
        args={**page_arguments(), **wanted},
        resolver=resolver,
    )
