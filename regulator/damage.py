"""What is wrong with our own copy, and making good what can be made good.

A package of 256 entries is judged by the tree as it is held in memory, proven when it was stored:
each tile by its cell in the tile above, from the right edge down; each entry by its leaf, each body
by its commitment, each id and type by the body. So entries and the tile over them changed together
are found too. Nothing is mended with bytes that do not hash to what the tree says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from creditchain.events import MalformedEvent
from creditchain.events.envelope import canonical_json
from creditchain.rulebook.record import RECORDS, Key
from creditchain.rulebook.record_json import record_from_json, record_to_json
from creditchain.seal import BadSeal, parse_entry, unseal
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import HASH_BYTES, Frontier, leaf_hash
from creditchain.tlog.tile import TILE_WIDTH
from regulator.finding import Finding, FindingCode, digest_of

RECORDS_READ: Final = 256
"""Records read at a time."""

_KINDS: Final = {kind.__name__: kind for kind in RECORDS}

_log = structlog.get_logger("regulator.damage")


@dataclass(frozen=True, slots=True)
class Damage:
    """One row of our copy that is not what was stored.

    `part` is entry, tile, body, index (an event's id and type), record or finding; `index` the
    entry concerned, of a tile the first below it, of a finding its number; `level` that of a tile,
    and `right` what belongs there, where what lies below it tells.
    """

    part: str
    index: int
    says: str
    level: int = 0
    right: bytes = b""

    def finding(self) -> Finding:
        """As it is kept."""
        evidence: dict[str, str | int] = {"part": self.part}
        if self.part == "finding":
            detail = f"finding {self.index}: {self.says}"
            return Finding(FindingCode.COPY_DAMAGED, None, detail, evidence)
        if self.part == "tile":
            evidence["level"] = self.level
        return Finding(FindingCode.COPY_DAMAGED, self.index, f"{self.part}: {self.says}", evidence)


@dataclass(frozen=True, slots=True)
class Tree:
    """Our tree as the follower holds it in memory, proven when it was stored."""

    size: int
    edge: Edge

    def partial(self, level: int) -> bytes:
        """The hashes of the rightmost tile of a level, if it is not full."""
        return self.edge.partial(level)


def examine(connection: Connection, tree: Tree, n: int) -> list[Damage]:
    """What is wrong with package `n` of our copy, which the tree has."""
    width = min(TILE_WIDTH, tree.size - n * TILE_WIDTH)
    start = n * TILE_WIDTH
    rows = {
        row[0]: row
        for row in connection.exec_driver_sql(
            "SELECT idx, entry, body, event, type, (SELECT count(*) FROM hole "
            "WHERE hole.idx = entry.idx) FROM entry WHERE idx >= ? AND idx < ?",
            (start, start + width),
        )
    }
    leaves = [
        leaf_hash(_bytes(rows[i][1])) if i in rows else b"" for i in range(start, start + width)
    ]
    authentic, found = _leaves_of(connection, tree, n, leaves)
    if authentic is None:
        says = "neither the entries nor the tile over them are in the tree"
        return [*found, Damage("entry", start, says)]
    for place, index in enumerate(range(start, start + width)):
        if leaves[place] != authentic[place * HASH_BYTES :][:HASH_BYTES]:
            says = "it is not there" if index not in rows else "it does not hash to its leaf"
            found.append(Damage("entry", index, says))
        else:
            found += _examine_body(rows[index])
    return found


def _leaves_of(
    connection: Connection, tree: Tree, n: int, leaves: Sequence[bytes]
) -> tuple[bytes | None, list[Damage]]:
    """The authentic leaf hashes of a package, None if we have none; and the tiles that are wrong.

    From the right edge down: a tile counts if it hashes to its cell in the tile above.
    """
    chain = []
    level, place = 0, n
    while (tree.size >> 8 * (level + 1)) > place:
        chain.append((level, place))
        level, place = level + 1, place // TILE_WIDTH
    above = tree.partial(level)
    if not chain:
        return above, []
    found: list[Damage] = []
    for level, place in reversed(chain):
        cell = above[place % TILE_WIDTH * HASH_BYTES :][:HASH_BYTES]
        row = connection.exec_driver_sql(
            "SELECT data FROM tile WHERE level = ? AND n = ?", (level, place)
        ).first()
        data = b"" if row is None else _bytes(row[0])
        if len(data) == TILE_WIDTH * HASH_BYTES and _root(data) == cell:
            above = data
            continue
        says = "it is not there" if row is None else "it does not hash to its cell above"
        below = b"".join(leaves) if level == 0 else _roots_below(connection, level, place)
        if len(below) != TILE_WIDTH * HASH_BYTES or _root(below) != cell:
            below = b""
        found.append(Damage("tile", place << 8 * (level + 1), says, level, below))
        if not below:
            return None, found
        above = below
    return above, found


def _bytes(value: object) -> bytes:
    """A column's bytes; none where SQLite has been made to hold something else there."""
    return value if isinstance(value, bytes) else b""


def _roots_below(connection: Connection, level: int, place: int) -> bytes:
    """A tile made anew from the tiles below it, as they stand."""
    rows = connection.exec_driver_sql(
        "SELECT data FROM tile WHERE level = ? AND n >= ? AND n < ? ORDER BY n",
        (level - 1, place * TILE_WIDTH, (place + 1) * TILE_WIDTH),
    )
    return b"".join(_root(_bytes(row[0])) for row in rows)


def _root(tile: bytes) -> bytes:
    hashes = [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
    if any(len(h) != HASH_BYTES for h in hashes):
        return b""
    return Frontier.empty().extend(hashes).root()


def _examine_body(row: Any) -> list[Damage]:
    index, entry, body, event, event_type, holes = row
    try:
        commitment = parse_entry(entry).commitment
    except MalformedEvent:
        # It is in the tree like this; a finding says so.
        return []
    if body is None:
        return [] if holes else [Damage("body", index, "it is gone and nothing says why")]
    if hashlib.sha256(_bytes(body)).digest() != commitment:
        return [Damage("body", index, "it does not hash to its commitment")]
    if holes:
        return [Damage("body", index, "it is there and said to be gone")]
    if (event, event_type) != _named(body) and not (event is None and _is_no_event(body)):
        return [Damage("index", index, "id and type are not those of the body")]
    return []


def _named(body: bytes) -> tuple[str | None, str | None]:
    """The event's id and type; nothing of a body that is no event."""
    try:
        event = json.loads(body)["event"]
        return event["id"], event["type"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, None


def _is_no_event(body: bytes) -> bool:
    try:
        unseal(body, lambda _event, _kid: None)
    except MalformedEvent:
        return True
    except BadSeal:
        return False
    raise AssertionError("nothing is sealed without a key")


def examine_records(
    connection: Connection, size: int, after: tuple[str, str]
) -> tuple[list[Damage], tuple[str, str] | None]:
    """What is wrong with the next records, and the last one read; None after the end.

    Only their form is judged, and that a key's record has that key: `regulator check` replays.
    `size` is what the tree had at least; the copy may have grown since, and records with it, so how
    far it goes is read in the same statement as they are.
    """
    rows = connection.exec_driver_sql(
        "SELECT kind, id, json, changed_index, (SELECT max(idx) FROM entry) FROM record "
        "WHERE (kind, id) > (?, ?) ORDER BY kind, id LIMIT ?",
        (*after, RECORDS_READ),
    ).fetchall()
    found = []
    for kind, id_, text, index, newest in rows:
        held = max(size, (-1 if newest is None else newest) + 1)
        if not _is_record(kind, id_, text) or not 0 <= index < held:
            place = index if 0 <= index < held else 0
            found.append(Damage("record", place, f"{kind} {id_} is none"))
    return found, (rows[-1][0], rows[-1][1]) if len(rows) == RECORDS_READ else None


def examine_findings(connection: Connection, after: int) -> tuple[list[Damage], int | None]:
    """Those of the next findings that are not what was found, and the last read; None at the end.

    They are evidence, and outlive much.
    """
    rows = connection.exec_driver_sql(
        "SELECT id, digest, code, idx, detail, evidence FROM finding WHERE id > ? ORDER BY id "
        "LIMIT ?",
        (after, RECORDS_READ),
    ).fetchall()
    found = []
    for id_, digest, code, index, detail, evidence in rows:
        try:
            right = digest_of(code, index, detail, evidence)
        except (TypeError, ValueError, AttributeError):
            right = b""
        if digest != right:
            found.append(Damage("finding", id_, "it is not what was found"))
    return found, rows[-1][0] if len(rows) == RECORDS_READ else None


def _is_record(kind: str, id_: str, text: str) -> bool:
    type_ = _KINDS.get(kind)
    if type_ is None:
        return False
    try:
        record = record_from_json(type_, json.loads(text))
        if canonical_json(record_to_json(record)).decode() != text or record.id != id_:
            return False
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    return not isinstance(record, Key) or record.id == f"{record.owner}/{record.key.kid}"


def let_go(connection: Connection, index: int) -> None:
    """Make a damaged body one that is missing: the follower asks the hub for it again."""
    execute = connection.exec_driver_sql
    row = execute("SELECT erased_by FROM hole WHERE idx = ?", (index,)).first()
    execute("UPDATE entry SET body = NULL WHERE idx = ?", (index,))
    if row is None:
        # Not to be reported as withheld: it is we who lost it.
        execute("INSERT INTO hole (idx, reported) VALUES (?, 1)", (index,))


def mend_tile(connection: Connection, damage: Damage) -> None:
    place = damage.index >> 8 * (damage.level + 1)
    connection.exec_driver_sql(
        "INSERT INTO tile (level, n, data) VALUES (?, ?, ?) ON CONFLICT (level, n) "
        "DO UPDATE SET data = excluded.data",
        (damage.level, place, damage.right),
    )
    _log.info("a tile was made anew", level=damage.level, n=place)


def mend_index(connection: Connection, index: int) -> None:
    body = connection.exec_driver_sql("SELECT body FROM entry WHERE idx = ?", (index,)).scalar_one()
    connection.exec_driver_sql(
        "UPDATE entry SET event = ?, type = ? WHERE idx = ?", (*_named(body), index)
    )


def put_back_entries(connection: Connection, tree: Tree, n: int, served: Sequence[bytes]) -> None:
    leaves = [leaf_hash(entry) for entry in served]
    authentic, wrong = _leaves_of(connection, tree, n, leaves)
    if authentic is None:
        return
    for damage in wrong:
        # Above entries that were lost with it, the served ones tell what the tile is.
        mend_tile(connection, damage)
    for place, entry in enumerate(served):
        if leaves[place] == authentic[place * HASH_BYTES :][:HASH_BYTES]:
            connection.exec_driver_sql(
                "INSERT INTO entry (idx, entry) VALUES (?, ?) ON CONFLICT (idx) "
                "DO UPDATE SET entry = excluded.entry",
                (n * TILE_WIDTH + place, entry),
            )
    _log.info("entries were fetched again", package=n)
