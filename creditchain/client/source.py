"""An agency's own database, read section by section as a mapping file says.

The mapping is TOML. Each section has one SELECT with the parameter `:subject` (the enterprise's id)
and says which columns make up a record, so that a row becomes the very record that was committed:

    [subject]                       # optional: who is known at all; no row means unknown
    select = "SELECT 1 FROM company WHERE id = :subject"

    [sections.LOANS]
    select = "SELECT account, lender, amount_fen, opened FROM loan WHERE company = :subject"
    [sections.LOANS.fields]
    account = "account"
    lender = "lender"
    opened = { column = "opened", kind = "date" }
    amount = { column = "amount_fen", kind = "money", currency = "CNY" }

    [sections.RATINGS]              # or one column that holds the whole of `data` as JSON
    select = "SELECT data FROM rating WHERE company = :subject"
    data = "data"

Kinds: `text` (the default), `integer`, `boolean`, `date`, `money` (integer minor units, with a
fixed `currency` or a `currency_column`) and `json`. An SQL null is a field left out.
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, RowMapping, TextClause, create_engine, event, text
from sqlalchemy.exc import (
    ArgumentError,
    NoSuchColumnError,
    NoSuchModuleError,
    SQLAlchemyError,
)

from creditchain.client.records import RECORD_BYTES_MAX, Record, parse_record
from creditchain.events import parse_json
from creditchain.events.codes import Section

KINDS: Final = ("text", "integer", "boolean", "date", "money", "json")

ROWS_MAX: Final = 10_000
"""Lines of one section, as the report's schema bounds them."""


class BadMapping(ValueError):
    """The mapping file cannot be used; the message names the file, the section and the problem."""


class SourceUnavailable(Exception):
    """The database does not answer; it may do so later."""


class BadRow(ValueError):
    """A row does not make a record: the mapping and the database do not fit together."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field's value comes from, and of which kind it is."""

    column: str
    kind: str = "text"
    currency: str | None = None
    currency_column: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """How a section is read: the statement, and its fields, or the one column with all of them."""

    select: TextClause
    fields: Mapping[str, Column]
    data: str | None


