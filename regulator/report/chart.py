"""Where the marks of a chart stand: from numbers to ten-thousandths of the picture. PURE.

Only integers, so that the same numbers give the same picture on any machine. What draws it knows
nothing of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from regulator.report.model import Chart, ChartKind, Kind, Value
from regulator.report.show import NULL, show, show_text

FULL: Final = 10_000
"""The width and the height of a picture."""

TICKS: Final = 4
"""Lines across the picture, at least; what an eye can follow."""

LABELS_MAX: Final = 16
"""Labels under the points; of more points every second, third … has one."""

BAR_MAX: Final = 600
"""How wide a bar is at most: a single one is no wall."""

_BAR_SHARE: Final = 72
"""How much of a point's room its bars take, percent."""

_DURATIONS: Final[tuple[int, ...]] = (
    *(n * 10**e for e in range(3) for n in (1, 2, 5)),
    *(n * 1000 for n in (1, 2, 5, 10, 15, 30)),
    *(n * 60_000 for n in (1, 2, 5, 10, 15, 30)),
    *(n * 3_600_000 for n in (1, 2, 4, 6, 12, 24, 48, 120, 240, 480, 1200, 2400)),
)


def draw(chart: Chart, lang: str, zone: str) -> dict[str, Any]:
    """The chart's marks, labels and legend, and what it says in words, for a renderer."""
    numbers = [value for one in chart.series for value in one.values if value is not None]
    ticks = _ticks(min(numbers, default=0), max(numbers, default=0), chart.kind)
    low, high = ticks[0], ticks[-1]

    def height(value: int) -> int:
        return (value - low) * FULL // (high - low)

    count = max(1, len(chart.points))
    every = -(-count // LABELS_MAX)
    return {
        "title": show_text(chart.title.in_language(lang)),
        "draw": chart.draw.value,
        "ticks": [[height(tick), show(tick, chart.kind, lang, zone)] for tick in ticks],
        "zero": height(min(max(0, low), high)),
        "labels": [
            [_middle(index, count), show(point, Kind.TEXT, lang, zone)]
            for index, point in enumerate(chart.points)
            if index % every == 0
        ],
        "series": [show(one.label, Kind.TEXT, lang, zone) for one in chart.series],
        "bars": _bars(chart, height, low) if chart.draw is ChartKind.BAR else [],
        "lines": _lines(chart, height) if chart.draw is ChartKind.LINE else [],
        "alt": describe(chart, lang, zone),
    }


def describe(chart: Chart, lang: str, zone: str) -> str:
    """The chart in words, for whoever hears the report read out."""

    def said(value: Value, kind: Kind) -> str:
        return show(value, kind, lang, zone) or NULL

    rows = [
        f"{said(one.label, Kind.TEXT)}: "
        + ", ".join(
            f"{said(point, Kind.TEXT)} {said(value, chart.kind)}"
            for point, value in zip(chart.points, one.values, strict=True)
        )
        for one in chart.series
    ]
    return f"{show_text(chart.title.in_language(lang))}. " + "; ".join(rows)


def _middle(index: int, count: int) -> int:
    return (2 * index + 1) * FULL // (2 * count)


def _bars(chart: Chart, height: Callable[[int], int], low: int) -> list[list[int]]:
    """(series, left, width, foot, top) of each bar; series side by side, from the zero line."""
    room = FULL // max(1, len(chart.points))
    width = max(1, min(BAR_MAX, room * _BAR_SHARE // 100 // len(chart.series)))
    foot = height(max(0, low))
    bars = []
    for number, one in enumerate(chart.series):
        for index, value in enumerate(one.values):
            if value is None:
                continue
            left = _middle(index, len(chart.points)) - width * len(chart.series) // 2
            ends = sorted((foot, height(value)))
            bars.append([number, left + number * width, width, *ends])
    return bars


def _lines(chart: Chart, height: Callable[[int], int]) -> list[dict[str, Any]]:
    """For each series its points, and the strokes between neighbours; None breaks a line."""
    lines = []
    for one in chart.series:
        points = [
            None if value is None else [_middle(index, len(chart.points)), height(value)]
            for index, value in enumerate(one.values)
        ]
        strokes = [[*a, *b] for a, b in pairwise(points) if a is not None and b is not None]
        lines.append({"points": [p for p in points if p is not None], "strokes": strokes})
    return lines


def _ticks(low: int, high: int, kind: Kind) -> list[int]:
    """Round numbers from at or under the least (or zero) to at or over the most."""
    low, high = min(0, low), max(high, 0)
    if kind is Kind.PERCENT and low == 0 and high <= 100_00:
        # Shares are seen whole, or as what is left of it when they are small.
        high = 100_00 if high > 40_00 else high
    step = _step(max(1, high - low), kind)
    first = low // step
    last = max(first + 1, -(-high // step))
    return [step * n for n in range(first, last + 1)]


def _step(span: int, kind: Kind) -> int:
    wanted = max(1, span // TICKS)
    if kind is Kind.DURATION:
        for step in _DURATIONS:
            if step >= wanted:
                return step
    power: int = 10 ** (len(str(wanted)) - 1)
    for multiple in (1, 2, 5):
        if multiple * power >= wanted:
            return multiple * power
    return 10 * power
