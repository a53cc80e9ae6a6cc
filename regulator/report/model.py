"""A report as a value: a header that says of which log it speaks, and blocks in two languages.

PURE. What a value means stands in its column's `Kind` (`value`); how it looks is a renderer's
affair. Of which prefix of the log a report speaks stands in its header (`header`).

`Report.digest` is SHA-256 over its canonical JSON, which holds both languages: it names the report
whatever the format or language it is read in.

    Report(code=ReportCode.DAILY_SUMMARY, header=scope.header(seed=7), blocks=(Figures(...), ...))

A value that cannot be one (a float, a row of another width, more rows than the bound) raises
`BadReport` where it is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from creditchain.events import canonical_json
from regulator.report.header import TITLES, Header, Period, ReportCode, Scope
from regulator.report.value import (
    INTEGER_MAX,
    LANGUAGES,
    BadReport,
    Both,
    Kind,
    Value,
    check_cell,
    check_name,
    check_value,
    value_json,
)

__all__ = [
    "INTEGER_MAX",
    "LANGUAGES",
    "TITLES",
    "BadReport",
    "Block",
    "Both",
    "Chart",
    "ChartKind",
    "Column",
    "Figure",
    "Figures",
    "Header",
    "Kind",
    "Period",
    "Report",
    "ReportCode",
    "Scope",
    "Series",
    "Table",
    "Text",
    "Tone",
    "Value",
    "value_json",
]

ROWS_MAX: Final = 500_000
"""Rows of one table, some 300 MiB in memory: a month of orders of the reference system."""

ROWS_TOGETHER: Final = 1_000
"""Rows of a table that are one part of its canonical form."""

COLUMNS_MAX: Final = 24
"""Columns of one table: what still can be read on a landscape page."""

BLOCKS_MAX: Final = 200
"""Blocks of one report: a dossier has a few for each entry it shows."""

FIGURES_MAX: Final = 24
"""Key figures side by side: more are a table."""

POINTS_MAX: Final = 400
"""Points of a chart: a year of days. More cannot be told apart on paper."""

SERIES_MAX: Final = 8
"""Series of a chart: as many as there are shades that differ."""

RESERVED: Final = ("header", "figures")
"""Ids of the tables that every report has as data, beside its own."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, with a heading if it begins a section."""

    body: Both
    heading: Both | None = None

    def to_json(self) -> dict[str, Any]:
        """The block in canonical form."""
        return {
            "block": "text",
            "body": value_json(self.body),
            "heading": value_json(self.heading),
        }


class Tone(StrEnum):
    """Whether a figure is as it should be."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure."""

    id: str
    label: Both
    value: Value
    kind: Kind = Kind.INTEGER
    note: Both | None = None
    tone: Tone = Tone.PLAIN

    def __post_init__(self) -> None:
        check_name(self.id)
        check_cell(self.value, self.kind)


@dataclass(frozen=True, slots=True)
class Figures:
    """Key figures side by side."""

    items: tuple[Figure, ...]
    heading: Both | None = None

    def __post_init__(self) -> None:
        if len(self.items) > FIGURES_MAX:
            raise BadReport(f"more than {FIGURES_MAX} figures in a block")

    def to_json(self) -> dict[str, Any]:
        """The block in canonical form."""
        return {
            "block": "figures",
            "heading": value_json(self.heading),
            "items": [
                {
                    "id": one.id,
                    "kind": one.kind.value,
                    "label": value_json(one.label),
                    "note": value_json(one.note),
                    "tone": one.tone.value,
                    "value": value_json(one.value),
                }
                for one in self.items
            ],
        }


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its id in data, its label on paper, the kind of its values."""

    id: str
    label: Both
    kind: Kind = Kind.TEXT

    def __post_init__(self) -> None:
        check_name(self.id)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. `id` names its CSV and Parquet files, unique in a report.

    `rows` are shown in the order given; a print shows the first of them if they are many.
    """

    id: str
    title: Both
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: Both | None = None

    def __post_init__(self) -> None:
        check_name(self.id)
        if not 0 < len(self.columns) <= COLUMNS_MAX:
            raise BadReport(f"table {self.id}: not 1 to {COLUMNS_MAX} columns")
        if len({column.id for column in self.columns}) != len(self.columns):
            raise BadReport(f"table {self.id}: a column stands twice")
        if len(self.rows) > ROWS_MAX:
            raise BadReport(f"table {self.id}: more than {ROWS_MAX} rows; ask for a shorter period")
        kinds = tuple(column.kind for column in self.columns)
        for row in self.rows:
            if len(row) != len(kinds):
                raise BadReport(f"table {self.id}: a row of {len(row)} cells")
            for value, kind in zip(row, kinds, strict=True):
                check_cell(value, kind)

    def canonical_parts(self) -> Iterator[bytes]:
        """The canonical JSON of `to_json`, some rows at a time."""
        head, tail = canonical_json(self._said_with([])).split(b',"rows":[],"title":', 1)
        yield head + b',"rows":['
        for start in range(0, len(self.rows), ROWS_TOGETHER):
            rows = self.rows[start : start + ROWS_TOGETHER]
            part = canonical_json([[value_json(value) for value in row] for row in rows])
            yield (b"," if start else b"") + part[1:-1]
        yield b'],"title":' + tail

    def to_json(self) -> dict[str, Any]:
        """The block in canonical form."""
        return self._said_with([[value_json(value) for value in row] for row in self.rows])

    def _said_with(self, rows: list[list[Any]]) -> dict[str, Any]:
        return {
            "block": "table",
            "columns": [
                {"id": one.id, "kind": one.kind.value, "label": value_json(one.label)}
                for one in self.columns
            ],
            "id": self.id,
            "note": value_json(self.note),
            "rows": rows,
            "title": value_json(self.title),
        }


