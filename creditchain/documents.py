"""The operation documents of graphql/operations, by name, and their trusted ids.

Source of truth is the folder graphql/ at the repository's root; in a wheel the same files lie in
creditchain/documents. An operation that several personas use has the same text in each folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

DOCUMENTS: Final = Path(__file__).resolve().parent / "documents"
PERSONAS: Final = ("bank", "agency", "enterprise", "regulator")


@cache
def operations() -> Mapping[str, str]:
    """Every operation: its name to its text."""
    found: dict[str, str] = {}
    for persona in PERSONAS:
        for path in sorted((DOCUMENTS / "operations" / persona).glob("*.graphql")):
            text = path.read_text(encoding="utf-8")
            assert found.setdefault(path.stem, text) == text, f"two texts for {path.stem}"
    return MappingProxyType(found)


def load_operation(name: str) -> str:
    """The text of the operation of this name; raises KeyError."""
    return operations()[name]


def document_id(text: str) -> str:
    """How a trusted document is cited: `sha256:` and the hex digest of its text."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8')).hexdigest()}"


@cache
def trusted_documents() -> Mapping[str, str]:
    """Every operation by its document id: all that a hub in strict mode will run."""
    return MappingProxyType({document_id(text): text for text in operations().values()})
