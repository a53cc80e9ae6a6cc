"""L10, the inspection dossier: a case, its looks, what the member is held to, and its orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from regulator.report.contents.material import Material, coded, col, opened, shaped
from regulator.report.contents.words import word
from regulator.report.model import (
    POINTS_MAX,
    BadReport,
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

ORDERS_SHOWN: Final = 5_000
"""Orders that the findings concern: the first ones."""

FINDINGS_SHOWN: Final = 10_000


def inspection_dossier(folder: Path, scope: Scope) -> Report:
    """L10 of the parameter `case`: a case's id, or the number of its notice."""
    asked = scope.parameter("case")
    if asked is None:
        raise BadReport("which inspection? give the parameter case=…, an id or a notice number")
    with opened(folder, scope) as material:
        case = _case(material, asked)
        member = case["member"]
        _collect(material, case)
        return Report(
            ReportCode.INSPECTION_DOSSIER,
            scope.header(),
            (
                _figures(material, case),
                _facts(case),
                _looks(material, case),
                _findings(material),
                _by_month(material),
                _orders(material),
                _entries(material),
                _standings(material, member),
                _officers(material, member),
                _keys(material, member),
                Text(
                    Both(
                        "Names are not in this dossier: they are shown in the open case alone, to "
                        "its two officers, and each look is an entry of the log. When the case is "
                        "closed the member sees the case and every look in it. Each entry listed "
                        "can be checked against any copy of the log by its commitment.",
                        "本卷宗不含姓名或名称：仅在案件有效期间向两名检查人员展示，每次查看均为账本条目。"
                        "结案后被检查机构可见案件及全部查看记录。所列条目均可凭承诺值与任一账本副本核对。",
                    ),
                    Both("Names", "关于姓名"),
                ),
            ),
        )


def _case(material: Material, asked: str) -> dict[str, Any]:
    try:
        case_id = UUID(asked)
    except ValueError:
        case_id = None
    rows = material.rows(
        "SELECT * FROM inspections WHERE case_id = ?::UUID OR notice = ? ORDER BY opened_idx",
        case_id,
        asked,
    )
    names = [one[0] for one in material.session.base.description or ()]
    if not rows:
        raise BadReport(f"there is no inspection {asked[:60]} at this size of the log")
    if len(rows) > 1:
        raise BadReport(f"{len(rows)} inspections have the notice {asked[:60]}; give the case's id")
    return dict(zip(names, rows[0], strict=True))


def _collect(material: Material, case: dict[str, Any]) -> None:
    """The findings that the case follows up, and the member's others."""
    material.session.base.execute(
        "CREATE TEMP TABLE held AS SELECT *, list_contains(?::VARCHAR[], finding) AS followed "
        "FROM findings WHERE member = ? OR list_contains(?::VARCHAR[], finding)",
        [case["findings"] or [], case["member"], case["findings"] or []],
    )
    material.session.base.execute(
        "CREATE TEMP TABLE cited AS SELECT DISTINCT unnest(entries) AS idx FROM held"
    )


def _figures(material: Material, case: dict[str, Any]) -> Figures:
    findings, high, open_ = material.one(
        "SELECT count(*), count(*) FILTER (severity = 'HIGH'), "
        "count(*) FILTER (state <> 'CLOSED') FROM held"
    )
    outside = material.one(
        "SELECT count(*) FROM looks WHERE case_id = ? AND NOT in_open_case", case["case_id"]
    )[0]
    return Figures(
        (
            Figure("followed", Both("Findings followed up", "跟进问题"),
                   len(case["findings"] or [])),
            Figure("findings", Both("held against the member", "该机构全部问题"), findings),
            Figure("high", Both("of them high", "其中高风险"), high),
            Figure("open", Both("not closed", "未结案"), open_),
            Figure("looks", Both("Looks at identities", "身份查看次数"), case["looks"]),
            Figure("subjects", Both("persons and enterprises seen", "被查看主体"),
                   case["subjects_seen"]),
            Figure(
                "outside",
                Both("looks outside the open case", "案件外查看"),
                outside,
                tone=Tone.BAD if outside else Tone.GOOD,
            ),
        )
    )  # fmt: skip


