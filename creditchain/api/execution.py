"""Running GraphQL documents: parsed and validated once, remembered, executed quickly.

Parsing and validating a small operation costs a millisecond, running it a twentieth of that; so
documents are remembered by their text, with their errors if they have any. What is remembered is
bounded by number and by characters.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Any, Final, NamedTuple, cast

from graphene.types.resolver import attr_resolver, dict_or_attr_resolver, dict_resolver
from graphql import (
    DocumentNode,
    ExecutionContext,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
    default_type_resolver,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    located_error,
    parse,
    validate,
)
from graphql.execution.collect_fields import collect_fields
from graphql.execution.execute import CollectedErrors
from graphql.execution.subscribe import execute_subscription
from graphql.execution.values import get_variable_values
from graphql.pyutils import Path

from creditchain.api.failure import DoorError, ErrorCode, format_errors
from creditchain.api.input_plan import Unplain, Variable, coerce_variables, plan_variables
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
    steady: bool = False
    """Whether it has no directives, so that every run collects the same fields."""
    plans: dict[int, Plan] = field(default_factory=dict)
    """What was worked out for its operations, by their place in memory."""

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
class Plan:
    """What is the same in every run of an operation."""

    root_type: GraphQLObjectType
    fragments: dict[str, FragmentDefinitionNode]
    variables: tuple[Variable, ...]
    fields: dict[str, list[FieldNode]] | None
    """The root fields, None if directives choose them anew in each run."""
    subfields: dict[Any, Any]
    """Filled by graphql-core's own cache as runs come by; bounded by the document."""


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
            elif "nested too deeply" in error.message:
                error = _too_complex("The document is nested too deeply.")
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
        return Prepared(None if errors else document, tuple(errors), steady="@" not in source)


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
        self._shortcuts = shortcuts_of(schema)

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
        if not isinstance(context, ShortExecution):
            return request_error(context, inquiry.request_id)
        errors = context.collected_errors.errors
        data: Any = None
        try:
            data = context.start(operation, root)
            if isawaitable(data):
                data = await data
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
        if not isinstance(context, ShortExecution):
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
    ) -> ShortExecution | list[GraphQLError]:
        plan = self._plan(prepared, operation)
        try:
            values: Any = coerce_variables(plan.variables, variables or {})
        except Unplain:
            values = get_variable_values(
                self._schema,
                operation.variable_definitions or (),
                dict(variables or {}),
                max_errors=ERRORS_TOLD_MAX,
                hide_suggestions=True,
            )
            if isinstance(values, list):
                return values
        context = ShortExecution(
            self._schema,
            plan.fragments,
            root,
            inquiry,
            operation,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            CollectedErrors(),
            None,
            None,
        )
        context.shortcuts = self._shortcuts
        context.plan = plan
        if plan.fields is not None:
            context._subfields_cache = plan.subfields  # noqa: SLF001 - our own subclass
        return context

    def _plan(self, prepared: Prepared, operation: OperationDefinitionNode) -> Plan:
        plan = prepared.plans.get(id(operation))
        if plan is None:
            assert prepared.document is not None
            root_type = self._schema.get_root_type(operation.operation)
            assert root_type is not None, "the schema has all three"
            fragments = {
                definition.name.value: definition
                for definition in prepared.document.definitions
                if isinstance(definition, FragmentDefinitionNode)
            }
            fields = None
            if prepared.steady:
                fields = collect_fields(
                    self._schema, fragments, {}, root_type, operation.selection_set
                )
            variables = plan_variables(self._schema, operation)
            plan = Plan(root_type, fragments, variables, fields, {})
            prepared.plans[id(operation)] = plan
        return plan


def request_error(errors: list[GraphQLError] | tuple[GraphQLError, ...], request_id: str) -> Result:
    """The response to an operation that never began."""
    return Result({"errors": format_errors(errors, request_id)}, started=False)


Leaf = Callable[[Any], Any]
"""From the object to the response value of one leaf field; `_SLOW` if the long way is needed."""

_SLOW: Final = object()
_PLAIN: Final = (str, int)
"""Values of records that serialise without surprise; StrEnum and bool are among them."""


class Branch(NamedTuple):
    """A field whose value is an object, or a list of objects, read straight from its parent."""

    attribute: str
    type_: GraphQLObjectType
    return_type: GraphQLOutputType
    required: bool
    many: bool


