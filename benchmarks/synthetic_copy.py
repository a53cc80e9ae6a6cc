"""An observer's copy that was never signed: for questions over more orders than one can sign.

Two of them, and neither is a log: no signature holds, no root is theirs.

- `write_parquet`: the export of a year of orders, made by DuckDB in the layout and with the stamps
  that `regulator.analytics.export` would write, beside an `observer.db` that has only the rows
  those stamps are made of. 207 banks with 71 query users each (the published size of the reference
  system), 100,000 enterprises, 12 products of 4 agencies.
- `write_database`: an `observer.db` with whole lives of orders, bodies of the size of signed ones,
  to be exported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from creditchain.events import Body, Event, b64u, format_event, parse_time
from creditchain.events.codes import CreditDecision, Outcome, Purpose, Section
from creditchain.events.order import (
    CreditDecided,
    DeliveredSection,
    DeliveryAcknowledged,
    OrderAccepted,
    OrderPlaced,
    ReportDelivered,
    SealedReport,
)
from creditchain.events.product import Money
from creditchain.seal import Entry, assemble, format_entry
from regulator.analytics.columns import COLUMNS
from regulator.analytics.export import (
    FOLDER_NAME,
    PARTITION_ENTRIES,
    file_name,
    quoted,
    stamp_of,
)
from regulator.database import OBSERVER_NAME, open_database

ORIGIN: Final = "synthetic.example/log"
GENESIS: Final = hashlib.sha256(ORIGIN.encode()).digest()
BEGIN_MS: Final = parse_time("2025-12-31T16:00:00.000Z")
"""The new year of 2026 in Shanghai."""

YEAR_MS: Final = 365 * 86_400_000
BANKS: Final = 207
OFFICERS: Final = BANKS * 71
ENTERPRISES: Final = 100_000
PRODUCTS: Final = 12
BATCHES: Final = 20
LIFE: Final = 5

# One row for each entry, by time: `n` counts orders (or members, officers …), `k` is its kind.
_STEPS: Final = f"""
CREATE TABLE step AS WITH o AS (
  SELECT n, {BEGIN_MS} + (n::HUGEINT * {YEAR_MS} // $orders)::BIGINT AS t, hash(n, 7) AS h
  FROM range($orders) r(n)
), s AS (
  SELECT n, 10 AS k, t - 86400000 - (h % 3600000)::BIGINT AS at_ms FROM o WHERE n % 2 = 0
  UNION ALL SELECT n, 11, t - 3600000 - (h % 3600000)::BIGINT FROM o WHERE n % 2 = 0
  UNION ALL SELECT n, 12, t FROM o
  UNION ALL SELECT n, 13, t + 60000 + (h % 600000)::BIGINT FROM o WHERE h % 50 <> 0
  UNION ALL SELECT n, 14, t + 60000 FROM o WHERE h % 50 = 0
  UNION ALL SELECT n, 15, t + 660000 + (hash(n, 3) % 14400000)::BIGINT FROM o WHERE h % 50 <> 0
  UNION ALL SELECT n, 16, t + 15060000 + (hash(n, 4) % 3600000)::BIGINT FROM o
    WHERE h % 50 <> 0 AND h % 400 <> 1
  UNION ALL SELECT n, 17, t + 18660000 FROM o WHERE h % 400 = 1
  UNION ALL SELECT n, 18, t + 22260000 + (hash(n, 5) % 36000000)::BIGINT FROM o
    WHERE h % 50 <> 0 AND h % 5 <> 0
), head AS (
  SELECT 0::BIGINT AS n, 0 AS k, {BEGIN_MS} - 172800000 AS at_ms
  UNION ALL SELECT n, 1, {BEGIN_MS} - 172799999 FROM range({BANKS + 4}) r(n)
  UNION ALL SELECT n, 2, {BEGIN_MS} - 172799998 FROM range({OFFICERS}) r(n)
  UNION ALL SELECT n, 3, {BEGIN_MS} - 172799997 FROM range({ENTERPRISES}) r(n)
  UNION ALL SELECT n, 4, {BEGIN_MS} - 172799996 FROM range({PRODUCTS}) r(n)
  UNION ALL SELECT n, 5, {BEGIN_MS} - 172799995 FROM range({BATCHES}) r(n)
)
SELECT row_number() OVER (ORDER BY at_ms, k, n) - 1 AS idx, *
FROM (FROM head UNION ALL FROM s)
"""

_MACROS: Final = (
    "CREATE MACRO uid(kind, n) AS md5(kind || n)::UUID",
    "CREATE MACRO dig(kind, n) AS left(to_base64(unhex(sha256(kind || n))), 43)",
    "CREATE MACRO bank(b) AS 'bank-' || b",
    "CREATE MACRO agency(p) AS 'agency-' || (p % 4)",
    "CREATE MACRO officer(x) AS 'of_' || left(to_base64(unhex(md5('of' || x))), 22)",
    "CREATE MACRO enterprise(x) AS 'en_' || left(to_base64(unhex(md5('en' || x))), 22)",
)

_TYPES: Final = (
    "['ConsortiumFounded', 'MemberAdmitted', 'OfficerAppointed', 'EnterpriseEnrolled', "
    "'ProductOffered', 'RecordsCommitted', '', '', '', '', 'ConsentRequested', 'ConsentGranted', "
    "'OrderPlaced', 'OrderAccepted', 'OrderDeclined', 'ReportDelivered', 'DeliveryAcknowledged', "
    "'DeliveryDisputed', 'CreditDecided']"
)
_SECTIONS: Final = "['CREDIT_LINES', 'CREDIT_SUMMARY', 'GUARANTEES', 'IDENTITY', 'LOANS']"
_PURPOSES: Final = (
    "['PRE_LOAN_REVIEW', 'IN_LOAN_OPERATION', 'POST_LOAN_MANAGEMENT', 'GUARANTEE_REVIEW', 'OTHER']"
)

# What each column holds, from n, k and four draws: h, o (officer), e (enterprise), p (product).
_VALUES: Final = {
    "idx": "idx",
    "at_ms": "at_ms",
    "commitment": "dig('c', idx)",
    "type": f"{_TYPES}[k + 1]",
    "event_id": "CASE k WHEN 12 THEN uid('o', n) WHEN 10 THEN uid('k', n) ELSE uid('e', idx) END",
    "has_body": "true",
    "signed_at_ms": "at_ms - (h % 2000)::BIGINT",
    "signer": "CASE WHEN k IN (10, 12, 16, 17, 18) THEN officer(o) WHEN k = 11 THEN enterprise(e) "
    f"WHEN k IN (13, 14, 15) THEN officer('a' || p) WHEN k IN (2, 3) THEN bank(n % {BANKS}) "
    "ELSE 'regulator' END",
    "member": f"CASE WHEN k = 1 THEN CASE WHEN n >= {BANKS} THEN agency(n) ELSE bank(n) END END",
    "kind": f"CASE WHEN k = 1 THEN CASE WHEN n >= {BANKS} THEN 'AGENCY' ELSE 'BANK' END END",
    "name": "CASE k WHEN 1 THEN 'Member ' || n WHEN 4 THEN 'Product ' || n END",
    "region": "CASE WHEN k IN (1, 3) THEN (440000 + (hash(n, 9) % 21) * 100)::VARCHAR END",
    "officer": "CASE WHEN k = 2 THEN officer(n) END",
    "roles": "CASE WHEN k = 2 THEN ['ORDER'] END",
    "enterprise": "CASE WHEN k IN (10, 12) THEN enterprise(e) WHEN k = 3 THEN enterprise(n) END",
    "product": "CASE k WHEN 12 THEN agency(p) || '/p' || p WHEN 4 THEN agency(n) || '/p' || n END",
    "price": "CASE WHEN k = 4 THEN 1500 + n * 100 END",
    "price_currency": "CASE WHEN k = 4 THEN 'CNY' END",
    "due_within_ms": "CASE WHEN k = 4 THEN 14400000 END",
    "sections": f"CASE WHEN k IN (4, 10, 11, 12, 15) THEN {_SECTIONS} END",
    "batches": f"CASE WHEN k = 15 THEN [uid('b', n % {BATCHES})] END",
    "consent_id": "CASE WHEN k IN (10, 11) THEN uid('k', n) WHEN k = 12 THEN uid('k', n - n % 2) "
    "END",
    "grantee": f"CASE WHEN k IN (10, 11) THEN bank(o % {BANKS}) END",
    "purpose": f"CASE WHEN k IN (10, 11, 12) THEN {_PURPOSES}[1 + (h % 5)::INT] END",
    "agencies": "CASE WHEN k IN (10, 11) THEN [agency(p)] END",
    "valid_from_ms": "CASE WHEN k IN (10, 11) THEN at_ms END",
    "valid_until_ms": "CASE WHEN k IN (10, 11) THEN at_ms + 7776000000 END",
    "uses_max": "CASE WHEN k IN (10, 11) THEN 2 END",
    "order_id": "CASE WHEN k >= 12 THEN uid('o', n) END",
    "seal_to": f"CASE WHEN k IN (12, 15) THEN dig('s', o % {BANKS}) END",
    "code": "CASE k WHEN 14 THEN 'CAPACITY' WHEN 17 THEN 'INACCURATE' END",
    "outcome": "CASE WHEN k = 15 THEN CASE WHEN h % 40 = 3 THEN 'NOT_FOUND' "
    "WHEN h % 7 = 3 THEN 'PARTIAL' ELSE 'COMPLETE' END END",
    "report_fingerprint": "CASE WHEN k = 15 THEN dig('f', n) END",
    "report_ciphertext": "CASE WHEN k = 15 THEN dig('g', n) END",
    "report_size": "CASE WHEN k = 15 THEN 9000 END",
    "opened_fingerprint": "CASE WHEN k IN (16, 17) THEN dig('f', n) END",
    "decision": "CASE WHEN k = 18 THEN CASE WHEN h % 3 = 0 THEN 'DECLINED' ELSE 'GRANTED' END END",
    "amount": "CASE WHEN k = 18 AND h % 3 <> 0 THEN 500000000 + (h % 1000)::BIGINT * 1000000 END",
    "currency": "CASE WHEN k = 18 AND h % 3 <> 0 THEN 'CNY' END",
    "batch_id": "CASE WHEN k = 5 THEN uid('b', n) END",
    "record_count": "CASE WHEN k = 5 THEN 1000000 END",
    "record_root": "CASE WHEN k = 5 THEN dig('r', n) END",
}


def write_parquet(folder: Path, orders: int) -> int:
    """An observer's folder with the export of so many orders; the number of entries."""
    (folder / FOLDER_NAME).mkdir(parents=True)
    columns = ", ".join(
        f'CAST({_VALUES.get(one.name, "NULL")} AS {one.type}) AS "{one.name}"' for one in COLUMNS
    )
    with duckdb.connect() as base, open_database(folder / OBSERVER_NAME) as engine:
        base.execute("SET memory_limit = '2GiB'")
        base.execute(f"SET temp_directory = {quoted(folder / 'spill')}")
        base.execute(_STEPS.replace("$orders", str(orders)))
        for macro in _MACROS:
            base.execute(macro)
        (size,) = base.execute("SELECT count(*) FROM step").fetchone() or (0,)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO copy (id, origin, genesis, size, root, last_at, unseen) "
                "VALUES (1, ?, ?, ?, ?, 0, 0)",
                (ORIGIN, GENESIS, size, bytes(32)),
            )
            connection.exec_driver_sql(
                "INSERT INTO entry (idx, entry) VALUES (?, ?)",
                [(end - 1, b"%d" % end) for _, end in _ranges(size)],
            )
        for start, end in _ranges(size):
            path = folder / FOLDER_NAME / file_name(start, end)
            stamp = stamp_of(engine, ORIGIN, GENESIS, start, end)
            base.execute(
                f"COPY (SELECT {columns} FROM (SELECT *, hash(n, 7) AS h, "
                f"(hash(n - n % 2, 8) % {ENTERPRISES})::BIGINT AS e, "
                f"(hash(n, 6) % {OFFICERS})::BIGINT AS o, (hash(n, 2) % {PRODUCTS})::BIGINT AS p "
                f"FROM step WHERE idx >= {start} AND idx < {end}) ORDER BY idx) "
                f"TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd, "
                f"ROW_GROUP_SIZE {PARTITION_ENTRIES}, KV_METADATA {{creditchain: {quoted(stamp)}}})"
            )
    return int(size)


