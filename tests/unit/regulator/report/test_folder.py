"""A report's files lie in one signed folder, which is whole or not there."""

import hashlib
import json
import multiprocessing
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from creditchain.client.keys import generate_key, private_key
from creditchain.events import canonical_json
from regulator.report.folder import (
    MANIFEST,
    SIGNATURE,
    NotGenuine,
    NotWritten,
    check_folder,
    write_folder,
)
from regulator.report.model import INTEGER_MAX, Both, Column, Kind, Table
from regulator.report.pdf import FONTS
from tests.unit.regulator.report.sample import HEADER, HOSTILE, REPORT

KEY = private_key("Ed25519", bytes(range(32)))


def file_report(folder: Path, **options: object) -> Path:
    write_folder(folder, REPORT, KEY, fonts=FONTS, **options)  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return file_report(tmp_path_factory.mktemp("reports") / "L1" / "2026-11-25")


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_format_and_language_is_there_and_the_folder_verifies(filed: Path):
    manifest = check_folder(filed, KEY.public)
    names = {entry["name"] for entry in manifest["files"]}
    assert {"L1.en.pdf", "L1.zh.pdf", "L1.json", "L1.members.zh.csv", "L1.members.parquet"} <= names
    assert manifest["digest"] == REPORT.digest
    assert manifest["header"]["size"] == HEADER.size
    assert manifest["header"]["parameters"]["seed"] == 42


def test_another_run_and_another_process_give_the_same_bytes(filed: Path, tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=file_report, args=(tmp_path / "there",))
    process.start()
    here = read_all(file_report(tmp_path / "here"))
    process.join()
    assert process.exitcode == 0
    assert here == read_all(filed) == read_all(tmp_path / "there")


def test_the_digest_is_the_same_in_the_json_and_is_derived_from_it(filed: Path):
    value = json.loads((filed / "L1.json").read_bytes())
    assert hashlib.sha256(canonical_json(value["report"])).hexdigest() == value["digest"]
    assert value["digest"] == REPORT.digest


@pytest.mark.parametrize("name", ["L1.en.pdf", "L1.members.en.csv", MANIFEST, SIGNATURE])
def test_a_changed_file_is_found(name: str, tmp_path: Path):
    folder = file_report(tmp_path / "r")
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(NotGenuine, match=r"manifest\.jws|is not the file"):
        check_folder(folder, KEY.public)


def test_the_largest_amount_is_exact_to_the_hundredth(tmp_path: Path):
    from regulator.report.parquet import write_parquet

    amount = Column("amount", Both("Amount", "金额"), Kind.MONEY)
    table = Table("t", Both("T", "表"), (amount,), ((INTEGER_MAX,), (-INTEGER_MAX,), (None,)))
    write_parquet(tmp_path / "t.parquet", table, {})
    rows = duckdb.sql(f"SELECT amount::VARCHAR FROM '{tmp_path / 't.parquet'}'").fetchall()
    assert rows == [("90071992547409.91",), ("-90071992547409.91",), (None,)]


def test_a_missing_and_an_added_file_are_found(tmp_path: Path):
    folder = file_report(tmp_path / "r", formats=("json",))
    (folder / "more.csv").write_text("a")
    with pytest.raises(NotGenuine, match="is not of this report"):
        check_folder(folder, KEY.public)
    (folder / "more.csv").unlink()
    (folder / "L1.json").unlink()
    with pytest.raises(NotGenuine, match="is missing"):
        check_folder(folder, KEY.public)


def test_another_key_signed_it(filed: Path):
    with pytest.raises(NotGenuine, match="not signed for"):
        check_folder(filed, generate_key().public)


def test_a_signature_for_another_use_is_none_of_a_report(tmp_path: Path):
    from creditchain.client.jws import sign
    from regulator.webhook import WARNING_TYPE

    folder = file_report(tmp_path / "r", formats=("json",))
    jws = sign((folder / MANIFEST).read_bytes(), KEY, WARNING_TYPE)
    (folder / SIGNATURE).write_text(jws)
    with pytest.raises(NotGenuine, match="not signed for"):
        check_folder(folder, KEY.public)


def test_the_same_report_is_kept_and_another_never_overwritten(tmp_path: Path):
    folder = file_report(tmp_path / "r", formats=("json",))
    before = (folder / MANIFEST).stat().st_mtime_ns
    file_report(folder, formats=("json",))
    assert (folder / MANIFEST).stat().st_mtime_ns == before
    other = replace(REPORT, header=replace(HEADER, size=1))
    with pytest.raises(NotWritten, match="holds another report"):
        write_folder(folder, other, KEY, fonts=FONTS, formats=("json",))


def test_a_run_killed_in_the_middle_leaves_no_folder_and_the_next_gives_the_same(
    filed: Path, tmp_path: Path
):
    folder = tmp_path / "L1" / "2026-11-25"
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from regulator.report import folder\n"
        "from tests.unit.regulator.report.test_folder import file_report\n"
        "def killed(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "folder._write_manifest = killed\n"
        "file_report(Path(sys.argv[1]))\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(folder)], check=False, timeout=60)
    assert run.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert any(folder.parent.iterdir()), "the draft lies there still"
    assert read_all(file_report(folder)) == read_all(filed)
    assert list(folder.parent.iterdir()) == [folder]


def test_a_sheet_opens_in_excel_and_runs_no_formula(filed: Path):
    data = (filed / "L1.members.en.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    text = data.decode("utf-8-sig")
    for hostile in HOSTILE:
        if hostile[0] in "=+-@":
            assert f"\"'{hostile}" in text
    assert ',"pass"\r\n' in text
    assert ",NULL\r\n" in text
    assert "2026-11-25T23:00:00.000+08:00" in text
    rows = duckdb.sql(
        f"SELECT * FROM read_csv('{filed / 'L1.members.en.csv'}', nullstr = 'NULL', "
        "allow_quoted_nulls = false)"
    ).fetchall()
    assert len(rows) == len(HOSTILE)
    assert {row[7] for row in rows} == {"pass", None}


def test_parquet_carries_the_header_and_the_types(filed: Path):
    path = filed / "L1.members.parquet"
    rows = duckdb.sql(f"SELECT * FROM '{path}'").fetchall()
    assert [row[1] for row in rows] == list(HOSTILE)
    types = dict(row[:2] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall())
    assert types["last"] == "TIMESTAMP WITH TIME ZONE"
    assert types["amount"] == types["share"] == "DECIMAL(18,2)"
    assert types["verdict"] == types["verdict_zh"] == "VARCHAR"
    said = dict(
        duckdb.sql(
            f"SELECT key::VARCHAR, value::VARCHAR FROM parquet_kv_metadata('{path}')"
        ).fetchall()
    )
    assert said["digest"] == REPORT.digest
    assert said["size"] == str(HEADER.size)
    assert said["root"] == HEADER.root


def test_figures_and_charts_are_data_too(filed: Path):
    figures = duckdb.sql(f"SELECT name, number, text, unit FROM '{filed / 'L1.figures.parquet'}'")
    assert ("billed", 12_345_678, None, "1/100") in figures.fetchall()
    chart = duckdb.sql(f"SELECT * FROM '{filed / 'L1.per_day.parquet'}'").fetchall()
    assert chart[3] == ("11-22", None, None)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match=r"Not a directory|File exists"):
        file_report(tmp_path / "file" / "r", formats=("json",))
