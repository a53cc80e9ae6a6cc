"""A full disk: refused in words, nothing partial, and on it goes when there is space again."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from creditchain.client.client import Client, HubUnreachable
from creditchain.client.evidence import BadEvidence, Level
from creditchain.client.verify import LogUrl, verify_log
from creditchain.hub import EXIT_REFUSED
from creditchain.seal import Sealed
from fixtures.demo.stage import Process, program
from regulator.cli import DATABASE
from tests.e2e.faults.small_disk import SmallDisk, small_disk
from tests.e2e.faults.small_stage import (
    BANK,
    ENTERPRISES,
    ORDERING,
    WORKER,
    SmallStage,
    accepted,
    consent,
    end,
    enrol,
    eventually,
    hub_command,
    order,
    row_of,
)

ORDERS_MOST = 3_000
"""By then a full disk has been noticed: what can still be written in place is far less."""


@pytest.fixture(scope="module")
def disks(copy: SmallStage) -> Iterator[tuple[SmallDisk, SmallDisk]]:
    """The disks of the hub and of the observer, which run."""
    made = small_disk(copy.hub_folder), small_disk(copy.observer_folder)
    # What they write about themselves goes there too: it must not be what stops them.
    copy.hub.log = copy.hub_folder / "hub.log"
    copy.observer.log = copy.observer_folder / "observer.log"
    copy.start()
    yield made
    copy.stop()
    for disk in made:
        disk.close()


async def order_until_refused(client: Client, given: str) -> tuple[int, Sealed]:
    """How many orders were still admitted, and the one that was not."""
    for count in range(ORDERS_MOST):
        sealed = client.signer.seal(order(given))
        try:
            await client.submit(sealed)
        except HubUnreachable:
            return count, sealed
    raise AssertionError("the disk did not fill up")


async def test_a_hub_on_a_full_disk_refuses_in_words_and_goes_on_when_there_is_space(
    copy: SmallStage, disks: tuple[SmallDisk, SmallDisk]
):
    stage, disk = copy, disks[0]
    newcomer = ENTERPRISES[2]
    async with (
        stage.cast() as cast,
        stage.client(ORDERING, patience_s=0) as officer,
        stage.client(WORKER, patience_s=0) as worker,
        stage.client(f"{BANK}/admin", patience_s=0) as admin,
    ):
        given = await consent(cast)
        served = await accepted(cast, given)
        await worker.upload_report(served, b"sealed, while there is space")

        with disk.full(stage.hub):
            admitted, refused_order = await order_until_refused(officer, given)
            print(f"{admitted} orders were admitted on the full disk")
            size = stage.size()
            told = stage.submit_error(ORDERING, refused_order)
            assert told["extensions"]["code"] == "RATE_LIMITED"
            assert "disk is full" in told["message"]
            # Not the log alone: the private store takes nothing either.
            enrolment = admin.signer.seal(newcomer.enrolled())
            with pytest.raises(HubUnreachable):
                await admin.submit(enrolment, directory=row_of(newcomer))
            with pytest.raises(HubUnreachable):
                await worker.upload_report(served, bytes(1 << 20))
            # Reads go on, and what was refused is nowhere.
            assert stage.size() == size
            assert await officer.receipt(refused_order) is None
            assert await admin.receipt(enrolment) is None
            status = stage.query(ORDERING, f'{{order(id:"{served}"){{status}}}}').json()
            assert status["data"]["order"] == {"status": "ACCEPTED"}
            # Names are not shown while it cannot be recorded who looked.
            with pytest.raises(HubUnreachable):
                await officer.ask("Order", id=served)
            assert await admin.ask("FindEnterprise", uscc=newcomer.uscc) is None
            whole_log(stage)

        receipt = await officer.submit(refused_order)
        assert receipt.index == size
        await enrol(cast, newcomer)
        assert (await admin.ask("Enterprise", id=newcomer.id))["name"] == newcomer.name
        await worker.upload_report(served, bytes(1 << 20))
        await officer.submit(refused_order, wait_for=Level.OBSERVED)
    whole_log(stage)


@pytest.mark.parametrize("part", ["hub", "observer"])
def test_what_cannot_start_on_a_full_disk_says_so_and_starts_when_there_is_space(
    copy: SmallStage, disks: tuple[SmallDisk, SmallDisk], part: str
):
    stage = copy
    process, disk = (stage.hub, disks[0]) if part == "hub" else (stage.observer, disks[1])
    size = stage.size()
    # Ended well, it has given back the files that a start needs beside the database.
    end(process, signal.SIGTERM)
    elsewhere = Process(part, command_of(stage, part), stage.stage.logs / f"{part}.log")
    with disk.full(process):
        status, said = stage.refusal_to_start(elsewhere)
    assert status == (EXIT_REFUSED if part == "hub" else DATABASE)
    assert "full: make space and start again" in said
    assert len(said.strip().splitlines()) == 1, said
    stage.start(process)
    assert stage.size() == size
    whole_log(stage)


@pytest.mark.parametrize("wal", ["grows", "is written anew"])
async def test_an_observer_on_a_full_disk_signs_nothing_new_and_goes_on_when_there_is_space(
    copy: SmallStage, disks: tuple[SmallDisk, SmallDisk], wal: str
):
    stage, disk = copy, disks[1]
    async with stage.cast() as cast:
        given = await consent(cast)
        officer = await cast.of(ORDERING)
        said = [officer.signer.seal(order(given)) for _ in range(40)]
        eventually(lambda: stage.cosigned() == stage.size())
        if wal != "grows":
            # Then the database itself still has room, and the file beside it has none.
            with closing(sqlite3.connect(stage.observer_folder / "observer.db")) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        with disk.full(stage.observer):
            await officer.submit_many(said)
            eventually(lambda: stage.observed()["fault"])
            print(stage.observed()["fault"])
            assert stage.cosigned() < stage.size()
            with pytest.raises(BadEvidence):
                await officer.receipt(said[-1], Level.OBSERVED)
            assert stage.http.get(f"{stage.observer_url}/readyz").status_code == 503
        await officer.submit(said[-1], wait_for=Level.OBSERVED)
    eventually(lambda: stage.cosigned() == stage.size())
    status = stage.observed()
    assert (status["fault"], status["violations"]) == (None, 0)


def command_of(stage: SmallStage, part: str) -> list[str]:
    """What starts the hub or the observer of a stage."""
    if part == "hub":
        return hub_command(stage.stage.data)
    return [*program("regulator"), "serve", "--data", str(stage.observer_folder)]


def whole_log(stage: SmallStage) -> None:
    """The log is whole from its checkpoint down."""
    log = LogUrl(f"{stage.url}/log")
    try:
        verdict = verify_log(log, stage.trust)
    finally:
        log.close()
    assert verdict.ok, verdict.problems
