"""Inclusion and consistency proofs."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain.tlog.edge import TileReader
from creditchain.tlog.merkle import EMPTY_ROOT, SIZE_MAX, Coord, leaf_hashes_of, tree_root
from creditchain.tlog.proof import (
    BadProof,
    check_consistency,
    check_inclusion,
    inclusion_root,
    prove_consistency,
    prove_inclusion,
    prove_inclusions,
)
from tests.unit.tlog.test_merkle import CT_ENTRIES, CT_ROOTS
from tests.unit.tlog.trees import Rows, Tiles, UniformTiles, leaves_of, mth, path, subproof

LEAVES = leaves_of(70)
ROOTS = [mth(LEAVES[:size]) for size in range(71)]
READER = Rows(LEAVES)

# google/certificate-transparency cpp/merkletree/merkle_tree_test.cc: precomputed proofs over the
# eight classic leaves, indexes counted from 0.
CT_INCLUSION = [
    (0, 8, ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
           "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
           "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")),
    (5, 8, ("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
           "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
           "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
    (2, 3, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    (1, 5, ("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
           "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
           "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")),
]  # fmt: skip
CT_CONSISTENCY = [
    (1, 1, ""),
    (1, 8, ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
           "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
           "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")),
    (6, 8, ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
           "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
           "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
    (2, 5, ("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
           "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")),
]  # fmt: skip


def _hashes(joined: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(joined[at : at + 64]) for at in range(0, len(joined), 64))


def _argon2020() -> Any:
    text = (Path(__file__).parent / "vectors" / "argon2020.json").read_text("ascii")
    return json.loads(text)


@pytest.mark.parametrize(("index", "size", "proof"), CT_INCLUSION)
def test_the_classic_inclusion_proofs_come_out_and_check(index: int, size: int, proof: str) -> None:
    leaves = leaf_hashes_of(CT_ENTRIES)
    assert prove_inclusion(index, size, Rows(leaves)) == _hashes(proof)
    check_inclusion(leaves[index], index, size, _hashes(proof), CT_ROOTS[size])


@pytest.mark.parametrize(("old", "new", "proof"), CT_CONSISTENCY)
def test_the_classic_consistency_proofs_come_out_and_check(old: int, new: int, proof: str) -> None:
    assert prove_consistency(old, new, Rows(leaf_hashes_of(CT_ENTRIES))) == _hashes(proof)
    check_consistency(old, CT_ROOTS[old], new, CT_ROOTS[new], _hashes(proof))


def test_the_proofs_of_a_real_log_of_962_million_entries_check() -> None:
    # Google's Argon 2020; see "origin" in the file.
    log = _argon2020()
    root, leaf = base64.b64decode(log["root"]), base64.b64decode(log["leaf_hash"])
    inclusion = [base64.b64decode(h) for h in log["inclusion"]]
    check_inclusion(leaf, log["index"], log["size"], inclusion, root)
    consistency = [base64.b64decode(h) for h in log["consistency"]]
    old_root = base64.b64decode(log["old_root"])
    check_consistency(log["old_size"], old_root, log["size"], root, consistency)
    with pytest.raises(BadProof):
        check_inclusion(leaf, log["index"] + 1, log["size"], inclusion, root)
    with pytest.raises(BadProof):
        check_consistency(log["old_size"] + 1, old_root, log["size"], root, consistency)


def test_every_inclusion_in_every_small_tree_is_proved_as_defined() -> None:
    for size in range(1, 71):
        for index in range(size):
            proof = prove_inclusion(index, size, READER)
            assert list(proof) == path(index, LEAVES[:size])
            check_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_growth_between_small_trees_is_proved_as_defined() -> None:
    for new in range(1, 71):
        for old in range(1, new + 1):
            proof = prove_consistency(old, new, READER)
            assert list(proof) == subproof(old, LEAVES[:new])
            check_consistency(old, ROOTS[old], new, ROOTS[new], proof)


def test_an_inclusion_proof_shows_nothing_else() -> None:
    for size in range(1, 20):
        for index in range(size):
            proof = prove_inclusion(index, size, READER)
            right = (LEAVES[index], index, size, proof, ROOTS[size])
            wrong: list[tuple[Any, ...]] = [
                (LEAVES[index + 1], *right[1:]),
                (LEAVES[index][:31], *right[1:]),
                (*right[:3], (*proof, LEAVES[0]), ROOTS[size]),
                (*right[:3], proof, ROOTS[size + 1]),
                (LEAVES[index], -1, size, proof, ROOTS[size]),
                (LEAVES[index], size, size, proof, ROOTS[size]),
                (LEAVES[index], index, SIZE_MAX + 1, proof, ROOTS[size]),
            ]
            wrong += [(LEAVES[index], i, size, proof, ROOTS[size]) for i in range(size)]
            wrong += [
                (*right[:3], (*proof[:i], *proof[i + 1 :]), ROOTS[size]) for i in range(len(proof))
            ]
            wrong += [
                (*right[:3], (*proof[:i], bad, *proof[i + 1 :]), ROOTS[size])
                for i in range(len(proof))
                for bad in (LEAVES[69], proof[i][:31], proof[i] + b"\0", b"")
            ]
            for case in wrong:
                if case != right:
                    with pytest.raises(BadProof):
                        check_inclusion(*case)


def test_a_consistency_proof_shows_nothing_else() -> None:
    for new in range(1, 18):
        for old in range(1, new + 1):
            proof = prove_consistency(old, new, READER)
            wrong: list[tuple[Any, ...]] = [
                (old, LEAVES[69], new, ROOTS[new], proof),
                (old, ROOTS[old], new, LEAVES[69], proof),
                (old, ROOTS[old], new, ROOTS[new], (*proof, LEAVES[0])),
                (new + 1, ROOTS[old], new, ROOTS[new], proof),
                (-1, ROOTS[old], new, ROOTS[new], proof),
            ]
            wrong += [
                (other, ROOTS[old], new, ROOTS[new], proof)
                for other in range(new + 1)
                if other != old
            ]
            wrong += [
                (old, ROOTS[old], new, ROOTS[new], changed)
                for i in range(len(proof))
                for changed in (
                    (*proof[:i], *proof[i + 1 :]),
                    (*proof[:i], LEAVES[69], *proof[i + 1 :]),
                    (*proof[:i], proof[i][:31], *proof[i + 1 :]),
                )
            ]
            for case in wrong:
                with pytest.raises(BadProof):
                    check_consistency(*case)


def test_the_border_between_two_hashes_cannot_be_moved() -> None:
    # The same bytes are hashed at every step; only the lengths tell.
    moved = (LEAVES[0][31:] + LEAVES[1],)
    with pytest.raises(BadProof, match="32 bytes"):
        check_inclusion(LEAVES[0][:31], 0, 2, moved, ROOTS[2])
    seed, right, left = prove_consistency(3, 4, READER)
    with pytest.raises(BadProof, match="32 bytes"):
        check_consistency(3, ROOTS[3], 4, ROOTS[4], (seed[:31], seed[31:] + right, left))
    for bad in (LEAVES[1] + b"x", b""):
        with pytest.raises(BadProof, match="32 bytes"):
            check_inclusion(LEAVES[0], 0, 2, (bad,), ROOTS[2])


def test_a_consistency_proof_does_not_let_an_entry_change() -> None:
    forged = [*LEAVES[:20], leaves_of(1, "forged")[0], *LEAVES[21:]]
    proof = prove_consistency(40, 70, Rows(forged))
    with pytest.raises(BadProof, match="old root"):
        check_consistency(40, ROOTS[40], 70, mth(forged), proof)


def test_from_size_zero_the_proof_is_empty_and_the_root_is_the_empty_one() -> None:
    assert prove_consistency(0, 70, READER) == prove_consistency(0, 0, READER) == ()
    check_consistency(0, EMPTY_ROOT, 70, ROOTS[70], ())
    check_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    for case in (
        (0, ROOTS[1], 70, ROOTS[70], ()),
        (0, EMPTY_ROOT, 0, ROOTS[1], ()),
        (0, ROOTS[1], 0, ROOTS[1], ()),
        (0, EMPTY_ROOT, 70, ROOTS[70], (LEAVES[0],)),
    ):
        with pytest.raises(BadProof):
            check_consistency(*case)


def test_nothing_is_included_in_the_empty_tree() -> None:
    with pytest.raises(BadProof):
        check_inclusion(LEAVES[0], 0, 0, (), EMPTY_ROOT)
    with pytest.raises(BadProof):
        prove_inclusion(0, 0, READER)


def test_equal_sizes_need_equal_roots_and_an_empty_proof() -> None:
    check_consistency(7, ROOTS[7], 7, ROOTS[7], ())
    with pytest.raises(BadProof, match="two roots"):
        check_consistency(7, ROOTS[7], 7, ROOTS[8], ())
    with pytest.raises(BadProof):
        check_consistency(7, ROOTS[7], 7, ROOTS[7], (LEAVES[0],))


def test_one_past_the_end_is_not_in_the_tree_whatever_is_shown() -> None:
    # Of this shape the proof would be, were there a second leaf.
    with pytest.raises(BadProof, match="no leaf"):
        inclusion_root(LEAVES[1], 1, 1, (LEAVES[0],))
    inclusion_root(LEAVES[1], 1, 2, (LEAVES[0],))


def test_the_largest_tree_may_be_spoken_of_and_no_larger_one() -> None:
    size = SIZE_MAX
    levels = UniformTiles(size).levels
    inclusion_root(levels[0], 0, size, levels[:63])
    with pytest.raises(BadProof, match="no tree size"):
        inclusion_root(levels[0], 0, size + 1, levels[:63])


def test_a_reader_that_answers_more_or_less_than_it_was_asked_is_our_mistake() -> None:
    class Generous(Rows):
        def read_hashes(self, coords: Sequence[Coord]) -> Sequence[bytes]:
            return [*super().read_hashes(coords), LEAVES[0]]

    class Stingy(Rows):
        def read_hashes(self, coords: Sequence[Coord]) -> Sequence[bytes]:
            return super().read_hashes(coords)[:-1]

    for reader in (Generous(LEAVES), Stingy(LEAVES)):
        with pytest.raises(ValueError, match="zip"):
            prove_inclusion(3, 70, reader)


def test_no_proof_can_be_asked_beyond_the_tree() -> None:
    for index in (-1, 70, SIZE_MAX):
        with pytest.raises(BadProof):
            prove_inclusion(index, 70, READER)
    with pytest.raises(BadProof):
        prove_consistency(70, 69, READER)
    with pytest.raises(BadProof):
        prove_consistency(-1, 69, READER)


def test_a_batch_is_proved_in_one_read_and_as_one_by_one() -> None:
    reader = Rows(LEAVES)
    proofs = prove_inclusions(range(70), 70, reader)
    assert reader.calls == 1
    assert proofs == [prove_inclusion(index, 70, READER) for index in range(70)]


@settings(max_examples=25)
@given(st.data())
def test_proofs_of_larger_trees_check(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 3000))
    old, index = data.draw(st.integers(1, new)), data.draw(st.integers(0, new - 1))
    leaves = leaves_of(new)
    tiles = Tiles(leaves)
    reader = TileReader(new, tiles.read_tile)
    root, old_root = tiles.edge.root(), tree_root(old, Rows(leaves))
    check_inclusion(leaves[index], index, new, prove_inclusion(index, new, reader), root)
    check_consistency(old, old_root, new, root, prove_consistency(old, new, reader))


# Up to 2^62 leaves no proof exceeds the 63 hashes that tlog-witness allows.
@given(st.integers(1, 2**62), st.data())
def test_proofs_of_trees_of_any_size_check(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    tiles = UniformTiles(size)
    reader = TileReader(size, tiles.read_tile)
    proof = prove_inclusion(index, size, reader)
    assert len(proof) <= 63
    check_inclusion(tiles.levels[0], index, size, proof, tiles.root())
    growth = prove_consistency(old, size, reader)
    assert len(growth) <= 63
    check_consistency(old, UniformTiles(old).root(), size, tiles.root(), growth)
