"""Use: who asked, when, how often, about whom.

PURE. Rules U01 to U03, U05, U08, U11 and U12, on single acts; what needs the figures of a month or
a quarter (U04, U06, U07, U10) is in `regulator.audit.volume`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events import EVENTS, Body
from creditchain.events.codes import Role, Severity
from creditchain.events.consent import ConsentRequested
from creditchain.events.officer import OfficerAppointed
from creditchain.events.order import (
    CreditDecided,
    DeliveryAcknowledged,
    DeliveryDisputed,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderDeclined,
    OrderPlaced,
    ReportDelivered,
)
from regulator.audit.almanac import DAY_MS, MINUTE_MS
from regulator.audit.fact import Officer, Order
from regulator.audit.rule import (
    Concern,
    NoLimits,
    Regime,
    Rule,
    Said,
    View,
    limit,
)
from regulator.audit.volume import VOLUME_RULES

ROLES_FOR: Final[Mapping[type[Body], Role]] = {
    ConsentRequested: Role.ORDER,
    OrderPlaced: Role.ORDER,
    OrderCancelled: Role.ORDER,
    DeliveryAcknowledged: Role.ORDER,
    DeliveryDisputed: Role.ORDER,
    CreditDecided: Role.ORDER,
    OrderApproved: Role.APPROVE,
    OrderAccepted: Role.FULFIL,
    OrderDeclined: Role.FULFIL,
    ReportDelivered: Role.FULFIL,
}
"""Which role the acts of an order want, in the auditor's own words."""


