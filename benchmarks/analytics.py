"""8. Questions over a million orders: the export of the copy, the monthly statistics, a report.

The statistics and the report run over a synthetic export (`synthetic_copy`), since a year of a
million orders takes hours to sign; what they read is laid out as a real one. The export itself is
measured over a synthetic copy with bodies of real size. Every question opens a session of its own,
as a person who asks does; CPU is what this process used in all its threads.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.bench import QUICK, Bench
from benchmarks.figure import Figure, Measured, spread
from benchmarks.synthetic_copy import BEGIN_MS, ORIGIN, write_database, write_parquet
from regulator.analytics.export import FOLDER_NAME, refreshed
from regulator.analytics.session import open_session
from regulator.report.contents.daily import daily_summary
from regulator.report.model import Period, Scope

ORDERS: Final = 1_000_000
ORDERS_QUICK: Final = 50_000
EXPORTED_ORDERS: Final = 40_000
EXPORTED_ORDERS_QUICK: Final = 8_000

STATISTICS_S: Final = 10.0
"""`With one million orders the monthly statistics take seconds`: each of them under ten."""

REPORT_S: Final = 20.0
DAY_MS: Final = 86_400_000

BILLED: Final = (
    "SELECT agency, month_of(acknowledged_at) AS month, count(*), sum(price) FROM billing "
    "WHERE billed GROUP BY ALL ORDER BY ALL"
)
STATISTICS: Final = (
    ("counters", "FROM headline"),
    ("volumes by institution", "FROM monthly_institutions ORDER BY ALL"),
    ("volumes by officer", "FROM monthly_volumes ORDER BY ALL"),
    ("service by agency and product", "FROM monthly_service ORDER BY ALL"),
    ("consents", "FROM monthly_consents ORDER BY ALL"),
    ("disputes", "FROM monthly_disputes ORDER BY ALL"),
    ("orders by day", "FROM daily_orders ORDER BY ALL"),
    ("billing", BILLED),
)


def measure(bench: Bench) -> Measured:
    """CPU for an exported entry, time for each statistic, and for a daily report."""
    quick = bench.extent is QUICK
    exported = _export(bench, EXPORTED_ORDERS_QUICK if quick else EXPORTED_ORDERS)
    folder = bench.folder / "analytics"
    size = write_parquet(folder, ORDERS_QUICK if quick else ORDERS)
    bench.tell(f"synthetic export of {size:,} entries, {_mib(folder / FOLDER_NAME):,.0f} MiB")
    figures = [exported]
    slowest = 0.0
    for name, query in STATISTICS:
        taken = _timed(bench.extent.runs, partial(_ask, folder, query))
        slowest = max(slowest, median(taken))
        figures.append(Figure(8, f"   {name}", f"{spread(taken, 2)} s"))
        bench.tell(f"{name}: {spread(taken, 2)} s")
    what = f"slowest monthly statistic, {size:,} entries"
    held = slowest <= STATISTICS_S
    figures.insert(1, Figure(8, what, f"{slowest:.2f} s", "", "", f"<= {STATISTICS_S:.0f} s", held))
    taken = _timed(bench.extent.runs, partial(_report, folder, size))
    bench.tell(f"daily report: {spread(taken, 2)} s")
    held = median(taken) <= REPORT_S
    figures.append(
        Figure(8, f"daily report (L1), {size:,} entries", f"{spread(taken, 2)} s", "",
               "", f"<= {REPORT_S:.0f} s", held)
    )  # fmt: skip
    return Measured(
        tuple(figures),
        (
            "8: over a synthetic export in the real layout; sessions have 1 GiB and every core.",
            "8: the report as a value, without the printing, which does not grow with the log.",
        ),
    )


def _export(bench: Bench, orders: int) -> Figure:
    folder = bench.folder / "exported"
    entries = write_database(folder, orders)
    cpu = []
    for _ in range(bench.extent.runs):
        shutil.rmtree(folder / FOLDER_NAME, ignore_errors=True)
        began = time.process_time()
        with refreshed(folder) as done:
            assert done.size == entries, "everything is exported"
        cpu.append((time.process_time() - began) * 1e6 / entries)
    size = _mib(folder / FOLDER_NAME) * 2**20 / entries
    bench.tell(f"export: {spread(cpu, 1)} us CPU and {size:.0f} bytes for each entry")
    return Figure(
        8,
        f"export of the copy to Parquet, {entries:,} entries, CPU each",
        f"{spread(cpu, 1)} us",
        f"{size:.0f} bytes each on disk",
    )


def _ask(folder: Path, query: str) -> None:
    with open_session(folder) as session:
        assert session.rows(query), "there is an answer"


def _report(folder: Path, size: int) -> None:
    start = BEGIN_MS + 180 * DAY_MS
    day = Period("2026-06-30", start, start + DAY_MS, "Asia/Shanghai")
    report = daily_summary(folder, Scope(ORIGIN, size, "", day.end_ms, "NULL", "NULL", day))
    assert report.blocks, "it says something"


def _timed(runs: int, work: Callable[[], None]) -> list[float]:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken


def _mib(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("*.parquet")) / 2**20
