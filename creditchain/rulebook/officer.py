"""The persons who act for a member, and what each may do.

PURE.

- Only the member's own key appoints: the chain from the founding to any signature is regulator,
  member key, officer key. Administrators may dismiss, because that only takes power away.
- Who administers does not do the business: ADMINISTER excludes ORDER and FULFIL (the central
  bank's penalty of 2020 for one person holding both).
- A role must make sense at the member: banks and judicial bodies order, agencies and sources
  fulfil, only the regulator audits.
- Software that serves orders is appointed like a person, with the one role FULFIL.
"""

from __future__ import annotations

from typing import Final

from creditchain.events.codes import KeyUse, Role
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import Key, Officer
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    ANY,
    BY_ADMINISTRATOR,
    BY_MEMBER_KEY,
    ROLE_KINDS,
    Act,
    Rule,
    Rules,
)

NOT_BESIDE_ADMINISTER: Final = frozenset({Role.ORDER, Role.FULFIL})


def appoint(book: Book, body: OfficerAppointed, act: Act) -> Writes | Violation:
    """A member endorses an officer's key and says what the officer may do."""
    kid = body.key.kid
    key_id = f"{body.officer}/{kid}"
    if book.get(Key, key_id) is not None:
        return Violation(Refusal.KEY_EXISTS, "body.key")
    if body.key.use is not KeyUse.SIGN:
        return Violation(Refusal.KEY_USE, "body.key")
    if body.expires_at is not None and body.expires_at <= act.at:
        return Violation(Refusal.EXPIRY_PAST, "body.expiresAt")
    if book.get(Officer, body.officer) is not None:
        return Violation(Refusal.OFFICER_EXISTS, "body.officer")
    if Role.ADMINISTER in body.roles and not NOT_BESIDE_ADMINISTER.isdisjoint(body.roles):
        return Violation(Refusal.ROLES_EXCLUSIVE, "body.roles")
    if any(act.kind not in ROLE_KINDS[role] for role in body.roles):
        return Violation(Refusal.ROLE_KIND, "body.roles")
    return (
        Officer(
            id=body.officer,
            member=act.member,
            roles=body.roles,
            identity=body.identity,
            appointed_at=act.at,
        ),
        Key(
            id=key_id,
            owner=body.officer,
            kid=kid,
            key=body.key,
            added_at=act.at,
            expires_at=body.expires_at,
        ),
    )


def dismiss(book: Book, body: OfficerDismissed, act: Act) -> Writes | Violation:
    """The officer no longer acts for the member; there is no way back under this id."""
    officer = book.get(Officer, body.officer)
    if officer is None:
        return Violation(Refusal.OFFICER_UNKNOWN, "body.officer")
    if officer.member != act.member:
        return Violation(Refusal.NOT_YOURS, "body.officer")
    if officer.dismissed_at is not None:
        return Violation(Refusal.OFFICER_UNKNOWN, "body.officer")
    return (replace(officer, dismissed_at=act.at, compromised_since=body.compromised_since),)


RULES: Rules = {
    OfficerAppointed: Rule(appoint, BY_MEMBER_KEY, ANY),
    OfficerDismissed: Rule(dismiss, BY_ADMINISTRATOR, ANY, while_suspended=True),
}
