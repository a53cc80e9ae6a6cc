"""One run of the benchmarks: how long, how often, where; and what the measurements share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.long_log import LongLog
from benchmarks.site import Site


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured; `runs` of each thing, by turns."""

    runs: int
    load_s: int
    plain_s: int
    strace_s: int
    ledger_items: int
    catch_up_entries: int
    proof_sizes: tuple[int, int]
    proofs: int
    memory_sizes: tuple[int, ...]
    memory_requests: int
    audited_sizes: tuple[int, ...]
    latency_s: int


FULL = Extent(
    runs=3,
    load_s=12,
    plain_s=6,
    strace_s=3,
    ledger_items=20_480,
    catch_up_entries=50_000,
    proof_sizes=(1_000, 1_000_000),
    proofs=4_000,
    memory_sizes=(10_000, 100_000, 1_000_000),
    memory_requests=4_000,
    audited_sizes=(10_000, 1_000_000),
    latency_s=30,
)
QUICK = Extent(
    runs=3,
    load_s=3,
    plain_s=2,
    strace_s=2,
    ledger_items=5_120,
    catch_up_entries=5_000,
    proof_sizes=(1_000, 20_000),
    proofs=1_000,
    memory_sizes=(5_000, 10_000, 20_000),
    memory_requests=600,
    audited_sizes=(5_000, 20_000),
    latency_s=6,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """A run: its extent, the folder it may fill, and whom it tells what it is doing."""

    extent: Extent
    folder: Path
    tell: Callable[[str], None]
    log: LongLog = field(repr=False)

    def new_site(self, name: str) -> Site:
        """A fresh site in a folder of this name."""
        self.tell(f"founding {name}")
        return Site.found(self.folder / name)


SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


def durability(connection: sqlite3.Connection) -> str:
    """What a live connection says of itself: journal and fsync."""
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    return f"journal_mode={journal.upper()} synchronous={SYNCHRONOUS[level]}"
