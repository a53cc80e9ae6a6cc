"""Is the new tree an extension of the one we hold, and are these the entries in it? Nothing else.

PURE. A witness that accepts a bad proof is worthless, and one that cries fork on a bad proof is
worse: anybody may hand in a genuine checkpoint with a made-up proof. So there are three answers:

- `Advance`: the new tree extends ours;
- `Fork`: the hashes of the larger tree prove that it does NOT extend the smaller one; the evidence
  (two signed notes and those hashes) convinces anyone, without us and without the hub;
- `Unproven`: neither. Not trusted, and no accusation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from creditchain.tlog.checkpoint import BadCheckpoint, parse_checkpoint
from creditchain.tlog.edge import VerifiedTiles, edge_tiles
from creditchain.tlog.merkle import HASH_BYTES, HashReader
from creditchain.tlog.note import NoteVerifier, open_note
from creditchain.tlog.proof import (
    PROOF_HASHES_MAX,
    BadProof,
    check_consistency,
    prove_consistency,
)
from creditchain.tlog.tile import TILE_WIDTH, BadTile, Tile
from regulator.finding import Finding, FindingCode, base64_text


@dataclass(frozen=True, slots=True)
class Head:
    """A tree as its log signed it: `size` leaves under `root`, and the signed note that says so."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Advance:
    """The new head extends the one we held."""

    head: Head


@dataclass(frozen=True, slots=True)
class Fork:
    """Two signed heads that no append-only log has both.

    Of different sizes, `proof` runs from the prefix of the larger tree, as long as the smaller one,
    to the larger root: the hash of the prefix's last perfect subtree, then the consistency path.
    Of one size it is empty: two roots say it all.
    """

    held: Head
    shown: Head
    proof: tuple[bytes, ...] = ()

    def finding(self) -> Finding:
        """The fork as a finding, its evidence complete."""
        evidence: dict[str, str | int] = {"held": self.held.note, "shown": self.shown.note}
        if self.proof:
            evidence["proof"] = "\n".join(base64_text(h) for h in self.proof)
        return Finding(
            FindingCode.FORK, None, f"sizes {self.held.size} and {self.shown.size}", evidence
        )


@dataclass(frozen=True, slots=True)
class Unproven:
    """Nothing shows that the new head extends ours, and nothing that it does not."""

    reason: str


def open_head(note: bytes | str, log: NoteVerifier) -> Head:
    """The head in a note that the log has signed; raises BadNote.

    Only the log's own line is kept: what others added is not ours to pass on.
    """
    opened = open_note(note, [log])
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != log.name:
        raise BadCheckpoint("the checkpoint is of another log than its key")
    lines = "".join(signature.line for signature in opened.verified)
    return Head(checkpoint.size, checkpoint.root, f"{opened.text}\n{lines}")


def judge_growth(held: Head, new: Head, proof: Sequence[bytes]) -> Advance | Fork | Unproven:
    """What a consistency proof says about a head at least as large as the one we hold."""
    if new.size == held.size:
        return Advance(held) if new.root == held.root else Fork(held, new)
    try:
        check_consistency(held.size, held.root, new.size, new.root, proof)
    except BadProof as error:
        if 0 < held.size < new.size and held.size & (held.size - 1):
            # The proof brings its own seed here, so it can tell a fork from a proof gone wrong.
            fork = Fork(held, new, tuple(proof))
            if is_fork(fork):
                return fork
        return Unproven(str(error))
    return Advance(new)


def judge_by_tree(held: Head, shown: Head, reader: HashReader) -> Advance | Fork:
    """What the larger tree itself says; `reader` has its hashes, authenticated under its root."""
    small, large = sorted((held, shown), key=lambda head: head.size)
    if small.size in (0, large.size):
        return Advance(large) if small.size == 0 or small.root == large.root else Fork(held, shown)
    proof = prove_consistency(small.size, large.size, reader)
    try:
        check_consistency(small.size, small.root, large.size, large.root, proof)
    except BadProof:
        if not small.size & (small.size - 1):
            proof = (*reader.read_hashes([(small.size.bit_length() - 1, 0)]), *proof)
        fork = Fork(held, shown, proof)
        assert is_fork(fork), "an authenticated tree either extends another or proves that not"
        return fork
    return Advance(large)


def is_fork(fork: Fork) -> bool:
    """Whether the evidence holds: the larger tree's prefix has not the smaller tree's root.

    Signatures are not looked at: open both notes first.
    """
    small, large = sorted((fork.held, fork.shown), key=lambda head: head.size)
    if small.size == large.size:
        return small.root != large.root
    if small.size == 0 or not 1 <= len(fork.proof) <= PROOF_HASHES_MAX + 1:
        return False
    if any(len(h) != HASH_BYTES for h in fork.proof):
        return False
    was, now = _climb_both(small.size, large.size, fork.proof)
    return now == large.root and was != small.root


def _climb_both(old: int, new: int, proof: Sequence[bytes]) -> tuple[bytes, bytes | None]:
    """The roots of the prefix of `old` leaves and of the whole tree that a seeded proof leads to.

    RFC 9162 section 2.1.4.2, with the seed always given. By collision resistance, hashes that lead
    to a tree's root ARE that tree's, so the first root is then its prefix's. None: wrong length.
    """
    shift = (old & -old).bit_length() - 1
    node = (old - 1) >> shift
    inner = ((old - 1) ^ (new - 1)).bit_length() - shift
    seed, path = proof[0], proof[1:]
    if len(path) != inner + (node >> inner).bit_count():
        return seed, None
    was = now = seed
    for level, sibling in enumerate(path):
        if level >= inner or node >> level & 1:
            was = sha256(b"\x01" + sibling + was).digest()
            now = sha256(b"\x01" + sibling + now).digest()
        else:
            now = sha256(b"\x01" + now + sibling).digest()
    return was, now


