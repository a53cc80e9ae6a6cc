"""Detached signatures of the observer's report key: over manifests and over what it announces.

A JWS of RFC 7515 appendix F, `header..signature`, payload in ordinary base64url; the header is
exactly `{"alg","kid","typ"}` in canonical form, `typ` one for each use, so that no signature of
this key passes for another.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditchain.client.keys import PrivateKey
from creditchain.events import PublicKey, b64u, canonical_json, unb64u
from creditchain.seal import signing_input

REPORT_TYPE: Final = "creditchain-report+jws"
WARNING_TYPE: Final = "creditchain-warning+jws"

JWS_CHARS_MAX: Final = 400
"""Ours have 240 characters."""


class BadSignature(ValueError):
    """A signature that does not hold; the message says why."""


def sign(payload: bytes, key: PrivateKey, type_: str) -> str:
    """The detached JWS over `payload`; an observer's own keys are Ed25519."""
    header = _header(key.public, type_)
    signing = key.signing
    assert isinstance(signing, Ed25519PrivateKey)
    return f"{header}..{b64u(signing.sign(signing_input(header, payload)))}"


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


def _header(key: PublicKey, type_: str) -> str:
    return b64u(canonical_json({"alg": key.alg, "kid": key.kid, "typ": type_}))
