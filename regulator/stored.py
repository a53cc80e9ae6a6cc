"""What is stored of the log: heads, tiles and entries, read in a transaction of the caller's."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import Connection

from creditchain.events import MalformedEvent
from creditchain.seal import parse_entry
from creditchain.tlog.edge import Edge, EdgeReader
from creditchain.tlog.merkle import HASH_BYTES, Frontier, leaf_hashes_of
from creditchain.tlog.tile import TILE_WIDTH
from regulator.verify import Head

UNREADABLE_MAX: Final = 256
"""Entries in a row that cannot be read and are looked past for a time."""


class CopyDamaged(Exception):
    """Our own database contradicts itself; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A head we have cosigned, with our line."""

    head: Head
    line: str
    time_s: int


def read_head(connection: Connection, name: str) -> Signed | None:
    """The head last cosigned under a name."""
    row = connection.exec_driver_sql(
        "SELECT size, root, note, line, time_s FROM head WHERE name = ?", (name,)
    ).first()
    return None if row is None else Signed(Head(row[0], row[1], row[2]), row[3], row[4])


def read_edge(connection: Connection, size: int) -> Edge:
    """The right edge of our own tree at a size; raises `CopyDamaged`."""
    return Edge.from_reader(size, lambda level, n, width: read_tile(connection, level, n, width))


def read_tree(connection: Connection, size: int) -> EdgeReader:
    """The hashes of our own tree at a size, to prove from; raises `CopyDamaged`."""
    edge = read_edge(connection, size)
    return EdgeReader(edge, lambda level, n, _: read_full_tile(connection, level, n))


def read_full_tile(connection: Connection, level: int, n: int) -> bytes:
    """A full tile of our own; raises `CopyDamaged` when it is not there."""
    row = connection.exec_driver_sql(
        "SELECT data FROM tile WHERE level = ? AND n = ?", (level, n)
    ).first()
    if row is None:
        raise CopyDamaged(f"our own tile {level}/{n} is missing; run `regulator check`")
    return cast("bytes", row[0])


def read_tile(connection: Connection, level: int, n: int, width: int) -> bytes:
    """The first `width` hashes of a tile of our own, partial ones made from what is below."""
    if width == TILE_WIDTH:
        return read_full_tile(connection, level, n)
    if level == 0:
        rows = read_entries(connection, n * TILE_WIDTH, width)
        return b"".join(leaf_hashes_of(rows))
    return b"".join(
        _tile_root(read_full_tile(connection, level - 1, n * TILE_WIDTH + place))
        for place in range(width)
    )


def read_entries(connection: Connection, start: int, count: int) -> list[bytes]:
    """The bytes of `count` entries from `start` on; raises `CopyDamaged` when one is not there."""
    rows = connection.exec_driver_sql(
        "SELECT entry FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, start + count)
    ).fetchall()
    if len(rows) != count:
        raise CopyDamaged(f"our own entries from {start} on are incomplete; run `regulator check`")
    return [row[0] for row in rows]


def read_at(connection: Connection, index: int) -> int:
    """When an entry was admitted, ms; one that cannot be read, which is a finding, with the entry
    before it. 0 where nothing says so.
    """
    for place in range(index, max(index - UNREADABLE_MAX, -1), -1):
        row = connection.exec_driver_sql("SELECT entry FROM entry WHERE idx = ?", (place,)).first()
        try:
            return parse_entry(b"" if row is None else row[0]).at
        except MalformedEvent:
            pass
    return 0


def count_before(connection: Connection, at_ms: int, size: int) -> int:
    """How many of the first `size` entries were admitted before a time: it does not go back.

    Where it did all the same, which is a finding, some number that every copy gives.
    """
    return bisect_left(range(size), at_ms, key=lambda index: read_at(connection, index))


def _tile_root(tile: bytes) -> bytes:
    hashes = (tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES))
    return Frontier.empty().extend(hashes).root()
