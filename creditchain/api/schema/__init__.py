"""The GraphQL schema, built once at import; graphene declares it, graphql-core runs it.

`python -m creditchain.api.schema` prints it to graphql/schema.graphql; `--check` compares.
"""

from __future__ import annotations

from typing import Final

from creditchain.api.schema.mutation import Mutation
from creditchain.api.schema.query import Query
from creditchain.api.schema.subscription import Subscription
from creditchain.querying import sdl

__all__ = ["SCHEMA", "print_sdl"]

SCHEMA: Final = sdl.build(query=Query, mutation=Mutation, subscription=Subscription)


def print_sdl() -> str:
    """The schema as sorted SDL, ending in a newline."""
    return sdl.print_sdl(SCHEMA)
