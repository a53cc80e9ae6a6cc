"""The schema of the regulator's door, built once at import: queries, and no other root.

`python -m regulator.door.schema` prints it to graphql/observer.graphql; `--check` compares.
"""

from __future__ import annotations

from typing import Final

from creditchain.querying import sdl
from creditchain.querying.rules import Prices, paged_fields
from regulator.door.schema.query import FIELD_COSTS, LIST_COST, ROOT_COSTS, Query

__all__ = ["PRICES", "SCHEMA", "print_sdl"]

SCHEMA: Final = sdl.build(query=Query)

_PAGED: Final = paged_fields(SCHEMA)

PRICES: Final = Prices(_PAGED, dict.fromkeys(_PAGED, LIST_COST) | ROOT_COSTS, FIELD_COSTS)
"""What documents over this schema cost."""


def print_sdl() -> str:
    """The schema as sorted SDL, ending in a newline."""
    return sdl.print_sdl(SCHEMA)
