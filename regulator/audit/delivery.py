"""Delivery: in time, once, to the right key, whole, and from sources that still stand.

PURE. Rules D01 to D12. Times are per product where the rule pack says so, else the pack's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import DisputeCode, Outcome, Section, Severity
from creditchain.events.order import (
    DeliveryAcknowledged,
    DeliveryDisputed,
    OrderAccepted,
    OrderApproved,
    OrderDeclined,
    OrderPlaced,
    ReportDelivered,
)
from regulator.audit.almanac import DAY_MS, MINUTE_MS
from regulator.audit.fact import Batch, Order, Product
from regulator.audit.rule import (
    Concern,
    Due,
    NoLimits,
    Regime,
    Rule,
    Said,
    View,
    codes,
    limit,
    one_of,
)

BANKS_COUNTED_MAX: Final = 256
"""Banks that one agency's month tells apart; PRD had 207 institutions in all."""


@dataclass(frozen=True, slots=True)
class AnswerTime:
    """How soon an agency says whether it will serve an order."""

    minutes: int = limit(1, 525_600, "minutes from when the order may be served")
    by_product: tuple[str, ...] = codes(
        1_000, "[a-z0-9-]+/[a-z0-9-]+=[1-9][0-9]{0,5}", "product=minutes"
    )
    """Other times for single products, as `agency-pearl/credit=240`."""

    def of(self, product: str) -> int:
        """The time for a product, ms."""
        for one in self.by_product:
            name, _, minutes = one.rpartition("=")
            if name == product:
                return int(minutes) * MINUTE_MS
        return self.minutes * MINUTE_MS


def wait_for_answer(view: View, said: Said, limits: AnswerTime) -> Iterator[Concern]:
    """D01. An agency accepts or declines within the time of its product.

    Order flow of the regional chains; account aggregator state TIMEOUT (ReBIT). An order on a
    ground of law may be served once a second officer has approved it.
    """
    body = said.body
    if isinstance(body, OrderPlaced):
        if body.ground is None:
            view.wake(said.at + limits.of(body.product), said.id)
    else:
        assert isinstance(body, OrderApproved)
        order = view.get(Order, body.order)
        if order is not None and order.approved_at is None:
            view.wake(said.at + limits.of(order.product), order.id)
    yield from ()


def judge_answer(view: View, due: Due, _limits: AnswerTime) -> Iterator[Concern]:
    """The time for an answer has passed."""
    order = view.get(Order, due.key)
    if (
        order is not None
        and order.accepted_at is None
        and order.ended is None
        and not order.deliveries
    ):
        yield Concern(order.agency, [order.entry], facts={"order": order.id})


