"""Orders and what became of them."""

from __future__ import annotations

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.consent import Consent
from creditchain.api.schema.enterprise import Enterprise
from creditchain.api.schema.field import Info, many, maybe, maybe_many, one
from creditchain.api.schema.member import Member, Officer
from creditchain.api.schema.product import Product
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.value import DeliveredSection, Ground, Key, Money
from creditchain.rulebook import record


class SealedReport(graphene.ObjectType):
    """The sealed report as the vault holds it; fetch it from /reports/{order}."""

    fingerprint = one(scalar.Digest, "Salted fingerprint of the plaintext.")
    ciphertext = one(scalar.Digest, "SHA-256 of the sealed bytes.")
    size = one(scalar.Positive, "Number of sealed bytes.")
    media_type = one(scalar.MediaType, "Media type of the plaintext.")
    schema = one(scalar.SchemaId, "The JSON Schema of the plaintext.")
    sealed_to = one(scalar.Thumbprint, "The orderer's key it is sealed to.")


class Order(graphene.ObjectType):
    """An order for a report, and all that became of it; times are null until they happen."""

    id = one(scalar.EventId, "The id of the event that placed it.")
    status = one(CODES[record.OrderStatus], "Where it stands.")
    orderer = one(Member, "The member that ordered.")
    officer_id = one(scalar.OfficerId, "The officer that ordered.")
    officer = maybe(Officer, "The officer that ordered, for members.")
    enterprise = one(Enterprise, "The subject.")
    agency = one(Member, "The agency that is asked.")
    product = one(Product, "What was ordered.")
    purpose = one(CODES[codes.Purpose], "Why.")
    sections = many(CODES[codes.Section], "The sections ordered.")
    consent = maybe(Consent, "The consent it rests on.")
    ground = maybe(Ground, "The ground of law it rests on.")
    approved_by = maybe(scalar.OfficerId, "The second officer, for an order on a ground of law.")
    seal_to = one(scalar.Thumbprint, "The orderer's key to which the report must be sealed.")
    seal_key = maybe(Key, "That key, whole.")
    price = maybe(Money, "The price; not for the enterprise.")
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
    decision = maybe(CODES[codes.CreditDecision], "The lending decision; not for the agency.")
    amount = maybe(Money, "The amount granted; not for the agency.")
    decided_at = maybe(scalar.Timestamp, "When it was decided; not for the agency.")

    async def resolve_orderer(order: record.Order, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, order.orderer)

    def resolve_officer_id(order: record.Order, info: Info) -> str:
        return order.officer

    async def resolve_officer(order: record.Order, info: Info) -> record.Officer | None:
        return await info.context.read(record.Officer, order.officer)

    async def resolve_enterprise(order: record.Order, info: Info) -> record.Enterprise | None:
        return await info.context.load(record.Enterprise, order.enterprise)

    async def resolve_agency(order: record.Order, info: Info) -> record.Member | None:
        return await info.context.read(record.Member, order.agency)

    async def resolve_product(order: record.Order, info: Info) -> record.Product | None:
        return await info.context.read(record.Product, order.product)

    async def resolve_consent(order: record.Order, info: Info) -> record.Consent | None:
        if order.consent is None:
            return None
        return await info.context.read(record.Consent, order.consent)

    async def resolve_seal_key(order: record.Order, info: Info) -> record.Key | None:
        return await info.context.load(record.Key, f"{order.orderer}/{order.seal_to}")

    async def resolve_price(order: record.Order, info: Info) -> object:
        return await info.context.field_of(order, "price")

    async def resolve_decision(order: record.Order, info: Info) -> object:
        return await info.context.field_of(order, "decision")

    async def resolve_amount(order: record.Order, info: Info) -> object:
        return await info.context.field_of(order, "amount")

    async def resolve_decided_at(order: record.Order, info: Info) -> object:
        return await info.context.field_of(order, "decided_at")
