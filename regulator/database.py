"""Opening observer.db: its settings, its migrations, one writer, bounded readers.

And what the databases beside it need too: reading one beside its writer, one process at a time.

WAL with `synchronous=FULL`: what we have cosigned survives power loss. `secure_delete=ON`: an
erased body is overwritten, not only unlinked.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

OBSERVER_NAME: Final = "observer.db"

BUSY_TIMEOUT_MS: Final = 5_000
"""How long a reader that must write (there is none) or a second process waits."""

READERS_MAX: Final = 8
"""Connections lent to the door's threads at once."""

CACHE_KIB: Final = 32_768
"""SQLite's page cache of the writer: the same for a log of a thousand or a billion entries."""

READER_CACHE_KIB: Final = 4_096

_DISK: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""How the names begin of what SQLite says when not the database but the disk is at fault."""

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class DatabaseUnusable(Exception):
    """The file cannot be used; the message says what to do."""


class InUse(DatabaseUnusable):
    """Another process has it to itself."""


def find_copy(folder: Path) -> Path:
    """The observer.db in a folder; raises `DatabaseUnusable` while there is none."""
    path = folder / OBSERVER_NAME
    if not path.exists():
        raise DatabaseUnusable(f"{path} is not there yet; run `regulator serve`")
    return path


def open_beside(path: Path) -> sqlite3.Connection:
    """A database opened to be read only, beside whoever writes to it; raises sqlite3.Error."""
    # As a URI of its own making: a name with `#`, `?` or `%` in it is another file's otherwise.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA query_only=ON")
    return connection


@contextmanager
def held_alone(lock: Path, says: str) -> Iterator[None]:
    """Nobody else meanwhile, by a lock on this file; raises `InUse(says)`, `DatabaseUnusable`."""
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseUnusable(f"cannot open {lock}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(says) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def open_database(path: Path, *, readers: bool = False) -> Iterator[Engine]:
    """The engine over observer.db, created or migrated as needed; raises `DatabaseUnusable`.

    `readers` opens a pool of read-only connections to a database that exists.
    """
    if not readers:
        try:
            # Created by us, so that no other user can read it even for a moment.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise DatabaseUnusable(f"cannot open {path}: {error.strerror}") from None
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=READERS_MAX if readers else 1,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
    )
    event.listen(engine, "connect", _set_up_reader if readers else _set_up_writer)
    event.listen(engine, "begin", _begin_reading if readers else _begin_writing)
    try:
        if not readers:
            try:
                _migrate(engine, path)
            except (DatabaseError, sqlite3.DatabaseError) as error:
                cause = getattr(error, "orig", None) or error
                if str(getattr(cause, "sqlite_errorname", "")).startswith(_DISK):
                    raise DatabaseUnusable(
                        f"the disk under {path} does not do its work ({cause}); most likely it is "
                        "full: make space and start again, the database is as it was"
                    ) from None
                raise DatabaseUnusable(
                    f"{path} is no observer database, or is damaged ({error}); move it away and "
                    "the observer makes a new copy from the hub"
                ) from None
        yield engine
    finally:
        engine.dispose()


def _set_up_writer(connection: Any, _: object) -> None:
    # SQLAlchemy decides when a transaction begins, not the driver.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        "temp_store=MEMORY",
        f"cache_size=-{CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _set_up_reader(connection: Any, _: object) -> None:
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "query_only=ON",
        f"cache_size=-{READER_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_writing(connection: Connection) -> None:
    # At once, so that what was read inside the transaction cannot change before it writes.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _migrate(engine: Engine, path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    newest = script.get_current_head()
    with engine.begin() as connection:
        if inspect(connection).has_table("alembic_version"):
            now = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            if now == newest:
                return
            if now not in {step.revision for step in script.walk_revisions()}:
                raise DatabaseUnusable(f"{path} is of a later version of this software")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
