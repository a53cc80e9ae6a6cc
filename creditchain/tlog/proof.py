"""Proofs that a leaf is in a tree, and that one tree extends another (RFC 9162 section 2.1).

- `prove_*` reads perfect subtrees from any `HashReader`, in one call, and never checks them.
- `check_*` needs nothing but the proof and the roots; it returns on success and raises `BadProof`.
- Size 0, on which libraries disagree, follows tlog-witness: the proof from size 0 is empty, the
  root of size 0 is `EMPTY_ROOT`, and nothing is included in it.

    >>> from creditchain.tlog.merkle import leaf_hash
    >>> check_inclusion(leaf_hash(b"x"), 0, 1, (), leaf_hash(b"x"))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from creditchain.tlog.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    SIZE_MAX,
    Coord,
    HashReader,
    fold,
    perfect_subtrees,
)

# tlog-witness: "MUST NOT send more than 63". Enough for any proof between trees of up to 2^62.
PROOF_HASHES_MAX = 63


class BadProof(ValueError):
    """The proof does not show what it should, or no such proof can exist."""


def prove_inclusion(index: int, size: int, reader: HashReader) -> tuple[bytes, ...]:
    """The audit path of leaf `index` in the first `size` leaves (RFC 9162 section 2.1.3.1).

    Hashes run from the leaf's sibling to the root's child. Raises BadProof when the index is not
    in the tree.
    """
    (proof,) = prove_inclusions((index,), size, reader)
    return proof


def prove_inclusions(
    indexes: Iterable[int], size: int, reader: HashReader
) -> list[tuple[bytes, ...]]:
    """The audit path of each leaf in `indexes`, all in the tree of `size`; see prove_inclusion.

    Neighbours share most of their path; proving a batch at once reads what they share once.
    """
    _check_size(size)
    known: dict[Coord, bytes] = {}
    paths = []
    for index in indexes:
        if not 0 <= index < size:
            raise BadProof(f"no leaf {index} in a tree of {size}")
        paths.append(_path(index, 0, size))
    wanted = {coord: None for path in paths for part in path for coord in part}
    known.update(zip(wanted, reader.read_hashes(list(wanted)), strict=True))
    folded: dict[tuple[Coord, ...], bytes] = {}
    proofs = []
    for path in paths:
        proof = []
        for part in path:
            if len(part) == 1:
                proof.append(known[part[0]])
                continue
            if part not in folded:
                folded[part] = fold([known[coord] for coord in part])
            proof.append(folded[part])
        proofs.append(tuple(proof))
    return proofs


def check_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise BadProof unless `proof` puts `leaf_hash` at `index` under `root` (RFC 9162 2.1.3.2)."""
    if inclusion_root(leaf_hash, index, size, proof) != root:
        raise BadProof("the inclusion proof leads to another root")


def inclusion_root(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to; only equality with a known root proves anything.

    Raises BadProof when the proof has the wrong shape for this index and size.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise BadProof(f"no leaf {index} in a tree of {size}")
    inner = (index ^ (size - 1)).bit_length()
    _check_hashes(proof, inner + (index >> inner).bit_count())
    if len(leaf_hash) != HASH_BYTES:
        raise BadProof("the leaf hash is not 32 bytes")
    return _climb(leaf_hash, index, proof, inner)


def prove_consistency(old: int, new: int, reader: HashReader) -> tuple[bytes, ...]:
    """The proof that the tree of `new` leaves extends that of `old` (RFC 9162 section 2.1.4.1).

    Empty when the sizes are equal or `old` is 0. Raises BadProof when `old` exceeds `new`.
    """
    _check_growth(old, new)
    if old in (0, new):
        return ()
    shift = _trailing_zeros(old)
    parts = _path(old - 1, shift, new)
    if old != 1 << shift:
        # The old tree is no perfect subtree, so its rightmost one is where both walks begin.
        parts.insert(0, ((shift, (old - 1) >> shift),))
    hashes = iter(reader.read_hashes([coord for part in parts for coord in part]))
    return tuple(fold([next(hashes) for _ in part]) for part in parts)


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise BadProof unless `proof` shows that the new tree extends the old (RFC 9162 2.1.4.2)."""
    _check_growth(old, new)
    if old in (0, new):
        _check_hashes(proof, 0)
        if old == 0 and old_root != EMPTY_ROOT:
            raise BadProof("the root of size 0 is not the empty root")
        if old == new and old_root != new_root:
            raise BadProof("two roots for one size")
        return
    shift = _trailing_zeros(old)
    seeded = old == 1 << shift
    node = (old - 1) >> shift
    inner = ((old - 1) ^ (new - 1)).bit_length() - shift
    _check_hashes(proof, inner + (node >> inner).bit_count() + (not seeded))
    seed, path = (old_root, proof) if seeded else (proof[0], proof[1:])
    # Both trees hold everything left of the seed; only the new one holds what is right of it.
    was = seed
    for level, sibling in enumerate(path):
        if level >= inner or node >> level & 1:
            was = sha256(b"\x01" + sibling + was).digest()
    if was != old_root:
        raise BadProof("the consistency proof leads to another old root")
    if _climb(seed, node, path, inner) != new_root:
        raise BadProof("the consistency proof leads to another new root")


def _path(index: int, level: int, size: int) -> list[tuple[Coord, ...]]:
    """What lies beside the way from the ancestor of leaf `index` at `level` up to the root.

    Each part is one proof hash: a perfect subtree, or, where the way leaves the right edge of the
    tree, the several that make up all that is to the right.
    """
    inner = (index ^ (size - 1)).bit_length()
    parts: list[tuple[Coord, ...]] = [((k, index >> k ^ 1),) for k in range(level, inner - 1)]
    if inner > level:
        right = (index >> (inner - 1) | 1) << (inner - 1)
        parts.append(tuple(perfect_subtrees(right, size)))
    above = range(max(inner, level), index.bit_length())
    parts += [((k, index >> k ^ 1),) for k in above if index >> k & 1]
    return parts


def _climb(h: bytes, index: int, proof: Sequence[bytes], inner: int) -> bytes:
    """Hash up the tree; above `inner` levels every sibling lies to the left."""
    for level, sibling in enumerate(proof):
        if level >= inner or index >> level & 1:
            h = sha256(b"\x01" + sibling + h).digest()
        else:
            h = sha256(b"\x01" + h + sibling).digest()
    return h


def _check_size(size: int) -> None:
    if not 0 <= size <= SIZE_MAX:
        raise BadProof(f"{size} is no tree size")


def _check_growth(old: int, new: int) -> None:
    _check_size(new)
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} cannot extend one of {old}")


def _check_hashes(proof: Sequence[bytes], count: int) -> None:
    if len(proof) != count:
        raise BadProof(f"the proof has {len(proof)} hashes, not {count}")
    if any(len(h) != HASH_BYTES for h in proof):
        raise BadProof("a proof hash is not 32 bytes")


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1
