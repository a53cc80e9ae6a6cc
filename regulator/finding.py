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


TITLES: Final[Mapping[FindingCode, tuple[str, str]]] = {
    FindingCode.FORK: ("The log has two histories", "账本出现分叉"),
    FindingCode.ROLLED_BACK: ("The log went back", "账本回退"),
    FindingCode.HEAD_WITHHELD: ("We are shown less than a member", "向观察节点隐瞒最新检查点"),
    FindingCode.RECEIPT_DENIED: ("A receipt is not honoured", "回执与账本不符"),
    FindingCode.STALE_CHECKPOINT: ("The checkpoint is not renewed", "检查点未及时更新"),
    FindingCode.TIME_AHEAD: ("The log's time is ahead", "账本时间超前"),
    FindingCode.TILE_MISMATCH: ("A tile is not of the signed tree", "哈希块与已签名账本不符"),
    FindingCode.ENTRY_MISMATCH: ("An entry is not the one in the tree", "条目与账本不符"),
    FindingCode.BODY_ALTERED: ("A body was altered", "事件正文被篡改"),
    FindingCode.BODY_WITHHELD: ("A body is withheld", "事件正文未提供"),
    FindingCode.ERASURE_UNLOGGED: ("A body is gone without its erasure", "事件正文删除未记账"),
    FindingCode.ERASURE_IGNORED: ("An erased body is still served", "已删除的事件正文仍在提供"),
    FindingCode.WRONG_GENESIS: ("Not our founding", "创世事件不符"),
    FindingCode.ENTRY_MALFORMED: ("Malformed entry", "条目格式错误"),
    FindingCode.TIME_WENT_BACK: ("Admission times go back", "入账时间倒退"),
    FindingCode.BODY_MALFORMED: ("Malformed body", "事件正文格式错误"),
    FindingCode.WRONG_LOG: ("Signed for another log", "事件签给其他账本"),
    FindingCode.PROOF_MALFORMED: ("Malformed signature", "签名格式错误"),
    FindingCode.KEY_UNKNOWN: ("Signed with an unknown key", "签名密钥未登记"),
    FindingCode.SIGNATURE_INVALID: ("Invalid signature", "签名无效"),
    FindingCode.ID_REUSED: ("An event id stands twice", "事件编号重复"),
    FindingCode.LAW_BROKEN: ("The rulebook refuses what was admitted", "违反规则手册的事件被收录"),
    FindingCode.ERASURE_MISMATCH: ("An erasure of what must stay", "删除对象不符或不得删除"),
    FindingCode.UNFOUNDED_REFUSAL: ("A lawful event was refused", "无故拒绝合法事件"),
    FindingCode.OBSERVER_LAG: ("The observer is behind", "观察节点滞后"),
    FindingCode.COPY_DAMAGED: ("The observer's copy is damaged", "观察节点副本损坏"),
}
"""What each code is called, in English and Chinese."""

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
