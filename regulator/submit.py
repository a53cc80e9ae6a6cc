"""What members hand in, judged against our own copy: checkpoints, receipts and signed refusals.

PURE. A hub that shows us one history and a member another is caught by the member, whatever it is
that the member kept. Four outcomes:

- `AGREES`: it is of the log we hold, and says what we say;
- `ACCUSES`: it is a finding, and the evidence convinces anyone, without us and without the member;
- `UNRESOLVED`: our copy does not reach so far yet; it is remembered until it does;
- `NOTHING`: it accuses nobody. Whoever hands in nonsense, or what others signed, hears so.

Nothing is believed but the log's own signatures. A receipt's hashes and its entry are signed by
nobody, so they count only where they lead to a root that the log has signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from creditchain.client.evidence import REFUSAL_HEADER, BadEvidence, SignedRefusal, parse_refusal
from creditchain.events import TYPE_OF, MalformedEvent, b64u, format_time
from creditchain.events.erasure import BodyErased
from creditchain.rulebook import NEVER_ERASED, Refusal, Violation, decide, find_key
from creditchain.rulebook.book import Book
from creditchain.rulebook.record import Key
from creditchain.seal import BadSeal, parse_entry, unseal
from creditchain.tlog.merkle import leaf_hash
from creditchain.tlog.note import BadNote, Verifier, open_note
from creditchain.tlog.proof import BadProof, check_inclusion
from creditchain.tlog.tlogproof import HEADER as RECEIPT_HEADER
from creditchain.tlog.tlogproof import BadTlogProof, TlogProof, parse_tlog_proof
from regulator.finding import Finding, FindingCode, base64_text
from regulator.replay import EarlierEntry
from regulator.verify import Fork, Head, open_head

SLACK_MS: Final = 60_000
"""How far a refusal's time may lie outside the entries around it: a body refused at the door is not
in the order of the batches, and a commit on a slow disk takes a while."""

ADMIT: Final = "ADMIT"
"""What the law says of a body that it does not refuse."""

_KEPT_TYPES = frozenset(TYPE_OF[type_] for type_ in NEVER_ERASED)


class Kind(StrEnum):
    """What was handed in."""

    CHECKPOINT = "checkpoint"
    RECEIPT = "receipt"
    REFUSAL = "refusal"
    BODY = "body"


class Outcome(StrEnum):
    """What became of it."""

    AGREES = "AGREES"
    ACCUSES = "ACCUSES"
    UNRESOLVED = "UNRESOLVED"
    NOTHING = "NOTHING"


@dataclass(frozen=True, slots=True)
class Document:
    """One thing handed in: its bytes, and for a refusal the body that was refused, if it came."""

    kind: Kind
    raw: bytes
    body: bytes | None = None

    @property
    def digest(self) -> bytes:
        """The same thing handed in again has the same digest."""
        return sha256(b"\0".join((self.kind.encode(), self.raw, self.body or b""))).digest()


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome, in words; `size` is what our copy must have, or had, to tell."""

    kind: Kind
    outcome: Outcome
    says: str
    size: int | None = None
    finding: Finding | None = None

    def to_json(self) -> dict[str, object]:
        """As commands and the door tell it."""
        told: dict[str, object] = {
            "kind": self.kind.value,
            "outcome": self.outcome.value,
            "says": self.says,
        }
        if self.size is not None:
            told["size"] = self.size
        if self.finding is not None:
            found = self.finding
            told["finding"] = {
                "code": found.code.value,
                "index": found.index,
                "detail": found.detail,
                "certain": found.certain,
            }
        return told


