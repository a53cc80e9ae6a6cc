"""Commitments to records: one root over many, later replaced or retracted.

PURE. Agencies and data sources commit what they hold before any report cites it. A superseded batch
may no longer be cited; deliveries that cited it while it stood keep standing.
"""

from __future__ import annotations

from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import RecordBatch
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import BY_FULFILLING, HOLDERS, SKEW_MS, Act, Rule, Rules


def commit(_book: Book, body: RecordsCommitted, act: Act) -> Writes | Violation:
    """A batch of records, true as of a time that is not to come (within the bound on clocks)."""
    if body.as_of > act.at + SKEW_MS:
        return Violation(Refusal.AS_OF_FUTURE, "body.asOf")
    return (
        RecordBatch(
            id=act.event.id,
            member=act.member,
            root=body.root,
            count=body.count,
            sections=body.sections,
            as_of=body.as_of,
            committed_at=act.at,
        ),
    )


def supersede(book: Book, body: RecordsSuperseded, act: Act) -> Writes | Violation:
    """A batch no longer counts; its replacement is another standing batch of the same holder."""
    batch = book.get(RecordBatch, body.batch)
    other = None if body.replacement is None else book.get(RecordBatch, body.replacement)
    if batch is not None and batch.member != act.member:
        return Violation(Refusal.NOT_YOURS, "body.batch")
    if other is not None and other.member != act.member:
        return Violation(Refusal.NOT_YOURS, "body.replacement")
    if batch is None:
        return Violation(Refusal.BATCH_UNKNOWN, "body.batch")
    # Nothing replaces itself: seen from the batch, there is no such other batch.
    if body.replacement is not None and (other is None or other.id == batch.id):
        return Violation(Refusal.BATCH_UNKNOWN, "body.replacement")
    if batch.superseded_at is not None:
        return Violation(Refusal.BATCH_SUPERSEDED, "body.batch")
    if other is not None and other.superseded_at is not None:
        return Violation(Refusal.BATCH_SUPERSEDED, "body.replacement")
    return (replace(batch, superseded_at=act.at, replacement=body.replacement),)


RULES: Rules = {
    RecordsCommitted: Rule(commit, BY_FULFILLING, HOLDERS),
    RecordsSuperseded: Rule(supersede, BY_FULFILLING, HOLDERS),
}
