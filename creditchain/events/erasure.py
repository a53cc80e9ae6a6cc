"""Lawful erasure: the log keeps the commitment and learns why the content is gone.

PURE. Nothing is erased without such an event; content missing without one is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import ErasureGround
from creditchain.events.field import ActorId, Count, Digest, EventId


@dataclass(frozen=True, slots=True)
class BodyErased:
    """The body of the entry at `index`, whose commitment this is, is deleted everywhere.

    Signed by the operator or the regulator.
    """

    index: Count
    commitment: Digest
    ground: ErasureGround


@dataclass(frozen=True, slots=True)
class DirectoryErased:
    """The directory row of an officer or an enterprise is deleted."""

    subject: ActorId
    ground: ErasureGround


@dataclass(frozen=True, slots=True)
class ReportErased:
    """The sealed report of an order is deleted from the vault."""

    order: EventId
    ground: ErasureGround
