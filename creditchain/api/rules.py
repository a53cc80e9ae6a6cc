"""What the hub's documents may cost; the rules themselves are `querying.rules`."""

from __future__ import annotations

from typing import Final

from graphql import DocumentNode

from creditchain.querying import rules
from creditchain.querying.rules import Prices, TooComplex, rules_of

__all__ = ["TooComplex", "check_cost", "rules_of"]

ROOT_COSTS: Final = {"counters": 200, "findEnterprise": 50, "submit": 2_000}
"""Root fields that count whole tables, look into the directory or take many events."""


def check_cost(document: DocumentNode, paged: frozenset[str]) -> int:
    """The cost of the dearest operation; raises `TooComplex`. `paged`: fields that take `first`."""
    return rules.check_cost(document, Prices(paged, ROOT_COSTS))
