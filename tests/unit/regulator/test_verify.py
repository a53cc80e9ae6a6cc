"""Advance, Fork or Unproven: for every pair of sizes, and whatever proof is handed in."""

import random
from dataclasses import replace

import pytest

from creditchain.tlog.checkpoint import BadCheckpoint, Checkpoint, sign_checkpoint
from creditchain.tlog.edge import edge_tiles
from creditchain.tlog.note import BadNote, Signer, sign_note
from creditchain.tlog.tile import Tile
from regulator.finding import Finding, FindingCode, base64_text
from regulator.verify import (
    Advance,
    FetchedTiles,
    Fork,
    Head,
    NotInTree,
    Unproven,
    check_leaves,
    consistency_tiles,
    is_fork,
    judge_by_tiles,
    judge_by_tree,
    judge_growth,
    open_head,
    tiles_for,
)
from tests.lying_hub.honest import HonestFeed, Log
from tests.unit.tlog.trees import UniformTiles

SIGNER = Signer("hub.example/log", bytes(32))


def tree(size: int, salt: bytes = b"", shared: int = 0) -> Log:
    """A log of `size` entries; those from `shared` on depend on the salt."""
    log = Log(SIGNER)
    for i in range(size):
        log.append_raw(b"%d %b" % (i, b"" if i < shared else salt), b"")
    log.publish()
    return log


def head(log: Log) -> Head:
    """The head of a log."""
    return open_head(log.note, SIGNER.verifier)


def test_every_extension_advances_and_every_fork_is_proven_by_its_tree():
    for old in range(1, 20):
        held = head(tree(old, b"a"))
        for new in range(old, 34):
            honest, forked = tree(new, b"a"), tree(new, b"b", shared=old - 1)
            proof = honest.prove(old)
            assert judge_growth(held, head(honest), proof) == Advance(head(honest))
            assert isinstance(judge_by_tree(held, head(honest), honest.reader()), Advance)
            fork = judge_by_tree(held, head(forked), forked.reader())
            assert isinstance(fork, Fork)
            assert is_fork(fork)
            assert (fork.held, fork.shown) == (held, head(forked))
            # The same, told the other way round: the larger tree was the one we held.
            told = judge_by_tree(head(forked), held, forked.reader())
            assert told == Fork(head(forked), held, fork.proof)
            assert judge_by_tree(head(honest), held, honest.reader()) == Advance(head(honest))


def test_every_tree_extends_the_empty_one() -> None:
    empty, grown = head(tree(0)), head(tree(9))
    for told in ((empty, grown), (grown, empty)):
        assert judge_by_tree(*told, tree(9).reader()) == Advance(grown)
    assert judge_growth(empty, grown, ()) == Advance(grown)
    unproven = judge_growth(empty, grown, (bytes(32),))
    assert unproven == Unproven("the proof has 1 hashes, not 0")


@pytest.mark.parametrize("old", [1, 2, 4, 8, 16])
def test_a_proof_from_a_perfect_tree_brings_no_seed_of_its_own(old: int) -> None:
    # A witness may not be sent it, so what comes with one is no consistency proof at all.
    held, forked = head(tree(old, b"a")), tree(23, b"b")
    fork = judge_by_tree(held, head(forked), forked.reader())
    assert isinstance(fork, Fork)
    assert isinstance(judge_growth(held, head(forked), fork.proof), Unproven)


def test_a_fork_is_a_finding_that_needs_neither_us_nor_the_hub() -> None:
    held, forked = head(tree(11, b"a")), tree(29, b"b", shared=5)
    fork = judge_growth(held, head(forked), forked.prove(11))
    assert isinstance(fork, Fork)
    assert fork == Fork(held, head(forked), forked.prove(11))
    assert fork.finding() == Finding(
        FindingCode.FORK, None, "sizes 11 and 29",
        {
            "held": held.note,
            "shown": forked.note,
            "proof": "\n".join(base64_text(h) for h in fork.proof),
        },
    )  # fmt: skip
    other = head(tree(11, b"c"))
    assert judge_growth(held, other, ()) == Fork(held, other)
    assert Fork(held, other).finding() == Finding(
        FindingCode.FORK, None, "sizes 11 and 11", {"held": held.note, "shown": other.note}
    )


def test_a_proof_of_the_forked_tree_itself_convicts_unless_it_lacks_the_seed():
    for old in range(2, 20):
        held = head(tree(old, b"a"))
        for new in range(old + 1, 34):
            forked = tree(new, b"b", shared=old - 1)
            judged = judge_growth(held, head(forked), forked.prove(old))
            expected = Unproven if old & (old - 1) == 0 else Fork
            assert isinstance(judged, expected), (old, new)


