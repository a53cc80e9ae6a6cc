"""Databases restored from older copies: nobody signs a second history, and everyone is told why."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from creditchain.client.evidence import Level
from creditchain.config import load_config
from creditchain.events.codes import ErasureGround
from creditchain.events.erasure import DirectoryErased
from creditchain.hub import EXIT_REFUSED, recover
from tests.e2e.faults.small_stage import (
    BANK,
    ENTERPRISES,
    ORDERING,
    REGULATOR,
    SmallStage,
    back_up,
    consent,
    end,
    enrol,
    eventually,
    order,
    restore,
    row_of,
    say,
)


@pytest.fixture(scope="module")
def running(copy: SmallStage) -> SmallStage:
    """A running stage to restore things in."""
    copy.start()
    return copy


async def place_orders(stage: SmallStage, count: int) -> None:
    """So many orders, the last of them observed."""
    async with stage.cast() as cast:
        given = await consent(cast)
        officer = await cast.of(ORDERING)
        said = [officer.signer.seal(order(given)) for _ in range(count)]
        await officer.submit_many(said)
        await officer.submit(said[-1], wait_for=Level.OBSERVED)


async def test_a_hub_does_not_start_on_an_older_ledger_and_goes_on_from_the_newest(
    running: SmallStage, tmp_path: Path
):
    stage, ledger = running, running.hub_folder / "ledger.db"
    older, newest = tmp_path / "older.db", tmp_path / "newest.db"
    back_up(ledger, older)
    before = stage.size()
    await place_orders(stage, 5)
    size = stage.size()
    assert size > before
    end(stage.hub)
    back_up(ledger, newest)

    restore(older, ledger)
    register = (stage.hub_folder / "head.register").read_bytes()
    status, said = stage.refusal_to_start(stage.hub)
    assert status == EXIT_REFUSED
    assert len(said.strip().splitlines()) == 1
    for words in (
        f"holds a log of {before} entries",
        f"has already signed one of {size}",
        "would fork the log",
        "Put back the newest copy",
    ):
        assert words in said
    assert (stage.hub_folder / "head.register").read_bytes() == register
    assert stage.cosigned() == size

    restore(newest, ledger)
    stage.start(stage.hub)
    assert stage.size() == size
    await place_orders(stage, 1)
    assert stage.observed()["violations"] == 0


def export(observer: Path, start: int, file: Path) -> None:
    """What the operator of the observer does."""
    told = ("export", "--data", observer, "--from", start, "--out", file)
    subprocess.run([sys.executable, "-m", "regulator", *map(str, told)], check=True)


async def test_an_older_ledger_goes_on_with_what_the_running_observer_exports(
    running: SmallStage, tmp_path: Path
):
    stage, ledger = running, running.hub_folder / "ledger.db"
    back_up(ledger, tmp_path / "older.db")
    before = stage.size()
    await place_orders(stage, 5)
    size = stage.size()
    eventually(lambda: stage.cosigned() == size)
    end(stage.hub)
    restore(tmp_path / "older.db", ledger)
    assert f"--from {before}" in stage.refusal_to_start(stage.hub)[1]

    file = tmp_path / "entries"
    export(stage.observer_folder, before, file)
    done = recover(load_config(stage.hub_folder / "hub.toml"), file)
    assert (done.before, done.size, done.registered) == (before, size, True)
    stage.start(stage.hub)
    assert stage.size() == size
    await place_orders(stage, 1)
    assert stage.observed()["violations"] == 0


async def test_an_older_register_beside_the_newest_ledger_is_brought_up(running: SmallStage):
    stage, register = running, running.hub_folder / "head.register"
    older = register.read_bytes()
    await place_orders(stage, 1)
    size = stage.size()
    end(stage.hub)
    register.write_bytes(older)
    stage.start(stage.hub)
    assert stage.size() == size
    await place_orders(stage, 1)


async def test_with_an_older_private_store_the_log_goes_on_and_what_was_erased_stays_erased(
    running: SmallStage, tmp_path: Path
):
    stage, private = running, running.hub_folder / "private.db"
    erased, enrolled = ENTERPRISES[1], ENTERPRISES[3]
    back_up(private, tmp_path / "older.db")
    async with stage.cast() as cast:
        admin = await cast.of(f"{BANK}/admin")
        assert await admin.ask("FindEnterprise", uscc=erased.uscc)
        sealed = await enrol(cast, enrolled)
        erasing = DirectoryErased(erased.id, ErasureGround.SUBJECT_REQUEST)
        await say(cast, REGULATOR, erasing)
        assert await admin.ask("FindEnterprise", uscc=erased.uscc) is None
        size = stage.size()

        end(stage.hub)
        restore(tmp_path / "older.db", private)
        assert holds_row(private, erased.id)
        stage.start(stage.hub)
        assert stage.size() >= size
        # Erased again before the first request is served, from what the log says.
        assert not holds_row(private, erased.id)
        assert await admin.ask("FindEnterprise", uscc=erased.uscc) is None
        # A row that is newer than the copy is missing until its enrolment is said again.
        assert (await admin.ask("Enterprise", id=enrolled.id))["name"] is None
        again = await admin.submit(sealed, directory=row_of(enrolled))
        assert again.index < size
        assert (await admin.ask("Enterprise", id=enrolled.id))["name"] == enrolled.name
    await place_orders(stage, 1)


def holds_row(private: Path, id_: str) -> bool:
    """Whether a private store has the content of a row of the directory."""
    with closing(sqlite3.connect(private)) as connection:
        query = "SELECT count(content) FROM directory WHERE id = ?"
        return bool(connection.execute(query, (id_,)).fetchone()[0])


async def test_an_observer_restored_from_an_older_copy_signs_nothing_until_it_has_caught_up(
    running: SmallStage, tmp_path: Path
):
    stage, database = running, running.observer_folder / "observer.db"
    back_up(database, tmp_path / "older.db")
    before = stage.cosigned()
    await place_orders(stage, 5)
    size = stage.size()
    eventually(lambda: stage.cosigned() == size)
    end(stage.observer)
    end(stage.hub)
    restore(tmp_path / "older.db", database)

    # Without the hub it cannot catch up: it answers, says what it waits for, and signs nothing.
    stage.observer.start()
    eventually(lambda: stage.answers(stage.observer))
    status = stage.observed()
    assert (status["size"], status["restoredTo"]) == (before, size)
    ready = stage.http.get(f"{stage.observer_url}/readyz")
    assert ready.status_code == 503
    assert f"the copy must grow to size {size} again" in ready.json()["reasons"]
    assert stage.cosigned() <= before

    stage.start(stage.hub)
    eventually(lambda: stage.cosigned() >= size)
    assert stage.observed()["restoredTo"] is None
    await place_orders(stage, 1)
    assert stage.observed()["violations"] == 0
