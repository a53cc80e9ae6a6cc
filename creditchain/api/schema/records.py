"""Commitments of data sources to their records."""

from __future__ import annotations

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.field import Info, many, maybe, one
from creditchain.api.schema.member import Member
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.rulebook import record


class RecordBatch(graphene.ObjectType):
    """One Merkle root over many salted record fingerprints; says nothing about any subject."""

    id = one(scalar.EventId, "The id of the event that committed it.")
    member = one(Member, "Whose records.")
    root = one(scalar.Digest, "RFC 6962 root over the fingerprints.")
    count = one(scalar.RecordCount, "How many records.")
    sections = many(CODES[codes.Section], "The sections they belong to.")
    as_of = one(scalar.Timestamp, "The time at which they were true.")
    committed_at = one(scalar.Timestamp, "When they were committed.")
    superseded_at = maybe(scalar.Timestamp, "From when on they may not be cited.")
    replacement = maybe(scalar.EventId, "The batch that stands in their place.")

    async def resolve_member(batch: record.RecordBatch, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, batch.member)
