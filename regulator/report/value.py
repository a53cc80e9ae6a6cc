"""What stands in a report: texts in two languages, integers, NULL, and what kind they are. PURE.

Numbers are integers (money in hundredths, percent in hundredths of a percent, times in ms): nothing
is ever rounded by a format. None is a value, NULL, and every format writes it; an absent number is
not 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

TEXT_CHARS_MAX: Final = 20_000
"""Characters of one text: an evidence quoted whole is shorter; a page holds 4,000."""

INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader reads exactly (RFC 8785, RFC 7493)."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")


class BadReport(ValueError):
    """A report that cannot be: the message says which part of it and why."""


def check_name(name: str) -> None:
    """An id of ours; raises `BadReport`."""
    if not _NAME.fullmatch(name):
        raise BadReport(f"{name[:60]!r} is no id: small letters, digits and _, at most 48")


def check_integer(value: object) -> None:
    """An integer that every JSON reader reads exactly; raises `BadReport`."""
    # A bool is an int to Python and to nobody who reads a column of numbers.
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > INTEGER_MAX:
        raise BadReport("not an integer that every JSON reader reads exactly")


def check_text(value: object) -> None:
    """A text of bounded length, in whole characters; raises `BadReport`."""
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
        check_text(self.en)
        check_text(self.zh)

    def in_language(self, lang: str) -> str:
        """The text in `en` or `zh`."""
        return self.zh if lang == "zh" else self.en


Value = str | int | Both | None
"""A cell: a text (the same in both languages), an integer, a text in both, or NULL."""

LANGUAGES: Final = ("en", "zh")


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


def value_json(value: Value) -> Any:
    """A value in canonical form: NULL is null, a text in two languages an object of both."""
    return {"en": value.en, "zh": value.zh} if isinstance(value, Both) else value


def check_value(value: object) -> None:
    """A text, an integer, a text in both languages, or NULL; raises `BadReport`."""
    if isinstance(value, str):
        check_text(value)
    elif value is not None and not isinstance(value, Both):
        check_integer(value)


def check_cell(value: Value, kind: Kind) -> None:
    """A value of a kind; raises `BadReport`."""
    if value is None:
        return
    if kind in _NUMBERS:
        check_integer(value)
    elif isinstance(value, int):
        raise BadReport(f"a number where a {kind.value} is")
    else:
        check_value(value)
