"""Local days, months, duty hours and holidays.

PURE. China keeps one time, UTC+8, without summer time (State Council, 1991 on), so an offset is
enough; the rule pack says which. Days are counted from 1970-01-01.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
_EPOCH: Final = date(1970, 1, 1)
_LAST_DAY: Final = (date.max - _EPOCH).days
"""The last day that has a date; a lying log may go on to it, and its last hours beyond."""


@dataclass(frozen=True, slots=True)
class Almanac:
    """The calendar of a rule pack.

    `duty_from` and `duty_until` are minutes of the local day; `duty_weekdays` are ISO numbers (1 is
    Monday); `holidays` and `make_up_days` (weekend days that are worked) are day numbers.
    """

    utc_offset_minutes: int
    duty_from: int
    duty_until: int
    duty_weekdays: frozenset[int]
    holidays: frozenset[int]
    make_up_days: frozenset[int]

    def day(self, at: int) -> int:
        """The local day of a time in ms."""
        return (at + self.utc_offset_minutes * MINUTE_MS) // DAY_MS

    def day_start(self, day: int) -> int:
        """The first moment of a local day, ms."""
        return day * DAY_MS - self.utc_offset_minutes * MINUTE_MS

    def month(self, at: int) -> int:
        """The local month of a time: year * 12 + month - 1."""
        day = _EPOCH + timedelta(days=min(self.day(at), _LAST_DAY))
        return day.year * 12 + day.month - 1

    def month_start(self, month: int) -> int:
        """The first moment of a local month, ms."""
        if month // 12 > date.max.year:
            return self.day_start(_LAST_DAY + 2)
        return self.day_start((date(month // 12, month % 12 + 1, 1) - _EPOCH).days)

    def is_on_duty(self, at: int) -> bool:
        """Whether it is a working day within duty hours."""
        day = self.day(at)
        minute = (at - self.day_start(day)) // MINUTE_MS
        if not self.duty_from <= minute < self.duty_until or day in self.holidays:
            return False
        # 1970-01-01 was a Thursday.
        return day in self.make_up_days or (day + 3) % 7 + 1 in self.duty_weekdays


def day_number(text: str) -> int:
    """The day number of an ISO date; raises ValueError."""
    return (date.fromisoformat(text) - _EPOCH).days


def day_text(day: int) -> str:
    """The ISO date of a day number, the inverse of `day_number`."""
    return (_EPOCH + timedelta(days=min(day, _LAST_DAY))).isoformat()
