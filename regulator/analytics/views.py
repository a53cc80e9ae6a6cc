"""The ready views: what they are called, what they say, and their SQL.

A view is one file in `views/`: first what a row is, then each column with its meaning, then the
query. Views are made in the order of `NAMES`, so that one may lean on those before it. They read
events alone, so that for any size of the log they give what anyone's copy gives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from regulator.analytics.columns import COLUMNS

NAMES: Final = (
    "members",
    "standings",
    "officers",
    "events",
    "enterprises",
    "products",
    "keys",
    "orders",
    "consents",
    "deliveries",
    "sections",
    "record_batches",
    "objections",
    "erasures",
    "findings",
    "inspections",
    "looks",
    "billing",
    "headline",
    "daily_orders",
    "monthly_volumes",
    "monthly_institutions",
    "monthly_service",
    "monthly_consents",
    "monthly_disputes",
)
"""Every view but `entries` and `log`, each after those it reads."""

_COLUMN: Final = re.compile(r"([a-z][a-z0-9_]*): (.+)")


@dataclass(frozen=True, slots=True)
class View:
    """A view: `says` what a row is, `columns` what each column means, in order."""

    name: str
    says: str
    columns: tuple[tuple[str, str], ...]
    sql: str


@cache
def views() -> tuple[View, ...]:
    """Every view, in the order in which they are made; `entries` and `log` first."""
    return (_ENTRIES, _LOG, *(_read(name) for name in NAMES))


def _read(name: str) -> View:
    text = (files("regulator.analytics") / "views" / f"{name}.sql").read_text(encoding="utf-8")
    lines = text.splitlines()
    comment = [line.removeprefix("--").removeprefix(" ") for line in lines if line[:2] == "--"]
    gap = comment.index("")
    columns: list[tuple[str, str]] = []
    for line in comment[gap + 1 :]:
        match = _COLUMN.fullmatch(line)
        if match is not None:
            columns.append((match[1], match[2]))
        else:
            column, meaning = columns.pop()
            columns.append((column, f"{meaning} {line.strip()}"))
    sql = "\n".join(line for line in lines if line[:2] != "--")
    return View(name, " ".join(comment[:gap]), tuple(columns), sql)


_ENTRIES: Final = View(
    "entries",
    "One row for each entry, flat; every view is made of it. NULL: the event does not say it.",
    tuple((one.name, one.says) for one in COLUMNS),
    "",
)

_LOG: Final = View(
    "log",
    "One row: how much of which log these views show.",
    (
        ("origin", "the log"),
        ("size", "entries shown"),
        ("as_of_ms", "when the last of them was admitted, ms since 1970; the log's own now"),
        ("as_of", "the same, UTC"),
        ("bodies_missing", "entries whose body is erased or missing here"),
    ),
    "",
)
