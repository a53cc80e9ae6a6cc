"""The watch: what only shows in time. A hub that goes stale or silent, ourselves falling behind, a
member shown more than we are, and bodies that do not stay as they were when we copied them.

Every look asks the hub for its checkpoint and for one bundle of bodies, so that in the end all of
them are seen again. Who is accused:

- the hub, for sure: what it serves and what it does not, as the log itself says it should;
- the hub, in doubt (`certain` false): silence, for the line may be cut, or ours may be; a time that
  has not come, for our clock may be wrong;
- ourselves: lag, whatever its reason, unless it is the hub that keeps us waiting.

A fault is not a finding. Silence is one only when it has lasted as long as a checkpoint may be old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from creditchain.events import format_time
from creditchain.tlog.note import BadNote, open_note
from regulator.cosign import WITNESS
from regulator.feed import FeedFault
from regulator.finding import Finding, FindingCode
from regulator.inbox import Inbox
from regulator.observer import Observer
from regulator.register import RegisterNotWritten
from regulator.revisit import Revisit
from regulator.scrub import Scrub
from regulator.stored import CopyDamaged, count_before, read_at
from regulator.verify import Head, open_head

_log = structlog.get_logger("regulator.watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds. `every_s` and `scrub_every_s`: between two looks, and two packages of our own copy.

    `withheld_after_s`: how long the hub may show us less than a member; `stale_after_s`: how old
    our cosignature on the checkpoint it serves may be, and how long it may be silent; `lag_after_s`
    is how long we may be behind what we were shown, `erased_after_s` how long a body that the log
    says is erased may still be served; `ahead_s` how far the log's time may lie before our clock.
    """

    every_s: float = 30.0
    scrub_every_s: float = 1.0
    withheld_after_s: float = 600.0
    stale_after_s: float = 7_200.0
    lag_after_s: float = 3_600.0
    erased_after_s: float = 600.0
    ahead_s: float = 300.0


@dataclass(slots=True)
class Since:
    """Since when something has been so without a break."""

    at: dict[str, float] = field(default_factory=dict)

    def lasted(self, what: str, now: float, *, so: bool) -> float:
        """For how many seconds it has been so; 0 when it is not."""
        if not so:
            self.at.pop(what, None)
            return 0.0
        return now - self.at.setdefault(what, now)