class OwnLog(Protocol):
    """Our copy, as judging asks it."""

    @property
    def size(self) -> int:
        """Entries copied."""
        ...

    @property
    def trusted(self) -> Head:
        """The largest head that was found consistent; our copy may not reach it yet."""
        ...

    @property
    def copied(self) -> Head | None:
        """The largest signed head to which our copy leads."""
        ...

    def root_at(self, size: int) -> bytes | None:
        """The root of our first `size` entries; None if we have fewer."""
        ...

    def compare(self, held: Head, shown: Head) -> Fork | None:
        """The fork, if a head no larger than `copied` is not the one our tree had."""
        ...

    def entry(self, index: int) -> bytes | None:
        """The bytes of an entry."""
        ...

    def prove(self, index: int, size: int) -> Sequence[bytes]:
        """The inclusion proof of our entry in our first `size` entries."""
        ...


def sort(files: Sequence[bytes]) -> list[Document]:
    """What these files are, told by how they begin; a body goes to the refusal that names it."""
    bodies = {b64u(sha256(raw).digest()): raw for raw in files if raw.lstrip()[:1] == b"{"}
    used: set[str] = set()
    documents = []
    for raw in files:
        if raw.startswith(RECEIPT_HEADER.encode()):
            documents.append(Document(Kind.RECEIPT, raw))
        elif raw.startswith(REFUSAL_HEADER.encode()):
            lines = raw.split(b"\n", 4)
            commitment = lines[3].decode("ascii", "replace") if len(lines) > 3 else ""
            used.add(commitment)
            documents.append(Document(Kind.REFUSAL, raw, bodies.get(commitment)))
        elif raw.lstrip()[:1] != b"{":
            documents.append(Document(Kind.CHECKPOINT, raw))
    documents += [Document(Kind.BODY, raw) for name, raw in bodies.items() if name not in used]
    return documents


def judge_body(_: Document) -> Judged:
    """A body alone."""
    return Judged(Kind.BODY, Outcome.NOTHING, "a body goes with the signed refusal that names it")


# Checkpoints and receipts.


def judge_checkpoint(document: Document, log: Verifier, own: OwnLog) -> Judged:
    """A checkpoint that a member holds."""
    try:
        head = open_head(document.raw, log)
    except BadNote as error:
        return _nothing(Kind.CHECKPOINT, f"no checkpoint that {log.name} has signed: {error}")
    return _judge_head(Kind.CHECKPOINT, head, own)


def _judge_head(kind: Kind, head: Head, own: OwnLog) -> Judged:
    if head.size == 0:
        return _nothing(kind, "a checkpoint of an empty log says nothing")
    trusted, copied = own.trusted, own.copied
    if head.size == trusted.size and head.root != trusted.root:
        return _accuses(kind, head.size, Fork(trusted, head).finding())
    if head.size <= own.size and own.root_at(head.size) == head.root:
        return Judged(
            kind, Outcome.AGREES, f"size {head.size} is of the log that we hold", head.size
        )
    if copied is None or head.size > copied.size:
        return Judged(
            kind,
            Outcome.UNRESOLVED,
            f"size {head.size} is more than we hold ({own.size}); remembered until we do",
            head.size,
        )
    fork = own.compare(copied, head)
    assert fork is not None, "another root at a size that our copy has is a fork"
    return _accuses(kind, head.size, fork.finding())


def judge_receipt(document: Document, log: Verifier, own: OwnLog) -> Judged:
    """A receipt that a member holds: is that entry where the log once signed that it is?"""
    kind = Kind.RECEIPT
    try:
        receipt = parse_tlog_proof(document.raw)
        head = open_head(receipt.checkpoint_note, log)
    except (BadTlogProof, BadNote) as error:
        return _nothing(kind, f"no receipt of {log.name}: {error}")
    if receipt.index >= head.size:
        return _nothing(kind, "the index is beyond the checkpoint in the receipt")
    theirs = _entry_in(receipt)
    ours = own.entry(receipt.index)
    if ours is None or own.copied is None or own.copied.size <= receipt.index:
        if theirs is not None and not _leads(receipt, theirs, head):
            return _nothing(kind, "the proof does not lead from its entry to its checkpoint")
        return Judged(
            kind,
            Outcome.UNRESOLVED,
            f"entry {receipt.index} is beyond what we hold ({own.size}); remembered until it is",
            max(head.size, receipt.index + 1),
        )
    if _leads(receipt, ours, head):
        # Our entry is the one in the receipt. The rest of that tree is judged like a checkpoint.
        judged = _judge_head(kind, head, own)
        if judged.outcome is Outcome.AGREES:
            says = f"entry {receipt.index} is the one in the log that we hold"
            return Judged(kind, Outcome.AGREES, says, head.size)
        return judged
    if theirs is not None and theirs != ours and _leads(receipt, theirs, head):
        return _accuses(kind, head.size, _denied(receipt, head, theirs, ours, own.copied, own))
    judged = _judge_head(kind, head, own)
    if judged.outcome is Outcome.AGREES:
        return _nothing(kind, "the checkpoint is genuine; the proof does not lead to it")
    return judged


