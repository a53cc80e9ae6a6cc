"""Inspections: the cases within which the regulator may learn who stands behind opaque ids.

PURE. A case has the id of the event that opened it, a notice and two officers (Regulation on Credit
Reporting, article 33). Each look is an event before a name is shown; the names live in the
directory.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import CaseMatter, LookGround
from creditchain.events.field import ActorId, Digest, EventId, Label, MemberId


@dataclass(frozen=True, slots=True)
class CaseOpened:
    """An officer of the regulator opens a case about a member, under the number of its notice.

    `findings` are the digests of the findings that it follows up, if it does.
    """

    notice: Label
    member: MemberId
    matter: CaseMatter
    findings: tuple[Digest, ...] | None = None


@dataclass(frozen=True, slots=True)
class CaseApproved:
    """A second officer of the regulator approves the case; until then nobody looks."""

    case: EventId


@dataclass(frozen=True, slots=True)
class IdentitiesResolved:
    """One of the case's two officers looks at who these officers and enterprises are.

    `objections` are those of these enterprises whose words are read along.
    """

    case: EventId
    subjects: tuple[ActorId, ...]
    ground: LookGround
    objections: tuple[EventId, ...] | None = None


@dataclass(frozen=True, slots=True)
class CaseClosed:
    """The case ends; from now on the member sees the case and every look in it."""

    case: EventId
