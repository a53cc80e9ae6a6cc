"""A report as a value: a header that says of which log it speaks, and blocks in two languages.

PURE. What a value means stands in its column's `Kind`; how it looks is a renderer's affair. Numbers
are integers (money in hundredths, percent in hundredths of a percent, times in ms): nothing is ever
rounded by a format. None is a value, NULL, and every format writes it; an absent number is not 0.

`Report.digest` is SHA-256 over its canonical JSON, which holds both languages: it names the report
whatever the format or language it is read in.

    Report(code=ReportCode.DAILY_SUMMARY, header=scope.header(seed=7), blocks=(Figures(...), ...))

A value that cannot be one (a float, a row of another width, more rows than the bound) raises
`BadReport` where it is made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from creditchain.events import canonical_json

ROWS_MAX: Final = 500_000
"""Rows of one table, some 300 MiB in memory: a month of orders of the reference system."""

ROWS_TOGETHER: Final = 1_000
"""Rows of a table that are one part of its canonical form."""

COLUMNS_MAX: Final = 24
"""Columns of one table: what still can be read on a landscape page."""

BLOCKS_MAX: Final = 200
"""Blocks of one report: a dossier has a few for each entry it shows."""

TEXT_CHARS_MAX: Final = 20_000
"""Characters of one text: an evidence quoted whole is shorter; a page holds 4,000."""

FIGURES_MAX: Final = 24
"""Key figures side by side: more are a table."""

POINTS_MAX: Final = 400
"""Points of a chart: a year of days. More cannot be told apart on paper."""

SERIES_MAX: Final = 8
"""Series of a chart: as many as there are shades that differ."""

INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader reads exactly (RFC 8785, RFC 7493)."""

