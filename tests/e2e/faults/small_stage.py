"""A small consortium on real processes, driven by clients, which tests kill, fill up and restore.

It is founded and joined once in a test process: a regulator, two banks, two agencies, their
officers, two products and two enterprises. Tests that break things take a copy of its files.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from creditchain.client.client import Client, RefusedByHub
from creditchain.client.report import MEDIA_TYPE
from creditchain.client.signer import Signer, now_ms
from creditchain.client.token import ASSERTION_GRANT
from creditchain.events import Body
from creditchain.events.codes import Outcome, Purpose, Section
from creditchain.events.consent import ConsentGranted, ConsentRequested, Terms
from creditchain.events.order import (
    DeliveredSection,
    OrderAccepted,
    OrderPlaced,
    ReportDelivered,
    SealedReport,
)
from creditchain.rulebook.refusal import Refusal
from creditchain.seal import Sealed
from creditchain.vault import digest_of
from fixtures.consortium import REPORT_SCHEMA, Consortium, EnterpriseFixture
from fixtures.demo.stage import ORIGIN, Cast, Process, Stage

CONSORTIUM: Final = Consortium()
REGULATOR: Final = "delta-regulator"
BANK, OTHER_BANK = "bank-kapok", "bank-lotus"
AGENCY, OTHER_AGENCY = "agency-pearl", "agency-tide"
ORDERING, WORKER = f"{BANK}/order-1", f"{AGENCY}/worker"
OFFICERS: Final = (
    ORDERING,
    f"{BANK}/admin",
    f"{OTHER_BANK}/order-1",
    WORKER,
    f"{OTHER_AGENCY}/worker",
)
PRODUCT, OTHER_PRODUCT = f"{AGENCY}/basic", f"{OTHER_AGENCY}/risk"
SECTIONS: Final = (Section.IDENTITY,)
PURPOSE: Final = Purpose.PRE_LOAN_REVIEW
DAY_MS: Final = 86_400_000
SUBMIT: Final = """mutation($events: [String!]!) {
  submit(events: $events) { type id receipt { index } refusal { code path note } }
}"""
WITHIN_S: Final = 30.0
"""How long anything may take that is only a matter of time, on a busy machine."""

ENTERPRISES: Final[tuple[EnterpriseFixture, ...]] = tuple(
    e for e in CONSORTIUM.enterprises.values() if e.vouched_by == BANK
)
ENTERPRISE: Final = ENTERPRISES[0]


def free_port() -> int:
    """A port nobody listens on, below those that the kernel lends out."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def eventually(holds: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """The first true answer; fails when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        answer = holds()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)


def end(process: Process, number: signal.Signals = signal.SIGKILL) -> None:
    """Sends a process that runs a signal that ends it, and waits until it has."""
    os.kill(process.pid, number)
    eventually(process.fault)


