"""A table as CSV (RFC 4180) that opens in Excel: UTF-8 with a byte order mark, one language.

Every text stands in quotes, numbers and NULL do not, so that a text that says NULL is told from it
(`read_csv` of DuckDB and `COPY … CSV NULL 'NULL'` of PostgreSQL do). Money and percent are decimal
numbers, durations seconds, times RFC 3339 in the period's zone.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, also in quotes. Such
a text gets an apostrophe before it (OWASP, CSV injection); the exact text is in the JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Final

from regulator.report.model import Both, Kind, Table, Value
from regulator.report.show import NULL, find_zone, hundredths, seen_text

MARK: Final = b"\xef\xbb\xbf"
"""Without the byte order mark Excel takes UTF-8 for the code page of the machine."""

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_UNITS: Final = {Kind.DURATION: " (s)", Kind.PERCENT: " (%)"}


def write_sheet(file: BinaryIO, table: Table, lang: str, zone: str) -> None:
    """Writes the table in one language; times stand in `zone`."""
    file.write(MARK)
    file.writelines(line.encode() for line in _lines(table, lang, zone))


def _lines(table: Table, lang: str, zone: str) -> Iterator[str]:
    kinds = [column.kind for column in table.columns]
    yield _line(
        _quoted(column.label.in_language(lang) + _UNITS.get(column.kind, ""))
        for column in table.columns
    )
    for row in table.rows:
        yield _line(_cell(value, kind, lang, zone) for value, kind in zip(row, kinds, strict=True))


def _line(cells: Iterator[str]) -> str:
    return ",".join(cells) + "\r\n"


def _cell(value: Value, kind: Kind, lang: str, zone: str) -> str:
    if value is None:
        return NULL
    if isinstance(value, Both):
        return _quoted(value.in_language(lang))
    if isinstance(value, str):
        return _quoted(value)
    match kind:
        case Kind.TIME:
            return _time(value, zone)
        case Kind.DURATION:
            sign, ms = ("-" if value < 0 else ""), abs(value)
            return f"{sign}{ms // 1000}.{ms % 1000:03d}"
        case Kind.MONEY | Kind.PERCENT:
            return hundredths(value)
        case _:
            return str(value)


def _time(at_ms: int, zone: str) -> str:
    try:
        moment = datetime.fromtimestamp(at_ms // 1000, find_zone(zone))
    except (ValueError, OverflowError, OSError):
        return str(at_ms)
    return moment.replace(microsecond=at_ms % 1000 * 1000).isoformat(timespec="milliseconds")


def disarmed(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _quoted(text: str) -> str:
    return '"' + disarmed(seen_text(text)).replace('"', '""') + '"'
