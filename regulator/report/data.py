"""A report as tables alone, for the formats that know nothing else. PURE.

The header and the key figures become tables of their own, a chart the table of its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from regulator.report.model import Both, Chart, Column, Figures, Kind, Report, Table

_NAME: Final = Column("name", Both("Name", "项目"), Kind.CODE)
_LABEL: Final = Column("label", Both("Label", "名称"))
_NUMBER: Final = Column("number", Both("Number", "数值"), Kind.INTEGER)
_TEXT: Final = Column("text", Both("Text", "文本"))
_UNIT: Final = Column("unit", Both("Unit", "单位"), Kind.CODE)
_POINT: Final = Column("point", Both("Point", "项"))

UNITS: Final = {
    Kind.INTEGER: None,
    Kind.TIME: "ms since 1970-01-01T00:00:00Z",
    Kind.DURATION: "ms",
    Kind.MONEY: "1/100",
    Kind.PERCENT: "1/100 %",
}
"""The unit of a number of each kind where it stands as an integer."""


def list_tables(report: Report, digest: str) -> Iterator[Table]:
    """Every table of a report as data; `digest` is the report's."""
    yield _header(report, digest)
    if any(isinstance(block, Figures) for block in report.blocks):
        yield _figures(report)
    for block in report.blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Chart):
            yield _chart(block)


def _header(report: Report, digest: str) -> Table:
    header, period = report.header, report.header.period
    said: list[tuple[str, str | int]] = [
        ("report", report.code.value),
        ("digest", digest),
        ("log", header.origin),
        ("size", header.size),
        ("root", header.root),
        ("as_of", header.as_of_ms),
        ("rule_pack", header.rule_pack),
        ("rule_pack_version", header.rule_pack_version),
        ("period", period.name),
        ("period_start", period.start_ms),
        ("period_end", period.end_ms),
        ("time_zone", period.zone),
        *((f"parameter_{name}", value) for name, value in header.parameters),
    ]
    return Table(
        "header",
        Both("Header", "报告头"),
        (_NAME, _NUMBER, _TEXT),
        tuple(
            (name, value, None) if isinstance(value, int) else (name, None, value)
            for name, value in said
        ),
    )


def _figures(report: Report) -> Table:
    items = [item for block in report.blocks if isinstance(block, Figures) for item in block.items]
    return Table(
        "figures",
        Both("Key figures", "关键指标"),
        (_NAME, _LABEL, _NUMBER, _TEXT, _UNIT),
        tuple(
            (item.id, item.label, item.value, None, UNITS.get(item.kind))
            if isinstance(item.value, int)
            else (item.id, item.label, None, item.value, None)
            for item in items
        ),
    )


def _chart(chart: Chart) -> Table:
    series = tuple(
        Column(f"series_{number}", one.label, chart.kind)
        for number, one in enumerate(chart.series, 1)
    )
    return Table(
        chart.id,
        chart.title,
        (_POINT, *series),
        tuple(zip(chart.points, *(one.values for one in chart.series), strict=True)),
    )
