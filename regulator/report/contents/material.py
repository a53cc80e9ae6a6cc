"""What every report is made from: the views as of its scope, and tables shaped from their rows.

    with opened(folder, scope) as material:
        material.table("orders", Both("Orders", "订单"), COLUMNS, "SELECT … ORDER BY …")

Every query ends in an order that leaves nothing open, so that the same scope gives the same rows.
In the SQL, `in_period(moment)` is true within the report's period, and `asked_for(member)` where
the scope's parameter `member` is absent or this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import duckdb

from regulator.analytics.export import AnalyticsUnusable, quoted
from regulator.analytics.session import Session, open_session
from regulator.report.contents.words import NO, NONE, YES, word, words
from regulator.report.model import BadReport, Both, Column, Header, Kind, Scope, Table, Value
from regulator.stored import CopyDamaged

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A column and whether its values are codes to be called by their names."""

    column: Column
    coded: bool = False


def col(id_: str, en: str, zh: str, kind: Kind = Kind.TEXT) -> Shown:
    """A column whose values are shown as they are."""
    return Shown(Column(id_, Both(en, zh), kind))


def coded(id_: str, en: str, zh: str) -> Shown:
    """A column of codes, or of lists of them."""
    return Shown(Column(id_, Both(en, zh), Kind.TEXT), coded=True)


class Material:
    """The views as of a scope."""

    def __init__(self, session: Session, scope: Scope) -> None:
        self.session = session
        self.scope = scope
        period = scope.period
        session.base.execute(
            "CREATE MACRO in_period(moment) AS "
            f"moment >= make_timestamp_ms({period.start_ms}) "
            f"AND moment < make_timestamp_ms({period.end_ms})"
        )
        member = self.member()
        session.base.execute(
            "CREATE MACRO asked_for(member) AS "
            + ("true" if member is None else f"member IS NOT DISTINCT FROM {quoted(member)}")
        )

    def header(self, **drawn: str | int) -> Header:
        """The report's header; what was asked for stands there as it was asked."""
        asked = dict(self.scope.parameters)
        return self.scope.header(
            **{name: value for name, value in drawn.items() if name not in asked}
        )

    def rows(self, query: str, *given: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.session.rows(query, given or None)

    def one(self, query: str, *given: object) -> tuple[Any, ...]:
        """The one row of a query that has one."""
        return self.session.one(query, given or None)

    def table(
        self,
        id_: str,
        title: Both,
        columns: Sequence[Shown],
        query: str,
        *given: object,
        note: Both | None = None,
    ) -> Table:
        """A table of a query's rows."""
        return shaped(id_, title, columns, self.rows(query, *given), note)

    def member(self, *, required: bool = False) -> str | None:
        """The member that was asked for; raises `BadReport` when there is no such member."""
        member = self.scope.parameter("member")
        if member is None:
            if required:
                raise BadReport("which member? give the parameter member=…")
            return None
        if not self.rows("SELECT 1 FROM members WHERE member = ?", member):
            raise BadReport(f"there is no member {member[:60]} at this size of the log")
        return member


@contextmanager
def opened(folder: Path, scope: Scope) -> Iterator[Material]:
    """The material of a report; raises `AnalyticsUnusable` and `DatabaseUnusable`."""
    pack = f"{scope.rule_pack}@{scope.rule_pack_version}"
    try:
        with open_session(folder, size=scope.size, zone=scope.period.zone, pack=pack) as session:
            if session.origin != scope.origin:
                raise BadReport(f"this observer's log is {session.origin}")
            yield Material(session, scope)
    except (duckdb.Error, CopyDamaged) as error:
        raise AnalyticsUnusable(f"the report cannot be made: {error}") from None


def shaped(
    id_: str,
    title: Both,
    columns: Sequence[Shown],
    rows: Sequence[Sequence[Any]],
    note: Both | None = None,
) -> Table:
    """A table of these rows; one without rows says so."""
    return Table(
        id_,
        title,
        tuple(one.column for one in columns),
        tuple(
            tuple(cell(value, one) for value, one in zip(row, columns, strict=True)) for row in rows
        ),
        note
        if rows
        else NONE
        if note is None
        else Both(f"{note.en} {NONE.en}", f"{note.zh}{NONE.zh}"),
    )


def cell(value: Any, shown: Shown) -> Value:
    """A value of DuckDB as a cell."""
    if value is None:
        return None
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) - _EPOCH) // _MS
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, list):
        if shown.coded:
            return words(value)
        return ", ".join(map(str, value))
    if isinstance(value, str) and shown.coded:
        return word(value)
    if isinstance(value, int | str | Both):
        return value
    raise TypeError(f"column {shown.column.id}: {type(value).__name__}")


def share(part: int, whole: int) -> int | None:
    """A share in hundredths of a percent; NULL of nothing."""
    return part * 10_000 // whole if whole else None
