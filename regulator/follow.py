"""Following a log: be woken, verify, fetch, replay, store, and only then cosign.

One loop. It is woken by a pushed checkpoint or polls; a hub that is down, slow or lying stops
nothing but its own progress. Fetching, opening (all cores) and storing overlap, a bounded number of
packages at a time, so memory is the same for a log of any length.

Nothing is stored before it is proven to be in a tree that extends ours: a few packages by appending
them to our own right edge, many by the log's tiles, each authenticated up to the signed root.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Final, ParamSpec, Self, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from creditchain.events import PublicKey
from creditchain.rulebook.record import Key
from creditchain.rulebook.record_json import record_from_json
from creditchain.tlog.merkle import HASH_BYTES
from creditchain.tlog.note import BadNote
from creditchain.tlog.tile import TILE_WIDTH, BadBundle, BundlePath, Tile, parse_bundle
from regulator.cosign import WITNESS, Behind, Cosigner
from regulator.feed import Fault, Feed, FeedFault
from regulator.finding import Finding, FindingCode
from regulator.mirror import Mirror, Package
from regulator.opening import BadPackage, KeysAtHand, Openers, split
from regulator.register import RegisterNotWritten
from regulator.stored import CopyDamaged
from regulator.verify import (
    Advance,
    FetchedTiles,
    Fork,
    Head,
    NotInTree,
    check_leaves,
    consistency_tiles,
    judge_by_tiles,
    open_head,
)

P = ParamSpec("P")
T = TypeVar("T")

SMALL: Final = 4
"""Up to so many packages are proven by our own edge, all in memory, without the log's tiles."""

AHEAD: Final = 12
"""Packages fetched and opened ahead of storing: enough for two cores never to wait."""

GROUP: Final = 8
"""Packages stored in one transaction while catching up: 2,048 entries, about 0.2 s; a checkpoint
that is pushed meanwhile waits no longer than that for its cosignature."""

GARBAGE_AT: Final = 50_000
"""New objects before the youngest are looked through while catching up: five packages make as many,
and hardly one of them is garbage of the kind that must be looked for."""

HOLES_ASKED: Final = 16
"""Missing bodies asked for again whenever there is nothing else to do."""

POLL_SECONDS: Final = 5.0
BACK_OFF_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits after the first, second, ... failure in a row; the last one again and again."""

ROLLBACK_SECONDS: Final = 60.0
"""A hub's caches may show an older checkpoint for a while; longer, and it is a finding."""

