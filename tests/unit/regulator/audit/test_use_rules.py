"""Rules about who asks, and how often, at their very thresholds."""

from typing import Final

from regulator.audit.almanac import DAY_MS, MINUTE_MS
from regulator.audit.use import Dormancy, Repeats
from tests.unit.regulator.audit.desk import CALENDAR, Desk, facts_of

START: Final = CALENDAR.month_start(2026 * 12 + 2)
HOUR_MS: Final = 60 * MINUTE_MS
REPEATS: Final = Repeats(times=3, within_hours=2)


def asked(*minutes: float) -> tuple[Desk, list[int]]:
    desk = Desk("U05", REPEATS)
    return desk, [desk.order(START + int(minute * MINUTE_MS)) for minute in minutes]


def test_the_third_order_within_two_hours_is_too_many() -> None:
    desk, entries = asked(0, 60, 120 - 1 / MINUTE_MS)
    assert facts_of(desk) == [(entries, {"enterprise": "near", "orders": 3})]
    assert (desk.found[0].member, desk.found[0].officer) == ("hana", "of_lin")
    # Two hours later to the moment, the first one counts no more.
    desk, _ = asked(0, 60, 120)
    assert desk.found == []


def test_what_was_told_is_told_again_when_the_window_is_over() -> None:
    desk, entries = asked(0, 1, 2, 60, 61, 62, 63)
    assert [cited for cited, _ in facts_of(desk)] == [entries[:3]]
    last = desk.order(START + 122 * MINUTE_MS)
    told = ([*entries[-2:], last], {"enterprise": "near", "orders": 3})
    assert facts_of(desk)[1:] == [told]


def test_each_subject_and_each_institution_is_counted_by_itself() -> None:
    desk, _ = asked(0, 1)
    desk.order(START + 2 * MINUTE_MS, "far")
    desk.order(START + 3 * MINUTE_MS, by="stranger")
    assert desk.found == []
    desk.order(START + 4 * MINUTE_MS)
    assert len(desk.found) == 1


DORMANCY: Final = Dormancy(dormant_days=30, orders=2)


def woken(days: float, *hours: float) -> Desk:
    """An account that slept so long, and then was used after so many hours."""
    desk = Desk("U11", DORMANCY)
    desk.order(START)
    for hour in (0, *hours):
        desk.order(START + int(days * DAY_MS + hour * HOUR_MS))
    return desk


def test_an_account_that_slept_for_thirty_days_is_busy_with_two_orders_in_a_day() -> None:
    assert facts_of(woken(30, 23)) == [([2, 3], {"orders": 2})]
    assert woken(30 - 1 / DAY_MS, 23).found == []
    assert woken(30).found == []
    assert len(woken(30, 24 - 1 / HOUR_MS).found) == 1
    assert woken(30, 24).found == []


def test_a_sleeper_is_told_once_until_it_has_slept_again() -> None:
    desk = woken(30, 1, 2, 3)
    assert len(desk.found) == 1
    for hours in (0, 1):
        desk.order(START + 61 * DAY_MS + hours * HOUR_MS)
    assert [cited for cited, _ in facts_of(desk)] == [[2, 3], [6, 7]]


def test_a_new_account_is_no_sleeper() -> None:
    desk = Desk("U11", DORMANCY)
    for hours in range(5):
        desk.order(START + hours * HOUR_MS)
    assert desk.found == []
