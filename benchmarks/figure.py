"""What a measurement gives: lines of the one table, and the statistics they are made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `value` and `against` are what was measured and what it is compared with, in words with units;
    `held` says whether the target holds, None where there is none.
    """

    number: int
    what: str
    value: str
    against: str = ""
    ratio: str = ""
    target: str = ""
    held: bool | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The lines of one measurement, and what one must know to read them."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median and, if there are several, the least and the most."""
    middle = f"{median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
