"""Orders: a request for a report, on a consent or on a ground of law.

PURE.

- Consent is checked at placing, accepting and delivering (`rulebook.delivery`). A use is taken at
  placing, so two orders cannot share the last one.
- A declined or lapsed order gives its use back: the bank got nothing, and not by its own doing. A
  cancelled one does not: the agency may have begun, and an order could otherwise be repeated at
  will to see what comes of it.
- An order on a ground of law waits for a second officer. Its due time runs anew from the approval,
  because the agency could not begin before.
- An order is due at `due_at`: until then (exclusive) it may be accepted, declined and delivered,
  from then on it may lapse.
- New orders go only to an active agency; accepting and delivering need an active orderer.
"""

from __future__ import annotations

from typing import Final

from creditchain.events.codes import KeyUse
from creditchain.events.order import (
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderDeclined,
    OrderLapsed,
    OrderPlaced,
)
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.consent import consent_fault
from creditchain.rulebook.record import (
    Consent,
    Enterprise,
    Key,
    Member,
    Order,
    OrderStatus,
    Product,
    Standing,
)
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    AGENCIES,
    BY_ADMINISTRATOR,
    BY_APPROVING,
    BY_FULFILLING,
    BY_ORDERING,
    OPERATOR,
    ORDERERS,
    Act,
    Rule,
    Rules,
)

UNDER_WAY: Final = frozenset(
    {OrderStatus.AWAITING_APPROVAL, OrderStatus.PLACED, OrderStatus.ACCEPTED}
)
"""Orders that are neither answered nor ended."""

WITH_AGENCY: Final = frozenset({OrderStatus.PLACED, OrderStatus.ACCEPTED})
"""Orders the agency may still answer."""


def place(book: Book, body: OrderPlaced, act: Act) -> Writes | Violation:
    """An order stands under a live consent given to the bank that orders, or on a ground of law."""
    at = act.at
    product = book.get(Product, body.product)
    if product is not None:
        agency = book.get(Member, product.agency)
        if agency is None or agency.standing is not Standing.ACTIVE:
            return Violation(Refusal.MEMBER_STANDING, "body.product")
    if book.get(Enterprise, body.enterprise) is None:
        return Violation(Refusal.ENTERPRISE_UNKNOWN, "body.enterprise")
    if product is None:
        return Violation(Refusal.PRODUCT_UNKNOWN, "body.product")
    if product.withdrawn_at is not None:
        return Violation(Refusal.PRODUCT_WITHDRAWN, "body.product")
    consent = None
    if body.consent is not None:
        consent = book.get(Consent, body.consent)
        if consent is None:
            return Violation(Refusal.CONSENT_UNKNOWN, "body.consent")
        fault = consent_fault(
            consent,
            orderer=act.member,
            enterprise=body.enterprise,
            purpose=body.purpose,
            agency=product.agency,
            sections=body.sections,
            at=at,
            path="body.consent",
            uses=True,
        )
        if fault is not None:
            return fault
    if consent is None and body.ground is None:
        return Violation(Refusal.BASIS_MISSING, "body.consent")
    if consent is not None and body.ground is not None:
        return Violation(Refusal.BASIS_DOUBLE, "body.ground")
    for section in body.sections:
        if section not in product.sections:
            return Violation(Refusal.PRODUCT_SECTION, "body.sections")
    if body.purpose not in product.purposes:
        return Violation(Refusal.PRODUCT_PURPOSE, "body.purpose")
    if not seals(book, act.member, body.seal_to, at):
        return Violation(Refusal.SEAL_KEY_UNKNOWN, "body.sealTo")
    order = Order(
        id=act.event.id,
        orderer=act.member,
        officer=act.event.by,
        enterprise=body.enterprise,
        agency=product.agency,
        product=product.id,
        purpose=body.purpose,
        sections=body.sections,
        seal_to=body.seal_to,
        price=product.price,
        status=OrderStatus.AWAITING_APPROVAL if consent is None else OrderStatus.PLACED,
        placed_at=at,
        due_at=at + product.due_within_ms,
        changed_at=at,
        consent=body.consent,
        ground=body.ground,
    )
    if consent is None:
        return (order,)
    return (order, replace(consent, uses=consent.uses + 1, changed_at=at))


