"""L4, service levels and outliers: how fast agencies serve their products, and what stands out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from regulator.report.contents.material import Material, coded, col, opened
from regulator.report.model import (
    POINTS_MAX,
    Both,
    Chart,
    ChartKind,
    Kind,
    Report,
    ReportCode,
    Scope,
    Series,
    Table,
    Text,
)

OUTLIER_TIMES: Final = 3
"""An order is an outlier when it took more than three times the median of its product: the factor
of the UK's outlier return, by median so that outliers do not hide themselves."""

OUTLIERS_MAX: Final = 1_000
PRODUCTS_DRAWN: Final = 30


def service_levels(folder: Path, scope: Scope) -> Report:
    """L4 of the orders placed in the period; the parameter `member` picks one agency."""
    with opened(folder, scope) as material:
        material.session.base.execute(
            "CREATE TEMP TABLE served AS SELECT order_id, placed_idx, placed_at, due_at, agency, "
            "orderer, product, status, outcome, decline_code, accepted_at, delivered_at, "
            "acknowledged_at, delivered_idx, served_ms FROM orders WHERE in_period(placed_at) "
            "AND asked_for(agency)"
        )
        levels = _levels(material)
        return Report(
            ReportCode.SERVICE_LEVELS,
            scope.header(),
            (
                levels,
                _percentiles(levels),
                _course(material),
                _outliers(material),
                _halves(material),
                _declined(material),
                Text(
                    Both(
                        "Time served runs from placing, or from approval where a ground of law "
                        "needs one, to delivery. In time: delivered before the product's due time. "
                        f"An outlier took more than {OUTLIER_TIMES} times the median of its "
                        "product in this period. Percentiles are by nearest rank.",
                        "履约时长自下单（依法免授权的自复核）起至交付止。及时：在产品承诺时限前交付。"
                        f"超过本期该产品中位时长{OUTLIER_TIMES}倍者列为异常。分位数按最近秩法。",
                    ),
                    Both("How it is counted", "统计口径"),
                ),
            ),
        )


def _levels(material: Material) -> Table:
    return material.table(
        "levels",
        Both("By agency and product", "按机构与产品"),
        (
            col("agency", "Agency", "征信机构", Kind.CODE),
            col("product", "Product", "产品", Kind.CODE),
            col("due", "Promised within", "承诺时限", Kind.DURATION),
            col("orders", "Orders", "订单数", Kind.INTEGER),
            col("delivered", "Delivered", "交付数", Kind.INTEGER),
            col("in_time", "In time", "及时率", Kind.PERCENT),
            col("p50", "p50", "p50", Kind.DURATION),
            col("p90", "p90", "p90", Kind.DURATION),
            col("p99", "p99", "p99", Kind.DURATION),
            col("slowest", "Slowest", "最长用时", Kind.DURATION),
            col("partial", "Partial", "部分交付", Kind.INTEGER),
            col("not_found", "Not found", "未查得", Kind.INTEGER),
            col("declined", "Declined", "拒绝", Kind.INTEGER),
            col("lapsed", "Lapsed", "逾期失效", Kind.INTEGER),
            col("under_way", "Under way", "在途", Kind.INTEGER),
        ),
        "SELECT agency, product, any_value(p.due_within_ms), count(*), count(delivered_at), "
        "count(*) FILTER (delivered_at < due_at) * 10000 "
        "// nullif(count(*) FILTER (delivered_at < due_at OR delivered_at >= due_at), 0), "
        "quantile_disc(served_ms, 0.5), quantile_disc(served_ms, 0.9), "
        "quantile_disc(served_ms, 0.99), max(served_ms), count(*) FILTER (outcome = 'PARTIAL'), "
        "count(*) FILTER (outcome = 'NOT_FOUND'), count(*) FILTER (status = 'DECLINED'), "
        "count(*) FILTER (status = 'LAPSED'), "
        "count(*) FILTER (status IN ('AWAITING_APPROVAL', 'PLACED', 'ACCEPTED')) "
        "FROM served LEFT JOIN (SELECT product, due_within_ms FROM products) p USING (product) "
        "GROUP BY agency, product ORDER BY agency, product",
    )


def _percentiles(levels: Table) -> Chart:
    rows = [row for row in levels.rows if row[6] is not None][:PRODUCTS_DRAWN]
    return Chart(
        "percentiles",
        Both("Time served by product", "各产品履约时长"),
        tuple(str(row[1] or "NULL") for row in rows),
        tuple(
            Series(Both(name, name), tuple(_number(row[at]) for row in rows))
            for name, at in (("p50", 6), ("p90", 7), ("p99", 8))
        ),
        kind=Kind.DURATION,
    )


