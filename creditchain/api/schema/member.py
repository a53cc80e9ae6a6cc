"""The consortium, its members, their officers and keys."""

from __future__ import annotations

from collections.abc import Sequence

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.field import Info, many, maybe, one
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.value import Key
from creditchain.rulebook import record


class Consortium(graphene.ObjectType):
    """The consortium: who runs it, who watches it, and its law in force."""

    name = one(scalar.Label, "Its name.")
    log = one(scalar.Origin, "The origin of its log.")
    regulator = one(lambda: Member, "The regulator, root of all trust.")
    operator = one(lambda: Member, "The member that runs the hub.")
    rulebook = one(scalar.Positive, "The version of the law in force.")
    log_key = one(scalar.VerifierKey, "The C2SP verifier key of checkpoints.")
    refusal_key = one(scalar.VerifierKey, "The C2SP verifier key of signed refusals.")
    founded_at = one(scalar.Timestamp, "When it was founded.")

    async def resolve_regulator(consortium: record.Consortium, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, consortium.regulator)

    async def resolve_operator(consortium: record.Consortium, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, consortium.operator)


class Member(graphene.ObjectType):
    """An institution of the consortium."""

    id = one(scalar.MemberId, "Its short name.")
    kind = one(CODES[codes.MemberKind], "What it does on the chain.")
    name = one(scalar.Label, "Its registered name.")
    region = one(scalar.Region, "GB/T 2260 code of its region.")
    standing = one(CODES[record.Standing], "Whether it may act.")
    filing = maybe(scalar.Label, "Its filing number with the supervisor.")
    admitted_at = one(scalar.Timestamp, "When it joined.")
    changed_at = one(scalar.Timestamp, "When its standing last changed.")
    keys = many(Key, "Its own keys, the oldest first; at most 100.")

    async def resolve_keys(member: record.Member, info: Info) -> Sequence[record.Key]:
        return await info.context.keys_of(member.id)


class Officer(graphene.ObjectType):
    """A person acting for a member; the name is for that member only."""

    id = one(scalar.OfficerId, "An opaque id.")
    member = one(Member, "The member the officer acts for.")
    roles = many(CODES[codes.Role], "What the officer may do.")
    name = maybe(scalar.Label, "The name, for the officer's own member.")
    identity = one(scalar.Digest, "Salted fingerprint of the directory row.")
    appointed_at = one(scalar.Timestamp, "When the member endorsed the officer.")
    dismissed_at = maybe(scalar.Timestamp, "When the member ended it.")
    keys = many(Key, "The officer's keys, the oldest first; at most 100.")

    async def resolve_member(officer: record.Officer, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, officer.member)

    async def resolve_name(officer: record.Officer, info: Info) -> str | None:
        return await info.context.name_of(officer)

    async def resolve_keys(officer: record.Officer, info: Info) -> Sequence[record.Key]:
        return await info.context.keys_of(officer.id)
