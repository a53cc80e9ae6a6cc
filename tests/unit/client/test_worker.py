"""The agency worker on a real hub: each order served once, also when it is cut off anywhere."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from creditchain.client.client import Client
from creditchain.client.evidence import Trust
from creditchain.client.opening import open_delivery
from creditchain.client.records import Record
from creditchain.client.report import BadReport
from creditchain.client.worker import Job, Journal, Step, Worker
from creditchain.events.codes import MissingCode, Outcome, Section, SupersedeReason
from creditchain.events.order import DeliveryAcknowledged, OrderCancelled
from creditchain.events.records import RecordsSuperseded
from tests.unit.client.live_hub import SECTIONS, Live, hub_process, live_in
from tests.unit.hub_world import BANK, ENTERPRISE, FIXTURE, FULFILLING, ORDERING

KEY = FIXTURE.members[BANK].sealing_key


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("creditchain.client.worker.RETRY_FIRST_S", 0.01)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Trust]]:
    with hub_process(tmp_path_factory.mktemp("hub")) as found:
        yield found


@pytest.fixture
async def live(hub: tuple[str, Trust], tmp_path: Path) -> AsyncIterator[Live]:
    async with live_in(tmp_path, *hub) as live:
        live.began = await live.size()
        yield live


def journal_of(live: Live, name: str = "journal.db") -> Journal:
    journal = Journal(live.folder / name)
    if journal.after() == 0:
        journal.hear(live.began - 1, None)
    return journal


@asynccontextmanager
async def working(
    live: Live, jobs: int, name: str = "journal.db", **options: Any
) -> AsyncIterator[Worker]:
    """A worker at work; the block ends when it has ended as many jobs."""
    source = options.pop("source", None) or live.source()
    client = await live.client(FULFILLING)
    journal = journal_of(live, name)
    worker = Worker(client, source, [live.store], journal, **options)
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
        async with asyncio.timeout(20):
            while worker.ended.total() < jobs:  # noqa: ASYNC110 - counted by its tasks
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        await task
        journal.close()
        source.close()


async def test_an_order_is_accepted_delivered_opened_and_acknowledged(live: Live):
    batch = await live.commit(live.records)
    order = await live.order(await live.consent())
    async with working(live, 1) as worker:
        await live.until(order, "DELIVERED")
    assert worker.ended == {Step.DELIVERED: 1}
    client = await live.client(ORDERING)
    opened = await open_delivery(client, order, KEY)
    found = {
        (line.record.section, line.record.content)
        for lines in opened.report.lines.values()
        for line in lines
    }
    assert found == {(r.section, r.content) for r in live.records if r.section in SECTIONS}
    assert {part["batch"] for part in opened.report.value["batches"]} == {batch}
    assert set(opened.report.missing.values()) <= {MissingCode.NO_RECORDS}
    await client.submit(DeliveryAcknowledged(order, opened.report.fingerprint))
    with pytest.raises(BadReport):
        await open_delivery(client, order, KEY.__class__(KEY.public, bytes(32)))


async def test_orders_placed_while_it_was_away_are_served_once(live: Live):
    await live.commit(live.records)
    consent = await live.consent()
    first = await live.order(consent)
    async with working(live, 1):
        pass
    assert await live.status(first) == "DELIVERED"
    orders = [await live.order(consent) for _ in range(3)]
    before = await live.size()
    async with working(live, 3) as worker:
        pass
    assert worker.ended == {Step.DELIVERED: 3}
    assert {await live.status(order) for order in orders} == {"DELIVERED"}
    assert await live.size() == before + 6


async def test_what_is_unknown_missing_or_not_committed_is_told(live: Live):
    consent = await live.consent()
    known, unknown = live.records, [r for r in live.records if r.subject != ENTERPRISE.id]
    async with working(live, 1, source=live.source(unknown)):
        order = await live.order(consent)
        await live.until(order, "DECLINED")
    only = [r for r in known if r.section is Section.IDENTITY]
    other = Record(ENTERPRISE.id, Section.LOANS, {"account": "not committed"})
    await live.commit(known)
    async with working(live, 1, source=live.source([*only, other])):
        sections = tuple(sorted({Section.IDENTITY, Section.LOANS} & set(SECTIONS)))
        order = await live.order(consent, sections)
        await live.until(order, "DELIVERED")
    opened = await open_delivery(await live.client(ORDERING), order, KEY)
    assert opened.order["outcome"] in {"PARTIAL", "COMPLETE"}
    assert list(opened.report.lines) == [Section.IDENTITY]
    async with working(live, 1, source=live.source(only)):
        absent = next(s for s in SECTIONS if s is not Section.IDENTITY)
        order = await live.order(consent, (absent,))
        await live.until(order, "DELIVERED")
    client = await live.client(ORDERING)
    assert (await client.ask("Order", id=order))["outcome"] == "NOT_FOUND"


async def test_a_superseded_batch_is_not_cited(live: Live):
    old = await live.commit(live.records)
    new = await live.commit(live.records)
    await live.say(FULFILLING, RecordsSuperseded(new, SupersedeReason.RETRACTED))
    order = await live.order(await live.consent())
    async with working(live, 1):
        await live.until(order, "DELIVERED")
    opened = await open_delivery(await live.client(ORDERING), order, KEY)
    assert {part["batch"] for part in opened.report.value["batches"]} == {old}


async def test_orders_of_others_are_left_alone(live: Live):
    await live.commit(live.records)
    consent = await live.consent()
    left = await live.order(consent)
    async with working(live, 1, serves=lambda order: order["id"] != left):
        order = await live.order(consent)
        await live.until(order, "DELIVERED")
    assert await live.status(left) == "PLACED"


class Crash(BaseException):
    """The process dies here."""


class Cut(httpx2.AsyncBaseTransport):
    """Dies at request number `at`: before it is sent, or after the hub has answered."""

    def __init__(self, at: int, *, answered: bool) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._left = at
        self._answered = answered

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._left -= 1
        if self._left == 0 and not self._answered:
            raise Crash
        response = await self._inner.handle_async_request(request)
        if self._left == 0:
            await response.aread()
            await response.aclose()
            raise Crash
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_cut_off_anywhere_it_goes_on_where_it_was(live: Live):
    await live.commit(live.records)
    consent = await live.consent()
    cuts = 0
    for at in range(1, 60):
        for answered in (False, True):
            live.began = await live.size()
            order = await live.order(consent, SECTIONS[:2])
            client = await live.client(FULFILLING, Cut(at, answered=answered))
            name = f"cut-{at}-{answered}.db"
            journal = journal_of(live, name)
            source = live.source()
            worker = Worker(
                client,
                source,
                [live.store],
                journal,
            )
            stop = asyncio.Event()
            ended = asyncio.create_task(live.until(order, "DELIVERED"))
            ended.add_done_callback(lambda _, stop=stop: stop.set())
            try:
                await worker.run(stop)
            except Crash:
                cuts += 1
                ended.cancel()
                await client.close()
                journal.close()
                async with working(live, 1, name, source=source):
                    await live.until(order, "DELIVERED")
            else:
                await client.close()
                assert cuts > 15, "the worker asks more often than it was cut"
                return
            assert await live.size() == live.began + 3
    pytest.fail("it never came through without a cut")


async def test_a_cancelled_order_ends_the_job(live: Live):
    await live.commit(live.records)
    order = await live.order(await live.consent())
    journal = journal_of(live)
    journal.hear(await live.size() - 1, order)
    journal.close()
    await live.say(ORDERING, OrderCancelled(order))
    ended: list[Job] = []
    async with working(live, 1, served=ended.append):
        pass
    assert (ended[0].step, ended[0].note) == (Step.GONE, "the order is CANCELLED")


async def test_the_journal_hears_each_order_once(tmp_path: Path):
    journal = Journal(tmp_path / "journal.db")
    assert journal.after() == 0
    assert journal.hear(5, "a")
    assert not journal.hear(6, "a")
    assert not journal.hear(7, None)
    assert (journal.after(), journal.unfinished()) == (7, ["a"])
    journal.put("a", Step.DELIVERED, outcome=Outcome.NOT_FOUND)
    journal.close()
    journal = Journal(tmp_path / "journal.db")
    assert journal.unfinished() == []
    assert journal.job("a") == Job("a", Step.DELIVERED, None, None, Outcome.NOT_FOUND, None)


async def test_no_agency_no_work(live: Live):
    client: Client = await live.client(ORDERING)
    worker = Worker(client, live.source(), [], Journal(live.folder / "journal.db"))
    with pytest.raises(Exception, match="acts for no agency"):
        await worker.run(asyncio.Event())
