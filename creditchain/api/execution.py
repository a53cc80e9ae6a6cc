"""Running GraphQL documents: parsed and validated once, remembered, executed quickly.

Parsing and validating a small operation costs a millisecond, running it a twentieth of that; so
documents are remembered by their text, with their errors if they have any. What is remembered is
bounded by number and by characters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Any, Final, cast

from graphene.types.resolver import attr_resolver, dict_or_attr_resolver, dict_resolver
from graphql import (
    DocumentNode,
    ExecutionContext,
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
    validate,
)
from graphql.execution.subscribe import execute_subscription
from graphql.pyutils import Path

from creditchain.api.failure import DoorError, ErrorCode, format_errors
from creditchain.api.inquiry import Inquiry
from creditchain.api.limits import (
    DOCUMENT_CHARS_REMEMBERED,
    DOCUMENTS_REMEMBERED,
    SOURCE_CHARS_MAX,
    TOKENS_MAX,
)
from creditchain.api.rules import TooComplex, check_cost, rules_of

ERRORS_TOLD_MAX: Final = 10
"""Validation errors told of one document."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was parsed and validated; `errors` if it must not run."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run; raises `DoorError` if the name chooses none or several."""
        assert self.document is not None
        found = [
            definition
            for definition in self.document.definitions
            if isinstance(definition, OperationDefinitionNode)
            and (name is None or (definition.name is not None and definition.name.value == name))
        ]
        if len(found) != 1:
            what = "Say operationName: there are several." if found else "No such operation."
            raise DoorError(ErrorCode.BAD_USER_INPUT, what)
        return found[0]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an operation; `started` is False if it never began (a request error)."""

    body: dict[str, Any]
    started: bool = True


class Documents:
    """Documents by their text, the recently used ones."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._rules = rules_of(introspection)
        self._paged = frozenset(
            name
            for type_ in schema.type_map.values()
            if isinstance(type_, GraphQLObjectType)
            for name, field in type_.fields.items()
            if "first" in field.args
        )
        self._remembered: OrderedDict[str, Prepared] = OrderedDict()
        self._chars = 0

    def prepare(self, source: str) -> Prepared:
        """The document of this text."""
        known = self._remembered.get(source)
        if known is not None:
            self._remembered.move_to_end(source)
            return known
        prepared = self._prepare(source)
        if len(source) <= SOURCE_CHARS_MAX:
            self._remembered[source] = prepared
            self._chars += len(source)
            while (
                len(self._remembered) > DOCUMENTS_REMEMBERED
                or self._chars > DOCUMENT_CHARS_REMEMBERED
            ):
                self._chars -= len(self._remembered.popitem(last=False)[0])
        return prepared

    def _prepare(self, source: str) -> Prepared:
        if len(source) > SOURCE_CHARS_MAX:
            return Prepared(None, (_too_complex(f"Over {SOURCE_CHARS_MAX} characters."),))
        try:
            document = parse(source, max_tokens=TOKENS_MAX)
        except GraphQLError as error:
            # The parser keeps its frames alive in the traceback; a remembered error must not.
            error = error.with_traceback(None)
            if f"more than {TOKENS_MAX} tokens" in error.message:
                error = _too_complex(f"Over {TOKENS_MAX} tokens.")
            return Prepared(None, (error,))
        try:
            # Before the specification's rules, some of which take their time over a bomb.
            check_cost(document, self._paged)
        except TooComplex as refused:
            return Prepared(None, (_too_complex(str(refused)),))
        errors = validate(
            self._schema,
            document,
            self._rules,
            max_errors=ERRORS_TOLD_MAX,
            hide_suggestions=True,
        )
        return Prepared(None if errors else document, tuple(errors))


def _too_complex(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": ErrorCode.QUERY_TOO_COMPLEX.value})


def only_typename(operation: OperationDefinitionNode) -> bool:
    """Whether the operation asks for nothing but `__typename`: open to strangers."""
    return operation.operation is OperationType.QUERY and all(
        isinstance(node, FieldNode) and node.name.value == "__typename"
        for node in operation.selection_set.selections
    )


class Executor:
    """Runs prepared documents against the schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._leaves = leaves_of(schema)

    async def run(
        self,
        prepared: Prepared,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any] | None,
        inquiry: Inquiry,
        root: object = None,
    ) -> Result:
        """The response of a query or mutation, or of one event of a subscription (`root`)."""
        context = self._context(prepared, operation, variables, inquiry, root)
        if not isinstance(context, LeafExecution):
            return request_error(context, inquiry.request_id)
        errors = context.collected_errors.errors
        data: Any = None
        try:
            data = context.execute_operation(operation, root)
            if isawaitable(data):
                data = await cast("Awaitable[Any]", data)
        except GraphQLError as error:
            data = None
            context.collected_errors.add(error, None)
        if not errors:
            return Result({"data": data})
        errors.sort(key=lambda error: (error.locations or [], error.path or [], error.message))
        return Result({"data": data, "errors": format_errors(errors, inquiry.request_id)})

    async def follow(
        self,
        prepared: Prepared,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any] | None,
        ask: Callable[[], Inquiry],
    ) -> AsyncIterator[Result]:
        """The responses of a subscription; `ask` gives each event an inquiry of its own.

        An `Inquiry` remembers what it read, so one that lived as long as the subscription would
        show old records. A failure of the stream is told as its last response.
        """
        inquiry = ask()
        context = self._context(prepared, operation, variables, inquiry, None)
        if not isinstance(context, LeafExecution):
            yield request_error(context, inquiry.request_id)
            return
        events: Any = None
        try:
            events = await execute_subscription(context)
            async for event in events:
                yield await self.run(prepared, operation, variables, ask(), event)
        except GraphQLError as error:
            yield Result({"errors": format_errors([error], inquiry.request_id)}, started=False)
        except DoorError as error:
            wrapped = GraphQLError(error.message, original_error=error)
            yield Result({"errors": format_errors([wrapped], inquiry.request_id)}, started=False)
        except Exception as error:  # noqa: BLE001 - told as INTERNAL, the rest goes to the journal
            wrapped = GraphQLError("", original_error=error)
            yield Result({"errors": format_errors([wrapped], inquiry.request_id)}, started=False)
        finally:
            if events is not None:
                await events.aclose()

    def _context(
        self,
        prepared: Prepared,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any] | None,
        inquiry: Inquiry,
        root: object,
    ) -> LeafExecution | list[GraphQLError]:
        assert prepared.document is not None
        context = LeafExecution.build(
            self._schema,
            prepared.document,
            root,
            inquiry,
            dict(variables) if variables else None,
            None if operation.name is None else operation.name.value,
            max_coercion_errors=ERRORS_TOLD_MAX,
            hide_suggestions=True,
        )
        if isinstance(context, LeafExecution):
            context.leaves = self._leaves
        return cast("LeafExecution | list[GraphQLError]", context)


