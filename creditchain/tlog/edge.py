"""The growing right edge of a log, and hashes read from tiles.

- `Edge` appends leaf hashes and hands out each tile as it fills, about two hashes an entry.
- `TileReader` answers any hash of a tree from tiles that are *believed* (our own store).
- `EdgeReader` answers from an edge first, so that proofs of fresh entries need no store.
- `VerifiedTiles` believes nobody: every tile it hands out is authenticated up to a root.

Nothing here is safe for two threads at once; give each its own reader, over `edge.copy()`.

    >>> edge = Edge.empty()
    >>> [tile for tile, _ in edge.append([b"h" * 32] * 256)]
    [Tile(level=0, n=0, width=256)]
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

from creditchain.tlog.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    SIZE_MAX,
    Coord,
    fold,
    leaf_hashes_of,
    perfect_subtrees,
)
from creditchain.tlog.tile import (
    TILE_BYTES,
    TILE_WIDTH,
    BadTile,
    Tile,
    exact_tile,
    parse_bundle,
)

ReadTile = Callable[[int, int, int], bytes]
"""(level, n, width) -> the tile's hashes, or the full tile where a partial was dropped."""

# Tiles whose interior a reader remembers: 16 KiB each, so 1 MiB. One proof touches at most eight.
TILES_REMEMBERED = 64

# Tiles that VerifiedTiles remembers as authentic: 8 KiB each, so 2 MiB. An auditor that walks the
# log left to right needs only the parents above its place; the rest lets it look back cheaply.
VERIFIED_TILES_REMEMBERED = 256

_ROWS = 8  # binary levels inside one tile: 256 hashes, then 128, down to 2


