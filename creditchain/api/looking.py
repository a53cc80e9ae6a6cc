"""What a look in an inspection case shows, and who is told of it when.

The look is on the log before anything here runs. Names and words come from the directory, which
records each as looked at, in the case; whom they are about is told once the case is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from creditchain.directory import EnterpriseRow, OfficerRow, Reader, StatementRow
from creditchain.rulebook.record import Case, CaseStatus, Enterprise, Look, Objection, Officer

if TYPE_CHECKING:
    from creditchain.api.doors import Doors


def untold_cases(doors: Doors, subject: str) -> list[str]:
    """The open cases in which somebody looked at this subject. Blocks for a moment."""
    book = doors.ledger.book
    cases = {id_: book.get(Case, id_) for id_ in doors.directory.cases_of(subject)}
    return [
        id_ for id_, case in cases.items() if case is None or case.status is not CaseStatus.CLOSED
    ]


def look_up(
    doors: Doors, look: Look, reader: Reader, answer_of: Callable[[Objection], str | None]
) -> dict[str, Any]:
    """The identities and words of a look, as the schema shows them. Blocks for a moment."""
    directory, book, at = doors.directory, doors.ledger.book, doors.now_ms()
    rows: dict[str, EnterpriseRow | OfficerRow] = {
        **directory.enterprises(look.subjects, reader, at),
        **directory.officers(look.subjects, reader, at),
    }
    identities = []
    for subject in look.subjects:
        known = book.get(Officer, subject) or book.get(Enterprise, subject)
        assert known is not None, "the law admits looks at what it knows"
        row = rows.get(subject)
        identities.append(
            {
                "subject": subject,
                "name": None if row is None else row.name,
                "uscc": row.uscc if isinstance(row, EnterpriseRow) else None,
                "salt": None if row is None else row.salt,
                "identity": known.identity,
            }
        )
    answers: dict[str, str | None] = {}
    for objection_id in look.objections or ():
        objection = book.get(Objection, objection_id)
        assert objection is not None, "the law admits looks at what it knows"
        answers[objection_id] = answer_of(objection)
    ids = [*answers, *(id_ for id_ in answers.values() if id_ is not None)]
    said = directory.statements(ids, reader, at)
    words = [
        {
            "id": objection_id,
            "statement": _text(said.get(objection_id)),
            "answer": None if answer_id is None else _text(said.get(answer_id)),
        }
        for objection_id, answer_id in answers.items()
    ]
    return {"identities": identities, "words": words}


def _text(row: StatementRow | None) -> str | None:
    return None if row is None else row.text
