"""1. `placeOrder` over GraphQL to a durable, checkpointed answer; beside a plain JSON route.

`wrk` sends orders that were signed just before, 64 in flight, to a real hub process; a Lua script
counts only answers that hold a receipt, no refusal and no error. The plain route gets the same
requests from the same script on the same machine in the same round.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.bench import Bench
from benchmarks.figure import Figure, Measured, spread
from benchmarks.machine import Busy, cpu_s
from benchmarks.site import Site, free_ports, running
from benchmarks.trade import SigningPool
from fixtures.demo.stage import Process

IN_FLIGHT: Final = 64
RATE_WANTED: Final = 2_000
P99_WANTED_MS: Final = 80.0
RATIO_WANTED: Final = 0.08

RATE_MAX: Final = 6_000
"""Orders a second to have at hand: more than the hub answers, or the load would run dry."""

PLAIN_REQUESTS: Final = 20_000
"""The plain route cannot tell an order that it sees again, so a few are sent over and over."""

LUA: Final = Path(__file__).with_name("load.lua")
CATCH_UP_S: Final = 300


class LoadFailed(Exception):
    """The load did not run as it should; the message says what came instead."""


class Spent(LoadFailed):
    """There were not enough orders at hand: the rate is not what it would have been."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk counted: good answers a second, and milliseconds; `cpu_ms` of the server for each.

    `others` is the share of the machine that processes used that are none of ours.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    good: int
    seconds: float
    cpu_ms: float
    others: float


@dataclass(frozen=True, slots=True)
class Round:
    """A plain load and the hub's load after it."""

    plain: Load
    hub: Load

    @property
    def ratio(self) -> float:
        """The hub's rate to the plain route's."""
        return self.hub.rate / self.plain.rate


def measure(bench: Bench) -> Measured:
    """Requests a second, p50 and p99, without and with a running observer."""
    site = bench.new_site("place-order")
    scratch = site.folder / "load"
    scratch.mkdir()
    with SigningPool() as pool, site.hub(), _plain(site) as plain:
        driver = _Driver(bench, site, scratch, plain, pool)
        alone = driver.rounds("hub alone")
        fsyncs = driver.count_fsyncs()
        with site.observer():
            watched = driver.rounds("hub and observer", driver.await_observer)
            driver.await_observer()
    return Measured(
        (*_figures("no observer running", alone), *_figures("observer running", watched)),
        (
            "1: only answers with a receipt count; wrk corrects percentiles for its own waits.",
            f"1: others used {spread([100 * r.hub.others for r in alone])} % of the machine then.",
            fsyncs,
        ),
    )


def _figures(how: str, rounds: list[Round]) -> list[Figure]:
    rate = median(r.hub.rate for r in rounds)
    p99 = median(r.hub.p99_ms for r in rounds)
    ratio = median(r.ratio for r in rounds)
    headline = how.startswith("no ")
    return [
        Figure(
            1,
            f"placeOrder to CHECKPOINTED, {IN_FLIGHT} in flight, {how}",
            f"{spread([r.hub.rate for r in rounds])} /s",
            f"plain Starlette JSON {spread([r.plain.rate for r in rounds])} /s",
            f"{spread([r.ratio for r in rounds], 3)}",
            f">= {RATE_WANTED:,} /s, ratio >= {RATIO_WANTED}",
            (rate >= RATE_WANTED and ratio >= RATIO_WANTED) if headline else None,
        ),
        Figure(
            1,
            f"   latency, {how}",
            f"p50 {spread([r.hub.p50_ms for r in rounds], 1)} ms, "
            f"p99 {spread([r.hub.p99_ms for r in rounds], 1)} ms",
            f"plain p50 {median(r.plain.p50_ms for r in rounds):.1f} ms, "
            f"p99 {median(r.plain.p99_ms for r in rounds):.1f} ms",
            "",
            f"p99 < {P99_WANTED_MS:.0f} ms",
            p99 < P99_WANTED_MS if headline else None,
        ),
        Figure(
            1,
            f"   CPU of the server for each, {how}",
            f"{spread([r.hub.cpu_ms for r in rounds], 2)} ms",
            f"plain {spread([r.plain.cpu_ms for r in rounds], 3)} ms",
            f"{spread([r.plain.cpu_ms / r.hub.cpu_ms for r in rounds], 3)}",
        ),
    ]


@contextmanager
def _plain(site: Site) -> Iterator[tuple[Process, str]]:
    """The plain route as a process, and its address."""
    [port] = free_ports(1, besides=(site.stage.port, site.stage.observer_port))
    command = [sys.executable, "-m", "benchmarks.plain", str(port)]
    url = f"http://127.0.0.1:{port}"
    process = Process("plain route", command, site.stage.logs / "plain.log")
    with running(process, f"{url}/healthz"):
        yield process, url


