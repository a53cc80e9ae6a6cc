"""Running GraphQL documents: parsed and validated once, remembered, executed quickly.

Parsing and validating a small operation costs a millisecond, running it a twentieth of that; so
documents are remembered by their text, with their errors if they have any. What is remembered is
bounded by number and by characters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution.collect_fields import collect_fields
from graphql.execution.execute import CollectedErrors
from graphql.execution.subscribe import execute_subscription
from graphql.execution.values import get_variable_values

from creditchain.api.failure import DoorError, format_errors
from creditchain.api.input_plan import Unplain, coerce_variables, plan_variables
from creditchain.api.inquiry import Inquiry
from creditchain.api.limits import ROOT_COSTS
from creditchain.api.short_execution import Plan, ShortExecution, plan_call
from creditchain.api.shortcut import shortcuts_of
from creditchain.querying.document import (
    ERRORS_TOLD_MAX,
    choose_operation,
    parse_document,
    validate_document,
)
from creditchain.querying.limits import (
    DOCUMENT_CHARS_REMEMBERED,
    DOCUMENTS_REMEMBERED,
    SOURCE_CHARS_MAX,
)
from creditchain.querying.rules import Prices, paged_fields, rules_of


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
        return choose_operation(self.document, name)


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
        self._prices = Prices(paged_fields(schema), ROOT_COSTS)
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
        document = parse_document(source)
        if isinstance(document, GraphQLError):
            return Prepared(None, (document,))
        errors = validate_document(self._schema, document, self._prices, self._rules)
        return Prepared(None if errors else document, errors, steady="@" not in source)


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
            context.selections = plan.selections
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
            fields = call = None
            if prepared.steady:
                fields = collect_fields(
                    self._schema, fragments, {}, root_type, operation.selection_set
                )
                if operation.operation is OperationType.MUTATION:
                    call = plan_call(operation, root_type, fields)
            variables = plan_variables(self._schema, operation)
            plan = Plan(root_type, fragments, variables, fields, {}, {}, call)
            prepared.plans[id(operation)] = plan
        return plan


def request_error(errors: list[GraphQLError] | tuple[GraphQLError, ...], request_id: str) -> Result:
    """The response to an operation that never began."""
    return Result({"errors": format_errors(errors, request_id)}, started=False)
