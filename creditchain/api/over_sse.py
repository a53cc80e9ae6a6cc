"""GraphQL over Server-Sent Events, "distinct connections": one operation, one stream.

Plain HTTP through any bank's proxies. Each result is `event: next`, the end `event: complete`. A
comment every few seconds keeps proxies awake. Resume with `after`, the index in the last change.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from starlette.types import Receive, Send

from creditchain.api.execution import Result
from creditchain.api.failure import ErrorCode, plain_error
from creditchain.api.journal import SOCKETS, Sockets
from creditchain.api.request import respond

if TYPE_CHECKING:
    from creditchain.api.doors import Doors

KEEP_ALIVE_S: Final = 12.0
"""Proxies commonly cut a connection that is silent for 30 or 60 seconds."""

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_COMPLETE: Final = b"event: complete\ndata:\n\n"


async def stream(
    results: AsyncIterator[Result],
    receive: Receive,
    send: Send,
    doors: Doors,
    expires_ms: int | None,
    request_id: str,
    holder: str,
) -> None:
    """Sends results until they end, the client goes, or its token expires.

    One result is read at a time and sent before the next is asked for, so a slow client holds
    nothing back here but itself. `holder`: the party whose stream it is; empty for strangers.
    """
    limits = doors.limits
    share = limits.sockets_per_party if holder else limits.sockets_of_strangers
    with Sockets.open(limits.sockets) as opened, Sockets.hold(holder, share) as let_in:
        if not (opened and let_in):
            error = plain_error(ErrorCode.RATE_LIMITED, "Too many open streams.", request_id)
            body = json.dumps({"errors": [error]}).encode()
            await respond(
                send, 503, "application/json; charset=utf-8", body, [(b"retry-after", b"5")]
            )
            await _close(results)
            return
        SOCKETS.labels("sse").inc()
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await _pump(results, send, gone, doors, expires_ms, request_id)
        finally:
            SOCKETS.labels("sse").dec()
            gone.cancel()
            await _close(results)


async def _pump(
    results: AsyncIterator[Result],
    send: Send,
    gone: asyncio.Future[None],
    doors: Doors,
    expires_ms: int | None,
    request_id: str,
) -> None:
    # Opens the stream at the client, which may otherwise wait for a first event.
    await _write(send, b":\n\n")
    upcoming = asyncio.ensure_future(anext(results, None))
    try:
        while True:
            left_s = KEEP_ALIVE_S
            if expires_ms is not None:
                left_s = min(left_s, (expires_ms - doors.now_ms()) / 1000)
                if left_s <= 0:
                    error = plain_error(
                        ErrorCode.UNAUTHENTICATED, "The access token has expired.", request_id
                    )
                    await _write(send, _next({"errors": [error]}) + _COMPLETE, more=False)
                    return
            both: set[asyncio.Future[Any]] = {upcoming, gone}
            await asyncio.wait(both, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return
            if not upcoming.done():
                await _write(send, b":\n\n")
                continue
            result = upcoming.result()
            if result is None:
                await _write(send, _COMPLETE, more=False)
                return
            await _write(send, _next(result.body))
            upcoming = asyncio.ensure_future(anext(results, None))
    finally:
        upcoming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await upcoming


async def _write(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def _next(body: dict[str, object]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"event: next\ndata: {text}\n\n".encode("utf-8", "replace")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _close(results: AsyncIterator[Result]) -> None:
    close = getattr(results, "aclose", None)
    if close is not None:
        with contextlib.suppress(RuntimeError):
            await close()
