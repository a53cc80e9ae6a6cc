"""A report on paper: PDF/A-2a and PDF/UA-1, set by typst, the same bytes on every run.

The layout is `layout.typ`, and never anything else: all that a report says reaches it as JSON, so
no text of an event can become markup. The document's date is the log's own time, the fonts are
those of one folder, never what a machine happens to have. Packages and files are not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import typst

from regulator.report.chart import draw
from regulator.report.glyphs import printable, read_characters
from regulator.report.model import (
    Block,
    Both,
    Chart,
    Column,
    Figures,
    Kind,
    Report,
    Table,
    Text,
)
from regulator.report.show import show, show_text, show_time

FONTS: Final = Path("/usr/share/fonts/opentype/noto")
"""Where Debian's fonts-noto-cjk puts them (`tools/setup fonts`)."""

FAMILIES: Final = ("Noto Sans CJK SC", "Noto Sans Mono CJK SC")
"""The faces of the layout; both carry Chinese."""

TEXT_FACE: Final = "NotoSansCJK-Regular.ttc"
"""The file of the face that texts are set in; what it lacks cannot be printed."""

PRINTED_ROWS_MAX: Final = 1_000
"""Rows of a table on paper, some 40 pages; the files beside hold all of them."""

WIDE_FROM: Final = 8
"""A report with a table of so many columns lies on its side."""

STANDARDS: Final = ("a-2a", "ua-1")
"""For archives (ISO 19005-2, level A) and for readers who hear it (ISO 14289-1)."""

_LAYOUT: Final = Path(__file__).with_name("layout.typ")

_WORDS: Final = {
    "system": Both("Credit report chain: regulator's observer", "信用报告链 · 监管观察节点"),
    "period": Both("Period", "报告期"),
    "origin": Both("Log", "日志"),
    "size": Both("Log size", "日志条数"),
    "root": Both("Root", "根哈希"),
    "as_of": Both("Log time", "日志时间"),
    "pack": Both("Rule pack", "规则包"),
    "digest": Both("Digest", "摘要"),
    "parameters": Both("Parameters", "参数"),
    "zone": Both("Time zone", "时区"),
    "page": Both("Page", "页"),
    "empty": Both("None.", "无。"),
    "more": Both(
        "The first {shown:,} of {all:,} rows. All of them are in the files {id} beside this one.",
        "此处为全部 {all:,} 行中的前 {shown:,} 行，完整内容见同一文件夹中的 {id} 数据文件。",
    ),
    "closing": Both(
        "Derived from the first {size:,} entries of the log alone. Whoever holds them and the rule "
        "pack gets the same digest. NULL: there is no such value. The signature over this file "
        "stands in manifest.jws beside it; check it with `regulator report verify`.",
        "本报告仅由日志前 {size:,} 条条目推出，持有相同条目与规则包者可得到同一摘要。NULL 表示"
        "无此值。本文件的签名见同一文件夹中的 manifest.jws，可用 `regulator report verify` 核验。",
    ),
}


class NoFonts(Exception):
    """The fonts of the layout are not there; the message says how to get them."""


def render_pdf(report: Report, digest: str, lang: str, fonts: Path = FONTS) -> bytes:
    """The report in one language; `digest` is its own. Raises `NoFonts`."""
    faces = _load(fonts)
    data = _in_glyphs(_data(report, digest, lang), read_characters(fonts / TEXT_FACE))
    compiler = typst.Compiler(
        _LAYOUT.read_bytes(),
        root=str(_LAYOUT.parent),
        font_paths=faces,
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(data, ensure_ascii=False)},
    )
    pages = compiler.compile(format="pdf", pdf_standards=list(STANDARDS))
    assert isinstance(pages, bytes)
    return pages


def _in_glyphs(data: Any, known: frozenset[str]) -> Any:
    """The same data, with only such characters as the font carries."""
    if isinstance(data, str):
        return printable(data, known)
    if isinstance(data, Mapping):
        return {key: _in_glyphs(value, known) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_in_glyphs(value, known) for value in data]
    return data


@lru_cache(maxsize=4)
def _load(folder: Path) -> typst.Fonts:
    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)]
    )
    missing = [family for family in FAMILIES if family not in fonts.families()]
    if missing:
        raise NoFonts(
            f"{folder} has not {' and '.join(missing)}; run `tools/setup fonts` as root "
            "(Debian: apt-get install fonts-noto-cjk), or leave out the format pdf"
        )
    return fonts


