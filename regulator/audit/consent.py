"""Consent: what orders and deliveries rest on.

PURE. Rules C01 to C03, C06, C11 to C13 and C17; what a consent itself must be like is in
`regulator.audit.grant`, what it may be used for in `regulator.audit.purpose`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import Purpose, Severity
from creditchain.events.consent import ConsentGranted, ConsentWithdrawn
from creditchain.events.order import (
    OrderApproved,
    OrderCancelled,
    OrderDeclined,
    OrderLapsed,
    OrderPlaced,
    ReportDelivered,
)
from regulator.audit.fact import Consent, Order, Product, SigningKey, proof_of
from regulator.audit.grant import GRANT_RULES
from regulator.audit.purpose import PURPOSE_RULES
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

LISTED_MAX: Final = 32
"""Orders under way under one consent that are kept by id; what is beyond is counted."""

OF_OTHERS: Final = frozenset({Purpose.RELATED_PARTY_QUERY, Purpose.GUARANTEE_REVIEW})
"""Purposes for which a bank looks at somebody other than its customer."""


def _why_not(consent: Consent | None, at: int) -> str | None:
    """Why nothing stands under this consent at `at`; None if something may."""
    if consent is None:
        return "UNKNOWN"
    if consent.granted_at is None:
        return consent.ended or "NOT_GRANTED"
    if consent.ended_at is not None:
        return consent.ended or "ENDED"
    if not consent.valid_from <= at < consent.valid_until:
        return "OUTSIDE_ITS_WINDOW"
    return None


def order_without_consent(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C01. An order stands only under a consent of its subject that was valid when it was placed,
    or on a ground of law.

    Regulation (State Council Order 631 of 2013), article 40(3): it is an offence to query a person,
    or the lending information of an enterprise, without consent. Article 18 wants a person's in
    writing.
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    if body.ground is not None:
        return
    member = view.member_of(said.by)
    if body.consent is None:
        yield Concern(member, officer=said.by, facts={"why": "NONE_CITED", "order": said.id})
        return
    consent = view.get(Consent, body.consent)
    why = _why_not(consent, said.at)
    if consent is not None and why is None:
        if consent.orders >= consent.uses_max:
            why = "USED_UP"
        elif consent.enterprise != body.enterprise and body.purpose not in OF_OTHERS:
            why = "OF_ANOTHER_ENTERPRISE"
    if why is not None:
        proof = [] if consent is None else proof_of(consent)
        facts = {"why": why, "order": said.id, "consent": body.consent}
        yield Concern(member, proof, said.by, facts)


def delivery_without_consent(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C02. A report leaves only while the consent behind its order stands.

    Regulation, articles 38 and 40(1): unlawful supply; article 18, second paragraph, of persons.
    ReBIT Account Aggregator: `InvalidConsentStatus` is answered for a consent that is revoked,
    expired or paused. Consumer Data Standards: withdrawal ends collection.
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    order = view.get(Order, body.order)
    if order is None or order.ground is not None:
        return
    consent = None if order.consent is None else view.get(Consent, order.consent)
    why = "NONE_CITED" if order.consent is None else _why_not(consent, said.at)
    if why is not None:
        proof = [order.entry, *([] if consent is None else proof_of(consent))]
        facts = {"why": why, "order": order.id}
        yield Concern(view.member_of(said.by), proof, said.by, facts)


class Early(NamedTuple):
    """The first order that cited a consent before it was granted, and how many did."""

    consent: str
    entry: int
    orders: int


@dataclass(frozen=True, slots=True)
class BackDating:
    """`clock_seconds`: how far the clocks of honest signers may lie apart."""

    clock_seconds: int = limit(0, 600, "seconds")


def authorised_afterwards(view: View, said: Said, limits: BackDating) -> Iterator[Concern]:
    """C03. The authorisation is signed before the order that it is for.

    Bank query management (SmartQUERY) compares CHECK_TIME with QUERY_TIME: an authorisation later
    than its query was fetched afterwards. Regulation, article 40(3): consent comes first.
    """
    body = said.body
    if isinstance(body, ConsentGranted):
        early = view.get(Early, body.consent)
        consent = view.get(Consent, body.consent)
        if early is not None and consent is not None and consent.granted_at is None:
            facts: dict[str, str | int] = {"why": "GRANTED_AFTERWARDS", "orders": early.orders}
            facts["consent"] = consent.id
            yield Concern(consent.grantee, [consent.entry, early.entry], consent.officer, facts)
        return
    assert isinstance(body, OrderPlaced)
    consent = None if body.consent is None else view.get(Consent, body.consent)
    if consent is None:
        return
    if consent.granted_signed_at is None:
        early = view.get(Early, consent.id) or Early(consent.id, said.entry, 0)
        view.put(early._replace(orders=early.orders + 1))
        return
    later_ms = consent.granted_signed_at - said.signed_at
    if later_ms > limits.clock_seconds * 1_000:
        facts = {"why": "SIGNED_LATER", "order": said.id, "laterMs": later_ms}
        yield Concern(view.member_of(said.by), proof_of(consent), said.by, facts)


def sections_not_consented(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C06. No section is ordered or delivered beyond those consented to.

    ReBIT Account Aggregator: `consentTypes` and data filters bind the provider; Regulation, article
    40(1) and (3). The bank answers for what it orders, the agency for what it delivers.
    """
    body = said.body
    if isinstance(body, OrderPlaced):
        cited, sections = body.consent, tuple(section.value for section in body.sections)
        order_id, proof = said.id, []
    else:
        assert isinstance(body, ReportDelivered)
        order = view.get(Order, body.order)
        if order is None:
            return
        cited, order_id, proof = order.consent, order.id, [order.entry]
        sections = tuple(part.section.value for part in body.sections or ())
    consent = None if cited is None else view.get(Consent, cited)
    if consent is None:
        return
    beyond = sorted({*sections} - {*consent.sections})
    if beyond:
        facts: dict[str, str | int] = {"sections": ",".join(beyond), "order": order_id}
        yield Concern(view.member_of(said.by), [*proof_of(consent), *proof], said.by, facts)


