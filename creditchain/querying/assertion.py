"""Who asks for a token: a signed assertion by the actor's own key, good once.

`POST /token` takes an assertion in the style of private_key_jwt (RFC 7523): a JWT over
`iss = sub = actor id`, `aud` (the door's own), `iat`, `exp` at most a minute later and a `jti` that
counts once. The algorithm is taken from the key record, never from the token. There are no
passwords and no shared secrets.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import jwt
from jwt.exceptions import InvalidSubjectError

from creditchain.events.codes import KeyUse
from creditchain.events.key import ED25519, ES256, PublicKey, verifying_key
from creditchain.rulebook.record import Key

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_JWT_TYPE: Final = "client-authentication+jwt"
FORM_TYPE: Final = "application/x-www-form-urlencoded"

TOKEN_CHARS_MAX: Final = 8_192
"""Of any token, before it is parsed; ours have under 600."""

FORM_BYTES_MAX: Final = 16_384
"""Of the sign-in form: one token and its frame."""

ASSERTION_LIFE_S: Final = 60
"""FAPI 2.0 asks for a minute or less."""

CLOCK_LEEWAY_S: Final = 10
"""How far a client's clock may run ahead of ours."""

JTI_CHARS_MAX: Final = 128
"""A UUID has 36."""

ASSERTIONS_REMEMBERED: Final = 100_000
"""Assertions of the last minute; more sign-ins than that a minute are turned away."""

# alg of a key record: the name PyJWT knows it by, and the names a header may use.
_ALGORITHMS: Final = {ED25519: ("EdDSA", {"EdDSA", "Ed25519"}), ES256: ("ES256", {"ES256"})}


