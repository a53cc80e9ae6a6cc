"""What the views say, beside what the law's own records say of the same events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from creditchain.events import EVENTS, parse_time
from creditchain.events.field import fields_of
from creditchain.rulebook.record import (
    Case,
    Consent,
    ConsentStatus,
    Enterprise,
    Finding,
    Key,
    Member,
    Objection,
    Officer,
    Order,
    Product,
    RecordBatch,
)
from regulator.analytics.columns import FIELDS
from regulator.analytics.export import AnalyticsUnusable
from regulator.analytics.session import NotAQuery, Session, open_session
from regulator.analytics.views import NAMES, views
from tests.unit.regulator.analytics.copies import (
    erase_bodies,
    rows_of_story,
    vector_rows,
    write_copy,
)

TOLD = (
    "consents", "deliveries", "enterprises", "findings", "inspections", "lawful-grounds",
    "members", "objections", "officers", "orders", "records", "suspension",
)  # fmt: skip


def snapshot(session: Session) -> dict[str, list[str]]:
    """Every view but the raw findings, as text, in an order of its own."""
    return {
        view.name: sorted(map(repr, session.rows(f"SELECT * FROM {view.name}"))) for view in views()
    }


def by_id(session: Session, view: str, id_: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    rows = session.rows(f"SELECT {id_}::VARCHAR, {', '.join(columns)} FROM {view}")
    return {row[0]: row[1:] for row in rows}


def test_every_field_of_every_event_is_read() -> None:
    said = {field.json_name for cls in EVENTS.values() for field in fields_of(cls)}
    assert said == set(FIELDS)


def test_every_view_has_the_columns_it_explains(tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", vector_rows())
    with open_session(folder) as session:
        for view in views():
            columns = [row[0] for row in session.rows(f"DESCRIBE {view.name}")]
            assert columns == [name for name, _ in view.columns], view.name
            assert all(meaning for _, meaning in view.columns)


def test_no_event_type_is_lost_on_the_way(tmp_path: Path) -> None:
    rows = vector_rows()
    folder = write_copy(tmp_path / "observer", rows)
    with open_session(folder) as session:
        told = session.rows(
            "SELECT idx, type, event_id::VARCHAR, signer, signed_at_ms FROM entries ORDER BY idx"
        )
    assert {row[1] for row in told} == set(EVENTS)
    for row, (index, type_, id_, signer, signed_at) in zip(rows, told, strict=True):
        event = json.loads(row.body)["event"]
        assert (type_, id_, signer) == (event["type"], event["id"], event["by"]), index
        assert signed_at == parse_time(event["signedAt"])


@pytest.mark.parametrize("story", TOLD)
def test_views_say_what_the_law_recorded(story: str, tmp_path: Path) -> None:
    rows, book = rows_of_story(story)
    folder = write_copy(tmp_path / "observer", rows)
    with open_session(folder) as session:
        now = session.one("SELECT as_of_ms FROM log")[0]
        assert by_id(session, "members", "member", "kind", "region", "standing") == {
            m.id: (m.kind, m.region, m.standing) for m in book.all(Member)
        }
        assert by_id(session, "officers", "officer", "member", "epoch_ms(dismissed_at)") == {
            o.id: (o.member, o.dismissed_at) for o in book.all(Officer)
        }
        assert by_id(session, "enterprises", "enterprise", "vouched_by", "region") == {
            e.id: (e.vouched_by, e.region) for e in book.all(Enterprise)
        }
        assert by_id(session, "products", "product", "agency", "price", "epoch_ms(offered_at)") == {
            p.id: (p.agency, p.price.amount, p.offered_at) for p in book.all(Product)
        }
        assert by_id(
            session, "keys", "owner || '/' || kid", "epoch_ms(added_at)", "epoch_ms(revoked_at)"
        ).items() >= {
            (key.id, (key.added_at, key.revoked_at))
            for key in book.all(Key)
            if key.owner.partition("_")[0] != "of"
        }
        orders = by_id(
            session, "orders", "order_id", "orderer", "officer", "agency", "purpose", "status",
            "epoch_ms(due_at)", "epoch_ms(placed_at)", "epoch_ms(delivered_at)",
            "consent_id::VARCHAR",
        )  # fmt: skip
        assert orders.keys() == {order.id for order in book.all(Order)}
        for order in book.all(Order):
            *told, due_at, placed_at, delivered_at, consent = orders[order.id]
            assert told == [
                order.orderer, order.officer, order.agency, order.purpose, order.status
            ]  # fmt: skip
            assert (placed_at, consent) == (order.placed_at, order.consent)
            if due_at is not None:  # the law gives an order that waits for approval a time too
                assert due_at == order.due_at
            assert delivered_at == order.delivered_at
        consents = by_id(
            session, "consents", "consent_id", "enterprise", "grantee", "officer", "uses", "status",
            "uses_max", "epoch_ms(valid_until)",
        )  # fmt: skip
        assert consents.keys() == {consent.id for consent in book.all(Consent)}
        for consent in book.all(Consent):
            enterprise, grantee, officer, uses, status, uses_max, until = consents[consent.id]
            assert (enterprise, grantee, officer) == (
                consent.enterprise, consent.grantee, consent.requested_by
            )  # fmt: skip
            assert (uses, uses_max) == (consent.uses, consent.terms.uses_max)
            assert until == consent.terms.valid_until
            if consent.status is not ConsentStatus.GRANTED:
                assert status == consent.status
            elif until <= now:
                assert status == "OUT_OF_WINDOW"
            else:
                assert status == ("USED_UP" if uses >= uses_max else "GRANTED")
        assert by_id(session, "record_batches", "batch_id", "member", "records") == {
            b.id: (b.member, b.count) for b in book.all(RecordBatch)
        }
        last = {(one.digest, one.member): one for one in book.all(Finding)}
        assert by_id(
            session, "findings", "asked_id", "finding", "member", "state", "reply", "outcome",
            "epoch_ms(answered_at)", "epoch_ms(closed_at)", "epoch_ms(contested_at)",
        ) == {
            one.id: (
                one.digest, one.member, one.status, one.reply, one.outcome, one.answered_at,
                one.closed_at, one.contested_at,
            )
            for one in last.values()
        }  # fmt: skip
        assert by_id(
            session, "inspections", "case_id", "member", "looks", "approved_by",
            "epoch_ms(closed_at)",
        ) == {
            one.id: (one.member, one.looks, one.approved_by, one.closed_at)
            for one in book.all(Case)
        }  # fmt: skip
        assert by_id(session, "objections", "objection_id", "enterprise", "holder", "outcome") == {
            o.id: (o.enterprise, o.holder, o.outcome) for o in book.all(Objection)
        }


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_size_shows_what_a_copy_of_that_size_shows(share: float, tmp_path: Path) -> None:
    rows = vector_rows()
    size = int(len(rows) * share)
    with open_session(write_copy(tmp_path / "small", rows[:size])) as session:
        told = snapshot(session)
    with open_session(write_copy(tmp_path / "whole", rows), size=size) as session:
        assert snapshot(session) == told


def test_more_than_the_copy_has_is_refused(tmp_path: Path) -> None:
    rows = vector_rows()
    folder = write_copy(tmp_path / "observer", rows)
    with (
        pytest.raises(AnalyticsUnusable, match=f"has {len(rows)} entries"),
        open_session(folder, size=len(rows) + 1),
    ):
        pass


def test_a_log_of_no_entries_has_empty_views(tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", vector_rows())
    with open_session(folder, size=0) as session:
        for name in NAMES:
            assert len(session.rows(f"SELECT * FROM {name}")) == (name == "headline")


def test_an_erased_body_says_nothing_and_its_event_is_still_counted(tmp_path: Path) -> None:
    rows, _ = rows_of_story("orders")
    placed = next(index for index, row in enumerate(rows) if row.type == "OrderPlaced")
    folder = write_copy(tmp_path / "observer", rows)
    with open_session(folder) as session:
        before = session.one("SELECT count(*) FROM orders")
    erase_bodies(folder, [placed], len(rows) - 1)
    with open_session(folder) as session:
        assert session.one("SELECT count(*) FROM orders") == before
        assert session.rows(
            "SELECT officer, enterprise, product FROM orders WHERE placed_idx = ?", [placed]
        ) == [(None, None, None)]
        assert session.one("SELECT bodies_missing FROM log") == (1,)


def test_a_session_reads_nothing_else_and_writes_nothing(tmp_path: Path) -> None:
    folder = write_copy(tmp_path / "observer", vector_rows())
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    with open_session(folder) as session:
        assert session.ask("WITH a AS (SELECT 1 AS x) SELECT x FROM a").fetchall() == [(1,)]
        assert session.ask("DESCRIBE orders").fetchall()
        for query in (
            f"SELECT * FROM read_csv('{outside}')",
            f"SELECT * FROM '{outside}'",
            f"SELECT * FROM read_text('{folder / 'observer.db'}')",
            "SELECT * FROM glob('/*')",
            "WITH a AS (INSERT INTO log SELECT * FROM log RETURNING *) SELECT * FROM a",
            "WITH a AS (DELETE FROM integrity_finding RETURNING *) SELECT * FROM a",
            f"SELECT * FROM enable_logging(storage='file', storage_path='{tmp_path / 'log'}')",
        ):
            with pytest.raises(duckdb.Error):
                session.ask(query)
        for query in (
            f"COPY (SELECT 1) TO '{tmp_path / 'copied'}'",
            f"EXPLAIN ANALYZE COPY (SELECT 1) TO '{tmp_path / 'copied'}'",
            f"ATTACH '{tmp_path / 'other.db'}'",
            "SET memory_limit = '1TB'",
            "DROP VIEW orders",
            "SELECT 1; DROP VIEW orders",
            "INSTALL httpfs",
            "PRAGMA version",
            "",
        ):
            with pytest.raises(NotAQuery):
                session.ask(query)
        assert session.rows("SELECT count(*) FROM orders")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["observer", "outside.csv"]
