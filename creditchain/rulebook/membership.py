"""Who belongs, and with which keys an institution speaks.

PURE.

- The regulator alone admits, suspends and reinstates; there is one regulator and one operator, and
  they cannot be suspended or leave, because without them there is no consortium.
- A suspended member begins nothing and serves nothing. It may still end things, complain and answer
  for itself (`while_suspended` in the tables): acknowledge and dispute, cancel its orders, answer
  objections, revoke keys, dismiss officers, leave. And it still receives what protects others:
  consents given to it may be refused and withdrawn, its deliveries disputed.
- Keys are added with the member's own key only: who may add a key may speak as the member.
- The last live signing key falls only by the regulator's hand, or the member would be locked out.
"""

from __future__ import annotations

from typing import Final

from creditchain.events.codes import KeyUse, MemberKind, RevocationReason
from creditchain.events.membership import (
    MemberAdmitted,
    MemberKeyAdded,
    MemberKeyRevoked,
    MemberReinstated,
    MemberSuspended,
    MemberWithdrawn,
)
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import Key, Member, Standing
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    ANY,
    BY_ADMINISTRATOR,
    BY_MEMBER_KEY,
    REGULATOR,
    SUPERVISORS,
    Act,
    Rule,
    Rules,
)

SIGN_KEYS_MAX: Final = 32
"""Signing keys of one member not revoked and not expired: each is written anew with the record."""


def admit(book: Book, body: MemberAdmitted, act: Act) -> Writes | Violation:
    """A new member with its first key. A second regulator or operator is one too many."""
    if book.get(Member, body.member) is not None:
        return Violation(Refusal.MEMBER_EXISTS, "body.member")
    if body.kind in SUPERVISORS:
        return Violation(Refusal.MEMBER_EXISTS, "body.kind")
    if body.key.use is not KeyUse.SIGN:
        return Violation(Refusal.KEY_USE, "body.key")
    kid = body.key.kid
    return (
        Member(
            id=body.member,
            kind=body.kind,
            name=body.name,
            region=body.region,
            standing=Standing.ACTIVE,
            admitted_at=act.at,
            changed_at=act.at,
            filing=body.filing,
            sign_keys=(kid,),
        ),
        Key(id=f"{body.member}/{kid}", owner=body.member, kid=kid, key=body.key, added_at=act.at),
    )


def suspend(book: Book, body: MemberSuspended, act: Act) -> Writes | Violation:
    """An active member may not act for now."""
    member = book.get(Member, body.member)
    if member is None:
        return Violation(Refusal.MEMBER_UNKNOWN, "body.member")
    if member.standing is not Standing.ACTIVE or member.kind in SUPERVISORS:
        return Violation(Refusal.MEMBER_STANDING, "body.member")
    return (replace(member, standing=Standing.SUSPENDED, changed_at=act.at),)


def reinstate(book: Book, body: MemberReinstated, act: Act) -> Writes | Violation:
    """A suspended member may act again."""
    member = book.get(Member, body.member)
    if member is None:
        return Violation(Refusal.MEMBER_UNKNOWN, "body.member")
    if member.standing is not Standing.SUSPENDED:
        return Violation(Refusal.MEMBER_STANDING, "body.member")
    return (replace(member, standing=Standing.ACTIVE, changed_at=act.at),)


def withdraw(book: Book, body: MemberWithdrawn, act: Act) -> Writes | Violation:
    """A member leaves for good, of itself or put out by the regulator."""
    if body.member != act.member and act.kind is not MemberKind.REGULATOR:
        return Violation(Refusal.NOT_YOURS, "body.member")
    member = book.get(Member, body.member)
    if member is None:
        return Violation(Refusal.MEMBER_UNKNOWN, "body.member")
    if member.standing is Standing.WITHDRAWN or member.kind in SUPERVISORS:
        return Violation(Refusal.MEMBER_STANDING, "body.member")
    return (replace(member, standing=Standing.WITHDRAWN, changed_at=act.at),)


