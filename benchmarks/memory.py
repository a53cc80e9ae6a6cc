"""5. The most memory that hub and observer take, with logs of growing size.

Each starts on a log of its size as a process of its own. The hub serves the whole log to an
observer that begins with nothing, then receipts from all over it, then takes orders. What is told
is the kernel's peak of resident memory (VmHWM): the hub's, and that of the observer with the
processes that check signatures for it. If caches are bounded, the large log needs what the middle
one needs.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from benchmarks.bench import Bench
from benchmarks.figure import Figure, Measured
from benchmarks.machine import children_of, peak_mib
from benchmarks.site import AUDITOR, Site
from benchmarks.trade import SigningPool
from creditchain.documents import load_operation
from regulator.database import OBSERVER_NAME

GROWTH_ALLOWED: Final = 1.25
"""From the middle to the largest log: caches fill up to their bounds, and no further."""

CATCH_UP_ENTRIES_S: Final = 300
"""An observer slower than that is stuck."""

TOGETHER: Final = 16


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peak resident memory and the size of databases, MiB; `observer` includes its `openers`."""

    hub: float
    observer: float
    openers: float
    hub_disk: float
    observer_disk: float


def measure(bench: Bench) -> Measured:
    """The peaks at each size, and how the last compares with the one before."""
    found = {}
    for size in bench.extent.memory_sizes:
        found[size] = peaks = _peaks(bench, size)
        bench.tell(f"{size:,} entries: hub {peaks.hub:.0f} MiB, observer {peaks.observer:.0f} MiB")
    figures = []
    middle, large = bench.extent.memory_sizes[-2:]
    for name in ("hub", "observer"):
        values: dict[int, float] = {size: getattr(peaks, name) for size, peaks in found.items()}
        ratio = values[large] / values[middle]
        figures.append(
            Figure(
                5,
                f"peak memory of the {name}, {large:,} entries",
                f"{values[large]:,.0f} MiB",
                ", ".join(f"{size:,}: {values[size]:,.0f} MiB" for size in list(found)[:-1]),
                f"{ratio:.2f} of {middle:,}",
                f"flat: ratio <= {GROWTH_ALLOWED}",
                ratio <= GROWTH_ALLOWED,
            )
        )
    last = found[large]
    return Measured(
        tuple(figures),
        (
            f"5: {last.openers:,.0f} MiB of the observer's are in processes that check signatures.",
            f"5: on disk: hub {last.hub_disk:,.0f} MiB, observer {last.observer_disk:,.0f} MiB.",
        ),
    )


def _peaks(bench: Bench, size: int) -> Peaks:
    asked = bench.extent.memory_requests
    site = bench.log.at(size).copied(bench.folder / "memory")
    with site.ledger() as ledger:
        draw = random.Random(size)
        bodies = [ledger.body(draw.randrange(size)) for _ in range(asked)]
    receipts = [_receipt_of(body) for body in bodies if body is not None]
    with SigningPool() as pool, site.hub() as hub, site.observer() as observer:
        site.await_observer(size, size / CATCH_UP_ENTRIES_S + 60)
        [auditor] = site.tokens([AUDITOR])
        asyncio.run(_send(site, [(auditor, one) for one in receipts]))
        tokens = site.tokens()
        requests = enumerate(pool.requests(asked))
        asyncio.run(_send(site, [(tokens[n % len(tokens)], one) for n, one in requests]))
        site.await_observer(size + asked, asked / CATCH_UP_ENTRIES_S + 60)
        openers = sum(peak_mib(pid) for pid in children_of(observer.pid))
        return Peaks(
            peak_mib(hub.pid),
            peak_mib(observer.pid) + openers,
            openers,
            _mib(site.config.ledger_path),
            _mib(site.folder / "observer" / OBSERVER_NAME),
        )


def _receipt_of(body: bytes) -> str:
    variables = {"id": json.loads(body)["event"]["id"]}
    return json.dumps({"query": load_operation("Receipt"), "variables": variables})


async def _send(site: Site, requests: Sequence[tuple[str, str]]) -> None:
    """Sends (token, request), some at a time; each must be answered without an error."""
    url = f"{site.stage.url}/graphql"
    rest = iter(requests)

    async def sender(http: httpx2.AsyncClient) -> None:
        for token, request in rest:
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            answer = (await http.post(url, content=request, headers=headers)).json()
            [payload] = answer["data"].values()
            assert "errors" not in answer, f"not answered: {answer}"
            assert payload.get("refusal") is None, f"refused: {answer}"

    async with (
        httpx2.AsyncClient(trust_env=False, timeout=60) as http,
        asyncio.TaskGroup() as senders,
    ):
        for _ in range(TOGETHER):
            senders.create_task(sender(http))


def _mib(path: Path) -> float:
    return path.stat().st_size / 2**20
