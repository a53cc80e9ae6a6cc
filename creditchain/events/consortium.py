"""How a consortium begins and which law it lives under.

PURE.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.field import Label, MemberId, Positive, Region, VerifierKey
from creditchain.events.key import PublicKey


@dataclass(frozen=True, slots=True)
class Founder:
    """A member that the founding itself admits, with the first key that speaks for it."""

    member: MemberId
    name: Label
    region: Region
    key: PublicKey


@dataclass(frozen=True, slots=True)
class ConsortiumFounded:
    """The first event of a log, signed by the regulator named in it: the root of all trust.

    Its commitment is what a participant pins. `log_key` signs checkpoints, `refusal_key` signs
    refusals; both are C2SP verifier keys and belong to the operator's hub.
    """

    name: Label
    regulator: Founder
    operator: Founder
    log_key: VerifierKey
    refusal_key: VerifierKey
    rulebook: Positive


@dataclass(frozen=True, slots=True)
class RulebookAdopted:
    """From the next event on, the law of `version` decides. Signed by the regulator."""

    version: Positive
