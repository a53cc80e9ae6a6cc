"""What the hub says under its name: checkpoints, receipts, refusals, and who has cosigned.

Readers see the log only as published here, after the database *and* the head register have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Final

from creditchain.events import b64u, format_time
from creditchain.ledger.proofs import ProofTexts
from creditchain.ledger.tiles import StoredTiles
from creditchain.ledger.watch import Watch
from creditchain.rulebook import Violation
from creditchain.tlog.checkpoint import OpenedCheckpoint, open_checkpoint
from creditchain.tlog.cosignature import CosignatureVerifier, open_cosignatures
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import leaf_hash
from creditchain.tlog.note import Signature, Signer, open_note
from creditchain.tlog.policy import Policy
from creditchain.tlog.wire import encode_base64

CHECKPOINTS_PROVEN: Final = 2
"""Checkpoints whose proofs share their text: the head, and the one last observed."""

REFUSAL_HEADER: Final = "creditchain/refusal/v1"


class Level(StrEnum):
    """What a receipt shows: that the log has signed, or that the observer has cosigned too."""

    CHECKPOINTED = "CHECKPOINTED"
    OBSERVED = "OBSERVED"


@dataclass(frozen=True, slots=True)
class HubKeys:
    """The keys the hub signs with, the policy under which an entry counts as observed, and the id
    of the member that operates the hub.

    `log_signer` is named as the log's origin, `refusal_signer` as the origin and `/refusal`.
    """

    log_signer: Signer
    refusal_signer: Signer
    policy: Policy
    operator: str

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.log_signer.name


@dataclass(frozen=True, slots=True)
class Admitted:
    """The event stands in the log at `index`, admitted at `at`, ms; `entry` is what was hashed.

    `proof` is the `.tlog-proof` text, ending in a checkpoint that the log has signed.
    """

    index: int
    at: int
    entry: bytes
    proof: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The event does not stand; `note` is the hub's signed word on it."""

    violation: Violation
    note: str


Answer = Admitted | Refused


