"""A report is one value: bounded, exact, and named by one digest."""

import hashlib
from dataclasses import replace

import pytest

from creditchain.events import canonical_json
from regulator.report.model import (
    COLUMNS_MAX,
    INTEGER_MAX,
    ROWS_TOGETHER,
    BadReport,
    Both,
    Column,
    Header,
    Kind,
    Period,
    Table,
)
from tests.unit.regulator.report.sample import HEADER, REPORT


def table(*rows: tuple[object, ...], kind: Kind = Kind.TEXT) -> Table:
    return Table("t", Both("T", "表"), (Column("a", Both("A", "甲"), kind),), rows)  # type: ignore[arg-type]


def test_the_digest_is_over_both_languages_and_the_whole_header():
    digests = {
        REPORT.digest,
        replace(REPORT, header=replace(HEADER, size=HEADER.size + 1)).digest,
        replace(REPORT, header=replace(HEADER, rule_pack_version="2")).digest,
        replace(REPORT, blocks=REPORT.blocks[:-1]).digest,
        replace(REPORT, blocks=(replace(REPORT.blocks[0], heading=Both("X", "乙")),)).digest,
        replace(REPORT, blocks=(replace(REPORT.blocks[0], heading=Both("X", "丙")),)).digest,
    }
    assert len(digests) == 6


def test_null_is_neither_nought_nor_an_empty_text():
    digests = {
        replace(REPORT, blocks=(table((value,), kind=kind),)).digest
        for value, kind in (
            (None, Kind.INTEGER),
            (0, Kind.INTEGER),
            (None, Kind.TEXT),
            ("", Kind.TEXT),
        )
    }
    assert len(digests) == 4
    said = replace(REPORT, blocks=(table((None,)),)).to_json()
    assert said["blocks"][0]["rows"] == [[None]]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.5, Kind.PERCENT),
        (True, Kind.INTEGER),
        (INTEGER_MAX + 1, Kind.INTEGER),
        ("12", Kind.MONEY),
        (12, Kind.TEXT),
        ("\ud800", Kind.TEXT),
        ("x" * 20_001, Kind.CODE),
    ],
)
def test_what_a_column_cannot_hold_is_refused(value: object, kind: Kind):
    with pytest.raises(BadReport):
        table((value,), kind=kind)


def test_a_table_has_rows_of_one_width_and_columns_of_one_name():
    column = Column("a", Both("A", "甲"))
    for columns, rows in (
        ((column,), (("x", "y"),)),
        ((column, column), ()),
        ((), ()),
        (tuple(Column(f"c{i}", column.label) for i in range(COLUMNS_MAX + 1)), ()),
    ):
        with pytest.raises(BadReport):
            Table("t", Both("T", "表"), columns, rows)


@pytest.mark.parametrize("rows", [0, 1, ROWS_TOGETHER, ROWS_TOGETHER + 1])
def test_the_parts_of_the_canonical_form_are_the_whole(rows: int):
    nasty = (Both('",\\"rows\\":[],\\"title\\":', '"blocks":[]'),)
    report = replace(
        REPORT,
        header=replace(HEADER, origin='"blocks":[]'),
        blocks=(*REPORT.blocks, table(*((f"{n}",) for n in range(rows)))),
    )
    report = replace(
        report,
        blocks=(*report.blocks, replace(table(nasty), id="u", title=nasty[0], note=nasty[0])),
    )
    whole = canonical_json(report.to_json())
    assert b"".join(report.canonical_parts()) == whole
    assert report.digest == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".", "a..b", "x" * 65, "-"])
def test_a_periods_name_is_a_folders(name: str):
    with pytest.raises(BadReport):
        Period(name, 0, 1, "Asia/Shanghai")


def test_a_period_does_not_end_before_it_begins():
    with pytest.raises(BadReport):
        Period("2026-11", 2, 1, "UTC")


def test_no_parameter_stands_twice():
    with pytest.raises(BadReport):
        replace(HEADER, parameters=(("seed", 1), ("seed", 2)))


def test_a_report_names_each_table_once():
    assert isinstance(HEADER, Header)
    with pytest.raises(BadReport):
        replace(REPORT, blocks=(table(), table()))
