"""Tiles and bundles: the static files a log is read through (C2SP tlog-tiles).

- A tile holds up to 256 hashes: tile `n` of level `l` has the roots of perfect subtrees of 256^l
  leaves, from number `256 n` on. A full tile is 8,192 bytes and never changes; the rightmost tile
  of a level is partial, as wide as the tree of that size makes it, and never empty.
- A bundle holds up to 256 entries (or, under another prefix, bodies), each after its u16-BE length.
- Every path and every bundle has exactly one spelling.

    >>> format_tile_path(Tile(level=0, n=1234, width=5))
    'tile/0/x001/234.p/5'
    >>> parse_bundle(format_bundle([b"a", b"bc"]), 2)
    [b'a', b'bc']
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from creditchain.tlog.merkle import HASH_BYTES, SIZE_MAX

TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * HASH_BYTES
ENTRY_BYTES_MAX = 65_535  # the u16 length prefix of an entry bundle holds no more
TILE_LEVEL_MAX = 63  # the highest level a path may name (tlog-tiles)
TILE_N_MAX = SIZE_MAX // TILE_WIDTH  # no tree of a legal size has a tile beyond it

_N = r"((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"  # TILE_N_MAX has six groups
_TILE_PATH = re.compile(rf"tile/(0|[1-9][0-9]?)/{_N}")
_BUNDLE_PATH = re.compile(_N)


class BadPath(ValueError):
    """The text names no tile or bundle; a reader answers 404."""


class BadBundle(ValueError):
    """The bytes are not a bundle of the expected number of entries."""


class BadTile(ValueError):
    """A tile has the wrong length, or is not the one the root vouches for."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile's place: level 0 is leaf hashes; `width` hashes of it exist, 256 when it is full."""

    level: int
    n: int
    width: int = TILE_WIDTH


@dataclass(frozen=True, slots=True, order=True)
class BundlePath:
    """A bundle's place: `width` entries from index `256 n` on, 256 when it is full."""

    n: int
    width: int = TILE_WIDTH


def format_tile_path(tile: Tile) -> str:
    """The path of a tile under the log's prefix; raises BadPath when there is none."""
    if not 0 <= tile.level <= TILE_LEVEL_MAX:
        raise BadPath(f"no tile level {tile.level}")
    return f"tile/{tile.level}/{_format_n(tile.n, tile.width)}"


def parse_tile_path(text: str) -> Tile:
    """The tile that `text` names in its one spelling; raises BadPath."""
    match = _TILE_PATH.fullmatch(text)
    if match is None:
        raise BadPath("not a tile path")
    n, width = _parse_n(match[2], match[3])
    tile = Tile(int(match[1]), n, width)
    if format_tile_path(tile) != text:
        raise BadPath("not the spelling of a tile path")
    return tile


def format_bundle_path(path: BundlePath, prefix: str = "tile/entries") -> str:
    """The path of a bundle: `tile/entries` for entries, `bodies` for bodies; raises BadPath."""
    return f"{prefix}/{_format_n(path.n, path.width)}"


def parse_bundle_path(text: str, prefix: str = "tile/entries") -> BundlePath:
    """The bundle that `text` names under `prefix`, in its one spelling; raises BadPath."""
    match = _BUNDLE_PATH.fullmatch(text.removeprefix(f"{prefix}/"))
    if match is None:
        raise BadPath("not a bundle path")
    path = BundlePath(*_parse_n(match[1], match[2]))
    if format_bundle_path(path, prefix) != text:
        raise BadPath("not the spelling of a bundle path")
    return path


def format_bundle(entries: Sequence[bytes]) -> bytes:
    """The bundle of 1 to 256 entries, each up to 65,535 bytes; raises BadBundle.

    An empty entry is written as it is: in a body bundle it means that the body was erased.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise BadBundle(f"a bundle cannot hold {len(entries)} entries")
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise BadBundle(f"an entry of {len(entry)} bytes is over {ENTRY_BYTES_MAX}")
        parts.append(len(entry).to_bytes(2))
        parts.append(entry)
    return b"".join(parts)


def parse_bundle(data: bytes, count: int, *, allow_empty: bool = False) -> list[bytes]:
    """The `count` entries of a bundle, using all its bytes; raises BadBundle.

    `allow_empty` is for body bundles, where length 0 stands for an erased body.
    """
    if not 1 <= count <= TILE_WIDTH:
        raise BadBundle(f"a bundle cannot hold {count} entries")
    entries = []
    at = 0
    for _ in range(count):
        start = at + 2
        at = start + int.from_bytes(data[at:start])
        # A cut inside the prefix leaves `start` past the end, and so `at`: one test sees both cuts.
        if at > len(data):
            raise BadBundle("the bundle ends inside an entry")
        if start == at and not allow_empty:
            raise BadBundle("an entry is empty")
        entries.append(data[start:at])
    if at != len(data):
        raise BadBundle("bytes follow the last entry")
    return entries


def tiles_of(size: int) -> list[Tile]:
    """Every tile of a tree of `size`: the full ones and each level's partial right edge."""
    return new_tiles(0, size)


def new_tiles(old_size: int, new_size: int) -> list[Tile]:
    """The tiles of `new_size` that hold a hash which no tile of `old_size` held.

    Level by level, left to right; the last of a level may be partial. With the tiles of `old_size`
    these are all that a mirror needs.
    """
    tiles = []
    for level in range(TILE_LEVEL_MAX + 1):
        old, new = old_size >> 8 * level, new_size >> 8 * level
        if new == 0:
            break
        if new > old:
            tiles += [Tile(level, n, width) for n, width in _spans(old, new)]
    return tiles


def new_bundles(old_size: int, new_size: int) -> list[BundlePath]:
    """The bundles of `new_size` that hold an entry which no bundle of `old_size` held."""
    return [BundlePath(n, width) for n, width in _spans(old_size, new_size)]


def exact_tile(data: bytes, width: int) -> bytes:
    """The `width` hashes of a tile as fetched; raises BadTile when the length fits neither.

    A log may answer with the full tile where it dropped a partial (tlog-tiles), so 8,192 bytes are
    cut down to the width that was asked for.
    """
    if len(data) == width * HASH_BYTES:
        return data
    if len(data) == TILE_BYTES:
        return data[: width * HASH_BYTES]
    raise BadTile(f"{len(data)} bytes are no tile of width {width}")


def _spans(old: int, new: int) -> list[tuple[int, int]]:
    """The number and width of each row of 256 that differs between `old` and `new` things."""
    if new <= old:
        return []
    spans = [(n, TILE_WIDTH) for n in range(old // TILE_WIDTH, new // TILE_WIDTH)]
    if new % TILE_WIDTH:
        spans.append((new // TILE_WIDTH, new % TILE_WIDTH))
    return spans


def _format_n(n: int, width: int) -> str:
    if not 0 <= n <= TILE_N_MAX or not 1 <= width <= TILE_WIDTH:
        raise BadPath(f"no tile number {n} of width {width}")
    text = f"{n % 1000:03}"
    while n := n // 1000:
        text = f"x{n % 1000:03}/{text}"
    return text if width == TILE_WIDTH else f"{text}.p/{width}"


def _parse_n(groups: str, width: str | None) -> tuple[int, int]:
    return int(groups.replace("x", "").replace("/", "")), int(width or TILE_WIDTH)
