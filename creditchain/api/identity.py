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
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.exceptions import InvalidSubjectError

from creditchain.api.authority import Caller
from creditchain.events.codes import KeyUse, Role
from creditchain.events.key import ED25519, ES256, PublicKey, verifying_key
from creditchain.rulebook.book import Book
from creditchain.rulebook.record import Enterprise, Key, Member, Officer, Standing

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_JWT_TYPE: Final = "client-authentication+jwt"
ACCESS_JWT_TYPE: Final = "at+jwt"

TOKEN_CHARS_MAX: Final = 8_192
"""Of any token, before it is parsed; ours have under 600."""

FORM_BYTES_MAX: Final = 16_384
"""Of the sign-in form: one token and its frame."""

ASSERTION_LIFE_S: Final = 60
"""FAPI 2.0 asks for a minute or less."""

CLOCK_LEEWAY_S: Final = 10
"""How far a client's clock may run ahead of ours."""

ACCESS_LIFE_S: Final = 600
"""Ten minutes: a stolen token is soon worthless, and signing in again costs one signature."""

JTI_CHARS_MAX: Final = 128
"""A UUID has 36."""

ASSERTIONS_REMEMBERED: Final = 100_000
"""Assertions of the last minute; more sign-ins than that a minute are turned away."""

TOKENS_REMEMBERED: Final = 8_192
"""Access tokens whose signature was checked; a signature check costs 100 us, a look-up 1."""

# alg of a key record: the name PyJWT knows it by, and the names a header may use.
_ALGORITHMS: Final = {ED25519: ("EdDSA", {"EdDSA", "Ed25519"}), ES256: ("ES256", {"ES256"})}


class SignInRefused(Exception):
    """No token for this form: the OAuth error code, a sentence, the HTTP status."""

    def __init__(self, error: str, description: str, status: int = 401) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class BadToken(Exception):
    """The access token does not count, or not any more; the message says why."""


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
        self._origin = origin
        self._audience = f"{origin}/token"
        self._key = key
        self._public = key.public_key()
        self._book = book
        self._now_ms = now_ms
        # Single use is remembered in memory; what another process may have taken before this one
        # started is too old for us. `iat` has whole seconds, so the start counts in seconds too.
        self._started_s = now_ms() // 1000
        self._used: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def exchange(self, form: bytes) -> dict[str, Any]:
        """The token response for a form of `POST /token`; raises `SignInRefused`."""
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
        actor, kid = self._check_assertion(fields.get("client_assertion", ""))
        now_s = self._now_ms() // 1000
        claims = {
            "iss": self._origin,
            "sub": actor,
            "aud": self._origin,
            "client_id": actor,
            "iat": now_s,
            "exp": now_s + ACCESS_LIFE_S,
            "jti": secrets.token_urlsafe(16),
            "key": kid,
        }
        token = jwt.encode(claims, self._key, "EdDSA", headers={"typ": ACCESS_JWT_TYPE})
        return {"access_token": token, "token_type": "Bearer", "expires_in": ACCESS_LIFE_S}

    def caller_of(self, token: str) -> Caller:
        """Who holds this access token, as the records stand now; raises `BadToken`."""
        session = self._session_of(token)
        now = self._now_ms()
        if session.expires_s * 1000 <= now:
            raise BadToken("The access token has expired.")
        key = self._book.get(Key, f"{session.actor}/{session.kid}")
        if key is None or not _counts(key, now):
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
            session = self._parse(token)
            self._sessions[digest] = session
            if len(self._sessions) > TOKENS_REMEMBERED:
                self._sessions.popitem(last=False)
        return session

    def _parse(self, token: str) -> _Session:
        try:
            if jwt.get_unverified_header(token).get("typ") != ACCESS_JWT_TYPE:
                raise BadToken("This is no access token.")
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                audience=self._origin,
                issuer=self._origin,
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
        return _Session(claims["sub"], claims["key"], claims["exp"])

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

    def _check_assertion(self, token: str) -> tuple[str, str]:
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
            record = self._book.get(Key, f"{actor}/{kid}")
        if record is None or record.key.use is not KeyUse.SIGN:
            raise SignInRefused("invalid_client", "No such key of this actor.")
        assert isinstance(actor, str)
        assert isinstance(kid, str)
        claims = self._verified_claims(token, header["alg"], record.key, actor)
        now_s = self._now_ms() / 1000
        jti, issued, expires = claims["jti"], claims["iat"], claims["exp"]
        if not _counts(record, self._now_ms()):
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
                "invalid_client", "The assertion is older than this hub's start; sign a new one."
            )
        if self._caller(_Session(actor, kid, 0)) is None:
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


def _counts(key: Key, now_ms: int) -> bool:
    """Whether a recorded key may sign in; as in the law, what is revoked is revoked.

    `added_at` is not asked: admission times may run ahead of this clock by a few milliseconds.
    """
    return key.revoked_at is None and (key.expires_at is None or now_ms < key.expires_at)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**40
