"""What the doors open on: everything `create_app` needs, in one frozen value."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditchain.api.counters import Counters
from creditchain.api.identity import Identity
from creditchain.api.limits import Limits
from creditchain.directory import Directory
from creditchain.ledger import Ledger
from creditchain.querying.cursor import Cursors
from creditchain.vault import Vault


class DocumentsMode(StrEnum):
    """Which GraphQL documents run: any, or only those of graphql/operations."""

    OPEN = "open"
    STRICT = "strict"


def clock_ms() -> int:
    """The hub's clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Doors:
    """The rooms behind the doors and how wide they stand open.

    X With
        `feed_public` anybody may read checkpoint, tiles and entries; else only those signed in.
    """

    ledger: Ledger
    directory: Directory
    vault: Vault
    token_key: bytes
    limits: Limits = field(default_factory=Limits)
    feed_public: bool = True
    documents: DocumentsMode = DocumentsMode.OPEN
    policy: str = ""
    """The C2SP policy file served at /log/policy."""
    now_ms: Callable[[], int] = clock_ms
    ready: Callable[[], dict[str, str]] = dict
    """Faults by part, empty when all is well; asked by /readyz besides the ledger's own state."""
    cosigned: Callable[[], Mapping[str, int]] = dict
    """The size that each cosigner has last cosigned, by its name in the policy."""
    identity: Identity = field(init=False)
    cursors: Cursors = field(init=False)
    counters: Counters = field(init=False)

    def __post_init__(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(self.token_key)
        identity = Identity(self.ledger.origin, key, self.ledger.book, self.now_ms)
        object.__setattr__(self, "identity", identity)
        object.__setattr__(self, "cursors", Cursors(self.token_key))
        object.__setattr__(self, "counters", Counters(self.ledger))
