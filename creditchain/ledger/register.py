"""The head register: the newest signed checkpoint, kept outside the database.

A database restored from an older copy looks whole in itself; signing from it would give one size
two roots. The register is a small file of its own that remembers how far the log had come. It has
two slots that are written in turn, each with its own checksum, so that a write cut short leaves the
slot before it. The slots are laid out in full at once: a full disk cannot stop a later write.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

from creditchain.durable import sync
from creditchain.ledger.failure import LedgerRefused

SLOT_BYTES: Final = 4096
"""One disk page: slots never share one, so a torn write spoils only its own slot."""

_MAGIC: Final = b"creditchain head register v1\n"
_CHECK_BYTES: Final = 32
_HEAD_BYTES: Final = len(_MAGIC) + 8 + 2
NOTE_BYTES_MAX: Final = SLOT_BYTES - _HEAD_BYTES - _CHECK_BYTES
"""A checkpoint of ours with one signature has under 700 bytes."""


class HeadRegister:
    """The open register; `note` is the newest checkpoint in it."""

    def __init__(self, descriptor: int, sequence: int, note: str) -> None:
        self._descriptor = descriptor
        self._sequence = sequence
        self.note = note

    @classmethod
    def create(cls, path: Path, note: str) -> None:
        """Writes a new register, durably, in the place of any that was there."""
        fresh = path.with_name(path.name + ".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, _slot(1, note), 0)
            os.pwrite(descriptor, bytes(SLOT_BYTES), SLOT_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(path)
        sync(path.parent)

    @classmethod
    def open(cls, path: Path) -> HeadRegister:
        """Raises `LedgerRefused` when the file is missing or neither slot is whole."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise LedgerRefused(
                f"the head register {path} is missing, so nothing says whether the database is the "
                "newest. Put back the register that belongs to it. If it is lost for good, ask the "
                "observer for the size it has seen, then: creditchain hub renew-register "
                "--observer-size SIZE."
            ) from None
        slots = [_parse(os.pread(descriptor, SLOT_BYTES, at)) for at in (0, SLOT_BYTES)]
        whole = [slot for slot in slots if slot is not None]
        if not whole:
            os.close(descriptor)
            raise LedgerRefused(
                f"the head register {path} is damaged in both slots. Put back a copy, or proceed "
                "as for a register that is lost."
            )
        sequence, note = max(whole)
        return cls(descriptor, sequence, note)

    def write(self, note: str) -> None:
        """Replaces the checkpoint; it is durable when this returns. Raises OSError."""
        sequence = self._sequence + 1
        slot = _slot(sequence, note)
        at = 0 if sequence % 2 else SLOT_BYTES
        if os.pwrite(self._descriptor, slot, at) != SLOT_BYTES:
            raise OSError("the head register was written in part")
        os.fdatasync(self._descriptor)
        self._sequence, self.note = sequence, note

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


def _slot(sequence: int, note: str) -> bytes:
    data = note.encode()
    assert len(data) <= NOTE_BYTES_MAX, "a checkpoint with our one signature fits"
    head = _MAGIC + sequence.to_bytes(8) + len(data).to_bytes(2) + data
    return (head + sha256(head).digest()).ljust(SLOT_BYTES, b"\0")


def _parse(slot: bytes) -> tuple[int, str] | None:
    """The sequence number and the note of a slot, None if it is not whole."""
    if not slot.startswith(_MAGIC) or len(slot) != SLOT_BYTES:
        return None
    end = _HEAD_BYTES + int.from_bytes(slot[_HEAD_BYTES - 2 : _HEAD_BYTES])
    if end > SLOT_BYTES - _CHECK_BYTES or sha256(slot[:end]).digest() != slot[end : end + 32]:
        return None
    sequence = int.from_bytes(slot[len(_MAGIC) : len(_MAGIC) + 8])
    return sequence, slot[_HEAD_BYTES:end].decode()
