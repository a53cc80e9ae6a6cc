"""Inspection cases, the looks within them, and what a look shows."""

from __future__ import annotations

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.field import Info, many, maybe, maybe_many, one
from creditchain.api.schema.member import Member
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.connection import connection_of, page_arguments
from creditchain.rulebook import record


class Look(graphene.ObjectType):
    """One look of an inspector at who stands behind opaque ids; what was shown is not kept."""

    id = one(scalar.EventId, "The id of the event that says so.")
    officer = one(scalar.OfficerId, "Who looked.")
    subjects = many(scalar.ActorId, "The officers and enterprises that were named.")
    ground = one(CODES[codes.LookGround], "Why.")
    objections = maybe_many(scalar.EventId, "The objections whose words were read.")
    looked_at = one(scalar.Timestamp, "When.")


class Case(graphene.ObjectType):
    """An inspection of a member; the member sees it, with every look in it, once it is closed."""

    id = one(scalar.EventId, "The id of the event that opened it.")
    notice = one(scalar.Label, "Number of the notice of inspection.")
    member = one(Member, "The member inspected.")
    matter = one(CODES[codes.CaseMatter], "What it is about.")
    status = one(CODES[record.CaseStatus], "Where it stands.")
    findings = maybe_many(scalar.Digest, "Digests of the findings it follows up.")
    opened_by = one(scalar.OfficerId, "The officer that opened it.")
    opened_at = one(scalar.Timestamp, "When it was opened.")
    approved_by = maybe(scalar.OfficerId, "The second officer.")
    approved_at = maybe(scalar.Timestamp, "When it was approved.")
    closed_at = maybe(scalar.Timestamp, "When it was closed.")
    look_count = one(scalar.Count, "How many looks there were.")
    looks = one(connection_of(Look, "Look"), "The looks, the oldest first.", args=page_arguments())

    async def resolve_member(case: record.Case, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, case.member)

    def resolve_look_count(case: record.Case, info: Info) -> int:
        return case.looks

    async def resolve_looks(
        case: record.Case, info: Info, first: int | None = None, after: str | None = None
    ) -> object:
        return await info.context.looks_in(case, first, after)


class Identity(graphene.ObjectType):
    """Who stands behind an opaque id; `salt` and the fingerprint on the log prove it."""

    subject = one(scalar.ActorId, "The officer or enterprise.")
    name = maybe(scalar.Label, "The name; null when it was erased.")
    uscc = maybe(scalar.Uscc, "The Unified Social Credit Code of an enterprise.")
    salt = maybe(scalar.Salt, "The salt of the fingerprint.")
    identity = one(scalar.Digest, "Salted fingerprint of the directory row, as on the log.")


class ObjectionWords(graphene.ObjectType):
    """The words of an objection and of its answer."""

    id = one(scalar.EventId, "The objection.")
    statement = maybe(graphene.String, "The words of the objection; null when they were erased.")
    answer = maybe(graphene.String, "The words of the answer, if there is one.")
