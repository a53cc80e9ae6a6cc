"""What an audit rule is, what it may look at, and what it says.

PURE. A rule reads events and what it has itself noted of earlier ones; it may not know the
rulebook, because a bug there is what it is for. It is a generator:

    def order_without_consent(view: View, said: Said, limits: None) -> Iterator[Concern]:
        '''C01. Regulation (State Council Order 631), articles 18 and 40(3): ...'''

and one `Rule` in the table of its theme. Time is the log's: a rule asks to be woken at a time, and
is, before the first entry admitted at or after it. So findings follow from the log and the rule
pack alone, and are the same bytes on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from creditchain.events import Body
from creditchain.events.codes import Severity
from creditchain.events.field import INTEGER_MAX

P = TypeVar("P")
F = TypeVar("F", bound=tuple[Any, ...])

ENTRIES_CITED_MAX: Final = 32
"""A finding cites what proves it; of a surge of thousands the first few and the last do."""


class Regime(StrEnum):
    """Whom the law behind a rule protects: the two are kept apart in the rule pack.

    Written consent and purpose (article 18), the register of queries (22) and the five years (16)
    of the Regulation speak of persons; consent for lending information (40) and the duties of the
    Measures speak of enterprises. A sole trader is a person.
    """

    ENTERPRISE = "enterprise"
    PERSON = "person"


class Said(NamedTuple):
    """One event on the log: its entry, when it was admitted (ms), its key, and what it says."""

    entry: int
    at: int
    commitment: str
    id: str
    by: str
    signed_at: int
    kid: str
    body: Body


class Due(NamedTuple):
    """A time a rule asked to be woken at, and its note; `entry` and `at` are of the one by which
    that time had passed."""

    entry: int
    at: int
    due_at: int
    key: str


@dataclass(frozen=True, slots=True)
class Concern:
    """What a rule holds, and against whom.

    `member` is the institution, `officer` the person where it is one; `entries` are the indexes
    that prove it, ascending, without the one at which it showed; `facts` the figures it rests on.
    """

    member: str | None
    entries: Sequence[int] = ()
    officer: str | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)


class View(Protocol):
    """The history so far, as a rule may use it, and the rule's own notes.

    Facts and notes are named tuples of integers, strings, None and tuples of these; the first field
    is the id, unique within the kind.
    """

    @property
    def calendar(self) -> Calendar:
        """Duty hours and holidays of the rule pack."""
        ...

    def get(self, kind: type[F], id: str) -> F | None:
        """The fact or note of this kind and id; None if there is none."""
        ...

    def put(self, note: tuple[Any, ...]) -> None:
        """Keep a note of the rule's own, in place of the one with its kind and id."""
        ...

    def wake(self, due_at: int, key: str) -> None:
        """Call the rule's `due` once the log's time has reached `due_at`, ms, with this key."""
        ...

    def member_of(self, actor: str) -> str | None:
        """The institution an actor spoke for; None for an enterprise and for the unknown."""
        ...


class Calendar(Protocol):
    """Local time as the rule pack has it."""

    def day(self, at: int) -> int:
        """The local day of a time, counted from 1970-01-01."""
        ...

    def month(self, at: int) -> int:
        """The local month of a time: year * 12 + month - 1."""
        ...

    def month_start(self, month: int) -> int:
        """The first moment of a month, ms."""
        ...

    def day_start(self, day: int) -> int:
        """The first moment of a day, ms."""
        ...

    def is_on_duty(self, at: int) -> bool:
        """Whether it is a working day within duty hours."""
        ...


@dataclass(frozen=True, slots=True)
class Rule(Generic[P]):
    """One audit rule: its code (stable, never reused), its words, and what it runs on.

    `limits` is the frozen dataclass of its parameters in the rule pack (`NoLimits`: it has none);
    `on` the event types for which `judge` is called, before the event takes effect on the history;
    `due` is called for each wake-up. The docstring of `judge` quotes the source.
    """

    code: str
    title: str
    title_zh: str
    severity: Severity
    regime: Regime
    limits: type[P]
    on: tuple[type[Body], ...]
    judge: Callable[[View, Said, P], Iterator[Concern]]
    due: Callable[[View, Due, P], Iterator[Concern]] | None = None


@dataclass(frozen=True, slots=True)
class NoLimits:
    """The parameters of a rule that has none."""


def limit(low: int, high: int, unit: str) -> Any:
    """A whole number in the rule pack, from `low` to `high`, in `unit`."""
    assert 0 <= low <= high <= INTEGER_MAX, "the bounds of a limit are in order"
    return field(metadata={"low": low, "high": high, "unit": unit})


def codes(most: int, form: str, what: str) -> Any:
    """A list of up to `most` texts of a form in the rule pack (`tuple[str, ...]`).

    `form` is a regular expression, `what` says what such a text is.
    """
    return field(metadata={"most": most, "form": re.compile(form), "what": what})


def one_of(kind: type[StrEnum]) -> str:
    """The form of texts that are one of these codes."""
    return "|".join(re.escape(one) for one in kind)
