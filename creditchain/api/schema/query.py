"""Queries: everything a caller may read, and nothing else."""

from __future__ import annotations

from typing import Any, Final

import graphene

from creditchain.api.schema.code import CODES
from creditchain.api.schema.consent import Consent
from creditchain.api.schema.enterprise import Access, Enterprise
from creditchain.api.schema.field import Info, maybe, one
from creditchain.api.schema.finding import Finding
from creditchain.api.schema.inspection import Case
from creditchain.api.schema.log import Counters, Log, LoggedEvent, Receipt
from creditchain.api.schema.member import Consortium, Member, Officer
from creditchain.api.schema.objection import Objection
from creditchain.api.schema.order import Order
from creditchain.api.schema.product import Product
from creditchain.api.schema.records import RecordBatch
from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.connection import connection_of, page_arguments
from creditchain.rulebook import record


class Me(graphene.ObjectType):
    """Who is signed in."""

    actor = one(scalar.ActorId, "The actor of the access token.")
    member = maybe(Member, "The member it is or acts for.")
    officer = maybe(Officer, "The officer it is.")
    enterprise = maybe(Enterprise, "The enterprise it is.")

    async def resolve_member(caller: Any, info: Info) -> record.Member | None:
        if caller.member is None:
            return None
        return await info.context.read(record.Member, caller.member)

    async def resolve_officer(caller: Any, info: Info) -> record.Officer | None:
        return await info.context.read(record.Officer, caller.actor)

    async def resolve_enterprise(caller: Any, info: Info) -> record.Enterprise | None:
        return await info.context.read(record.Enterprise, caller.actor)


def _id(type_: Any, description: str) -> dict[str, graphene.Argument]:
    return {"id": graphene.Argument(type_, required=True, description=description)}


def _by_id(kind: type[record.Record]) -> Any:
    async def resolve(_root: object, info: Info, id: str) -> object:
        return await info.context.read(kind, id)

    return resolve


def _pages(kind: type[record.Record]) -> Any:
    async def resolve(
        _root: object,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        **filters: Any,
    ) -> object:
        return await info.context.page(kind, first, after, filters)

    return resolve


def _page_of(kind: type[record.Record], node: Any, description: str, /, **filters: Any) -> Any:
    return one(
        connection_of(node, node.__name__),
        description,
        args={**page_arguments(), **filters},
        resolver=_pages(kind),
    )


_MEMBERS: Final = _page_of(
    record.Member,
    Member,
    "The members.",
    kind=graphene.Argument(CODES[codes.MemberKind], description="Only of this kind."),
)
_OFFICERS: Final = _page_of(
    record.Officer,
    Officer,
    "The officers of the caller's member; all for the regulator.",
    member=graphene.Argument(scalar.MemberId, description="Only of this member."),
)
_PRODUCTS: Final = _page_of(
    record.Product,
    Product,
    "The products, also those withdrawn.",
    agency=graphene.Argument(scalar.MemberId, description="Only of this agency."),
)
_CONSENTS: Final = _page_of(
    record.Consent,
    Consent,
    "The consents the caller is grantee or grantor of; all for the regulator.",
    status=graphene.Argument(CODES[record.ConsentStatus], description="Only those standing so."),
    enterprise=graphene.Argument(scalar.EnterpriseId, description="Only of this grantor."),
    grantee=graphene.Argument(scalar.MemberId, description="Only of this grantee."),
)
_ORDERS: Final = _page_of(
    record.Order,
    Order,
    "The orders the caller placed, is asked to serve or is the subject of; all for the regulator.",
    status=graphene.Argument(CODES[record.OrderStatus], description="Only those standing so."),
    enterprise=graphene.Argument(scalar.EnterpriseId, description="Only on this subject."),
    agency=graphene.Argument(scalar.MemberId, description="Only to this agency."),
    orderer=graphene.Argument(scalar.MemberId, description="Only by this orderer."),
)
_BATCHES: Final = _page_of(
    record.RecordBatch,
    RecordBatch,
    "The record batches, also those superseded.",
    member=graphene.Argument(scalar.MemberId, description="Only of this member."),
)
_OBJECTIONS: Final = _page_of(
    record.Objection,
    Objection,
    "The objections the caller raised or has to answer; all for the regulator.",
    status=graphene.Argument(CODES[record.ObjectionStatus], description="Only those standing so."),
    enterprise=graphene.Argument(scalar.EnterpriseId, description="Only of this enterprise."),
    holder=graphene.Argument(scalar.MemberId, description="Only against this holder."),
)
_FINDINGS: Final = _page_of(
    record.Finding,
    Finding,
    "The findings the caller's member is asked about; all for the regulator.",
    status=graphene.Argument(CODES[record.FindingStatus], description="Only those that far."),
    member=graphene.Argument(scalar.MemberId, description="Only those asked of this member."),
    severity=graphene.Argument(CODES[codes.Severity], description="Only those weighing so."),
    digest=graphene.Argument(scalar.Digest, description="Only this finding, as often as asked."),
)
_CASES: Final = _page_of(
    record.Case,
    Case,
    "The closed inspection cases about the caller's member; all cases for the regulator.",
    status=graphene.Argument(CODES[record.CaseStatus], description="Only those standing so."),
    member=graphene.Argument(scalar.MemberId, description="Only those about this member."),
)


