"""Access tokens (RFC 9068): a door's own, ten minutes long.

They say only who signed in with which key; what the actor may do now, and whether the key still
counts, the door looks up each time.
"""

from __future__ import annotations

import secrets
from typing import Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditchain.querying.assertion import TOKEN_CHARS_MAX

ACCESS_JWT_TYPE: Final = "at+jwt"

ACCESS_LIFE_S: Final = 600
"""Ten minutes: a stolen token is soon worthless, and signing in again costs one signature."""


class BadToken(Exception):
    """The access token does not count, or not any more; the message says why."""


class Claims(NamedTuple):
    """Who signed in, with which key, and until when it counts, seconds."""

    actor: str
    kid: str
    expires_s: int


class AccessTokens:
    """Gives out and recognises the tokens of one door; `issuer` is its name."""

    def __init__(self, issuer: str, key: Ed25519PrivateKey) -> None:
        self._issuer = issuer
        self._key = key
        self._public = key.public_key()

    def issue(self, actor: str, kid: str, now_s: int) -> dict[str, Any]:
        """The token response for an actor that signed in with a key."""
        claims = {
            "iss": self._issuer,
            "sub": actor,
            "aud": self._issuer,
            "client_id": actor,
            "iat": now_s,
            "exp": now_s + ACCESS_LIFE_S,
            "jti": secrets.token_urlsafe(16),
            "key": kid,
        }
        token = jwt.encode(claims, self._key, "EdDSA", headers={"typ": ACCESS_JWT_TYPE})
        return {"access_token": token, "token_type": "Bearer", "expires_in": ACCESS_LIFE_S}

    def read(self, token: str) -> Claims:
        """What a token of ours says, its time not judged; raises `BadToken`."""
        if len(token) > TOKEN_CHARS_MAX:
            raise BadToken("The access token is too long.")
        try:
            if jwt.get_unverified_header(token).get("typ") != ACCESS_JWT_TYPE:
                raise BadToken("This is no access token.")
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                audience=self._issuer,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub", "jti", "key"],
                    "strict_aud": True,
                    # Judged at each use, by the clock that signs in.
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError:
            raise BadToken("The access token is not ours.") from None
        return Claims(claims["sub"], claims["key"], claims["exp"])