def request_error(errors: list[GraphQLError] | tuple[GraphQLError, ...], request_id: str) -> Result:
    """The response to an operation that never began."""
    return Result({"errors": format_errors(errors, request_id)}, started=False)


Leaf = Callable[[Any], Any]
"""From the object to the response value of one leaf field; `_SLOW` if the long way is needed."""

_SLOW: Final = object()
_PLAIN: Final = (str, int)
"""Values of records that serialise without surprise; StrEnum and bool are among them."""


def leaves_of(schema: GraphQLSchema) -> dict[str, dict[str, Leaf]]:
    """For each object type its leaf fields that are read straight from the object.

    That is: no arguments, graphene's default resolver, a leaf type or a list of one. They are most
    of a page, and graphql-core takes 15 times as long for each.
    """
    return {
        name: {
            field_name: leaf
            for field_name, field in type_.fields.items()
            if (leaf := _leaf(field)) is not None
        }
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
    }


def _leaf(field: GraphQLField) -> Leaf | None:
    resolve = field.resolve
    if not isinstance(resolve, partial) or field.args:
        return None
    if resolve.func not in (dict_or_attr_resolver, attr_resolver, dict_resolver):
        return None
    attribute = resolve.args[0]
    if resolve.args[1] is not None:
        return None
    required = is_non_null_type(field.type)
    nullable: Any = get_nullable_type(field.type)
    if is_list_type(nullable):
        item = nullable.of_type
        if not is_non_null_type(item) or not is_leaf_type(item.of_type):
            return None
        serialize_item = item.of_type.serialize

        def serialize(values: Any) -> Any:
            if type(values) is not tuple or not all(isinstance(v, _PLAIN) for v in values):
                return _SLOW
            return [serialize_item(value) for value in values]

    elif is_leaf_type(nullable):
        serialize_leaf = nullable.serialize

        def serialize(values: Any) -> Any:
            return serialize_leaf(values) if isinstance(values, _PLAIN) else _SLOW

    else:
        return None

    def leaf(source: Any) -> Any:
        if type(source) is dict:
            value = source.get(attribute)
        else:
            value = getattr(source, attribute, None)
        if value is None:
            return _SLOW if required else None
        try:
            return serialize(value)
        except Exception:  # noqa: BLE001 - the long way raises it again and places it
            return _SLOW

    return leaf


class LeafExecution(ExecutionContext):
    """graphql-core's execution with a short way for leaf fields; the same response, byte by byte.

    Whatever is not plain goes the long way: nulls where none may be, values that are awaitable,
    exceptions or of another type, and everything with arguments or a resolver.
    """

    leaves: dict[str, dict[str, Leaf]]

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        fields: dict[str, list[FieldNode]],
    ) -> Any:
        """As in graphql-core: the response object of one selection set, or an awaitable of it."""
        leaves = self.leaves.get(parent_type.name)
        if not leaves:
            return super().execute_fields(parent_type, source_value, path, fields)
        results: dict[str, Any] = {}
        slow: dict[str, list[FieldNode]] = {}
        for response_name, nodes in fields.items():
            leaf = leaves.get(nodes[0].name.value)
            value = _SLOW if leaf is None else leaf(source_value)
            # The place in the response is that of the first mention, whichever way it is filled.
            results[response_name] = value
            if value is _SLOW:
                slow[response_name] = nodes
        if not slow:
            return results
        rest = super().execute_fields(parent_type, source_value, path, slow)
        if self.is_awaitable(rest):
            return self._merge(results, rest)
        return _merged(results, rest)

    async def _merge(self, results: dict[str, Any], rest: Any) -> dict[str, Any]:
        return _merged(results, await rest)


def _merged(results: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    results.update(rest)
    for name in [name for name, value in results.items() if value is _SLOW or value is Undefined]:
        del results[name]
    return results
