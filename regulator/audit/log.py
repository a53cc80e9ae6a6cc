"""The log and those who run and watch it: times, erasures, the regulator's own looks.

PURE. Rules L04, L06 to L10. What the bytes themselves prove (L01 gaps, L02 forks, L03 altered
content, L05 lag) integrity finds, before an event ever comes here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from creditchain.events import EVENTS
from creditchain.events.codes import ErasureGround, Severity
from creditchain.events.erasure import BodyErased, ReportErased
from creditchain.events.finding import FindingAsked
from creditchain.events.inspection import CaseOpened, IdentitiesResolved
from regulator.audit.almanac import DAY_MS, MINUTE_MS
from regulator.audit.fact import Asked, Case, Order, Unseen
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


@dataclass(frozen=True, slots=True)
class Skew:
    """How far the signer's clock and the admission may lie apart."""

    seconds: int = limit(1, 86_400, "seconds either way")


def clocks_apart(view: View, said: Said, limits: Skew) -> Iterator[Concern]:
    """L04. An event is admitted close to when its signer says it was signed.

    Sahamati certification: 15 minutes either way; beyond it the time on the log is no evidence.
    """
    if abs(said.at - said.signed_at) > limits.seconds * 1000:
        facts = {"apartMs": said.at - said.signed_at}
        officer = said.by if said.by.startswith("of_") else None
        yield Concern(view.member_of(said.by), officer=officer, facts=facts)


@dataclass(frozen=True, slots=True)
class KeptFor:
    """How long a delivered report is kept at least before its retention has ended."""

    days: int = limit(1, 3_650, "days from delivery")


def erased_before_its_time(view: View, said: Said, limits: KeptFor) -> Iterator[Concern]:
    """L06. A report is erased for age only when it is of that age.

    Erasure on another ground (the subject's request, a court, unlawful content) has no waiting
    time; an end of retention that has not come hides evidence (Fabric purge without proof).
    """
    body = said.body
    assert isinstance(body, ReportErased)
    if body.ground is not ErasureGround.RETENTION_ENDED:
        return
    order = view.get(Order, body.order)
    if order is None or order.delivered_at is None or order.delivered_index is None:
        return
    if said.at - order.delivered_at < limits.days * DAY_MS:
        facts: dict[str, str | int] = {
            "order": order.id,
            "days": (said.at - order.delivered_at) // DAY_MS,
        }
        yield Concern(view.member_of(said.by), [order.delivered_index], facts=facts)


def look_outside_a_case(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """L07. The regulator learns who is behind an id only inside an open case that a second officer
    has approved, and only the two officers of the case do.

    Regulation, articles 33, 35 and 43: at least two inspectors with a notice; what they learn is
    kept secret.
    """
    body = said.body
    assert isinstance(body, IdentitiesResolved)
    case = view.get(Case, body.case)
    why = None
    if case is None:
        why = "NO_CASE"
    elif case.closed_at is not None:
        why = "CLOSED"
    elif case.approved_by is None or case.approved_by == case.opened_by:
        why = "NO_SECOND_OFFICER"
    elif said.by not in (case.opened_by, case.approved_by):
        why = "NOT_AN_OFFICER_OF_THE_CASE"
    if why is not None:
        proof = [] if case is None else [case.entry]
        yield Concern(view.member_of(said.by), proof, said.by, {"why": why})


@dataclass(frozen=True, slots=True)
class CaseTime:
    """How long an inspection may stay open."""

    days: int = limit(1, 3_650, "days from its opening")


def wait_for_case(view: View, said: Said, limits: CaseTime) -> Iterator[Concern]:
    """L08. A case is closed in reasonable time; until then the member does not see who looked.

    Regulation, article 33: an inspection has an end; PIPL article 7: openness.
    """
    view.wake(said.at + limits.days * DAY_MS, said.id)
    yield from ()


def judge_case(view: View, due: Due, _limits: CaseTime) -> Iterator[Concern]:
    """The case has had its time."""
    case = view.get(Case, due.key)
    if case is not None and case.closed_at is None:
        member = view.member_of(case.opened_by)
        yield Concern(member, [case.entry], case.opened_by, {"notice": case.notice})


def wait_for_reply(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """L09. A member answers what the regulator asks by the time it names.

    Regulation, article 38(7): obstructing supervision.
    """
    body = said.body
    assert isinstance(body, FindingAsked)
    if body.answer_by > said.at:
        view.wake(body.answer_by, said.id)
    yield from ()


def judge_reply(view: View, due: Due, _limits: NoLimits) -> Iterator[Concern]:
    """The time to answer has passed."""
    asked = view.get(Asked, due.key)
    if asked is not None and asked.answered_at is None and asked.closed_at is None:
        yield Concern(asked.member, [asked.entry], facts={"finding": asked.finding})


@dataclass(frozen=True, slots=True)
class SeenFirst:
    """`hours`: how soon after its admission nobody has reason to erase a body yet."""

    hours: int = limit(1, 8_760, "hours from admission")


def erased_before_it_was_seen(view: View, said: Said, limits: SeenFirst) -> Iterator[Concern]:
    """L10. A body is not erased before the regulator had it.

    Regulation, articles 33 and 38(7): nothing is concealed from inspection. An event whose body is
    erased as soon as it is on the log is read by no auditor, and casts doubt on all that follows.
    The erasure may be lawful, and the observer may have been away: whoever erased explains. Always
    in doubt, and not found by an observer that had the body.
    """
    body = said.body
    assert isinstance(body, BodyErased)
    unseen = view.get(Unseen, str(body.index))
    if unseen is not None and said.at < unseen.at + limits.hours * 60 * MINUTE_MS:
        facts: dict[str, str | int] = {"afterMs": said.at - unseen.at, "ground": body.ground.value}
        officer = said.by if said.by.startswith("of_") else None
        yield Concern(view.member_of(said.by), [body.index], officer, facts)


L04: Final = Rule(
    "L04",
    "Signed at another time than admitted",
    "签名时间与入账时间偏差过大",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    Skew,
    tuple(EVENTS.values()),
    clocks_apart,
)
L06: Final = Rule(
    "L06",
    "Report erased before its time",
    "报告未到保存期限即被删除",
    Severity.HIGH,
    Regime.ENTERPRISE,
    KeptFor,
    (ReportErased,),
    erased_before_its_time,
)
L07: Final = Rule(
    "L07",
    "Regulator looked outside an open case",
    "监管人员在案件之外查看身份",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    (IdentitiesResolved,),
    look_outside_a_case,
)
L08: Final = Rule(
    "L08",
    "Case open too long",
    "检查案件逾期未结",
    Severity.LOW,
    Regime.ENTERPRISE,
    CaseTime,
    (CaseOpened,),
    wait_for_case,
    judge_case,
)
L09: Final = Rule(
    "L09",
    "Finding not answered in time",
    "机构未按时答复监管问询",
    Severity.MEDIUM,
    Regime.ENTERPRISE,
    NoLimits,
    (FindingAsked,),
    wait_for_reply,
    judge_reply,
)

L10: Final = Rule(
    "L10",
    "Body erased before it was seen",
    "记录内容在监管节点获取前即被删除",
    Severity.HIGH,
    Regime.ENTERPRISE,
    SeenFirst,
    (BodyErased,),
    erased_before_it_was_seen,
)

LOG_RULES: Final[tuple[Rule[Any], ...]] = (L04, L06, L07, L08, L09, L10)
