"""How a value looks on paper: one text for each kind and language.

PURE apart from the tables of time zones. Texts come from events, so from anyone: what would not be
seen, or would turn the reading order round, is shown as 〓.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from regulator.report.model import BadReport, Both, Kind, Value

NULL: Final = "NULL"
"""What stands where there is no value; never an empty cell."""

EMPTY: Final = '""'
"""What stands for an empty text: a blank cell would say as little as a missing one."""

UNKNOWN: Final = "\u3013"
"""What stands for a character that cannot be shown: 〓, the printers' mark for a missing type."""

# Controls, surrogate halves and everything that moves other text about (UAX #9, UTS #39).
_UNSEEN: Final = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000


def show(value: Value, kind: Kind, lang: str, zone: str) -> str | None:
    """The text of a value; None for NULL, so that a renderer can set it apart."""
    if value is None:
        return None
    if isinstance(value, Both):
        return show_text(value.in_language(lang))
    if isinstance(value, str):
        return show_text(value)
    match kind:
        case Kind.TIME:
            return show_time(value, zone)
        case Kind.DURATION:
            return show_duration(value, lang)
        case Kind.MONEY:
            return hundredths(value, ",")
        case Kind.PERCENT:
            return f"{hundredths(value, ',')}\u00a0%"
        case _:
            return f"{value:,}"


def show_text(text: str) -> str:
    """A text as it may be printed; one with nothing in it is two quotes, not a blank."""
    if not text.strip():
        return EMPTY
    return seen_text(text)


def seen_text(text: str) -> str:
    """A text in which everything can be seen; line ends and spaces stay."""
    return _UNSEEN.sub(UNKNOWN, text.replace("\r\n", "\n").replace("\t", " "))


def show_time(at_ms: int, zone: str) -> str:
    """A moment in a zone, to the second."""
    try:
        return datetime.fromtimestamp(at_ms // 1000, find_zone(zone)).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms:,} ms"


def show_duration(ms: int, lang: str) -> str:
    """A length of time by its two largest units."""
    sign, ms = ("-" if ms < 0 else ""), abs(ms)
    day, hour, minute, second = (
        ("天", "小时", "分", "秒") if lang == "zh" else ("d", "h", "min", "s")
    )
    if ms >= _DAY_MS:
        parts = (f"{ms // _DAY_MS:,}", day, f"{ms % _DAY_MS // _HOUR_MS}", hour)
    elif ms >= _HOUR_MS:
        parts = (f"{ms // _HOUR_MS}", hour, f"{ms % _HOUR_MS // _MINUTE_MS}", minute)
    elif ms >= _MINUTE_MS:
        parts = (f"{ms // _MINUTE_MS}", minute, f"{ms % _MINUTE_MS // 1000}", second)
    else:
        return f"{sign}{ms // 1000}.{ms % 1000:03d}\u00a0{second}"
    # A number and its unit stay together.
    return f"{sign}{parts[0]}\u00a0{parts[1]} {parts[2]}\u00a0{parts[3]}"


@lru_cache(maxsize=64)
def find_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name; raises `BadReport`."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise BadReport(f"{name[:60]!r} is no time zone, as Asia/Shanghai is") from None


def hundredths(value: int, thousands: str = "") -> str:
    """Hundredths as a decimal number."""
    whole, part = divmod(abs(value), 100)
    return f"{'-' if value < 0 else ''}{whole:{thousands}}.{part:02d}"
