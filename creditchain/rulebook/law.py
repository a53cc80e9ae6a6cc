"""The law in force: the tables of rules, and `decide`.

PURE. Before a rule runs, what every event must satisfy is settled here, in the order of `Refusal`:
the consortium and its log, the clock, the law's version, the signer's key at the time of admission,
the signer, the standing of its institution, its role. Then the rule of the event's type runs.
"""

from __future__ import annotations

from typing import Final

from creditchain.events import Body, Event, PublicKey
from creditchain.events.codes import KeyUse, Role
from creditchain.events.consortium import ConsortiumFounded, RulebookAdopted
from creditchain.rulebook import (
    consent,
    consortium,
    delivery,
    enterprise,
    erasure,
    finding,
    inspection,
    membership,
    objection,
    officer,
    order,
    product,
    records,
)
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.record import (
    CONSORTIUM_ID,
    Consortium,
    Enterprise,
    Key,
    Member,
    Officer,
    Standing,
)
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import SKEW_MS, Act, Rules, Voice
from creditchain.seal import FindKey, Sealed

RULES: Final[Rules] = {
    **consortium.RULES,
    **membership.RULES,
    **officer.RULES,
    **enterprise.RULES,
    **product.RULES,
    **consent.RULES,
    **order.RULES,
    **delivery.RULES,
    **records.RULES,
    **objection.RULES,
    **erasure.RULES,
    **finding.RULES,
    **inspection.RULES,
}
"""Version 1 of the law: every event type but the founding, each with its rule."""

RULEBOOKS: Final[dict[int, Rules]] = {1: RULES}
"""The law by version. A version that was ever adopted is never edited."""

WHILE_SUSPENDED: Final[frozenset[type[Body]]] = frozenset(
    type_ for type_, rule in RULES.items() if rule.while_suspended
)
"""What a suspended member may still do."""

_MEMBER_VOICES: Final = (Voice.MEMBER_KEY,)


def decide(book: Book, sealed: Sealed, at: int) -> Writes | Violation:
    """The records that an event admitted at `at` (ms) writes, or why it must not stand.

    Never mutates, and knows nothing but its arguments: every reader of the log gets this answer.
    Uniqueness of event ids is the ledger's to keep.
    """
    event = sealed.event
    body = event.body
    by = event.by
    founded = book.get(Consortium, CONSORTIUM_ID)
    if founded is None:
        return _decide_founding(sealed, at)
    if event.log != founded.log:
        return Violation(Refusal.WRONG_LOG, "log")
    key = book.get(Key, f"{by}/{sealed.kid}")
    known = by.startswith("en_") and book.get(Enterprise, by) is not None
    acting = None
    member_id = by
    if by.startswith("of_"):
        acting = book.get(Officer, by)
        member_id = "" if acting is None else acting.member
    member = None if known else book.get(Member, member_id)
    if key is None and (known or member is not None):
        return Violation(Refusal.KEY_UNKNOWN, "by")
    if isinstance(body, ConsortiumFounded):
        return Violation(Refusal.ALREADY_FOUNDED)
    if abs(event.signed_at - at) > SKEW_MS:
        return Violation(Refusal.CLOCK_SKEW, "signedAt")
    if isinstance(body, RulebookAdopted) and body.version not in RULEBOOKS:
        return Violation(Refusal.RULEBOOK_UNKNOWN, "body.version")
    if key is not None and key.expires_at is not None and at >= key.expires_at:
        return Violation(Refusal.KEY_EXPIRED, "by")
    if key is not None and key.revoked_at is not None:
        return Violation(Refusal.KEY_REVOKED, "by")
    if key is None or (member is None and not known):
        return Violation(Refusal.ACTOR_UNKNOWN, "by")
    rule = RULEBOOKS[founded.rulebook][type(body)]
    if member is None:
        if Voice.ENTERPRISE not in rule.voices:
            return Violation(Refusal.ROLE_MISSING, "by")
        return rule.decide(book, body, Act(event, sealed.kid, at, "", None, founded))
    if acting is not None and acting.dismissed_at is not None:
        return Violation(Refusal.OFFICER_DISMISSED, "by")
    if member.standing is not Standing.ACTIVE:
        if member.standing is Standing.WITHDRAWN:
            return Violation(Refusal.MEMBER_WITHDRAWN, "by")
        if not rule.while_suspended:
            return Violation(Refusal.MEMBER_SUSPENDED, "by")
    voices: tuple[Voice | Role, ...] = _MEMBER_VOICES if acting is None else acting.roles
    if member.kind not in rule.kinds or rule.voices.isdisjoint(voices):
        return Violation(Refusal.ROLE_MISSING, "by")
    return rule.decide(book, body, Act(event, sealed.kid, at, member.id, member.kind, founded))


def find_key(book: Book) -> FindKey:
    """The keys as `unseal` asks for them: recorded ones, live or not (`decide` judges that).

    The founding brings its own key. Keys that only seal are no keys to sign with.
    """

    def find(event: Event, kid: str) -> PublicKey | None:
        body = event.body
        if isinstance(body, ConsortiumFounded):
            key = body.regulator.key
            holds = event.by == body.regulator.member and key.kid == kid
        else:
            record = book.get(Key, f"{event.by}/{kid}")
            if record is None:
                return None
            key, holds = record.key, True
        return key if holds and key.use is KeyUse.SIGN else None

    return find


def _decide_founding(sealed: Sealed, at: int) -> Writes | Violation:
    body = sealed.event.body
    if not isinstance(body, ConsortiumFounded):
        return Violation(Refusal.NOT_FOUNDED)
    if abs(sealed.event.signed_at - at) > SKEW_MS:
        return Violation(Refusal.CLOCK_SKEW, "signedAt")
    if body.rulebook not in RULEBOOKS:
        return Violation(Refusal.RULEBOOK_UNKNOWN, "body.rulebook")
    return consortium.found(body, sealed, at)