class ChartKind(StrEnum):
    """How a chart is drawn: bars to compare, a line for what goes on."""

    BAR = "bar"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Series:
    """One row of numbers, one for each point; None leaves a gap."""

    label: Both
    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers over points (days, members, products); `kind` is theirs, `draw` the picture's."""

    id: str
    title: Both
    points: tuple[str | Both, ...]
    series: tuple[Series, ...]
    draw: ChartKind = ChartKind.BAR
    kind: Kind = Kind.INTEGER

    def __post_init__(self) -> None:
        check_name(self.id)
        if not self.kind.is_number:
            raise BadReport(f"chart {self.id}: draws numbers only")
        if len(self.points) > POINTS_MAX or not 0 < len(self.series) <= SERIES_MAX:
            raise BadReport(
                f"chart {self.id}: over {POINTS_MAX} points, or not 1 to {SERIES_MAX} series"
            )
        for point in self.points:
            check_value(point)
        for one in self.series:
            if len(one.values) != len(self.points):
                raise BadReport(f"chart {self.id}: a series has not one number for each point")
            for value in one.values:
                check_cell(value, self.kind)

    def to_json(self) -> dict[str, Any]:
        """The block in canonical form."""
        return {
            "block": "chart",
            "draw": self.draw.value,
            "id": self.id,
            "kind": self.kind.value,
            "points": [value_json(point) for point in self.points],
            "series": [
                {"label": value_json(one.label), "values": list(one.values)} for one in self.series
            ],
            "title": value_json(self.title),
        }


Block = Text | Figures | Table | Chart


@dataclass(frozen=True, slots=True)
class Report:
    """One report; see the module's page."""

    code: ReportCode
    header: Header
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if len(self.blocks) > BLOCKS_MAX:
            raise BadReport(f"more than {BLOCKS_MAX} blocks")
        ids = [one.id for one in self.blocks if isinstance(one, Table | Chart)]
        if len({*ids, *RESERVED}) != len(ids) + len(RESERVED):
            raise BadReport("two tables or charts have one id, or one of " + ", ".join(RESERVED))

    @property
    def title(self) -> Both:
        """What the report is called."""
        return TITLES[self.code]

    @property
    def tables(self) -> Iterator[Table]:
        """Its tables, in order."""
        return (block for block in self.blocks if isinstance(block, Table))

    def to_json(self) -> dict[str, Any]:
        """The report in canonical form, as a JSON value."""
        return {**self._said_beside(), "blocks": [block.to_json() for block in self.blocks]}

    def header_json(self) -> dict[str, Any]:
        """The header in canonical form."""
        header: dict[str, Any] = self._said_beside()["header"]
        return header

    def _said_beside(self) -> dict[str, Any]:
        header = self.header
        return {
            "code": self.code.value,
            "header": {
                "asOf": header.as_of_ms,
                "origin": header.origin,
                "parameters": dict(header.parameters),
                "period": {
                    "end": header.period.end_ms,
                    "name": header.period.name,
                    "start": header.period.start_ms,
                    "zone": header.period.zone,
                },
                "root": header.root,
                "rulePack": header.rule_pack,
                "rulePackVersion": header.rule_pack_version,
                "size": header.size,
            },
            "title": value_json(self.title),
        }

    def canonical_parts(self) -> Iterator[bytes]:
        """Canonical JSON (RFC 8785) of everything the report says, in both languages, in parts.

        Joined they are `canonical_json(to_json())`; a table of a million rows is never whole.
        """
        said = {**self._said_beside(), "blocks": []}
        head, tail = canonical_json(said).split(b'"blocks":[]', 1)
        yield head + b'"blocks":['
        for number, block in enumerate(self.blocks):
            if number:
                yield b","
            if isinstance(block, Table):
                yield from block.canonical_parts()
            else:
                yield canonical_json(block.to_json())
        yield b"]" + tail

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form in hex: the report's name in any format and language."""
        hashed = hashlib.sha256()
        for part in self.canonical_parts():
            hashed.update(part)
        return hashed.hexdigest()
