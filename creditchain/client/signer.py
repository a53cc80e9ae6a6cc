"""The signer: one actor, its key and the log it speaks on.

signer = Signer("bank-hana", load_key(path), log="hub.example/log")
sealed = signer.seal(MemberWithdrawn("bank-hana"))      # an event, to be submitted
token_request = signer.assertion()                      # proof of who asks, for POST /token
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import jwt

from creditchain.client.evidence import commitment_of
from creditchain.client.fresh import fresh_event_id, fresh_salt
from creditchain.client.keys import PrivateKey
from creditchain.events import Body, Event, PublicKey, parse_event_object, parse_json
from creditchain.events.codes import KeyUse
from creditchain.events.key import ED25519
from creditchain.seal import BODY_BYTES_MAX, Sealed, seal

ASSERTION_TYPE: Final = "client-authentication+jwt"
"""RFC 8725 section 3.11: so that no event seal, and no other token, passes as a sign-in."""

ASSERTION_SECONDS: Final = 60
"""The hub takes none that lives longer: what is caught on the way is soon worthless."""

# JWT calls Ed25519 by its older, wider name (RFC 8037); RFC 9864's is not known everywhere.
_JWT_ALG: Final = {ED25519: "EdDSA"}


def now_ms() -> int:
    """The clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


def sealed_before(body: bytes) -> Sealed:
    """The sealed event in body bytes that we made and kept ourselves; nothing is verified anew."""
    value = parse_json(body, BODY_BYTES_MAX)
    return Sealed(parse_event_object(value["event"]), "", body, commitment_of(body))


class Signer:
    """Signs events and sign-ins for `actor`, a member, officer or enterprise id.

    `log` is the origin of the only log it speaks on; `clock` gives ms since 1970. Raises
    ValueError for a key that does not sign.
    """

    def __init__(
        self, actor: str, key: PrivateKey, log: str, *, clock: Callable[[], int] = now_ms
    ) -> None:
        if key.public.use is not KeyUse.SIGN:
            raise ValueError(f"a key of {key.alg} does not sign")
        self.actor = actor
        self.log = log
        self._key = key
        self._signing = key.signing
        self._clock = clock

    @property
    def public(self) -> PublicKey:
        """The public half, as it stands in the actor's key record."""
        return self._key.public

    @property
    def kid(self) -> str:
        """The thumbprint of the key."""
        return self._key.kid

    def event(
        self,
        body: Body,
        id: str | None = None,
        signed_at: int | None = None,
        salt: str | None = None,
    ) -> Event:
        """`body` said by this actor now; what is not given is fresh. `signed_at` is in ms."""
        return Event(
            id or fresh_event_id(),
            self.log,
            self.actor,
            self._clock() if signed_at is None else signed_at,
            salt or fresh_salt(),
            body,
        )

    def seal(
        self,
        body: Body,
        id: str | None = None,
        signed_at: int | None = None,
        salt: str | None = None,
    ) -> Sealed:
        """`body` as this actor's sealed event; raises `MalformedEvent` when it is too large."""
        return seal(self.event(body, id, signed_at, salt), self._signing, self._key.public)

    def assertion(self, audience: str | None = None) -> str:
        """A JWT that says who asks for a token, good once and for a minute.

        `audience` is `<origin>/token` of the log unless given.
        """
        now_s = self._clock() // 1000
        claims: dict[str, Any] = {
            "iss": self.actor,
            "sub": self.actor,
            "aud": audience or f"{self.log}/token",
            "iat": now_s,
            "exp": now_s + ASSERTION_SECONDS,
            "jti": fresh_event_id(),
        }
        alg = self._key.alg
        return jwt.encode(
            claims,
            self._signing,
            algorithm=_JWT_ALG.get(alg, alg),
            headers={"kid": self.kid, "typ": ASSERTION_TYPE},
        )
