"""The small pieces of text that the log's formats share, read strictly.

Every value has exactly one spelling: a decimal without leading zeros, base64 with its padding and
without stray bits. Two spellings of one value would let two byte strings claim the same meaning,
so `decode(encode(x)) == x` and nothing else decodes. A refusal is None: each format names its own
error.

    >>> decode_decimal("42"), decode_decimal("042"), decode_base64("AB==")
    (42, None, None)
"""

from __future__ import annotations

import base64
import binascii

# Sizes, indexes and times fit a signed 64-bit integer everywhere (tlog-cosignature: "MUST NOT
# exceed 2^63 - 1"; Go's verifiers use int64), so no foreign verifier sees a number it cannot hold.
NUMBER_MAX = 2**63 - 1
_NUMBER_DIGITS_MAX = len(str(NUMBER_MAX))  # before int(), whose cost grows faster than the text


def decode_decimal(text: str, most: int = NUMBER_MAX) -> int | None:
    """The number from 0 to `most` that `text` spells in ASCII digits, or None."""
    if not (text.isascii() and text.isdigit()) or len(text) > _NUMBER_DIGITS_MAX:
        return None
    if text[0] == "0" and text != "0":
        return None
    number = int(text)
    return number if number <= most else None


def encode_base64(data: bytes) -> str:
    """`data` in the standard alphabet with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes | None:
    """The bytes of the one canonical base64 spelling `text`, or None."""
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw, validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    # Python drops non-zero bits under the padding; the second spelling shows when encoded back.
    return data if base64.b64encode(data) == raw else None


def decode_hash(text: str) -> bytes | None:
    """The 32 bytes of a SHA-256 hash in canonical base64, or None."""
    data = decode_base64(text)
    return data if data is not None and len(data) == 32 else None
