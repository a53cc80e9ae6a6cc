"""The embedded engine: one process, one thread that writes.

While one batch commits, the next gathers; there is no timer. Under load that alone makes batches of
hundreds, and an event that comes alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from threading import Condition, Thread
from typing import Any, Final, Generic, Literal, TypeVar, cast

from sqlalchemy import select

from creditchain.ledger.database import Database
from creditchain.ledger.failure import Busy, LedgerFailure, LedgerStopped
from creditchain.ledger.order import Batch, Machine, Placed, Position, WrongHistory
from creditchain.ledger.tables import batch as batch_table
from creditchain.ledger.tables import entry as entry_table
from creditchain.ledger.watch import Watch

BATCH_MAX: Final = 512
"""Items in one batch. Beyond a hundred, larger batches gain nothing and everyone in them waits."""

QUEUE_MAX: Final = 4_096
"""Items that wait: at two thousand a second, two seconds; longer nobody should be left hoping."""

QUEUE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes that wait, for when bodies are large."""

_FOLLOWED: Final = 16
"""Batches a follower reads at a time."""

O = TypeVar("O")  # noqa: E741
A = TypeVar("A")

logger = logging.getLogger(__name__)


class _Submission(Generic[A]):
    """The items of one call, answered together; they may fall into several batches."""

    __slots__ = ("future", "left", "loop", "placed")

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self.loop = loop
        self.future: asyncio.Future[list[Placed[A]]] = loop.create_future()
        self.placed: list[Placed[A | Exception] | None] = [None] * count
        self.left = count

    def resolve(self) -> None:
        """On the loop: hands over the answers, or the first thing that went wrong."""
        if self.future.done():
            return
        for placed in self.placed:
            assert placed is not None, "every item has its answer"
            if isinstance(placed.answer, Exception):
                self.future.set_exception(placed.answer)
                return
        self.future.set_result(cast("list[Placed[A]]", self.placed))


