"""A founded hub and observer in one folder, joined without HTTP; and their processes.

Members, products and consents are submitted to the ledger directly: how a consortium comes about is
not what is measured here. From then on everything is as it runs: `creditchain hub serve` and
`regulator serve` as processes of their own.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx2

from benchmarks import trade
from creditchain.client.token import Tokens
from creditchain.config import HubConfig, load_config, load_policy, load_secrets
from creditchain.founding import ledger_keys, open_genesis
from creditchain.ledger import Admitted, Ledger
from creditchain.seal import Sealed
from fixtures.demo.stage import START_S, Process, Stage, StageFault

TOGETHER: Final = 512
"""Items in one submission while a log is built: the ledger's largest batch."""

AUDITOR: Final = "delta-regulator/auditor-1"
"""Who may read everything."""


class Site:
    """The folder and what runs in it."""

    def __init__(self, folder: Path, port: int, observer_port: int) -> None:
        self.folder = folder
        self.stage = Stage(folder, trade.consortium(), port, observer_port)

    @classmethod
    def found(cls, folder: Path) -> Self:
        """A new site with everybody joined and every trade's consent granted."""
        shutil.rmtree(folder, ignore_errors=True)
        port, observer_port = free_ports(2)
        site = cls(folder, port, observer_port)
        site.stage.found({})
        with site.ledger() as ledger:
            submit(ledger, [site._service_key(), *trade.joining()])
        return site

    def copied(self, folder: Path) -> Site:
        """A copy of this site at rest, at the same addresses."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return Site(folder, self.stage.port, self.stage.observer_port)

    @property
    def config(self) -> HubConfig:
        """The hub's settings."""
        return load_config(self.folder / "hub" / "hub.toml")

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger in this process, while no hub runs."""
        config = self.config
        founded = open_genesis(config.genesis_path.read_bytes())
        keys = ledger_keys(founded, load_secrets(config), load_policy(config))
        ledger = Ledger.open(config.ledger_path, keys)
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def hub(self) -> Iterator[Process]:
        """The hub as a process, answering."""
        with running(self.stage.hub, f"{self.stage.url}/healthz"):
            yield self.stage.hub

    @contextmanager
    def observer(self) -> Iterator[Process]:
        """The observer as a process, answering."""
        with running(self.stage.observer, f"{self.stage.observer_url}/healthz"):
            yield self.stage.observer

    def tokens(self, actors: Sequence[str] | None = None) -> list[str]:
        """An access token of each actor (of each ordering officer), from the running hub."""
        actors = trade.ordering_officers() if actors is None else actors

        async def sign_in() -> list[str]:
            async with httpx2.AsyncClient(trust_env=False) as http:
                url = f"{self.stage.url}/token"
                return [await Tokens(http, url, trade.signer(actor)).token() for actor in actors]

        return asyncio.run(sign_in())

    def log_size(self) -> int:
        """The size that the running hub's checkpoint states."""
        note = httpx2.get(f"{self.stage.url}/log/checkpoint", trust_env=False).text
        return int(note.split("\n")[1])

    def observer_status(self) -> dict[str, Any]:
        """The running observer's own word on how far it is."""
        answer = httpx2.get(f"{self.stage.observer_url}/status", trust_env=False, timeout=30)
        status: dict[str, Any] = answer.json()
        return status

    def await_observer(self, size: int, patience_s: float) -> float:
        """Waits until the observer has replayed `size` entries; the seconds it took."""
        began = time.perf_counter()
        while (status := self.observer_status())["size"] < size:
            fault = self.stage.observer.fault()
            if fault is not None:
                raise StageFault(fault)
            if time.perf_counter() - began > patience_s:
                raise StageFault(f"the observer is at {status['size']} of {size}: {status}")
            time.sleep(0.2)
        if status["violations"]:
            raise StageFault(f"the observer found violations: {status['findings']}")
        return time.perf_counter() - began

    def _service_key(self) -> Sealed:
        added = self.stage.service_key_added()
        return trade.signer(added.member).seal(added)


def submit(ledger: Ledger, items: Iterable[Sealed]) -> None:
    """Submits sealed events in their order; each must be admitted."""

    async def run() -> None:
        together: list[Sealed] = []
        for item in items:
            together.append(item)
            if len(together) == TOGETHER:
                _check(await ledger.submit(together))
                together = []
        _check(await ledger.submit(together))

    asyncio.run(run())


def _check(answers: Iterable[object]) -> None:
    for answer in answers:
        if not isinstance(answer, Admitted):
            raise StageFault(f"not admitted: {answer}")


@contextmanager
def running(process: Process, url: str) -> Iterator[None]:
    """The process, from when it answers at `url`; ended afterwards."""
    process.log.parent.mkdir(exist_ok=True)
    process.start()
    try:
        until = time.monotonic() + START_S
        while True:
            fault = process.fault()
            if fault is not None:
                raise StageFault(fault)
            try:
                if httpx2.get(url, trust_env=False, timeout=2).status_code == httpx2.codes.OK:
                    break
            except httpx2.TransportError:
                pass
            if time.monotonic() > until:
                raise StageFault(f"the {process.name} does not answer at {url}")
            time.sleep(0.05)
        yield
    finally:
        process.stop()


def free_ports(count: int, *, besides: Container[int] = ()) -> list[int]:
    """Ports below those that the kernel lends to outgoing connections."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in besides:
            found.append(port)
        if len(found) == count:
            break
    return found
