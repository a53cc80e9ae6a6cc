"""L5, the finding register: what is held against whom, under which rule, and how far it came."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from regulator.report.contents.material import Material, coded, col, opened
from regulator.report.contents.words import word
from regulator.report.model import (
    Both,
    Chart,
    Figure,
    Figures,
    Kind,
    Report,
    ReportCode,
    Scope,
    Series,
    Table,
    Text,
    Tone,
)

CODES_DRAWN: Final = 30
"""Codes in the picture, the most frequent ones."""

ENTRIES_SHOWN: Final = 16
"""Entries of a finding that the register names; its evidence has all."""


def finding_register(folder: Path, scope: Scope) -> Report:
    """L5: every finding known at the scope's size; the parameter `member` picks one member's."""
    with opened(folder, scope) as material:
        return Report(
            ReportCode.FINDING_REGISTER,
            scope.header(),
            (
                _figures(material),
                _by_code(material),
                _rules(material),
                _summary(material),
                _register(material),
                Text(
                    Both(
                        "A finding is named by the digest of what was found: the same log prefix "
                        "and rule pack give the same findings on any machine. Its evidence names "
                        "the entries with their commitments; with the bodies, from any copy of the "
                        "log, it can be checked again offline. “Asked on the log” is a finding "
                        "the regulator asked about that this copy does not have under this rule "
                        "pack.",
                        "问题以其内容摘要为编号：相同账本前缀与规则包在任何机器上得出相同问题。"
                        "证据列明条目及其承诺值，持有任一账本副本的正文即可离线复核。"
                        "“账本上已质询”指监管机构已质询、但本副本在当前规则包下未得出的问题。",
                    ),
                    Both("How to check", "复核方法"),
                ),
            ),
        )


def _figures(material: Material) -> Figures:
    total, high, open_, asked, answered, closed, late, doubtful = material.one(
        "SELECT count(*), count(*) FILTER (severity = 'HIGH'), count(*) FILTER (state = 'OPEN'), "
        "count(*) FILTER (state = 'ASKED'), count(*) FILTER (state = 'ANSWERED'), "
        "count(*) FILTER (state = 'CLOSED'), count(*) FILTER (late), "
        "count(*) FILTER (NOT certain) FROM findings WHERE asked_for(member)"
    )
    return Figures(
        (
            Figure("findings", Both("Findings", "问题总数"), total),
            Figure("high", Both("high", "高风险"), high, tone=Tone.BAD if high else Tone.GOOD),
            Figure("open", word_both("OPEN"), open_, tone=Tone.WARN if open_ else Tone.GOOD),
            Figure("asked", word_both("ASKED"), asked),
            Figure("answered", word_both("ANSWERED"), answered),
            Figure("closed", word_both("CLOSED"), closed),
            Figure(
                "late",
                Both("answered late or not", "逾期答复或未答复"),
                late,
                tone=Tone.BAD if late else Tone.GOOD,
            ),
            Figure("doubtful", Both("may be excused by an unseen body", "存疑"), doubtful),
        )
    )


def word_both(code: str) -> Both:
    """What a code is called, as a label."""
    said = word(code)
    return said if isinstance(said, Both) else Both(said, said)


def _by_code(material: Material) -> Chart:
    rows = material.rows(
        "SELECT code, count(*) FILTER (severity = 'HIGH'), count(*) FILTER (severity = 'MEDIUM'), "
        "count(*) FILTER (severity = 'LOW') FROM findings WHERE asked_for(member) "
        "GROUP BY code ORDER BY count(*) DESC, code LIMIT ?",
        CODES_DRAWN,
    )
    return Chart(
        "by_code",
        Both("Findings by code", "按代码统计"),
        tuple(row[0] for row in rows),
        tuple(
            Series(word_both(severity), tuple(row[at] for row in rows))
            for at, severity in enumerate(("HIGH", "MEDIUM", "LOW"), 1)
        ),
    )


def _rules(material: Material) -> Table:
    return material.table(
        "rules",
        Both("What was found", "问题类别"),
        (
            col("code", "Code", "代码", Kind.CODE),
            coded("what", "What", "问题"),
            coded("origin", "Found by", "发现来源"),
            coded("severity", "Severity", "严重程度"),
            col("findings", "Findings", "问题数", Kind.INTEGER),
            col("not_closed", "Not closed", "未结案", Kind.INTEGER),
        ),
        "SELECT code, code, origin, severity, count(*), count(*) FILTER (state <> 'CLOSED') "
        "FROM findings WHERE asked_for(member) GROUP BY code, origin, severity "
        "ORDER BY list_position(['HIGH', 'MEDIUM', 'LOW'], severity), code, origin",
    )


def _summary(material: Material) -> Table:
    return material.table(
        "summary",
        Both("By institution and severity", "按机构与严重程度"),
        (
            col("member", "Institution", "机构", Kind.CODE),
            coded("severity", "Severity", "严重程度"),
            col("findings", "Findings", "问题数", Kind.INTEGER),
            col("not_closed", "Not closed", "未结案", Kind.INTEGER),
            col("late", "Late", "逾期", Kind.INTEGER),
            col("first_at", "First", "最早", Kind.TIME),
            col("last_at", "Last", "最近", Kind.TIME),
        ),
        "SELECT member, severity, count(*), count(*) FILTER (state <> 'CLOSED'), "
        "count(*) FILTER (late), min(found_at), max(found_at) FROM findings "
        "WHERE asked_for(member) GROUP BY member, severity "
        "ORDER BY member NULLS FIRST, list_position(['HIGH', 'MEDIUM', 'LOW'], severity)",
    )


def _register(material: Material) -> Table:
    return material.table(
        "findings",
        Both("Register", "登记簿"),
        (
            col("finding", "Finding", "问题编号", Kind.DIGEST),
            col("code", "Rule", "规则", Kind.CODE),
            coded("origin", "Found by", "发现来源"),
            col("pack", "Rule pack", "规则包", Kind.CODE),
            coded("severity", "Severity", "严重程度"),
            col("member", "Institution", "机构", Kind.CODE),
            col("officer", "Officer", "操作人员", Kind.CODE),
            col("found_at", "At", "发生时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("entries", "Entries concerned", "相关条目", Kind.CODE),
            col("certain", "Certain", "确定"),
            coded("state", "State", "状态"),
            col("asked_at", "Asked", "质询时间", Kind.TIME),
            col("answer_by", "Due", "答复期限", Kind.TIME),
            col("late", "Late", "逾期"),
            col("answered_at", "Answered", "答复时间", Kind.TIME),
            coded("reply", "Reply", "答复"),
            col("closed_at", "Closed", "结案时间", Kind.TIME),
            coded("outcome", "Outcome", "处理结果"),
            col("contested_at", "Closing contested", "对结案异议", Kind.TIME),
            col("facts", "Facts", "事实"),
        ),
        "SELECT finding, code, origin, pack, severity, member, officer, found_at, idx, "
        "CASE WHEN len(entries) > 0 THEN array_to_string(list_slice(entries, 1, ?), ' ') || "
        "CASE WHEN len(entries) > ? THEN ' …' ELSE '' END END, certain, state, asked_at, "
        "answer_by, late, answered_at, reply, closed_at, outcome, contested_at, detail "
        "FROM findings WHERE asked_for(member) ORDER BY idx NULLS FIRST, code, finding",
        ENTRIES_SHOWN,
        ENTRIES_SHOWN,
    )
