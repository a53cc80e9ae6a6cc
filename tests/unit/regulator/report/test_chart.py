"""The marks of a chart stand where its numbers say, in whole ten-thousandths."""

from hypothesis import given
from hypothesis import strategies as st

from regulator.report.chart import FULL, LABELS_MAX, TICKS, describe, draw
from regulator.report.model import INTEGER_MAX, Both, Chart, ChartKind, Kind, Series

NAME = Both("T", "图")
ZONE = "Asia/Shanghai"
NUMBER = st.one_of(st.none(), st.integers(-INTEGER_MAX, INTEGER_MAX))


def chart(
    *rows: tuple[int | None, ...], draw: ChartKind = ChartKind.BAR, kind: Kind = Kind.INTEGER
):
    points = tuple(f"p{n}" for n in range(len(rows[0])))
    return Chart("c", NAME, points, tuple(Series(NAME, row) for row in rows), draw, kind)


def test_bars_stand_on_the_zero_line_as_tall_as_their_numbers():
    drawn = draw(chart((10, 5, 0)), "en", ZONE)
    assert [label for _, label in drawn["ticks"]] == ["0", "2", "4", "6", "8", "10"]
    assert [(foot, top) for _, _, _, foot, top in drawn["bars"]] == [(0, FULL), (0, 5_000), (0, 0)]


def test_a_negative_bar_hangs_from_the_zero_line():
    drawn = draw(chart((-10, 10)), "en", ZONE)
    assert drawn["zero"] == 5_000
    assert [(foot, top) for *_, foot, top in drawn["bars"]] == [(0, 5_000), (5_000, FULL)]


def test_what_is_not_known_has_no_bar_and_breaks_the_line():
    assert len(draw(chart((1, None, 3)), "en", ZONE)["bars"]) == 2
    line = draw(chart((1, None, 3, 4), draw=ChartKind.LINE), "en", ZONE)["lines"][0]
    assert (len(line["points"]), len(line["strokes"])) == (3, 1)


def test_shares_are_drawn_against_the_whole():
    drawn = draw(chart((9_700,), kind=Kind.PERCENT), "en", ZONE)
    assert drawn["ticks"][-1] == [FULL, "100.00\u00a0%"]


def test_durations_have_round_ticks():
    drawn = draw(chart((7_000_000,), kind=Kind.DURATION), "en", ZONE)
    assert [label for _, label in drawn["ticks"]][1] == "30\u00a0min 0\u00a0s"


def test_not_every_point_of_many_has_a_label():
    assert len(draw(chart(tuple(range(365))), "en", ZONE)["labels"]) <= LABELS_MAX


def test_a_chart_says_in_words_what_it_shows():
    said = describe(chart((1, None)), "zh", ZONE)
    assert said == "图. 图: p0 1, p1 NULL"


@given(
    st.integers(1, 9).flatmap(
        lambda n: st.lists(st.lists(NUMBER, min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    st.sampled_from(ChartKind),
    st.sampled_from([kind for kind in Kind if kind.is_number]),
)
def test_every_mark_lies_within_the_picture(
    rows: list[list[int | None]], how: ChartKind, kind: Kind
):
    drawn = draw(chart(*map(tuple, rows), draw=how, kind=kind), "en", ZONE)
    marks = [height for height, _ in drawn["ticks"]] + [drawn["zero"]]
    marks += [at for _, left, width, *ends in drawn["bars"] for at in (left, left + width, *ends)]
    marks += [at for line in drawn["lines"] for point in line["points"] for at in point]
    assert all(0 <= at <= FULL for at in marks)
    assert 2 <= len(drawn["ticks"]) <= 3 * TICKS
