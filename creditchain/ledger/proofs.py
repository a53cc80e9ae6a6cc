"""Many proofs under one checkpoint, written as `.tlog-proof` texts.

`tlog.tlogproof.format_tlog_proof` writes one proof and reads it back to be sure; the hub answers
thousands a second under one checkpoint, whose paths share almost everything. Here each shared piece
of text is made once. A test holds the two to the same bytes.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Final, Protocol

from creditchain.ledger.failure import LedgerDamaged
from creditchain.tlog.merkle import Coord, fold, perfect_subtrees
from creditchain.tlog.tlogproof import HEADER

LINES_KEPT: Final = 8_192
"""Ways up to the root that are kept as text, at most 3 KiB each and 1 KiB in a log of a million."""

_TILE_LEVELS: Final = 8


class Tree(Protocol):
    """Where the hashes come from."""

    def hash_at(self, level: int, index: int) -> bytes:
        """The root of the perfect subtree `index` of 2^level leaves."""

    def siblings(self, level: int, index: int, own: bytes | None) -> list[bytes] | None:
        """The hashes beside the way from a hash at the foot of a full tile up to its root, all
        checked; with them `own`, the hash itself, if given. None: ask for each with `hash_at`."""


class ProofTexts:
    """The proofs of the entries of the first `size` leaves, ending in their checkpoint's note."""

    def __init__(self, size: int, tree: Tree, note: str) -> None:
        self._size = size
        self._tree = tree
        self._tail = "\n" + note
        # Lines from the sibling of a perfect subtree up to the child of the root, by subtree.
        self._above: dict[Coord, str] = {}
        peaks = perfect_subtrees(0, size)
        roots = [tree.hash_at(level, index) for level, index in peaks]
        left = ""
        for place, peak in enumerate(peaks):
            right = roots[place + 1 :]
            self._above[peak] = (_line(fold(right)) if right else "") + left
            left = _line(roots[place]) + left

    def text(self, index: int, leaf: bytes | None = None) -> str:
        """The proof of the entry at `index`; its leaf hash, if given, must be the one in the tree.

        Raises `LedgerDamaged`.
        """
        return f"{HEADER}\nindex {index}\n{self._lines(0, index, leaf)}{self._tail}"

    def _lines(self, level: int, index: int, own: bytes | None = None) -> str:
        tile_root = (level + _TILE_LEVELS, index >> _TILE_LEVELS)
        # A tile that is full by now need not have been in a smaller tree.
        if level % _TILE_LEVELS == 0 and (tile_root[1] + 1) << tile_root[0] <= self._size:
            known = None if level == 0 else self._above.get((level, index))
            if known is None:
                siblings = self._tree.siblings(level, index, own)
                if siblings is not None:
                    known = "".join(map(_line, siblings)) + self._lines(*tile_root)
                    if level:
                        self._keep((level, index), known)
            if known is not None:
                return known
        if own is not None and self._tree.hash_at(level, index) != own:
            raise LedgerDamaged(f"the stored entry {index} is not the one in the tree")
        known = self._above.get((level, index))
        if known is None:
            sibling = _line(self._tree.hash_at(level, index ^ 1))
            known = sibling + self._lines(level + 1, index >> 1)
            self._keep((level, index), known)
        return known

    def _keep(self, subtree: Coord, lines: str) -> None:
        if len(self._above) < LINES_KEPT:
            self._above[subtree] = lines


def _line(data: bytes) -> str:
    """Base64 and a newline, which is how the C function behind all of them writes it anyway."""
    return b2a_base64(data).decode("ascii")
