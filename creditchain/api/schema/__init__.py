"""The GraphQL schema, built once at import; graphene declares it, graphql-core runs it.

`python -m creditchain.api.schema` prints it to graphql/schema.graphql; `--check` compares.
"""

from __future__ import annotations

from typing import Final

import graphene
from graphql import GraphQLScalarType, GraphQLSchema, lexicographic_sort_schema, print_schema

from creditchain.api.schema.mutation import Mutation
from creditchain.api.schema.query import Query
from creditchain.api.schema.subscription import Subscription
from creditchain.querying import scalar

__all__ = ["SCHEMA", "print_sdl"]


def _build() -> GraphQLSchema:
    schema = graphene.Schema(query=Query, mutation=Mutation, subscription=Subscription)
    built: GraphQLSchema = schema.graphql_schema
    for name, url in scalar.SPECIFIED_BY.items():
        type_ = built.type_map[name]
        assert isinstance(type_, GraphQLScalarType)
        type_.specified_by_url = url
    return built


SCHEMA: Final = _build()


def print_sdl() -> str:
    """The schema as sorted SDL, ending in a newline."""
    return print_schema(lexicographic_sort_schema(SCHEMA)).rstrip("\n") + "\n"
