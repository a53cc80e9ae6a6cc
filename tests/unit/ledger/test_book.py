"""Statements over many rows: all of them, or nothing of the whole transaction."""

import sqlite3

import pytest

from creditchain.ledger.book import insertion


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    return connection


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM thing ORDER BY id")]


@pytest.mark.parametrize("count", [0, 1, 2, 30, 63, 64, 65, 200])
def test_rows_of_any_number_are_all_written(connection: sqlite3.Connection, count: int):
    rows = [(number, f"n{number}") for number in range(count)]
    insertion("thing", ("id", "name"), rows).run(connection)
    assert names(connection) == [name for _, name in rows]


def test_a_row_that_must_not_be_takes_the_whole_transaction_back(connection: sqlite3.Connection):
    connection.execute("BEGIN IMMEDIATE")
    insertion("thing", ("id", "name"), [(0, "before")]).run(connection)
    with pytest.raises(sqlite3.IntegrityError):
        insertion("thing", ("id", "name"), [(1, "a"), (0, "twice")]).run(connection)
    assert not connection.in_transaction
    assert names(connection) == []