@dataclass(frozen=True, slots=True)
class Receipt:
    """The best evidence there is now for the entry at `index`."""

    index: int
    level: Level
    proof: str
    entry: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Head:
    """The published head; `note` is the checkpoint with such cosignatures as there are."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class _Published:
    """One moment of the log, whole, for any thread: nothing in it changes."""

    edge: Edge
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class _Observed:
    size: int
    note: str


class Publisher:
    """Signs, and keeps what is published. The writer publishes; every thread reads."""

    def __init__(self, keys: HubKeys, tiles: StoredTiles) -> None:
        self.keys = keys
        self.tiles = tiles
        self.size = Watch(0)
        """The published size."""
        self.observed_size = Watch(0)
        """The size up to which the policy is met."""
        self._published = _Published(Edge.empty(), b"", "")
        self._observed = _Observed(0, "")
        self._lines: tuple[int, tuple[str, ...]] = (0, ())
        self._texts: dict[str, ProofTexts] = {}
        self._lock = Lock()

    # The log.

    def sign(self, size: int, root: bytes) -> str:
        """The signed checkpoint. The caller stores and registers it before anyone sees it."""
        signer = self.keys.log_signer
        text = f"{signer.name}\n{size}\n{encode_base64(root)}\n"
        return _signed(text, signer)

    def open(self, note: str) -> OpenedCheckpoint:
        """A checkpoint of this log, verified; raises BadNote."""
        return open_checkpoint(note, self.keys.log_signer.verifier)

    def publish(self, edge: Edge, root: bytes, note: str) -> None:
        """Shows the log of `edge` to everyone. `edge` must not grow afterwards."""
        self._published = _Published(edge, root, note)
        self.size.advance(edge.size)

    @property
    def edge(self) -> Edge:
        """The right edge of the published log; not to be changed."""
        return self._published.edge

    def head(self) -> Head:
        """The published head."""
        published = self._published
        size, lines = self._lines
        own = lines if size == published.edge.size else ()
        return Head(published.edge.size, published.root, published.note + "".join(own))

    # Receipts.

    def proofs(self) -> ProofTexts:
        """Proofs under the published checkpoint."""
        published = self._published
        return self._proofs(published.edge, published.edge.size, published.note)

    def receipt(self, index: int, at: int, entry: bytes) -> Receipt | None:
        """The receipt of a published entry, None beyond the head."""
        published, observed = self._published, self._observed
        if index < observed.size:
            level, size, note = Level.OBSERVED, observed.size, observed.note
        elif index < published.edge.size:
            level, size, note = Level.CHECKPOINTED, published.edge.size, published.note
        else:
            return None
        proof = self._proofs(published.edge, size, note).text(index, leaf_hash(entry))
        return Receipt(index, level, proof, entry, at)

    def observed_proof(self, index: int) -> str | None:
        """The proof under the largest observed checkpoint, None if the entry is not in it."""
        published, observed = self._published, self._observed
        if index >= observed.size:
            return None
        return self._proofs(published.edge, observed.size, observed.note).text(index)

    def _proofs(self, edge: Edge, size: int, note: str) -> ProofTexts:
        texts = self._texts.get(note)
        if texts is None:
            # A subtree of an earlier tree is a subtree of this one.
            texts = ProofTexts(size, _TreeOf(self.tiles, edge), note)
            if len(self._texts) >= CHECKPOINTS_PROVEN:
                self._texts = {}
            self._texts[note] = texts
        return texts

    # Refusals.

    def refuse(self, commitment: bytes, violation: Violation, size: int, at: int) -> Refused:
        """The signed refusal of the body with this commitment, in a log of `size`, at `at` ms."""
        signer = self.keys.refusal_signer
        text = (
            f"{REFUSAL_HEADER}\n{self.keys.origin}\n{size}\n{b64u(commitment)}\n"
            f"{format_time(at)}\n{violation.code.value}\n{violation.path or '-'}\n"
        )
        return Refused(violation, _signed(text, signer))

    # Cosignatures.

    def check_cosignatures(self, note: str, lines: Sequence[str]) -> list[tuple[str, str]]:
        """(cosigner name, line) of the verified cosignatures on a checkpoint of ours.

        Lines by others than the policy's witnesses are left out. Raises BadNote when none is by
        one of them, or one of theirs is wrong.
        """
        opened = self.open(note)
        text = "".join(line if line.endswith("\n") else line + "\n" for line in lines)
        found = open_cosignatures(text, opened.note_text, self._witnesses())
        return [(cosignature.name, cosignature.line) for cosignature in found]

    def take_cosignatures(self, note: str, lines: Sequence[str]) -> None:
        """Takes over all stored cosignatures on a checkpoint; wakes who waits for the observer."""
        opened = self.open(note)
        size = opened.checkpoint.size
        with self._lock:
            if size >= self._lines[0]:
                self._lines = (size, tuple(lines))
            if size >= self._observed.size and self.is_observed(note, lines):
                self._observed = _Observed(size, note + "".join(lines))
        self.observed_size.advance(self._observed.size)

    def is_observed(self, note: str, lines: Sequence[str]) -> bool:
        """Whether these cosignatures meet the policy.

        A policy without a quorum is met by none; OBSERVED still wants one.
        """
        policy = self.keys.policy
        if not lines:
            return False
        known = self._witnesses()
        opened = open_note(note + "".join(lines), [self.keys.log_signer.verifier, *known])
        names = {line.name for line in policy.witnesses if line.verifier.cosignatures(opened)}
        return bool(names) and policy.satisfied_by(names)

    def _witnesses(self) -> list[CosignatureVerifier]:
        return [line.verifier for line in self.keys.policy.witnesses]


class _TreeOf:
    """The stored tree up to one edge, as proofs read it."""

    def __init__(self, tiles: StoredTiles, edge: Edge) -> None:
        self._tiles = tiles
        self._edge = edge

    def hash_at(self, level: int, index: int) -> bytes:
        """The root of a perfect subtree."""
        return self._tiles.hash_at(level, index, self._edge)

    def siblings(self, level: int, index: int, own: bytes | None) -> list[bytes] | None:
        """The way up through a full tile."""
        return self._tiles.siblings(level, index, own, self._edge)


def _signed(text: str, signer: Signer) -> str:
    """As `sign_note`, without reading it back: its fields cannot break a line."""
    line = Signature(signer.name, signer.key_id, signer.sign(text.encode())).line
    return f"{text}\n{line}"
