"""The mutations: one line each, from the event they make to the record they answer with.

Adding one: the event class, a line here, an operation document. Names are those of the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from creditchain import events
from creditchain.events import Event
from creditchain.events import consent as consent_events
from creditchain.events import consortium as consortium_events
from creditchain.events import enterprise as enterprise_events
from creditchain.events import erasure as erasure_events
from creditchain.events import finding as finding_events
from creditchain.events import inspection as inspection_events
from creditchain.events import membership as member_events
from creditchain.events import objection as objection_events
from creditchain.events import officer as officer_events
from creditchain.events import order as order_events
from creditchain.events import product as product_events
from creditchain.events import records as records_events
from creditchain.rulebook import record


class Extra(StrEnum):
    """What a mutation carries beside the event, for the directory."""

    OFFICER_NAME = "OFFICER_NAME"
    ENTERPRISE_NAME = "ENTERPRISE_NAME"
    STATEMENT = "STATEMENT"


@dataclass(frozen=True, slots=True)
class Action:
    """One mutation: `mutation(argument: <Mutation>Input!, …)` makes a `body` event by its `by`.

    It answers `{field receipt refusal}`; `field` is the record `kind` with the id `id_of(event)`.
    """

    mutation: str
    argument: str
    body: type[events.Body]
    field: str
    kind: type[record.Record]
    id_of: Callable[[Event], str]
    text: str
    extra: Extra | None = None


def _own(event: Event) -> str:
    """A record that has the id of the event that created it."""
    return event.id


def _named(attribute: str) -> Callable[[Event], str]:
    """A record that the event's body names."""

    def id_of(event: Event) -> str:
        value: str = getattr(event.body, attribute)
        return value

    return id_of


def _consortium(_event: Event) -> str:
    return record.CONSORTIUM_ID


def _erasure(event: Event) -> str:
    body: Any = event.body
    if isinstance(body, erasure_events.BodyErased):
        return f"body/{body.index}"
    if isinstance(body, erasure_events.DirectoryErased):
        return f"directory/{body.subject}"
    return f"report/{body.order}"


