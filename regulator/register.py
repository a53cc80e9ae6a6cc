"""The head register: a small file beside the database that says what the observer last announced.

A database restored from an older copy would make a witness sign a second history without knowing
it. The register is written, durable, before a cosignature leaves; a database that is behind it must
catch up first, to the very same tree.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from creditchain.durable import sync
from creditchain.tlog.wire import decode_base64, encode_base64
from regulator.verify import Head

REGISTER_BYTES_MAX: Final = 2_400_000
"""A note of at most 131,072 bytes, escaped as JSON, under each of up to eight names."""


class BadRegister(Exception):
    """The register cannot be read; the message says what to do."""


class RegisterNotWritten(Exception):
    """The disk takes no more, most likely: what was to be announced must not leave. Try again."""


@dataclass(frozen=True, slots=True)
class Register:
    """The register in the file at `path`: the head last announced under each name."""

    path: Path

    def read(self) -> dict[str, Head]:
        """The heads by name, empty if there is no file yet; raises `BadRegister`."""
        try:
            with self.path.open("rb") as file:
                value = json.loads(file.read(REGISTER_BYTES_MAX))
            return {
                name: Head(int(head["size"]), _root(head["root"]), str(head["note"]))
                for name, head in value.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadRegister(
                f"{self.path} cannot be read ({error}); restore it, or delete it only if you are "
                "sure that the database beside it is the newest one"
            ) from None

    def write(self, heads: dict[str, Head]) -> None:
        """Replace the heads, durable when this returns; raises `RegisterNotWritten`."""
        try:
            self._write(heads)
        except OSError as error:
            raise RegisterNotWritten(f"{self.path}: {error.strerror}") from error

    def _write(self, heads: dict[str, Head]) -> None:
        value = {
            name: {"size": head.size, "root": encode_base64(head.root), "note": head.note}
            for name, head in heads.items()
        }
        draft = self.path.with_name(f".{self.path.name}.new")
        with draft.open("wb") as file:
            file.write(json.dumps(value, indent=1, sort_keys=True).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        sync(self.path.parent)


def _root(text: str) -> bytes:
    root = decode_base64(text)
    if root is None or len(root) != 32:
        raise ValueError("a root is not 32 bytes")
    return root
