"""Objections of an enterprise, and lawful erasures."""

from __future__ import annotations

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.enterprise import Enterprise
from creditchain.api.schema.field import Info, maybe, one
from creditchain.api.schema.member import Member
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.rulebook import record


class Objection(graphene.ObjectType):
    """An objection to a section, and its answer; the words are in the directory."""

    id = one(scalar.EventId, "The id of the event that raised it.")
    enterprise = one(Enterprise, "Who objects.")
    holder = one(Member, "Who holds the section.")
    section = one(CODES[codes.Section], "The section objected to.")
    order = maybe(scalar.EventId, "The order whose report showed it.")
    status = one(CODES[record.ObjectionStatus], "Whether the holder has answered.")
    outcome = maybe(CODES[codes.ObjectionOutcome], "The answer.")
    statement = maybe(
        graphene.String, "The words of the objection, not for the regulator; the look is recorded."
    )
    answer = maybe(
        graphene.String, "The words of the answer, not for the regulator; the look is recorded."
    )
    raised_at = one(scalar.Timestamp, "When it was raised.")
    answered_at = maybe(scalar.Timestamp, "When it was answered.")

    async def resolve_enterprise(
        objection: record.Objection, info: Info
    ) -> record.Enterprise | None:
        return await info.context.load(record.Enterprise, objection.enterprise)

    async def resolve_holder(objection: record.Objection, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, objection.holder)

    async def resolve_statement(objection: record.Objection, info: Info) -> str | None:
        return await info.context.statement_of(objection, answer=False)

    async def resolve_answer(objection: record.Objection, info: Info) -> str | None:
        return await info.context.statement_of(objection, answer=True)


class Erasure(graphene.ObjectType):
    """Content that is lawfully gone."""

    id = one(graphene.String, "body/INDEX, directory/SUBJECT or report/ORDER.")
    ground = one(CODES[codes.ErasureGround], "The legal ground.")
    erased_at = one(scalar.Timestamp, "When the erasure was admitted.")
    commitment = maybe(scalar.Digest, "The commitment of an erased body.")
