"""4. The receipt of an entry from a small and from a large log.

`Ledger.receipt` is what the hub calls for `receipt(id)`: one row, the path through the tree, the
newest checkpoint. Entries are drawn from the whole log, so in the large one most of them lie in
tiles that are not in memory and must be read and hashed again; and from its last 10,000, which is
what members ask for. Beside that the whole request over GraphQL, from a hub process.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final

import httpx2

from benchmarks.bench import Bench
from benchmarks.figure import Figure, Measured, percentile
from benchmarks.site import AUDITOR, Site
from creditchain.documents import load_operation
from creditchain.ledger import Ledger

RATIO_WANTED: Final = 2.0
RECENT: Final = 10_000

Times = list[float]
"""Microseconds."""


def measure(bench: Bench) -> Measured:
    """Median and p99 of both sizes, and their ratio."""
    small, large = bench.extent.proof_sizes
    sites = {size: bench.log.at(size) for size in (small, large)}
    ways: dict[str, Callable[[Site, int], list[Times]]] = {
        "Ledger.receipt, entries of the whole log": lambda s, n: _from_ledger(s, n, 0),
        f"Ledger.receipt, of the last {RECENT:,}": lambda s, n: _from_ledger(s, n, RECENT),
        "receipt(id) over GraphQL, of the whole log": _from_hub,
    }
    figures = []
    for way, take in ways.items():
        found: dict[int, list[Times]] = {small: [], large: []}
        for _ in range(bench.extent.runs):
            for size, site in sites.items():
                found[size] += take(site, bench.extent.proofs)
        figures.append(_figure(way, small, large, found))
        bench.tell(f"{way}: {figures[-1].ratio}")
    return Measured(tuple(figures))


def _figure(way: str, small: int, large: int, found: dict[int, list[Times]]) -> Figure:
    ratios = [median(b) / median(a) for a, b in zip(found[small], found[large], strict=True)]
    said = {
        size: f"p50 {median(map(median, times)):,.0f} us, "
        f"p99 {median(percentile(one, 0.99) for one in times):,.0f} us"
        for size, times in found.items()
    }
    ratio = median(ratios)
    return Figure(
        4,
        way,
        f"{large:,} entries: {said[large]}",
        f"{small:,} entries: {said[small]}",
        f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        f"ratio <= {RATIO_WANTED:.0f}",
        ratio <= RATIO_WANTED,
    )


def _from_ledger(site: Site, count: int, recent: int) -> list[Times]:
    with site.ledger() as ledger:
        size = ledger.head().size
        lowest = max(0, size - recent) if recent else 0
        _ask(ledger, _drawn(lowest, size, count // 10))
        return [_ask(ledger, _drawn(lowest, size, count))]


def _ask(ledger: Ledger, indexes: Sequence[int]) -> Times:
    times = []
    for index in indexes:
        began = time.perf_counter()
        receipt = ledger.receipt(index)
        times.append((time.perf_counter() - began) * 1e6)
        assert receipt is not None, "the index lies below the size"
    return times


def _from_hub(site: Site, count: int) -> list[Times]:
    with site.ledger() as ledger:
        size = ledger.head().size
        bodies = (ledger.body(index) for index in _drawn(0, size, count // 4))
        ids = [json.loads(body)["event"]["id"] for body in bodies if body is not None]
    query = load_operation("Receipt")
    times = []
    with site.hub(), httpx2.Client(trust_env=False, timeout=30) as http:
        http.headers["authorization"] = f"Bearer {site.tokens([AUDITOR])[0]}"
        for place, id_ in enumerate(ids):
            payload = {"query": query, "variables": {"id": id_}}
            began = time.perf_counter()
            answer: Any = http.post(f"{site.stage.url}/graphql", json=payload).json()
            if place >= len(ids) // 10:
                times.append((time.perf_counter() - began) * 1e6)
            assert answer["data"]["receipt"]["proof"], f"no receipt: {answer}"
    return [times]


def _drawn(lowest: int, size: int, count: int) -> list[int]:
    # The same entries each time: a run is to be compared with the next.
    return random.Random(count).choices(range(lowest, size), k=count)
