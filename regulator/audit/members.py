"""Members: who may act, on whose word, and with which keys.

PURE. Rules M01 to M03, M05, M06 and M08.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events import EVENTS, Body
from creditchain.events.codes import MemberKind, Severity
from creditchain.events.consortium import ConsortiumFounded, RulebookAdopted
from creditchain.events.enterprise import AuthoriserKeyRevoked
from creditchain.events.finding import FindingAnswered
from creditchain.events.membership import (
    MemberAdmitted,
    MemberKeyRevoked,
    MemberReinstated,
    MemberSuspended,
    MemberWithdrawn,
)
from creditchain.events.objection import ObjectionAnswered
from creditchain.events.officer import OfficerDismissed
from creditchain.events.order import (
    DeliveryAcknowledged,
    DeliveryDisputed,
    OrderCancelled,
    OrderPlaced,
    ReportDelivered,
)
from creditchain.events.product import ProductOffered
from creditchain.events.records import RecordsCommitted
from regulator.audit.almanac import DAY_MS
from regulator.audit.fact import Member, Order, Product
from regulator.audit.member_keys import KEY_RULES
from regulator.audit.rule import (
    Concern,
    Due,
    NoLimits,
    Regime,
    Rule,
    Said,
    View,
    limit,
)

ENDS_THINGS: Final[tuple[type[Body], ...]] = (
    DeliveryAcknowledged,
    DeliveryDisputed,
    OrderCancelled,
    ObjectionAnswered,
    FindingAnswered,
    MemberKeyRevoked,
    AuthoriserKeyRevoked,
    OfficerDismissed,
    MemberWithdrawn,
)
"""What a suspended member may still do: end things, complain, answer for itself."""


def act_while_suspended(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """M01. A member that is suspended or has left does no business, and none is done with it.

    Consumer Data Right register: what a suspended, revoked or surrendered participant may still do.
    Suspended it may end things and answer; once it has left, nothing. A bank answers for ordering
    from such an agency, an agency for delivering to such a bank.
    """
    body = said.body
    # Before the founding there is nobody to suspend.
    actor = None if isinstance(body, ConsortiumFounded) else view.member_of(said.by)
    if (why := _standing(view, actor)) and not (
        why == "SUSPENDED" and isinstance(body, ENDS_THINGS)
    ):
        yield Concern(actor, officer=_officer(said), facts={"why": why})
        return
    other = None
    if isinstance(body, OrderPlaced):
        product = view.get(Product, body.product)
        other = None if product is None else product.agency
    elif isinstance(body, ReportDelivered):
        order = view.get(Order, body.order)
        other = None if order is None else order.orderer
    if why := _standing(view, other):
        facts: dict[str, str | int] = {"why": f"WITH_{why}", "with": other or ""}
        yield Concern(actor, officer=_officer(said), facts=facts)


def _standing(view: View, id: str | None) -> str:
    member = None if id is None else view.get(Member, id)
    if member is None:
        return ""
    if member.withdrawn_at is not None:
        return "WITHDRAWN"
    return "" if member.suspended_at is None else "SUSPENDED"


def _officer(said: Said) -> str | None:
    return said.by if said.by.startswith("of_") else None


class Filing(NamedTuple):
    """The agency that was admitted first with this filing number."""

    filing: str
    member: str
    entry: int


class ToldOnce(NamedTuple):
    """That a member does an agency's business without being one that is filed, as `member/why`."""

    id: str
    entry: int


