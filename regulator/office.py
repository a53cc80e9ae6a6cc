"""office.db: what the observer's office has done: reports filed, findings announced.

It lies beside observer.db and has a writer of its own, so that nothing here waits for following or
makes it wait. What it remembers cannot be derived: that a finding was announced, that a report was
made of which prefix. Losing it costs a repetition (receivers tell by the ids, a folder of the same
digest is kept), never an omission.

One process at a time holds the office: a file lock beside the database says who.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from regulator.database import BUSY_TIMEOUT_MS, DatabaseUnusable, held_alone, open_beside

OFFICE_NAME: Final = "office.db"
LOCK_NAME: Final = "office.lock"

_STEPS: Final = (
    # 1. Steps are added, never edited; PRAGMA user_version counts those that were taken.
    """
    CREATE TABLE run (
      code TEXT NOT NULL, period TEXT NOT NULL, scope TEXT NOT NULL, state TEXT NOT NULL,
      attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, begun_at INTEGER NOT NULL,
      ended_at INTEGER, digest TEXT, problem TEXT NOT NULL, PRIMARY KEY (code, period)
    ) WITHOUT ROWID;
    CREATE TABLE place (source TEXT PRIMARY KEY, seq INTEGER NOT NULL, finding TEXT NOT NULL)
      WITHOUT ROWID;
    CREATE TABLE notice (
      id INTEGER PRIMARY KEY AUTOINCREMENT, finding TEXT NOT NULL UNIQUE, source TEXT NOT NULL,
      json TEXT NOT NULL, came_at INTEGER NOT NULL
    );
    CREATE TABLE message (
      id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, made_at INTEGER NOT NULL,
      attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, aside INTEGER NOT NULL,
      sent_at INTEGER, problem TEXT NOT NULL
    );
    CREATE INDEX message_waiting ON message (channel, aside, id) WHERE sent_at IS NULL;
    CREATE TABLE delivery (
      channel TEXT NOT NULL, notice INTEGER NOT NULL REFERENCES notice (id),
      message INTEGER NOT NULL REFERENCES message (id), PRIMARY KEY (channel, notice)
    ) WITHOUT ROWID;
    CREATE INDEX delivery_message ON delivery (message, notice);
    """,
)


class RunState(StrEnum):
    """What became of a scheduled report: being made, filed, or to be tried again."""

    BEGUN = "BEGUN"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Run:
    """One scheduled report: of which prefix it is (its scope as JSON), and what became of it."""

    code: str
    period: str
    scope: dict[str, Any]
    state: RunState
    attempts: int
    next_at: int
    begun_at: int
    ended_at: int | None
    digest: str | None
    problem: str


class Office:
    """The database, for any thread; use `open_office`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; nothing is written unless all is."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Give the file back, after the transaction that another thread may have under way.

        Work whose task was cancelled goes on in its thread; the connection must not go from under
        it, and what it begins later fails cleanly.
        """
        with self._lock:
            self._connection.close()

    def run(self, code: str, period: str) -> Run | None:
        """What is known of a report for a period."""
        with self.writing() as connection:
            row = connection.execute(f"{_RUN} WHERE code = ? AND period = ?", (code, period))
            found = row.fetchone()
        return None if found is None else _run(found)

    def begin_run(self, code: str, period: str, scope: dict[str, Any], now_ms: int) -> Run:
        """Note that it is being made; a run that began before keeps the scope it has."""
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO run (code, period, scope, state, attempts, next_at, begun_at, problem)"
                " VALUES (?, ?, ?, ?, 0, 0, ?, '') ON CONFLICT (code, period) DO NOTHING",
                (code, period, json.dumps(scope), RunState.BEGUN, now_ms),
            )
            row = connection.execute(f"{_RUN} WHERE code = ? AND period = ?", (code, period))
            run = _run(row.fetchone())
        assert run.state is not RunState.DONE, "a run that is done is not begun again"
        return run

    def end_run(self, code: str, period: str, digest: str, now_ms: int) -> None:
        """It lies in its folder."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE run SET state = ?, digest = ?, ended_at = ?, problem = '' "
                "WHERE code = ? AND period = ?",
                (RunState.DONE, digest, now_ms, code, period),
            )

    def fail_run(self, code: str, period: str, problem: str, next_at_ms: int) -> None:
        """It was not made; it is tried again."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE run SET state = ?, problem = ?, attempts = attempts + 1, next_at = ? "
                "WHERE code = ? AND period = ?",
                (RunState.FAILED, problem, next_at_ms, code, period),
            )


@contextmanager
def open_office(folder: Path) -> Iterator[Office]:
    """The office of the observer in a folder, for this process alone; raises `DatabaseUnusable`."""
    says = f"{folder} is in use by another `regulator serve`; two would say all twice"
    with held_alone(folder / LOCK_NAME, says):
        path = folder / OFFICE_NAME
        try:
            # Created by us, so that no other user can read it even for a moment.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise DatabaseUnusable(f"cannot open {path}: {error}") from None
        try:
            try:
                _set_up(connection, path)
            except sqlite3.Error as error:
                raise DatabaseUnusable(
                    f"{path} is no office database, or is damaged ({error}); move it away: what "
                    "was announced is then announced again, under the same ids"
                ) from None
        except BaseException:
            connection.close()
            raise
        office = Office(connection)
        try:
            yield office
        finally:
            office.close()


def read_runs(folder: Path) -> list[Run]:
    """All scheduled runs, newest first, beside a running observer; raises `DatabaseUnusable`."""
    path = folder / OFFICE_NAME
    if not path.exists():
        return []
    try:
        with closing(open_beside(path)) as connection:
            rows = connection.execute(f"{_RUN} ORDER BY begun_at DESC, code").fetchall()
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{path}: {error}") from None
    return [_run(row) for row in rows]


_RUN: Final = (
    "SELECT code, period, scope, state, attempts, next_at, begun_at, ended_at, digest, problem "
    "FROM run"
)


def _run(row: tuple[Any, ...]) -> Run:
    code, period, scope, state, *rest = row
    return Run(code, period, json.loads(scope), RunState(state), *rest)


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    (taken,) = connection.execute("PRAGMA user_version").fetchone()
    if taken > len(_STEPS):
        raise DatabaseUnusable(f"{path} is of a later version of this software")
    for number, step in enumerate(_STEPS[taken:], taken + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step}; PRAGMA user_version={number}; COMMIT;")
