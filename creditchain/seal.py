"""Sealing and unsealing: one signature over one event, and the bytes the log commits to.

PURE. Formats (docs/formats.md):

- *proof*: a detached JWS (RFC 7515 appendix F, payload in ordinary base64url) whose header is
  exactly `{"alg":…,"kid":…,"typ":"creditchain-event+jws"}`; or a WebAuthn assertion whose challenge
  is a digest of the event (enterprise passkeys).
- *body*: canonical JSON of `{"event":…,"proof":…}`.
- *commitment*: SHA-256 of the body.
- *entry*: canonical JSON of `{"at":…,"body":…}`, the commitment in base64url: what the tree hashes.

`unseal` parses and verifies in one call; nobody holds an event whose signature was not checked:

    sealed = unseal(raw, find_key)     # raises MalformedEvent or BadSeal
    sealed.event, sealed.kid, sealed.commitment

Who verifies many on several cores takes it apart: `read_claim` does everything but the arithmetic,
`Claim.holds` is the arithmetic.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from creditchain.events import (
    EVENT_BYTES_MAX,
    EVENTS,
    Event,
    MalformedEvent,
    PublicKey,
    b64u,
    canonical_json,
    format_event,
    format_time,
    parse_event_object,
    parse_json,
    parse_time,
    unb64u,
)
from creditchain.events.codes import KeyUse
from creditchain.events.expression import event_expression
from creditchain.events.key import ED25519, ES256, P256_ORDER

JWS_TYPE: Final = "creditchain-event+jws"
"""RFC 8725 section 3.11: a type of its own, so no other token of this key passes as an event."""

BODY_BYTES_MAX: Final = 65_535
"""A body stands in a bundle behind a 16-bit length (C2SP tlog-tiles)."""

PROOF_BYTES_MAX: Final = 4_000
"""A JWS of ours has under 300 bytes; a passkey assertion with long client data under 2,000."""

ENTRY_BYTES_MAX: Final = 256
"""An entry of ours has 86 bytes."""

WEBAUTHN_CONTEXT: Final = b"creditchain-event/webauthn/v1\0"
"""Separates our challenges from every other use of the same passkey."""

# An entry in its one canonical spelling, which needs no JSON parser; everything honest is in it.
_ENTRY: Final = re.compile(rb'\{"at":"([0-9TZ:.-]{24})","body":"([A-Za-z0-9_-]{43})"\}')

# Checked before a kid from outside reaches a key store or is spelled again.
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")

FindKey = Callable[[Event, str], PublicKey | None]
"""(event, kid) to the public key recorded for the event's author under that thumbprint."""

Signing = Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class SealFault(StrEnum):
    """What is wrong with a seal; the first that applies, in this order."""

    PROOF_MALFORMED = "PROOF_MALFORMED"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"


class BadSeal(ValueError):
    """The event parses, its proof does not hold."""

    def __init__(self, fault: SealFault, event: Event) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.event = event


@dataclass(frozen=True, slots=True)
class Sealed:
    """A verified event: who signed it (`kid`), the body bytes, and their SHA-256."""

    event: Event
    kid: str
    body: bytes
    commitment: bytes


