"""Deliveries: the agency's answer, what the bank found, and what came of it.

PURE.

- Consent, the orderer's standing and its seal key are asked again at delivery: a report must not
  leave under a consent taken back, nor be sealed to a key that was revoked meanwhile. Such an order
  lapses, its use goes back, and it can be placed again.
- COMPLETE brings every ordered section; PARTIAL names each missing one with a code, and delivered
  and missing together are exactly the order; NOT_FOUND brings nothing.
- Cited record batches exist, stand, and are of the section that cites them.
- The orderer acknowledges the very fingerprint delivered, or disputes; it may dispute what it
  acknowledged, and it may do both while suspended.
"""

from __future__ import annotations

from typing import Final

from creditchain.events.codes import CreditDecision, DisputeCode, Outcome
from creditchain.events.order import (
    CreditDecided,
    DeliveryAcknowledged,
    DeliveryDisputed,
    ReportDelivered,
    SealedReport,
)
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.order import seals, service_fault
from creditchain.rulebook.record import Order, OrderStatus, Product, RecordBatch
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    AGENCIES,
    BY_FULFILLING,
    BY_ORDERING,
    ORDERERS,
    Act,
    Rule,
    Rules,
)

DELIVERED: Final = frozenset(
    {OrderStatus.DELIVERED, OrderStatus.ACKNOWLEDGED, OrderStatus.DISPUTED}
)
"""Orders that have been answered with a delivery."""

# What each outcome brings: (report and sections, missing).
_SHAPES: Final = {
    Outcome.COMPLETE: (True, False),
    Outcome.PARTIAL: (True, True),
    Outcome.NOT_FOUND: (False, False),
}


def deliver(book: Book, body: ReportDelivered, act: Act) -> Writes | Violation:
    """The agency answers an order it accepted, in time and under a consent that still stands."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    fault = service_fault(book, order, act)
    if fault is not None:
        return fault
    if not seals(book, order.orderer, order.seal_to, act.at):
        return Violation(Refusal.SEAL_KEY_UNKNOWN, "body.order")
    if order.status is not OrderStatus.ACCEPTED:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if act.at >= order.due_at:
        return Violation(Refusal.ORDER_OVERDUE, "body.order")
    with_report, with_missing = _SHAPES[body.outcome]
    if (
        (body.report is not None) is not with_report
        or (body.sections is not None) is not with_report
        or (body.missing is not None) is not with_missing
    ):
        return Violation(Refusal.DELIVERY_SHAPE, "body.outcome")
    if body.report is not None:
        fault = _report_fault(book, body, body.report, order)
        if fault is not None:
            return fault
    return (
        replace(
            order,
            status=OrderStatus.DELIVERED,
            delivered_at=act.at,
            outcome=body.outcome,
            report=body.report,
            delivered_sections=body.sections,
            changed_at=act.at,
        ),
    )


def acknowledge(book: Book, body: DeliveryAcknowledged, act: Act) -> Writes | Violation:
    """The orderer opened the report and found the fingerprint that was delivered."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if order.orderer != act.member:
        return Violation(Refusal.NOT_YOURS, "body.order")
    if order.status is not OrderStatus.DELIVERED:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if body.fingerprint != (None if order.report is None else order.report.fingerprint):
        return Violation(Refusal.FINGERPRINT_MISMATCH, "body.fingerprint")
    return (
        replace(order, status=OrderStatus.ACKNOWLEDGED, acknowledged_at=act.at, changed_at=act.at),
    )


def dispute(book: Book, body: DeliveryDisputed, act: Act) -> Writes | Violation:
    """The orderer disputes the delivery; a mismatch of fingerprints must show the other one."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if order.orderer != act.member:
        return Violation(Refusal.NOT_YOURS, "body.order")
    if order.status not in {OrderStatus.DELIVERED, OrderStatus.ACKNOWLEDGED}:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if body.code is DisputeCode.FINGERPRINT_MISMATCH and (
        body.opened is None or order.report is None or body.opened == order.report.fingerprint
    ):
        return Violation(Refusal.FINGERPRINT_MISMATCH, "body.opened")
    return (
        replace(
            order,
            status=OrderStatus.DISPUTED,
            dispute_code=body.code,
            disputed_at=act.at,
            changed_at=act.at,
        ),
    )


def decide_credit(book: Book, body: CreditDecided, act: Act) -> Writes | Violation:
    """What came of it, once: credit granted with its amount, or declined without one."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if order.orderer != act.member:
        return Violation(Refusal.NOT_YOURS, "body.order")
    if order.status not in DELIVERED:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    granted = body.decision is CreditDecision.GRANTED
    if granted is not (body.amount is not None and body.amount.amount > 0):
        return Violation(Refusal.DECISION_AMOUNT, "body.amount")
    if order.decision is not None:
        return Violation(Refusal.DECISION_MADE, "body.order")
    return (
        replace(
            order,
            decision=body.decision,
            amount=body.amount,
            decided_at=act.at,
            changed_at=act.at,
        ),
    )


def _report_fault(
    book: Book, body: ReportDelivered, report: SealedReport, order: Order
) -> Violation | None:
    delivered = [part.section for part in body.sections or ()]
    missing = [part.section for part in body.missing or ()]
    # As lists: a section that stands twice, or in both, makes them longer than the order.
    if sorted(delivered + missing) != sorted(order.sections):
        return Violation(Refusal.DELIVERY_SECTIONS, "body.sections")
    if report.sealed_to != order.seal_to:
        return Violation(Refusal.DELIVERY_WRONG_KEY, "body.report.sealedTo")
    product = book.get(Product, order.product)
    if product is None or report.schema != product.schema:
        return Violation(Refusal.DELIVERY_SCHEMA, "body.report.schema")
    for position, part in enumerate(body.sections or ()):
        for cited in part.batches or ():
            batch = book.get(RecordBatch, cited)
            if (
                batch is None
                or batch.superseded_at is not None
                or part.section not in batch.sections
            ):
                return Violation(Refusal.DELIVERY_BATCH, f"body.sections.{position}.batches")
    return None


RULES: Rules = {
    ReportDelivered: Rule(deliver, BY_FULFILLING, AGENCIES),
    DeliveryAcknowledged: Rule(acknowledge, BY_ORDERING, ORDERERS, while_suspended=True),
    DeliveryDisputed: Rule(dispute, BY_ORDERING, ORDERERS, while_suspended=True),
    CreditDecided: Rule(decide_credit, BY_ORDERING, ORDERERS),
}