class Query(graphene.ObjectType):
    """What can be read. A record that is not for the caller is null, as if it were not there."""

    me = one(Me, "Who is signed in.")
    consortium = one(Consortium, "The consortium.")
    counters = one(Counters, "The consortium in numbers.")
    log = one(Log, "The head of the log.")
    member = maybe(
        Member, "A member.", args=_id(scalar.MemberId, "Its id."), resolver=_by_id(record.Member)
    )
    members = _MEMBERS
    officer = maybe(
        Officer,
        "An officer, for members: who may check a signature; the name is for its own member.",
        args=_id(scalar.OfficerId, "The officer's id."),
        resolver=_by_id(record.Officer),
    )
    officers = _OFFICERS
    product = maybe(
        Product,
        "A product.",
        args=_id(scalar.ProductId, "Its id."),
        resolver=_by_id(record.Product),
    )
    products = _PRODUCTS
    enterprise = maybe(
        Enterprise,
        "An enterprise.",
        args=_id(scalar.EnterpriseId, "Its id."),
        resolver=_by_id(record.Enterprise),
    )
    find_enterprise = maybe(
        Enterprise,
        "The enterprise with exactly this code, for banks, agencies and judicial members; the look "
        "is recorded and the enterprise sees it.",
        args={"uscc": graphene.Argument(scalar.Uscc, required=True, description="Its code.")},
    )
    consent = maybe(
        Consent,
        "A consent.",
        args=_id(scalar.EventId, "Its id."),
        resolver=_by_id(record.Consent),
    )
    consents = _CONSENTS
    order = maybe(
        Order, "An order.", args=_id(scalar.EventId, "Its id."), resolver=_by_id(record.Order)
    )
    orders = _ORDERS
    record_batch = maybe(
        RecordBatch,
        "A record batch.",
        args=_id(scalar.EventId, "Its id."),
        resolver=_by_id(record.RecordBatch),
    )
    record_batches = _BATCHES
    objection = maybe(
        Objection,
        "An objection.",
        args=_id(scalar.EventId, "Its id."),
        resolver=_by_id(record.Objection),
    )
    objections = _OBJECTIONS
    finding = maybe(
        Finding,
        "A finding that was asked.",
        args=_id(scalar.EventId, "The id of the event that asked."),
        resolver=_by_id(record.Finding),
    )
    findings = _FINDINGS
    case = maybe(
        Case,
        "An inspection case.",
        args=_id(scalar.EventId, "Its id."),
        resolver=_by_id(record.Case),
    )
    cases = _CASES
    accesses = one(
        connection_of(Access, "Access"),
        "Who looked at the caller, the oldest first; at everyone for the regulator. A look in an "
        "inspection case is shown, at its place, once the case is closed.",
        args=page_arguments(),
    )
    event = maybe(
        LoggedEvent,
        "An event whose body the caller may read, by id or by index.",
        args={
            "id": graphene.Argument(scalar.EventId, description="Its id."),
            "index": graphene.Argument(scalar.Count, description="The index of its entry."),
        },
    )
    receipt = maybe(
        Receipt,
        "The best receipt at this moment for an event of this id.",
        args=_id(scalar.EventId, "The event's id."),
    )

    async def resolve_me(_root: object, info: Info) -> object:
        return info.context.speaker

    async def resolve_consortium(_root: object, info: Info) -> record.Consortium | None:
        return await info.context.read(record.Consortium, record.CONSORTIUM_ID)

    async def resolve_counters(_root: object, info: Info) -> object:
        return await info.context.counters()

    async def resolve_log(_root: object, info: Info) -> object:
        return info.context.head()

    async def resolve_find_enterprise(
        _root: object, info: Info, uscc: str
    ) -> record.Enterprise | None:
        return await info.context.find_enterprise(uscc)

    async def resolve_accesses(
        _root: object,
        info: Info,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        return await info.context.accesses(first, after)

    async def resolve_event(
        _root: object,
        info: Info,
        id: str | None = None,
        index: int | None = None,
    ) -> object:
        return await info.context.event(id, index)

    async def resolve_receipt(_root: object, info: Info, id: str) -> object:
        return await info.context.receipt_of(id)
