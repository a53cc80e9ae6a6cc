"""The collector: shows each observer the newest checkpoint and brings its cosignature home.

It speaks C2SP tlog-witness (`POST <prefix>/add-checkpoint`) with every cosigner of the policy, in
rounds: all are shown the same checkpoint, because a receipt needs their cosignatures on one. A new
checkpoint is shown at once, unless a round is under way; then the newest follows when that ends. A
cosigner that is slow or away holds up the others for a moment only. What a cosigner answers is
believed as far as its signature goes, and no further.

    collector = Collector(ledger, cosigners_of(policy, observer_url))
    await collector.run()          # until cancelled
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import httpx2
import structlog

from creditchain.tlog.checkpoint import parse_checkpoint
from creditchain.tlog.cosignature import CosignatureVerifier, open_cosignatures
from creditchain.tlog.edge import TileReader
from creditchain.tlog.merkle import SIZE_MAX
from creditchain.tlog.note import BadNote, Note, format_note, parse_note
from creditchain.tlog.policy import Policy
from creditchain.tlog.proof import prove_consistency
from creditchain.tlog.tile import BadTile
from creditchain.tlog.wire import decode_decimal
from creditchain.tlog.witness import SIZE_CONTENT_TYPE, format_add_checkpoint

ANSWER_BYTES_MAX: Final = 16_384
"""An answer is a few lines of some 150 bytes, or a size; Sunlight reads no more either."""

CONNECT_S: Final = 5.0
ANSWER_S: Final = 60.0
"""A mirror fetches the new entries before it answers; a minute is some 100,000 of them."""

RETRY_FIRST_S: Final = 0.1
RETRY_MOST_S: Final = 30.0
"""Waiting doubles from the first to the most. Few hubs ask one observer, so no chance is mixed
in: the same faults give the same waits."""

ROUND_S: Final = 2.0
"""How long the quick wait for the slow before they go on without them."""

CORRECTIONS_MAX: Final = 3
"""A cosigner may move while we ask, if another hub of ours asked before; not for ever."""

_HEADERS: Final = {"content-type": "text/plain; charset=utf-8", "accept-encoding": "identity"}

_log = structlog.get_logger("creditchain.collector")


class Head(Protocol):
    """The newest checkpoint: its size and its note, with the log's signature and perhaps more."""

    @property
    def size(self) -> int: ...
    @property
    def note(self) -> str: ...


class CheckpointLog(Protocol):
    """What the collector needs of the ledger."""

    origin: str

    def head(self) -> Head:
        """The newest checkpoint."""
        ...

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        """A tile of the newest tree."""
        ...

    async def beyond(self, size: int) -> int:
        """The size of the log, once it is larger than `size`."""
        ...

    def add_cosignatures(self, size: int, lines: Sequence[str]) -> None:
        """Keep verified cosignature lines for the checkpoint of `size`."""
        ...


class BadAnswer(ValueError):
    """The cosigner answered with something that the protocol does not know."""


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A cosigner to ask: its name in the policy, its key, and the URL prefix it answers at."""

    name: str
    verifier: CosignatureVerifier
    url: str


class Result(StrEnum):
    """How a push ended."""

    COSIGNED = "COSIGNED"
    BEHIND = "BEHIND"  # the cosigner's last size is another than we thought
    AHEAD = "AHEAD"  # the cosigner has seen more than there is: the log went back
    REFUSED = "REFUSED"  # the cosigner will not: it does not know us, or sees a fork
    FAILED = "FAILED"  # no answer, a fault, or an answer that means nothing


_FOR_PEOPLE: Final = (Result.AHEAD, Result.REFUSED)
"""People must act first; asking often would only fill two logs."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """The end of one push; `size` is the cosigner's last size where that is known."""

    result: Result
    size: int | None = None
    problem: str = ""


@dataclass(slots=True)
class Standing:
    """What is known of one cosigner; for the hub's own eyes (readiness, metrics, logs)."""

    size: int = 0
    cosigned_at_s: float = 0.0  # on the event loop's clock
    failures: int = 0
    result: Result | None = None
    problem: str = ""


def cosigners_of(policy: Policy, observer_url: str = "") -> tuple[Cosigner, ...]:
    """The policy's cosigners that have an address.

    `observer_url` stands in for the policy's own addresses: each cosigner then answers under its
    policy name, as `<observer_url>/witness`.
    """
    found = []
    for line in policy.witnesses:
        url = f"{observer_url}/{line.name}" if observer_url else line.url
        if url:
            found.append(Cosigner(line.name, line.verifier, url.rstrip("/")))
    return tuple(found)


