"""Purpose: that of the consent, rarely OTHER, and post-loan only where there is a loan.

PURE. Rules C04, C05 and C15 of the theme consent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import CreditDecision, MemberKind, Purpose, Severity
from creditchain.events.order import CreditDecided, OrderPlaced
from regulator.audit.almanac import DAY_MS
from regulator.audit.fact import Consent, Member, Order, proof_of
from regulator.audit.rule import (
    Concern,
    Due,
    NoLimits,
    Regime,
    Rule,
    Said,
    View,
    limit,
)


def purpose_not_consented(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C04. An order is for the purpose to which the subject consented.

    Measures for the Administration of Credit Reporting Business (PBoC Order 4 of 2021): credit
    information is used for a lawful purpose and not abused. Regulation, articles 20 and 42, of
    persons: for the agreed purpose, on pain of 20,000 to 200,000 yuan.
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    consent = None if body.consent is None else view.get(Consent, body.consent)
    if consent is not None and consent.purpose != body.purpose.value:
        facts = {"order": said.id, "consented": consent.purpose, "ordered": body.purpose.value}
        yield Concern(view.member_of(said.by), proof_of(consent), said.by, facts)


class Purposes(NamedTuple):
    """The orders of one institution in one month, and those for the purpose OTHER."""

    id: str
    orders: int
    others: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class OtherShare:
    """`floor`: fewer orders for OTHER in a month are not judged."""

    cap_percent: int = limit(1, 100, "percent")
    floor: int = limit(1, 1_000_000, "orders")


def too_many_others(view: View, said: Said, _limits: OtherShare) -> Iterator[Concern]:
    """C05. The purpose OTHER is an exception; its share in an institution's orders of a month is
    capped.

    Bank query management (SmartQUERY): the indicator OTHER_REASON_ZBSX. The Measures want a lawful
    purpose, which OTHER does not state.
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    member = view.member_of(said.by)
    if member is None:
        return
    month = view.calendar.month(said.at)
    name = f"{member}/{month // 12}-{month % 12 + 1:02}"
    so_far = view.get(Purposes, name)
    if so_far is None:
        so_far = Purposes(name, 0, 0, said.entry, said.entry)
        view.wake(view.calendar.month_start(month + 1), name)
    so_far = so_far._replace(orders=so_far.orders + 1)
    if body.purpose is Purpose.OTHER:
        first = so_far.first if so_far.others else said.entry
        so_far = so_far._replace(others=so_far.others + 1, first=first, last=said.entry)
    view.put(so_far)
    yield from ()


def judge_others(view: View, due: Due, limits: OtherShare) -> Iterator[Concern]:
    """The month is over."""
    month = view.get(Purposes, due.key)
    assert month is not None, "woken for a month with orders"
    if month.others < limits.floor or month.others * 100 <= limits.cap_percent * month.orders:
        return
    member, _, name = due.key.rpartition("/")
    facts: dict[str, str | int] = {"month": name, "orders": month.orders, "other": month.others}
    yield Concern(member, [month.first, month.last], facts=facts)


class Exposure(NamedTuple):
    """The newest credit that a bank granted to an enterprise, as `bank/enterprise`."""

    id: str
    granted_at: int
    entry: int


@dataclass(frozen=True, slots=True)
class PostLoan:
    """`months`: how long credit once granted counts as live; `settling_days`: after its admission
    a bank still has loans that the log knows nothing of."""

    months: int = limit(1, 600, "months")
    settling_days: int = limit(0, 36_500, "days")


def no_exposure(view: View, said: Said, limits: PostLoan) -> Iterator[Concern]:
    """C15. Post-loan management is for whom the bank has lent to.

    Query reason 30 (post-loan management); ReBIT templates for monitoring and collection presuppose
    a live loan. The Measures: no use beyond a lawful purpose.
    """
    body = said.body
    member = view.member_of(said.by)
    if isinstance(body, CreditDecided):
        order = view.get(Order, body.order)
        if body.decision is CreditDecision.GRANTED and order is not None:
            view.put(Exposure(f"{member}/{order.enterprise}", said.at, said.entry))
        return
    assert isinstance(body, OrderPlaced)
    bank = None if member is None else view.get(Member, member)
    if (
        body.purpose is not Purpose.POST_LOAN_MANAGEMENT
        or bank is None
        or bank.kind != MemberKind.BANK
        or said.at < bank.admitted_at + limits.settling_days * DAY_MS
    ):
        return
    exposure = view.get(Exposure, f"{member}/{body.enterprise}")
    if exposure is None:
        yield Concern(member, [bank.entry], said.by, {"why": "NEVER_LENT", "order": said.id})
    else:
        months = view.calendar.month(said.at) - view.calendar.month(exposure.granted_at)
        if months > limits.months:
            facts: dict[str, str | int] = {"why": "LONG_AGO", "order": said.id, "months": months}
            yield Concern(member, [exposure.entry], said.by, facts)


PURPOSE_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "C04",
        "Purpose other than consented",
        "查询原因与授权用途不符",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (OrderPlaced,),
        purpose_not_consented,
    ),
    Rule(
        "C05",
        "Too large a share of the purpose OTHER",
        "“其他”查询原因占比过高",
        Severity.LOW,
        Regime.ENTERPRISE,
        OtherShare,
        (OrderPlaced,),
        too_many_others,
        judge_others,
    ),
    Rule(
        "C15",
        "Post-loan query without a live exposure",
        "无存续授信的贷后管理查询",
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        PostLoan,
        (CreditDecided, OrderPlaced),
        no_exposure,
    ),
)
