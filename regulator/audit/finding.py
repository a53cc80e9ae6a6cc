"""An audit finding: what a rule held against whom, with the entries that prove it.

PURE. Its canonical JSON is its evidence: with the cited bodies from any copy of the log it can be
checked again by anyone, with nothing of ours. Its id is a digest over what was found, not over the
rule pack or the severity under which it was looked for, so a finding keeps its id, and what was
asked and answered about it, when a new pack comes into force.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from creditchain.events import b64u, canonical_json, format_time
from creditchain.events.codes import Severity


class Cited(NamedTuple):
    """An entry that proves a finding: its index and the commitment to its body, base64url."""

    entry: int
    commitment: str


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """What a rule found at the entry `index`, admitted at `at`, ms.

    `certain` is False when an earlier body was never seen, so that its effects are unknown, and
    where the log's time had gone ahead and came back, so that nobody knows how late it was.
    """

    code: str
    severity: Severity
    pack: str
    index: int
    at: int
    member: str | None
    officer: str | None
    entries: tuple[Cited, ...]
    facts: Mapping[str, str | int]
    certain: bool = True

    @property
    def digest(self) -> bytes:
        """SHA-256 over what was found."""
        return hashlib.sha256(canonical_json(self._found())).digest()

    @property
    def id(self) -> str:
        """The digest in base64url: how events on the log cite the finding."""
        return b64u(self.digest)

    def to_json(self) -> dict[str, Any]:
        """The finding as one JSON object, its id included."""
        return {
            **self._found(),
            "id": self.id,
            "at": format_time(self.at),
            "severity": self.severity.value,
            "pack": self.pack,
            "certain": self.certain,
        }

    @property
    def evidence(self) -> bytes:
        """The canonical JSON of `to_json`."""
        return canonical_json(self.to_json())

    def _found(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "code": self.code,
            "index": self.index,
            "entries": [{"index": one.entry, "body": one.commitment} for one in self.entries],
            "facts": dict(self.facts),
        }
        if self.member is not None:
            found["member"] = self.member
        if self.officer is not None:
            found["officer"] = self.officer
        return found
