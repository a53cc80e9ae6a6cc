"""What a hub's answer proves: receipts and signed refusals, checked against pinned keys.

`Trust` is what an institution pins: the log's key, the refusal key, and the policy that names the
observer. From then on the hub is believed only as far as its signatures go; every check here works
offline, on the text that the hub gave, years later too.

    trust = Trust.of_genesis(genesis_body, policy)
    receipt = check_receipt(sealed.commitment, at, proof, trust, Level.CHECKPOINTED)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from creditchain.ed25519 import BadKey
from creditchain.events import parse_time, unb64u
from creditchain.events.consortium import ConsortiumFounded
from creditchain.rulebook import DictBook, Refusal, find_key
from creditchain.seal import Entry, Sealed, format_entry, unseal
from creditchain.tlog.cosignature import Cosignature
from creditchain.tlog.note import BadNote, Verifier, open_note, parse_vkey
from creditchain.tlog.policy import NO_QUORUM, LogLine, Policy
from creditchain.tlog.proof import BadProof
from creditchain.tlog.tlogproof import check_tlog_proof
from creditchain.tlog.wire import decode_decimal

REFUSAL_HEADER: Final = "creditchain/refusal/v1"
REFUSAL_KEY_NAME: Final = "refusal"
"""The refusal key of the log `O` is named `O/refusal`."""


class BadEvidence(ValueError):
    """What was shown does not prove what it should; the message says which part fails."""


class Level(StrEnum):
    """How far an event has come; each level has its own evidence."""

    SEQUENCED = "SEQUENCED"
    CHECKPOINTED = "CHECKPOINTED"
    OBSERVED = "OBSERVED"


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys an institution pins. `policy` lists just this log, and whose cosignatures count.

    Without a `refusal` key refusals cannot be checked; without a quorum in the policy nothing is
    ever `OBSERVED`.
    """

    policy: Policy
    refusal: Verifier | None = None

    def __post_init__(self) -> None:
        if len(self.policy.logs) != 1:
            raise BadEvidence("the policy must list exactly one log")
        if self.refusal is not None and self.refusal.name != f"{self.origin}/{REFUSAL_KEY_NAME}":
            raise BadEvidence("the refusal key is not that of the log in the policy")

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.policy.logs[0].verifier.name

    @property
    def log(self) -> Verifier:
        """The log's key."""
        return self.policy.logs[0].verifier

    @property
    def unobserved(self) -> Policy:
        """The policy without its quorum: the log's signature is enough, known cosigners count."""
        return replace(self.policy, quorum=NO_QUORUM)

    @classmethod
    def of_keys(cls, log_key: str, refusal_key: str | None = None) -> Trust:
        """Trust in two verifier keys and in no observer; raises `BadEvidence`."""
        try:
            log = LogLine(parse_vkey(log_key))
            refusal = None if refusal_key is None else parse_vkey(refusal_key)
        except BadKey as error:
            raise BadEvidence(f"a verifier key: {error}") from None
        return cls(Policy((log,), (), (), NO_QUORUM), refusal)

    @classmethod
    def of_genesis(cls, body: bytes, policy: Policy | None = None) -> Trust:
        """Trust that follows from the founding; raises `BadEvidence`.

        A policy must name the founding's own log key: the observer's keys come from elsewhere, the
        log's never.
        """
        founded = open_genesis(body).event.body
        assert isinstance(founded, ConsortiumFounded), "open_genesis opens foundings only"
        trust = cls.of_keys(founded.log_key, founded.refusal_key)
        if policy is None:
            return trust
        if [line.verifier for line in policy.logs] != [trust.log]:
            raise BadEvidence("the policy is not about the log of this founding")
        return cls(policy, trust.refusal)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A checked receipt: at `at` (ms) the event was admitted at `index` of the log.

    `size` is the checkpoint's; `cosignatures` are those by the policy's cosigners; `proof` is the
    .tlog-proof text to keep.
    """

    commitment: bytes
    index: int
    at: int
    level: Level
    proof: str
    size: int
    cosignatures: tuple[Cosignature, ...]


@dataclass(frozen=True, slots=True)
class SignedRefusal:
    """What the hub signed when it refused: `size` and `at` (ms) say when it decided."""

    origin: str
    size: int
    commitment: bytes
    at: int
    code: Refusal
    path: str


def open_genesis(body: bytes) -> Sealed:
    """The verified founding in entry 0's body; raises `BadEvidence`.

    It is signed by the regulator's key that it names itself: what makes it *the* founding is that
    its commitment is the one a participant pinned.
    """
    try:
        sealed = unseal(body, find_key(DictBook()))
    except ValueError as error:
        raise BadEvidence(f"no founding: {error}") from None
    assert isinstance(sealed.event.body, ConsortiumFounded), "before it only a founding has a key"
    return sealed


def commitment_of(body: bytes) -> bytes:
    """The 32 bytes that stand on the log for these body bytes."""
    return hashlib.sha256(body).digest()


def check_receipt(commitment: bytes, at: int, proof: str, trust: Trust, level: Level) -> Receipt:
    """The receipt, after checking that it proves at least `level`; raises `BadEvidence`.

    The entry is made of what we know, the commitment to our own bytes, and of `at` as the hub
    states it: if either were another, the proof would lead to another root. The receipt's level is
    what it proves, which may be more than was asked.
    """
    if level is Level.SEQUENCED:
        raise BadEvidence("an index without a proof is no evidence")
    entry = format_entry(Entry(at, commitment))
    quorum = trust.policy.quorum != NO_QUORUM
    if level is Level.OBSERVED and not quorum:
        raise BadEvidence("the policy names no observer, so nothing shows that it has seen this")
    try:
        checked = check_tlog_proof(proof, entry, trust.unobserved)
        seen = {
            line.name
            for line in trust.policy.witnesses
            if any(c.name == line.verifier.name for c in checked.cosignatures)
        }
        observed = quorum and trust.policy.satisfied_by(seen)
    except BadProof as error:
        raise BadEvidence(f"the receipt: {error}") from None
    if level is Level.OBSERVED and not observed:
        raise BadEvidence("too few observers have cosigned the checkpoint of the receipt")
    return Receipt(
        commitment,
        checked.index,
        at,
        Level.OBSERVED if observed else Level.CHECKPOINTED,
        proof,
        checked.checkpoint.size,
        checked.cosignatures,
    )


def check_refusal(
    note: str | bytes, trust: Trust, commitment: bytes | None = None
) -> SignedRefusal:
    """The refusal that the hub signed, of the body with this commitment if one is given.

    Raises `BadEvidence`, also without a refusal key to check with.
    """
    if trust.refusal is None:
        raise BadEvidence("no refusal key is pinned")
    try:
        text = open_note(note, [trust.refusal]).text
    except BadNote as error:
        raise BadEvidence(f"the refusal: {error}") from None
    refusal = parse_refusal(text)
    if refusal.origin != trust.origin:
        raise BadEvidence("the refusal is of another log")
    if commitment is not None and refusal.commitment != commitment:
        raise BadEvidence("the refusal is of another event")
    return refusal


def parse_refusal(text: str) -> SignedRefusal:
    """What the seven lines of a refusal say, unverified; raises `BadEvidence`."""
    lines = text.split("\n")
    if len(lines) != 8 or lines[0] != REFUSAL_HEADER or lines[7]:
        raise BadEvidence(f"the refusal: not the seven lines of {REFUSAL_HEADER}")
    _, origin, size_text, commitment_text, at_text, code, path, _ = lines
    size = decode_decimal(size_text)
    try:
        refusal = SignedRefusal(
            origin,
            -1 if size is None else size,
            unb64u(commitment_text),
            parse_time(at_text),
            Refusal(code),
            "" if path == "-" else path,
        )
    except ValueError as error:
        raise BadEvidence(f"the refusal: {error}") from None
    if size is None or len(refusal.commitment) != 32 or not path:
        raise BadEvidence("the refusal: a line has no meaning")
    return refusal
