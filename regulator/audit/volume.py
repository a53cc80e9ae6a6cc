"""Volume: figures over a day, a month, a quarter, for officers and institutions.

PURE. Rules U04, U06, U07 and U10. Each keeps running counts, so an order costs the same on a log of
any length; what can only be judged when a month is over is judged at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import DeclineCode, Outcome, Severity
from creditchain.events.order import OrderDeclined, OrderPlaced, ReportDelivered
from regulator.audit.fact import Enterprise, Member, Order
from regulator.audit.rule import (
    Concern,
    Due,
    Regime,
    Rule,
    Said,
    View,
    codes,
    limit,
)

WEEKS_KEPT: Final = 13
"""Three months, in weeks: the average is over these."""


@dataclass(frozen=True, slots=True)
class Surge:
    """When a day's orders of one officer are out of all proportion."""

    times_average: int = limit(2, 100, "times the daily average of three months")
    floor: int = limit(2, 100_000, "orders a day, below which nothing is a surge")
    history_days: int = limit(7, 91, "days that must be known for an average")


class Pace(NamedTuple):
    """An officer's orders: today's, and those of the last weeks by week."""

    id: str
    first_day: int
    day: int
    today: int
    today_entry: int
    weeks: tuple[tuple[int, int], ...]  # (week, orders), oldest first, without today


