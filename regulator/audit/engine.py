"""The audit: entries in log order through the rules of a pack, findings out.

PURE. One step per entry: first the wake-ups whose time has come, earliest first; then each rule for
this type of event, in the order of the table; then the event takes effect on the history. So what
an entry gives depends on the entries before it and on the pack, never on how many are read at once.
The cost of a step does not grow with the log: a rule looks up what it needs by id.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from creditchain.events import Body
from regulator.audit.fact import KINDS, Facts, Unseen, member_of
from regulator.audit.finding import AuditFinding, Cited
from regulator.audit.history import take_in
from regulator.audit.pack import Pack
from regulator.audit.rule import ENTRIES_CITED_MAX, Calendar, Concern, Due, Rule, Said

F = TypeVar("F", bound=tuple[Any, ...])


class WakeUp(NamedTuple):
    """When to wake which rule, and its key; in this order they are due."""

    due_at: int
    rule: str
    key: str


class Agenda(Protocol):
    """The wake-ups that are still to come."""

    def add(self, wake_up: WakeUp) -> None:
        """Keep one; the same one twice is one."""
        ...

    def take(self, until: int) -> WakeUp | None:
        """The first one due at or before `until`, taken out; None if there is none."""
        ...


class DictFacts:
    """Facts in memory."""

    def __init__(self) -> None:
        self._facts: dict[tuple[type[Any], str], Any] = {}

    def get(self, kind: type[F], id: str) -> F | None:
        """The one of this kind and id."""
        found: F | None = self._facts.get((kind, id))
        return found

    def put(self, fact: tuple[Any, ...]) -> None:
        """Keep it."""
        self._facts[type(fact), fact[0]] = fact


class HeapAgenda:
    """Wake-ups in memory."""

    def __init__(self) -> None:
        self._heap: list[WakeUp] = []
        self._known: set[WakeUp] = set()

    def add(self, wake_up: WakeUp) -> None:
        """Keep one."""
        if wake_up not in self._known:
            self._known.add(wake_up)
            heapq.heappush(self._heap, wake_up)

    def take(self, until: int) -> WakeUp | None:
        """The first one due."""
        if not self._heap or self._heap[0].due_at > until:
            return None
        wake_up = heapq.heappop(self._heap)
        self._known.discard(wake_up)
        return wake_up


class Audit:
    """The rules over one log.

    `commitment_at` gives the commitment to the body of an earlier entry, base64url; it is asked
    only for what a finding cites. `unseen` counts the bodies this audit never saw.
    """

    def __init__(
        self,
        rules: Iterable[Rule[Any]],
        pack: Pack,
        facts: Facts,
        agenda: Agenda,
        commitment_at: Callable[[int], str],
        *,
        unseen: int = 0,
    ) -> None:
        self.unseen = unseen
        self._pack = pack
        self._facts = facts
        self._agenda = agenda
        self._commitment_at = commitment_at
        self._rules = {rule.code: rule for rule in rules if pack.runs(rule.code)}
        by_type: dict[type[Body], list[Rule[Any]]] = {}
        for rule in self._rules.values():
            for type_ in rule.on:
                by_type.setdefault(type_, []).append(rule)
        self._by_type: Mapping[type[Body], Sequence[Rule[Any]]] = by_type
        self._view = _View(facts, agenda, pack.almanac)
        self._timely = True

    def step(
        self, index: int, at: int, commitment: str, said: Said | None, *, timely: bool = True
    ) -> list[AuditFinding]:
        """What the entry at `index`, admitted at `at`, gives; `said` is None for an unseen body.

        An entry that holds no event of anybody (a forged one) counts as an unseen body that takes
        no effect: pass None and leave `unseen` as it is; `pass_over` counts one. `at` never goes
        back, whatever the log does; where it would have (not `timely`), what is found is in doubt,
        because the log's time is.
        """
        self._timely = timely
        assert said is None or said.at == at, "an event is said when its entry is admitted"
        found: list[AuditFinding] = []
        wake_up = self._agenda.take(at)
        while wake_up is not None:
            rule = self._rules.get(wake_up.rule)
            if rule is not None and rule.due is not None:
                due = Due(index, at, wake_up.due_at, wake_up.key)
                limits = self._pack.limits[rule.code]
                self._view.enter(rule.code, wake_up.due_at)
                concerns = rule.due(self._view, due, limits)
                found += [self._finding(rule, one, index, at, commitment) for one in concerns]
            wake_up = self._agenda.take(at)
        if said is None:
            return found
        for rule in self._by_type.get(type(said.body), ()):
            self._view.enter(rule.code, at)
            concerns = rule.judge(self._view, said, self._pack.limits[rule.code])
            found += [self._finding(rule, one, index, at, commitment) for one in concerns]
        take_in(self._facts, said)
        return found

    def pass_over(self, index: int, at: int) -> None:
        """One more body that this audit will never see, of the entry at `index`."""
        self.unseen += 1
        self._facts.put(Unseen(str(index), at))

    def _finding(
        self, rule: Rule[Any], concern: Concern, index: int, at: int, commitment: str
    ) -> AuditFinding:
        cited = sorted({*concern.entries} - {index})
        if len(cited) >= ENTRIES_CITED_MAX:
            cited = cited[: ENTRIES_CITED_MAX - 2] + cited[-1:]
        entries = [Cited(one, self._commitment_at(one)) for one in cited]
        return AuditFinding(
            rule.code,
            self._pack.severities.get(rule.code, rule.severity),
            self._pack.label,
            index,
            at,
            concern.member,
            concern.officer,
            (*entries, Cited(index, commitment)),
            concern.facts,
            # What an unseen body did could change any of it.
            self.unseen == 0 and self._timely,
        )


class _View:
    """What the rule under way sees; see `rule.View`."""

    def __init__(self, facts: Facts, agenda: Agenda, calendar: Calendar) -> None:
        self.calendar = calendar
        self._facts = facts
        self._agenda = agenda
        self._rule = ""
        self._now = 0

    def enter(self, rule: str, now: int) -> None:
        self._rule, self._now = rule, now

    def get(self, kind: type[F], id: str) -> F | None:
        return self._facts.get(kind, id)

    def put(self, note: tuple[Any, ...]) -> None:
        assert type(note) not in KINDS, "a rule writes notes of its own, not history"
        self._facts.put(note)

    def wake(self, due_at: int, key: str) -> None:
        assert due_at > self._now, "a rule is woken later, never at once"
        self._agenda.add(WakeUp(due_at, self._rule, key))

    def member_of(self, actor: str) -> str | None:
        return member_of(self._facts, actor)
