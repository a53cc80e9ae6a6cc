"""GraphQL over HTTP, as the specification of that name asks; SSE on the same address.

- POST with JSON and GET with a query string; mutations only by POST.
- `Accept` chooses between application/graphql-response+json (request errors have status 400) and
  application/json (they have 200), or text/event-stream.
- `{__typename}` is open to all; everything else needs a bearer token of `POST /token`.
- `documentId` cites a document of graphql/operations; in strict mode nothing else runs.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from graphql import OperationDefinitionNode, OperationType
from starlette.types import Receive, Scope, Send

from creditchain.api.authority import Caller
from creditchain.api.doors import DocumentsMode, Doors
from creditchain.api.execution import (
    Documents,
    Executor,
    Prepared,
    Result,
    request_error,
)
from creditchain.api.failure import DoorError, ErrorCode, codes_of, plain_error
from creditchain.api.identity import BadToken
from creditchain.api.inquiry import Inquiry
from creditchain.api.journal import ERRORS, OPERATIONS, note_of
from creditchain.api.limits import BODY_BYTES_MAX, Meter
from creditchain.api.over_sse import stream
from creditchain.api.request import (
    WHOLE,
    BodyTooLarge,
    BodyTooSlow,
    Disconnected,
    Headers,
    bearer,
    header,
    headers_of,
    language_of,
    read_body,
    respond,
)
from creditchain.api.schema import SCHEMA
from creditchain.documents import trusted_documents
from creditchain.querying.document import only_typename
from creditchain.querying.http_request import (
    JSON_TYPE,
    RESPONSE_TYPE,
    Request,
    Unfit,
    check_content_type,
    choose_media,
    parse_body,
    parse_query_string,
    unfit_for,
)

STREAM_TYPE: Final = "text/event-stream"


@cache
def _documents(introspection: bool) -> Documents:
    return Documents(SCHEMA, introspection=introspection)


@cache
def _executor() -> Executor:
    return Executor(SCHEMA)


class Operations:
    """What HTTP, SSE and WebSocket share: from a request to a chosen, permitted operation."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self.documents = _documents(doors.limits.introspection)
        self.executor = _executor()
        self.meter = Meter(doors.limits)
        self.in_flight = 0
        self._in_flight_of: dict[str, int] = {}

    def begin(self, party: str) -> None:
        """One more operation of the party; raises `DoorError` if it has too many under way."""
        count = self._in_flight_of.get(party, 0)
        if count >= self.doors.limits.in_flight_per_party:
            raise DoorError(
                ErrorCode.RATE_LIMITED, "Too many of your requests are under way.", retryAfter=1
            )
        self._in_flight_of[party] = count + 1

    def end(self, party: str) -> None:
        """One operation of the party less."""
        count = self._in_flight_of[party] - 1
        if count:
            self._in_flight_of[party] = count
        else:
            del self._in_flight_of[party]

    def prepare(self, request: Request) -> Prepared:
        """The document; raises `DoorError` if it is not trusted."""
        query, cited = request.query, request.document_id
        if cited is not None:
            query = trusted_documents().get(cited)
            if query is None:
                raise DoorError(ErrorCode.BAD_USER_INPUT, "No such trusted document.")
        elif query is None:
            raise DoorError(ErrorCode.BAD_USER_INPUT, "A query or a documentId is needed.")
        elif self.doors.documents is DocumentsMode.STRICT and (
            query not in trusted_documents().values()
        ):
            raise DoorError(
                ErrorCode.FORBIDDEN, "This hub runs trusted documents only: send a documentId."
            )
        return self.documents.prepare(query)

    def permit(self, operation: OperationDefinitionNode, caller: Caller | None) -> None:
        """Raises `DoorError` for strangers and for callers in too much of a hurry."""
        if caller is None:
            if only_typename(operation):
                return
            raise DoorError(ErrorCode.UNAUTHENTICATED, "Sign in: send a bearer token.")
        wait_s = self.meter.admit(caller.actor, self.doors.now_ms() / 1000)
        if wait_s:
            raise DoorError(
                ErrorCode.RATE_LIMITED, f"Too many requests: wait {wait_s:.1f} s.",
                retryAfter=round(wait_s + 0.5),
            )  # fmt: skip