class Shortcuts(NamedTuple):
    """The fields of one object type that need no resolver."""

    leaves: dict[str, Leaf]
    branches: dict[str, Branch]


def shortcuts_of(schema: GraphQLSchema) -> dict[str, Shortcuts]:
    """For each object type its fields that are read straight from the object.

    That is: no arguments, graphene's default resolver, and a leaf, an object or a list of one. They
    are most of a page, and graphql-core takes 15 times as long for each leaf.
    """
    found = {}
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            leaves, branches = {}, {}
            for field_name, item in type_.fields.items():
                attribute = _attribute(item)
                leaf = None if attribute is None else _leaf(item, attribute)
                branch = None if attribute is None else _branch(item, attribute)
                if leaf is not None:
                    leaves[field_name] = leaf
                elif branch is not None:
                    branches[field_name] = branch
            found[name] = Shortcuts(leaves, branches)
    return found


def _attribute(item: GraphQLField) -> str | None:
    """What the default resolver reads for this field; None if it has another."""
    resolve = item.resolve
    if not isinstance(resolve, partial) or item.args:
        return None
    if resolve.func not in (dict_or_attr_resolver, attr_resolver, dict_resolver):
        return None
    attribute: str = resolve.args[0]
    return attribute if resolve.args[1] is None else None


def _leaf(item: GraphQLField, attribute: str) -> Leaf | None:
    required = is_non_null_type(item.type)
    nullable: Any = get_nullable_type(cast("Any", item.type))
    if is_list_type(nullable):
        inner = nullable.of_type
        if not is_non_null_type(inner) or not is_leaf_type(inner.of_type):
            return None
        serialize_item = inner.of_type.serialize

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
        value = _read(source, attribute)
        if value is None:
            return _SLOW if required else None
        try:
            return serialize(value)
        except Exception:  # noqa: BLE001 - the long way raises it again and places it
            return _SLOW

    return leaf


def _branch(item: GraphQLField, attribute: str) -> Branch | None:
    nullable: Any = get_nullable_type(cast("Any", item.type))
    many = is_list_type(nullable)
    inner = nullable
    if many:
        if not is_non_null_type(nullable.of_type):
            return None
        inner = nullable.of_type.of_type
    if not isinstance(inner, GraphQLObjectType) or inner.is_type_of is not None:
        return None
    return Branch(attribute, inner, item.type, is_non_null_type(item.type), many)


def _read(source: Any, attribute: str) -> Any:
    return source.get(attribute) if type(source) is dict else getattr(source, attribute, None)


def _is_plain(branch: Branch, value: Any) -> bool:
    """Whether a branch with this value can be grown the short way."""
    if branch.many:
        return type(value) in (list, tuple) and all(map(_is_plain_object, value))
    return _is_plain_object(value)


def _is_plain_object(value: object) -> bool:
    """Whether a value is a dict or a dataclass: nothing to await, and no exception."""
    return type(value) is dict or hasattr(type(value), "__dataclass_fields__")


