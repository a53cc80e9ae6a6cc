"""What only shows in time: staleness, silence, lag, and bodies that do not stay as they were."""

import asyncio
import base64
import hashlib
from contextlib import asynccontextmanager

import httpx2
import pytest

from creditchain.events import b64u
from creditchain.events.codes import ErasureGround
from creditchain.events.erasure import BodyErased
from creditchain.tlog.witness import AddCheckpoint
from regulator.api import SUBMIT_BYTES_MAX, SUBMITTING_MAX, create_app
from regulator.cosign import MIRROR
from regulator.feed import Fault, FeedFault
from regulator.inbox import Inbox
from regulator.reading import read_findings
from regulator.scrub import Scrub
from regulator.watch import Bounds, Watch, undisturbed
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.lies import another_history
from tests.unit.regulator.observing import found, observing
from tests.unit.regulator.test_crash import limit_pages
from tests.unit.regulator.test_submit import receipt

BOUNDS = Bounds(stale_after_s=7_200, lag_after_s=3_600, withheld_after_s=600, erased_after_s=600)


class CosignedFeed(HonestFeed):
    """A hub that serves the observer's lines with its checkpoint, and asks for new ones."""

    def __init__(self, log):
        super().__init__(log)
        self.lines = ""
        self.fault = None
        self.erased = {}

    async def checkpoint(self):
        if self.fault is not None:
            raise FeedFault(self.fault, "checkpoint")
        return (self.log.note + self.lines).encode()

    async def republish(self, observer):
        asked = AddCheckpoint(self.log.size, (), self.log.note)
        answer, _ = await observer.follower.write(observer.follower.cosigner.witness, asked)
        assert answer.status == 200
        self.lines = answer.body


@pytest.fixture
async def stage(tmp_path):
    consortium = Consortium(81)
    consortium.play(530)
    # Our clock and the log's agree: how long ago something was erased is told by both.
    now = [consortium.at / 1000]
    feed = CosignedFeed(consortium.log)
    async with observing(tmp_path, consortium, feed, clock=lambda: now[0]) as observer:
        await observer.follower.once()
        await feed.republish(observer)
        yield Stage(consortium, observer, feed, now, tmp_path)


class Stage:
    def __init__(self, consortium, observer, feed, now, folder):
        self.consortium = consortium
        self.observer = observer
        self.feed = feed
        self.now = now
        follower = observer.follower
        self.inbox = Inbox(follower, observer.genesis, folder, clock=lambda: now[0])
        scrub = Scrub(follower, observer.reader_engine, feed, clock=lambda: now[0])
        self.watch = Watch(observer, self.inbox, scrub, BOUNDS, clock=lambda: now[0])

    @property
    def found(self):
        return [(code, index) for code, index, *_ in found(self.observer.reader_engine)]

    async def look(self, after_s=30.0):
        self.now[0] += after_s
        await self.watch.look()

    async def settle(self):
        self.consortium.log.publish()
        await self.observer.follower.once()
        await self.feed.republish(self.observer)


async def test_an_honest_hub_is_watched_for_days_without_a_finding(stage):
    for hour in range(60):
        await stage.look(3_600)
        await stage.feed.republish(stage.observer)
        if hour % 20 == 0:
            stage.consortium.at = int(stage.now[0] * 1000)
            stage.consortium.play(20)
            await stage.settle()
    assert stage.found == []


async def test_a_checkpoint_cosigned_long_ago_is_stale_and_told_once(stage):
    await stage.look(7_199)
    assert stage.found == []
    await stage.look(2)
    assert stage.found == [("STALE_CHECKPOINT", None)]
    await stage.look(3_600)
    assert len(stage.found) == 1
    [(_, _, detail, certain)] = found(stage.observer.reader_engine)
    assert certain
    assert detail.startswith(f"size {stage.consortium.log.size} was last cosigned at 2025-")
    await stage.feed.republish(stage.observer)
    await stage.look(7_199)
    assert len(stage.found) == 1


