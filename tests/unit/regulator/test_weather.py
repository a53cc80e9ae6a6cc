"""Whatever the line and the hub do to an answer: a fault that passes, no finding, nothing lost."""

import asyncio
import gzip

import pytest

from creditchain.tlog.tile import parse_bundle_path, parse_tile_path
from regulator.feed import FeedFault, HubFeed
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.unit.regulator.observing import found, observing
from tests.unit.regulator.raw_hub import raw_hub, response

BOMB = gzip.compress(bytes(50_000_000), 9)


def plain_or_bytes(head):
    """The content type that belongs to what was asked for."""
    return "text/plain" if head.split()[1].endswith("checkpoint") else "application/octet-stream"


async def silence(_, writer):
    await asyncio.sleep(1)


async def trickle(head, writer):
    writer.write(response(b"", length=1_000, content_type=plain_or_bytes(head)))
    for _ in range(20):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


def sending(body, **changes):
    """A response of this body, with what is wrong with it."""

    async def answer(head, writer):
        writer.write(response(body, **{"content_type": plain_or_bytes(head)} | changes))

    return answer


async def hang_up(_, writer):
    pass


WEATHER = {
    "silent": (silence, "TOO_SLOW"),
    "slow": (trickle, "TOO_SLOW"),
    "truncating": (sending(b"abc", length=10), "TRUNCATED"),
    "a gzip bomb": (sending(BOMB, headers="Content-Encoding: gzip\r\n"), "TOO_LARGE"),
    "redirecting": (
        sending(b"", status="301 Moved", headers="Location: http://127.0.0.1:1/\r\n"),
        "REDIRECTED",
    ),
    "a page of its proxy": (sending(b"<html>", content_type="text/html"), "CONTENT_TYPE"),
    "hanging up": (hang_up, "TRUNCATED"),
    "5xx": (sending(b"", status="502 Bad Gateway"), "SERVER_ERROR"),
    "nonsense": (sending(b"nonsense"), "MALFORMED"),
}


class Line:
    """An honest hub behind a line: what begins with `bad` is answered by `answer`, `left` times."""

    def __init__(self, feed, answer):
        self.feed = feed
        self.answer = answer
        self.bad = ""
        self.left = 0

    async def __call__(self, head, writer):
        path = head.split()[1]
        if self.left and path.startswith(self.bad):
            self.left -= 1
            await self.answer(head, writer)
            return
        writer.write(await self._honest(path.removeprefix("/log/")))

    async def _honest(self, path):
        try:
            if path == "checkpoint":
                return response(await self.feed.checkpoint(), content_type="text/plain")
            if path.startswith("bodies/"):
                return response(await self.feed.bodies(parse_bundle_path(path, "bodies")))
            if path.startswith("tile/entries/"):
                return response(await self.feed.entries(parse_bundle_path(path)))
            return response(await self.feed.tile(parse_tile_path(path)))
        except FeedFault:
            return response(b"", status="404 Not Found")


@pytest.fixture(scope="module")
def consortium():
    """More than is proven by our own edge alone, so that tiles are read too."""
    made = Consortium(101)
    made.play(1_050)
    return made


@pytest.mark.parametrize("weather", WEATHER)
async def test_bad_weather_is_a_fault_that_passes(weather, consortium, tmp_path):
    answer, fault = WEATHER[weather]
    line = Line(HonestFeed(consortium.log), answer)
    async with (
        raw_hub(line) as (url, _),
        HubFeed(f"{url}/log", read_seconds=0.2, total_seconds=0.5) as feed,
        observing(tmp_path, consortium, feed) as observer,
    ):
        follower = observer.follower
        for resource in ("checkpoint", "tile/0/", "tile/entries/", "bodies/"):
            line.bad, line.left = f"/log/{resource}", 1
            assert not await follower._try_once()
            progress = follower.progress()
            assert fault in progress.fault
            assert not progress.fault_is_ours
            assert follower.cosigner.signed("mirror") is None
        assert await follower._try_once()
        assert follower.progress().fault is None
        assert follower.progress().size == consortium.log.size
        assert follower.cosigner.head("mirror").size == consortium.log.size
        assert found(observer.reader_engine) == []


async def test_a_storm_of_server_errors_is_outlasted_without_a_gap(consortium, tmp_path):
    line = Line(HonestFeed(consortium.log), WEATHER["5xx"][0])
    async with (
        raw_hub(line) as (url, _),
        HubFeed(f"{url}/log") as feed,
        observing(tmp_path, consortium, feed) as observer,
    ):
        sizes = []
        for burst in (1, 7, 30, 3, 0):
            line.bad, line.left = "/log/", burst
            while line.left:
                assert not await observer.follower._try_once()
            sizes.append(observer.follower.progress().size)
        assert await observer.follower._try_once()
        assert sizes == sorted(sizes)
        assert observer.follower.progress().size == consortium.log.size
        assert found(observer.reader_engine) == []
        with observer.reader_engine.begin() as connection:
            rows = connection.exec_driver_sql("SELECT count(*), max(idx) FROM entry").one()
        assert tuple(rows) == (consortium.log.size, consortium.log.size - 1)
