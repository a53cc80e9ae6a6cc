"""Who belongs to the consortium, and with which keys it speaks.

PURE.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import MemberKind, RevocationReason, SuspensionGround
from creditchain.events.field import Label, MemberId, Region, Thumbprint, Timestamp
from creditchain.events.key import PublicKey


@dataclass(frozen=True, slots=True)
class MemberAdmitted:
    """An institution joins with its first signing key. Signed by the regulator."""

    member: MemberId
    kind: MemberKind
    name: Label
    region: Region
    key: PublicKey
    filing: Label | None = None


@dataclass(frozen=True, slots=True)
class MemberSuspended:
    """A member may only receive withdrawals and disputes until reinstated. By the regulator."""

    member: MemberId
    ground: SuspensionGround


@dataclass(frozen=True, slots=True)
class MemberReinstated:
    """A suspended member may act again. Signed by the regulator."""

    member: MemberId


@dataclass(frozen=True, slots=True)
class MemberWithdrawn:
    """A member leaves for good. Signed by itself or by the regulator."""

    member: MemberId


@dataclass(frozen=True, slots=True)
class MemberKeyAdded:
    """A member adds a key of its own: to sign with, or to have reports sealed to."""

    member: MemberId
    key: PublicKey
    expires_at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class MemberKeyRevoked:
    """A member's key ends. Signed by the member or by the regulator.

    What the key signed after `compromised_since` stays on the log and is for the auditors to judge.
    """

    member: MemberId
    key: Thumbprint
    reason: RevocationReason
    compromised_since: Timestamp | None = None
