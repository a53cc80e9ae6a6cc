"""The log's tree as it is stored: hashes of any perfect subtree, and full tiles, authenticated.

Nothing from a row is believed until its root stands in the tree above it, up to the edge that was
checked against the signed checkpoint. So a flipped byte is noticed by whoever reads it first, and
never served. What was read is remembered, within bounds.

A proof needs eight hashes of a tile, and a tile's inside costs 255 to compute. Beside its 256
hashes a row therefore keeps the 16 that lie half-way up (`mid`), and proofs read the tree in blocks
of 16 hashes: sixteen blocks in a tile's data, and one on top of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Final, Generic, TypeVar

from creditchain.ledger.failure import LedgerDamaged
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import HASH_BYTES
from creditchain.tlog.tile import TILE_BYTES, TILE_WIDTH

BLOCK_WIDTH: Final = 16
BLOCK_BYTES: Final = BLOCK_WIDTH * HASH_BYTES

BLOCKS_REMEMBERED: Final = 8_192
"""Blocks in memory with the hashes inside them: about 1.4 KiB each, 11 MiB together."""

TILES_REMEMBERED: Final = 256
"""Full tiles in memory, as they are served: 8 KiB each, 2 MiB together."""

_MID_ROW: Final = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Subtree:
    """Hashes side by side and all above them; `rows[k]` are those k binary levels up, joined."""

    rows: tuple[bytes, ...]
    root: bytes

    @classmethod
    def of(cls, data: bytes) -> Subtree:
        """Hashes everything above `data`: for 256 hashes 255 nodes, for 16 of them 15."""
        rows = [data]
        while len(rows[-1]) > HASH_BYTES:
            below = rows[-1]
            rows.append(
                b"".join(
                    [
                        sha256(b"\x01" + below[at : at + 64]).digest()
                        for at in range(0, len(below), 64)
                    ]
                )
            )
        return cls(tuple(rows[:-1]), rows[-1])

    @property
    def mid(self) -> bytes:
        """Of a tile, the 16 hashes half-way up."""
        return self.rows[_MID_ROW]

    def hash_at(self, row: int, index: int) -> bytes:
        """The hash in `rows[row]` that the whole tree counts as `index` at its level."""
        hashes = self.rows[row]
        start = index * HASH_BYTES % len(hashes)
        return hashes[start : start + HASH_BYTES]


class StoredTiles:
    """The tree in the table `tile`. Safe for threads as far as the two readers are.

    `fetch_tile(level, n)` gives a full tile's data; `fetch_block(level, n, part)` the 16 hashes
    number `part` of it, or for `part` None its `mid`. Both give None where there is no row. Without
    the second, blocks are cut from whole tiles.
    """

    def __init__(
        self,
        fetch_tile: Callable[[int, int], bytes | None],
        fetch_block: Callable[[int, int, int | None], bytes | None] | None = None,
    ) -> None:
        self._fetch_tile = fetch_tile
        self._fetch_block = fetch_block or self._cut_block
        self._tiles: _Recent[bytes] = _Recent(TILES_REMEMBERED)
        self._blocks: _Recent[Subtree] = _Recent(BLOCKS_REMEMBERED)

    def hash_at(self, level: int, index: int, edge: Edge) -> bytes:
        """The root of the perfect subtree `index` of 2^level leaves in the tree of `edge`.

        Raises `LedgerDamaged` when what is stored is not that tree.
        """
        found = edge.find_hash(level, index)
        if found is not None:
            return found
        height, row = divmod(level, 4)
        return self._block(height, index >> (4 - row), edge).hash_at(row, index)

    def read(self, level: int, n: int, width: int, edge: Edge) -> bytes | None:
        """The first `width` hashes of a tile, None if the tree of `edge` has not that many."""
        there = (edge.size >> 8 * level) - n * TILE_WIDTH
        if not 1 <= width <= min(TILE_WIDTH, there):
            return None
        data = self._full(level, n, edge) if there >= TILE_WIDTH else edge.partial(level)
        return data[: width * HASH_BYTES]

    def _block(self, height: int, n: int, edge: Edge) -> Subtree:
        """Block `n` of those whose hashes lie 4 * `height` binary levels up."""
        block = self._blocks.get(height, n)
        if block is None:
            level, on_top = divmod(height, 2)
            tile, part = (n, None) if on_top else divmod(n, BLOCK_WIDTH)
            data = self._fetch_block(level, tile, part)
            if type(data) is not bytes or len(data) != BLOCK_BYTES:
                raise LedgerDamaged(f"a block of tile {tile} of level {level} is missing")
            block = Subtree.of(data)
            # The block above holds this one's root; up there is the edge, so this ends.
            if self.hash_at(4 * (height + 1), n, edge) != block.root:
                raise LedgerDamaged(f"the stored tile {tile} of level {level} is not in the tree")
            self._blocks.put(height, n, block)
        return block

    def _cut_block(self, level: int, n: int, part: int | None) -> bytes | None:
        data = self._fetch_tile(level, n)
        if type(data) is not bytes or len(data) != TILE_BYTES:
            return None
        if part is None:
            return Subtree.of(data).mid
        return data[part * BLOCK_BYTES : (part + 1) * BLOCK_BYTES]

    def _full(self, level: int, n: int, edge: Edge) -> bytes:
        data = self._tiles.get(level, n)
        if data is None:
            data = self._fetch_tile(level, n)
            if type(data) is not bytes or len(data) != TILE_BYTES:
                raise LedgerDamaged(f"the stored tile {n} of level {level} is missing or cut short")
            if self.hash_at(8 * (level + 1), n, edge) != Subtree.of(data).root:
                raise LedgerDamaged(f"the stored tile {n} of level {level} is not in the tree")
            self._tiles.put(level, n, data)
        return data


class _Recent(Generic[T]):
    """Things by level and number, the most recently used of them."""

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._things: OrderedDict[tuple[int, int], T] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._things)

    def get(self, level: int, n: int) -> T | None:
        with self._lock:
            thing = self._things.get((level, n))
            if thing is not None:
                self._things.move_to_end((level, n))
            return thing

    def put(self, level: int, n: int, thing: T) -> None:
        with self._lock:
            self._things[level, n] = thing
            if len(self._things) > self._remembered:
                self._things.popitem(last=False)
