"""Consent: asked for by a bank, given, refused or taken back by the enterprise.

PURE. A consent has the id of the event that requested it. The grant restates every term, because
the enterprise's signature must cover what it was shown; it may narrow the request, never widen it.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import Purpose, RefusalReason, Section
from creditchain.events.field import EnterpriseId, EventId, MemberId, Positive, Timestamp


@dataclass(frozen=True, slots=True)
class Terms:
    """What exactly is permitted.

    `grantee` may order, from `agencies`, `sections` for `purpose`, at most `uses_max` times, from
    `valid_from` up to but not including `valid_until`.
    """

    grantee: MemberId
    purpose: Purpose
    agencies: tuple[MemberId, ...]
    sections: tuple[Section, ...]
    valid_from: Timestamp
    valid_until: Timestamp
    uses_max: Positive


@dataclass(frozen=True, slots=True)
class ConsentRequested:
    """A bank's officer asks an enterprise for consent on these terms."""

    enterprise: EnterpriseId
    terms: Terms


@dataclass(frozen=True, slots=True)
class ConsentGranted:
    """The enterprise consents, on the terms requested or narrower ones."""

    consent: EventId
    terms: Terms


@dataclass(frozen=True, slots=True)
class ConsentRefused:
    """The enterprise does not consent."""

    consent: EventId
    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class ConsentWithdrawn:
    """The enterprise takes its consent back; at once, and for orders under way too."""

    consent: EventId


@dataclass(frozen=True, slots=True)
class ConsentExpired:
    """The window of a consent, or of a request nobody answered, has passed. By the operator."""

    consent: EventId
