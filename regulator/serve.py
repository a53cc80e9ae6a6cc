"""Running the observer: following, and answering over HTTP, in one process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from creditchain.client.signer import Signer
from regulator.api import Limits, create_app
from regulator.config import ObserverConfig, load_genesis, load_secrets
from regulator.feed import HubFeed
from regulator.observer import Observer, open_observer

DRAIN_SECONDS: Final = 5
"""How long answers under way may take when the observer stops; nothing is lost if they do not."""

CONNECTIONS_MAX: Final = 256


@asynccontextmanager
async def assemble(config: ObserverConfig, folder: Path | None = None) -> AsyncIterator[Observer]:
    """The observer of these settings, following the hub over HTTP; see `open_observer`."""
    genesis = load_genesis(config)
    secrets = load_secrets(config)
    signer = Signer(config.actor or genesis.regulator, secrets.service, genesis.origin)
    async with (
        HubFeed(
            f"{config.hub_url}/log", token_url=f"{config.hub_url}/token", signer=signer
        ) as feed,
        open_observer(
            folder or config.folder,
            genesis,
            secrets.signers,
            feed,
            processes=config.processes or None,
            poll_seconds=config.poll_every_s,
        ) as observer,
    ):
        yield observer


class _Server(uvicorn.Server):
    """uvicorn would raise a signal again when it is done, before we have put things away."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: ObserverConfig) -> None:
    """Follow and answer until told to stop (SIGINT, SIGTERM)."""
    async with assemble(config) as observer:
        limits = Limits(config.mirror_wait_s, config.stale_after_s)
        server = _Server(
            uvicorn.Config(
                create_app(observer, limits),
                host=config.host,
                port=config.port,
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, setattr, server, "should_exit", True)
        following = asyncio.create_task(observer.follower.run())
        # Following ends only by a fault of our own; then there is nothing left to serve.
        following.add_done_callback(lambda _: setattr(server, "should_exit", True))
        try:
            await server.serve()
        finally:
            following.cancel()
            results = await asyncio.gather(following, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
