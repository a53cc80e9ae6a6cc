"""The closed lists an event may choose from; a value outside its list is malformed.

PURE. The value of each member is what stands in the signed bytes and in the GraphQL schema.
A value is never renamed or reused once an event carries it: yesterday's events must still parse.
"""

from __future__ import annotations

from enum import StrEnum


class MemberKind(StrEnum):
    """What a member institution does on the chain."""

    BANK = "BANK"
    AGENCY = "AGENCY"
    SOURCE = "SOURCE"
    JUDICIAL = "JUDICIAL"
    REGULATOR = "REGULATOR"
    OPERATOR = "OPERATOR"


class Role(StrEnum):
    """What an officer may do for a member."""

    ORDER = "ORDER"
    APPROVE = "APPROVE"
    FULFIL = "FULFIL"
    ADMINISTER = "ADMINISTER"
    AUDIT = "AUDIT"


class KeyUse(StrEnum):
    """What a registered key is for: signing events, or having reports sealed to it."""

    SIGN = "SIGN"
    SEAL = "SEAL"


class Purpose(StrEnum):
    """Why a report is asked for: the enterprise query reasons of the second-generation PBoC
    interface (codes 10, 20, 30, 40, 50, 90)."""

    PRE_LOAN_REVIEW = "PRE_LOAN_REVIEW"
    IN_LOAN_OPERATION = "IN_LOAN_OPERATION"
    POST_LOAN_MANAGEMENT = "POST_LOAN_MANAGEMENT"
    RELATED_PARTY_QUERY = "RELATED_PARTY_QUERY"
    GUARANTEE_REVIEW = "GUARANTEE_REVIEW"
    OTHER = "OTHER"


class Section(StrEnum):
    """A section of an enterprise credit report, the unit of consent and of delivery."""

    IDENTITY = "IDENTITY"
    CREDIT_SUMMARY = "CREDIT_SUMMARY"
    CAPITAL_AND_INVESTORS = "CAPITAL_AND_INVESTORS"
    PRINCIPAL_OFFICERS = "PRINCIPAL_OFFICERS"
    ACTUAL_CONTROLLER = "ACTUAL_CONTROLLER"
    RELATED_ENTERPRISES = "RELATED_ENTERPRISES"
    CREDIT_LINES = "CREDIT_LINES"
    LOANS = "LOANS"
    GUARANTEES = "GUARANTEES"
    INTEREST_ARREARS = "INTEREST_ARREARS"
    UTILITIES = "UTILITIES"
    TAX_ARREARS = "TAX_ARREARS"
    CIVIL_JUDGMENTS = "CIVIL_JUDGMENTS"
    ENFORCEMENT = "ENFORCEMENT"
    ADMINISTRATIVE_PENALTIES = "ADMINISTRATIVE_PENALTIES"
    PROVIDENT_FUND = "PROVIDENT_FUND"
    PERMITS_AND_AWARDS = "PERMITS_AND_AWARDS"
    CUSTOMS = "CUSTOMS"
    RATINGS = "RATINGS"
    FINANCIAL_STATEMENTS = "FINANCIAL_STATEMENTS"


class SuspensionGround(StrEnum):
    """Why a member may not act for now."""

    BREACH = "BREACH"
    SECURITY_INCIDENT = "SECURITY_INCIDENT"
    FILING_LAPSED = "FILING_LAPSED"
    OWN_REQUEST = "OWN_REQUEST"


class RevocationReason(StrEnum):
    """Why a key may not be used any more."""

    SUPERSEDED = "SUPERSEDED"
    CEASED = "CEASED"
    COMPROMISED = "COMPROMISED"


class RefusalReason(StrEnum):
    """Why an enterprise refused a consent request."""

    NO_BUSINESS = "NO_BUSINESS"
    TOO_BROAD = "TOO_BROAD"
    NOT_NOW = "NOT_NOW"
    UNSTATED = "UNSTATED"


class LawfulGround(StrEnum):
    """A ground that stands in for consent (Regulation on Credit Reporting, article 18 proviso)."""

    COURT = "COURT"
    STATUTE = "STATUTE"


class DeclineCode(StrEnum):
    """Why an agency does not serve an order."""

    SUBJECT_UNKNOWN = "SUBJECT_UNKNOWN"
    NO_AGREEMENT = "NO_AGREEMENT"
    CAPACITY = "CAPACITY"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    LEGAL_BAR = "LEGAL_BAR"


class Outcome(StrEnum):
    """What a delivery brings."""

    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"
    NOT_FOUND = "NOT_FOUND"


class MissingCode(StrEnum):
    """Why a section is absent from a partial delivery."""

    NO_RECORDS = "NO_RECORDS"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    UNDER_OBJECTION = "UNDER_OBJECTION"


class DisputeCode(StrEnum):
    """What is wrong with a delivered report, as its orderer sees it."""

    FINGERPRINT_MISMATCH = "FINGERPRINT_MISMATCH"
    UNREADABLE = "UNREADABLE"
    WRONG_SUBJECT = "WRONG_SUBJECT"
    INCOMPLETE = "INCOMPLETE"
    INACCURATE = "INACCURATE"


class CreditDecision(StrEnum):
    """How the lending decision went for which the report was ordered."""

    GRANTED = "GRANTED"
    DECLINED = "DECLINED"


class SupersedeReason(StrEnum):
    """Why a batch of records no longer counts."""

    CORRECTED = "CORRECTED"
    UPDATED = "UPDATED"
    RETRACTED = "RETRACTED"


class ObjectionOutcome(StrEnum):
    """The answer to an objection (the dispute check results of the PBoC interface)."""

    DATA_WRONG = "DATA_WRONG"
    DATA_RIGHT = "DATA_RIGHT"
    OMITTED = "OMITTED"
    DELETED = "DELETED"


class ErasureGround(StrEnum):
    """The legal ground of an erasure (PIPL article 47; retention limits; a court's order)."""

    RETENTION_ENDED = "RETENTION_ENDED"
    SUBJECT_REQUEST = "SUBJECT_REQUEST"
    COURT_ORDER = "COURT_ORDER"
    UNLAWFUL_CONTENT = "UNLAWFUL_CONTENT"


class LegalForm(StrEnum):
    """What an enterprise is in law: rules for persons reach sole traders (Regulation, articles 16,
    18 and 22)."""

    ENTERPRISE = "ENTERPRISE"
    SOLE_TRADER = "SOLE_TRADER"
    COOPERATIVE = "COOPERATIVE"


class Severity(StrEnum):
    """How heavy a finding weighs."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class FindingReply(StrEnum):
    """What a member says to a finding."""

    ACCEPTED = "ACCEPTED"
    REMEDIED = "REMEDIED"
    CONTESTED = "CONTESTED"


class FindingOutcome(StrEnum):
    """How the regulator closes a finding."""

    REMEDIED = "REMEDIED"
    UNFOUNDED = "UNFOUNDED"
    SANCTIONED = "SANCTIONED"
    NOTED = "NOTED"


class CaseMatter(StrEnum):
    """What an inspection is about."""

    ROUTINE = "ROUTINE"
    FINDING = "FINDING"
    COMPLAINT = "COMPLAINT"
    INCIDENT = "INCIDENT"


class LookGround(StrEnum):
    """Why an inspector needs to know who it is."""

    FINDING = "FINDING"
    COMPLAINT = "COMPLAINT"
    SAMPLE = "SAMPLE"
    SANCTION = "SANCTION"
