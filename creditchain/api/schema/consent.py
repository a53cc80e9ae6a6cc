"""Consents, from request to end."""

from __future__ import annotations

from collections.abc import Sequence

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.enterprise import Enterprise
from creditchain.api.schema.field import Info, many, maybe, one
from creditchain.api.schema.member import Member, Officer
from creditchain.events import codes
from creditchain.events.consent import Terms as TermsValue
from creditchain.querying import scalar
from creditchain.rulebook import record


class Terms(graphene.ObjectType):
    """What exactly is permitted."""

    grantee = one(Member, "The member that may order.")
    purpose = one(CODES[codes.Purpose], "Why reports may be asked for.")
    agencies = many(Member, "The agencies that may be asked.")
    sections = many(CODES[codes.Section], "The sections that may be delivered.")
    valid_from = one(scalar.Timestamp, "From this time on.")
    valid_until = one(scalar.Timestamp, "Up to, not including, this time.")
    uses_max = one(scalar.Positive, "How many orders may rest on it.")

    async def resolve_grantee(terms: TermsValue, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, terms.grantee)

    async def resolve_agencies(terms: TermsValue, info: Info) -> Sequence[record.Member]:
        return await info.context.read_many(record.Member, terms.agencies)


class Consent(graphene.ObjectType):
    """A consent: the terms are those granted, before that those requested."""

    id = one(scalar.EventId, "The id of the event that requested it.")
    enterprise = one(Enterprise, "The grantor.")
    grantee = one(Member, "The member that may order.")
    requested_by = one(scalar.ActorId, "The officer that asked.")
    officer = maybe(Officer, "The officer that asked, for the grantee itself and the regulator.")
    terms = one(Terms, "What is permitted.")
    status = one(CODES[record.ConsentStatus], "Where it stands.")
    uses = one(scalar.Count, "How many orders rest on it.")
    requested_at = one(scalar.Timestamp, "When it was requested.")
    changed_at = one(scalar.Timestamp, "When its status last changed.")

    async def resolve_enterprise(consent: record.Consent, info: Info) -> record.Enterprise | None:
        return await info.context.load(record.Enterprise, consent.enterprise)

    async def resolve_grantee(consent: record.Consent, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, consent.grantee)

    async def resolve_officer(consent: record.Consent, info: Info) -> record.Officer | None:
        return await info.context.read(record.Officer, consent.requested_by)