class _Driver:
    def __init__(
        self, bench: Bench, site: Site, scratch: Path, plain: tuple[Process, str], pool: SigningPool
    ) -> None:
        self._bench = bench
        self._site = site
        self._requests = scratch / "requests"
        self._plain_requests = scratch / "plain-requests"
        self._tokens = scratch / "tokens"
        self._plain, self._plain_url = plain
        self._pool = pool
        self._rate = float(RATE_MAX)

    def rounds(self, name: str, before: Callable[[], None] = lambda: None) -> list[Round]:
        """The rounds, after one short load that warms everything up."""
        extent = self._bench.extent
        self.hub(2)
        found = []
        for number in range(1, extent.runs + 1):
            plain = self.plain(extent.plain_s)
            before()
            hub = self.hub(extent.load_s)
            found.append(Round(plain, hub))
            self._bench.tell(
                f"{name}, round {number}: {hub.rate:,.0f}/s, p99 {hub.p99_ms:.0f} ms, "
                f"{found[-1].ratio:.3f} of plain; CPU {hub.cpu_ms:.2f} ms each, "
                f"{plain.cpu_ms / hub.cpu_ms:.3f} of plain; others had {hub.others:.0%}"
            )
        return found

    def hub(self, seconds: int) -> Load:
        """Fresh orders against the hub."""
        while True:
            self._sign(int(seconds * self._rate) + 2_000)
            try:
                return self._place(seconds)
            except Spent:
                # The load before, which the rate is from, was held up by others.
                if self._rate >= RATE_MAX:
                    raise
                self._rate = min(float(RATE_MAX), self._rate * 2)

    def _place(self, seconds: int) -> Load:
        url = f"{self._site.stage.url}/graphql"
        wanted = ['"receipt":{"level":"CHECKPOINTED"', '"errors":', '"refusal":{']
        load = self._wrk(self._site.stage.hub, url, seconds, self._requests, wanted)
        # The next file need not be longer than what this machine can take.
        self._rate = min(float(RATE_MAX), load.rate * 1.5 + 500)
        return load

    def plain(self, seconds: int) -> Load:
        """Known requests against the plain route."""
        if not self._plain_requests.exists():
            self._sign(PLAIN_REQUESTS)
            text = self._requests.read_bytes()
            # Enough for a route of 30,000 a second.
            with self._plain_requests.open("wb") as file:
                for _ in range(-(-seconds * 30_000 // PLAIN_REQUESTS)):
                    file.write(text)
        url = f"{self._plain_url}/echo"
        return self._wrk(self._plain, url, seconds, self._plain_requests, ['{"id":"'])

    def await_observer(self) -> None:
        """Waits until the observer has seen everything, so that it only follows the load."""
        self._site.await_observer(self._site.log_size(), CATCH_UP_S)

    def count_fsyncs(self) -> str:
        """How often the loaded hub waits for the disk, as strace sees it."""
        strace = shutil.which("strace")
        if strace is None:
            return "1: strace is not installed, so the hub's fsyncs were not counted."
        before = self._site.log_size()
        self._sign(6_000)
        with subprocess.Popen(
            [
                *(strace, "-f", "-c", "-e", "trace=fsync,fdatasync"),
                *("-p", str(self._site.stage.hub.pid)),
            ],
            stderr=subprocess.PIPE,
            text=True,
        ) as tracing:
            seconds = self._bench.extent.strace_s
            url, hub = f"{self._site.stage.url}/graphql", self._site.stage.hub
            load = self._wrk(hub, url, seconds, self._requests, ['"receipt":{'])
            tracing.terminate()
            _, summary = tracing.communicate()
        calls = {
            name: int(count)
            for count, name in re.findall(
                r"(\d+)\s+(?:\d+\s+)?(fsync|fdatasync)$", summary, re.MULTILINE
            )
        }
        entries = self._site.log_size() - before
        if not calls:
            return f"1: strace may not look at the hub: {summary.strip()[-120:]}"
        counted = ", ".join(f"{count} {name}" for name, count in sorted(calls.items()))
        return (
            f"1: strace of {load.seconds:.0f} s of load (not among the rounds): "
            f"{counted} for {entries:,} entries."
        )

    def _sign(self, count: int) -> None:
        with self._requests.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self._pool.requests(count))

    def _wrk(
        self, server: Process, url: str, seconds: int, requests: Path, answers: list[str]
    ) -> Load:
        self._tokens.write_text("\n".join(self._site.tokens()) + "\n", encoding="utf-8")
        busy, cpu_before = Busy.now(), cpu_s(server.pid)
        made = subprocess.run(
            [
                *("wrk", "-t1", f"-c{IN_FLIGHT}", f"-d{seconds}s", "--latency", "--timeout", "10s"),
                *("-s", str(LUA), url, "--", str(requests), str(self._tokens), *answers),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        cpu = cpu_s(server.pid) - cpu_before
        others = busy.others_share(cpu)
        found = re.search(r"^FIGURES (.*)$", made.stdout, re.MULTILINE)
        if made.returncode or found is None:
            raise LoadFailed(f"wrk ended with {made.returncode}: {made.stdout[-1000:]}")
        figures: dict[str, Any] = json.loads(found[1])
        if "SPENT" in made.stdout:
            raise Spent(f"the load ran dry: {made.stdout[-1000:]}")
        if figures["bad"] or figures["broken"]:
            raise LoadFailed(f"not every answer was good: {made.stdout[-1500:]}")
        return Load(
            figures["good"] / figures["seconds"],
            figures["p50_ms"],
            figures["p99_ms"],
            figures["good"],
            figures["seconds"],
            cpu * 1000 / figures["good"],
            others,
        )
