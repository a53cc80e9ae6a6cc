"""Writing the observer's own copy of a log, and the records that replaying it gives. One writer.

A `Package` is what was fetched and proven to be in the signed tree. `store` replays and writes a
group of them in one transaction: entries, bodies, tiles, records, findings and how far we are, all
or nothing; so a `kill -9` at any moment leaves a copy that ends at an entry, with its records.

Memory does not grow with the log: the right edge, and the records used last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, text

from creditchain.events import PublicKey
from creditchain.rulebook.book import Book
from creditchain.rulebook.record import Key
from creditchain.seal import parse_entry
from creditchain.tlog.edge import EdgeReader
from creditchain.tlog.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    HashReader,
    tree_root,
)
from regulator.book import StoredBook
from regulator.finding import Finding, FindingCode
from regulator.replay import EarlierEntry, Opened, Replay, open_package
from regulator.stored import CopyDamaged, Signed, read_edge, read_full_tile, read_head
from regulator.verify import Advance, Fork, Head, judge_by_tree

T = TypeVar("T")


_EntryRow = tuple[int, bytes, bytes | None, str | None, str | None]
"""Index, entry, body, event id, event type."""


@dataclass(frozen=True, slots=True)
class Package:
    """Consecutive entries from index `start` on, proven to be in the tree, each with its body.

    `leaves` are their joined leaf hashes; `bodies` are empty where nothing was served; `opened` is
    what `replay.open_package` says of them.
    """

    start: int
    entries: Sequence[bytes]
    bodies: Sequence[bytes]
    leaves: bytes
    opened: Sequence[Opened]


class _KeysOf:
    """The keys in a book."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def find(self, owner: str, kid: str) -> PublicKey | None:
        """The key, whether or not it still counts."""
        key = self._book.get(Key, f"{owner}/{kid}")
        return None if key is None else key.key

    def learn(self, key: PublicKey) -> None:
        """Nothing: one body is opened at a time."""


