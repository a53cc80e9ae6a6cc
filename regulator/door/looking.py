"""Looking through a bounded number of rows for those a list wants.

Nothing is counted and no index is needed beyond the keys: a page looks through at most
`ROWS_LOOKED_AT` rows from its place on, and says where to go on when it found too few. Conditions
are SQL of ours; what a caller says is only ever a bound value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from creditchain.events import parse_time
from creditchain.rulebook.record import Record
from creditchain.rulebook.record_json import record_from_json
from regulator.door.entry import COLUMNS, LoggedEntry
from regulator.door.limits import FINDINGS_LOOKED_AT, ROWS_LOOKED_AT
from regulator.findings import PAGE_MAX as REGISTER_PAGE
from regulator.findings import FindingRegister, Registered, State, Wanted

STEP_ROWS: Final = 5_000
"""Rows of records looked through in one statement; most pages need one."""

Conditions = tuple[str, list[Any]]
"""More SQL for WHERE, each condition after an AND, and its values."""

_AFTER_EVERY_ID: Final = "\x7f"
"""Ids are printable ASCII."""

_SIGNED_BY: Final = (
    # The first is quick and rules most out; the second is exact.
    " AND instr(body, ?) AND CASE WHEN json_valid(CAST(body AS TEXT)) "
    "THEN json_extract(CAST(body AS TEXT), '$.event.by') END = ?"
)


def conditions_of(filters: Mapping[str, Any], timed: str | None) -> Conditions:
    """Fields of a record that must have these values; `from` and `to` bound its field `timed`.

    None asks for nothing.
    """
    sql = ""
    values: list[Any] = []
    for name, value in sorted(filters.items()):
        if value is None:
            continue
        if name in {"from", "to"}:
            assert timed is not None, "only timed lists take times"
            sql += f" AND json_extract(json, '$.{timed}') {'>=' if name == 'from' else '<'} ?"
            values.append(parse_time(value))
        else:
            # Records are stored as canonical JSON, so the pair stands in them literally.
            sql += f" AND instr(json, ?) AND json_extract(json, '$.{name}') = ?"
            values += [_pair(name, str(value)), str(value)]
    return sql, values


def entries_of(type: str | None, by: str | None) -> Conditions:
    """Entries of this type, signed by this actor; None asks for nothing."""
    sql = ""
    values: list[Any] = []
    if type is not None:
        sql += " AND type = ?"
        values.append(type)
    if by is not None:
        sql += _SIGNED_BY
        values += [_pair("by", by).encode(), by]
    return sql, values


def speaking_of(id: str) -> Conditions:
    """Entries in whose body this id stands."""
    return " AND instr(body, ?)", [id.encode()]


def find_records(
    connection: Connection, kind: type[Record], place: str, wanted: Conditions, most: int
) -> tuple[list[tuple[str, Any]], str | None]:
    """Up to `most` records after the id `place`, each with its id, in the order of ids.

    And the id up to which was looked, if there is more beyond it.
    """
    name, (sql, values) = kind.__name__, wanted
    execute = connection.exec_driver_sql
    ahead = "SELECT id FROM record WHERE kind = ? AND id > ? ORDER BY id LIMIT 1 OFFSET ?"
    query = (
        "SELECT id, json FROM record WHERE kind = ? AND id > ? AND id <= ?"  # noqa: S608
        f"{sql} ORDER BY id LIMIT ?"
    )
    found: list[tuple[str, Any]] = []
    for _ in range(0, ROWS_LOOKED_AT, STEP_ROWS):
        end = execute(ahead, (name, place, STEP_ROWS - 1)).scalar()
        given = (name, place, end or _AFTER_EVERY_ID, *values, most - len(found))
        found += [
            (row.id, record_from_json(kind, json.loads(row.json))) for row in execute(query, given)
        ]
        if end is None or len(found) == most:
            return found, None
        place = end
    return found, place


def find_entries(
    connection: Connection, span: tuple[int, int], wanted: Conditions, most: int
) -> list[LoggedEntry]:
    """Up to `most` entries in a span of indexes, whose width the caller bounds."""
    sql, values = wanted
    query = (
        f"SELECT {COLUMNS} FROM entry WHERE idx >= ? AND idx < ?{sql} "  # noqa: S608
        "ORDER BY idx LIMIT ?"
    )
    rows = connection.exec_driver_sql(query, (*span, *values, most))
    return [LoggedEntry.of_row(row) for row in rows]


def find_findings(
    register: FindingRegister, wanted: Wanted, state: State | None, most: int
) -> tuple[list[Registered], Registered | None]:
    """Up to `most` findings in a state, and the last one looked at if there is more beyond it."""
    if state is None:
        return register.read(wanted, most), None
    # How far a finding has come is not where it lies, so it is not asked for there.
    found: list[Registered] = []
    last: Registered | None = None
    for _ in range(0, FINDINGS_LOOKED_AT, REGISTER_PAGE):
        some = register.read(wanted, REGISTER_PAGE)
        found += [one for one in some if one.state is state]
        if len(some) < REGISTER_PAGE or len(found) >= most:
            return found[:most], None
        last = some[-1]
        wanted = replace(wanted, after=last.place)
    return found, last


def _pair(name: str, value: str) -> str:
    return f'"{name}":{json.dumps(value, ensure_ascii=False)}'
