"""Logs of given sizes, each the beginning of the next: built once, copied where one asks.

A log is filled with whole lives of orders, signed by several processes and submitted to the ledger
as the hub would.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from benchmarks import site as sites
from benchmarks import trade

ORDERS_AT_A_TIME: Final = 200
STEP: Final = 50_000
"""Entries between two words on how far it is."""


class LongLog:
    """Sites whose logs have the `sizes` asked for."""

    def __init__(
        self, folder: Path, sizes: Iterable[int], tell: Callable[[str], None], *, keep: bool
    ) -> None:
        self._folder = folder
        self._sizes = sorted(set(sizes))
        self._tell = tell
        self._keep = keep

    def at(self, size: int) -> sites.Site:
        """The site with a log of this size; the same files each time."""
        self._build()
        return sites.Site(self._folder / f"log-{size}", *self._ports())

    def _build(self) -> None:
        missing = [size for size in self._sizes if not self._ready(size)]
        if not missing:
            return
        growing = sites.Site.found(self._folder / "growing")
        for size in self._sizes:
            self._grow(growing, size)
            growing.copied(self._folder / f"log-{size}")
        marks = {"ports": [growing.stage.port, growing.stage.observer_port], "sizes": self._sizes}
        self._marks.write_text(json.dumps(marks), encoding="utf-8")

    def _grow(self, growing: sites.Site, size: int) -> None:
        began = time.perf_counter()
        with growing.ledger() as ledger, trade.SigningPool() as pool:
            first = told = ledger.head().size
            lives = pool.lives(-(-(size - first) // trade.LIFE), ORDERS_AT_A_TIME)
            for chunk in lives:
                at = ledger.head().size
                sites.submit(ledger, chunk[: size - at])
                if at - told >= STEP:
                    told = at
                    self._tell(f"building a log: {at:,} of {size:,}")
            taken = time.perf_counter() - began
            grown = ledger.head().size - first
            if grown:
                self._tell(f"a log of {size:,} entries, {grown / taken:,.0f} a second")

    @property
    def _marks(self) -> Path:
        return self._folder / "logs.json"

    def _ready(self, size: int) -> bool:
        if not self._marks.exists():
            return False
        return size in json.loads(self._marks.read_text(encoding="utf-8"))["sizes"]

    def _ports(self) -> tuple[int, int]:
        port, observer_port = json.loads(self._marks.read_text(encoding="utf-8"))["ports"]
        return port, observer_port