def _entry_in(receipt: TlogProof) -> bytes | None:
    """The entry that came along as extra data, if it is one."""
    if receipt.extra is None:
        return None
    try:
        parse_entry(receipt.extra)
    except MalformedEvent:
        return None
    return receipt.extra


def _leads(receipt: TlogProof, entry: bytes, head: Head) -> bool:
    try:
        check_inclusion(leaf_hash(entry), receipt.index, head.size, receipt.hashes, head.root)
    except BadProof:
        return False
    return True


def _denied(
    receipt: TlogProof, shown: Head, theirs: bytes, ours: bytes, held: Head, own: OwnLog
) -> Finding:
    evidence: dict[str, str | int] = {
        "shown": shown.note,
        "entry": base64_text(theirs),
        "proof": "\n".join(base64_text(h) for h in receipt.hashes),
        "held": held.note,
        "heldEntry": base64_text(ours),
        "heldProof": "\n".join(base64_text(h) for h in own.prove(receipt.index, held.size)),
    }
    detail = "signed as being there, and not in the log that we hold"
    return Finding(FindingCode.RECEIPT_DENIED, receipt.index, detail, evidence)


# Refusals.


class Past(NamedTuple):
    """The log as it was at some size, for judging a refusal once more.

    `before` and `after` are the admission times (ms) of the entries around the decision; `after` is
    None where there is none yet. `place_of` gives index and commitment of the entry with an event
    id, `entry_at` an earlier entry. `unseen` counts bodies whose effects this book does not have.
    """

    book: Book
    size: int
    before: int
    after: int | None
    place_of: Callable[[str], tuple[int, bytes] | None]
    entry_at: Callable[[int], EarlierEntry | None]
    unseen: int


class Refused(NamedTuple):
    """A refusal that the hub has signed, its note with the hub's line alone, the body refused."""

    said: SignedRefusal
    note: str
    body: bytes


def open_refusal(document: Document, key: Verifier, origin: str) -> Refused | Judged:
    """The refusal, if the hub signed it and it is of the body at hand; else why it is nothing."""
    try:
        opened = open_note(document.raw, [key])
        refusal = parse_refusal(opened.text)
    except (BadNote, BadEvidence) as error:
        return _nothing(Kind.REFUSAL, f"no refusal that {key.name} has signed: {error}")
    if refusal.origin != origin:
        return _nothing(Kind.REFUSAL, f"a refusal of another log, {refusal.origin}")
    if document.body is None:
        return _nothing(Kind.REFUSAL, "the body that was refused is needed: hand it in as well")
    if sha256(document.body).digest() != refusal.commitment:
        return _nothing(Kind.REFUSAL, "the body is not the one that was refused")
    lines = "".join(signature.line for signature in opened.verified)
    return Refused(refusal, f"{opened.text}\n{lines}", document.body)


