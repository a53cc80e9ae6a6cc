"""Findings of the regulator's observer as they are taken up with the member concerned.

PURE. What was found, with its evidence, is the observer's; on the log stand the digest that names
it and what the regulator and the member say of it. A finding that is asked has the id of the event
that asked; the words of an answer live in the directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from creditchain.events.codes import FindingOutcome, FindingReply, Severity
from creditchain.events.field import (
    Count,
    Digest,
    EventId,
    Label,
    MemberId,
    Timestamp,
    text_kind,
)

FindingLabel = Annotated[
    str,
    text_kind(
        "FindingLabel", "[A-Z][A-Z0-9_]{1,39}", "the observer's code for what it found, A-Z 0-9 _"
    ),
]


@dataclass(frozen=True, slots=True)
class FindingAsked:
    """The regulator asks a member to answer a finding; asked again after closing, with a new id.

    `finding` is the digest that the observer gave it, the same on every machine; `entries` the
    indexes concerned, the first of them where there are more; `pack` the rule pack and its version.
    """

    finding: Digest
    code: FindingLabel
    member: MemberId
    severity: Severity
    answer_by: Timestamp
    entries: tuple[Count, ...] | None = None
    pack: Label | None = None


@dataclass(frozen=True, slots=True)
class FindingAnswered:
    """The member answers; `statement` is the salted fingerprint of its words.

    Once closed, a finding may still be contested, once: that is how a member objects to the end.
    """

    finding: EventId
    reply: FindingReply
    statement: Digest


@dataclass(frozen=True, slots=True)
class FindingClosed:
    """The regulator closes a finding it asked about, answered or not."""

    finding: EventId
    outcome: FindingOutcome
