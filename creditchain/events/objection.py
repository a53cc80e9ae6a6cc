"""Objections of an enterprise to what is recorded about it (Regulation, article 25).

PURE. An objection has the id of the event that raised it; its words live in the directory.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import ObjectionOutcome, Section
from creditchain.events.field import Digest, EventId, MemberId


@dataclass(frozen=True, slots=True)
class ObjectionRaised:
    """The enterprise objects to a section held by `holder`; later reports carry the annotation.

    `statement` is the salted fingerprint of the objection's words; `order` the report it saw.
    """

    holder: MemberId
    section: Section
    statement: Digest
    order: EventId | None = None


@dataclass(frozen=True, slots=True)
class ObjectionAnswered:
    """The holder's answer; `statement` is the salted fingerprint of its words."""

    objection: EventId
    outcome: ObjectionOutcome
    statement: Digest
