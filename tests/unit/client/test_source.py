"""An agency's own database: rows become the records that were committed, or a fault is named."""

import sqlite3
from pathlib import Path

import pytest

from creditchain.client.fresh import fresh_enterprise_id
from creditchain.client.records import Record
from creditchain.client.source import BadMapping, BadRow, Source, SourceUnavailable
from creditchain.events.codes import Section

SUBJECT = fresh_enterprise_id()
MAPPING = """
[subject]
select = "SELECT 1 FROM company WHERE id = :subject"
[sections.LOANS]
select = "SELECT * FROM loan WHERE company = :subject ORDER BY account"
[sections.LOANS.fields]
account = "account"
open = { column = "open", kind = "boolean" }
years = { column = "years", kind = "integer" }
opened = { column = "opened", kind = "date" }
amount = { column = "fen", kind = "money", currency_column = "currency" }
balance = { column = "fen", kind = "money", currency = "CNY" }
notes = { column = "notes", kind = "json" }
[sections.RATINGS]
select = "WITH r AS (SELECT data FROM rating WHERE company = :subject) SELECT data FROM r"
data = "data"
"""


def source(folder: Path, mapping: str = MAPPING) -> Source:
    path = folder / "agency.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE IF NOT EXISTS company (id);
            CREATE TABLE IF NOT EXISTS rating (company, data);
            CREATE TABLE IF NOT EXISTS loan
                (company, account, open, years, opened, fen, currency, notes);
            """
        )
    database.close()
    (folder / "mapping.toml").write_text(mapping)
    return Source.load(folder / "mapping.toml", f"sqlite:///{path}")


def put(folder: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(folder / "agency.db") as database:
        database.execute(statement, values)
    database.close()


LOAN = "INSERT INTO loan VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def test_a_row_becomes_a_record(tmp_path: Path):
    found = source(tmp_path)
    assert not found.knows(SUBJECT)
    put(tmp_path, "INSERT INTO company VALUES (?)", SUBJECT)
    put(tmp_path, LOAN, SUBJECT, "L1", 1, 3, "2024-02-29", 500, "JPY", '{"a":["名"]}')
    put(tmp_path, LOAN, SUBJECT, "L2", 0, None, None, None, None, None)
    put(tmp_path, "INSERT INTO rating VALUES (?, ?)", SUBJECT, '{"agency":"R","grade":"A"}')
    assert found.knows(SUBJECT)
    assert found.sections == {Section.LOANS, Section.RATINGS}
    assert found.read(SUBJECT, Section.LOANS) == [
        Record(
            SUBJECT,
            Section.LOANS,
            {
                "account": "L1",
                "open": True,
                "years": 3,
                "opened": "2024-02-29",
                "amount": {"amount": 500, "currency": "JPY"},
                "balance": {"amount": 500, "currency": "CNY"},
                "notes": {"a": ["名"]},
            },
        ),
        Record(SUBJECT, Section.LOANS, {"account": "L2", "open": False}),
    ]
    assert found.read(SUBJECT, Section.RATINGS) == [
        Record(SUBJECT, Section.RATINGS, {"agency": "R", "grade": "A"})
    ]
    assert found.read(fresh_enterprise_id(), Section.LOANS) == []
    found.close()


@pytest.mark.parametrize(
    "row",
    [
        (SUBJECT, "L1", 1, 1.5, None, None, None, None),
        (SUBJECT, "L1", 1, None, None, "12.34", "CNY", None),
        (SUBJECT, "L1", 1, None, None, None, None, "{"),
        (SUBJECT, "L1", 1, None, None, None, None, '{"a":1.5}'),
    ],
)
def test_a_row_that_is_no_record_is_a_fault(row: tuple[object, ...], tmp_path: Path):
    found = source(tmp_path)
    put(tmp_path, LOAN, *row)
    with pytest.raises(BadRow, match="LOANS"):
        found.read(SUBJECT, Section.LOANS)
    found.close()


def test_a_column_that_is_not_there_is_a_fault(tmp_path: Path):
    found = source(tmp_path, MAPPING.replace('"account"', '"number"', 1))
    put(tmp_path, LOAN, SUBJECT, "L1", *[None] * 6)
    with pytest.raises(BadRow, match=r"column 'number'"):
        found.read(SUBJECT, Section.LOANS)
    found.close()


def test_a_database_that_is_away_may_come_back(tmp_path: Path):
    found = source(tmp_path, MAPPING.replace("FROM company", "FROM companies"))
    with pytest.raises(SourceUnavailable, match="no such table"):
        found.knows(SUBJECT)
    found.close()


def test_a_statement_changes_nothing(tmp_path: Path):
    put_by_with = 'select = "WITH x AS (SELECT :subject) INSERT INTO company SELECT * FROM x"'
    found = source(
        tmp_path,
        MAPPING.replace('select = "SELECT 1 FROM company WHERE id = :subject"', put_by_with),
    )
    with pytest.raises(SourceUnavailable):
        found.knows(SUBJECT)
    found.close()
    assert not source(tmp_path).knows(SUBJECT)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[subject]", "[subjects]", "unknown table subjects"),
        ("[sections.LOANS]", "[sections.LOAN]", "not one of the Section codes"),
        ('data = "data"', "", "either fields or data"),
        ('data = "data"', "data = 1", "not the name of a column"),
        (":subject ORDER", "1 ORDER", "with the parameter :subject"),
        ("SELECT * FROM loan", "DELETE FROM loan", "begins with SELECT or WITH"),
        ('kind = "boolean"', 'kind = "float"', "not one of text"),
        ('kind = "boolean"', 'type = "boolean"', "has column"),
        (', currency = "CNY"', "", "money, and only money"),
        ('kind = "boolean"', 'kind = "boolean", currency = "CNY"', "money, and only money"),
        ('account = "account"', "account = 1", "not a column's name"),
        ("[subject]", "[", "mapping.toml"),
    ],
)
def test_an_unfit_mapping_is_named(old: str, new: str, problem: str, tmp_path: Path):
    with pytest.raises(BadMapping, match=r"mapping\.toml") as caught:
        source(tmp_path, MAPPING.replace(old, new, 1))
    assert problem in str(caught.value)


def test_a_database_url_is_never_repeated(tmp_path: Path):
    (tmp_path / "mapping.toml").write_text(MAPPING)
    for url in ("nonsense:hunter2", "oracle+none://u:hunter2@h/d"):
        with pytest.raises(BadMapping) as caught:
            Source.load(tmp_path / "mapping.toml", url)
        assert "hunter2" not in str(caught.value)


def test_an_absent_mapping_is_named(tmp_path: Path):
    with pytest.raises(BadMapping, match="No such file"):
        Source.load(tmp_path / "absent.toml", "sqlite://")
