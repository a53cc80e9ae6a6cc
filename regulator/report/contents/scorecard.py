"""L6, the member scorecard: five parts, each from findings and figures on the log.

The parts are those of the yearly rating of connected institutions (Yinfa [2018] 102, annex 3). Each
begins with 100 points. A finding that is certain and was not closed as unfounded takes points of
the part its rule belongs to: HIGH 10, MEDIUM 4, LOW 1, at most 60 for one rule. Measures take more:

- implementation: answers to findings, 1 point for each percent not in time; 20 points if suspended;
- business compliance: objections answered late, 5 points each;
- staff: 2 points for each officer who acts though the key has expired.

The total weighs the parts 15, 20, 35, 15 and 15; from 90 on it is A, from 75 B, from 60 C, else D.
Every deduction is listed with its entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from regulator.report.contents.material import DAY_MS, Material, coded, col, opened, shaped
from regulator.report.contents.words import words
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

POINTS: Final[Mapping[str, int]] = {"HIGH": 10, "MEDIUM": 4, "LOW": 1}
RULE_POINTS_MAX: Final = 60
"""What one rule may take of a part: one bad habit does not hide all the others."""

SUSPENDED_POINTS: Final = 20
LATE_ANSWER_POINTS: Final = 5
EXPIRED_OFFICER_POINTS: Final = 2
ANSWER_DAYS: Final = 20
"""Regulation on Credit Reporting, article 25."""

GRADES: Final = ((90, "A"), (75, "B"), (60, "C"), (0, "D"))
MEMBERS_DRAWN: Final = 40
ENTRIES_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One of the five parts: its weight in percent, and the rules whose findings belong to it."""

    id: str
    label: Both
    weight: int
    rules: frozenset[str]


PARTS: Final = (
    Part(
        "internal_control",
        Both("Internal control", "内部控制"),
        15,
        frozenset({"C14", "C17", "M05", "M07", "U01", "U02"}),
    ),
    Part(
        "staff",
        Both("Staff and user management", "人员与用户管理"),
        20,
        frozenset({"U03", "U04", "U05", "U08", "U09", "U11"}),
    ),
    Part("compliance", Both("Business compliance", "业务合规"), 35, frozenset()),
    Part(
        "security",
        Both("Information security", "信息安全"),
        15,
        frozenset({"M03", "P02", "L01", "L02", "L03", "L04", "L05", "L06", "L07"}),
    ),
    Part(
        "implementation",
        Both("Implementation of requirements", "落实监管要求"),
        15,
        frozenset({"M01", "M02", "M04", "M06", "P01", "P03", "P04"}),
    ),
)
"""A rule that no other part names belongs to business compliance."""

_COMPLIANCE: Final = 2


@dataclass(slots=True)
class Score:
    """A member's points: what each part lost, and why."""

    member: str
    kind: str
    name: str
    lost: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    deductions: list[tuple[Any, ...]] = field(default_factory=list)

    def take(self, part: int, points: int, why: Sequence[Any]) -> None:
        """Points off a part; `why` is rule, count, what, and the entries."""
        if points:
            self.lost[part] += points
            self.deductions.append((self.member, PARTS[part].label, points, *why))

    @property
    def points(self) -> list[int]:
        """What each part has left."""
        return [max(0, 100 - lost) for lost in self.lost]

    @property
    def total(self) -> int:
        """The weighed sum, in hundredths."""
        return sum(part.weight * points for part, points in zip(PARTS, self.points, strict=True))

    @property
    def grade(self) -> str:
        """A to D."""
        return next(grade for least, grade in GRADES if self.total >= least * 100)


def part_of(rule: str) -> int:
    """The place in `PARTS` of the part that a rule belongs to."""
    return next((at for at, part in enumerate(PARTS) if rule in part.rules), _COMPLIANCE)


