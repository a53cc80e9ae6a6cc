"""Privacy: data that is too old, kept too long, or sent abroad, and persons' consent.

PURE. Rules P01, P02, P08 and P11; objections (P03, P04) are in `regulator.audit.objections`, names
(P09, P10) in `regulator.audit.names`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import Purpose, Section, Severity
from creditchain.events.consent import ConsentGranted
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.erasure import ReportErased
from creditchain.events.order import ReportDelivered
from regulator.audit.almanac import DAY_MS, day_text
from regulator.audit.fact import Batch, Consent, Enterprise, Member, Order, proof_of
from regulator.audit.names import NAME_RULES
from regulator.audit.objections import OBJECTION_RULES
from regulator.audit.rule import (
    ENTRIES_CITED_MAX,
    Concern,
    Due,
    NoLimits,
    Regime,
    Rule,
    Said,
    View,
    codes,
    limit,
    one_of,
)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """`days`: how old negative data about a person may be; `sections`: those that hold it."""

    days: int = limit(1, 36_500, "days")
    sections: tuple[str, ...] = codes(20, one_of(Section), "section")


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
        facts: dict[str, str | int] = {"order": order.id, "days": days}
        facts["sections"] = ",".join(sorted(sections))
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
        facts: dict[str, str | int] = {"deliveredOn": day_text(int(due.key)), "reports": reports}
        yield Concern(None if vault is None else vault.member, [*first, newest], facts=facts)


class Abroad(NamedTuple):
    """The first delivery of a month to an orderer abroad, as `agency/orderer/month`."""

    id: str
    entry: int


@dataclass(frozen=True, slots=True)
class Borders:
    """`regions`: the first two digits (GB/T 2260) of the regions beyond the border."""

    regions: tuple[str, ...] = codes(10, "[0-9]{2}", "two digits of a region")


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
        facts: dict[str, str | int] = {
            "order": order.id,
            "to": orderer.id,
            "region": orderer.region,
        }
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
        proof = [subject.entry, *proof_of(consent)]
        yield Concern(body.terms.grantee, proof, consent.officer, {"consent": consent.id})


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
    *OBJECTION_RULES,
    *NAME_RULES,
)
