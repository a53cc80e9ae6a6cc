"""L3: the draw follows from the printed seed, and each element can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from creditchain.events import b64u
from regulator.report.contents.certificate import draw
from regulator.report.model import ReportCode
from tests.unit.regulator.analytics.copies import Row, erase_bodies
from tests.unit.regulator.report.contents.world import figures, make, play, scope, table, write

L3 = ReportCode.CONSENT_SAMPLE
GRANTED = """include consortium
    of_lin     ConsentRequested c1                                             -> ok
    en_acme    ConsentGranted consent=c1                                       -> ok
"""
HONEST = GRANTED + "    of_lin     OrderPlaced o1 consent=c1    -> ok\n"


def sheet(tmp_path: Path, rows: list[Row]) -> dict[str, object]:
    (row,) = table(make(write(tmp_path, rows), L3), "sheet")
    return row


def failing(row: dict[str, object]) -> set[str]:
    return {name for name, value in row.items() if value == "FAIL"} - {"result"}


def test_an_honest_consent_passes_every_element(tmp_path: Path) -> None:
    row = sheet(tmp_path, play(HONEST))
    assert failing(row) == set()
    assert row["result"] == "pass"
    assert row["orders"] == 1


@pytest.mark.parametrize(
    ("line", "element"),
    [
        ("of_lin OrderPlaced o9 consent=c1 purpose=OTHER", "purpose"),
        ("of_lin OrderPlaced o9 consent=c1 sections=LOANS,TAX_ARREARS", "content"),
        ("of_lin OrderPlaced o9 consent=c1 product=tide/basic", "source"),
        ("of_lin OrderPlaced o9 consent=c1 enterprise=en_lotus", "parties"),
        ("of_min OrderPlaced o9 consent=c1 sealTo=minh#0:seal", "parties"),
        ("+31d of_lin OrderPlaced o9 consent=c1", "period"),
    ],
)
def test_an_order_beyond_the_terms_fails_its_element(
    line: str, element: str, tmp_path: Path
) -> None:
    assert failing(sheet(tmp_path, play(f"{GRANTED}    {line} -> ok\n", "o9"))) == {element}


def test_more_uses_than_granted_fail(tmp_path: Path) -> None:
    placed = "".join(f"    of_lin OrderPlaced o{n} consent=c1 -> ok\n" for n in range(4))
    assert failing(sheet(tmp_path, play(GRANTED + placed, "o3"))) == {"use"}


def test_an_order_after_the_withdrawal_fails(tmp_path: Path) -> None:
    text = HONEST + (
        "    en_acme    ConsentWithdrawn consent=c1 -> ok\n"
        "    of_lin     OrderPlaced o9 consent=c1   -> ok\n"
    )
    assert failing(sheet(tmp_path, play(text, "o9"))) == {"standing"}


def test_an_order_before_the_grant_fails(tmp_path: Path) -> None:
    text = """include consortium
    of_lin     ConsentRequested c1          -> ok
    of_lin     OrderPlaced o9 consent=c1    -> ok
    en_acme    ConsentGranted consent=c1    -> ok
"""
    assert failing(sheet(tmp_path, play(text, "o9"))) == {"standing"}


def test_a_grant_that_was_never_signed_by_the_enterprise_fails(tmp_path: Path) -> None:
    rows = play(HONEST)
    at = next(index for index, row in enumerate(rows) if row.type == "ConsentGranted")
    value = json.loads(rows[at].body)
    head, _, signature = value["proof"].partition("..")
    forged = b64u(bytes(64)) if signature[0] != "A" else signature[::-1]
    body = rows[at].body.replace(f"{head}..{signature}".encode(), f"{head}..{forged}".encode())
    rows[at] = rows[at]._replace(body=body)
    assert failing(sheet(tmp_path, rows)) == {"signature"}


def test_an_order_whose_body_is_erased_cannot_be_told(tmp_path: Path) -> None:
    rows = play(GRANTED + "".join(f"    of_lin OrderPlaced o{n} consent=c1 -> ok\n" for n in "12"))
    folder = write(tmp_path, rows)
    erase_bodies(folder, [len(rows) - 1], None)
    (row,) = table(make(folder, L3), "sheet")
    assert (row["orders"], row["result"]) == (1, "pass")


MANY = (
    "include consortium\n"
    + "".join(
        f"    of_lin ConsentRequested c{n} -> ok\n    en_acme ConsentGranted consent=c{n} -> ok\n"
        f"    of_lin OrderPlaced consent=c{n} -> ok\n"
        for n in range(9)
    )
    + "    of_lin ConsentRequested d terms.purpose=POST_LOAN_MANAGEMENT -> ok\n"
    "    en_acme ConsentGranted consent=d -> ok\n"
    "    of_wu OrderPlaced consent=d purpose=POST_LOAN_MANAGEMENT -> ok\n"
)


def test_the_draw_follows_from_the_seed(tmp_path: Path) -> None:
    folder = write(tmp_path, play(MANY))

    def drawn(seed: int) -> set[object]:
        from regulator.report.contents import REPORTS

        report = REPORTS[L3](folder, scope(folder, L3, seed=seed))
        assert dict(report.header.parameters)["seed"] == seed
        return {row["consent"] for row in table(report, "sheet")}

    draws = [drawn(seed) for seed in range(4)]
    assert drawn(2) == draws[2]
    assert all(len(one) == 6 for one in draws)
    assert len({frozenset(map(str, one)) for one in draws}) > 1


def test_each_stratum_gives_as_many_as_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path, play(MANY))
    report = make(folder, L3, per_stratum="2")
    assert [(row["relied_upon"], row["drawn"]) for row in table(report, "strata")] == [
        (1, 1),
        (9, 2),
    ]
    assert figures(report)["population"] == 10


def test_indexes_are_drawn_once_each_and_the_same_for_a_seed() -> None:
    drawn = draw(3, 1_000, 50)
    assert drawn == draw(3, 1_000, 50) == sorted(set(drawn))
    assert len(drawn) == 50
    assert drawn != draw(4, 1_000, 50)
    assert draw(3, 10, 50) == list(range(10))
