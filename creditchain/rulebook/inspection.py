"""Inspections: a case of two officers, and the looks within it.

PURE.

- The Regulation on Credit Reporting (article 33) wants two persons at least, with credentials and
  a notice: one officer opens a case under the notice's number, another approves it. Both must act
  for the regulator whenever one of them looks.
- Each look is on the log before a name is shown. Who does not belong to the case does not look.
- The supervised member sees nothing while the case is open and every look once it is closed. So
  that no case stays open because its officers left, the regulator's own key may close it too.
- A member that was suspended or has left may still be inspected about the time it belonged.
"""

from __future__ import annotations

from creditchain.events.inspection import (
    CaseApproved,
    CaseClosed,
    CaseOpened,
    IdentitiesResolved,
)
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import (
    Case,
    CaseStatus,
    Enterprise,
    Key,
    Look,
    Member,
    Objection,
    Officer,
)
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    BY_AUDITING,
    BY_SUPERVISING,
    REGULATOR,
    Act,
    Rule,
    Rules,
)


def open_case(book: Book, body: CaseOpened, act: Act) -> Writes | Violation:
    """An officer opens a case about any member but the regulator itself."""
    member = book.get(Member, body.member)
    if member is None:
        return Violation(Refusal.MEMBER_UNKNOWN, "body.member")
    if member.kind in REGULATOR:
        return Violation(Refusal.MEMBER_STANDING, "body.member")
    return (
        Case(
            id=act.event.id,
            notice=body.notice,
            member=body.member,
            matter=body.matter,
            opened_by=act.event.by,
            status=CaseStatus.OPENED,
            looks=0,
            opened_at=act.at,
            changed_at=act.at,
            findings=body.findings,
        ),
    )


def approve(book: Book, body: CaseApproved, act: Act) -> Writes | Violation:
    """The second officer."""
    case = book.get(Case, body.case)
    if case is None:
        return Violation(Refusal.CASE_UNKNOWN, "body.case")
    if case.status is not CaseStatus.OPENED:
        return Violation(Refusal.CASE_STATUS, "body.case")
    # A second id is no second person: who opened it may not hold the key that approves.
    same = book.get(Key, f"{case.opened_by}/{act.kid}") is not None
    if same or not _acts(book, case.opened_by):
        return Violation(Refusal.CASE_OFFICERS, "body.case")
    return (
        replace(
            case,
            status=CaseStatus.APPROVED,
            approved_by=act.event.by,
            approved_at=act.at,
            changed_at=act.at,
        ),
    )


def resolve(book: Book, body: IdentitiesResolved, act: Act) -> Writes | Violation:
    """One of the two looks; whom at, must be known to the log."""
    case = book.get(Case, body.case)
    if case is None:
        return Violation(Refusal.CASE_UNKNOWN, "body.case")
    officers = (case.opened_by, case.approved_by)
    if act.event.by not in officers:
        return Violation(Refusal.NOT_YOURS, "body.case")
    if case.status is not CaseStatus.APPROVED:
        return Violation(Refusal.CASE_STATUS, "body.case")
    if not all(_acts(book, officer) for officer in officers):
        return Violation(Refusal.CASE_OFFICERS, "body.case")
    for subject in body.subjects:
        kind = Officer if subject.startswith("of_") else Enterprise
        if book.get(kind, subject) is None:
            return Violation(Refusal.LOOK_SUBJECT, "body.subjects")
    for objection_id in body.objections or ():
        objection = book.get(Objection, objection_id)
        if objection is None or objection.enterprise not in body.subjects:
            return Violation(Refusal.LOOK_SUBJECT, "body.objections")
    return (
        Look(
            id=act.event.id,
            case=case.id,
            officer=act.event.by,
            subjects=body.subjects,
            ground=body.ground,
            looked_at=act.at,
            objections=body.objections,
        ),
        replace(case, looks=case.looks + 1, changed_at=act.at),
    )


def close(book: Book, body: CaseClosed, act: Act) -> Writes | Violation:
    """The end of a case, approved or not."""
    case = book.get(Case, body.case)
    if case is None:
        return Violation(Refusal.CASE_UNKNOWN, "body.case")
    if act.event.by not in {case.opened_by, case.approved_by, act.member}:
        return Violation(Refusal.NOT_YOURS, "body.case")
    if case.status is CaseStatus.CLOSED:
        return Violation(Refusal.CASE_STATUS, "body.case")
    return (replace(case, status=CaseStatus.CLOSED, closed_at=act.at, changed_at=act.at),)


def _acts(book: Book, officer_id: str | None) -> bool:
    officer = None if officer_id is None else book.get(Officer, officer_id)
    return officer is not None and officer.dismissed_at is None


RULES: Rules = {
    CaseOpened: Rule(open_case, BY_AUDITING, REGULATOR),
    CaseApproved: Rule(approve, BY_AUDITING, REGULATOR),
    IdentitiesResolved: Rule(resolve, BY_AUDITING, REGULATOR),
    CaseClosed: Rule(close, BY_SUPERVISING, REGULATOR),
}
