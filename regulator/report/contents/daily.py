"""L1, the daily supervisory summary: what happened, who did it, what is wrong and still open."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from regulator.report.contents.material import DAY_MS, Material, coded, col, opened, share
from regulator.report.contents.words import word
from regulator.report.model import (
    POINTS_MAX,
    Both,
    Chart,
    ChartKind,
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

SHARE_WATCHED: Final = 1_000
"""From ten in a hundred on, a share of failed orders is marked: practice of query managers."""

FINDINGS_SHOWN: Final = 200
"""Findings of the period in the summary; all of them are in the register, L5."""

HOURS_OF_DAYS_MAX: Final = 2
"""Up to two days are drawn by the hour, longer periods by the day."""


def daily_summary(folder: Path, scope: Scope) -> Report:
    """L1 of the period, with the standing at its end."""
    with opened(folder, scope) as material:
        # Once: the view goes through every order of the log each time.
        material.session.base.execute(
            "CREATE TEMP TABLE placed AS SELECT orderer, officer, enterprise, agency, purpose, "
            "cross_region, ground, status, outcome, decision, amount, currency, served_ms, "
            "delivered_at, disputed_at FROM orders WHERE in_period(placed_at)"
        )
        return Report(
            ReportCode.DAILY_SUMMARY,
            scope.header(),
            (
                _figures(material),
                _course(material),
                _outcomes(material),
                _institutions(material),
                _agencies(material),
                _findings(material),
                _changes(material),
                _standing(material),
                Text(
                    Both(
                        "Times are those at which the log admitted an event. A share of a region "
                        "compares the first four digits of the codes of orderer and enterprise. "
                        "Entries whose body was erased by law are counted where their type tells, "
                        "and show NULL otherwise.",
                        "时间均为账本收录事件的时间。跨地区占比比较查询机构与企业行政区划代码前四位。"
                        "依法删除正文的条目按类型计数，其余内容显示为NULL。",
                    )
                ),
            ),
        )


def _figures(material: Material) -> Figures:
    placed, delivered, failed, late, granted, amount = material.one(
        "SELECT count(*), count(delivered_at), "
        "count(*) FILTER (outcome = 'NOT_FOUND' OR status IN ('DECLINED', 'LAPSED')), "
        "count(*) FILTER (status = 'LAPSED'), count(*) FILTER (decision = 'GRANTED'), "
        "coalesce(sum(amount) FILTER (decision = 'GRANTED' AND currency = 'CNY'), 0)::BIGINT "
        "FROM placed"
    )
    asked = _count(material, "ConsentGranted")
    withdrawn = _count(material, "ConsentWithdrawn")
    disputed = _count(material, "DeliveryDisputed")
    objected = _count(material, "ObjectionRaised")
    high, new, open_ = material.one(
        "SELECT count(*) FILTER (in_period(found_at) AND severity = 'HIGH'), "
        "count(*) FILTER (in_period(found_at)), count(*) FILTER (state <> 'CLOSED') FROM findings"
    )
    failed_share = share(failed, placed)
    return Figures(
        (
            Figure("placed", Both("Orders placed", "下单数"), placed),
            Figure("delivered", Both("of them delivered", "其中已交付"), delivered),
            Figure(
                "failed",
                Both("declined, lapsed or not found", "拒绝、失效或未查得占比"),
                failed_share,
                Kind.PERCENT,
                tone=Tone.WARN if (failed_share or 0) >= SHARE_WATCHED else Tone.PLAIN,
            ),
            Figure(
                "lapsed",
                Both("lapsed unserved", "逾期未履约"),
                late,
                tone=Tone.WARN if late else Tone.GOOD,
            ),
            Figure("granted", Both("followed by credit", "随后获贷"), granted),
            Figure("amount", Both("credit granted, CNY", "授信金额（人民币）"), amount, Kind.MONEY),
            Figure("consents", Both("Consents granted", "新增授权"), asked),
            Figure("withdrawn", Both("Consents withdrawn", "撤回授权"), withdrawn),
            Figure("disputes", Both("Deliveries disputed", "交付争议"), disputed),
            Figure("objections", Both("Objections raised", "企业异议"), objected),
            Figure(
                "findings_high",
                Both("New high findings", "新增高风险问题"),
                high,
                note=Both(f"of {new} new", f"新增问题共{new}项"),
                tone=Tone.BAD if high else Tone.GOOD,
            ),
            Figure(
                "findings_open",
                Both("Findings not closed", "未结案问题"),
                open_,
                tone=Tone.WARN if open_ else Tone.GOOD,
            ),
        ),
        Both("At a glance", "概览"),
    )


def _count(material: Material, type_: str) -> int:
    count: int = material.one(
        "SELECT count(*) FROM entries WHERE type = ? AND in_period(make_timestamp_ms(at_ms))", type_
    )[0]
    return count


def _course(material: Material) -> Chart:
    """Orders and deliveries over the period: by the hour, by the day, or by several days."""
    period = material.scope.period
    length = period.end_ms - period.start_ms
    days = -(-length // DAY_MS)
    hourly = days <= HOURS_OF_DAYS_MAX
    step = DAY_MS // 24 if hourly else DAY_MS * -(-days // POINTS_MAX)
    points = max(1, -(-length // step))
    rows = material.rows(
        "SELECT (at_ms - ?) // ? AS point, count(*) FILTER (type = 'OrderPlaced'), "
        "count(*) FILTER (type = 'ReportDelivered') FROM entries "
        "WHERE type IN ('OrderPlaced', 'ReportDelivered') "
        "AND in_period(make_timestamp_ms(at_ms)) GROUP BY point ORDER BY point",
        period.start_ms,
        step,
    )
    counted: dict[int, tuple[Any, ...]] = {row[0]: row[1:] for row in rows}
    names: dict[int, str] = dict(
        material.rows(
            "SELECT i, strftime(timezone(?, timezone('UTC', make_timestamp_ms(? + i * ?))), ?) "
            "FROM range(?) r(i)",
            period.zone,
            period.start_ms,
            step,
            "%H:%M" if hourly and days == 1 else "%m-%d %H" if hourly else "%m-%d",
            points,
        )
    )
    return Chart(
        "course",
        Both("Orders and deliveries over time", "下单与交付走势"),
        tuple(names[point] for point in range(points)),
        tuple(
            Series(label, tuple(counted.get(point, (0, 0))[at] for point in range(points)))
            for at, label in enumerate((Both("placed", "下单"), Both("delivered", "交付")))
        ),
        ChartKind.LINE,
    )


def _outcomes(material: Material) -> Chart:
    ends = ("COMPLETE", "PARTIAL", "NOT_FOUND", "DECLINED", "LAPSED", "CANCELLED", "OPEN")
    counted = dict(
        material.rows(
            "SELECT coalesce(outcome, CASE WHEN status IN ('DECLINED', 'LAPSED', 'CANCELLED') "
            "THEN status ELSE 'OPEN' END) AS how, count(*) FROM placed GROUP BY how ORDER BY how"
        )
    )
    return Chart(
        "outcomes",
        Both("What became of the orders", "订单结果"),
        tuple(word(end) for end in ends),
        (Series(Both("orders", "订单数"), tuple(counted.get(end, 0) for end in ends)),),
    )


def _institutions(material: Material) -> Table:
    return material.table(
        "institutions",
        Both("Institutions that ordered", "查询机构"),
        (
            col("member", "Institution", "机构", Kind.CODE),
            col("name", "Name", "名称"),
            col("orders", "Orders", "下单数", Kind.INTEGER),
            col("officers", "Officers", "操作人员数", Kind.INTEGER),
            col("enterprises", "Enterprises", "企业数", Kind.INTEGER),
            col("other_purpose", "Purpose “other”", "“其他”用途占比", Kind.PERCENT),
            col("cross_region", "Cross-region", "跨地区占比", Kind.PERCENT),
            col("failed", "Failed", "失败占比", Kind.PERCENT),
            col("no_consent", "On a ground of law", "依法免授权", Kind.INTEGER),
            col("disputed", "Disputed", "争议", Kind.INTEGER),
            col("granted", "Followed by credit", "获贷", Kind.INTEGER),
        ),
        "SELECT o.orderer, any_value(m.name), count(*) AS orders, count(DISTINCT o.officer), "
        "count(DISTINCT o.enterprise), "
        "count(*) FILTER (o.purpose = 'OTHER') * 10000 // nullif(count(o.purpose), 0), "
        "count(*) FILTER (o.cross_region) * 10000 // nullif(count(o.cross_region), 0), "
        "count(*) FILTER (o.outcome = 'NOT_FOUND' OR o.status IN ('DECLINED', 'LAPSED')) * 10000 "
        "// count(*), count(o.ground), count(o.disputed_at), "
        "count(*) FILTER (o.decision = 'GRANTED') "
        "FROM placed o LEFT JOIN members m ON o.orderer = m.member "
        "GROUP BY o.orderer ORDER BY orders DESC, o.orderer",
    )


def _agencies(material: Material) -> Table:
    return material.table(
        "agencies",
        Both("Agencies that served", "征信机构"),
        (
            col("member", "Agency", "机构", Kind.CODE),
            col("name", "Name", "名称"),
            col("orders", "Orders", "订单数", Kind.INTEGER),
            col("delivered", "Delivered", "交付数", Kind.INTEGER),
            col("median", "Half within", "半数交付用时", Kind.DURATION),
            col("slow", "Nine in ten within", "九成交付用时", Kind.DURATION),
            col("partial", "Partial", "部分交付", Kind.INTEGER),
            col("not_found", "Not found", "未查得", Kind.INTEGER),
            col("declined", "Declined", "拒绝", Kind.INTEGER),
            col("lapsed", "Lapsed", "逾期失效", Kind.INTEGER),
        ),
        "SELECT o.agency, any_value(m.name), count(*) AS orders, count(o.delivered_at), "
        "quantile_disc(o.served_ms, 0.5), quantile_disc(o.served_ms, 0.9), "
        "count(*) FILTER (o.outcome = 'PARTIAL'), count(*) FILTER (o.outcome = 'NOT_FOUND'), "
        "count(*) FILTER (o.status = 'DECLINED'), count(*) FILTER (o.status = 'LAPSED') "
        "FROM placed o LEFT JOIN members m ON o.agency = m.member "
        "GROUP BY o.agency ORDER BY orders DESC, o.agency",
    )


def _findings(material: Material) -> Table:
    return material.table(
        "findings",
        Both("New findings, the heaviest first", "新增问题（按严重程度）"),
        (
            col("code", "Code", "代码", Kind.CODE),
            coded("what", "What", "问题"),
            coded("severity", "Severity", "严重程度"),
            coded("origin", "Found by", "发现来源"),
            col("member", "Institution", "机构", Kind.CODE),
            col("officer", "Officer", "操作人员", Kind.CODE),
            col("found_at", "At", "时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            coded("state", "State", "状态"),
            col("finding", "Finding", "问题编号", Kind.DIGEST),
        ),
        "SELECT code, code, severity, origin, member, officer, found_at, idx, state, finding "
        "FROM findings WHERE in_period(found_at) "
        "ORDER BY list_position(['HIGH', 'MEDIUM', 'LOW'], severity), idx, finding LIMIT ?",
        FINDINGS_SHOWN,
        note=Both(
            f"At most {FINDINGS_SHOWN}; the finding register (L5) has all.",
            f"最多显示{FINDINGS_SHOWN}项，全部见问题登记簿（L5）。",
        ),
    )


def _changes(material: Material) -> Table:
    return material.table(
        "changes",
        Both("Changes of members, officers, products and bodies", "成员、人员、产品与正文变更"),
        (
            col("happened_at", "At", "时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("event", "Event", "事件", Kind.CODE),
            col("acting", "By", "操作机构", Kind.CODE),
            col("concerns", "Concerns", "涉及对象", Kind.CODE),
            coded("ground", "Ground", "理由"),
        ),
        "SELECT make_timestamp_ms(e.at_ms), e.idx, e.type, coalesce(o.member, e.signer), "
        "coalesce(e.member, e.officer, e.product, e.subject, e.target_idx::VARCHAR), "
        "coalesce(e.ground, e.reason) FROM entries e LEFT JOIN officers o ON e.signer = o.officer "
        "WHERE in_period(make_timestamp_ms(e.at_ms)) AND e.type IN "
        "('RulebookAdopted', 'MemberAdmitted', 'MemberSuspended', 'MemberReinstated', "
        "'MemberWithdrawn', 'MemberKeyAdded', 'MemberKeyRevoked', 'OfficerAppointed', "
        "'OfficerDismissed', 'ProductOffered', 'ProductWithdrawn', 'BodyErased', "
        "'DirectoryErased', 'RecordsSuperseded') ORDER BY e.idx",
    )


def _standing(material: Material) -> Figures:
    (row,) = material.rows("SELECT * FROM headline")
    names = [one[0] for one in material.session.base.description or ()]
    told = dict(zip(names, row, strict=True))
    labels = (
        ("members", Both("Members", "成员机构")),
        ("query_institutions", Both("Institutions that queried", "查询机构")),
        ("query_users", Both("Query users", "查询用户")),
        ("enterprises", Both("Enterprises", "覆盖企业")),
        ("records", Both("Credit records", "信用信息条数")),
        ("consents", Both("Online authorisations", "线上授权次数")),
        ("orders", Both("Orders", "订单")),
        ("reports", Both("Reports delivered", "交付报告")),
        ("borrowers", Both("Borrowers granted credit", "获贷主体")),
    )
    return Figures(
        (
            *(Figure(name, label, told[name]) for name, label in labels),
            Figure(
                "credit",
                Both("Credit granted", "累计授信金额"),
                told["credit"],
                Kind.MONEY,
                note=Both(told["currency"], told["currency"]) if told["currency"] else None,
            ),
        ),
        Both("Since the beginning of the log", "账本启用以来累计"),
    )
