"""Checkpoints: a log's signed word on how large it is and what its root is (C2SP tlog-checkpoint).

- The text is three lines: origin, decimal size, base64 root. Our own logs write nothing more;
  extension lines are not auditable and some witnesses refuse them.
- The key that signs is named as the origin. A checkpoint opened with a log's key is about that log.

    >>> print(format_checkpoint(Checkpoint("log.example", 0, EMPTY_ROOT)), end="")
    log.example
    0
    47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from creditchain.tlog.cosignature import Cosignature, CosignatureVerifier
from creditchain.tlog.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX
from creditchain.tlog.note import (
    BadNote,
    NoteSigner,
    NoteVerifier,
    UnverifiedNote,
    open_note,
    sign_note,
)
from creditchain.tlog.wire import decode_decimal, decode_hash, encode_base64

__all__ = [
    "EMPTY_ROOT",
    "BadCheckpoint",
    "Checkpoint",
    "OpenedCheckpoint",
    "format_checkpoint",
    "open_checkpoint",
    "parse_checkpoint",
    "sign_checkpoint",
]


class BadCheckpoint(BadNote):
    """The text of the note is not a checkpoint, or not one of the log whose key signed it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree of `size` leaves under `root`, in the log that `origin` names."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint that its log has signed.

    `note_text` is what was signed and what a cosigner signs; `cosignatures` are the verified ones
    by the cosigners asked about, in their order.
    """

    checkpoint: Checkpoint
    note_text: str
    cosignatures: tuple[Cosignature, ...]


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """The note text of a checkpoint; raises BadCheckpoint when it could not be parsed back."""
    lines = (
        checkpoint.origin,
        str(checkpoint.size),
        encode_base64(checkpoint.root),
        *checkpoint.extensions,
    )
    text = "".join(f"{line}\n" for line in lines)
    if parse_checkpoint(text, extensions_allowed=True) != checkpoint:
        raise BadCheckpoint("a checkpoint field holds a newline")
    return text


def parse_checkpoint(text: str, *, extensions_allowed: bool = False) -> Checkpoint:
    """The checkpoint in a note's text; raises BadCheckpoint.

    Extension lines are refused unless allowed; our own logs never write one.
    """
    if not text.endswith("\n"):
        raise BadCheckpoint("a checkpoint ends its last line")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise BadCheckpoint("a checkpoint has at least three lines and no empty one")
    if len(lines) > 3 and not extensions_allowed:
        raise BadCheckpoint("extension lines are not accepted")
    origin, size_text, root_text, *extensions = lines
    size = decode_decimal(size_text, SIZE_MAX)
    if size is None:
        raise BadCheckpoint("the size is not a decimal of the one spelling")
    root = decode_hash(root_text)
    if root is None:
        raise BadCheckpoint(f"the root is not the base64 of {HASH_BYTES} bytes")
    return Checkpoint(origin, size, root, tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> str:
    """The checkpoint as a note signed by its log; raises BadCheckpoint when it is another's."""
    if signer.name != checkpoint.origin:
        raise BadCheckpoint("a log's key is named as its origin")
    return sign_note(format_checkpoint(checkpoint), [signer])


def open_checkpoint(
    raw: bytes | str,
    log_verifier: NoteVerifier,
    cosigners: Iterable[CosignatureVerifier] = (),
    *,
    extensions_allowed: bool = False,
) -> OpenedCheckpoint:
    """Parse a checkpoint note and verify the log's signature and the cosigners', in one call.

    Raises MalformedNote; UnverifiedNote when the log has not signed, however many cosigners have,
    or a signature by any of these keys is wrong; BadCheckpoint when the text is no checkpoint of
    this log. All are BadNote.
    """
    known = list(cosigners)
    opened = open_note(raw, [log_verifier, *known])
    log_key = (log_verifier.name, log_verifier.key_id)
    if not any((s.name, s.key_id) == log_key for s in opened.verified):
        raise UnverifiedNote("the log has not signed this checkpoint")
    checkpoint = parse_checkpoint(opened.text, extensions_allowed=extensions_allowed)
    if checkpoint.origin != log_verifier.name:
        raise BadCheckpoint("the checkpoint is of another log than its key")
    cosignatures = tuple(c for cosigner in known for c in cosigner.cosignatures(opened))
    return OpenedCheckpoint(checkpoint, opened.text, cosignatures)
