"""A rule pack at its very bounds, and the line that is to blame where its name stands twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from creditchain.events.codes import Severity
from creditchain.events.consent import ConsentExpired
from regulator.audit import BadPack, Concern, Pack, Regime, Rule, Said, View, parse_pack
from regulator.audit.almanac import Almanac, day_number
from regulator.audit.pack import CODE_CHARS_MAX, DATES_MAX, PACK_BYTES_MAX, PROBLEM_CHARS_MAX
from regulator.audit.rule import NoLimits, codes, limit


@dataclass(frozen=True, slots=True)
class Limits:
    """One limit of either kind."""

    days: int = limit(3, 30, "days")
    letters: tuple[str, ...] = codes(2, "A+", "letter A")


def judge(view: View, said: Said, limits: Any) -> Iterator[Concern]:
    yield from ()


def rule(code: str, regime: Regime, limits: Any) -> Rule[Any]:
    return Rule(code, code, code, Severity.LOW, regime, limits, (ConsentExpired,), judge)


RULES = (
    rule("E1", Regime.ENTERPRISE, Limits),
    rule("E2", Regime.ENTERPRISE, Limits),
    rule("P1", Regime.PERSON, NoLimits),
)

# A table before the calendar has names of the calendar's: whatever the calendar is blamed for,
# it is not their lines.
TEXT = """\
name = "a"
version = "1"
[person.P1]
utc_offset_minutes = 900
duty_from = "x"
duty_until = "00:00"
duty_weekdays = [9]
holidays = 1
make_up_days = 1
weekends = 1
[calendar]
utc_offset_minutes = 480
duty_from = "08:30"
duty_until = "18:00"
duty_weekdays = [1, 7]
holidays = ["2026-10-01"]
make_up_days = ["2026-10-10"]
[enterprise.E1]
days = 10
letters = ["A", "AA"]
severity = "LOW"
off = true
[enterprise.E2]
days = 10
letters = []
"""
CLEAN = TEXT.replace(TEXT[TEXT.index("utc_offset") : TEXT.index("[calendar]")], "")


def parse(text: str) -> Pack:
    return parse_pack(text.encode(), RULES)


def with_line(table: str, old: str, new: str, text: str = CLEAN) -> str:
    """The text with a line of one table replaced."""
    head, mark, tail = text.partition(f"[{table}]\n")
    assert f"{old}\n" in tail, old
    return head + mark + tail.replace(f"{old}\n", f"{new}\n", 1)


def blame(text: str) -> tuple[int, str]:
    with pytest.raises(BadPack) as refused:
        parse(text)
    line = text.split("\n")[refused.value.line - 1]
    return refused.value.line, line


def test_all_that_a_pack_says_is_in_it() -> None:
    pack = parse(CLEAN)
    assert pack.almanac == Almanac(
        480, 510, 1_080, frozenset({1, 7}),
        frozenset({day_number("2026-10-01")}), frozenset({day_number("2026-10-10")}),
    )  # fmt: skip
    assert pack.limits == {
        "E1": Limits(10, ("A", "AA")), "E2": Limits(10, ()), "P1": NoLimits(),
    }  # fmt: skip
    assert (pack.name, pack.version, pack.severities, pack.off) == (
        "a", "1", {"E1": Severity.LOW}, frozenset({"E1"}),
    )  # fmt: skip
    assert [pack.runs(code) for code in ("E1", "E2", "P1", "E3")] == [False, True, True, False]


@pytest.mark.parametrize(
    ("old", "fitting", "unfit"),
    [
        ("days = 10", ("days = 3", "days = 30"), ("days = 2", "days = 31")),
        (
            "letters = []",
            ('letters = ["A", "AA"]', f'letters = ["{"A" * CODE_CHARS_MAX}"]'),
            ('letters = ["A", "AA", "AAA"]', f'letters = ["{"A" * (CODE_CHARS_MAX + 1)}"]'),
        ),
    ],
)
def test_a_limit_may_be_at_its_bounds_and_not_beyond(
    old: str, fitting: tuple[str, ...], unfit: tuple[str, ...]
) -> None:
    for new in fitting:
        assert parse(with_line("enterprise.E2", old, new)).runs("E2")
    for new in unfit:
        text = with_line("enterprise.E2", old, new)
        # The same name stands in E1, rightly.
        assert blame(text) == (text.split("\n").index(new) + 1, new)


@pytest.mark.parametrize(
    ("old", "fitting", "unfit"),
    [
        (
            "utc_offset_minutes = 480",
            ("utc_offset_minutes = -720", "utc_offset_minutes = 840"),
            ("utc_offset_minutes = -721", "utc_offset_minutes = 841"),
        ),
        ('duty_from = "08:30"', ('duty_from = "00:00"', 'duty_from = "17:59"'), ("duty_from = 8",)),
        (
            'duty_until = "18:00"',
            ('duty_until = "24:00"', 'duty_until = "08:31"'),
            ('duty_until = "24:01"', 'duty_until = "08:30"'),
        ),
        (
            "duty_weekdays = [1, 7]",
            ("duty_weekdays = []", "duty_weekdays = [1, 2, 3, 4, 5, 6, 7]"),
            ("duty_weekdays = [8]", "duty_weekdays = [0]", "duty_weekdays = 1"),
        ),
        (
            'holidays = ["2026-10-01"]',
            (f"holidays = {['2026-01-01'] * DATES_MAX}",),
            (f"holidays = {['2026-01-01'] * (DATES_MAX + 1)}", 'holidays = ["tomorrow"]'),
        ),
        ('make_up_days = ["2026-10-10"]', ("make_up_days = []",), ("make_up_days = 7",)),
    ],
)
def test_a_calendar_may_be_at_its_bounds_and_its_own_line_is_blamed(
    old: str, fitting: tuple[str, ...], unfit: tuple[str, ...]
) -> None:
    for new in fitting:
        assert parse(with_line("calendar", old, new)).runs("E2")
    for new in unfit:
        text = with_line("calendar", old, new, TEXT)
        assert blame(text) == (text.split("\n").index(new) + 1, new)
    # Without the line, the table is to blame.
    assert blame(with_line("calendar", old, "", TEXT)) == (11, "[calendar]")


def test_a_name_that_is_unknown_here_is_blamed_here_though_it_is_right_elsewhere() -> None:
    assert blame(with_line("calendar", "duty_weekdays = [1, 7]", "weekends = 2", TEXT)) == (
        15, "weekends = 2",
    )  # fmt: skip
    text = CLEAN.replace("[enterprise.E2]\n", '[enterprise.E2]\nversion = "2"\n')
    assert blame(text) == (text.split("\n").index('version = "2"') + 1, 'version = "2"')


def test_a_weight_and_an_off_are_blamed_in_their_own_table() -> None:
    for new in ('severity = "FATAL"', "off = 1"):
        text = CLEAN.replace("[enterprise.E2]\n", f"[enterprise.E2]\n{new}\n")
        assert blame(text) == (text.split("\n").index(new) + 1, new)


def test_a_rule_that_is_missing_is_missing_at_the_end() -> None:
    text = CLEAN[: CLEAN.index("[enterprise.E2]")]
    with pytest.raises(BadPack, match="the rule E2 is missing") as refused:
        parse(text)
    assert refused.value.line == text.count("\n")


def test_the_largest_file_fits() -> None:
    room = PACK_BYTES_MAX - len(CLEAN)
    assert parse(CLEAN + "#" * room).runs("E2")
    with pytest.raises(BadPack, match="more than"):
        parse(CLEAN + "#" * (room + 1))


def test_what_is_wrong_is_told_whole_where_it_fits_and_cut_where_it_does_not() -> None:
    whole = "x" * PROBLEM_CHARS_MAX
    assert BadPack(7, whole).problem == whole
    cut = BadPack(7, whole + "x")
    assert cut.problem == "x" * (PROBLEM_CHARS_MAX - 4) + " ..."
    assert (cut.line, str(cut)) == (7, f"line 7: {cut.problem}")


def test_where_no_line_tells_the_first_is_blamed() -> None:
    text = (
        'name = "a"\nversion = "1"\n'
        f"{CLEAN[CLEAN.index('[calendar]') : CLEAN.index('[enterprise.E1]')]}"
        "[enterprise]\nE1 = {days = 10, letters = []}\nE2 = {days = 99, letters = []}\n"
        "[person.P1]\n"
    )
    assert blame(text) == (1, 'name = "a"')
    assert parse(text.replace("99", "9")).runs("E2")
