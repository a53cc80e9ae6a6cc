"""A document from its text: parsed, priced and validated, or the reasons why it must not run."""

from __future__ import annotations

from typing import Final

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
)

from creditchain.querying.failure import DoorError, ErrorCode
from creditchain.querying.limits import SOURCE_CHARS_MAX, TOKENS_MAX
from creditchain.querying.rules import Prices, TooComplex, check_cost

ERRORS_TOLD_MAX: Final = 10
"""Errors told of one document, and of the variables of one request."""


def parse_document(source: str) -> DocumentNode | GraphQLError:
    """The document of a text within bounds, or why there is none."""
    if len(source) > SOURCE_CHARS_MAX:
        return _too_complex(f"Over {SOURCE_CHARS_MAX} characters.")
    try:
        return parse(source, max_tokens=TOKENS_MAX)
    except GraphQLError as raised:
        # The parser keeps its frames alive in the traceback; a remembered error must not.
        error = raised.with_traceback(None)
    if f"more than {TOKENS_MAX} tokens" in error.message:
        return _too_complex(f"Over {TOKENS_MAX} tokens.")
    if "nested too deeply" in error.message:
        return _too_complex("The document is nested too deeply.")
    return error


def validate_document(
    schema: GraphQLSchema,
    document: DocumentNode,
    prices: Prices,
    rules: tuple[type[ASTValidationRule], ...],
) -> tuple[GraphQLError, ...]:
    """Why a document must not run; nothing if it may."""
    try:
        # Before the specification's rules, some of which take their time over a bomb.
        check_cost(document, prices)
    except TooComplex as refused:
        return (_too_complex(str(refused)),)
    return tuple(
        validate(schema, document, rules, max_errors=ERRORS_TOLD_MAX, hide_suggestions=True)
    )


def choose_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation to run; raises `DoorError` if the name chooses none or several."""
    found = [
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        and (name is None or (definition.name is not None and definition.name.value == name))
    ]
    if len(found) != 1:
        what = "Say operationName: there are several." if found else "No such operation."
        raise DoorError(ErrorCode.BAD_USER_INPUT, what)
    return found[0]


def only_typename(operation: OperationDefinitionNode) -> bool:
    """Whether the operation asks for nothing but `__typename`: open to strangers."""
    return operation.operation is OperationType.QUERY and all(
        isinstance(node, FieldNode) and node.name.value == "__typename"
        for node in operation.selection_set.selections
    )


def _too_complex(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": ErrorCode.QUERY_TOO_COMPLEX.value})