def _data(report: Report, digest: str, lang: str) -> dict[str, Any]:
    """All that the layout needs, as texts in one language."""
    header, period = report.header, report.header.period
    word = {key: both.in_language(lang) for key, both in _WORDS.items()}
    moment = datetime.fromtimestamp(header.as_of_ms // 1000, UTC)
    pack = f"{show_text(header.rule_pack)} {show_text(header.rule_pack_version)}"
    facts = [
        (word["origin"], show_text(header.origin), "code", False),
        (word["size"], f"{header.size:,}", "integer", False),
        (word["as_of"], show_time(header.as_of_ms, period.zone), "time", False),
        (word["zone"], period.zone, "text", False),
        (word["pack"], None if pack == "NULL NULL" else pack, "text", False),
        (word["parameters"], _parameters(report), "text", False),
        (word["root"], show_text(header.root), "digest", True),
        (word["digest"], digest, "digest", True),
    ]
    return {
        "lang": lang,
        "code": report.code.value,
        "title": report.title.in_language(lang),
        "author": show_text(header.origin),
        "origin": show_text(header.origin),
        "system": word["system"],
        "period": period.name.replace("_", " – "),
        "span": (
            f"{show_time(period.start_ms, period.zone)} – {show_time(period.end_ms, period.zone)}"
        ),
        "digest": digest,
        "date": [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second],
        "wide": any(len(table.columns) >= WIDE_FROM for table in report.tables),
        "facts": facts,
        "words": {**word, "closing": word["closing"].format(size=header.size)},
        "blocks": [_block(block, lang, period.zone) for block in report.blocks],
    }


def _parameters(report: Report) -> str | None:
    said = [f"{name} = {value}" for name, value in report.header.parameters]
    return show_text(", ".join(said)) if said else None


def _block(block: Block, lang: str, zone: str) -> dict[str, Any]:
    match block:
        case Text():
            paragraphs = block.body.in_language(lang).split("\n")
            return {
                "block": "text",
                "heading": show(block.heading, Kind.TEXT, lang, zone),
                "body": [show_text(paragraph) for paragraph in paragraphs if paragraph],
            }
        case Figures():
            return {
                "block": "figures",
                "heading": show(block.heading, Kind.TEXT, lang, zone),
                "items": [
                    {
                        "label": show(item.label, Kind.TEXT, lang, zone),
                        "value": show(item.value, item.kind, lang, zone),
                        "kind": item.kind.value,
                        "note": show(item.note, Kind.TEXT, lang, zone),
                        "tone": item.tone.value,
                    }
                    for item in block.items
                ],
            }
        case Chart():
            return {"block": "chart", "heading": None, **draw(block, lang, zone)}
        case Table():
            return _table(block, lang, zone)


def _table(table: Table, lang: str, zone: str) -> dict[str, Any]:
    rows = [
        [
            show(value, column.kind, lang, zone)
            for value, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows[:PRINTED_ROWS_MAX]
    ]
    more = None
    if len(table.rows) > PRINTED_ROWS_MAX:
        more = _WORDS["more"].in_language(lang)
        more = more.format(shown=PRINTED_ROWS_MAX, all=len(table.rows), id=table.id)
    shares = [_share(column, index, rows) for index, column in enumerate(table.columns)]
    if not any(shares):
        # A table of short texts fills the page's width all the same.
        shares = [0 if column.kind.is_number else 1 for column in table.columns]
    return {
        "block": "table",
        "title": show_text(table.title.in_language(lang)),
        "columns": [
            {
                "label": show_text(column.label.in_language(lang)),
                "kind": column.kind.value,
                "number": column.kind.is_number,
                "share": part,
            }
            for column, part in zip(table.columns, shares, strict=True)
        ],
        "rows": rows,
        "more": more,
        "note": show(table.note, Kind.TEXT, lang, zone),
    }


def _share(column: Column, index: int, rows: list[list[str | None]]) -> int:
    """How much of the free width a column takes; 0: as much as its widest value needs."""
    if column.kind.is_number:
        return 0
    longest = max((len(row[index] or "NULL") for row in rows), default=0)
    if longest <= 14:
        return 0
    return min(6, 1 + longest // 14)
