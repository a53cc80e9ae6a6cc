"""Enums: the closed lists of the events and records, under their own names."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

import graphene

from creditchain.events import codes
from creditchain.rulebook import record

Sentence = Callable[[StrEnum], str | None]


def enum_of(
    members: type[StrEnum], name: str | None = None, sentence: Sentence = lambda _: None
) -> Any:
    """The GraphQL enum of a code list; `sentence` says what a value means."""
    text = " ".join((members.__doc__ or "").split())

    def describe(value: StrEnum | None) -> str | None:
        return text if value is None else sentence(value)

    return graphene.Enum.from_enum(members, description=describe, name=name)


CODES: Final[dict[type[StrEnum], Any]] = {
    members: enum_of(members)
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
"""Each code list with its GraphQL enum."""
