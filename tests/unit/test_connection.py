"""What is written in one turn of the loop leaves as one piece, and nothing of it is lost."""

import asyncio

from creditchain.connection import HELD_BYTES_MAX, OneWrite


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
