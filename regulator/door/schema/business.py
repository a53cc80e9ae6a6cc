"""Consents, orders and what became of them, record batches, objections, erasures."""

from __future__ import annotations

from collections.abc import Sequence

import graphene

from creditchain.events import codes
from creditchain.events.consent import Terms as TermsValue
from creditchain.querying import scalar
from creditchain.querying.code import CODES
from creditchain.querying.value import DeliveredSection, Ground, Money
from creditchain.rulebook import record
from regulator.door.schema.field import Info, entries_page, many, maybe, maybe_many, one
from regulator.door.schema.log import Entry
from regulator.door.schema.member import Enterprise, Member, Officer, Product


class Terms(graphene.ObjectType):
    """What exactly is permitted."""

    purpose = one(CODES[codes.Purpose], "Why reports may be asked for.")
    agencies = many(Member, "The agencies that may be asked.")
    sections = many(CODES[codes.Section], "The sections that may be delivered.")
    valid_from = one(scalar.Timestamp, "From this time on.")
    valid_until = one(scalar.Timestamp, "Up to, not including, this time.")
    uses_max = one(scalar.Positive, "How many orders may rest on it.")

    async def resolve_agencies(terms: TermsValue, info: Info) -> Sequence[record.Member]:
        return await info.context.records(record.Member, terms.agencies)


class Consent(graphene.ObjectType):
    """A consent: the terms are those granted, before that those requested."""

    id = one(scalar.EventId, "The id of the event that requested it.")
    enterprise = maybe(Enterprise, "The grantor.")
    grantee = maybe(Member, "The member that may order.")
    requested_by = one(scalar.ActorId, "The officer that asked.")
    terms = one(Terms, "What is permitted.")
    status = one(CODES[record.ConsentStatus], "Where it stands.")
    uses = one(scalar.Count, "How many orders rest on it.")
    requested_at = one(scalar.Timestamp, "When it was requested.")
    changed_at = one(scalar.Timestamp, "When its status last changed.")

    async def resolve_enterprise(consent: record.Consent, info: Info) -> record.Enterprise | None:
        return await info.context.record(record.Enterprise, consent.enterprise)

    async def resolve_grantee(consent: record.Consent, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, consent.grantee)


class SealedReport(graphene.ObjectType):
    """What the log says of a sealed report; what is in it only the orderer can read."""

    fingerprint = one(scalar.Digest, "Salted fingerprint of the plaintext.")
    ciphertext = one(scalar.Digest, "SHA-256 of the sealed bytes.")
    size = one(scalar.Positive, "Number of sealed bytes.")
    media_type = one(scalar.MediaType, "Media type of the plaintext.")
    schema = one(scalar.SchemaId, "The JSON Schema of the plaintext.")
    sealed_to = one(scalar.Thumbprint, "The orderer's key it is sealed to.")


def _timeline(
    order: record.Order, info: Info, first: int | None = None, after: str | None = None
) -> object:
    return info.context.timeline(order, first, after)


