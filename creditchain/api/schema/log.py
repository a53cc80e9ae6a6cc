"""The log as the API shows it: its head, an event, receipts, refusals and counters."""

from __future__ import annotations

from typing import Any

import graphene

from creditchain.api.schema.code import CODES, ReceiptLevel, RefusalCode
from creditchain.api.schema.field import Info, many, maybe, one
from creditchain.querying import scalar
from creditchain.querying.value import Money
from creditchain.rulebook import record


class Receipt(graphene.ObjectType):
    """Evidence that an event is on the log, checkable offline with the consortium's policy."""

    level = one(ReceiptLevel, "How far the event has come.")
    index = one(scalar.Count, "The index of its entry.")
    at = one(scalar.Timestamp, "When it was admitted, as its entry says.")
    proof = one(graphene.String, "The .tlog-proof text: inclusion proof and signed checkpoint.")


class RefusalNote(graphene.ObjectType):
    """Why an event was not admitted; the hub signs what it says, so it can be audited."""

    class Meta:
        name = "Refusal"

    code = one(RefusalCode, "The reason; of several the first in order of precedence.")
    message = one(graphene.String, "A sentence for people, in English or Chinese as accepted.")
    path = one(graphene.String, "The JSON path of the field at fault; empty: the whole event.")
    note = one(graphene.String, "The hub's signed refusal, a C2SP signed note.")


class Log(graphene.ObjectType):
    """The head of the log."""

    origin = one(scalar.Origin, "The log's name.")
    size = one(scalar.Count, "Number of entries.")
    root = one(scalar.Digest, "RFC 6962 root of that many entries.")
    checkpoint = one(graphene.String, "The signed checkpoint, with the cosignatures at hand.")


class LoggedEvent(graphene.ObjectType):
    """An event on the log, for those who may read its body."""

    index = one(scalar.Count, "The index of its entry.")
    at = one(scalar.Timestamp, "When it was admitted.")
    id = one(scalar.EventId, "Its id.")
    type = one(graphene.String, "Its type, such as OrderPlaced.")
    by = one(scalar.ActorId, "Who signed it.")
    body = maybe(graphene.String, "The signed bytes, canonical JSON; null when lawfully erased.")
    receipt = maybe(Receipt, "The best receipt at this moment.")

    async def resolve_receipt(event: dict[str, Any], info: Info) -> object:
        return await info.context.receipt_at(event["index"])


class StatusCount(graphene.ObjectType):
    """How many orders stand so."""

    status = one(CODES[record.OrderStatus], "Where they stand.")
    count = one(scalar.Count, "How many.")


class Counters(graphene.ObjectType):
    """The consortium in numbers; at most five seconds old."""

    members = one(scalar.Count, "Member institutions that have not withdrawn.")
    enterprises = one(scalar.Count, "Enterprises enrolled.")
    items = one(scalar.Count, "Records committed and not superseded.")
    officers = one(scalar.Count, "Officers appointed and not dismissed.")
    authorisations = one(
        scalar.Count, "Consents granted: in force, withdrawn, or expired after use."
    )
    orders = many(StatusCount, "Orders by where they stand.")
    granted = many(Money, "Credit granted, by currency.")
    borrowers = one(scalar.Count, "Enterprises that were granted credit.")
