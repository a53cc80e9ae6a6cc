"""Reading what came over HTTP: bodies up to a limit, languages, bearer tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from starlette.types import Message, Receive, Send

from creditchain.querying.http_request import HEADER_CHARS_MAX, quality_of

BODY_WITHIN_S: Final = 20.0
"""From the headers to the end of a body of up to 256 KiB: 13 KB a second. Whoever drips bytes holds
a place among the requests in flight."""


WHOLE: Final = "creditchain.whole"
"""Set in an ASGI scope by a server that has the whole body already: nothing to wait for."""


class BodyTooLarge(Exception):
    """The body has more bytes than the door takes."""


class BodyTooSlow(Exception):
    """The body did not come in time; the message says in what time."""


class Disconnected(Exception):
    """The client has gone."""


Headers = Mapping[bytes, bytes]
"""Headers by their name in lower case; of several the last, as a hop nearest to us has set it."""


def header(headers: Headers, name: bytes) -> str:
    """The value of a header; empty if there is none."""
    return headers.get(name, b"").decode("latin-1")


async def read_body(
    headers: Headers,
    receive: Receive,
    limit: int,
    within_s: float = BODY_WITHIN_S,
    *,
    whole: bool = False,
) -> bytes:
    """The whole body; raises `BodyTooLarge` before more than `limit` bytes are held.

    Raises `BodyTooSlow` when it has not come `within_s`, and `Disconnected`. `whole`: it is known
    to have come, as nearly all have with their headers, and no clock is set.
    """
    declared = header(headers, b"content-length")
    if declared.isdigit() and int(declared[:12]) > limit:
        raise BodyTooLarge
    if whole:
        return await _read_body(receive, limit)
    try:
        async with asyncio.timeout(within_s):
            return await _read_body(receive, limit)
    except TimeoutError:
        raise BodyTooSlow(f"The body did not come within {within_s:g} s.") from None


async def _read_body(receive: Receive, limit: int) -> bytes:
    message = await receive()
    if not message.get("more_body", False):
        body = _chunk(message)
        if len(body) > limit:
            raise BodyTooLarge
        return body
    chunks, size = [], 0
    while True:
        chunk = _chunk(message)
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    chunk: bytes = message.get("body", b"")
    return chunk


async def respond(
    send: Send,
    status: int,
    content_type: str,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Sends a whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type.encode("ascii")),
                (b"content-length", b"%d" % len(body)),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def bearer(headers: Headers) -> str | None:
    """The bearer token, None if there is none; another scheme counts as an empty token."""
    value = header(headers, b"authorization")
    if not value:
        return None
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@lru_cache(maxsize=512)
def language_of(accept_language: str) -> str:
    """`zh` if an Accept-Language header prefers Chinese to English, else `en`."""
    best = {"en": -1.0, "zh": -1.0}
    for item in accept_language[:HEADER_CHARS_MAX].split(","):
        tag, *parameters = (part.strip().lower() for part in item.split(";"))
        primary = tag.split("-")[0]
        if primary in best:
            best[primary] = max(best[primary], quality_of(parameters))
    return "zh" if best["zh"] > max(best["en"], 0.0) else "en"


def headers_of(scope: Any) -> Headers:
    """The headers of an ASGI scope."""
    return dict(scope["headers"])