def _facts(case: dict[str, Any]) -> Table:
    times = ("opened_at", "approved_at", "closed_at")
    opened_at, approved_at, closed_at = (case[name] for name in times)
    rows = [
        (Both("Case", "案件编号"), str(case["case_id"]), None),
        (Both("Notice", "检查通知书"), case["notice"], None),
        (Both("Member", "被检查机构"), case["member"], None),
        (Both("Matter", "事由"), word(case["matter"]), None),
        (Both("Opened by", "立案人"), case["opened_by"], opened_at),
        (Both("Approved by", "批准人"), case["approved_by"], approved_at),
        (Both("Closed", "结案"), None, closed_at),
    ]
    return shaped(
        "facts",
        Both("The case", "案件"),
        (
            col("fact", "Fact", "项目"),
            col("value", "Value", "内容"),
            col("at", "At", "时间", Kind.TIME),
        ),
        rows,
    )


def _looks(material: Material, case: dict[str, Any]) -> Table:
    return material.table(
        "looks",
        Both("Looks at identities", "身份查看记录"),
        (
            col("looked_at", "At", "时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("officer", "Officer", "检查人员", Kind.CODE),
            coded("ground", "Ground", "理由"),
            col("subjects", "Whom", "被查看主体", Kind.CODE),
            col("objections", "Objections read along", "一并查阅异议", Kind.CODE),
            col("in_open_case", "In the open case", "案件有效期内"),
        ),
        "SELECT looked_at, idx, officer, ground, array_to_string(subjects, ' '), "
        "array_to_string(objections, ' '), in_open_case FROM looks WHERE case_id = ? ORDER BY idx",
        case["case_id"],
    )


def _findings(material: Material) -> Table:
    return material.table(
        "findings",
        Both("Findings, those followed up first", "问题（跟进项在前）"),
        (
            col("followed", "Followed up", "跟进"),
            col("code", "Rule", "规则", Kind.CODE),
            coded("what", "What", "问题"),
            coded("severity", "Severity", "严重程度"),
            col("officer", "Officer", "操作人员", Kind.CODE),
            col("found_at", "At", "时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            coded("state", "State", "状态"),
            coded("reply", "Reply", "答复"),
            coded("outcome", "Outcome", "处理结果"),
            col("facts", "Facts", "事实"),
            col("finding", "Finding", "问题编号", Kind.DIGEST),
        ),
        "SELECT followed, code, code, severity, officer, found_at, idx, state, reply, outcome, "
        "detail, finding FROM held ORDER BY followed DESC, "
        "list_position(['HIGH', 'MEDIUM', 'LOW'], severity), idx, finding LIMIT ?",
        FINDINGS_SHOWN,
    )


def _by_month(material: Material) -> Chart:
    rows = material.rows(
        "SELECT strftime(month_of(found_at), '%Y-%m') AS month, count(*) FROM held "
        "WHERE found_at IS NOT NULL GROUP BY month ORDER BY month DESC LIMIT ?",
        POINTS_MAX,
    )[::-1]
    return Chart(
        "months",
        Both("Findings by month", "每月问题数"),
        tuple(row[0] for row in rows),
        (Series(Both("findings", "问题"), tuple(row[1] for row in rows)),),
        ChartKind.BAR,
    )


def _orders(material: Material) -> Table:
    return material.table(
        "orders",
        Both("Orders concerned", "相关订单"),
        (
            col("order_id", "Order", "订单编号", Kind.CODE),
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("placed_at", "Placed", "下单时间", Kind.TIME),
            col("orderer", "Orderer", "查询机构", Kind.CODE),
            col("officer", "Officer", "操作人员", Kind.CODE),
            col("enterprise", "Enterprise", "企业", Kind.CODE),
            col("product", "Product", "产品", Kind.CODE),
            coded("purpose", "Purpose", "用途"),
            col("consent", "Consent", "授权编号", Kind.CODE),
            coded("ground", "Ground of law", "法定依据"),
            coded("status", "State", "状态"),
            col("delivered_at", "Delivered", "交付时间", Kind.TIME),
        ),
        "SELECT o.order_id, o.placed_idx, o.placed_at, o.orderer, o.officer, o.enterprise, "
        "o.product, o.purpose, o.consent_id, o.ground, o.status, o.delivered_at FROM orders o "
        "SEMI JOIN (SELECT e.order_id FROM entries e SEMI JOIN cited c ON e.idx = c.idx "
        "WHERE e.order_id IS NOT NULL) t ON o.order_id = t.order_id ORDER BY o.placed_idx LIMIT ?",
        ORDERS_SHOWN,
        note=Both(f"At most {ORDERS_SHOWN}.", f"最多显示{ORDERS_SHOWN}笔。"),
    )


def _entries(material: Material) -> Table:
    return material.table(
        "entries",
        Both("Entries that prove the findings", "佐证条目"),
        (
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("happened_at", "At", "时间", Kind.TIME),
            col("type", "Event", "事件", Kind.CODE),
            col("event_id", "Event id", "事件编号", Kind.CODE),
            col("signer", "Signed by", "签署者", Kind.CODE),
            col("acting", "For", "所属机构", Kind.CODE),
            col("has_body", "Body at hand", "正文在案"),
            col("commitment", "Commitment", "承诺值", Kind.DIGEST),
        ),
        "SELECT v.idx, v.happened_at, v.type, v.event_id, v.signer, v.acting, v.has_body, "
        "v.commitment FROM events v SEMI JOIN cited c ON v.idx = c.idx ORDER BY v.idx LIMIT ?",
        ORDERS_SHOWN,
    )


def _standings(material: Material, member: str | None) -> Table:
    return material.table(
        "standings",
        Both("Standing of the member", "机构状态变更"),
        (
            col("happened_at", "At", "时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            coded("change", "Change", "变更"),
            coded("ground", "Ground", "理由"),
            col("signer", "Signed by", "签署者", Kind.CODE),
        ),
        "SELECT happened_at, idx, change, ground, signer FROM standings WHERE member = ? "
        "ORDER BY idx",
        member,
    )


def _officers(material: Material, member: str | None) -> Table:
    return material.table(
        "officers",
        Both("Officers of the member", "机构人员"),
        (
            col("officer", "Officer", "人员编号", Kind.CODE),
            coded("roles", "Roles", "权限"),
            col("appointed_at", "Appointed", "任命时间", Kind.TIME),
            col("entry", "Entry", "条目", Kind.INTEGER),
            col("expires_at", "Expires", "到期", Kind.TIME),
            col("dismissed_at", "Dismissed", "注销时间", Kind.TIME),
            col("findings", "Findings", "问题数", Kind.INTEGER),
        ),
        "SELECT o.officer, o.roles, o.appointed_at, o.appointed_idx, o.expires_at, "
        "o.dismissed_at, coalesce(h.n, 0) FROM officers o LEFT JOIN (SELECT officer, "
        "count(*) AS n FROM held GROUP BY officer) h USING (officer) WHERE o.member = ? "
        "ORDER BY o.appointed_idx",
        member,
    )


def _keys(material: Material, member: str | None) -> Table:
    return material.table(
        "keys",
        Both("Keys of the member", "机构公钥"),
        (
            col("kid", "Thumbprint", "指纹", Kind.DIGEST),
            col("alg", "Algorithm", "算法", Kind.CODE),
            col("added_at", "Added", "登记时间", Kind.TIME),
            col("expires_at", "Expires", "到期", Kind.TIME),
            col("revoked_at", "Revoked", "吊销时间", Kind.TIME),
            coded("reason", "Reason", "原因"),
            col("compromised_since", "Compromised since", "泄露起始", Kind.TIME),
        ),
        "SELECT kid, alg, added_at, expires_at, revoked_at, revoked_reason, compromised_since "
        "FROM keys WHERE owner = ? ORDER BY added_idx, kid",
        member,
    )
