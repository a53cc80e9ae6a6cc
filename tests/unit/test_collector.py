"""The collector against a real HTTP cosigner: what it sends, believes, remembers and waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from creditchain import collector as collector_module
from creditchain.collector import Collector, Cosigner, Result, cosigners_of
from creditchain.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.note import Signer
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.witness import SIZE_CONTENT_TYPE
from tests.unit.witness_peer import WitnessPeer, free_port

LOG_SIGNER = Signer("hub.example/log", b"\7" * 32)
STRANGER = CosignatureSigner("stranger.example/witness", b"\6" * 32)


@dataclass(frozen=True)
class Head:
    size: int
    note: str


class SmallLog:
    """A log in memory, with true tiles, checkpoints and proofs."""

    origin = LOG_SIGNER.name

    def __init__(self, size: int = 0) -> None:
        self.edge = Edge.empty()
        self.full: dict[tuple[int, int], bytes] = {}
        self.kept: list[tuple[int, str]] = []
        self.grown = asyncio.Condition()
        self.extra = ""
        self.append(size)

    def append(self, count: int, mark: bytes = b"entry") -> None:
        leaves = leaf_hashes_of([b"%b %d" % (mark, self.edge.size + n) for n in range(count)])
        for tile, data in self.edge.append(leaves):
            self.full[tile.level, tile.n] = data

    async def grow(self, count: int = 1) -> None:
        async with self.grown:
            self.append(count)
            self.grown.notify_all()

    def head(self) -> Head:
        checkpoint = Checkpoint(self.origin, self.edge.size, self.edge.root())
        return Head(self.edge.size, sign_checkpoint(checkpoint, LOG_SIGNER) + self.extra)

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        full = self.full.get((level, n))
        return (full if full is not None else self.edge.partial(level))[: 32 * width] or None

    async def beyond(self, size: int) -> int:
        async with self.grown:
            await self.grown.wait_for(lambda: self.edge.size > size)
            return self.edge.size

    def add_cosignatures(self, size: int, lines: Sequence[str]) -> None:
        self.kept += [(size, line) for line in lines]


class Waits:
    """Stands in for sleeping: remembers how long, and goes on at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(round(seconds, 3))
        await asyncio.sleep(0.001 if len(self.seconds) < 40 else 3600)


