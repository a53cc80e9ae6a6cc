"""Ed25519 as the log's notes use it: the hub's one strict reading of keys and signatures.

Re-exported, so that a note and a seal can never disagree about which key or signature is good.
"""

from creditchain.ed25519 import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    BadKey,
    ed25519_public_key,
    verify,
)

__all__ = ["KEY_BYTES", "SIGNATURE_BYTES", "BadKey", "ed25519_public_key", "verify"]