class GraphQLOverHTTP:
    """The ASGI endpoint of /graphql."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._doors = operations.doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        note = note_of(scope)
        headers = headers_of(scope)
        operations = self._operations
        media = RESPONSE_TYPE
        if operations.in_flight >= self._doors.limits.in_flight:
            await self._fail(
                send, media, note.request_id,
                Unfit(503, ErrorCode.RATE_LIMITED, "The hub is busy.", **{"retry-after": "1"}),
            )  # fmt: skip
            return
        operations.in_flight += 1
        try:
            media = choose_media(header(headers, b"accept"), _OFFERS)
            request = await self._read(scope, headers, receive)
            caller, token = self._caller(headers)
            note.actor = None if caller is None else caller.actor
            await self._answer(scope, headers, receive, send, media, request, caller, token)
        except Unfit as unfit:
            await self._fail(send, media, note.request_id, unfit)
        except Disconnected:
            note.status = 499
        finally:
            operations.in_flight -= 1

    async def _answer(
        self,
        scope: Scope,
        headers: Headers,
        receive: Receive,
        send: Send,
        media: str,
        request: Request,
        caller: Caller | None,
        token: str | None,
    ) -> None:
        operations, doors, note = self._operations, self._doors, note_of(scope)
        language = language_of(header(headers, b"accept-language"))
        status = 400 if media == RESPONSE_TYPE else 200
        try:
            prepared = operations.prepare(request)
            if prepared.errors:
                result = request_error(prepared.errors, note.request_id)
                await self._send(send, media, status, result)
                return
            operation = prepared.operation(request.operation_name)
            note.operation = "" if operation.name is None else operation.name.value
            kind = operation.operation
            if kind is OperationType.MUTATION and scope["method"] == "GET":
                raise Unfit(405, ErrorCode.BAD_USER_INPUT, "Mutations need POST.", allow="POST")
            if kind is OperationType.SUBSCRIPTION and media != STREAM_TYPE:
                raise Unfit(
                    406, ErrorCode.BAD_USER_INPUT, f"Subscriptions need Accept: {STREAM_TYPE}."
                )
            operations.permit(operation, caller)
        except DoorError as error:
            raise unfit_for(error, media) from None
        _COUNTED[kind].inc()

        def ask() -> Inquiry:
            # A subscription outlives changes of standing: whoever may not act any more hears no
            # more.
            current = caller
            if kind is OperationType.SUBSCRIPTION and token is not None:
                try:
                    current = doors.identity.caller_of(token)
                except BadToken as error:
                    raise DoorError(ErrorCode.UNAUTHENTICATED, str(error)) from None
            return Inquiry(doors, current, language, note.request_id)

        if media == STREAM_TYPE:
            results = (
                operations.executor.follow(prepared, operation, request.variables, ask)
                if kind is OperationType.SUBSCRIPTION
                else _once(operations.executor, prepared, operation, request.variables, ask())
            )
            # A stream is bounded by the sockets, not by the requests in flight.
            operations.in_flight -= 1
            try:
                expires = None if token is None else doors.identity.expiry_ms(token)
                holder = "" if caller is None else caller.party
                await stream(results, receive, send, doors, expires, note.request_id, holder)
            finally:
                operations.in_flight += 1
            return
        party = "" if caller is None else caller.party
        try:
            operations.begin(party)
        except DoorError as error:
            raise unfit_for(error, media) from None
        try:
            result = await operations.executor.run(prepared, operation, request.variables, ask())
        finally:
            operations.end(party)
        await self._send(send, media, 200 if result.started else status, result)

    def _caller(self, headers: Headers) -> tuple[Caller | None, str | None]:
        token = bearer(headers)
        if token is None:
            return None, None
        try:
            return self._doors.identity.caller_of(token), token
        except BadToken as error:
            raise Unfit(
                401,
                ErrorCode.UNAUTHENTICATED,
                str(error),
                **{"www-authenticate": 'Bearer error="invalid_token"'},
            ) from None

    async def _read(self, scope: Scope, headers: Headers, receive: Receive) -> Request:
        method = scope["method"]
        if method == "POST":
            check_content_type(header(headers, b"content-type"))
            try:
                body = await read_body(headers, receive, BODY_BYTES_MAX, whole=WHOLE in scope)
            except BodyTooLarge:
                raise Unfit(
                    413, ErrorCode.QUERY_TOO_COMPLEX, f"At most {BODY_BYTES_MAX} bytes."
                ) from None
            except BodyTooSlow as slow:
                raise Unfit(408, ErrorCode.BAD_USER_INPUT, str(slow)) from None
            return parse_body(body)
        if method == "GET":
            return parse_query_string(scope["query_string"])
        raise Unfit(405, ErrorCode.BAD_USER_INPUT, "GET or POST.", allow="GET, POST")

    async def _send(self, send: Send, media: str, status: int, result: Result) -> None:
        body = result.body
        if "errors" in body:
            for code in codes_of(body["errors"]):
                ERRORS.labels(code).inc()
        if media == STREAM_TYPE:
            media, status = RESPONSE_TYPE, 200 if result.started else 400
        await respond(
            send,
            status,
            _CONTENT_TYPE[media],
            _to_json(body).encode("utf-8", "replace"),
            _NO_STORE,
        )

    async def _fail(self, send: Send, media: str, request_id: str, unfit: Unfit) -> None:
        ERRORS.labels(unfit.code.value).inc()
        error = plain_error(unfit.code, unfit.message, request_id)
        await respond(
            send,
            unfit.status,
            _CONTENT_TYPE[RESPONSE_TYPE if media == STREAM_TYPE else media],
            json.dumps({"errors": [error]}, ensure_ascii=False).encode(),
            [
                *_NO_STORE,
                *((name.encode(), value.encode()) for name, value in unfit.headers.items()),
            ],
        )


_OFFERS: Final = (JSON_TYPE, RESPONSE_TYPE, STREAM_TYPE)
_COUNTED: Final = {kind: OPERATIONS.labels(kind.value) for kind in OperationType}
_CONTENT_TYPE: Final = {
    RESPONSE_TYPE: f"{RESPONSE_TYPE}; charset=utf-8",
    JSON_TYPE: f"{JSON_TYPE}; charset=utf-8",
}
_NO_STORE: Final = [(b"cache-control", b"no-store")]
_to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


async def _once(
    executor: Executor,
    prepared: Prepared,
    operation: OperationDefinitionNode,
    variables: dict[str, Any] | None,
    inquiry: Inquiry,
) -> Any:
    yield await executor.run(prepared, operation, variables, inquiry)