class Order(graphene.ObjectType):
    """An order for a report, and all that became of it; times are null until they happen."""

    id = one(scalar.EventId, "The id of the event that placed it.")
    status = one(CODES[record.OrderStatus], "Where it stands.")
    orderer = maybe(Member, "The member that ordered.")
    officer = maybe(Officer, "The officer that ordered.")
    enterprise = maybe(Enterprise, "The subject.")
    agency = maybe(Member, "The agency that is asked.")
    product = maybe(Product, "What was ordered.")
    purpose = one(CODES[codes.Purpose], "Why.")
    sections = many(CODES[codes.Section], "The sections ordered.")
    consent = maybe(Consent, "The consent it rests on.")
    ground = maybe(Ground, "The ground of law it rests on.")
    approved_by = maybe(scalar.OfficerId, "The second officer, for an order on a ground of law.")
    seal_to = one(scalar.Thumbprint, "The orderer's key to which the report must be sealed.")
    price = one(Money, "The price.")
    placed_at = one(scalar.Timestamp, "When it was placed.")
    due_at = one(scalar.Timestamp, "When it lapses if unanswered.")
    changed_at = one(scalar.Timestamp, "When it last changed.")
    accepted_at = maybe(scalar.Timestamp, "When the agency accepted.")
    decline_code = maybe(CODES[codes.DeclineCode], "Why the agency declined.")
    delivered_at = maybe(scalar.Timestamp, "When the agency delivered.")
    outcome = maybe(CODES[codes.Outcome], "What the delivery brought.")
    report = maybe(SealedReport, "The sealed report.")
    delivered_sections = maybe_many(DeliveredSection, "The sections delivered.")
    acknowledged_at = maybe(scalar.Timestamp, "When the orderer confirmed what it opened.")
    dispute_code = maybe(CODES[codes.DisputeCode], "What the orderer found wrong.")
    disputed_at = maybe(scalar.Timestamp, "When it said so.")
    decision = maybe(CODES[codes.CreditDecision], "The lending decision.")
    amount = maybe(Money, "The amount granted.")
    decided_at = maybe(scalar.Timestamp, "When it was decided.")
    timeline = entries_page(
        Entry,
        "The entries that speak of it, in order, up to the one that changed it last. An entry "
        "whose body was erased does not speak of anything any more.",
        _timeline,
    )

    async def resolve_orderer(order: record.Order, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, order.orderer)

    async def resolve_officer(order: record.Order, info: Info) -> record.Officer | None:
        return await info.context.record(record.Officer, order.officer)

    async def resolve_enterprise(order: record.Order, info: Info) -> record.Enterprise | None:
        return await info.context.record(record.Enterprise, order.enterprise)

    async def resolve_agency(order: record.Order, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, order.agency)

    async def resolve_product(order: record.Order, info: Info) -> record.Product | None:
        return await info.context.record(record.Product, order.product)

    async def resolve_consent(order: record.Order, info: Info) -> record.Consent | None:
        return await info.context.record(record.Consent, order.consent)


class RecordBatch(graphene.ObjectType):
    """One Merkle root over many salted record fingerprints; says nothing about any subject."""

    id = one(scalar.EventId, "The id of the event that committed it.")
    member = maybe(Member, "Whose records.")
    root = one(scalar.Digest, "RFC 6962 root over the fingerprints.")
    count = one(scalar.RecordCount, "How many records.")
    sections = many(CODES[codes.Section], "The sections they belong to.")
    as_of = one(scalar.Timestamp, "The time at which they were true.")
    committed_at = one(scalar.Timestamp, "When they were committed.")
    superseded_at = maybe(scalar.Timestamp, "From when on they may not be cited.")
    replacement = maybe(scalar.EventId, "The batch that stands in their place.")

    async def resolve_member(batch: record.RecordBatch, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, batch.member)


class Objection(graphene.ObjectType):
    """An objection to a section, and its answer; the words are not here."""

    id = one(scalar.EventId, "The id of the event that raised it.")
    enterprise = maybe(Enterprise, "Who objects.")
    holder = maybe(Member, "Who holds the section.")
    section = one(CODES[codes.Section], "The section objected to.")
    order = maybe(scalar.EventId, "The order whose report showed it.")
    status = one(CODES[record.ObjectionStatus], "Whether the holder has answered.")
    outcome = maybe(CODES[codes.ObjectionOutcome], "The answer.")
    raised_at = one(scalar.Timestamp, "When it was raised.")
    answered_at = maybe(scalar.Timestamp, "When it was answered.")

    async def resolve_enterprise(
        objection: record.Objection, info: Info
    ) -> record.Enterprise | None:
        return await info.context.record(record.Enterprise, objection.enterprise)

    async def resolve_holder(objection: record.Objection, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, objection.holder)


class Erasure(graphene.ObjectType):
    """Content that is lawfully gone."""

    id = one(graphene.String, "body/INDEX, directory/SUBJECT or report/ORDER.")
    ground = one(CODES[codes.ErasureGround], "The legal ground.")
    erased_at = one(scalar.Timestamp, "When the erasure was admitted.")
    commitment = maybe(scalar.Digest, "The commitment of an erased body.")
