"""No word of a printed table runs into its neighbour, whoever wrote it."""

from hypothesis import given
from hypothesis import strategies as st

from regulator.report.columns import (
    BREAK,
    INSET,
    PAGE_WIDTHS,
    PIECE_CHARS,
    SIZES,
    break_words,
    plan,
    width_of,
)
from regulator.report.model import COLUMNS_MAX, Kind

ID = "01977420-dc01-77a4-bf1c-f2c593d8fc4a"
CELL = st.one_of(st.none(), st.text(max_size=40), st.just(ID), st.just("a" * 300))


def total_points(widths: tuple[int, ...], size: int) -> float:
    return sum(widths) * size / 1_000


def test_a_table_that_fits_keeps_its_words_and_its_size():
    planned = plan(("Id", "n"), (Kind.CODE, Kind.INTEGER), [(ID, "12")], wide=False)
    assert (planned.size, planned.broken, len(planned.panels)) == (SIZES[0], frozenset(), 1)


def test_a_crowded_table_breaks_its_longest_words_and_no_number():
    labels = [f"c{n}" for n in range(12)]
    kinds = [Kind.CODE] * 6 + [Kind.MONEY] * 6
    row = [ID] * 6 + ["90,071,992,547,409.91"] * 6
    planned = plan(labels, kinds, [row], wide=True)
    assert planned.size == SIZES[-1]
    assert planned.broken
    assert planned.broken <= set(range(6))


def test_a_table_too_wide_for_a_page_is_several_with_its_first_column_in_each():
    labels = [f"column{n}" for n in range(COLUMNS_MAX)]
    planned = plan(labels, [Kind.TEXT] * COLUMNS_MAX, [["a" * 300] * COLUMNS_MAX], wide=True)
    assert len(planned.panels) > 1
    assert {panel.columns[0] for panel in planned.panels} == {0}
    rest = [index for panel in planned.panels for index in panel.columns[1:]]
    assert rest == list(range(1, COLUMNS_MAX))


def test_an_id_breaks_at_its_hyphens_and_any_word_somewhere():
    assert break_words(ID).split(BREAK) == ["01977420-", "dc01-", "77a4-", "bf1c-", "f2c593d8fc4a"]
    assert break_words("a" * 30).split(BREAK) == ["a" * 12, "a" * 12, "a" * 6]
    assert break_words("no word is long here") == "no word is long here"


@given(st.text(max_size=200))
def test_breaking_changes_no_character(text: str):
    assert break_words(text).replace(BREAK, "") == text.replace(BREAK, "")
    assert break_words(text, 10).replace(BREAK, "") == text.replace(BREAK, "")


@given(
    st.lists(st.sampled_from([*Kind]), min_size=1, max_size=COLUMNS_MAX).flatmap(
        lambda kinds: st.tuples(
            st.just(kinds),
            st.lists(st.text("abc Wz甲", max_size=12), min_size=len(kinds), max_size=len(kinds)),
            st.lists(
                st.lists(CELL, min_size=len(kinds), max_size=len(kinds)), min_size=1, max_size=3
            ),
        )
    ),
    st.booleans(),
)
def test_every_piece_fits_its_column_and_every_panel_its_page(table, wide: bool):
    kinds, labels, rows = table
    rows = [
        [("12" if kind.is_number else cell) for kind, cell in zip(kinds, row, strict=True)]
        for row in rows
    ]
    planned = plan(labels, kinds, rows, wide=wide)
    shown = set()
    for panel in planned.panels:
        shown |= set(panel.columns)
        page = PAGE_WIDTHS[wide] * 72 / 2_540
        assert total_points(panel.widths, planned.size) <= page + len(kinds)
        for index, width in zip(panel.columns, panel.widths, strict=True):
            room = width - INSET * 100 // planned.size
            for row in rows:
                text = row[index] or "NULL"
                text = break_words(text) if index in planned.broken else text
                for word in text.replace(BREAK, " ").split():
                    if word.isascii():
                        assert width_of(word, kinds[index]) <= room
                        assert index not in planned.broken or len(word) <= PIECE_CHARS
    assert shown == set(range(len(kinds)))