class SignInRefused(Exception):
    """No token for this form: the OAuth error code, a sentence, the HTTP status."""

    def __init__(self, error: str, description: str, status: int = 401) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class Assertions:
    """Recognises assertions meant for `audience`, each once.

    `find_key` gives the record of an actor's key by its thumbprint, `may_act` says whether the
    actor may sign in at this door, `now_ms` is the door's clock.
    """

    def __init__(
        self,
        audience: str,
        find_key: Callable[[str, str], Key | None],
        may_act: Callable[[str], bool],
        now_ms: Callable[[], int],
    ) -> None:
        self._audience = audience
        self._find_key = find_key
        self._may_act = may_act
        self._now_ms = now_ms
        # Single use is remembered in memory; what another process may have taken before this one
        # started is too old for us. `iat` has whole seconds, so the start counts in seconds too.
        self._started_s = now_ms() // 1000
        self._used: OrderedDict[tuple[str, str], int] = OrderedDict()

    def check_form(self, form: bytes) -> tuple[str, str]:
        """(actor, kid) of whoever sent this form to `POST /token`; raises `SignInRefused`."""
        try:
            pairs = parse_qsl(
                form.decode("ascii"), strict_parsing=True, max_num_fields=8, encoding="ascii"
            )
        except ValueError:
            raise SignInRefused("invalid_request", "The body is no form.", 400) from None
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise SignInRefused("invalid_request", "A field stands twice.", 400)
        if fields.get("grant_type") != "client_credentials":
            raise SignInRefused("unsupported_grant_type", "grant_type is client_credentials.", 400)
        if fields.get("client_assertion_type") != ASSERTION_TYPE:
            raise SignInRefused("invalid_request", f"{ASSERTION_TYPE} is expected.", 400)
        return self._check(fields.get("client_assertion", ""))

    def _check(self, token: str) -> tuple[str, str]:
        """(actor, kid) of an assertion that holds and was not used before."""
        if not 1 <= len(token) <= TOKEN_CHARS_MAX or not token.isascii():
            raise SignInRefused("invalid_request", "client_assertion is missing or too long.", 400)
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise SignInRefused("invalid_client", "The assertion is no JWT.") from None
        if header.keys() != {"alg", "kid", "typ"} or header["typ"] != ASSERTION_JWT_TYPE:
            raise SignInRefused(
                "invalid_client", f"The header holds alg, kid and typ {ASSERTION_JWT_TYPE}."
            )
        actor, kid = unverified.get("sub"), header["kid"]
        record = None
        if (
            isinstance(actor, str)
            and isinstance(kid, str)
            and len(actor) + len(kid) < 200
            and actor.isascii()
            and kid.isascii()
        ):
            record = self._find_key(actor, kid)
        if record is None or record.key.use is not KeyUse.SIGN:
            raise SignInRefused("invalid_client", "No such key of this actor.")
        assert isinstance(actor, str)
        assert isinstance(kid, str)
        claims = self._verified_claims(token, header["alg"], record.key, actor)
        now_s = self._now_ms() / 1000
        jti, issued, expires = claims["jti"], claims["iat"], claims["exp"]
        if not key_counts(record, self._now_ms()):
            raise SignInRefused("invalid_client", "The key has expired or was revoked.")
        if not (isinstance(jti, str) and 1 <= len(jti) <= JTI_CHARS_MAX):
            raise SignInRefused("invalid_client", f"jti has 1 to {JTI_CHARS_MAX} characters.")
        if not (_is_time(issued) and _is_time(expires)) or issued > now_s + CLOCK_LEEWAY_S:
            raise SignInRefused("invalid_client", "iat lies in the future; check the clock.")
        if not 0 < expires - issued <= ASSERTION_LIFE_S:
            raise SignInRefused("invalid_client", f"exp is at most {ASSERTION_LIFE_S} s after iat.")
        if expires <= now_s:
            raise SignInRefused("invalid_client", "The assertion has expired.")
        if issued < self._started_s:
            raise SignInRefused(
                "invalid_client", "The assertion is older than our own start; sign a new one."
            )
        if not self._may_act(actor):
            raise SignInRefused("invalid_client", "The actor may not act any more.")
        self._use_once(actor, jti, math.ceil(expires))
        return actor, kid

    def _verified_claims(
        self, token: str, alg: object, key: PublicKey, actor: str
    ) -> dict[str, Any]:
        name, spellings = _ALGORITHMS[key.alg]
        if not isinstance(alg, str) or alg not in spellings:
            raise SignInRefused("invalid_client", "The key record names another algorithm.")
        verifier = jwt.PyJWT()
        if alg == ED25519:
            # RFC 9864 gave EdDSA over this curve a name of its own, which PyJWT does not know yet.
            verifier._jws.register_algorithm(ED25519, jwt.algorithms.OKPAlgorithm())  # noqa: SLF001
            name = ED25519
        try:
            return verifier.decode(
                token,
                verifying_key(key),
                algorithms=[name],
                audience=self._audience,
                issuer=actor,
                subject=actor,
                options={
                    "require": ["exp", "iat", "iss", "sub", "aud", "jti"],
                    "strict_aud": True,
                    # The times are judged by the caller, with sentences that help.
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.MissingRequiredClaimError as error:
            raise SignInRefused("invalid_client", f"The claim {error.claim} is missing.") from None
        except jwt.InvalidAudienceError:
            raise SignInRefused("invalid_client", f"aud is {self._audience}.") from None
        except (jwt.InvalidIssuerError, InvalidSubjectError):
            raise SignInRefused("invalid_client", "iss and sub are both the actor's id.") from None
        except (jwt.PyJWTError, ValueError):
            raise SignInRefused("invalid_client", "The signature does not hold.") from None

    def _use_once(self, actor: str, jti: str, expires_s: int) -> None:
        now_s = self._now_ms() // 1000
        # Lives are nearly equal, so the oldest entries are the ones to have expired.
        while self._used and next(iter(self._used.values())) <= now_s:
            self._used.popitem(last=False)
        if (actor, jti) in self._used:
            raise SignInRefused("invalid_client", "The assertion was used before.")
        if len(self._used) >= ASSERTIONS_REMEMBERED:
            raise SignInRefused("temporarily_unavailable", "Too many sign-ins; try later.", 503)
        self._used[actor, jti] = expires_s


def key_counts(key: Key, now_ms: int) -> bool:
    """Whether a recorded key may sign in; as in the law, what is revoked is revoked.

    `added_at` is not asked: admission times may run ahead of this clock by a few milliseconds.
    """
    return key.revoked_at is None and (key.expires_at is None or now_ms < key.expires_at)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**40
