"""audit.db: what the auditor has noted and found. Derived data: it can be made again from the copy.

Facts and wake-ups belong to the rule pack in force; when another comes into force they are made
anew from the first entry. Findings stay, each under the pack it was found with. A group of entries
is one transaction, with how far the audit is, so a `kill -9` leaves an audit that ends at an entry.

With it goes the tree that was audited, so that nobody takes the audit of one history for that of
another; and which bodies were not there to be audited.

There are no migrations: a file of another version is made anew.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from creditchain.tlog.merkle import HASH_BYTES, Frontier
from regulator.audit import AuditFinding, WakeUp
from regulator.database import BUSY_TIMEOUT_MS, DatabaseUnusable

AUDIT_NAME: Final = "audit.db"
VERSION: Final = 3
"""Of the tables here; PRAGMA user_version holds it."""

FACTS_REMEMBERED: Final = 40_000
"""Facts kept in memory, some 700 bytes each: those of the last few thousand orders."""

CACHE_KIB: Final = 32_768

_TABLES: Final = (
    # One row: the pack in force (its file, whole) and how far the audit under it is.
    """CREATE TABLE progress (id INTEGER PRIMARY KEY CHECK (id = 1), pack BLOB NOT NULL,
    label TEXT NOT NULL, size INTEGER NOT NULL, unseen INTEGER NOT NULL,
    last_at INTEGER NOT NULL, tree BLOB NOT NULL)""",
    # What stood under each label that was in force once: findings cite the label alone.
    "CREATE TABLE pack (label TEXT PRIMARY KEY, digest BLOB NOT NULL)",
    # Entries that were audited without their body, though nothing had erased it.
    "CREATE TABLE missing (idx INTEGER PRIMARY KEY)",
    """CREATE TABLE fact (kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL,
    PRIMARY KEY (kind, id)) WITHOUT ROWID""",
    """CREATE TABLE wake_up (due_at INTEGER NOT NULL, rule TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (due_at, rule, key)) WITHOUT ROWID""",
    """CREATE TABLE finding (seq INTEGER PRIMARY KEY AUTOINCREMENT, pack TEXT NOT NULL,
    digest BLOB NOT NULL, code TEXT NOT NULL, severity TEXT NOT NULL, at_index INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, member TEXT, officer TEXT, certain INTEGER NOT NULL,
    json TEXT NOT NULL, UNIQUE (pack, digest))""",
    "CREATE INDEX finding_member ON finding (member, seq)",
)


def _place_of(path: Path) -> tuple[int, int] | None:
    """Which file lies there, None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


