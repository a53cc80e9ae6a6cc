"""The observer's databases: found whatever their folder is called, read beside, held alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from regulator.database import (
    OBSERVER_NAME,
    DatabaseUnusable,
    InUse,
    find_copy,
    held_alone,
    open_beside,
    open_database,
)


@pytest.mark.parametrize("name", ["plain", "with space", "100%25", "who?mode=rw", "a#b", "监管"])
def test_a_folder_of_any_name_has_its_own_database(tmp_path: Path, name: str):
    folder = tmp_path / name
    folder.mkdir()
    with open_database(folder / OBSERVER_NAME) as engine, engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO walk VALUES ('here', 1, 2)")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with (
        open_database(find_copy(folder), readers=True) as engine,
        engine.begin() as connection,
        closing(open_beside(folder / OBSERVER_NAME)) as beside,
    ):
        query = "SELECT * FROM walk"
        assert connection.exec_driver_sql(query).fetchall() == [("here", 1, 2)]
        assert beside.execute(query).fetchall() == [("here", 1, 2)]


def test_who_reads_beside_the_writer_writes_nothing(tmp_path: Path):
    path = tmp_path / OBSERVER_NAME
    with (
        open_database(path),
        closing(open_beside(path)) as beside,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        beside.execute("DELETE FROM walk")


def test_a_copy_that_is_not_there_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(DatabaseUnusable, match="is not there yet"):
        find_copy(tmp_path)
    with pytest.raises(sqlite3.OperationalError):
        open_beside(tmp_path / OBSERVER_NAME)
    assert not list(tmp_path.iterdir())


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path):
    lock = tmp_path / ".lock"
    with (
        held_alone(lock, "mine"),
        pytest.raises(InUse, match="theirs"),
        held_alone(lock, "theirs"),
    ):
        pass
    with held_alone(lock, "mine again"):
        pass
