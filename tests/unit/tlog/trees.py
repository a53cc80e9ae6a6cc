"""Trees to test against: the recursive definitions of RFC 6962, written without ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import Coord, leaf_hashes_of
from creditchain.tlog.tile import TILE_WIDTH


def leaves_of(count: int, salt: str = "") -> list[bytes]:
    return leaf_hashes_of([f"entry {i}{salt}".encode() for i in range(count)])


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], known: bool = True) -> list[bytes]:
    """RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if known else [mth(leaves)]
    k = _split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], known), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


class Rows:
    """A HashReader that has every perfect subtree of its leaves, and counts its calls."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.rows = [list(leaves)]
        self.calls = 0
        while len(self.rows[-1]) > 1:
            row = self.rows[-1]
            pairs = range(0, len(row) - 1, 2)
            self.rows.append([sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in pairs])

    def read_hashes(self, coords: Sequence[Coord]) -> Sequence[bytes]:
        self.calls += 1
        return [self.rows[level][index] for level, index in coords]


class Tiles:
    """The tiles of a tree, as a log would serve them, and what was read of them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.edge = Edge.empty()
        self.data = {(tile.level, tile.n): data for tile, data in self.edge.append(leaves)}
        self.data |= {(tile.level, tile.n): data for tile, data in self.edge.tiles()}
        self.reads: list[tuple[int, int, int]] = []

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        self.reads.append((level, n, width))
        return self.data[level, n]

    def lying(self, level: int, n: int, data: bytes) -> Tiles:
        """The same tiles, but for one."""
        liar = Tiles([])
        liar.edge, liar.data = self.edge, {**self.data, (level, n): data}
        return liar


class UniformTiles:
    """The tiles of a tree of any size whose leaves are all the same: nothing is stored."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.forged: dict[tuple[int, int], bytes] = {}
        self.levels = [sha256(b"\x00same").digest()]
        for _ in range(64):
            below = self.levels[-1]
            self.levels.append(sha256(b"\x01" + below + below).digest())

    def root(self) -> bytes:
        edge = Edge.from_reader(self.size, self.read_tile)
        return edge.root()

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        return self.forged.get((level, n), self.levels[8 * level] * width)


def flips(data: bytes) -> Iterator[bytes]:
    """`data` with each byte in turn changed."""
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def prefixes(data: bytes) -> Iterator[bytes]:
    """Every proper prefix of `data`."""
    for end in range(len(data)):
        yield data[:end]


def tile_root(tile: bytes) -> bytes:
    assert len(tile) == TILE_WIDTH * 32
    return mth([tile[at : at + 32] for at in range(0, len(tile), 32)])