class Edge:
    """The mutable right edge of a log: at each tile level, the rightmost tile that is not yet full.

    It keeps the interior hashes of those tiles too, which makes the root and the proofs of fresh
    entries cheap. Memory: at most 16 KiB for each of up to eight levels.
    """

    __slots__ = ("_rows", "size")

    def __init__(self, size: int, rows: list[bytearray]) -> None:
        # rows[b] holds, joined, the hashes of binary level b that lie in the open tile above it.
        self.size = size
        self._rows = rows

    @classmethod
    def empty(cls) -> Edge:
        """The edge of a log without entries."""
        return cls(0, [])

    @classmethod
    def from_tiles(cls, size: int, tiles: Mapping[int, bytes]) -> Edge:
        """The edge of a log of `size`, from its partial tile at each level that has one.

        Raises BadTile when one is missing or has the wrong length. The caller compares `root()`
        with the checkpoint: that alone tells whether these are the right hashes.
        """
        if not 0 <= size <= SIZE_MAX:
            raise BadTile(f"{size} is no tree size")
        rows: list[bytearray] = []
        for level in range((size.bit_length() + _ROWS - 1) // _ROWS):
            width = (size >> _ROWS * level) % TILE_WIDTH
            if width and level not in tiles:
                raise BadTile(f"the edge lacks its tile of level {level}")
            rows += _interior(exact_tile(tiles[level], width)) if width else _no_rows()
        return cls(size, rows)

    @classmethod
    def from_reader(cls, size: int, read_tile: ReadTile) -> Edge:
        """The edge of a log of `size`, its partial tiles fetched through `read_tile`."""
        tiles = {tile.level: read_tile(tile.level, tile.n, tile.width) for tile in edge_tiles(size)}
        return cls.from_tiles(size, tiles)

    def append(self, leaf_hashes: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """Add leaves in order; the tiles they completed, at all levels, lower levels first.

        Raises ValueError, before anything changes, when a hash is not 32 bytes.
        """
        if any(len(h) != HASH_BYTES for h in leaf_hashes):
            raise ValueError("a leaf hash is not 32 bytes")
        completed: list[tuple[Tile, bytes]] = []
        at = 0
        while at < len(leaf_hashes):
            fits = min(len(leaf_hashes) - at, TILE_WIDTH - self.size % TILE_WIDTH)
            self._add(0, b"".join(leaf_hashes[at : at + fits]))
            self.size += fits
            at += fits
            if self.size % TILE_WIDTH == 0:
                self._close_full_tiles(completed)
        return completed

    def root(self) -> bytes:
        """The root of the tree: at most 62 hashes."""
        if self.size == 0:
            return EMPTY_ROOT
        levels = [level for level, _ in perfect_subtrees(0, self.size)]
        return fold([bytes(self._rows[level][-HASH_BYTES:]) for level in levels])

    def partial(self, level: int) -> bytes:
        """The hashes of the open tile at a tile level; empty when it has none."""
        row = _ROWS * level
        return bytes(self._rows[row]) if row < len(self._rows) else b""

    def tiles(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles, as served under this size; `from_tiles` restores them."""
        return [(tile, self.partial(tile.level)) for tile in edge_tiles(self.size)]

    def find_hash(self, level: int, index: int) -> bytes | None:
        """The hash at a binary coordinate if the edge holds it."""
        if level >= len(self._rows):
            return None
        # Leaves before the open tile of this row's tile level are no longer held here.
        top = level - level % _ROWS + _ROWS
        start = (index - (self.size >> top << (top - level))) * HASH_BYTES
        row = self._rows[level]
        return bytes(row[start : start + HASH_BYTES]) if 0 <= start < len(row) else None

    def copy(self) -> Edge:
        """An independent edge: keep it to roll back, or to read from while this one grows."""
        return Edge(self.size, [row[:] for row in self._rows])

    def _add(self, level: int, hashes: bytes) -> None:
        """Put hashes into the open tile of a tile level and hash its interior as far as it goes."""
        if len(self._rows) <= _ROWS * level:
            self._rows += _no_rows()
        rows = self._rows[_ROWS * level : _ROWS * level + _ROWS]
        rows[0] += hashes
        _grow_interior(rows)

    def _close_full_tiles(self, completed: list[tuple[Tile, bytes]]) -> None:
        """Take out each tile that is full and put its root into the tile above."""
        level = 0
        while len(self._rows) > _ROWS * level and len(self._rows[_ROWS * level]) == TILE_BYTES:
            rows = self._rows[_ROWS * level : _ROWS * level + _ROWS]
            n = (self.size >> _ROWS * (level + 1)) - 1
            completed.append((Tile(level, n), bytes(rows[0])))
            root = sha256(b"\x01" + rows[-1]).digest()
            for row in rows:
                row.clear()
            level += 1
            self._add(level, root)


class TileReader:
    """A `HashReader` over the tiles of a tree of `size`, which it believes.

    A tile's interior is hashed once and remembered for the last `TILES_REMEMBERED` tiles. Raises
    BadTile when a tile has the wrong length, ValueError for a hash outside the tree.
    """

    __slots__ = ("_interiors", "_read_tile", "size")

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        self.size = size
        self._read_tile = read_tile
        self._interiors: OrderedDict[tuple[int, int], list[bytearray]] = OrderedDict()

    def read_hashes(self, coords: Sequence[Coord]) -> Sequence[bytes]:
        """The hash at each binary coordinate, in the order asked."""
        return [self.read_hash(level, index) for level, index in coords]

    def read_hash(self, level: int, index: int) -> bytes:
        """The hash of the perfect subtree number `index` of 2^level leaves."""
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise ValueError(f"no subtree ({level}, {index}) in a tree of {self.size}")
        tile_level, row = divmod(level, _ROWS)
        n = index >> (_ROWS - row)
        start = (index - (n << (_ROWS - row))) * HASH_BYTES
        return bytes(self._interior(tile_level, n)[row][start : start + HASH_BYTES])

    def _interior(self, level: int, n: int) -> list[bytearray]:
        interior = self._interiors.get((level, n))
        if interior is not None:
            self._interiors.move_to_end((level, n))
            return interior
        width = min(TILE_WIDTH, (self.size >> _ROWS * level) - n * TILE_WIDTH)
        interior = _interior(exact_tile(self._read_tile(level, n, width), width))
        self._interiors[level, n] = interior
        if len(self._interiors) > TILES_REMEMBERED:
            self._interiors.popitem(last=False)
        return interior


class EdgeReader:
    """A `HashReader` that asks an edge first and reads only full tiles through `read_tile`.

    The edge must not grow while this reader is used: give it `edge.copy()`.
    """

    __slots__ = ("_edge", "_tiles", "size")

    def __init__(self, edge: Edge, read_tile: ReadTile) -> None:
        self.size = edge.size
        self._edge = edge
        self._tiles = TileReader(edge.size, read_tile)

    def read_hashes(self, coords: Sequence[Coord]) -> Sequence[bytes]:
        """The hash at each binary coordinate, in the order asked; raises as TileReader does."""
        find, read = self._edge.find_hash, self._tiles.read_hash
        return [find(level, index) or read(level, index) for level, index in coords]


class VerifiedTiles:
    """Tiles of a log one does not trust, each authenticated up to `root` before it is handed out.

    - The partial tiles of the right edge are accepted only together: every hash in every one of
      them goes into the root that is recomputed. None is skipped because another root hash lies in
      the same tile; that shortcut let x/mod accept an entry and its leaf hash forged as a pair
      (CVE-2026-56865).
    - A full tile is accepted only when its own root stands in the authenticated tile above it.

    `fetch(level, n, width)` may answer anything. Raises BadTile on the first tile that is not the
    one `root` vouches for, and for a tile outside the tree.
    """

    __slots__ = ("_edge", "_fetch", "_full", "root", "size")

    def __init__(self, size: int, root: bytes, fetch: ReadTile) -> None:
        if not 0 <= size <= SIZE_MAX:
            raise BadTile(f"{size} is no tree size")
        self.size = size
        self.root = root
        self._fetch = fetch
        self._edge: Edge | None = None
        self._full: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def read_tile(self, level: int, n: int, width: int) -> bytes:
        """The first `width` hashes of a tile, authenticated. It is a `ReadTile` itself."""
        in_tree = (self.size >> _ROWS * level) - n * TILE_WIDTH if level >= 0 and n >= 0 else 0
        if not 1 <= width <= min(TILE_WIDTH, in_tree):
            raise BadTile(f"no tile ({level}, {n}, {width}) in a tree of {self.size}")
        full = in_tree >= TILE_WIDTH
        tile = self._full_tile(level, n) if full else self._open_edge().partial(level)
        return tile[: width * HASH_BYTES]

    def read_entries(self, n: int, width: int, bundle: bytes) -> list[bytes]:
        """The entries of bundle `n`, each authenticated by its leaf hash.

        Raises BadBundle when the bytes are no bundle of `width` entries, BadTile when an entry is
        not the one in the tree.
        """
        entries = parse_bundle(bundle, width)
        if b"".join(leaf_hashes_of(entries)) != self.read_tile(0, n, width):
            raise BadTile(f"an entry of bundle {n} is not the one in the tree")
        return entries

    def reader(self) -> TileReader:
        """A `HashReader` over the authenticated tiles."""
        return TileReader(self.size, self.read_tile)

    def edge(self) -> Edge:
        """The authenticated right edge, for the caller to keep and to extend."""
        return self._open_edge().copy()

    def _open_edge(self) -> Edge:
        if self._edge is None:
            edge = Edge.from_reader(self.size, self._fetch)
            if edge.root() != self.root:
                raise BadTile(f"the right edge of the tree of {self.size} leads to another root")
            self._edge = edge
        return self._edge

    def _full_tile(self, level: int, n: int) -> bytes:
        known = self._full.get((level, n))
        if known is not None:
            self._full.move_to_end((level, n))
            return known
        # The tile above holds this one's root; up there is the right edge, so this ends.
        place = n % TILE_WIDTH
        expected = self.read_tile(level + 1, n // TILE_WIDTH, place + 1)[place * HASH_BYTES :]
        data = exact_tile(self._fetch(level, n, TILE_WIDTH), TILE_WIDTH)
        if sha256(b"\x01" + _interior(data)[-1]).digest() != expected:
            raise BadTile(f"tile ({level}, {n}) is not the one in the tree of {self.size}")
        self._full[level, n] = data
        if len(self._full) > VERIFIED_TILES_REMEMBERED:
            self._full.popitem(last=False)
        return data


def edge_tiles(size: int) -> list[Tile]:
    """The partial tiles of a tree of `size`, lowest level first; none at a level that ends full."""
    widths = [(size >> _ROWS * k) % TILE_WIDTH for k in range(-(-size.bit_length() // _ROWS))]
    return [
        Tile(level, size >> _ROWS * (level + 1), width)
        for level, width in enumerate(widths)
        if width
    ]


def _no_rows() -> list[bytearray]:
    return [bytearray() for _ in range(_ROWS)]


def _interior(tile: bytes) -> list[bytearray]:
    """The hashes of a tile and of each binary level above them, one joined row a level."""
    rows = _no_rows()
    rows[0] += tile
    _grow_interior(rows)
    return rows


def _grow_interior(rows: list[bytearray]) -> None:
    """Hash, row by row, the pairs that have no parent yet."""
    for below, row in pairwise(rows):
        pairs = range(2 * len(row), len(below) - HASH_BYTES, 2 * HASH_BYTES)
        row.extend(
            b"".join([sha256(b"\x01" + below[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
        )
