"""Proofs written in bulk equal those written one by one; tiles believed are tiles checked."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest

from creditchain.ledger.failure import LedgerDamaged
from creditchain.ledger.proofs import ProofTexts
from creditchain.ledger.publisher import HubKeys, Publisher
from creditchain.ledger.tiles import (
    BLOCKS_REMEMBERED,
    TILES_REMEMBERED,
    StoredTiles,
    Subtree,
)
from creditchain.rulebook import Refusal, Violation
from creditchain.tlog.checkpoint import Checkpoint, sign_checkpoint
from creditchain.tlog.edge import Edge, EdgeReader
from creditchain.tlog.note import Signer, sign_note
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.proof import prove_inclusion
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof

LOG = Signer("log.example", bytes(32))
REFUSAL = Signer("log.example/refusal", bytes([1] * 32))
KEYS = HubKeys(LOG, REFUSAL, parse_policy("quorum none\n"), "operator")


def leaves(count: int, start: int = 0) -> list[bytes]:
    return [sha256(at.to_bytes(8)).digest() for at in range(start, start + count)]


class Log:
    """A tree with its full tiles in a dictionary, which a test may spoil."""

    def __init__(self, size: int) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.edge = Edge.empty()
        self.fetched = 0
        self.tiles = StoredTiles(self.fetch)
        for tile, data in self.edge.append(leaves(size)):
            self.rows[tile.level, tile.n] = data

    def fetch(self, level: int, n: int) -> bytes | None:
        self.fetched += 1
        return self.rows.get((level, n))

    def hash_at(self, level: int, index: int) -> bytes:
        return self.tiles.hash_at(level, index, self.edge)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 700, 65_536, 66_111])
def test_bulk_proofs_are_the_ones_written_one_by_one(size: int):
    log = Log(size)
    note = sign_checkpoint(Checkpoint("log.example", size, log.edge.root()), LOG)
    texts = ProofTexts(size, log.hash_at, note)
    chance = random.Random(size)
    reader = EdgeReader(log.edge, lambda level, n, _width: log.rows[level, n])
    for index in {0, size - 1, size // 2, *(chance.randrange(size) for _ in range(20))}:
        hashes = prove_inclusion(index, size, reader)
        assert texts.text(index) == format_tlog_proof(TlogProof(index, hashes, note))


def test_proofs_under_an_earlier_checkpoint_come_from_the_later_tree():
    log = Log(700)
    for size in (1, 100, 256, 300, 512, 699):
        earlier = Edge.empty()
        rows = {(t.level, t.n): data for t, data in earlier.append(leaves(size))}
        note = sign_checkpoint(Checkpoint("log.example", size, earlier.root()), LOG)
        reader = EdgeReader(earlier, lambda level, n, _width, rows=rows: rows[level, n])
        for index in {0, size // 2, size - 1}:
            hashes = prove_inclusion(index, size, reader)
            text = ProofTexts(size, log.hash_at, note).text(index)
            assert text == format_tlog_proof(TlogProof(index, hashes, note))


def test_checkpoints_are_signed_as_the_format_says():
    publisher = Publisher(KEYS, StoredTiles(lambda _level, _n: None))
    for size in (1, 77, 10**9):
        root = sha256(size.to_bytes(8)).digest()
        note = publisher.sign(size, root)
        assert note == sign_checkpoint(Checkpoint("log.example", size, root), LOG)
        assert publisher.open(note).checkpoint.size == size


@pytest.mark.parametrize(("path", "line"), [("body.order", "body.order"), ("", "-")])
def test_refusals_are_signed_as_the_format_says(path: str, line: str):
    publisher = Publisher(KEYS, StoredTiles(lambda _level, _n: None))
    violation = Violation(Refusal.ORDER_UNKNOWN, path)
    text = (
        f"creditchain/refusal/v1\nlog.example\n7\n{'A' * 43}\n"
        f"1970-01-01T00:00:01.000Z\nORDER_UNKNOWN\n{line}\n"
    )
    assert publisher.refuse(bytes(32), violation, 7, 1000).note == sign_note(text, [REFUSAL])


# Stored tiles.


def test_tiles_are_cut_to_the_width_asked_for():
    log = Log(256 * 3 + 5)
    expected = b"".join(leaves(256 * 3 + 5))
    for n in range(4):
        there = 5 if n == 3 else 256
        for width in (1, 2, 5, 255, 256):
            found = log.tiles.read(0, n, width, log.edge)
            start = n * 8192
            assert found == (expected[start : start + 32 * width] if width <= there else None)
    assert log.tiles.read(1, 0, 3, log.edge) is not None
    assert log.tiles.read(1, 0, 4, log.edge) is None
    assert log.tiles.read(2, 0, 1, log.edge) is None


def test_a_tile_is_read_once():
    log = Log(2000)
    for _ in range(3):
        log.tiles.read(0, 2, 256, log.edge)
        log.hash_at(0, 600)
    assert log.fetched == 3  # the tile, a block of it and the block on top


def test_what_is_remembered_is_bounded():
    log = Log(256 * (TILES_REMEMBERED + 20))
    for n in range(TILES_REMEMBERED + 20):
        log.tiles.read(0, n, 256, log.edge)
    assert len(log.tiles._tiles) == TILES_REMEMBERED
    recent = type(log.tiles._blocks)(BLOCKS_REMEMBERED)
    for n in range(BLOCKS_REMEMBERED + 20):
        recent.put(0, n, Subtree((), b""))
    assert len(recent) == BLOCKS_REMEMBERED
    assert recent.get(0, 0) is None
    assert recent.get(0, BLOCKS_REMEMBERED) is not None


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("part", [None, 0, 7, 15])
def test_an_altered_block_is_noticed(level: int, part: int | None):
    log = Log(65_536 + 300)

    def fetch_block(at: int, n: int, which: int | None) -> bytes | None:
        data = whole._cut_block(at, n, which)
        assert data is not None
        return data[:-1] + bytes([data[-1] ^ 1]) if (at, n, which) == (level, 0, part) else data

    whole = StoredTiles(log.fetch)
    tiles = StoredTiles(log.fetch, fetch_block)
    leaf = (0 if part is None else part) << (4 if level == 0 else 12)
    with pytest.raises(LedgerDamaged):
        tiles.hash_at(0, leaf, log.edge)
    assert tiles.hash_at(0, 65_536, log.edge) == leaves(1, 65_536)[0]


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("place", [0, 31, 4096, 8191])
def test_a_flipped_byte_in_a_tile_is_noticed(level: int, place: int):
    log = Log(65_536 + 300)
    data = bytearray(log.rows[level, 0])
    data[place] ^= 1
    log.rows[level, 0] = bytes(data)
    with pytest.raises(LedgerDamaged):
        log.tiles.read(level, 0, 256, log.edge)
    with pytest.raises(LedgerDamaged):
        log.tiles.read(0, 0, 1, log.edge)


@pytest.mark.parametrize("data", [None, b"", bytes(8191), bytes(8193), "text", 7])
def test_a_tile_of_another_shape_is_noticed(data: bytes | None):
    log = Log(300)
    log.rows[0, 0] = data  # type: ignore[assignment]
    with pytest.raises(LedgerDamaged):
        log.tiles.read(0, 0, 256, log.edge)


def test_a_tile_and_its_parents_cell_forged_together_are_noticed():
    log = Log(65_536 + 300)
    forged = Subtree.of(bytes(8192))
    parent = log.rows[1, 0]
    log.rows[0, 0] = forged.rows[0]
    log.rows[1, 0] = forged.root + parent[32:]
    with pytest.raises(LedgerDamaged):
        log.tiles.read(0, 0, 256, log.edge)
