"""The log's law, read a second time: entries and bodies in, records and violations out.

PURE. Two steps, so that what is dear can run on every core:

- `open_package` judges each entry and body by itself, in any order: parse, match the commitment,
  check the signature under the key of that thumbprint. A thumbprint is the digest of a key, so
  whichever list the key comes from, the signature's verdict is the same. `read_package` does all of
  it but the arithmetic of the signatures, which any process can do.
- `Replay.step` judges in log order: time, log, whether the signer HAD that key, whether the id is
  new, and what the rulebook says.

An event that violates the law writes nothing, so what builds on it falls too; only an entry whose
time went back still takes effect, since its event may be lawful.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from creditchain.events import TYPE_OF, Event, MalformedEvent, PublicKey, b64u
from creditchain.events.codes import KeyUse
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.erasure import BodyErased
from creditchain.rulebook import NEVER_ERASED, decide, find_key
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.refusal import Violation
from creditchain.seal import (
    BadSeal,
    Claim,
    FindKey,
    Sealed,
    SealFault,
    parse_entry,
    read_claim,
    unseal,
)
from regulator.finding import Finding, FindingCode, base64_text

_FAULTS = {
    SealFault.PROOF_MALFORMED: FindingCode.PROOF_MALFORMED,
    SealFault.KEY_UNKNOWN: FindingCode.KEY_UNKNOWN,
    SealFault.SIGNATURE_INVALID: FindingCode.SIGNATURE_INVALID,
}

_KEPT_TYPES = frozenset(TYPE_OF[type_] for type_ in NEVER_ERASED)

# Whose events carry keys: all others need not be looked at.
_KEY_CARRIERS = frozenset(
    type_ for type_ in TYPE_OF if type_ is ConsortiumFounded or "key" in type_.__dataclass_fields__
)


class Keys(Protocol):
    """Signing keys by thumbprint, as many as one wants to remember."""

    def find(self, owner: str, kid: str) -> PublicKey | None:
        """The key of this thumbprint, which `owner` says is its own; None where it is not known."""
        ...

    def learn(self, key: PublicKey) -> None:
        """Remember a key that an event carried, lawful or not."""
        ...


class Opened(NamedTuple):
    """An entry and its body, judged by themselves.

    `at` is None when the entry is malformed; then, and when the body is missing, all else is None.
    `fault` is the first thing wrong with the body; KEY_UNKNOWN may only mean that the key was not
    at hand, so `step` looks again. Without `fault` the signature holds under the key named `kid`,
    or, where a claim comes with this, if the claim holds.
    """

    at: int | None
    commitment: bytes
    event: Event | None
    kid: str | None
    fault: FindingCode | None
    detail: str

    def forged(self) -> Opened:
        """What is left when the claim does not hold."""
        return self._replace(kid=None, fault=FindingCode.SIGNATURE_INVALID)


class EarlierEntry(NamedTuple):
    """What an erasure may be checked against; `type` is None where the body was never seen."""

    commitment: bytes
    type: str | None


class Stepped(NamedTuple):
    """What one entry did: the records it wrote and what is wrong with it, if anything.

    `erased` is the index of the body that this event lawfully erased.
    """

    writes: Writes = ()
    finding: Finding | None = None
    erased: int | None = None


def open_package(entries: Sequence[bytes], bodies: Sequence[bytes], keys: Keys) -> list[Opened]:
    """Judge entries and their bodies (empty: not served), each by itself.

    `keys` are the keys at hand; those found inside the bodies are added.
    """
    return [
        opened if claim is None or claim.holds() else opened.forged()
        for opened, claim in read_package(entries, bodies, keys)
    ]


def read_package(
    entries: Sequence[bytes], bodies: Sequence[bytes], keys: Keys
) -> list[tuple[Opened, Claim | None]]:
    """As `open_package`, but with the claims of those whose signature is still to be verified."""

    def find(event: Event, kid: str) -> PublicKey | None:
        # The founding brings the keys it is signed with.
        if isinstance(event.body, ConsortiumFounded):
            _learn(event, keys)
        return keys.find(event.by, kid)

    read = []
    for entry, body in zip(entries, bodies, strict=True):
        found = _read_one(entry, body, find)
        event = found[0].event
        if event is not None and type(event.body) in _KEY_CARRIERS:
            _learn(event, keys)
        read.append(found)
    return read


def _read_one(entry: bytes, body: bytes, find: FindKey) -> tuple[Opened, Claim | None]:
    try:
        read = parse_entry(entry)
    except MalformedEvent as error:
        return Opened(None, b"", None, None, FindingCode.ENTRY_MALFORMED, str(error)), None
    at, commitment = read.at, read.commitment
    if not body:
        return Opened(at, commitment, None, None, None, ""), None
    if hashlib.sha256(body).digest() != commitment:
        return Opened(at, commitment, None, None, FindingCode.BODY_ALTERED, ""), None
    try:
        claim = read_claim(body, find)
    except MalformedEvent as error:
        return Opened(at, commitment, None, None, FindingCode.BODY_MALFORMED, str(error)), None
    except BadSeal as error:
        return Opened(at, commitment, error.event, None, _FAULTS[error.fault], ""), None
    return Opened(at, commitment, claim.event, claim.kid, None, ""), claim


class Replay:
    """The law applied in log order.

    `book` are the records so far; the caller puts in what `step` writes before the next step.
    `genesis` is the SHA-256 of the pinned founding body. `entry_at` answers an earlier entry;
    `is_known` whether an event id stood on the log before. `unseen` counts the
    bodies this replay never saw: while it is not zero, a violation is not certain.
    """

    def __init__(
        self,
        book: Book,
        genesis: bytes,
        log: str,
        *,
        is_known: Callable[[str], bool],
        entry_at: Callable[[int], EarlierEntry | None],
        last_at: int = 0,
        unseen: int = 0,
    ) -> None:
        self.book = book
        self.last_at = last_at
        self.unseen = unseen
        self._genesis = genesis
        self._log = log
        self._is_known = is_known
        self._entry_at = entry_at
        self._find_key = find_key(book)

    def step(self, index: int, opened: Opened, body: bytes) -> Stepped:
        """Judge entry `index`; what it wrote and what is wrong with it."""
        if opened.at is None:
            self.unseen += 1
            return self._found(FindingCode.ENTRY_MALFORMED, index, opened.detail, body)
        late = self._finding_if_back(index, opened.at)
        self.last_at = max(self.last_at, opened.at)
        if index == 0 and opened.commitment != self._genesis:
            return self._found(FindingCode.WRONG_GENESIS, 0, "not the pinned genesis", body)
        if not body:
            self.unseen += 1
            return Stepped((), late)
        if opened.fault is FindingCode.BODY_ALTERED:
            self.unseen += 1
            return self._found(FindingCode.BODY_ALTERED, index, "not what was committed to", body)
        result = self._judge(index, opened, body)
        if late is None or result.finding is not None:
            return result
        return Stepped(result.writes, late, result.erased)

    def judge_late(self, index: int, opened: Opened, body: bytes) -> Finding | None:
        """What is wrong with a body that came after its turn: form and author, not the law.

        What the law says of it depends on records of then, which are gone; it takes no effect.
        """
        believed = self._believe(index, opened, body)
        return None if isinstance(believed, str) else believed.finding

    def _judge(self, index: int, opened: Opened, body: bytes) -> Stepped:
        kid, event = self._believe(index, opened, body), opened.event
        if isinstance(kid, Stepped):
            return kid
        assert event is not None, "what is believed is an event"
        assert opened.at is not None, "an entry without a time was answered before"
        sealed = Sealed(event, kid, body, opened.commitment)
        decided = decide(self.book, sealed, opened.at)
        if isinstance(decided, Violation):
            detail = decided.code.value + (f" at {decided.path}" if decided.path else "")
            return self._found(FindingCode.LAW_BROKEN, index, detail, body)
        if isinstance(event.body, BodyErased):
            erased = event.body.index
            earlier = self._entry_at(erased) if erased < index else None
            if (
                earlier is None
                or b64u(earlier.commitment) != event.body.commitment
                or earlier.type in _KEPT_TYPES
            ):
                return self._found(FindingCode.ERASURE_MISMATCH, index, str(erased), body)
            return Stepped(decided, None, erased)
        return Stepped(decided)

    def _believe(self, index: int, opened: Opened, body: bytes) -> str | Stepped:
        """The thumbprint of the key that signed, if this is somebody's new event; else why not."""
        event = opened.event
        if event is None:
            return self._found(FindingCode.BODY_MALFORMED, index, opened.detail, body)
        if event.log != self._log:
            return self._found(FindingCode.WRONG_LOG, index, event.log, body)
        kid, fault = opened.kid, opened.fault
        if fault is FindingCode.KEY_UNKNOWN:
            # Perhaps only unknown to the process that looked: the key may be an entry or two old.
            try:
                kid, fault = unseal(body, self._find_key).kid, None
            except BadSeal as error:
                fault = _FAULTS[error.fault]
        elif fault is None and kid is not None and self._find_key(event, kid) is None:
            fault = FindingCode.KEY_UNKNOWN
        if fault is not None or kid is None:
            return self._found(fault or FindingCode.KEY_UNKNOWN, index, event.by, body)
        if self._is_known(event.id):
            return self._found(FindingCode.ID_REUSED, index, event.id, body)
        return kid

    def _finding_if_back(self, index: int, at: int) -> Finding | None:
        if at >= self.last_at:
            return None
        evidence: dict[str, str | int] = {"at": at, "before": self.last_at}
        return Finding(FindingCode.TIME_WENT_BACK, index, f"{self.last_at - at} ms", evidence)

    def _found(self, code: FindingCode, index: int, detail: str, body: bytes) -> Stepped:
        evidence: dict[str, str | int] = {"body": base64_text(body)}
        # Bytes, time, ids and founding speak for themselves; the rest depends on what came before.
        certain = self.unseen == 0 or code in _CERTAIN
        if not certain:
            evidence["unseen"] = self.unseen
        return Stepped((), Finding(code, index, detail, evidence, certain))


_CERTAIN = frozenset(
    {
        FindingCode.ENTRY_MALFORMED,
        FindingCode.BODY_ALTERED,
        FindingCode.WRONG_GENESIS,
        FindingCode.BODY_MALFORMED,
        FindingCode.WRONG_LOG,
        FindingCode.PROOF_MALFORMED,
        FindingCode.SIGNATURE_INVALID,
        # The id that stands on the log before was read there; nothing unseen takes it away again.
        FindingCode.ID_REUSED,
        FindingCode.ERASURE_MISMATCH,
    }
)


def keys_in(event: Event) -> Iterator[PublicKey]:
    """The signing keys that an event carries, whether or not it is lawful."""
    body = event.body
    if isinstance(body, ConsortiumFounded):
        yield body.regulator.key
        yield body.operator.key
    key = getattr(body, "key", None)
    if isinstance(key, PublicKey) and key.use is KeyUse.SIGN:
        yield key


def _learn(event: Event, keys: Keys) -> None:
    for key in keys_in(event):
        keys.learn(key)
