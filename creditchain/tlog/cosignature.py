"""Timestamped cosignatures on checkpoints (C2SP tlog-cosignature v1, Ed25519, type 0x04).

A cosignature says: at this time, this was the largest consistent tree of the log that I had seen.
What else a cosigner states (that it stored every entry, that it audited them) is told by its name,
one key for each statement, because the signed message does not name the cosigner.

    >>> signer = CosignatureSigner("observer.example/witness", bytes(32))
    >>> signer.cosign("log.example\\n0\\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\\n", 7).time_s
    7
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from creditchain.ed25519 import SIGNATURE_BYTES, BadKey, ed25519_public_key, verify
from creditchain.tlog.note import (
    ED25519_COSIGNATURE,
    MalformedNote,
    OpenedNote,
    Signature,
    check_name,
    format_key,
    key_id_of,
    key_pair,
    open_note,
    parse_key,
    private_part,
)
from creditchain.tlog.wire import NUMBER_MAX

_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosigner's name, the time it signed at (POSIX seconds), and its note line with newline."""

    name: str
    time_s: int
    line: str


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """An Ed25519 key that verifies cosignatures, signature type 0x04; raises BadKey."""

    name: str
    public: bytes
    key_id: int = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "_key", ed25519_public_key(self.public))
        object.__setattr__(self, "key_id", key_id_of(self.name, ED25519_COSIGNATURE, self.public))

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` (u64-BE time, 64 bytes) is this cosigner's on the note text."""
        if len(signature) != _TIME_BYTES + SIGNATURE_BYTES:
            return False
        time_s = int.from_bytes(signature[:_TIME_BYTES])
        if time_s > NUMBER_MAX:
            return False
        return verify(self._key, signature[_TIME_BYTES:], _message(text, time_s))

    def cosignatures(self, opened: OpenedNote) -> tuple[Cosignature, ...]:
        """This cosigner's verified cosignatures on a note that was opened with it, in order."""
        return tuple(
            Cosignature(self.name, int.from_bytes(s.data[:_TIME_BYTES]), s.line)
            for s in opened.verified
            if (s.name, s.key_id) == (self.name, self.key_id)
        )


@dataclass(frozen=True, slots=True)
class CosignatureSigner:
    """A cosigner's Ed25519 private key, from its 32-byte seed; raises BadKey."""

    name: str
    seed: bytes = field(repr=False)
    verifier: CosignatureVerifier = field(init=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key, public = key_pair(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "verifier", CosignatureVerifier(self.name, public))

    @property
    def key_id(self) -> int:
        """The 32-bit id of the public key."""
        return self.verifier.key_id

    def cosign(self, note_text: str, time_s: int) -> Cosignature:
        """Cosign the text of an opened checkpoint at `time_s`, in POSIX seconds.

        Raises ValueError for a time that v1 cannot carry, MalformedNote for what is no note text.
        """
        if not 0 <= time_s <= NUMBER_MAX:
            raise ValueError("a cosignature time is from 0 to 2^63 - 1 seconds")
        if not note_text.endswith("\n"):
            raise MalformedNote("the text of a note ends its last line")
        signed = self._key.sign(_message(note_text.encode(), time_s))
        data = time_s.to_bytes(_TIME_BYTES) + signed
        return Cosignature(self.name, time_s, Signature(self.name, self.key_id, data).line)


def open_cosignatures(
    lines: bytes | str, note_text: str, cosigners: Iterable[CosignatureVerifier]
) -> tuple[Cosignature, ...]:
    """The cosignatures in a witness's answer, verified against the checkpoint text it was sent.

    Lines by unknown keys are ignored (tlog-witness, add-checkpoint). Raises MalformedNote, or
    UnverifiedNote when no line is by a known cosigner or one of theirs is wrong.
    """
    try:
        tail = lines if isinstance(lines, str) else lines.decode()
    except UnicodeError:
        raise MalformedNote("signature lines are UTF-8") from None
    # A blank line in the answer would move the end of the text, and with it what is verified.
    if tail.startswith("\n") or "\n\n" in tail:
        raise MalformedNote("a blank line among signature lines")
    known = list(cosigners)
    opened = open_note(f"{note_text}\n{tail}", known)
    return tuple(c for cosigner in known for c in cosigner.cosignatures(opened))


def format_cosigner_vkey(verifier: CosignatureVerifier) -> str:
    """The cosigner's public key as text: `name+<8 hex of key id>+base64(04 || key)`."""
    return format_key(verifier.name, ED25519_COSIGNATURE, verifier.public, verifier.key_id)


def parse_cosigner_vkey(text: str) -> CosignatureVerifier:
    """The cosigner's public key in a vkey of type 0x04, in its one spelling; raises BadKey."""
    name, key_id, public = parse_key(text, ED25519_COSIGNATURE)
    verifier = CosignatureVerifier(name, public)
    if verifier.key_id != key_id:
        raise BadKey("the key id is not that of the key")
    return verifier


def format_cosigner_key(signer: CosignatureSigner) -> str:
    """The cosigner's private key as text: `PRIVATE+KEY+name+<8 hex>+base64(04 || seed)`."""
    key = format_key(signer.name, ED25519_COSIGNATURE, signer.seed, signer.key_id)
    return f"PRIVATE+KEY+{key}"


def parse_cosigner_key(text: str) -> CosignatureSigner:
    """The private key in `format_cosigner_key`'s text; raises BadKey, never naming the secret."""
    name, key_id, seed = parse_key(private_part(text), ED25519_COSIGNATURE)
    signer = CosignatureSigner(name, seed)
    if signer.key_id != key_id:
        raise BadKey("the key id is not that of the private key")
    return signer


def _message(text: bytes, time_s: int) -> bytes:
    return b"cosignature/v1\ntime %d\n%b" % (time_s, text)
