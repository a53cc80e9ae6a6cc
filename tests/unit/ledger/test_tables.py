"""Records go into rows and come back the same; the migrations make the tables we declare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from creditchain.events.codes import (
    CaseMatter,
    CreditDecision,
    DeclineCode,
    DisputeCode,
    FindingOutcome,
    FindingReply,
    LawfulGround,
    LegalForm,
    LookGround,
    MemberKind,
    ObjectionOutcome,
    Outcome,
    Purpose,
    Role,
    Section,
    Severity,
)
from creditchain.events.consent import Terms
from creditchain.events.order import DeliveredSection, Ground, SealedReport
from creditchain.events.product import Money
from creditchain.ledger.book import Change, Overlay, Records, SqlBook, statements_of
from creditchain.ledger.database import Database
from creditchain.ledger.tables import (
    CODECS,
    TABLE_OF,
    metadata,
    record_of,
    row_of,
)
from creditchain.rulebook import DictBook
from creditchain.rulebook.record import (
    RECORDS,
    Case,
    CaseStatus,
    Consent,
    ConsentStatus,
    Consortium,
    Enterprise,
    Erasure,
    Finding,
    FindingStatus,
    Key,
    LastAsked,
    Look,
    Member,
    Objection,
    ObjectionStatus,
    Officer,
    Order,
    OrderStatus,
    Product,
    Record,
    RecordBatch,
    Standing,
)
from fixtures.consortium import Consortium as Fixture

BANK = Fixture().of_kind[MemberKind.BANK][0]
PRICE = Money(12_000, "CNY")
TERMS = Terms(
    "bank-a", Purpose.PRE_LOAN_REVIEW, ("agency-a", "agency-b"),
    (Section.IDENTITY, Section.LOANS), 1, 4_000_000_000_000, 3,
)  # fmt: skip
REPORT = SealedReport("f", "c", 5, "application/json", "report/v1", "k")
ORDER = Order(
    "o", "bank-a", "of_a", "en_a", "agency-a", "agency-a/full", Purpose.OTHER, TERMS.sections,
    "kid", PRICE, OrderStatus.PLACED, 10, 20, 10,
)  # fmt: skip
FULL_ORDER = replace(
    ORDER,
    id="full",
    consent="c",
    ground=Ground(LawfulGround.COURT, "d"),
    approved_by="of_b",
    accepted_at=11,
    decline_code=DeclineCode.CAPACITY,
    delivered_at=12,
    outcome=Outcome.PARTIAL,
    report=REPORT,
    delivered_sections=(
        DeliveredSection(Section.IDENTITY, "f"),
        DeliveredSection(Section.LOANS, "g", ("b1", "b2")),
    ),
    acknowledged_at=13,
    dispute_code=DisputeCode.INCOMPLETE,
    disputed_at=14,
    decision=CreditDecision.GRANTED,
    amount=PRICE,
    decided_at=15,
)
# Values of nested fields are parsed again on reading, so they must be real ones.
D = "A" * 43
FULL_ORDER = replace(
    FULL_ORDER,
    ground=Ground(LawfulGround.COURT, D),
    report=replace(REPORT, fingerprint=D, ciphertext=D, sealed_to=D),
    delivered_sections=(
        DeliveredSection(Section.IDENTITY, D),
        DeliveredSection(Section.LOANS, D, ("01890000-0000-7000-8000-000000000000",)),
    ),
)

EXAMPLES: list[Record] = [
    Consortium("consortium", "海港", "hub.example/log", "r", "o", 1, "lk", "rk", 5),
    Member("bank-a", MemberKind.BANK, "银行", "440300", Standing.ACTIVE, 1, 2),
    Member(
        "bank-b", MemberKind.BANK, "银行", "440300", Standing.SUSPENDED, 1, 2, "f", ("k1", "k2")
    ),
    Key("bank-a/k", "bank-a", "k", BANK.key.public, 1),
    Key("bank-a/l", "bank-a", "l", BANK.sealing_key.public, 1, 2, 3, 4),
    Officer("of_a", "bank-a", (Role.APPROVE, Role.ORDER), "i", 1),
    Officer("of_b", "bank-a", (Role.AUDIT,), "i", 1, 2, 3),
    Enterprise("en_a", "bank-a", "440300", "i", 1),
    Enterprise("en_b", "bank-a", "440300", "i", 1, LegalForm.SOLE_TRADER),
    Product(
        "agency-a/full", "agency-a", "full", TERMS.sections, (Purpose.OTHER,), PRICE, 3_600_000,
        "report/v1", 1,
    ),
    Consent("c", "en_a", "bank-a", "of_a", TERMS, ConsentStatus.GRANTED, 2, 1, 2),
    ORDER,
    FULL_ORDER,
    RecordBatch("b", "agency-a", "r", 1_000_000, TERMS.sections, 1, 2),
    RecordBatch("b2", "agency-a", "r", 1, TERMS.sections, 1, 2, 3, "b3"),
    Objection("ob", "en_a", "agency-a", Section.LOANS, ObjectionStatus.OPEN, 1),
    Objection(
        "ob2", "en_a", "agency-a", Section.LOANS, ObjectionStatus.ANSWERED, 1, "o",
        ObjectionOutcome.DATA_WRONG, 2,
    ),
    Finding("f", "digest", "C01", "bank-a", Severity.HIGH, FindingStatus.ASKED, 1, 9, 1),
    Finding(
        "f2", "digest", "C01", "bank-a", Severity.LOW, FindingStatus.CLOSED, 1, 9, 4, (3, 70),
        "delta/1", "f", FindingReply.CONTESTED, "f3", 2, FindingOutcome.NOTED, 3, "f4", 4,
    ),
    LastAsked("bank-a/digest", "f2"),
    Case("k", "n", "bank-a", CaseMatter.ROUTINE, "of_a", CaseStatus.OPENED, 0, 1, 1),
    Case(
        "k2", "n", "bank-a", CaseMatter.FINDING, "of_a", CaseStatus.CLOSED, 7, 1, 3, ("digest",),
        "of_b", 2, 3,
    ),
    Look("l", "k", "of_a", ("en_a", "of_a"), LookGround.SAMPLE, 2),
    Look("l2", "k", "of_a", ("en_a",), LookGround.COMPLAINT, 2, ("ob",)),
    Erasure("body/7", "COURT_ORDER", 1, "commitment"),
    Erasure("report/o", "COURT_ORDER", 1),
]  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "ledger.db")
    database.upgrade()
    yield database
    database.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_every_kind_of_record_has_a_table_with_a_column_for_each_field():
    assert set(TABLE_OF) == set(RECORDS)
    for kind, table in TABLE_OF.items():
        names = [field.name for field in fields(kind)]
        assert [codec.name for codec in CODECS[kind]] == names
        assert {*names, "first_index", "changed_index"} <= set(table.columns.keys())
        assert [column.name for column in table.primary_key] == ["id"]


def test_there_is_an_example_of_every_kind():
    assert {type(example) for example in EXAMPLES} == set(RECORDS)


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda r: f"{type(r).__name__}-{r.id}")
def test_a_record_comes_back_from_its_row(record: Record, connection: Connection):
    table = TABLE_OF[type(record)]
    connection.execute(table.insert().values(row_of(record, 9, 4)))
    row = connection.execute(table.select()).one()
    assert record_of(type(record), row) == record
    assert record_of(type(record), row._mapping) == record
    assert (row.first_index, row.changed_index) == (4, 9)


def test_a_consents_row_shows_the_end_of_its_window(connection: Connection):
    consent = next(example for example in EXAMPLES if isinstance(example, Consent))
    assert row_of(consent, 1)["valid_until"] == consent.terms.valid_until
    assert "first_index" not in row_of(consent, 1)


def test_the_migrations_make_the_declared_tables(database: Database):
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        migrated = describe(connection)
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert describe(connection) == migrated
    engine.dispose()


def describe(connection: Connection) -> dict[str, str]:
    """The DDL of every table and index, without Alembic's own, without spacing, and without the
    quotes that SQLite adds where a table was made anew and renamed."""
    rows = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql > ''")
    )
    return {
        name: "".join(sql.replace('"', "").split())
        for name, sql in rows
        if not name.startswith("alembic_version")
    }


def test_migrating_twice_changes_nothing(database: Database):
    with database.reading() as connection:
        before = describe(connection)
    database.upgrade()
    with database.reading() as connection:
        assert describe(connection) == before


def test_the_writer_keeps_what_it_promises(database: Database):
    writer = database.open_writer()
    promised = {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1,
    }  # fmt: skip
    for pragma, value in promised.items():
        assert writer.execute(f"PRAGMA {pragma}").fetchone() == (value,)
    writer.close()


# Writing what a batch changes.


def write(database: Database, *steps: tuple[Record, int]) -> None:
    """Applies one batch of writes."""
    writer = database.open_writer()
    overlay = Overlay(
        SqlBook(Records(), lambda sql, values: writer.execute(sql, values).fetchone())
    )
    for record, index in steps:
        overlay.put((record,), index, "")
    writer.execute("BEGIN")
    for statement in statements_of(overlay.changes):
        statement.run(writer)
    writer.execute("COMMIT")
    writer.close()


def read(database: Database, kind: type[Record], id_: str) -> Any:
    with database.reading() as connection:
        table = TABLE_OF[kind]
        return connection.execute(table.select().where(table.c.id == id_)).one()


def test_a_record_is_written_once_a_batch_with_its_first_and_last_entry(database: Database):
    accepted = replace(ORDER, status=OrderStatus.ACCEPTED, accepted_at=12, changed_at=12)
    write(database, (ORDER, 3), (accepted, 5))
    row = read(database, Order, "o")
    assert record_of(Order, row) == accepted
    assert (row.first_index, row.changed_index) == (3, 5)
    delivered = replace(accepted, status=OrderStatus.DELIVERED, report=FULL_ORDER.report)
    write(database, (delivered, 8))
    row = read(database, Order, "o")
    assert record_of(Order, row) == delivered
    assert (row.first_index, row.changed_index) == (3, 8)


def test_a_field_can_become_empty_again(database: Database):
    write(database, (FULL_ORDER, 1))
    emptied = replace(FULL_ORDER, consent=None, report=None)
    write(database, (emptied, 2))
    assert record_of(Order, read(database, Order, "full")) == emptied


def test_terms_that_change_move_the_end_of_the_window(database: Database):
    consent = next(example for example in EXAMPLES if isinstance(example, Consent))
    write(database, (consent, 1))
    narrower = replace(consent, terms=replace(TERMS, valid_until=77))
    write(database, (narrower, 2))
    row = read(database, Consent, "c")
    assert record_of(Consent, row) == narrower
    assert row.valid_until == 77


def test_many_records_of_one_kind_go_in_whole(database: Database):
    many = [replace(ORDER, id=f"o{at}") for at in range(150)]
    write(database, *((order, at) for at, order in enumerate(many)))
    changed = [replace(order, status=OrderStatus.LAPSED) for order in many]
    write(database, *((order, 1000 + at) for at, order in enumerate(changed)))
    for at, order in enumerate(changed):
        row = read(database, Order, order.id)
        assert record_of(Order, row) == order
        assert (row.first_index, row.changed_index) == (at, 1000 + at)


def test_every_example_is_written_and_rewritten(database: Database):
    write(database, *((example, at) for at, example in enumerate(EXAMPLES)))
    write(database, *((example, 100 + at) for at, example in enumerate(EXAMPLES)))
    for at, example in enumerate(EXAMPLES):
        row = read(database, type(example), example.id)
        assert record_of(type(example), row) == example
        assert (row.first_index, row.changed_index) == (at, 100 + at)


# Remembering records.


class CountedBook:
    """A book in memory that counts how often it was asked."""

    def __init__(self, *records: Record) -> None:
        self.asked = 0
        self._book = DictBook()
        self._book.put(records)

    def get(self, kind: Any, id: str) -> Any:
        self.asked += 1
        return self._book.get(kind, id)


def test_an_overlay_shows_its_own_writes_over_the_committed_state():
    book = CountedBook(ORDER)
    overlay = Overlay(book)
    assert overlay.get(Order, "o") == ORDER
    assert overlay.get(Order, "o") == ORDER
    assert overlay.get(Order, "none") is None
    assert overlay.get(Order, "none") is None
    assert book.asked == 2
    accepted = replace(ORDER, status=OrderStatus.ACCEPTED)
    overlay.put((accepted,), 7, "another event")
    assert overlay.get(Order, "o") is accepted
    assert overlay.changes == {(Order, "o"): Change(ORDER, accepted, 7, 7)}
    overlay.put((replace(ORDER, id="new"),), 8, "new")
    assert overlay.changes[Order, "new"].before is None
    assert book.asked == 2


def test_records_remembered_are_bounded_and_the_recent_ones_stay():
    records = Records(remembered=10)
    keys = [(Order, f"o{at}") for at in range(100)]
    for key in keys:
        records.remember(key, replace(ORDER, id=key[1]), 0)
        assert records.find(keys[0]) is not None  # asked for all the time
    held = [key for key in keys if records.find(key) is not None]
    assert len(held) <= 20
    assert keys[0] in held
    assert keys[-1] in held


def test_a_row_read_before_a_commit_is_not_remembered_after_it():
    records = Records()
    before = records.commits
    newer = replace(ORDER, status=OrderStatus.ACCEPTED)
    records.publish([((Order, "o"), newer)])
    records.remember((Order, "o"), ORDER, before)
    assert records.find((Order, "o")) is newer
    records.remember((Order, "p"), ORDER, before)
    assert records.find((Order, "p")) is None
