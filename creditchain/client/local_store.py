"""Local stores of an institution's programs: one SQLite file each, private, and of one version.

Shared by the record store and the agency worker's journal. A file of another kind or of a newer
version is refused instead of guessed at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DatabaseError

BUSY_TIMEOUT_MS: Final = 30_000
"""A million-row commit holds the write lock for under this long."""


class BadStore(ValueError):
    """The file cannot be used as this store; the message names it and says why."""


def open_store(path: Path, tables: MetaData, application_id: int, version: int) -> Engine:
    """The engine of the store at `path`, made on first use with mode 0600; raises `BadStore`.

    `application_id` (32 bits) tells our kinds of files apart, `version` their layouts.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made before SQLite opens it, so that at no moment others can read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise BadStore(f"{path}: {error.strerror}") from None
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _configure)
    try:
        with engine.begin() as connection:
            _check_layout(path, connection, tables, (application_id, version))
    except DatabaseError as error:
        engine.dispose()
        raise BadStore(f"{path}: {error.orig}") from None
    except BadStore:
        engine.dispose()
        raise
    return engine


def _check_layout(
    path: Path, connection: Connection, tables: MetaData, expected: tuple[int, int]
) -> None:
    found = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    any_table = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one()
    if (found, version, any_table) == (0, 0, 0):
        tables.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA application_id = {expected[0]}")
        connection.exec_driver_sql(f"PRAGMA user_version = {expected[1]}")
    elif found != expected[0]:
        raise BadStore(f"{path}: a database of something else")
    elif version != expected[1]:
        raise BadStore(f"{path}: layout {version}, this program reads {expected[1]}")


def _configure(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # What was noted as sent must still be noted after a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
