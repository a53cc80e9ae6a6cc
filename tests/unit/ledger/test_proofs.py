"""Proofs written in bulk equal those written one by one; tiles believed are tiles checked."""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any

import pytest

from creditchain.ledger.failure import LedgerDamaged
from creditchain.ledger.proofs import ProofTexts
from creditchain.ledger.publisher import HubKeys, Publisher
from creditchain.ledger.tiles import (
    INSIDE_BYTES,
    FullTile,
    StoredTiles,
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
        self.rows: dict[tuple[int, int], tuple[Any, Any]] = {}
        self.edge = Edge.empty()
        self.fetched = 0
        self.tiles = StoredTiles(self.fetch)
        for tile, data in self.edge.append(leaves(size)):
            self.rows[tile.level, tile.n] = (data, FullTile.of(data).inside)

    def fetch(self, level: int, n: int) -> tuple[Any, Any] | None:
        self.fetched += 1
        return self.rows.get((level, n))

    def hash_at(self, level: int, index: int) -> bytes:
        return self.tiles.hash_at(level, index, self.edge)

    def siblings(self, level: int, index: int, own: bytes | None) -> list[bytes] | None:
        return self.tiles.siblings(level, index, own, self.edge)

    def spoil(self, level: int, n: int, place: int) -> None:
        """Flips a bit of a stored row, counting through data and inside."""
        row = bytearray(b"".join(self.rows[level, n]))
        row[place] ^= 1
        self.rows[level, n] = (bytes(row[:8192]), bytes(row[8192:]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 700, 65_536, 66_111])
def test_bulk_proofs_are_the_ones_written_one_by_one(size: int):
    log = Log(size)
    note = sign_checkpoint(Checkpoint("log.example", size, log.edge.root()), LOG)
    texts = ProofTexts(size, log, note)
    chance = random.Random(size)
    reader = EdgeReader(log.edge, lambda level, n, _width: log.rows[level, n][0])
    for index in {0, size - 1, size // 2, *(chance.randrange(size) for _ in range(20))}:
        hashes = prove_inclusion(index, size, reader)
        expected = format_tlog_proof(TlogProof(index, hashes, note))
        assert texts.text(index) == expected
        assert texts.text(index, leaves(1, index)[0]) == expected
        with pytest.raises(LedgerDamaged):
            texts.text(index, bytes(32))


def test_proofs_under_an_earlier_checkpoint_come_from_the_later_tree():
    log = Log(700)
    for size in (1, 100, 256, 300, 512, 699):
        earlier = Edge.empty()
        rows = {(t.level, t.n): data for t, data in earlier.append(leaves(size))}
        note = sign_checkpoint(Checkpoint("log.example", size, earlier.root()), LOG)
        reader = EdgeReader(earlier, lambda level, n, _width, rows=rows: rows[level, n])
        for index in {0, size // 2, size - 1}:
            hashes = prove_inclusion(index, size, reader)
            text = ProofTexts(size, log, note).text(index)
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
        log.siblings(0, 700, None)
    assert log.fetched == 1


def test_what_is_remembered_is_bounded():
    log = Log(256 * 40)
    log.tiles._tiles = type(log.tiles._tiles)(10)
    for n in range(40):
        log.siblings(0, n * 256, None)
    assert len(log.tiles._tiles) == 10
    recent = type(log.tiles._roots)(10)
    for n in range(30):
        recent.put(0, n, bytes(32))
        assert recent.get(0, 0) is not None
    assert len(recent) == 10
    assert recent.get(0, 25) is not None
    assert recent.get(0, 15) is None


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("place", [0, 31, 4096, 8191])
def test_a_flipped_byte_in_a_tile_is_noticed(level: int, place: int):
    log = Log(65_536 + 300)
    log.spoil(level, 0, place)
    with pytest.raises(LedgerDamaged):
        log.tiles.read(level, 0, 256, log.edge)
    with pytest.raises(LedgerDamaged):
        log.siblings(8 * level, place // 32, None)
    with pytest.raises(LedgerDamaged):
        log.siblings(8 * level, place // 32 ^ 1, None)
    with pytest.raises(LedgerDamaged):
        log.hash_at(8 * level, place // 32)


def test_a_flipped_byte_inside_a_tile_spoils_no_proof():
    size = 700
    whole = Log(size)
    note = sign_checkpoint(Checkpoint("log.example", size, whole.edge.root()), LOG)
    expected = [ProofTexts(size, whole, note).text(index) for index in range(256)]
    refused = 0
    for place in range(8192, 8192 + INSIDE_BYTES, 97):
        log = Log(size)
        log.spoil(0, 0, place)
        for index in range(0, 256, 15):
            try:
                assert ProofTexts(size, log, note).text(index) == expected[index]
            except LedgerDamaged:
                refused += 1
        assert log.tiles.read(0, 0, 256, log.edge) == whole.rows[0, 0][0]
    assert refused > 0


@pytest.mark.parametrize(
    "row",
    [
        None,
        (b"", b""),
        (bytes(8191), bytes(INSIDE_BYTES)),
        (bytes(8193), bytes(INSIDE_BYTES)),
        (bytes(8192), bytes(INSIDE_BYTES - 1)),
        ("text", bytes(INSIDE_BYTES)),
        (bytes(8192), 7),
    ],
)
def test_a_tile_of_another_shape_is_noticed(row: Any):
    log = Log(300)
    log.rows[0, 0] = row
    with pytest.raises(LedgerDamaged):
        log.tiles.read(0, 0, 256, log.edge)
    with pytest.raises(LedgerDamaged):
        log.siblings(0, 0, None)


def test_a_tile_and_its_parents_cell_forged_together_are_noticed():
    log = Log(65_536 + 300)
    forged = FullTile.of(bytes(8192))
    parent = log.rows[1, 0][0]
    log.rows[0, 0] = (forged.data, forged.inside)
    log.rows[1, 0] = (forged.root + parent[32:], FullTile.of(forged.root + parent[32:]).inside)
    with pytest.raises(LedgerDamaged):
        log.tiles.read(0, 0, 256, log.edge)
    with pytest.raises(LedgerDamaged):
        log.siblings(0, 5, bytes(32))
