"""Of which log, up to where, for what time and under which rules a report speaks. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from regulator.report.value import (
    INTEGER_MAX,
    BadReport,
    Both,
    check_integer,
    check_name,
    check_text,
    check_value,
)


class ReportCode(StrEnum):
    """The ten reports; the value is the code under which one is filed."""

    DAILY_SUMMARY = "L1"
    QUERY_REGISTER = "L2"
    CONSENT_SAMPLE = "L3"
    SERVICE_LEVELS = "L4"
    FINDING_REGISTER = "L5"
    MEMBER_SCORECARD = "L6"
    DISPUTE_LEDGER = "L7"
    BILLING = "L8"
    INTEGRITY_CERTIFICATE = "L9"
    INSPECTION_DOSSIER = "L10"


TITLES: Final[Mapping[ReportCode, Both]] = {
    ReportCode.DAILY_SUMMARY: Both("Daily supervisory summary", "监管日报"),
    ReportCode.QUERY_REGISTER: Both("Query register", "查询登记簿"),
    ReportCode.CONSENT_SAMPLE: Both("Consent sample sheet", "授权抽样检查表"),
    ReportCode.SERVICE_LEVELS: Both("Service levels and outliers", "服务时效与异常表"),
    ReportCode.FINDING_REGISTER: Both("Finding register", "问题登记簿"),
    ReportCode.MEMBER_SCORECARD: Both("Member scorecard", "成员机构评分表"),
    ReportCode.DISPUTE_LEDGER: Both("Dispute ledger", "异议台账"),
    ReportCode.BILLING: Both("Billing and breaks", "计费与差异报告"),
    ReportCode.INTEGRITY_CERTIFICATE: Both("Ledger integrity certificate", "账本完整性证明"),
    ReportCode.INSPECTION_DOSSIER: Both("Inspection dossier", "现场检查卷宗"),
}


@dataclass(frozen=True, slots=True)
class Period:
    """What time a report is about: log time from `start_ms` on, before `end_ms`.

    `name` names its folder: `2026-11-25`, `2026-11`, `2026-11-01_2026-11-25`, or another short
    word. `zone` is the IANA name of the time zone whose days these are.
    """

    name: str
    start_ms: int
    end_ms: int
    zone: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}", self.name) or ".." in self.name:
            raise BadReport("a period's name cannot name its folder")
        if not 0 <= self.start_ms <= self.end_ms <= INTEGER_MAX:
            raise BadReport("a period ends before it begins")


@dataclass(frozen=True, slots=True)
class Header:
    """Of which log, up to where, under which rules a report speaks. It names no clock of ours.

    `as_of_ms` is the log's own time at `size`; `parameters` are (name, value) as asked for or
    drawn, the seed of a sample among them.
    """

    origin: str
    size: int
    root: str  # base64, as in the checkpoint
    as_of_ms: int
    rule_pack: str
    rule_pack_version: str
    period: Period
    parameters: tuple[tuple[str, str | int], ...] = ()

    def __post_init__(self) -> None:
        for text in (self.origin, self.root, self.rule_pack, self.rule_pack_version):
            check_text(text)
        check_integer(self.size)
        check_integer(self.as_of_ms)
        for name, value in self.parameters:
            check_name(name)
            check_value(value)
        if len(dict(self.parameters)) != len(self.parameters):
            raise BadReport("a parameter stands twice")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report is asked of: exactly the first `size` entries of the log, and a period.

    A run that was interrupted is made again from the same scope, to the same bytes: contents read
    nothing beyond `size`, know no clock, and draw samples from `seed` alone.
    """

    origin: str
    size: int
    root: str
    as_of_ms: int
    rule_pack: str
    rule_pack_version: str
    period: Period
    seed: int = 0
    parameters: tuple[tuple[str, str], ...] = ()  # as asked for: member, case, product

    def header(self, **drawn: str | int) -> Header:
        """The header of a report of this scope; `drawn` adds parameters, the seed where one was."""
        return Header(
            self.origin,
            self.size,
            self.root,
            self.as_of_ms,
            self.rule_pack,
            self.rule_pack_version,
            self.period,
            (*self.parameters, *drawn.items()),
        )

    def parameter(self, name: str) -> str | None:
        """What was asked for under a name."""
        return dict(self.parameters).get(name)
