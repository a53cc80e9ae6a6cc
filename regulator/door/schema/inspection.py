"""Inspection cases and the looks within them; what a look showed is not kept anywhere."""

from __future__ import annotations

import graphene

from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.code import CODES
from creditchain.rulebook import record
from regulator.door.schema.field import Info, entries_page, many, maybe, maybe_many, one
from regulator.door.schema.member import Member


class Look(graphene.ObjectType):
    """One look of an inspector at who stands behind opaque ids."""

    id = one(scalar.EventId, "The id of the event that says so.")
    officer = one(scalar.OfficerId, "Who looked.")
    subjects = many(scalar.ActorId, "The officers and enterprises that were named.")
    ground = one(CODES[codes.LookGround], "Why.")
    objections = maybe_many(scalar.EventId, "The objections whose words were read.")
    looked_at = one(scalar.Timestamp, "When.")


def _looks(
    case: record.Case, info: Info, first: int | None = None, after: str | None = None
) -> object:
    return info.context.page(record.Look, first, after, {"case": case.id})


class Case(graphene.ObjectType):
    """An inspection of a member."""

    id = one(scalar.EventId, "The id of the event that opened it.")
    notice = one(scalar.Label, "Number of the notice of inspection.")
    member = maybe(Member, "The member inspected.")
    matter = one(CODES[codes.CaseMatter], "What it is about.")
    status = one(CODES[record.CaseStatus], "Where it stands.")
    findings = maybe_many(scalar.Digest, "Ids of the findings it follows up.")
    opened_by = one(scalar.OfficerId, "The officer that opened it.")
    opened_at = one(scalar.Timestamp, "When it was opened.")
    approved_by = maybe(scalar.OfficerId, "The second officer.")
    approved_at = maybe(scalar.Timestamp, "When it was approved.")
    closed_at = maybe(scalar.Timestamp, "When it was closed.")
    look_count = one(scalar.Count, "How many looks there were.")
    looks = entries_page(Look, "The looks, the oldest first.", _looks)

    async def resolve_member(case: record.Case, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, case.member)

    def resolve_look_count(case: record.Case, info: Info) -> int:
        return case.looks


class Asking(graphene.ObjectType):
    """What was asked of a member about a finding, and what it said; the words are not here."""

    id = one(scalar.EventId, "The id of the event that asked.")
    member = maybe(Member, "The member that must answer.")
    status = one(CODES[record.FindingStatus], "How far it has come.")
    earlier = maybe(scalar.EventId, "The asking that this one takes up again.")
    asked_at = one(scalar.Timestamp, "When it was asked.")
    answer_by = one(scalar.Timestamp, "Until when the member must answer.")
    reply = maybe(CODES[codes.FindingReply], "What the member says to it.")
    answered_at = maybe(scalar.Timestamp, "When the member last answered.")
    outcome = maybe(CODES[codes.FindingOutcome], "How the regulator closed it.")
    closed_at = maybe(scalar.Timestamp, "When it was closed.")
    contested_at = maybe(scalar.Timestamp, "When the member contested how it was closed.")

    async def resolve_member(asking: record.Finding, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, asking.member)
