"""L8, billing and breaks: what is owed to whom, derived from acknowledged deliveries alone."""

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

AGES: Final = (7, 30, 90)
"""A break is up to a week, a month, a quarter old, or older."""

AGENCIES_DRAWN: Final = 30


def billing(folder: Path, scope: Scope) -> Report:
    """L8: what became owed in the period, and every break that its end finds.

    The parameter `member` picks what one member owes or is owed.
    """
    with opened(folder, scope) as material:
        material.session.base.execute(
            "CREATE TEMP TABLE owed AS SELECT * FROM billing "
            "WHERE asked_for(orderer) OR asked_for(agency)"
        )
        return Report(
            ReportCode.BILLING,
            scope.header(),
            (
                _figures(material),
                _chart(material),
                _accounts(material),
                _ages(material),
                _breaks(material),
                Text(
                    Both(
                        "A delivery is billed once, at the price in force when it was ordered, "
                        "when its orderer has acknowledged it; the period is that of the "
                        "acknowledgement. Not billed, and a break until it is settled: what is "
                        "disputed, not acknowledged, or opened with another fingerprint than was "
                        "delivered. “Not found” is an answer without a report and is not billed. "
                        "Amounts are added for each currency apart.",
                        "交付经查询机构确认后按下单时有效价格计费一次，归入确认时间所在期间。"
                        "有争议、未确认或打开指纹与交付不符者不计费，列为差异直至解决。"
                        "未查得不产生报告，不计费。各币种分别合计。",
                    ),
                    Both("How it is derived", "计费口径"),
                ),
            ),
        )


def _figures(material: Material) -> Figures:
    billed, breaks, old = material.one(
        "SELECT count(*) FILTER (billed AND in_period(acknowledged_at)), "
        "count(*) FILTER (break_code <> 'NOT_FOUND'), "
        "count(*) FILTER (break_code <> 'NOT_FOUND' AND age_ms > ?) FROM owed",
        AGES[1] * DAY_MS,
    )
    sums = material.rows(
        "SELECT currency, sum(price)::BIGINT FROM owed WHERE billed AND in_period(acknowledged_at) "
        "GROUP BY currency ORDER BY currency"
    )
    return Figures(
        (
            Figure("billed", Both("Deliveries billed", "计费交付"), billed),
            *(
                Figure(
                    f"amount_{currency.lower()}",
                    Both(f"Amount, {currency}", f"金额（{currency}）"),
                    amount,
                    Kind.MONEY,
                )
                for currency, amount in sums[:8]
            ),
            Figure(
                "breaks", Both("Breaks", "差异"), breaks, tone=Tone.WARN if breaks else Tone.GOOD
            ),
            Figure(
                "old_breaks",
                Both(f"older than {AGES[1]} days", f"超过{AGES[1]}日"),
                old,
                tone=Tone.BAD if old else Tone.GOOD,
            ),
        )
    )


def _chart(material: Material) -> Chart:
    rows = material.rows(
        "SELECT agency, count(*) FILTER (billed AND in_period(acknowledged_at)), "
        "count(*) FILTER (break_code <> 'NOT_FOUND') FROM owed WHERE agency IS NOT NULL "
        "GROUP BY agency ORDER BY agency LIMIT ?",
        AGENCIES_DRAWN,
    )
    return Chart(
        "by_agency",
        Both("Billed and broken, by agency", "各机构计费与差异"),
        tuple(row[0] for row in rows),
        (
            Series(Both("billed", "计费"), tuple(row[1] for row in rows)),
            Series(Both("breaks", "差异"), tuple(row[2] for row in rows)),
        ),
    )


def _accounts(material: Material) -> Table:
    return material.table(
        "accounts",
        Both("Who owes whom", "应付明细"),
        (
            col("orderer", "Owed by", "付款机构", Kind.CODE),
            col("agency", "Owed to", "收款机构", Kind.CODE),
            col("product", "Product", "产品", Kind.CODE),
            col("currency", "Currency", "币种", Kind.CODE),
            col("price", "Price", "单价", Kind.MONEY),
            col("billed", "Billed", "计费笔数", Kind.INTEGER),
            col("amount", "Amount", "金额", Kind.MONEY),
            col("not_found", "Not found, not billed", "未查得不计费", Kind.INTEGER),
            col("first_entry", "First entry", "首个条目", Kind.INTEGER),
            col("last_entry", "Last entry", "末个条目", Kind.INTEGER),
        ),
        "SELECT orderer, agency, product, currency, price, count(*) FILTER (billed), "
        "coalesce(sum(price) FILTER (billed), 0)::BIGINT, "
        "count(*) FILTER (break_code = 'NOT_FOUND'), "
        "min(acknowledged_idx), max(acknowledged_idx) FROM owed "
        "WHERE in_period(acknowledged_at) GROUP BY orderer, agency, product, currency, price "
        "ORDER BY orderer, agency, product, currency, price",
    )


def _ages(material: Material) -> Table:
    first, second, third = (days * DAY_MS for days in AGES)
    return material.table(
        "ages",
        Both("Breaks by age", "差异账龄"),
        (
            coded("reason", "Break", "差异类型"),
            col("agency", "Agency", "征信机构", Kind.CODE),
            col("week", f"up to {AGES[0]} days", f"{AGES[0]}日以内", Kind.INTEGER),
            col("month", f"up to {AGES[1]} days", f"{AGES[1]}日以内", Kind.INTEGER),
            col("quarter", f"up to {AGES[2]} days", f"{AGES[2]}日以内", Kind.INTEGER),
            col("older", "older", "更久", Kind.INTEGER),
            col("oldest", "Oldest", "最久", Kind.DURATION),
            col("at_stake", "At stake", "涉及金额", Kind.MONEY),
            col("currency", "Currency", "币种", Kind.CODE),
        ),
        "SELECT break_code, agency, count(*) FILTER (age_ms <= ?), "
        "count(*) FILTER (age_ms > ? AND age_ms <= ?), "
        "count(*) FILTER (age_ms > ? AND age_ms <= ?), count(*) FILTER (age_ms > ?), "
        "max(age_ms), sum(price)::BIGINT, currency FROM owed "
        "WHERE break_code <> 'NOT_FOUND' GROUP BY break_code, agency, currency "
        "ORDER BY break_code, agency, currency",
        first,
        first,
        second,
        second,
        third,
        third,
    )


def _breaks(material: Material) -> Table:
    return material.table(
        "breaks",
        Both("Breaks, the oldest first", "差异明细（最久在前）"),
        (
            coded("reason", "Break", "差异类型"),
            col("orderer", "Orderer", "查询机构", Kind.CODE),
            col("agency", "Agency", "征信机构", Kind.CODE),
            col("product", "Product", "产品", Kind.CODE),
            col("order_id", "Order", "订单编号", Kind.CODE),
            col("placed_at", "Placed", "下单时间", Kind.TIME),
            col("delivered_at", "Delivered", "交付时间", Kind.TIME),
            col("acknowledged_at", "Acknowledged", "确认时间", Kind.TIME),
            col("price", "Price", "价格", Kind.MONEY),
            col("currency", "Currency", "币种", Kind.CODE),
            col("age", "Age", "账龄", Kind.DURATION),
        ),
        "SELECT break_code, orderer, agency, product, order_id, placed_at, delivered_at, "
        "acknowledged_at, price, currency, age_ms FROM owed WHERE break_code <> 'NOT_FOUND' "
        "ORDER BY delivered_at, order_id",
    )
