"""Private keys: made here, kept in files that only their owner can read, never shown.

A key file is a private JSON Web Key (RFC 7517) with `alg` and `kid`: Ed25519 or ES256 to sign,
X25519 to have reports sealed to. It is written once, whole or not at all, with mode 0600; a file
that others can read is refused, because its key may already be theirs.

    key = generate_key()
    save_key(path, key)
    assert load_key(path) == key
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from creditchain.durable import sync
from creditchain.events import MalformedEvent, PublicKey, b64u, canonical_json, unb64u
from creditchain.events.key import ALGORITHMS, ED25519, ES256, HPKE_X25519
from creditchain.seal import Signing

__all__ = [
    "ED25519",
    "ES256",
    "HPKE_X25519",
    "BadKeyFile",
    "PrivateKey",
    "generate_key",
    "load_key",
    "private_key",
    "read_private",
    "save_key",
    "write_private",
]

SECRET_BYTES: Final = 32
"""Seed, scalar or X25519 secret: all three kinds have 32 bytes."""

KEY_FILE_BYTES_MAX: Final = 4_096
"""Our key files have under 300 bytes; a large file is no key."""

_OTHERS: Final = 0o077
"""The mode bits of group and others."""


class BadKeyFile(ValueError):
    """A key file that cannot be used; the message names the file and what to do, no secret."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key pair. `secret` is 32 bytes: Ed25519 seed, P-256 scalar or X25519 secret."""

    public: PublicKey
    secret: bytes = field(repr=False)

    @property
    def alg(self) -> str:
        """What the key may be used for, one of `ALGORITHMS`."""
        return self.public.alg

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint of the public half."""
        return self.public.kid

    @property
    def signing(self) -> Signing:
        """The key as `creditchain.seal` takes it; raises ValueError for a key to seal to."""
        if self.alg == ED25519:
            return Ed25519PrivateKey.from_private_bytes(self.secret)
        if self.alg == ES256:
            return ec.derive_private_key(int.from_bytes(self.secret), ec.SECP256R1())
        raise ValueError(f"a key of {self.alg} does not sign")

    def to_json(self) -> dict[str, str]:
        """The private JWK: for a key file, and for nothing else."""
        return {**self.public.to_json(), "d": b64u(self.secret), "kid": self.kid}

    @classmethod
    def from_json(cls, value: Any) -> PrivateKey:
        """The pair in a private JWK; raises ValueError, also when its halves do not belong."""
        match value:
            case {"d": str(text), **rest}:
                pass
            case _:
                raise ValueError("not a private JSON Web Key")
        kid = rest.pop("kid", None)
        try:
            public = PublicKey.from_json(rest)
        except MalformedEvent as error:
            raise ValueError(str(error)) from None
        try:
            secret = unb64u(text)
        except ValueError:
            raise ValueError("the secret is not base64url") from None
        if len(secret) != SECRET_BYTES or _public_of(public.alg, secret) != public:
            raise ValueError("the public and the secret half do not belong together")
        if kid not in (None, public.kid):
            raise ValueError("the kid is not the thumbprint of the key")
        return cls(public, secret)


def generate_key(alg: str = ED25519) -> PrivateKey:
    """A new key pair: `ED25519` or `ES256` to sign, `HPKE_X25519` to have reports sealed to."""
    if alg not in ALGORITHMS:
        raise ValueError(f"{alg} is not one of " + ", ".join(ALGORITHMS))
    if alg == ES256:
        scalar = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
        secret = scalar.to_bytes(SECRET_BYTES)
    else:
        secret = secrets.token_bytes(SECRET_BYTES)
    return PrivateKey(_public_of(alg, secret), secret)


def private_key(alg: str, secret: bytes) -> PrivateKey:
    """The pair of a known 32-byte secret; raises ValueError when it is none of this algorithm."""
    if len(secret) != SECRET_BYTES:
        raise ValueError("a secret has 32 bytes")
    return PrivateKey(_public_of(alg, secret), secret)


def load_key(path: Path) -> PrivateKey:
    """The key in a file; raises `BadKeyFile`, also for a file that group or others may read."""
    data = read_private(path)
    try:
        return PrivateKey.from_json(json.loads(data))
    except (ValueError, RecursionError) as error:
        # A JSON error quotes nothing of the file, so no secret reaches the message.
        problem = "not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        raise BadKeyFile(f"{path}: {problem}") from None


def save_key(path: Path, key: PrivateKey) -> None:
    """Writes a new key file, durable when this returns; raises `BadKeyFile` if `path` exists."""
    write_private(path, canonical_json(key.to_json()) + b"\n")


def read_private(path: Path) -> bytes:
    """The bytes of a small private file; raises `BadKeyFile` when others can reach it."""
    try:
        with path.open("rb") as file:
            # Of the open file, not of the path: between two looks a path can change hands.
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise BadKeyFile(
                    f"{path}: others can reach this key file; if nobody has read it, "
                    f"run `chmod 600 {path}`, else replace the key"
                )
            data = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadKeyFile(f"{path}: {error.strerror}") from None
    if len(data) > KEY_FILE_BYTES_MAX:
        raise BadKeyFile(f"{path}: too large for a key file")
    return data


def write_private(path: Path, data: bytes) -> None:
    """A new file with mode 0600, whole or not at all; raises `BadKeyFile` if `path` exists."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, never replaces a key that is already there.
            os.link(draft, path)
        finally:
            draft.unlink()
        sync(path.parent)
    except OSError as error:
        if path.exists():
            problem = "there is a file already; keys are never overwritten"
            raise BadKeyFile(f"{path}: {problem}") from None
        raise BadKeyFile(f"{path}: {error.strerror}") from None


def _public_of(alg: str, secret: bytes) -> PublicKey:
    if alg == ED25519:
        raw = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        return PublicKey(ED25519, b64u(raw))
    if alg == HPKE_X25519:
        raw = X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        return PublicKey(HPKE_X25519, b64u(raw))
    numbers = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1()).public_key()
    point = numbers.public_numbers()
    x, y = point.x.to_bytes(SECRET_BYTES), point.y.to_bytes(SECRET_BYTES)
    return PublicKey(ES256, b64u(x), b64u(y))
