"""Volume rules at their very thresholds: a surge, a month's regions, misses and orders."""

from dataclasses import replace
from typing import Final

import pytest

from creditchain.events import Body
from creditchain.events.codes import DeclineCode, Outcome
from creditchain.events.order import OrderDeclined, ReportDelivered
from regulator.audit.almanac import DAY_MS
from regulator.audit.volume import MissCap, MonthCap, RegionCap, Surge
from tests.unit.regulator.audit.desk import CALENDAR, Desk, facts_of

MONTH: Final = 2026 * 12 + 2  # March
FIRST: Final = 20_510  # a day that begins a week of the rule, whose weeks begin on Thursdays


SURGE: Final = Surge(times_average=3, floor=5, history_days=14)


def test_the_first_order_above_three_times_the_average_is_told_once() -> None:
    desk = Desk("U04", SURGE)
    for day in range(14):
        desk.orders(FIRST + day, 3 if day == 13 else 2)
    # 29 orders in 14 days: three times the average is 6.2, so the seventh is too many.
    first = desk.orders(FIRST + 14, 6)
    assert desk.found == []
    seventh = desk.order(CALENDAR.day_start(FIRST + 14) + 100)
    assert facts_of(desk) == [([first, seventh], {"orders": 7, "earlier": 29, "days": 14})]
    [finding] = desk.found
    assert (finding.member, finding.officer) == ("hana", "of_lin")
    desk.order(CALENDAR.day_start(FIRST + 14) + 101)
    assert len(desk.found) == 1


def test_before_enough_days_are_known_nothing_is_a_surge() -> None:
    for days, times in ((13, 0), (14, 1)):
        desk = Desk("U04", SURGE)
        desk.orders(FIRST, 1)
        desk.orders(FIRST + days, 20)
        assert len(desk.found) == times


def test_below_the_floor_nothing_is_a_surge() -> None:
    desk = Desk("U04", SURGE)
    desk.orders(FIRST, 1)
    first = desk.orders(FIRST + 20, 5)
    assert facts_of(desk) == [([first, first + 4], {"orders": 5, "earlier": 1, "days": 20})]


@pytest.mark.parametrize(("weeks", "earlier"), [(12, 10), (13, 0)])
def test_the_average_is_over_thirteen_weeks(weeks: int, earlier: int) -> None:
    desk = Desk("U04", SURGE)
    for day in (0, 1, 3):
        desk.orders(FIRST + day, 2 if day else 6)
    desk.orders(FIRST + 7 * weeks, 5)
    [(_, facts)] = facts_of(desk)
    assert facts == {"orders": 5, "earlier": earlier, "days": 7 * weeks}


def test_no_more_than_three_months_of_days_are_counted() -> None:
    desk = Desk("U04", SURGE)
    desk.orders(FIRST, 1)
    desk.orders(FIRST + 100, 1)
    desk.orders(FIRST + 200, 5)
    [(_, facts)] = facts_of(desk)
    assert facts == {"orders": 5, "earlier": 0, "days": 91}


def month_of(desk: Desk, subjects: str, month: int = MONTH) -> list[int]:
    """Orders about these subjects in a month, and one in the next; their entries."""
    start = CALENDAR.month_start(month)
    entries = [desk.order(start + n, one) for n, one in enumerate(subjects.split())]
    desk.order(CALENDAR.month_start(month + 1))
    return entries


REGION_CAP: Final = RegionCap(cap_percent=50, floor=4, whitelist=("45",))


@pytest.mark.parametrize(
    ("subjects", "across"),
    [
        ("near far far near", None),
        ("near far far listed", None),
        ("far far far", None),
        ("near close near close", None),
        ("near far listed far far", 3),
        ("far far far near", 3),
    ],
)
def test_a_bank_asks_mostly_about_its_own_province(subjects: str, across: int | None) -> None:
    desk = Desk("U06", REGION_CAP)
    entries = month_of(desk, subjects)
    abroad = [e for e, one in zip(entries, subjects.split(), strict=True) if one == "far"]
    if across is None:
        assert desk.found == []
    else:
        [(cited, facts)] = facts_of(desk)
        assert cited == [abroad[0], abroad[-1], entries[-1] + 1]
        assert facts == {"orders": len(entries), "across": across}
        assert desk.found[0].member == "hana"


def test_each_month_has_its_own_regions() -> None:
    desk = Desk("U06", REGION_CAP)
    month_of(desk, "far far far near")
    month_of(desk, "near near near near", MONTH + 2)
    assert len(desk.found) == 1


def test_who_speaks_for_nobody_and_who_is_unknown_count_for_no_region() -> None:
    desk = Desk("U06", replace(REGION_CAP, floor=1))
    start = CALENDAR.month_start(MONTH)
    desk.order(start, "far", by="stranger")
    desk.order(start, "nobody")
    desk.order(CALENDAR.month_start(MONTH + 1))
    assert desk.found == []


MISS_CAP: Final = MissCap(cap_percent=25, floor=4)


def answered(desk: Desk, order: int, at: int, answer: str) -> int:
    name = f"order {order}"
    body: Body = {
        "found": ReportDelivered(name, Outcome.COMPLETE),
        "missed": ReportDelivered(name, Outcome.NOT_FOUND),
        "unknown": OrderDeclined(name, DeclineCode.SUBJECT_UNKNOWN),
        "declined": OrderDeclined(name, DeclineCode.CAPACITY),
    }[answer]
    return desk.say(at, body, "of_pei")


@pytest.mark.parametrize(
    ("answers", "misses"),
    [
        ("found found found missed", None),
        ("found declined declined unknown", None),
        ("missed missed missed", None),
        ("found unknown found missed", 2),
        ("missed found declined unknown found found found", 2),
    ],
)
def test_few_orders_find_nobody(answers: str, misses: int | None) -> None:
    desk = Desk("U07", MISS_CAP)
    start = CALENDAR.month_start(MONTH)
    order = desk.order(start)
    entries = [answered(desk, order, start + n, one) for n, one in enumerate(answers.split())]
    answered(desk, 999, start + 50, "missed")  # of an order that nobody knows
    last = answered(desk, order, CALENDAR.month_start(MONTH + 1), "found")
    if misses is None:
        assert desk.found == []
    else:
        missed = [
            entry
            for entry, one in zip(entries, answers.split(), strict=True)
            if one in {"missed", "unknown"}
        ]
        [(cited, facts)] = facts_of(desk)
        assert cited == [missed[0], missed[-1], last]
        assert facts == {"answers": len(entries), "misses": misses}
        assert desk.found[0].member == "hana"


def test_the_first_order_of_a_month_above_the_threshold_is_told_once() -> None:
    desk = Desk("U10", MonthCap(orders=3))
    start = CALENDAR.month_start(MONTH)
    first, *_ = [desk.order(start + n * DAY_MS) for n in range(3)]
    assert desk.found == []
    fourth = desk.order(start + 3 * DAY_MS)
    desk.order(start + 4 * DAY_MS)
    assert facts_of(desk) == [([first, fourth], {"orders": 4})]
    # The next month begins anew, and whoever is unknown has a count of its own.
    for n in range(3):
        desk.order(CALENDAR.month_start(MONTH + 1) + n)
        desk.order(CALENDAR.month_start(MONTH + 1) + n, by="stranger")
    assert len(desk.found) == 1
    desk.order(CALENDAR.month_start(MONTH + 1) + 9, by="stranger")
    assert [one.member for one in desk.found] == ["hana", "stranger"]
