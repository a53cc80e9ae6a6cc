"""Who may ask the observer: the regulator's officers with the role AUDIT, and its own key.

Signing in is as at the hub: an assertion by the actor's own key for a short access token. Its
audience is `NAME/token` of this observer, so what is caught on the way to the one is of no use at
the other. Keys and officers are those of our own replayed records, looked up at each use: an
officer dismissed on the log asks nothing more once we have copied that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditchain.events.codes import Role
from creditchain.querying.access_token import AccessTokens, BadToken
from creditchain.querying.assertion import Assertions, key_counts
from creditchain.rulebook.record import Key, Member, Officer, Record, Standing

R = TypeVar("R", bound=Record)


class Book(Protocol):
    """The records as they stand now."""

    def get(self, kind: type[R], id: str) -> R | None:
        """The record of this kind and id, or None."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is signed in, for the regulator."""

    actor: str
    member: str


class SignIn:
    """The token door of an observer called `name`, for the people of `regulator`.

    Tokens are signed with a key that is made anew at each start: they live ten minutes anyway.
    """

    def __init__(self, name: str, regulator: str, book: Book, now_ms: Callable[[], int]) -> None:
        self._regulator = regulator
        self._book = book
        self._now_ms = now_ms
        self._tokens = AccessTokens(name, Ed25519PrivateKey.generate())
        self._assertions = Assertions(f"{name}/token", self._key, self._may_ask, now_ms)

    def exchange(self, form: bytes) -> dict[str, Any]:
        """The token response for a form of `POST /token`; raises `SignInRefused`."""
        actor, kid = self._assertions.check_form(form)
        return self._tokens.issue(actor, kid, self._now_ms() // 1000)

    def caller_of(self, token: str) -> Caller:
        """Who holds this access token, as the records stand now; raises `BadToken`."""
        claims = self._tokens.read(token)
        now_ms = self._now_ms()
        if claims.expires_s * 1000 <= now_ms:
            raise BadToken("The access token has expired.")
        key = self._key(claims.actor, claims.kid)
        if key is None or not key_counts(key, now_ms):
            raise BadToken("The key of the sign-in does not count any more.")
        if not self._may_ask(claims.actor):
            raise BadToken("The actor may not ask any more.")
        return Caller(claims.actor, self._regulator)

    def _key(self, actor: str, kid: str) -> Key | None:
        return self._book.get(Key, f"{actor}/{kid}")

    def _may_ask(self, actor: str) -> bool:
        member = self._book.get(Member, self._regulator)
        if member is None or member.standing is not Standing.ACTIVE:
            return False
        if actor == self._regulator:
            return True
        officer = self._book.get(Officer, actor)
        return (
            officer is not None
            and officer.member == self._regulator
            and officer.dismissed_at is None
            and Role.AUDIT in officer.roles
        )
