"""7. From the hub's answer to the audit's cosignature, with 200 orders a second coming in.

Orders are sent at an even pace over GraphQL, each answered at CHECKPOINTED; a second reader looks
at the observer's audit checkpoint every few milliseconds. Told is, for each order, how long after
its answer the observer had cosigned a checkpoint that covers it as auditor.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Final

import httpx2

from benchmarks.bench import Bench
from benchmarks.figure import Figure, Measured, percentile
from benchmarks.site import Site
from benchmarks.trade import SigningPool
from fixtures.demo.stage import ORIGIN

ORDERS_A_SECOND: Final = 200
LOOK_S: Final = 0.01
P50_WANTED_S: Final = 1.0
SETTLE_S: Final = 60.0
"""After the last answer; an observer that needs longer is stuck."""

CONNECTIONS: Final = 64


def measure(bench: Bench) -> Measured:
    """Seconds from answer to cosignature: median, 99th of a hundred, and the longest."""
    site = bench.new_site("latency")
    count = ORDERS_A_SECOND * bench.extent.latency_s
    with SigningPool() as pool, site.hub(), site.observer():
        site.await_observer(site.log_size(), SETTLE_S)
        requests = list(pool.requests(count))
        waits = asyncio.run(_run(site, requests, site.tokens()))
    p50, p99 = percentile(waits, 0.5), percentile(waits, 0.99)
    bench.tell(f"answer to audit cosignature: p50 {p50:.2f} s, p99 {p99:.2f} s")
    return Measured(
        (
            Figure(
                7,
                f"hub's answer to the audit's cosignature, {ORDERS_A_SECOND} orders/s, "
                f"{len(waits):,} orders",
                f"p50 {p50:.2f} s, p99 {p99:.2f} s, longest {max(waits):.2f} s",
                "",
                "",
                f"p50 < {P50_WANTED_S:.0f} s",
                p50 < P50_WANTED_S,
            ),
        )
    )


async def _run(site: Site, requests: list[str], tokens: list[str]) -> list[float]:
    answered: list[tuple[int, float]] = []
    seen: list[tuple[int, float]] = []
    limits = httpx2.Limits(max_connections=CONNECTIONS)
    async with httpx2.AsyncClient(trust_env=False, timeout=30, limits=limits) as http:
        looking = asyncio.create_task(_look(site, http, seen))
        began = time.perf_counter()

        async def send(number: int, request: str) -> None:
            await asyncio.sleep(max(0.0, began + number / ORDERS_A_SECOND - time.perf_counter()))
            token = tokens[number % len(tokens)]
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            url = f"{site.stage.url}/graphql"
            answer = (await http.post(url, content=request, headers=headers)).json()
            receipt = answer["data"]["placeOrder"]["receipt"]
            answered.append((int(receipt["index"]), time.perf_counter()))

        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                group.create_task(send(number, request))
        last = max(index for index, _ in answered)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        async with asyncio.timeout(SETTLE_S):
            await _look(site, http, seen, last)
    return [
        max(0.0, next(at for size, at in seen if size > index) - since)
        for index, since in sorted(answered)
    ]


async def _look(
    site: Site, http: httpx2.AsyncClient, seen: list[tuple[int, float]], last: int | None = None
) -> None:
    """Notes each size the observer has cosigned as auditor, and when it was first seen.

    Ends when the entry `last` is covered; without it only by being cancelled.
    """
    hashed = hashlib.sha256(ORIGIN.encode()).hexdigest()
    url = f"{site.stage.observer_url}/audit/{hashed}/checkpoint"
    while last is None or not seen or seen[-1][0] <= last:
        answer = await http.get(url)
        if answer.status_code == httpx2.codes.OK:
            size = int(answer.text.split("\n")[1])
            if not seen or size > seen[-1][0]:
                seen.append((size, time.perf_counter()))
        await asyncio.sleep(LOOK_S)
