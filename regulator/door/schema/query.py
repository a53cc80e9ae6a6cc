"""Queries: everything the regulator's auditors may ask; there is nothing else to be asked."""

from __future__ import annotations

from typing import Any, Final

import graphene

from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.code import CODES
from creditchain.rulebook import record
from regulator.door.entry import LoggedEntry
from regulator.door.schema.business import Consent, Erasure, Objection, Order, RecordBatch
from regulator.door.schema.field import Info, by_id, entries_page, maybe, one, page_of, times
from regulator.door.schema.finding import Finding, FindingState
from regulator.door.schema.inspection import Case
from regulator.door.schema.log import Entry
from regulator.door.schema.member import Consortium, Enterprise, Member, Officer, Product
from regulator.door.schema.observer import Observer, Report, ReportState
from regulator.door.schema.statistics import Statistics
from regulator.findings import Registered

LIST_COST: Final = 100
"""A list may look through many rows for few."""

ROOT_COSTS: Final = {"statistics": 1_000, "finding": 50}
"""Root fields that count the whole log, or read another file."""

FIELD_COSTS: Final = {"timeline": 300, "proof": 20}
"""Fields that look through many entries, or read the tree."""


class Me(graphene.ObjectType):
    """Who is signed in."""

    actor = one(scalar.ActorId, "The actor of the access token.")
    member = maybe(Member, "The regulator, for whom it acts.")

    async def resolve_member(caller: Any, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, caller.member)


def _entries(
    _root: object, info: Info, first: int | None = None, after: str | None = None, **given: Any
) -> object:
    return info.context.entries(first, after, given)


def _findings(
    _root: object, info: Info, first: int | None = None, after: str | None = None, **given: Any
) -> object:
    return info.context.findings(first, after, given)


def _reports(
    _root: object, info: Info, first: int | None = None, after: str | None = None, **given: Any
) -> object:
    return info.context.reports(first, after, given)


def _only(type_: Any, description: str) -> graphene.Argument:
    return graphene.Argument(type_, description=description)