class Collector:
    """Keeps every cosigner at the newest checkpoint. `sleep` is there for tests of the waits."""

    def __init__(
        self,
        log: CheckpointLog,
        cosigners: Sequence[Cosigner],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._log = log
        self._cosigners = tuple(cosigners)
        self._sleep = sleep
        self._wake = asyncio.Event()
        self._stale: set[str] = set()
        self._engaged: set[str] = set()
        self.standings = {cosigner.name: Standing() for cosigner in self._cosigners}

    async def run(self) -> None:
        """Collect until cancelled; returns at once when there is nobody to ask."""
        timeout = httpx2.Timeout(ANSWER_S, connect=CONNECT_S)
        # No proxy or credentials of the environment: the observer is where the settings say.
        async with (
            httpx2.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False) as client,
            asyncio.TaskGroup() as group,
        ):
            while self._cosigners:
                head, cosigners = await self._next_round()
                pushes = [
                    group.create_task(self._engage(group, client, cosigner, head))
                    for cosigner in cosigners
                ]
                await asyncio.wait(pushes, timeout=ROUND_S)

    def refresh(self, older_than_s: float = 0.0) -> None:
        """Ask again, though the log has not grown, where the last cosignature is that old.

        A cosignature's time tells how fresh the view is. Call it on the event loop of `run`.
        """
        now_s = asyncio.get_running_loop().time()
        for name, standing in self.standings.items():
            if standing.size and now_s - standing.cosigned_at_s >= older_than_s:
                self._stale.add(name)
        self._wake.set()

    async def _next_round(self) -> tuple[Head, list[Cosigner]]:
        """The checkpoint to show, and the cosigners that are free and have not seen it."""
        while True:
            self._wake.clear()
            head = self._log.head()
            free = [c for c in self._cosigners if c.name not in self._engaged]
            ready = [
                c for c in free if c.name in self._stale or self.standings[c.name].size < head.size
            ]
            if ready:
                return head, ready
            waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._wake.wait())]
            if free:
                waits.append(asyncio.ensure_future(self._log.beyond(head.size)))
            try:
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                # A ledger that has stopped says so here, and ends the collecting.
                for wait in done:
                    wait.result()
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    async def _engage(
        self, group: asyncio.TaskGroup, client: httpx2.AsyncClient, cosigner: Cosigner, head: Head
    ) -> None:
        """Show `head` to one cosigner; after a failure it stays engaged for the waiting time."""
        standing = self.standings[cosigner.name]
        self._engaged.add(cosigner.name)
        self._stale.discard(cosigner.name)
        pushed = Pushed(Result.BEHIND, standing.size)
        for _ in range(1 + CORRECTIONS_MAX):
            pushed = await self._push_safely(client, cosigner, standing.size, head)
            if pushed.result in (Result.COSIGNED, Result.BEHIND):
                standing.size = pushed.size or 0
            if standing.size > head.size:
                # It read a newer checkpoint of ours by itself while this one was under way.
                head = self._log.head()
            if pushed.result is not Result.BEHIND:
                break
        standing.result, standing.problem = pushed.result, pushed.problem
        if pushed.result is Result.COSIGNED:
            if standing.failures:
                _log.info("cosigning again", cosigner=cosigner.name, size=standing.size)
            standing.failures = 0
            standing.cosigned_at_s = asyncio.get_running_loop().time()
            self._release(cosigner)
            return
        standing.failures += 1
        wait_s = self._wait_s(pushed.result, standing.failures)
        say = _log.error if pushed.result in _FOR_PEOPLE else _log.warning
        say(
            "no cosignature",
            cosigner=cosigner.name,
            result=pushed.result.value,
            problem=pushed.problem,
            size=pushed.size,
            failures=standing.failures,
            retry_s=wait_s,
        )
        self._stale.add(cosigner.name)
        group.create_task(self._pause(cosigner, wait_s))

    async def _pause(self, cosigner: Cosigner, wait_s: float) -> None:
        await self._sleep(wait_s)
        self._release(cosigner)

    def _release(self, cosigner: Cosigner) -> None:
        self._engaged.discard(cosigner.name)
        self._wake.set()

    def _wait_s(self, result: Result, failures: int) -> float:
        if result in _FOR_PEOPLE:
            return RETRY_MOST_S
        return min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** min(failures - 1, 20))

    async def _push_safely(
        self, client: httpx2.AsyncClient, cosigner: Cosigner, old: int, head: Head
    ) -> Pushed:
        try:
            return await self._push(client, cosigner, old, head)
        except (BadAnswer, BadNote) as error:
            return Pushed(Result.FAILED, problem=f"unusable answer: {error}")
        except httpx2.HTTPError as error:
            return Pushed(Result.FAILED, problem=f"no answer: {type(error).__name__}")
        except TimeoutError:
            return Pushed(Result.FAILED, problem=f"no whole answer in {ANSWER_S} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, collecting goes on
            # Our own fault, perhaps a full disk: receipts wait until it has passed.
            _log.exception("collecting failed", cosigner=cosigner.name)
            return Pushed(Result.FAILED, problem=f"own fault: {type(error).__name__}")

    async def _push(
        self, client: httpx2.AsyncClient, cosigner: Cosigner, old: int, head: Head
    ) -> Pushed:
        if old > head.size:
            return Pushed(
                Result.AHEAD, old, f"it has cosigned {old} entries, the log has {head.size}"
            )
        note = self._own_lines(head.note)
        request = await asyncio.to_thread(self._request, old, head.size, note)
        # The client's own limits are for each read; this one is for an answer that drips.
        async with asyncio.timeout(ANSWER_S):
            status, kind, body = await _post(client, f"{cosigner.url}/add-checkpoint", request)
        if status == 200:
            return await self._keep(cosigner, head.size, note, body)
        if status == 409 and kind == SIZE_CONTENT_TYPE:
            theirs = _parse_size(body)
            newest = self._log.head().size
            if theirs > newest:
                return Pushed(
                    Result.AHEAD, theirs, f"it has cosigned {theirs} entries, the log has {newest}"
                )
            if theirs == old:
                raise BadAnswer("it contradicts the size that it names itself")
            return Pushed(Result.BEHIND, theirs)
        if status == 422:
            return Pushed(Result.REFUSED, None, "it sees a fork: our tree does not extend its own")
        if status in (400, 403, 404):
            return Pushed(Result.REFUSED, None, f"it answers {status}: it does not take our log")
        raise BadAnswer(f"status {status}")

    async def _keep(self, cosigner: Cosigner, size: int, note: str, body: bytes) -> Pushed:
        text = parse_note(note).text
        found = open_cosignatures(body, text, [cosigner.verifier])
        newest = max(found, key=lambda cosignature: cosignature.time_s)
        await asyncio.to_thread(self._log.add_cosignatures, size, [newest.line])
        return Pushed(Result.COSIGNED, size)

    def _request(self, old: int, size: int, note: str) -> bytes:
        def read_tile(level: int, n: int, width: int) -> bytes:
            data = self._log.tile(level, n, width)
            if data is None:
                raise BadTile(f"tile ({level}, {n}, {width}) is missing")
            return data

        return format_add_checkpoint(
            old, prove_consistency(old, size, TileReader(size, read_tile)), note
        )

    def _own_lines(self, note: str) -> str:
        """The checkpoint with the log's own signature alone: deployed witnesses take no more."""
        parsed = parse_note(note)
        assert parse_checkpoint(parsed.text).origin == self._log.origin
        own = tuple(line for line in parsed.signatures if line.name == self._log.origin)
        return format_note(Note(parsed.text, own))


async def _post(client: httpx2.AsyncClient, url: str, body: bytes) -> tuple[int, str, bytes]:
    """Status, media type and body of the answer; raises `BadAnswer` for a long one."""
    async with client.stream("POST", url, content=body, headers=_HEADERS) as response:
        answer = bytearray()
        # As it comes: nothing of a few lines needs to be unpacked.
        async for part in response.aiter_raw():
            answer += part
            if len(answer) > ANSWER_BYTES_MAX:
                raise BadAnswer(f"more than {ANSWER_BYTES_MAX} bytes")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return response.status_code, kind, bytes(answer)


def _parse_size(body: bytes) -> int:
    text = body.decode("ascii", "replace")
    size = decode_decimal(text.removesuffix("\n"), SIZE_MAX)
    if size is None or not text.endswith("\n"):
        raise BadAnswer("a conflict without a size")
    return size
