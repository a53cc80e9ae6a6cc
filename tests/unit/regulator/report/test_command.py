"""`regulator report`: what it makes, what it says, how it exits."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from regulator.cli import app
from regulator.office import open_office
from regulator.report import contents
from regulator.report.model import ReportCode
from regulator.schedule import Schedule
from tests.lying_hub.honest import START_MS
from tests.unit.regulator.report.world import DAY_MS, contents_of, make_folder
from tests.unit.regulator.test_schedule import Maker


def run(*arguments: object) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(contents, "REPORTS", {code: contents_of(code) for code in ReportCode})
    monkeypatch.chdir(tmp_path)
    asyncio.run(make_folder(tmp_path / "observer", 30, 20))
    return tmp_path / "observer"


def test_a_report_is_made_and_verifies_with_the_printed_key_alone(folder: Path):
    code, text = run("L1", "--day", "2025-06-15", "--data", folder, "--format", "pdf,json")
    assert code == 0, text
    filed = Path("L1-2025-06-15")
    assert sorted(path.name for path in filed.iterdir()) == [
        "L1.en.pdf",
        "L1.json",
        "L1.zh.pdf",
        "manifest.json",
        "manifest.jws",
    ]
    code, key = run("key", "--data", folder)
    assert code == 0
    assert "d" not in json.loads(key)
    Path("report.pub").write_text(key)
    code, text = run("verify", filed, "--key", "report.pub", "--data", "nowhere")
    assert (code, "genuine: L1 of 2025-06-15" in text) == (0, True), text
    code, text = run("verify", filed, "--data", folder, "--json")
    assert json.loads(text)["header"]["period"]["name"] == "2025-06-15"
    (filed / "L1.en.pdf").write_bytes(b"%PDF")
    code, text = run("verify", filed, "--data", folder)
    assert (code, "not the file that was signed" in text) == (1, True), text


def test_language_format_seed_and_parameters_are_asked_for(folder: Path):
    arguments = ("--month", "2025-06", "--format", "csv", "--lang", "zh", "--seed", 7)
    code, text = run("l3", *arguments, "--set", "member=bank-a", "--out", "sheet", "--data", folder)
    assert code == 0, text
    assert {path.suffixes[-2] for path in Path("sheet").glob("*.csv")} == {".zh"}
    header = json.loads(Path("sheet/manifest.json").read_text())["header"]
    assert header["parameters"] == {"member": "bank-a", "seed": 7}


def test_without_a_period_it_is_of_the_logs_newest_day_or_month(folder: Path):
    for code, period in (("L1", "2025-06-16"), ("L8", "2025-06")):
        status, text = run(code, "--format", "json", "--data", folder, "--json")
        assert status == 0, text
        assert json.loads(text)["folder"].endswith(f"{code}-{period}")


def test_what_was_made_by_the_schedule_is_listed(folder: Path):
    from regulator.config import load_config

    config = load_config(folder / "observer.toml")
    with open_office(folder) as office:
        now = START_MS + 2 * DAY_MS
        asyncio.run(Schedule(config, office, make=Maker(), clock_ms=lambda: now).look())
    code, text = run("list", "--data", folder)
    assert code == 0
    assert "L10  Inspection dossier / 现场检查卷宗" in text
    assert "DONE   L1   2025-06-15" in text
    _, said = run("list", "--data", folder, "--json")
    assert {one["state"] for one in json.loads(said)["runs"]} == {"DONE"}


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("L11",), 2, "none of L1"),
        (("L1", "--day", "yesterday"), 2, "isoformat"),
        (("L1", "--day", "2025-06-15", "--month", "2025-06"), 2, "one of"),
        (("L1", "--from", "2025-06-15"), 2, "one of"),
        (("L1", "--from", "2025-06-15", "--to", "2025-06-01"), 2, "ends before"),
        (("L1", "--format", "docx"), 2, "some of"),
        (("L1", "--lang", "fr"), 2, "en, zh or both"),
        (("L1", "--set", "member"), 2, "name=value"),
        (("L1", "--set", "Member=x"), 2, "is no id"),
        (("verify",), 2, "which folder"),
        (("verify", "nowhere"), 1, "No such file"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(folder: Path, arguments, status, says):
    code, text = run(*arguments, "--data", folder)
    assert (code, says in text) == (status, True), text


def test_a_report_never_replaces_another(folder: Path):
    arguments = ("L1", "--format", "json", "--out", "there", "--data", folder)
    assert (run(*arguments, "--day", "2025-06-15"))[0] == 0
    assert (run(*arguments, "--day", "2025-06-15"))[0] == 0
    code, text = run(*arguments, "--day", "2025-06-16")
    assert (code, "holds another report" in text) == (2, True), text
