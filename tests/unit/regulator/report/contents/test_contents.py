"""What holds for every report: it follows from its scope, and says NULL where it has nothing."""

from __future__ import annotations

import inspect
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

from creditchain.events import codes
from creditchain.rulebook.record import ConsentStatus, OrderStatus, Standing
from regulator.report.contents import REPORTS
from regulator.report.contents.words import WORDS
from regulator.report.model import BadReport, Both, Chart, Figures, Report, ReportCode, Table
from tests.unit.regulator.analytics.copies import ORIGIN, vector_rows
from tests.unit.regulator.report.contents.world import canonical, make, scope, write


@cache
def made(folder: Path, code: ReportCode) -> Report:
    if code is not ReportCode.INSPECTION_DOSSIER:
        return make(folder, code)
    case = next(row.event for row in vector_rows() if row.type == "CaseOpened")
    assert case is not None
    return make(folder, code, case=case)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("reports"), vector_rows())


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("others"), vector_rows())


def test_there_is_every_report() -> None:
    assert set(REPORTS) == set(ReportCode)


@pytest.mark.parametrize("code", ReportCode)
def test_a_report_follows_from_its_scope_on_any_machine(
    code: ReportCode, folder: Path, another: Path
) -> None:
    report = made(folder, code)
    assert report.code is code
    assert canonical(report) == canonical(made(another, code))


@pytest.mark.parametrize("code", ReportCode)
def test_no_cell_is_blank_and_every_text_is_in_two_languages(
    code: ReportCode, folder: Path
) -> None:
    for block in made(folder, code).blocks:
        if isinstance(block, Table):
            for row in block.rows:
                assert "" not in row, block.id
                for value in row:
                    assert not isinstance(value, Both) or (value.en and value.zh), block.id
            assert block.rows or block.note is not None
            texts = [block.title, *(column.label for column in block.columns)]
        elif isinstance(block, Figures):
            texts = [one.label for one in block.items]
        elif isinstance(block, Chart):
            texts = [block.title, *(one.label for one in block.series)]
        else:
            texts = [block.body]
        for text in texts:
            assert text.en
            assert text.zh
            assert any("\u4e00" <= char <= "\u9fff" for char in text.zh) or text.en == text.zh


@pytest.mark.parametrize("code", [ReportCode.DAILY_SUMMARY, ReportCode.INTEGRITY_CERTIFICATE])
def test_entries_that_came_later_change_nothing(
    code: ReportCode, folder: Path, tmp_path: Path
) -> None:
    rows = vector_rows()
    early = write(tmp_path, rows[:40])
    asked = scope(early, code)
    assert asked.size == 40
    assert canonical(REPORTS[code](folder, asked)) == canonical(REPORTS[code](early, asked))


@pytest.mark.parametrize(
    "code",
    [ReportCode.DAILY_SUMMARY, ReportCode.CONSENT_SAMPLE, ReportCode.INTEGRITY_CERTIFICATE],
)
def test_a_log_of_a_founding_alone_can_be_reported_on(code: ReportCode, tmp_path: Path) -> None:
    assert make(write(tmp_path, vector_rows()[:1]), code).blocks


@pytest.mark.parametrize(
    ("code", "given", "says"),
    [
        (ReportCode.QUERY_REGISTER, {"member": "nobody"}, "no member nobody"),
        (ReportCode.MEMBER_SCORECARD, {"member": "x' OR 'a' = 'a"}, "no member"),
        (ReportCode.CONSENT_SAMPLE, {"per_stratum": "0"}, "per_stratum"),
        (ReportCode.CONSENT_SAMPLE, {"per_stratum": "many"}, "per_stratum"),
        (ReportCode.INTEGRITY_CERTIFICATE, {"sample": "-1"}, "sample"),
        (ReportCode.INSPECTION_DOSSIER, {}, "case"),
        (ReportCode.INSPECTION_DOSSIER, {"case": "none such"}, "no inspection"),
    ],
)
def test_what_is_not_there_is_refused(
    code: ReportCode, given: dict[str, str], says: str, folder: Path
) -> None:
    with pytest.raises(BadReport, match=says):
        make(folder, code, **given)


def test_a_scope_of_another_log_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path, vector_rows(), origin="other.example/log")
    with pytest.raises(BadReport, match=ORIGIN):
        REPORTS[ReportCode.DAILY_SUMMARY](folder, scope(other, ReportCode.DAILY_SUMMARY))


def test_every_code_has_a_name_in_both_languages() -> None:
    lists = [
        kind
        for _, kind in inspect.getmembers(codes, inspect.isclass)
        if issubclass(kind, StrEnum) and kind not in {StrEnum, codes.KeyUse}
    ]
    lists += [ConsentStatus, OrderStatus, Standing]
    missing = {code.value for kind in lists for code in kind} - WORDS.keys()
    assert not missing
