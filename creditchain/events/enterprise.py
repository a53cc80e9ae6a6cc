"""Enterprises, the subjects and grantors, and the keys with which they authorise.

PURE. Names and Unified Social Credit Codes live in the directory; here stands an opaque id and a
salted fingerprint of the directory row.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import LegalForm, RevocationReason
from creditchain.events.field import Digest, EnterpriseId, Region, Thumbprint, Timestamp
from creditchain.events.key import PublicKey


@dataclass(frozen=True, slots=True)
class EnterpriseEnrolled:
    """A member vouches that `key` is the authorised person's of the enterprise.

    `authority` is the fingerprint of the paper that proves the person's authority. Without a `form`
    it is taken for an enterprise; a sole trader's data is also a person's.
    """

    enterprise: EnterpriseId
    identity: Digest
    region: Region
    key: PublicKey
    authority: Digest
    form: LegalForm | None = None


@dataclass(frozen=True, slots=True)
class AuthoriserKeyAdded:
    """One more key authorises for the enterprise; signed by it or by a member that vouches."""

    enterprise: EnterpriseId
    key: PublicKey
    authority: Digest
    expires_at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class AuthoriserKeyRevoked:
    """A key no longer authorises; signed by the enterprise or by the member that enrolled it."""

    enterprise: EnterpriseId
    key: Thumbprint
    reason: RevocationReason
    compromised_since: Timestamp | None = None