def judge_refusal(refused: Refused, past: Past) -> Judged:
    """A refusal judged again, at the size and time it names.

    The hub names the time itself, so that is when the law is asked. It is asked a minute before and
    after as well, and at the times of the entries around: where time decides, nothing is certain.
    """
    refusal, _, body = refused
    kind, code = Kind.REFUSAL, refusal.code.value
    lawful = answer(body, refusal.origin, past, refusal.at)
    latest = max(past.before, refusal.at if past.after is None else past.after)
    then = past.before - SLACK_MS <= refusal.at <= latest + SLACK_MS
    around = {past.before, latest}
    around |= {
        min(max(t, past.before), latest) for t in (refusal.at - SLACK_MS, refusal.at + SLACK_MS)
    }
    by_time = {answer(body, refusal.origin, past, at) for at in around}
    if lawful == code and (then or code in by_time):
        return Judged(kind, Outcome.AGREES, f"{code} is what the law says", past.size)
    if lawful == code:
        when = f"at {format_time(refusal.at)}, which was not the time of the decision"
        return _unfounded(refused, past, lawful, f"{code} holds only {when}", sure=False)
    if refusal.code is Refusal.KEY_UNKNOWN and _key_is_fresh(body, past, refusal.at):
        return _nothing(kind, "the key was registered in the very moment of the refusal")
    detail = f"{code}, where the law says {lawful}"
    return _unfounded(refused, past, lawful, detail, sure=code not in by_time)


def answer(body: bytes, origin: str, past: Past, at: int) -> str:
    """What the law says of a body at a time (ms): a refusal code, or ADMIT.

    In the order of the hub: bytes and seal, whether the id is taken, the rulebook, the subject of
    an erasure, about which only the log knows.
    """
    try:
        sealed = unseal(body, find_key(past.book))
    except MalformedEvent:
        return Refusal.EVENT_MALFORMED.value
    except BadSeal as error:
        foreign = error.event.log != origin
        return Refusal.WRONG_LOG.value if foreign else error.fault.value
    event = sealed.event
    if event.log != origin:
        return Refusal.WRONG_LOG.value
    place = past.place_of(event.id)
    if place is not None and place[0] < past.size:
        # The same bytes get their receipt again, however late they come.
        return ADMIT if place[1] == sealed.commitment else Refusal.ID_REUSED.value
    decided = decide(past.book, sealed, at)
    if isinstance(event.body, BodyErased) and (
        not isinstance(decided, Violation) or decided.code is Refusal.ERASURE_DONE
    ):
        index = event.body.index
        earlier = past.entry_at(index) if index < past.size else None
        if (
            earlier is None
            or earlier.type in _KEPT_TYPES
            or b64u(earlier.commitment) != event.body.commitment
        ):
            return Refusal.ERASURE_SUBJECT.value
    return decided.code.value if isinstance(decided, Violation) else ADMIT


def _key_is_fresh(body: bytes, past: Past, at: int) -> bool:
    """Whether the key was registered so shortly before that the door may not have seen it yet."""
    try:
        sealed = unseal(body, find_key(past.book))
    except (MalformedEvent, BadSeal):
        return False
    key = past.book.get(Key, f"{sealed.event.by}/{sealed.kid}")
    return key is not None and abs(at - key.added_at) <= SLACK_MS


def _unfounded(refused: Refused, past: Past, lawful: str, detail: str, *, sure: bool) -> Judged:
    evidence: dict[str, str | int] = {
        "note": refused.note,
        "body": base64_text(refused.body),
        "refused": refused.said.code.value,
        "lawful": lawful,
    }
    if past.unseen:
        evidence["unseen"] = past.unseen
    certain = sure and past.unseen == 0
    finding = Finding(FindingCode.UNFOUNDED_REFUSAL, None, detail, evidence, certain)
    return _accuses(Kind.REFUSAL, past.size, finding)


def _accuses(kind: Kind, size: int, finding: Finding) -> Judged:
    return Judged(kind, Outcome.ACCUSES, f"{finding.code.value}: {finding.detail}", size, finding)


def _nothing(kind: Kind, says: str) -> Judged:
    return Judged(kind, Outcome.NOTHING, says)
