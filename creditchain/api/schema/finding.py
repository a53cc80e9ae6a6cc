"""Findings of the regulator's observer, as they are taken up with a member."""

from __future__ import annotations

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.field import Info, maybe, maybe_many, one
from creditchain.api.schema.member import Member
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.rulebook import record


class Finding(graphene.ObjectType):
    """A finding as it was asked of a member; the words of answers are in the directory."""

    id = one(scalar.EventId, "The id of the event that asked.")
    digest = one(scalar.Digest, "The observer's name for it, the same on every machine.")
    code = one(scalar.FindingLabel, "The observer's code for what it found.")
    member = one(Member, "The member that must answer.")
    severity = one(CODES[codes.Severity], "How heavy it weighs.")
    status = one(CODES[record.FindingStatus], "How far it has come.")
    entries = maybe_many(scalar.Count, "Indexes of the entries concerned; the first 256.")
    pack = maybe(scalar.Label, "The rule pack and its version.")
    earlier = maybe(scalar.EventId, "The asking that this one takes up again.")
    asked_at = one(scalar.Timestamp, "When it was asked.")
    answer_by = one(scalar.Timestamp, "Until when the member must answer.")
    changed_at = one(scalar.Timestamp, "When it last changed.")
    reply = maybe(CODES[codes.FindingReply], "What the member says to it.")
    statement = maybe(graphene.String, "The words of the answer; the look is recorded.")
    answered_at = maybe(scalar.Timestamp, "When the member last answered.")
    outcome = maybe(CODES[codes.FindingOutcome], "How the regulator closed it.")
    closed_at = maybe(scalar.Timestamp, "When it was closed.")
    contest = maybe(
        graphene.String, "The words by which the member contests that; the look is recorded."
    )
    contested_at = maybe(scalar.Timestamp, "When the member contested how it was closed.")

    async def resolve_member(finding: record.Finding, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, finding.member)

    async def resolve_statement(finding: record.Finding, info: Info) -> str | None:
        return await info.context.words_of(finding.answer)

    async def resolve_contest(finding: record.Finding, info: Info) -> str | None:
        return await info.context.words_of(finding.contest)