class Source:
    """The agency's records, by subject and section. Blocking: call it from a thread."""

    def __init__(
        self, engine: Engine, sections: Mapping[Section, Query], known: TextClause | None
    ) -> None:
        self._engine = engine
        self._sections = sections
        self._known = known

    @classmethod
    def load(cls, path: Path, database: str) -> Source:
        """The source that a mapping file describes, over an SQLAlchemy URL; raises `BadMapping`."""
        try:
            value = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadMapping(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise BadMapping(f"{path}: {error}") from None
        try:
            known, sections = _parse_mapping(value)
        except ValueError as error:
            raise BadMapping(f"{path}: {error}") from None
        try:
            engine = create_engine(database, pool_pre_ping=True)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            # The URL may hold a password, so it is not repeated.
            raise BadMapping(f"the database URL: {type(error).__name__}") from None
        return cls(_read_only(engine), sections, known)

    @property
    def sections(self) -> frozenset[Section]:
        """The sections that can be read."""
        return frozenset(self._sections)

    def knows(self, subject: str) -> bool:
        """Whether there is anything about the subject; raises `SourceUnavailable`."""
        if self._known is None:
            return True
        return bool(self._rows(self._known, subject, 1))

    def read(self, subject: str, section: Section) -> list[Record]:
        """The subject's records of a section; raises `SourceUnavailable` and `BadRow`."""
        query = self._sections[section]
        rows = self._rows(query.select, subject, ROWS_MAX + 1)
        if len(rows) > ROWS_MAX:
            raise BadRow(f"{section}: more than {ROWS_MAX} rows")
        return [_record(row, subject, section, query) for row in rows]

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()

    def _rows(self, select: TextClause, subject: str, most: int) -> Sequence[RowMapping]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(select, {"subject": subject}).mappings().fetchmany(most)
        except SQLAlchemyError as error:
            raise SourceUnavailable(f"{type(error).__name__}: {error}".split("\n")[0]) from None


def _read_only(engine: Engine) -> Engine:
    """The engine, unable to change anything; other databases than these two are at least never
    committed to, and their URL should name a user who may only read."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON"))
    if engine.dialect.name == "postgresql":
        return engine.execution_options(postgresql_readonly=True)
    return engine


def _parse_mapping(value: Mapping[str, Any]) -> tuple[TextClause | None, dict[Section, Query]]:
    unknown = value.keys() - {"subject", "sections"}
    if unknown:
        raise ValueError(f"unknown table {min(unknown)}")
    known = None
    if "subject" in value:
        if not isinstance(value["subject"], dict) or value["subject"].keys() != {"select"}:
            raise ValueError("subject: has a select and nothing else")
        known = _statement("subject", value["subject"]["select"])
    tables = value.get("sections")
    if not isinstance(tables, dict) or not tables:
        raise ValueError("there are no sections")
    sections = {}
    for name, table in tables.items():
        try:
            section = Section(name)
        except ValueError:
            raise ValueError(f"sections.{name}: not one of the Section codes") from None
        sections[section] = _parse_query(f"sections.{name}", table)
    return known, sections


def _parse_query(path: str, table: Any) -> Query:
    if not isinstance(table, dict) or table.keys() - {"select", "fields", "data"}:
        raise ValueError(f"{path}: has select, and fields or data")
    fields, data = table.get("fields"), table.get("data")
    if (fields is None) == (data is None):
        raise ValueError(f"{path}: has either fields or data")
    if data is not None and not isinstance(data, str):
        raise ValueError(f"{path}.data: not the name of a column")
    columns = {}
    if fields is not None:
        if not isinstance(fields, dict) or not fields:
            raise ValueError(f"{path}.fields: not a table of fields")
        columns = {name: _parse_column(f"{path}.fields.{name}", f) for name, f in fields.items()}
    return Query(_statement(path, table.get("select")), columns, data)


def _parse_column(path: str, value: Any) -> Column:
    if isinstance(value, str):
        return Column(value)
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError(f"{path}: not a column's name, nor a table of texts")
    if "column" not in value or value.keys() - set(Column.__dataclass_fields__):
        raise ValueError(f"{path}: has column, and kind, currency or currency_column")
    column = Column(**value)
    if column.kind not in KINDS:
        raise ValueError(f"{path}.kind: not one of {', '.join(KINDS)}")
    if (column.kind == "money") != ((column.currency is None) != (column.currency_column is None)):
        raise ValueError(f"{path}: money, and only money, has a currency or a currency_column")
    return column


def _statement(path: str, value: Any) -> TextClause:
    if not isinstance(value, str) or ":subject" not in value:
        raise ValueError(f"{path}.select: not a statement with the parameter :subject")
    if value.lstrip().partition(" ")[0].upper() not in {"SELECT", "WITH"}:
        raise ValueError(f"{path}.select: begins with SELECT or WITH")
    return text(value)


def _record(row: RowMapping, subject: str, section: Section, query: Query) -> Record:
    try:
        if query.data is not None:
            data = _json(row[query.data])
        else:
            data = {
                name: value
                for name, column in query.fields.items()
                if (value := _value(row, column)) is not None
            }
        return parse_record({"subject": subject, "section": section.value, "data": data})
    except NoSuchColumnError as error:
        raise BadRow(f"{section}: {error}") from None
    except (ValueError, TypeError) as error:
        raise BadRow(f"{section}: {error}") from None


def _value(row: RowMapping, column: Column) -> Any:
    value = row[column.column]
    if value is None:
        return None
    match column.kind:
        case "text":
            return str(value)
        case "integer":
            return _integer(column.column, value)
        case "boolean":
            return bool(value)
        case "date":
            # SQLite has no dates of its own; what it gives is the text already.
            return value.isoformat()[:10] if isinstance(value, dt.date) else str(value)
        case "money":
            currency = column.currency or str(row[column.currency_column or ""])
            return {"amount": _integer(column.column, value), "currency": currency}
        case _:
            return _json(value)


def _integer(name: str, value: Any) -> int:
    if int(value) != value:
        raise ValueError(f"{name}: {value} is no integer; give money in minor units")
    return int(value)


def _json(value: Any) -> Any:
    """A JSON value as records hold it, from text or from a column that the driver has parsed."""
    data = value if isinstance(value, str | bytes) else json.dumps(value)
    return parse_json(data.encode() if isinstance(data, str) else data, RECORD_BYTES_MAX)
