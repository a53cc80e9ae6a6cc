"""One write for what one turn of the loop wrote, nothing lost; and no waiting for what is there."""

import asyncio
from typing import Any, Final

import pytest
import uvicorn
from uvicorn.server import ServerState

from creditchain.api.request import WHOLE, headers_of, read_body, respond
from creditchain.connection import HELD_BYTES_MAX, Connection, OneWrite

HEAD: Final = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"


class Pieces(asyncio.Transport):
    """A transport that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 7)})
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.pieces.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def over() -> tuple[Pieces, OneWrite]:
    pieces = Pieces()
    return pieces, OneWrite(pieces, asyncio.get_running_loop())


async def test_head_and_body_leave_together_when_the_turn_ends():
    pieces, one = over()
    one.write(b"head")
    one.write(b"body")
    assert pieces.pieces == []
    await asyncio.sleep(0)
    one.write(b"next")
    await asyncio.sleep(0)
    assert pieces.pieces == [b"headbody", b"next"]


async def test_what_was_written_goes_before_the_close():
    pieces, one = over()
    one.write(b"last words")
    one.close()
    assert (pieces.pieces, pieces.closed) == ([b"last words"], True)
    await asyncio.sleep(0)
    assert pieces.pieces == [b"last words"]


async def test_a_closed_transport_is_given_nothing_more():
    pieces, one = over()
    one.write(b"too late")
    pieces.closed = True
    await asyncio.sleep(0)
    assert pieces.pieces == []


async def test_much_is_not_held_back():
    pieces, one = over()
    for _ in range(3):
        one.write(bytes(HELD_BYTES_MAX))
    assert sum(map(len, pieces.pieces)) >= 2 * HELD_BYTES_MAX
    await asyncio.sleep(0)
    assert sum(map(len, pieces.pieces)) == 3 * HELD_BYTES_MAX


async def test_whatever_else_a_transport_does_it_does():
    _, one = over()
    assert one.get_extra_info("peername") == ("192.0.2.1", 7)


@pytest.mark.parametrize(("pieces", "whole"), [((HEAD + b"ab",), True), ((HEAD, b"ab"), False)])
async def test_a_body_that_came_with_its_headers_is_known_to_be_there(
    pieces: tuple[bytes, ...], whole: bool
):
    seen: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(WHOLE in scope)
        seen.append(await read_body(headers_of(scope), receive, 10, 5.0, whole=WHOLE in scope))
        await respond(send, 200, "text/plain", b"done")

    config = uvicorn.Config(app, http=Connection, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
    assert seen == [whole, b"ab"]
