"""Enterprises and the keys with which they authorise.

PURE.

- Any member may vouch for an enterprise; its word, its key and the paper's fingerprint stand on the
  log, so a false voucher can be held to it.
- Further keys come from the enterprise itself or from the member that enrolled it, never from
  another member: whoever adds a key can consent in the enterprise's name.
- A key may be revoked by these two and by the regulator, who can stop but not speak.
"""

from __future__ import annotations

from creditchain.events.codes import KeyUse, MemberKind
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.membership import revoke
from creditchain.rulebook.record import Enterprise, Key
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import ANY, BY_ADMINISTRATOR, BY_ENTERPRISE, Act, Rule, Rules


def enrol(book: Book, body: EnterpriseEnrolled, act: Act) -> Writes | Violation:
    """A member vouches that the key is the authorised person's of the enterprise."""
    kid = body.key.kid
    key_id = f"{body.enterprise}/{kid}"
    if book.get(Key, key_id) is not None:
        return Violation(Refusal.KEY_EXISTS, "body.key")
    if body.key.use is not KeyUse.SIGN:
        return Violation(Refusal.KEY_USE, "body.key")
    if book.get(Enterprise, body.enterprise) is not None:
        return Violation(Refusal.ENTERPRISE_EXISTS, "body.enterprise")
    return (
        Enterprise(
            id=body.enterprise,
            vouched_by=act.member,
            region=body.region,
            identity=body.identity,
            enrolled_at=act.at,
            form=body.form,
        ),
        Key(id=key_id, owner=body.enterprise, kid=kid, key=body.key, added_at=act.at),
    )


def add_key(book: Book, body: AuthoriserKeyAdded, act: Act) -> Writes | Violation:
    """One more key authorises for the enterprise."""
    enterprise = book.get(Enterprise, body.enterprise)
    if (
        enterprise is not None
        and act.event.by != body.enterprise
        and act.member != enterprise.vouched_by
    ):
        return Violation(Refusal.NOT_YOURS, "body.enterprise")
    kid = body.key.kid
    key_id = f"{body.enterprise}/{kid}"
    if enterprise is not None and book.get(Key, key_id) is not None:
        return Violation(Refusal.KEY_EXISTS, "body.key")
    if body.key.use is not KeyUse.SIGN:
        return Violation(Refusal.KEY_USE, "body.key")
    if body.expires_at is not None and body.expires_at <= act.at:
        return Violation(Refusal.EXPIRY_PAST, "body.expiresAt")
    if enterprise is None:
        return Violation(Refusal.ENTERPRISE_UNKNOWN, "body.enterprise")
    return (
        Key(
            id=key_id,
            owner=body.enterprise,
            kid=kid,
            key=body.key,
            added_at=act.at,
            expires_at=body.expires_at,
        ),
    )


def revoke_key(book: Book, body: AuthoriserKeyRevoked, act: Act) -> Writes | Violation:
    """A key no longer authorises, at once; also the last one, the voucher can add another."""
    enterprise = book.get(Enterprise, body.enterprise)
    if enterprise is None:
        return Violation(Refusal.ENTERPRISE_UNKNOWN, "body.enterprise")
    if (
        act.event.by != body.enterprise
        and act.member != enterprise.vouched_by
        and act.kind is not MemberKind.REGULATOR
    ):
        return Violation(Refusal.NOT_YOURS, "body.enterprise")
    key = book.get(Key, f"{body.enterprise}/{body.key}")
    revoked = None if key is None else revoke(key, body.reason, body.compromised_since, act.at)
    if revoked is None:
        return Violation(Refusal.KEY_NOT_HELD, "body.key")
    return (revoked,)


RULES: Rules = {
    EnterpriseEnrolled: Rule(enrol, BY_ADMINISTRATOR, ANY),
    AuthoriserKeyAdded: Rule(add_key, BY_ADMINISTRATOR | BY_ENTERPRISE, ANY),
    AuthoriserKeyRevoked: Rule(
        revoke_key, BY_ADMINISTRATOR | BY_ENTERPRISE, ANY, while_suspended=True
    ),
}