ACTIONS: Final = (
    Action(
        "adoptRulebook", "rulebook", consortium_events.RulebookAdopted,
        "consortium", record.Consortium, _consortium,
        "From the next event on another version of the law decides. By the regulator.",
    ),
    Action(
        "admitMember", "member", member_events.MemberAdmitted,
        "member", record.Member, _named("member"),
        "An institution joins. By the regulator.",
    ),
    Action(
        "suspendMember", "member", member_events.MemberSuspended,
        "member", record.Member, _named("member"),
        "A member may only receive withdrawals and disputes for now. By the regulator.",
    ),
    Action(
        "reinstateMember", "member", member_events.MemberReinstated,
        "member", record.Member, _named("member"),
        "A suspended member may act again. By the regulator.",
    ),
    Action(
        "withdrawMember", "member", member_events.MemberWithdrawn,
        "member", record.Member, _named("member"),
        "A member leaves for good. By itself or the regulator.",
    ),
    Action(
        "addMemberKey", "key", member_events.MemberKeyAdded,
        "member", record.Member, _named("member"),
        "A member adds a key, to sign with or to have reports sealed to.",
    ),
    Action(
        "revokeMemberKey", "key", member_events.MemberKeyRevoked,
        "member", record.Member, _named("member"),
        "A member's key ends. By the member or the regulator.",
    ),
    Action(
        "appointOfficer", "officer", officer_events.OfficerAppointed,
        "officer", record.Officer, _named("officer"),
        "A member endorses an officer's key and roles; the name goes to the directory.",
        Extra.OFFICER_NAME,
    ),
    Action(
        "dismissOfficer", "officer", officer_events.OfficerDismissed,
        "officer", record.Officer, _named("officer"),
        "An officer no longer acts for the member.",
    ),
    Action(
        "enrolEnterprise", "enterprise", enterprise_events.EnterpriseEnrolled,
        "enterprise", record.Enterprise, _named("enterprise"),
        "A member vouches for an enterprise; name and code go to the directory.",
        Extra.ENTERPRISE_NAME,
    ),
    Action(
        "addAuthoriserKey", "key", enterprise_events.AuthoriserKeyAdded,
        "enterprise", record.Enterprise, _named("enterprise"),
        "One more key authorises for an enterprise.",
    ),
    Action(
        "revokeAuthoriserKey", "key", enterprise_events.AuthoriserKeyRevoked,
        "enterprise", record.Enterprise, _named("enterprise"),
        "A key no longer authorises for an enterprise.",
    ),
    Action(
        "offerProduct", "product", product_events.ProductOffered,
        "product", record.Product, _named("product"),
        "An agency offers a report.",
    ),
    Action(
        "withdrawProduct", "product", product_events.ProductWithdrawn,
        "product", record.Product, _named("product"),
        "No new order may name the product.",
    ),
    Action(
        "requestConsent", "consent", consent_events.ConsentRequested,
        "consent", record.Consent, _own,
        "A bank's officer asks an enterprise for consent.",
    ),
    Action(
        "grantConsent", "consent", consent_events.ConsentGranted,
        "consent", record.Consent, _named("consent"),
        "The enterprise consents, on the terms requested or narrower ones.",
    ),
    Action(
        "refuseConsent", "consent", consent_events.ConsentRefused,
        "consent", record.Consent, _named("consent"),
        "The enterprise does not consent.",
    ),
    Action(
        "withdrawConsent", "consent", consent_events.ConsentWithdrawn,
        "consent", record.Consent, _named("consent"),
        "The enterprise takes its consent back, at once.",
    ),
    Action(
        "placeOrder", "order", order_events.OrderPlaced,
        "order", record.Order, _own,
        "A bank's officer orders a report under a consent or on a ground of law.",
    ),
    Action(
        "approveOrder", "order", order_events.OrderApproved,
        "order", record.Order, _named("order"),
        "A second officer approves an order on a ground of law.",
    ),
    Action(
        "acceptOrder", "order", order_events.OrderAccepted,
        "order", record.Order, _named("order"),
        "The agency will serve the order.",
    ),
    Action(
        "declineOrder", "order", order_events.OrderDeclined,
        "order", record.Order, _named("order"),
        "The agency will not serve the order.",
    ),
    Action(
        "cancelOrder", "order", order_events.OrderCancelled,
        "order", record.Order, _named("order"),
        "The orderer no longer wants the report.",
    ),
    Action(
        "deliverReport", "delivery", order_events.ReportDelivered,
        "order", record.Order, _named("order"),
        "The agency delivers; the sealed report was uploaded to /reports/{order} before.",
    ),
    Action(
        "acknowledgeDelivery", "delivery", order_events.DeliveryAcknowledged,
        "order", record.Order, _named("order"),
        "The orderer confirms the fingerprint of what it opened.",
    ),
    Action(
        "disputeDelivery", "delivery", order_events.DeliveryDisputed,
        "order", record.Order, _named("order"),
        "The orderer disputes the delivery.",
    ),
    Action(
        "decideCredit", "decision", order_events.CreditDecided,
        "order", record.Order, _named("order"),
        "What came of it: credit granted, with its amount, or declined.",
    ),
    Action(
        "commitRecords", "batch", records_events.RecordsCommitted,
        "recordBatch", record.RecordBatch, _own,
        "A data source commits to a batch of records.",
    ),
    Action(
        "supersedeRecords", "batch", records_events.RecordsSuperseded,
        "recordBatch", record.RecordBatch, _named("batch"),
        "A batch no longer counts.",
    ),
    Action(
        "raiseObjection", "objection", objection_events.ObjectionRaised,
        "objection", record.Objection, _own,
        "The enterprise objects to what is recorded; the words go to the directory.",
        Extra.STATEMENT,
    ),
    Action(
        "answerObjection", "objection", objection_events.ObjectionAnswered,
        "objection", record.Objection, _named("objection"),
        "The holder answers an objection; the words go to the directory.",
        Extra.STATEMENT,
    ),
    Action(
        "eraseBody", "erasure", erasure_events.BodyErased,
        "erasure", record.Erasure, _erasure,
        "The body of an entry is deleted. By the operator or the regulator.",
    ),
    Action(
        "eraseDirectory", "erasure", erasure_events.DirectoryErased,
        "erasure", record.Erasure, _erasure,
        "A directory row is deleted.",
    ),
    Action(
        "eraseReport", "erasure", erasure_events.ReportErased,
        "erasure", record.Erasure, _erasure,
        "A sealed report is deleted from the vault.",
    ),
    Action(
        "askFinding", "finding", finding_events.FindingAsked,
        "finding", record.Finding, _own,
        "The regulator asks a member to answer a finding.",
    ),
    Action(
        "answerFinding", "finding", finding_events.FindingAnswered,
        "finding", record.Finding, _named("finding"),
        "The member answers, or contests how it was closed; the words go to the directory.",
        Extra.STATEMENT,
    ),
    Action(
        "closeFinding", "finding", finding_events.FindingClosed,
        "finding", record.Finding, _named("finding"),
        "The regulator closes a finding, answered or not.",
    ),
    Action(
        "openCase", "case", inspection_events.CaseOpened,
        "case", record.Case, _own,
        "An officer of the regulator opens an inspection case.",
    ),
    Action(
        "approveCase", "case", inspection_events.CaseApproved,
        "case", record.Case, _named("case"),
        "A second officer of the regulator approves the case.",
    ),
    Action(
        "resolveIdentities", "look", inspection_events.IdentitiesResolved,
        "look", record.Look, _own,
        "An officer of an approved case looks at who officers and enterprises are: first the look "
        "is on the log, then the names are shown, to whoever signed it.",
    ),
    Action(
        "closeCase", "case", inspection_events.CaseClosed,
        "case", record.Case, _named("case"),
        "The case ends; the member inspected sees every look in it.",
    ),
)  # fmt: skip

ACTION_OF: Final = {action.body: action for action in ACTIONS}