class SmallStage:
    """A stage with a hub and an observer of its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.url = stage.url
        self.observer_url = stage.observer_url
        self.hub = stage.hub
        self.observer = stage.observer
        self.hub_folder = stage.data / "hub"
        self.observer_folder = stage.data / "observer"
        self.trust = stage.trust()
        self.http = httpx2.Client(trust_env=False, timeout=WITHIN_S)
        self._tokens: dict[str, str] = {}

    def ready(self) -> None:
        """Waits until hub and observer answer."""
        eventually(lambda: self.answers(self.hub) and self.answers(self.observer))

    def answers(self, process: Process) -> bool:
        """Whether a process answers; fails when it has ended."""
        url = self.url if process is self.hub else self.observer_url
        fault = process.fault()
        assert fault is None, fault
        try:
            return self.http.get(f"{url}/healthz").status_code == 200
        except httpx2.TransportError:
            return False

    def start(self, *processes: Process) -> None:
        """Starts those that do not run, all unless named, and waits until both answer."""
        for process in processes or (self.hub, self.observer):
            process.start()
        self.ready()

    def stop(self) -> None:
        """Ends both processes."""
        self.stage.stop()
        self.http.close()

    def refusal_to_start(self, process: Process) -> tuple[int, str]:
        """Exit status, and what a process that may not start has written since."""
        before = process.log.stat().st_size if process.log.exists() else 0
        process.start()
        fault: str = eventually(process.fault)
        status = int(fault.partition("ended with status ")[2].partition(";")[0])
        with process.log.open("rb") as log:
            log.seek(before)
            return status, log.read().decode()

    # Asking the hub without a client, as strangers and fools do.

    def token(self, actor: str) -> str:
        """An access token of a member, officer or enterprise; kept."""
        if actor not in self._tokens:
            answer = self.sign_in(self.signer(actor).assertion())
            assert answer.status_code == 200, answer.text
            self._tokens[actor] = answer.json()["access_token"]
        return self._tokens[actor]

    def sign_in(self, assertion: str) -> httpx2.Response:
        """POST /token with an assertion."""
        return self.http.post(
            f"{self.url}/token",
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_GRANT,
                "client_assertion": assertion,
            },
        )

    def post(self, actor: str | None, body: bytes, **headers: str) -> httpx2.Response:
        """POST /graphql with these bytes."""
        said = {"content-type": "application/json", **headers}
        if actor is not None:
            said["authorization"] = f"Bearer {self.token(actor)}"
        return self.http.post(f"{self.url}/graphql", content=body, headers=said)

    def query(self, actor: str | None, query: str, **variables: Any) -> httpx2.Response:
        """A GraphQL request."""
        body = json.dumps({"query": query, "variables": variables})
        return self.post(actor, body.encode(), accept="application/graphql-response+json")

    def submit_text(self, actor: str, *bodies: str) -> list[dict[str, Any]]:
        """The answers to bodies as texts, by the mutation that takes them as they are."""
        answer = self.query(actor, SUBMIT, events=list(bodies))
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["submit"]
        return found

    def submit_error(self, actor: str, sealed: Sealed) -> dict[str, Any]:
        """The one error of an answer that is none."""
        answer = self.query(actor, SUBMIT, events=[sealed.body.decode()])
        [error] = answer.json()["errors"]
        found: dict[str, Any] = error
        return found

    def size(self) -> int:
        """The log's size, as its checkpoint says."""
        note = self.http.get(f"{self.url}/log/checkpoint").text
        return int(note.splitlines()[1])

    def observed(self) -> dict[str, Any]:
        """The observer's status."""
        answer = self.http.get(f"{self.observer_url}/status")
        status: dict[str, Any] = answer.json()
        return status

    def cosigned(self) -> int:
        """The size that the observer has cosigned under both names."""
        return min(head["size"] for head in self.observed()["cosigned"].values())

    def is_ready(self) -> bool:
        """Whether the hub says that it can admit events."""
        return self.http.get(f"{self.url}/readyz").status_code == 200

    # Speaking as its parties do.

    def signer(self, actor: str) -> Signer:
        """The signer of a member, officer label or enterprise id."""
        return CONSORTIUM.signer(actor, ORIGIN)

    def client(self, actor: str, patience_s: float = 20.0) -> Client:
        """A client of its own for this actor, to be used in `async with`."""
        return Client(self.url, self.signer(actor), self.trust, patience_s=patience_s)

    @asynccontextmanager
    async def cast(self) -> AsyncIterator[Cast]:
        """A client for each actor that is asked for."""
        async with Cast(self.stage) as cast:
            yield cast


async def say(cast: Cast, actor: str, body: Body) -> str:
    """The id of an event, admitted."""
    client = await cast.of(actor)
    sealed = client.signer.seal(body)
    await client.submit(sealed)
    return sealed.event.id


async def refused(cast: Cast, actor: str, said: Body | Sealed) -> tuple[Refusal, str]:
    """Code and path of the refusal of an event, whose signature was checked; nothing is logged."""
    client = await cast.of(actor)
    before = (await client.ask("Log"))["size"]
    with pytest.raises(RefusedByHub) as caught:
        await client.submit(said)
    assert caught.value.signed is not None
    assert (await client.ask("Log"))["size"] == before
    return caught.value.code, caught.value.path


def terms(**changes: Any) -> Terms:
    """Ordinary terms of a consent to the bank, with some changed."""
    now = now_ms()
    values: dict[str, Any] = {
        "grantee": BANK,
        "purpose": PURPOSE,
        "agencies": (AGENCY,),
        "sections": SECTIONS,
        "valid_from": now - 60_000,
        "valid_until": now + 30 * DAY_MS,
        "uses_max": 1_000,
    }
    return Terms(**values | changes)


async def consent(cast: Cast, **changes: Any) -> str:
    """The id of a consent that was requested and granted on these terms."""
    agreed = terms(**changes)
    officer = f"{agreed.grantee}/order-1"
    id_ = await say(cast, officer, ConsentRequested(ENTERPRISE.id, agreed))
    await say(cast, ENTERPRISE.id, ConsentGranted(id_, agreed))
    return id_


def order(consent_id: str, **changes: Any) -> OrderPlaced:
    """An ordinary order of the bank under a consent, with some changed."""
    values: dict[str, Any] = {
        "enterprise": ENTERPRISE.id,
        "product": PRODUCT,
        "purpose": PURPOSE,
        "sections": SECTIONS,
        "seal_to": CONSORTIUM.members[BANK].sealing_key.kid,
        "consent": consent_id,
    }
    return OrderPlaced(**values | changes)


