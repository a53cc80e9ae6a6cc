"""Who vouched for whom: the keys of a log's actors, each led back to the founding.

Fed with verified events in the log's order, a `KeyChain` says of each whether its signer's key was
good when the event was admitted, and whether the signer was one to say it:

- the founding's regulator admits members; a member adds its own keys and appoints its officers; a
  member enrols enterprises; an enterprise and its voucher add its keys;
- a key that had expired or been revoked, an officer dismissed and a member gone say nothing more;
- an officer says only what its roles allow.

It knows what it was shown. That no revocation was kept back is not for it to say: whoever holds the
whole log has replayed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from creditchain.events import Event, PublicKey
from creditchain.events.codes import KeyUse, MemberKind, Role
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
from creditchain.events.membership import (
    MemberAdmitted,
    MemberKeyAdded,
    MemberKeyRevoked,
    MemberWithdrawn,
)
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.rulebook.law import RULEBOOKS
from creditchain.rulebook.rule import SUPERVISORS, Rules, Voice
from creditchain.seal import Sealed

_RULES: Final[Rules] = {t: rule for _, law in sorted(RULEBOOKS.items()) for t, rule in law.items()}
"""Who may say each type of event."""


class BrokenChain(ValueError):
    """Nobody who could do so has vouched for the signer; the message says what fails."""


@dataclass(slots=True)
class KnownKey:
    """A key of one owner, the entry that introduced it and who signed that (owner and kid).

    `ended` is the entry that revoked it.
    """

    key: PublicKey
    entry: int
    signed_by: tuple[str, str]
    expires_at: int | None = None
    ended: int | None = None


@dataclass(slots=True)
class KnownActor:
    """A member, officer or enterprise. `under` is the member that vouches for it, or itself.

    `ended` is the entry that dismissed it, or by which it left.
    """

    id: str
    under: str
    kind: MemberKind | None = None
    roles: tuple[Role, ...] = ()
    ended: int | None = None

    @property
    def is_enterprise(self) -> bool:
        """Whether it speaks for itself, without an institution behind it."""
        return self.id.startswith("en_")


@dataclass(slots=True)
class KeyChain:
    """The actors and keys that events shown so far have introduced."""

    keys: dict[tuple[str, str], KnownKey] = field(default_factory=dict)
    actors: dict[str, KnownActor] = field(default_factory=dict)
    regulator: str = ""
    operator: str = ""

    def find(self, event: Event, kid: str) -> PublicKey | None:
        """A `FindKey` over what was introduced; only a founding brings its own key."""
        body = event.body
        if isinstance(body, ConsortiumFounded):
            key = body.regulator.key
            own = event.by == body.regulator.member and key.kid == kid
            return key if own and not self.regulator and key.use is KeyUse.SIGN else None
        known = self.keys.get((event.by, kid))
        return known.key if known is not None and known.key.use is KeyUse.SIGN else None

    def trail(self, by: str, kid: str) -> list[int]:
        """The entries that lead from a known key back to the founding, nearest first."""
        entries = [self.keys[by, kid].entry]
        while entries[-1] != 0:
            by, kid = self.keys[by, kid].signed_by
            entries.append(self.keys[by, kid].entry)
        return entries

    def judge(self, sealed: Sealed, index: int, at: int) -> None:
        """Whether the signer of a verified event could say it at `at`, ms; raises `BrokenChain`."""
        body, by = sealed.event.body, sealed.event.by
        if isinstance(body, ConsortiumFounded):
            if index != 0:
                raise BrokenChain("a second founding")
            return
        known, actor = self.keys[by, sealed.kid], self.actors[by]
        if known.ended is not None:
            raise BrokenChain(f"the key had been revoked at entry {known.ended}")
        if known.expires_at is not None and at >= known.expires_at:
            raise BrokenChain("the key had expired")
        house = self.actors[actor.under]
        for gone in (actor, house) if not actor.is_enterprise else ():
            if gone.ended is not None:
                raise BrokenChain(f"{gone.id} had been dismissed or had left at {gone.ended}")
        self._judge_voice(body, actor, house)
        self._judge_subject(body, actor, house)

    @staticmethod
    def _judge_voice(body: object, actor: KnownActor, house: KnownActor) -> None:
        rule = _RULES[type(body)]
        if actor.is_enterprise:
            good = Voice.ENTERPRISE in rule.voices
        else:
            voices = actor.roles if actor.id.startswith("of_") else (Voice.MEMBER_KEY,)
            good = house.kind in rule.kinds and not rule.voices.isdisjoint(voices)
        if not good:
            raise BrokenChain(f"{actor.id} has no role to say this")

    def _judge_subject(self, body: Any, actor: KnownActor, house: KnownActor) -> None:
        """Who introduces or ends a key or an actor must be the one who may."""
        own = "" if actor.is_enterprise else house.id
        match body:
            case MemberAdmitted():
                good = body.kind not in SUPERVISORS and body.member not in self.actors
            case OfficerAppointed():
                good = body.officer not in self.actors
            case EnterpriseEnrolled():
                good = body.enterprise not in self.actors
            case MemberKeyAdded():
                good = actor.id == body.member
            case MemberKeyRevoked() | MemberWithdrawn():
                good = own in {body.member, self.regulator}
            case OfficerDismissed():
                good = own == self._voucher(body.officer)
            case AuthoriserKeyAdded():
                good = actor.id == body.enterprise or own == self._voucher(body.enterprise)
            case AuthoriserKeyRevoked():
                may = {self._voucher(body.enterprise), self.regulator}
                good = actor.id == body.enterprise or own in may
            case _:
                good = True
        if not good or any(place in self.keys for place in introduced_keys(body)):
            raise BrokenChain(f"{actor.id} is not one to vouch for, or to end, what it names")

    def _voucher(self, subject: str) -> str | None:
        actor = self.actors.get(subject)
        return None if actor is None else actor.under

    def learn(self, sealed: Sealed, index: int) -> None:
        """Takes over what an event that was found good introduces or ends."""
        event = sealed.event
        body: Any = event.body
        signer = (event.by, sealed.kid)
        for place, key in introduced_keys(body).items():
            self.keys[place] = KnownKey(key, index, signer, getattr(body, "expires_at", None))
        by = self.actors.get(event.by)
        house = event.by if by is None else by.under
        match body:
            case ConsortiumFounded():
                self.regulator, self.operator = body.regulator.member, body.operator.member
                for member, kind in (
                    (self.regulator, MemberKind.REGULATOR),
                    (self.operator, MemberKind.OPERATOR),
                ):
                    self.actors[member] = KnownActor(member, member, kind)
            case MemberAdmitted():
                self.actors[body.member] = KnownActor(body.member, body.member, body.kind)
            case OfficerAppointed():
                self.actors[body.officer] = KnownActor(body.officer, house, roles=body.roles)
            case EnterpriseEnrolled():
                self.actors[body.enterprise] = KnownActor(body.enterprise, house)
            case MemberKeyRevoked():
                self._end(self.keys.get((body.member, body.key)), index)
            case AuthoriserKeyRevoked():
                self._end(self.keys.get((body.enterprise, body.key)), index)
            case OfficerDismissed():
                self._end(self.actors.get(body.officer), index)
            case MemberWithdrawn():
                self._end(self.actors.get(body.member), index)
            case _:
                pass

    @staticmethod
    def _end(known: KnownKey | KnownActor | None, index: int) -> None:
        if known is not None and known.ended is None:
            known.ended = index


def introduced_keys(body: Any) -> dict[tuple[str, str], PublicKey]:
    """The keys that a body introduces, by owner and kid."""
    match body:
        case ConsortiumFounded():
            pairs = [(f.member, f.key) for f in (body.regulator, body.operator)]
        case MemberAdmitted() | MemberKeyAdded():
            pairs = [(body.member, body.key)]
        case OfficerAppointed():
            pairs = [(body.officer, body.key)]
        case EnterpriseEnrolled() | AuthoriserKeyAdded():
            pairs = [(body.enterprise, body.key)]
        case _:
            pairs = []
    return {(owner, key.kid): key for owner, key in pairs}