def test_no_made_up_proof_convicts_or_convinces():
    rng = random.Random(1)
    held, honest = head(tree(11, b"a")), tree(29, b"a")
    forked = tree(29, b"b", shared=10)
    good, bad = honest.prove(11), forked.prove(11)
    for _ in range(300):
        proof = list(rng.choice((good, bad)))
        for _ in range(rng.randint(1, 3)):
            match rng.randrange(4):
                case 0:
                    proof[rng.randrange(len(proof))] = rng.randbytes(32)
                case 1:
                    proof.insert(rng.randrange(len(proof) + 1), rng.randbytes(32))
                case 2 if len(proof) > 1:
                    del proof[rng.randrange(len(proof))]
                case _:
                    at = rng.randrange(len(proof))
                    proof[at] = proof[at][:31]
        if tuple(proof) in (good, bad):
            continue
        assert isinstance(judge_growth(held, head(honest), proof), Unproven)
        assert isinstance(judge_growth(held, head(forked), proof), Unproven)


def test_evidence_that_was_touched_is_no_evidence():
    held, forked = head(tree(11, b"a")), tree(29, b"b", shared=5)
    fork = judge_by_tree(held, head(forked), forked.reader())
    assert isinstance(fork, Fork)
    for at in range(len(fork.proof)):
        touched = (*fork.proof[:at], bytes(32), *fork.proof[at + 1 :])
        assert not is_fork(replace(fork, proof=touched))
    assert not is_fork(replace(fork, proof=()))
    assert not is_fork(replace(fork, proof=fork.proof * 20))
    # Nor is the proof of an honest extension evidence of a fork.
    honest = tree(29, b"a")
    assert not is_fork(Fork(held, head(honest), honest.prove(11)))


def test_one_size_and_one_root_is_no_news_and_two_roots_are_a_fork():
    held = head(tree(8, b"a"))
    assert judge_growth(held, held, ()) == Advance(held)
    assert isinstance(judge_growth(held, head(tree(8, b"b")), ()), Fork)


@pytest.mark.parametrize(("old", "new"), [(1, 300), (255, 600), (256, 600), (300, 66_000)])
def test_growth_is_judged_by_the_tiles_that_are_named_for_it(old, new):
    held, log = head(tree(old)), tree(new)
    feed = HonestFeed(log)
    tiles = {tile: feed.read_tile(tile) for tile in consistency_tiles(old, new)}
    assert len(tiles) < 12

    def fetched(level, n, width):
        return tiles[Tile(level, n, width)]

    assert isinstance(judge_by_tiles(held, head(log), fetched), Advance)
    other = head(tree(old, b"b"))
    assert isinstance(judge_by_tiles(other, head(log), fetched), Fork)
    for tile in list(tiles):
        right = tiles[tile]
        tiles[tile] = right[:-1] + bytes([right[-1] ^ 1])
        if old in (1, 255, 256) or tile.level > 0 or tile.n == old // 256:
            with pytest.raises(NotInTree) as caught:
                judge_by_tiles(held, head(log), fetched)
            finding = caught.value.finding
            assert (finding.code, finding.index) == (FindingCode.TILE_MISMATCH, None)
            assert finding.evidence == {"shown": log.note}
            assert str(caught.value) == f"TILE_MISMATCH: {finding.detail}"
            assert "tree" in finding.detail
        tiles[tile] = right


@pytest.mark.parametrize(
    "new",
    [1, 2, 255, 256, 257, 300, 512, 513, 65_536, 66_000, 131_072, 2**24 + 70_000, 2**25 + 70_000],
)
def test_the_tiles_that_are_named_are_those_that_are_read(new: int) -> None:
    uniform = UniformTiles(new)
    shown = Head(new, uniform.root(), "")
    olds = [old for old in (0, 1, 2, 3, 64, 128, 200, 255, 256, 257, 511, 512, 65_536, 65_600,
                            2**24) if old <= new]  # fmt: skip
    for old in olds:
        read: set[Tile] = set()

        def fetched(level: int, n: int, width: int, read: set[Tile] = read) -> bytes:
            read.add(Tile(level, n, width))
            return uniform.read_tile(level, n, width)

        root = UniformTiles(old).root()
        assert judge_by_tiles(Head(old, root, ""), shown, fetched) == Advance(shown)
        if old:
            fork = judge_by_tiles(Head(old, bytes(32), ""), shown, fetched)
            assert isinstance(fork, Fork)
        named = consistency_tiles(old, new)
        assert len(set(named)) == len(named)
        # The right edge is read whenever anything is; where nothing is to be proven, it may be.
        assert set(named) == read | set(edge_tiles(new)), old


