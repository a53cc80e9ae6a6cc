"""observer.db for queries: opened so that no statement can write, and stopped when it takes long.

Three locks, each enough alone: the file is opened read-only, SQLite is told `query_only`, and an
authorizer denies everything but reading, so that not even the second lock can be taken off.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from creditchain.rulebook.record import Record
from creditchain.rulebook.record_json import record_from_json
from regulator.database import BUSY_TIMEOUT_MS, READER_CACHE_KIB

STEPS_BETWEEN_LOOKS: Final = 20_000
"""SQLite's own steps between two looks at the clock: some hundreds a second."""

R = TypeVar("R", bound=Record)

_ALLOWED: Final = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
    }
)


def open_copy(path: Path) -> Engine:
    """An engine whose connections read `path`, an observer.db, and can do nothing else."""
    uri = f"{path.absolute().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB}")
        connection.execute("PRAGMA query_only=ON")
        connection.set_authorizer(_authorize)
        return connection

    # No pool: a connection costs a millisecond, and none is left behind with a deadline on it.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


@contextmanager
def reading(engine: Engine, seconds: float) -> Iterator[Connection]:
    """A connection that sees one committed state, for so many seconds; see `is_stopped`."""
    until = time.monotonic() + seconds
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        raw.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
        with connection.begin():
            yield connection


def is_stopped(error: BaseException) -> bool:
    """Whether this failure of a statement is the deadline's doing."""
    cause = getattr(error, "orig", error)
    return getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT"


class Records:
    """The replayed records as committed now, one at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of this kind and id, or None."""
        with self._engine.begin() as connection:
            row = connection.exec_driver_sql(
                "SELECT json FROM record WHERE kind = ? AND id = ?", (kind.__name__, id)
            ).first()
        return None if row is None else record_from_json(kind, json.loads(row[0]))


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, _view: str | None
) -> int:
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first == "read_uncommitted" and second is None:
        return sqlite3.SQLITE_OK  # SQLAlchemy asks for it on connecting
    return sqlite3.SQLITE_DENY
