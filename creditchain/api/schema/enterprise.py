"""Enterprises: subjects of reports and grantors of consents."""

from __future__ import annotations

from collections.abc import Sequence

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.field import Info, maybe, maybe_many, one
from creditchain.api.schema.member import Member
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.value import Key
from creditchain.rulebook import record


class Enterprise(graphene.ObjectType):
    """An enterprise under its opaque id; name and code are for those in relation only."""

    id = one(scalar.EnterpriseId, "An opaque id.")
    vouched_by = one(Member, "The member that enrolled it.")
    region = one(scalar.Region, "GB/T 2260 code of its region.")
    identity = one(scalar.Digest, "Salted fingerprint of the directory row.")
    enrolled_at = one(scalar.Timestamp, "When it was enrolled.")
    form = maybe(CODES[codes.LegalForm], "What it is in law, if that was said.")
    name = maybe(scalar.Label, "The registered name, for those in relation; the look is recorded.")
    uscc = maybe(
        scalar.Uscc,
        "The Unified Social Credit Code, for those in relation; the look is recorded.",
    )
    keys = maybe_many(Key, "The keys that authorise for it, for those in relation; at most 100.")

    async def resolve_vouched_by(enterprise: record.Enterprise, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, enterprise.vouched_by)

    async def resolve_name(enterprise: record.Enterprise, info: Info) -> str | None:
        return await info.context.name_of(enterprise)

    async def resolve_uscc(enterprise: record.Enterprise, info: Info) -> str | None:
        return await info.context.uscc_of(enterprise)

    async def resolve_keys(
        enterprise: record.Enterprise, info: Info
    ) -> Sequence[record.Key] | None:
        if not await info.context.may_read_field(enterprise, "keys"):
            return None
        return await info.context.keys_of(enterprise.id)


class Access(graphene.ObjectType):
    """One look: who read what about whom, and for which order or inspection case."""

    at = one(scalar.Timestamp, "When.")
    actor = one(scalar.ActorId, "Who looked.")
    member = maybe(Member, "For which member.")
    what = one(graphene.String, "What was read: directory, report or body.")
    subject = one(graphene.String, "Whom or what it was about.")
    order = maybe(scalar.EventId, "The order it was for.")
    case = maybe(scalar.EventId, "The inspection case it was made in.")

    async def resolve_member(access: object, info: Info) -> record.Member | None:
        member: str | None = getattr(access, "member", None)
        return None if member is None else await info.context.read(record.Member, member)
