"""GraphQL over WebSocket: the graphql-transport-ws protocol, with all its close codes.

The access token comes in the payload of `connection_init` (`{"token": "…"}` or
`{"authorization": "Bearer …"}`), because browsers cannot set headers here. The connection ends when
the token does; resume with `after`, the index in the last change.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Final, cast

from graphql import GraphQLError, OperationType
from starlette.types import Receive, Scope, Send

from creditchain.api.authority import Caller
from creditchain.api.execution import Prepared, Result, request_error
from creditchain.api.failure import DoorError, ErrorCode, format_errors
from creditchain.api.identity import BadToken
from creditchain.api.inquiry import Inquiry
from creditchain.api.journal import OPERATIONS, SOCKETS, Note, Sockets, note_of
from creditchain.api.limits import BODY_BYTES_MAX
from creditchain.api.over_http import Operations
from creditchain.api.request import header, headers_of, language_of
from creditchain.querying.http_request import Request, Unfit, parse_request

PROTOCOL: Final = "graphql-transport-ws"

ID_CHARS_MAX: Final = 128
"""Of an operation's id; a UUID has 36."""

BAD_MESSAGE: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
WRONG_PROTOCOL: Final = 4406
INIT_TIMEOUT: Final = 4408
ID_TAKEN: Final = 4409
TOO_MANY_INITS: Final = 4429
TRY_LATER: Final = 1013
INTERNAL: Final = 4500


class Close(Exception):
    """The connection must end: code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class GraphQLOverWebSocket:
    """The ASGI endpoint of /graphql for WebSockets."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection to its end."""
        assert (await receive())["type"] == "websocket.connect"
        limits = self._operations.doors.limits
        with Sockets.open(limits.sockets) as opened:
            if PROTOCOL not in scope["subprotocols"]:
                await send({"type": "websocket.accept"})
                await _close(send, Close(WRONG_PROTOCOL, "Subprotocol not acceptable"))
                return
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
            if not opened:
                await _close(send, Close(TRY_LATER, "Too many connections"))
                return
            SOCKETS.labels("websocket").inc()
            try:
                await _Connection(self._operations, scope, receive, send).serve()
            finally:
                SOCKETS.labels("websocket").dec()


