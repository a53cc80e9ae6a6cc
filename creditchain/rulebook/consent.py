"""Consent: asked for, given, refused, taken back; and what it permits.

PURE.

- A bank asks for itself: the grantee of the terms is the bank whose officer asks.
- The grant restates the terms, because the enterprise's signature must cover what it was shown. It
  may narrow them in every respect and widen them in none.
- No window is longer than 366 days: practice is one year, and authority "until all business is
  settled" is what supervisors object to (domain rule C09).
- `consent_fault` is asked when an order is placed, accepted and delivered; uses are counted at
  placing (see `rulebook.order`).
- A withdrawal counts at once, for orders under way too, and also when the grantee is suspended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from creditchain.events.codes import MemberKind, Purpose, Section
from creditchain.events.consent import (
    ConsentExpired,
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
    Terms,
)
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import Consent, ConsentStatus, Enterprise, Member, Standing
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    ANY,
    BANKS,
    BY_ADMINISTRATOR,
    BY_ENTERPRISE,
    BY_ORDERING,
    DAY_MS,
    OPERATOR,
    Act,
    Rule,
    Rules,
)

WINDOW_MAX_MS: Final = 366 * DAY_MS
"""One year, a leap year included."""

# What a status other than GRANTED is called when somebody relies on the consent.
_NOT_STANDING: Final = {
    ConsentStatus.REQUESTED: Refusal.CONSENT_NOT_GRANTED,
    ConsentStatus.REFUSED: Refusal.CONSENT_REFUSED,
    ConsentStatus.WITHDRAWN: Refusal.CONSENT_WITHDRAWN,
    ConsentStatus.EXPIRED: Refusal.CONSENT_EXPIRED,
}


def request(book: Book, body: ConsentRequested, act: Act) -> Writes | Violation:
    """A bank's officer asks an enterprise for consent on these terms."""
    terms = body.terms
    if terms.grantee != act.member:
        return Violation(Refusal.NOT_YOURS, "body.terms.grantee")
    if book.get(Enterprise, body.enterprise) is None:
        return Violation(Refusal.ENTERPRISE_UNKNOWN, "body.enterprise")
    fault = _window_fault(terms, act.at)
    if fault is not None:
        return fault
    for agency in terms.agencies:
        member = book.get(Member, agency)
        if (
            member is None
            or member.kind is not MemberKind.AGENCY
            or member.standing is Standing.WITHDRAWN
        ):
            return Violation(Refusal.AGENCY_UNKNOWN, "body.terms.agencies")
    return (
        Consent(
            id=act.event.id,
            enterprise=body.enterprise,
            grantee=terms.grantee,
            requested_by=act.event.by,
            terms=terms,
            status=ConsentStatus.REQUESTED,
            uses=0,
            requested_at=act.at,
            changed_at=act.at,
        ),
    )


def grant(book: Book, body: ConsentGranted, act: Act) -> Writes | Violation:
    """The enterprise consents, on the terms requested or narrower ones."""
    consent = book.get(Consent, body.consent)
    if consent is None:
        return Violation(Refusal.CONSENT_UNKNOWN, "body.consent")
    if consent.enterprise != act.event.by:
        return Violation(Refusal.NOT_YOURS, "body.consent")
    # A suspended grantee receives withdrawals and disputes, not new permissions.
    grantee = book.get(Member, consent.grantee)
    if grantee is None or grantee.standing is not Standing.ACTIVE:
        return Violation(Refusal.MEMBER_STANDING, "body.consent")
    if consent.status in {ConsentStatus.GRANTED, ConsentStatus.REFUSED, ConsentStatus.WITHDRAWN}:
        return Violation(Refusal.CONSENT_ANSWERED, "body.consent")
    if consent.status is ConsentStatus.EXPIRED or act.at >= consent.terms.valid_until:
        return Violation(Refusal.CONSENT_EXPIRED, "body.consent")
    fault = _window_fault(body.terms, act.at) or _widening(consent.terms, body.terms)
    if fault is not None:
        return fault
    granted = ConsentStatus.GRANTED
    return (replace(consent, terms=body.terms, status=granted, changed_at=act.at),)


def refuse(book: Book, body: ConsentRefused, act: Act) -> Writes | Violation:
    """The enterprise does not consent."""
    consent = book.get(Consent, body.consent)
    if consent is None:
        return Violation(Refusal.CONSENT_UNKNOWN, "body.consent")
    if consent.enterprise != act.event.by:
        return Violation(Refusal.NOT_YOURS, "body.consent")
    if consent.status in {ConsentStatus.GRANTED, ConsentStatus.REFUSED, ConsentStatus.WITHDRAWN}:
        return Violation(Refusal.CONSENT_ANSWERED, "body.consent")
    if consent.status is ConsentStatus.EXPIRED:
        return Violation(Refusal.CONSENT_EXPIRED, "body.consent")
    return (replace(consent, status=ConsentStatus.REFUSED, changed_at=act.at),)


