"""A schema as built and as printed: sorted SDL in the folder graphql/, compared by `make check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import graphene
from graphql import GraphQLScalarType, GraphQLSchema, lexicographic_sort_schema, print_schema

from creditchain.querying import scalar


def build(**roots: Any) -> GraphQLSchema:
    """The schema of these root types; its scalars say by which specification they are."""
    built: GraphQLSchema = graphene.Schema(**roots).graphql_schema
    for name, url in scalar.SPECIFIED_BY.items():
        type_ = built.type_map.get(name)
        if type_ is not None:
            assert isinstance(type_, GraphQLScalarType)
            type_.specified_by_url = url
    return built


def print_sdl(schema: GraphQLSchema) -> str:
    """The schema as sorted SDL, ending in a newline."""
    return print_schema(lexicographic_sort_schema(schema)).rstrip("\n") + "\n"


def write_or_check(sdl: str, path: Path, arguments: list[str], program: str) -> int:
    """Writes the SDL, or compares; exit status 0, 1 if `--check` finds another, 2 for misuse."""
    if arguments not in ([], ["--write"], ["--check"]):
        sys.stderr.write(f"usage: python -m {program} [--check|--write]\n")
        return 2
    if arguments != ["--check"]:
        path.write_text(sdl, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == sdl:
        return 0
    sys.stderr.write(f"graphql/{path.name} is not current: run make schema\n")
    return 1
