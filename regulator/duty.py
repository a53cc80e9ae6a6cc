"""The observer's office at work beside following: reports on their days, warnings when they come.

    async with on_duty(config):
        ...  # follow and serve

Neither can end the other or following: a fault of ours in one is logged, and it begins again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from regulator.config import ObserverConfig, load_mail_server, load_report_key
from regulator.office import open_office
from regulator.schedule import run_schedule
from regulator.warning import run_warnings

AGAIN_SECONDS: Final = 30.0
"""How long after a fault of ours work begins again."""

_log = structlog.get_logger("regulator.duty")


@asynccontextmanager
async def on_duty(config: ObserverConfig) -> AsyncIterator[None]:
    """Reports and warnings, until left; raises `BadConfig` and `DatabaseUnusable` at once."""
    load_report_key(config)
    load_mail_server(config)
    with open_office(config.folder) as office:
        tasks = [
            asyncio.create_task(_keep("reports", lambda: run_schedule(config, office))),
            asyncio.create_task(_keep("warnings", lambda: run_warnings(config, office))),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(name: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - a fault of ours must not end following
            _log.exception("the office's work failed", work=name)
        await asyncio.sleep(AGAIN_SECONDS)
