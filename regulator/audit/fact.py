"""Facts of a history: what the auditor knows of members, consents, orders and the rest.

PURE. Times are admission times in ms unless the event's own words are meant; `entry` is the index
of the one that began a thing. A fact is a named tuple whose first field is its id, so that any
store can keep it as a JSON list.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol, TypeVar

F = TypeVar("F", bound=tuple[Any, ...])


class Facts(Protocol):
    """Where facts and notes are kept."""

    def get(self, kind: type[F], id: str) -> F | None:
        """The one of this kind and id; None if there is none."""
        ...

    def put(self, fact: tuple[Any, ...]) -> None:
        """Keep it in place of the one with its kind and id."""
        ...


class Member(NamedTuple):
    """An institution; `suspended_at` and `withdrawn_at` are None while it may act."""

    id: str
    entry: int
    kind: str
    region: str
    filing: str | None
    admitted_at: int
    suspended_at: int | None = None
    withdrawn_at: int | None = None


class SigningKey(NamedTuple):
    """A key of one owner; the id is `owner/thumbprint`. `added_by` vouched for it."""

    id: str
    entry: int
    owner: str
    added_by: str
    added_at: int
    authority: str | None = None
    expires_at: int | None = None
    revoked_at: int | None = None
    compromised_since: int | None = None


class Officer(NamedTuple):
    """A person acting for a member."""

    id: str
    entry: int
    member: str
    roles: tuple[str, ...]
    appointed_at: int
    expires_at: int | None = None
    dismissed_at: int | None = None
    compromised_since: int | None = None


class Enterprise(NamedTuple):
    """A subject; `authority` is the fingerprint of the paper behind its first key."""

    id: str
    entry: int
    vouched_by: str
    region: str
    authority: str
    enrolled_at: int
    is_person: int = 0


class Product(NamedTuple):
    """What an agency offers."""

    id: str
    entry: int
    agency: str
    sections: tuple[str, ...]
    purposes: tuple[str, ...]
    price: int
    currency: str
    due_within_ms: int
    offered_at: int
    withdrawn_at: int | None = None


class Consent(NamedTuple):
    """A consent; the terms are those granted, else those requested.

    `ended` is REFUSED, WITHDRAWN or EXPIRED, with the time and the entry. `orders` counts those
    that cite it, without those that the agency declined or let lapse.
    """

    id: str
    entry: int
    enterprise: str
    grantee: str
    officer: str
    purpose: str
    agencies: tuple[str, ...]
    sections: tuple[str, ...]
    valid_from: int
    valid_until: int
    uses_max: int
    requested_at: int
    granted_at: int | None = None
    granted_index: int | None = None
    granted_signed_at: int | None = None
    ended: str | None = None
    ended_at: int | None = None
    ended_index: int | None = None
    orders: int = 0
    granted_kid: str | None = None


class Order(NamedTuple):
    """An order and what became of it; times are None until they happen.

    `ended` is DECLINED, CANCELLED or LAPSED; `deliveries` counts them.
    """

    id: str
    entry: int
    orderer: str
    officer: str
    enterprise: str
    agency: str
    product: str
    purpose: str
    sections: tuple[str, ...]
    consent: str | None
    ground: str | None
    price: int
    currency: str
    placed_at: int
    signed_at: int
    due_at: int
    approved_by: str | None = None
    approved_at: int | None = None
    accepted_at: int | None = None
    ended: str | None = None
    ended_at: int | None = None
    deliveries: int = 0
    delivered_at: int | None = None
    delivered_index: int | None = None
    outcome: str | None = None
    fingerprint: str | None = None
    acknowledged_at: int | None = None
    acknowledged_index: int | None = None
    disputed_at: int | None = None
    disputed_index: int | None = None
    decision: str | None = None
    decided_at: int | None = None
    amount: int | None = None
    seal_to: str = ""


class Batch(NamedTuple):
    """A commitment to records."""

    id: str
    entry: int
    member: str
    records: int
    sections: tuple[str, ...]
    as_of: int
    committed_at: int
    superseded_at: int | None = None
    replacement: str | None = None
    reason: str | None = None


class Objection(NamedTuple):
    """An objection of an enterprise and its answer."""

    id: str
    entry: int
    enterprise: str
    holder: str
    section: str
    order: str | None
    raised_at: int
    answered_at: int | None = None
    outcome: str | None = None


class Unseen(NamedTuple):
    """An entry whose body this audit never saw, by its index, and when it was admitted."""

    id: str
    at: int


class Asked(NamedTuple):
    """A finding that a member was asked about; `finding` is the observer's id of it."""

    id: str
    entry: int
    finding: str
    member: str
    answer_by: int
    asked_at: int
    answered_at: int | None = None
    closed_at: int | None = None


class Case(NamedTuple):
    """An inspection; `member` is the supervised one, the officers are the regulator's."""

    id: str
    entry: int
    notice: str
    member: str
    opened_by: str
    opened_at: int
    approved_by: str | None = None
    approved_at: int | None = None
    closed_at: int | None = None


KINDS: Final[frozenset[type[tuple[Any, ...]]]] = frozenset(
    {
        Member,
        SigningKey,
        Officer,
        Enterprise,
        Product,
        Consent,
        Order,
        Batch,
        Objection,
        Unseen,
        Asked,
        Case,
    }
)
"""The facts of the history, as opposed to the notes of single rules."""


def member_of(facts: Facts, actor: str) -> str | None:
    """The institution an actor spoke for; None for an enterprise and for the unknown."""
    if actor.startswith("of_"):
        officer = facts.get(Officer, actor)
        return None if officer is None else officer.member
    return actor if facts.get(Member, actor) is not None else None


def proof_of(consent: Consent) -> list[int]:
    """The entries that asked for a consent, granted and ended it, as far as they are there."""
    found = (consent.entry, consent.granted_index, consent.ended_index)
    return [one for one in found if one is not None]
