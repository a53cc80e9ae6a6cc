"""The observer's door: cosigning for the hub, status for people, its copy for anyone.

- `POST /witness/add-checkpoint`, `/mirror/add-checkpoint`, `/audit/add-checkpoint`: C2SP
  tlog-witness. The mirror's answer waits, for a bounded time, until every entry and body up to that
  size is stored, verified and replayed here, the auditor's until it is audited too; else 503 with
  Retry-After.
- `GET /<hex sha256(origin)>/checkpoint` and `GET /mirror/<hex>/…`: what was cosigned last, and the
  copy as tlog-tiles, so that anyone can check the regulator's copy too. Bodies are not served.
- `POST /submit`: checkpoints, receipts and signed refusals that a member holds, each in base64 in a
  JSON object `{"documents": [...]}`; what they say beside our copy, one answer for each.
- `/graphql` and `/token`: the regulator's auditors' own door (`regulator.door`), which alone tells
  what is in bodies.
- `GET /status`, `/healthz`, `/readyz`.

The signature on a checkpoint is the only credential that is asked for, as the protocol has it; but
for `/graphql`, which answers nobody without a token.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import structlog
from sqlalchemy.exc import DatabaseError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from creditchain.events import format_time, unb64u
from creditchain.tlog.cosignature import format_cosigner_vkey
from creditchain.tlog.tile import BadPath, parse_bundle_path, parse_tile_path
from creditchain.tlog.witness import (
    REQUEST_BYTES_MAX,
    AddCheckpoint,
    MalformedRequest,
    parse_add_checkpoint,
)
from regulator.cosign import AUDIT, MIRROR, WITNESS, Answer
from regulator.database import DatabaseUnusable
from regulator.follow import announce_findings
from regulator.inbox import FILES_MAX, Inbox
from regulator.observer import Observer
from regulator.reading import (
    describe_copy,
    is_damaged,
    read_signed,
    serve_bundle,
    serve_tile,
)
from regulator.receiving import TooLarge, receive
from regulator.register import RegisterNotWritten
from regulator.stored import CopyDamaged
from regulator.verify import Head

WAITING_MAX: Final = 64
"""Requests that may wait for the copy at once; there is one hub, and it sends one at a time."""

SUBMIT_BYTES_MAX: Final = 1_048_576
"""A submission: some receipts, or a refusal and its body."""

SUBMITTING_MAX: Final = 4
"""Submissions judged at once: members have time, the follower has not."""

_IMMUTABLE: Final = {"Cache-Control": "public, max-age=604800, immutable"}
_FRESH: Final = {"Cache-Control": "no-store"}

_log = structlog.get_logger("regulator.api")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: how long the mirror may wait, and without word from the hub we are not ready."""

    mirror_wait_s: float = 20.0
    stale_after_s: float = 60.0


def create_app(
    observer: Observer,
    limits: Limits | None = None,
    inbox: Inbox | None = None,
    asking: Sequence[Route] = (),
) -> Starlette:
    """The application over an observer that is put together.

    Without an inbox nothing is taken; `asking` are the routes of the regulator's own door.
    """
    door = _Door(observer, limits or Limits(), inbox)
    hashed = sha256(observer.genesis.origin.encode()).hexdigest()
    return Starlette(
        routes=[
            Route("/witness/add-checkpoint", door.add_to(door.witness), methods=["POST"]),
            Route("/mirror/add-checkpoint", door.add_to(door.mirror), methods=["POST"]),
            Route("/audit/add-checkpoint", door.add_to(door.audit), methods=["POST"]),
            Route(f"/{hashed}/checkpoint", door.checkpoint_of(WITNESS)),
            Route(f"/mirror/{hashed}/checkpoint", door.checkpoint_of(MIRROR)),
            Route(f"/audit/{hashed}/checkpoint", door.checkpoint_of(AUDIT)),
            Route(f"/mirror/{hashed}/{{path:path}}", door.tile),
            Route("/submit", door.submit, methods=["POST"]),
            Route("/status", door.status),
            Route("/healthz", door.healthz),
            Route("/readyz", door.readyz),
            *asking,
        ],
        exception_handlers={
            DatabaseError: _disk_refuses,
            RegisterNotWritten: _disk_refuses,
            DatabaseUnusable: _disk_refuses,
            CopyDamaged: _disk_refuses,
        },
    )


