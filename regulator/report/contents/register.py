"""L2, the query register: who looked at whom, when, why, on what authority, and what it cost.

The columns are those that a query register of an institution has, so that the two can be compared
line by line; consent, approver, order and entry are what only the log can add.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from regulator.report.contents.material import Material, coded, col, opened
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
    Text,
)

INSTITUTIONS_DRAWN: Final = 40
"""Institutions in the picture, those with most orders; the table has all."""


def query_register(folder: Path, scope: Scope) -> Report:
    """L2 of the orders placed in the period; the parameter `member` picks one institution's."""
    with opened(folder, scope) as material:
        return Report(
            ReportCode.QUERY_REGISTER,
            scope.header(),
            (
                _figures(material),
                _chart(material),
                material.table(
                    "queries",
                    Both("Queries", "查询记录"),
                    (
                        # First, so that it names the row where the table is too wide for a page.
                        col("entry", "Entry", "账本条目", Kind.INTEGER),
                        col("institution", "Institution", "查询机构", Kind.CODE),
                        col("branch_region", "Branch (region)", "网点（地区）", Kind.CODE),
                        col("officer", "User", "查询用户", Kind.CODE),
                        col("placed_at", "Time", "查询时间", Kind.TIME),
                        coded("purpose", "Purpose", "查询原因"),
                        col("subject", "Subject", "被查询主体", Kind.CODE),
                        col("subject_region", "Region of the subject", "主体地区", Kind.CODE),
                        col("product", "Product", "产品", Kind.CODE),
                        col("sections", "Sections", "查询章节数", Kind.INTEGER),
                        coded("status", "State", "状态"),
                        col("found", "Found", "是否查得"),
                        col("authorised_at", "Authorised", "授权时间", Kind.TIME),
                        col("consent", "Consent", "授权编号", Kind.CODE),
                        coded("ground", "Ground of law", "法定依据"),
                        col("approver", "Approver", "复核人", Kind.CODE),
                        col("delivered_at", "Delivered", "交付时间", Kind.TIME),
                        col("order_id", "Order", "订单编号", Kind.CODE),
                        col("cost", "Cost", "费用", Kind.MONEY),
                        col("currency", "Currency", "币种", Kind.CODE),
                    ),
                    "SELECT o.placed_idx, o.orderer, o.orderer_region, o.officer, o.placed_at, "
                    "o.purpose, o.enterprise, o.enterprise_region, o.product, len(o.sections), "
                    "o.status, "
                    "CASE WHEN o.outcome IS NOT NULL THEN o.outcome <> 'NOT_FOUND' END, "
                    "coalesce(c.granted_at, o.approved_at), o.consent_id, o.ground, o.approved_by, "
                    "o.delivered_at, o.order_id, "
                    "CASE WHEN b.billed THEN b.price END, CASE WHEN b.billed THEN b.currency END "
                    "FROM orders o LEFT JOIN (SELECT consent_id, granted_at FROM consents) c "
                    "USING (consent_id) LEFT JOIN billing b ON o.order_id = b.order_id "
                    "WHERE in_period(o.placed_at) AND asked_for(o.orderer) "
                    "ORDER BY o.placed_idx",
                    note=Both(
                        "Cost: the price in force when ordered, once the delivery is acknowledged; "
                        "NULL: nothing is owed yet.",
                        "费用：下单时有效价格，交付确认后计入；NULL表示尚无应付费用。",
                    ),
                ),
                Text(
                    Both(
                        "Users and subjects are opaque ids: the log holds no names. A regulator "
                        "learns them in an inspection, and every look is recorded on the log. "
                        "Department, address of the terminal and real name are in the "
                        "institution's own register.",
                        "用户与主体均为匿名编号，账本不记载姓名或名称；监管机构仅可在检查中查明，"
                        "且每次查看均记入账本。部门、终端地址与真实姓名见机构自身登记簿。",
                    ),
                    Both("What is not here", "本表不含内容"),
                ),
            ),
        )


def _figures(material: Material) -> Figures:
    queries, users, subjects, lawful, unfound = material.one(
        "SELECT count(*), count(DISTINCT officer), count(DISTINCT enterprise), count(ground), "
        "count(*) FILTER (outcome = 'NOT_FOUND') FROM orders "
        "WHERE in_period(placed_at) AND asked_for(orderer)"
    )
    return Figures(
        (
            Figure("queries", Both("Queries", "查询笔数"), queries),
            Figure("users", Both("Users", "查询用户数"), users),
            Figure("subjects", Both("Subjects", "被查询主体数"), subjects),
            Figure("lawful", Both("on a ground of law", "依法免授权"), lawful),
            Figure("not_found", Both("not found", "未查得"), unfound),
        )
    )


def _chart(material: Material) -> Chart:
    rows = material.rows(
        "SELECT coalesce(orderer, 'NULL') AS who, count(*) AS n FROM orders "
        "WHERE in_period(placed_at) AND asked_for(orderer) "
        "GROUP BY who ORDER BY n DESC, who LIMIT ?",
        INSTITUTIONS_DRAWN,
    )
    return Chart(
        "by_institution",
        Both("Queries by institution", "各机构查询笔数"),
        tuple(row[0] for row in rows),
        (Series(Both("queries", "笔数"), tuple(row[1] for row in rows)),),
    )
