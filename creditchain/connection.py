"""A connection to the hub: uvicorn's HTTP, but headers have their time, and an answer is one write.

uvicorn waits for headers for ever, and each of `connections_max` places is one that nobody else
has. And it writes head and body of an answer one by one: two packets, and twice the system call
that is most of the work of sending a small one.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from creditchain.api.request import WHOLE

HEADERS_WITHIN_S: Final = 10.0
"""From the connection, or a request's first byte, to the end of its headers."""

HELD_BYTES_MAX: Final = 64 * 1024
"""Written bytes held back at most; as much as asyncio lets a transport hold before it says so."""


class Connection(HttpToolsProtocol):
    """A connection is cut when it does not get to the end of a request's headers in time.

    Between two requests uvicorn's own keep-alive time counts.
    """

    _headers_due: asyncio.TimerHandle | None = None
    _in_headers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: its first request is waited for."""
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Some bytes; nearly always a request as a whole, for which no time need be taken."""
        super().data_received(data)
        if self._in_headers:
            self._await_headers()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_headers = True

    def on_headers_complete(self) -> None:
        """The headers are here; the doors bound the rest."""
        self._in_headers = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is here, before the application has begun with the request if it is small."""
        super().on_message_complete()
        self.scope[WHOLE] = True  # type: ignore[typeddict-unknown-key]

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        if self._headers_due is None:
            self._headers_due = self.loop.call_later(HEADERS_WITHIN_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None


class OneWrite:
    """A transport that sends what is written in one turn of the loop as one piece."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write(self, data: bytes) -> None:
        """Sends the bytes when this turn of the loop ends."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX:
            self._send()

    def close(self) -> None:
        """Closes, once what was written has gone."""
        self._send()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send(self) -> None:
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        if held and not self._transport.is_closing():
            self._transport.write(held)
