"""Running the observer: following, and answering over HTTP, in one process."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from sqlalchemy.exc import DatabaseError

from creditchain.client.signer import Signer
from creditchain.events import unb64u
from regulator.api import Limits, create_app
from regulator.auditing import Auditing, auditing
from regulator.config import BadConfig, ObserverConfig, load_genesis, load_secrets
from regulator.door.over_http import open_door
from regulator.door.standing import standing_of
from regulator.duty import on_duty
from regulator.feed import HubFeed
from regulator.follow import Follower
from regulator.inbox import Inbox
from regulator.observer import Observer, open_observer
from regulator.register import RegisterNotWritten
from regulator.scrub import Scrub
from regulator.watch import Bounds, Watch

DRAIN_SECONDS: Final = 5
"""How long answers under way may take when the observer stops; nothing is lost if they do not."""

CONNECTIONS_MAX: Final = 256

WAKE_SECONDS: Final = 30.0
"""The auditor looks by itself too; this is only how long we wait for the copy to grow."""

_log = structlog.get_logger("regulator.serve")


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


async def cosign_audited(follower: Follower, audit: Auditing) -> None:
    """Wake the auditor when the copy grows, and cosign what it has audited; never ends by itself.

    The two wait for each other's word: a copy that settles wakes the auditor, an auditor that is
    further lets the next head be cosigned.
    """

    async def cosign() -> None:
        size, root = audit.state.size, unb64u(audit.state.root)
        try:
            await follower.write(follower.cosigner.announce_audited, size, root)
        except (DatabaseError, RegisterNotWritten):
            # A full disk, most likely: nothing was announced; asked again with the next word.
            _log.warning("the audit's head cannot be stored", size=size)

    async def when_the_copy_grows() -> None:
        while True:
            version = follower.settled
            audit.wake()
            await cosign()
            await follower.settled_after(version, WAKE_SECONDS)

    async def when_the_audit_advances() -> None:
        state = audit.state
        while True:
            state = await audit.changed(state)
            await cosign()

    async with asyncio.TaskGroup() as group:
        group.create_task(when_the_copy_grows())
        group.create_task(when_the_audit_advances())


def watching(config: ObserverConfig, observer: Observer) -> tuple[Inbox, Watch]:
    """What takes in what members hold, and what looks after the hub and ourselves."""
    follower = observer.follower
    inbox = Inbox(follower, observer.genesis, config.folder, clock=time.time)
    scrub = Scrub(follower, observer.reader_engine, follower.feed, clock=time.time)
    bounds = Bounds(
        every_s=config.watch_every_s,
        scrub_every_s=config.scrub_every_s,
        withheld_after_s=config.withheld_after_s,
        stale_after_s=config.checkpoint_stale_after_s,
        lag_after_s=config.lag_after_s,
        erased_after_s=config.erased_after_s,
    )
    return inbox, Watch(observer, inbox, scrub, bounds, clock=time.time)


class _Server(uvicorn.Server):
    """uvicorn would raise a signal again when it is done, before we have put things away.

    And it would end the program by itself where it cannot listen.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        where = f"{self.config.host}:{self.config.port}"
        try:
            await super().startup(sockets)
        except SystemExit:
            raise BadConfig(f"cannot listen on {where}; the log says why") from None
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            _log.info("started", address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: ObserverConfig) -> None:
    """Follow and answer until told to stop (SIGINT, SIGTERM)."""
    async with (
        assemble(config) as assembled,
        auditing(config.folder, config.pack_path) as audit,
        on_duty(config),
        open_door(
            config.folder,
            config.report_zone,
            lambda: standing_of(replace(assembled, auditing=audit), config.name),
            introspection=bool(config.introspection),
        ) as asking,
    ):
        observer = replace(assembled, auditing=audit)
        limits = Limits(config.mirror_wait_s, config.stale_after_s)
        inbox, watch = watching(config, observer)
        server = _Server(
            uvicorn.Config(
                create_app(observer, limits, inbox, asking.routes()),
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
        cosigning = asyncio.create_task(cosign_audited(observer.follower, audit))
        # Following ends only by a fault of our own; then there is nothing left to serve.
        watched = asyncio.create_task(watch.run())
        for work in (following, cosigning):
            work.add_done_callback(lambda _: setattr(server, "should_exit", True))
        try:
            await server.serve()
        finally:
            following.cancel()
            cosigning.cancel()
            watched.cancel()
            results = await asyncio.gather(following, cosigning, watched, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        _log.info("stopped")