class _Connection:
    def __init__(self, operations: Operations, scope: Scope, receive: Receive, send: Send) -> None:
        self._operations = operations
        self._doors = operations.doors
        self._receive = receive
        self._raw_send = send
        self._note: Note = note_of(scope)
        self._language = language_of(header(headers_of(scope), b"accept-language"))
        self._token: str | None = None
        self._caller: Caller | None = None
        self._acknowledged = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self._place = contextlib.ExitStack()

    async def serve(self) -> None:
        """Reads messages until the client goes or the connection must end."""
        limits = self._doors.limits
        try:
            self._take_place("", limits.sockets_of_strangers)
            async with asyncio.timeout(limits.init_timeout_s) as waiting:
                await self._init(await self._message())
                waiting.reschedule(None)
            async with asyncio.timeout(self._life_s()):
                while True:
                    await self._handle(await self._message())
        except TimeoutError:
            if not self._acknowledged:
                await self._end(Close(INIT_TIMEOUT, "Connection initialisation timeout"))
            elif self._token is None:
                await self._end(Close(FORBIDDEN, "Sign in to stay"))
            else:
                await self._end(Close(FORBIDDEN, "Token expired"))
        except Close as close:
            await self._end(close)
        finally:
            self._closed = True
            self._place.close()
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _take_place(self, holder: str, limit: int) -> None:
        """Takes a place as `holder` instead of the one held; raises `Close` if there is none."""
        place = contextlib.ExitStack()
        if not place.enter_context(Sockets.hold(holder, limit)):
            raise Close(TRY_LATER, "Too many connections")
        self._place.close()
        self._place = place

    def _life_s(self) -> float:
        if self._token is None:
            return self._doors.limits.stranger_life_s
        left_ms = self._doors.identity.expiry_ms(self._token) - self._doors.now_ms()
        return max(0.0, left_ms / 1000)

    async def _message(self) -> dict[str, Any]:
        """The next message; raises `Close`. While it waits, operations go on."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            self._closed = True
            raise Close(1000, "gone")
        text = event.get("text")
        if text is None or len(text) > BODY_BYTES_MAX:
            raise Close(BAD_MESSAGE, "Messages are JSON text of a limited size")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise Close(BAD_MESSAGE, "Invalid message: no JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Close(BAD_MESSAGE, "Invalid message: no type")
        return message

    async def _init(self, message: dict[str, Any]) -> None:
        while message["type"] in ("ping", "pong"):
            if message["type"] == "ping":
                await self._send({"type": "pong"})
            message = await self._message()
        if message["type"] in ("subscribe", "complete"):
            raise Close(UNAUTHORIZED, "Unauthorized")
        if message["type"] != "connection_init":
            raise Close(BAD_MESSAGE, "Invalid message: connection_init is expected")
        self._token = _token_of(message.get("payload"))
        if self._token is not None:
            try:
                self._caller = self._doors.identity.caller_of(self._token)
            except BadToken as error:
                raise Close(FORBIDDEN, str(error)) from None
            self._note.actor = self._caller.actor
            self._take_place(self._caller.party, self._doors.limits.sockets_per_party)
        self._acknowledged = True
        await self._send({"type": "connection_ack"})

    async def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                raise Close(TOO_MANY_INITS, "Too many initialisation requests")
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(_id_of(message), message.get("payload"))
            case "complete":
                task = self._running.pop(_id_of(message), None)
                if task is not None:
                    task.cancel()
            case _:
                raise Close(BAD_MESSAGE, "Invalid message: unknown type")

    async def _subscribe(self, id: str, payload: object) -> None:
        if id in self._running:
            raise Close(ID_TAKEN, f"Subscriber for {id} already exists")
        try:
            request = parse_request(payload)
        except Unfit as unfit:
            raise Close(BAD_MESSAGE, f"Invalid message: {unfit.message}") from None
        if len(self._running) >= self._doors.limits.subscriptions_per_socket:
            error = DoorError(ErrorCode.RATE_LIMITED, "Too many operations on one connection.")
            await self._send_errors(id, error)
            return
        self._running[id] = asyncio.create_task(self._work(id, request))

    async def _work(self, id: str, request: Request) -> None:
        try:
            await self._run(id, request)
        except DoorError as error:
            await self._send_errors(id, error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - told as INTERNAL, the rest goes to the journal
            await self._send_errors(id, error)
        finally:
            # After `complete` from the client the id may already name the next operation.
            if self._running.get(id) is asyncio.current_task():
                del self._running[id]

    async def _run(self, id: str, request: Request) -> None:
        operations = self._operations
        prepared = operations.prepare(request)
        if prepared.errors:
            result = request_error(prepared.errors, self._note.request_id)
            await self._send({"id": id, "type": "error", "payload": result.body["errors"]})
            return
        operation = prepared.operation(request.operation_name)
        operations.permit(operation, self._caller)
        OPERATIONS.labels(operation.operation.value).inc()
        if operation.operation is OperationType.SUBSCRIPTION:
            await self._follow(id, prepared, request)
            return
        result = await operations.executor.run(prepared, operation, request.variables, self._ask())
        if await self._send_result(id, result):
            await self._complete(id)

    async def _follow(self, id: str, prepared: Prepared, request: Request) -> None:
        operation = prepared.operation(request.operation_name)
        results = self._operations.executor.follow(
            prepared, operation, request.variables, self._ask
        )
        async with contextlib.aclosing(cast("Any", results)) as following:
            # Each result is sent before the next is read: a slow client delays only itself.
            async for result in following:
                if not await self._send_result(id, result):
                    return
        await self._complete(id)

    def _ask(self) -> Inquiry:
        # Standing is looked up for each event: whoever may not act any more hears no more.
        caller = self._caller
        if self._token is not None:
            try:
                caller = self._doors.identity.caller_of(self._token)
            except BadToken as error:
                raise DoorError(ErrorCode.UNAUTHENTICATED, str(error)) from None
        return Inquiry(self._doors, caller, self._language, self._note.request_id)

    async def _send_result(self, id: str, result: Result) -> bool:
        """Sends a result; False if it was an error that ends the operation."""
        if not result.started:
            await self._send({"id": id, "type": "error", "payload": result.body["errors"]})
            return False
        await self._send({"id": id, "type": "next", "payload": result.body})
        return True

    async def _send_errors(self, id: str, error: Exception) -> None:
        wrapped = GraphQLError(str(error), original_error=error)
        errors = format_errors([wrapped], self._note.request_id)
        await self._send({"id": id, "type": "error", "payload": errors})

    async def _complete(self, id: str) -> None:
        if self._running.get(id) is asyncio.current_task():
            del self._running[id]
        await self._send({"id": id, "type": "complete"})

    async def _send(self, message: dict[str, Any]) -> None:
        if self._closed:
            return
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        await self._raw_send({"type": "websocket.send", "text": text})

    async def _end(self, close: Close) -> None:
        if not self._closed:
            self._closed = True
            await _close(self._raw_send, close)


async def _close(send: Send, close: Close) -> None:
    reason = close.reason.encode()[:120].decode("utf-8", "ignore")
    await send({"type": "websocket.close", "code": close.code, "reason": reason})


def _id_of(message: dict[str, Any]) -> str:
    said = message.get("id")
    if not isinstance(said, str) or not 1 <= len(said) <= ID_CHARS_MAX:
        raise Close(BAD_MESSAGE, "Invalid message: no id")
    return said


def _token_of(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return None
    token = payload.get("token")
    if token is None:
        said = payload.get("authorization", payload.get("Authorization"))
        token = said.removeprefix("Bearer ") if isinstance(said, str) else said
    if token is not None and not isinstance(token, str):
        raise Close(BAD_MESSAGE, "Invalid message: the token is a string")
    return token
