"""Records: the state that follows from the events, all a rule may know.

PURE. Records are values; a rule returns the ones it changes. Times are milliseconds of admission
(`at`), unless the event's own words are meant. `id` is unique within a kind of record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from creditchain.events.codes import (
    CaseMatter,
    CreditDecision,
    DeclineCode,
    DisputeCode,
    FindingOutcome,
    FindingReply,
    LegalForm,
    LookGround,
    MemberKind,
    ObjectionOutcome,
    Outcome,
    Purpose,
    Role,
    Section,
    Severity,
)
from creditchain.events.consent import Terms
from creditchain.events.key import PublicKey
from creditchain.events.order import DeliveredSection, Ground, SealedReport
from creditchain.events.product import Money

CONSORTIUM_ID: Final = "consortium"
"""There is one consortium on a log, so its record has one fixed id."""


class Standing(StrEnum):
    """Whether a member may act."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    WITHDRAWN = "WITHDRAWN"


class ConsentStatus(StrEnum):
    """Where a consent stands; a window or uses run out without a change of status."""

    REQUESTED = "REQUESTED"
    GRANTED = "GRANTED"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class OrderStatus(StrEnum):
    """Where an order stands."""

    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PLACED = "PLACED"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"
    LAPSED = "LAPSED"
    DELIVERED = "DELIVERED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    DISPUTED = "DISPUTED"


class ObjectionStatus(StrEnum):
    """Whether the holder has answered."""

    OPEN = "OPEN"
    ANSWERED = "ANSWERED"


class FindingStatus(StrEnum):
    """How far a finding has come that was taken up with a member."""

    ASKED = "ASKED"
    ANSWERED = "ANSWERED"
    CLOSED = "CLOSED"


class CaseStatus(StrEnum):
    """Where an inspection case stands; names are shown while it is approved."""

    OPENED = "OPENED"
    APPROVED = "APPROVED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Consortium:
    """The consortium: its law in force and who runs and who watches it."""

    id: str
    name: str
    log: str
    regulator: str
    operator: str
    rulebook: int
    log_key: str
    refusal_key: str
    founded_at: int


@dataclass(frozen=True, slots=True)
class Member:
    """An institution and whether it may act.

    `sign_keys` are the thumbprints of its signing keys that are not revoked; some may have expired.
    """

    id: str
    kind: MemberKind
    name: str
    region: str
    standing: Standing
    admitted_at: int
    changed_at: int
    filing: str | None = None
    sign_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of one owner; `id` is `owner/thumbprint`, so nobody can squat another's key.

    A key is live at t if added_at <= t, t < expires_at and t < revoked_at.
    """

    id: str
    owner: str
    kid: str
    key: PublicKey
    added_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    compromised_since: int | None = None

    def is_live(self, at: int) -> bool:
        """Whether the key counts at `at`, ms."""
        return (
            self.added_at <= at
            and (self.expires_at is None or at < self.expires_at)
            and (self.revoked_at is None or at < self.revoked_at)
        )


@dataclass(frozen=True, slots=True)
class Officer:
    """A person acting for a member."""

    id: str
    member: str
    roles: tuple[Role, ...]
    identity: str
    appointed_at: int
    dismissed_at: int | None = None
    compromised_since: int | None = None


@dataclass(frozen=True, slots=True)
class Enterprise:
    """A subject and grantor; `vouched_by` is the member that enrolled it."""

    id: str
    vouched_by: str
    region: str
    identity: str
    enrolled_at: int
    form: LegalForm | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """What an agency offers."""

    id: str
    agency: str
    name: str
    sections: tuple[Section, ...]
    purposes: tuple[Purpose, ...]
    price: Money
    due_within_ms: int
    schema: str
    offered_at: int
    withdrawn_at: int | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent and how often it was used; `terms` are those granted, else those requested."""

    id: str
    enterprise: str
    grantee: str
    requested_by: str
    terms: Terms
    status: ConsentStatus
    uses: int
    requested_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order and all that became of it; times are None until they happen."""

    id: str
    orderer: str
    officer: str
    enterprise: str
    agency: str
    product: str
    purpose: Purpose
    sections: tuple[Section, ...]
    seal_to: str
    price: Money
    status: OrderStatus
    placed_at: int
    due_at: int
    changed_at: int
    consent: str | None = None
    ground: Ground | None = None
    approved_by: str | None = None
    accepted_at: int | None = None
    decline_code: DeclineCode | None = None
    delivered_at: int | None = None
    outcome: Outcome | None = None
    report: SealedReport | None = None
    delivered_sections: tuple[DeliveredSection, ...] | None = None
    acknowledged_at: int | None = None
    dispute_code: DisputeCode | None = None
    disputed_at: int | None = None
    decision: CreditDecision | None = None
    amount: Money | None = None
    decided_at: int | None = None


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """A commitment to records; superseded batches may no longer be cited."""

    id: str
    member: str
    root: str
    count: int
    sections: tuple[Section, ...]
    as_of: int
    committed_at: int
    superseded_at: int | None = None
    replacement: str | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """An objection of an enterprise and its answer."""

    id: str
    enterprise: str
    holder: str
    section: Section
    status: ObjectionStatus
    raised_at: int
    order: str | None = None
    outcome: ObjectionOutcome | None = None
    answered_at: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding as it was asked of a member, and what was said of it since.

    `digest` is the observer's name for it; `earlier` the asking that this one takes up again.
    `answer` and `contest` are the events by which the member answered and contested the closing.
    """

    id: str
    digest: str
    code: str
    member: str
    severity: Severity
    status: FindingStatus
    asked_at: int
    answer_by: int
    changed_at: int
    entries: tuple[int, ...] | None = None
    pack: str | None = None
    earlier: str | None = None
    reply: FindingReply | None = None
    answer: str | None = None
    answered_at: int | None = None
    outcome: FindingOutcome | None = None
    closed_at: int | None = None
    contest: str | None = None
    contested_at: int | None = None


@dataclass(frozen=True, slots=True)
class LastAsked:
    """Which asking of a finding was its last; `id` is `MEMBER/DIGEST`."""

    id: str
    finding: str


@dataclass(frozen=True, slots=True)
class Case:
    """An inspection of a member; `looks` counts those within it so far."""

    id: str
    notice: str
    member: str
    matter: CaseMatter
    opened_by: str
    status: CaseStatus
    looks: int
    opened_at: int
    changed_at: int
    findings: tuple[str, ...] | None = None
    approved_by: str | None = None
    approved_at: int | None = None
    closed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One look in a case: whom at, why, and at the words of which objections."""

    id: str
    case: str
    officer: str
    subjects: tuple[str, ...]
    ground: LookGround
    looked_at: int
    objections: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """Content lawfully gone; `id` is `body/INDEX`, `directory/SUBJECT` or `report/ORDER`."""

    id: str
    ground: str
    erased_at: int
    commitment: str | None = None


Record: TypeAlias = (
    Consortium
    | Member
    | Key
    | Officer
    | Enterprise
    | Product
    | Consent
    | Order
    | RecordBatch
    | Objection
    | Finding
    | LastAsked
    | Case
    | Look
    | Erasure
)

RECORDS: Final[tuple[type[Record], ...]] = (
    Consortium,
    Member,
    Key,
    Officer,
    Enterprise,
    Product,
    Consent,
    Order,
    RecordBatch,
    Objection,
    Finding,
    LastAsked,
    Case,
    Look,
    Erasure,
)
