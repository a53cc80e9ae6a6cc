"""Days and months of a time zone as periods, and which are due. No clock: `now` is given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from regulator.report.model import BadReport, Period
from regulator.report.show import find_zone

CAUGHT_UP: Final = {"DAILY": 31, "MONTHLY": 12}
"""How many periods back a missed report is made after all: what a regulator still waits for."""


class Rhythm(StrEnum):
    """How often a report is filed."""

    DAILY = "DAILY"
    MONTHLY = "MONTHLY"


def day(of: date, zone: str) -> Period:
    """One day of a zone."""
    return between(of, of, zone)


def month(of: date, zone: str) -> Period:
    """The month of a zone in which a date lies."""
    first = of.replace(day=1)
    return _period(f"{first:%Y-%m}", first, _next_month(first), zone)


def between(first: date, last: date, zone: str) -> Period:
    """The days of a zone from `first` to `last`, both within it; raises `BadReport`."""
    if last < first:
        raise BadReport("the period ends before it begins")
    name = first.isoformat() if first == last else f"{first.isoformat()}_{last.isoformat()}"
    return _period(name, first, last + timedelta(days=1), zone)


def list_due(rhythm: Rhythm, begun_ms: int, now_ms: int, zone: str, hours: int) -> Iterator[Period]:
    """The periods of a rhythm that ended `hours` or longer ago, oldest first.

    None that was over before the log began at `begun_ms`, and no more than `CAUGHT_UP`.
    """
    now = datetime.fromtimestamp((now_ms - hours * 3_600_000) / 1000, UTC)
    today = now.astimezone(find_zone(zone)).date()
    periods = []
    for _ in range(CAUGHT_UP[rhythm]):
        if rhythm is Rhythm.DAILY:
            today -= timedelta(days=1)
            period = day(today, zone)
        else:
            today = today.replace(day=1) - timedelta(days=1)
            period = month(today, zone)
        if period.end_ms <= begun_ms:
            break
        periods.append(period)
    yield from reversed(periods)


def _period(name: str, first: date, after: date, zone: str) -> Period:
    start, end = (_begin_of(one, zone) for one in (first, after))
    return Period(name, start, end, zone)


def _begin_of(of: date, zone: str) -> int:
    moment = datetime(of.year, of.month, of.day, tzinfo=find_zone(zone))
    return round(moment.timestamp() * 1000)


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)