def institution_not_named(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C11. A consent is used by the bank and the agencies it names, and by nobody else.

    Regulation, article 40(3); article 20, of persons: nothing to a third party without consent.
    ReBIT Account Aggregator: `DataConsumer` is part of the consent.
    """
    body = said.body
    member = view.member_of(said.by)
    if isinstance(body, ReportDelivered):
        order = view.get(Order, body.order)
        consent = (
            None if order is None or order.consent is None else view.get(Consent, order.consent)
        )
        # An agency that is not named and was ordered from: that was told when the order was placed.
        if order is None or consent is None or member == order.agency or member is None:
            return
        if member not in consent.agencies:
            facts: dict[str, str | int] = {"why": "AGENCY", "order": order.id}
            yield Concern(member, [order.entry, *proof_of(consent)], said.by, facts)
        return
    assert isinstance(body, OrderPlaced)
    consent = None if body.consent is None else view.get(Consent, body.consent)
    if consent is None:
        return
    product = view.get(Product, body.product)
    agency = body.product.partition("/")[0] if product is None else product.agency
    if member != consent.grantee:
        facts = {"why": "ORDERER", "order": said.id}
        yield Concern(member, proof_of(consent), said.by, facts)
    elif agency not in consent.agencies:
        facts = {"why": "AGENCY", "order": said.id, "agency": agency}
        yield Concern(member, proof_of(consent), said.by, facts)


def related_party_not_asked(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C12. A related party or a guarantor is looked at under its own consent, not the borrower's.

    Query reasons 40 (related party) and 50 (guarantee review) of the second-generation interface;
    in the banks' authorisation letters the related party signs for itself. Regulation, article
    40(3).
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    consent = None if body.consent is None else view.get(Consent, body.consent)
    if body.purpose in OF_OTHERS and consent is not None and consent.enterprise != body.enterprise:
        facts = {"order": said.id, "of": consent.enterprise, "about": body.enterprise}
        yield Concern(view.member_of(said.by), proof_of(consent), said.by, facts)


class UnderWay(NamedTuple):
    """Orders under a consent that are neither answered nor ended; `more` beyond `LISTED_MAX`."""

    consent: str
    orders: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class WithdrawalTime:
    """`minutes`: how soon after a withdrawal orders under way must have ended."""

    minutes: int = limit(1, 10_080, "minutes")


def withdrawal_unheeded(view: View, said: Said, limits: WithdrawalTime) -> Iterator[Concern]:
    """C13. What is under way when a consent is withdrawn ends within the limit.

    Consumer Data Right: the parties act on a withdrawal within five minutes. Personal Information
    Protection Law, article 15: withdrawing is as easy as consenting. Bank and agency may each end
    the order; held against the bank, whose order it is. An agency that delivers answers under C02.
    """
    body = said.body
    if isinstance(body, ConsentWithdrawn):
        consent = view.get(Consent, body.consent)
        under_way = view.get(UnderWay, body.consent)
        if consent is not None and consent.ended is None and under_way is not None:
            view.wake(said.at + limits.minutes * 60_000, consent.id)
    elif isinstance(body, OrderPlaced):
        consent = None if body.consent is None else view.get(Consent, body.consent)
        # What is ordered after the end is C01's.
        if body.consent is not None and (consent is None or consent.ended is None):
            known = view.get(UnderWay, body.consent) or UnderWay(body.consent, (), 0)
            if len(known.orders) < LISTED_MAX:
                view.put(known._replace(orders=(*known.orders, said.id)))
            else:
                view.put(known._replace(more=known.more + 1))
    else:
        assert isinstance(body, OrderDeclined | OrderCancelled | OrderLapsed | ReportDelivered)
        order = view.get(Order, body.order)
        if order is not None and order.consent is not None and not order.deliveries:
            known = view.get(UnderWay, order.consent) or UnderWay(order.consent, (), 0)
            if order.id in known.orders:
                rest = tuple(one for one in known.orders if one != order.id)
                view.put(known._replace(orders=rest))
            elif known.more and order.ended is None and not _is_after_the_end(view, order):
                view.put(known._replace(more=known.more - 1))
    yield from ()


def _is_after_the_end(view: View, order: Order) -> bool:
    """Whether an order was placed when its consent had ended: it was never under way."""
    consent = None if order.consent is None else view.get(Consent, order.consent)
    return consent is not None and (consent.ended_index or order.entry) < order.entry


def judge_withdrawal(view: View, due: Due, _limits: WithdrawalTime) -> Iterator[Concern]:
    """The time to end what was under way is over."""
    consent = view.get(Consent, due.key)
    under_way = view.get(UnderWay, due.key)
    assert consent is not None, "woken for a consent"
    assert under_way is not None, "woken for its orders"
    assert consent.ended_at is not None, "woken for its withdrawal"
    left = []
    for listed in under_way.orders:
        order = view.get(Order, listed)
        if order is not None and order.placed_at <= consent.ended_at:
            left.append(order.entry)
    # Those that are not listed count also when all that are have ended.
    if left or under_way.more:
        orders = len(left) + under_way.more
        facts: dict[str, str | int] = {"consent": consent.id, "orders": orders}
        yield Concern(consent.grantee, [*proof_of(consent), *left], facts=facts)


class Approval(NamedTuple):
    """Who approved an order, with which key."""

    order: str
    by: str
    kid: str
    entry: int


def no_second_officer(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C17. Without consent a report leaves only after a second officer of the orderer approved, who
    is another person, with another key.

    Regulation, article 18, proviso ("unless law or administrative regulation provides otherwise");
    individual query reason 09 (judicial investigation) wants the document and a second signature.
    That the document is named, the format sees to.
    """
    body = said.body
    if isinstance(body, OrderApproved):
        view.put(Approval(body.order, said.by, said.kid, said.entry))
        return
    assert isinstance(body, ReportDelivered)
    order = view.get(Order, body.order)
    if order is None or order.ground is None:
        return
    approval = view.get(Approval, order.id)
    why = None
    if approval is None:
        why = "NOT_APPROVED"
    elif approval.by == order.officer:
        why = "SAME_OFFICER"
    elif view.get(SigningKey, f"{order.officer}/{approval.kid}") is not None:
        why = "SAME_KEY"
    elif view.member_of(approval.by) != order.orderer:
        why = "OF_ANOTHER_INSTITUTION"
    if why is not None:
        proof = [order.entry, *([] if approval is None else [approval.entry])]
        facts: dict[str, str | int] = {"why": why, "order": order.id, "ground": order.ground}
        yield Concern(view.member_of(said.by), proof, said.by, facts)


CONSENT_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "C01",
        "Order without a valid consent",
        "未经有效授权查询",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (OrderPlaced,),
        order_without_consent,
    ),
    Rule(
        "C02",
        "Delivery without a consent that stands",
        "授权已失效仍提供报告",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (ReportDelivered,),
        delivery_without_consent,
    ),
    Rule(
        "C03",
        "Authorisation later than the order",
        "授权时间晚于查询时间",
        Severity.HIGH,
        Regime.ENTERPRISE,
        BackDating,
        (OrderPlaced, ConsentGranted),
        authorised_afterwards,
    ),
    Rule(
        "C06",
        "Sections beyond the consent",
        "报告内容超出授权范围",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (OrderPlaced, ReportDelivered),
        sections_not_consented,
    ),
    Rule(
        "C11",
        "Consent used by an institution it does not name",
        "授权书未载明的机构使用授权",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (OrderPlaced, ReportDelivered),
        institution_not_named,
    ),
    Rule(
        "C12",
        "Related party or guarantor without its own consent",
        "查询关联方或担保人未取得其本身授权",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (OrderPlaced,),
        related_party_not_asked,
    ),
    Rule(
        "C13",
        "Orders under way not ended after a withdrawal",
        "授权撤回后未及时终止在途查询",
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        WithdrawalTime,
        (
            ConsentWithdrawn,
            OrderPlaced,
            OrderDeclined,
            OrderCancelled,
            OrderLapsed,
            ReportDelivered,
        ),
        withdrawal_unheeded,
        judge_withdrawal,
    ),
    Rule(
        "C17",
        "Report without consent and without a second officer",
        "无授权查询未经第二人审批",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (OrderApproved, ReportDelivered),
        no_second_officer,
    ),
    *PURPOSE_RULES,
    *GRANT_RULES,
)
