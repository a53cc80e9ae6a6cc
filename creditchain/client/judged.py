"""What judging an evidence bundle gives: every fact that was shown, and nothing that was not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from creditchain.client.evidence import Trust, commitment_of
from creditchain.client.key_chain import KeyChain
from creditchain.events import Event, b64u, format_time
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.membership import MemberAdmitted
from creditchain.events.order import OrderPlaced
from creditchain.tlog.policy import NO_QUORUM, Policy
from creditchain.tlog.tlogproof import CheckedProof


@dataclass(frozen=True, slots=True)
class Pins:
    """What a reader was given by others than the bundle's maker; None: nothing to compare with.

    `founding` is the commitment of entry 0, `policy` says whose cosignatures count.
    """

    founding: bytes | None = None
    policy: Policy | None = None

    @classmethod
    def of_trust(cls, trust: Trust | None, genesis: bytes | None = None) -> Pins:
        """The pins that follow from what an institution trusts and its founding's body."""
        founding = None if genesis is None else commitment_of(genesis)
        cosigned = trust is not None and (trust.policy.witnesses or genesis is None)
        return cls(founding, trust.policy if trust is not None and cosigned else None)


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """An event that was proven to be on the log. `event` is None where the body was erased.

    `trail` are the entries that lead from its signer's key to the founding; empty where the author
    is unshown or the body erased.
    """

    index: int
    at: int
    event: Event | None
    proof: CheckedProof
    kid: str = ""
    trail: tuple[int, ...] = ()

    @property
    def author(self) -> str:
        """Whether the bundle shows who said it."""
        return "ERASED" if self.event is None else "SHOWN" if self.trail else "UNSHOWN"


@dataclass(slots=True)
class Judged:
    """All that a bundle's events have shown."""

    log: str
    order: str
    maker: str
    policy: Policy
    policy_digest: str
    pins: Pins
    founding: bytes
    chain: KeyChain = field(default_factory=KeyChain)
    events: list[JudgedEvent] = field(default_factory=list)
    absent: list[dict[str, str]] = field(default_factory=list)

    @property
    def checkpoints(self) -> list[CheckedProof]:
        """The checkpoints the receipts carry, the smallest first."""
        found = {e.proof.checkpoint.size: e.proof for e in self.events}
        return [found[size] for size in sorted(found)]

    def house_of(self, actor: str) -> str:
        """The member that an actor speaks for, or that vouches for it; itself where unknown."""
        known = self.chain.actors.get(actor)
        return actor if known is None else known.under

    def names(self) -> dict[str, str]:
        """The names of the members that were admitted here."""
        names: dict[str, str] = {}
        for judged in self.events:
            body = None if judged.event is None else judged.event.body
            if isinstance(body, ConsortiumFounded):
                names |= {f.member: f.name for f in (body.regulator, body.operator)}
            elif isinstance(body, MemberAdmitted):
                names[body.member] = body.name
        return names

    def parties(self) -> dict[str, str]:
        """The institutions and the enterprise of the order, by what they are in it."""
        for judged in self.events:
            event = judged.event
            if event is not None and event.id == self.order and isinstance(event.body, OrderPlaced):
                return {
                    "orderer": self.house_of(event.by),
                    "agency": event.body.product.partition("/")[0],
                    "enterprise": event.body.enterprise,
                }
        return {}

    @property
    def by_regulator(self) -> bool:
        """Whether the maker is the regulator or one of its officers."""
        actor = self.chain.actors.get(self.maker)
        return actor is not None and actor.under == self.chain.regulator

    def to_json(self) -> dict[str, Any]:
        """The facts, as every verifier prints them."""
        return {
            "log": self.log,
            "founding": b64u(self.founding),
            "foundingPinned": self.pins.founding is not None,
            "policy": self.policy_digest,
            "policyPinned": self.pins.policy is not None,
            "quorum": self.policy.quorum != NO_QUORUM,
            "order": self.order,
            "maker": self.maker,
            "makerIsRegulator": self.by_regulator,
            "events": [_event_json(e) for e in self.events],
            "checkpoints": [
                {
                    "size": proof.checkpoint.size,
                    "root": b64u(proof.checkpoint.root),
                    "cosignatures": [
                        {"name": c.name, "at": format_time(c.time_s * 1000)}
                        for c in proof.cosignatures
                    ],
                }
                for proof in self.checkpoints
            ],
            "erased": [e.index for e in self.events if e.author == "ERASED"],
            "unshown": [e.index for e in self.events if e.author == "UNSHOWN"],
            "absent": self.absent,
        }


def _event_json(judged: JudgedEvent) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "index": judged.index,
        "at": format_time(judged.at),
        "author": judged.author,
    }
    event = judged.event
    if event is not None:
        facts |= {
            "type": event.type,
            "by": event.by,
            "signedAt": format_time(event.signed_at),
            "trail": list(judged.trail),
        }
    return facts
