"""Enums of this door alone, beside those that every door shares."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from creditchain.querying.code import CODES, enum_of
from creditchain.rulebook import refusal

__all__ = ["CODES", "ReceiptLevel", "ReceiptLevels", "RefusalCode"]


def _sentence(value: StrEnum) -> str | None:
    sentence = refusal.SENTENCES.get(value) if isinstance(value, refusal.Refusal) else None
    return sentence.en if sentence else None


RefusalCode: Final = enum_of(refusal.Refusal, "RefusalCode", _sentence)


class ReceiptLevels(StrEnum):
    """How far an event has come: has an index, is under a signed checkpoint, was cosigned.

    `SEQUENCED`: durable, has its index. `CHECKPOINTED`: the log signed a checkpoint that includes
    it. `OBSERVED`: the regulator's observer cosigned such a checkpoint.
    """

    SEQUENCED = "SEQUENCED"
    CHECKPOINTED = "CHECKPOINTED"
    OBSERVED = "OBSERVED"


ReceiptLevel: Final = enum_of(ReceiptLevels, "ReceiptLevel")
