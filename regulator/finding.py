"""Findings: what the observer holds against a log, each with the evidence that outlives the hub.

PURE. A finding's code is stable: never renamed, never reused. Two findings of the same code, place
and evidence are one finding, whenever they are made; `digest` is what makes them so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from creditchain.events import canonical_json
from creditchain.events.codes import Severity


class FindingCode(StrEnum):
    """What is wrong, from the tree inwards."""

    # The tree: the log contradicts itself.
    FORK = "FORK"
    ROLLED_BACK = "ROLLED_BACK"
    HEAD_WITHHELD = "HEAD_WITHHELD"
    RECEIPT_DENIED = "RECEIPT_DENIED"
    STALE_CHECKPOINT = "STALE_CHECKPOINT"
    TIME_AHEAD = "TIME_AHEAD"
    # What the hub serves is not what it signed.
    TILE_MISMATCH = "TILE_MISMATCH"
    ENTRY_MISMATCH = "ENTRY_MISMATCH"
    BODY_ALTERED = "BODY_ALTERED"
    BODY_WITHHELD = "BODY_WITHHELD"
    ERASURE_UNLOGGED = "ERASURE_UNLOGGED"
    ERASURE_IGNORED = "ERASURE_IGNORED"
    # What it signed should never have been admitted.
    WRONG_GENESIS = "WRONG_GENESIS"
    ENTRY_MALFORMED = "ENTRY_MALFORMED"
    TIME_WENT_BACK = "TIME_WENT_BACK"
    BODY_MALFORMED = "BODY_MALFORMED"
    WRONG_LOG = "WRONG_LOG"
    PROOF_MALFORMED = "PROOF_MALFORMED"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    ID_REUSED = "ID_REUSED"
    LAW_BROKEN = "LAW_BROKEN"
    ERASURE_MISMATCH = "ERASURE_MISMATCH"
    # What it refused and should not have.
    UNFOUNDED_REFUSAL = "UNFOUNDED_REFUSAL"
    # About ourselves.
    OBSERVER_LAG = "OBSERVER_LAG"
    COPY_DAMAGED = "COPY_DAMAGED"


REPLAYED: Final = frozenset(
    {
        FindingCode.WRONG_GENESIS,
        FindingCode.ENTRY_MALFORMED,
        FindingCode.TIME_WENT_BACK,
        FindingCode.BODY_MALFORMED,
        FindingCode.WRONG_LOG,
        FindingCode.PROOF_MALFORMED,
        FindingCode.KEY_UNKNOWN,
        FindingCode.SIGNATURE_INVALID,
        FindingCode.ID_REUSED,
        FindingCode.LAW_BROKEN,
        FindingCode.ERASURE_MISMATCH,
    }
)
"""What every replay of the log finds again; all else is about what was shown, served or refused."""

ABOUT_OURSELVES: Final = frozenset({FindingCode.OBSERVER_LAG, FindingCode.COPY_DAMAGED})
"""Told, kept and to be answered for, but by the observer: never held against the hub."""


def severity_of(code: str) -> Severity:
    """How soon somebody must look at a finding of this code: at once, unless we are only late."""
    return Severity.MEDIUM if code == FindingCode.OBSERVER_LAG else Severity.HIGH


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing held against the log.

    `index` is the entry concerned, None when it is the tree; `detail` says more, for LAW_BROKEN the
    refusal code; `evidence` is all one needs to check it again (notes as text, bytes in base64).
    `certain` is False when an earlier body was never seen, so that its effects are unknown and the
    event may have been lawful after all.
    """

    code: FindingCode
    index: int | None = None
    detail: str = ""
    evidence: Mapping[str, str | int] = field(default_factory=dict)
    certain: bool = True

    @property
    def evidence_json(self) -> str:
        """The evidence in canonical JSON."""
        return canonical_json(dict(self.evidence)).decode()

    @property
    def digest(self) -> bytes:
        """SHA-256 over code, index, detail and evidence: the same finding has the same digest."""
        return digest_of(self.code.value, self.index, self.detail, self.evidence_json)


def digest_of(code: str, index: int | None, detail: str, evidence_json: str) -> bytes:
    """The digest of a finding by its parts, as they are stored."""
    head = canonical_json([code, -1 if index is None else index, detail])
    return hashlib.sha256(head + b"\n" + evidence_json.encode()).digest()


def base64_text(data: bytes) -> str:
    """Bytes as they stand in evidence: standard base64."""
    return base64.b64encode(data).decode("ascii")
