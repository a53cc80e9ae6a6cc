"""What is checked before the log is written again: the right edge, the last batch, the register.

The database alone could be an older copy, the register alone a stale one; each vouches for the
other. Signing goes on only where both can be continued.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from creditchain.ledger.failure import LedgerDamaged, LedgerRefused
from creditchain.ledger.machine import State
from creditchain.ledger.order import START, Position, digest_of
from creditchain.ledger.publisher import Publisher
from creditchain.ledger.register import HeadRegister
from creditchain.ledger.tiles import FullTile
from creditchain.seal import Entry, format_entry
from creditchain.tlog.checkpoint import Checkpoint
from creditchain.tlog.edge import Edge, edge_tiles
from creditchain.tlog.merkle import fold, leaf_hashes_of, perfect_subtrees
from creditchain.tlog.note import BadNote
from creditchain.tlog.tile import TILE_BYTES, TILE_WIDTH, BadTile

_CHECKPOINT: Final = "SELECT size, root, note, at FROM checkpoint ORDER BY size DESC LIMIT 1"
_BATCH: Final = (
    "SELECT height, previous, digest, at, first_index, count FROM batch"
    " ORDER BY height DESC LIMIT 1"
)
_ENTRIES: Final = "SELECT idx, at, commitment FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_TILES: Final = "SELECT n, data FROM tile WHERE level = ? AND n >= ? AND n < ? ORDER BY n"


def read_state(connection: sqlite3.Connection, publisher: Publisher, path: Path) -> State:
    """The state after the last batch in the database, verified, and published from here on.

    The right edge is computed again from the entries and tiles beside it and must lead to the root
    that was signed. Raises `LedgerRefused`.
    """
    row = connection.execute(_CHECKPOINT).fetchone()
    if row is None:
        raise LedgerRefused(f"{path} holds no founded log. Found a consortium first.")
    size, root, note, at = row
    try:
        signed = publisher.open(note).checkpoint
    except BadNote as error:
        raise LedgerRefused(
            f"the newest checkpoint in {path} is not by the log key of this hub ({error}). Give "
            "the hub the key with which the log was founded."
        ) from error
    if (signed.size, signed.root) != (size, root):
        raise LedgerRefused(_damaged(path, "a checkpoint row differs from its note"))
    (most,) = connection.execute("SELECT max(idx) FROM entry").fetchone()
    if most is None or most + 1 != size:
        raise LedgerRefused(_damaged(path, f"{most} is the last entry of a log of {size}"))
    try:
        edge = _read_edge(connection, size)
    except (LedgerDamaged, BadTile) as error:
        raise LedgerRefused(_damaged(path, str(error))) from error
    if edge.root() != root:
        raise LedgerRefused(
            _damaged(
                path,
                "the entries and tiles of the right edge lead to another root than the one signed",
            )
        )
    position = _read_position(connection, size, at, path)
    publisher.publish(edge, root, note)
    return State(position, at, edge, root)


def check_register(register: HeadRegister, publisher: Publisher, path: Path) -> None:
    """Compares the register with the published head, and brings it up to a committed batch.

    Raises `LedgerRefused` when the database is behind the register, or beside it.
    """
    try:
        kept = publisher.open(register.note).checkpoint
    except BadNote as error:
        raise LedgerRefused(
            f"the head register is not of this log or not by its key ({error}). Put back the one "
            f"that belongs to {path}."
        ) from error
    head = publisher.head()
    if kept.size > head.size:
        raise LedgerRefused(
            f"{path} holds a log of {head.size} entries, but this hub has already signed one of "
            f"{kept.size}: the database was restored from an older copy. To sign from here would "
            f"fork the log. Put back the newest copy of the database, or have the observer run "
            f"`regulator export --from {head.size}` and bring the file in with `creditchain hub "
            "recover --entries FILE`; leave the register alone."
        )
    if root_at(kept, publisher) != kept.root:
        raise LedgerRefused(
            f"the head register holds another root for a log of {kept.size} entries than {path}: "
            "the two are of different histories. Do not sign; ask the observer which one it has "
            "cosigned, and put back the database and the register that belong to it."
        )
    if kept.size < head.size:
        # The hub ended between COMMIT and register, so nobody was answered from here yet.
        register.write(head.note)


def root_at(checkpoint: Checkpoint, publisher: Publisher) -> bytes:
    """The root that the stored tree has at the size of an earlier checkpoint."""
    edge = publisher.edge
    peaks = perfect_subtrees(0, checkpoint.size)
    hashes = [publisher.tiles.hash_at(level, index, edge) for level, index in peaks]
    return fold(hashes) if hashes else Edge.empty().root()


def read_cosignatures(connection: sqlite3.Connection, publisher: Publisher) -> None:
    """Publishes the newest cosignatures, and the largest checkpoint that meets the policy."""
    found: dict[int, tuple[str, list[str]]] = {}
    rows = connection.execute(
        "SELECT c.size, c.note, s.line FROM cosignature s JOIN checkpoint c ON c.size = s.size"
        " ORDER BY c.size DESC, s.name"
    )
    for size, note, line in rows:
        if size not in found and len(found) == 1:
            previous = next(iter(found))
            if publisher.is_observed(*found[previous]):
                break
            found.clear()
        found.setdefault(size, (note, []))[1].append(line)
    for note, lines in found.values():
        publisher.take_cosignatures(note, lines)


def _read_edge(connection: sqlite3.Connection, size: int) -> Edge:
    tiles: dict[int, bytes] = {}
    for tile in edge_tiles(size):
        start = tile.n * TILE_WIDTH
        end = start + tile.width
        if tile.level == 0:
            rows = connection.execute(_ENTRIES, (start, end)).fetchall()
            hashes = leaf_hashes_of(_format(row) for row in rows)
        else:
            rows = connection.execute(_TILES, (tile.level - 1, start, end)).fetchall()
            if any(len(data) != TILE_BYTES for _, data in rows):
                raise LedgerDamaged(f"a tile of level {tile.level - 1} is cut short")
            hashes = [FullTile.of(data).root for _, data in rows]
        if [row[0] for row in rows] != list(range(start, end)):
            raise LedgerDamaged(f"rows beside the edge of level {tile.level} are missing")
        tiles[tile.level] = b"".join(hashes)
    return Edge.from_tiles(size, tiles)


def _read_position(connection: sqlite3.Connection, size: int, at: int, path: Path) -> Position:
    row: Any = connection.execute(_BATCH).fetchone()
    if row is None:
        raise LedgerRefused(_damaged(path, "there are entries and no batch"))
    height, previous, digest, batch_at, first, count = row
    rows = connection.execute(_ENTRIES, (first, first + count)).fetchall()
    expected = digest_of(height, previous, batch_at, [row[2] for row in rows])
    if first + count != size or batch_at != at or digest != expected:
        raise LedgerRefused(_damaged(path, f"batch {height} does not hold what its digest says"))
    if height == START.height + 1 and previous != START.digest:
        raise LedgerRefused(_damaged(path, "the first batch follows another one"))
    return Position(height, digest)


def _format(row: tuple[int, int, bytes]) -> bytes:
    return format_entry(Entry(row[1], row[2]))


def _damaged(path: Path, what: str) -> str:
    return (
        f"{path} is damaged: {what}. Nothing was changed. Put back the newest copy of the "
        "database; what it lacks, take from the observer with `regulator export` and "
        "`creditchain hub recover`."
    )
