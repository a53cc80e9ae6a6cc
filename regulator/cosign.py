"""Cosigning: what the observer says about a log, under one key name for each statement.

- `<regulator>/witness`: this was the largest consistent tree I had seen (C2SP tlog-cosignature).
- `<regulator>/mirror`: and I hold every entry and every body of it, or the log says why a body was
  erased; and I have replayed the law over it. It says nothing about what replay found: violations
  are findings, and a log that broke the law is still the log everyone else saw.
- `<regulator>/audit`: and I have run the audit rules over all of it, under the rule pack in force.
  It says nothing about what they found either.

What is announced is stored first: in the register, then in the database, then it leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.merkle import EMPTY_ROOT
from creditchain.tlog.note import Verifier, parse_note
from creditchain.tlog.witness import (
    SIZE_CONTENT_TYPE,
    AddCheckpoint,
    Status,
    Verdict,
    judge,
)
from regulator.finding import Finding
from regulator.mirror import Mirror
from regulator.register import Register
from regulator.stored import Signed
from regulator.verify import Fork, Head, judge_growth, open_head

WITNESS: Final = "witness"
MIRROR: Final = "mirror"
AUDIT: Final = "audit"

FORKS_KEPT_MAX: Final = 1_000
"""Findings kept of a code that a hub can repeat at will, like forked checkpoints: a log that forks
once a second must not fill our disk."""

RESIGN_SECONDS: Final = 60
"""A line this fresh is given again; a hub that asks later wants a newer time on it."""

NOTHING: Final = Head(0, EMPTY_ROOT, "")
"""The head before the first: every tree extends it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to add-checkpoint: status, body, its type."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"
    retry_after_s: int | None = None


class Behind(Exception):
    """What would be signed is not what we hold: our database is too old, or damaged."""


