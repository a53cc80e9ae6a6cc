"""Copies and scopes to make reports from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from creditchain.rulebook import DictBook, Violation, decide
from fixtures.stories.story import compose, read_story
from regulator.audit import AuditFinding
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.report.asking import scope_of
from regulator.report.contents import REPORTS
from regulator.report.model import Both, Figures, Period, Report, ReportCode, Scope, Table
from tests.unit.regulator.analytics.copies import ORIGIN, Row, row_of, write_copy

ALWAYS = Period("always", 0, 4_102_444_800_000, "Asia/Shanghai")
PACK = "test@1"


def play(text: str, *unlawful: str) -> list[Row]:
    """The entries of what a story admits; those labelled `unlawful` are forced."""

    book = DictBook()
    rows = []
    for line, sealed, at in compose(text):
        answer = decide(book, sealed, at)
        if isinstance(answer, Violation):
            if line.label not in unlawful:
                continue
        else:
            book.put(answer)
        rows.append(row_of(sealed, at))
    return rows


def story(name: str, more: str = "") -> str:
    return read_story(name) + more


def with_findings(folder: Path, size: int, findings: Sequence[AuditFinding]) -> None:
    """The audit has found these over the first `size` entries."""
    store = AuditStore(folder / AUDIT_NAME)
    try:
        store.begin_again(b"pack", PACK)
        with store.transaction():
            store.save(size, 0, 0, findings)
    finally:
        store.close()


def scope(
    folder: Path,
    code: ReportCode,
    *,
    period: Period = ALWAYS,
    seed: int = 7,
    parameters: tuple[tuple[str, str], ...] = (),
) -> Scope:
    return scope_of(folder, code, period, seed=seed, parameters=parameters)


def make(folder: Path, code: ReportCode, **given: str) -> Report:
    asked = scope(folder, code, parameters=tuple(given.items()))
    return REPORTS[code](folder, asked)


def canonical(report: Report) -> bytes:
    return b"".join(report.canonical_parts())


def table(report: Report, id_: str) -> list[dict[str, object]]:
    """A table's rows by column, texts in English."""
    (found,) = [one for one in report.blocks if isinstance(one, Table) and one.id == id_]
    names = [column.id for column in found.columns]
    return [dict(zip(names, map(plain, row), strict=True)) for row in found.rows]


def figures(report: Report) -> dict[str, object]:
    """The key figures of the first block of them."""
    first = next(one for one in report.blocks if isinstance(one, Figures))
    return {one.id: plain(one.value) for one in first.items}


def plain(value: object) -> object:
    return value.en if isinstance(value, Both) else value


def write(
    tmp_path: Path,
    rows: Sequence[Row],
    *,
    origin: str = ORIGIN,
    findings: Sequence[AuditFinding] = (),
) -> Path:
    """An observer's folder with these entries, audited with these findings."""
    folder = write_copy(tmp_path / "observer", rows, origin)
    with_findings(folder, len(rows), findings)
    return folder
