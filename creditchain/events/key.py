"""Public keys as events carry them: a JSON Web Key whose `alg` says what it may be used for.

PURE. The algorithm is part of the key, never of the signature: a verifier takes it from the key
record (RFC 8725 section 3.1). SM2 can follow as one more line of `ALGORITHMS`.
"""

from __future__ import annotations

import hashlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from creditchain import ed25519
from creditchain.events.codes import KeyUse
from creditchain.events.field import MalformedEvent

ED25519: Final = "Ed25519"
ES256: Final = "ES256"
HPKE_X25519: Final = "HPKE-X25519"

# alg: (kty, crv, has y, use). RFC 8037, RFC 9864, RFC 7518; HPKE per RFC 9180.
ALGORITHMS: Final = {
    ED25519: ("OKP", "Ed25519", False, KeyUse.SIGN),
    ES256: ("EC", "P-256", True, KeyUse.SIGN),
    HPKE_X25519: ("OKP", "X25519", False, KeyUse.SEAL),
}

# u-coordinates of the X25519 points of small order, reduced (RFC 7748 section 6.1).
_X25519_P: Final = 2**255 - 19
_X25519_SMALL: Final = frozenset(
    {
        0,
        1,
        _X25519_P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the group of P-256 (SEC 2, secp256r1)."""

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")

Verifying: TypeAlias = Ed25519PublicKey | ec.EllipticCurvePublicKey


def b64u(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


def unb64u(text: str) -> bytes:
    """The inverse of `b64u`; raises ValueError for any spelling but the canonical one."""
    raw = text.encode("ascii")
    data = a2b_base64(raw.translate(_FROM_URL) + b"=="[: -len(raw) % 4])
    # Whatever the decoder overlooks does not come out again as it went in.
    if b2a_base64(data, newline=False).translate(_TO_URL, b"=") != raw:
        raise ValueError("not canonical base64url")
    return data


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: `alg` one of `ALGORITHMS`, `x` (and `y` on P-256) coordinates in base64url."""

    alg: str
    x: str
    y: str | None = None

    @property
    def use(self) -> KeyUse:
        """Whether the key signs events or has reports sealed to it."""
        return ALGORITHMS[self.alg][3]

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint, base64url: the key's name wherever it is cited."""
        return _thumbprint(self)

    @property
    def raw(self) -> bytes:
        """The coordinate bytes: 32 for Ed25519 and X25519, 64 (x and y) for P-256."""
        return unb64u(self.x) + (unb64u(self.y) if self.y is not None else b"")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's over `message` (ES256: r and s, 64 bytes)."""
        key = verifying_key(self)
        if isinstance(key, Ed25519PublicKey):
            return ed25519.verify(key, signature, message)
        if len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        # Of the two S that verify only the lower counts: one signature, one spelling.
        if not 0 < r < P256_ORDER or not 0 < s <= P256_ORDER // 2:
            return False
        try:
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    @classmethod
    def from_json(cls, value: object, path: str = "key") -> PublicKey:
        """A key from its JWK; raises `MalformedEvent`, also for keys of small order."""
        if not isinstance(value, Mapping):
            raise MalformedEvent(path, "not an object")
        alg = value.get("alg")
        if not isinstance(alg, str) or alg not in ALGORITHMS:
            raise MalformedEvent(f"{path}.alg", "not one of " + ", ".join(ALGORITHMS))
        kty, crv, has_y, _ = ALGORITHMS[alg]
        expected = {"alg", "kty", "crv", "x"} | ({"y"} if has_y else set())
        if set(value) != expected or value["kty"] != kty or value["crv"] != crv:
            raise MalformedEvent(path, f"not a JWK of {alg}")
        coordinates = [value["x"]] + ([value["y"]] if has_y else [])
        for name, text in zip("xy", coordinates, strict=False):
            try:
                good = isinstance(text, str) and len(text) == 43 and len(unb64u(text)) == 32
            except ValueError:
                good = False
            if not good:
                raise MalformedEvent(f"{path}.{name}", "not 32 bytes in base64url")
        key = cls(alg, *coordinates)
        try:
            verifying_key(key) if key.use is KeyUse.SIGN else _check_x25519(key.raw)
        except ValueError as error:
            raise MalformedEvent(path, str(error)) from None
        return key

    def to_json(self) -> dict[str, str]:
        """The JWK, the inverse of `from_json`."""
        kty, crv, _, _ = ALGORITHMS[self.alg]
        jwk = {"alg": self.alg, "crv": crv, "kty": kty, "x": self.x}
        if self.y is not None:
            jwk["y"] = self.y
        return jwk


def _check_x25519(raw: bytes) -> None:
    u = int.from_bytes(raw, "little")
    if u >= _X25519_P or u in _X25519_SMALL:
        raise ValueError("the X25519 key has small order or is not in canonical form")


# Parsing costs five verifications; a few thousand keys cover the signers of a busy hour.
@lru_cache(maxsize=8192)
def verifying_key(key: PublicKey) -> Verifying:
    """The key of `cryptography` that verifies; raises ValueError for a point off the curve."""
    if key.alg == ED25519:
        return ed25519.ed25519_public_key(key.raw)
    assert key.alg == ES256, f"{key.alg} does not sign"
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key.raw)


@lru_cache(maxsize=8192)
def _thumbprint(key: PublicKey) -> str:
    kty, crv, _, _ = ALGORITHMS[key.alg]
    y = f',"y":"{key.y}"' if key.y is not None else ""
    required = f'{{"crv":"{crv}","kty":"{kty}","x":"{key.x}"{y}}}'
    return b64u(hashlib.sha256(required.encode("ascii")).digest())
