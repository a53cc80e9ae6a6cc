"""Objections of an enterprise to what is held about it, and the holder's answer.

PURE. The holder is an agency or a data source. A suspended holder is still objected to and still
answers: the time the Regulation gives it (article 25, twenty days) does not stand still.
"""

from __future__ import annotations

from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import Member, Objection, ObjectionStatus, Order, Standing
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    ANY,
    BY_ENTERPRISE,
    BY_FULFILLING,
    HOLDERS,
    Act,
    Rule,
    Rules,
)


def raise_objection(book: Book, body: ObjectionRaised, act: Act) -> Writes | Violation:
    """The enterprise objects to a section; the order it names is one about itself."""
    order = None if body.order is None else book.get(Order, body.order)
    if order is not None and order.enterprise != act.event.by:
        return Violation(Refusal.NOT_YOURS, "body.order")
    holder = book.get(Member, body.holder)
    if holder is None or holder.kind not in HOLDERS:
        return Violation(Refusal.MEMBER_UNKNOWN, "body.holder")
    if holder.standing is Standing.WITHDRAWN:
        return Violation(Refusal.MEMBER_STANDING, "body.holder")
    if body.order is not None and order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    return (
        Objection(
            id=act.event.id,
            enterprise=act.event.by,
            holder=body.holder,
            section=body.section,
            status=ObjectionStatus.OPEN,
            raised_at=act.at,
            order=body.order,
        ),
    )


def answer(book: Book, body: ObjectionAnswered, act: Act) -> Writes | Violation:
    """The holder's answer, once."""
    objection = book.get(Objection, body.objection)
    if objection is None:
        return Violation(Refusal.OBJECTION_UNKNOWN, "body.objection")
    if objection.holder != act.member:
        return Violation(Refusal.NOT_YOURS, "body.objection")
    if objection.status is ObjectionStatus.ANSWERED:
        return Violation(Refusal.OBJECTION_ANSWERED, "body.objection")
    return (
        replace(
            objection,
            status=ObjectionStatus.ANSWERED,
            outcome=body.outcome,
            answered_at=act.at,
        ),
    )


RULES: Rules = {
    ObjectionRaised: Rule(raise_objection, BY_ENTERPRISE, ANY),
    ObjectionAnswered: Rule(answer, BY_FULFILLING, HOLDERS, while_suspended=True),
}
