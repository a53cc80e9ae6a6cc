"""How events change what the auditor knows: its own state, made without the rulebook.

PURE. It believes every event that was truly signed, lawful or not, because whether the hub should
have admitted it is what the rules ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from creditchain.events import Body
from creditchain.events.codes import LegalForm, MemberKind
from creditchain.events.consent import (
    ConsentExpired,
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
)
from creditchain.events.consortium import ConsortiumFounded, Founder
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from creditchain.events.inspection import CaseApproved, CaseClosed, CaseOpened
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
from regulator.audit.fact import (
    Asked,
    Batch,
    Case,
    Consent,
    Enterprise,
    Facts,
    Member,
    Objection,
    Officer,
    Order,
    Product,
    SigningKey,
    member_of,
)
from regulator.audit.rule import Said

_USE_COMES_BACK: Final = frozenset({"DECLINED", "LAPSED"})
"""Ends of an order that the agency causes; a bank that changes its mind has used the consent."""


def take_in(facts: Facts, said: Said) -> None:
    """Let an event take effect, as far as what it builds on is known."""
    take = _TAKERS.get(type(said.body))
    if take is not None:
        take(facts, said, said.body)


def _found(facts: Facts, said: Said, body: ConsortiumFounded) -> None:
    for founder, kind in ((body.regulator, "REGULATOR"), (body.operator, "OPERATOR")):
        _admit_founder(facts, said, founder, kind)


def _admit_founder(facts: Facts, said: Said, founder: Founder, kind: str) -> None:
    facts.put(Member(founder.member, said.entry, kind, founder.region, None, said.at))
    _add_key(facts, said, founder.member, founder.key.kid)


def _add_key(
    facts: Facts,
    said: Said,
    owner: str,
    kid: str,
    authority: str | None = None,
    expires_at: int | None = None,
) -> None:
    place = f"{owner}/{kid}"
    facts.put(SigningKey(place, said.entry, owner, said.by, said.at, authority, expires_at))


def _revoke(facts: Facts, said: Said, id: str, compromised_since: int | None) -> None:
    key = facts.get(SigningKey, id)
    if key is None:
        return
    # Revoked again, to say that it was compromised: it ended when it first did.
    revoked_at = said.at if key.revoked_at is None else key.revoked_at
    known = [one for one in (key.compromised_since, compromised_since) if one is not None]
    facts.put(key._replace(revoked_at=revoked_at, compromised_since=min(known, default=None)))


def _admit(facts: Facts, said: Said, body: MemberAdmitted) -> None:
    facts.put(Member(body.member, said.entry, body.kind.value, body.region, body.filing, said.at))
    _add_key(facts, said, body.member, body.key.kid)


def _suspend(facts: Facts, said: Said, body: MemberSuspended) -> None:
    _change(facts, Member, body.member, suspended_at=said.at)


def _reinstate(facts: Facts, _said: Said, body: MemberReinstated) -> None:
    _change(facts, Member, body.member, suspended_at=None)


def _leave(facts: Facts, said: Said, body: MemberWithdrawn) -> None:
    _change(facts, Member, body.member, withdrawn_at=said.at)


def _member_key(facts: Facts, said: Said, body: MemberKeyAdded) -> None:
    _add_key(facts, said, body.member, body.key.kid, None, body.expires_at)


def _member_key_revoked(facts: Facts, said: Said, body: MemberKeyRevoked) -> None:
    _revoke(facts, said, f"{body.member}/{body.key}", body.compromised_since)


def _appoint(facts: Facts, said: Said, body: OfficerAppointed) -> None:
    member = member_of(facts, said.by)
    if member is None:
        return
    roles = tuple(role.value for role in body.roles)
    facts.put(Officer(body.officer, said.entry, member, roles, said.at, body.expires_at))
    _add_key(facts, said, body.officer, body.key.kid, None, body.expires_at)


def _dismiss(facts: Facts, said: Said, body: OfficerDismissed) -> None:
    _change(
        facts,
        Officer,
        body.officer,
        dismissed_at=said.at,
        compromised_since=body.compromised_since,
    )


def _enrol(facts: Facts, said: Said, body: EnterpriseEnrolled) -> None:
    vouched_by = member_of(facts, said.by) or said.by
    # A sole trader is a person before the law.
    is_person = int(body.form is LegalForm.SOLE_TRADER)
    facts.put(
        Enterprise(
            body.enterprise,
            said.entry,
            vouched_by,
            body.region,
            body.authority,
            said.at,
            is_person,
        )
    )
    _add_key(facts, said, body.enterprise, body.key.kid, body.authority)


def _authoriser(facts: Facts, said: Said, body: AuthoriserKeyAdded) -> None:
    _add_key(facts, said, body.enterprise, body.key.kid, body.authority, body.expires_at)


def _authoriser_revoked(facts: Facts, said: Said, body: AuthoriserKeyRevoked) -> None:
    _revoke(facts, said, f"{body.enterprise}/{body.key}", body.compromised_since)


def _offer(facts: Facts, said: Said, body: ProductOffered) -> None:
    agency = member_of(facts, said.by) or said.by
    facts.put(
        Product(
            body.product,
            said.entry,
            agency,
            tuple(section.value for section in body.sections),
            tuple(purpose.value for purpose in body.purposes),
            body.price.amount,
            body.price.currency,
            body.due_within_ms,
            said.at,
        )
    )


def _withdraw_product(facts: Facts, said: Said, body: ProductWithdrawn) -> None:
    _change(facts, Product, body.product, withdrawn_at=said.at)


def _request(facts: Facts, said: Said, body: ConsentRequested) -> None:
    terms = body.terms
    facts.put(
        Consent(
            said.id,
            said.entry,
            body.enterprise,
            terms.grantee,
            said.by,
            terms.purpose.value,
            terms.agencies,
            tuple(section.value for section in terms.sections),
            terms.valid_from,
            terms.valid_until,
            terms.uses_max,
            said.at,
        )
    )


def _grant(facts: Facts, said: Said, body: ConsentGranted) -> None:
    terms = body.terms
    _change(
        facts,
        Consent,
        body.consent,
        grantee=terms.grantee,
        purpose=terms.purpose.value,
        agencies=terms.agencies,
        sections=tuple(section.value for section in terms.sections),
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        uses_max=terms.uses_max,
        granted_at=said.at,
        granted_index=said.entry,
        granted_signed_at=said.signed_at,
        granted_kid=said.kid,
    )


def _end_consent(how: str, facts: Facts, said: Said, body: Any) -> None:
    _change(facts, Consent, body.consent, ended=how, ended_at=said.at, ended_index=said.entry)


def _place(facts: Facts, said: Said, body: OrderPlaced) -> None:
    product = facts.get(Product, body.product)
    facts.put(
        Order(
            said.id,
            said.entry,
            member_of(facts, said.by) or said.by,
            said.by,
            body.enterprise,
            # Where the offer was never seen, the product's name still says whose it is.
            body.product.partition("/")[0] if product is None else product.agency,
            body.product,
            body.purpose.value,
            tuple(section.value for section in body.sections),
            body.consent,
            None if body.ground is None else body.ground.code.value,
            0 if product is None else product.price,
            "" if product is None else product.currency,
            said.at,
            said.signed_at,
            said.at if product is None else said.at + product.due_within_ms,
            seal_to=body.seal_to,
        )
    )
    consent = None if body.consent is None else facts.get(Consent, body.consent)
    if consent is not None:
        facts.put(consent._replace(orders=consent.orders + 1))


def _approve(facts: Facts, said: Said, body: OrderApproved) -> None:
    _change(facts, Order, body.order, approved_by=said.by, approved_at=said.at)


def _accept(facts: Facts, said: Said, body: OrderAccepted) -> None:
    _change(facts, Order, body.order, accepted_at=said.at)


def _end_order(how: str, facts: Facts, said: Said, body: Any) -> None:
    order = facts.get(Order, body.order)
    if order is None:
        return
    facts.put(order._replace(ended=how, ended_at=said.at))
    consent = None if order.consent is None else facts.get(Consent, order.consent)
    if consent is not None and how in _USE_COMES_BACK and order.ended is None:
        facts.put(consent._replace(orders=consent.orders - 1))


def _deliver(facts: Facts, said: Said, body: ReportDelivered) -> None:
    order = facts.get(Order, body.order)
    if order is not None:
        facts.put(
            order._replace(
                deliveries=order.deliveries + 1,
                delivered_at=said.at,
                delivered_index=said.entry,
                outcome=body.outcome.value,
                fingerprint=None if body.report is None else body.report.fingerprint,
            )
        )


def _acknowledge(facts: Facts, said: Said, body: DeliveryAcknowledged) -> None:
    _change(facts, Order, body.order, acknowledged_at=said.at, acknowledged_index=said.entry)


def _dispute(facts: Facts, said: Said, body: DeliveryDisputed) -> None:
    _change(facts, Order, body.order, disputed_at=said.at, disputed_index=said.entry)


def _decide(facts: Facts, said: Said, body: CreditDecided) -> None:
    amount = None if body.amount is None else body.amount.amount
    _change(
        facts,
        Order,
        body.order,
        decision=body.decision.value,
        decided_at=said.at,
        amount=amount,
    )


def _commit(facts: Facts, said: Said, body: RecordsCommitted) -> None:
    member = member_of(facts, said.by) or said.by
    sections = tuple(section.value for section in body.sections)
    facts.put(Batch(said.id, said.entry, member, body.count, sections, body.as_of, said.at))


def _supersede(facts: Facts, said: Said, body: RecordsSuperseded) -> None:
    _change(
        facts,
        Batch,
        body.batch,
        superseded_at=said.at,
        replacement=body.replacement,
        reason=body.reason.value,
    )


def _object(facts: Facts, said: Said, body: ObjectionRaised) -> None:
    facts.put(
        Objection(
            said.id, said.entry, said.by, body.holder, body.section.value, body.order, said.at
        )
    )


def _answer(facts: Facts, said: Said, body: ObjectionAnswered) -> None:
    _change(facts, Objection, body.objection, answered_at=said.at, outcome=body.outcome.value)


def _ask(facts: Facts, said: Said, body: FindingAsked) -> None:
    facts.put(Asked(said.id, said.entry, body.finding, body.member, body.answer_by, said.at))


def _reply(facts: Facts, said: Said, body: FindingAnswered) -> None:
    asked = facts.get(Asked, body.finding)
    # Nobody answers for another, whoever let it.
    is_own = asked is not None and member_of(facts, said.by) == asked.member
    if asked is not None and is_own and asked.answered_at is None:
        facts.put(asked._replace(answered_at=said.at))


def _close_finding(facts: Facts, said: Said, body: FindingClosed) -> None:
    closer = facts.get(Member, member_of(facts, said.by) or "")
    if closer is not None and closer.kind == MemberKind.REGULATOR:
        _change(facts, Asked, body.finding, closed_at=said.at)


def _open_case(facts: Facts, said: Said, body: CaseOpened) -> None:
    facts.put(Case(said.id, said.entry, body.notice, body.member, said.by, said.at))


def _approve_case(facts: Facts, said: Said, body: CaseApproved) -> None:
    _change(facts, Case, body.case, approved_by=said.by, approved_at=said.at)


def _close_case(facts: Facts, said: Said, body: CaseClosed) -> None:
    _change(facts, Case, body.case, closed_at=said.at)


def _change(facts: Facts, kind: Any, id: str, **changes: Any) -> None:
    fact = facts.get(kind, id)
    if fact is not None:
        facts.put(fact._replace(**changes))


_TAKERS: Final[Mapping[type[Body], Callable[[Facts, Said, Any], None]]] = {
    ConsortiumFounded: _found,
    MemberAdmitted: _admit,
    MemberSuspended: _suspend,
    MemberReinstated: _reinstate,
    MemberWithdrawn: _leave,
    MemberKeyAdded: _member_key,
    MemberKeyRevoked: _member_key_revoked,
    OfficerAppointed: _appoint,
    OfficerDismissed: _dismiss,
    EnterpriseEnrolled: _enrol,
    AuthoriserKeyAdded: _authoriser,
    AuthoriserKeyRevoked: _authoriser_revoked,
    ProductOffered: _offer,
    ProductWithdrawn: _withdraw_product,
    ConsentRequested: _request,
    ConsentGranted: _grant,
    ConsentRefused: partial(_end_consent, "REFUSED"),
    ConsentWithdrawn: partial(_end_consent, "WITHDRAWN"),
    ConsentExpired: partial(_end_consent, "EXPIRED"),
    OrderPlaced: _place,
    OrderApproved: _approve,
    OrderAccepted: _accept,
    OrderDeclined: partial(_end_order, "DECLINED"),
    OrderCancelled: partial(_end_order, "CANCELLED"),
    OrderLapsed: partial(_end_order, "LAPSED"),
    ReportDelivered: _deliver,
    DeliveryAcknowledged: _acknowledge,
    DeliveryDisputed: _dispute,
    CreditDecided: _decide,
    RecordsCommitted: _commit,
    RecordsSuperseded: _supersede,
    ObjectionRaised: _object,
    ObjectionAnswered: _answer,
    FindingAsked: _ask,
    FindingAnswered: _reply,
    FindingClosed: _close_finding,
    CaseOpened: _open_case,
    CaseApproved: _approve_case,
    CaseClosed: _close_case,
}
