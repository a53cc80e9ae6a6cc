"""Connections: pages in the order of first entry, with opaque signed cursors."""

from __future__ import annotations

from typing import Any

import graphene

from creditchain.querying.field import many, maybe, one
from creditchain.querying.limits import PAGE_DEFAULT, PAGE_MAX


class PageInfo(graphene.ObjectType):
    """Where a page stands; there is only forward."""

    has_next_page = one(graphene.Boolean, "Whether there is more.")
    has_previous_page = one(graphene.Boolean, "Whether `after` was given.")
    start_cursor = maybe(graphene.String, "The cursor of the first item.")
    end_cursor = maybe(graphene.String, "The cursor of the last item: the next page's `after`.")


def connection_of(node: Any, name: str, order: str = " in the order of first entry") -> Any:
    """The connection type over `node`; `order` says in which its items come."""
    edge = type(
        f"{name}Edge",
        (graphene.ObjectType,),
        {
            "__doc__": f"One {name} of a page.",
            "cursor": one(graphene.String, "Opaque and signed; only for `after`."),
            "node": one(node, f"The {name}."),
        },
    )
    return type(
        f"{name}Connection",
        (graphene.ObjectType,),
        {
            "__doc__": f"A page of {name} items{order}.",
            "edges": many(edge, "The items with their cursors."),
            "nodes": many(node, "The items alone."),
            "page_info": one(PageInfo, "Where the page stands."),
        },
    )


def page_arguments() -> dict[str, graphene.Argument]:
    """The arguments every connection takes."""
    return {
        "first": graphene.Argument(
            graphene.Int,
            description=f"At most so many items, 1 to {PAGE_MAX}; {PAGE_DEFAULT} if left out.",
        ),
        "after": graphene.Argument(
            graphene.String, description="The end cursor of the page before."
        ),
    }