def write_database(folder: Path, orders: int) -> int:
    """An observer's folder whose copy has the lives of so many orders; the number of entries."""
    folder.mkdir(parents=True)
    with open_database(folder / OBSERVER_NAME) as engine, engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO entry (idx, entry, body, event, type) VALUES (?, ?, ?, ?, ?)",
            [
                (
                    index,
                    format_entry(Entry(event.signed_at, hashlib.sha256(body).digest())),
                    body,
                    event.id,
                    event.type,
                )
                for index, (event, body) in enumerate(_events(orders))
            ],
        )
        connection.exec_driver_sql(
            "INSERT INTO copy (id, origin, genesis, size, root, last_at, unseen) "
            "VALUES (1, ?, ?, ?, ?, 0, 0)",
            (ORIGIN, GENESIS, orders * LIFE, bytes(32)),
        )
    return orders * LIFE


def _ranges(size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, size, PARTITION_ENTRIES):
        yield start, min(start + PARTITION_ENTRIES, size)


def _events(orders: int) -> Iterator[tuple[Event, bytes]]:
    sections = (Section.CREDIT_LINES, Section.GUARANTEES, Section.IDENTITY, Section.LOANS)
    proof = f"{'A' * 140}..{'A' * 86}"
    for number in range(orders):
        order, digest = _uuid("o", number), _digest("f", number)
        officer, clerk = f"of_{_digest('w', number)[:21]}A", f"of_{_digest('x', number)[:21]}A"
        enterprise = f"en_{_digest('y', number)[:21]}A"
        report = SealedReport(
            digest, digest, 9_000, "application/json", "creditchain-report/v1", digest
        )
        life: tuple[tuple[str, Body], ...] = (
            (
                officer,
                OrderPlaced(
                    enterprise,
                    "agency-0/p0",
                    Purpose.PRE_LOAN_REVIEW,
                    sections,
                    digest,
                    _uuid("c", number),
                ),
            ),
            (clerk, OrderAccepted(order)),
            (
                clerk,
                ReportDelivered(
                    order,
                    Outcome.COMPLETE,
                    report,
                    tuple(
                        DeliveredSection(one, _digest(one, number), (_uuid("b", 0),))
                        for one in sections
                    ),
                ),
            ),
            (officer, DeliveryAcknowledged(order, digest)),
            (officer, CreditDecided(order, CreditDecision.GRANTED, Money(50_000_000, "CNY"))),
        )
        for step, (signer, body) in enumerate(life):
            event_id = order if step == 0 else _uuid(f"e{step}", number)
            event = Event(
                event_id, ORIGIN, signer, BEGIN_MS + number, _digest("z", number)[:21] + "A", body
            )
            yield event, assemble(format_event(event), proof)


def _digest(kind: str, number: int) -> str:
    return b64u(hashlib.sha256(f"{kind}{number}".encode()).digest())


def _uuid(kind: str, number: int) -> str:
    text = hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"