async def test_a_hub_that_shows_no_line_of_ours_is_not_called_stale(stage):
    """It may answer to another observer; members see for themselves whether their policy holds."""
    stage.feed.lines = ""
    await stage.look(10_000)
    assert stage.found == []


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.SERVER_ERROR, Fault.TRUNCATED])
async def test_silence_is_a_fault_until_it_has_lasted_and_then_in_doubt(fault, stage):
    await stage.look()
    stage.feed.fault = fault
    for _ in range(7):
        await stage.look(1_000)
    assert stage.found == []
    await stage.look(1_000)
    await stage.look(1_000)
    [(code, _, detail, certain)] = found(stage.observer.reader_engine)
    assert (code, certain) == ("STALE_CHECKPOINT", False)
    assert detail.startswith("no usable checkpoint since")
    # Back again, and a day later silent again: that is another silence.
    stage.feed.fault = None
    await stage.feed.republish(stage.observer)
    await stage.look()
    stage.feed.fault = fault
    await stage.look(8_000)
    assert len(stage.found) == 2


async def test_while_we_could_not_sign_nobody_is_stale(stage):
    stage.observer.follower._note_fault("the disk is full", ours=True)
    await stage.look(8_000)
    assert stage.found == []
    stage.observer.follower._fault = None
    await stage.look(7_199)
    assert stage.found == []
    await stage.look(2)
    assert stage.found == [("STALE_CHECKPOINT", None)]


async def test_our_own_lag_is_told_and_held_against_ourselves(stage):
    # Pushed to the witness, cosigned there, and not copied: something keeps our follower.
    stage.consortium.at = int(stage.now[0] * 1000)
    before = stage.consortium.log.size
    stage.consortium.play(20)
    proof = stage.consortium.log.prove(before)
    asked = AddCheckpoint(before, proof, stage.consortium.log.note)
    follower = stage.observer.follower
    answer, _ = await follower.write(follower.cosigner.witness, asked)
    stage.feed.lines = answer.body
    await stage.look()
    await stage.look(3_599)
    assert stage.found == []
    await stage.look(1)
    assert [code for code, _ in stage.found] == ["OBSERVER_LAG"]
    await stage.look(600)
    details = [detail for _, _, detail, _ in found(stage.observer.reader_engine)]
    assert details[0].startswith("copy behind since 2025-")
    assert len(details) == 1
    # Who only looks at what is held against the hub sees nothing.
    findings = read_findings(stage.observer.reader_engine, 5)
    assert (findings.certain, findings.ours) == (0, 1)


async def test_what_the_hub_keeps_from_us_is_not_our_lag(stage):
    stage.consortium.at = int(stage.now[0] * 1000)
    before = stage.consortium.log.size
    stage.consortium.play(20)
    asked = AddCheckpoint(before, stage.consortium.log.prove(before), stage.consortium.log.note)
    follower = stage.observer.follower
    await follower.write(follower.cosigner.witness, asked)
    follower._note_fault("bodies 2: SERVER_ERROR")
    for _ in range(5):
        await stage.look(1_000)
    assert stage.found == []


async def test_what_a_member_was_shown_and_we_are_not_is_reported_by_the_watch(stage):
    newer = another_history(stage.consortium, 200)
    await stage.inbox.take([newer.log.publish().encode()])
    await stage.look(599)
    assert stage.found == []
    await stage.look(2)
    assert stage.found == [("HEAD_WITHHELD", None)]


def decided(consortium, after=0):
    """An entry on which nothing depends, its body still there."""
    return next(
        index
        for index, body in enumerate(consortium.log.bodies)
        if index >= after and b'"CreditDecided"' in body
    )


async def test_a_body_that_is_gone_without_an_erasure_is_a_finding(stage):
    index = decided(stage.consortium, 300)
    stage.consortium.log.bodies[index] = b""
    for _ in range(3):  # three bundles: all are seen
        await stage.look()
    await stage.look()
    assert stage.found == [("ERASURE_UNLOGGED", index)]
    for _ in range(6):
        await stage.look()
    assert len(stage.found) == 1


async def test_a_body_erased_between_two_of_our_looks_is_no_finding(stage):
    consortium = stage.consortium
    consortium.at = int(stage.now[0] * 1000)
    before = consortium.log.bodies.count(b"")
    while consortium.log.bodies.count(b"") == before:
        consortium.erase()
    # Published, gone, and not yet copied when the bundle is seen again.
    consortium.log.publish()
    for _ in range(4):
        await stage.look()
    await stage.settle()
    for _ in range(4):
        await stage.look()
    assert stage.found == []


