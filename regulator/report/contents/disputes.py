"""L7, the dispute ledger: disputed deliveries and objections of enterprises, with day counts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from regulator.report.contents.material import DAY_MS, Material, coded, col, opened
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

ANSWER_DAYS: Final = 20
"""Regulation on Credit Reporting (State Council Order 631), article 25: within 20 days."""

AGES: Final = (5, 10, 15, ANSWER_DAYS)
"""Up to how many days each bar but the last counts."""


def dispute_ledger(folder: Path, scope: Scope) -> Report:
    """L7: what was raised in the period, and what was raised before it and is still open.

    The parameter `member` picks those against one member.
    """
    with opened(folder, scope) as material:
        _collect(material)
        return Report(
            ReportCode.DISPUTE_LEDGER,
            material.header(answer_days=ANSWER_DAYS),
            (
                _figures(material),
                _ages(material),
                _by_holder(material),
                _objections(material),
                _deliveries(material),
                Text(
                    Both(
                        "Days are natural days from raising to the answer, or to the end of the "
                        f"log where there is none; an objection is overdue after {ANSWER_DAYS} "
                        "days (Regulation on Credit Reporting, article 25). A disputed delivery "
                        "is settled between the two institutions; the log has no answer to it, so "
                        "its days run on.",
                        "天数为自然日，自提出之日起至答复之日止；未答复的计至账本末条时间。"
                        f"异议超过{ANSWER_DAYS}日未答复为逾期（《征信业管理条例》第二十五条）。"
                        "交付争议由双方机构自行解决，账本无答复事件，故天数持续累计。",
                    ),
                    Both("How days are counted", "天数口径"),
                ),
            ),
        )


def _collect(material: Material) -> None:
    material.session.base.execute(
        "CREATE TEMP TABLE objected AS SELECT *, "  # noqa: S608  our own numbers
        f"open_ms // {DAY_MS} AS days, open_ms > {ANSWER_DAYS * DAY_MS} AS overdue "
        "FROM objections WHERE asked_for(holder) AND (in_period(raised_at) "
        "OR answered_at IS NULL OR in_period(answered_at))"
    )
    material.session.base.execute(
        "CREATE TEMP TABLE disputed AS SELECT order_id, "  # noqa: S608
        "orderer, agency, product, enterprise, delivered_at, disputed_at, disputed_idx, "
        "dispute_code, report_fingerprint, opened_fingerprint, "
        f"((SELECT as_of_ms FROM log) - epoch_ms(disputed_at)) // {DAY_MS} AS days "
        "FROM orders WHERE disputed_at IS NOT NULL AND asked_for(agency) "
        "AND in_period(disputed_at)"
    )


def _figures(material: Material) -> Figures:
    raised, answered, upheld, open_, overdue, slowest = material.one(
        "SELECT count(*), count(answered_at), "
        "count(*) FILTER (outcome IS NOT NULL AND outcome <> 'DATA_RIGHT'), "
        "count(*) FILTER (answered_at IS NULL), count(*) FILTER (overdue), max(days) FROM objected"
    )
    (disputed,) = material.one("SELECT count(*) FROM disputed")
    return Figures(
        (
            Figure("objections", Both("Objections", "企业异议"), raised),
            Figure("answered", Both("answered", "已答复"), answered),
            Figure("upheld", Both("where data was corrected", "异议成立"), upheld),
            Figure("open", Both("open", "未答复"), open_),
            Figure(
                "overdue",
                Both(f"over {ANSWER_DAYS} days", f"超过{ANSWER_DAYS}日"),
                overdue,
                tone=Tone.BAD if overdue else Tone.GOOD,
            ),
            Figure("slowest", Both("most days", "最长天数"), slowest),
            Figure("deliveries", Both("Deliveries disputed", "交付争议"), disputed),
        )
    )


def _ages(material: Material) -> Chart:
    edges = (*AGES, None)
    low = 0
    points, answered, open_ = [], [], []
    for edge in edges:
        name = f"> {low}" if edge is None else f"{low}-{edge}"
        points.append(Both(f"{name} days", f"{name} 日"))
        counts = material.one(
            "SELECT count(answered_at), count(*) FILTER (answered_at IS NULL) FROM objected "
            "WHERE open_ms >= ? AND (?::BIGINT IS NULL OR open_ms < ?)",
            low * DAY_MS,
            None if edge is None else edge * DAY_MS,
            None if edge is None else edge * DAY_MS,
        )
        answered.append(counts[0])
        open_.append(counts[1])
        low = edge or low
    return Chart(
        "ages",
        Both("Objections by days", "异议天数分布"),
        tuple(points),
        (
            Series(Both("answered", "已答复"), tuple(answered)),
            Series(Both("open", "未答复"), tuple(open_)),
        ),
    )


def _by_holder(material: Material) -> Table:
    return material.table(
        "holders",
        Both("By institution", "按机构"),
        (
            col("holder", "Institution", "机构", Kind.CODE),
            col("objections", "Objections", "企业异议", Kind.INTEGER),
            col("answered", "Answered", "已答复", Kind.INTEGER),
            col("upheld", "Data corrected", "异议成立", Kind.INTEGER),
            col("open", "Open", "未答复", Kind.INTEGER),
            col("overdue", "Overdue", "逾期", Kind.INTEGER),
            col("median", "Answered, half within", "答复用时中位", Kind.DURATION),
            col("deliveries", "Deliveries disputed", "交付争议", Kind.INTEGER),
        ),
        "WITH o AS (SELECT holder, count(*) AS n, count(answered_at) AS answered, "
        "count(*) FILTER (outcome IS NOT NULL AND outcome <> 'DATA_RIGHT') AS upheld, "
        "count(*) FILTER (answered_at IS NULL) AS open, count(*) FILTER (overdue) AS overdue, "
        "quantile_disc(answer_ms, 0.5) AS median FROM objected GROUP BY holder), "
        "d AS (SELECT agency AS holder, count(*) AS n FROM disputed GROUP BY agency) "
        "SELECT holder, coalesce(o.n, 0), coalesce(o.answered, 0), coalesce(o.upheld, 0), "
        "coalesce(o.open, 0), coalesce(o.overdue, 0), o.median, coalesce(d.n, 0) "
        "FROM o FULL JOIN d USING (holder) ORDER BY holder",
    )


def _objections(material: Material) -> Table:
    return material.table(
        "objections",
        Both("Objections of enterprises", "企业异议"),
        (
            col("objection", "Objection", "异议编号", Kind.CODE),
            col("enterprise", "Enterprise", "企业", Kind.CODE),
            col("holder", "Against", "被异议机构", Kind.CODE),
            coded("section", "Section", "内容"),
            col("order_id", "Order", "订单编号", Kind.CODE),
            col("raised_at", "Raised", "提出时间", Kind.TIME),
            col("raised_entry", "Entry", "条目", Kind.INTEGER),
            col("due_at", "Due", "期限", Kind.TIME),
            col("answered_at", "Answered", "答复时间", Kind.TIME),
            col("answered_entry", "Entry of the answer", "答复条目", Kind.INTEGER),
            coded("outcome", "Outcome", "核查结果"),
            col("days", "Days", "天数", Kind.INTEGER),
            col("overdue", "Overdue", "逾期"),
            col("statement", "Fingerprint of the words", "陈述指纹", Kind.DIGEST),
        ),
        "SELECT objection_id, enterprise, holder, section, order_id, raised_at, raised_idx, "
        "raised_at + to_days(?), answered_at, answered_idx, outcome, days, overdue, statement "
        "FROM objected ORDER BY raised_idx",
        ANSWER_DAYS,
    )


def _deliveries(material: Material) -> Table:
    return material.table(
        "deliveries",
        Both("Disputed deliveries", "交付争议"),
        (
            col("order_id", "Order", "订单编号", Kind.CODE),
            col("orderer", "Raised by", "提出机构", Kind.CODE),
            col("agency", "Against", "被争议机构", Kind.CODE),
            col("product", "Product", "产品", Kind.CODE),
            col("enterprise", "Enterprise", "企业", Kind.CODE),
            col("delivered_at", "Delivered", "交付时间", Kind.TIME),
            col("disputed_at", "Disputed", "争议时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            coded("reason", "Reason", "原因"),
            col("days", "Days", "天数", Kind.INTEGER),
            col("delivered_fingerprint", "Fingerprint delivered", "交付指纹", Kind.DIGEST),
            col("opened_fingerprint", "Fingerprint opened", "打开指纹", Kind.DIGEST),
            col("same", "The same", "是否一致"),
        ),
        "SELECT order_id, orderer, agency, product, enterprise, delivered_at, disputed_at, "
        "disputed_idx, dispute_code, days, report_fingerprint, opened_fingerprint, "
        "report_fingerprint = opened_fingerprint FROM disputed ORDER BY disputed_idx",
    )