class Mirror:
    """The writer's side of the copy; used by one thread at a time.

    `genesis` is the SHA-256 of the pinned founding body. Raises `CopyDamaged` when the database
    belongs to another log or its tree does not lead to the root it was stored under.
    """

    def __init__(
        self, engine: Engine, origin: str, genesis: bytes, *, clock_ms: Callable[[], int]
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._origin = origin
        self._genesis = genesis
        self._connection = engine.connect()
        self.book = StoredBook(self._connection)
        # Of the package under way: event ids that stood on the log before, and rows to be written.
        self._ids: set[str] = set()
        self._pending: list[_EntryRow] = []
        with self._transaction():
            self._create_copy()
            self._load()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    @property
    def size(self) -> int:
        """Entries stored, verified and replayed."""
        return self._committed[0]

    @property
    def root(self) -> bytes:
        """The root of our own tree."""
        return self._committed[1]

    @property
    def unseen(self) -> int:
        """Bodies that this replay never saw."""
        return self._committed[2]

    def root_at(self, size: int) -> bytes | None:
        """The root of our own first `size` entries; None if we have fewer."""
        if size > self.edge.size:
            return None
        if size == self.edge.size:
            return self.edge.root()
        with self._transaction():
            return tree_root(size, self.reader())

    def growth_from(self, held: Head, shown: Head) -> Advance | Fork:
        """Judge a head no larger than our copy against one that our copy leads to, by our tree."""
        with self._transaction():
            return judge_by_tree(held, shown, self.reader())

    def reader(self) -> HashReader:
        """The hashes of our own tree, to be read inside a transaction."""
        return EdgeReader(
            self.edge.copy(), lambda level, n, _: read_full_tile(self._connection, level, n)
        )

    def head(self, name: str) -> Signed | None:
        """The head we last cosigned under a name."""
        with self._transaction():
            return read_head(self._connection, name)

    def put_head(self, name: str, signed: Signed) -> None:
        """Store what we are about to announce; durable when this returns."""
        head = signed.head
        with self._transaction():
            self._connection.exec_driver_sql(
                "INSERT INTO head (name, size, root, note, line, time_s) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET size = excluded.size, root = excluded.root, "
                "note = excluded.note, line = excluded.line, time_s = excluded.time_s",
                (name, head.size, head.root, head.note, signed.line, signed.time_s),
            )

    def find(self, finding: Finding) -> bool:
        """Keep a finding for ever; whether it is new."""
        with self._transaction():
            return self._insert_finding(finding, self.size)

    def count_findings(self, code: FindingCode) -> int:
        """How many findings of a code there are."""
        with self._transaction():
            count = self._connection.exec_driver_sql(
                "SELECT count(*) FROM finding WHERE code = ?", (code.value,)
            ).scalar_one()
        return int(count)

    def is_damaged(self, size: int) -> bool:
        """Whether a row of the copy below `size` is known not to be what was stored."""
        with self._transaction():
            row = self._connection.exec_driver_sql(
                "SELECT 1 FROM damage WHERE idx < ? LIMIT 1", (size,)
            ).first()
        return row is not None

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do something else with the database, in one transaction of the writer's."""
        with self._transaction():
            return work(self._connection)

    def store(self, packages: Sequence[Package]) -> list[Finding]:
        """Replay consecutive packages, the first at `size`, and store all in one transaction.

        Returns the new findings. On any error nothing is stored and the copy is as before.
        """
        try:
            with self._transaction():
                found: list[Finding] = []
                for package in packages:
                    found += self._store_one(package)
                self.book.flush()
                self._save_copy()
            self._committed = self._state()
        except BaseException:
            self.book.forget()
            with self._transaction():
                self._load()
            raise
        return found

    def settle_holes(self, size: int, note: str) -> list[Finding]:
        """Report each body below `size` that is missing and that no event has erased.

        Called when everything up to a signed `size` is replayed: an erasure would be known by now.
        """
        found = []
        with self._transaction():
            rows = self._connection.exec_driver_sql(
                "SELECT idx FROM hole WHERE erased_by IS NULL AND NOT reported AND idx < ?",
                (size,),
            ).fetchall()
            for (idx,) in rows:
                evidence: dict[str, str | int] = {"shown": note}
                finding = Finding(
                    FindingCode.BODY_WITHHELD, idx, "no body and no erasure", evidence
                )
                if self._insert_finding(finding, size):
                    found.append(finding)
            self._connection.exec_driver_sql(
                "UPDATE hole SET reported = 1 WHERE erased_by IS NULL AND idx < ?", (size,)
            )
        return found

    def holes(self, most: int) -> list[int]:
        """Up to `most` entries whose body is missing without an erasure."""
        with self._transaction():
            rows = self._connection.exec_driver_sql(
                "SELECT idx FROM hole WHERE erased_by IS NULL ORDER BY idx LIMIT ?", (most,)
            ).fetchall()
        return [row[0] for row in rows]

    def fill_hole(self, index: int, body: bytes) -> list[Finding] | None:
        """Keep a body that was withheld and what is wrong with it; None: another was committed to.

        Its effects stay unknown to this replay: `unseen` does not go down.
        """
        with self._transaction():
            entry = self._entry_at(index)
            if entry is None or hashlib.sha256(body).digest() != entry.commitment:
                return None
            execute = self._connection.exec_driver_sql
            if not execute(
                "DELETE FROM hole WHERE idx = ? AND erased_by IS NULL", (index,)
            ).rowcount:
                return []
            (raw,) = execute("SELECT entry FROM entry WHERE idx = ?", (index,)).one()
            [opened] = open_package([raw], [body], _KeysOf(self.book))
            event = opened.event
            self._ids = set()
            # Its own row has the id already where it was our copy that lost the body.
            elsewhere = "SELECT 1 FROM entry WHERE event = ? AND idx <> ? LIMIT 1"
            if event is not None and execute(elsewhere, (event.id, index)).first():
                self._ids.add(event.id)
            finding = self._replay.judge_late(index, opened, body)
            execute(
                "UPDATE entry SET body = ?, event = ?, type = ? WHERE idx = ?",
                (body, *((None, None) if event is None else (event.id, event.type)), index),
            )
            new = finding is not None and self._insert_finding(finding, self.size)
        return [finding] if finding is not None and new else []

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """The transaction under way, or one of its own."""
        if self._connection.in_transaction():
            yield
            return
        with self._connection.begin():
            yield

    def _store_one(self, package: Package) -> list[Finding]:
        assert package.start == self.edge.size, "packages are stored in order"
        found: list[Finding] = []
        rows: list[_EntryRow] = []
        holes: list[int] = []
        erased: list[tuple[int, int]] = []
        self._ids = known = self._known_ids(package)
        self._pending = rows
        for offset, opened in enumerate(package.opened):
            index = package.start + offset
            body = package.bodies[offset]
            stepped = self._replay.step(index, opened, body)
            if stepped.writes:
                self.book.put(stepped.writes, index)
            if stepped.finding is not None:
                found.append(stepped.finding)
            if stepped.erased is not None:
                erased.append((stepped.erased, index))
            kept = body if body and opened.fault is not FindingCode.BODY_ALTERED else None
            if kept is None and opened.at is not None:
                holes.append(index)
            event = opened.event if kept is not None else None
            if event is None:
                rows.append((index, package.entries[offset], kept, None, None))
            else:
                known.add(event.id)
                rows.append((index, package.entries[offset], kept, event.id, event.type))
        execute = self._connection.exec_driver_sql
        execute("INSERT INTO entry (idx, entry, body, event, type) VALUES (?, ?, ?, ?, ?)", rows)
        if holes:
            altered = {
                finding.index for finding in found if finding.code is FindingCode.BODY_ALTERED
            }
            execute(
                "INSERT INTO hole (idx, reported) VALUES (?, ?)",
                [(index, index in altered) for index in holes],
            )
        for index, by in erased:
            execute("UPDATE entry SET body = NULL WHERE idx = ?", (index,))
            execute(
                "INSERT INTO hole (idx, erased_by, reported) VALUES (?, ?, 0) "
                "ON CONFLICT (idx) DO UPDATE SET erased_by = excluded.erased_by",
                (index, by),
            )
        hashes = package.leaves
        leaves = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
        full = self.edge.append(leaves)
        if full:
            execute(
                "INSERT INTO tile (level, n, data) VALUES (?, ?, ?)",
                [(tile.level, tile.n, data) for tile, data in full],
            )
        return [f for f in found if self._insert_finding(f, self.edge.size)]

    def _known_ids(self, package: Package) -> set[str]:
        """Those event ids of the package that stood on the log before it."""
        ids = [o.event.id for o in package.opened if o.event is not None]
        marks = ",".join("?" * len(ids))
        if not ids:
            return set()
        rows = self._connection.exec_driver_sql(
            f"SELECT event FROM entry WHERE event IN ({marks})",  # noqa: S608  only marks
            tuple(ids),
        )
        return {row[0] for row in rows}

    def _entry_at(self, index: int) -> EarlierEntry | None:
        if self._pending and index >= self._pending[0][0]:
            place = index - self._pending[0][0]
            if place >= len(self._pending):
                return None
            raw, event_type = self._pending[place][1], self._pending[place][4]
        else:
            row = self._connection.exec_driver_sql(
                "SELECT entry, type FROM entry WHERE idx = ?", (index,)
            ).first()
            if row is None:
                return None
            raw, event_type = row
        try:
            return EarlierEntry(parse_entry(raw).commitment, event_type)
        except ValueError:
            return None

    def _insert_finding(self, finding: Finding, size: int) -> bool:
        done = self._connection.exec_driver_sql(
            "INSERT INTO finding (digest, code, idx, detail, evidence, certain, found_at, size) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            (
                finding.digest,
                finding.code.value,
                finding.index,
                finding.detail,
                finding.evidence_json,
                finding.certain,
                self._clock_ms(),
                size,
            ),
        )
        return done.rowcount == 1

    def _create_copy(self) -> None:
        self._connection.execute(
            text(
                "INSERT INTO copy (id, origin, genesis, size, root, last_at, unseen) "
                "VALUES (1, :origin, :genesis, 0, :root, 0, 0) ON CONFLICT (id) DO NOTHING"
            ),
            {"origin": self._origin, "genesis": self._genesis, "root": EMPTY_ROOT},
        )

    def _save_copy(self) -> None:
        self._connection.exec_driver_sql(
            "UPDATE copy SET size = ?, root = ?, last_at = ?, unseen = ?",
            (self.edge.size, self.edge.root(), self._replay.last_at, self._replay.unseen),
        )

    def _state(self) -> tuple[int, bytes, int]:
        return self.edge.size, self.edge.root(), self._replay.unseen

    def _load(self) -> None:
        row = self._connection.exec_driver_sql(
            "SELECT origin, genesis, size, root, last_at, unseen FROM copy"
        ).one()
        if (row.origin, row.genesis) != (self._origin, self._genesis):
            raise CopyDamaged(
                f"this database is a copy of {row.origin} with another genesis; "
                "give each log its own database"
            )
        self.edge = read_edge(self._connection, row.size)
        if self.edge.root() != row.root:
            raise CopyDamaged(
                f"the stored entries do not lead to the root stored at size {row.size}; move the "
                "database away and the observer makes a new copy from the hub"
            )
        self._ids = set()
        self._pending = []
        self._replay = Replay(
            self.book,
            self._genesis,
            self._origin,
            is_known=lambda event_id: event_id in self._ids,
            entry_at=self._entry_at,
            last_at=row.last_at,
            unseen=row.unseen,
        )
        self._committed = self._state()