def officer_in_a_surge(view: View, said: Said, limits: Surge) -> Iterator[Concern]:
    """U04. An officer's orders of a day are within a multiple of the average of three months.

    Indicator of the Credit Reference Center: volume far above the usual is how 26,000 reports
    pulled by one clerk were found.
    """
    day = view.calendar.day(said.at)
    pace = view.get(Pace, said.by) or Pace(said.by, day, day, 0, said.entry, ())
    if pace.day != day:
        weeks = dict(pace.weeks)
        weeks[pace.day // 7] = weeks.get(pace.day // 7, 0) + pace.today
        kept = tuple((w, n) for w, n in sorted(weeks.items()) if w > day // 7 - WEEKS_KEPT)
        pace = Pace(said.by, pace.first_day, day, 0, said.entry, kept)
    pace = pace._replace(today=pace.today + 1)
    view.put(pace)
    days = min(day - pace.first_day, WEEKS_KEPT * 7)
    if days < limits.history_days:
        return
    earlier = sum(orders for _, orders in pace.weeks)
    # The first order that is too many, in integers: today > times * earlier / days.
    too_many = max(limits.floor, limits.times_average * earlier // days + 1)
    if pace.today == too_many:
        facts = {"orders": pace.today, "earlier": earlier, "days": days}
        yield Concern(view.member_of(said.by), [pace.today_entry], said.by, facts)


@dataclass(frozen=True, slots=True)
class RegionCap:
    """How much of a bank's business may be about subjects of other provinces."""

    cap_percent: int = limit(1, 100, "percent of the month's orders")
    floor: int = limit(1, 1_000_000, "orders a month")
    whitelist: tuple[str, ...] = codes(64, "[0-9]{2,6}", "beginning of a region")
    """Region prefixes that never count as foreign, e.g. `44`: those of one chain."""


class RegionMonth(NamedTuple):
    """A bank's month: its orders, those across provinces, and the first and last of these."""

    id: str
    orders: int
    across: int
    first: int
    last: int


def count_regions(view: View, said: Said, limits: RegionCap) -> Iterator[Concern]:
    """U06. Most of what a bank asks is about subjects of its own province.

    Indicator of the Credit Reference Center: cross-province querying for third parties.
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    bank = view.member_of(said.by)
    member = None if bank is None else view.get(Member, bank)
    subject = view.get(Enterprise, body.enterprise)
    if member is None or subject is None:
        return
    month = view.calendar.month(said.at)
    place = f"{member.id}/{month}"
    noted = view.get(RegionMonth, place)
    if noted is None:
        noted = RegionMonth(place, 0, 0, said.entry, said.entry)
        view.wake(view.calendar.month_start(month + 1), place)
    is_across = subject.region[:2] != member.region[:2] and not subject.region.startswith(
        limits.whitelist
    )
    if is_across:
        first = noted.first if noted.across else said.entry
        noted = noted._replace(across=noted.across + 1, first=first, last=said.entry)
    view.put(noted._replace(orders=noted.orders + 1))
    yield from ()


def judge_regions(view: View, due: Due, limits: RegionCap) -> Iterator[Concern]:
    """The month is over."""
    noted = view.get(RegionMonth, due.key)
    if (
        noted is not None
        and noted.orders >= limits.floor
        and noted.across * 100 > limits.cap_percent * noted.orders
    ):
        facts = {"orders": noted.orders, "across": noted.across}
        yield Concern(due.key.partition("/")[0], [noted.first, noted.last], facts=facts)


@dataclass(frozen=True, slots=True)
class MissCap:
    """How many of a bank's orders may find nothing."""

    cap_percent: int = limit(1, 100, "percent of the month's answers")
    floor: int = limit(1, 1_000_000, "answers a month")


class MissMonth(NamedTuple):
    """The answers to a bank's orders in a month, those that found nothing, first and last."""

    id: str
    answers: int
    misses: int
    first: int
    last: int


def count_misses(view: View, said: Said, _limits: MissCap) -> Iterator[Concern]:
    """U07. A bank asks about whom it knows: few of its orders find nobody.

    Indicator of bank-side query management: a high failure ratio is fishing.
    """
    body = said.body
    assert isinstance(body, ReportDelivered | OrderDeclined)
    order = view.get(Order, body.order)
    if order is None:
        return
    if isinstance(body, ReportDelivered):
        is_miss = body.outcome is Outcome.NOT_FOUND
    else:
        is_miss = body.code is DeclineCode.SUBJECT_UNKNOWN
    month = view.calendar.month(said.at)
    place = f"{order.orderer}/{month}"
    noted = view.get(MissMonth, place)
    if noted is None:
        noted = MissMonth(place, 0, 0, said.entry, said.entry)
        view.wake(view.calendar.month_start(month + 1), place)
    if is_miss:
        first = noted.first if noted.misses else said.entry
        noted = noted._replace(misses=noted.misses + 1, first=first, last=said.entry)
    view.put(noted._replace(answers=noted.answers + 1))
    yield from ()


def judge_misses(view: View, due: Due, limits: MissCap) -> Iterator[Concern]:
    """The month is over."""
    noted = view.get(MissMonth, due.key)
    if (
        noted is not None
        and noted.answers >= limits.floor
        and noted.misses * 100 > limits.cap_percent * noted.answers
    ):
        facts = {"answers": noted.answers, "misses": noted.misses}
        yield Concern(due.key.partition("/")[0], [noted.first, noted.last], facts=facts)


@dataclass(frozen=True, slots=True)
class MonthCap:
    """How many orders a month an institution may place before somebody looks."""

    orders: int = limit(1, 100_000_000, "orders a month")


class OrderMonth(NamedTuple):
    """An institution's orders of a month."""

    id: str
    orders: int
    first: int


def monthly_volume(view: View, said: Said, limits: MonthCap) -> Iterator[Concern]:
    """U10. An institution's orders of a month stay under its threshold.

    Indicator of the Credit Reference Center: a cooperative at 46 times its threshold.
    """
    member = view.member_of(said.by) or said.by
    place = f"{member}/{view.calendar.month(said.at)}"
    noted = view.get(OrderMonth, place) or OrderMonth(place, 0, said.entry)
    noted = noted._replace(orders=noted.orders + 1)
    view.put(noted)
    if noted.orders == limits.orders + 1:
        yield Concern(member, [noted.first], facts={"orders": noted.orders})


U04: Final = Rule(
    "U04",
    "Officer's orders surge",
    "用户查询量激增",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    Surge,
    (OrderPlaced,),
    officer_in_a_surge,
)
U06: Final = Rule(
    "U06",
    "Too many subjects of other provinces",
    "跨地区查询占比过高",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    RegionCap,
    (OrderPlaced,),
    count_regions,
    judge_regions,
)
U07: Final = Rule(
    "U07",
    "Too many orders that find nothing",
    "查无结果占比过高",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    MissCap,
    (ReportDelivered, OrderDeclined),
    count_misses,
    judge_misses,
)
U10: Final = Rule(
    "U10",
    "Monthly volume over the threshold",
    "机构月查询量超过阈值",
    Severity.HIGH,
    Regime.ENTERPRISE,
    MonthCap,
    (OrderPlaced,),
    monthly_volume,
)

VOLUME_RULES: Final[tuple[Rule[Any], ...]] = (U04, U06, U07, U10)