class NotInTree(ValueError):
    """What was served is not in the tree that was signed; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.code.value}: {finding.detail}")
        self.finding = finding


def tiles_for(size: int, n: int) -> list[Tile]:
    """The tiles that authenticate level-0 tile `n` in a tree of `size`, besides the right edge.

    Tile `n` and the full tiles above it; empty for a tile of the right edge itself.
    """
    tiles = []
    level = 0
    while (size >> 8 * level) - n * TILE_WIDTH >= TILE_WIDTH:
        tiles.append(Tile(level, n))
        level, n = level + 1, n // TILE_WIDTH
    return tiles


class FetchedTiles:
    """A signed tree, authenticated from tiles that were fetched beforehand by number.

    Fetching waits for a network, judging must not: `missing(n)` says which tiles to fetch, `put`
    takes them, `leaf_hashes` judges. Memory: the right edge and the tiles of the packages at hand.
    """

    def __init__(self, head: Head) -> None:
        self.head = head
        self._raw: dict[Tile, bytes] = {}
        self._edge_known = False
        self._authentic = VerifiedTiles(head.size, head.root, self._fetched)

    def missing(self, n: int) -> list[Tile]:
        """The tiles that must be fetched before level-0 tile `n` can be judged."""
        wanted = tiles_for(self.head.size, n)
        if not self._edge_known:
            wanted += edge_tiles(self.head.size)
        return [tile for tile in wanted if tile not in self._raw]

    def put(self, tile: Tile, data: bytes) -> None:
        """Take a tile as fetched: nothing in it is believed yet."""
        self._raw[tile] = data

    def drop_below(self, n: int) -> None:
        """Forget the full tiles left of level-0 tile `n`: their packages are stored."""
        gone = [t for t in self._raw if t.width == TILE_WIDTH and t.n < n >> 8 * t.level]
        for tile in gone:
            del self._raw[tile]

    def leaf_hashes(self, n: int, width: int) -> bytes:
        """The joined leaf hashes of package `n`, authenticated; raises NotInTree."""
        try:
            hashes = self._authentic.read_tile(0, n, width)
        except BadTile as error:
            evidence: dict[str, str | int] = {"shown": self.head.note}
            raise NotInTree(
                Finding(FindingCode.TILE_MISMATCH, n * TILE_WIDTH, str(error), evidence)
            ) from None
        self._edge_known = True
        return hashes

    def _fetched(self, level: int, n: int, width: int) -> bytes:
        data = self._raw.get(Tile(level, n, width))
        if data is None:
            raise BadTile(f"tile ({level}, {n}, {width}) was not fetched")
        return data


def consistency_tiles(old: int, new: int) -> list[Tile]:
    """The tiles of a tree of `new` leaves that a proof of consistency with `old` may read."""
    wanted: dict[Tile, None] = dict.fromkeys(edge_tiles(new))
    ask: list[tuple[int, int]] = []

    class _Ask:
        def read_hashes(self, coords: Sequence[tuple[int, int]]) -> Sequence[bytes]:
            ask.extend(coords)
            return [bytes(HASH_BYTES)] * len(coords)

    # The seed that a fork from a perfect tree adds lies in the tile of what is beside it.
    prove_consistency(old, new, _Ask())
    for level, index in ask:
        tile_level, row = divmod(level, 8)
        n = index >> (8 - row)
        while (new >> 8 * tile_level) - n * TILE_WIDTH >= TILE_WIDTH:
            wanted[Tile(tile_level, n)] = None
            tile_level, n = tile_level + 1, n // TILE_WIDTH
    return list(wanted)


def judge_by_tiles(
    held: Head, shown: Head, fetched: Callable[[int, int, int], bytes]
) -> Advance | Fork:
    """Judge a larger head by tiles its log served; raises NotInTree when they are not its tree's.

    `fetched` answers the tiles of `consistency_tiles(held.size, shown.size)`.
    """
    tiles = VerifiedTiles(shown.size, shown.root, fetched)
    try:
        return judge_by_tree(held, shown, tiles.reader())
    except BadTile as error:
        evidence: dict[str, str | int] = {"shown": shown.note}
        raise NotInTree(Finding(FindingCode.TILE_MISMATCH, None, str(error), evidence)) from None


def check_leaves(n: int, served: bytes, authentic: bytes, head: Head) -> None:
    """Raise NotInTree, naming the first wrong entry, unless the leaf hashes are the same.

    `served` are those of the entries as served, `authentic` those of the tree.
    """
    if served == authentic:
        return
    pairs = range(0, max(len(served), len(authentic)), HASH_BYTES)
    place = next(
        at for at in pairs if served[at : at + HASH_BYTES] != authentic[at : at + HASH_BYTES]
    )
    index = n * TILE_WIDTH + place // HASH_BYTES
    evidence: dict[str, str | int] = {
        "shown": head.note,
        "leaf": base64_text(authentic[place : place + HASH_BYTES]),
        "servedLeaf": base64_text(served[place : place + HASH_BYTES]),
    }
    raise NotInTree(
        Finding(
            FindingCode.ENTRY_MISMATCH, index, "the entry served is not the one signed", evidence
        )
    )
