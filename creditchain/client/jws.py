"""Detached signatures over what is no event: a bundle's manifest, a report's, a warning.

A JWS of RFC 7515 appendix F, `header..signature`, payload in ordinary base64url; the header is
exactly `{"alg","kid","typ"}` in canonical form, `typ` one for each use (RFC 8725 section 3.11), so
that no signature passes for another, nor for an event's seal.
"""

from __future__ import annotations

import json
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from creditchain.client.keys import PrivateKey
from creditchain.events import PublicKey, b64u, canonical_json, unb64u
from creditchain.events.key import P256_ORDER
from creditchain.seal import signing_input

JWS_CHARS_MAX: Final = 400
"""Ours have 240 characters."""


class BadSignature(ValueError):
    """A signature that does not hold; the message says why."""


def sign(payload: bytes, key: PrivateKey, type_: str) -> str:
    """The detached JWS over `payload`: the same bytes each time, whatever the key."""
    header = _header(key.public, type_)
    return f"{header}..{b64u(_sign(key, signing_input(header, payload)))}"


def check(payload: bytes, jws: str, key: PublicKey, type_: str) -> None:
    """Raises `BadSignature` unless `jws` is this key's over `payload`, for this use."""
    header, dots, tail = jws.partition("..")
    if not dots or len(jws) > JWS_CHARS_MAX or not jws.isascii():
        raise BadSignature("not a detached JWS")
    # One spelling: what is not exactly the header we would write is not read at all.
    if header != _header(key, type_):
        raise BadSignature(f"not signed for {type_} by the key {key.kid}")
    try:
        signature = unb64u(tail)
    except ValueError:
        raise BadSignature("not a detached JWS") from None
    if not key.verifies(signature, signing_input(header, payload)):
        raise BadSignature("the signature does not fit what it is over")


def kid_of(jws: str) -> str:
    """The thumbprint that a signature names; empty where it names none."""
    try:
        return str(json.loads(unb64u(jws.partition("..")[0]))["kid"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _header(key: PublicKey, type_: str) -> str:
    return b64u(canonical_json({"alg": key.alg, "kid": key.kid, "typ": type_}))


def _sign(key: PrivateKey, message: bytes) -> bytes:
    signing = key.signing
    if isinstance(signing, Ed25519PrivateKey):
        return signing.sign(message)
    # RFC 6979: the same payload has the same signature, whatever the key.
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(signing.sign(message, algorithm))
    return r.to_bytes(32) + min(s, P256_ORDER - s).to_bytes(32)
