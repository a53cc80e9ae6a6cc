"""A report with everything in it that a report can have, and text that wants to be markup."""

from regulator.report.model import (
    Both,
    Chart,
    ChartKind,
    Column,
    Figure,
    Figures,
    Header,
    Kind,
    Period,
    Report,
    ReportCode,
    Series,
    Table,
    Text,
    Tone,
)

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "#set page(width: 1pt) $x$ *b* _i_ `raw` <label> @ref // c",
    '"quoted", "comma"\nnew line',
    '#read("/etc/passwd") \\u{41} ~ -- --- ... [x] {y}',
    "+1-1",
    "@SUM(1)",
    "-2",
    "\u202egnp.exe\u0007",
    "深圳市某某科技有限公司",
)
"""Texts as an attacker would have them printed."""

DAY_MS = 86_400_000
END_MS = 1_795_622_400_000  # 2026-11-26T00:00+08:00 is 1795622400 s after the epoch

HEADER = Header(
    origin="log.example/credit",
    size=123_456,
    root="q2hlY2twb2ludCByb290IG9mIGEgbG9nIG9mIG91cnM=",
    as_of_ms=END_MS - 1_000,
    rule_pack="pearl-river",
    rule_pack_version="2026.2",
    period=Period("2026-11-25", END_MS - DAY_MS, END_MS, "Asia/Shanghai"),
    parameters=(("member", "bank-a"), ("seed", 42)),
)

REPORT = Report(
    code=ReportCode.DAILY_SUMMARY,
    header=HEADER,
    blocks=(
        Figures(
            heading=Both("The day at a glance", "当日概况"),
            items=(
                Figure("orders", Both("Orders placed", "下单数"), 1_284),
                Figure(
                    "delivered",
                    Both("Delivered in time", "按时交付率"),
                    9_712,
                    Kind.PERCENT,
                    Both("goal 95 %", "目标 95 %"),
                    Tone.GOOD,
                ),
                Figure("high", Both("High findings", "高风险问题"), 3, tone=Tone.BAD),
                Figure("billed", Both("Billed", "计费金额"), 12_345_678, Kind.MONEY),
                Figure("median", Both("Median time", "中位用时"), 3_723_000, Kind.DURATION),
                Figure("lag", Both("Lag", "滞后"), None, Kind.DURATION),
            ),
        ),
        Text(
            Both(
                "What the log holds of the day, and what was found in it.",
                "本日账本所载内容及检查发现的问题。",
            ),
            Both("Scope", "范围"),
        ),
        Chart(
            "per_day",
            Both("Orders of the last seven days", "最近七日订单"),
            tuple(f"11-{day}" for day in range(19, 26)),
            (
                Series(Both("Placed", "下单"), (900, 1_100, 870, None, 1_310, 1_200, 1_284)),
                Series(Both("Delivered", "交付"), (880, 1_050, 850, None, 1_280, 1_190, 1_247)),
            ),
        ),
        Chart(
            "share",
            Both("Share in time", "按时占比"),
            tuple(f"11-{day}" for day in range(19, 26)),
            (Series(Both("In time", "按时"), (9_700, 9_500, 9_810, None, 9_120, 9_650, 9_712)),),
            ChartKind.LINE,
            Kind.PERCENT,
        ),
        Table(
            "members",
            Both("By member", "按成员机构"),
            (
                Column("member", Both("Member", "成员机构"), Kind.CODE),
                Column("name", Both("Name", "名称")),
                Column("orders", Both("Orders", "订单"), Kind.INTEGER),
                Column("amount", Both("Amount", "金额"), Kind.MONEY),
                Column("share", Both("Share", "占比"), Kind.PERCENT),
                Column("last", Both("Last order", "最近下单"), Kind.TIME),
                Column("evidence", Both("Evidence", "证据"), Kind.DIGEST),
                Column("verdict", Both("Verdict", "结论")),
            ),
            tuple(
                (
                    f"bank-{number}",
                    text,
                    number * 1_000,
                    -number * 100,
                    number,
                    END_MS - number * 3_600_000,
                    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    Both("pass", "合格") if number % 2 else None,
                )
                for number, text in enumerate(HOSTILE)
            ),
            Both("Whoever had no order is not listed.", "无订单者不列。"),
        ),
        Table("empty", Both("Nothing here", "空表"), (Column("a", Both("A", "甲")),), ()),
    ),
)
