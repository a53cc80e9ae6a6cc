"""The observer's tables. What a thief of observer.db gets, and cannot do, is in docs/observer.md.

`entry` and `tile` are the log; `record` is the state that replay gave; `head`, `copy` and `hole`
say how far the observer is; `finding` is kept for ever.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

METADATA: Final = MetaData()

ENTRY: Final = Table(
    "entry",
    METADATA,
    Column("idx", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("entry", LargeBinary, nullable=False),  # the bytes the tree hashes
    Column("body", LargeBinary),  # NULL: erased, or never seen
    Column("event", Text),  # the event's id; NULL: not known
    Column("type", Text),
    Index("entry_event", "event"),
)

TILE: Final = Table(
    "tile",
    METADATA,
    Column("level", Integer, primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),  # full tiles only: 8,192 bytes
    sqlite_with_rowid=True,
)

RECORD: Final = Table(
    "record",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("json", Text, nullable=False),
    Column("changed_index", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

COPY: Final = Table(
    "copy",
    METADATA,
    Column("id", Integer, primary_key=True),  # one row, 1
    Column("origin", Text, nullable=False),
    Column("genesis", LargeBinary, nullable=False),  # SHA-256 of the pinned founding body
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("last_at", BigInteger, nullable=False),  # ms
    Column("unseen", BigInteger, nullable=False),  # bodies this replay never saw
)

HEAD: Final = Table(
    "head",
    METADATA,
    Column("name", Text, primary_key=True),  # witness, mirror
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),  # as the log signed it
    Column("line", Text, nullable=False),  # our cosignature
    Column("time_s", BigInteger, nullable=False),
)

HOLE: Final = Table(
    "hole",
    METADATA,
    Column("idx", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("erased_by", BigInteger),  # the entry that says so; NULL: nothing says so yet
    Column("reported", Boolean, nullable=False),
)

FINDING: Final = Table(
    "finding",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("code", Text, nullable=False),
    Column("idx", BigInteger),
    Column("detail", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # canonical JSON
    Column("certain", Boolean, nullable=False),
    Column("found_at", BigInteger, nullable=False),  # ms
    Column("size", BigInteger, nullable=False),  # of our copy when it was found
    sqlite_autoincrement=True,
)

SUBMISSION: Final = Table(
    "submission",  # what members handed in and our copy does not reach yet
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("body", LargeBinary),  # of a refusal: the body refused
    Column("size", BigInteger, nullable=False),  # the copy must have so many entries to judge it
    Column("came_at", BigInteger, nullable=False),  # ms
    Column("reported", Boolean, nullable=False),  # that the hub shows us less
)

WALK: Final = Table(
    "walk",  # where the scrub and the visits to the hub are, so that a restart begins nothing anew
    METADATA,
    Column("name", Text, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("rounds", BigInteger, nullable=False),
)

DAMAGE: Final = Table(
    "damage",  # rows of our own copy that are not what was stored, until they are made good
    METADATA,
    Column("part", Text, primary_key=True),
    Column("idx", BigInteger, primary_key=True),
    Column("found_at", BigInteger, nullable=False),  # ms
)
