"""The machine: takes a batch, decides it, and commits it with everything that follows from it.

One transaction holds the entries, their bodies, the records, the tiles that filled, the batch and
the checkpoint. Then the head register. Then, and only then, the answers. `step` names the places in
between, where tests end the process:

    frozen -> executed -> begun -> entered -> written -> committed -> registered -> answered

A batch whose COMMIT failed is never tried again blindly: the head is read again, and the batch is
either there, or not there, or the ledger stops.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from creditchain.events import EVENTS, MalformedEvent, b64u
from creditchain.events.erasure import BodyErased
from creditchain.ledger.book import (
    Overlay,
    Records,
    SqlBook,
    Statement,
    insertion,
    statements_of,
)
from creditchain.ledger.database import Checkpointer, Database, failure_code
from creditchain.ledger.failure import LedgerFailure, LedgerStopped, StorageFull
from creditchain.ledger.order import START, Batch, Outcome, Placed, Position, digest_of
from creditchain.ledger.proofs import ProofTexts
from creditchain.ledger.publisher import Admitted, Answer, Publisher
from creditchain.ledger.register import HeadRegister
from creditchain.ledger.tiles import ROWS, FullTile, StoredTiles
from creditchain.rulebook import NEVER_ERASED, Book, Refusal, Violation, Writes, find_key
from creditchain.seal import BadSeal, Entry, FindKey, Sealed, format_entry, unseal
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.tile import TILE_WIDTH, Tile

Law = Callable[[Book, Sealed, int], Writes | Violation]
"""`rulebook.decide`, or in a test something that behaves worse."""

Step = Callable[[str], None]

BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bodies in one batch: a transaction stays small even when each body has 64 KiB."""

_ROWS_BESIDE: Final = 128
"""From so many rows on, a transaction is worth a thread of its own; below, the hand-over is not."""

SCREENED_REMEMBERED: Final = 8_192
"""Bodies whose signature was checked at the door and that wait to be decided: more than the queue
and a batch together, so that nothing is verified twice."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Stands:
    """The body is in the log: as a new entry, or it has been for a while."""

    index: int
    at: int
    commitment: bytes
    entry: bytes


@dataclass(slots=True)
class Falls:
    """The body is refused, in a log of `size`."""

    violation: Violation
    commitment: bytes
    size: int


@dataclass(slots=True)
class Fails:
    """The law itself failed on this body: our mistake, for people to look into."""

    error: Exception


Filled = dict[tuple[int, int], FullTile]
"""The tiles that a batch filled, by level and number."""

Verdict = Stands | Falls | Fails


@dataclass(frozen=True, slots=True)
class Executed(Outcome[Verdict]):
    """An outcome with what `commit` writes."""

    edge: Edge
    tiles: tuple[tuple[Tile, bytes], ...]
    rows: tuple[tuple[Any, ...], ...]
    commitments: tuple[bytes, ...]
    overlay: Overlay
    erased: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Where the log stands after its last batch."""

    position: Position
    at: int
    edge: Edge
    root: bytes

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.edge.size


EMPTY: Final = State(START, 0, Edge.empty(), Edge.empty().root())


def no_step(_name: str) -> None:
    """Between the steps of a commit, in production, nothing happens."""


_ENTRY_COLUMNS: Final = ("idx", "at", "commitment", "id", "by", "type", "body")
_TILE_COLUMNS: Final = ("level", "n", "data", "inside")
_BATCH_COLUMNS: Final = ("height", "previous", "digest", "at", "first_index", "count")
_CHECKPOINT_COLUMNS: Final = ("size", "root", "note", "at")
_KNOWN: Final = (
    "SELECT id, idx, at, commitment FROM entry WHERE id IN (SELECT value FROM json_each(?))"
)
_SUBJECT: Final = "SELECT commitment, type FROM entry WHERE idx = ?"
_HEAD: Final = "SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1"


