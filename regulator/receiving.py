"""What is sent to the observer over HTTP, read within bounds of bytes and time."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request

SECONDS_MAX: Final = 10.0
"""A request of some kilobytes has arrived by then; who drips bytes holds a place meanwhile."""


class TooLarge(Exception):
    """There are more bytes than this route takes."""


async def receive(request: Request, bytes_max: int) -> bytes:
    """All that was sent; raises `TooLarge`, TimeoutError and `ClientDisconnect`."""
    parts: list[bytes] = []
    size = 0
    async with asyncio.timeout(SECONDS_MAX):
        async for part in request.stream():
            size += len(part)
            if size > bytes_max:
                raise TooLarge
            parts.append(part)
    return b"".join(parts)
