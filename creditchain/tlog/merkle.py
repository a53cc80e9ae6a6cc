"""The Merkle tree of the log: hashes, the root and the frontier (RFC 6962 section 2.1).

- A leaf is `SHA-256(00 || entry)`, a node `SHA-256(01 || left || right)`, so that neither can be
  passed off as the other; the empty tree is `SHA-256("")`.
- Only hashes of *perfect* subtrees (2^level leaves, all there) are ever read or stored. They never
  change as the tree grows. A coordinate `(level, index)` names the one over the leaves
  `index * 2^level` up to `(index + 1) * 2^level`.

    >>> Frontier.empty().extend([leaf_hash(b"")]).root() == leaf_hash(b"")
    True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from creditchain.tlog.wire import NUMBER_MAX

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

# Every size fits the int64 of Go's verifiers; the path to a leaf then has at most 63 hashes.
SIZE_MAX = NUMBER_MAX

Coord = tuple[int, int]
"""(binary level, index) of a perfect subtree; level 0 is the leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The 32-byte hash of one entry as a leaf: `SHA-256(00 || entry)` (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes_of(entries: Iterable[bytes]) -> list[bytes]:
    """The leaf hash of each entry, in order."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash over two subtrees: `SHA-256(01 || left || right)` (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


class HashReader(Protocol):
    """Whatever can answer hashes of perfect subtrees: tiles, an edge, a dictionary in a test."""

    def read_hashes(self, coords: Sequence[Coord]) -> Sequence[bytes]:
        """The hash at each coordinate, in the order asked."""
        ...


def perfect_subtrees(start: int, end: int) -> list[Coord]:
    """The perfect subtrees that cover leaves `start` to `end` (exclusive), left to right.

    `start` must be aligned to the largest power of two not above `end - start`, as every left
    boundary inside a Merkle tree is.
    """
    coords = []
    for level in range((end - start).bit_length() - 1, -1, -1):
        if (end - start) >> level & 1:
            coords.append((level, start >> level))
            start += 1 << level
    return coords


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over neighbouring perfect subtrees given left to right, each smaller than the last.

    Raises IndexError when there are none: the empty tree is the caller's case.
    """
    folded = hashes[-1]
    for left in hashes[-2::-1]:
        folded = sha256(b"\x01" + left + folded).digest()
    return folded


def tree_root(size: int, reader: HashReader) -> bytes:
    """The root of the first `size` leaves (RFC 6962 section 2.1, MTH)."""
    if size == 0:
        return EMPTY_ROOT
    return fold(reader.read_hashes(perfect_subtrees(0, size)))


@dataclass(frozen=True, slots=True)
class Frontier:
    """The least one must keep of a tree to extend it and know its root: at most 63 hashes.

    `hashes` are the roots of the perfect subtrees that make up the first `size` leaves, left to
    right, one for each set bit of `size`. Raises ValueError when their number or a length is off.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a frontier of {self.size} leaves has not {len(self.hashes)} hashes")
        if any(len(h) != HASH_BYTES for h in self.hashes):
            raise ValueError("a frontier hash is not 32 bytes")

    @classmethod
    def empty(cls) -> Frontier:
        """The frontier of the empty tree."""
        return cls(0, ())

    def extend(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The frontier after these leaf hashes are appended, in order."""
        stack, size = list(self.hashes), self.size
        for leaf in leaf_hashes:
            stack.append(leaf)
            # Each trailing one of the old size is a perfect subtree that now has its twin.
            for _ in range((size ^ (size + 1)).bit_length() - 1):
                right = stack.pop()
                stack[-1] = sha256(b"\x01" + stack[-1] + right).digest()
            size += 1
        return Frontier(size, tuple(stack))

    def root(self) -> bytes:
        """The root of the tree."""
        return fold(self.hashes) if self.hashes else EMPTY_ROOT
