"""From a GraphQL request to its answer, in a thread of the door's own.

Documents are parsed within bounds, priced, validated and remembered; then run to the end in the
thread they came to, with a loop, a connection and a deadline of their own.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from graphql import DocumentNode, ExecutionResult, GraphQLError, OperationType, execute
from graphql.execution.values import get_variable_values
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from creditchain.querying.document import (
    ERRORS_TOLD_MAX,
    choose_operation,
    only_typename,
    parse_document,
    validate_document,
)
from creditchain.querying.failure import DoorError, ErrorCode, format_errors
from creditchain.querying.http_request import Request
from creditchain.querying.limits import DOCUMENTS_REMEMBERED
from creditchain.querying.rules import rules_of
from regulator.door.copy import is_stopped, reading
from regulator.door.inquiry import Inquiry, Rooms
from regulator.door.limits import QUERY_SECONDS
from regulator.door.schema import PRICES, SCHEMA
from regulator.door.sign_in import Caller
from regulator.door.standing import Standing

_log: Final = structlog.get_logger("regulator.door")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, who sent it, and how the observer stood then."""

    request: Request
    caller: Caller | None
    standing: Standing
    id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The response; `started` is False if the operation never began (a request error)."""

    body: dict[str, Any]
    operation: str
    started: bool = True


class Asking:
    """Answers requests over a copy; for several threads at once."""

    def __init__(
        self,
        engine: Engine,
        rooms: Rooms,
        *,
        introspection: bool = True,
        seconds: float = QUERY_SECONDS,
    ) -> None:
        self._engine = engine
        self._rooms = rooms
        self._rules = rules_of(introspection)
        self._seconds = seconds
        self._valid: OrderedDict[str, DocumentNode] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Answer:
        """The answer; raises `DoorError` for a stranger and for what chooses no query."""
        request = asked.request
        if request.query is None:
            raise DoorError(ErrorCode.BAD_USER_INPUT, "A query is needed.")
        document = self._remembered(request.query) or parse_document(request.query)
        if isinstance(document, GraphQLError):
            return _refused([document], asked.id)
        operation = choose_operation(document, request.operation_name)
        name = "" if operation.name is None else operation.name.value
        if asked.caller is None and not only_typename(operation):
            raise DoorError(ErrorCode.UNAUTHENTICATED, "Sign in: send a bearer token.")
        if operation.operation is not OperationType.QUERY:
            raise DoorError(ErrorCode.FORBIDDEN, "This door answers queries and nothing else.")
        errors: Sequence[GraphQLError] = self._validate(request.query, document)
        if not errors:
            variables = get_variable_values(
                SCHEMA,
                operation.variable_definitions or (),
                request.variables or {},
                max_errors=ERRORS_TOLD_MAX,
                hide_suggestions=True,
            )
            errors = variables if isinstance(variables, list) else ()
        if errors:
            return _refused(errors, asked.id, name)
        result = self._run(document, asked)
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = format_errors(result.errors, asked.id, _known, _log)
        return Answer(body, name)

    def _run(self, document: DocumentNode, asked: Asked) -> ExecutionResult:
        request = asked.request

        async def run(inquiry: Inquiry | None) -> ExecutionResult:
            result = execute(
                SCHEMA,
                document,
                context_value=inquiry,
                variable_values=request.variables,
                operation_name=request.operation_name,
                hide_suggestions=True,
            )
            return result if isinstance(result, ExecutionResult) else await result

        if asked.caller is None:
            return asyncio.run(run(None))  # it asks for its own type's name
        with reading(self._engine, self._seconds) as connection:
            inquiry = Inquiry(self._rooms, connection, asked.caller, asked.standing, asked.id)
            return asyncio.run(run(inquiry))

    def _remembered(self, source: str) -> DocumentNode | None:
        with self._lock:
            document = self._valid.get(source)
            if document is not None:
                self._valid.move_to_end(source)
        return document

    def _validate(self, source: str, document: DocumentNode) -> Sequence[GraphQLError]:
        if self._remembered(source) is not None:
            return ()
        errors = validate_document(SCHEMA, document, PRICES, self._rules)
        if not errors:
            with self._lock:
                self._valid[source] = document
                if len(self._valid) > DOCUMENTS_REMEMBERED:
                    self._valid.popitem(last=False)
        return errors


def _refused(errors: Sequence[GraphQLError], id: str, operation: str = "") -> Answer:
    body = {"errors": format_errors(errors, id, _known, _log)}
    return Answer(body, operation, started=False)


def _known(error: BaseException) -> DoorError | None:
    if isinstance(error, DoorError):
        return error
    if isinstance(error, DatabaseError) and is_stopped(error):
        return DoorError(ErrorCode.QUERY_TOO_COMPLEX, "Reading took too long: ask for less.")
    return None
