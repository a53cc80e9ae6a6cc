"""Validation rules of our own: what a document may cost, and who may ask for the schema.

The cost rule walks a document once. Each fragment is walked once however often it is spread, so a
chain of fragments that doubles twenty times costs twenty steps here and is refused for what it
would cost to run. Cost: 1 a field, more for root fields, children times the page's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    specified_rules,
)

from creditchain.querying.failure import ErrorCode
from creditchain.querying.limits import COST_MAX, DEPTH_MAX, PAGE_DEFAULT, PAGE_MAX

ROOT_COST: Final = 5
"""A root field asks the database at least once."""

MUTATION_COST: Final = 20
"""A signature check and a commit."""

NESTING_MAX: Final = 100
"""Fields, fragments and inline fragments inside each other, before anything recursive runs."""

REPEATS_MAX: Final = 8
"""The same response name in one selection set; the specification's rule compares all pairs."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Which fields of a schema cost more than others.

    `paged` take `first`; `roots` are root fields and what each costs instead of `ROOT_COST`;
    `fields` cost so much more wherever they stand.
    """

    paged: frozenset[str] = frozenset()
    roots: Mapping[str, int] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)


def paged_fields(schema: GraphQLSchema) -> frozenset[str]:
    """The names of the fields that take `first`."""
    return frozenset(
        name
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType)
        for name, field_ in type_.fields.items()
        if "first" in field_.args
    )


class TooComplex(Exception):
    """The document nests or costs more than it may; the message says which."""


def check_cost(document: DocumentNode, prices: Prices) -> int:
    """The cost of the dearest operation; raises `TooComplex`."""
    walk = _Walk(document, prices)
    dearest = 0
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            cost, depth = walk.operation(definition)
            if depth > DEPTH_MAX:
                raise TooComplex(f"Fields are nested {depth} deep; the limit is {DEPTH_MAX}.")
            if cost > COST_MAX:
                raise TooComplex(f"The operation costs {cost}; the limit is {COST_MAX}.")
            dearest = max(dearest, cost)
    return dearest


class _Walk:
    def __init__(self, document: DocumentNode, prices: Prices) -> None:
        self._prices = prices
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()

    def operation(self, operation: OperationDefinitionNode) -> tuple[int, int]:
        """(cost, depth) of an operation."""
        cost, depth = self._selections(operation.selection_set, 0)
        return cost + self._roots(operation.selection_set, operation.operation, set()), depth

    def _roots(self, selected: SelectionSetNode, kind: OperationType, seen: set[str]) -> int:
        """What the root fields add; in fragments too, each counted as often as it is spread."""
        total = 0
        pending = [selected]
        while pending and total <= COST_MAX:
            for node in pending.pop().selections:
                if isinstance(node, FieldNode):
                    dearer = MUTATION_COST if kind is OperationType.MUTATION else ROOT_COST
                    total += self._prices.roots.get(node.name.value, dearer)
                elif isinstance(node, InlineFragmentNode):
                    pending.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                    # Spread twice, a fragment's fields merge: they run once.
                    seen.add(node.name.value)
                    fragment = self._fragments.get(node.name.value)
                    if fragment is not None:
                        pending.append(fragment.selection_set)
        return total

    def _selections(self, selected: SelectionSetNode, nesting: int) -> tuple[int, int]:
        if nesting > NESTING_MAX:
            raise TooComplex(f"Selections are nested over {NESTING_MAX} deep.")
        cost = depth = 0
        names: dict[str, int] = {}
        for node in selected.selections:
            if isinstance(node, FieldNode):
                name = node.alias.value if node.alias else node.name.value
                names[name] = names.get(name, 0) + 1
                if names[name] > REPEATS_MAX:
                    raise TooComplex(f"{name[:40]} is selected over {REPEATS_MAX} times.")
                more, deeper = 1, 1
                if node.selection_set is not None:
                    inner, below = self._selections(node.selection_set, nesting + 1)
                    more, deeper = 1 + inner * self._items(node), below + 1
                more += self._prices.fields.get(node.name.value, 0)
            elif isinstance(node, InlineFragmentNode):
                more, deeper = self._selections(node.selection_set, nesting + 1)
            else:
                assert isinstance(node, FragmentSpreadNode)
                more, deeper = self._fragment(node.name.value, nesting + 1)
            cost += more
            depth = max(depth, deeper)
        return cost, depth

    def _fragment(self, name: str, nesting: int) -> tuple[int, int]:
        known = self._known.get(name)
        if known is None:
            fragment = self._fragments.get(name)
            # Unknown and circular fragments are for the specification's own rules to refuse.
            if fragment is None or name in self._open:
                return 0, 0
            self._open.add(name)
            known = self._known[name] = self._selections(fragment.selection_set, nesting)
            self._open.discard(name)
        return known

    def _items(self, node: FieldNode) -> int:
        for argument in node.arguments:
            if argument.name.value == "first":
                if isinstance(argument.value, IntValueNode):
                    return max(1, min(int(argument.value.value[:9]), 1_000_000))
                return PAGE_MAX  # a variable: the largest page
        return PAGE_DEFAULT if node.name.value in self._prices.paged else 1


class NoIntrospection(ASTValidationRule):
    """Refuses `__schema` and `__type`; `__typename` is data and stays."""

    def enter_field(self, node: FieldNode, *_arguments: Any) -> None:
        """Called for each field of the document."""
        if node.name.value in {"__schema", "__type"}:
            self.report_error(
                GraphQLError(
                    "Introspection is switched off; the schema lies in the folder graphql/.",
                    node,
                    extensions={"code": ErrorCode.FORBIDDEN.value},
                )
            )


def rules_of(introspection: bool) -> tuple[type[ASTValidationRule], ...]:
    """The specification's rules, and ours."""
    return specified_rules if introspection else (*specified_rules, NoIntrospection)
