"""2. The ledger alone: verified events in batches of 256, beside SQLite with nothing around it.

The bare side writes the very rows that the ledger wrote, into the same tables of a copy of the same
database, with `executemany`, as many to a transaction, with the same journal and the same fsync.
The ledger's side also decides each event by the law, hashes the tree, signs a checkpoint, writes
its register and answers with proofs. Two barer ones stand beside it: only the rows of the log, and
only the bodies in a table without any index.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.bench import Bench, durability
from benchmarks.figure import Figure, Measured, spread
from benchmarks.machine import uncollected
from benchmarks.trade import SigningPool
from creditchain.ledger import Admitted, Ledger
from creditchain.seal import Sealed

BATCH: Final = 256
RATIO_WANTED: Final = 0.4

Rows = Sequence[tuple[Any, ...]]
Write = tuple[str, Rows]
"""A statement for one row, and the rows."""


def measure(bench: Bench) -> Measured:
    """Entries a second of the ledger and of the bare sides, and their ratios."""
    site = bench.new_site("ledger-alone")
    ours: list[float] = []
    bares: dict[str, list[float]] = {"all the rows": [], "only the log's": [], "only bodies": []}
    says: set[str] = set()
    with SigningPool() as pool, site.ledger() as ledger:
        run_ledger(ledger, pool.placings(2 * BATCH))
        for number in range(1, bench.extent.runs + 1):
            items = pool.placings(bench.extent.ledger_items)
            before = _copied(site.config.ledger_path, site.folder / "bare.db")
            written = _watched(ledger)
            with uncollected():
                ours.append(run_ledger(ledger, items))
            says.add(durability(ledger._machine._connection))  # noqa: SLF001 - the live one
            sides: dict[str, Sequence[Sequence[Write]]] = {
                "all the rows": written(),
                "only the log's": [batch[:1] for batch in written()],
                "only bodies": [_bodies(batch) for batch in written()],
            }
            for name, batches in sides.items():
                rate, how = _run_bare(before, batches, len(items))
                bares[name].append(rate)
                says.add(how)
            bench.tell(
                f"ledger alone, round {number}: {ours[-1]:,.0f}/s; of bare "
                + ", ".join(f"{name} {ours[-1] / rates[-1]:.2f}" for name, rates in bares.items())
            )
    [durable] = says
    ratios = {
        name: [our / bare for our, bare in zip(ours, rates, strict=True)]
        for name, rates in bares.items()
    }
    return Measured(
        tuple(
            Figure(
                2,
                f"ledger alone, batches of {BATCH}" if place == 0 else "   the same",
                f"{spread(ours)} /s",
                f"sqlite3 executemany, {name} {spread(bares[name])} /s",
                spread(ratios[name], 2),
                f"ratio >= {RATIO_WANTED}" if place == 0 else "",
                median(ratios[name]) >= RATIO_WANTED if place == 0 else None,
            )
            for place, name in enumerate(bares)
        ),
        (f"2: every live connection says {durable}; {bench.extent.ledger_items:,} orders each.",),
    )


def run_ledger(ledger: Ledger, items: Sequence[Sealed]) -> float:
    """Entries a second through `submit`, one batch at a time."""

    async def run() -> float:
        began = time.perf_counter()
        for start in range(0, len(items), BATCH):
            answers = await ledger.submit(items[start : start + BATCH])
            assert all(isinstance(answer, Admitted) for answer in answers)
        return len(items) / (time.perf_counter() - began)

    return asyncio.run(run())


def _watched(ledger: Ledger) -> Callable[[], list[list[Write]]]:
    """From now on what the ledger writes is also kept; what is returned tells it, by batches."""
    machine: Any = ledger._machine  # noqa: SLF001 - nothing else knows the rows
    kept: list[Any] = []
    write = type(machine)._write  # noqa: SLF001

    def watch(statements: Any) -> None:
        kept.append(statements)
        write(machine, statements)

    machine._write = watch  # noqa: SLF001
    return lambda: [
        [(_for_one(one.head, one.row, one.tail), one.rows) for one in batch if one.rows]
        for batch in kept
    ]


def _for_one(head: str, row: str, tail: str) -> str:
    """The statement for one row, updates as one writes them by hand."""
    if not head.startswith("UPDATE") or " FROM " not in head:
        return head + row + tail
    sets, where = head.partition(" FROM ")[0], tail.partition(" WHERE ")[2]
    return re.sub(r"v\.column(\d+)", r"?\1", f"{sets} WHERE {where}")


def _bodies(batch: Sequence[Write]) -> list[Write]:
    """The first and the last column of the log's rows: index and body."""
    return [("INSERT INTO bare (idx, body) VALUES (?, ?)", [(r[0], r[-1]) for r in batch[0][1]])]


def _copied(source: Path, target: Path) -> Path:
    """A copy of a database that is open, as it is now."""
    for suffix in ("", "-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    reader, writer = sqlite3.connect(source), sqlite3.connect(target)
    reader.backup(writer)
    reader.close()
    writer.close()
    return target


def _run_bare(before: Path, batches: Iterable[Sequence[Write]], entries: int) -> tuple[float, str]:
    """Entries a second through `executemany`, and what the connection says of its durability."""
    path = _copied(before, before.with_name("bare-now.db"))
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE bare (idx INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    began = time.perf_counter()
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        for sql, rows in batch:
            connection.executemany(sql, rows)
        connection.execute("COMMIT")
    rate = entries / (time.perf_counter() - began)
    says = durability(connection)
    connection.close()
    return rate, says