RESERVED: Final = ("header", "figures")
"""Ids of the tables that every report has as data, beside its own."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")


class BadReport(ValueError):
    """A report that cannot be: the message says which part of it and why."""


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadReport(f"{name[:60]!r} is no id: small letters, digits and _, at most 48")


def _check_integer(value: object) -> None:
    # A bool is an int to Python and to nobody who reads a column of numbers.
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > INTEGER_MAX:
        raise BadReport("not an integer that every JSON reader reads exactly")


def _check_text(value: object) -> None:
    if not isinstance(value, str):
        raise BadReport("not a text")
    if len(value) > TEXT_CHARS_MAX:
        raise BadReport(f"a text of more than {TEXT_CHARS_MAX} characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadReport("a text with half a character") from None


@dataclass(frozen=True, slots=True)
class Both:
    """One text in English and Chinese."""

    en: str
    zh: str

    def __post_init__(self) -> None:
        _check_text(self.en)
        _check_text(self.zh)

    def in_language(self, lang: str) -> str:
        """The text in `en` or `zh`."""
        return self.zh if lang == "zh" else self.en


Value = str | int | Both | None
"""A cell: a text (the same in both languages), an integer, a text in both, or NULL."""

LANGUAGES: Final = ("en", "zh")


class ReportCode(StrEnum):
    """The ten reports; the value is the code under which one is filed."""

    DAILY_SUMMARY = "L1"
    QUERY_REGISTER = "L2"
    CONSENT_SAMPLE = "L3"
    SERVICE_LEVELS = "L4"
    FINDING_REGISTER = "L5"
    MEMBER_SCORECARD = "L6"
    DISPUTE_LEDGER = "L7"
    BILLING = "L8"
    INTEGRITY_CERTIFICATE = "L9"
    INSPECTION_DOSSIER = "L10"


TITLES: Final[Mapping[ReportCode, Both]] = {
    ReportCode.DAILY_SUMMARY: Both("Daily supervisory summary", "监管日报"),
    ReportCode.QUERY_REGISTER: Both("Query register", "查询登记簿"),
    ReportCode.CONSENT_SAMPLE: Both("Consent sample sheet", "授权抽样检查表"),
    ReportCode.SERVICE_LEVELS: Both("Service levels and outliers", "服务时效与异常表"),
    ReportCode.FINDING_REGISTER: Both("Finding register", "问题登记簿"),
    ReportCode.MEMBER_SCORECARD: Both("Member scorecard", "成员机构评分表"),
    ReportCode.DISPUTE_LEDGER: Both("Dispute ledger", "异议台账"),
    ReportCode.BILLING: Both("Billing and breaks", "计费与差异报告"),
    ReportCode.INTEGRITY_CERTIFICATE: Both("Ledger integrity certificate", "账本完整性证明"),
    ReportCode.INSPECTION_DOSSIER: Both("Inspection dossier", "现场检查卷宗"),
}


class Kind(StrEnum):
    """What a value of a column is."""

    TEXT = "text"
    INTEGER = "integer"
    TIME = "time"  # ms since 1970 UTC; shown in the period's zone on paper, in UTC in data
    DURATION = "duration"  # ms
    MONEY = "money"  # hundredths of the currency's unit
    PERCENT = "percent"  # hundredths of a percent: 12.34 % is 1234
    DIGEST = "digest"  # base64 or hex of a hash; on paper in a fixed-width face, broken anywhere
    CODE = "code"  # an id, a code: never translated, never broken if it can be helped

    @property
    def is_number(self) -> bool:
        """Whether its values are integers."""
        return self in _NUMBERS


_NUMBERS: Final = frozenset({Kind.INTEGER, Kind.TIME, Kind.DURATION, Kind.MONEY, Kind.PERCENT})


@dataclass(frozen=True, slots=True)
class Period:
    """What time a report is about: log time from `start_ms` on, before `end_ms`.

    `name` names its folder: `2026-11-25`, `2026-11`, `2026-11-01_2026-11-25`, or another short
    word. `zone` is the IANA name of the time zone whose days these are.
    """

    name: str
    start_ms: int
    end_ms: int
    zone: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}", self.name) or ".." in self.name:
            raise BadReport("a period's name cannot name its folder")
        if not 0 <= self.start_ms <= self.end_ms <= INTEGER_MAX:
            raise BadReport("a period ends before it begins")


@dataclass(frozen=True, slots=True)
class Header:
    """Of which log, up to where, under which rules a report speaks. It names no clock of ours.

    `as_of_ms` is the log's own time at `size`; `parameters` are (name, value) as asked for or
    drawn, the seed of a sample among them.
    """

    origin: str
    size: int
    root: str  # base64, as in the checkpoint
    as_of_ms: int
    rule_pack: str
    rule_pack_version: str
    period: Period
    parameters: tuple[tuple[str, str | int], ...] = ()

    def __post_init__(self) -> None:
        for text in (self.origin, self.root, self.rule_pack, self.rule_pack_version):
            _check_text(text)
        _check_integer(self.size)
        _check_integer(self.as_of_ms)
        for name, value in self.parameters:
            _check_name(name)
            _check_value(value)
        if len(dict(self.parameters)) != len(self.parameters):
            raise BadReport("a parameter stands twice")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report is asked of: exactly the first `size` entries of the log, and a period.

    A run that was interrupted is made again from the same scope, to the same bytes: contents read
    nothing beyond `size`, know no clock, and draw samples from `seed` alone.
    """

    origin: str
    size: int
    root: str
    as_of_ms: int
    rule_pack: str
    rule_pack_version: str
    period: Period
    seed: int = 0
    parameters: tuple[tuple[str, str], ...] = ()  # as asked for: member, case, product

    def header(self, **drawn: str | int) -> Header:
        """The header of a report of this scope; `drawn` adds parameters, the seed where one was."""
        return Header(
            self.origin,
            self.size,
            self.root,
            self.as_of_ms,
            self.rule_pack,
            self.rule_pack_version,
            self.period,
            (*self.parameters, *drawn.items()),
        )

    def parameter(self, name: str) -> str | None:
        """What was asked for under a name."""
        return dict(self.parameters).get(name)


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
        _check_name(self.id)
        _check_cell(self.value, self.kind)


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
        _check_name(self.id)


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
        _check_name(self.id)
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
                _check_cell(value, kind)

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
        _check_name(self.id)
        if not self.kind.is_number:
            raise BadReport(f"chart {self.id}: draws numbers only")
        if len(self.points) > POINTS_MAX or not 0 < len(self.series) <= SERIES_MAX:
            raise BadReport(
                f"chart {self.id}: over {POINTS_MAX} points, or not 1 to {SERIES_MAX} series"
            )
        for point in self.points:
            _check_value(point)
        for one in self.series:
            if len(one.values) != len(self.points):
                raise BadReport(f"chart {self.id}: a series has not one number for each point")
            for value in one.values:
                _check_cell(value, self.kind)

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


def value_json(value: Value) -> Any:
    """A value in canonical form: NULL is null, a text in two languages an object of both."""
    return {"en": value.en, "zh": value.zh} if isinstance(value, Both) else value


def _check_value(value: object) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif value is not None and not isinstance(value, Both):
        _check_integer(value)


def _check_cell(value: Value, kind: Kind) -> None:
    if value is None:
        return
    if kind in _NUMBERS:
        _check_integer(value)
    elif isinstance(value, int):
        raise BadReport(f"a number where a {kind.value} is")
    else:
        _check_value(value)
