"""Documents within bounds, the operation they choose, and what they cost, whatever the schema."""

from __future__ import annotations

import pytest
from graphql import DocumentNode, GraphQLError, build_schema

from creditchain.querying.document import (
    choose_operation,
    only_typename,
    parse_document,
    validate_document,
)
from creditchain.querying.failure import DoorError, ErrorCode
from creditchain.querying.limits import COST_MAX, SOURCE_CHARS_MAX, TOKENS_MAX
from creditchain.querying.rules import Prices, check_cost, paged_fields, rules_of

SCHEMA = build_schema(
    "type Query { dear: Int plain: Int list(first: Int): [Query!]! inner: Query! }"
)


def parsed(source: str) -> DocumentNode:
    document = parse_document(source)
    assert isinstance(document, DocumentNode), document
    return document


def test_a_document_of_the_largest_size_is_parsed_and_no_larger_one():
    rest = SOURCE_CHARS_MAX - len("{ plain } #")
    assert isinstance(parse_document("{ plain } #" + "x" * rest), DocumentNode)
    for source in ("{ plain } #" + "x" * (rest + 1), "{" + " a" * TOKENS_MAX + "}", "{a" * 9_000):
        error = parse_document(source)
        assert isinstance(error, GraphQLError)
        assert error.extensions == {"code": "QUERY_TOO_COMPLEX"}
        assert error.__traceback__ is None


def test_the_operation_is_the_only_one_or_the_one_that_is_named():
    both = parsed("query A { plain } query B { dear } fragment F on Query { plain }")
    assert choose_operation(both, "B").name.value == "B"
    assert choose_operation(parsed("{ plain }"), None).name is None
    for document, name in ((both, None), (both, "C"), (parsed("{ plain }"), "A")):
        with pytest.raises(DoorError) as refused:
            choose_operation(document, name)
        assert refused.value.code is ErrorCode.BAD_USER_INPUT


def test_only_the_typename_is_open_to_strangers():
    for source, open_to_strangers in (
        ("{ __typename }", True),
        ("{ a: __typename b: __typename }", True),
        ("{ __typename plain }", False),
        ("{ ...F } fragment F on Query { __typename }", False),
        ("{ ... { __typename } }", False),
        ("mutation { __typename }", False),
    ):
        operation = choose_operation(parsed(source), None)
        assert only_typename(operation) is open_to_strangers, source


def test_a_field_costs_what_its_schema_says():
    assert paged_fields(SCHEMA) == {"list"}
    paged = paged_fields(SCHEMA)

    def cost(source: str, **prices: dict[str, int]) -> int:
        return check_cost(parsed(source), Prices(paged, **prices))

    plain = cost("{ plain inner { dear } list(first: 10) { dear } }")
    assert plain == 3 * 5 + 1 + (1 + 1) + (1 + 10)
    # A dear field, wherever it stands, and as often as its page has items.
    assert cost("{ plain inner { dear } list(first: 10) { dear } }", fields={"dear": 7}) == (
        plain + 11 * 7
    )
    # A dear root field, and the same name further in, which is none.
    assert cost("{ dear inner { dear } }", roots={"dear": 50}) == 50 + 1 + 5 + 2


def test_what_costs_too_much_is_refused_before_it_is_validated():
    dear = "{ " + " ".join(f"a{n}: list(first: 100) {{ nothing }}" for n in range(120)) + " }"
    [error] = validate_document(SCHEMA, parsed(dear), Prices(paged_fields(SCHEMA)), rules_of(True))
    assert str(COST_MAX) in error.message
    [error] = validate_document(SCHEMA, parsed("{ plane }"), Prices(), rules_of(True))
    assert "Did you mean" not in error.message