def add_key(book: Book, body: MemberKeyAdded, act: Act) -> Writes | Violation:
    """One more key: to sign with, or to have reports sealed to."""
    if body.member != act.member:
        return Violation(Refusal.NOT_YOURS, "body.member")
    kid = body.key.kid
    key_id = f"{body.member}/{kid}"
    if book.get(Key, key_id) is not None:
        return Violation(Refusal.KEY_EXISTS, "body.key")
    writes: Writes = ()
    if body.key.use is KeyUse.SIGN:
        member = book.get(Member, body.member)
        assert member is not None, "the signer's member stands in the book"
        unexpired = _unexpired(book, member, act.at)
        if len(unexpired) >= SIGN_KEYS_MAX:
            return Violation(Refusal.KEY_LIMIT, "body.key")
        writes = (replace(member, sign_keys=(*unexpired, kid)),)
    if body.expires_at is not None and body.expires_at <= act.at:
        return Violation(Refusal.EXPIRY_PAST, "body.expiresAt")
    key = Key(
        id=key_id,
        owner=body.member,
        kid=kid,
        key=body.key,
        added_at=act.at,
        expires_at=body.expires_at,
    )
    return (key, *writes)


def revoke_key(book: Book, body: MemberKeyRevoked, act: Act) -> Writes | Violation:
    """A member's key ends, at once."""
    by_regulator = act.kind is MemberKind.REGULATOR
    if body.member != act.member and not by_regulator:
        return Violation(Refusal.NOT_YOURS, "body.member")
    member = book.get(Member, body.member)
    if member is None:
        return Violation(Refusal.MEMBER_UNKNOWN, "body.member")
    key = book.get(Key, f"{body.member}/{body.key}")
    revoked = None if key is None else revoke(key, body.reason, body.compromised_since, act.at)
    if key is None or revoked is None:
        return Violation(Refusal.KEY_NOT_HELD, "body.key")
    if key.key.use is not KeyUse.SIGN:
        return (revoked,)
    others = [kid for kid in _unexpired(book, member, act.at) if kid != key.kid]
    # The regulator's own last key has nobody above it to bring it back.
    if not others and key.is_live(act.at) and (not by_regulator or body.member == act.member):
        return Violation(Refusal.KEY_LAST, "body.key")
    kept = tuple(kid for kid in member.sign_keys if kid != key.kid)
    return (revoked, replace(member, sign_keys=kept))


def revoke(key: Key, reason: RevocationReason, since: int | None, at: int) -> Key | None:
    """The key as revoked at `at`; None if it is revoked and nothing new is said about it.

    A key laid down in good order may later prove to have been compromised; that is said once.
    """
    if key.revoked_at is None:
        return replace(key, revoked_at=at, compromised_since=since)
    if reason is RevocationReason.COMPROMISED and since is not None and not key.compromised_since:
        return replace(key, compromised_since=since)
    return None


def _unexpired(book: Book, member: Member, at: int) -> list[str]:
    return [
        kid
        for kid in member.sign_keys
        if (key := book.get(Key, f"{member.id}/{kid}")) is not None and key.is_live(at)
    ]


RULES: Rules = {
    MemberAdmitted: Rule(admit, BY_ADMINISTRATOR, REGULATOR),
    MemberSuspended: Rule(suspend, BY_ADMINISTRATOR, REGULATOR),
    MemberReinstated: Rule(reinstate, BY_ADMINISTRATOR, REGULATOR),
    MemberWithdrawn: Rule(withdraw, BY_ADMINISTRATOR, ANY, while_suspended=True),
    MemberKeyAdded: Rule(add_key, BY_MEMBER_KEY, ANY),
    MemberKeyRevoked: Rule(revoke_key, BY_ADMINISTRATOR, ANY, while_suspended=True),
}
