"""Sealed reports: readable by the orderer whose key they were sealed to, and for one order only.

HPKE (RFC 9180) in base mode with X25519, HKDF-SHA256 and AES-256-GCM. What is sent is the
encapsulated key (32 bytes), then the ciphertext with its tag. The order's id is the associated
data, so a sealed report cannot be passed off as the answer to another order.

    sealed = seal_report(plaintext, bank_key.public, order_id)
    assert open_report(sealed, bank_key, order_id) == plaintext
"""

from __future__ import annotations

from typing import Final

from Crypto.Protocol import HPKE
from Crypto.Protocol.DH import import_x25519_private_key, import_x25519_public_key

from creditchain.client.keys import HPKE_X25519, PrivateKey
from creditchain.events import PublicKey

INFO: Final = b"creditchain-report/hpke/v1"
"""Separates our use of the key from any other; a new suite or layout gets a new version."""

ENCAPSULATED_BYTES: Final = 32
TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = ENCAPSULATED_BYTES + TAG_BYTES
"""How much longer a sealed report is than the report."""


class CannotOpen(ValueError):
    """The sealed bytes do not open: sealed to another key, for another order, or damaged."""


def seal_report(plaintext: bytes, recipient: PublicKey, order: str) -> bytes:
    """`plaintext` sealed to `recipient` for `order`; raises ValueError for a key of another use."""
    if recipient.alg != HPKE_X25519:
        raise ValueError(f"nothing is sealed to a key of {recipient.alg}")
    key = import_x25519_public_key(recipient.raw)
    cipher = HPKE.new(receiver_key=key, aead_id=HPKE.AEAD.AES256_GCM, info=INFO)
    return cipher.enc + cipher.seal(plaintext, auth_data=order.encode("ascii"))


def open_report(sealed: bytes, key: PrivateKey, order: str) -> bytes:
    """The plaintext of a report sealed to `key` for `order`; raises `CannotOpen`."""
    if key.alg != HPKE_X25519:
        raise CannotOpen(f"nothing is sealed to a key of {key.alg}")
    if len(sealed) < OVERHEAD_BYTES:
        raise CannotOpen("the sealed report is too short")
    encapsulated, ciphertext = sealed[:ENCAPSULATED_BYTES], sealed[ENCAPSULATED_BYTES:]
    try:
        cipher = HPKE.new(
            receiver_key=import_x25519_private_key(key.secret),
            aead_id=HPKE.AEAD.AES256_GCM,
            enc=encapsulated,
            info=INFO,
        )
        return cipher.unseal(ciphertext, auth_data=order.encode("ascii"))
    except ValueError:
        raise CannotOpen(
            "the report was sealed to another key or for another order, or is damaged"
        ) from None
