"""The log's tree as it is stored: hashes of any perfect subtree, and full tiles, authenticated.

Nothing from a row is believed until it leads to a root that stands in the tree above it, up to the
edge that was checked against the signed checkpoint. So a flipped byte is noticed by whoever reads
it first, and never served. What was read is remembered, within bounds.

A proof needs eight hashes of a tile, and the inside of a tile costs 255 to compute. So a row keeps
the inside too, as much again: a proof then reads its eight and hashes its own way up to the root,
which is what shows that those eight are right.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from threading import Lock
from typing import Final, Generic, TypeVar

from creditchain.ledger.failure import LedgerDamaged
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import HASH_BYTES
from creditchain.tlog.tile import TILE_BYTES, TILE_WIDTH

ROWS: Final = 8
"""Binary levels of a tile: 256 hashes, 128 above them, and so on down to 2."""

_STARTS: Final = (0, *accumulate(TILE_BYTES >> row for row in range(ROWS)))
"""Where each row begins when they are joined; last, where they end."""

INSIDE_BYTES: Final = _STARTS[ROWS] - TILE_BYTES

TILES_REMEMBERED: Final = 2_048
"""Full tiles in memory, 16 KiB each with their inside, 32 MiB together when half a million old
entries are asked for without order; who asks for recent ones needs a few."""

ROOTS_REMEMBERED: Final = 16_384
"""Roots of full tiles that were found in the tree, about 200 bytes each, 3 MiB together."""

FetchTile = Callable[[int, int], Sequence[object] | None]
"""(level, n) to the two columns of a full tile's row, data and inside; None without a row."""

T = TypeVar("T")


@dataclass(slots=True)
class FullTile:
    """All rows of a full tile, joined. `whole` says that they are known to fit together."""

    rows: bytes
    whole: bool = False

    @classmethod
    def of(cls, data: bytes) -> FullTile:
        """The tile with this data; hashes its inside."""
        rows = [data]
        while len(rows) < ROWS:
            below = rows[-1]
            rows.append(
                b"".join(
                    [
                        sha256(b"\x01" + below[at : at + 64]).digest()
                        for at in range(0, len(below), 64)
                    ]
                )
            )
        return cls(b"".join(rows), whole=True)

    @property
    def data(self) -> bytes:
        """The 256 hashes: the tile as it is served."""
        return self.rows[:TILE_BYTES]

    @property
    def inside(self) -> bytes:
        """What lies above them, without the root."""
        return self.rows[TILE_BYTES:]

    @property
    def root(self) -> bytes:
        """The hash of the whole tile."""
        return sha256(b"\x01" + self.rows[_STARTS[ROWS - 1] :]).digest()

    def hash_at(self, row: int, index: int) -> bytes:
        """The hash in a row that the whole tree counts as `index` at its level."""
        start = _STARTS[row] + index % (TILE_WIDTH >> row) * HASH_BYTES
        return self.rows[start : start + HASH_BYTES]

    def climb(self, row: int, index: int, own: bytes) -> tuple[list[bytes], bytes]:
        """The siblings on the way from a hash up to the root, and the root that they lead to."""
        siblings = []
        place = index % (TILE_WIDTH >> row)
        for start in _STARTS[row:ROWS]:
            at = start + (place ^ 1) * HASH_BYTES
            sibling = self.rows[at : at + HASH_BYTES]
            siblings.append(sibling)
            pair = sibling + own if place & 1 else own + sibling
            own = sha256(b"\x01" + pair).digest()
            place >>= 1
        return siblings, own


class StoredTiles:
    """The tree in the table `tile`. Safe for threads as far as `fetch` is."""

    def __init__(self, fetch: FetchTile) -> None:
        self._fetch = fetch
        self._tiles: _Recent[FullTile] = _Recent(TILES_REMEMBERED)
        self._roots: _Recent[bytes] = _Recent(ROOTS_REMEMBERED)

    def hash_at(self, level: int, index: int, edge: Edge) -> bytes:
        """The root of the perfect subtree `index` of 2^level leaves in the tree of `edge`.

        Raises `LedgerDamaged` when what is stored is not that tree.
        """
        found = edge.find_hash(level, index)
        if found is not None:
            return found
        tile_level, row = divmod(level, ROWS)
        n = index >> (ROWS - row)
        tile = self._load(tile_level, n)
        own = tile.hash_at(row, index)
        self._check(tile_level, n, tile.climb(row, index, own)[1], edge)
        return own

    def siblings(self, level: int, index: int, own: bytes | None, edge: Edge) -> list[bytes]:
        """The eight hashes beside the way from a hash of a full tile up to the tile's root.

        `own` is that hash where the caller has it from elsewhere, as from an entry: then it is
        checked too. Raises `LedgerDamaged`.
        """
        tile_level = level // ROWS
        n = index // TILE_WIDTH
        tile = self._load(tile_level, n)
        siblings, root = tile.climb(0, index, own or tile.hash_at(0, index))
        self._check(tile_level, n, root, edge)
        return siblings

    def read(self, level: int, n: int, width: int, edge: Edge) -> bytes | None:
        """The first `width` hashes of a tile, None if the tree of `edge` has not that many."""
        there = (edge.size >> ROWS * level) - n * TILE_WIDTH
        if not 1 <= width <= min(TILE_WIDTH, there):
            return None
        data = self._whole(level, n, edge).data if there >= TILE_WIDTH else edge.partial(level)
        return data[: width * HASH_BYTES]

    def _load(self, level: int, n: int) -> FullTile:
        """A full tile as it is stored: nothing in it is checked."""
        tile = self._tiles.get(level, n)
        if tile is None:
            row = self._fetch(level, n)
            if row is None:
                raise LedgerDamaged(f"the stored tile {n} of level {level} is missing")
            data, inside = row
            if not isinstance(data, bytes) or not isinstance(inside, bytes):
                raise LedgerDamaged(f"the stored tile {n} of level {level} is no bytes")
            if (len(data), len(inside)) != (TILE_BYTES, INSIDE_BYTES):
                raise LedgerDamaged(f"the stored tile {n} of level {level} is cut short")
            tile = FullTile(data + inside)
            self._tiles.put(level, n, tile)
        return tile

    def _whole(self, level: int, n: int, edge: Edge) -> FullTile:
        tile = self._load(level, n)
        if not tile.whole:
            self._check(level, n, FullTile.of(tile.data).root, edge)
            tile.whole = True
        return tile

    def _check(self, level: int, n: int, root: bytes, edge: Edge) -> None:
        known = self._roots.get(level, n)
        if known is None:
            # The tile above holds this one's root; up there is the edge, so this ends.
            known = self.hash_at(ROWS * (level + 1), n, edge)
            self._roots.put(level, n, known)
        if root != known:
            raise LedgerDamaged(f"the stored tile {n} of level {level} is not the one in the tree")


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
