"""Record files and the record store: what an agency or a data source commits to.

A record is `{"subject": enterprise id, "section": code, "data": {...}}`. Of its canonical JSON the
log learns nothing but one RFC 6962 root over up to 1,000,000 *salted* fingerprints; the salts stay
here, in the record store, with the tree's tiles, so that a record's Merkle path is cheap at any
time. Whoever is given a record, its salt and its path can check it against the log, offline.

    store = RecordStore(path)
    batch = store.add(read_records(file), as_of=now)       # then submit batch.event()
    for held in store.find(subject, section): ...          # its salt, batch and index
    store.prove(batch, [held.index])                       # its path
"""

from __future__ import annotations

import csv
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, get_args

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
from creditchain.events import MalformedEvent, b64u, canonical_json, parse_json
from creditchain.events.codes import Section
from creditchain.events.envelope import JSON_DEPTH_MAX
from creditchain.events.field import EnterpriseId
from creditchain.events.records import RECORDS_MAX, RecordsCommitted
from creditchain.fingerprint import SALT_BYTES, fingerprint
from creditchain.tlog.edge import Edge, TileReader
from creditchain.tlog.merkle import leaf_hash, leaf_hashes_of
from creditchain.tlog.proof import check_inclusion, prove_inclusions

RECORD_BYTES_MAX: Final = 16_384
"""A record is a line of a report: a loan, a judgment, a year's figures; longer is a document."""

CHUNK: Final = 4_096
"""Records hashed and stored at a time: bounds memory to a few MB, and sets the progress step."""

_APPLICATION_ID: Final = 0x63637273  # "ccrs"
_VERSION: Final = 1

_parse_subject = get_args(EnterpriseId)[1].parse
_SECTIONS: Final = {section.value: section for section in Section}
_FIELDS: Final = {"subject", "section", "data"}


class BadRecords(ValueError):
    """A record file that cannot be committed: the message names file, line and problem."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line about one enterprise. `data` is what its section holds: texts, integers, lists."""

    subject: str
    section: Section
    data: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        """The canonical bytes that are fingerprinted."""
        return canonical_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The record as it stands in a record file and in a report."""
        return {"data": dict(self.data), "section": self.section.value, "subject": self.subject}


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


def parse_record(value: object) -> Record:
    """The record in parsed JSON; raises ValueError saying what is wrong."""
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise ValueError("a record has the fields subject, section and data")
    section = _SECTIONS.get(value["section"]) if isinstance(value["section"], str) else None
    if section is None:
        raise ValueError("section: not one of the Section codes")
    if not isinstance(value["data"], dict) or not value["data"]:
        raise ValueError("data: not an object with fields")
    return Record(_parse_subject(value["subject"]), section, value["data"])


def read_records(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[Record]:
    """The records of a `.csv` file, or of a file of JSON lines, one at a time.

    A CSV file has the columns `subject`, `section` and either `data` (a JSON object) or one column
    for each field, whose non-empty cells become texts. `progress` is told the bytes read so far.
    Raises `BadRecords` at the first line that is no record.
    """
    number = 0
    try:
        with path.open("rb") as file:
            lines = _lines(path, file, progress)
            rows = _csv_rows(lines) if path.suffix.lower() == ".csv" else _json_rows(lines)
            for number, value in rows:  # noqa: B007 - names the line when the next one fails
                yield parse_record(value)
    except OSError as error:
        raise BadRecords(f"{path}: {error.strerror}") from None
    except BadRecords:
        raise
    except (ValueError, csv.Error) as error:
        where = error.number if isinstance(error, _BadLine) else number
        raise BadRecords(f"{path}, line {where}: {error}") from None


def leaf_of(content: bytes, salt: bytes) -> bytes:
    """The tree's leaf hash for a record's canonical bytes under its salt."""
    return leaf_hash(fingerprint(salt, content))


def check_record(
    content: bytes, salt: bytes, index: int, count: int, path: Sequence[bytes], root: bytes
) -> None:
    """Raises `BadProof` unless the record stands at `index` of the batch with `root`."""
    check_inclusion(leaf_of(content, salt), index, count, path, root)


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


class _BadLine(ValueError):
    """A problem on a line whose number the reader knows better than its caller."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(problem)
        self.number = number


def _lines(
    path: Path, file: Any, progress: Callable[[int], None] | None
) -> Iterator[tuple[int, bytes]]:
    """Numbered lines, none of them longer than a record may be."""
    number = done = 0
    # Twice, because a CSV cell doubles its quotes.
    while line := file.readline(2 * RECORD_BYTES_MAX):
        number += 1
        done += len(line)
        if not line.endswith(b"\n") and len(line) == 2 * RECORD_BYTES_MAX:
            raise BadRecords(f"{path}, line {number}: longer than a record may be")
        yield number, line
        if progress is not None and number % CHUNK == 0:
            progress(done)
    if progress is not None:
        progress(done)


def _json_rows(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
    for number, line in lines:
        if line.strip():
            yield number, _value(number, line.rstrip(b"\r\n"))


def _csv_rows(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
    reader = csv.reader(_decoded(lines), strict=True)
    header = next(reader, [])
    if not {"subject", "section"} <= set(header) or len(set(header)) != len(header):
        raise _BadLine(1, "the header names subject, section and the fields, each once")
    whole = "data" in header
    if whole and len(header) != len(_FIELDS):
        raise _BadLine(1, "beside a data column there are only subject and section")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise _BadLine(reader.line_num, f"{len(cells)} cells under {len(header)} columns")
        row: dict[str, Any] = dict(zip(header, cells, strict=True))
        head = {"subject": row.pop("subject"), "section": row.pop("section")}
        data = (
            _value(reader.line_num, row["data"].encode())
            if whole
            else {name: cell for name, cell in row.items() if cell}
        )
        yield reader.line_num, {**head, "data": data}


def _decoded(lines: Iterable[tuple[int, bytes]]) -> Iterator[str]:
    for number, line in lines:
        # Spreadsheets put a byte order mark before the header.
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        try:
            yield text.decode()
        except UnicodeError:
            raise _BadLine(number, "not UTF-8") from None


# What only the thorough parser judges: nulls, escapes (lone surrogates), integers near 2^53.
_THOROUGH: Final = re.compile(rb"null|\\|[0-9]{16}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs) or not all(map(str.isascii, result)):
        raise MalformedEvent("", "a key stands twice in one object, or is not ASCII")
    return result


def _no_float(text: str) -> Any:
    raise MalformedEvent("", f"{text[:24]} is no integer")


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_no_float, parse_constant=_no_float
)


def _value(number: int, data: bytes) -> object:
    """As `parse_json` of the events, which judges the same, three times as fast for plain lines."""
    try:
        if (
            len(data) > RECORD_BYTES_MAX
            or data.count(b"{") + data.count(b"[") > JSON_DEPTH_MAX
            or _THOROUGH.search(data) is not None
        ):
            return parse_json(data, RECORD_BYTES_MAX)
        return _decoder.decode(data.decode())
    except MalformedEvent as error:
        raise _BadLine(number, error.problem) from None
    except ValueError as error:
        raise _BadLine(number, f"not JSON: {error}") from None
