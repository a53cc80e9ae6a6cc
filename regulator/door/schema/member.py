"""The consortium, its members, their officers, the enterprises, and their keys."""

from __future__ import annotations

from collections.abc import Sequence

import graphene

from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.code import CODES
from creditchain.querying.value import Key, Money
from creditchain.rulebook import record
from regulator.door.schema.field import Info, many, maybe, one


class Consortium(graphene.ObjectType):
    """The consortium: who runs it, who watches it, and its law in force."""

    name = one(scalar.Label, "Its name.")
    log = one(scalar.Origin, "The origin of its log.")
    regulator = maybe(lambda: Member, "The regulator, root of all trust.")
    operator = maybe(lambda: Member, "The member that runs the hub.")
    rulebook = one(scalar.Positive, "The version of the law in force.")
    log_key = one(scalar.VerifierKey, "The C2SP verifier key of checkpoints.")
    refusal_key = one(scalar.VerifierKey, "The C2SP verifier key of signed refusals.")
    founded_at = one(scalar.Timestamp, "When it was founded.")

    async def resolve_regulator(consortium: record.Consortium, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, consortium.regulator)

    async def resolve_operator(consortium: record.Consortium, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, consortium.operator)


class Member(graphene.ObjectType):
    """An institution of the consortium."""

    id = one(scalar.MemberId, "Its short name.")
    kind = one(CODES[codes.MemberKind], "What it does on the chain.")
    name = one(scalar.Label, "The institution's name, as on the log.")
    region = one(scalar.Region, "GB/T 2260 code of its region.")
    standing = one(CODES[record.Standing], "Whether it may act.")
    filing = maybe(scalar.Label, "Its filing number with the supervisor.")
    admitted_at = one(scalar.Timestamp, "When it joined.")
    changed_at = one(scalar.Timestamp, "When its standing last changed.")
    keys = many(Key, "Its own keys, the oldest first; at most 100.")

    async def resolve_keys(member: record.Member, info: Info) -> Sequence[record.Key]:
        return await info.context.keys_of(member.id)


class Officer(graphene.ObjectType):
    """A person acting for a member, under an opaque id; who it is only an inspection tells."""

    id = one(scalar.OfficerId, "An opaque id.")
    member = maybe(Member, "The member the officer acts for.")
    roles = many(CODES[codes.Role], "What the officer may do.")
    identity = one(scalar.Digest, "Salted fingerprint of the directory row.")
    appointed_at = one(scalar.Timestamp, "When the member endorsed the officer.")
    dismissed_at = maybe(scalar.Timestamp, "When the member ended it.")
    keys = many(Key, "The officer's keys, the oldest first; at most 100.")

    async def resolve_member(officer: record.Officer, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, officer.member)

    async def resolve_keys(officer: record.Officer, info: Info) -> Sequence[record.Key]:
        return await info.context.keys_of(officer.id)


class Enterprise(graphene.ObjectType):
    """An enterprise under its opaque id; who it is only an inspection tells."""

    id = one(scalar.EnterpriseId, "An opaque id.")
    vouched_by = maybe(Member, "The member that enrolled it.")
    region = one(scalar.Region, "GB/T 2260 code of its region.")
    identity = one(scalar.Digest, "Salted fingerprint of the directory row.")
    enrolled_at = one(scalar.Timestamp, "When it was enrolled.")
    form = maybe(CODES[codes.LegalForm], "What it is in law, if that was said.")
    keys = many(Key, "The keys that authorise for it, the oldest first; at most 100.")

    async def resolve_vouched_by(enterprise: record.Enterprise, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, enterprise.vouched_by)

    async def resolve_keys(enterprise: record.Enterprise, info: Info) -> Sequence[record.Key]:
        return await info.context.keys_of(enterprise.id)


class Product(graphene.ObjectType):
    """A report an agency offers."""

    id = one(scalar.ProductId, "agency/name.")
    agency = maybe(Member, "The agency that offers it.")
    name = one(scalar.Label, "Its name.")
    sections = many(CODES[codes.Section], "The sections it can hold.")
    purposes = many(CODES[codes.Purpose], "The purposes it may be ordered for.")
    price = one(Money, "The price of one report.")
    due_within_ms = one(
        scalar.Positive, "Milliseconds from admission within which an order is answered."
    )
    schema = one(scalar.SchemaId, "The JSON Schema of the report.")
    offered_at = one(scalar.Timestamp, "When it was offered.")
    withdrawn_at = maybe(scalar.Timestamp, "When it was withdrawn.")

    async def resolve_agency(product: record.Product, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, product.agency)
