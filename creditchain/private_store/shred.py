"""Shredding: each erasable value is encrypted under a key of its own; losing the key erases it.

Why not simply delete the row: SQLite moves cells between pages as a B-tree grows and shrinks, and
`secure_delete` does not reach every old copy (measured: one of 8,852 erased codes was still in an
index page). Keys are 32 bytes each in a table whose cells never move, and are overwritten in place.
A copy of a row that survives anywhere, in a page or in a file system's journal, stays unreadable.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, insert, select, update

from creditchain.private_store.tables import ROW_KEY

KEY_BYTES: Final = 32
_GONE: Final = bytes(KEY_BYTES)
# A key encrypts one value, once, so the nonce need not vary (NIST SP 800-38D section 8).
_NONCE: Final = bytes(12)


class DamagedRow(Exception):
    """A row does not decrypt under its key and its place: the file was damaged or edited."""


def lock(connection: Connection, place: str, value: bytes) -> tuple[int, bytes]:
    """The slot of a fresh key and `value` encrypted under it, bound to `place` (the row's id)."""
    key = AESGCM.generate_key(KEY_BYTES * 8)
    inserted = connection.execute(insert(ROW_KEY).values(key=key)).inserted_primary_key
    assert inserted is not None, "a slot was given"
    return int(inserted[0]), AESGCM(key).encrypt(_NONCE, value, place.encode())


def unlock(key: bytes, place: str, locked: bytes) -> bytes | None:
    """The value, or None when its key was shredded; raises `DamagedRow`."""
    if key == _GONE:
        return None
    try:
        return AESGCM(key).decrypt(_NONCE, locked, place.encode())
    except (InvalidTag, ValueError):
        raise DamagedRow(f"a row of {place} does not decrypt: restore the private store") from None


def shred(connection: Connection, slot: int) -> None:
    """Overwrite the key in `slot`; call `scrub` after the transaction."""
    key = connection.execute(select(ROW_KEY.c.key).where(ROW_KEY.c.slot == slot)).scalar_one()
    assert len(key) == KEY_BYTES, "only a value of the same length overwrites in place"
    connection.execute(update(ROW_KEY).where(ROW_KEY.c.slot == slot).values(key=_GONE))
