"""Days, months and duty hours are those of the pack's place, whatever the machine's."""

import pytest

from creditchain.events import parse_time
from regulator.audit.almanac import DAY_MS, day_number, day_text
from tests.stories.audited import default_pack

CHINA = default_pack().almanac
LAST = parse_time("9999-12-31T23:59:59.999Z")


def at(text: str) -> int:
    """A time in China."""
    return parse_time(f"{text}:00.000Z") - 480 * 60_000


@pytest.mark.parametrize(
    ("time", "on_duty"),
    [
        ("2026-03-02T07:29", False),
        ("2026-03-02T07:30", True),
        ("2026-03-02T19:59", True),
        ("2026-03-02T20:00", False),
        ("2026-03-07T10:00", False),  # a Saturday
        ("2026-03-08T10:00", False),  # a Sunday
        ("2026-02-28T10:00", True),  # a Saturday that is worked
        ("2026-02-17T10:00", False),  # the new year, a Tuesday
        ("2026-02-28T21:00", False),
    ],
)
def test_duty_hours_know_weekends_holidays_and_make_up_days(time: str, on_duty: bool):
    assert CHINA.is_on_duty(at(time)) is on_duty


def test_a_day_and_a_month_begin_at_local_midnight():
    new_year = at("2026-01-01T00:00")
    assert CHINA.day_start(CHINA.day(new_year)) == new_year
    assert CHINA.day(new_year - 1) == CHINA.day(new_year) - 1
    assert CHINA.month(new_year) == 2026 * 12
    assert CHINA.month(new_year - 1) == 2026 * 12 - 1
    assert CHINA.month_start(2026 * 12) == new_year
    assert CHINA.month_start(2026 * 12 + 2) == at("2026-03-01T00:00")


def test_a_day_is_told_as_a_date_and_read_from_one():
    assert day_text(day_number("2026-03-02")) == "2026-03-02"
    assert day_text(CHINA.day(at("2026-03-02T23:59"))) == "2026-03-02"


def test_a_log_that_claims_the_end_of_time_still_has_a_next_month():
    month = CHINA.month(LAST)
    assert month == 9999 * 12 + 11
    assert CHINA.month_start(month) == at("9999-12-01T00:00")
    assert CHINA.month_start(month + 1) > LAST
    assert day_text(CHINA.day(LAST + DAY_MS)) == "9999-12-31"