class Watch:
    """Looks at the hub and at ourselves, now and then. `run` never ends by itself."""

    def __init__(
        self,
        observer: Observer,
        inbox: Inbox,
        scrub: Scrub,
        bounds: Bounds,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._observer = observer
        self._follower = observer.follower
        self._inbox = inbox
        self._scrub = scrub
        self._bounds = bounds
        self._clock = clock
        self._since = Since()
        self._is_ahead = False
        self._heard_at = self._fit_since = clock()
        self._revisit = Revisit(self._follower, bounds.erased_after_s, clock=clock)

    async def run(self) -> None:
        """Look, scrub and judge what waited, for ever; only cancellation ends it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self.look, self._bounds.every_s))
            group.create_task(self._repeat(self._scrub.step, self._bounds.scrub_every_s))
            group.create_task(self._judge_what_waits())

    async def _repeat(self, work: Callable[[], Coroutine[Any, Any, Any]], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await undisturbed(work)

    async def _judge_what_waits(self) -> None:
        while True:
            version = self._follower.settled
            await undisturbed(self._inbox.look_again)
            await self._follower.settled_after(version, self._bounds.every_s)

    async def look(self) -> None:
        """One look at everything but our own copy."""
        now = self._clock()
        progress = self._follower.progress()
        if progress.restored_to is not None or progress.fault_is_ours:
            self._fit_since = now
        shown = await self._ask()
        if shown is None:
            await self._note_silence(now)
        else:
            self._heard_at = now
            note, head = shown
            await self._note_stale(note, head, now)
            await self._inbox.report_withheld(head, now - self._bounds.withheld_after_s)
        await self._note_lag(None if shown is None else shown[1], now)
        await self._note_ahead(now)
        if shown is not None:
            await self._revisit.step(shown[1])

    async def _ask(self) -> tuple[str, Head] | None:
        """The checkpoint as it is served, and its head; None without a usable answer."""
        try:
            note = await self._follower.feed.checkpoint()
            return note.decode(), open_head(note, self._follower.cosigner.log)
        except (FeedFault, BadNote, UnicodeError):
            # The follower meets the same and says so.
            return None

    # Time.

    async def _note_silence(self, now: float) -> None:
        since = max(self._heard_at, self._fit_since)
        if now - since < self._bounds.stale_after_s:
            return
        held = self._follower.progress().trusted
        detail = f"no usable checkpoint since {_time(since)}"
        evidence: dict[str, str | int] = {"held": held.note}
        await self._follower.keep(
            Finding(FindingCode.STALE_CHECKPOINT, None, detail, evidence, certain=False)
        )

    async def _note_stale(self, note: str, head: Head, now: float) -> None:
        """Our own line on what it serves tells how old it is; a hub at rest asks for a new one."""
        signed_at = self._signed_at(note)
        trusted = self._follower.progress().trusted
        if signed_at is None or (head.size, head.root) != (trusted.size, trusted.root):
            return
        if now - max(signed_at, self._fit_since) < self._bounds.stale_after_s:
            return
        detail = f"size {head.size} was last cosigned at {_time(signed_at)}"
        evidence: dict[str, str | int] = {"shown": note}
        await self._follower.keep(Finding(FindingCode.STALE_CHECKPOINT, None, detail, evidence))

    def _signed_at(self, note: str) -> float | None:
        """When we cosigned the checkpoint in a note last, as the note itself has it."""
        verifiers = [signer.verifier for signer in self._observer.signers.values()]
        try:
            opened = open_note(note, [self._follower.cosigner.log, *verifiers])
        except BadNote:
            return None
        times = [c.time_s for verifier in verifiers for c in verifier.cosignatures(opened)]
        return float(max(times)) if times else None

    async def _note_lag(self, shown: Head | None, now: float) -> None:
        """We are behind, and it is not the hub that keeps us waiting."""
        progress = self._follower.progress()
        waiting = progress.fault is not None and not progress.fault_is_ours
        whole = not await self._follower.write(self._follower.cosigner.mirror.holes, 1)
        trusted = progress.trusted.size
        behind = {
            "head": shown is not None and shown.size > trusted,
            "copy": progress.size < trusted,
        }
        for name in self._observer.signers:
            if name != WITNESS:
                held = self._follower.cosigner.head(name).size
                behind[name] = whole and held < trusted and held < progress.size
        for what, so in behind.items():
            lasted = self._since.lasted(what, now, so=so and not waiting)
            if lasted >= self._bounds.lag_after_s:
                detail = f"{what} behind since {_time(now - lasted)}"
                evidence: dict[str, str | int] = {"trusted": progress.trusted.note}
                await self._follower.keep(Finding(FindingCode.OBSERVER_LAG, None, detail, evidence))

    async def _note_ahead(self, now: float) -> None:
        """The log's time lies in the future: deadlines and consents would end before their time.

        The members' own signatures tell soon, but what the operator signs alone has any time.
        """
        limit_ms = int((now + self._bounds.ahead_s) * 1000)
        mirror = self._follower.cosigner.mirror
        first = await self._follower.write(mirror.run, lambda one: _first_after(one, limit_ms))
        if first is not None and not self._is_ahead:
            index, at = first
            detail = f"admitted at {format_time(at)}; it is {_time(now)}"
            evidence: dict[str, str | int] = {
                "at": at,
                "clock": int(now * 1000),
                "held": self._follower.progress().trusted.note,
            }
            await self._follower.keep(
                Finding(FindingCode.TIME_AHEAD, index, detail, evidence, certain=False)
            )
        self._is_ahead = first is not None


async def undisturbed(work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Do it; whatever goes wrong is told, and the watch goes on."""
    try:
        await work()
    except (DatabaseError, RegisterNotWritten, CopyDamaged) as error:
        _log.warning("cannot watch", problem=str(getattr(error, "orig", error)))
    except Exception:  # noqa: BLE001 - one look may fail, the watch does not end
        _log.exception("a look of the watch failed")


def _first_after(connection: Connection, limit_ms: int) -> tuple[int, int] | None:
    """Index and time of the first entry admitted after a time; None if there is none.

    Where time went back some other one; that it did is a finding of its own.
    """
    size, last_at = connection.exec_driver_sql("SELECT size, last_at FROM copy").one()
    if last_at <= limit_ms:
        return None
    index = count_before(connection, limit_ms + 1, size - 1)
    return index, read_at(connection, index)


def _time(at_s: float) -> str:
    return format_time(int(at_s * 1000))
