"""Early warning: new high findings of integrity and of the audit leave by webhook and mail.

`Source`s are tailed in their own databases, beside their writers; what is new is taken into the
outbox, and from there each `Channel` sends in its own time. Nothing here is needed to follow: a
receiver that is down for hours costs rows in office.db, and nothing is lost or said twice.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import structlog

from creditchain.client.signer import now_ms
from creditchain.events import b64u, canonical_json, format_time
from creditchain.events.codes import Severity
from regulator.audit_store import AUDIT_NAME
from regulator.config import ObserverConfig, load_genesis, load_mail_server, load_report_key
from regulator.database import OBSERVER_NAME, open_beside
from regulator.finding import FindingCode, severity_of
from regulator.mail import Mail
from regulator.office import Office
from regulator.outbox import START, Message, Notice, Outbox, Place
from regulator.setting import parse_addresses
from regulator.webhook import NotSent, Webhook

POLL_S: Final = 2.0
"""How often to look for findings and for what is due."""

TAKEN_MAX: Final = 1_000
"""Findings taken in by one transaction."""

STOP_S: Final = 5.0
"""How long stopping waits for a message under way to be noted as sent."""

DETAIL_BYTES_MAX: Final = 8_192
"""What a rule says about a finding is far shorter; a longer text is left to the register."""

T = TypeVar("T")

_NOT_HIGH: Final = ", ".join(
    f"'{code.value}'" for code in FindingCode if severity_of(code) is not Severity.HIGH
)

_log = structlog.get_logger("regulator.warning")


class Source(Protocol):
    """Who finds: read again and again, in order."""

    @property
    def name(self) -> str:
        """`integrity`, `audit`: what a warning calls it."""
        ...

    def after(self, place: Place, most: int) -> tuple[list[Notice], Place]:
        """Up to `most` high findings behind a place, and how far that read; raises sqlite3.Error.

        A place that is not this source's (its database was made anew) is the beginning.
        """
        ...


class Channel(Protocol):
    """How warnings leave. A message has up to `most` findings, none younger than `settle_s`."""

    @property
    def name(self) -> str:
        """What the outbox knows it by."""
        ...

    @property
    def most(self) -> int:
        """Findings of one message."""
        ...

    @property
    def settle_s(self) -> float:
        """How long to wait for others before a message is formed."""
        ...

    @property
    def gap_s(self) -> float:
        """How long to pause after a message."""
        ...

    async def send(self, message: Message) -> None:
        """Send it; raises `NotSent`."""
        ...


class _Tail(ABC):
    """A table of findings that only grows, by its row numbers."""

    name: str
    _rows: str  # seq, digest and the rest of the high findings with seq > ?1 and seq <= ?2
    _table_seq: str

    def __init__(self, path: Path) -> None:
        self._path = path

    def after(self, place: Place, most: int) -> tuple[list[Notice], Place]:
        """See `Source.after`."""
        if not self._path.exists():
            return [], place
        with closing(open_beside(self._path)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            if place != START and self._finding_at(connection, place.seq) != place.finding:
                place = START
            top = connection.execute(
                f"SELECT max({self._table_seq}) FROM finding"  # noqa: S608 - a name of ours
            ).fetchone()[0]
            if top is None or top == place.seq:
                return [], place
            rows = connection.execute(self._rows, (place.seq, top, most)).fetchall()
            end = rows[-1]["seq"] if len(rows) == most else top
            finding = self._finding_at(connection, end)
        assert finding is not None
        return [self._notice(row) for row in rows], Place(end, finding)

    def _finding_at(self, connection: sqlite3.Connection, seq: int) -> str | None:
        row = connection.execute(
            f"SELECT digest FROM finding WHERE {self._table_seq} = ?",  # noqa: S608
            (seq,),
        ).fetchone()
        return None if row is None else b64u(row[0])

    def _notice(self, row: sqlite3.Row) -> Notice:
        said = {"id": b64u(row["digest"]), "source": self.name, **self._said(row)}
        return Notice(said["id"], self.name, canonical_json(said).decode())

    @abstractmethod
    def _said(self, row: sqlite3.Row) -> dict[str, Any]:
        """What a warning says of a row: `code` and `at` at least."""


class IntegrityFindings(_Tail):
    """What following and replaying found, in observer.db."""

    name = "integrity"
    _table_seq = "id"
    _rows = (
        "SELECT id AS seq, digest, code, idx, detail, certain, found_at, size FROM finding "  # noqa: S608
        f"WHERE id > ? AND id <= ? AND code NOT IN ({_NOT_HIGH}) ORDER BY id LIMIT ?"
    )

    def _said(self, row: sqlite3.Row) -> dict[str, Any]:
        said = {
            "code": row["code"],
            "severity": severity_of(row["code"]).value,
            "at": format_time(row["found_at"]),
            "size": row["size"],
            "certain": bool(row["certain"]),
        }
        if row["idx"] is not None:
            said["index"] = row["idx"]
        if row["detail"]:
            said["detail"] = row["detail"]
        return said


class AuditFindings(_Tail):
    """What the rules found, in audit.db; with the pack under which it was first found."""

    name = "audit"
    _table_seq = "seq"
    _rows = (
        "SELECT seq, digest, code, severity, pack, at_index, at_ms, member, officer, certain, json "
        "FROM finding WHERE seq > ? AND seq <= ? AND severity = 'HIGH' ORDER BY seq LIMIT ?"
    )

    def _said(self, row: sqlite3.Row) -> dict[str, Any]:
        said = {
            "code": row["code"],
            "severity": row["severity"],
            "pack": row["pack"],
            "index": row["at_index"],
            "at": format_time(row["at_ms"]),
            "certain": bool(row["certain"]),
        }
        said |= {name: row[name] for name in ("member", "officer") if row[name] is not None}
        if len(row["json"]) <= DETAIL_BYTES_MAX:
            said |= {"evidence": json.loads(row["json"])}
        return said


class Warnings:
    """Taking in and sending; `run` does both until it is cancelled."""

    def __init__(
        self, office: Office, sources: Sequence[Source], channels: Sequence[Channel]
    ) -> None:
        self._outbox = Outbox(office)
        self._sources = sources
        self._channels = channels
        self._came = {channel.name: asyncio.Event() for channel in channels}

    async def run(self) -> None:
        """Only cancellation ends it; what is being sent is noted before."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_in_for_ever())
            for channel in self._channels:
                group.create_task(self._send_for_ever(channel))

    async def take_in(self) -> int:
        """Everything the sources have; how much of it was new."""
        new = 0
        for source in self._sources:
            while True:
                place = await asyncio.to_thread(self._outbox.place, source.name)
                try:
                    notices, end = await asyncio.to_thread(source.after, place, TAKEN_MAX)
                except sqlite3.Error as error:
                    # Being written, made anew or moved away: looked at again in a moment.
                    _log.warning("findings cannot be read", source=source.name, problem=str(error))
                    break
                if end == place:
                    break
                new += await asyncio.to_thread(
                    self._outbox.take_in, source.name, notices, end, now_ms()
                )
        return new

    async def send_next(self, channel: Channel) -> bool:
        """Send what is due first on a channel; whether there was something, sent or not."""
        settled = now_ms() - round(channel.settle_s * 1000)
        await asyncio.to_thread(self._outbox.form, channel.name, channel.most, settled, now_ms())
        message = await asyncio.to_thread(self._outbox.next, channel.name, now_ms())
        if message is None:
            return False
        work = asyncio.create_task(self._send(channel, message))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work}, timeout=STOP_S)
            work.cancel()
            raise
        return True

    async def _send(self, channel: Channel, message: Message) -> None:
        try:
            await channel.send(message)
        except NotSent as error:
            problem, refused = str(error), error.refused
        except Exception as error:  # noqa: BLE001 - it is told, and the message is tried again
            # A fault of ours in one channel must not silence the other.
            _log.exception("a warning cannot be sent", channel=channel.name)
            problem, refused = type(error).__name__, True
        else:
            await self._note(lambda: self._outbox.sent(message, now_ms()))
            _log.debug("a warning left", channel=channel.name, findings=len(message.notices))
            return
        wait_s = await self._note(
            lambda: self._outbox.failed(message, problem, refused=refused, now_ms=now_ms())
        )
        _log.warning(
            "a warning did not leave",
            channel=channel.name,
            findings=len(message.notices),
            attempt=message.attempts + 1,
            problem=problem,
            retry_s=wait_s,
        )

    async def _note(self, note: Callable[[], T]) -> T:
        """Note what became of a message, however long the disk refuses: else it is sent again."""
        while True:
            try:
                return await asyncio.to_thread(note)
            except sqlite3.Error as error:
                _log.warning("what was sent cannot be noted", problem=str(error))
                await asyncio.sleep(POLL_S)

    async def _take_in_for_ever(self) -> None:
        while True:
            try:
                new = await self.take_in()
            except sqlite3.Error as error:
                _log.warning("findings cannot be taken in", problem=str(error))
                new = 0
            if new:
                for came in self._came.values():
                    came.set()
            await asyncio.sleep(POLL_S)

    async def _send_for_ever(self, channel: Channel) -> None:
        came = self._came[channel.name]
        while True:
            came.clear()
            try:
                busy = await self.send_next(channel)
            except sqlite3.Error as error:
                _log.warning("the outbox cannot be used", problem=str(error))
                busy = False
            if busy:
                await asyncio.sleep(channel.gap_s)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await came.wait()


async def run_warnings(config: ObserverConfig, office: Office) -> None:
    """Announce high findings where the settings say; only cancellation ends it.

    Without a webhook and a mail server there is nobody to tell, and nothing is noted as told: who
    is named later hears everything from the first finding on. Raises `BadConfig`.
    """
    key = load_report_key(config)
    server = load_mail_server(config)
    async with AsyncExitStack() as stack:
        channels: list[Channel] = []
        if config.webhook_url:
            webhook = Webhook(config.webhook_url, config.name, key)
            channels.append(await stack.enter_async_context(webhook))
        if server is not None:
            (sender,) = parse_addresses(config.mail_from)
            receivers = parse_addresses(config.mail_to)
            origin = load_genesis(config).origin
            channels.append(Mail(server, sender, receivers, config.name, origin, key))
        if not channels:
            await asyncio.Event().wait()
        sources = (
            IntegrityFindings(config.folder / OBSERVER_NAME),
            AuditFindings(config.folder / AUDIT_NAME),
        )
        await Warnings(office, sources, channels).run()