class Claim(NamedTuple):
    """An event in canonical form and its signature by a key recorded for its author, unverified.

    It is the event of that key's owner if and only if `holds` says so. `kid` is the thumbprint.
    """

    event: Event
    kid: str
    key: PublicKey
    signature: bytes
    message: bytes

    def holds(self) -> bool:
        """Whether the signature is the key's over the message."""
        return self.key.verifies(self.signature, self.message)


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry: the admission time in ms and the commitment to the body, 32 bytes."""

    at: int
    commitment: bytes


def seal(event: Event, key: Signing, public: PublicKey) -> Sealed:
    """`event` signed by `key`, whose public half is `public`."""
    payload = format_event(event)
    header = jws_header(public.alg, public.kid)
    proof = f"{header}..{b64u(_sign(key, signing_input(header, payload)))}"
    return _sealed(event, public.kid, assemble(payload, proof))


def assemble(event: bytes, proof: str) -> bytes:
    """The body bytes of canonical event bytes and a JWS; `unseal` still has to judge them."""
    return b'{"event":' + event + b',"proof":"' + proof.encode("ascii", "replace") + b'"}'


def signing_input(header: str, payload: bytes) -> bytes:
    """What a JWS signs (RFC 7515 section 5.1)."""
    return f"{header}.{b64u(payload)}".encode("ascii")


@lru_cache(maxsize=8192)
def jws_header(alg: str, kid: str) -> str:
    """The protected header, base64url: canonical, so that it has one spelling."""
    return b64u(canonical_json({"alg": alg, "kid": kid, "typ": JWS_TYPE}))


def unseal(raw: bytes, find_key: FindKey) -> Sealed:
    """The verified event of body bytes.

    Raises `MalformedEvent` if the bytes are no canonical body, `BadSeal` if the proof does not hold
    under the key that `find_key` has for the event's author.
    """
    claim = read_claim(raw, find_key)
    return _sealed(claim.event, _kid_if_holding(claim), raw)


def read_claim(raw: bytes, find_key: FindKey) -> Claim:
    """What body bytes claim, all of it checked but the signature itself; raises as `unseal` does.

    `SIGNATURE_INVALID` is raised where a passkey was asked to sign something else; whether the
    signature holds is for `Claim.holds` to say.
    """
    return _claim(*(_read_plainly(raw) or _read_strictly(raw)), find_key)


def read_body(raw: bytes) -> tuple[Event, str]:
    """The event in body bytes and the key its proof names, for who has verified the body before.

    Raises `MalformedEvent`, also where the proof names no key.
    """
    event, _, proof = _read_plainly(raw) or _read_strictly(raw)
    if isinstance(proof, str):
        named = _header_names(proof.partition("..")[0])
        kid: object = None if named is None else named[1]
    else:
        kid = proof.get("kid") if isinstance(proof, Mapping) else None
    if not isinstance(kid, str):
        raise MalformedEvent("proof", "names no key")
    return event, kid


def seal_of(event: Event, proof: str | Mapping[str, Any], find_key: FindKey) -> Sealed:
    """As `unseal`, for an event and proof that arrived as fields instead of bytes."""
    payload = format_event(event)
    if len(payload) > EVENT_BYTES_MAX:
        raise MalformedEvent("", f"more than {EVENT_BYTES_MAX} bytes")
    kid = _kid_if_holding(_claim(event, payload, proof, find_key))
    if isinstance(proof, str):
        return _sealed(event, kid, assemble(payload, proof))
    value = json.loads(payload)
    return _sealed(event, kid, canonical_json({"event": value, "proof": dict(proof)}))


def format_entry(entry: Entry) -> bytes:
    """The bytes the tree hashes for this entry."""
    return f'{{"at":"{format_time(entry.at)}","body":"{b64u(entry.commitment)}"}}'.encode("ascii")


def parse_entry(data: bytes) -> Entry:
    """The inverse of `format_entry`; raises `MalformedEvent` for any other bytes."""
    match = _ENTRY.fullmatch(data)
    if match is not None:
        # Either field has one spelling of each value, so the whole has.
        try:
            return Entry(parse_time(match[1].decode()), unb64u(match[2].decode()))
        except ValueError as error:
            raise MalformedEvent("", str(error)) from None
    value = parse_json(data, ENTRY_BYTES_MAX)
    if not isinstance(value, dict) or value.keys() != {"at", "body"}:
        raise MalformedEvent("", "an entry is an object of at and body")
    try:
        entry = Entry(parse_time(value["at"]), unb64u(str(value["body"])))
    except ValueError as error:
        raise MalformedEvent("", str(error)) from None
    if len(entry.commitment) != 32 or format_entry(entry) != data:
        raise MalformedEvent("", "not in canonical form")
    return entry


def challenge_of(payload: bytes) -> bytes:
    """The WebAuthn challenge for canonical event bytes: 32 bytes; the event's salt is its nonce."""
    return hashlib.sha256(WEBAUTHN_CONTEXT + hashlib.sha256(payload).digest()).digest()


