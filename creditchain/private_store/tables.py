"""The tables of `private.db`.

Whatever must be erasable stands only in `content` and `ciphertext`, encrypted under a key of its
own in `row_key`; every other column is opaque, public or a time. Times are milliseconds.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Rows are appended in the order of `slot` and never deleted, only overwritten with as many zero
# bytes: SQLite then never moves a cell of this table, so no second copy of a key can be left
# behind in a page's unused space. See shred.py.
ROW_KEY: Final = Table(
    "row_key",
    METADATA,
    Column("slot", Integer, primary_key=True, autoincrement=True),
    Column("key", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# `identity` is the salted fingerprint that the log holds; `uscc_bucket` narrows a search by code
# without indexing the code itself. A row is staged until its event is on the log.
DIRECTORY: Final = Table(
    "directory",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("uscc_bucket", Integer),
    Column("slot", Integer, ForeignKey("row_key.slot"), nullable=False),
    Column("content", LargeBinary),
    Column("staged_at", BigInteger, nullable=False),
    Column("confirmed", Boolean(create_constraint=False), nullable=False),
    Column("erased_at", BigInteger),
    UniqueConstraint("id", "identity"),
    Index(None, "uscc_bucket"),
    Index(None, "confirmed", "seq"),
    sqlite_autoincrement=True,
)

# Who looked at whom, and in which inspection case if in one. Holds ids only; never erased.
ACCESS: Final = Table(
    "access",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("member", Text),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("order_id", Text),
    Column("case_id", Text),
    Index(None, "subject", "seq"),
    Index(None, "member", "seq"),
    Index(None, "actor", "seq"),
    sqlite_autoincrement=True,
)

# Sealed reports; `digest` is the base64url SHA-256 of the sealed bytes as uploaded.
REPORT: Final = Table(
    "report",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("order_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("slot", Integer, ForeignKey("row_key.slot"), nullable=False),
    Column("staged_at", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("ciphertext", LargeBinary, nullable=False),
    UniqueConstraint("order_id", "digest"),
    Index(None, "expires_at"),
    Index(None, "delivered_at", "seq"),
    sqlite_autoincrement=True,
)
