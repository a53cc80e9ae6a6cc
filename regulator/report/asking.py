"""What a report is asked of: the prefix of the log that ends with its period, read from the copy.

The same period gives the same prefix, root and seed whenever and wherever it is asked, so a report
that was missed for a week is, digest and all, the one that would have been made in time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from creditchain.tlog.wire import encode_base64
from regulator.audit_store import AUDIT_NAME
from regulator.database import DatabaseUnusable, find_copy, open_beside, open_database
from regulator.report.model import BadReport, Period, Report, ReportCode, Scope
from regulator.stored import count_before, read_at, read_edge

NO_PACK: Final = ("NULL", "NULL")
"""Name and version where nothing was audited yet."""

SETTLE_MS: Final = 600_000
"""What the hub admitted before a moment is under a checkpoint that we saw ten minutes after it."""

_SEED_BITS: Final = 32


class Contents(Protocol):
    """Makes one report from the observer's folder (its databases, read only) in a scope.

    Raises `BadReport` where the scope asks for what is not there (no such case, no such member).
    """

    def __call__(self, folder: Path, scope: Scope, /) -> Report: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the copy is, and when the log began and last said something; times in ms.

    `seen_at_ms` is the latest moment up to which the copy is known to hold everything: the log's
    own time, or, where the log is quiet, a while before our last cosignature over what we hold.
    """

    size: int
    begun_at_ms: int
    last_at_ms: int
    seen_at_ms: int


def read_standing(folder: Path) -> Standing:
    """How far the observer in a folder is; raises `DatabaseUnusable`."""
    with _copy(folder) as connection:
        size, last_at = connection.exec_driver_sql("SELECT size, last_at FROM copy").one()
        (witnessed,) = connection.exec_driver_sql(
            "SELECT coalesce(max(time_s), 0) FROM head WHERE size <= ?", (size,)
        ).one()
        begun = read_at(connection, 0) if size else 0
    return Standing(size, begun, last_at, max(last_at, witnessed * 1000 - SETTLE_MS))


def scope_of(
    folder: Path,
    code: ReportCode,
    period: Period,
    *,
    seed: int | None = None,
    parameters: tuple[tuple[str, str], ...] = (),
    unaudited: bool = False,
) -> Scope:
    """The scope of a report of `period`: the entries admitted before its end.

    Without a seed it is drawn from the root of that prefix, which nobody knew before the period was
    over. Raises `BadReport` when the audit has not reached the end of the prefix; `unaudited`: has
    begun and not reached it.
    """
    with _copy(folder) as connection:
        origin, copied = connection.exec_driver_sql("SELECT origin, size FROM copy").one()
        size = count_before(connection, period.end_ms, copied)
        root = encode_base64(read_edge(connection, size).root())
        as_of = read_at(connection, size - 1) if size else period.start_ms
    audit = _read_audit(folder)
    reached = audit[0] if audit else 0
    if reached < size and not (unaudited and audit is None):
        raise BadReport(
            f"audited are {reached} of the {size} entries; wait for the audit, or see in the "
            "observer's log what keeps it"
        )
    name, version = audit[1] if audit else NO_PACK
    if seed is None:
        seed = _draw_seed(code, period, root)
    return Scope(origin, size, root, as_of, name, version, period, seed, parameters)


def _draw_seed(code: ReportCode, period: Period, root: str) -> int:
    drawn = hashlib.sha256(f"{code.value}\n{period.name}\n{root}".encode()).digest()
    return int.from_bytes(drawn[: _SEED_BITS // 8])


@contextmanager
def _copy(folder: Path) -> Iterator[Connection]:
    """A read-only connection to the copy, which shows one committed state."""
    with open_database(find_copy(folder), readers=True) as engine, engine.begin() as connection:
        yield connection


def _read_audit(folder: Path) -> tuple[int, tuple[str, str]] | None:
    """Entries audited, and the pack's name and version; None before the first."""
    path = folder / AUDIT_NAME
    if not path.exists():
        return None
    try:
        with closing(open_beside(path)) as connection:
            row: Any = connection.execute("SELECT size, label FROM progress").fetchone()
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(f"{path}: {error}") from None
    if row is None:
        return None
    name, _, version = str(row[1]).partition("@")
    return int(row[0]), (name, version)
