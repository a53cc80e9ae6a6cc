"""The hub's clock: what happens because time passed, all in this one place.

Deadlines stand in the ledger's and the vault's tables; a job only looks for those that have passed.
What its looking causes on the log, the operator says with its own key, like any other member. Jobs
keep no state and may be repeated: what is no longer due is refused by the rulebook, and that is
well. Each is defined here with a fixed id, never overlaps itself, and catches up in one run.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Connection, Select, select, tuple_

from creditchain.client.signer import Signer, now_ms
from creditchain.directory import Directory, EnterpriseRow, OfficerRow, Staged
from creditchain.events import Body
from creditchain.events.codes import ErasureGround
from creditchain.events.consent import ConsentExpired
from creditchain.events.erasure import ReportErased
from creditchain.events.order import OrderLapsed
from creditchain.ledger import Admitted, Answer, Busy, LedgerFailure
from creditchain.ledger.tables import TABLE_OF
from creditchain.private_store import StoreFull
from creditchain.rulebook.book import Book
from creditchain.rulebook.order import UNDER_WAY
from creditchain.rulebook.record import (
    Consent,
    ConsentStatus,
    Enterprise,
    Erasure,
    Officer,
    Order,
)
from creditchain.rulebook.refusal import Refusal
from creditchain.seal import Sealed
from creditchain.vault import ORPHAN_MS, PAGE_MAX, Vault

SCAN_MAX: Final = 200
"""Events submitted at once: less than a batch, so that members' orders never queue behind us."""

SETTLE_EVERY_S: Final = 60
"""How soon a row whose request was cut off by a crash is put right, besides at the start."""

FINISH_S: Final = 5.0
"""How long stopping waits for jobs under way; a page of events takes far less."""

_ENDING: Final = (ConsentStatus.REQUESTED, ConsentStatus.GRANTED)

_log = structlog.get_logger("creditchain.clock")


class ClockedLedger(Protocol):
    """What the clock needs of the ledger."""

    book: Book

    def reading(self) -> AbstractContextManager[Connection]:
        """A read-only connection."""
        ...

    async def submit(self, items: Sequence[Sealed]) -> list[Answer]:
        """Admits or refuses, in order."""
        ...

    def find(self, id: str) -> tuple[int, str, str, int] | None:
        """Index, type, author and time of the entry with this event id."""
        ...

    def body(self, index: int) -> bytes | None:
        """The body of an entry."""
        ...


