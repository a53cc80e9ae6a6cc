"""Names of the persons who act for members: kept while the law wants them, and then not.

PURE. Rules P09 and P10 of the theme privacy. Names stand in the directory; the log tells when a row
was erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import ErasureGround, Severity
from creditchain.events.erasure import DirectoryErased
from creditchain.events.membership import MemberWithdrawn
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.events.order import OrderPlaced
from regulator.audit.almanac import DAY_MS
from regulator.audit.fact import Enterprise, Officer
from regulator.audit.rule import (
    ENTRIES_CITED_MAX,
    Concern,
    Due,
    Regime,
    Rule,
    Said,
    View,
    codes,
    limit,
    one_of,
)


class RowErased(NamedTuple):
    """That the directory row of an actor is gone."""

    subject: str
    entry: int


class Colleague(NamedTuple):
    """An officer, and the one whom the member appointed before, if any."""

    officer: str
    before: str | None


class NewestOfficer(NamedTuple):
    """Whom a member appointed last."""

    member: str
    officer: str


@dataclass(frozen=True, slots=True)
class NameLife:
    """`keep_days`: how long the register needs the name of one who has left; `grace_days`: to
    erase it in."""

    keep_days: int = limit(0, 36_500, "days")
    grace_days: int = limit(0, 3_660, "days")


def note_leaving(view: View, said: Said, limits: NameLife) -> Iterator[Concern]:
    """P09. The directory forgets who has left, once the register of queries needs the name no more.

    Personal Information Protection Law, articles 19 and 47: kept no longer than its purpose needs,
    then deleted unasked. Officers of a member that has left count as having left with it.
    """
    body = said.body
    last_day = view.calendar.day(said.at) + limits.keep_days + limits.grace_days
    due_at = view.calendar.day_start(last_day + 1)
    if isinstance(body, OfficerAppointed):
        member = view.member_of(said.by)
        # An id that is used again (refused by the law) would make the chain of officers a ring.
        if member is not None and view.get(Colleague, body.officer) is None:
            newest = view.get(NewestOfficer, member)
            view.put(Colleague(body.officer, None if newest is None else newest.officer))
            view.put(NewestOfficer(member, body.officer))
    elif isinstance(body, OfficerDismissed):
        if view.get(Officer, body.officer) is not None:
            view.wake(due_at, body.officer)
    elif isinstance(body, MemberWithdrawn):
        view.wake(due_at, body.member)
    else:
        assert isinstance(body, DirectoryErased)
        view.put(RowErased(body.subject, said.entry))
    yield from ()


def judge_leaving(view: View, due: Due, _limits: NameLife) -> Iterator[Concern]:
    """The time to forget an officer, or those of a member, is over."""
    officer = view.get(Officer, due.key) if due.key.startswith("of_") else None
    if officer is not None:
        if view.get(RowErased, officer.id) is None:
            yield Concern(officer.member, [officer.entry], officer.id, {"officers": 1})
        return
    entries, officers = [], 0
    newest = view.get(NewestOfficer, due.key)
    one = None if newest is None else view.get(Colleague, newest.officer)
    while one is not None:
        officer = view.get(Officer, one.officer)
        # Those dismissed have their own time.
        if (
            officer is not None
            and officer.dismissed_at is None
            and view.get(RowErased, officer.id) is None
        ):
            officers += 1
            if officers < ENTRIES_CITED_MAX:
                entries.append(officer.entry)
        one = None if one.before is None else view.get(Colleague, one.before)
    if officers:
        yield Concern(due.key, entries, facts={"officers": officers})


class LastQuery(NamedTuple):
    """An officer's newest order about a person."""

    officer: str
    at: int
    entry: int


@dataclass(frozen=True, slots=True)
class Register:
    """`keep_days`: how long after a query its officer's name is needed; `grounds`: erasures that
    are lawful sooner."""

    keep_days: int = limit(0, 36_500, "days")
    grounds: tuple[str, ...] = codes(10, one_of(ErasureGround), "ground of erasure")


def name_gone_too_soon(view: View, said: Said, limits: Register) -> Iterator[Concern]:
    """P10. The register says by name who queried about a person.

    Regulation, article 22: queries by staff are registered with the name of who queried, the time,
    the content and the purpose. An erased directory row leaves an id that nobody can resolve.
    """
    body = said.body
    if isinstance(body, OrderPlaced):
        subject = view.get(Enterprise, body.enterprise)
        if subject is not None and subject.is_person:
            view.put(LastQuery(said.by, said.at, said.entry))
        return
    assert isinstance(body, DirectoryErased)
    query = view.get(LastQuery, body.subject)
    if query is None or body.ground.value in limits.grounds:
        return
    if said.at < query.at + limits.keep_days * DAY_MS:
        facts: dict[str, str | int] = {"ground": body.ground.value}
        yield Concern(view.member_of(said.by), [query.entry], body.subject, facts)


NAME_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "P09",
        "Name of one who has left not erased",
        "离职人员姓名未按期删除",
        Severity.LOW,
        Regime.PERSON,
        NameLife,
        (OfficerAppointed, OfficerDismissed, MemberWithdrawn, DirectoryErased),
        note_leaving,
        judge_leaving,
    ),
    Rule(
        "P10",
        "Name erased that the register of queries needs",
        "查询登记所需姓名被提前删除",
        Severity.MEDIUM,
        Regime.PERSON,
        Register,
        (OrderPlaced, DirectoryErased),
        name_gone_too_soon,
    ),
)
