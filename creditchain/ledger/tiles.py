"""The log's tree as it is stored: hashes of any perfect subtree, and full tiles, authenticated.

A full tile is believed only when its root stands in the tile above it, up to the edge that was
checked against the signed checkpoint. So a flipped byte in a row is noticed by whoever reads it
first, and never served. What was read once is remembered, within bounds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Final

from creditchain.ledger.failure import LedgerDamaged
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import HASH_BYTES
from creditchain.tlog.tile import TILE_BYTES, TILE_WIDTH

TILES_REMEMBERED: Final = 512
"""Full tiles in memory with the hashes inside them: 16 KiB each, 8 MiB together."""

FetchTile = Callable[[int, int], bytes | None]
"""(level, n) to the stored bytes of a full tile, None if there is no row."""


@dataclass(frozen=True, slots=True)
class FullTile:
    """A full tile; `rows[k]` are the hashes k binary levels above its own, joined."""

    rows: tuple[bytes, ...]
    root: bytes

    @classmethod
    def of(cls, data: bytes) -> FullTile:
        """Hashes the inside of a tile: 255 nodes."""
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

    def hash_at(self, row: int, index: int) -> bytes:
        """The hash of `rows[row]` for the subtree `index` of the whole tree, one of this tile's."""
        start = index % (TILE_WIDTH >> row) * HASH_BYTES
        return self.rows[row][start : start + HASH_BYTES]


class StoredTiles:
    """Full tiles by place. Safe for threads as far as `fetch` is."""

    def __init__(self, fetch: FetchTile) -> None:
        self._fetch = fetch
        self._known: OrderedDict[tuple[int, int], FullTile] = OrderedDict()
        self._lock = Lock()

    def put(self, level: int, n: int, tile: FullTile) -> None:
        """Remembers a tile that is known to be right."""
        with self._lock:
            self._known[level, n] = tile
            if len(self._known) > TILES_REMEMBERED:
                self._known.popitem(last=False)

    def full(self, level: int, n: int, edge: Edge) -> FullTile:
        """The full tile of the tree of `edge`; raises `LedgerDamaged` if it is not in the table."""
        with self._lock:
            known = self._known.get((level, n))
            if known is not None:
                self._known.move_to_end((level, n))
                return known
        data = self._fetch(level, n)
        if type(data) is not bytes or len(data) != TILE_BYTES:
            raise LedgerDamaged(f"the stored tile {n} of level {level} is missing or cut short")
        tile = FullTile.of(data)
        # The tile above holds this one's root; up there is the edge, so this ends.
        if self.hash_at(8 * (level + 1), n, edge) != tile.root:
            raise LedgerDamaged(f"the stored tile {n} of level {level} is not the one in the tree")
        self.put(level, n, tile)
        return tile

    def hash_at(self, level: int, index: int, edge: Edge) -> bytes:
        """The root of the perfect subtree `index` of 2^level leaves in the tree of `edge`."""
        found = edge.find_hash(level, index)
        if found is not None:
            return found
        tile_level, row = divmod(level, 8)
        return self.full(tile_level, index >> (8 - row), edge).hash_at(row, index)

    def read(self, level: int, n: int, width: int, edge: Edge) -> bytes | None:
        """The first `width` hashes of a tile, None if the tree of `edge` has not that many."""
        there = (edge.size >> 8 * level) - n * TILE_WIDTH
        if not 1 <= width <= min(TILE_WIDTH, there):
            return None
        data = self.full(level, n, edge).rows[0] if there >= TILE_WIDTH else edge.partial(level)
        return data[: width * HASH_BYTES]
