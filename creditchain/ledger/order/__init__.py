"""Who decides what comes next: the seam between the ledger and an ordering engine.

Two protocols, shaped after the hardest engine. `Machine` is the ledger, one for all engines: it
screens, executes a batch without clock or chance, and commits it in one transaction. `Order` is the
engine: it forms batches, drives the machine and answers after the commit. The rulebook and the log
never know which engine it was.

- Exactly-once is the machine's: a known id gives the old answer, whatever the engine repeats.
- An answer exists only after `commit`.
- A batch that admits nothing leaves no trace: its height is used again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Generic, Literal, Protocol, TypeVar

A = TypeVar("A")
O = TypeVar("O")  # noqa: E741

NO_DIGEST: Final = bytes(32)
"""What the first batch names as the one before."""

_DIGEST_CONTEXT: Final = b"creditchain-batch/v1\0"
_COMMITMENT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands. `digest` chains the batches: a wrong history cannot be continued."""

    height: int
    digest: bytes


START: Final = Position(0, NO_DIGEST)
"""Before the first batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Bodies in their order and the time of their admission.

    `height` is 1, 2, 3 ... without a gap; `previous` the digest of the batch before; `at` ms,
    strictly increasing, the only time a rule sees. An item is a body; in a batch that is read again
    an erased body's place is taken by its commitment, 32 bytes, shorter than any body. `proof` is
    an engine's own evidence of the order, empty where there is none.
    """

    height: int
    previous: bytes
    at: int
    items: tuple[bytes, ...]
    proof: bytes = b""

    @property
    def digest(self) -> bytes:
        """SHA-256 over the place, the time and the commitments."""
        return digest_of(self.height, self.previous, self.at, map(commitment_of, self.items))


@dataclass(frozen=True, slots=True)
class Outcome(Generic[A]):
    """What executing a batch comes to, before anything is written: the same on every replica.

    `answers` are given one for each item; `root` is the log's root after the batch.
    """

    answers: tuple[A, ...]
    root: bytes


@dataclass(slots=True)
class Placed(Generic[A]):
    """What became of a submitted item; `height` of the batch that decided it (for a known id: that
    told it), `index` in the log, None if it is not there."""

    height: int
    index: int | None
    answer: A


class WrongHistory(ValueError):
    """The position is not one of this log."""


class Machine(Protocol[O, A]):
    """The ledger as an engine sees it: synchronous, for one thread."""

    def resume(self) -> Position:
        """The last batch committed; the engine brings what follows."""

    @property
    def last_at(self) -> int:
        """The time of the last batch committed, ms."""

    def arrange(self, items: Sequence[bytes], limit: int) -> Sequence[bytes]:
        """The items to form the next batch of, at most `limit`; the rest wait."""

    def accept(self, batch: Batch) -> bool:
        """Whether the batch may follow; every replica answers alike."""

    def execute(self, batch: Batch) -> O:
        """Decides the items in order. Writes nothing, asks no clock."""

    def commit(self, batch: Batch, outcome: O) -> None:
        """Entries, records, tiles, height and checkpoint in one transaction, then the register."""

    def answer(self, batch: Batch, outcome: O) -> Sequence[Placed[A | Exception]]:
        """After the commit: what each submitter is told."""


class Order(Protocol[A]):
    """An ordering engine.

    `trust` says whom one must trust for the order: the operator, that machines only crash, or that
    fewer than a third of the voters lie.
    """

    trust: Literal["operator", "crash", "byzantine"]

    def start(self) -> None:
        """Begins to drive the machine."""

    async def submit(self, items: Sequence[bytes]) -> list[Placed[A]]:
        """What became of the items, after the commit; safe to repeat."""

    def batches(self, after: Position) -> AsyncIterator[Batch]:
        """The batches after a position, without a gap and without an end."""

    def stop(self) -> None:
        """Lets the batch under way end, and drives no more."""


def commitment_of(item: bytes) -> bytes:
    """The commitment of an item: of its body, or itself where the body is erased."""
    return item if len(item) == _COMMITMENT_BYTES else sha256(item).digest()


def digest_of(height: int, previous: bytes, at: int, commitments: Iterable[bytes]) -> bytes:
    """The digest of a batch with these commitments."""
    head = _DIGEST_CONTEXT + height.to_bytes(8) + previous + at.to_bytes(8)
    return sha256(head + b"".join(commitments)).digest()
