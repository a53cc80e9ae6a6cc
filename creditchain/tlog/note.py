"""Signed notes and their keys (C2SP signed-note).

- A note is text ending in a newline, a blank line, and one `— name base64(key id || signature)`
  line for each signature. The text means nothing until a known key has signed it, so `open_note`
  parses and verifies in one call.
- A signature by an unknown key is carried along; one bad signature by a known key rejects the note.
- A key is known by its name *and* its 32-bit id; either alone may coincide with a stranger's.

    >>> signer = Signer("log.example", bytes(32))
    >>> open_note(sign_note("hello\\n", [signer]), [signer.verifier]).text
    'hello\\n'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from creditchain.ed25519 import BadKey, ed25519_public_key, verify
from creditchain.tlog.wire import decode_base64, encode_base64

# The largest note that a public witness takes; leaves room for the 16 post-quantum signatures of
# nearly 5 kB that every verifier must accept (signed-note, Format).
NOTE_BYTES_MAX = 131_072

# As in Go's x/mod/sumdb/note; the specification asks for at least 16.
SIGNATURES_MAX = 100

# A name must fit the one-byte length of the ML-DSA cosigned message (tlog-cosignature).
NAME_BYTES_MAX = 255

ED25519_NOTE = 0x01  # signature type bytes (signed-note, Signature types)
ED25519_COSIGNATURE = 0x04

SEED_BYTES = 32
_PRIVATE = "PRIVATE+KEY+"
_KEY_ID_BYTES = 4
_DASH = "\N{EM DASH} "


class BadNote(ValueError):
    """The note cannot be used; the family of errors of this module."""


class MalformedNote(BadNote):
    """The bytes are not a signed note."""


class UnverifiedNote(BadNote):
    """No known key has signed the note, or a known key's signature on it is wrong."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name and 32-bit id, and what the key made of the text."""

    name: str
    key_id: int
    data: bytes

    @property
    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        raw = self.key_id.to_bytes(_KEY_ID_BYTES) + self.data
        return f"{_DASH}{self.name} {encode_base64(raw)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as parsed. Nothing in it is verified: use `open_note` to trust its text."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note that at least one known key has signed, and no known key has signed wrongly."""

    text: str
    verified: tuple[Signature, ...]
    unverified: tuple[Signature, ...]


class NoteVerifier(Protocol):
    """A public key of any signature type, by its name and id."""

    @property
    def name(self) -> str: ...
    @property
    def key_id(self) -> int: ...

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` (without the key id) is this key's on the note text."""
        ...


class NoteSigner(Protocol):
    """A private key that signs note texts."""

    @property
    def name(self) -> str: ...
    @property
    def key_id(self) -> int: ...

    def sign(self, text: bytes) -> bytes:
        """The signature on the note text, without the key id."""
        ...


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 key that verifies notes, signature type 0x01; raises BadKey when it is unfit."""

    name: str
    public: bytes
    key_id: int = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "_key", ed25519_public_key(self.public))
        object.__setattr__(self, "key_id", key_id_of(self.name, ED25519_NOTE, self.public))

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over exactly `text`."""
        return verify(self._key, signature, text)


