"""Connections to a hub are kept, given up and opened again without anybody noticing."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from regulator import connections as module
from regulator.connections import Connections
from tests.unit.regulator.raw_hub import always, raw_hub, response

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def hub(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list]]:
    """A hub that does what it is told to on each connection; its URL, and its connections."""
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}", connections
    finally:
        server.close()


async def get(to_hub: Connections, target: str = "/x") -> bytes:
    async with to_hub.ask("GET", target, {}) as answer:
        return b"".join([part async for part in answer.parts])


async def answer_all(reader, writer):
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"abc"))


async def test_a_connection_is_used_again():
    async with hub(answer_all) as (url, connections), Connections(url, read_seconds=5) as to_hub:
        assert [await get(to_hub) for _ in range(3)] == [b"abc"] * 3
    assert len(connections) == 1


async def test_requests_at_once_have_a_connection_each_up_to_a_bound():
    async with hub(answer_all) as (url, connections), Connections(url, read_seconds=5) as to_hub:
        bodies = await asyncio.gather(*(get(to_hub) for _ in range(60)))
    assert bodies == [b"abc"] * 60
    assert len(connections) <= module.CONNECTIONS_MAX


async def test_a_connection_that_was_closed_meanwhile_is_opened_again():
    async def once(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response(b"abc"))

    async with hub(once) as (url, connections), Connections(url, read_seconds=5) as to_hub:
        for _ in range(3):
            assert await get(to_hub) == b"abc"
        await asyncio.sleep(0.05)
        assert await get(to_hub) == b"abc"
    assert len(connections) == 4


async def test_a_hub_that_hangs_up_on_a_new_connection_is_asked_once():
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")

    async with hub(hang_up) as (url, connections), Connections(url, read_seconds=5) as to_hub:
        with pytest.raises(h11.RemoteProtocolError):
            await get(to_hub)
    assert len(connections) == 1


@pytest.mark.parametrize("tail", [b"x", response(b"smuggled")])
async def test_what_follows_an_answer_answers_nothing_else(tail: bytes):
    async def talkative(reader, writer):
        while True:
            target = (await reader.readuntil(b"\r\n\r\n")).split()[1]
            writer.write(response(target) + tail)
            await writer.drain()

    async with hub(talkative) as (url, connections), Connections(url, read_seconds=5) as to_hub:
        assert [await get(to_hub, f"/{n}") for n in range(3)] == [b"/0", b"/1", b"/2"]
    assert len(connections) == 3


async def test_an_answer_that_was_not_read_to_its_end_is_given_up():
    async with hub(answer_all) as (url, connections), Connections(url, read_seconds=5) as to_hub:
        async with to_hub.ask("GET", "/x", {}) as answer:
            assert answer.status == 200
        assert await get(to_hub) == b"abc"
    assert len(connections) == 2


async def test_a_body_comes_in_chunks_and_after_a_word_in_advance():
    chunked = (
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        b"X-Two: a\r\nX-Two: b\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with (
        raw_hub(always(chunked)) as (url, _),
        Connections(url, read_seconds=5) as to_hub,
        to_hub.ask("GET", "/x", {}) as answer,
    ):
        assert answer.headers["x-two"] == "a, b"
        assert b"".join([part async for part in answer.parts]) == b"abcde"


@pytest.mark.parametrize("url", ["ftp://hub.example", "hub.example", "http://"])
def test_what_is_no_url_of_a_hub_is_refused(url: str):
    with pytest.raises(ValueError, match="not the URL of a hub"):
        Connections(url, read_seconds=1)


def certificate(folder: Path) -> Path:
    """A fresh key and its own certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "hub.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_a_hub_is_asked_over_tls_only_if_its_certificate_holds(tmp_path, monkeypatch):
    path = certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(path)
    async with hub(answer_all, tls) as (url, _):
        async with Connections(url, read_seconds=5) as to_hub:
            with pytest.raises(ssl.SSLCertVerificationError):
                await get(to_hub)
        monkeypatch.setattr(module, "_tls", lambda: ssl.create_default_context(cafile=path))
        async with Connections(url, read_seconds=5) as to_hub:
            assert await get(to_hub) == b"abc"
