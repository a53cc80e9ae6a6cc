"""The hub: the one process that admits, orders and publishes. Here its rooms are put together.

app = build(config)                # raises HubRefused
status = serve(config)             # until SIGTERM or SIGINT; 0, or 3 when it may not start
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from starlette.applications import Starlette

from creditchain.api.app import create_app
from creditchain.api.doors import DocumentsMode, Doors
from creditchain.api.limits import BODY_BYTES_MAX, Limits
from creditchain.client.signer import Signer
from creditchain.clock import Clock
from creditchain.collector import Collector, cosigners_of
from creditchain.config import BadConfig, HubConfig, HubSecrets, load_policy, load_secrets
from creditchain.connection import Connection
from creditchain.directory import Directory
from creditchain.founding import FoundingRefused, ledger_keys, open_genesis
from creditchain.ledger import (
    Head,
    HubKeys,
    Ledger,
    LedgerFailure,
    LedgerRefused,
    Refilled,
    refill,
)
from creditchain.logs import set_up_logs
from creditchain.private_store import StoreFull, StoreUnusable, open_private_store
from creditchain.rulebook.record import CONSORTIUM_ID, Consortium, Key
from creditchain.tlog.note import format_vkey
from creditchain.tlog.policy import Policy, format_policy
from creditchain.vault import Vault

GARBAGE_AT: Final = 20_000
"""New objects before the youngest are looked through; some 40 requests make as many."""

EXIT_REFUSED: Final = 3
"""The exit status of a hub that may not start; the message says what to do."""

BACKLOG: Final = 2_048
"""Connections the kernel holds for us while we are busy: a burst of all members' workers."""

_log = structlog.get_logger("creditchain.hub")


class HubRefused(Exception):
    """The hub may not start; the message says why and what to do."""


class Hub:
    """The rooms of an open hub. `close` when done, also if it never ran."""

    def __init__(self, config: HubConfig, *, new_private_store: bool = False) -> None:
        """Opens everything, in the order in which a fault is best told; raises HubRefused.

        `new_private_store`: the one there was is lost for good, begin with an empty one.
        """
        try:
            secrets, policy = load_secrets(config), load_policy(config)
        except BadConfig as error:
            raise HubRefused(str(error)) from None
        self.config = config
        self._closed = False
        self.ledger = _open_ledger(config, secrets, policy)
        try:
            self.engine = _open_private(config, self.ledger, new=new_private_store)
            try:
                self._furnish(secrets, policy)
            except BaseException:
                self.engine.dispose()
                raise
        except BaseException:
            self.ledger.close()
            raise

    def _furnish(self, secrets: HubSecrets, policy: Policy) -> None:
        config = self.config
        consortium = self.ledger.book.get(Consortium, CONSORTIUM_ID)
        assert consortium is not None, "a ledger opens with its founding"
        for name, founded, ours in (
            ("log.key", consortium.log_key, format_vkey(secrets.log.verifier)),
            ("refusal.key", consortium.refusal_key, format_vkey(secrets.refusal.verifier)),
        ):
            if founded != ours:
                raise HubRefused(
                    f"{config.keys_folder / name} is not the key that the founding names: "
                    "put that one back"
                )
        own_key = f"{consortium.operator}/{secrets.operator.kid}"
        if self.ledger.book.get(Key, own_key) is None:
            raise HubRefused(
                f"{config.keys_folder / 'operator.json'} is no key of {consortium.operator}: "
                "register it by an event, or put the registered one back"
            )
        self.directory = Directory(self.engine)
        self.vault = Vault(self.engine, retention_days=config.retention_days)
        self.collector = Collector(self.ledger, cosigners_of(policy, config.observer_url))
        self.clock = Clock(
            self.ledger,
            self.directory,
            self.vault,
            Signer(consortium.operator, secrets.operator, self.ledger.origin),
            scan_every_s=config.scan_every_s,
            republish=lambda: self.collector.refresh(config.cosign_stale_s),
        )
        self._collecting: asyncio.Task[None] | None = None
        self.doors = Doors(
            ledger=self.ledger,
            directory=self.directory,
            vault=self.vault,
            token_key=secrets.token,
            feed_public=config.feed_public,
            documents=(DocumentsMode.STRICT if config.trusted_documents else DocumentsMode.OPEN),
            policy=format_policy(policy),
            # Half of the connections stay for requests however many are being followed on.
            limits=Limits(
                sockets=config.connections_max // 2,
                sockets_of_strangers=config.connections_max // 4,
            ),
            ready=self.faults,
            cosigned=lambda: {n: s.size for n, s in self.collector.standings.items()},
        )

    def faults(self) -> dict[str, str]:
        """What keeps the hub from its work, by part. An observer that is away does not."""
        collecting = self._collecting
        if collecting is not None and collecting.done() and self.collector.standings:
            return {"collector": "it has ended; restart the hub"}
        return {}

    @asynccontextmanager
    async def running(self, _app: object = None) -> AsyncIterator[None]:
        """Clock and collector at work; at the end everything is closed."""
        try:
            self._collecting = asyncio.create_task(self._collect(), name="collector")
            await self.clock.start()
            yield
        finally:
            await self.clock.stop()
            if self._collecting is not None:
                self._collecting.cancel()
                with suppress(asyncio.CancelledError):
                    await self._collecting
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close the stores, once; what was answered is on disk."""
        if not self._closed:
            self._closed = True
            self.ledger.close()
            self.engine.dispose()

    async def _collect(self) -> None:
        try:
            await self.collector.run()
        except Exception:  # noqa: BLE001 - told here and by /readyz
            _log.exception("the collector has ended")


def build(config: HubConfig) -> Starlette:
    """The hub as an ASGI application; its lifespan runs clock and collector and closes the stores.

    Raises HubRefused.
    """
    hub = Hub(config)
    return create_app(hub.doors, lifespan=hub.running)


def serve(config: HubConfig, *, new_private_store: bool = False) -> int:
    """Serve until SIGTERM or SIGINT, then let requests under way finish; the exit status.

    Prints one line with the address once it listens, or the reason why it may not start.
    """
    set_up_logs(config.log_level)
    try:
        # Before the stores are opened, so that a taken address touches nothing.
        listening = _listen(config)
        with listening:
            return _serve_hub(Hub(config, new_private_store=new_private_store), listening)
    except HubRefused as error:
        sys.stderr.write(f"creditchain: the hub does not start: {error}\n")
        return EXIT_REFUSED


def recover(config: HubConfig, entries: Path) -> Refilled:
    """Append to a restored ledger what an observer's export has beyond it; raises HubRefused."""
    try:
        with entries.open("rb") as file:
            return refill(config.ledger_path, _ledger_keys(config), file)
    except OSError as error:
        raise HubRefused(f"{error.filename or entries}: {error.strerror}") from None
    except (LedgerFailure, DatabaseError, sqlite3.DatabaseError) as error:
        raise HubRefused(str(error)) from None


