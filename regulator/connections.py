"""HTTP/1.1 to one hub: connections kept alive, each waiting bounded, nothing followed or guessed.

h11 reads and writes the protocol, strictly; this module only moves its bytes. A general client
costs four times the CPU for each request, and the observer has three for every 256 entries.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final, Self
from urllib.parse import urlsplit

import h11
import httpx2

CONNECTIONS_MAX: Final = 16
"""To one hub at once; more requests wait for one."""

CONNECT_SECONDS: Final = 5.0

READ_BYTES: Final = 262_144
"""Taken from a connection at once, and about as much as waits unread in memory."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case, doubled ones joined), and the body as it comes."""

    status: int
    headers: Mapping[str, str]
    parts: AsyncGenerator[bytes]


class Connections:
    """The connections to the origin of `url`; `read_seconds` is how long a next byte may take.

    An async context manager: leaving closes what is idle.
    """

    def __init__(self, url: str, *, read_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not the URL of a hub: {url}")
        self._read_seconds = read_seconds
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._headers = [("Host", parts.netloc.rpartition("@")[2])]
        self._free = asyncio.Semaphore(CONNECTIONS_MAX)
        self._idle: list[_Connection] = []
        self._left = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._left = True
        while self._idle:
            self._idle.pop().close()

    @asynccontextmanager
    async def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[Answer]:
        """The answer to a request for an absolute path; what is not read of it is dropped.

        Raises TimeoutError, OSError (also for TLS), and `h11.RemoteProtocolError` for what is no
        HTTP or ends early.
        """
        fields = [*self._headers, *headers.items()]
        if body:
            fields.append(("Content-Length", str(len(body))))
        request = h11.Request(method=method, target=target, headers=fields)
        async with self._free:
            connection, answer = await self._send(request, body)
            try:
                yield answer
            finally:
                await answer.parts.aclose()
                if connection.ready_again() and not self._left:
                    self._idle.append(connection)
                else:
                    connection.close()

    async def _send(self, request: h11.Request, body: bytes) -> tuple[_Connection, Answer]:
        while self._idle:
            connection = self._idle.pop()
            try:
                return connection, await connection.send(request, body)
            except (ConnectionError, h11.RemoteProtocolError):
                # It was closed while nobody used it: that says nothing about the hub.
                if connection.heard:
                    raise
        connection = await self._connect()
        return connection, await connection.send(request, body)

    async def _connect(self) -> _Connection:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                self._host,
                self._port,
                limit=READ_BYTES,
                ssl=_tls() if self._secure else None,
            )
        return _Connection(reader, writer, self._read_seconds)


class _Connection:
    """One connection, one request at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, read_seconds: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._read_seconds = read_seconds
        self._state = h11.Connection(h11.CLIENT)
        self.heard = False

    async def send(self, request: h11.Request, body: bytes) -> Answer:
        """Send a request and read the head of its answer; on any error the connection is closed."""
        self.heard = False
        try:
            parts = [self._state.send(request)]
            if body:
                parts.append(self._state.send(h11.Data(data=body)))
            parts.append(self._state.send(h11.EndOfMessage()))
            self._writer.write(b"".join(part for part in parts if part))
            while not isinstance(event := await self._next(), h11.Response):
                assert isinstance(event, h11.InformationalResponse), "h11 holds the order of events"
        except BaseException:
            self.close()
            raise
        headers: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Answer(event.status_code, headers, self._parts())

    async def _parts(self) -> AsyncGenerator[bytes]:
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def _next(self) -> h11.Event:
        while True:
            event = self._state.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(self._read_seconds):
                    data = await self._reader.read(READ_BYTES)
                self.heard = self.heard or bool(data)
                self._state.receive_data(data)
            else:
                assert isinstance(event, h11.Event), (
                    "nothing is paused between a request and its end"
                )
                return event

    def ready_again(self) -> bool:
        """Whether the answer was read to its end and the hub keeps the connection."""
        state = self._state
        if (state.our_state, state.their_state) != (h11.DONE, h11.DONE) or state.trailing_data[0]:
            return False
        state.start_next_cycle()
        return not self._reader.at_eof()

    def close(self) -> None:
        """Close it at once."""
        self._writer.transport.abort()


@cache
def _tls() -> ssl.SSLContext:
    # The certificates of the machine's environment are not for the regulator's line.
    return httpx2.create_ssl_context(trust_env=False)
