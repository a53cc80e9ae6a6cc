"""What a hub sends is bounded and checked before anything is made of it."""

import asyncio
import gzip
import json
import tracemalloc

import jwt
import pytest

from creditchain.client.keys import generate_key
from creditchain.client.signer import Signer
from creditchain.tlog.tile import BundlePath, Tile
from regulator.feed import BUNDLE_BYTES_MAX, Fault, FeedFault, HubFeed
from tests.unit.regulator.raw_hub import always, raw_hub, response

BOMB = gzip.compress(bytes(200_000_000), 9)

BROKEN = {
    "a redirect": (
        response(b"", status="302 Found", headers="Location: http://127.0.0.1:1/\r\n"),
        Fault.REDIRECTED,
    ),
    "not found": (response(b"", status="404 Not Found"), Fault.NOT_FOUND),
    "not allowed": (response(b"", status="403 Forbidden"), Fault.NOT_ALLOWED),
    "a server error": (response(b"", status="503 Service Unavailable"), Fault.SERVER_ERROR),
    "no content": (response(b"", status="204 No Content"), Fault.UNEXPECTED_STATUS),
    "a page": (response(b"<html>", content_type="text/html"), Fault.CONTENT_TYPE),
    "too much announced": (response(b"", length=BUNDLE_BYTES_MAX + 1), Fault.TOO_LARGE),
    "too little sent": (response(b"abc", length=10), Fault.TRUNCATED),
    "a gzip bomb": (
        response(BOMB, headers="Content-Encoding: gzip\r\n"),
        Fault.TOO_LARGE,
    ),
    "a cut gzip stream": (
        response(gzip.compress(b"abc" * 99)[:-9], headers="Content-Encoding: gzip\r\n"),
        Fault.TRUNCATED,
    ),
    "no gzip stream": (
        response(b"abc", headers="Content-Encoding: gzip\r\n"),
        Fault.CONTENT_ENCODING,
    ),
    "a tail after gzip": (
        response(gzip.compress(b"abc") + b"tail", headers="Content-Encoding: gzip\r\n"),
        Fault.CONTENT_ENCODING,
    ),
    "an unknown encoding": (
        response(b"abc", headers="Content-Encoding: br\r\n"),
        Fault.CONTENT_ENCODING,
    ),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Fault.TRUNCATED),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_answer_is_a_fault(broken):
    data, fault = BROKEN[broken]
    async with raw_hub(always(data)) as (url, _), HubFeed(url) as feed:
        with pytest.raises(FeedFault) as caught:
            await feed.bodies(BundlePath(0, 3))
        assert caught.value.fault is fault


async def test_more_than_announced_is_not_read():
    async def endless(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
        for _ in range(2_000):
            writer.write(bytes(65_536))
            await writer.drain()

    async with raw_hub(endless) as (url, _), HubFeed(url) as feed:
        with pytest.raises(FeedFault) as caught:
            await feed.tile(Tile(0, 0))
        assert caught.value.fault is Fault.TOO_LARGE


async def test_a_gzip_bomb_costs_no_memory():
    data, _ = BROKEN["a gzip bomb"]
    async with raw_hub(always(data)) as (url, _), HubFeed(url) as feed:
        tracemalloc.start()
        with pytest.raises(FeedFault):
            await feed.bodies(BundlePath(0, 3))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 3 * BUNDLE_BYTES_MAX


async def test_a_silent_hub_and_a_trickling_one_are_too_slow():
    async def silent(_, writer):
        await asyncio.sleep(5)

    async def trickling(_, writer):
        writer.write(response(b"", length=1_000))
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    for answer in (silent, trickling):
        async with (
            raw_hub(answer) as (url, _),
            HubFeed(url, read_seconds=0.2, total_seconds=0.5) as feed,
        ):
            with pytest.raises(FeedFault) as caught:
                await feed.bodies(BundlePath(0, 3))
            assert caught.value.fault is Fault.TOO_SLOW


async def test_nobody_there_is_unreachable():
    async with HubFeed("http://127.0.0.1:9") as feed:
        with pytest.raises(FeedFault) as caught:
            await feed.checkpoint()
        assert caught.value.fault is Fault.UNREACHABLE


async def test_gzip_that_was_not_asked_for_is_unpacked():
    data = response(gzip.compress(b"abc"), headers="Content-Encoding: gzip\r\n")
    async with raw_hub(always(data)) as (url, _), HubFeed(url) as feed:
        assert await feed.entries(BundlePath(0, 1)) == b"abc"


async def test_a_dropped_partial_tile_is_read_from_the_full_one():
    async def answer(head, writer):
        partial = ".p/" in head.split()[1]
        writer.write(response(b"", status="404 Not Found") if partial else response(b"h" * 8192))

    async with raw_hub(answer) as (url, seen), HubFeed(url) as feed:
        assert len(await feed.tile(Tile(0, 3, 17))) == 8192
    assert [head.split()[1] for head in seen] == ["/tile/0/003.p/17", "/tile/0/003"]


async def test_bodies_are_read_with_a_token_for_an_assertion_by_our_own_key():
    key = generate_key()
    tokens = iter(["first", "second"])
    asked = []

    async def answer(head, writer):
        path = head.split()[1]
        if path == "/token":
            body = {"access_token": next(tokens), "token_type": "Bearer", "expires_in": 600}
            writer.write(response(json.dumps(body).encode(), content_type="application/json"))
            return
        token = head.partition("Bearer ")[2].split("\r\n")[0]
        asked.append(token)
        # The first token ends early: the observer signs in again, once.
        writer.write(
            response(b"ok") if token == "second" else response(b"", status="401 Unauthorized")
        )

    async with raw_hub(answer) as (url, seen):
        signer = Signer("regulator-gd", key, "hub.example/log")
        async with HubFeed(f"{url}/log", token_url=f"{url}/token", signer=signer) as feed:
            assert await feed.bodies(BundlePath(0, 1)) == b"ok"
            assert await feed.bodies(BundlePath(0, 1)) == b"ok"
    assert asked == ["first", "second", "second"]
    assert sum(head.startswith("POST /token") for head in seen) == 2
    claims = jwt.decode(
        signer.assertion(),
        key.signing.public_key(),
        algorithms=["EdDSA"],
        audience="hub.example/log/token",
    )
    assert claims["sub"] == "regulator-gd"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"access_token":"a","expires_in":"soon"}', b'{"access_token":1}',
     b'{"access_token":"a\\nb","expires_in":60}', b'{"access_token":"a","expires_in":-1}'],
)  # fmt: skip
async def test_a_token_that_is_none_is_a_fault(body):
    data = response(body, content_type="application/json")
    async with raw_hub(always(data)) as (url, _):
        signer = Signer("regulator-gd", generate_key(), "hub.example/log")
        async with HubFeed(url, token_url=f"{url}/token", signer=signer) as feed:
            with pytest.raises(FeedFault) as caught:
                await feed.checkpoint()
            assert caught.value.fault is Fault.MALFORMED
