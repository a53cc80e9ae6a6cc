"""The order for a report, from placing to its end.

PURE. An order has the id of the event that placed it.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import (
    CreditDecision,
    DeclineCode,
    DisputeCode,
    LawfulGround,
    MissingCode,
    Outcome,
    Purpose,
    Section,
)
from creditchain.events.field import (
    Digest,
    EnterpriseId,
    EventId,
    MediaType,
    Positive,
    ProductId,
    SchemaId,
    Thumbprint,
)
from creditchain.events.product import Money


@dataclass(frozen=True, slots=True)
class Ground:
    """The law or ruling that allows an order without consent; `document` is its fingerprint."""

    code: LawfulGround
    document: Digest


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """A bank's officer orders a report: under a `consent`, or on a `ground` of law.

    `seal_to` names the orderer's key to which the report must be sealed. An order on a ground waits
    for a second officer's approval.
    """

    enterprise: EnterpriseId
    product: ProductId
    purpose: Purpose
    sections: tuple[Section, ...]
    seal_to: Thumbprint
    consent: EventId | None = None
    ground: Ground | None = None


@dataclass(frozen=True, slots=True)
class OrderApproved:
    """A second officer of the orderer approves an order placed on a ground of law."""

    order: EventId


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """The agency will serve the order."""

    order: EventId


@dataclass(frozen=True, slots=True)
class OrderDeclined:
    """The agency will not serve the order."""

    order: EventId
    code: DeclineCode


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """The orderer no longer wants the report; possible until it is delivered."""

    order: EventId


@dataclass(frozen=True, slots=True)
class OrderLapsed:
    """The order's due time passed without delivery. Signed by the operator, whose clock it is."""

    order: EventId


@dataclass(frozen=True, slots=True)
class DeliveredSection:
    """A section of the report: its salted fingerprint and the record batches its lines cite."""

    section: Section
    fingerprint: Digest
    batches: tuple[EventId, ...] | None = None


@dataclass(frozen=True, slots=True)
class MissingSection:
    """A section that was ordered and is not in the report."""

    section: Section
    code: MissingCode


@dataclass(frozen=True, slots=True)
class SealedReport:
    """The sealed report as the vault holds it.

    `fingerprint` is of the plaintext, salted; `ciphertext` the SHA-256 of the sealed bytes;
    `size` their count; `sealed_to` the key they were sealed to.
    """

    fingerprint: Digest
    ciphertext: Digest
    size: Positive
    media_type: MediaType
    schema: SchemaId
    sealed_to: Thumbprint


@dataclass(frozen=True, slots=True)
class ReportDelivered:
    """The agency's answer: a complete or partial report, or that nothing was found."""

    order: EventId
    outcome: Outcome
    report: SealedReport | None = None
    sections: tuple[DeliveredSection, ...] | None = None
    missing: tuple[MissingSection, ...] | None = None


@dataclass(frozen=True, slots=True)
class DeliveryAcknowledged:
    """The orderer opened the report and found this fingerprint (absent when nothing was found)."""

    order: EventId
    fingerprint: Digest | None = None


@dataclass(frozen=True, slots=True)
class DeliveryDisputed:
    """The orderer disputes the delivery; `opened` is the fingerprint of what it got, if any."""

    order: EventId
    code: DisputeCode
    opened: Digest | None = None


@dataclass(frozen=True, slots=True)
class CreditDecided:
    """What came of it: credit granted, with its amount, or declined."""

    order: EventId
    decision: CreditDecision
    amount: Money | None = None
