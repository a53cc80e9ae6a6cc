"""A small observer over HTTP, for the collector's tests: real signatures, real decisions.

It judges with `creditchain.tlog.witness` and cosigns; a test may put a fault in its way.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from creditchain.collector import Cosigner
from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.note import Verifier
from creditchain.tlog.witness import SIZE_CONTENT_TYPE, Status, judge, parse_add_checkpoint

Fault = Callable[[], Response]


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


class WitnessPeer:
    """One cosigner: its key, the log it knows, its head, and what it was asked."""

    def __init__(self, name: str, log: Verifier) -> None:
        self.name = name
        self.port = free_port()
        self.signer = CosignatureSigner(f"observer.example/{name}", name.encode().ljust(32, b"\0"))
        self.log = log
        self.head: tuple[int, bytes] | None = None
        self.asked: list[tuple[int, int]] = []
        self.faults: list[Fault] = []
        self.time_s = int(time.time())
        self.open = asyncio.Event()
        self.open.set()
        self.delay_s = 0.0

    @property
    def cosigner(self) -> Cosigner:
        return Cosigner(
            self.name, self.signer.verifier, f"http://127.0.0.1:{self.port}/{self.name}"
        )

    async def answer(self, request: Request) -> Response:
        parsed = parse_add_checkpoint(await request.body())
        self.asked.append((parsed.old, int(parsed.note.split("\n")[1])))
        await self.open.wait()
        await asyncio.sleep(self.delay_s)
        if self.faults:
            return self.faults.pop(0)()
        verdict = judge(parsed, [self.log] if parsed.origin == self.log.name else [], self.head)
        if verdict.status is Status.CONFLICT:
            return PlainTextResponse(
                f"{verdict.head_size}\n", 409, headers={"content-type": SIZE_CONTENT_TYPE}
            )
        if verdict.status is not Status.ACCEPTED:
            return PlainTextResponse(verdict.reason, int(verdict.status))
        opened = verdict.checkpoint
        assert opened is not None
        self.head = (opened.checkpoint.size, opened.checkpoint.root)
        return PlainTextResponse(self.signer.cosign(opened.note_text, self.time_s).line)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listens while the block runs."""
        app = Starlette(
            routes=[Route(f"/{self.name}/add-checkpoint", self.answer, methods=["POST"])]
        )
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_config=None, lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.005)
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            await task