_JWS: Final = rf'"([A-Za-z0-9_.-]{{1,{PROOF_BYTES_MAX}}})"'
_ASSERTION: Final = (
    r'\{"authenticatorData":"([A-Za-z0-9_-]*)","clientDataJSON":"([A-Za-z0-9_-]*)",'
    r'"kid":"([A-Za-z0-9_-]*)","signature":"([A-Za-z0-9_-]*)"\}'
)


@cache
def _plain_form(type_: str) -> tuple[re.Pattern[str], Callable[[Sequence[Any]], Event]]:
    """Bodies of an event type: groups are the event, its values, a JWS or an assertion's values."""
    expression = event_expression(type_)
    assert expression.build is not None, "an event is built"
    form = rf'\{{"event":({expression.pattern}),"proof":(?:{_JWS}|{_ASSERTION})\}}'
    return re.compile(form), expression.build


def _read_plainly(raw: bytes) -> tuple[Event, bytes, str | dict[str, str]] | None:
    """Event, its bytes and its proof; None for all that needs a closer look.

    The quick way for what is as it should be: the strict reader gives the same for what this one
    reads, and names what is wrong with the rest.
    """
    if len(raw) > BODY_BYTES_MAX:
        return None
    try:
        text = raw.decode("utf-8")
    except ValueError:
        return None
    # The type is an event's last field: a hint which form to expect, and the form holds it again.
    end = text.rfind('"},"proof":')
    type_ = text[text.rfind('"', 0, end) + 1 : end]
    if type_ not in EVENTS:
        return None
    form, build = _plain_form(type_)
    match = form.fullmatch(text)
    if match is None:
        return None
    written, *values = match.groups()
    payload = written.encode("utf-8")
    if len(payload) > EVENT_BYTES_MAX:
        return None
    try:
        event = build(values)
    except (ValueError, KeyError):
        return None
    jws, data, client, kid, signature = values[-5:]
    if jws is not None:
        return event, payload, jws
    return (
        event,
        payload,
        {
            "authenticatorData": data,
            "clientDataJSON": client,
            "kid": kid,
            "signature": signature,
        },
    )


def _read_strictly(raw: bytes) -> tuple[Event, bytes, object]:
    """Event, its bytes and its proof; raises `MalformedEvent`, naming what is wrong."""
    value = parse_json(raw, BODY_BYTES_MAX)
    if not isinstance(value, dict) or value.keys() != {"event", "proof"}:
        raise MalformedEvent("", "a body is an object of event and proof")
    event = parse_event_object(value["event"])
    payload = format_event(event)
    if len(payload) > EVENT_BYTES_MAX:
        raise MalformedEvent("", f"more than {EVENT_BYTES_MAX} bytes")
    proof = value["proof"]
    if isinstance(proof, str):
        body = assemble(payload, proof)
    else:
        body = canonical_json({"event": value["event"], "proof": proof})
    if body != raw:
        raise MalformedEvent("", "not in canonical form")
    return event, payload, proof


def _sealed(event: Event, kid: str, body: bytes) -> Sealed:
    if len(body) > BODY_BYTES_MAX:
        raise MalformedEvent("", f"more than {BODY_BYTES_MAX} bytes")
    return Sealed(event, kid, body, hashlib.sha256(body).digest())


def _kid_if_holding(claim: Claim) -> str:
    """The thumbprint of the key that signed; raises `BadSeal`."""
    if not claim.holds():
        raise BadSeal(SealFault.SIGNATURE_INVALID, claim.event)
    return claim.kid


def _claim(event: Event, payload: bytes, proof: object, find_key: FindKey) -> Claim:
    if isinstance(proof, str):
        return _claim_of_jws(event, payload, proof, find_key)
    if isinstance(proof, Mapping):
        return _claim_of_assertion(event, payload, proof, find_key)
    raise BadSeal(SealFault.PROOF_MALFORMED, event)