class Query(graphene.ObjectType):
    """What can be asked of the observer's own copy. Nothing can be changed here."""

    me = one(Me, "Who is signed in.")
    observer = one(Observer, "The observer itself.")
    consortium = maybe(Consortium, "The consortium.")
    statistics = maybe(Statistics, "Figures over the whole log; null when they cannot be had now.")
    entry = maybe(
        Entry,
        "An entry.",
        args={"index": graphene.Argument(scalar.Count, required=True, description="Its index.")},
    )
    event = maybe(
        Entry,
        "The entry of an event.",
        args={"id": graphene.Argument(scalar.EventId, required=True, description="Its id.")},
    )
    entries = entries_page(
        Entry,
        "The entries, in the order of the log.",
        _entries,
        type=_only(graphene.String, "Only events of this type."),
        by=_only(scalar.ActorId, "Only events signed by this actor."),
        **times("admitted"),
    )
    member = by_id(record.Member, scalar.MemberId, Member, "A member.")
    members = page_of(
        record.Member,
        Member,
        "The members.",
        kind=(CODES[codes.MemberKind], "Only of this kind."),
        standing=(CODES[record.Standing], "Only those standing so."),
    )
    officer = by_id(record.Officer, scalar.OfficerId, Officer, "An officer.")
    officers = page_of(
        record.Officer,
        Officer,
        "The officers, also those dismissed.",
        member=(scalar.MemberId, "Only of this member."),
    )
    enterprise = by_id(record.Enterprise, scalar.EnterpriseId, Enterprise, "An enterprise.")
    enterprises = page_of(
        record.Enterprise,
        Enterprise,
        "The enterprises.",
        timed="enrolled_at",
        region=(scalar.Region, "Only of this region."),
        vouched_by=(scalar.MemberId, "Only those this member enrolled."),
    )
    product = by_id(record.Product, scalar.ProductId, Product, "A product.")
    products = page_of(
        record.Product,
        Product,
        "The products, also those withdrawn.",
        agency=(scalar.MemberId, "Only of this agency."),
    )
    consent = by_id(record.Consent, scalar.EventId, Consent, "A consent.")
    consents = page_of(
        record.Consent,
        Consent,
        "The consents.",
        timed="requested_at",
        status=(CODES[record.ConsentStatus], "Only those standing so."),
        enterprise=(scalar.EnterpriseId, "Only of this grantor."),
        grantee=(scalar.MemberId, "Only of this grantee."),
        requested_by=(scalar.OfficerId, "Only those this officer asked for."),
    )
    order = by_id(record.Order, scalar.EventId, Order, "An order.")
    orders = page_of(
        record.Order,
        Order,
        "The orders.",
        timed="placed_at",
        status=(CODES[record.OrderStatus], "Only those standing so."),
        purpose=(CODES[codes.Purpose], "Only for this purpose."),
        orderer=(scalar.MemberId, "Only by this orderer."),
        officer=(scalar.OfficerId, "Only placed by this officer."),
        agency=(scalar.MemberId, "Only to this agency."),
        enterprise=(scalar.EnterpriseId, "Only on this subject."),
        consent=(scalar.EventId, "Only resting on this consent."),
    )
    record_batch = by_id(record.RecordBatch, scalar.EventId, RecordBatch, "A record batch.")
    record_batches = page_of(
        record.RecordBatch,
        RecordBatch,
        "The record batches, also those superseded.",
        timed="committed_at",
        member=(scalar.MemberId, "Only of this member."),
    )
    objection = by_id(record.Objection, scalar.EventId, Objection, "An objection.")
    objections = page_of(
        record.Objection,
        Objection,
        "The objections.",
        timed="raised_at",
        status=(CODES[record.ObjectionStatus], "Only those standing so."),
        enterprise=(scalar.EnterpriseId, "Only of this enterprise."),
        holder=(scalar.MemberId, "Only against this holder."),
    )
    erasures = page_of(
        record.Erasure,
        Erasure,
        "What is lawfully gone.",
        timed="erased_at",
        ground=(CODES[codes.ErasureGround], "Only on this ground."),
    )
    case = by_id(record.Case, scalar.EventId, Case, "An inspection case.")
    cases = page_of(
        record.Case,
        Case,
        "The inspection cases.",
        timed="opened_at",
        status=(CODES[record.CaseStatus], "Only those standing so."),
        member=(scalar.MemberId, "Only about this member."),
    )
    finding = maybe(
        Finding,
        "A finding.",
        args={"id": graphene.Argument(scalar.Digest, required=True, description="Its id.")},
    )
    findings = entries_page(
        Finding,
        "The findings: those of integrity and replay first, each part as it was found.",
        _findings,
        code=_only(scalar.FindingLabel, "Only of this code."),
        severity=_only(CODES[codes.Severity], "Only those weighing so."),
        member=_only(scalar.MemberId, "Only those concerning this member."),
        state=_only(FindingState, "Only those that far."),
    )
    reports = entries_page(
        Report,
        "The reports of the schedule, the newest first.",
        _reports,
        code=_only(graphene.String, "Only this report, as L1."),
        state=_only(ReportState, "Only those standing so."),
    )

    def resolve_me(_root: object, info: Info) -> object:
        return info.context.caller

    def resolve_observer(_root: object, info: Info) -> object:
        return info.context.copy

    async def resolve_consortium(_root: object, info: Info) -> record.Consortium | None:
        return await info.context.record(record.Consortium, record.CONSORTIUM_ID)

    def resolve_statistics(_root: object, info: Info) -> object:
        return info.context.statistics()

    async def resolve_entry(_root: object, info: Info, index: int) -> LoggedEntry | None:
        return await info.context.entry(index)

    def resolve_event(_root: object, info: Info, id: str) -> LoggedEntry | None:
        return info.context.event(id)

    def resolve_finding(_root: object, info: Info, id: str) -> Registered | None:
        return info.context.finding(id)