class ShortExecution(ExecutionContext):
    """graphql-core's execution with a short way for plain fields; the same response, byte by byte.

    Whatever is not plain goes the long way: nulls where none may be, values that are awaitable,
    exceptions or of another type, and everything with arguments or a resolver.
    """

    shortcuts: dict[str, Shortcuts]
    plan: Plan

    def start(self, operation: OperationDefinitionNode, root: object) -> Any:
        """As `execute_operation`, with the root fields that are known already."""
        fields = self.plan.fields
        if fields is None:
            return self.execute_operation(operation, root)
        if operation.operation is OperationType.MUTATION:
            return self.execute_fields_serially(self.plan.root_type, root, None, fields)
        return self.execute_fields(self.plan.root_type, root, None, fields)

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        fields: dict[str, list[FieldNode]],
    ) -> Any:
        """As in graphql-core: the response object of one selection set, or an awaitable of it."""
        shortcuts = self.shortcuts.get(parent_type.name)
        if shortcuts is None:
            return super().execute_fields(parent_type, source_value, path, fields)
        leaves, branches = shortcuts
        results: dict[str, Any] = {}
        slow: dict[str, list[FieldNode]] = {}
        grows: dict[str, list[FieldNode]] = {}
        for response_name, nodes in fields.items():
            name = nodes[0].name.value
            leaf = leaves.get(name)
            value: Any = None
            if leaf is not None:
                value = leaf(source_value)
                lost = value is _SLOW
            elif name in branches:
                branch = branches[name]
                lost = branch.required and not _is_plain(
                    branch, _read(source_value, branch.attribute)
                )
                grows[response_name] = nodes
            else:
                lost = False
                slow[response_name] = nodes
            if lost:
                # Perhaps no response object at all: then what is told of its other fields depends
                # on the order in which they are run, and that is graphql-core's to choose.
                return super().execute_fields(parent_type, source_value, path, fields)
            # The place in the response is that of the first mention, whichever way it is filled.
            results[response_name] = value
        pending: list[str] = []
        rest: Any = {}
        try:
            for response_name, nodes in grows.items():
                here = Path(path, response_name, parent_type.name)
                value = self._grow(branches[nodes[0].name.value], source_value, here, nodes)
                results[response_name] = value
                if isinstance(value, Coroutine):
                    pending.append(response_name)
                elif value is _SLOW:
                    slow[response_name] = nodes
            if slow:
                rest = super().execute_fields(parent_type, source_value, path, slow)
        except Exception:
            for name in pending:
                results[name].close()
            raise
        if isinstance(rest, dict) and not pending:
            return _merged(results, rest) if slow else results
        return self._gather(results, pending, rest)

    def _grow(self, branch: Branch, source: Any, path: Path, nodes: list[FieldNode]) -> Any:
        """The response value of a branch, a coroutine of it, or `_SLOW`."""
        value = _read(source, branch.attribute)
        if value is None:
            return _SLOW if branch.required else None
        if not _is_plain(branch, value):
            return _SLOW
        grown: Any = None
        try:
            fields = self.collect_subfields(branch.type_, nodes)
            if branch.many:
                grown = self._grow_items(branch.type_, value, path, nodes, fields)
            else:
                grown = self.execute_fields(branch.type_, value, path, fields)
        except Exception as error:  # noqa: BLE001 - as graphql-core: told at the field
            self._fail(error, branch, path, nodes)
            return None
        if self.is_awaitable(grown):
            return self._await_branch(grown, branch, path, nodes)
        return grown

    def _grow_items(
        self,
        type_: GraphQLObjectType,
        values: Sequence[Any],
        path: Path,
        nodes: list[FieldNode],
        fields: dict[str, list[FieldNode]],
    ) -> Any:
        items: list[Any] = []
        waiting: list[int] = []
        for index, value in enumerate(values):
            here = path.add_key(index, None)
            try:
                item = self.execute_fields(type_, value, here, fields)
            except Exception as error:
                for at in waiting:
                    items[at].close()
                raise located_error(error, nodes, here.as_list()) from error
            if isinstance(item, Coroutine):
                waiting.append(index)
                item = self._await_item(item, here, nodes)
            items.append(item)
        return self._gather_items(items, waiting) if waiting else items

    async def _await_item(self, item: Any, path: Path, nodes: list[FieldNode]) -> Any:
        try:
            return await item
        except Exception as error:
            raise located_error(error, nodes, path.as_list()) from error

    async def _gather_items(self, items: list[Any], waiting: list[int]) -> list[Any]:
        done = await asyncio.gather(*(items[index] for index in waiting))
        for index, item in zip(waiting, done, strict=True):
            items[index] = item
        return items

    async def _await_branch(
        self, grown: Any, branch: Branch, path: Path, nodes: list[FieldNode]
    ) -> Any:
        try:
            return await grown
        except Exception as error:  # noqa: BLE001 - as graphql-core: told at the field
            self._fail(error, branch, path, nodes)
            return None

    def _fail(self, error: Exception, branch: Branch, path: Path, nodes: list[FieldNode]) -> None:
        self.handle_field_error(
            located_error(error, nodes, path.as_list()), branch.return_type, path
        )

    async def _gather(self, results: dict[str, Any], pending: list[str], rest: Any) -> Any:
        waiting = [results[name] for name in pending]
        if not isinstance(rest, dict):
            waiting.append(rest)
        done = await asyncio.gather(*waiting)
        if not isinstance(rest, dict):
            rest = done.pop()
        results.update(zip(pending, done, strict=True))
        return _merged(results, rest)


def _merged(results: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    results.update(rest)
    # A field that graphql-core left out is unknown to the type; validation has refused it before.
    assert _SLOW not in results.values(), "every field has gone one way"
    return results
