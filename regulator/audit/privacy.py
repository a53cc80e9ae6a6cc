"""Privacy: data that is too old, kept too long, wrong and not put right, or sent abroad.

PURE. Rules P01 to P04, P08 and P11; names of persons (P09, P10) are in `regulator.audit.names`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import ObjectionOutcome, Purpose, SupersedeReason
from creditchain.events.consent import ConsentGranted
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.erasure import ReportErased
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.order import ReportDelivered
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from regulator.audit.almanac import DAY_MS, day_text
from regulator.audit.history import Batch, Consent, Enterprise, Member, Objection, Order, proof_of
from regulator.audit.names import NAME_RULES
from regulator.audit.rule import (
    ENTRIES_CITED_MAX,
    Concern,
    Due,
    NoLimits,
    Regime,
    Rule,
    Said,
    Severity,
    View,
    codes,
    limit,
)

DELIVERIES_KEPT: Final = 32
"""The newest deliveries about one enterprise that are looked through for those to be told."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """`days`: how old negative data about a person may be; `sections`: those that hold it."""

    days: int = limit(1, 36_500, "days")
    sections: tuple[str, ...] = codes(20)


def old_negative_data(view: View, said: Said, limits: Forgetting) -> Iterator[Concern]:
    """P01. Negative data about a person is not reported more than five years after its end.

    Regulation (State Council Order 631 of 2013), articles 16 and 38(5). The log tells the age of a
    batch, not of a line: what was true as of more than five years ago ended before, or should have
    been brought up to date. A sole trader is a person.
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    order = view.get(Order, body.order)
    subject = None if order is None else view.get(Enterprise, order.enterprise)
    if order is None or subject is None or not subject.is_person:
        return
    entries, sections, days = [subject.entry, order.entry], set(), 0
    for part in body.sections or ():
        if part.section.value not in limits.sections:
            continue
        for cited in part.batches or ():
            batch = view.get(Batch, cited)
            age = 0 if batch is None else (said.at - batch.as_of) // DAY_MS
            if batch is not None and age > limits.days:
                entries.append(batch.entry)
                sections.add(part.section.value)
                days = max(days, age)
    if sections:
        facts: dict[str, str | int] = {"sections": ",".join(sorted(sections)), "days": days}
        yield Concern(view.member_of(said.by), entries, said.by, facts)


class Vault(NamedTuple):
    """Who keeps the sealed reports; the id is `vault`."""

    id: str
    member: str
    entry: int


class Vaulted(NamedTuple):
    """A report in the vault, and the one delivered before it on the same day, if any."""

    order: str
    before: str | None
    entry: int
    erased: int


class VaultDay(NamedTuple):
    """The newest report of a local day."""

    day: str
    newest: str


@dataclass(frozen=True, slots=True)
class DataLife:
    """`retention_days`: how long a delivered report is kept; `grace_days`: to erase it in."""

    retention_days: int = limit(1, 36_500, "days")
    grace_days: int = limit(0, 3_660, "days")


def note_vaulted(view: View, said: Said, limits: DataLife) -> Iterator[Concern]:
    """P02. A sealed report is erased after its retention, with an event that says so.

    ReBIT Account Aggregator: `DataLife` ends, and the purge is attested. Personal Information
    Protection Law, article 47: deletion once the retention period is over. Held against whoever
    keeps the vault, one finding for the reports of a day.
    """
    body = said.body
    if isinstance(body, ConsortiumFounded):
        view.put(Vault("vault", body.operator.member, said.entry))
    elif isinstance(body, ReportErased):
        kept = view.get(Vaulted, body.order)
        if kept is not None:
            view.put(kept._replace(erased=1))
    else:
        assert isinstance(body, ReportDelivered)
        if body.report is not None and view.get(Vaulted, body.order) is None:
            day = view.calendar.day(said.at)
            newest = view.get(VaultDay, str(day))
            before = None if newest is None else newest.newest
            view.put(Vaulted(body.order, before, said.entry, 0))
            view.put(VaultDay(str(day), body.order))
            if newest is None:
                last = day + limits.retention_days + limits.grace_days
                view.wake(view.calendar.day_start(last + 1), str(day))
    yield from ()


def judge_vaulted(view: View, due: Due, _limits: DataLife) -> Iterator[Concern]:
    """The reports of a day are past their retention."""
    day = view.get(VaultDay, due.key)
    vault = view.get(Vault, "vault")
    assert day is not None, "woken for a day with reports"
    one = view.get(Vaulted, day.newest)
    newest, first, reports = -1, deque[int](maxlen=ENTRIES_CITED_MAX), 0
    while one is not None:
        if not one.erased:
            newest = max(newest, one.entry)
            first.append(one.entry)
            reports += 1
        one = None if one.before is None else view.get(Vaulted, one.before)
    if reports:
        facts: dict[str, str | int] = {"delivered_on": day_text(int(due.key)), "reports": reports}
        yield Concern(None if vault is None else vault.member, [*first, newest], facts=facts)


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
        facts: dict[str, str | int] = {"why": "ANSWERED_BY_ANOTHER", "holder": objection.holder}
        yield Concern(member, [objection.entry], said.by, facts)