def member_scorecard(folder: Path, scope: Scope) -> Report:
    """L6 of every member but regulator and operator, or of the parameter `member`.

    Findings count by the time at which they arose: those of the period.
    """
    with opened(folder, scope) as material:
        scores = _scores(material)
        _findings(material, scores)
        _answers(material, scores)
        _objections(material, scores)
        _officers(material, scores)
        _standing(material, scores)
        ranked = sorted(scores.values(), key=lambda one: (-one.total, one.member))
        return Report(
            ReportCode.MEMBER_SCORECARD,
            scope.header(),
            (
                _figures(ranked),
                _chart(ranked),
                _table(ranked),
                _deductions(ranked),
                _volumes(material),
                Text(
                    Both(
                        "Each part begins with 100 points. A finding of the period that is certain "
                        "and was not closed as unfounded takes HIGH 10, MEDIUM 4, LOW 1 of the "
                        f"part its rule belongs to, at most {RULE_POINTS_MAX} for one rule. "
                        "Further: 1 point for each percent of the findings asked about that were "
                        f"not answered in time; {LATE_ANSWER_POINTS} for each objection not "
                        f"answered within {ANSWER_DAYS} days; {EXPIRED_OFFICER_POINTS} for each "
                        "officer whose key had expired and who was not dismissed; "
                        f"{SUSPENDED_POINTS} if suspended at the end. The total weighs the parts "
                        "15, 20, 35, 15 and 15 percent; A from 90, B from 75, C from 60, else D. "
                        "The member may object to a finding on the log (CONTESTED); it counts "
                        "until it is closed as unfounded.",
                        "各部分满分100分。期间内确定且未以“不成立”结案的问题，按高10、中4、低1分"
                        f"从规则所属部分扣减，单项规则最多扣{RULE_POINTS_MAX}分。另：已质询问题未按期答复，"
                        f"每百分之一扣1分；异议超过{ANSWER_DAYS}日未答复，每件扣{LATE_ANSWER_POINTS}分；"
                        f"密钥到期未注销人员，每人扣{EXPIRED_OFFICER_POINTS}分；期末处于暂停状态扣"
                        f"{SUSPENDED_POINTS}分。五部分权重为15、20、35、15、15；90分以上为A，75分以上为B，"
                        "60分以上为C，其余为D。机构可在账本上提出异议，未以“不成立”结案前仍计入。",
                    ),
                    Both("Formula", "评分公式"),
                ),
                _parts(),
            ),
        )


def _scores(material: Material) -> dict[str, Score]:
    rows = material.rows(
        "SELECT member, kind, name FROM members WHERE kind NOT IN ('REGULATOR', 'OPERATOR') "
        "AND asked_for(member) ORDER BY member"
    )
    return {row[0]: Score(*row) for row in rows}


def _findings(material: Material, scores: Mapping[str, Score]) -> None:
    rows = material.rows(
        "SELECT member, code, severity, count(*), min(idx), "
        "array_to_string(list_slice(list(idx ORDER BY idx), 1, ?), ' ') FROM findings "
        "WHERE member IS NOT NULL AND certain AND outcome IS DISTINCT FROM 'UNFOUNDED' "
        "AND in_period(found_at) GROUP BY member, code, severity "
        "ORDER BY member, code, list_position(['HIGH', 'MEDIUM', 'LOW'], severity)",
        ENTRIES_SHOWN,
    )
    taken: dict[tuple[str, str], int] = {}
    for member, code, severity, count, _, entries in rows:
        if member not in scores:
            continue
        left = RULE_POINTS_MAX - taken.get((member, code), 0)
        points = min(left, count * POINTS.get(severity, 0))
        taken[member, code] = taken.get((member, code), 0) + points
        what, how = words([code]), words([severity])
        what = Both(f"{what.en} ({how.en})", f"{what.zh}（{how.zh}）")
        scores[member].take(part_of(code), points, (code, count, what, entries))


