"""What agencies sell."""

from __future__ import annotations

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.field import Info, many, maybe, one
from creditchain.api.schema.member import Member
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.value import Money
from creditchain.rulebook import record


class Product(graphene.ObjectType):
    """A report an agency offers."""

    id = one(scalar.ProductId, "agency/name.")
    agency = one(Member, "The agency that offers it.")
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
        return await info.context.read(record.Member, product.agency)