def renew_register(config: HubConfig, observer_size: int) -> Head:
    """Write the head register anew when it is lost for good; raises HubRefused."""
    try:
        return Ledger.renew_register(config.ledger_path, _ledger_keys(config), observer_size)
    except OSError as error:
        raise HubRefused(f"{error.filename}: {error.strerror}") from None
    except (LedgerFailure, DatabaseError, sqlite3.DatabaseError) as error:
        raise HubRefused(str(error)) from None


def _ledger_keys(config: HubConfig) -> HubKeys:
    try:
        secrets, policy = load_secrets(config), load_policy(config)
        return ledger_keys(open_genesis(config.genesis_path.read_bytes()), secrets, policy)
    except (BadConfig, FoundingRefused) as error:
        raise HubRefused(str(error)) from None


def _serve_hub(hub: Hub, listening: socket.socket) -> int:
    config = hub.config
    # What is there now stays: looking through it again and again costs every request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AT)

    def started(address: str) -> None:
        _log.info("started", origin=hub.ledger.origin, size=hub.ledger.head().size, address=address)

    server = _Server(
        started,
        uvicorn.Config(
            create_app(hub.doors, lifespan=hub.running),
            loop="uvloop",
            http=Connection,
            ws="websockets-sansio",
            ws_max_size=BODY_BYTES_MAX,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=config.connections_max,
            timeout_graceful_shutdown=config.drain_s,
        ),
    )
    try:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.serve([listening]))
    finally:
        hub.close()
        _log.info("stopped", origin=hub.ledger.origin, size=hub.ledger.head().size)
    return 0


def _listen(config: HubConfig) -> socket.socket:
    """The socket to serve on; raises HubRefused when the address cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise HubRefused(
            f"cannot listen on {config.host}:{config.port}: {error.strerror}"
        ) from None


class _Server(uvicorn.Server):
    """uvicorn, but it says where it listens, and ends with status 0 when it is told to end."""

    def __init__(self, tell_started: Callable[[str], None], config: uvicorn.Config) -> None:
        super().__init__(config)
        self._tell_started = tell_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            # A full disk under the output is no reason not to serve.
            with suppress(OSError):
                sys.stdout.write(f"creditchain hub listens on http://{shown}:{port}\n")
                sys.stdout.flush()
            self._tell_started(f"{shown}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        caught = (signal.SIGINT, signal.SIGTERM)
        for number in caught:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)


def _open_ledger(config: HubConfig, secrets: HubSecrets, policy: Policy) -> Ledger:
    try:
        genesis = config.genesis_path.read_bytes()
        return Ledger.open(config.ledger_path, ledger_keys(open_genesis(genesis), secrets, policy))
    except OSError as error:
        raise HubRefused(f"{error.filename}: {error.strerror}") from None
    except (FoundingRefused, LedgerRefused) as error:
        raise HubRefused(str(error)) from None


def _open_private(config: HubConfig, ledger: Ledger, *, new: bool) -> Engine:
    path = config.private_path
    there = path.exists() and path.stat().st_size > 0
    if new and there:
        raise HubRefused(f"{path} is there: start without --new-private-store")
    if not there and not new and _has_people(ledger):
        raise HubRefused(
            f"{path} is missing, with every name and every report of this log's enterprises and "
            "officers. Put back its newest copy. Only if it is lost for good, start once with "
            "--new-private-store: the names are then gone until they are entered anew"
        )
    try:
        return open_private_store(config.private_path)
    except (StoreUnusable, StoreFull) as error:
        raise HubRefused(str(error)) from None


def _has_people(ledger: Ledger) -> bool:
    """Whether the private store must have rows: somebody was enrolled or appointed."""
    with ledger.reading() as connection:
        found = connection.exec_driver_sql(
            "SELECT EXISTS (SELECT 1 FROM enterprise) OR EXISTS (SELECT 1 FROM officer)"
        )
        return bool(found.scalar_one())