class SqliteOrder(Generic[O, A]):
    """Forms batches from one queue and drives the machine on one thread."""

    trust: Literal["operator", "crash", "byzantine"] = "operator"

    def __init__(
        self,
        machine: Machine[O, A],
        database: Database,
        clock: Callable[[], int],
        size: Watch,
        *,
        step: Callable[[str], None],
    ) -> None:
        self._machine = machine
        self._database = database
        self._clock = clock
        self._size = size
        self._step = step
        self._wake = Condition()
        self._queue: deque[tuple[_Submission[A], int, bytes]] = deque()
        self._queued_bytes = 0
        self._tasks: list[Callable[[], None]] = []
        self._closing = False
        self._stopped: LedgerFailure | None = None
        self._last_at = 0
        self._thread = Thread(target=self._work, name="ledger-writer", daemon=True)

    @property
    def stopped(self) -> LedgerFailure | None:
        """Why nothing is written any more; None while all is well."""
        return self._stopped

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._queue)

    def start(self) -> None:
        """Starts the writer's thread."""
        self._last_at = self._machine.last_at
        self._thread.start()

    async def submit(self, items: Sequence[bytes]) -> list[Placed[A]]:
        """What became of the items, after COMMIT and register.

        Raises `Busy` when too much waits already and nothing was queued; `StorageFull` and
        `LedgerStopped` when some item was not written. To repeat the same bodies is always safe.
        """
        if not items:
            return []
        submission: _Submission[A] = _Submission(asyncio.get_running_loop(), len(items))
        size = sum(map(len, items))
        with self._wake:
            if self._stopped is not None:
                raise self._stopped
            if self._closing:
                raise LedgerStopped("the hub is shutting down")
            full = len(self._queue) + len(items) > QUEUE_MAX
            if full or (self._queue and self._queued_bytes + size > QUEUE_BYTES_MAX):
                raise Busy(f"{len(self._queue)} events wait to be written; repeat later")
            self._queue.extend((submission, place, item) for place, item in enumerate(items))
            self._queued_bytes += size
            self._wake.notify()
        return await submission.future

    def call(self, task: Callable[[], None]) -> None:
        """Has the writer's thread do something between two batches."""
        with self._wake:
            if self._stopped is None and not self._closing:
                self._tasks.append(task)
                self._wake.notify()

    async def batches(self, after: Position) -> AsyncIterator[Batch]:
        """The batches after `after`, and each further one as it is published, without end.

        Raises `WrongHistory` when `after` is no position of this log.
        """
        size = 0
        while True:
            read, size = await asyncio.to_thread(self._read_batches, after)
            for batch, position in read:
                yield batch
                after = position
            if not read:
                await self._size.beyond(size)

    def stop(self) -> None:
        """Writes what waits, then ends the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    # The writer's thread.

    def _work(self) -> None:
        while True:
            with self._wake:
                while not (self._queue or self._tasks or self._closing):
                    self._wake.wait()
                tasks, self._tasks = self._tasks, []
                picked = self._pick()
                if not picked and not tasks:
                    return
            for task in tasks:
                self._run_task(task)
            if picked:
                self._deliver(picked, self._write(picked))

    def _pick(self) -> list[tuple[_Submission[A], int, bytes]]:
        if not self._queue:
            return []
        waiting = [item for _, _, item in islice(self._queue, BATCH_MAX)]
        count = len(self._machine.arrange(waiting, BATCH_MAX))
        picked = [self._queue.popleft() for _ in range(count)]
        self._queued_bytes -= sum(len(item) for _, _, item in picked)
        return picked

    def _write(
        self, picked: Sequence[tuple[_Submission[A], int, bytes]]
    ) -> Sequence[Placed[A | Exception]]:
        """One batch, from frozen to its answers; what went wrong is everyone's answer."""
        if self._stopped is not None:
            return self._all(picked, self._stopped)
        position = self._machine.resume()
        try:
            # Never back, even if the clock goes back; never the same, even within a millisecond.
            self._last_at = max(self._clock(), self._last_at + 1)
            batch = Batch(
                position.height + 1,
                position.digest,
                self._last_at,
                tuple(item for _, _, item in picked),
            )
            self._step("frozen")
            assert self._machine.accept(batch), "we formed it to follow the last one"
            outcome = self._machine.execute(batch)
            self._step("executed")
            self._machine.commit(batch, outcome)
            answers = self._machine.answer(batch, outcome)
            self._step("answered")
        except LedgerStopped as error:
            self._stopped = error
            logger.critical("the ledger has stopped: %s", error)
            return self._all(picked, error)
        except Exception as error:
            logger.exception("a batch of %d was not written", len(picked))
            return self._all(picked, error)
        return answers

    @staticmethod
    def _all(
        picked: Sequence[tuple[_Submission[A], int, bytes]], error: Exception
    ) -> list[Placed[A | Exception]]:
        return [Placed(0, None, error) for _ in picked]

    @staticmethod
    def _deliver(
        picked: Sequence[tuple[_Submission[A], int, bytes]],
        answers: Sequence[Placed[A | Exception]],
    ) -> None:
        """Hands the answers to the loops that wait, one call to each."""
        done: dict[asyncio.AbstractEventLoop, list[_Submission[A]]] = {}
        for (submission, place, _), answer in zip(picked, answers, strict=True):
            submission.placed[place] = answer
            submission.left -= 1
            if submission.left == 0:
                done.setdefault(submission.loop, []).append(submission)
        for loop, submissions in done.items():
            try:
                loop.call_soon_threadsafe(_resolve, submissions)
            except RuntimeError:
                continue  # the loop is closed; nobody waits there any more

    def _run_task(self, task: Callable[[], None]) -> None:
        try:
            task()
        except LedgerStopped as error:
            self._stopped = error
            logger.critical("the ledger has stopped: %s", error)
        except Exception:
            logger.exception("a task of the writer failed")

    # Followers.

    def _read_batches(self, after: Position) -> tuple[list[tuple[Batch, Position]], int]:
        size = self._size.value
        with self._database.reading() as connection:
            here = connection.execute(
                select(batch_table.c.digest).where(batch_table.c.height == after.height)
            ).scalar_one_or_none()
            if after.height != 0 and here != after.digest:
                raise WrongHistory(f"batch {after.height} of this log has another digest")
            rows = connection.execute(
                select(batch_table)
                .where(
                    batch_table.c.height > after.height,
                    # What is not published yet may still be taken back by a failing disk.
                    batch_table.c.first_index < size,
                )
                .order_by(batch_table.c.height)
                .limit(_FOLLOWED)
            ).all()
            read = []
            for height, previous, digest, at, first, count in rows:
                items = connection.execute(
                    select(entry_table.c.body, entry_table.c.commitment)
                    .where(entry_table.c.idx >= first, entry_table.c.idx < first + count)
                    .order_by(entry_table.c.idx)
                )
                bodies: tuple[Any, ...] = tuple(
                    commitment if body is None else body for body, commitment in items
                )
                read.append((Batch(height, previous, at, bodies), Position(height, digest)))
        return read, size


def _resolve(submissions: Sequence[_Submission[Any]]) -> None:
    for submission in submissions:
        submission.resolve()