_log = structlog.get_logger("regulator.follow")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the observer is, for `/status`; `trusted` is the largest head found consistent.

    `fault_is_ours`: the fault lies with our disk or processes, not with the hub or what is between.
    """

    size: int
    root: bytes
    trusted: Head
    restored_to: Head | None
    unseen: int
    fault: str | None
    fault_at_s: float | None
    seen_at_s: float | None
    fault_is_ours: bool = False


class Follower:
    """Follows one log. `writer_engine` and `reader_engine` are over the same observer.db.

    Use as an async context manager; `run` never ends by itself, `once` follows to the newest
    checkpoint and returns.
    """

    def __init__(
        self,
        mirror: Mirror,
        cosigner: Cosigner,
        feed: Feed,
        openers: Openers,
        reader_engine: Engine,
        *,
        poll_seconds: float = POLL_SECONDS,
        rollback_seconds: float = ROLLBACK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._mirror = mirror
        self._cosigner = cosigner
        self._feed = feed
        self._openers = openers
        self._reader_engine = reader_engine
        self._poll_seconds = poll_seconds
        self._rollback_seconds = rollback_seconds
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._keys = KeysAtHand(self._read_key)
        self._wake = asyncio.Event()
        self._advanced = asyncio.Condition()
        self._settled = 0
        self._shown: Head | None = None
        self._pushed_at_s = 0.0
        self._older_since: float | None = None
        self._fault: str | None = None
        self._fault_at_s: float | None = None
        self._fault_is_ours = False
        self._seen_at_s: float | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.shutdown(wait=True, cancel_futures=True)
        self._openers.close()

    @property
    def cosigner(self) -> Cosigner:
        """What the door asks, through `write`."""
        return self._cosigner

    @property
    def feed(self) -> Feed:
        """The log as it is read."""
        return self._feed

    async def write(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in the writer's thread, after what it is doing now."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, lambda: work(*args, **kwargs))

    async def keep(self, finding: Finding) -> None:
        """Keep a finding for ever, and say it if it is new."""
        if await self.write(self._mirror.find, finding):
            announce_findings([finding])

    def push(self, head: Head | None = None) -> None:
        """Something new was shown to us: follow now instead of at the next poll."""
        if head is not None and (self._shown is None or head.size > self._shown.size):
            self._shown = head
        self._pushed_at_s = self._seen_at_s = self._clock()
        self._wake.set()

    def wake(self) -> None:
        """Poll the hub now; nobody has shown us anything yet."""
        self._wake.set()

    @property
    def settled(self) -> int:
        """How often the copy has changed, for `settled_after`."""
        return self._settled

    async def settled_after(self, version: int, timeout_s: float) -> bool:
        """Wait until the copy has changed since `settled` was `version`; whether it has in time."""
        try:
            async with asyncio.timeout(timeout_s), self._advanced:
                await self._advanced.wait_for(lambda: self._settled != version)
        except TimeoutError:
            return False
        return True

    def progress(self) -> Progress:
        """How far we are."""
        return Progress(
            self._mirror.size,
            self._mirror.root,
            self._cosigner.head(WITNESS),
            self._cosigner.restored_to,
            self._mirror.unseen,
            self._fault,
            self._fault_at_s,
            self._seen_at_s,
            self._fault is not None and self._fault_is_ours,
        )

    async def run(self) -> None:
        """Follow for ever; only cancellation ends it."""
        failures = 0
        while True:
            self._wake.clear()
            wait_s = self._poll_seconds
            if await self._try_once():
                failures = 0
            else:
                wait_s = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)]
                failures += 1
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _try_once(self) -> bool:
        """Follow to the newest checkpoint; whether it went well. Nothing a hub does raises here."""
        try:
            shown, self._shown = self._shown, None
            recently = self._clock() - self._pushed_at_s < self._poll_seconds
            if shown is None and not (recently and self._behind()):
                shown = await self._poll()
            if not await self._follow(shown):
                self._note_fault("the hub shows another history than the one we hold")
                return False
        except FeedFault as error:
            self._note_fault(str(error))
            return False
        except NotInTree as error:
            await self.keep(error.finding)
            self._note_fault(str(error))
            return False
        except Behind as error:
            self._note_fault(str(error), ours=True)
            return False
        except BrokenProcessPool:
            self._note_fault("the processes that open packages were killed twice", ours=True)
            return False
        except DatabaseError as error:
            # A full disk, most likely: nothing was stored, and it is tried again.
            self._note_fault(f"the database cannot be written: {error.orig}", ours=True)
            return False
        except RegisterNotWritten as error:
            self._note_fault(f"the register cannot be written: {error}", ours=True)
            return False
        self._fault = None
        return True

    async def once(self) -> Head:
        """Follow to the newest checkpoint now; the trusted head.

        Raises `FeedFault`, `NotInTree` (the finding is kept) or `Behind`.
        """
        try:
            await self._follow(await self._poll())
        except NotInTree as error:
            await self.keep(error.finding)
            raise
        return self._cosigner.head(WITNESS)

    def _behind(self) -> bool:
        return self._mirror.size < self._cosigner.head(WITNESS).size

    async def _poll(self) -> Head:
        note = await self._feed.checkpoint()
        try:
            head = open_head(note, self._cosigner.log)
        except BadNote as error:
            # Not signed by the log: evidence against nobody.
            raise FeedFault(Fault.MALFORMED, "checkpoint", str(error)) from None
        self._seen_at_s = self._clock()
        await self._watch_rollback(head)
        return head

    async def _watch_rollback(self, head: Head) -> None:
        held = self._cosigner.head(WITNESS)
        if head.size >= held.size:
            self._older_since = None
            return
        now = self._clock()
        self._older_since = since = self._older_since or now
        if now - since >= self._rollback_seconds:
            evidence: dict[str, str | int] = {"held": held.note, "shown": head.note}
            await self.keep(
                Finding(FindingCode.ROLLED_BACK, None, f"from {held.size} to {head.size}", evidence)
            )

    async def _follow(self, shown: Head | None) -> bool:
        """Follow to what is trusted; False when what was shown is a fork: then nothing is read."""
        if shown is not None and not await self._consider(shown):
            return False
        while self._behind():
            await self._copy_up(self._cosigner.head(WITNESS))
        trusted = self._cosigner.head(WITNESS)
        if shown is not None and shown.size < trusted.size:
            # Overtaken while it was looked at; now our copy can tell whether both are of one tree.
            await self._consider(shown)
        if trusted.size and trusted.size == self._mirror.size:
            await self._settle(trusted)
        return True

    async def _consider(self, shown: Head) -> bool:
        """Trust a head if it extends ours; else keep the fork, and False. Anything else raises."""
        held = self._cosigner.head(WITNESS)
        if shown.size <= held.size:
            if shown.size == held.size:
                fork = Fork(held, shown) if shown.root != held.root else None
            else:
                fork = await self.write(self._cosigner.compare_with_copy, shown)
            if fork is not None:
                await self._accuse(fork)
            return fork is None
        packages = -(-shown.size // TILE_WIDTH) - self._mirror.size // TILE_WIDTH
        if self._mirror.size == held.size and packages <= SMALL:
            fetched = await self._fetch_small(shown)
            if fetched is not None:
                # Our own entries and these lead to the signed root: the best proof of consistency.
                await self._store(fetched)
                await self._trust(shown)
                return True
        judged = await self._judge_by_tiles(held, shown)
        if isinstance(judged, Fork):
            await self._accuse(judged)
            return False
        await self._trust(shown)
        return True

    async def _trust(self, head: Head) -> None:
        await self.write(self._cosigner.trust, head)

    async def _judge_by_tiles(self, held: Head, shown: Head) -> Advance | Fork:
        if held.size == 0:
            return Advance(shown)
        wanted = consistency_tiles(held.size, shown.size)
        fetched = dict(zip(wanted, await _gather(map(self._feed.tile, wanted)), strict=True))
        return judge_by_tiles(
            held, shown, lambda level, n, width: fetched.get(Tile(level, n, width), b"")
        )

    async def _copy_up(self, target: Head) -> None:
        """Copy, verify, replay and store everything up to a head that is trusted already."""
        start = self._mirror.size
        first, last = start // TILE_WIDTH, (target.size - 1) // TILE_WIDTH
        if last - first < SMALL:
            small = await self._fetch_small(target)
            if small is not None:
                await self._store(small)
                return
        tiles = FetchedTiles(target)
        wanted = tiles.missing(first)
        for tile, data in zip(wanted, await _gather(map(self._feed.tile, wanted)), strict=True):
            tiles.put(tile, data)
        pending: deque[asyncio.Task[Package]] = deque()
        storing: asyncio.Task[None] | None = None
        group: list[Package] = []
        following = first
        collected_at = gc.get_threshold()
        gc.set_threshold(GARBAGE_AT)
        try:
            while pending or following <= last:
                while following <= last and len(pending) < AHEAD:
                    pending.append(
                        asyncio.create_task(self._fetch_package(following, start, target, tiles))
                    )
                    following += 1
                group.append(await pending.popleft())
                if len(group) == GROUP or not (pending or following <= last):
                    if storing is not None:
                        await storing
                    storing = asyncio.create_task(self._store(group))
                    tiles.drop_below(group[-1].start // TILE_WIDTH)
                    group = []
            if storing is not None:
                await storing
                storing = None
        finally:
            gc.set_threshold(*collected_at)
            for task in (*pending, *([storing] if storing is not None else [])):
                task.cancel()
            await asyncio.gather(
                *pending, *([storing] if storing is not None else []), return_exceptions=True
            )
        if self._mirror.root != target.root:
            # Each package was in the signed tree, so what differs is what we had before them.
            raise CopyDamaged("our own copy does not lead to a root it was proven to extend to")

    async def _fetch_small(self, target: Head) -> list[Package] | None:
        """All packages up to `target` if they and our own edge lead to its root, else None."""
        start = self._mirror.size
        packages = await _gather(
            self._fetch_package(n, start, target, None)
            for n in range(start // TILE_WIDTH, (target.size - 1) // TILE_WIDTH + 1)
        )
        edge = self._mirror.edge.copy()
        for package in packages:
            edge.append(_hashes(package.leaves))
        return list(packages) if edge.root() == target.root else None

    async def _fetch_package(
        self, n: int, start: int, target: Head, tiles: FetchedTiles | None
    ) -> Package:
        """Package `n`, from `start` on and as far as `target` goes, opened.

        Proven to be in the tree if there are `tiles`.
        """
        width = min(TILE_WIDTH, target.size - n * TILE_WIDTH)
        skip = max(0, start - n * TILE_WIDTH)
        path = BundlePath(n, width)
        wanted = tiles.missing(n) if tiles is not None else []
        resources = (self._feed.entries(path), self._feed.bodies(path))
        raw_entries, raw_bodies, *raw_tiles = await _gather(
            (*resources, *map(self._feed.tile, wanted))
        )
        try:
            entries, bodies, leaves = split(raw_entries, raw_bodies, width, skip)
        except BadPackage as error:
            resource = f"{error.what} {n}"
            raise FeedFault(Fault.MALFORMED, resource, error.detail) from None
        if tiles is not None:
            for tile, data in zip(wanted, raw_tiles, strict=True):
                tiles.put(tile, data)
            check_leaves(n, leaves, tiles.leaf_hashes(n, width), target)
        opened = await self._openers.open(entries, bodies, self._keys)
        return Package(n * TILE_WIDTH + skip, entries, bodies, leaves[skip * HASH_BYTES :], opened)

    def _read_key(self, owner: str, kid: str) -> PublicKey | None:
        with self._reader_engine.begin() as connection:
            row = connection.exec_driver_sql(
                "SELECT json FROM record WHERE kind = 'Key' AND id = ?", (f"{owner}/{kid}",)
            ).first()
        return None if row is None else record_from_json(Key, json.loads(row[0])).key

    async def _store(self, packages: list[Package]) -> None:
        # Shielded: what the writer has begun it ends, whoever no longer waits for it.
        found = await asyncio.shield(self.write(self._mirror.store, packages))
        announce_findings(found)
        await self._tell()

    async def _settle(self, trusted: Head) -> None:
        """Everything up to a signed head is replayed: say what is missing, cosign what is whole."""
        announce_findings(await self.write(self._mirror.settle_holes, trusted.size, trusted.note))
        for index in await self.write(self._mirror.holes, HOLES_ASKED):
            await self._ask_again(index, trusted)
        await self.write(self._cosigner.announce_both, trusted)
        await self._tell()

    async def _tell(self) -> None:
        async with self._advanced:
            self._settled += 1
            self._advanced.notify_all()

    async def _ask_again(self, index: int, trusted: Head) -> None:
        n = index // TILE_WIDTH
        width = min(TILE_WIDTH, trusted.size - n * TILE_WIDTH)
        data = await self._feed.bodies(BundlePath(n, width))
        try:
            body = parse_bundle(data, width, allow_empty=True)[index % TILE_WIDTH]
        except BadBundle as error:
            raise FeedFault(Fault.MALFORMED, f"bodies {n}", str(error)) from None
        found = await self.write(self._mirror.fill_hole, index, body) if body else None
        if found is not None:
            _log.info("a withheld body was served after all", index=index)
            announce_findings(found)

    async def _accuse(self, fork: Fork) -> None:
        finding = await self.write(self._cosigner.accuse, fork)
        if finding is not None:
            announce_findings([finding])

    def _note_fault(self, text: str, *, ours: bool = False) -> None:
        if text != self._fault:
            _log.warning("cannot follow", problem=text)
        self._fault, self._fault_at_s, self._fault_is_ours = text, self._clock(), ours


def announce_findings(found: list[Finding]) -> None:
    """Say it, loudly where it is certain; the finding itself is stored already."""
    for finding in found:
        _log.log(
            logging.ERROR if finding.certain else logging.WARNING,
            "finding",
            code=finding.code.value,
            index=finding.index,
            detail=finding.detail,
            certain=finding.certain,
        )


def _hashes(joined: bytes) -> list[bytes]:
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


async def _gather(work: Iterable[Awaitable[T]]) -> Sequence[T]:
    """All results in order; the first failure cancels the rest, and is the one raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
