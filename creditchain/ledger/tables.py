"""The tables of the ledger: the log as it is served, and the records that follow from it.

- `entry`, `tile`, `checkpoint`, `cosignature` and `batch` are the log. Rows are only ever added;
  of an entry only the body may go, to NULL, when a logged event erases it.
- One table for each kind of record, a column for each of its fields: text and integers as they are,
  codes by their value, nested values and lists as canonical JSON text. `first_index` is the entry
  that created the record and never changes; `changed_index` the entry that last changed it. Lists
  are paged by (`first_index`, `id`), followed by `changed_index`.

`row_of` and `record_of` translate; the DDL in `migrations` equals this metadata (a test compares).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from creditchain.events import canonical_json, format_fields, parse_fields
from creditchain.events.key import PublicKey
from creditchain.rulebook.record import (
    Case,
    Consent,
    Consortium,
    Enterprise,
    Erasure,
    Finding,
    Key,
    LastAsked,
    Look,
    Member,
    Objection,
    Officer,
    Order,
    Product,
    Record,
    RecordBatch,
)

R = TypeVar("R", bound=Record)

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite makes a column the row's own number only when it is called INTEGER.
_RowNumber = BigInteger().with_variant(Integer(), "sqlite")

entry: Final = Table(
    "entry",
    metadata,
    Column("idx", _RowNumber, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("commitment", LargeBinary(32), nullable=False),
    Column("id", Text, nullable=False, unique=True),
    Column("by", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", LargeBinary),
)
"""The entries; `body` is the signed event, NULL when lawfully erased."""

tile: Final = Table(
    "tile",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary(8192), nullable=False),
    Column("inside", LargeBinary(8128), nullable=False),
)
"""Full tiles only; a partial one is rendered from the edge or cut from the full one. `inside`
are the 254 hashes above those of `data`, without the root: what proofs are made of."""

checkpoint: Final = Table(
    "checkpoint",
    metadata,
    # The key makes two roots for one size impossible.
    Column("size", _RowNumber, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""Every checkpoint signed, one for each batch."""

