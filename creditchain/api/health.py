"""What the machine room asks: alive, ready, and the numbers."""

from __future__ import annotations

import asyncio
import json

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry
from starlette.types import Receive, Scope, Send

from creditchain.api.doors import Doors
from creditchain.api.request import respond

_JSON = "application/json; charset=utf-8"


class Healthz:
    """The process answers."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answers 200."""
        await respond(send, 200, _JSON, b'{"status":"ok"}', [(b"cache-control", b"no-store")])


class Readyz:
    """The ledger writes, its database and the private store can be read."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answers 200, or 503 with the faults by part."""
        faults = await asyncio.to_thread(self._faults)
        head = self._doors.ledger.head()
        answer = {"status": "failing" if faults else "ok", "faults": faults, "size": head.size}
        status = 503 if faults else 200
        await respond(
            send, status, _JSON, json.dumps(answer).encode(), [(b"cache-control", b"no-store")]
        )

    def _faults(self) -> dict[str, str]:
        faults = dict(self._doors.ready())
        stopped = self._doors.ledger.stopped
        if stopped is not None:
            faults["ledger"] = f"writes no more: {type(stopped).__name__}"
        try:
            with self._doors.ledger.reading() as connection:
                connection.exec_driver_sql("SELECT 1").scalar_one()
        except Exception as error:  # noqa: BLE001 - any failure means: not ready
            faults["database"] = type(error).__name__
        try:
            self._doors.vault.count()
        except Exception as error:  # noqa: BLE001 - any failure means: not ready
            faults["private store"] = type(error).__name__
        return faults


class LogNumbers(Collector):
    """The log's size and queue, its disk and its cosigners, read when they are asked for."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def collect(self) -> list[GaugeMetricFamily]:
        """The gauges."""
        ledger = self._doors.ledger
        cosigned = GaugeMetricFamily(
            "creditchain_cosigned_size", "Entries last cosigned.", labels=["cosigner"]
        )
        for name, size in self._doors.cosigned().items():
            cosigned.add_metric([name], size)
        return [
            GaugeMetricFamily("creditchain_log_size", "Entries.", value=ledger.head().size),
            GaugeMetricFamily("creditchain_queue", "Events that wait.", value=ledger.waiting),
            GaugeMetricFamily(
                "creditchain_storage_full",
                "1 while the ledger's last write met a full disk.",
                value=ledger.storage_full,
            ),
            cosigned,
        ]


class Metrics:
    """Prometheus text: the process's numbers and this hub's log."""

    def __init__(self, doors: Doors) -> None:
        self._log = CollectorRegistry()
        self._log.register(LogNumbers(doors))

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answers the numbers."""
        body = generate_latest(REGISTRY) + generate_latest(self._log)
        await respond(send, 200, CONTENT_TYPE_LATEST, body)