class Screened:
    """Verified events by their body, the most recent ones. For any thread."""

    def __init__(self) -> None:
        self._young: dict[bytes, Sealed] = {}
        self._old: dict[bytes, Sealed] = {}

    def put(self, sealed: Sealed) -> None:
        """Remembers a verified event until as many others have come."""
        young = self._young
        if len(young) >= SCREENED_REMEMBERED:
            self._old, self._young = young, {}
            young = self._young
        young[sealed.body] = sealed

    def get(self, body: bytes) -> Sealed | None:
        """The verified event of these bytes if remembered."""
        return self._young.get(body) or self._old.get(body)


class _NewTree:
    """The tree after a batch that is not committed yet: its edge, the tiles it filled, the rest."""

    def __init__(self, edge: Edge, filled: Filled, tiles: StoredTiles) -> None:
        self._edge = edge
        self._filled = filled
        self._tiles = tiles

    def hash_at(self, level: int, index: int) -> bytes:
        """The root of a perfect subtree."""
        found = self._edge.find_hash(level, index)
        if found is not None:
            return found
        tile_level, row = divmod(level, ROWS)
        tile = self._filled.get((tile_level, index >> (ROWS - row)))
        if tile is not None:
            return tile.hash_at(row, index)
        return self._tiles.hash_at(level, index, self._edge)

    def siblings(self, level: int, index: int, own: bytes | None) -> list[bytes] | None:
        """The way up through a tile of earlier batches; of this one, neighbours share it."""
        if (level // ROWS, index // TILE_WIDTH) in self._filled:
            return None
        return self._tiles.siblings(level, index, own, self._edge)


class Machine:
    """The ledger as an ordering engine drives it. All of it runs on the writer's thread."""

    def __init__(
        self,
        database: Database,
        connection: sqlite3.Connection,
        state: State,
        publisher: Publisher,
        records: Records,
        law: Law,
        *,
        register: HeadRegister | None = None,
        step: Step = no_step,
    ) -> None:
        self.state = state
        self.screened = Screened()
        self.storage_full = False
        self.step = step
        self._database = database
        self._connection = connection
        self._publisher = publisher
        self._tiles: StoredTiles = publisher.tiles
        self._records = records
        self._book = SqlBook(records, self._fetch)
        self._law = law
        self._register = register
        self._find_key = find_key(self._book)
        self._checkpointer = Checkpointer(database)
        self._beside = ThreadPoolExecutor(1, "ledger-sqlite")
        self._prepared: list[Placed[Answer | Exception]] | None = None

    # Order's side.

    def resume(self) -> Position:
        """The last batch committed."""
        return self.state.position

    @property
    def last_at(self) -> int:
        """The time of the last batch committed, ms."""
        return self.state.at

    def arrange(self, items: Sequence[bytes], limit: int) -> Sequence[bytes]:
        """The first items, as many as one batch holds; at least one."""
        taken = size = 0
        for item in items:
            size += len(item)
            if taken == limit or (taken and size > BATCH_BYTES_MAX):
                break
            taken += 1
        return items[:taken]

    def accept(self, batch: Batch) -> bool:
        """Whether the batch follows the last one, in place and in time."""
        position = self.state.position
        return (
            batch.height == position.height + 1
            and batch.previous == position.digest
            and batch.at > self.state.at
        )

    def execute(self, batch: Batch) -> Executed:
        """Decides the items in order, each on the state that the earlier ones leave.

        Any other error of the law is the answer to its one item; an AssertionError means that we
        no longer know what we do, so it ends the batch, and nothing of it is written.
        """
        opened = [self._open(item) for item in batch.items]
        known = self._known([one.event.id for one in opened if isinstance(one, Sealed)])
        overlay = Overlay(self._book)
        first = self.state.size
        rows: list[tuple[Any, ...]] = []
        entries: list[bytes] = []
        erased: list[int] = []
        verdicts: list[Verdict] = []
        for item, sealed in zip(batch.items, opened, strict=True):
            index = first + len(rows)
            if isinstance(sealed, Violation):
                verdicts.append(Falls(sealed, sha256(item).digest(), index))
                continue
            event, commitment = sealed.event, sealed.commitment
            there = known.get(event.id)
            if there is not None:
                verdicts.append(
                    there
                    if there.commitment == commitment
                    else Falls(Violation(Refusal.ID_REUSED, "id"), commitment, index)
                )
                continue
            try:
                decided = self._law(overlay, sealed, batch.at)
                if isinstance(event.body, BodyErased):
                    decided = self._with_subject(event.body, decided, first, rows)
            except AssertionError:
                raise
            except Exception as error:
                logger.exception("the law failed on %s %s", event.type, event.id)
                verdicts.append(Fails(error))
                continue
            if isinstance(decided, Violation):
                verdicts.append(Falls(decided, commitment, index))
                continue
            overlay.put(decided, index, event.id)
            if isinstance(event.body, BodyErased):
                erased.append(event.body.index)
            entry = format_entry(Entry(batch.at, commitment))
            stands = known[event.id] = Stands(index, batch.at, commitment, entry)
            verdicts.append(stands)
            rows.append((index, batch.at, commitment, event.id, event.by, event.type, sealed.body))
            entries.append(entry)
        edge = self.state.edge.copy() if rows else self.state.edge
        tiles = edge.append(leaf_hashes_of(entries))
        return Executed(
            answers=tuple(verdicts),
            root=edge.root() if rows else self.state.root,
            edge=edge,
            tiles=tuple(tiles),
            rows=tuple(rows),
            commitments=tuple(row[2] for row in rows),
            overlay=overlay,
            erased=tuple(erased),
        )

    def commit(self, batch: Batch, outcome: Executed) -> None:
        """Writes the batch, then the register, then shows it.

        Raises `StorageFull` when the disk is full and nothing was written, `LedgerStopped` when
        nobody can tell.
        """
        if not outcome.rows:
            return
        digest = digest_of(batch.height, batch.previous, batch.at, outcome.commitments)
        edge = outcome.edge
        note = self._publisher.sign(edge.size, outcome.root)
        filled = {(tile.level, tile.n): FullTile.of(data) for tile, data in outcome.tiles}
        statements = self._statements(batch, outcome, filled, digest, note)
        writing = self._begin_write(statements)
        prepared = self._prepare(batch, outcome, filled, note)
        try:
            writing.result()
        except (sqlite3.Error, OSError) as error:
            self._resolve(error, edge.size, outcome.root)
        self.step("committed")
        self._register_head(note)
        self.step("registered")
        self._prepared = prepared
        self.state = State(Position(batch.height, digest), batch.at, edge, outcome.root)
        self._records.publish(
            (key, change.after) for key, change in outcome.overlay.changes.items()
        )
        self._publisher.publish(edge, outcome.root, note)
        self._checkpointer.nudge(len(outcome.rows), purge=bool(outcome.erased))

    def answer(self, batch: Batch, outcome: Executed) -> list[Placed[Answer | Exception]]:
        """What the submitters of a committed batch are told."""
        if outcome.rows:
            assert self._prepared is not None, "the batch was committed"
            prepared, self._prepared = self._prepared, None
            return prepared
        return self._answers(batch, outcome, self._publisher.proofs(), self.state.position.height)

    def _prepare(
        self,
        batch: Batch,
        outcome: Executed,
        filled: Filled,
        note: str,
    ) -> list[Placed[Answer | Exception]]:
        """Makes the answers while the batch is being written; nobody gets them before it is."""
        tree = _NewTree(outcome.edge, filled, self._tiles)
        try:
            proofs = ProofTexts(outcome.edge.size, tree, note)
            return self._answers(batch, outcome, proofs, batch.height)
        except Exception as error:
            # The batch is being committed all the same: its submitters hear that something is
            # wrong, and get their entries when they repeat.
            logger.exception("the answers of batch %d cannot be made", batch.height)
            return [Placed(batch.height, None, error) for _ in outcome.answers]

    def _answers(
        self, batch: Batch, outcome: Executed, proofs: ProofTexts, height: int
    ) -> list[Placed[Answer | Exception]]:
        placed: list[Placed[Answer | Exception]] = []
        for verdict in outcome.answers:
            if isinstance(verdict, Stands):
                index = verdict.index
                answer = Admitted(index, verdict.at, verdict.entry, proofs.text(index))
                placed.append(Placed(height, index, answer))
            elif isinstance(verdict, Falls):
                refused = self._publisher.refuse(
                    verdict.commitment, verdict.violation, verdict.size, batch.at
                )
                placed.append(Placed(height, None, refused))
            else:
                placed.append(Placed(height, None, verdict.error))
        return placed

    # The publisher's side.

    def store_cosignatures(self, size: int, lines: Sequence[tuple[str, str]]) -> None:
        """Stores verified (name, line) pairs on the checkpoint of `size`, then shows them.

        Raises `StorageFull` or `LedgerStopped` as `commit` does.
        """
        try:
            self._write([_cosignatures(size, lines)])
        except (sqlite3.Error, OSError) as error:
            # The head is where it was; whether the lines are in does not matter.
            self._resolve(error, self.state.size, self.state.root)
        row = self._fetch("SELECT note FROM checkpoint WHERE size = ?", (size,))
        assert row is not None, "the foreign key holds"
        stored = self._connection.execute(
            "SELECT line FROM cosignature WHERE size = ? ORDER BY name", (size,)
        )
        self._publisher.take_cosignatures(row[0], [line for (line,) in stored])

    def close(self) -> None:
        """Closes the connection; SQLite then moves the WAL into the file."""
        self._checkpointer.close()
        self._beside.shutdown()
        self._connection.close()

    # Deciding.

    def _fetch(self, sql: str, values: tuple[Any, ...]) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._connection.execute(sql, values).fetchone()
        return row

    def _open(self, item: bytes) -> Sealed | Violation:
        """The verified event of an item; usually the door has verified it a moment ago."""
        return self.screened.get(item) or open_body(
            item, self._find_key, self._publisher.keys.origin
        )

    def _known(self, ids: list[str]) -> dict[str, Stands]:
        found = self._connection.execute(_KNOWN, (json.dumps(ids),))
        return {
            id_: Stands(index, at, commitment, format_entry(Entry(at, commitment)))
            for id_, index, at, commitment in found
        }

    def _with_subject(
        self,
        body: BodyErased,
        decided: Writes | Violation,
        first: int,
        rows: Sequence[tuple[Any, ...]],
    ) -> Writes | Violation:
        """The decision on an erasure once the log has been asked about its subject.

        The rulebook sees the book, not the log, and leaves this to whoever holds the log: the entry
        exists, has this commitment, and its body may go (`rulebook.erasure`). Replay asks the same
        of the same entries, so it gives the same answer.
        """
        if isinstance(decided, Violation) and decided.code is not Refusal.ERASURE_DONE:
            return decided
        if body.index < first:
            subject = self._fetch(_SUBJECT, (body.index,))
        else:
            place = body.index - first
            subject = (rows[place][2], rows[place][5]) if place < len(rows) else None
        if subject is None or EVENTS[subject[1]] in NEVER_ERASED:
            return Violation(Refusal.ERASURE_SUBJECT, "body.index")
        if b64u(subject[0]) != body.commitment:
            return Violation(Refusal.ERASURE_SUBJECT, "body.commitment")
        return decided

    # Writing.

    def _statements(
        self, batch: Batch, outcome: Executed, filled: Filled, digest: bytes, note: str
    ) -> list[Statement]:
        tiles = [(level, n, full.data, full.inside) for (level, n), full in filled.items()]
        first = outcome.rows[0][0]
        row = (batch.height, batch.previous, digest, batch.at, first, len(outcome.rows))
        checkpoint = (outcome.edge.size, outcome.root, note, batch.at)
        return [
            insertion("entry", _ENTRY_COLUMNS, outcome.rows),
            Statement(
                "UPDATE entry SET body = NULL WHERE idx IN (",
                "?",
                ")",
                [(index,) for index in outcome.erased],
            ),
            *statements_of(outcome.overlay.changes),
            insertion("tile", _TILE_COLUMNS, tiles),
            insertion("batch", _BATCH_COLUMNS, [row]),
            insertion("checkpoint", _CHECKPOINT_COLUMNS, [checkpoint]),
        ]

    def _begin_write(self, statements: Sequence[Statement]) -> Future[None]:
        """Starts the transaction; the result is that it is committed."""
        rows = sum(len(statement.rows) for statement in statements)
        if rows >= _ROWS_BESIDE:
            # SQLite works without Python's lock, so the answers are made at the same time.
            return self._beside.submit(self._write, statements)
        done: Future[None] = Future()
        try:
            self._write(statements)
        except (sqlite3.Error, OSError) as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        return done

    def _write(self, statements: Sequence[Statement]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        self.step("begun")
        for place, statement in enumerate(statements):
            statement.run(connection)
            if place == 0:
                self.step("entered")
        self.step("written")
        connection.execute("COMMIT")
        self.storage_full = False

    def _resolve(self, error: sqlite3.Error | OSError, size: int, root: bytes) -> None:
        """Finds out what a failed transaction left. Returns if it is there after all."""
        code = failure_code(error) if isinstance(error, sqlite3.Error) else type(error).__name__
        logger.error("a batch was not written: %s %s", code, error)
        if code in _FSYNC_FAILED:
            # The kernel may have dropped what it could not write and say nothing the next time.
            raise LedgerStopped(
                f"the disk did not confirm a write ({code}): what is on it is unknown. Check the "
                "disk, then start the hub again; it verifies what it finds."
            ) from error
        try:
            head = self._read_head_again()
        except sqlite3.Error as again:
            raise LedgerStopped(
                f"after {code} the database cannot be read ({again}). Check the disk, then start "
                "the hub again; it verifies what it finds."
            ) from error
        if head == (size, root):
            return
        if head != (self.state.size, self.state.root):
            raise LedgerStopped(
                "the database holds a head that this hub has not written. Stop every other program "
                "that opens it, then start the hub again."
            ) from error
        if code in _NO_SPACE:
            self.storage_full = True
            raise StorageFull("the disk takes no more; nothing of the batch was written") from error
        raise LedgerFailure(f"the batch was not written: {code} {error}") from error

    def _read_head_again(self) -> tuple[int, bytes]:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            row = self._fetch(_HEAD, ())
        except sqlite3.Error:
            self._connection.close()
            self._connection = self._database.open_writer()
            row = self._fetch(_HEAD, ())
        return (0, EMPTY.root) if row is None else (row[0], row[1])

    def _register_head(self, note: str) -> None:
        if self._register is None:
            return
        try:
            self._register.write(note)
        except OSError as error:
            raise LedgerStopped(
                f"the head register was not written ({error}). The batch is in the log, and its "
                "submitters hear so when they repeat. Check the disk, then start the hub again."
            ) from error


_NO_SPACE: Final = frozenset(
    {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_CANTOPEN"}
)
_FSYNC_FAILED: Final = frozenset({"SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"})


def _cosignatures(size: int, lines: Sequence[tuple[str, str]]) -> Statement:
    """The later cosignature of one cosigner on one size replaces the earlier."""
    return Statement(
        "INSERT OR REPLACE INTO cosignature (size, name, line) VALUES ",
        "(?, ?, ?)",
        "",
        [(size, name, line) for name, line in lines],
    )


def open_body(raw: bytes, find: FindKey, origin: str) -> Sealed | Violation:
    """The verified event of body bytes for the log of this origin, or why they are none."""
    try:
        sealed = unseal(raw, find)
    except MalformedEvent as error:
        return Violation(Refusal.EVENT_MALFORMED, error.path)
    except BadSeal as error:
        return bad_seal(error, origin)
    return sealed if sealed.event.log == origin else Violation(Refusal.WRONG_LOG, "log")


def bad_seal(error: BadSeal, origin: str) -> Violation:
    """What a member is told of a seal that does not hold; for another log, that it is."""
    if error.event.log != origin:
        return Violation(Refusal.WRONG_LOG, "log")
    return Violation(Refusal(error.fault.value), "proof")
