"""Entries of the log, with the proof that they are on it."""

from __future__ import annotations

import graphene

from creditchain.querying import scalar
from creditchain.rulebook import record
from regulator.door.entry import LoggedEntry
from regulator.door.inquiry import member_of
from regulator.door.schema.field import Info, maybe, one
from regulator.door.schema.member import Member


class Entry(graphene.ObjectType):
    """An entry of our copy; what it does not say, or says in a way nobody can read, is null."""

    index = one(scalar.Count, "Its index in the log.")
    at = maybe(scalar.Timestamp, "When it was admitted, as the entry says.")
    commitment = maybe(scalar.Digest, "SHA-256 of its body, as the entry says.")
    id = maybe(graphene.String, "The id of the event in it.")
    type = maybe(graphene.String, "The event's type, such as OrderPlaced.")
    by = maybe(graphene.String, "Who signed the event.")
    member = maybe(Member, "The member that signed, or whose officer did; null for an enterprise.")
    signed_at = maybe(scalar.Timestamp, "When the signer says that it was signed.")
    body = maybe(
        graphene.String,
        "Event and proof of authorship as they were committed to, canonical JSON; null when the "
        "body was erased or never seen.",
    )
    proof = maybe(
        graphene.String,
        "The .tlog-proof text under the newest checkpoint that we cosigned and hold to its end; "
        "null until one reaches the entry.",
    )

    async def resolve_member(entry: LoggedEntry, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, await member_of(info.context, entry.by))

    async def resolve_proof(entry: LoggedEntry, info: Info) -> str | None:
        return await info.context.proof_of(entry.index)
