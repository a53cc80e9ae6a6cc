"""Fingerprints: salted hashes that stand on the log for documents that do not.

PURE. `fingerprint = SHA-256(context || salt || content)`; with 128 bits of salt a short or
guessable content (a registration number, a yes) cannot be found by trying.
"""

from __future__ import annotations

import hashlib
from typing import Final

SALT_BYTES: Final = 16
CONTEXT: Final = b"creditchain-fingerprint/v1\0"
"""Separates fingerprints from every other SHA-256 in the system."""


def fingerprint(salt: bytes, content: bytes) -> bytes:
    """The 32-byte fingerprint of `content` under a 16-byte `salt`."""
    assert len(salt) == SALT_BYTES, "a salt has 16 bytes"
    return hashlib.sha256(CONTEXT + salt + content).digest()