def agency_without_filing(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """M02. Who offers or delivers reports is an agency that has filed; told once of each member.

    Regulation, article 10: an enterprise credit agency files with the central bank within 30 days
    of its licence, and changes within 30 days; article 37. A filing number is one agency's. What
    happens to a filing after the admission is not on the log.
    """
    body = said.body
    if isinstance(body, MemberAdmitted):
        if body.kind is not MemberKind.AGENCY or body.filing is None:
            return
        filing = view.get(Filing, body.filing)
        if filing is None:
            view.put(Filing(body.filing, body.member, said.entry))
        elif filing.member != body.member:
            facts: dict[str, str | int] = {"why": "FILING_OF_ANOTHER", "of": filing.member}
            yield Concern(body.member, [filing.entry], facts=facts)
        return
    assert isinstance(body, ProductOffered | ReportDelivered)
    member_id = view.member_of(said.by)
    member = None if member_id is None else view.get(Member, member_id)
    if member is None:
        return
    why = None
    if member.kind != MemberKind.AGENCY:
        why = "NOT_AN_AGENCY"
    elif member.filing is None:
        why = "NO_FILING"
    if why is not None and view.get(ToldOnce, f"{member.id}/{why}") is None:
        view.put(ToldOnce(f"{member.id}/{why}", said.entry))
        yield Concern(member.id, [member.entry], facts={"why": why})


class LawInForce(NamedTuple):
    """The rulebook version in force; the id is `law`."""

    id: str
    version: int
    entry: int


def governance_without_power(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """M05. Only the regulator admits, suspends, reinstates and adopts law, and no older law.

    Chain governance (`chain_governance` of consortium chains; Confidential Consortium Framework
    proposals): a change of the consortium by whom it does not belong to is void. There is no quorum
    to check: the regulator decides alone. A member may itself leave.
    """
    body = said.body
    law = view.get(LawInForce, "law")
    if isinstance(body, ConsortiumFounded):
        if law is not None:
            yield Concern(view.member_of(said.by), [law.entry], facts={"why": "FOUNDED_AGAIN"})
        else:
            view.put(LawInForce("law", body.rulebook, said.entry))
        return
    actor = view.member_of(said.by)
    member = None if actor is None else view.get(Member, actor)
    leaves = isinstance(body, MemberWithdrawn) and body.member == actor
    if not leaves and (member is None or member.kind != MemberKind.REGULATOR):
        yield Concern(actor, officer=_officer(said), facts={"why": "NOT_THE_REGULATOR"})
    if isinstance(body, RulebookAdopted):
        if law is not None and body.version < law.version:
            facts: dict[str, str | int] = {"why": "OLDER_LAW", "inForce": law.version}
            yield Concern(actor, [law.entry], _officer(said), facts)
        view.put(LawInForce("law", body.version, said.entry))


class Contribution(NamedTuple):
    """A data source's newest commitment to records, or its admission."""

    member: str
    at: int
    entry: int


@dataclass(frozen=True, slots=True)
class Reciprocity:
    """`days`: in any such time a data source commits at least one batch of records."""

    days: int = limit(1, 3_660, "days")


def note_contribution(view: View, said: Said, limits: Reciprocity) -> Iterator[Concern]:
    """M06. A data source contributes: it commits records regularly.

    Steering Committee on Reciprocity (SCOR) principles; Small and Medium Sized Business (Credit
    Information) Regulations 2015 (SI 2015/1945), regulation 6: who is designated must provide.
    """
    body = said.body
    if isinstance(body, MemberAdmitted):
        if body.kind is MemberKind.SOURCE and view.get(Contribution, body.member) is None:
            view.put(Contribution(body.member, said.at, said.entry))
            view.wake(said.at + limits.days * DAY_MS, body.member)
    else:
        assert isinstance(body, RecordsCommitted)
        member = view.member_of(said.by)
        if member is not None and view.get(Contribution, member) is not None:
            view.put(Contribution(member, said.at, said.entry))
    yield from ()


def judge_contribution(view: View, due: Due, limits: Reciprocity) -> Iterator[Concern]:
    """A data source has had its time."""
    newest = view.get(Contribution, due.key)
    assert newest is not None, "woken for a data source"
    member = view.get(Member, due.key)
    if member is None or member.withdrawn_at is not None:
        return
    wanted_by = newest.at + limits.days * DAY_MS
    if wanted_by > due.at:
        view.wake(wanted_by, due.key)
        return
    view.wake(due.at + limits.days * DAY_MS, due.key)
    if member.suspended_at is None:
        days = (due.at - newest.at) // DAY_MS
        yield Concern(due.key, [newest.entry], facts={"days": days})


MEMBER_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "M01",
        "Acting, or being dealt with, while suspended or gone",
        "暂停或退出期间仍开展业务",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        tuple(EVENTS.values()),
        act_while_suspended,
    ),
    Rule(
        "M02",
        "Reports from who is no filed agency",
        "未备案机构提供征信服务",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (MemberAdmitted, ProductOffered, ReportDelivered),
        agency_without_filing,
    ),
    Rule(
        "M05",
        "Act of governance by who has no power to",
        "无权主体实施治理变更",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (
            ConsortiumFounded,
            MemberAdmitted,
            MemberSuspended,
            MemberReinstated,
            MemberWithdrawn,
            RulebookAdopted,
        ),
        governance_without_power,
    ),
    Rule(
        "M06",
        "Data source that contributes nothing",
        "信息提供者未履行报送义务",
        Severity.LOW,
        Regime.ENTERPRISE,
        Reciprocity,
        (MemberAdmitted, RecordsCommitted),
        note_contribution,
        judge_contribution,
    ),
    *KEY_RULES,
)