@dataclass(frozen=True, slots=True)
class Signer:
    """An Ed25519 private key that signs notes, from its 32-byte seed; raises BadKey."""

    name: str
    seed: bytes = field(repr=False)
    verifier: Verifier = field(init=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key, public = key_pair(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "verifier", Verifier(self.name, public))

    @property
    def key_id(self) -> int:
        """The 32-bit id of the public key."""
        return self.verifier.key_id

    def sign(self, text: bytes) -> bytes:
        """The 64-byte signature over `text`."""
        return self._key.sign(text)


def parse_note(raw: bytes | str) -> Note:
    """The note in `raw`, unverified; raises MalformedNote.

    The text ends at the *last* blank line (signed-note, Format).
    """
    # Length first: what follows is linear in it.
    if len(raw) > NOTE_BYTES_MAX:
        raise MalformedNote(f"a note is at most {NOTE_BYTES_MAX} bytes")
    try:
        message = raw if isinstance(raw, str) else raw.decode()
        if len(message.encode()) > NOTE_BYTES_MAX:
            raise MalformedNote(f"a note is at most {NOTE_BYTES_MAX} bytes")
    except UnicodeError:
        raise MalformedNote("a note is UTF-8") from None
    text, blank, tail = message.rpartition("\n\n")
    if not blank:
        raise MalformedNote("a note has a blank line before its signatures")
    if not tail.endswith("\n"):
        raise MalformedNote("a note ends its last line")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise MalformedNote(f"a note has at most {SIGNATURES_MAX} signatures")
    _check_text(text + "\n")
    return Note(text + "\n", tuple(_parse_signature(line) for line in lines))


def format_note(note: Note) -> str:
    """The note as it is stored and sent; raises MalformedNote when it could not be parsed back."""
    _check_text(note.text)
    if not 1 <= len(note.signatures) <= SIGNATURES_MAX:
        raise MalformedNote(f"a note has 1 to {SIGNATURES_MAX} signatures")
    raw = note.text + "\n" + "".join(signature.line for signature in note.signatures)
    if len(raw.encode()) > NOTE_BYTES_MAX:
        raise MalformedNote(f"a note is at most {NOTE_BYTES_MAX} bytes")
    return raw


def open_note(raw: bytes | str, verifiers: Iterable[NoteVerifier]) -> OpenedNote:
    """Parse a note and verify every signature on it by a known key, in one call.

    Raises MalformedNote, or UnverifiedNote when no known key has signed or one of them signed
    wrongly (signed-note, Signatures). A line that stands there twice counts once.
    """
    note = parse_note(raw)
    known: dict[tuple[str, int], NoteVerifier] = {}
    for verifier in verifiers:
        at = (verifier.name, verifier.key_id)
        if known.setdefault(at, verifier) != verifier:
            raise UnverifiedNote(f"two known keys are both {verifier.name}+{verifier.key_id:08x}")
    text = note.text.encode()
    verified, unverified = [], []
    for signature in dict.fromkeys(note.signatures):
        key = known.get((signature.name, signature.key_id))
        if key is None:
            unverified.append(signature)
        elif key.verify(text, signature.data):
            verified.append(signature)
        else:
            raise UnverifiedNote(f"the signature by {signature.name} is wrong")
    if not verified:
        raise UnverifiedNote("no known key has signed the note")
    return OpenedNote(note.text, tuple(verified), tuple(unverified))


def sign_note(text: str, signers: Sequence[NoteSigner]) -> str:
    """The note of `text` signed by each signer, in order; raises MalformedNote."""
    _check_text(text)
    raw = text.encode()
    return format_note(Note(text, tuple(Signature(s.name, s.key_id, s.sign(raw)) for s in signers)))


def format_vkey(verifier: Verifier) -> str:
    """The public key as text: `name+<8 hex of key id>+base64(01 || key)`."""
    return format_key(verifier.name, ED25519_NOTE, verifier.public, verifier.key_id)


def parse_vkey(text: str) -> Verifier:
    """The public key in a vkey of type 0x01, in its one spelling; raises BadKey."""
    name, key_id, public = parse_key(text, ED25519_NOTE)
    verifier = Verifier(name, public)
    if verifier.key_id != key_id:
        raise BadKey("the key id is not that of the key")
    return verifier


def format_signer_key(signer: Signer) -> str:
    """The private key as text, in Go's form: `PRIVATE+KEY+name+<8 hex>+base64(01 || seed)`."""
    return _PRIVATE + format_key(signer.name, ED25519_NOTE, signer.seed, signer.key_id)


def parse_signer_key(text: str) -> Signer:
    """The private key in `format_signer_key`'s text; raises BadKey, never naming the secret."""
    name, key_id, seed = parse_key(private_part(text), ED25519_NOTE)
    signer = Signer(name, seed)
    if signer.key_id != key_id:
        raise BadKey("the key id is not that of the private key")
    return signer


def check_name(name: str) -> None:
    """Raise BadKey unless `name` may name a key: no Unicode space, no plus, 1 to 255 bytes."""
    if not _is_name(name) or len(name.encode()) > NAME_BYTES_MAX:
        raise BadKey("a key name has no space, plus or control character and at most 255 bytes")


def key_id_of(name: str, kind: int, public: bytes) -> int:
    """The 32-bit key id: `SHA-256(name || 0A || type || key)[:4]` (signed-note, Signatures)."""
    digest = sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()
    return int.from_bytes(digest[:_KEY_ID_BYTES])


def key_pair(seed: bytes) -> tuple[Ed25519PrivateKey, bytes]:
    """The private key and the raw public key for a 32-byte seed; raises BadKey."""
    if len(seed) != SEED_BYTES:
        raise BadKey("an Ed25519 seed has 32 bytes")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key, key.public_key().public_bytes_raw()


def format_key(name: str, kind: int, key: bytes, key_id: int) -> str:
    """`name+<8 hex of key id>+base64(type || key)`."""
    return f"{name}+{key_id:08x}+{encode_base64(bytes([kind]) + key)}"


def parse_key(text: str, kind: int) -> tuple[str, int, bytes]:
    """Name, claimed key id and 32 key bytes of a key text of the given type; raises BadKey."""
    # The base64 of 33 bytes has 44 characters; a longer text is no Ed25519 key.
    if len(text) > NAME_BYTES_MAX + len("+01234567+") + 44:
        raise BadKey("the key text is too long")
    name, _, rest = text.partition("+")
    hex_id, _, encoded = rest.partition("+")
    raw = decode_base64(encoded)
    if raw is None or len(raw) != 1 + SEED_BYTES or raw[0] != kind:
        raise BadKey(f"not an Ed25519 key of signature type {kind:#04x}")
    if len(hex_id) != 2 * _KEY_ID_BYTES or not set(hex_id) <= set("0123456789abcdef"):
        raise BadKey("a key id is 8 lower-case hex digits")
    check_name(name)
    return name, int(hex_id, 16), raw[1:]


def private_part(text: str) -> str:
    """A private key text without its marker; raises BadKey."""
    if not text.startswith(_PRIVATE):
        raise BadKey("not a private key text")
    return text.removeprefix(_PRIVATE)


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise MalformedNote("the text of a note ends its last line")
    if any(c < " " and c != "\n" for c in text):
        raise MalformedNote("the text of a note has a control character")
    if not _is_utf8(text):
        raise MalformedNote("a note is UTF-8")


def _parse_signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _is_name(name):
        raise MalformedNote("not a signature line")
    raw = decode_base64(encoded)
    if raw is None or len(raw) <= _KEY_ID_BYTES:
        raise MalformedNote("a signature is base64 of a key id and more")
    return Signature(name, int.from_bytes(raw[:_KEY_ID_BYTES]), raw[_KEY_ID_BYTES:])


def _is_name(name: str) -> bool:
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        return False
    return _is_utf8(name)


def _is_utf8(text: str) -> bool:
    """Whether a str has bytes at all: a lone surrogate, say from JSON, has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
