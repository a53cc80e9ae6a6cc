"""Fresh ids and salts: the only randomness a statement carries.

All come from the operating system's generator; none says anything about whom it names.
"""

from __future__ import annotations

import secrets
from typing import Final

import uuid_utils

from creditchain.events import b64u, canonical_json, unb64u
from creditchain.fingerprint import SALT_BYTES, fingerprint

OPAQUE_BYTES: Final = 16
"""128 bits: nobody guesses an id, and none is drawn twice."""


def fresh_event_id() -> str:
    """A UUIDv7, rising with the clock: the idempotency key of one statement."""
    return str(uuid_utils.uuid7())


def fresh_salt() -> str:
    """128 random bits in base64url, as an event carries them."""
    return b64u(secrets.token_bytes(SALT_BYTES))


def fresh_officer_id() -> str:
    """An id for a person that says nothing about the person."""
    return f"of_{b64u(secrets.token_bytes(OPAQUE_BYTES))}"


def fresh_enterprise_id() -> str:
    """An id for an enterprise that says nothing about the enterprise."""
    return f"en_{b64u(secrets.token_bytes(OPAQUE_BYTES))}"


def fresh_row(**fields: str) -> tuple[dict[str, str], str]:
    """A row for the directory under a fresh salt, and the fingerprint that an event carries of it.

    An officer has a `name`, an enterprise also a `uscc`, an objection's words are its `text`.
    """
    salt = fresh_salt()
    digest = b64u(fingerprint(unb64u(salt), canonical_json(fields)))
    return {**fields, "salt": salt}, digest