async def accepted(cast: Cast, consent_id: str) -> str:
    """The id of an order that was placed and accepted."""
    id_ = await say(cast, ORDERING, order(consent_id))
    await say(cast, WORKER, OrderAccepted(id_))
    return id_


def delivery(order_id: str, sealed: bytes, **changes: Any) -> ReportDelivered:
    """The delivery of these sealed bytes, with fields of the report changed."""
    digest = digest_of(sealed)
    values: dict[str, Any] = {
        "fingerprint": digest,
        "ciphertext": digest,
        "size": len(sealed),
        "media_type": MEDIA_TYPE,
        "schema": REPORT_SCHEMA,
        "sealed_to": CONSORTIUM.members[BANK].sealing_key.kid,
    }
    report = SealedReport(**values | changes)
    sections = (DeliveredSection(Section.IDENTITY, digest),)
    return ReportDelivered(order_id, Outcome.COMPLETE, report, sections)


# Stages, and copies of them.


def found_stage(data: Path) -> SmallStage:
    """A consortium that is founded, runs and has joined."""
    made = Stage(data, CONSORTIUM, free_port(), free_port())
    made.hub = Process("hub", hub_command(data), made.hub.log)
    made.found({"scan_every_s": 1})
    stage = SmallStage(made)
    try:
        stage.start()
        asyncio.run(_join(made))
    except BaseException:
        stage.stop()
        raise
    return stage


def copy_files(data: Path, to: Path) -> None:
    """Copies a data folder whose processes are idle, databases by SQLite's own backup."""
    shutil.copytree(data, to, ignore=shutil.ignore_patterns("logs", "*.db", "*-wal", "*-shm"))
    (to / "logs").mkdir()
    for database in data.glob("*/*.db"):
        back_up(database, to / database.relative_to(data))


def copied_stage(files: Path, data: Path) -> SmallStage:
    """A stage of its own from copied files, on ports of its own; nothing of it runs yet."""
    copy_files(files, data)
    port, observer_port = free_port(), free_port()
    observer_url = f"http://127.0.0.1:{observer_port}"
    change_settings(data / "hub" / "hub.toml", port=port, observer_url=observer_url)
    hub_url = f"http://127.0.0.1:{port}"
    change_settings(data / "observer" / "observer.toml", port=observer_port, hub_url=hub_url)
    made = Stage(data, CONSORTIUM, port, observer_port)
    made.hub = Process("hub", hub_command(data), made.hub.log)
    return SmallStage(made)


def change_settings(path: Path, **settings: int | str) -> None:
    """Gives settings in a file other values."""
    names = tuple(f"{name} = " for name in settings)
    kept = [line for line in path.read_text().splitlines() if not line.startswith(names)]
    said = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path.write_text("\n".join([*kept, *said]) + "\n")


def hub_command(data: Path) -> list[str]:
    """The command that serves the hub of a data folder."""
    return [sys.executable, "-m", "creditchain.cli", "hub", "serve", "--data", str(data)]


async def _join(stage: Stage) -> None:
    async with Cast(stage) as cast:
        regulator = await cast.of(REGULATOR)
        await regulator.submit(stage.service_key_added())
        for member in (BANK, OTHER_BANK, AGENCY, OTHER_AGENCY):
            await regulator.submit(CONSORTIUM.members[member].admitted())
        for bank in (BANK, OTHER_BANK):
            await say(cast, bank, CONSORTIUM.members[bank].sealing_key_added())
        for label in OFFICERS:
            officer = CONSORTIUM.officers[label]
            await (await cast.of(officer.member)).submit(
                officer.appointed(), directory={"name": officer.name, "salt": officer.salt}
            )
        for product in (PRODUCT, OTHER_PRODUCT):
            await say(cast, product.partition("/")[0], CONSORTIUM.products[product])
        await enrol(cast, ENTERPRISES[0])
        await enrol(cast, ENTERPRISES[1])


async def enrol(cast: Cast, enterprise: EnterpriseFixture) -> Sealed:
    """An enterprise, enrolled by the bank's administrator with its row for the directory."""
    admin = await cast.of(f"{BANK}/admin")
    sealed = admin.signer.seal(enterprise.enrolled())
    await admin.submit(sealed, directory=row_of(enterprise))
    return sealed


def row_of(enterprise: EnterpriseFixture) -> dict[str, str]:
    """What goes to the directory with an enrolment."""
    return {"name": enterprise.name, "uscc": enterprise.uscc, "salt": enterprise.salt}


# Copies of databases, as operators make and restore them.


def back_up(database: Path, to: Path) -> None:
    """Copies a database while it is in use, with SQLite's own backup."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def restore(copy: Path, database: Path) -> None:
    """Puts a copy in the place of a database that nobody has open."""
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    shutil.copy(copy, database)
    database.chmod(0o600)