class _Door:
    def __init__(self, observer: Observer, limits: Limits, inbox: Inbox | None) -> None:
        self._observer = observer
        self._inbox = inbox
        self._submitting = asyncio.Semaphore(SUBMITTING_MAX)
        self._follower = observer.follower
        self._limits = limits
        self._waiting = asyncio.Semaphore(WAITING_MAX)

    def add_to(
        self, answer: Callable[[AddCheckpoint], Awaitable[Answer]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint that reads a request and gives this answer."""

        async def add_checkpoint(request: Request) -> Response:
            body = await _read_body(request)
            if isinstance(body, Response):
                return body
            try:
                asked = parse_add_checkpoint(body)
            except MalformedRequest as error:
                return PlainTextResponse(f"{error}\n", 400)
            return _response(await answer(asked))

        return add_checkpoint

    async def witness(self, asked: AddCheckpoint) -> Answer:
        """Judge, store, cosign; then let the copy follow."""
        answer, finding = await self._follower.write(self._follower.cosigner.witness, asked)
        if finding is not None:
            announce_findings([finding])
        if answer.status == 200:
            self._follower.push()
        return answer

    async def mirror(self, asked: AddCheckpoint) -> Answer:
        """Judge, copy, cosign."""
        return await self._cosign_later(MIRROR, asked)

    async def audit(self, asked: AddCheckpoint) -> Answer:
        """Judge, copy, audit, cosign."""
        return await self._cosign_later(AUDIT, asked)

    async def _cosign_later(self, name: str, asked: AddCheckpoint) -> Answer:
        begun = await self._follower.write(self._follower.cosigner.begin, name, asked)
        if isinstance(begun, Answer):
            return begun
        if self._waiting.locked():
            return Answer(503, "too many are waiting\n", retry_after_s=1)
        async with self._waiting:
            return await self._cosign_when_copied(name, begun)

    async def _cosign_when_copied(self, name: str, head: Head) -> Answer:
        until = time.monotonic() + self._limits.mirror_wait_s
        self._follower.push(head)
        auditing = self._observer.auditing
        if name == AUDIT:
            in_time = auditing and await auditing.audited(head.size, self._limits.mirror_wait_s)
            if auditing is None or not in_time:
                return Answer(503, "the audit is not there yet\n", retry_after_s=1)
            state = auditing.state
            await self._follower.write(
                self._follower.cosigner.take_audited, state.size, unb64u(state.root)
            )
        while True:
            version = self._follower.settled
            answer = await self._follower.write(self._follower.cosigner.finish, name, head)
            if answer is not None:
                return answer
            left = until - time.monotonic()
            if left <= 0 or not await self._follower.settled_after(version, left):
                return Answer(503, "the copy is not there yet\n", retry_after_s=1)

    def checkpoint_of(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of the newest checkpoint we cosigned under a name."""

        async def checkpoint(_: Request) -> Response:
            signed = await run_in_threadpool(read_signed, self._observer.reader_engine, name)
            if signed is None:
                return PlainTextResponse("nothing was cosigned yet\n", 404, _FRESH)
            return PlainTextResponse(f"{signed.head.note}{signed.line}", headers=_FRESH)

        return checkpoint

    async def tile(self, request: Request) -> Response:
        """A tile or an entry bundle of our copy."""
        path = request.path_params["path"]
        engine = self._observer.reader_engine
        try:
            if path.startswith("tile/entries/"):
                data = await run_in_threadpool(serve_bundle, engine, parse_bundle_path(path))
            else:
                data = await run_in_threadpool(serve_tile, engine, parse_tile_path(path))
        except BadPath:
            data = None
        if data is None:
            return PlainTextResponse("no such tile\n", 404, _FRESH)
        return Response(data, 200, _IMMUTABLE, "application/octet-stream")

    async def submit(self, request: Request) -> Response:
        """What members hold, judged against our copy."""
        # Read before anybody is counted: who sends slowly keeps no one else out.
        body = b"" if self._inbox is None else await _read_body(request, SUBMIT_BYTES_MAX)
        if isinstance(body, Response):
            return body
        if self._inbox is None or self._submitting.locked():
            return PlainTextResponse("not now\n", 503, {**_FRESH, "Retry-After": "5"})
        async with self._submitting:
            files = _read_files(body)
            if files is None:
                text = f'expected {{"documents": [base64, ...]}}, 1 to {FILES_MAX} of them\n'
                return PlainTextResponse(text, 400, _FRESH)
            answers = [judged.to_json() for judged in await self._inbox.take(files)]
        return JSONResponse({"answers": answers}, headers=_FRESH)

    async def status(self, _: Request) -> Response:
        """How far we are and what we found."""
        return JSONResponse(await describe(self._observer), headers=_FRESH)

    async def healthz(self, _: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n", headers=_FRESH)

    async def readyz(self, _: Request) -> Response:
        """We follow, and we would sign."""
        progress = self._follower.progress()
        reasons = []
        if progress.restored_to is not None:
            reasons.append(f"the copy must grow to size {progress.restored_to.size} again")
        if progress.fault is not None:
            reasons.append(progress.fault)
        if await run_in_threadpool(is_damaged, self._observer.reader_engine):
            reasons.append("our own copy is damaged")
        auditing = self._observer.auditing
        if auditing is not None and auditing.state.problem:
            reasons.append(auditing.state.problem)
        seen = progress.seen_at_s
        if seen is None or time.time() - seen > self._limits.stale_after_s:
            reasons.append("no word from the hub")
        ready = not reasons
        return JSONResponse(
            {"ready": ready, "reasons": reasons}, 200 if ready else 503, headers=_FRESH
        )


async def describe(observer: Observer) -> dict[str, object]:
    """The status as JSON: sizes, heads, lag, findings."""
    told = await run_in_threadpool(describe_copy, observer.reader_engine, observer.signers)
    # Afterwards: the copy grows, and what is trusted is never less than what was copied before.
    progress = observer.follower.progress()
    vkeys = {name: format_cosigner_vkey(one.verifier) for name, one in observer.signers.items()}
    return {
        **told,
        "cosigned": {
            name: {"vkey": vkeys[name], **head} for name, head in told["cosigned"].items()
        },
        "bodies": {**told["bodies"], "neverSeen": progress.unseen},
        "trusted": progress.trusted.size,
        "lag": progress.trusted.size - told["size"],
        "audit": None if observer.auditing is None else observer.auditing.state.to_json(),
        "restoredTo": progress.restored_to.size if progress.restored_to else None,
        "fault": progress.fault,
        **_fault_time(progress.fault_at_s if progress.fault is not None else None),
        "seenAt": progress.seen_at_s,
    }


def _fault_time(at_s: float | None) -> dict[str, str]:
    """When the fault was met, RFC 3339; nothing where there is none."""
    return {} if at_s is None else {"faultAt": format_time(int(at_s * 1000))}


def _read_files(body: bytes) -> list[bytes] | None:
    """The files in a submission; None if it is none."""
    try:
        documents = json.loads(body)["documents"]
        if not isinstance(documents, list) or not 1 <= len(documents) <= FILES_MAX:
            return None
        return [base64.b64decode(document, validate=True) for document in documents]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


async def _read_body(request: Request, bytes_max: int = REQUEST_BYTES_MAX) -> bytes | Response:
    try:
        return await receive(request, bytes_max)
    except TooLarge:
        return PlainTextResponse(f"more than {bytes_max} bytes\n", 413, {"Connection": "close"})
    except TimeoutError:
        return PlainTextResponse("the request came too slowly\n", 408, {"Connection": "close"})
    except ClientDisconnect:
        return PlainTextResponse("", 400)


def _response(answer: Answer) -> Response:
    # Given as a header, because Starlette would add a charset to the type of a 409.
    headers = {**_FRESH, "Content-Type": answer.content_type}
    if answer.retry_after_s is not None:
        headers["Retry-After"] = str(answer.retry_after_s)
    return Response(answer.body.encode(), answer.status, headers)


async def _disk_refuses(_: Request, error: Exception) -> Response:
    # A full disk, most likely. Nothing was announced that is not stored.
    _log.error("the disk cannot be used", problem=str(getattr(error, "orig", error)))
    return PlainTextResponse("not now\n", 503, {**_FRESH, "Retry-After": "5"})
