"""Findings taken up with a member: asked, answered, closed.

PURE.

- What was found is the observer's to prove; the law asks only who may speak and in which order.
- Of one finding a member has one question open at a time. A closed one may be asked again, as a new
  question that names the earlier: evidence may come late.
- An answer stands. Whoever accepted a finding may later say that it is remedied, once; whoever is
  not content with how it was closed may contest that, once. It stays closed; to take the matter up,
  the regulator asks again.
- A suspended member answers for itself. Late answers count: that they are late is seen.
"""

from __future__ import annotations

from creditchain.events.codes import FindingReply
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import Finding, FindingStatus, LastAsked, Member, Standing
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import (
    ANY,
    BY_ADMINISTRATOR,
    BY_SUPERVISING,
    REGULATOR,
    Act,
    Rule,
    Rules,
)


def ask(book: Book, body: FindingAsked, act: Act) -> Writes | Violation:
    """The regulator asks the member concerned, which must still belong."""
    member = book.get(Member, body.member)
    if member is None:
        return Violation(Refusal.MEMBER_UNKNOWN, "body.member")
    if member.standing is Standing.WITHDRAWN or member.kind in REGULATOR:
        return Violation(Refusal.MEMBER_STANDING, "body.member")
    last_id = f"{body.member}/{body.finding}"
    last = book.get(LastAsked, last_id)
    earlier = None if last is None else book.get(Finding, last.finding)
    if earlier is not None and earlier.status is not FindingStatus.CLOSED:
        return Violation(Refusal.FINDING_OPEN, "body.finding")
    if body.answer_by <= act.at:
        return Violation(Refusal.ANSWER_BY_PAST, "body.answerBy")
    return (
        Finding(
            id=act.event.id,
            digest=body.finding,
            code=body.code,
            member=body.member,
            severity=body.severity,
            status=FindingStatus.ASKED,
            asked_at=act.at,
            answer_by=body.answer_by,
            changed_at=act.at,
            entries=body.entries,
            pack=body.pack,
            earlier=None if earlier is None else earlier.id,
        ),
        LastAsked(id=last_id, finding=act.event.id),
    )


def answer(book: Book, body: FindingAnswered, act: Act) -> Writes | Violation:
    """The member's answer; after closing, its objection to the closing."""
    finding = book.get(Finding, body.finding)
    if finding is None:
        return Violation(Refusal.FINDING_UNKNOWN, "body.finding")
    if finding.member != act.member:
        return Violation(Refusal.NOT_YOURS, "body.finding")
    remedied = finding.reply is FindingReply.ACCEPTED and body.reply is FindingReply.REMEDIED
    if finding.status is FindingStatus.ANSWERED and not remedied:
        return Violation(Refusal.FINDING_ANSWERED, "body.finding")
    if finding.status is FindingStatus.CLOSED:
        if body.reply is not FindingReply.CONTESTED or finding.contested_at is not None:
            return Violation(Refusal.FINDING_CLOSED, "body.finding")
        return (replace(finding, contest=act.event.id, contested_at=act.at, changed_at=act.at),)
    return (
        replace(
            finding,
            status=FindingStatus.ANSWERED,
            reply=body.reply,
            answer=act.event.id,
            answered_at=act.at,
            changed_at=act.at,
        ),
    )


def close(book: Book, body: FindingClosed, act: Act) -> Writes | Violation:
    """The regulator's end of it, answered or not."""
    finding = book.get(Finding, body.finding)
    if finding is None:
        return Violation(Refusal.FINDING_UNKNOWN, "body.finding")
    if finding.status is FindingStatus.CLOSED:
        return Violation(Refusal.FINDING_CLOSED, "body.finding")
    return (
        replace(
            finding,
            status=FindingStatus.CLOSED,
            outcome=body.outcome,
            closed_at=act.at,
            changed_at=act.at,
        ),
    )


RULES: Rules = {
    FindingAsked: Rule(ask, BY_SUPERVISING, REGULATOR),
    FindingAnswered: Rule(answer, BY_ADMINISTRATOR, ANY, while_suspended=True),
    FindingClosed: Rule(close, BY_SUPERVISING, REGULATOR),
}