class Clock:
    """The scheduler and its jobs. `operator` signs; `republish` asks for fresh cosignatures."""

    def __init__(
        self,
        ledger: ClockedLedger,
        directory: Directory,
        vault: Vault,
        operator: Signer,
        *,
        scan_every_s: int,
        republish: Callable[[], None],
        now: Callable[[], int] = now_ms,
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._vault = vault
        self._operator = operator
        self._now = now
        self._republish = republish
        self._running: set[asyncio.Task[object]] = set()
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        jobs: tuple[tuple[str, Callable[[], Awaitable[object]], int], ...] = (
            ("lapse-orders", self.lapse_orders, scan_every_s),
            ("expire-consents", self.expire_consents, scan_every_s),
            ("purge-reports", self.purge_reports, scan_every_s),
            ("settle-staged", self.settle_staged, SETTLE_EVERY_S),
            ("republish", self.republish, scan_every_s),
        )
        for id_, job, every_s in jobs:
            self._scheduler.add_job(
                self._run,
                "interval",
                args=(id_, job),
                seconds=every_s,
                id=id_,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
                replace_existing=True,
                # At once, for what fell due while the hub was down.
                next_run_time=datetime.now(UTC),
            )

    async def start(self) -> None:
        """Put the private store right with the log, then begin. Call it on the hub's event loop."""
        await self.repeat_erasures()
        self._scheduler.start()

    async def stop(self) -> None:
        """Begin nothing more, and let what is under way finish for a moment.

        What does not is cut off: it is found again at the next start.
        """
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            await asyncio.wait(self._running, timeout=FINISH_S)
        self._scheduler.shutdown(wait=False)

    async def lapse_orders(self) -> int:
        """Say of each order past its due time that it lapsed; how many were admitted."""
        orders = TABLE_OF[Order]
        return await self._say_of_each(
            select(orders.c.due_at, orders.c.id).where(
                orders.c.status.in_([status.value for status in UNDER_WAY])
            ),
            orders.c.due_at,
            orders.c.id,
            OrderLapsed,
        )

    async def expire_consents(self) -> int:
        """Say of each consent and request past its window that it expired; how many."""
        consents = TABLE_OF[Consent]
        return await self._say_of_each(
            select(consents.c.valid_until, consents.c.id).where(
                consents.c.status.in_([status.value for status in _ENDING])
            ),
            consents.c.valid_until,
            consents.c.id,
            ConsentExpired,
        )

    async def purge_reports(self) -> int:
        """Delete reports past their retention time, each after its ReportErased; how many."""
        purged = 0
        while True:
            due = await asyncio.to_thread(self._vault.expired, self._now(), SCAN_MAX)
            if not due:
                return purged
            bodies = [ReportErased(order, ErasureGround.RETENTION_ENDED) for order in due]
            answers = await self._submit(bodies)
            gone = [
                order
                for order, answer in zip(due, answers, strict=True)
                if isinstance(answer, Admitted) or answer.violation.code is Refusal.ERASURE_DONE
            ]
            await asyncio.to_thread(self._vault.erase_many, gone)
            purged += len(gone)
            if len(gone) < len(due):
                # What the log refuses stays in the vault, for people to look at.
                return purged

    async def settle_staged(self) -> int:
        """Put right what was staged and not finished; how many rows.

        A crash may come between an event's admission and its row's confirmation. Rows whose event
        is on the log are confirmed; those that none claimed within an hour are purged.
        """
        return await asyncio.to_thread(self._settle)

    async def repeat_erasures(self) -> int:
        """Erase again what the log says is erased and the private store still has; how many.

        That is so after a crash between the two, and after restoring an older copy.
        """
        return await asyncio.to_thread(self._repeat_erasures)

    async def republish(self) -> None:
        """Have the checkpoint cosigned anew where that is long ago."""
        self._republish()

    async def _run(self, id_: str, job: Callable[[], Awaitable[object]]) -> None:
        """One run of a job. A fault is told and the next run tries again; none ends the clock."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            done = await job()
        except asyncio.CancelledError:
            _log.info("cut off", job=id_)
        except Busy:
            _log.info("the ledger is busy; later", job=id_)
        except (LedgerFailure, StoreFull) as error:
            _log.warning("put off", job=id_, problem=str(error))
        except Exception:  # noqa: BLE001 - a job may fail, the clock goes on
            _log.exception("a job failed", job=id_)
        else:
            if done:
                _log.info("done", job=id_, count=done)
        finally:
            self._running.discard(task)

    async def _say_of_each(
        self, query: Select[Any], due: Any, id_: Any, event: Callable[[str], Body]
    ) -> int:
        """Submit `event(id)` for each row with `due` at or before now, earliest first."""
        now = self._now()
        admitted = 0
        after: tuple[int, str] = (-1, "")
        while True:
            page = query.where(due <= now, tuple_(due, id_) > after).order_by(due, id_)
            rows = await asyncio.to_thread(self._read, page.limit(SCAN_MAX))
            if not rows:
                return admitted
            after = rows[-1][0], rows[-1][1]
            answers = await self._submit([event(row[1]) for row in rows])
            admitted += sum(isinstance(answer, Admitted) for answer in answers)

    def _read(self, query: Select[Any]) -> list[Any]:
        with self._ledger.reading() as connection:
            return list(connection.execute(query))

    async def _submit(self, bodies: Sequence[Body]) -> list[Answer]:
        answers = await self._ledger.submit([self._operator.seal(body) for body in bodies])
        refused = Counter(
            answer.violation.code.value for answer in answers if not isinstance(answer, Admitted)
        )
        if refused:
            _log.info("not due any more", type=type(bodies[0]).__name__, refused=dict(refused))
        return answers

    def _settle(self) -> int:
        settled = 0
        orphaned_before = self._now() - ORPHAN_MS
        for row in self._staged_rows():
            if self._is_logged(row):
                settled += self._directory.confirm(row.id, row.identity)
            elif row.staged_at < orphaned_before:
                settled += self._directory.discard(row.id, row.identity)
        after = 0
        while reports := self._vault.staged(after):
            after = reports[-1].seq
            orphans = []
            for staged in reports:
                order = self._ledger.book.get(Order, staged.order)
                report = order.report if order is not None else None
                if report is not None and report.ciphertext == staged.digest:
                    assert order is not None
                    assert order.delivered_at is not None
                    settled += self._vault.bind(order.id, staged.digest, order.delivered_at)
                    if self._ledger.book.get(Erasure, f"report/{order.id}") is not None:
                        self._vault.erase(order.id)
                elif staged.staged_at < orphaned_before:
                    orphans.append(staged.seq)
            if orphans:
                settled += self._vault.purge_staged(orphans)
        return settled

    def _staged_rows(self) -> Iterator[Staged]:
        after = 0
        while rows := self._directory.staged(after):
            after = rows[-1][0]
            yield from (row for _, row in rows)

    def _is_logged(self, row: Staged) -> bool:
        """Whether the log has the event whose fingerprint this row carries."""
        book = self._ledger.book
        if row.kind is EnterpriseRow:
            enterprise = book.get(Enterprise, row.id)
            return enterprise is not None and enterprise.identity == row.identity
        if row.kind is OfficerRow:
            officer = book.get(Officer, row.id)
            return officer is not None and officer.identity == row.identity
        found = self._ledger.find(row.id)
        body = None if found is None else self._ledger.body(found[0])
        return body is not None and _statement_of(body) == row.identity

    def _repeat_erasures(self) -> int:
        erasures = TABLE_OF[Erasure]
        repeated = 0
        after = ""
        while True:
            page = (
                select(erasures.c.id, erasures.c.erased_at)
                .where(erasures.c.id > after)
                .order_by(erasures.c.id)
                .limit(PAGE_MAX)
            )
            rows = self._read(page)
            if not rows:
                break
            after = rows[-1][0]
            orders = []
            for id_, erased_at in rows:
                kind, _, subject = id_.partition("/")
                if kind == "directory" and self._directory.has_row(subject):
                    repeated += self._directory.erase(subject, erased_at)
                if kind == "report":
                    orders.append(subject)
            held = self._vault.held(orders)
            if held:
                repeated += self._vault.erase_many(held)
        if repeated:
            _log.warning("erased again what the log says is erased", rows=repeated)
        return repeated


def _statement_of(body: bytes) -> str | None:
    statement = json.loads(body)["event"]["body"].get("statement")
    return statement if isinstance(statement, str) else None