def test_a_package_needs_its_tile_and_the_full_ones_above_it() -> None:
    assert tiles_for(0, 0) == tiles_for(255, 0) == tiles_for(300, 1) == []
    assert tiles_for(256, 0) == tiles_for(300, 0) == [Tile(0, 0)]
    assert tiles_for(65_535, 254) == [Tile(0, 254)]
    assert tiles_for(65_536, 255) == tiles_for(65_537, 255) == [Tile(0, 255), Tile(1, 0)]
    assert tiles_for(70_000, 256) == [Tile(0, 256)]
    assert tiles_for(2**24, 65_535) == [Tile(0, 65_535), Tile(1, 255), Tile(2, 0)]


def test_what_is_stored_is_forgotten_and_what_is_to_come_is_not() -> None:
    size = 131_072 + 300
    tiles = FetchedTiles(Head(size, UniformTiles(size).root(), ""))
    edge = edge_tiles(size)
    assert tiles.missing(0) == [Tile(0, 0), Tile(1, 0), *edge]
    for tile in (*[Tile(0, n) for n in range(513)], Tile(1, 0), Tile(1, 1), *edge):
        tiles.put(tile, b"")
    tiles.drop_below(2)
    assert tiles.missing(1) == [Tile(0, 1)]
    assert tiles.missing(2) == []
    tiles.drop_below(256)
    assert tiles.missing(255) == [Tile(0, 255), Tile(1, 0)]
    assert tiles.missing(256) == []
    assert tiles.missing(512) == []
    tiles.drop_below(512)
    assert tiles.missing(511) == [Tile(0, 511), Tile(1, 1)]
    assert tiles.missing(512) == tiles.missing(513) == []


def test_a_package_is_judged_by_tiles_fetched_beforehand():
    log = tree(700)
    feed, tiles = HonestFeed(log), FetchedTiles(head(log))
    with pytest.raises(NotInTree) as unfetched:
        tiles.leaf_hashes(1, 256)
    finding = unfetched.value.finding
    assert (finding.code, finding.index) == (FindingCode.TILE_MISMATCH, 256)
    assert finding.evidence == {"shown": log.note}
    assert "was not fetched" in finding.detail
    for n, width in ((0, 256), (1, 256), (2, 188)):
        for tile in tiles.missing(n):
            tiles.put(tile, feed.read_tile(tile))
        assert tiles.missing(n) == []
        leaves = tiles.leaf_hashes(n, width)
        assert leaves == b"".join(log.leaves[n * 256 : n * 256 + width])
        check_leaves(n, leaves, leaves, head(log))
        with pytest.raises(NotInTree) as caught:
            check_leaves(n, leaves[:64] + bytes(32) + leaves[96:], leaves, head(log))
        finding = caught.value.finding
        assert repr(finding.index) == repr(n * 256 + 2)
        assert finding.code is FindingCode.ENTRY_MISMATCH
        assert finding.detail
        assert finding.evidence == {
            "shown": log.note,
            "leaf": base64_text(leaves[64:96]),
            "servedLeaf": base64_text(bytes(32)),
        }
        for served, authentic in ((leaves[:-32], leaves), (leaves, leaves[:-32])):
            with pytest.raises(NotInTree) as cut:
                check_leaves(n, served, authentic, head(log))
            assert cut.value.finding.index == n * 256 + width - 1
        tiles.drop_below(n)


def test_a_head_is_opened_with_the_logs_own_line_alone():
    log = tree(3)
    noisy = log.note + "— somebody.else AAAAAAAA\n"
    assert open_head(noisy, SIGNER.verifier) == head(log)
    assert head(log).note == log.note
    stranger = Signer("hub.example/log", b"\1" * 32)
    with pytest.raises(BadNote):
        open_head(log.note, stranger.verifier)
    other = sign_checkpoint(
        Checkpoint("other.example", 1, bytes(32)), Signer("other.example", bytes(32))
    )
    text = other.partition("\n\n")[0] + "\n"
    with pytest.raises(BadCheckpoint):
        open_head(sign_note(text, [SIGNER]), SIGNER.verifier)
