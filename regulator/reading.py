"""What the door reads of the copy, beside the writer: heads, findings, tiles, bundles.

Each call takes a read-only connection and sees one committed state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from sqlalchemy import Engine

from creditchain.tlog.extract import write_extract
from creditchain.tlog.tile import TILE_WIDTH, BundlePath, Tile, format_bundle
from creditchain.tlog.wire import encode_base64
from regulator.finding import ABOUT_OURSELVES
from regulator.stored import CopyDamaged, Signed, read_entries, read_head, read_tile

FINDINGS_SHOWN: Final = 20
"""The newest; the register has them all."""

ROWS_READ: Final = 1_024
"""Entries of an export in memory at once: at most 64 MiB of bodies."""


class NothingToExport(Exception):
    """Our copy has nothing under a checkpoint there; the message says what it has."""


@dataclass(frozen=True, slots=True)
class Findings:
    """How many findings there are, certain or not, and the newest of them.

    `ours` are those about ourselves, in neither count; `damaged` says how many rows of our copy are
    not mended yet, `waiting` how much that members handed in waits for our copy.
    """

    certain: int
    uncertain: int
    ours: int
    damaged: int
    waiting: int
    by_code: dict[str, int]
    newest: list[dict[str, Any]]


def read_signed(engine: Engine, name: str) -> Signed | None:
    """The head last cosigned under a name, as committed."""
    with engine.begin() as connection:
        signed = read_head(connection, name)
    return signed if signed is not None and signed.line else None


def read_findings(engine: Engine, most: int) -> Findings:
    """Counts, and up to `most` of the newest findings without their evidence."""
    with engine.begin() as connection:
        counts = connection.exec_driver_sql(
            "SELECT code, certain, count(*) FROM finding GROUP BY code, certain"
        ).fetchall()
        damaged = connection.exec_driver_sql("SELECT count(*) FROM damage").scalar_one()
        waiting = connection.exec_driver_sql("SELECT count(*) FROM submission").scalar_one()
        newest = connection.exec_driver_sql(
            "SELECT id, code, idx, detail, certain, found_at, size FROM finding "
            "ORDER BY id DESC LIMIT ?",
            (most,),
        ).fetchall()
    by_code: dict[str, int] = {}
    for code, _, count in counts:
        by_code[code] = by_code.get(code, 0) + count
    ours = {code.value for code in ABOUT_OURSELVES}
    return Findings(
        sum(count for code, certain, count in counts if certain and code not in ours),
        sum(count for code, certain, count in counts if not certain and code not in ours),
        sum(count for code, _, count in counts if code in ours),
        damaged,
        waiting,
        by_code,
        [
            {
                "id": row.id,
                "code": row.code,
                "index": row.idx,
                "detail": row.detail,
                "certain": bool(row.certain),
                "foundAt": row.found_at,
                "size": row.size,
            }
            for row in newest
        ],
    )


def is_damaged(engine: Engine) -> bool:
    """Whether a row of our copy is known to be damaged and not mended yet."""
    with engine.begin() as connection:
        row = connection.exec_driver_sql("SELECT 1 FROM damage LIMIT 1").first()
    return row is not None


def describe_copy(engine: Engine, names: Iterable[str]) -> dict[str, Any]:
    """What the database alone says of the observer, as its status tells it.

    `names` are those under which it cosigns.
    """
    with engine.begin() as connection:
        copy = connection.exec_driver_sql("SELECT origin, size, root FROM copy").one()
        gone, erased = connection.exec_driver_sql(
            "SELECT count(*), count(erased_by) FROM hole"
        ).one()
    findings = read_findings(engine, FINDINGS_SHOWN)
    return {
        "origin": copy.origin,
        "size": copy.size,
        "root": encode_base64(copy.root),
        "cosigned": {name: _describe_head(read_signed(engine, name)) for name in names},
        "bodies": {"missing": gone - erased, "erased": erased},
        "violations": findings.certain,
        "uncertain": findings.uncertain,
        "ours": {"findings": findings.ours, "damaged": findings.damaged},
        "submissions": {"waiting": findings.waiting},
        "findings": {"byCode": findings.by_code, "newest": findings.newest},
    }


def _describe_head(signed: Signed | None) -> dict[str, Any]:
    if signed is None:
        return {"size": 0, "root": None, "cosignedAt": None}
    head = signed.head
    return {
        "size": head.size,
        "root": encode_base64(head.root),
        "cosignedAt": signed.time_s,
    }


def serve_tile(engine: Engine, tile: Tile) -> bytes | None:
    """A tile of our copy; None when it is not in it."""
    with engine.begin() as connection:
        size = _size(connection)
        if (size >> 8 * tile.level) - tile.n * TILE_WIDTH < tile.width:
            return None
        return read_tile(connection, tile.level, tile.n, tile.width)


def serve_bundle(engine: Engine, path: BundlePath) -> bytes | None:
    """A bundle of entries of our copy; None when it is not in it."""
    with engine.begin() as connection:
        if _size(connection) - path.n * TILE_WIDTH < path.width:
            return None
        return format_bundle(read_entries(connection, path.n * TILE_WIDTH, path.width))


def read_bodies(engine: Engine, path: BundlePath) -> list[bytes]:
    """The bodies of a bundle as stored, empty where there is none."""
    start = path.n * TILE_WIDTH
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
            (start, start + path.width),
        ).fetchall()
    return [row[0] or b"" for row in rows]


def export(engine: Engine, start: int, file: BinaryIO) -> tuple[int, int]:
    """Writes our copy from entry `start` up to the newest checkpoint as an extract.

    Gives its size and how many of its bodies are empty. One committed state; a running observer
    goes on. Raises `NothingToExport`.
    """
    with engine.begin() as connection:
        size = _size(connection)
        signed = [read_head(connection, name) for name in ("witness", "mirror")]
        heads = [one.head for one in signed if one is not None and one.head.size <= size]
        if not heads:
            raise NothingToExport("no checkpoint is copied to its end yet: follow the hub first")
        head = max(heads, key=lambda one: one.size)
        if start >= head.size:
            raise NothingToExport(f"our copy has {head.size} entries under a checkpoint")
        missing = 0

        def pairs() -> Iterator[tuple[bytes, bytes]]:
            nonlocal missing
            for index in range(start, head.size, ROWS_READ):
                rows = connection.exec_driver_sql(
                    "SELECT idx, entry, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
                    (index, min(index + ROWS_READ, head.size)),
                ).fetchall()
                if [row[0] for row in rows] != list(range(index, index + len(rows))) or (
                    len(rows) != min(ROWS_READ, head.size - index)
                ):
                    raise CopyDamaged(f"our own entries from {index} on are incomplete")
                for _, entry, body in rows:
                    missing += body is None
                    yield entry, body or b""

        write_extract(file, start, head.note, pairs())
        return head.size, missing


def _size(connection: Any) -> int:
    return int(connection.exec_driver_sql("SELECT size FROM copy").scalar_one())
