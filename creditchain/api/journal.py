"""What is written down of each request: one JSON line, a few counters, a request id.

A line names ids and times, never names, tokens or bodies.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Final

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from creditchain.api.request import header, headers_of
from creditchain.events import format_time

_ENABLED: Final = logging.getLogger("creditchain.access")
"""Its level decides whether lines are written; it writes none itself."""


_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode


class Lines:
    """Lines that go out together at the end of a turn of the loop: one write, not one for each.

    They hold nothing but ids, codes and times of our own making, so unlike the hub's other lines
    they need no search for secrets. A hub that is killed takes those of its last turn along.
    """

    def __init__(self, out: BinaryIO | None = None) -> None:
        self._out = out or sys.stderr.buffer
        self._waiting: list[str] = []

    def add(self, facts: Mapping[str, Any]) -> None:
        """One more line."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write)
        self._waiting.append(_to_json(facts))

    def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        try:
            self._out.write("".join(f"{line}\n" for line in lines).encode())
            self._out.flush()
        except OSError:
            # The log's disk is full or its reader is gone: that must not cost anyone the answer.
            LINES_LOST.inc(len(lines))


REQUESTS: Final = Counter(
    "creditchain_http_requests", "HTTP requests answered.", ["door", "status"]
)
SECONDS: Final = Histogram(
    "creditchain_http_seconds",
    "Seconds from request to answer.",
    ["door"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
OPERATIONS: Final = Counter("creditchain_graphql_operations", "GraphQL operations run.", ["kind"])
ERRORS: Final = Counter("creditchain_graphql_errors", "Top-level GraphQL errors told.", ["code"])
REFUSALS: Final = Counter("creditchain_refusals", "Events refused by the law.", ["code"])
SIGN_INS: Final = Counter("creditchain_sign_ins", "Assertions exchanged or refused.", ["outcome"])
LINES_LOST: Final = Counter(
    "creditchain_log_lines_lost", "Lines about requests that could not be written."
)
SOCKETS: Final = Gauge("creditchain_sockets", "Open WebSocket and SSE connections.", ["kind"])

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
"""A request id that a proxy in front of us may set."""

_DOORS: Final = frozenset({"graphql", "token", "reports", "log", "healthz", "readyz", "metrics"})


class Sockets:
    """How many long connections are open in this process, and by whom."""

    count = 0
    held: ClassVar[dict[str, int]] = {}

    @classmethod
    @contextmanager
    def open(cls, limit: int) -> Iterator[bool]:
        """Takes a place; False if there is none."""
        if cls.count >= limit:
            yield False
            return
        cls.count += 1
        try:
            yield True
        finally:
            cls.count -= 1

    @classmethod
    @contextmanager
    def hold(cls, holder: str, limit: int) -> Iterator[bool]:
        """Takes one of the holder's places; False if it has none left."""
        held = cls.held.get(holder, 0)
        if held >= limit:
            yield False
            return
        cls.held[holder] = held + 1
        try:
            yield True
        finally:
            cls.held[holder] -= 1
            if not cls.held[holder]:
                del cls.held[holder]


@dataclass(slots=True)
class Note:
    """What the doors add to the line of a request."""

    request_id: str
    status: int = 0
    actor: str | None = None
    operation: str | None = None


def note_of(scope: Scope) -> Note:
    """The note of a request; one of its own where no journal stands in front."""
    note = scope.get("creditchain.note")
    if not isinstance(note, Note):
        note = scope["creditchain.note"] = Note(secrets.token_urlsafe(12))
    return note


def _request_ids() -> Iterator[str]:
    """Ids that no two requests share, in this process or another."""
    process = secrets.token_urlsafe(9)
    return (f"{process}-{number:x}" for number in itertools.count(1))


class Journal:
    """ASGI middleware: gives each request an id, and writes its line when it is answered."""

    def __init__(
        self,
        app: ASGIApp,
        out: BinaryIO | None = None,
        at_once: Mapping[str, ASGIApp] | None = None,
    ) -> None:
        """`at_once`: endpoints by path for HTTP that are asked so often that no router is."""
        self._app = app
        self._at_once = at_once or {}
        self._ids = _request_ids()
        self._lines = Lines(out)
        self._counted: dict[tuple[str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = header(headers_of(scope), b"x-request-id")
        request_id = given if REQUEST_ID.fullmatch(given) else next(self._ids)
        note = scope["creditchain.note"] = Note(request_id)
        started = time.perf_counter()

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                note.status = message["status"]
                message["headers"] = [
                    *message["headers"], (b"x-request-id", request_id.encode("ascii"))
                ]  # fmt: skip
            elif message["type"] == "websocket.close":
                note.status = message.get("code", 1000)
            await send(message)

        app = self._at_once.get(scope["path"]) if scope["type"] == "http" else None
        try:
            await (app or self._app)(scope, receive, watch)
        finally:
            self._write(scope, note, time.perf_counter() - started)

    def _write(self, scope: Scope, note: Note, seconds: float) -> None:
        door = scope["path"].split("/", 2)[1]
        door = door if door in _DOORS else "other"
        if scope["type"] == "websocket":
            door = "socket"
        counted = self._counted.get((door, note.status))
        if counted is None:
            counted = (REQUESTS.labels(door, str(note.status)), SECONDS.labels(door))
            self._counted[door, note.status] = counted
        counted[0].inc()
        counted[1].observe(seconds)
        if not _ENABLED.isEnabledFor(logging.INFO):
            return
        facts: dict[str, Any] = {"actor": note.actor} if note.actor else {}
        if note.operation is not None:
            facts["operation"] = note.operation
        self._lines.add(
            {
                "logger": _ENABLED.name,
                "level": "info",
                "request_id": note.request_id,
                "method": scope.get("method", "WS"),
                "path": scope["path"],
                "status": note.status,
                "ms": round(seconds * 1000, 2),
                **facts,
                "event": "request",
                "timestamp": format_time(time.time_ns() // 1_000_000),
            }
        )
