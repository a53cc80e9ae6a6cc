"""Opening `private.db`: its settings, its migrations, its transactions, its faults.

Durability: WAL with `synchronous=FULL`, so a committed row survives power loss. Erasure:
`secure_delete=ON` overwrites freed space, temporary data stays in memory, and `scrub` empties the
write-ahead log, which otherwise keeps old pages.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

BUSY_TIMEOUT_MS: Final = 5_000
"""How long one writer waits for another; a write here takes milliseconds."""

READERS_MAX: Final = 8
"""Connections kept and lent at once: the threads of the door that may wait on this file."""

SCRUB_TRIES: Final = 50
SCRUB_PAUSE_S: Final = 0.02
"""A reader in the way of emptying the write-ahead log is gone within a second, or tried later."""

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
    "PRAGMA foreign_keys=ON",
    # Sorting spills and statement journals would leave names in files we never see.
    "PRAGMA temp_store=MEMORY",
)


class StoreUnusable(Exception):
    """The file cannot be used as the private store; the message says what to do."""


class StoreTooNew(StoreUnusable):
    """A later version of the software has written the file."""


class StoreFull(Exception):
    """There is no space left; nothing was written. It works again once there is space."""


def open_private_store(path: Path) -> Engine:
    """The store at `path`, created or migrated as needed; raises `StoreUnusable`, `StoreFull`.

    The file can be read by its owner only. Close with `dispose()`.
    """
    try:
        # Created by us, so that no other user can read it even for a moment.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnusable(f"cannot open {path}: {error.strerror}") from None
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # Names and keys are parameters; no error message may carry them.
        hide_parameters=True,
        pool_size=READERS_MAX,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    try:
        with _faults():
            _migrate(engine, path)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        engine.dispose()
        raise StoreUnusable(f"{path} is not a private store: {_cause(error)}") from None
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads all see one moment."""
    with engine.connect().execution_options(reading=True) as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection that holds the write lock; commits at the end. Raises `StoreFull`."""
    with _faults(), engine.begin() as connection:
        yield connection


def scrub(engine: Engine) -> bool:
    """Empty the write-ahead log, so that no page from before an erasure is left in it.

    False when a reader stood in the way all the time; ask again later.
    """
    for _ in range(SCRUB_TRIES):
        raw = engine.raw_connection()
        try:
            busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError:
            busy = 1
        finally:
            raw.close()
        if not busy:
            return True
        time.sleep(SCRUB_PAUSE_S)
    return False


@lru_cache(maxsize=1)
def head_revision() -> str:
    """The revision that this software's migrations lead to."""
    head = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    assert head is not None, "there is a first migration"
    return head


def _set_up(connection: Any, _record: object) -> None:
    # Transactions are ours to begin: the driver's own habit would begin them too late.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _migrate(engine: Engine, path: Path) -> None:
    with reading(engine) as connection:
        known = inspect(connection).has_table("alembic_version")
        found = (
            connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            if known
            else None
        )
    if found == head_revision():
        return
    script = ScriptDirectory(str(_MIGRATIONS))
    if found is not None and found not in {r.revision for r in script.walk_revisions()}:
        raise StoreTooNew(f"{path} was written by a later version ({found}): install that version")
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        cause = _cause(error)
        if "disk is full" in cause or "disk I/O error" in cause:
            raise StoreFull(f"the private store cannot be written: {cause}") from error
        raise


def _cause(error: BaseException) -> str:
    """The driver's words alone: the statement's parameters may hold what must not be logged."""
    return str(getattr(error, "orig", error))
