"""The persons who act for a member; their names live in the directory, never here.

PURE.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import Role
from creditchain.events.field import Digest, OfficerId, Timestamp
from creditchain.events.key import PublicKey


@dataclass(frozen=True, slots=True)
class OfficerAppointed:
    """A member endorses an officer's key and says what the officer may do.

    Signed by the member's key. `identity` is the salted fingerprint of the officer's directory row.
    """

    officer: OfficerId
    roles: tuple[Role, ...]
    key: PublicKey
    identity: Digest
    expires_at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class OfficerDismissed:
    """An officer no longer acts for the member. By the member's key or an administrator of its."""

    officer: OfficerId
    compromised_since: Timestamp | None = None