F = TypeVar("F", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """How far the audit under the pack in force is: entries audited, and bodies never seen.

    `pack` is the pack's file, empty before the first; `last_at` the newest admission time, ms;
    `tree` the joined hashes of the frontier over the entries audited.
    """

    pack: bytes
    label: str
    size: int
    unseen: int
    last_at: int
    tree: bytes

    @property
    def frontier(self) -> Frontier:
        """The tree that was audited; raises ValueError where none was kept."""
        joined = self.tree
        hashes = [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
        return Frontier(self.size, tuple(hashes))


NOTHING_AUDITED: Final = AuditProgress(b"", "", 0, 0, 0, b"")


class StoredFacts:
    """Facts in the database, the last used ones in memory; see `audit.Facts`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: OrderedDict[tuple[type[Any], str], Any] = OrderedDict()
        self._changed: dict[tuple[type[Any], str], Any] = {}
        self._kinds: dict[str, type[Any]] = {}

    def get(self, kind: type[F], id: str) -> F | None:
        """The fact of this kind and id; None if there is none."""
        place = (kind, id)
        known = self._known
        if place in known:
            known.move_to_end(place)
            found: F | None = known[place]
            return found
        found = self._changed.get(place) or self._read(kind, id)
        self._remember(place, found)
        return found

    def put(self, fact: tuple[Any, ...]) -> None:
        """Keep it; written with the next `flush`."""
        place = (type(fact), fact[0])
        self._changed[place] = fact
        self._remember(place, fact)

    def flush(self) -> None:
        """Write what changed."""
        if self._changed:
            dumps = json.dumps
            self._connection.executemany(
                "INSERT INTO fact (kind, id, json) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, id) DO UPDATE SET json = excluded.json",
                [
                    (kind.__name__, key, dumps(fact, ensure_ascii=False, separators=(",", ":")))
                    for (kind, key), fact in self._changed.items()
                ],
            )
            self._changed.clear()

    def forget(self) -> None:
        """Drop what is in memory: the transaction it belonged to was rolled back."""
        self._known.clear()
        self._changed.clear()

    def _remember(self, place: tuple[type[Any], str], fact: Any) -> None:
        self._known[place] = fact
        self._known.move_to_end(place)
        if len(self._known) > FACTS_REMEMBERED:
            self._known.popitem(last=False)

    def _read(self, kind: type[F], id: str) -> F | None:
        # Kinds are stored by name: two of one name would read each other's facts.
        assert self._kinds.setdefault(kind.__name__, kind) is kind, kind
        row = self._connection.execute(
            "SELECT json FROM fact WHERE kind = ? AND id = ?", (kind.__name__, id)
        ).fetchone()
        if row is None:
            return None
        fact: F = kind._make(_tuples(json.loads(row[0])))  # type: ignore[attr-defined]
        return fact


class StoredAgenda:
    """Wake-ups in the database, those of the group under way in memory; see `audit.Agenda`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._horizon = -1
        self._heap: list[WakeUp] = []
        self._near: set[WakeUp] = set()
        self._later: set[WakeUp] = set()

    def look_to(self, horizon: int) -> None:
        """Bring into memory what is due up to the last time of the group, ms."""
        self._horizon = horizon
        rows = self._connection.execute(
            "DELETE FROM wake_up WHERE due_at <= ? RETURNING due_at, rule, key", (horizon,)
        ).fetchall()
        self._heap = [WakeUp(*row) for row in rows]
        self._near = set(self._heap)
        heapq.heapify(self._heap)

    def add(self, wake_up: WakeUp) -> None:
        """Keep one; the same one twice is one."""
        if wake_up.due_at > self._horizon:
            self._later.add(wake_up)
        elif wake_up not in self._near:
            self._near.add(wake_up)
            heapq.heappush(self._heap, wake_up)

    def take(self, until: int) -> WakeUp | None:
        """The first one due at or before `until`, taken out."""
        if not self._heap or self._heap[0].due_at > until:
            return None
        wake_up = heapq.heappop(self._heap)
        self._near.discard(wake_up)
        return wake_up

    def flush(self) -> None:
        """Write what is still to come."""
        rest = [*self._later, *self._heap]
        if rest:
            self._connection.executemany(
                "INSERT INTO wake_up (due_at, rule, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                rest,
            )
        self.forget()

    def forget(self) -> None:
        """Drop what is in memory."""
        self._horizon = -1
        self._heap = []
        self._near = set()
        self._later = set()


class AuditStore:
    """The auditor's side of audit.db; one process, one thread. Raises `DatabaseUnusable`."""

    def __init__(self, path: Path) -> None:
        try:
            # Created by us, so that no other user can read it even for a moment.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._set_up()
        except (OSError, sqlite3.DatabaseError) as error:
            raise DatabaseUnusable(
                f"{path}: {error}; it can be deleted, the audit is then made again from the copy"
            ) from None
        self._path, self._place = path, _place_of(path)
        self.facts = StoredFacts(self._connection)
        self.agenda = StoredAgenda(self._connection)

    def check_in_place(self) -> None:
        """Raises `DatabaseUnusable` when the file was deleted or put back since it was opened.

        SQLite would go on in a file that nobody else can see.
        """
        if _place_of(self._path) != self._place:
            raise DatabaseUnusable(f"{self._path}: deleted or replaced while it was in use")

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    @property
    def progress(self) -> AuditProgress:
        """How far the audit is."""
        row = self._connection.execute(
            "SELECT pack, label, size, unseen, last_at, tree FROM progress"
        ).fetchone()
        return NOTHING_AUDITED if row is None else AuditProgress(*row)

    def is_taken(self, label: str, pack: bytes) -> bool:
        """Whether another file than this was in force under the label."""
        row = self._connection.execute(
            "SELECT digest FROM pack WHERE label = ?", (label,)
        ).fetchone()
        return row is not None and row[0] != hashlib.sha256(pack).digest()

    @property
    def missing(self) -> list[int]:
        """Entries that were audited without their body, though nothing had erased it."""
        rows = self._connection.execute("SELECT idx FROM missing ORDER BY idx").fetchall()
        return [row[0] for row in rows]

    def drop_missing(self, indexes: Sequence[int]) -> None:
        """The bodies of these are lawfully gone meanwhile."""
        with self.transaction():
            self._connection.executemany(
                "DELETE FROM missing WHERE idx = ?", [(index,) for index in indexes]
            )

    def begin_again(self, pack: bytes, label: str, *, keep: bool = True) -> None:
        """Put a pack in force: facts and wake-ups are dropped.

        Findings stay, unless what was found under this very pack was found of something else than
        is audited now.
        """
        with self.transaction():
            for table in ("fact", "wake_up", "missing"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608  names of ours
            if not keep:
                self._connection.execute("DELETE FROM finding WHERE pack = ?", (label,))
            self._connection.execute(
                "INSERT INTO progress (id, pack, label, size, unseen, last_at, tree) "
                "VALUES (1, ?, ?, 0, 0, 0, x'') ON CONFLICT (id) DO UPDATE SET "
                "pack = excluded.pack, label = excluded.label, size = 0, unseen = 0, last_at = 0, "
                "tree = x''",
                (pack, label),
            )
            self._connection.execute(
                "INSERT INTO pack (label, digest) VALUES (?, ?) ON CONFLICT (label) DO UPDATE SET "
                "digest = excluded.digest",
                (label, hashlib.sha256(pack).digest()),
            )
        self.facts.forget()
        self.agenda.forget()

    def save(
        self,
        size: int,
        unseen: int,
        last_at: int,
        findings: Sequence[AuditFinding],
        *,
        tree: bytes = b"",
        missing: Sequence[int] = (),
    ) -> None:
        """Write everything a group gave; inside `transaction`."""
        self.facts.flush()
        self.agenda.flush()
        self._connection.executemany(
            "INSERT INTO finding (pack, digest, code, severity, at_index, at_ms, member, officer, "
            "certain, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                (
                    one.pack,
                    one.digest,
                    one.code,
                    one.severity.value,
                    one.index,
                    one.at,
                    one.member,
                    one.officer,
                    one.certain,
                    one.evidence.decode(),
                )
                for one in findings
            ],
        )
        self._connection.execute(
            "UPDATE progress SET size = ?, unseen = ?, last_at = ?, tree = ?",
            (size, unseen, last_at, tree),
        )
        self._connection.executemany(
            "INSERT INTO missing (idx) VALUES (?)", [(index,) for index in missing]
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on an error what is in memory is dropped too."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self.facts.forget()
            self.agenda.forget()
            raise

    def _set_up(self) -> None:
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            # A lost end is audited again; losing it costs time, not truth.
            "synchronous=NORMAL",
            f"cache_size=-{CACHE_KIB}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == VERSION:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        names = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (name,) in names:
            self._connection.execute(f'DROP TABLE "{name}"')
        for statement in _TABLES:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version={VERSION}")
        self._connection.execute("COMMIT")


def _tuples(values: list[Any]) -> list[Any]:
    return [tuple(_tuples(one)) if isinstance(one, list) else one for one in values]