def _claim_of_jws(event: Event, payload: bytes, proof: str, find_key: FindKey) -> Claim:
    if len(proof) > PROOF_BYTES_MAX or not proof.isascii():
        raise BadSeal(SealFault.PROOF_MALFORMED, event)
    header, dots, tail = proof.partition("..")
    named = _header_names(header)
    if not dots or named is None:
        raise BadSeal(SealFault.PROOF_MALFORMED, event)
    try:
        signature = unb64u(tail)
    except ValueError:
        raise BadSeal(SealFault.PROOF_MALFORMED, event) from None
    alg, kid = named
    key = find_key(event, kid)
    # The key record names the algorithm; a header that says otherwise is not negotiated with.
    if key is None or key.kid != kid or key.alg != alg:
        raise BadSeal(SealFault.KEY_UNKNOWN, event)
    return Claim(event, kid, key, signature, signing_input(header, payload))


@lru_cache(maxsize=8192)
def _header_names(header: str) -> tuple[str, str] | None:
    """(alg, kid) of a header in its one spelling, else None."""
    if len(header) > 400:
        return None
    try:
        value = json.loads(unb64u(header))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    alg, kid = value.get("alg"), value.get("kid")
    if not isinstance(alg, str) or alg not in {ED25519, ES256}:
        return None
    if not isinstance(kid, str) or _THUMBPRINT.fullmatch(kid) is None:
        return None
    return (alg, kid) if jws_header(alg, kid) == header else None


_ASSERTION_FIELDS: Final = {"authenticatorData", "clientDataJSON", "kid", "signature"}
_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04


def _claim_of_assertion(
    event: Event, payload: bytes, proof: Mapping[str, Any], find_key: FindKey
) -> Claim:
    """WebAuthn level 2 section 7.2, steps 11 to 20, without the session: the event is the session.

    The relying party id is not pinned here: the key is registered for one enterprise by the member
    that vouched for it, and a passkey never signs for a page of another site.
    """
    malformed = BadSeal(SealFault.PROOF_MALFORMED, event)
    if proof.keys() != _ASSERTION_FIELDS or not all(isinstance(v, str) for v in proof.values()):
        raise malformed
    if sum(len(v) for v in proof.values()) > PROOF_BYTES_MAX:
        raise malformed
    try:
        data = unb64u(proof["authenticatorData"])
        client = unb64u(proof["clientDataJSON"])
        signature = unb64u(proof["signature"])
        said = _client_data(client)
    except (ValueError, RecursionError):
        raise malformed from None
    if not isinstance(said, dict) or len(data) < 37:
        raise malformed
    if _THUMBPRINT.fullmatch(proof["kid"]) is None:
        raise malformed
    key = find_key(event, proof["kid"])
    if key is None or key.kid != proof["kid"] or key.use is not KeyUse.SIGN:
        raise BadSeal(SealFault.KEY_UNKNOWN, event)
    if key.alg == ES256:
        try:
            signature = _join(*decode_dss_signature(signature))
        except (ValueError, OverflowError):
            raise malformed from None
    flags = data[32]
    fits = (
        said.get("type") == "webauthn.get"
        and said.get("challenge") == b64u(challenge_of(payload))
        and said.get("crossOrigin", False) is False
        and bool(flags & _USER_PRESENT)
        and bool(flags & _USER_VERIFIED)
    )
    if not fits:
        raise BadSeal(SealFault.SIGNATURE_INVALID, event)
    return Claim(event, key.kid, key, signature, data + hashlib.sha256(client).digest())


def _client_data(data: bytes) -> Any:
    """What a browser said it signed; raises ValueError where two readers could differ on it."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key stands twice")
        return result

    def no_constant(text: str) -> Any:
        raise ValueError(f"{text} is not JSON")

    return json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant)


def _sign(key: Signing, message: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    return _join(*decode_dss_signature(key.sign(message, ec.ECDSA(SHA256()))))


def _join(r: int, s: int) -> bytes:
    """r and s as 64 bytes, s in its lower form (authenticators may send either)."""
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
