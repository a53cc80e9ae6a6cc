"""A proof of logging in one text, checkable offline (C2SP tlog-proof v1, suffix `.tlog-proof`).

It holds the entry's index, its inclusion proof and the checkpoint with its cosignatures. Opaque
`extra` data may come along; nothing signs it, so nothing may be believed because of it.

- `format`/`parse` are about the text; `check_tlog_proof` is the one call that proves something:
  under a policy, this entry stands at this index of this log.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.tlog.checkpoint import Checkpoint
from creditchain.tlog.cosignature import Cosignature
from creditchain.tlog.merkle import HASH_BYTES, SIZE_MAX, leaf_hash
from creditchain.tlog.note import NOTE_BYTES_MAX, BadNote, parse_note
from creditchain.tlog.policy import Policy
from creditchain.tlog.proof import PROOF_HASHES_MAX, BadProof, check_inclusion
from creditchain.tlog.wire import decode_base64, decode_decimal, decode_hash, encode_base64

HEADER = "c2sp.org/tlog-proof@v1"

# Extra data is for the application's context; what is longer belongs beside the proof.
EXTRA_BYTES_MAX = 65_536

# A note, 63 hash lines of 45 bytes, the header and index lines, and the extra data in base64.
TLOG_PROOF_BYTES_MAX = NOTE_BYTES_MAX + 4_096 + EXTRA_BYTES_MAX * 4 // 3 + 4


class BadTlogProof(BadProof):
    """The text does not prove that the entry is in a log of the policy; this module's family."""


class MalformedTlogProof(BadTlogProof):
    """The text is not a tlog-proof."""


class UntrustedTlogProof(BadTlogProof):
    """The checkpoint in the proof is not one the policy accepts."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as parsed, unchecked. `hashes` run from the leaf's sibling to the root's child."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_note: str
    extra: bytes | None = None


@dataclass(frozen=True, slots=True)
class CheckedProof:
    """What a proof has shown: the entry is at `index` under `checkpoint`.

    `cosignatures` are the verified ones by the policy's witnesses, with their times.
    """

    index: int
    checkpoint: Checkpoint
    cosignatures: tuple[Cosignature, ...]


def format_tlog_proof(proof: TlogProof) -> str:
    """The text of a proof; raises MalformedTlogProof when it could not be parsed back."""
    # Each field is checked here, not by parsing the text: every answer to a member takes this way.
    if not 0 <= proof.index < SIZE_MAX:
        raise MalformedTlogProof(f"no index {proof.index}")
    if len(proof.hashes) > PROOF_HASHES_MAX or any(len(h) != HASH_BYTES for h in proof.hashes):
        raise MalformedTlogProof(f"a proof has at most {PROOF_HASHES_MAX} hashes of 32 bytes")
    _check_note(proof.checkpoint_note)
    lines = [HEADER]
    if proof.extra is not None:
        if len(proof.extra) > EXTRA_BYTES_MAX:
            raise MalformedTlogProof(f"extra is at most {EXTRA_BYTES_MAX} bytes")
        lines.append(f"extra {encode_base64(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines += [encode_base64(h) for h in proof.hashes]
    return "\n".join([*lines, "", proof.checkpoint_note])


def parse_tlog_proof(raw: bytes | str) -> TlogProof:
    """The proof in a text, unchecked; raises MalformedTlogProof."""
    if len(raw) > TLOG_PROOF_BYTES_MAX:
        raise MalformedTlogProof(f"a proof is at most {TLOG_PROOF_BYTES_MAX} bytes")
    try:
        text = raw if isinstance(raw, str) else raw.decode()
    except UnicodeError:
        raise MalformedTlogProof("a proof is UTF-8") from None
    head, blank, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if not blank or header != HEADER:
        raise MalformedTlogProof(f"a proof begins with {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
        if extra is None or len(extra) > EXTRA_BYTES_MAX:
            raise MalformedTlogProof(f"extra is base64 of at most {EXTRA_BYTES_MAX} bytes")
    if not lines or not lines[0].startswith("index "):
        raise MalformedTlogProof("a proof has an index line")
    index = decode_decimal(lines.pop(0).removeprefix("index "), SIZE_MAX - 1)
    if index is None:
        raise MalformedTlogProof("the index is not a decimal of the one spelling")
    if len(lines) > PROOF_HASHES_MAX:
        raise MalformedTlogProof(f"a proof has at most {PROOF_HASHES_MAX} hashes")
    hashes = []
    for line in lines:
        proof_hash = decode_hash(line)
        if proof_hash is None:
            raise MalformedTlogProof("a proof line is not the base64 of 32 bytes")
        hashes.append(proof_hash)
    _check_note(note)
    return TlogProof(index, tuple(hashes), note, extra)


def check_tlog_proof(proof_text: bytes | str, entry: bytes, policy: Policy) -> CheckedProof:
    """Check offline that `entry` is in a log of `policy`, with the quorum's cosignatures.

    In the specification's order: leaf hash, log signature and origin, cosignatures, inclusion.
    Raises MalformedTlogProof, UntrustedTlogProof, or BadTlogProof when the entry is not there.
    """
    proof = parse_tlog_proof(proof_text)
    leaf = leaf_hash(entry)
    try:
        opened = policy.open_checkpoint(proof.checkpoint_note)
    except BadNote as error:
        raise UntrustedTlogProof(str(error)) from error
    checkpoint = opened.checkpoint
    try:
        check_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    except BadProof as error:
        raise BadTlogProof(str(error)) from error
    return CheckedProof(proof.index, checkpoint, opened.cosignatures)


def _check_note(note: str) -> None:
    try:
        parse_note(note)
    except BadNote as error:
        raise MalformedTlogProof(str(error)) from None
