"""Refusal codes, in order of precedence, each with a sentence for people in two languages.

PURE. A code is stable: never renamed, never reused. The order is law too: of several faults the
first in this list is the one a member is told, so two implementations agree not only that but why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Refusal(StrEnum):
    """Why an event is not admitted."""

    # The bytes and the seal (before any rule reads the book).
    EVENT_MALFORMED = "EVENT_MALFORMED"
    WRONG_LOG = "WRONG_LOG"
    PROOF_MALFORMED = "PROOF_MALFORMED"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    ID_REUSED = "ID_REUSED"
    # Time and law.
    NOT_FOUNDED = "NOT_FOUNDED"
    ALREADY_FOUNDED = "ALREADY_FOUNDED"
    CLOCK_SKEW = "CLOCK_SKEW"
    RULEBOOK_UNKNOWN = "RULEBOOK_UNKNOWN"
    # Who acts.
    KEY_EXPIRED = "KEY_EXPIRED"
    KEY_REVOKED = "KEY_REVOKED"
    ACTOR_UNKNOWN = "ACTOR_UNKNOWN"
    OFFICER_DISMISSED = "OFFICER_DISMISSED"
    MEMBER_SUSPENDED = "MEMBER_SUSPENDED"
    MEMBER_WITHDRAWN = "MEMBER_WITHDRAWN"
    ROLE_MISSING = "ROLE_MISSING"
    NOT_YOURS = "NOT_YOURS"
    # Members, keys, officers, enterprises.
    MEMBER_UNKNOWN = "MEMBER_UNKNOWN"
    MEMBER_EXISTS = "MEMBER_EXISTS"
    MEMBER_STANDING = "MEMBER_STANDING"
    KEY_EXISTS = "KEY_EXISTS"
    KEY_USE = "KEY_USE"
    KEY_LAST = "KEY_LAST"
    EXPIRY_PAST = "EXPIRY_PAST"
    OFFICER_UNKNOWN = "OFFICER_UNKNOWN"
    OFFICER_EXISTS = "OFFICER_EXISTS"
    ROLES_EXCLUSIVE = "ROLES_EXCLUSIVE"
    ENTERPRISE_UNKNOWN = "ENTERPRISE_UNKNOWN"
    ENTERPRISE_EXISTS = "ENTERPRISE_EXISTS"
    # Products.
    PRODUCT_UNKNOWN = "PRODUCT_UNKNOWN"
    PRODUCT_EXISTS = "PRODUCT_EXISTS"
    PRODUCT_WITHDRAWN = "PRODUCT_WITHDRAWN"
    # Consent.
    CONSENT_UNKNOWN = "CONSENT_UNKNOWN"
    CONSENT_NOT_FOR_ORDERER = "CONSENT_NOT_FOR_ORDERER"
    CONSENT_NOT_FOR_SUBJECT = "CONSENT_NOT_FOR_SUBJECT"
    CONSENT_NOT_GRANTED = "CONSENT_NOT_GRANTED"
    CONSENT_ANSWERED = "CONSENT_ANSWERED"
    CONSENT_REFUSED = "CONSENT_REFUSED"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    CONSENT_NOT_YET_VALID = "CONSENT_NOT_YET_VALID"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CONSENT_NOT_EXPIRED = "CONSENT_NOT_EXPIRED"
    CONSENT_EXHAUSTED = "CONSENT_EXHAUSTED"
    CONSENT_PURPOSE = "CONSENT_PURPOSE"
    CONSENT_AGENCY = "CONSENT_AGENCY"
    CONSENT_SECTION = "CONSENT_SECTION"
    TERMS_WINDOW = "TERMS_WINDOW"
    TERMS_TOO_LONG = "TERMS_TOO_LONG"
    TERMS_WIDENED = "TERMS_WIDENED"
    AGENCY_UNKNOWN = "AGENCY_UNKNOWN"
    # Orders and deliveries.
    BASIS_MISSING = "BASIS_MISSING"
    BASIS_DOUBLE = "BASIS_DOUBLE"
    PRODUCT_SECTION = "PRODUCT_SECTION"
    PRODUCT_PURPOSE = "PRODUCT_PURPOSE"
    SEAL_KEY_UNKNOWN = "SEAL_KEY_UNKNOWN"
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    ORDER_STATUS = "ORDER_STATUS"
    ORDER_OVERDUE = "ORDER_OVERDUE"
    ORDER_NOT_DUE = "ORDER_NOT_DUE"
    APPROVER_SAME = "APPROVER_SAME"
    DELIVERY_SHAPE = "DELIVERY_SHAPE"
    DELIVERY_SECTIONS = "DELIVERY_SECTIONS"
    DELIVERY_WRONG_KEY = "DELIVERY_WRONG_KEY"
    DELIVERY_SCHEMA = "DELIVERY_SCHEMA"
    DELIVERY_BATCH = "DELIVERY_BATCH"
    FINGERPRINT_MISMATCH = "FINGERPRINT_MISMATCH"
    DECISION_AMOUNT = "DECISION_AMOUNT"
    DECISION_MADE = "DECISION_MADE"
    # Records, objections, erasure.
    BATCH_UNKNOWN = "BATCH_UNKNOWN"
    BATCH_SUPERSEDED = "BATCH_SUPERSEDED"
    AS_OF_FUTURE = "AS_OF_FUTURE"
    OBJECTION_UNKNOWN = "OBJECTION_UNKNOWN"
    OBJECTION_ANSWERED = "OBJECTION_ANSWERED"
    ERASURE_SUBJECT = "ERASURE_SUBJECT"
    ERASURE_DONE = "ERASURE_DONE"


@dataclass(frozen=True, slots=True)
class Violation:
    """The rulebook's answer to an event that must not stand.

    `code` is why, `path` the JSON path of the field at fault (empty: the event as a whole).
    """

    code: Refusal
    path: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a person reads for a code."""

    en: str
    zh: str


# One line per code; completeness is a test. Filled in below the codes so the order stays visible.
SENTENCES: Final[dict[Refusal, Sentence]] = {}