def judge_objection(view: View, due: Due, limits: AnswerTime) -> Iterator[Concern]:
    """The time to answer is over."""
    objection = view.get(Objection, due.key)
    assert objection is not None, "woken for an objection"
    if objection.answered_at is None:
        facts: dict[str, str | int] = {"why": "UNANSWERED", "section": objection.section}
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
            _renew(view, f"{member}/{section.value}", committed_at=said.at)
    elif isinstance(body, RecordsSuperseded):
        batch = view.get(Batch, body.batch)
        if batch is not None and body.reason in RIGHTS_IT:
            for name in batch.sections:
                _renew(view, f"{batch.member}/{name}", corrected_at=said.at)
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


def _renew(view: View, place: str, **times: int) -> None:
    renewed = view.get(Renewed, place) or Renewed(place, -1, -1)
    view.put(renewed._replace(**times))


def judge_correction(view: View, due: Due, limits: Correction) -> Iterator[Concern]:
    """The time to put it right is over."""
    objection = view.get(Objection, due.key)
    answer = view.get(Answer, due.key)
    assert objection is not None, "woken for an objection"
    assert answer is not None, "woken for its answer"
    place = f"{objection.holder}/{objection.section}"
    renewed = view.get(Renewed, place) or Renewed(place, -1, -1)
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
    facts: dict[str, str | int] = {"why": why, "section": objection.section}
    facts["recipients"] = len(untold)
    yield Concern(objection.holder, [objection.entry, answer.entry, *untold.values()], facts=facts)


def _is_agency(view: View, member: str) -> bool:
    holder = view.get(Member, member)
    return holder is not None and holder.kind == "AGENCY"


class Abroad(NamedTuple):
    """The first delivery of a month to an orderer abroad, as `agency/orderer/month`."""

    id: str
    entry: int


@dataclass(frozen=True, slots=True)
class Borders:
    """`regions`: the first two digits (GB/T 2260) of the regions beyond the border."""

    regions: tuple[str, ...] = codes(10)


def delivery_abroad(view: View, said: Said, limits: Borders) -> Iterator[Concern]:
    """P08. A report leaves the mainland only after a review of who wants it and what for.

    Regulation, article 24: information collected in China is worked on and kept in China, and goes
    to persons abroad only as the law allows. The log knows of no review, so the first delivery of
    each month from an agency to an orderer abroad is one to be looked at.
    """
    body = said.body
    assert isinstance(body, ReportDelivered)
    order = view.get(Order, body.order)
    orderer = None if order is None else view.get(Member, order.orderer)
    if body.report is None or order is None or orderer is None:
        return
    region = orderer.region[:2]
    agency = view.member_of(said.by)
    month = view.calendar.month(said.at)
    name = f"{agency}/{orderer.id}/{month}"
    if region in limits.regions and view.get(Abroad, name) is None:
        view.put(Abroad(name, said.entry))
        facts: dict[str, str | int] = {"to": orderer.id, "region": orderer.region}
        yield Concern(agency, [orderer.entry, order.entry], said.by, facts)


def person_without_purpose(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """P11. A person consents to a stated purpose; OTHER is none.

    Regulation, article 18: written consent and an agreed purpose; article 20: use for the agreed
    purpose only. A sole trader is a person.
    """
    body = said.body
    assert isinstance(body, ConsentGranted)
    consent = view.get(Consent, body.consent)
    subject = None if consent is None else view.get(Enterprise, consent.enterprise)
    if consent is None or subject is None or not subject.is_person:
        return
    if body.terms.purpose is Purpose.OTHER:
        yield Concern(body.terms.grantee, [subject.entry, *proof_of(consent)], consent.officer)


PRIVACY_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "P01",
        "Negative data about a person after five years",
        "个人不良信息超过五年仍被提供",
        Severity.HIGH,
        Regime.PERSON,
        Forgetting,
        (ReportDelivered,),
        old_negative_data,
    ),
    Rule(
        "P02",
        "Report kept past its retention",
        "报告超过保存期未删除",
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        DataLife,
        (ConsortiumFounded, ReportDelivered, ReportErased),
        note_vaulted,
        judge_vaulted,
    ),
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
    Rule(
        "P08",
        "Delivery beyond the border",
        "向境外提供信用报告",
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        Borders,
        (ReportDelivered,),
        delivery_abroad,
    ),
    Rule(
        "P11",
        "Person's consent without a stated purpose",
        "个人授权未约定用途",
        Severity.MEDIUM,
        Regime.PERSON,
        NoLimits,
        (ConsentGranted,),
        person_without_purpose,
    ),
    *NAME_RULES,
)
