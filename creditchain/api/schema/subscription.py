"""Subscriptions: changes in the order of the log, resumable without a gap.

`after` is the index of the last change a client has handled. Every record whose last change lies
beyond it is sent, then each further change; a record that changed twice meanwhile comes once, as
it is now.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import graphene

from creditchain.api.schema.consent import Consent
from creditchain.api.schema.field import Info, one
from creditchain.api.schema.log import Log
from creditchain.api.schema.order import Order
from creditchain.querying import scalar
from creditchain.rulebook import record


class OrderChange(graphene.ObjectType):
    """An order as it is after the entry at `index`, or later."""

    index = one(scalar.Count, "The entry that last changed it; the next `after`.")
    order = one(Order, "The order.")


class ConsentChange(graphene.ObjectType):
    """A consent as it is after the entry at `index`, or later."""

    index = one(scalar.Count, "The entry that last changed it; the next `after`.")
    consent = one(Consent, "The consent.")


def _after() -> dict[str, graphene.Argument]:
    return {
        "after": graphene.Argument(
            scalar.Count,
            description="Index of the last change handled; left out: from now on.",
        )
    }


class Subscription(graphene.ObjectType):
    """What a caller can follow."""

    order_changes = one(
        OrderChange, "Changes of orders the caller may see, in the log's order.", args=_after()
    )
    consent_changes = one(
        ConsentChange, "Changes of consents the caller may see, in the log's order.", args=_after()
    )
    head = one(Log, "The head of the log, whenever it has grown.")

    def subscribe_order_changes(
        _root: object, info: Info, after: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        return info.context.changes(record.Order, "order", after)

    def subscribe_consent_changes(
        _root: object, info: Info, after: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        return info.context.changes(record.Consent, "consent", after)

    def subscribe_head(_root: object, info: Info) -> AsyncIterator[object]:
        return info.context.heads()
