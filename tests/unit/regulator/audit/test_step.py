"""One step of the audit: who is woken, who judges, and what a finding cites."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pytest

from creditchain.events.codes import RefusalReason, Severity
from creditchain.events.consent import ConsentExpired, ConsentRefused, ConsentWithdrawn
from creditchain.events.field import INTEGER_MAX
from regulator.audit import (
    Audit,
    AuditFinding,
    Concern,
    DictFacts,
    HeapAgenda,
    Regime,
    Rule,
    Said,
    WakeUp,
)
from regulator.audit.fact import Member, Unseen
from regulator.audit.rule import ENTRIES_CITED_MAX, Due, NoLimits, View, codes, limit, one_of
from tests.stories.audited import default_pack

Judge = Callable[[View, Said, Any], Iterator[Concern]]
Wake = Callable[[View, Due, Any], Iterator[Concern]]


@dataclass(frozen=True, slots=True)
class Doubled:
    """The parameters of a rule that has one."""

    factor: int = 2


def rule(code: str, judge: Judge, due: Wake | None = None, limits: Any = NoLimits) -> Rule[Any]:
    return Rule(
        code,
        code,
        code,
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        limits,
        (ConsentWithdrawn,),
        judge,
        due,
    )


def silent(view: View, said: Said, limits: Any) -> Iterator[Concern]:
    yield from ()


class Bench:
    """An audit with rules of its own, and a log of withdrawals."""

    def __init__(self, *rules: Rule[Any], off: tuple[str, ...] = (), unseen: int = 0) -> None:
        self.facts, self.agenda = DictFacts(), HeapAgenda()
        self.asked: list[int] = []
        pack = replace(
            default_pack(),
            limits={one.code: one.limits() for one in rules},
            severities={"loud": Severity.HIGH},
            off=frozenset(off),
        )
        self.audit = Audit(rules, pack, self.facts, self.agenda, self.commitment_at, unseen=unseen)

    def commitment_at(self, entry: int) -> str:
        self.asked.append(entry)
        return f"body {entry}"

    def step(self, entry: int, at: int, body: Any = None) -> list[AuditFinding]:
        said = Said(entry, at, "now", "id", "hana", at, "kid", body or ConsentWithdrawn("c"))
        return self.audit.step(entry, at, "now", said)


def cite(*entries: int) -> Judge:
    def judge(view: View, said: Said, limits: Any) -> Iterator[Concern]:
        yield Concern("hana", entries, "of_lin", {"why": "BECAUSE"})

    return judge


def test_a_finding_says_who_what_when_and_cites_each_entry_once_in_order() -> None:
    bench = Bench(rule("R", cite(7, 3, 9, 3)))
    [finding] = bench.step(9, 100)
    assert finding == AuditFinding(
        "R", Severity.MEDIUM, "cn-enterprise@2026.1", 9, 100, "hana", "of_lin",
        ((3, "body 3"), (7, "body 7"), (9, "now")), {"why": "BECAUSE"}, True,
    )  # fmt: skip
    assert bench.asked == [3, 7]


@pytest.mark.parametrize("count", [ENTRIES_CITED_MAX - 1, ENTRIES_CITED_MAX, 5_000])
def test_of_thousands_of_entries_the_first_few_and_the_last_are_cited(count: int) -> None:
    bench = Bench(rule("R", cite(*range(count))))
    [finding] = bench.step(9_000, 100)
    cited = [one.entry for one in finding.entries]
    assert len(cited) == ENTRIES_CITED_MAX == 32
    if count < ENTRIES_CITED_MAX:
        assert cited == [*range(count), 9_000]
    else:
        assert cited == [*range(30), count - 1, 9_000]


def test_a_pack_weighs_a_rule_otherwise() -> None:
    bench = Bench(rule("loud", cite()), rule("R", cite()))
    assert [(one.code, one.severity) for one in bench.step(0, 100)] == [
        ("loud", Severity.HIGH), ("R", Severity.MEDIUM),
    ]  # fmt: skip


def test_a_rule_that_is_off_or_not_in_the_pack_neither_judges_nor_wakes() -> None:
    def late(view: View, due: Due, limits: Any) -> Iterator[Concern]:
        yield Concern("hana")

    rules = rule("R", cite(), late), rule("off", cite(), late)
    bench = Bench(*rules, off=("off",))
    for code in ("off", "gone", "R"):
        bench.agenda.add(WakeUp(50, code, "key"))
    assert [one.code for one in bench.step(0, 100)] == ["R", "R"]
    assert bench.agenda.take(1_000) is None


def test_a_rule_judges_only_the_events_it_runs_on_and_with_its_own_limits() -> None:
    seen: list[Any] = []

    def judge(view: View, said: Said, limits: Any) -> Iterator[Concern]:
        seen.append((said.entry, limits))
        yield from ()

    bench = Bench(rule("R", judge, limits=Doubled))
    bench.step(0, 100, ConsentRefused("c", RefusalReason.NOT_NOW))
    bench.step(1, 100, ConsentExpired("c"))
    bench.step(2, 100)
    assert seen == [(2, Doubled(2))]


def test_a_rule_is_woken_before_the_first_entry_at_or_after_its_time() -> None:
    woken: list[Due] = []

    def judge(view: View, said: Said, limits: Any) -> Iterator[Concern]:
        if said.entry == 0:
            view.wake(said.at + 1, "one")
            view.wake(said.at + 50, "two")
            view.wake(said.at + 50, "two")
        yield from ()

    def due(view: View, due: Due, limits: Any) -> Iterator[Concern]:
        woken.append(due)
        assert limits == Doubled(2)
        if due.key == "one":
            view.wake(due.due_at + 2, "again")
        yield Concern(None, (0,))

    bench = Bench(rule("R", judge, due, Doubled))
    assert bench.step(0, 100) == []
    assert bench.step(1, 100) == []
    [first, second] = bench.step(2, 149)
    assert woken == [Due(2, 149, 101, "one"), Due(2, 149, 103, "again")]
    assert (first.index, first.at, first.entries) == (2, 149, ((0, "body 0"), (2, "now")))
    assert second.member is second.officer is None
    assert len(bench.step(3, 150)) == 1
    assert woken[2:] == [Due(3, 150, 150, "two")]
    assert bench.step(4, 10_000) == []


def test_the_earliest_is_woken_first_and_of_one_time_in_the_order_of_the_codes() -> None:
    order: list[tuple[str, str]] = []

    def wakes(code: str) -> Rule[Any]:
        def due(view: View, due: Due, limits: Any) -> Iterator[Concern]:
            order.append((code, due.key))
            yield from ()

        return rule(code, silent, due)

    bench = Bench(wakes("B"), wakes("A"))
    for wake_up in (WakeUp(5, "B", "x"), WakeUp(5, "A", "y"), WakeUp(3, "B", "z")):
        bench.agenda.add(wake_up)
    bench.step(0, 5)
    assert order == [("B", "z"), ("A", "y"), ("B", "x")]


def test_an_agenda_keeps_the_same_wake_up_once_until_it_is_taken() -> None:
    agenda = HeapAgenda()
    wake_up = WakeUp(5, "R", "key")
    agenda.add(wake_up)
    agenda.add(wake_up)
    assert agenda.take(4) is None
    assert [agenda.take(5), agenda.take(5)] == [wake_up, None]
    agenda.add(wake_up)
    assert agenda.take(6) == wake_up


def test_a_rule_wakes_nobody_at_once_and_writes_no_history() -> None:
    def wakes_now(view: View, said: Said, limits: Any) -> Iterator[Concern]:
        view.wake(said.at, "key")
        yield from ()

    def writes(view: View, said: Said, limits: Any) -> Iterator[Concern]:
        view.put(Member("hana", 0, "BANK", "440100", None, 0))
        yield from ()

    for judge in (wakes_now, writes):
        with pytest.raises(AssertionError):
            Bench(rule("R", judge)).step(0, 100)

    def wakes_again(view: View, due: Due, limits: Any) -> Iterator[Concern]:
        view.wake(due.due_at, "again")
        yield from ()

    bench = Bench(rule("R", silent, wakes_again))
    bench.agenda.add(WakeUp(50, "R", "key"))
    with pytest.raises(AssertionError):
        bench.step(0, 100)


def test_a_rule_sees_the_history_before_the_event_and_its_own_notes() -> None:
    seen: list[Any] = []

    def judge(view: View, said: Said, limits: Any) -> Iterator[Concern]:
        note = view.get(WakeUp, "n")  # type: ignore[type-var]
        seen.append((note, view.member_of("hana"), view.calendar is default_pack().almanac))
        view.put(("n", said.entry))
        yield from ()

    bench = Bench(rule("R", judge))
    bench.facts.put(Member("hana", 0, "BANK", "440100", None, 0))
    bench.step(0, 100)
    assert seen == [(None, "hana", True)]
    assert bench.facts.get(tuple, "n") == ("n", 0)


def test_an_unseen_body_gives_wake_ups_alone_and_makes_what_follows_uncertain() -> None:
    def due(view: View, due: Due, limits: Any) -> Iterator[Concern]:
        yield Concern("hana")

    bench = Bench(rule("R", cite(), due))
    bench.agenda.add(WakeUp(50, "R", "key"))
    [woken] = bench.audit.step(0, 60, "now", None)
    assert woken.certain
    bench.audit.pass_over(0, 60)
    bench.audit.pass_over(1, 61)
    assert bench.audit.unseen == 2
    assert bench.facts.get(Unseen, "1") == Unseen("1", 61)
    assert [one.certain for one in bench.step(1, 70)] == [False]
    assert Bench(unseen=3).audit.unseen == 3
    assert Bench().audit.unseen == 0


def test_an_event_is_said_when_its_entry_is_admitted() -> None:
    bench = Bench()
    said = Said(0, 100, "now", "id", "hana", 100, "kid", ConsentWithdrawn("c"))
    with pytest.raises(AssertionError):
        bench.audit.step(0, 101, "now", said)


def test_a_limit_has_bounds_and_a_unit() -> None:
    assert dict(limit(1, 9, "ms").metadata) == {"low": 1, "high": 9, "unit": "ms"}
    assert dict(limit(0, INTEGER_MAX, "").metadata)["high"] == INTEGER_MAX
    assert dict(limit(5, 5, "").metadata)["low"] == 5
    listed = codes(4, "A+", "letter A").metadata
    assert (listed["most"], listed["form"].pattern, listed["what"]) == (4, "A+", "letter A")
    assert re.fullmatch(one_of(Severity), "HIGH")
    assert not re.fullmatch(one_of(Severity), "HIGHEST")
    assert re.fullmatch(one_of(StrEnum("Dotted", {"ONE": "a.b"})), "axb") is None
    for low, high in ((-1, 5), (6, 5), (0, INTEGER_MAX + 1)):
        with pytest.raises(AssertionError):
            limit(low, high, "ms")


def test_a_finding_is_known_by_what_was_found() -> None:
    [finding] = Bench(rule("R", cite(3))).step(9, 100)
    assert finding.to_json() == {
        "code": "R",
        "index": 9,
        "entries": [{"index": 3, "body": "body 3"}, {"index": 9, "body": "now"}],
        "facts": {"why": "BECAUSE"},
        "member": "hana",
        "officer": "of_lin",
        "id": finding.id,
        "at": "1970-01-01T00:00:00.100Z",
        "severity": "MEDIUM",
        "pack": "cn-enterprise@2026.1",
        "certain": True,
    }
    # Weight, pack, time and certainty may change; it is the same finding.
    other = replace(finding, severity=Severity.LOW, pack="x@1", at=5, certain=False)
    assert other.id == finding.id
    assert replace(finding, index=8).id != finding.id
    anonymous = replace(finding, member=None, officer=None).to_json()
    assert {"member", "officer"} & anonymous.keys() == set()
