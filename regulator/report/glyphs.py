"""Which characters a font can show, read from its file's `cmap` (ISO 14496-22).

An archivable PDF may not hold a character without a glyph, and texts come from anyone: what the
font does not carry is printed as 〓, the printers' mark for a missing type.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import Final

from regulator.report.show import UNKNOWN

TABLES_MAX: Final = 64
"""Tables of a face; fonts have about 20."""

_SEGMENTED_COVERAGE: Final = 12
"""The cmap format that holds all of Unicode; every font of our families has one."""


class BadFont(ValueError):
    """A file that is no font, or none with the characters we print."""


@lru_cache(maxsize=4)
def read_characters(path: Path) -> frozenset[str]:
    """The characters of a font file's first face; raises `BadFont`."""
    try:
        data = path.read_bytes()
        start = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
        (count,) = struct.unpack_from(">H", data, start + 4)
        for number in range(min(count, TABLES_MAX)):
            tag, _, offset, _ = struct.unpack_from(">4sIII", data, start + 12 + 16 * number)
            if tag == b"cmap":
                return _read_cmap(data, offset)
    except (OSError, struct.error) as error:
        raise BadFont(f"{path}: {error}") from None
    raise BadFont(f"{path}: no table of characters")


def printable(text: str, known: frozenset[str]) -> str:
    """The text with a mark for each character that is not known."""
    if text.isascii():
        return text
    return "".join(c if c in known or c in "\u200b\n" or c.isascii() else UNKNOWN for c in text)


def _read_cmap(data: bytes, start: int) -> frozenset[str]:
    (count,) = struct.unpack_from(">H", data, start + 2)
    for number in range(min(count, TABLES_MAX)):
        (offset,) = struct.unpack_from(">I", data, start + 8 + 8 * number)
        table = start + offset
        if struct.unpack_from(">H", data, table)[0] == _SEGMENTED_COVERAGE:
            (groups,) = struct.unpack_from(">I", data, table + 12)
            found: set[str] = set()
            for first, last, glyph in struct.iter_unpack(
                ">III", data[table + 16 : table + 16 + 12 * groups]
            ):
                if first <= last <= 0x10FFFF:
                    # Glyph 0 is the box that stands for what is missing.
                    found.update(map(chr, range(first + (glyph == 0), last + 1)))
            return frozenset(c for c in found if not _is_private(c))
    raise BadFont("no table of all characters")


def _is_private(character: str) -> bool:
    # Private use says nothing to whoever reads the text out or copies it.
    return "\ue000" <= character <= "\uf8ff" or character >= "\U000f0000"