def _number(value: object) -> int | None:
    assert value is None or isinstance(value, int)
    return value


def _course(material: Material) -> Chart:
    rows = material.rows(
        "SELECT day_of(placed_at)::VARCHAR AS day, quantile_disc(served_ms, 0.5), "
        "quantile_disc(served_ms, 0.9) FROM served WHERE served_ms IS NOT NULL "
        "GROUP BY day ORDER BY day DESC LIMIT ?",
        POINTS_MAX,
    )[::-1]
    return Chart(
        "days",
        Both("Time served by day of order", "按下单日的履约时长"),
        tuple(row[0] for row in rows),
        (
            Series(Both("p50", "p50"), tuple(row[1] for row in rows)),
            Series(Both("p90", "p90"), tuple(row[2] for row in rows)),
        ),
        ChartKind.LINE,
        Kind.DURATION,
    )


def _outliers(material: Material) -> Table:
    return material.table(
        "outliers",
        Both("Outliers, the slowest first", "异常订单（最慢在前）"),
        (
            col("agency", "Agency", "征信机构", Kind.CODE),
            col("product", "Product", "产品", Kind.CODE),
            col("orderer", "Orderer", "查询机构", Kind.CODE),
            col("order_id", "Order", "订单编号", Kind.CODE),
            col("placed_at", "Placed", "下单时间", Kind.TIME),
            col("delivered_at", "Delivered", "交付时间", Kind.TIME),
            col("served", "Time served", "用时", Kind.DURATION),
            col("median", "Median", "中位用时", Kind.DURATION),
            col("late", "Late", "是否超时"),
            col("entry", "Entry of the delivery", "交付条目", Kind.INTEGER),
        ),
        "WITH usual AS (SELECT product, quantile_disc(served_ms, 0.5) AS median FROM served "
        "GROUP BY product) SELECT agency, product, orderer, order_id, placed_at, delivered_at, "
        "served_ms, median, delivered_at >= due_at, delivered_idx "
        "FROM served JOIN usual USING (product) WHERE served_ms > median * ? "
        "ORDER BY served_ms DESC, delivered_idx LIMIT ?",
        OUTLIER_TIMES,
        OUTLIERS_MAX,
        note=Both(f"At most {OUTLIERS_MAX}.", f"最多显示{OUTLIERS_MAX}笔。"),
    )


def _halves(material: Material) -> Table:
    return material.table(
        "halves",
        Both("Where the time goes", "时间分布"),
        (
            col("agency", "Agency", "征信机构", Kind.CODE),
            col("product", "Product", "产品", Kind.CODE),
            col("accept", "Placed to accepted, half within", "下单至受理（中位）", Kind.DURATION),
            col("serve", "Accepted to delivered, half within", "受理至交付（中位）", Kind.DURATION),
            col("open", "Delivered to acknowledged, half within", "交付至确认（中位）",
                Kind.DURATION),
        ),
        "SELECT agency, product, "
        "quantile_disc(epoch_ms(accepted_at) - epoch_ms(placed_at), 0.5), "
        "quantile_disc(epoch_ms(delivered_at) - epoch_ms(accepted_at), 0.5), "
        "quantile_disc(epoch_ms(acknowledged_at) - epoch_ms(delivered_at), 0.5) "
        "FROM served GROUP BY agency, product ORDER BY agency, product",
    )  # fmt: skip


def _declined(material: Material) -> Table:
    return material.table(
        "declined",
        Both("Declined, by agency, institution and reason", "拒绝情况（按机构与原因）"),
        (
            col("agency", "Agency", "征信机构", Kind.CODE),
            col("orderer", "Institution", "查询机构", Kind.CODE),
            coded("reason", "Reason", "原因"),
            col("orders", "Declined", "拒绝笔数", Kind.INTEGER),
            col("of_orders", "of its orders to the agency", "占其对该机构订单", Kind.PERCENT),
        ),
        "WITH every AS (SELECT agency, orderer, count(*) AS n FROM served GROUP BY ALL) "
        "SELECT s.agency, s.orderer, s.decline_code, count(*) AS times, "
        "count(*) * 10000 // any_value(e.n) FROM served s JOIN every e "
        "ON s.agency IS NOT DISTINCT FROM e.agency AND s.orderer IS NOT DISTINCT FROM e.orderer "
        "WHERE s.status = 'DECLINED' "
        "GROUP BY s.agency, s.orderer, s.decline_code "
        "ORDER BY times DESC, s.agency, s.orderer, s.decline_code",
    )