async def test_a_body_that_is_served_after_its_erasure_is_a_finding_without_the_body(stage):
    consortium = stage.consortium
    consortium.at = int(stage.now[0] * 1000)
    index = decided(consortium, 300)
    body = consortium.log.bodies[index]
    commitment = b64u(hashlib.sha256(body).digest())
    consortium.admit(consortium.operator, BodyErased(index, commitment, ErasureGround.COURT_ORDER))
    await stage.settle()
    assert stage.observer.follower.cosigner.head(MIRROR).size == consortium.log.size
    await stage.look(500)
    assert stage.found == []  # caches may hold it for a while
    for _ in range(30):
        await stage.look()
    assert stage.found == [("ERASURE_IGNORED", index)]
    with stage.observer.reader_engine.begin() as connection:
        evidence = connection.exec_driver_sql("SELECT evidence FROM finding").scalar_one()
        kept = connection.exec_driver_sql(
            "SELECT body FROM entry WHERE idx = ?", (index,)
        ).scalar_one()
    assert kept is None
    assert commitment in evidence
    assert b64u(body)[8:40] not in evidence


async def test_a_body_altered_after_it_was_copied_is_a_finding(stage):
    index = decided(stage.consortium, 300)
    stage.consortium.log.bodies[index] = b"{}"
    for _ in range(7):
        await stage.look()
    assert stage.found == [("BODY_ALTERED", index)]


@asynccontextmanager
async def calling(app):
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://observer") as client:
        yield client


async def test_members_hand_in_at_the_door(stage):
    log = stage.consortium.log
    app = create_app(stage.observer, None, stage.inbox)
    async with calling(app) as client:
        documents = [base64.b64encode(raw).decode() for raw in (log.note.encode(), b"hello")]
        answer = await client.post("/submit", json={"documents": documents})
        assert answer.status_code == 200
        outcomes = [one["outcome"] for one in answer.json()["answers"]]
        assert outcomes == ["AGREES", "NOTHING"]
        for raw in (b"", b"[]", b'{"documents":[]}', b'{"documents":["?"]}', b'{"documents":[1]}'):
            assert (await client.post("/submit", content=raw)).status_code == 400
        too_much = await client.post("/submit", content=bytes(SUBMIT_BYTES_MAX + 1))
        assert too_much.status_code == 413
    async with calling(create_app(stage.observer)) as client:
        assert (await client.post("/submit", json={"documents": documents})).status_code == 503


async def test_who_sends_slowly_keeps_nobody_from_handing_in(stage):
    document = base64.b64encode(stage.consortium.log.note.encode()).decode()
    end = asyncio.Event()

    async def slowly():
        yield b'{"documents":'
        await end.wait()
        yield b"[]}"

    async with calling(create_app(stage.observer, None, stage.inbox)) as client:
        slow = [
            asyncio.create_task(client.post("/submit", content=slowly()))
            for _ in range(SUBMITTING_MAX)
        ]
        await asyncio.sleep(0.1)
        answer = await client.post("/submit", json={"documents": [document]})
        assert answer.status_code == 200
        end.set()
        assert {one.status_code for one in await asyncio.gather(*slow)} == {400}


async def test_on_a_full_disk_nothing_is_taken_and_the_watch_goes_on(stage):
    log = stage.consortium.log
    connection = stage.observer.follower._mirror._connection
    await stage.observer.follower.write(limit_pages, connection, full=True)
    stage.consortium.play(40)
    # Larger than what is left on the last page.
    receipts = [receipt(log, log.size - 1 - n) for n in range(10)]
    documents = [base64.b64encode(raw).decode() for raw in receipts]
    async with calling(create_app(stage.observer, None, stage.inbox)) as client:
        answer = await client.post("/submit", json={"documents": documents})
        assert answer.status_code == 503
        await undisturbed(stage.watch.look)
        await stage.observer.follower.write(limit_pages, connection, full=False)
        answer = await client.post("/submit", json={"documents": documents})
        assert {one["outcome"] for one in answer.json()["answers"]} == {"UNRESOLVED"}
    await stage.settle()
    assert {judged.outcome for judged in await stage.inbox.look_again()} == {"AGREES"}
    assert stage.found == []