def withdraw(book: Book, body: ConsentWithdrawn, act: Act) -> Writes | Violation:
    """The enterprise takes its consent back; whatever the grantee's standing."""
    consent = book.get(Consent, body.consent)
    if consent is None:
        return Violation(Refusal.CONSENT_UNKNOWN, "body.consent")
    if consent.enterprise != act.event.by:
        return Violation(Refusal.NOT_YOURS, "body.consent")
    if consent.status is not ConsentStatus.GRANTED:
        return Violation(_NOT_STANDING[consent.status], "body.consent")
    return (replace(consent, status=ConsentStatus.WITHDRAWN, changed_at=act.at),)


def expire(book: Book, body: ConsentExpired, act: Act) -> Writes | Violation:
    """The window has passed, of a consent or of a request nobody answered."""
    consent = book.get(Consent, body.consent)
    if consent is None:
        return Violation(Refusal.CONSENT_UNKNOWN, "body.consent")
    if consent.status not in {ConsentStatus.REQUESTED, ConsentStatus.GRANTED}:
        return Violation(_NOT_STANDING[consent.status], "body.consent")
    if act.at < consent.terms.valid_until:
        return Violation(Refusal.CONSENT_NOT_EXPIRED, "body.consent")
    return (replace(consent, status=ConsentStatus.EXPIRED, changed_at=act.at),)


def consent_fault(
    consent: Consent,
    *,
    orderer: str,
    enterprise: str,
    purpose: Purpose,
    agency: str,
    sections: Iterable[Section],
    at: int,
    path: str,
    uses: bool,
) -> Violation | None:
    """Why this consent does not carry such an order at `at`, or None if it does.

    `uses` is whether a use must be left, which is asked when the use is taken, at placing.
    """
    terms = consent.terms
    if terms.grantee != orderer:
        return Violation(Refusal.CONSENT_NOT_FOR_ORDERER, path)
    if consent.enterprise != enterprise:
        return Violation(Refusal.CONSENT_NOT_FOR_SUBJECT, path)
    status = consent.status
    if status is not ConsentStatus.GRANTED and status is not ConsentStatus.EXPIRED:
        return Violation(_NOT_STANDING[status], path)
    if at < terms.valid_from:
        return Violation(Refusal.CONSENT_NOT_YET_VALID, path)
    if at >= terms.valid_until or status is ConsentStatus.EXPIRED:
        return Violation(Refusal.CONSENT_EXPIRED, path)
    if uses and consent.uses >= terms.uses_max:
        return Violation(Refusal.CONSENT_EXHAUSTED, path)
    if terms.purpose is not purpose:
        return Violation(Refusal.CONSENT_PURPOSE, path)
    if agency not in terms.agencies:
        return Violation(Refusal.CONSENT_AGENCY, path)
    for section in sections:
        if section not in terms.sections:
            return Violation(Refusal.CONSENT_SECTION, path)
    return None


def _window_fault(terms: Terms, at: int) -> Violation | None:
    if terms.valid_until <= terms.valid_from or terms.valid_until <= at:
        return Violation(Refusal.TERMS_WINDOW, "body.terms.validUntil")
    if terms.valid_until - terms.valid_from > WINDOW_MAX_MS:
        return Violation(Refusal.TERMS_TOO_LONG, "body.terms.validUntil")
    return None


def _widening(asked: Terms, given: Terms) -> Violation | None:
    """Where the terms given go beyond those asked for."""
    field = ""
    if given.grantee != asked.grantee:
        field = "grantee"
    elif given.purpose is not asked.purpose:
        field = "purpose"
    elif not set(given.agencies) <= set(asked.agencies):
        field = "agencies"
    elif not set(given.sections) <= set(asked.sections):
        field = "sections"
    elif given.valid_from < asked.valid_from:
        field = "validFrom"
    elif given.valid_until > asked.valid_until:
        field = "validUntil"
    elif given.uses_max > asked.uses_max:
        field = "usesMax"
    return Violation(Refusal.TERMS_WIDENED, f"body.terms.{field}") if field else None


RULES: Rules = {
    ConsentRequested: Rule(request, BY_ORDERING, BANKS),
    ConsentGranted: Rule(grant, BY_ENTERPRISE, ANY),
    ConsentRefused: Rule(refuse, BY_ENTERPRISE, ANY),
    ConsentWithdrawn: Rule(withdraw, BY_ENTERPRISE, ANY),
    ConsentExpired: Rule(expire, BY_ADMINISTRATOR, OPERATOR),
}