class Cosigner:
    """Judges, stores, signs. Everything here runs in the writer's thread, one call at a time.

    When the database is older than the register (restored from a copy), the announced heads are
    taken over from the register and nothing is signed until our copy has grown to that very tree.
    """

    def __init__(
        self,
        mirror: Mirror,
        register: Register,
        log: Verifier,
        signers: dict[str, CosignatureSigner],
        *,
        clock_s: Callable[[], int],
    ) -> None:
        self.log = log
        self._mirror = mirror
        self._register = register
        self._signers = signers
        self._clock_s = clock_s
        self._restored_to: Head | None = None
        self._audited = 0
        self._heads: dict[str, Signed] = {}
        for name in signers:
            signed = mirror.head(name)
            if signed is not None:
                self._heads[name] = signed
        announced = register.read()
        # A name we have no key for today was announced all the same, and is not forgotten.
        self._others = {name: head for name, head in announced.items() if name not in signers}
        for name, head in announced.items():
            if name in signers and head.size > self.head(name).size:
                self._heads[name] = Signed(head, "", 0)
                if self._restored_to is None or head.size > self._restored_to.size:
                    self._restored_to = head

    def head(self, name: str) -> Head:
        """The head last announced under a name."""
        signed = self._heads.get(name)
        return NOTHING if signed is None else signed.head

    def signed(self, name: str) -> Signed | None:
        """The head last announced under a name, with our line; None if there is none to show."""
        signed = self._heads.get(name)
        return signed if signed is not None and signed.line else None

    @property
    def trusted(self) -> Head:
        """The largest head found consistent, cosigned as witness or not yet."""
        return self.head(WITNESS)

    @property
    def heads(self) -> list[Head]:
        """The head last announced under each name."""
        return [signed.head for signed in self._heads.values()]

    @property
    def restored_to(self) -> Head | None:
        """The head to which our copy must grow before anything is signed; None when all is well."""
        return self._restored_to

    def announce(self, name: str, head: Head) -> Signed:
        """Cosign a head that was found consistent, stored before this returns; raises `Behind`."""
        behind = self._restored_to
        if behind is not None and self._mirror.root_at(behind.size) == behind.root:
            behind = self._restored_to = None
        if behind is not None:
            raise Behind(
                f"the database is older than size {behind.size}, which was announced; nothing is "
                "signed until the copy has grown to it again"
            )
        if name != WITNESS and self._mirror.is_damaged(head.size):
            raise Behind("our own copy is damaged; only what is seen is signed until it is whole")
        last = self._heads.get(name)
        assert last is None or head.size >= last.head.size, "a head never goes back"
        # Ours never goes back either, whatever the machine's clock does.
        time_s = max(self._clock_s(), last.time_s if last is not None else 0)
        cosignature = self._signers[name].cosign(parse_note(head.note).text, time_s)
        signed = Signed(head, cosignature.line, time_s)
        heads = {**self._heads, name: signed}
        # The register first: what is in the database is shown to whoever asks.
        self._register.write({**self._others, **{key: value.head for key, value in heads.items()}})
        self._mirror.put_head(name, signed)
        self._heads = heads
        return signed

    def trust(self, head: Head) -> None:
        """Take over a head that was found to extend ours, and cosign it as witness if we may.

        Not if ours has grown past it meanwhile, pushed to the witness while this one was looked at.
        """
        if head.size < self.head(WITNESS).size:
            return
        try:
            self.announce(WITNESS, head)
        except Behind:
            # Not signed, but known: our copy needs to know where to grow to.
            self._heads[WITNESS] = Signed(head, "", 0)

    def announce_both(self, head: Head) -> None:
        """Cosign under each name a head that our copy has reached, unless it is cosigned already.

        Raises `Behind`.
        """
        for name in (WITNESS, MIRROR):
            signed = self.signed(name)
            if signed is None or signed.head.size < head.size:
                if name == MIRROR and self._is_short_of(head):
                    continue
                self.announce(name, head)

    def take_audited(self, size: int, root: bytes) -> None:
        """Take the auditor's word that it audited the tree of this size and root, if it is ours.

        An audit.db beside another copy, or one that saw what the copy restored since never had,
        speaks of another tree; then nothing is audited.
        """
        self._audited = size if size and self._mirror.root_at(size) == root else 0

    def announce_audited(self, size: int, root: bytes) -> None:
        """Cosign as auditor the mirror's head, once that much is audited, unless it is already."""
        self.take_audited(size, root)
        mirrored = self.signed(MIRROR)
        if mirrored is None or not self.head(AUDIT).size < mirrored.head.size <= self._audited:
            return
        try:
            self.announce(AUDIT, mirrored.head)
        except Behind:
            return

    def witness(self, request: AddCheckpoint) -> tuple[Answer, Finding | None]:
        """tlog-witness add-checkpoint: judge, store and sign as one step.

        The finding is a fork that the request proves; it is stored already if it is new.
        """
        held = self.head(WITNESS)
        verdict = judge(request, [self.log] if request.origin == self.log.name else [], _pair(held))
        if verdict.status is Status.ACCEPTED:
            try:
                signed = self.announce(WITNESS, open_head(request.note, self.log))
            except Behind as error:
                return Answer(503, f"{error}\n", retry_after_s=60), None
            return Answer(200, signed.line), None
        return refuse(verdict), self._examine(request, verdict, held)

    def begin(self, name: str, request: AddCheckpoint) -> Answer | Head:
        """The same protocol for a later head: a refusal, or the head to copy (and audit) first."""
        held = self.head(name)
        verdict = judge(request, [self.log] if request.origin == self.log.name else [], _pair(held))
        if verdict.status is not Status.ACCEPTED:
            self._examine(request, verdict, held)
            return refuse(verdict)
        return open_head(request.note, self.log)

    def finish(self, name: str, head: Head) -> Answer | None:
        """Cosign under a name a head that our copy leads to; None when it does not reach so far.

        As auditor only what is audited. Our own tree is the proof of consistency here, so a head
        that moved on meanwhile is no conflict unless it moved past this one.
        """
        held = self.head(name)
        if held.size > head.size:
            return _conflict(held.size)
        if name == AUDIT and head.size > self._audited:
            return None
        root = self._mirror.root_at(head.size)
        if root is None or self._is_short_of(head):
            return None
        if root != head.root:
            return Answer(422, "the checkpoint is not of the log this mirror holds\n")
        signed = self.signed(name)
        old = signed is not None and self._clock_s() - signed.time_s > RESIGN_SECONDS
        if signed is None or old or signed.head.size != head.size:
            try:
                signed = self.announce(name, head)
            except Behind:
                return None
        return Answer(200, signed.line)

    @property
    def mirror(self) -> Mirror:
        """Our copy; only in the writer's thread."""
        return self._mirror

    def accuse(self, fork: Fork) -> Finding | None:
        """Keep a fork as a finding; None if it is known or there are more than enough."""
        return self.keep(fork.finding())

    def keep(self, finding: Finding) -> Finding | None:
        """Keep what the hub may repeat at will; None if it is known or there is more than enough.

        Of one code so many are kept and no more: a log that forks once a second must not fill us.
        """
        if self._mirror.count_findings(finding.code) >= FORKS_KEPT_MAX:
            return None
        return finding if self._mirror.find(finding) else None

    def compare_with_copy(self, head: Head) -> Fork | None:
        """A fork, if a head no larger than our copy is not the one our own tree had at that size.

        None also when it cannot be told: our copy, or our signed head, does not reach so far.
        """
        held = self.head(WITNESS)
        if not 0 < head.size <= held.size <= self._mirror.size:
            return None
        if self._mirror.root_at(head.size) == head.root:
            return None
        judged = self._mirror.growth_from(held, head)
        return judged if isinstance(judged, Fork) else None

    def _is_short_of(self, head: Head) -> bool:
        """Whether a body below this head is missing without an erasure, or our copy is damaged."""
        missing = self._mirror.holes(1)
        return bool(missing and missing[0] < head.size) or self._mirror.is_damaged(head.size)

    def _examine(self, request: AddCheckpoint, verdict: Verdict, held: Head) -> Finding | None:
        """A refused checkpoint may be the log's own proof against itself."""
        if verdict.checkpoint is None:
            return None
        shown = open_head(request.note, self.log)
        fork: object = self.compare_with_copy(shown)
        if fork is None and verdict.status is Status.INCONSISTENT and held.size <= shown.size:
            fork = judge_growth(held, shown, request.proof)
        return self.accuse(fork) if isinstance(fork, Fork) else None


def refuse(verdict: Verdict) -> Answer:
    """The answer to a request that is not accepted, as tlog-witness words it."""
    if verdict.status is Status.CONFLICT:
        return _conflict(verdict.head_size or 0)
    return Answer(int(verdict.status), f"{verdict.reason}\n")


def _conflict(size: int) -> Answer:
    return Answer(409, f"{size}\n", SIZE_CONTENT_TYPE)


def _pair(head: Head) -> tuple[int, bytes] | None:
    return (head.size, head.root) if head.size else None
