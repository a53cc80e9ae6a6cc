"""The record store: the salts, fingerprints and trees of the batches committed from here.

Only the salts can prove a record, and only the tree's tiles make its Merkle path cheap at any time;
the log has one root for them all.

    store = RecordStore(path)
    batch = store.add(read_records(file), as_of=now)       # then submit batch.event()
    for held in store.find(subject, section): ...          # its salt, batch and index
    store.prove(batch, [held.index])                       # its path
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)

from creditchain.client.fresh import fresh_event_id
from creditchain.client.local_store import open_store
from creditchain.client.records import RECORD_BYTES_MAX, BadRecords, Record
from creditchain.events import b64u
from creditchain.events.codes import Section
from creditchain.events.records import RECORDS_MAX, RecordsCommitted
from creditchain.fingerprint import SALT_BYTES, fingerprint
from creditchain.tlog.edge import Edge, TileReader
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.proof import prove_inclusions

CHUNK: Final = 4_096
"""Records hashed and stored at a time: bounds memory to a few MB."""

_APPLICATION_ID: Final = 0x63637273  # "ccrs"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """A commitment: `id` is the event's, `root` the tree's over `count` record fingerprints.

    `index` is the log entry that committed it, None while it is not known to be on the log;
    `body` the sealed event as it was sent, None before.
    """

    id: str
    root: bytes
    count: int
    sections: tuple[Section, ...]
    as_of: int
    source: bytes | None
    body: bytes | None
    index: int | None
    superseded: bool

    def event(self) -> RecordsCommitted:
        """What is said on the log about the batch."""
        return RecordsCommitted(b64u(self.root), self.count, self.sections, self.as_of)


@dataclass(frozen=True, slots=True)
class Held:
    """Where a record stands: its batch, its index there, its salt and its fingerprint."""

    batch: str
    index: int
    salt: bytes
    fingerprint: bytes


_tables = MetaData()

_batch = Table(
    "batch",
    _tables,
    Column("number", Integer, primary_key=True),
    Column("id", Text, unique=True, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sections", Text, nullable=False),
    Column("as_of", Integer, nullable=False),
    Column("source", LargeBinary, index=True),
    Column("body", LargeBinary),
    Column("committed_index", Integer),
    Column("superseded", Integer, nullable=False),
)

_record = Table(
    "record",
    _tables,
    Column("batch", Integer),
    Column("position", Integer),
    Column("subject", Text, nullable=False),
    Column("section", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    PrimaryKeyConstraint("batch", "position"),
    Index("record_of_subject", "subject", "section"),
    sqlite_with_rowid=False,
)

_tile = Table(
    "tile",
    _tables,
    Column("batch", Integer),
    Column("level", Integer),
    Column("n", Integer),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("batch", "level", "n"),
)

# Driver SQL: SQLAlchemy's own executemany wants a dictionary a row, which costs as much as hashing.
_ADD_RECORDS: Final = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)"
_ADD_TILES: Final = "INSERT INTO tile VALUES (?, ?, ?, ?)"


class RecordStore:
    """Salts, fingerprints and tree tiles of every batch committed from here, in one SQLite file.

    Without the salts no record can be proved: the file belongs in the backup, and in private.
    Raises `BadStore` when the file is something else.
    """

    def __init__(self, path: Path) -> None:
        self._engine = open_store(path, _tables, _APPLICATION_ID, _VERSION)

    def close(self) -> None:
        """Lets go of the file."""
        self._engine.dispose()

    def add(self, records: Iterable[Record], as_of: int, source: bytes | None = None) -> Batch:
        """A new batch of 1 to 1,000,000 records, true as of `as_of` (ms); all of it or nothing.

        `source` names where the records came from (the SHA-256 of a file), see `find_source`.
        Raises `BadRecords`; and passes on what `records` raises.
        """
        edge = Edge.empty()
        sections: set[Section] = set()
        stream = iter(records)
        with self._engine.begin() as connection:
            (number,) = connection.execute(
                insert(_batch)
                .values(
                    id=fresh_event_id(),
                    root=b"",
                    size=0,
                    sections="[]",
                    as_of=as_of,
                    source=source,
                    superseded=0,
                )
                .returning(_batch.c.number)
            ).one()
            while chunk := list(islice(stream, CHUNK)):
                start = edge.size
                if start + len(chunk) > RECORDS_MAX:
                    raise BadRecords(
                        f"more than {RECORDS_MAX:,} records; split them in two batches"
                    )
                rows = _rows(number, start, chunk)
                tiles = edge.append(leaf_hashes_of(row[5] for row in rows))
                connection.exec_driver_sql(_ADD_RECORDS, rows)
                if tiles:
                    connection.exec_driver_sql(
                        _ADD_TILES, [(number, t.level, t.n, hashes) for t, hashes in tiles]
                    )
                sections.update(record.section for record in chunk)
            if edge.size == 0:
                raise BadRecords("there is no record to commit")
            last = [(number, tile.level, tile.n, hashes) for tile, hashes in edge.tiles()]
            if last:
                connection.exec_driver_sql(_ADD_TILES, last)
            connection.execute(
                update(_batch)
                .where(_batch.c.number == number)
                .values(
                    root=edge.root(),
                    size=edge.size,
                    sections=json.dumps(sorted(section.value for section in sections)),
                )
            )
            row = connection.execute(select(_batch).where(_batch.c.number == number)).one()
        return _batch_of(row)

    def batch(self, id: str) -> Batch | None:
        """The batch with this event id."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_batch).where(_batch.c.id == id)).one_or_none()
        return None if row is None else _batch_of(row)

    def batches(self) -> list[Batch]:
        """Every batch, oldest first."""
        with self._engine.connect() as connection:
            return [
                _batch_of(row)
                for row in connection.execute(select(_batch).order_by(_batch.c.number))
            ]

    def find_source(self, source: bytes) -> Batch | None:
        """The newest batch made from this source, so that a file is not committed twice."""
        statement = select(_batch).where(_batch.c.source == source)
        with self._engine.connect() as connection:
            row = connection.execute(statement.order_by(_batch.c.number.desc()).limit(1)).first()
        return None if row is None else _batch_of(row)

    def keep_body(self, id: str, body: bytes) -> None:
        """Notes the sealed event before it is sent: after a crash the same bytes are sent again."""
        self._set(id, body=body)

    def mark_committed(self, id: str, index: int) -> None:
        """The batch is on the log, at this entry: its records may be cited."""
        self._set(id, committed_index=index)

    def mark_superseded(self, id: str) -> None:
        """The batch no longer counts: its records are not cited any more."""
        self._set(id, superseded=1)

    def find(self, subject: str, section: Section) -> list[Held]:
        """The subject's records of a section in batches that count, newest batch first."""
        statement = (
            select(_batch.c.id, _record.c.position, _record.c.salt, _record.c.fingerprint)
            .join(_batch, _batch.c.number == _record.c.batch)
            .where(
                _record.c.subject == subject,
                _record.c.section == section.value,
                _batch.c.committed_index.is_not(None),
                _batch.c.superseded == 0,
            )
            .order_by(_batch.c.number.desc(), _record.c.position)
        )
        with self._engine.connect() as connection:
            return [Held(*row) for row in connection.execute(statement)]

    def prove(self, batch: Batch, indexes: Sequence[int]) -> list[tuple[bytes, ...]]:
        """The Merkle path of each index in a batch; raises `BadProof` for one outside it."""
        with self._engine.connect() as connection:
            number = connection.execute(
                select(_batch.c.number).where(_batch.c.id == batch.id)
            ).scalar_one()

            def read_tile(level: int, n: int, _width: int) -> bytes:
                return bytes(
                    connection.execute(
                        select(_tile.c.hashes).where(
                            _tile.c.batch == number, _tile.c.level == level, _tile.c.n == n
                        )
                    ).scalar_one()
                )

            return prove_inclusions(indexes, batch.count, TileReader(batch.count, read_tile))

    def _set(self, id: str, **values: object) -> None:
        with self._engine.begin() as connection:
            done = connection.execute(update(_batch).where(_batch.c.id == id).values(**values))
            assert done.rowcount == 1, f"no batch {id} in the record store"


def _rows(
    number: int, start: int, chunk: Sequence[Record]
) -> list[tuple[int, int, str, str, bytes, bytes]]:
    salts = secrets.token_bytes(SALT_BYTES * len(chunk))
    rows = []
    for at, record in enumerate(chunk):
        salt = salts[SALT_BYTES * at : SALT_BYTES * (at + 1)]
        content = record.content
        if len(content) > RECORD_BYTES_MAX:
            raise BadRecords(f"record {start + at}: more than {RECORD_BYTES_MAX} bytes")
        rows.append(
            (
                number,
                start + at,
                record.subject,
                record.section.value,
                salt,
                fingerprint(salt, content),
            )
        )
    return rows


def _batch_of(row: Row[Any]) -> Batch:
    return Batch(
        id=row.id,
        root=row.root,
        count=row.size,
        sections=tuple(Section(code) for code in json.loads(row.sections)),
        as_of=row.as_of,
        source=row.source,
        body=row.body,
        index=row.committed_index,
        superseded=bool(row.superseded),
    )
