"""Objections: answered in time, and what they find wrong put right.

PURE. Rules P03 and P04 of the theme privacy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import MemberKind, ObjectionOutcome, Severity, SupersedeReason
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.order import ReportDelivered
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from regulator.audit.almanac import DAY_MS
from regulator.audit.fact import Batch, Member, Objection, Order
from regulator.audit.rule import (
    Concern,
    Due,
    Regime,
    Rule,
    Said,
    View,
    limit,
)

DELIVERIES_KEPT: Final = 32
"""The newest deliveries about one enterprise that are looked through for those to be told."""


@dataclass(frozen=True, slots=True)
class AnswerTime:
    """`days`: local days after the one on which the objection was raised."""

    days: int = limit(1, 366, "days")


def note_objection(view: View, said: Said, limits: AnswerTime) -> Iterator[Concern]:
    """P03. An objection is answered within 20 days, by the holder it was raised with.

    Regulation, article 25: verified and answered within 20 days of its receipt; articles 38(6) and
    40(4).
    """
    body = said.body
    if isinstance(body, ObjectionRaised):
        last = view.calendar.day(said.at) + limits.days
        view.wake(view.calendar.day_start(last + 1), said.id)
        return
    assert isinstance(body, ObjectionAnswered)
    objection = view.get(Objection, body.objection)
    member = view.member_of(said.by)
    if objection is not None and member != objection.holder:
        facts = {"why": "ANSWERED_BY_ANOTHER", "objection": objection.id, "of": objection.holder}
        yield Concern(member, [objection.entry], said.by, facts)


def judge_objection(view: View, due: Due, _limits: AnswerTime) -> Iterator[Concern]:
    """The time to answer is over."""
    objection = view.get(Objection, due.key)
    assert objection is not None, "woken for an objection"
    if objection.answered_at is None:
        facts = {"why": "UNANSWERED", "objection": objection.id, "section": objection.section}
        yield Concern(objection.holder, [objection.entry], facts=facts)


class Sent(NamedTuple):
    """The newest deliveries about an enterprise, oldest first: (orderer, agency, entry, time,
    sections)."""

    enterprise: str
    deliveries: tuple[tuple[str, str, int, int, tuple[str, ...]], ...]


class Renewed(NamedTuple):
    """When a holder last committed records of a section, and last superseded some as wrong; -1 for
    never. The id is `holder/section`."""

    id: str
    committed_at: int
    corrected_at: int


class Answer(NamedTuple):
    """The entry that admitted that an objection is right."""

    objection: str
    entry: int
    at: int


@dataclass(frozen=True, slots=True)
class Correction:
    """`days`: to put right what an objection found wrong; `look_back_days`: how old a delivery may
    be for its recipient to be told."""

    days: int = limit(1, 366, "days")
    look_back_days: int = limit(1, 3_660, "days")


RIGHTS_IT: Final = frozenset({SupersedeReason.CORRECTED, SupersedeReason.RETRACTED})
ADMITS: Final = frozenset(
    {ObjectionOutcome.DATA_WRONG, ObjectionOutcome.OMITTED, ObjectionOutcome.DELETED}
)


def note_correction(view: View, said: Said, limits: Correction) -> Iterator[Concern]:
    """P04. What an objection finds wrong is put right, and who was sent it is told.

    Regulation, articles 25 and 40(4): errors and omissions are corrected. RBI: the correction goes
    to earlier recipients too. On the log it shows as records of the section committed anew, and to
    earlier recipients as a batch superseded as wrong, which every member sees, or as a new report
    to each of them.
    """
    body = said.body
    if isinstance(body, RecordsCommitted):
        member = view.member_of(said.by) or said.by
        for section in body.sections:
            renewed = _renewed(view, f"{member}/{section.value}")
            view.put(renewed._replace(committed_at=said.at))
    elif isinstance(body, RecordsSuperseded):
        batch = view.get(Batch, body.batch)
        if batch is not None and body.reason in RIGHTS_IT:
            for name in batch.sections:
                renewed = _renewed(view, f"{batch.member}/{name}")
                view.put(renewed._replace(corrected_at=said.at))
    elif isinstance(body, ObjectionAnswered):
        if body.outcome in ADMITS and view.get(Objection, body.objection) is not None:
            view.put(Answer(body.objection, said.entry, said.at))
            view.wake(said.at + limits.days * DAY_MS, body.objection)
    else:
        assert isinstance(body, ReportDelivered)
        order = view.get(Order, body.order)
        if order is not None and body.sections is not None:
            sent = view.get(Sent, order.enterprise) or Sent(order.enterprise, ())
            sections = tuple(part.section.value for part in body.sections)
            agency = view.member_of(said.by) or order.agency
            newest = (order.orderer, agency, said.entry, said.at, sections)
            view.put(sent._replace(deliveries=(*sent.deliveries, newest)[-DELIVERIES_KEPT:]))
    yield from ()


def _renewed(view: View, place: str) -> Renewed:
    return view.get(Renewed, place) or Renewed(place, -1, -1)


def judge_correction(view: View, due: Due, limits: Correction) -> Iterator[Concern]:
    """The time to put it right is over."""
    objection = view.get(Objection, due.key)
    answer = view.get(Answer, due.key)
    assert objection is not None, "woken for an objection"
    assert answer is not None, "woken for its answer"
    renewed = _renewed(view, f"{objection.holder}/{objection.section}")
    if renewed.corrected_at >= objection.raised_at:
        return
    sent = view.get(Sent, objection.enterprise) or Sent(objection.enterprise, ())
    since = answer.at - limits.look_back_days * DAY_MS
    untold: dict[str, int] = {}
    for orderer, agency, entry, at, sections in sent.deliveries:
        if objection.section not in sections:
            continue
        if at >= answer.at:
            untold.pop(orderer, None)
        elif at >= since and (agency == objection.holder or not _is_agency(view, objection.holder)):
            untold[orderer] = entry
    why = "RECIPIENTS_NOT_TOLD"
    if renewed.committed_at < objection.raised_at:
        why = "NOT_CORRECTED"
    elif not untold:
        return
    facts: dict[str, str | int] = {"why": why, "objection": objection.id}
    facts |= {"section": objection.section, "recipients": len(untold)}
    yield Concern(objection.holder, [objection.entry, answer.entry, *untold.values()], facts=facts)


def _is_agency(view: View, member: str) -> bool:
    holder = view.get(Member, member)
    return holder is not None and holder.kind == MemberKind.AGENCY


OBJECTION_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "P03",
        "Objection not answered in time",
        "异议逾期未答复",
        Severity.HIGH,
        Regime.ENTERPRISE,
        AnswerTime,
        (ObjectionRaised, ObjectionAnswered),
        note_objection,
        judge_objection,
    ),
    Rule(
        "P04",
        "Error admitted and not put right, or recipients not told",
        "确有错误未更正或未通知已获取方",
        Severity.HIGH,
        Regime.ENTERPRISE,
        Correction,
        (RecordsCommitted, RecordsSuperseded, ObjectionAnswered, ReportDelivered),
        note_correction,
        judge_correction,
    ),
)
