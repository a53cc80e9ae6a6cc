"""Figures over the whole log: the published counters, and shares by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import graphene

from creditchain.querying import scalar
from creditchain.querying.limits import PAGE_MAX
from creditchain.querying.page import page_size
from regulator.door.schema.field import Info, many, maybe, one

_MONTH: Final = "The month, as 2026-11, in the zone of the observer's reports."
_SHARE: Final = "hundredths of a percent."


class Headline(graphene.ObjectType):
    """The counters under which the reference system was published."""

    members = one(scalar.Count, "Institutions admitted and not withdrawn, founders included.")
    agencies = one(scalar.Count, "Of them, credit agencies.")
    query_institutions = one(scalar.Count, "Institutions that ordered at least once.")
    query_users = one(scalar.Count, "Officers appointed to order and not dismissed.")
    enterprises = one(scalar.Count, "Enterprises enrolled.")
    records = one(scalar.Count, "Credit records under batches that still count.")
    consents = one(scalar.Count, "Granted online by enterprises.")
    orders = one(scalar.Count, "Placed.")
    reports = one(scalar.Count, "Delivered with content.")
    borrowers = one(scalar.Count, "Enterprises granted credit after a report.")
    credit = maybe(scalar.Count, "Credit granted, minor units, in its commonest currency.")
    currency = maybe(scalar.Currency, "That currency.")


class MonthOfInstitution(graphene.ObjectType):
    """A month of an institution that ordered."""

    month = one(graphene.String, _MONTH)
    orderer = maybe(scalar.MemberId, "The institution.")
    orders = one(scalar.Count, "Placed.")
    officers = one(scalar.Count, "Officers who placed them.")
    enterprises = one(scalar.Count, "Different enterprises.")
    other_purpose_bp = maybe(scalar.Count, f"Share for the purpose OTHER, {_SHARE}")
    cross_region_bp = maybe(scalar.Count, f"Share on enterprises of another region, {_SHARE}")
    failed_bp = one(scalar.Count, f"Share declined, lapsed or not found, {_SHARE}")
    disputed = one(scalar.Count, "Disputed.")
    granted = one(scalar.Count, "Followed by credit.")
    amount = maybe(scalar.Count, "Credit granted, minor units.")


class MonthOfService(graphene.ObjectType):
    """A month of an agency's product: how fast and how well orders were served."""

    month = one(graphene.String, _MONTH)
    agency = maybe(scalar.MemberId, "The agency.")
    product = maybe(scalar.ProductId, "The product.")
    orders = one(scalar.Count, "Placed.")
    delivered = one(scalar.Count, "Delivered.")
    on_time_bp = maybe(scalar.Count, f"Share of them before they were due, {_SHARE}")
    p50_ms = maybe(scalar.Count, "Half were served within, ms.")
    p90_ms = maybe(scalar.Count, "Nine in ten, ms.")
    p99_ms = maybe(scalar.Count, "Ninety-nine in a hundred, ms.")
    max_ms = maybe(scalar.Count, "The slowest, ms.")
    partial = one(scalar.Count, "Delivered with sections missing.")
    not_found = one(scalar.Count, "Answered with NOT_FOUND.")
    declined = one(scalar.Count, "Declined.")
    lapsed = one(scalar.Count, "Lapsed.")
    failed_bp = one(scalar.Count, f"Share declined, lapsed or not found, {_SHARE}")


class MonthOfConsents(graphene.ObjectType):
    """A month of a grantee: how consent was asked for and given."""

    month = one(graphene.String, _MONTH)
    grantee = maybe(scalar.MemberId, "The institution that asked.")
    requested = one(scalar.Count, "Asked for.")
    granted = one(scalar.Count, "Of them granted by now.")
    refused = one(scalar.Count, "Refused.")
    withdrawn = one(scalar.Count, "Withdrawn.")
    unanswered = one(scalar.Count, "Neither by now.")
    p50_answer_ms = maybe(scalar.Count, "Half were granted within, ms.")


class MonthOfDisputes(graphene.ObjectType):
    """A month of an institution whose data or delivery was disputed."""

    month = one(graphene.String, _MONTH)
    holder = maybe(scalar.MemberId, "The agency or source.")
    disputes = one(scalar.Count, "Deliveries disputed by their orderers.")
    objections = one(scalar.Count, "Objections raised by enterprises.")
    answered = one(scalar.Count, "Of the objections, answered by now.")
    upheld = one(scalar.Count, "Of the answered, where the data was wrong, omitted or deleted.")
    p50_answer_ms = maybe(scalar.Count, "Half were answered within, ms.")
    max_answer_ms = maybe(scalar.Count, "The slowest answer, ms.")
    open = one(scalar.Count, "Not answered by now.")


def _months_of(view: str, node: Any, description: str) -> Any:
    def resolve(
        figures: Mapping[str, Any],
        _info: Info,
        month: str | None = None,
        first: int | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = figures[view]
        if month is None:
            month = max((row["month"] for row in rows if row["month"]), default="")
        return [row for row in rows if row["month"] == month][: page_size(first)]

    return many(
        node,
        description,
        args={
            "month": graphene.Argument(
                graphene.String, description="The month, as 2026-11; the newest if left out."
            ),
            "first": graphene.Argument(
                graphene.Int,
                description=f"At most so many rows, 1 to {PAGE_MAX}; `regulator sql` has all.",
            ),
        },
        resolver=resolve,
    )


class Statistics(graphene.ObjectType):
    """Figures over the whole log, made of events alone; a minute old or, of a long log, older."""

    size = one(scalar.Count, "Number of entries counted.")
    as_of = maybe(scalar.Timestamp, "When the last of them was admitted.")
    headline = one(Headline, "The published counters.")
    institutions = _months_of(
        "monthly_institutions", MonthOfInstitution, "Institutions that ordered in a month."
    )
    service = _months_of("monthly_service", MonthOfService, "How orders of a month were served.")
    consents = _months_of("monthly_consents", MonthOfConsents, "Consents asked for in a month.")
    disputes = _months_of(
        "monthly_disputes", MonthOfDisputes, "Disputes and objections of a month."
    )
