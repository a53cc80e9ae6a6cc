"""The agency worker: serves placed orders, each once, whatever is cut off in between.

What it means to do it writes down first: its journal holds, in one transaction, the index up to
which it has heard of changes and a job for every order placed; then every event's sealed bytes
before they are sent, and the sealed report with its delivery. After a restart it goes on from
there: the same events under the same ids, so nothing is missed and nothing is said twice.

    worker = Worker(client, source, [records], Journal(path))
    await worker.run(stop)         # until `stop` is set
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from creditchain.client.client import Client, HubFailure, HubUnreachable, RefusedByHub
from creditchain.client.evidence import BadEvidence
from creditchain.client.hpke import seal_report
from creditchain.client.local_store import open_store
from creditchain.client.opening import KnownBatch, known_batch, ordered_of
from creditchain.client.record_store import Held, RecordStore
from creditchain.client.records import Record
from creditchain.client.report import (
    BadReport,
    BuiltReport,
    CitedRecord,
    OpenObjection,
    build_report,
)
from creditchain.client.signer import now_ms, sealed_before
from creditchain.client.source import BadRow, Source, SourceUnavailable
from creditchain.events import Body, PublicKey, parse_time
from creditchain.events.codes import DeclineCode, MissingCode, Outcome, Section
from creditchain.events.order import OrderAccepted, OrderDeclined, ReportDelivered
from creditchain.fingerprint import fingerprint
from creditchain.rulebook.refusal import Refusal
from creditchain.seal import Sealed

JOBS_AT_ONCE: Final = 4
"""Orders served side by side; the agency's database and one core are soon busy with more."""

QUEUE_MAX: Final = 1_000
"""Jobs known in memory; the journal holds the rest, and the subscription waits."""

SOURCE_PATIENCE_S: Final = 60.0
"""How long the agency's database may be away before a placed order is declined for it."""

RETRY_FIRST_S: Final = 0.5
RETRY_MOST_S: Final = 30.0

REBUILDS_MAX: Final = 3
"""How often a report is built anew because a batch it cites was superseded meanwhile."""

_APPLICATION_ID: Final = 0x63637779  # "ccwy"
_VERSION: Final = 1

_log = structlog.get_logger("creditchain.worker")


class Step(StrEnum):
    """How far a job has come; what it says next is in the journal before it is said."""

    PLACED = "PLACED"
    ACCEPTING = "ACCEPTING"
    DECLINING = "DECLINING"
    ACCEPTED = "ACCEPTED"
    DELIVERING = "DELIVERING"
    DELIVERED = "DELIVERED"
    DECLINED = "DECLINED"
    REFUSED = "REFUSED"
    GONE = "GONE"


DONE: Final = frozenset({Step.DELIVERED, Step.DECLINED, Step.REFUSED, Step.GONE})
"""Steps after which nothing more is said about an order."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the journal holds on one order.

    `body` is the sealed event last said or about to be said, `report` the sealed report that goes
    with a delivery, `outcome` the delivery's, and `note` why a job ended otherwise.
    """

    order: str
    step: Step
    body: bytes | None
    report: bytes | None
    outcome: Outcome | None
    note: str | None


_tables = MetaData()
_cursor = Table(
    "cursor",
    _tables,
    Column("only", Integer, primary_key=True),
    Column("after", Integer, nullable=False),
)
_job = Table(
    "job",
    _tables,
    Column("order", Text, primary_key=True),
    Column("step", Text, nullable=False, index=True),
    Column("body", LargeBinary),
    Column("report", LargeBinary),
    Column("outcome", Text),
    Column("note", Text),
    Column("changed_at", Integer, nullable=False),
)


