"""The Parquet files: what is written when, and what is left of a crash, an erasure, another log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from regulator.analytics import export
from regulator.analytics.export import AnalyticsUnusable, refreshed
from regulator.analytics.session import open_session
from regulator.database import DatabaseUnusable, open_database
from regulator.stored import CopyDamaged
from tests.unit.regulator.analytics.copies import (
    Row,
    erase_bodies,
    rows_of_story,
    write_copy,
)

PART = 16


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PARTITION_ENTRIES", PART)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return rows_of_story("orders")[0]


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (folder / "analytics").glob("*.parquet")}


def count(folder: Path) -> int:
    with open_session(folder) as session:
        number: int = session.one("SELECT count(DISTINCT idx) FROM entries")[0]
    return number


def test_a_finished_file_is_never_written_again(rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", rows[: 2 * PART + 3])
    with refreshed(folder) as exported:
        assert exported.written == 3
        assert [path.name for path in exported.files] == [
            "entries-000000000000-000000000016.parquet",
            "entries-000000000016-000000000032.parquet",
            "entries-000000000032-open.parquet",
        ]
    before = inodes(folder)
    with refreshed(folder) as exported:
        assert exported.written == 0
    write_copy(folder, rows[: 3 * PART + 1])
    with refreshed(folder) as exported:
        assert exported.written == 2
    after = inodes(folder)
    finished = [name for name in before if "open" not in name]
    assert [before[name] for name in finished] == [after[name] for name in finished]
    assert "entries-000000000032-open.parquet" not in after
    assert count(folder) == 3 * PART + 1


def test_what_a_crash_left_is_cleared_away(rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", rows)
    with refreshed(folder) as exported:
        first, *_, last = exported.files
    (folder / "analytics" / ".writing-x.parquet").write_bytes(b"PAR1")
    first.chmod(0o600)
    first.write_bytes(first.read_bytes()[:200])
    last.unlink()
    (folder / "analytics" / "entries-000000009999-open.parquet").write_bytes(b"")
    with refreshed(folder) as exported:
        assert exported.written == 2
    assert count(folder) == len(rows)
    assert not list((folder / "analytics").glob(".writing*"))


def test_an_erased_body_leaves_the_finished_file(rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", rows)
    placed = next(index for index, row in enumerate(rows) if row.type == "OrderPlaced")
    query = "SELECT enterprise, has_body, type FROM entries WHERE idx = ?"
    with open_session(folder) as session:
        assert session.one(query, [placed])[0] is not None
    erase_bodies(folder, [placed], len(rows) - 1)
    with refreshed(folder) as exported:
        assert exported.written == 1
    with open_session(folder) as session:
        assert session.one(query, [placed]) == (None, False, "OrderPlaced")


def test_a_body_that_comes_late_is_told(rows: list[Row], tmp_path: Path) -> None:
    # Replay has passed its entry: the mirror keeps the bytes, and neither type nor id beside them.
    late = [row._replace(type=None, event=None) for row in rows]
    folder = write_copy(tmp_path / "observer", late)
    with open_session(folder) as session:
        assert session.rows("SELECT type, event_id::VARCHAR FROM entries ORDER BY idx") == [
            (row.type, row.event) for row in rows
        ]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"{}", b"[" * 5_000, b'{"event":{"type":"OrderPlaced"},"proof":""}\n']
)
def test_bytes_that_are_no_event_say_nothing(body: bytes, rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", [rows[0], Row(rows[0].at, body, None, None)])
    with open_session(folder) as session:
        assert session.rows("SELECT has_body, type, commitment IS NULL FROM entries") == [
            (True, "ConsortiumFounded", False),
            (False, None, False),
        ]


def test_another_log_in_the_same_folder_is_exported_anew(rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", rows)
    with refreshed(folder) as exported:
        files = len(exported.files)
    (folder / "observer.db").unlink()
    write_copy(folder, rows, origin="other.example/log")
    with refreshed(folder) as exported:
        assert (exported.written, exported.origin) == (files, "other.example/log")


def test_a_session_keeps_what_it_began_with(rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", rows[: PART + 3])
    with open_session(folder) as session:
        write_copy(folder, rows)
        with refreshed(folder) as exported:
            assert exported.size == len(rows)
        assert session.one("SELECT count(*) FROM entries") == (PART + 3,)
    assert count(folder) == len(rows)


def test_the_room_of_a_killed_session_is_cleared_and_a_live_one_is_not(
    rows: list[Row], tmp_path: Path
) -> None:
    folder = write_copy(tmp_path / "observer", rows)
    dead = folder / "analytics" / ".session-dead"
    with open_session(folder) as session:
        dead.mkdir()
        os.close(os.open(dead / ".lock", os.O_CREAT, 0o600))
        with open_session(folder):
            assert not dead.exists()
        assert session.one("SELECT count(*) FROM entries") == (len(rows),)
    assert not list((folder / "analytics").glob(".session-*"))


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="regulator serve"), refreshed(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_said(rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", rows)
    (folder / "analytics").write_text("in the way")
    with pytest.raises(AnalyticsUnusable, match="cannot write"), refreshed(folder):
        pass


def test_a_copy_with_a_gap_is_not_exported(rows: list[Row], tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", rows)
    with open_database(folder / "observer.db") as engine, engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entry WHERE idx = 5")
    with pytest.raises(CopyDamaged, match="regulator check"), refreshed(folder):
        pass


def test_many_chunks_give_the_same_file(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT * FROM entries ORDER BY idx"
    with open_session(write_copy(tmp_path / "one", rows)) as session:
        at_once = session.rows(query)
    monkeypatch.setattr(export, "CHUNK_BYTES", 1_000)
    monkeypatch.setattr(export, "ROWS_READ", 2)
    with open_session(write_copy(tmp_path / "two", rows)) as session:
        assert session.rows(query) == at_once
