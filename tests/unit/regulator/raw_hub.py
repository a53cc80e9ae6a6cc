"""A hub over HTTP that answers with exactly the bytes it is told to, however broken."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def free_port() -> int:
    """A port nobody listens on, below those that the kernel lends out."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def response(
    body: bytes,
    *,
    status: str = "200 OK",
    content_type: str = "application/octet-stream",
    headers: str = "",
    length: int | None = None,
) -> bytes:
    """The bytes of an HTTP/1.1 response."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n{headers}\r\n"
    )
    return head.encode() + body


def always(data: bytes) -> Answer:
    """The same bytes to every request, then the end of the connection."""

    async def answer(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


@asynccontextmanager
async def raw_hub(answer: Answer) -> AsyncIterator[tuple[str, list[str]]]:
    """Its URL, and the request heads it has seen."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            seen.append(head)
            await answer(head, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        server.close()