def approve(book: Book, body: OrderApproved, act: Act) -> Writes | Violation:
    """A second officer of the orderer stands by an order on a ground of law."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if order.orderer != act.member:
        return Violation(Refusal.NOT_YOURS, "body.order")
    if order.status is not OrderStatus.AWAITING_APPROVAL:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if act.at >= order.due_at:
        return Violation(Refusal.ORDER_OVERDUE, "body.order")
    # One person is one key: a second officer id over the first officer's key is no second officer.
    if order.officer == act.event.by or book.get(Key, f"{order.officer}/{act.kid}") is not None:
        return Violation(Refusal.APPROVER_SAME, "by")
    return (
        replace(
            order,
            status=OrderStatus.PLACED,
            approved_by=act.event.by,
            due_at=act.at + (order.due_at - order.placed_at),
            changed_at=act.at,
        ),
    )


def accept(book: Book, body: OrderAccepted, act: Act) -> Writes | Violation:
    """The agency will serve the order."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    fault = service_fault(book, order, act)
    if fault is not None:
        return fault
    if order.status is not OrderStatus.PLACED:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if act.at >= order.due_at:
        return Violation(Refusal.ORDER_OVERDUE, "body.order")
    return (replace(order, status=OrderStatus.ACCEPTED, accepted_at=act.at, changed_at=act.at),)


def decline(book: Book, body: OrderDeclined, act: Act) -> Writes | Violation:
    """The agency will not serve the order, also one it accepted; the use goes back."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if order.agency != act.member:
        return Violation(Refusal.NOT_YOURS, "body.order")
    if order.status not in WITH_AGENCY:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if act.at >= order.due_at:
        return Violation(Refusal.ORDER_OVERDUE, "body.order")
    declined = replace(
        order, status=OrderStatus.DECLINED, decline_code=body.code, changed_at=act.at
    )
    return (declined, *_use_returned(book, order, act.at))


def cancel(book: Book, body: OrderCancelled, act: Act) -> Writes | Violation:
    """The orderer no longer wants the report; any of its ordering officers may say so."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if order.orderer != act.member:
        return Violation(Refusal.NOT_YOURS, "body.order")
    if order.status not in UNDER_WAY:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    return (replace(order, status=OrderStatus.CANCELLED, changed_at=act.at),)


def lapse(book: Book, body: OrderLapsed, act: Act) -> Writes | Violation:
    """The due time passed without an answer; the use goes back."""
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if order.status not in UNDER_WAY:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if act.at < order.due_at:
        return Violation(Refusal.ORDER_NOT_DUE, "body.order")
    lapsed = replace(order, status=OrderStatus.LAPSED, changed_at=act.at)
    return (lapsed, *_use_returned(book, order, act.at))


def service_fault(book: Book, order: Order, act: Act) -> Violation | None:
    """Why this agency may not serve this order now: accepting and delivering ask the same."""
    if order.agency != act.member:
        return Violation(Refusal.NOT_YOURS, "body.order")
    # A suspended orderer receives withdrawals and disputes, no reports.
    orderer = book.get(Member, order.orderer)
    if orderer is None or orderer.standing is not Standing.ACTIVE:
        return Violation(Refusal.MEMBER_STANDING, "body.order")
    if order.consent is None:
        return None
    consent = book.get(Consent, order.consent)
    if consent is None:
        return Violation(Refusal.CONSENT_UNKNOWN, "body.order")
    return consent_fault(
        consent,
        orderer=order.orderer,
        enterprise=order.enterprise,
        purpose=order.purpose,
        agency=order.agency,
        sections=order.sections,
        at=act.at,
        path="body.order",
        uses=False,
    )


def seals(book: Book, owner: str, kid: str, at: int) -> bool:
    """Whether `kid` is a live key of `owner` to which reports may be sealed."""
    key = book.get(Key, f"{owner}/{kid}")
    return key is not None and key.key.use is KeyUse.SEAL and key.is_live(at)


def _use_returned(book: Book, order: Order, at: int) -> Writes:
    consent = None if order.consent is None else book.get(Consent, order.consent)
    if consent is None:
        return ()
    return (replace(consent, uses=consent.uses - 1, changed_at=at),)


RULES: Rules = {
    OrderPlaced: Rule(place, BY_ORDERING, ORDERERS),
    OrderApproved: Rule(approve, BY_APPROVING, ORDERERS),
    OrderAccepted: Rule(accept, BY_FULFILLING, AGENCIES),
    OrderDeclined: Rule(decline, BY_FULFILLING, AGENCIES),
    OrderCancelled: Rule(cancel, BY_ORDERING, ORDERERS, while_suspended=True),
    OrderLapsed: Rule(lapse, BY_ADMINISTRATOR, OPERATOR),
}
