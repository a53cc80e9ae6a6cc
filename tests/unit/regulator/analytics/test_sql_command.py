"""`regulator sql`: what it prints, what it refuses, what it hands out."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from regulator.cli import app
from regulator.config import make_observer
from tests.unit.regulator.analytics.copies import rows_of_story, write_copy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sql") / "observer"
    make_observer(folder, "observer.example")
    return write_copy(folder, rows_of_story("orders")[0])


def sql(folder: Path, *arguments: str, typed: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["sql", "--data", str(folder), *arguments], input=typed)
    return result.exit_code, result.output


def test_an_answer_is_printed_in_the_form_asked_for(folder: Path) -> None:
    query = "SELECT order_id, placed_at, sections, decision FROM orders ORDER BY placed_idx LIMIT 1"
    code, table = sql(folder, query)
    assert code == 0
    assert "placed_at" in table
    assert "1 row" in table
    code, text = sql(folder, query, "--format", "csv")
    header, row = text.splitlines()
    assert header == "order_id,placed_at,sections,decision"
    assert row.endswith(",NULL")
    code, text = sql(folder, query, "--format", "json")
    told = json.loads(text)
    assert told["placed_at"].endswith("Z")
    assert isinstance(told["sections"], list)
    assert told["decision"] is None


def test_a_text_that_a_spreadsheet_would_run_is_disarmed(folder: Path) -> None:
    query = "SELECT '=HYPERLINK(1)' AS a, ' -1' AS b, -1 AS c, 'plain' AS d"
    code, text = sql(folder, query, "--format", "csv")
    assert (code, text) == (0, "a,b,c,d\n'=HYPERLINK(1),' -1,-1,plain\n")
    code, text = sql(folder, query, "--format", "json")
    assert json.loads(text)["a"] == "=HYPERLINK(1)"


def test_a_size_cuts_the_answer(folder: Path) -> None:
    assert sql(folder, "SELECT size FROM log", "--size", "3", "--format", "csv") == (0, "size\n3\n")
    code, text = sql(folder, "SELECT 1", "--size", "100000")
    assert code == 4
    assert "entries" in text


def test_queries_are_read_from_standard_input(folder: Path) -> None:
    code, text = sql(folder, "--format", "csv", typed="SELECT 1 AS a; SELECT 2 AS b;")
    assert (code, text) == (0, "a\n1\nb\n2\n")


@pytest.mark.parametrize(
    "query", ["DROP VIEW orders", "SELECT nothing", "SELEC 1", "SELECT * FROM '/etc/passwd'", ""]
)
def test_what_cannot_be_asked_ends_with_two(folder: Path, query: str) -> None:
    code, text = sql(folder, query)
    assert code == 2
    assert text.strip()


def test_views_are_explained_without_a_copy(tmp_path: Path) -> None:
    code, text = sql(tmp_path / "nowhere", "--views")
    assert code == 0
    assert "orders: One row for each order" in text
    code, text = sql(tmp_path / "nowhere", "--views", "--format", "json")
    told = {view["name"]: view for view in json.loads(text)}
    assert told["billing"]["columns"]["age_ms"]


def test_entries_and_views_are_handed_out_as_parquet(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "handed"
    code, text = sql(folder, "--export", str(target), "--size", "20")
    assert (code, "wrote 20 entries" in text) == (0, True)
    with duckdb.connect() as base:
        for name, expected in (("entries/*", 20), ("log", 1)):
            count = base.execute(f"SELECT count(*) FROM '{target}/{name}.parquet'").fetchone()
            assert count == (expected,)
    assert set(json.loads((target / "views.json").read_text())["views"]) >= {"orders", "entries"}
    code, text = sql(folder, "--export", str(target))
    assert code == 4
    assert "not empty" in text


def test_days_are_those_of_the_reports_or_of_the_zone_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = ["SELECT DISTINCT day::VARCHAR FROM daily_orders ORDER BY ALL", "--format", "csv"]
    in_samoa = sql(folder, *query, "--zone", "Pacific/Pago_Pago")
    assert in_samoa[0] == 0
    assert in_samoa != sql(folder, *query)
    monkeypatch.setenv("REGULATOR_REPORT_ZONE", "Pacific/Pago_Pago")
    assert sql(folder, *query) == in_samoa
    assert sql(folder, "--export", str(tmp_path / "handed"))[0] == 0
    with duckdb.connect() as base:
        days = base.execute(
            f"SELECT DISTINCT day::VARCHAR FROM '{tmp_path}/handed/daily_orders.parquet' ORDER BY 1"
        ).fetchall()
    assert [day for (day,) in days] == in_samoa[1].splitlines()[1:]


def test_an_observer_without_a_copy_says_so(tmp_path: Path) -> None:
    make_observer(tmp_path / "observer", "observer.example")
    code, text = sql(tmp_path / "observer", "SELECT 1")
    assert code == 4
    assert "regulator serve" in text
