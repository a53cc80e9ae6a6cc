"""A DuckDB connection over the views, as of a size, which reaches nothing but its own files.

    with open_session(folder, size=3_815) as session:
        session.rows("SELECT orderer, count(*) FROM orders GROUP BY orderer")

What is asked cannot read or write another file, load an extension, or raise its own limits. The
session holds hard links to the partitions, so the export may go on beside it: what the session
shows stays as it was. It is meant for one thread.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from creditchain.events import b64u
from regulator.analytics.columns import COLUMNS
from regulator.analytics.export import AnalyticsUnusable, Exported, quoted, refreshed
from regulator.analytics.views import NAMES, views
from regulator.audit_store import AUDIT_NAME
from regulator.database import OBSERVER_NAME, open_beside
from regulator.finding import ABOUT_OURSELVES, severity_of

MEMORY_MIB: Final = 1_024
"""What a session may take; beyond it DuckDB goes to disk, in the session's own folder."""

SPILL_MAX: Final = "16GB"
"""What a session may put there: sorting a hundred million entries takes less."""

THREADS_MAX: Final = 4
"""Threads of a session: it runs beside an observer that follows."""

FINDINGS_READ: Final = 512
"""Findings in memory at once."""

ZONE: Final = "Asia/Shanghai"
"""The time zone of days and months, unless another is asked for."""

_SESSION: Final = ".session-"
_INTEGRITY: Final = (
    "finding VARCHAR, code VARCHAR, idx BIGINT, detail VARCHAR, certain BOOLEAN, "
    "evidence VARCHAR, ours BOOLEAN, severity VARCHAR, seen_idx BIGINT"
)
_AUDIT: Final = (
    "finding VARCHAR, code VARCHAR, severity VARCHAR, pack VARCHAR, idx BIGINT, at_ms BIGINT, "
    "member VARCHAR, officer VARCHAR, certain BOOLEAN, entries BIGINT[], detail VARCHAR"
)


class NotAQuery(ValueError):
    """What was asked is no query; the message says what is."""


