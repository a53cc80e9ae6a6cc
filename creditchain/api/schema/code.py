"""Enums: the closed lists of the events and records, under their own names."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import graphene

from creditchain.events import codes
from creditchain.rulebook import record, refusal


def _enum(members: type[StrEnum], name: str | None = None) -> Any:
    text = " ".join((members.__doc__ or "").split())

    def describe(value: StrEnum | None) -> str | None:
        if value is None:
            return text
        sentence = refusal.SENTENCES.get(value) if isinstance(value, refusal.Refusal) else None
        return sentence.en if sentence else None

    return graphene.Enum.from_enum(members, description=describe, name=name)


CODES: Final[dict[type[StrEnum], Any]] = {
    members: _enum(members)
    for members in (
        codes.MemberKind,
        codes.Role,
        codes.KeyUse,
        codes.Purpose,
        codes.Section,
        codes.SuspensionGround,
        codes.RevocationReason,
        codes.RefusalReason,
        codes.LawfulGround,
        codes.DeclineCode,
        codes.Outcome,
        codes.MissingCode,
        codes.DisputeCode,
        codes.CreditDecision,
        codes.SupersedeReason,
        codes.ObjectionOutcome,
        codes.ErasureGround,
        codes.LegalForm,
        codes.Severity,
        codes.FindingReply,
        codes.FindingOutcome,
        codes.CaseMatter,
        codes.LookGround,
        record.Standing,
        record.ConsentStatus,
        record.OrderStatus,
        record.ObjectionStatus,
        record.FindingStatus,
        record.CaseStatus,
    )
}
"""Each code list with its GraphQL enum, for inputs generated from event classes."""

RefusalCode: Final = _enum(refusal.Refusal, "RefusalCode")


class ReceiptLevels(StrEnum):
    """How far an event has come: has an index, is under a signed checkpoint, was cosigned.

    `SEQUENCED`: durable, has its index. `CHECKPOINTED`: the log signed a checkpoint that includes
    it. `OBSERVED`: the regulator's observer cosigned such a checkpoint.
    """

    SEQUENCED = "SEQUENCED"
    CHECKPOINTED = "CHECKPOINTED"
    OBSERVED = "OBSERVED"


ReceiptLevel: Final = _enum(ReceiptLevels, "ReceiptLevel")