def wait_for_delivery(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """D02. What an agency has accepted it delivers before the order is due.

    UK SI 2015/1945, regulation 3 (30 days at most); outliers of the UK open banking returns. The
    due time is the product's own promise.
    """
    body = said.body
    assert isinstance(body, OrderAccepted)
    order = view.get(Order, body.order)
    if order is not None and order.due_at > said.at:
        view.wake(order.due_at, order.id)
    yield from ()


def judge_delivery(view: View, due: Due, _limits: NoLimits) -> Iterator[Concern]:
    """The order is due."""
    order = view.get(Order, due.key)
    if order is not None and not order.deliveries and order.ended is None:
        yield Concern(order.agency, [order.entry], facts={"order": order.id})


def fingerprints_differ(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """D03. What the orderer opened is what the agency said it delivered.

    Both sides sign the same digest; a difference opens a case by itself (domain feature of the
    chain; hash comparison of Fabric private data and of DDTP).
    """
    body = said.body
    assert isinstance(body, DeliveryAcknowledged | DeliveryDisputed)
    order = view.get(Order, body.order)
    if order is None or order.delivered_index is None:
        return
    if isinstance(body, DeliveryAcknowledged):
        differs = body.fingerprint != order.fingerprint
    else:
        differs = body.code is DisputeCode.FINGERPRINT_MISMATCH
    if differs:
        yield Concern(order.agency, [order.entry, order.delivered_index], None, {"order": order.id})


@dataclass(frozen=True, slots=True)
class AcknowledgeTime:
    """How soon an orderer acknowledges or disputes what it got."""

    hours: int = limit(1, 8_760, "hours from delivery")


def wait_for_acknowledgement(view: View, said: Said, limits: AcknowledgeTime) -> Iterator[Concern]:
    """D04. A delivery is acknowledged or disputed within the limit.

    The acknowledgement is the orderer's half of the proof of delivery (X-Road message log), and
    what is billed rests on it.
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    view.wake(said.at + limits.hours * 60 * MINUTE_MS, body.order)
    yield from ()


def judge_acknowledgement(view: View, due: Due, _limits: AcknowledgeTime) -> Iterator[Concern]:
    """The time to acknowledge has passed."""
    order = view.get(Order, due.key)
    if (
        order is not None
        and order.delivered_index is not None
        and order.acknowledged_at is None
        and order.disputed_at is None
    ):
        yield Concern(order.orderer, [order.delivered_index], order.officer, {"order": order.id})


def delivery_out_of_turn(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """D05. A report is delivered once, for an order that stands, by the agency that was asked.

    Session rules of the account aggregator interface (ReBIT): no data without a request, none
    twice.
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    agency = view.member_of(said.by)
    order = view.get(Order, body.order)
    if order is None:
        yield Concern(agency, officer=said.by, facts={"why": "NO_ORDER"})
        return
    why = None
    if agency is not None and agency != order.agency:
        why = "ANOTHER_AGENCY"
    elif order.deliveries:
        why = "TWICE"
    elif order.ended is not None:
        why = order.ended
    elif order.accepted_at is None:
        why = "NOT_ACCEPTED"
    if why is not None:
        yield Concern(agency, [order.entry], said.by, {"why": why, "order": order.id})


def partial_as_complete(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """D06. A report called complete has every section that was ordered, and one called partial
    says which are missing.

    Silent partial data is the complaint made most of account aggregators (precisa.in).
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    order = view.get(Order, body.order)
    if order is None or body.outcome is Outcome.NOT_FOUND:
        return
    delivered = {one.section.value for one in body.sections or ()}
    told = {one.section.value for one in body.missing or ()}
    lacking = {*order.sections} - delivered - (told if body.outcome is Outcome.PARTIAL else set())
    if lacking:
        facts: dict[str, str | int] = {"order": order.id, "sections": ",".join(sorted(lacking))}
        yield Concern(order.agency, [order.entry], said.by, facts)


@dataclass(frozen=True, slots=True)
class Sourcing:
    """Which sections an agency may make itself, without a committed batch behind them."""

    own_sections: tuple[str, ...] = codes(64, one_of(Section), "section")


def section_without_source(view: View, said: Said, limits: Sourcing) -> Iterator[Concern]:
    """D07. Each section cites the committed batches its lines come from, and these still count.

    Regulation, articles 21 and 23: lawful sources, accuracy; the carried report is checked against
    the source's fingerprint (DDTP).
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    for part in body.sections or ():
        section = part.section.value
        if not part.batches:
            if section not in limits.own_sections:
                facts = {"section": section, "why": "NONE_CITED"}
                yield Concern(view.member_of(said.by), officer=said.by, facts=facts)
            continue
        for batch_id in part.batches:
            batch = view.get(Batch, batch_id)
            if batch is None:
                why, proof = "UNKNOWN", []
            elif batch.superseded_at is not None:
                why, proof = "SUPERSEDED", [batch.entry]
            elif section not in batch.sections:
                why, proof = "ANOTHER_SECTION", [batch.entry]
            else:
                continue
            facts = {"section": section, "batch": batch_id, "why": why}
            yield Concern(view.member_of(said.by), proof, said.by, facts)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the data behind a report may be."""

    days: int = limit(1, 3_650, "days from the batch's date to the delivery")


def stale_source(view: View, said: Said, limits: Freshness) -> Iterator[Concern]:
    """D08. What is delivered is no older than the limit.

    RBI Credit Information Reporting Directions 2025: data are updated every 15 days.
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    oldest: Batch | None = None
    for part in body.sections or ():
        for batch_id in part.batches or ():
            batch = view.get(Batch, batch_id)
            if batch is not None and (oldest is None or batch.as_of < oldest.as_of):
                oldest = batch
    if oldest is not None and said.at - oldest.as_of > limits.days * DAY_MS:
        facts: dict[str, str | int] = {
            "batch": oldest.id,
            "days": (said.at - oldest.as_of) // DAY_MS,
        }
        yield Concern(view.member_of(said.by), [oldest.entry], said.by, facts)


def offer_not_in_force(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """D10. An order is for an offer that stands, within its sections and purposes, so that its
    price is one that was published.

    Billing rests on the price in force; the three-way match of the settlement centres breaks on
    any other.
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    product = view.get(Product, body.product)
    why = None
    if product is None:
        why = "UNKNOWN"
    elif product.withdrawn_at is not None:
        why = "WITHDRAWN"
    elif {one.value for one in body.sections} - {*product.sections}:
        why = "SECTIONS"
    elif body.purpose.value not in product.purposes:
        why = "PURPOSE"
    if why is not None:
        proof = [] if product is None else [product.entry]
        facts = {"product": body.product, "why": why}
        yield Concern(view.member_of(said.by), proof, said.by, facts)


@dataclass(frozen=True, slots=True)
class Bias:
    """When an agency's declining of one bank is out of proportion."""

    floor: int = limit(1, 1_000_000, "orders of that bank answered in the month")
    percent: int = limit(1, 100, "percent of them declined")
    times_others: int = limit(1, 100, "times the share that it declines of all others")


class AnswersOfMonth(NamedTuple):
    """An agency's answers in a month by bank: (bank, answers, declined, first entry declined)."""

    id: str
    banks: tuple[tuple[str, int, int, int], ...]


def count_declines(view: View, said: Said, _limits: Bias) -> Iterator[Concern]:
    """D11. An agency does not decline one bank out of proportion to the others.

    UK SI 2015/1945, regulations 6 and 8: equal access; the bank may complain.
    """
    body = said.body
    assert isinstance(body, OrderAccepted | OrderDeclined)
    order = view.get(Order, body.order)
    if order is None:
        return
    month = view.calendar.month(said.at)
    place = f"{order.agency}/{month}"
    noted = view.get(AnswersOfMonth, place)
    if noted is None:
        noted = AnswersOfMonth(place, ())
        view.wake(view.calendar.month_start(month + 1), place)
    counted = {one[0]: one for one in noted.banks}
    bank = order.orderer
    if bank not in counted and len(counted) >= BANKS_COUNTED_MAX:
        return
    _, answers, declined, first = counted.get(bank, (bank, 0, 0, said.entry))
    if isinstance(body, OrderDeclined):
        first = first if declined else said.entry
        declined += 1
    counted[bank] = (bank, answers + 1, declined, first)
    view.put(AnswersOfMonth(place, tuple(counted[one] for one in sorted(counted))))
    yield from ()


def judge_declines(view: View, due: Due, limits: Bias) -> Iterator[Concern]:
    """The month is over."""
    noted = view.get(AnswersOfMonth, due.key)
    if noted is None:
        return
    all_answers = sum(one[1] for one in noted.banks)
    all_declined = sum(one[2] for one in noted.banks)
    for bank, answers, declined, first in noted.banks:
        others, others_declined = all_answers - answers, all_declined - declined
        if (
            answers >= limits.floor
            and others >= limits.floor
            and declined * 100 > limits.percent * answers
            and declined * others > limits.times_others * others_declined * answers
        ):
            facts: dict[str, str | int] = {
                "bank": bank,
                "answers": answers,
                "declined": declined,
                "othersAnswers": others,
                "othersDeclined": others_declined,
            }
            yield Concern(due.key.partition("/")[0], [first], facts=facts)


def sealed_to_another_key(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """D12. A report is sealed to the key that the order names, and to no other.

    Regulation, article 22: information is kept from those who have no right to it.
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    order = view.get(Order, body.order)
    if order is not None and body.report is not None and body.report.sealed_to != order.seal_to:
        facts = {"order": order.id, "sealedTo": body.report.sealed_to}
        yield Concern(order.agency, [order.entry], said.by, facts)


D01: Final = Rule(
    "D01",
    "Order not answered in time",
    "机构未按时受理或拒绝",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    AnswerTime,
    (OrderPlaced, OrderApproved),
    wait_for_answer,
    judge_answer,
)
D02: Final = Rule(
    "D02",
    "Accepted order not delivered in time",
    "已受理未按时交付",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    NoLimits,
    (OrderAccepted,),
    wait_for_delivery,
    judge_delivery,
)
D03: Final = Rule(
    "D03",
    "Opened report is not the one delivered",
    "收到的报告与交付指纹不一致",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    (DeliveryAcknowledged, DeliveryDisputed),
    fingerprints_differ,
)
D04: Final = Rule(
    "D04",
    "Delivery not acknowledged in time",
    "交付后未按时确认",
    Severity.LOW,
    Regime.ENTERPRISE,
    AcknowledgeTime,
    (ReportDelivered,),
    wait_for_acknowledgement,
    judge_acknowledgement,
)
D05: Final = Rule(
    "D05",
    "Delivery without an order that stands, or twice",
    "无有效订单交付或重复交付",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    (ReportDelivered,),
    delivery_out_of_turn,
)
D06: Final = Rule(
    "D06",
    "Partial report called complete",
    "部分结果按完整交付",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    NoLimits,
    (ReportDelivered,),
    partial_as_complete,
)
D07: Final = Rule(
    "D07",
    "Section without a source that counts",
    "报告章节缺少有效来源",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    Sourcing,
    (ReportDelivered,),
    section_without_source,
)
D08: Final = Rule(
    "D08",
    "Source data too old",
    "来源数据超过时效",
    Severity.LOW,
    Regime.ENTERPRISE,
    Freshness,
    (ReportDelivered,),
    stale_source,
)
D10: Final = Rule(
    "D10",
    "Order outside an offer in force",
    "订单不在有效产品范围内",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    NoLimits,
    (OrderPlaced,),
    offer_not_in_force,
)
D11: Final = Rule(
    "D11",
    "Agency declines one bank out of proportion",
    "机构对个别银行拒绝比例异常",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    Bias,
    (OrderAccepted, OrderDeclined),
    count_declines,
    judge_declines,
)
D12: Final = Rule(
    "D12",
    "Report sealed to another key",
    "报告加密给非订单指定的密钥",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    (ReportDelivered,),
    sealed_to_another_key,
)

DELIVERY_RULES: Final[tuple[Rule[Any], ...]] = (
    D01,
    D02,
    D03,
    D04,
    D05,
    D06,
    D07,
    D08,
    D10,
    D11,
    D12,
)