@asynccontextmanager
async def collecting(log: SmallLog, *cosigners: Cosigner) -> AsyncIterator[tuple[Collector, Waits]]:
    waits = Waits()
    collector = Collector(log, cosigners, sleep=waits)
    task = asyncio.create_task(collector.run())
    try:
        yield collector, waits
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition) -> None:
    """Waits for a condition, for at most five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - conditions of several parties
            await asyncio.sleep(0.002)


def assert_cosigned(log: SmallLog, peer: WitnessPeer, size: int) -> None:
    """The log keeps a line of the peer that verifies on its checkpoint of this size."""
    assert log.edge.size == size
    [line] = [line for at, line in log.kept if at == size and peer.signer.name in line]
    opened = open_checkpoint(
        sign_checkpoint(Checkpoint(log.origin, size, log.edge.root()), LOG_SIGNER) + line,
        LOG_SIGNER.verifier,
        [peer.signer.verifier],
    )
    assert [c.name for c in opened.cosignatures] == [peer.signer.name]


async def test_each_cosigner_is_brought_to_the_newest_checkpoint_as_the_log_grows():
    log = SmallLog(3)
    witness, mirror = (WitnessPeer(name, LOG_SIGNER.verifier) for name in ("witness", "mirror"))
    async with (
        witness.serving(),
        mirror.serving(),
        collecting(log, witness.cosigner, mirror.cosigner) as (collector, waits),
    ):
        for size in (3, 4, 300, 70_000):
            await log.grow(size - log.edge.size)
            await until(lambda: {at for at, _ in log.kept} >= {log.edge.size})
            await until(lambda: all(s.size == log.edge.size for s in collector.standings.values()))
            assert_cosigned(log, witness, size)
            assert_cosigned(log, mirror, size)
    assert witness.asked == mirror.asked == [(0, 3), (3, 4), (4, 300), (300, 70_000)]
    assert waits.seconds == []


async def test_only_the_log_s_own_signature_is_sent():
    log = SmallLog(3)
    text = log.head().note.partition("\n\n")[0] + "\n"
    log.extra = STRANGER.cosign(text, 7).line
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    async with peer.serving(), collecting(log, peer.cosigner):
        await until(lambda: log.kept)
    assert_cosigned(log, peer, 3)


async def test_after_a_restart_the_cosigner_tells_where_it_stands():
    log = SmallLog(5)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    peer.head = (5, log.edge.root())
    await log.grow(4)
    async with peer.serving(), collecting(log, peer.cosigner) as (_, waits):
        await until(lambda: log.kept)
    assert peer.asked == [(0, 9), (5, 9)]
    assert_cosigned(log, peer, 9)
    assert waits.seconds == []


async def test_while_one_push_is_under_way_only_the_newest_follows():
    log = SmallLog(1)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    peer.open.clear()
    async with peer.serving(), collecting(log, peer.cosigner):
        await until(lambda: peer.asked)
        for _ in range(5):
            await log.grow()
        await asyncio.sleep(0.05)
        assert peer.asked == [(0, 1)]
        peer.open.set()
        await until(lambda: log.kept and log.kept[-1][0] == 6)
    assert peer.asked == [(0, 1), (1, 6)]


async def test_asking_again_brings_a_fresh_time_for_the_same_tree():
    log = SmallLog(2)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    async with peer.serving(), collecting(log, peer.cosigner) as (collector, _):
        await until(lambda: log.kept)
        peer.time_s += 600
        collector.refresh(older_than_s=60)
        await asyncio.sleep(0.05)
        assert len(log.kept) == 1
        collector.refresh()
        await until(lambda: len(log.kept) == 2)
    assert peer.asked == [(0, 2), (2, 2)]
    assert log.kept[0] != log.kept[1]


def drip() -> Response:
    async def parts():
        while True:
            yield b"\xe2\x80\x94"
            await asyncio.sleep(0.01)

    return StreamingResponse(parts())


def long_answer() -> Response:
    return PlainTextResponse("x" * 1_000_000)


FAULTS = {
    "busy": lambda: PlainTextResponse("busy", 429),
    "broken": lambda: PlainTextResponse("", 500),
    "away": lambda: PlainTextResponse("", 503),
    "moved": lambda: Response(status_code=307, headers={"location": "http://127.0.0.1:1/"}),
    "empty": lambda: PlainTextResponse(""),
    "prose": lambda: PlainTextResponse("thank you\n"),
    "not text": lambda: Response(b"\xff\xfe\n"),
    "blank line": lambda: PlainTextResponse("\n\n"),
    "a stranger's line": lambda: PlainTextResponse(STRANGER.cosign("hub.example/log\n", 1).line),
    "too long": long_answer,
    "dripping": drip,
    "a conflict without size": lambda: PlainTextResponse("", 409),
    "a conflict in prose": lambda: Response(b"many\n", 409, {"content-type": SIZE_CONTENT_TYPE}),
    "a conflict over our size": lambda: Response(b"0\n", 409, {"content-type": SIZE_CONTENT_TYPE}),
    "packed": lambda: Response(b"\x1f\x8b\x08", headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_it_asks_again_and_keeps_nothing_of_it(
    fault: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collector_module, "ANSWER_S", 0.2)
    log = SmallLog(3)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    peer.faults = [FAULTS[fault], FAULTS[fault]]
    async with peer.serving(), collecting(log, peer.cosigner) as (collector, waits):
        # What was kept is told in another thread, a moment before the standing is.
        await until(lambda: log.kept and collector.standings["witness"].failures == 0)
    assert peer.asked == [(0, 3)] * 3
    assert waits.seconds == [0.1, 0.2]
    assert [at for at, _ in log.kept] == [3]


async def test_a_wrong_cosignature_is_not_kept():
    log = SmallLog(3)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    peer.faults = [lambda: PlainTextResponse(peer.signer.cosign("hub.example/log\n", 1).line)]
    async with peer.serving(), collecting(log, peer.cosigner) as (_, waits):
        await until(lambda: log.kept)
    assert waits.seconds == [0.1]
    assert_cosigned(log, peer, 3)


async def test_an_observer_that_is_away_is_found_again():
    log = SmallLog(3)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    async with collecting(log, peer.cosigner) as (collector, waits):
        await until(lambda: len(waits.seconds) >= 12)
        assert collector.standings["witness"].problem == "no answer: ConnectError"
        async with peer.serving():
            await until(lambda: log.kept)
    assert waits.seconds[:12] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0]


async def test_all_are_shown_the_same_checkpoints_however_fast_the_log_grows():
    log = SmallLog(1)
    witness, mirror = (WitnessPeer(name, LOG_SIGNER.verifier) for name in ("witness", "mirror"))
    mirror.delay_s = 0.02
    async with (
        witness.serving(),
        mirror.serving(),
        collecting(log, witness.cosigner, mirror.cosigner),
    ):
        for _ in range(100):
            await log.grow()
            await asyncio.sleep(0.003)
        await until(lambda: [at for at, _ in log.kept].count(101) == 2)
    sizes = [at for at, _ in log.kept]
    assert [size for size in sizes if sizes.count(size) != 2] == []
    assert len(sizes) > 6


async def test_one_that_is_slow_holds_up_the_others_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(collector_module, "ROUND_S", 0.05)
    log = SmallLog(1)
    witness, mirror = (WitnessPeer(name, LOG_SIGNER.verifier) for name in ("witness", "mirror"))
    mirror.open.clear()
    async with (
        witness.serving(),
        mirror.serving(),
        collecting(log, witness.cosigner, mirror.cosigner),
    ):
        for size in (2, 3, 4):
            await until(lambda: witness.head)
            await log.grow()
            await until(lambda size=size: witness.head[0] == size)
        mirror.open.set()
        await until(lambda: mirror.head and mirror.head[0] == 4)
    assert [new for _, new in mirror.asked] == [1, 4]


async def test_one_that_is_away_does_not_hold_up_the_other():
    log = SmallLog(3)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    absent = Cosigner("mirror", STRANGER.verifier, f"http://127.0.0.1:{free_port()}/mirror")
    async with peer.serving(), collecting(log, absent, peer.cosigner):
        await until(lambda: log.kept)


async def test_a_fork_is_named_and_not_hammered():
    log = SmallLog(3)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    other = SmallLog()
    other.append(2, b"other")
    peer.head = (2, other.edge.root())
    async with peer.serving(), collecting(log, peer.cosigner) as (collector, waits):
        await until(lambda: waits.seconds)
        assert collector.standings["witness"].result is Result.REFUSED
        assert "fork" in collector.standings["witness"].problem
    assert waits.seconds[0] == 30.0
    assert log.kept == []


async def test_a_log_that_went_back_is_named_until_it_has_caught_up():
    log = SmallLog(5)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    peer.head = (7, b"\1" * 32)
    async with peer.serving(), collecting(log, peer.cosigner) as (collector, waits):
        await until(lambda: waits.seconds)
        standing = collector.standings["witness"]
        assert standing.result is Result.AHEAD
        assert standing.problem == "it has cosigned 7 entries, the log has 5"
        peer.head = (5, log.edge.root())
        await until(lambda: log.kept)
    assert set(waits.seconds) == {30.0}


async def test_a_cosigner_that_read_a_newer_checkpoint_by_itself_is_shown_that_one_at_once():
    log = SmallLog(5)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)

    def meanwhile() -> Response:
        log.append(2)
        peer.head = (7, log.edge.root())
        return PlainTextResponse("7\n", 409, {"content-type": SIZE_CONTENT_TYPE})

    peer.faults = [meanwhile]
    async with peer.serving(), collecting(log, peer.cosigner) as (collector, waits):
        await until(lambda: log.kept)
        assert collector.standings["witness"].result is Result.COSIGNED
    assert_cosigned(log, peer, 7)
    assert waits.seconds == []


async def test_a_cosigner_that_does_not_know_the_log_is_named():
    log = SmallLog(3)
    peer = WitnessPeer("witness", Signer("other.example", b"\5" * 32).verifier)
    async with peer.serving(), collecting(log, peer.cosigner) as (collector, waits):
        await until(lambda: waits.seconds)
        assert "404" in collector.standings["witness"].problem
    assert waits.seconds[0] == 30.0


async def test_a_cosigner_that_keeps_moving_is_not_followed_for_ever():
    log = SmallLog(9)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    sizes = iter([1, 2, 3, 4, 5])
    peer.faults = [
        lambda: Response(b"%d\n" % next(sizes), 409, {"content-type": SIZE_CONTENT_TYPE})
    ] * 4
    async with peer.serving(), collecting(log, peer.cosigner) as (_, waits):
        await until(lambda: log.kept)
    assert waits.seconds == [0.1]


async def test_a_fault_of_our_own_does_not_end_the_collecting(monkeypatch: pytest.MonkeyPatch):
    log = SmallLog(3)
    peer = WitnessPeer("witness", LOG_SIGNER.verifier)
    keep, faults = log.add_cosignatures, [OSError("disk full"), RuntimeError("unforeseen")]

    def fail_first(size: int, lines: Sequence[str]) -> None:
        if faults:
            raise faults.pop(0)
        keep(size, lines)

    monkeypatch.setattr(log, "add_cosignatures", fail_first)
    async with peer.serving(), collecting(log, peer.cosigner) as (_, waits):
        await until(lambda: log.kept)
    assert len(waits.seconds) == 2


def test_addresses_come_from_the_policy_or_from_the_settings():
    witness, mirror = (CosignatureSigner(f"o.example/{n}", n.encode() * 32) for n in "wm")
    from creditchain.tlog.cosignature import format_cosigner_vkey

    policy = parse_policy(
        f"witness witness {format_cosigner_vkey(witness.verifier)} https://o.example/witness/\n"
        f"witness mirror {format_cosigner_vkey(mirror.verifier)}\nquorum none\n"
    )
    assert [(c.name, c.url) for c in cosigners_of(policy)] == [
        ("witness", "https://o.example/witness")
    ]
    assert [c.url for c in cosigners_of(policy, "http://127.0.0.1:8401")] == [
        "http://127.0.0.1:8401/witness",
        "http://127.0.0.1:8401/mirror",
    ]


async def test_without_cosigners_there_is_nothing_to_do():
    await asyncio.wait_for(Collector(SmallLog(1), ()).run(), 1)