class Journal:
    """What the worker has heard and said, in one SQLite file. Raises `BadStore`."""

    def __init__(self, path: Path) -> None:
        self._engine = open_store(path, _tables, _APPLICATION_ID, _VERSION)

    def close(self) -> None:
        """Lets go of the file."""
        self._engine.dispose()

    def after(self) -> int:
        """The index up to which every change has been heard; 0 before the first."""
        with self._engine.connect() as connection:
            return connection.execute(select(_cursor.c.after)).scalar_one_or_none() or 0

    def hear(self, index: int, order: str | None) -> bool:
        """Notes that the change at `index` was heard, and with it a job; whether that is new."""
        with self._engine.begin() as connection:
            connection.execute(
                insert(_cursor)
                .values(only=1, after=index)
                .on_conflict_do_update(index_elements=["only"], set_={"after": index})
            )
            if order is None:
                return False
            return bool(
                connection.execute(
                    insert(_job)
                    .values(order=order, step=Step.PLACED, changed_at=now_ms())
                    .on_conflict_do_nothing()
                ).rowcount
            )

    def job(self, order: str) -> Job | None:
        """The job on an order."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_job).where(_job.c.order == order)).one_or_none()
        return None if row is None else _job_of(row)

    def unfinished(self) -> list[str]:
        """The orders still to be served, in the order in which they were placed (UUIDv7)."""
        statement = select(_job.c.order).where(_job.c.step.not_in(DONE)).order_by(_job.c.order)
        with self._engine.connect() as connection:
            return list(connection.execute(statement).scalars())

    def put(self, order: str, step: Step, **values: object) -> None:
        """Moves a job on; durable when this returns."""
        with self._engine.begin() as connection:
            done = connection.execute(
                update(_job)
                .where(_job.c.order == order)
                .values(step=step, changed_at=now_ms(), **values)
            )
            assert done.rowcount == 1, f"no job on {order} in the journal"


class Worker:
    """Serves the orders that an agency is asked, as the actor of `client`.

    `stores` are the record stores whose records may be cited; `serves` picks the orders it is to
    serve (as the operation `OrderChanges` selects them), all unless given; `served` is told each
    job that has ended.
    """

    def __init__(
        self,
        client: Client,
        source: Source,
        stores: Sequence[RecordStore],
        journal: Journal,
        *,
        jobs_at_once: int = JOBS_AT_ONCE,
        serves: Callable[[Mapping[str, Any]], bool] = lambda _order: True,
        served: Callable[[Job], None] = lambda _job: None,
        source_patience_s: float = SOURCE_PATIENCE_S,
    ) -> None:
        self._client = client
        self._source = source
        self._stores = list(stores)
        self._journal = journal
        self._jobs_at_once = jobs_at_once
        self._serves = serves
        self._served = served
        self._source_patience_s = source_patience_s
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MAX)
        self._batches: dict[str, KnownBatch] = {}
        self._waits: dict[str, float] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        # Deliveries written down by this process and not tried yet: surely not on the log.
        self._untried: set[str] = set()
        self._rebuilt: Counter[str] = Counter()
        self.ended: Counter[Step] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set; what is under way then is finished by the next run.

        Raises `BadEvidence` as soon as the hub shows something that proves nothing, and
        `SignInRefused` when the agency may not speak: neither mends itself.
        """
        me = await self._client.ask("Me")
        if me["member"] is None or me["member"]["kind"] != "AGENCY":
            raise HubFailure("FORBIDDEN", f"{self._client.signer.actor} acts for no agency")
        agency = me["member"]["id"]
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                tasks = [group.create_task(self._follow(agency))]
                tasks += [group.create_task(self._work()) for _ in range(self._jobs_at_once)]
                await stop.wait()
                # Every step is in the journal before it is taken, so it may stop at any of them.
                for task in (*tasks, *self._waiting):
                    task.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _follow(self, agency: str) -> None:
        for order in await asyncio.to_thread(self._journal.unfinished):
            await self._queue.put(order)
        after = await asyncio.to_thread(self._journal.after)
        async for change in self._client.order_changes(after):
            seen = change.record
            wanted = (
                seen["status"] == "PLACED" and seen["agency"]["id"] == agency and self._serves(seen)
            )
            placed: str | None = seen["id"] if wanted else None
            new = await asyncio.to_thread(self._journal.hear, change.index, placed)
            if new and placed is not None:
                await self._queue.put(placed)

    async def _work(self) -> None:
        while True:
            order = await self._queue.get()
            if await self._serve(order):
                self._waits.pop(order, None)
                continue
            # It waits beside the queue: an order that cannot go on must not hold up the others.
            wait = self._waits.get(order, RETRY_FIRST_S)
            self._waits[order] = min(2 * wait, RETRY_MOST_S)
            task = self._group.create_task(self._queue_later(order, wait))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _queue_later(self, order: str, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        await self._queue.put(order)

    async def _serve(self, order: str) -> bool:
        """Takes a job as far as it goes; whether it has ended. False: try again in a while."""
        try:
            job = await asyncio.to_thread(self._journal.job, order)
            assert job is not None, "a job is in the journal before it is in the queue"
            while job.step not in DONE:
                await self._advance(job)
                job = await asyncio.to_thread(self._journal.job, order)
                assert job is not None, "jobs are never deleted"
        except (HubUnreachable, SourceUnavailable) as error:
            _log.warning("job waits", order=order, reason=str(error))
            return False
        except HubFailure as error:
            _log.error("hub failed a job", order=order, code=error.code, reason=error.message)
            return False
        except (BadReport, BadRow) as error:
            # The database and the records do not fit together; people must see to it. The order
            # stays accepted, and lapses if nobody does.
            _log.error("report cannot be built", order=order, reason=str(error))
            return False
        self.ended[job.step] += 1
        _log.info("job ended", order=order, step=job.step, outcome=job.outcome, note=job.note)
        self._served(job)
        return True

    async def _advance(self, job: Job) -> None:
        match job.step:
            case Step.PLACED:
                await self._judge(job)
            case Step.ACCEPTING:
                await self._say(job, Step.ACCEPTED)
            case Step.DECLINING:
                await self._say(job, Step.DECLINED)
            case Step.ACCEPTED:
                await self._prepare(job)
            case Step.DELIVERING:
                await self._deliver(job)
            case _:
                raise AssertionError(f"{job.step} is an end")

    async def _still(self, job: Job, expected: str) -> Mapping[str, Any] | None:
        """The order if it stands as expected; else the job ends, and None."""
        order: Mapping[str, Any] | None = await self._client.ask("OrderToServe", id=job.order)
        if order is not None and order["status"] == expected:
            return order
        status = "out of sight" if order is None else order["status"]
        await self._put(job, Step.GONE, report=None, note=f"the order is {status}")
        return None

    async def _judge(self, job: Job) -> None:
        """Accepts the order or declines it, by rule."""
        order = await self._still(job, "PLACED")
        if order is None:
            return
        subject = order["enterprise"]["id"]
        code = None
        if not self._source.sections & {Section(name) for name in order["sections"]}:
            code = DeclineCode.NO_AGREEMENT
        else:
            try:
                if not await asyncio.to_thread(self._source.knows, subject):
                    code = DeclineCode.SUBJECT_UNKNOWN
            except SourceUnavailable:
                if now_ms() < parse_time(order["placedAt"]) + 1000 * self._source_patience_s:
                    raise
                code = DeclineCode.SOURCE_UNAVAILABLE
        if code is None:
            await self._mean(job, Step.ACCEPTING, OrderAccepted(job.order))
        else:
            await self._mean(job, Step.DECLINING, OrderDeclined(job.order, code), note=code.value)

    async def _prepare(self, job: Job) -> None:
        """Builds and seals the report, and means to deliver it."""
        order = await self._still(job, "ACCEPTED")
        if order is None:
            return
        built = await self._build(order)
        if built is None:
            delivery = ReportDelivered(job.order, Outcome.NOT_FOUND)
            await self._mean(job, Step.DELIVERING, delivery, outcome=Outcome.NOT_FOUND)
            return
        recipient = PublicKey.from_json(
            {name: value for name, value in order["sealKey"]["key"].items() if value is not None}
        )
        if recipient.kid != order["sealTo"]:
            raise BadEvidence("the hub shows another key than the one the order names")
        sealed = await asyncio.to_thread(seal_report, built.plaintext, recipient, job.order)
        delivery = built.delivery(sealed, recipient.kid)
        await self._mean(job, Step.DELIVERING, delivery, report=sealed, outcome=delivery.outcome)

    async def _deliver(self, job: Job) -> None:
        """Uploads the sealed report and says the delivery that was written down."""
        assert job.body is not None, "what is said was written down before"
        if job.order in self._untried:
            self._untried.discard(job.order)
        elif await self._client.receipt(sealed_before(job.body)) is not None:
            # Said before a crash: the vault may have let go of the report since.
            await self._put(job, Step.DELIVERED, report=None)
            return
        if job.report is not None:
            try:
                await self._client.upload_report(job.order, job.report)
            except HubFailure:
                # Nothing is taken for an order that was cancelled, or lapsed, meanwhile.
                if await self._still(job, "ACCEPTED") is None:
                    return
                raise
        await self._say(job, Step.DELIVERED)

    async def _build(self, order: Mapping[str, Any]) -> BuiltReport | None:
        """The report on an order, None when there is nothing to report."""
        ordered = ordered_of(self._client.trust.origin, order)
        lines: dict[Section, list[CitedRecord]] = {}
        missing: dict[Section, MissingCode] = {}
        for section in ordered.sections:
            if section not in self._source.sections:
                missing[section] = MissingCode.SOURCE_UNAVAILABLE
                continue
            records = await asyncio.to_thread(self._source.read, ordered.subject, section)
            if not records:
                missing[section] = MissingCode.NO_RECORDS
                continue
            cited = await self._cite(ordered.subject, section, records)
            if cited is None:
                _log.warning("records not committed", order=ordered.order, section=section)
                missing[section] = MissingCode.SOURCE_UNAVAILABLE
            else:
                lines[section] = cited
        if not lines:
            if any(code is not MissingCode.NO_RECORDS for code in missing.values()):
                # There is something, it just cannot be cited: "not found" would be a lie.
                raise BadRow("none of the records is in a committed batch")
            return None
        objections = [
            OpenObjection(
                found["id"],
                Section(found["section"]),
                found["holder"]["id"],
                parse_time(found["raisedAt"]),
            )
            async for found in self._client.every(
                "Objections", enterprise=ordered.subject, status="OPEN"
            )
            if Section(found["section"]) in lines
        ]
        batches = {name: known.batch for name, known in self._batches.items()}
        return await asyncio.to_thread(
            build_report, ordered, lines, missing, batches, objections, now_ms()
        )

    async def _cite(
        self, subject: str, section: Section, records: Sequence[Record]
    ) -> list[CitedRecord] | None:
        """Each record with its place in a standing batch; None if one has none."""
        wanted = list(records)
        cited: list[CitedRecord] = []
        for store in self._stores:
            held = await asyncio.to_thread(store.find, subject, section)
            standing = [h for h in held if await self._stands(store, h.batch)]
            some, wanted = await asyncio.to_thread(_match, store, wanted, standing)
            cited += some
            if not wanted:
                return cited
        return None

    async def _stands(self, store: RecordStore, batch: str) -> bool:
        if batch not in self._batches:
            known = await known_batch(self._client, batch)
            if known is None:
                return False
            if known.superseded:
                await asyncio.to_thread(store.mark_superseded, batch)
                return False
            self._batches[batch] = known
        return True

    async def _mean(self, job: Job, step: Step, body: Body, **values: object) -> None:
        """Writes down what is to be said, sealed, before it is said."""
        if step is Step.DELIVERING:
            self._untried.add(job.order)
        await self._put(job, step, body=self._client.signer.seal(body).body, **values)

    async def _say(self, job: Job, then: Step) -> None:
        """Says what was written down; the same bytes as often as it takes."""
        assert job.body is not None, "what is said was written down before"
        sealed = sealed_before(job.body)
        try:
            await self._client.submit(sealed)
        except RefusedByHub as refused:
            await self._refused(job, sealed, refused)
            return
        # The report is on its way; what is kept of it here is only what the log holds.
        await self._put(job, then, report=None)

    async def _refused(self, job: Job, sealed: Sealed, refused: RefusedByHub) -> None:
        event = sealed.event
        if refused.code is Refusal.CLOCK_SKEW:
            # Signed long ago and never admitted, or it would have got its receipt: say it anew,
            # under the same id, so that it still counts once.
            again = self._client.signer.seal(event.body, id=event.id)
            await self._put(job, job.step, body=again.body)
            raise HubUnreachable("what was written down is too old, it is signed again")
        if refused.code is Refusal.DELIVERY_BATCH and self._rebuilt[job.order] < REBUILDS_MAX:
            self._rebuilt[job.order] += 1
            self._batches.clear()
            await self._put(job, Step.ACCEPTED, body=None, report=None)
            return
        await self._put(job, Step.REFUSED, report=None, note=f"{refused.code}: {refused.note}")

    async def _put(self, job: Job, step: Step, **values: object) -> None:
        await asyncio.to_thread(lambda: self._journal.put(job.order, step, **values))


def _match(
    store: RecordStore, records: Sequence[Record], held: Sequence[Held]
) -> tuple[list[CitedRecord], list[Record]]:
    """Records and the places they stand at, found by their fingerprints; and those without."""
    left = list(held)
    matched: list[tuple[Record, Held]] = []
    rest: list[Record] = []
    for record in records:
        content = record.content
        place = next((h for h in left if fingerprint(h.salt, content) == h.fingerprint), None)
        if place is None:
            rest.append(record)
        else:
            left.remove(place)
            matched.append((record, place))
    cited = []
    for name in dict.fromkeys(place.batch for _, place in matched):
        batch = store.batch(name)
        assert batch is not None, "what is held is in a batch"
        here = [(record, place) for record, place in matched if place.batch == name]
        paths = store.prove(batch, [place.index for _, place in here])
        cited += [
            CitedRecord(record, place.salt, place.batch, place.index, path)
            for (record, place), path in zip(here, paths, strict=True)
        ]
    return cited, rest


def _job_of(row: Row[Any]) -> Job:
    return Job(
        row.order,
        Step(row.step),
        row.body,
        row.report,
        None if row.outcome is None else Outcome(row.outcome),
        row.note,
    )
