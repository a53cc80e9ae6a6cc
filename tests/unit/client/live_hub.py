"""A hub in a process of its own, with one bank, one agency, and clients that speak to it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from creditchain.client.client import Client
from creditchain.client.evidence import Trust
from creditchain.client.record_store import RecordStore
from creditchain.client.records import Record, read_records
from creditchain.client.source import Source
from creditchain.config import HubConfig, load_policy
from creditchain.events import Body
from creditchain.events.codes import Purpose, Section
from creditchain.events.consent import ConsentGranted, ConsentRequested, Terms
from creditchain.events.order import OrderPlaced
from tests.unit.hub_world import (
    AGENCY,
    BANK,
    DAY_MS,
    ENTERPRISE,
    FIXTURE,
    FULFILLING,
    ORDERING,
    ORIGIN,
    PRODUCT,
    REGULATOR,
    found,
)
from tests.unit.test_hub import address_of, process
from tests.unit.witness_peer import free_port

SECTIONS = tuple(PRODUCT.sections)
MAPPING = """
[subject]
select = "SELECT 1 FROM record WHERE subject = :subject"
""" + "".join(
    f"""
[sections.{section.value}]
select = "SELECT data FROM record WHERE subject = :subject AND section = '{section.value}'"
data = "data"
"""
    for section in Section
)


class Live:
    """A running hub: clients by actor, an agency with committed records, and orders to place.

    `began` is the size of the log when the test began: what others left behind is not its concern.
    """

    def __init__(self, folder: Path, url: str, trust: Trust, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.url = url
        self.trust = trust
        self.began = 0
        self._stack = stack
        self._clients: dict[str, Client] = {}
        self.store = RecordStore(folder / "records.db")
        self.records = [
            record
            for record in read_records(FIXTURE.records_file(AGENCY))
            if record.subject == ENTERPRISE.id
        ]

    async def client(
        self, actor: str, transport: httpx2.AsyncBaseTransport | None = None
    ) -> Client:
        if transport is not None:
            return Client(self.url, FIXTURE.signer(actor, ORIGIN), self.trust, transport=transport)
        if actor not in self._clients:
            client = Client(self.url, FIXTURE.signer(actor, ORIGIN), self.trust)
            self._clients[actor] = await self._stack.enter_async_context(client)
        return self._clients[actor]

    async def size(self) -> int:
        return int((await (await self.client(ORDERING)).ask("Log"))["size"])

    async def say(self, actor: str, body: Body, **extra: Any) -> Any:
        client = await self.client(actor)
        sealed = client.signer.seal(body)
        await client.submit(sealed, **extra)
        return sealed.event.id

    async def furnish(self) -> None:
        members, officers = FIXTURE.members, FIXTURE.officers
        for member in (BANK, AGENCY):
            await self.say(REGULATOR, members[member].admitted())
        await self.say(BANK, members[BANK].sealing_key_added())
        for member, label in ((BANK, ORDERING), (AGENCY, FULFILLING)):
            officer = officers[label]
            row = {"name": officer.name, "salt": officer.salt}
            await self.say(member, officer.appointed(), directory=row)
        await self.say(AGENCY, PRODUCT)
        row = {"name": ENTERPRISE.name, "uscc": ENTERPRISE.uscc, "salt": ENTERPRISE.salt}
        await self.say(BANK, ENTERPRISE.enrolled(), directory=row)

    async def commit(self, records: list[Record]) -> str:
        batch = self.store.add(records, as_of=0)
        client = await self.client(FULFILLING)
        receipt = await client.submit(client.signer.seal(batch.event(), id=batch.id))
        self.store.mark_committed(batch.id, receipt.index)
        return batch.id

    def source(self, records: list[Record] | None = None) -> Source:
        path = self.folder / "agency.db"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE record (subject, section, data)")
            database.executemany(
                "INSERT INTO record VALUES (?, ?, ?)",
                [
                    (r.subject, r.section.value, json.dumps(dict(r.data)))
                    for r in (self.records if records is None else records)
                ],
            )
        database.close()
        mapping = self.folder / "mapping.toml"
        mapping.write_text(MAPPING)
        return Source.load(mapping, f"sqlite:///{path}")

    async def consent(self, uses: int = 50) -> str:
        client = await self.client(ORDERING)
        now = client.signer.event(PRODUCT).signed_at
        terms = Terms(
            BANK,
            Purpose.PRE_LOAN_REVIEW,
            (AGENCY,),
            SECTIONS,
            now - 1_000,
            now + DAY_MS,
            uses,
        )
        consent = await self.say(ORDERING, ConsentRequested(ENTERPRISE.id, terms))
        await self.say(ENTERPRISE.id, ConsentGranted(consent, terms))
        return str(consent)

    async def order(self, consent: str, sections: tuple[Section, ...] = SECTIONS) -> str:
        key = FIXTURE.members[BANK].sealing_key.kid
        return str(
            await self.say(
                ORDERING,
                OrderPlaced(
                    ENTERPRISE.id,
                    PRODUCT.product,
                    Purpose.PRE_LOAN_REVIEW,
                    sections,
                    key,
                    consent=consent,
                ),
            )
        )

    async def status(self, order: str) -> str:
        client = await self.client(ORDERING)
        return str((await client.ask("Order", id=order))["status"])

    async def until(self, order: str, status: str) -> None:
        async with asyncio.timeout(20):
            while await self.status(order) != status:  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.02)


@contextmanager
def hub_process(folder: Path) -> Iterator[tuple[str, Trust]]:
    """Address and trust of a founded and furnished hub on a free port, ended with the block."""
    config: HubConfig = found(folder, settings={"port": free_port(), "log_level": "error"})
    trust = Trust.of_genesis(config.genesis_path.read_bytes(), load_policy(config))
    with process(config) as hub:
        url = address_of(hub)

        async def furnish() -> None:
            async with live_in(folder, url, trust) as live:
                await live.furnish()

        asyncio.run(furnish())
        yield url, trust


@asynccontextmanager
async def live_in(folder: Path, url: str, trust: Trust) -> AsyncIterator[Live]:
    """A test's own view of a running hub, with its files in `folder`."""
    async with AsyncExitStack() as stack:
        live = Live(folder, url, trust, stack)
        stack.callback(live.store.close)
        yield live
