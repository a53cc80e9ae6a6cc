"""Cursors: where a page ended, signed, and good only for the same list of the same caller.

`base64url(mac || place)`: 16 bytes of HMAC-SHA256 over the list's name, its filters, the caller and
the place. So nobody can aim a cursor at a place of his choosing, or move it to another list.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from creditchain.events import b64u, canonical_json, unb64u
from creditchain.querying.failure import DoorError, ErrorCode

_MAC_BYTES: Final = 16
_CURSOR_CHARS_MAX: Final = 200


class Cursors:
    """Signs and opens cursors with a key derived from `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"creditchain cursor v1", hashlib.sha256)

    def seal(self, scope: list[str], place: str) -> str:
        """The cursor for `place` in the list that `scope` names."""
        return b64u(self._mac(scope, place) + place.encode())

    def open(self, scope: list[str], cursor: str) -> str:
        """The place in a cursor; raises `DoorError` for one that is not ours or not for here."""
        if len(cursor) > _CURSOR_CHARS_MAX:
            raise _bad()
        try:
            raw = unb64u(cursor)
            place = raw[_MAC_BYTES:].decode()
        except ValueError:
            raise _bad() from None
        if not hmac.compare_digest(raw[:_MAC_BYTES], self._mac(scope, place)):
            raise _bad()
        return place

    def _mac(self, scope: list[str], place: str) -> bytes:
        message = canonical_json([*scope, place])
        return hmac.digest(self._key, message, hashlib.sha256)[:_MAC_BYTES]


def _bad() -> DoorError:
    return DoorError(
        ErrorCode.BAD_USER_INPUT, "`after` is no cursor of this list for this caller.", path="after"
    )
