"""Ed25519 without its traps: keys of small order and malleable signatures are refused.

PURE. OpenSSL does the arithmetic. It accepts public keys of small order, under which one
signature fits many messages, and encodings of y that are not reduced; a log that judges authorship
years later can afford neither (RFC 8032 section 5.1.7; C2SP signed-note).
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

# The field's prime, the group's order, the curve's d (RFC 8032 section 5.1).
_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P

# The y coordinates of the eight points of small order. The sign bit is cleared before the look-up,
# so both points of each pair are covered.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)


class BadKey(ValueError):
    """These bytes are no Ed25519 public key that may sign here."""


def ed25519_public_key(raw: bytes) -> Ed25519PublicKey:
    """The key for 32 raw bytes; raises `BadKey` if malformed, not reduced or of small order."""
    if len(raw) != KEY_BYTES:
        raise BadKey("an Ed25519 public key has 32 bytes")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P:
        raise BadKey("the Ed25519 public key is not in canonical form")
    if y in _SMALL_ORDER_Y:
        raise BadKey("the Ed25519 public key has small order")
    if not _on_curve(y):
        raise BadKey("the Ed25519 public key is not a point of the curve")
    return Ed25519PublicKey.from_public_bytes(raw)


def verify(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is `key`'s over `message`, with S reduced (no second form of it)."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    if int.from_bytes(signature[32:], "little") >= _L:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _on_curve(y: int) -> bool:
    """Whether some x solves -x^2 + y^2 = 1 + d x^2 y^2; OpenSSL finds out only when verifying.

    x^2 is u / v with u = y^2 - 1 and v = d y^2 + 1, never 0; a square exactly if u v is one.
    """
    uv = (y * y - 1) * (_D * y * y + 1) % _P
    return uv == 0 or pow(uv, (_P - 1) // 2, _P) == 1
