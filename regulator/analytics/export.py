"""The observer's copy as Parquet: one immutable file for each 65,536 entries, and the open end.

    with refreshed(folder) as exported:   # nobody else changes the files meanwhile
        exported.files

A file is named by its range and carries a stamp: layout, log, range, last entry, and which bodies
of the range are not there. Whatever stands in the folder is good exactly if its stamp is the one we
would write now; everything else is written anew or removed. So there is nothing to repair after a
crash, a restored database or an erasure: the body of an erased event leaves the Parquet file with
the next refresh. A file is written under another name, synced and renamed.

Memory does not grow with the log: rows are read 1,024 at a time and fed to DuckDB in chunks.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import duckdb
from sqlalchemy import Connection, Engine

from creditchain.durable import sync
from creditchain.events import MalformedEvent, canonical_json, parse_event_object
from regulator.analytics.columns import COLUMNS, LAYOUT, LINE, SELECT
from regulator.database import find_copy, open_database
from regulator.stored import CopyDamaged

FOLDER_NAME: Final = "analytics"
"""Beside `observer.db`; derived from it, deleted without loss."""

PARTITION_ENTRIES: Final = 65_536
"""Entries in a full file: some 6 MiB, written in under a second, a row group to skip or to scan."""

ROWS_READ: Final = 1_024
"""Rows of the copy in memory at once: at most 64 MiB of bodies."""

CHUNK_BYTES: Final = 32 * 1024 * 1024
"""Lines handed to DuckDB at once; bounds the temporary file and what is parsed of it."""

MEMORY_LIMIT: Final = "512MB"
"""What DuckDB may take while writing; a full partition of small events needs a tenth of it."""

_ENTRY: Final = re.compile(rb'\{"at":"([0-9T:.Z-]{24})","body":"([A-Za-z0-9_-]{43})"\}')
_COLUMNS: Final = "{" + ", ".join(f"'{name}': '{type_}'" for name, type_ in LINE.items()) + "}"
_STAMP: Final = "creditchain"


class AnalyticsUnusable(Exception):
    """The analytics cannot be made or asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The files as they are now: they hold the first `size` entries of the log `origin`.

    `written` counts the files that this refresh wrote.
    """

    folder: Path
    origin: str
    size: int
    files: tuple[Path, ...]
    written: int


@contextmanager
def refreshed(folder: Path) -> Iterator[Exported]:
    """Brings the files beside `observer.db` in `folder` up to date and holds them as they are.

    Waits while another process does the same. Raises `AnalyticsUnusable`, `DatabaseUnusable` and
    `CopyDamaged`.
    """
    target = folder / FOLDER_NAME
    path = find_copy(folder)
    try:
        target.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(target / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AnalyticsUnusable(f"cannot write to {target}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open_database(path, readers=True) as engine:
            try:
                exported = _refresh(engine, target)
            except (OSError, duckdb.Error) as error:
                raise AnalyticsUnusable(
                    f"cannot write to {target}: {error}; it holds derived data only and may be "
                    "deleted"
                ) from None
        yield exported
    finally:
        os.close(lock)


def _refresh(engine: Engine, target: Path) -> Exported:
    for left in target.glob(".writing-*"):
        left.unlink()
    with engine.begin() as connection:
        row = connection.exec_driver_sql("SELECT origin, genesis, size FROM copy").first()
    if row is None:
        raise AnalyticsUnusable("the copy has not begun; run `regulator serve`")
    there = _stamps(target)
    wanted: list[Path] = []
    written = 0
    for start in range(0, row.size, PARTITION_ENTRIES):
        end = min(start + PARTITION_ENTRIES, row.size)
        path = target / file_name(start, end)
        stamp = stamp_of(engine, row.origin, row.genesis, start, end)
        wanted.append(path)
        if there.get(path) != stamp:
            _write(engine, path, stamp, start, end)
            written += 1
    for path in target.glob("*.parquet"):
        if path not in wanted:
            path.unlink()
    return Exported(target, row.origin, row.size, tuple(wanted), written)


def _stamps(target: Path) -> dict[Path, str]:
    """The stamp of each file; one that cannot be read has none."""
    found: dict[Path, str] = {}
    with duckdb.connect() as base:
        for path in sorted(target.glob("*.parquet")):
            try:
                row = base.execute(
                    "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = ?",
                    [str(path), _STAMP],
                ).fetchone()
            except duckdb.Error:
                continue
            if row is not None:
                found[path] = row[0]
    return found


def file_name(start: int, end: int) -> str:
    """What the file of a range is called; the open end keeps its name while it grows."""
    full = end == start + PARTITION_ENTRIES
    return f"entries-{start:012}-{f'{end:012}' if full else 'open'}.parquet"


def stamp_of(engine: Engine, origin: str, genesis: bytes, start: int, end: int) -> str:
    """What a file of a range is made of, as the copy is now; raises `CopyDamaged`."""
    with engine.begin() as connection:
        last = connection.exec_driver_sql(
            "SELECT entry FROM entry WHERE idx = ?", (end - 1,)
        ).scalar()
        holes = connection.exec_driver_sql(
            "SELECT idx FROM hole WHERE idx >= ? AND idx < ? ORDER BY idx", (start, end)
        ).fetchall()
    if last is None:
        raise CopyDamaged(f"our own entry {end - 1} is missing; run `regulator check`")
    return canonical_json(
        {
            "end": end,
            "genesis": genesis.hex(),
            "holes": sha256(repr([hole[0] for hole in holes]).encode()).hexdigest(),
            "last": sha256(last).hexdigest(),
            "layout": LAYOUT,
            "origin": origin,
            "start": start,
        }
    ).decode()


def _write(engine: Engine, path: Path, stamp: str, start: int, end: int) -> None:
    writing = path.with_name(f".writing-{path.name}")
    lines = path.with_name(f".writing-{path.name}.lines")
    fields = ", ".join(f'"{one.name}" {one.type}' for one in COLUMNS)
    with duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "threads": 1}) as base:
        base.execute(f"CREATE TABLE part ({fields})")
        for chunk in _chunks(engine, start, end):
            lines.write_bytes(chunk)
            base.execute(
                f"INSERT INTO part WITH line AS (FROM read_json({quoted(lines)}, "
                f"format='newline_delimited', columns={_COLUMNS})) {SELECT}"
            )
        lines.unlink(missing_ok=True)
        base.execute(
            f"COPY (FROM part ORDER BY idx) TO {quoted(writing)} (FORMAT parquet, "
            f"COMPRESSION zstd, ROW_GROUP_SIZE {PARTITION_ENTRIES}, "
            f"KV_METADATA {{{_STAMP}: {quoted(stamp)}}})"
        )
    sync(writing)
    writing.chmod(0o400)
    writing.rename(path)
    sync(path.parent)


def _chunks(engine: Engine, start: int, end: int) -> Iterator[bytes]:
    """The entries of a range as lines of JSON, some `CHUNK_BYTES` at a time."""
    pending: list[bytes] = []
    size = 0
    for at in range(start, end, ROWS_READ):
        with engine.begin() as connection:
            rows = _rows(connection, at, min(at + ROWS_READ, end))
        for row in rows:
            line = _line(*row)
            pending.append(line)
            size += len(line)
        if size >= CHUNK_BYTES:
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)


def _rows(connection: Connection, start: int, end: int) -> list[Any]:
    rows: list[Any] = list(
        connection.exec_driver_sql(
            "SELECT idx, entry, body, type, event FROM entry WHERE idx >= ? AND idx < ? "
            "ORDER BY idx",
            (start, end),
        )
    )
    if len(rows) != end - start:
        raise CopyDamaged(f"our own entries from {start} on are incomplete; run `regulator check`")
    return rows


def _line(
    index: int, entry: bytes, body: bytes | None, type_: str | None, event: str | None
) -> bytes:
    if body is not None and type_ is None:
        type_, event = _read_late(body)
        if type_ is None:
            body = None  # it is no event; the finding about it has the bytes
    match = _ENTRY.fullmatch(entry)
    at, commitment = match.groups() if match else (b"", b"")
    return b'{"i":%d%s%s%s%s%s}\n' % (
        index,
        b',"a":"%s"' % at if at else b"",
        b',"c":"%s"' % commitment if commitment else b"",
        b',"t":"%s"' % type_.encode() if type_ else b"",
        b',"e":"%s"' % event.encode() if event else b"",
        b',"b":%s' % body if body else b"",
    )


def _read_late(body: bytes) -> tuple[str | None, str | None]:
    """Type and id of the event in a body that replay did not read; None where there is none.

    A body may come after its entry was replayed; it may also be no event at all.
    """
    try:
        value = json.loads(body)
        event = parse_event_object(value["event"])
        if canonical_json(value) != body:
            return None, None
    except (MalformedEvent, ValueError, RecursionError, KeyError, TypeError):
        return None, None
    return event.type, event.id


def quoted(text: object) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"
