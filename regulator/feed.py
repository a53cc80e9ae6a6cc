"""What the observer reads of a log, and reading it over HTTP from a hub that may be hostile.

`Feed` is the one interface to the outside; the lying hub of the tests implements it too. Whatever a
feed answers is only bytes: `verify` and `replay` judge them. A feed that gives no usable answer
raises `FeedFault`; a fault is weather, not a finding.

`HubFeed` bounds everything a hub controls: bytes on the wire and after gzip, time to connect, time
between bytes, time in all (`regulator.connections`). It follows no redirect, believes no content
type but the one expected, and signs in with an assertion by the observer's own key.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final, Protocol, Self
from urllib.parse import urlencode, urlsplit

import h11

from creditchain.client.signer import Signer
from creditchain.tlog.merkle import HASH_BYTES
from creditchain.tlog.note import NOTE_BYTES_MAX
from creditchain.tlog.tile import (
    ENTRY_BYTES_MAX,
    TILE_BYTES,
    TILE_WIDTH,
    BundlePath,
    Tile,
    format_bundle_path,
    format_tile_path,
)
from regulator.connections import Answer, Connections

BUNDLE_BYTES_MAX: Final = TILE_WIDTH * (2 + ENTRY_BYTES_MAX)
"""256 entries or bodies behind their lengths: no honest bundle is larger."""

ERROR_BYTES_MAX: Final = 4_096
"""How much of an error's text is read, for the log."""

READ_SECONDS: Final = 10.0
"""Between two bytes; a hub that trickles is caught by the total."""

TOTAL_SECONDS: Final = 60.0
"""For one resource: 16 MiB in a minute is a slow line, not a stalled one."""

TOKEN_MARGIN_SECONDS: Final = 30.0
"""A token is renewed this long before it ends, so that none ends on the way."""

_HEADERS: Final = {"User-Agent": "creditchain-observer", "Accept-Encoding": "identity"}

_TEXT: Final = "text/plain"
_BYTES: Final = "application/octet-stream"
_JSON: Final = "application/json"


class Fault(StrEnum):
    """Why a feed gave no usable answer."""

    UNREACHABLE = "UNREACHABLE"
    TOO_SLOW = "TOO_SLOW"
    REDIRECTED = "REDIRECTED"
    NOT_FOUND = "NOT_FOUND"
    NOT_ALLOWED = "NOT_ALLOWED"
    SERVER_ERROR = "SERVER_ERROR"
    UNEXPECTED_STATUS = "UNEXPECTED_STATUS"
    CONTENT_TYPE = "CONTENT_TYPE"
    CONTENT_ENCODING = "CONTENT_ENCODING"
    TOO_LARGE = "TOO_LARGE"
    TRUNCATED = "TRUNCATED"
    MALFORMED = "MALFORMED"


class FeedFault(Exception):
    """No usable answer: which resource, and why."""

    def __init__(self, fault: Fault, resource: str, detail: str = "") -> None:
        super().__init__(f"{resource}: {fault.value}" + (f" ({detail})" if detail else ""))
        self.fault = fault
        self.resource = resource
        self.detail = detail


