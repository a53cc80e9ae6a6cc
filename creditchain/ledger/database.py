"""The SQLite file of the ledger: one connection that writes, a bounded pool that only reads.

Durability is SQLite's: WAL with `synchronous=FULL`, so that COMMIT returns after the fsync. One
process opens the file at a time; a lock beside it says so to the second.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Final, cast

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event

from creditchain.ledger.failure import LedgerDamaged, LedgerRefused

READERS_MAX: Final = 8
"""Reading connections: more than two cores can use at once, and each may hold 2 MiB of pages."""

READER_WAIT_S: Final = 10.0
"""How long a reader waits for a connection before it is told that the hub is overloaded."""

BUSY_WAIT_MS: Final = 10_000
"""Only a tool of the operator (a copy, a look) ever holds the file against the writer."""

WRITER_CACHE_KIB: Final = 65_536
"""Pages the writer remembers: the indexes' inner pages and right edges at ten million entries."""

CHECKPOINT_ROWS: Final = 1_024
"""Entries after which the WAL is moved into the file beside the writer; some 600 pages."""

CHECKPOINT_PAGES: Final = 16_000
"""WAL pages (64 MiB) after which the writer itself moves what is left, for the WAL to begin anew:
under load without a pause the mover beside it never quite catches up."""

PURGE_WAIT_MS: Final = 20
"""How long the writer may be held up by the emptying of the WAL while a reader still reads."""

PURGE_AGAIN_S: Final = 1.0
"""How soon the WAL is emptied again while readers still need what an erasure left in it."""

WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
"""A WAL that one long reader let grow is cut back to this."""

MIGRATIONS: Final = Path(__file__).with_name("migrations")


logger = logging.getLogger(__name__)


class Database:
    """The opened file. `close` releases the lock last."""

    def __init__(self, path: Path) -> None:
        """Raises `LedgerRefused` when another process has the file."""
        self.path = path
        self._lock = _lock(path)
        self.readers: Engine = create_engine(
            "sqlite+pysqlite://",
            creator=cast("Any", self._open_reader),
            poolclass=QueuePool,
            pool_size=READERS_MAX,
            max_overflow=0,
            pool_timeout=READER_WAIT_S,
        )
        event.listen(self.readers, "begin", _begin)
        # For single rows, which are many and short: a pool that costs less than the look-up.
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    def upgrade(self) -> None:
        """Brings the tables to the newest revision."""
        writer = create_engine("sqlite+pysqlite://", creator=self.open_writer, poolclass=NullPool)
        event.listen(writer, "begin", _begin)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with writer.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        writer.dispose()

    def open_writer(self) -> sqlite3.Connection:
        """A connection that may write; transactions are begun and ended in so many words."""
        connection = _connect(self.path)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            # An erased body must not linger in free pages.
            "secure_delete=ON",
            f"cache_size=-{WRITER_CACHE_KIB}",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"journal_size_limit={WAL_BYTES_KEPT}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only connection that sees one committed state until it is given back."""
        with self.readers.begin() as connection:
            yield connection

    def fetch(self, sql: str, values: tuple[Any, ...]) -> Sequence[Any] | None:
        """The first row of a SELECT of its own; None if there is none.

        Raises `LedgerDamaged` when the file or the value in it cannot be read.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open_reader()
        try:
            row: Sequence[Any] | None = connection.execute(sql, values).fetchone()
        except sqlite3.DatabaseError as error:
            connection.close()
            raise LedgerDamaged(f"{self.path} cannot be read: {error}") from error
        if len(self._idle) < READERS_MAX and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        return row

    def close(self) -> None:
        """Closes the readers and gives the file free."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        self.readers.dispose()
        os.close(self._lock)

    def _open_reader(self) -> sqlite3.Connection:
        connection = _connect(self.path)
        connection.execute("PRAGMA query_only=ON")
        return connection


class Checkpointer:
    """Moves the WAL into the file on a thread of its own, so that no batch waits for it.

    After an erasure it also empties the WAL, which still holds the page with the erased body.
    """

    def __init__(self, database: Database) -> None:
        self._connection = database.open_writer()
        # While emptying waits for readers, the writer waits for it.
        self._connection.execute(f"PRAGMA busy_timeout={PURGE_WAIT_MS}")
        self._wake = Condition()
        self._rows = 0
        # The hub may have ended between an erasure and the emptying.
        self._purge = True
        self._closing = False
        self._thread = Thread(target=self._work, name="ledger-checkpointer", daemon=True)
        self._thread.start()

    def nudge(self, rows: int, *, purge: bool) -> None:
        """Says that so many entries were written; `purge`: the WAL must be emptied."""
        with self._wake:
            self._rows += rows
            self._purge = self._purge or purge
            if self._purge or self._rows >= CHECKPOINT_ROWS:
                self._wake.notify()

    def close(self) -> None:
        """Ends the thread; what the WAL still holds is moved when the last connection closes."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        emptied = True
        while True:
            with self._wake:
                while not (self._closing or self._purge or self._rows >= CHECKPOINT_ROWS):
                    if not self._wake.wait(None if emptied else PURGE_AGAIN_S):
                        break
                if self._closing:
                    return
                purge = self._purge or not emptied
                self._rows, self._purge = 0, False
            emptied = self._move("TRUNCATE" if purge else "PASSIVE") or not purge

    def _move(self, mode: str) -> bool:
        """Whether nothing stood in the way."""
        try:
            row = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            # A full disk: the log stands in the WAL, and is moved when there is space.
            logger.warning("the WAL was not moved: %s", error)
            return False
        busy: int = row[0]
        return not busy


def _connect(path: Path) -> sqlite3.Connection:
    # Connections wander between threads, one at a time: the pool and the writer's thread see to it.
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute(f"PRAGMA busy_timeout={BUSY_WAIT_MS}")
    return connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _lock(path: Path) -> int:
    # Not on the file itself: closing any descriptor of it would drop SQLite's own locks.
    lock = os.open(
        path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise LedgerRefused(
            f"another hub has {path} open. Two writers would fork the log: stop the other one "
            "first, or give this hub its own data folder."
        ) from None
    return lock


def failure_code(error: sqlite3.Error) -> str:
    """SQLite's extended name for an error, as `SQLITE_IOERR_FSYNC`; empty if it gave none."""
    code: Any = getattr(error, "sqlite_errorname", "")
    return str(code or "")
