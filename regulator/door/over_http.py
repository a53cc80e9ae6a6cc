"""The door's two routes: `/graphql` (POST with JSON, or GET) and `/token`.

Deny by default: without an access token nothing but `{__typename}` is answered. Requests have
bounds in bytes, in time and in number, and run in threads that following does not use. Each leaves
one line in the log: who, which operation, how long; never what was asked for or answered.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from creditchain.client.signer import now_ms
from creditchain.querying import http_request
from creditchain.querying.access_token import BadToken
from creditchain.querying.assertion import FORM_BYTES_MAX, FORM_TYPE, SignInRefused
from creditchain.querying.cursor import Cursors
from creditchain.querying.failure import DoorError, ErrorCode, plain_error
from creditchain.querying.http_request import JSON_TYPE, RESPONSE_TYPE, Unfit, unfit_for
from regulator.database import OBSERVER_NAME
from regulator.door.asking import Answer, Asked, Asking
from regulator.door.copy import Records, open_copy
from regulator.door.inquiry import Rooms
from regulator.door.limits import BODY_BYTES_MAX, QUERIES_AT_ONCE, QUERIES_WAITING_MAX
from regulator.door.sign_in import Caller, SignIn
from regulator.door.standing import Standing
from regulator.door.statistics import Statistics
from regulator.receiving import TooLarge, receive

T = TypeVar("T")

_log: Final = structlog.get_logger("regulator.door")


class Door:
    """The routes over an observer's copy; use `open_door`."""

    def __init__(self, asking: Asking, sign_in: SignIn, standing: Callable[[], Standing]) -> None:
        self._asking = asking
        self._sign_in = sign_in
        self._standing = standing
        self._threads = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="door")
        self._under_way = 0

    def routes(self) -> list[Route]:
        """What this door adds to the observer's application."""
        return [
            Route("/graphql", self.graphql, methods=["GET", "POST"]),
            Route("/token", self.token, methods=["POST"]),
        ]

    def close(self) -> None:
        """Take no more; what is under way ends by its own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def graphql(self, request: Request) -> Response:
        """One GraphQL request."""
        began, media = time.monotonic(), RESPONSE_TYPE
        request_id = secrets.token_urlsafe(9)
        caller, operation = None, ""
        try:
            media = http_request.choose_media(
                request.headers.get("accept", ""), (JSON_TYPE, RESPONSE_TYPE)
            )
            asked = await self._read(request)
            caller = await self._caller(request)
            try:
                answer = await self._in_thread(
                    self._asking.answer, Asked(asked, caller, self._standing(), request_id)
                )
            except DoorError as refused:
                raise unfit_for(refused, media) from None
            operation = answer.operation
            response = _response(answer, media)
        except Unfit as unfit:
            error = plain_error(unfit.code, unfit.message, request_id)
            response = _json(unfit.status, {"errors": [error]}, media, unfit.headers)
        except ClientDisconnect:
            response = Response(status_code=400)
        _log.info(
            "asked",
            request_id=request_id,
            actor=None if caller is None else caller.actor,
            operation=operation,
            status=response.status_code,
            ms=round((time.monotonic() - began) * 1000),
        )
        return response

    async def token(self, request: Request) -> Response:
        """An access token for a signed assertion."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != FORM_TYPE:
            return _refusal(SignInRefused("invalid_request", f"Send {FORM_TYPE}.", 415))
        try:
            form = await receive(request, FORM_BYTES_MAX)
            answer = await self._in_thread(self._sign_in.exchange, form)
        except TooLarge:
            return _refusal(
                SignInRefused("invalid_request", f"At most {FORM_BYTES_MAX} bytes.", 413)
            )
        except TimeoutError:
            return _refusal(SignInRefused("invalid_request", "The form came too slowly.", 408))
        except ClientDisconnect:
            return Response(status_code=400)
        except Unfit as busy:
            return _refusal(SignInRefused("temporarily_unavailable", busy.message, busy.status))
        except SignInRefused as refused:
            return _refusal(refused)
        return _json(200, answer, JSON_TYPE, {"pragma": "no-cache"})

    async def _read(self, request: Request) -> http_request.Request:
        if request.method != "POST":
            return http_request.parse_query_string(request.scope["query_string"])
        http_request.check_content_type(request.headers.get("content-type", ""))
        try:
            body = await receive(request, BODY_BYTES_MAX)
        except TooLarge:
            raise Unfit(
                413, ErrorCode.QUERY_TOO_COMPLEX, f"At most {BODY_BYTES_MAX} bytes."
            ) from None
        except TimeoutError:
            raise Unfit(408, ErrorCode.BAD_USER_INPUT, "The body came too slowly.") from None
        return http_request.parse_body(body)

    async def _caller(self, request: Request) -> Caller | None:
        value = request.headers.get("authorization", "")
        if not value:
            return None
        scheme, _, token = value.partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthenticated("A bearer token is expected.")
        try:
            return await self._in_thread(self._sign_in.caller_of, token.strip())
        except BadToken as bad:
            raise _unauthenticated(str(bad)) from None

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        if self._under_way >= QUERIES_AT_ONCE + QUERIES_WAITING_MAX:
            raise Unfit(
                503, ErrorCode.RATE_LIMITED, "The observer is busy.", **{"retry-after": "1"}
            )
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        # Counted until the thread is free again, whether or not anybody still waits.
        future.add_done_callback(self._ended)
        return await asyncio.shield(future)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # told to whoever waited


@asynccontextmanager
async def open_door(
    folder: Path,
    zone: str,
    standing: Callable[[], Standing],
    *,
    introspection: bool = True,
    clock_ms: Callable[[], int] = now_ms,
) -> AsyncIterator[Door]:
    """The door over the copy in a folder; months of its figures are those of `zone`."""
    engine = open_copy(folder / OBSERVER_NAME)
    statistics = Statistics(folder, zone)
    # Cursors, like tokens, live as long as this process.
    rooms = Rooms(folder, Cursors(secrets.token_bytes(32)), statistics)
    now = standing()
    sign_in = SignIn(now.name, now.regulator, Records(engine), clock_ms)
    door = Door(Asking(engine, rooms, introspection=introspection), sign_in, standing)
    try:
        yield door
    finally:
        door.close()
        statistics.close()
        engine.dispose()


def _unauthenticated(message: str) -> Unfit:
    headers = {"www-authenticate": 'Bearer error="invalid_token"'}
    return Unfit(401, ErrorCode.UNAUTHENTICATED, message, **headers)


def _response(answer: Answer, media: str) -> Response:
    status = 200 if answer.started or media == JSON_TYPE else 400
    return _json(status, answer.body, media, {})


def _json(status: int, value: object, media: str, headers: dict[str, str]) -> Response:
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(
        content.encode("utf-8", "replace"),
        status,
        {
            **headers,
            "cache-control": "no-store",
            "content-type": f"{media}; charset=utf-8",
        },
    )


def _refusal(refused: SignInRefused) -> Response:
    value = {"error": refused.error, "error_description": refused.description}
    return _json(refused.status, value, JSON_TYPE, {"pragma": "no-cache"})