def _answers(material: Material, scores: Mapping[str, Score]) -> None:
    rows = material.rows(
        "SELECT member, count(*), count(*) FILTER (late) "
        "FROM findings WHERE asked_at IS NOT NULL AND in_period(asked_at) "
        "AND member IS NOT NULL GROUP BY member ORDER BY member"
    )
    for member, asked, late in rows:
        if member in scores:
            what = Both(f"of {asked} findings answered late", f"已质询{asked}项中逾期答复")
            scores[member].take(4, late * 100 // asked, (None, late, what, None))


def _objections(material: Material, scores: Mapping[str, Score]) -> None:
    rows = material.rows(
        "SELECT holder, count(*), array_to_string(list_slice(list(raised_idx ORDER BY raised_idx), "
        "1, ?), ' ') FROM objections WHERE in_period(raised_at) AND open_ms > ? "
        "GROUP BY holder ORDER BY holder",
        ENTRIES_SHOWN,
        ANSWER_DAYS * DAY_MS,
    )
    for member, late, entries in rows:
        if member in scores:
            what = Both("objections answered late or not at all", "异议逾期或未答复")
            scores[member].take(_COMPLIANCE, late * LATE_ANSWER_POINTS, (None, late, what, entries))


def _officers(material: Material, scores: Mapping[str, Score]) -> None:
    rows = material.rows(
        "SELECT member, count(*), array_to_string(list_slice(list(appointed_idx "
        "ORDER BY appointed_idx), 1, ?), ' ') FROM officers WHERE dismissed_at IS NULL "
        "AND expires_at < (SELECT as_of FROM log) GROUP BY member ORDER BY member",
        ENTRIES_SHOWN,
    )
    for member, expired, entries in rows:
        if member in scores:
            what = Both("officers with an expired key, not dismissed", "密钥到期未注销人员")
            scores[member].take(1, expired * EXPIRED_OFFICER_POINTS, (None, expired, what, entries))


def _standing(material: Material, scores: Mapping[str, Score]) -> None:
    rows = material.rows(
        "SELECT m.member, max(s.idx) FROM members m JOIN standings s USING (member) "
        "WHERE m.standing = 'SUSPENDED' AND s.change = 'SUSPENDED' GROUP BY m.member "
        "ORDER BY m.member"
    )
    for member, index in rows:
        if member in scores:
            what = Both("suspended at the end of the period", "期末处于暂停状态")
            scores[member].take(4, SUSPENDED_POINTS, (None, 1, what, str(index)))


def _figures(ranked: Sequence[Score]) -> Figures:
    return Figures(
        (
            Figure("members", Both("Members rated", "参评机构"), len(ranked)),
            *(
                Figure(
                    f"grade_{grade.lower()}",
                    Both(f"Grade {grade}", f"{grade}级"),
                    sum(one.grade == grade for one in ranked),
                    tone=Tone.BAD
                    if grade == "D" and any(one.grade == "D" for one in ranked)
                    else Tone.PLAIN,
                )
                for _, grade in GRADES
            ),
        )
    )


def _chart(ranked: Sequence[Score]) -> Chart:
    shown = ranked[:MEMBERS_DRAWN]
    return Chart(
        "parts",
        Both("Points by part", "各部分得分"),
        tuple(one.member for one in shown),
        tuple(
            Series(part.label, tuple(one.points[at] for one in shown))
            for at, part in enumerate(PARTS)
        ),
    )


def _table(ranked: Sequence[Score]) -> Table:
    return shaped(
        "scores",
        Both("Scores", "评分"),
        (
            col("member", "Member", "机构", Kind.CODE),
            col("name", "Name", "名称"),
            coded("kind", "Kind", "类别"),
            *(col(part.id, part.label.en, part.label.zh, Kind.INTEGER) for part in PARTS),
            col("total", "Total", "总分", Kind.PERCENT),
            col("grade", "Grade", "等级", Kind.CODE),
        ),
        [(one.member, one.name, one.kind, *one.points, one.total, one.grade) for one in ranked],
    )


def _deductions(ranked: Sequence[Score]) -> Table:
    return shaped(
        "deductions",
        Both("What was taken, and for what", "扣分明细"),
        (
            col("member", "Member", "机构", Kind.CODE),
            col("part", "Part", "部分"),
            col("points", "Points taken", "扣分", Kind.INTEGER),
            col("rule", "Rule", "规则", Kind.CODE),
            col("times", "Count", "数量", Kind.INTEGER),
            col("what", "What", "事项"),
            col("entries", "Entries", "条目", Kind.CODE),
        ),
        [deduction for one in ranked for deduction in one.deductions],
        Both(
            f"The first {ENTRIES_SHOWN} entries; the finding register (L5) names all.",
            f"列前{ENTRIES_SHOWN}条，全部见问题登记簿（L5）。",
        ),
    )


def _volumes(material: Material) -> Table:
    """What the points stand against: a member with a million orders has more to get wrong."""
    return material.table(
        "volumes",
        Both("Business in the period", "期间业务量"),
        (
            col("member", "Member", "机构", Kind.CODE),
            col("ordered", "Orders placed", "下单数", Kind.INTEGER),
            col("served", "Orders received", "受理订单数", Kind.INTEGER),
            col("officers", "Officers", "人员数", Kind.INTEGER),
            col("findings", "Findings", "问题数", Kind.INTEGER),
            col("per_ten_thousand", "per 10,000 orders", "每万笔问题数", Kind.INTEGER),
        ),
        "WITH business AS (SELECT orderer, agency FROM orders WHERE in_period(placed_at)), "
        "a AS (SELECT orderer AS member, count(*) AS n FROM business GROUP BY orderer), "
        "b AS (SELECT agency AS member, count(*) AS n FROM business GROUP BY agency), "
        "c AS (SELECT member, count(*) AS n FROM officers WHERE dismissed_at IS NULL "
        "GROUP BY member), "
        "f AS (SELECT member, count(*) AS n FROM findings WHERE in_period(found_at) "
        "GROUP BY member) "
        "SELECT m.member, coalesce(a.n, 0), coalesce(b.n, 0), coalesce(c.n, 0), "
        "coalesce(f.n, 0), coalesce(f.n, 0) * 10000 // nullif(coalesce(a.n, 0) + "
        "coalesce(b.n, 0), 0) FROM members m LEFT JOIN a USING (member) LEFT JOIN b USING (member) "
        "LEFT JOIN c USING (member) LEFT JOIN f USING (member) "
        "WHERE m.kind NOT IN ('REGULATOR', 'OPERATOR') AND asked_for(m.member) ORDER BY m.member",
    )


def _parts() -> Table:
    return shaped(
        "rules",
        Both("Which rule belongs to which part", "规则归属"),
        (
            col("part", "Part", "部分"),
            col("weight", "Weight, percent", "权重（%）", Kind.INTEGER),
            col("rules", "Rules", "规则"),
        ),
        [
            (
                part.label,
                part.weight,
                " ".join(sorted(part.rules)) or Both("all others", "其余全部"),
            )
            for part in PARTS
        ],
    )
