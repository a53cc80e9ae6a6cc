"""On paper: Chinese is embedded, hostile text stays text, and the same report is the same bytes."""

import re
import sys
import unicodedata
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulator.report.glyphs import BadFont, printable, read_characters
from regulator.report.model import (
    Both,
    Chart,
    ChartKind,
    Column,
    Figure,
    Figures,
    Kind,
    Report,
    Series,
    Table,
    Text,
)
from regulator.report.pdf import FONTS, PRINTED_ROWS_MAX, TEXT_FACE, NoFonts, render_pdf
from regulator.report.show import UNKNOWN, show, show_text
from tests.unit.regulator.report.sample import HEADER, REPORT

STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
UNICODE_OF_GLYPH = re.compile(r"<[0-9a-fA-F]{4}> <([0-9a-fA-F]+)>")


def unpacked(pages: bytes) -> list[bytes]:
    streams = []
    for packed in STREAM.findall(pages):
        try:
            streams.append(zlib.decompress(packed))
        except zlib.error:
            streams.append(packed)
    return streams


def read_embedded(pages: bytes) -> set[str]:
    """The characters that a PDF's embedded fonts map their glyphs to."""
    found: set[str] = set()
    for stream in unpacked(pages):
        if b"beginbfchar" in stream or b"beginbfrange" in stream:
            for code in UNICODE_OF_GLYPH.findall(stream.decode("latin-1")):
                found.update(bytes.fromhex(code).decode("utf-16-be"))
    return found


def of_one_text(text: str, kind: Kind = Kind.TEXT) -> Report:
    both = Both(text, text)
    return replace(
        REPORT,
        header=replace(HEADER, origin=text),
        blocks=(
            Text(both, both),
            Figures((Figure("a", both, text, kind, both),), both),
            Table("t", both, (Column("a", both, kind),), ((text,),), both),
            Chart("c", both, (text,), (Series(both, (1,)),), ChartKind.LINE),
        ),
    )


def test_chinese_is_embedded_in_both_languages():
    english = render_pdf(REPORT, REPORT.digest, "en", FONTS)
    chinese = render_pdf(REPORT, REPORT.digest, "zh", FONTS)
    assert set("深圳市某某科技有限公司") <= read_embedded(english)
    assert set("监管日报当日概况报告期根哈希") <= read_embedded(chinese)
    assert b"/FontFile3" in chinese
    assert not {"监", "哈"} & read_embedded(english)


def test_the_bytes_do_not_depend_on_when_and_where():
    first = render_pdf(REPORT, REPORT.digest, "zh", FONTS)
    assert render_pdf(REPORT, REPORT.digest, "zh", FONTS) == first
    assert b"2026" in first, "the document's date is the log's own"


def test_it_is_for_archives_and_for_ears():
    pages = b"".join([*unpacked(render_pdf(REPORT, REPORT.digest, "zh", FONTS))])
    whole = render_pdf(REPORT, REPORT.digest, "zh", FONTS)
    assert b"<pdfaid:part>2</pdfaid:part>" in pages
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in pages
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pages
    assert b"/Lang" in whole + pages
    assert b"/StructTreeRoot" in whole + pages


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=60))
def test_any_text_can_be_printed(text: str):
    render_pdf(of_one_text(text), "0" * 64, "zh", FONTS)


def test_every_character_there_is_can_be_printed():
    letters = [
        chr(c)
        for c in range(sys.maxunicode + 1)
        if unicodedata.category(chr(c)) not in {"Cn", "Cs"}
    ]
    rows = tuple(("".join(letters[i : i + 15_000]),) for i in range(0, len(letters), 15_000))
    table = Table("t", Both("T", "表"), (Column("a", Both("A", "甲")),), rows)
    render_pdf(replace(REPORT, blocks=(table,)), REPORT.digest, "en", FONTS)


@pytest.mark.parametrize("text", ['#panic("x")', "$ x", "*b", "`", "#sys.inputs", "\\", "]", '"]}'])
def test_markup_in_data_is_text(text: str):
    pages = render_pdf(of_one_text(text), "0" * 64, "en", FONTS)
    assert set(text) - {" "} <= read_embedded(pages)


def test_what_turns_the_reading_order_round_is_seen():
    assert show_text("a\u202egnp.exe\u0000\u200b\ufeff") == f"a{UNKNOWN}gnp.exe{UNKNOWN * 3}"


def test_a_character_without_a_glyph_gets_the_printers_mark():
    known = read_characters(FONTS / TEXT_FACE)
    assert printable("深A😀ก\ue000", known) == f"深A{UNKNOWN * 3}"


@pytest.mark.parametrize(
    ("value", "kind", "english", "chinese"),
    [
        (None, Kind.INTEGER, None, None),
        (0, Kind.INTEGER, "0", "0"),
        (1_234_567, Kind.INTEGER, "1,234,567", "1,234,567"),
        (-5, Kind.MONEY, "-0.05", "-0.05"),
        (1_234_567, Kind.MONEY, "12,345.67", "12,345.67"),
        (9_712, Kind.PERCENT, "97.12\u00a0%", "97.12\u00a0%"),
        (0, Kind.TIME, "1970-01-01 08:00:00", "1970-01-01 08:00:00"),
        (1_500, Kind.DURATION, "1.500\u00a0s", "1.500\u00a0秒"),
        (3_723_000, Kind.DURATION, "1\u00a0h 2\u00a0min", "1\u00a0小时 2\u00a0分"),
        (-90_000_000, Kind.DURATION, "-1\u00a0d 1\u00a0h", "-1\u00a0天 1\u00a0小时"),
        (Both("pass", "合格"), Kind.TEXT, "pass", "合格"),
        (2**53 - 1, Kind.TIME, "9,007,199,254,740,991 ms", "9,007,199,254,740,991 ms"),
    ],
)
def test_a_value_is_shown_by_its_kind(value: object, kind: Kind, english: str, chinese: str):
    assert show(value, kind, "en", "Asia/Shanghai") == english  # type: ignore[arg-type]
    assert show(value, kind, "zh", "Asia/Shanghai") == chinese  # type: ignore[arg-type]


def test_a_long_table_is_printed_in_part_and_says_so():
    columns = (Column("n", Both("N", "数"), Kind.INTEGER),)
    rows = tuple((n,) for n in range(PRINTED_ROWS_MAX + 1))
    long = render_pdf(
        replace(REPORT, blocks=(Table("t", Both("T", "表"), columns, rows),)), "0" * 64, "zh", FONTS
    )
    short = render_pdf(
        replace(REPORT, blocks=(Table("t", Both("T", "表"), columns, rows[:-1]),)),
        "0" * 64,
        "zh",
        FONTS,
    )
    assert "完" in read_embedded(long)
    assert "完" not in read_embedded(short)


def test_without_its_fonts_a_report_says_what_to_install(tmp_path: Path):
    with pytest.raises(NoFonts, match="fonts-noto-cjk"):
        render_pdf(REPORT, REPORT.digest, "en", tmp_path)


def test_what_is_no_font_is_refused(tmp_path: Path):
    for number, data in enumerate((b"", b"ttcf", b"ttcf" + b"\xff" * 40, b"\x00\x01\x00\x00" * 9)):
        path = tmp_path / f"{number}.ttc"
        path.write_bytes(data)
        with pytest.raises(BadFont):
            read_characters(path)
