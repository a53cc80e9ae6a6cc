"""Who may read a body: one table.

PURE. The institutions and the enterprise a body concerns read it, and the regulator reads all.
Bodies about the consortium itself are open to every member, and so are record batches, which hold
one root and no subject: a bank needs the root to check the lines of a report. Appointments are
open too, since nobody can check an officer's signature without them, and they name no one. An
agency reads the orders it is asked to serve, not the consents behind them. A member reads of its
inspection once that is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from creditchain.events import Body, Event
from creditchain.events.consent import (
    ConsentExpired,
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
)
from creditchain.events.consortium import ConsortiumFounded, RulebookAdopted
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
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
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.events.order import (
    CreditDecided,
    DeliveryAcknowledged,
    DeliveryDisputed,
    OrderAccepted,
    OrderApproved,
    OrderCancelled,
    OrderDeclined,
    OrderLapsed,
    OrderPlaced,
    ReportDelivered,
)
from creditchain.events.product import ProductOffered, ProductWithdrawn
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from creditchain.rulebook.book import Book
from creditchain.rulebook.record import (
    Case,
    CaseStatus,
    Consent,
    Enterprise,
    Finding,
    Member,
    Objection,
    Officer,
    Order,
    Product,
)

Parties: TypeAlias = Callable[[Any, Book, str], tuple[str | None, ...]]
"""(body, book, event id) to the ids besides the signer's own; None where there is none."""


def readers(event: Event, book: Book) -> frozenset[str] | None:
    """Member and enterprise ids that may read the body of an admitted event; None: every member.

    `book` is the state now, for the answer may change: when a case is closed, its bodies are shown.
    The regulator may read every body and is not listed.
    """
    parties = READERS[type(event.body)]
    if parties is None:
        return None
    author = event.by if event.by.startswith("en_") else member_of(book, event.by)
    ids = (author, *parties(event.body, book, event.id))
    return frozenset(party for party in ids if party is not None)


def member_of(book: Book, actor: str) -> str | None:
    """The institution an actor speaks for; None for an enterprise and for the unknown."""
    if actor.startswith("of_"):
        officer = book.get(Officer, actor)
        return None if officer is None else officer.member
    return actor if book.get(Member, actor) is not None else None


def _enterprise(body: Any, book: Book, _id: str) -> tuple[str | None, ...]:
    return (body.enterprise, _voucher(book, body.enterprise))


def _voucher(book: Book, enterprise: str) -> str | None:
    found = book.get(Enterprise, enterprise)
    return None if found is None else found.vouched_by


def _request(body: ConsentRequested, _book: Book, _id: str) -> tuple[str | None, ...]:
    return (body.enterprise, body.terms.grantee)


def _consent(body: Any, book: Book, _id: str) -> tuple[str | None, ...]:
    consent = book.get(Consent, body.consent)
    return () if consent is None else (consent.enterprise, consent.grantee)


def _placed(body: OrderPlaced, book: Book, _id: str) -> tuple[str | None, ...]:
    product = book.get(Product, body.product)
    return (body.enterprise, None if product is None else product.agency)


def _order(body: Any, book: Book, _id: str) -> tuple[str | None, ...]:
    order = book.get(Order, body.order)
    return () if order is None else (order.orderer, order.agency, order.enterprise)


def _credit(body: CreditDecided, book: Book, _id: str) -> tuple[str | None, ...]:
    # What a bank lends is no business of the agency that reported.
    order = book.get(Order, body.order)
    return () if order is None else (order.orderer, order.enterprise)


def _raised(body: ObjectionRaised, book: Book, _id: str) -> tuple[str | None, ...]:
    order = None if body.order is None else book.get(Order, body.order)
    return (body.holder, None if order is None else order.orderer)


def _answered(body: ObjectionAnswered, book: Book, _id: str) -> tuple[str | None, ...]:
    objection = book.get(Objection, body.objection)
    if objection is None:
        return ()
    order = None if objection.order is None else book.get(Order, objection.order)
    return (objection.enterprise, objection.holder, None if order is None else order.orderer)


def _directory(body: DirectoryErased, book: Book, _id: str) -> tuple[str | None, ...]:
    if body.subject.startswith("of_"):
        return (member_of(book, body.subject),)
    return (body.subject, _voucher(book, body.subject))


def _asked(body: FindingAsked, _book: Book, _id: str) -> tuple[str | None, ...]:
    return (body.member,)


def _finding(body: Any, book: Book, _id: str) -> tuple[str | None, ...]:
    finding = book.get(Finding, body.finding)
    return () if finding is None else (finding.member,)


def _opened(_body: CaseOpened, book: Book, id: str) -> tuple[str | None, ...]:
    return _inspected(book, id)


def _case(body: Any, book: Book, _id: str) -> tuple[str | None, ...]:
    return _inspected(book, body.case)


def _inspected(book: Book, case_id: str) -> tuple[str | None, ...]:
    case = book.get(Case, case_id)
    return (case.member,) if case is not None and case.status is CaseStatus.CLOSED else ()


READERS: Final[dict[type[Body], Parties | None]] = {
    ConsortiumFounded: None,
    RulebookAdopted: None,
    MemberAdmitted: None,
    MemberSuspended: None,
    MemberReinstated: None,
    MemberWithdrawn: None,
    MemberKeyAdded: None,
    MemberKeyRevoked: None,
    OfficerAppointed: None,
    OfficerDismissed: None,
    EnterpriseEnrolled: _enterprise,
    AuthoriserKeyAdded: _enterprise,
    AuthoriserKeyRevoked: _enterprise,
    ProductOffered: None,
    ProductWithdrawn: None,
    ConsentRequested: _request,
    ConsentGranted: _consent,
    ConsentRefused: _consent,
    ConsentWithdrawn: _consent,
    ConsentExpired: _consent,
    OrderPlaced: _placed,
    OrderApproved: _order,
    OrderAccepted: _order,
    OrderDeclined: _order,
    OrderCancelled: _order,
    OrderLapsed: _order,
    ReportDelivered: _order,
    DeliveryAcknowledged: _order,
    DeliveryDisputed: _order,
    CreditDecided: _credit,
    RecordsCommitted: None,
    RecordsSuperseded: None,
    ObjectionRaised: _raised,
    ObjectionAnswered: _answered,
    BodyErased: None,
    DirectoryErased: _directory,
    ReportErased: _order,
    FindingAsked: _asked,
    FindingAnswered: _finding,
    FindingClosed: _finding,
    CaseOpened: _opened,
    CaseApproved: _case,
    IdentitiesResolved: _case,
    CaseClosed: _case,
}
"""None: open to every member. Else the parties besides the signer's institution."""
