"""What a witness is sent and how it decides; no network and no store (C2SP tlog-witness).

The request is `old <size>`, up to 63 consistency proof hashes, a blank line and the checkpoint.
`judge` decides on it against the last (size, root) cosigned for that origin. The caller must read
that head, judge, and store the new head as ONE atomic step before it answers; two requests judged
side by side could otherwise roll the log back.

    >>> request = parse_add_checkpoint(b"old 0\\n\\nlog.example\\n0\\n...")
    Traceback (most recent call last):
    creditchain.tlog.witness.MalformedRequest: a note has a blank line before its signatures
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from creditchain.tlog.checkpoint import OpenedCheckpoint, parse_checkpoint
from creditchain.tlog.merkle import EMPTY_ROOT, SIZE_MAX
from creditchain.tlog.note import (
    NOTE_BYTES_MAX,
    BadNote,
    NoteVerifier,
    UnverifiedNote,
    open_note,
    parse_note,
)
from creditchain.tlog.proof import PROOF_HASHES_MAX, BadProof, check_consistency
from creditchain.tlog.wire import decode_decimal, decode_hash, encode_base64

SIZE_CONTENT_TYPE = "text/x.tlog.size"  # of the answer 409 (tlog-witness, add-checkpoint)

# A note, and before it the size line, 63 lines of 45 bytes and the blank line.
REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 4_096

# Deployed witnesses take no more; the log's own signature alone stays far below.
REQUEST_BYTES_PORTABLE = 10_240


class MalformedRequest(ValueError):
    """The bytes are not an add-checkpoint request; the answer is 400."""


class Status(IntEnum):
    """The HTTP status of the answer, each for the reason the specification gives it."""

    ACCEPTED = 200
    MALFORMED = 400
    UNTRUSTED = 403
    UNKNOWN_LOG = 404
    CONFLICT = 409
    INCONSISTENT = 422


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request as parsed; nothing in it is verified, least of all its origin."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    @property
    def origin(self) -> str:
        """The origin the note claims: enough to look up the log's key and head, no more."""
        return self.note.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on a request.

    `checkpoint` is there whenever the log has signed it, refused or not: an INCONSISTENT one is
    evidence against the log. `head_size` is the body of a CONFLICT.
    """

    status: Status
    reason: str
    checkpoint: OpenedCheckpoint | None = None
    head_size: int | None = None


def format_add_checkpoint(old: int, proof: Sequence[bytes], checkpoint_note: str) -> bytes:
    """The request body that asks a witness to move from size `old` to the checkpoint.

    Raises MalformedRequest when it could not be parsed back, or is larger than deployed witnesses
    take: send the log's own signature lines only.
    """
    lines = "".join(f"{encode_base64(h)}\n" for h in proof)
    body = f"old {old}\n{lines}\n{checkpoint_note}".encode()
    if len(body) > REQUEST_BYTES_PORTABLE:
        raise MalformedRequest(f"deployed witnesses take {REQUEST_BYTES_PORTABLE} bytes at most")
    if parse_add_checkpoint(body) != AddCheckpoint(old, tuple(proof), checkpoint_note):
        raise MalformedRequest("a proof hash is not 32 bytes")
    return body


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """The request in `body`; raises MalformedRequest."""
    if len(body) > REQUEST_BYTES_MAX:
        raise MalformedRequest(f"a request is at most {REQUEST_BYTES_MAX} bytes")
    try:
        head, blank, note = body.decode().partition("\n\n")
    except UnicodeError:
        raise MalformedRequest("a request is UTF-8") from None
    first, *lines = head.split("\n")
    old = decode_decimal(first.removeprefix("old "), SIZE_MAX)
    if not blank or not first.startswith("old ") or old is None:
        raise MalformedRequest("a request begins with the old size")
    if len(lines) > PROOF_HASHES_MAX:
        raise MalformedRequest(f"a proof has at most {PROOF_HASHES_MAX} hashes")
    proof = []
    for line in lines:
        proof_hash = decode_hash(line)
        if proof_hash is None:
            raise MalformedRequest("a proof line is not the base64 of 32 bytes")
        proof.append(proof_hash)
    try:
        parse_note(note)
    except BadNote as error:
        raise MalformedRequest(str(error)) from None
    return AddCheckpoint(old, tuple(proof), note)


def judge(
    request: AddCheckpoint,
    log_verifiers: Iterable[NoteVerifier],
    head: tuple[int, bytes] | None,
) -> Verdict:
    """Decide on a request (tlog-witness, add-checkpoint), in the specification's order.

    `log_verifiers` are the keys trusted for `request.origin`, none when the log is unknown; `head`
    is the (size, root) last cosigned for it, None before the first. On ACCEPTED the verdict's
    checkpoint is to be stored as the new head, then cosigned.
    """
    known = list(log_verifiers)
    if not known:
        return Verdict(Status.UNKNOWN_LOG, "the log is unknown")
    try:
        opened = open_note(request.note, known)
    except UnverifiedNote as error:
        return Verdict(Status.UNTRUSTED, str(error))
    except BadNote as error:
        return Verdict(Status.MALFORMED, str(error))
    try:
        checkpoint = parse_checkpoint(opened.text)
    except BadNote as error:
        return Verdict(Status.MALFORMED, str(error))
    signed = OpenedCheckpoint(checkpoint, opened.text, ())
    head_size, head_root = head or (0, EMPTY_ROOT)
    if request.old > checkpoint.size:
        return Verdict(Status.MALFORMED, "the old size is above the checkpoint's", signed)
    if request.old != head_size:
        return Verdict(Status.CONFLICT, "the old size is not the last cosigned", signed, head_size)
    try:
        check_consistency(head_size, head_root, checkpoint.size, checkpoint.root, request.proof)
    except BadProof as error:
        return Verdict(Status.INCONSISTENT, str(error), signed)
    return Verdict(Status.ACCEPTED, "the checkpoint extends the last cosigned", signed)
