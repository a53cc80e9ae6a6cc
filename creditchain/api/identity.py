"""Sign-in: a signed assertion by the actor's own key, exchanged for a short access token.

`POST /token` takes an assertion in the style of private_key_jwt (RFC 7523): a JWT over
`iss = sub = actor id`, `aud = <origin>/token`, `iat`, `exp` at most a minute later and a `jti` that
counts once. The algorithm is taken from the key record, never from the token. There are no
passwords and no shared secrets.

The access token (RFC 9068) is the hub's own, ten minutes long. It says only who signed in with
which key; what the actor may do now, and whether the key still counts, is looked up each time.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditchain.api.authority import Caller
from creditchain.events.codes import Role
from creditchain.querying.access_token import AccessTokens, BadToken
from creditchain.querying.assertion import (
    TOKEN_CHARS_MAX,
    Assertions,
    SignInRefused,
    key_counts,
)
from creditchain.rulebook.book import Book
from creditchain.rulebook.record import Enterprise, Key, Member, Officer, Standing

__all__ = ["BadToken", "Identity", "SignInRefused"]

TOKENS_REMEMBERED: Final = 8_192
"""Access tokens whose signature was checked; a signature check costs 100 us, a look-up 1."""


@dataclass(slots=True)
class _Session:
    """A checked access token; `caller` is the answer as long as the records it came from stand."""

    actor: str
    kid: str
    expires_s: int
    caller: Caller | None = None
    basis: tuple[object, ...] = ()


class Identity:
    """The token door: exchanges assertions and recognises the tokens it gave out."""

    def __init__(
        self, origin: str, key: Ed25519PrivateKey, book: Book, now_ms: Callable[[], int]
    ) -> None:
        self._tokens = AccessTokens(origin, key)
        self._book = book
        self._now_ms = now_ms
        self._assertions = Assertions(f"{origin}/token", self._key, self._may_act, now_ms)
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def exchange(self, form: bytes) -> dict[str, Any]:
        """The token response for a form of `POST /token`; raises `SignInRefused`."""
        actor, kid = self._assertions.check_form(form)
        return self._tokens.issue(actor, kid, self._now_ms() // 1000)

    def caller_of(self, token: str) -> Caller:
        """Who holds this access token, as the records stand now; raises `BadToken`."""
        session = self._session_of(token)
        now = self._now_ms()
        if session.expires_s * 1000 <= now:
            raise BadToken("The access token has expired.")
        key = self._key(session.actor, session.kid)
        if key is None or not key_counts(key, now):
            raise BadToken("The key of the sign-in does not count any more.")
        caller = self._caller(session)
        if caller is None:
            raise BadToken("The actor may not act any more.")
        return caller

    def expiry_ms(self, token: str) -> int:
        """When a token that `caller_of` has accepted expires."""
        return self._session_of(token).expires_s * 1000

    def _session_of(self, token: str) -> _Session:
        if len(token) > TOKEN_CHARS_MAX:
            raise BadToken("The access token is too long.")
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        session = self._sessions.get(digest)
        if session is None:
            session = _Session(*self._tokens.read(token))
            self._sessions[digest] = session
            if len(self._sessions) > TOKENS_REMEMBERED:
                self._sessions.popitem(last=False)
        return session

    def _key(self, actor: str, kid: str) -> Key | None:
        return self._book.get(Key, f"{actor}/{kid}")

    def _may_act(self, actor: str) -> bool:
        return self._caller(_Session(actor, "", 0)) is not None

    def _caller(self, session: _Session) -> Caller | None:
        """The caller from its records; remembered until one of them is replaced."""
        actor = session.actor
        if actor.startswith("en_"):
            enterprise = self._book.get(Enterprise, actor)
            if enterprise is None:
                return None
            return Caller(actor, actor, None, None, None)
        officer = self._book.get(Officer, actor) if actor.startswith("of_") else None
        member_id = officer.member if officer is not None else actor
        member = self._book.get(Member, member_id)
        if session.basis != () and session.basis[0] is officer and session.basis[1] is member:
            return session.caller
        session.basis = (officer, member)
        session.caller = _speaker(actor, officer, member)
        return session.caller


def _speaker(actor: str, officer: Officer | None, member: Member | None) -> Caller | None:
    """The caller that an officer or a member's own key is; None if it may not act.

    A suspended member still gets in: it may receive withdrawals and disputes, and what it must not
    do is refused by the law, in writing.
    """
    if member is None or member.standing is Standing.WITHDRAWN:
        return None
    if officer is not None and officer.dismissed_at is not None:
        return None
    roles = frozenset[Role]() if officer is None else frozenset(officer.roles)
    return Caller(actor, member.id, member.id, member.kind, member.standing, roles)
