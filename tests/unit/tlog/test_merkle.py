"""The tree's hashes, root and frontier."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.tlog.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    Frontier,
    leaf_hash,
    leaf_hashes_of,
    node_hash,
    perfect_subtrees,
    tree_root,
)
from tests.unit.tlog.trees import Rows, leaves_of, mth

# The eight leaves and nine roots that every implementation of RFC 6962 tests with, first in
# google/certificate-transparency cpp/merkletree/merkle_tree_test.cc.
CT_ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
CT_ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]


def test_the_classic_roots_of_certificate_transparency_come_out() -> None:
    leaves = leaf_hashes_of(CT_ENTRIES)
    for size, root in enumerate(CT_ROOTS):
        assert tree_root(size, Rows(leaves)) == root
        assert Frontier.empty().extend(leaves[:size]).root() == root


def test_a_leaf_is_never_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_two_leaves_are_the_two_children_of_their_root() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) == mth([left, right]) == tree_root(2, Rows([left, right]))


def test_the_empty_tree_has_the_hash_of_nothing_as_root() -> None:
    assert tree_root(0, Rows([])) == Frontier.empty().root() == EMPTY_ROOT == CT_ROOTS[0]


def test_root_and_frontier_agree_with_the_definition_at_every_small_size() -> None:
    leaves = leaves_of(70)
    reader = Rows(leaves)
    for size in range(71):
        assert tree_root(size, reader) == mth(leaves[:size])
        assert Frontier.empty().extend(leaves[:size]).root() == mth(leaves[:size])


@given(st.integers(0, 300), st.lists(st.integers(0, 300)))
def test_a_frontier_extended_in_steps_is_the_frontier_extended_at_once(
    count: int, cuts: list[int]
) -> None:
    leaves = leaves_of(count)
    frontier = Frontier.empty()
    bounds = [0, *sorted(cut for cut in cuts if cut <= count), count]
    for start, end in itertools.pairwise(bounds):
        frontier = frontier.extend(leaves[start:end])
    assert frontier == Frontier.empty().extend(leaves)
    assert frontier.root() == mth(leaves)


def test_a_frontier_with_the_wrong_number_of_hashes_is_refused() -> None:
    for size, hashes in ((1, ()), (3, (b"h" * 32,)), (0, (b"h" * 32,)), (-1, ())):
        with pytest.raises(ValueError, match="frontier"):
            Frontier(size, hashes)
    with pytest.raises(ValueError, match="frontier"):
        Frontier(SIZE_MAX + 1, (b"h" * 32,))
    with pytest.raises(ValueError, match="32 bytes"):
        Frontier(1, (b"h" * 31,))


def test_the_largest_tree_has_a_frontier() -> None:
    assert len(Frontier(SIZE_MAX, (b"h" * 32,) * 63).hashes) == 63


@given(st.integers(1, SIZE_MAX))
def test_the_perfect_subtrees_of_a_tree_cover_it_without_gap(size: int) -> None:
    at = 0
    for level, index in perfect_subtrees(0, size):
        assert index << level == at
        at += 1 << level
    assert at == size
    assert len(perfect_subtrees(0, size)) == size.bit_count()