def administrator_who_queries(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """U01. Who administers users and keys may not query.

    PBoC Xi'an, Xi-yin-fa-zi [2020] 7: a bank fined for one person holding both roles; FISCO BCOS
    chain governance keeps them apart likewise.
    """
    body = said.body
    assert isinstance(body, OfficerAppointed)
    if Role.ADMINISTER in body.roles and Role.ORDER in body.roles:
        yield Concern(view.member_of(said.by), officer=body.officer)


def approver_of_own_order(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """U02. Who approves an order is another person than who placed it.

    Four eyes: Yinfa [2018] 102, user management of connected institutions.
    """
    body = said.body
    assert isinstance(body, OrderApproved)
    order = view.get(Order, body.order)
    if order is not None and order.officer == said.by:
        yield Concern(order.orderer, [order.entry], said.by)


class NightOrders(NamedTuple):
    """The last local day on which an officer ordered outside duty hours."""

    id: str
    day: int


def order_outside_duty_hours(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """U03. Orders are placed within duty hours; each officer's first one outside them, each day.

    Practice of the PBoC's Credit Reference Center: queries at night and on holidays are where
    borrowed accounts showed. Hours and holidays are the rule pack's.
    """
    calendar = view.calendar
    if calendar.is_on_duty(said.at):
        return
    day = calendar.day(said.at)
    noted = view.get(NightOrders, said.by)
    if noted is None or noted.day != day:
        view.put(NightOrders(said.by, day))
        minute = (said.at - calendar.day_start(day)) // MINUTE_MS
        local = f"{minute // 60:02d}:{minute % 60:02d}"
        yield Concern(view.member_of(said.by), officer=said.by, facts={"localTime": local})


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often the same product about the same subject is too often."""

    times: int = limit(2, 16, "orders")
    within_hours: int = limit(1, 24 * 90, "hours")


class SubjectAsked(NamedTuple):
    """The newest orders of one institution for one product about one subject."""

    id: str
    recent: tuple[tuple[int, int], ...]  # (admitted at, entry), oldest first
    told_at: int


def same_subject_again(view: View, said: Said, limits: Repeats) -> Iterator[Concern]:
    """U05. The same institution asks for the same report about the same subject only so often.

    Practice: repeated queries on one subject are fishing, or a report passed on to third parties
    (the cross-province cases of the Credit Reference Center, 2001).
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    member = view.member_of(said.by) or said.by
    place = f"{member}/{body.enterprise}/{body.product}"
    noted = view.get(SubjectAsked, place) or SubjectAsked(place, (), 0)
    since = said.at - limits.within_hours * 60 * MINUTE_MS
    kept = tuple(one for one in noted.recent if one[0] > since)[-(limits.times - 1) :]
    recent = (*kept, (said.at, said.entry))
    told_at = noted.told_at
    if len(recent) >= limits.times and told_at <= since:
        told_at = said.at
        facts: dict[str, str | int] = {"enterprise": body.enterprise, "orders": len(recent)}
        yield Concern(member, [entry for _, entry in recent], said.by, facts)
    view.put(SubjectAsked(place, recent, told_at))


def act_after_the_end(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """U08. An officer who has left, or whose appointment has run out, no longer acts.

    Yinfa [2018] 102, user management: accounts are closed when their owner leaves.
    """
    if not said.by.startswith("of_"):
        return
    officer = view.get(Officer, said.by)
    if officer is None:
        return
    if officer.dismissed_at is not None:
        yield Concern(officer.member, [officer.entry], officer.id, {"why": "DISMISSED"})
    elif officer.expires_at is not None and officer.expires_at <= said.at:
        yield Concern(officer.member, [officer.entry], officer.id, {"why": "EXPIRED"})


@dataclass(frozen=True, slots=True)
class Dormancy:
    """When an account sleeps, and how many orders in a day mean that somebody woke it."""

    dormant_days: int = limit(7, 3_650, "days")
    orders: int = limit(1, 10_000, "orders in a day")


class Awake(NamedTuple):
    """An officer's newest order, and how many since the account slept, from when on."""

    id: str
    last_at: int
    woken_at: int
    woken_entry: int
    orders: int


def sleeper_awake(view: View, said: Said, limits: Dormancy) -> Iterator[Concern]:
    """U11. An account that was not used for long is suddenly busy.

    Practice: dormant accounts are what borrowed passwords open; institutions close them.
    """
    noted = view.get(Awake, said.by)
    if noted is None:
        view.put(Awake(said.by, said.at, 0, 0, 0))
        return
    if said.at - noted.last_at >= limits.dormant_days * DAY_MS:
        noted = Awake(said.by, said.at, said.at, said.entry, 0)
    if noted.woken_at and said.at - noted.woken_at < DAY_MS:
        orders = noted.orders + 1
        if orders == limits.orders:
            facts = {"orders": orders}
            yield Concern(view.member_of(said.by), [noted.woken_entry], said.by, facts)
        noted = noted._replace(orders=orders)
    view.put(noted._replace(last_at=said.at))


def act_without_the_role(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """U12. An officer does only what its member appointed it for.

    Regulation, article 22: institutions set the rights of their staff to query, and are answerable
    for who does.
    """
    if not said.by.startswith("of_"):
        return
    officer = view.get(Officer, said.by)
    role = ROLES_FOR[type(said.body)]
    if officer is None:
        yield Concern(None, officer=said.by, facts={"why": "UNKNOWN"})
    elif role not in officer.roles:
        yield Concern(officer.member, [officer.entry], said.by, {"role": role.value})


U01: Final = Rule(
    "U01",
    "One person both administers and queries",
    "管理员与查询员由同一人兼任",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    NoLimits,
    (OfficerAppointed,),
    administrator_who_queries,
)
U02: Final = Rule(
    "U02",
    "Order approved by who placed it",
    "查询申请人与审批人为同一人",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    (OrderApproved,),
    approver_of_own_order,
)
U03: Final = Rule(
    "U03",
    "Order outside duty hours",
    "非工作时间查询",
    Severity.LOW,
    Regime.ENTERPRISE,
    NoLimits,
    (OrderPlaced,),
    order_outside_duty_hours,
)
U05: Final = Rule(
    "U05",
    "Same subject again and again",
    "短期内对同一主体重复查询",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    Repeats,
    (OrderPlaced,),
    same_subject_again,
)
U08: Final = Rule(
    "U08",
    "Officer acting after the end of the appointment",
    "人员离岗或授权到期后仍操作",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    tuple(EVENTS.values()),
    act_after_the_end,
)
U11: Final = Rule(
    "U11",
    "Dormant account suddenly busy",
    "休眠用户突然活跃",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    Dormancy,
    (OrderPlaced,),
    sleeper_awake,
)
U12: Final = Rule(
    "U12",
    "Acting without the role",
    "越权操作",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    tuple(ROLES_FOR),
    act_without_the_role,
)

USE_RULES: Final[tuple[Rule[Any], ...]] = (U01, U02, U03, U05, U08, U11, U12, *VOLUME_RULES)
