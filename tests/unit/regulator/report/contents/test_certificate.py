"""L9 reads the copy itself: whatever is altered in it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from creditchain.events import canonical_json
from creditchain.seal import Entry, format_entry, parse_entry
from fixtures.stories.story import read_story
from regulator.database import open_database
from regulator.report.contents import REPORTS
from regulator.report.model import ReportCode, Text
from tests.lying_hub.honest import Consortium
from tests.unit.regulator.analytics.copies import Row, erase_bodies
from tests.unit.regulator.report.contents.world import figures, make, play, scope, table, write

L9 = ReportCode.INTEGRITY_CERTIFICATE
PLACE = 60
FORGED = format_entry(Entry(1_772_413_200_000, bytes(32)))


@cache
def long_log() -> list[Row]:
    """More than a tile of entries, so that their hashes are stored."""
    consortium = Consortium(5)
    consortium.play(280)
    rows = []
    for entry, body in zip(consortium.log.entries, consortium.log.bodies, strict=True):
        event = json.loads(body)["event"] if body else {"type": "CreditDecided", "id": None}
        rows.append(Row(parse_entry(entry).at, body, event["type"], event["id"]))
    return [row for row in rows if row.body]


def test_a_sound_copy_is_certified(tmp_path: Path) -> None:
    rows = play(read_story("orders"))
    report = make(write(tmp_path, rows), L9)
    told = figures(report)
    assert (told["root_holds"], told["unsound"]) == ("yes", 0)
    assert told["read_again"] == told["size"] == len(rows)
    assert all(row["holds"] in {"yes", None} for row in table(report, "gaps"))
    assert all(row["signed"] == "yes" for row in table(report, "sample"))


@pytest.mark.parametrize(
    ("column", "value", "says", "cell"),
    [
        ("entry", FORGED, "in_tree", "no"),
        ("body", b'{"event":{},"proof":""}', "body", "ALTERED"),
        ("body", None, "body", "MISSING"),
    ],
)
def test_what_is_altered_in_the_copy_shows(
    column: str, value: bytes | None, says: str, cell: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, long_log())
    asked = scope(folder, L9)
    with open_database(folder / "observer.db") as engine, engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE entry SET {column} = ?, type = 'OrderPlaced' WHERE idx = ?", (value, PLACE)
        )
    report = REPORTS[L9](folder, asked)
    assert figures(report)["unsound"] == 1
    assert table(report, "sample")[0]["entry"] == PLACE
    assert table(report, "sample")[0][says] == cell
    text = next(block for block in report.blocks if isinstance(block, Text))
    assert "NOT SOUND" in text.body.en


def test_an_event_its_author_did_not_sign_shows(tmp_path: Path) -> None:
    rows = play(read_story("orders"))
    value = json.loads(rows[20].body)
    head, _, _ = value["proof"].partition("..")
    value["proof"] = f"{head}..{'A' * 86}"
    rows[20] = rows[20]._replace(body=canonical_json(value))
    report = make(write(tmp_path, rows), L9)
    assert figures(report)["unsound"] == 1
    assert table(report, "sample")[0]["signed"] == "no"


def test_what_no_key_is_left_for_cannot_be_told(tmp_path: Path) -> None:
    rows = play(read_story("orders"))
    folder = write(tmp_path, rows)
    appointed = next(at for at, row in enumerate(rows) if row.type == "OfficerAppointed")
    erase_bodies(folder, [appointed], len(rows) - 1)
    report = make(folder, L9)
    assert figures(report)["unsound"] == 0
    assert None in {row["signed"] for row in table(report, "sample")}


def test_a_body_erased_by_the_log_is_no_fault(tmp_path: Path) -> None:
    folder = write(tmp_path, play(read_story("orders")))
    erase_bodies(folder, [-1 + len(play(read_story("orders")))], 30)
    told = figures(make(folder, L9))
    assert (told["unsound"], told["no_body"]) == (0, 1)


def test_another_root_than_the_scope_names_is_no_certificate(tmp_path: Path) -> None:
    folder = write(tmp_path, play(read_story("orders")))
    asked = replace(scope(folder, L9), root="cm9vdA==")
    assert figures(REPORTS[L9](folder, asked))["root_holds"] == "no"