cosignature: Final = Table(
    "cosignature",
    metadata,
    Column("size", BigInteger, ForeignKey(checkpoint.c.size), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("line", Text, nullable=False),
)
"""Observers' verified cosignatures: note lines, each with its newline."""

batch: Final = Table(
    "batch",
    metadata,
    Column("height", _RowNumber, primary_key=True, autoincrement=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("first_index", BigInteger, nullable=False, unique=True),
    Column("count", Integer, nullable=False),
)
"""The batches, chained by digest: heights 1, 2, 3 ... without a gap."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How one field of a record stands in its column."""

    name: str
    column: Column[Any]
    to_column: Callable[[Any], Any] | None
    from_column: Callable[[Any], Any] | None
    """None: the value stands as it is."""


# Sections, purposes, terms and keys repeat from record to record.
_TEXTS_REMEMBERED: Final = 4096


def _codec(name: str, hint: Any) -> Codec:
    nullable = get_origin(hint) in (Union, UnionType)
    if nullable:
        (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
    to_column, from_column = _translations(hint)
    type_ = BigInteger() if hint is int else Text()
    column: Column[Any] = Column(name, type_, primary_key=name == "id", nullable=nullable)
    return Codec(name, column, to_column, from_column)


def _translations(
    hint: Any,
) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
    if hint in (str, int):
        return None, None
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {code: code.value for code in hint}.__getitem__, hint
    format_json, parse_json = _json_translations(hint)

    @lru_cache(maxsize=_TEXTS_REMEMBERED)
    def to_text(value: Any) -> str:
        return canonical_json(format_json(value)).decode()

    @lru_cache(maxsize=_TEXTS_REMEMBERED)
    def from_text(text: str) -> Any:
        return parse_json(json.loads(text))

    return (_codes_text if _is_codes(hint) else to_text), from_text


def _is_codes(hint: Any) -> bool:
    item = get_args(hint)[0] if get_origin(hint) is tuple else None
    return isinstance(item, type) and issubclass(item, StrEnum)


def _codes_text(codes: tuple[StrEnum, ...]) -> str:
    # Codes need no escapes; most records carry a list of them.
    return '["' + '","'.join(codes) + '"]' if codes else "[]"


def _json_translations(hint: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    if get_origin(hint) is tuple:
        item, ellipsis = get_args(hint)
        assert ellipsis is Ellipsis
        format_item, parse_item = _json_translations(item)
        return (
            lambda values: [format_item(value) for value in values],
            lambda data: tuple(parse_item(value) for value in data),
        )
    if hint is PublicKey:
        return (lambda key: key.to_json()), PublicKey.from_json
    if is_dataclass(hint):
        nested: Any = hint
        return format_fields, (lambda data: parse_fields(nested, data))
    assert issubclass(hint, str | int), f"{hint!r} is no field of a record"
    return (int if hint is int else str), hint


CODECS: Final[dict[type[Any], tuple[Codec, ...]]] = {}
"""For each kind of record its fields, in the order of the class."""

TABLE_OF: Final[dict[type[Any], Table]] = {}
"""For each kind of record its table."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A column that repeats a value from inside the field `source`, for an index to reach."""

    name: str
    source: str
    value: Callable[[Any], Any]


DERIVED: Final[dict[type[Any], tuple[Derived, ...]]] = {
    Consent: (Derived("valid_until", "terms", lambda consent: consent.terms.valid_until),)
}
"""For some kinds of record their derived columns, which stand behind those of the fields."""


def _record_table(name: str, kind: type[Any]) -> Table:
    hints = get_type_hints(kind)
    CODECS[kind] = tuple(_codec(field.name, hints[field.name]) for field in fields(kind))
    table = Table(
        name,
        metadata,
        *(codec.column for codec in CODECS[kind]),
        *(Column(d.name, BigInteger, nullable=False) for d in DERIVED.get(kind, ())),
        Column("first_index", BigInteger, nullable=False, index=True),
        Column("changed_index", BigInteger, nullable=False, index=True),
    )
    TABLE_OF[kind] = table
    return table


consortium: Final = _record_table("consortium", Consortium)
member: Final = _record_table("member", Member)
member_key: Final = _record_table("member_key", Key)
officer: Final = _record_table("officer", Officer)
enterprise: Final = _record_table("enterprise", Enterprise)
product: Final = _record_table("product", Product)
consent: Final = _record_table("consent", Consent)
"""`valid_until` is the one in `terms`, for the scan that expires consents."""
orders: Final = _record_table("orders", Order)
record_batch: Final = _record_table("record_batch", RecordBatch)
objection: Final = _record_table("objection", Objection)
finding: Final = _record_table("finding", Finding)
last_asked: Final = _record_table("last_asked", LastAsked)
inspection: Final = _record_table("inspection", Case)
"""The cases; `case` is a word of SQL."""
look: Final = _record_table("look", Look)
erasure: Final = _record_table("erasure", Erasure)

# Whoever asks for a list asks for his own, oldest or newest first: owner, then place in the log.
for _table, _owners in (
    (member_key, ("owner",)),
    (officer, ("member",)),
    (enterprise, ("vouched_by",)),
    (product, ("agency",)),
    (consent, ("grantee", "enterprise")),
    (orders, ("orderer", "agency", "enterprise")),
    (record_batch, ("member",)),
    (objection, ("enterprise", "holder")),
    (finding, ("member",)),
    (inspection, ("member",)),
    (look, ("case",)),
):
    for _owner in _owners:
        Index(None, _table.c[_owner], _table.c.first_index)
        if _table in (consent, orders):
            Index(None, _table.c[_owner], _table.c.changed_index)

# What the clock scans: orders by due time, consents by the end of their window.
Index(None, orders.c.status, orders.c.due_at)
Index(None, consent.c.status, consent.c.valid_until)


@dataclass(frozen=True, slots=True)
class _Reader:
    """How to read a record of a kind: all its fields, which of them to translate, what follows."""

    fields: Callable[[Any], tuple[Any, ...]]
    translated: tuple[tuple[int, Callable[[Any], Any]], ...]
    derived: tuple[Derived, ...]


_READERS: Final[dict[type[Any], _Reader]] = {
    kind: _Reader(
        attrgetter(*(codec.name for codec in codecs)),
        tuple(
            (place, codec.to_column)
            for place, codec in enumerate(codecs)
            if codec.to_column is not None
        ),
        DERIVED.get(kind, ()),
    )
    for kind, codecs in CODECS.items()
}


def columns_of(record: Record) -> list[Any]:
    """The values of a record's columns, fields and derived, in the order of the table."""
    reader = _READERS[type(record)]
    values = list(reader.fields(record))
    for place, to_column in reader.translated:
        if values[place] is not None:
            values[place] = to_column(values[place])
    values.extend(column.value(record) for column in reader.derived)
    return values


def changed_columns(before: Record, after: Record) -> dict[str, Any]:
    """The columns in which a record is not what it was, with their new values."""
    kind = type(after)
    fields = _READERS[kind].fields
    changed = {}
    for codec, old, new in zip(CODECS[kind], fields(before), fields(after), strict=True):
        # Most fields of a changed record are the very objects of the one before.
        if new is not old and new != old:
            to_column = codec.to_column
            changed[codec.name] = new if new is None or to_column is None else to_column(new)
    for derived in DERIVED.get(kind, ()):
        if derived.source in changed:
            changed[derived.name] = derived.value(after)
    return changed


def record_from(kind: type[R], values: Sequence[Any]) -> R:
    """The record of the values of its fields' columns, in the order of the class."""
    return kind(
        *(
            value if value is None or codec.from_column is None else codec.from_column(value)
            for codec, value in zip(CODECS[kind], values, strict=True)
        )
    )


def row_of(record: Record, changed_index: int, first_index: int | None = None) -> dict[str, Any]:
    """The row of a record; without `first_index` if not given (an update must not touch it)."""
    names = [column.name for column in TABLE_OF[type(record)].columns]
    row = dict(zip(names, columns_of(record), strict=False))
    row["changed_index"] = changed_index
    if first_index is not None:
        row["first_index"] = first_index
    return row


def record_of(kind: type[R], row: Any) -> R:
    """The record in a row of `TABLE_OF[kind]`: a SQLAlchemy row or a mapping by column name."""
    columns: Mapping[str, Any] = getattr(row, "_mapping", row)
    return record_from(kind, [columns[codec.name] for codec in CODECS[kind]])