class Session:
    """The views over the first `size` entries of the log."""

    def __init__(self, base: duckdb.DuckDBPyConnection, origin: str, size: int) -> None:
        self.base = base
        self.origin = origin
        self.size = size
        self._is_reading = False

    def rows(self, query: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query; raises `duckdb.Error`. What was asked before is over then."""
        self._end_reading()
        return self.base.execute(query, parameters).fetchall()

    def ask(self, text: str) -> duckdb.DuckDBPyConnection:
        """What somebody wrote, run: its last query's result, to be fetched from.

        Only queries are; raises `NotAQuery` for anything else and `duckdb.Error`.
        """
        statements = self.base.extract_statements(text)
        if not statements:
            raise NotAQuery("there is no query in it")
        for statement in statements:
            if statement.type is not duckdb.StatementType.SELECT:
                raise NotAQuery(
                    "only queries are run here: SELECT, FROM, WITH, DESCRIBE, SUMMARIZE"
                )
        # A query may hold what writes: WITH a AS (INSERT ...), which would make findings up here.
        self._end_reading()
        self.base.execute("BEGIN TRANSACTION READ ONLY")
        self._is_reading = True
        try:
            for statement in statements:
                self.base.execute(statement)
        except duckdb.Error:
            self._end_reading()
            raise
        return self.base

    def _end_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self.base.execute("ROLLBACK")

    def one(self, query: str, parameters: Sequence[object] | None = None) -> tuple[Any, ...]:
        """The one row of a query that has one."""
        (row,) = self.rows(query, parameters)
        return row


@contextmanager
def open_session(
    folder: Path,
    *,
    size: int | None = None,
    zone: str = ZONE,
    pack: str | None = None,
    memory_mib: int = MEMORY_MIB,
    threads: int | None = None,
    writes_to: Path | None = None,
) -> Iterator[Session]:
    """The views over the first `size` entries (all, by default) of the copy in `folder`.

    Audit findings are those under the rule pack `pack` (`name@version`), by default the one in
    force. `writes_to` is a folder that may be written to, where something is handed out. Brings the
    export up to date first. Raises `AnalyticsUnusable` and what `refreshed` does.
    """
    with refreshed(folder) as exported:
        if size is None:
            size = exported.size
        if not 0 <= size <= exported.size:
            raise AnalyticsUnusable(f"the copy has {exported.size} entries, not {size}")
        _clear(exported.folder)
        room, lock = _take_room(exported)
    try:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_mib}MiB",
            "threads": threads or min(THREADS_MAX, os.cpu_count() or 1),
            "temp_directory": str(room),
            "max_temp_directory_size": SPILL_MAX,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(config=config) as base:
            try:
                _make_entries(base, room, exported.origin, size, zone)
                _load_findings(base, folder, room, size, pack)
                _make_views(base)
                reached = [quoted(path.absolute()) for path in (room, writes_to) if path]
                base.execute(f"SET allowed_directories = [{', '.join(reached)}]")
                base.execute("SET enable_external_access = false")
                base.execute("SET lock_configuration = true")
            except (OSError, sqlite3.Error, duckdb.Error) as error:
                raise AnalyticsUnusable(f"the views cannot be made: {error}") from None
            yield Session(base, exported.origin, size)
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(lock)


def _take_room(exported: Exported) -> tuple[Path, int]:
    """A folder of our own with links to the partitions, and the lock that says that it lives."""
    try:
        room = Path(tempfile.mkdtemp(prefix=_SESSION, dir=exported.folder))
        lock = os.open(room / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in exported.files:
            (room / path.name).hardlink_to(path)
    except OSError as error:
        raise AnalyticsUnusable(f"cannot write to {exported.folder}: {error.strerror}") from None
    return room, lock


def _clear(target: Path) -> None:
    """Removes the rooms of sessions that were killed."""
    for room in target.glob(f"{_SESSION}*"):
        try:
            lock = os.open(room / ".lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            shutil.rmtree(room, ignore_errors=True)
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(room, ignore_errors=True)
        except BlockingIOError:
            pass  # it lives
        finally:
            os.close(lock)


def _make_entries(
    base: duckdb.DuckDBPyConnection, room: Path, origin: str, size: int, zone: str
) -> None:
    base.execute("SET TimeZone = 'UTC'")
    # The files of a session never change: their footers are read once.
    base.execute("SET parquet_metadata_cache = true")
    if size:
        names = ", ".join(f'"{one.name}"' for one in COLUMNS)
        parts = quoted(room / "*.parquet")
        source = f"SELECT {names} FROM read_parquet({parts}) WHERE idx < {size}"  # noqa: S608
    else:
        nothing = ", ".join(f'NULL::{one.type} AS "{one.name}"' for one in COLUMNS)
        source = f"SELECT {nothing} WHERE false"
    base.execute(f"CREATE VIEW entries AS {source}")
    base.execute(
        f"CREATE TABLE log AS SELECT {quoted(origin)} AS origin, "  # noqa: S608
        f"{size}::BIGINT AS size, "
        "max(at_ms) AS as_of_ms, make_timestamp_ms(max(at_ms)) AS as_of, "
        "count(*) FILTER (NOT has_body) AS bodies_missing FROM entries"
    )
    local = f"timezone({quoted(zone)}, timezone('UTC', moment))"
    base.execute(f"CREATE MACRO day_of(moment) AS CAST({local} AS DATE)")
    base.execute(f"CREATE MACRO month_of(moment) AS CAST(date_trunc('month', {local}) AS DATE)")


def _make_views(base: duckdb.DuckDBPyConnection) -> None:
    for view in views():
        if view.name in NAMES:
            base.execute(f"CREATE VIEW {view.name} AS {view.sql}")


def _load_findings(
    base: duckdb.DuckDBPyConnection, folder: Path, room: Path, size: int, pack: str | None
) -> None:
    base.execute(f"CREATE TABLE integrity_finding ({_INTEGRITY})")
    base.execute(f"CREATE TABLE audit_finding ({_AUDIT})")
    _load(base, room, "integrity_finding", _INTEGRITY, _integrity(folder / OBSERVER_NAME, size))
    if (folder / AUDIT_NAME).exists():
        found = _audited(folder / AUDIT_NAME, size, pack)
        _load(base, room, "audit_finding", _AUDIT, found)


def _load(
    base: duckdb.DuckDBPyConnection,
    room: Path,
    table: str,
    columns: str,
    found: Iterator[dict[str, Any]],
) -> None:
    path = room / "findings.lines"
    with path.open("w", encoding="utf-8") as file:
        for one in found:
            file.write(json.dumps(one) + "\n")
    pairs = (column.split(" ") for column in columns.split(", "))
    spec = ", ".join(f"{name}: {quoted(type_)}" for name, type_ in pairs)
    base.execute(
        f"INSERT INTO {table} BY NAME FROM read_json({quoted(path)}, "
        f"format='newline_delimited', columns={{{spec}}})"
    )
    path.unlink()


def _read(path: Path, query: str, given: tuple[object, ...]) -> Iterator[Any]:
    with closing(open_beside(path)) as connection:
        cursor = connection.execute(query, given)
        while rows := cursor.fetchmany(FINDINGS_READ):
            yield from rows


def _integrity(path: Path, size: int) -> Iterator[dict[str, Any]]:
    """Findings about an entry before `size`, and those about the tree known at that size."""
    query = (
        "SELECT digest, code, idx, detail, certain, evidence, coalesce(idx, size - 1) FROM finding "
        "WHERE coalesce(idx, size - 1) < ? ORDER BY coalesce(idx, -1), digest"
    )
    for digest, code, idx, detail, certain, evidence, seen_idx in _read(path, query, (size,)):
        yield {
            "finding": b64u(digest),
            "code": code,
            "idx": idx,
            "detail": detail or None,
            "certain": bool(certain),
            "evidence": evidence,
            "ours": code in ABOUT_OURSELVES,
            "severity": severity_of(code).value,
            "seen_idx": seen_idx,
        }


def _audited(path: Path, size: int, pack: str | None) -> Iterator[dict[str, Any]]:
    query = (
        "SELECT digest, code, severity, pack, at_index, at_ms, member, officer, certain, json "
        "FROM finding WHERE at_index < ? AND pack = coalesce(?, (SELECT label FROM progress)) "
        "ORDER BY at_index, digest"
    )
    for digest, code, severity, under, idx, at_ms, member, officer, certain, text in _read(
        path, query, (size, pack)
    ):
        value = json.loads(text)
        yield {
            "finding": b64u(digest),
            "code": code,
            "severity": severity,
            "pack": under,
            "idx": idx,
            "at_ms": at_ms,
            "member": member,
            "officer": officer,
            "certain": bool(certain),
            "entries": [one["index"] for one in value.get("entries", [])],
            "detail": json.dumps(value.get("facts", {}), sort_keys=True, ensure_ascii=False),
        }
