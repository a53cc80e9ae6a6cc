"""Lawful erasure: who may say that content is gone, and of what.

PURE. The book does not see the log, so of a body's erasure only the shape is judged here: that the
founding is never erased and nothing twice. Whoever holds the log checks the rest before the event
is admitted or believed: that the entry at `index` exists, that its commitment is the one named, and
that the body is not one of `NEVER_ERASED`. The hub's ledger and the observer both do.
"""

from __future__ import annotations

from typing import Final

from creditchain.events import Body
from creditchain.events.codes import MemberKind, Role
from creditchain.events.consortium import ConsortiumFounded, RulebookAdopted
from creditchain.events.erasure import BodyErased, DirectoryErased, ReportErased
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from creditchain.events.inspection import (
    CaseApproved,
    CaseClosed,
    CaseOpened,
    IdentitiesResolved,
)
from creditchain.events.membership import (
    MemberAdmitted,
    MemberKeyAdded,
    MemberKeyRevoked,
    MemberReinstated,
    MemberSuspended,
    MemberWithdrawn,
)
from creditchain.events.product import ProductOffered, ProductWithdrawn
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.record import Enterprise, Erasure, Officer, Order, OrderStatus
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    ANY,
    BY_ADMINISTRATOR,
    SUPERVISORS,
    Act,
    Rule,
    Rules,
)

NEVER_ERASED: Final[frozenset[type[Body]]] = frozenset(
    {
        ConsortiumFounded,
        RulebookAdopted,
        MemberAdmitted,
        MemberSuspended,
        MemberReinstated,
        MemberWithdrawn,
        MemberKeyAdded,
        MemberKeyRevoked,
        ProductOffered,
        ProductWithdrawn,
        BodyErased,
        DirectoryErased,
        ReportErased,
        FindingAsked,
        FindingAnswered,
        FindingClosed,
        CaseOpened,
        CaseApproved,
        IdentitiesResolved,
        CaseClosed,
    }
)
"""Bodies that stay: they name institutions only, or they are the proof of an erasure, or of what
the regulator asked and whom it looked at, which is not for it to take back."""


def erase_body(book: Book, body: BodyErased, act: Act) -> Writes | Violation:
    """The body of an entry is deleted everywhere; see the module on what else must hold."""
    if body.index == 0:
        return Violation(Refusal.ERASURE_SUBJECT, "body.index")
    return _erased(book, f"body/{body.index}", body.ground, act, body.commitment)


def erase_directory(book: Book, body: DirectoryErased, act: Act) -> Writes | Violation:
    """The directory row of an officer or enterprise is deleted, also by who vouched for it."""
    officer = book.get(Officer, body.subject)
    enterprise = book.get(Enterprise, body.subject)
    voucher = officer.member if officer else enterprise.vouched_by if enterprise else None
    if act.kind not in SUPERVISORS and voucher is not None and voucher != act.member:
        return Violation(Refusal.NOT_YOURS, "body.subject")
    if voucher is None:
        return Violation(Refusal.ERASURE_SUBJECT, "body.subject")
    return _erased(book, f"directory/{body.subject}", body.ground, act)


def erase_report(book: Book, body: ReportErased, act: Act) -> Writes | Violation:
    """The sealed report is deleted from the vault: by its orderer or the operator, or its agency.

    The agency must wait until the orderer has acknowledged or disputed: a report may not vanish
    between its delivery and its opening.
    """
    order = book.get(Order, body.order)
    if order is None:
        return Violation(Refusal.ORDER_UNKNOWN, "body.order")
    if act.kind is not MemberKind.OPERATOR and act.member not in {order.agency, order.orderer}:
        return Violation(Refusal.NOT_YOURS, "body.order")
    if act.member == order.agency and order.status is OrderStatus.DELIVERED:
        return Violation(Refusal.ORDER_STATUS, "body.order")
    if order.report is None:
        return Violation(Refusal.ERASURE_SUBJECT, "body.order")
    return _erased(book, f"report/{body.order}", body.ground, act)


def _erased(
    book: Book, id: str, ground: str, act: Act, commitment: str | None = None
) -> Writes | Violation:
    if book.get(Erasure, id) is not None:
        return Violation(Refusal.ERASURE_DONE, "body")
    return (Erasure(id=id, ground=str(ground), erased_at=act.at, commitment=commitment),)


RULES: Rules = {
    BodyErased: Rule(erase_body, BY_ADMINISTRATOR, SUPERVISORS),
    DirectoryErased: Rule(erase_directory, BY_ADMINISTRATOR, ANY),
    ReportErased: Rule(erase_report, BY_ADMINISTRATOR | {Role.FULFIL, Role.ORDER}, ANY),
}
