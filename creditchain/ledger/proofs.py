"""Proofs of a whole batch at once, written as `.tlog-proof` texts.

`tlog.tlogproof.format_tlog_proof` writes one proof and reads it back to be sure; the hub answers
thousands a second under one checkpoint, whose paths share almost everything. Here each shared piece
of text is made once. A test holds the two to the same bytes.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable

from creditchain.tlog.merkle import Coord, fold, perfect_subtrees
from creditchain.tlog.tlogproof import HEADER


class ProofTexts:
    """The proofs of the entries of one tree, ending in the note of its checkpoint.

    `hash_at(level, index)` answers any perfect subtree inside the first `size` leaves. Memory grows
    with the number of proofs asked for, so one lives as long as a batch is answered.
    """

    def __init__(self, size: int, hash_at: Callable[[int, int], bytes], note: str) -> None:
        self._hash_at = hash_at
        self._tail = "\n" + note
        # Lines from the sibling of a perfect subtree up to the child of the root, by subtree.
        self._above: dict[Coord, str] = {}
        peaks = perfect_subtrees(0, size)
        roots = [hash_at(level, index) for level, index in peaks]
        left = ""
        for place, peak in enumerate(peaks):
            right = roots[place + 1 :]
            self._above[peak] = (_line(fold(right)) if right else "") + left
            left = _line(roots[place]) + left

    def text(self, index: int) -> str:
        """The proof of the entry at `index`."""
        return f"{HEADER}\nindex {index}\n{self._lines(0, index)}{self._tail}"

    def _lines(self, level: int, index: int) -> str:
        known = self._above.get((level, index))
        if known is None:
            sibling = _line(self._hash_at(level, index ^ 1))
            known = self._above[level, index] = sibling + self._lines(level + 1, index >> 1)
        return known


def _line(data: bytes) -> str:
    """Base64 and a newline, which is how the C function behind all of them writes it anyway."""
    return b2a_base64(data).decode("ascii")
