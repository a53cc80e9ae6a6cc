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
from regulator.report.columns import break_words, plan
from regulator.report.glyphs import printable, read_characters
from regulator.report.model import (
    Block,
    Both,
    Chart,
    Figure,
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

LINE_CHARS: Final = 40
"""A word in running text breaks after so many characters."""

FIGURE_CHARS: Final = 10
"""A word of a key figure, set in large type in a sixth of the page."""

TALL_CHARS: Final = 1_000
"""A cell with so much text may need more than a page; other rows stay in one piece."""

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
    "continued": Both("further columns of the same rows", "同一表格的其余各列"),
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
    wide = any(len(table.columns) >= WIDE_FROM for table in report.tables)
    moment = datetime.fromtimestamp(header.as_of_ms // 1000, UTC)
    pack = f"{show_text(header.rule_pack)} {show_text(header.rule_pack_version)}"
    facts = [
        (word["origin"], break_words(show_text(header.origin), LINE_CHARS), "code", False),
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
        "origin": show_text(header.origin)[:60],
        "system": word["system"],
        "period": period.name.replace("_", " – "),
        "span": (
            f"{show_time(period.start_ms, period.zone)} – {show_time(period.end_ms, period.zone)}"
        ),
        "digest": digest,
        "date": [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second],
        "wide": wide,
        "facts": facts,
        "words": {**word, "closing": word["closing"].format(size=header.size)},
        "blocks": [_block(block, lang, period.zone, wide=wide) for block in report.blocks],
    }


def _parameters(report: Report) -> str | None:
    said = [f"{name} = {value}" for name, value in report.header.parameters]
    return break_words(show_text(", ".join(said)), LINE_CHARS) if said else None


def _block(block: Block, lang: str, zone: str, *, wide: bool) -> dict[str, Any]:
    match block:
        case Text():
            paragraphs = block.body.in_language(lang).split("\n")
            return {
                "block": "text",
                "heading": _line(block.heading, lang, zone),
                "body": [break_words(show_text(one), LINE_CHARS) for one in paragraphs if one],
            }
        case Figures():
            return {
                "block": "figures",
                "heading": _line(block.heading, lang, zone),
                "items": [
                    {
                        "label": _line(item.label, lang, zone, FIGURE_CHARS * 2),
                        "value": _figure(item, lang, zone),
                        "kind": item.kind.value,
                        "note": _line(item.note, lang, zone, FIGURE_CHARS * 2),
                        "tone": item.tone.value,
                    }
                    for item in block.items
                ],
            }
        case Chart():
            return {"block": "chart", "heading": None, **draw(block, lang, zone)}
        case Table():
            return _table(block, lang, zone, wide=wide)


def _figure(item: Figure, lang: str, zone: str) -> str | None:
    shown = show(item.value, item.kind, lang, zone)
    if shown is None or item.kind.is_number:
        return shown
    return break_words(shown, FIGURE_CHARS)


def _table(table: Table, lang: str, zone: str, *, wide: bool) -> dict[str, Any]:
    labels = [show_text(column.label.in_language(lang)) for column in table.columns]
    kinds = [column.kind for column in table.columns]
    rows = [
        [show(value, kind, lang, zone) for value, kind in zip(row, kinds, strict=True)]
        for row in table.rows[:PRINTED_ROWS_MAX]
    ]
    more = None
    if len(table.rows) > PRINTED_ROWS_MAX:
        more = _WORDS["more"].in_language(lang)
        more = more.format(shown=PRINTED_ROWS_MAX, all=len(table.rows), id=table.id)
    planned = plan(labels, kinds, rows, wide=wide)
    for row in rows:
        for index in planned.broken:
            row[index] = break_words(row[index] or "") or None
    return {
        "block": "table",
        "title": break_words(show_text(table.title.in_language(lang)), LINE_CHARS),
        "empty": not rows,
        "size": planned.size,
        "tall": any(len(text or "") > TALL_CHARS for row in rows for text in row),
        "panels": [
            {
                "columns": [
                    {
                        "label": labels[index],
                        "kind": kinds[index].value,
                        "number": kinds[index].is_number,
                        "width": width,
                    }
                    for index, width in zip(panel.columns, panel.widths, strict=True)
                ],
                "rows": [[row[index] for index in panel.columns] for row in rows],
            }
            for panel in planned.panels
        ],
        "more": more,
        "note": _line(table.note, lang, zone),
    }


def _line(text: Both | None, lang: str, zone: str, chars: int = LINE_CHARS) -> str | None:
    shown = show(text, Kind.TEXT, lang, zone)
    return None if shown is None else break_words(shown, chars)