class Feed(Protocol):
    """A log as it is read: bytes, and nothing promised about them. Each raises `FeedFault`."""

    async def checkpoint(self) -> bytes:
        """The newest checkpoint note."""
        ...

    async def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile; a full one may come where a partial was asked for."""
        ...

    async def entries(self, path: BundlePath) -> bytes:
        """A bundle of entries."""
        ...

    async def bodies(self, path: BundlePath) -> bytes:
        """The bodies of the same entries; length 0 where one was erased or is withheld."""
        ...


class HubFeed:
    """The feed of a hub at `url` (its prefix, for example `https://hub.example/log`).

    `token_url` and `signer` sign in for the bodies; without a signer only what is public is read.
    An async context manager: it owns its connections.
    """

    def __init__(
        self,
        url: str,
        *,
        token_url: str | None = None,
        signer: Signer | None = None,
        total_seconds: float = TOTAL_SECONDS,
        read_seconds: float = READ_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = Connections(url, read_seconds=read_seconds)
        self._prefix = urlsplit(url).path.rstrip("/")
        self._token_hub = Connections(token_url or url, read_seconds=read_seconds)
        self._token_path = None if token_url is None else _target(token_url)
        self._signer = signer
        self._total_seconds = total_seconds
        self._clock = clock
        self._token: str | None = None
        self._token_until = 0.0
        self._signing_in = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._hub.__aenter__()
        await self._token_hub.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._token_hub.__aexit__(*error)
        await self._hub.__aexit__(*error)

    async def checkpoint(self) -> bytes:
        """The newest checkpoint note."""
        return await self._get("checkpoint", _TEXT, NOTE_BYTES_MAX)

    async def tile(self, tile: Tile) -> bytes:
        """A tile; where the partial is gone, the full one (C2SP tlog-tiles, Partial Tiles)."""
        data = await self._get_tile(tile)
        if len(data) not in (tile.width * HASH_BYTES, TILE_BYTES):
            # No tile at all, so it is not held against the log as a wrong one.
            raise FeedFault(Fault.MALFORMED, format_tile_path(tile), f"{len(data)} bytes")
        return data

    async def _get_tile(self, tile: Tile) -> bytes:
        try:
            return await self._get(format_tile_path(tile), _BYTES, TILE_BYTES)
        except FeedFault as error:
            if error.fault is not Fault.NOT_FOUND or tile.width == TILE_WIDTH:
                raise
        return await self._get(format_tile_path(Tile(tile.level, tile.n)), _BYTES, TILE_BYTES)

    async def entries(self, path: BundlePath) -> bytes:
        """A bundle of entries."""
        return await self._get(format_bundle_path(path), _BYTES, BUNDLE_BYTES_MAX)

    async def bodies(self, path: BundlePath) -> bytes:
        """A bundle of bodies."""
        return await self._get(format_bundle_path(path, "bodies"), _BYTES, BUNDLE_BYTES_MAX)

    async def _get(self, path: str, content_type: str, bytes_max: int) -> bytes:
        for attempt in (1, 2):
            headers = await self._authority()
            try:
                asking = self._hub.ask("GET", f"{self._prefix}/{path}", headers)
                return await self._read(asking, path, content_type, bytes_max)
            except FeedFault as error:
                # A token may end early (the hub restarted, a key was rotated): ask anew, once.
                stale = error.fault is Fault.NOT_ALLOWED and self._token is not None
                if not stale or attempt == 2:
                    raise
                self._token = None
        raise AssertionError("the second attempt answers or raises")

    async def _authority(self) -> dict[str, str]:
        if self._signer is None or self._token_path is None:
            return _HEADERS
        async with self._signing_in:
            if self._token is None or self._clock() >= self._token_until:
                await self._sign_in(self._signer, self._token_path)
            return {**_HEADERS, "Authorization": f"Bearer {self._token}"}

    async def _sign_in(self, signer: Signer, path: str) -> None:
        """RFC 7523 section 2.2: exchange an assertion by our own key for a short token."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signer.assertion(),
        }
        headers = {**_HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
        asking = self._token_hub.ask("POST", path, headers, urlencode(form).encode("ascii"))
        data = await self._read(asking, "token", _JSON, ERROR_BYTES_MAX)
        token, seconds = _read_token(data)
        self._token = token
        self._token_until = self._clock() + max(0.0, seconds - TOKEN_MARGIN_SECONDS)

    async def _read(
        self,
        asking: AbstractAsyncContextManager[Answer],
        resource: str,
        content_type: str,
        bytes_max: int,
    ) -> bytes:
        try:
            async with asyncio.timeout(self._total_seconds), asking as answer:
                _check_head(answer, resource, content_type, bytes_max)
                return await _read(answer, resource, bytes_max)
        except TimeoutError:
            raise FeedFault(Fault.TOO_SLOW, resource) from None
        except h11.RemoteProtocolError as error:
            raise FeedFault(Fault.TRUNCATED, resource, str(error)) from None
        except OSError as error:
            raise FeedFault(Fault.UNREACHABLE, resource, str(error)) from None


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _check_head(answer: Answer, resource: str, content_type: str, bytes_max: int) -> None:
    status = answer.status
    if status != 200:
        fault = {404: Fault.NOT_FOUND, 401: Fault.NOT_ALLOWED, 403: Fault.NOT_ALLOWED}.get(status)
        if fault is None:
            fault = (
                Fault.REDIRECTED
                if 300 <= status < 400
                else Fault.SERVER_ERROR
                if status >= 500
                else Fault.UNEXPECTED_STATUS
            )
        raise FeedFault(fault, resource, str(status))
    given = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != content_type:
        raise FeedFault(Fault.CONTENT_TYPE, resource, f"{given[:60]!r}, not {content_type}")
    length = answer.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > bytes_max:
        raise FeedFault(Fault.TOO_LARGE, resource, f"{length[:20]} bytes announced")


async def _read(answer: Answer, resource: str, bytes_max: int) -> bytes:
    """The body, unpacked by ourselves: never more than `bytes_max` bytes in memory."""
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise FeedFault(Fault.CONTENT_ENCODING, resource, encoding[:60])
    # tlog-tiles lets a log serve bundles in gzip without being asked.
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS) if encoding == "gzip" else None
    parts: list[bytes] = []
    size = 0
    async for raw in answer.parts:
        part = raw
        if unpack is not None:
            try:
                part = unpack.decompress(raw, bytes_max - size + 1)
            except zlib.error as error:
                raise FeedFault(Fault.CONTENT_ENCODING, resource, str(error)) from None
        size += len(part)
        if size > bytes_max or (unpack is not None and unpack.unconsumed_tail):
            raise FeedFault(Fault.TOO_LARGE, resource, f"over {bytes_max} bytes")
        parts.append(part)
    if unpack is not None and not unpack.eof:
        raise FeedFault(Fault.TRUNCATED, resource, "the gzip stream ends early")
    if unpack is not None and unpack.unused_data:
        raise FeedFault(Fault.CONTENT_ENCODING, resource, "bytes after the gzip stream")
    return b"".join(parts)


def _read_token(data: bytes) -> tuple[str, float]:
    """The token and its seconds in an answer of RFC 6749 section 5.1; raises FeedFault."""
    try:
        value = json.loads(data)
        token, seconds = value["access_token"], value["expires_in"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FeedFault(Fault.MALFORMED, "token") from None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise FeedFault(Fault.MALFORMED, "token")
    if not isinstance(seconds, int) or not 0 < seconds <= 86_400:
        raise FeedFault(Fault.MALFORMED, "token", "expires_in")
    return token, float(seconds)
