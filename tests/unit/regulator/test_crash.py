"""Killed at any moment, short of disk, restored from a copy: nothing lost, nothing signed twice."""

import asyncio
import multiprocessing
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from creditchain.tlog.note import Signer, parse_note
from regulator.cosign import Behind
from regulator.database import DatabaseUnusable
from regulator.observer import open_observer, read_genesis
from regulator.stored import CopyDamaged
from tests.lying_hub.honest import ORIGIN, Consortium, HonestFeed, Log
from tests.lying_hub.lies import another_history
from tests.unit.regulator.observing import SIGNERS, found, observing, stored_records


def contents(path: Path) -> list[list[tuple]]:
    """Everything that replay determines, out of a database."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT * FROM entry ORDER BY idx",
                "SELECT * FROM tile ORDER BY level, n",
                "SELECT kind, id, json, changed_index FROM record ORDER BY kind, id",
                "SELECT * FROM copy",
                "SELECT idx, erased_by FROM hole ORDER BY idx",
            )
        ]


async def test_kill_9_at_any_moment_leaves_a_copy_that_goes_on(tmp_path):
    consortium = Consortium(21)
    consortium.play(3_300)
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    killed.mkdir()
    undisturbed.mkdir()
    async with observing(undisturbed, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    log = consortium.log
    sizes = [0]
    for kill in (True, True, True, False):
        process = context.Process(
            target=follow_to_the_end, args=(killed, consortium.genesis, log.entries, log.bodies)
        )
        process.start()
        if kill:
            # From the first lock on every moment is fit: within a group, between two, at a commit.
            while process.is_alive() and _size(killed) == sizes[-1]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await asyncio.sleep(rng.random() * 0.2)
            process.kill()
        await asyncio.to_thread(process.join)
        sizes.append(_size(killed))
    assert process.exitcode == 0
    assert sizes == sorted(sizes)
    print("sizes when killed", sizes)
    assert contents(killed / "observer.db") == contents(undisturbed / "observer.db")


def follow_to_the_end(folder: Path, genesis: bytes, entries: list[bytes], bodies: list[bytes]):
    """In a process of its own: an observer that follows an honest log once."""
    log = Log(Signer(ORIGIN, bytes(32)))
    for entry, body in zip(entries, bodies, strict=True):
        log.append_raw(entry, body)
    log.publish()

    async def follow() -> None:
        async with open_observer(
            folder, read_genesis(genesis), SIGNERS, HonestFeed(log), processes=0
        ) as observer:
            await observer.follower.once()

    asyncio.run(follow())


def _size(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder / 'observer.db'}?mode=ro", uri=True)) as own:
            return own.execute("SELECT size FROM copy").fetchone()[0]
    except (sqlite3.OperationalError, TypeError):
        return 0


async def test_an_error_at_any_statement_stores_nothing_and_it_goes_on(tmp_path):
    consortium = Consortium(22)
    consortium.play(280)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        follower = observer.follower
        await follower.once()
        before = contents(tmp_path / "observer.db")
        consortium.play(60)
        while consortium.log.bodies.count(b"") == 0:
            consortium.erase()
        consortium.log.publish()
        fails_at = [0]

        def fail(_conn, _cursor, statement, parameters, _context, _many):
            fails_at[0] -= 1
            if fails_at[0] == 0:
                raise OperationalError(statement, parameters, Exception("database or disk is full"))

        event.listen(follower._mirror._engine, "before_cursor_execute", fail)
        for statement in range(2, 100):
            fails_at[0] = statement
            try:
                await follower.once()
            except OperationalError:
                size = follower.progress().size
                assert size in (before[3][0][3], consortium.log.size)
                if size == before[3][0][3]:
                    assert contents(tmp_path / "observer.db") == before
            else:
                break
        assert statement > 8
        assert fails_at[0] > 0
        event.remove(follower._mirror._engine, "before_cursor_execute", fail)
        await follower.once()
        assert follower.cosigner.head("mirror").size == consortium.log.size
        assert found(observer.reader_engine) == []


async def test_a_full_disk_is_a_fault_and_passes(tmp_path):
    consortium = Consortium(23)
    consortium.play(300)
    async with observing(
        tmp_path, consortium, HonestFeed(consortium.log), poll_seconds=0.05
    ) as observer:
        follower = observer.follower
        await follower.once()
        size = follower.progress().size
        connection = follower._mirror._connection
        await follower.write(limit_pages, connection, full=True)
        consortium.play(400)
        running = asyncio.create_task(follower.run())
        await _until(lambda: follower.progress().fault is not None)
        assert "full" in follower.progress().fault
        assert follower.progress().size == size
        await follower.write(limit_pages, connection, full=False)
        await _until(lambda: follower.progress().size == consortium.log.size)
        running.cancel()
        assert found(observer.reader_engine) == []


async def _until(holds) -> None:
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 20 seconds")


def limit_pages(connection, *, full: bool) -> None:
    with connection.begin():
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        limit = pages + 1 if full else 1_000_000
        connection.exec_driver_sql(f"PRAGMA max_page_count={limit}")


async def test_a_database_restored_from_a_copy_signs_nothing_until_it_has_caught_up(tmp_path):
    consortium = Consortium(24)
    consortium.play(100)
    feed = HonestFeed(consortium.log)
    async with observing(tmp_path, consortium, feed) as observer:
        await observer.follower.once()
    shutil.copy(tmp_path / "observer.db", tmp_path / "backup.db")
    consortium.play(100)
    async with observing(tmp_path, consortium, feed) as observer:
        announced = await observer.follower.once()
    for leftover in tmp_path.glob("observer.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "observer.db")

    async with observing(tmp_path, consortium, feed) as observer:
        cosigner = observer.follower.cosigner
        assert cosigner.restored_to == announced
        with pytest.raises(Behind):
            await observer.follower.write(cosigner.announce, "witness", announced)
        assert cosigner.signed("witness") is None
        # A fork that the restored database alone could not have seen.
        other = another_history(consortium, 150)
        other.log.publish()
        observer.follower._feed = HonestFeed(other.log)
        await asyncio.gather(observer.follower.once(), return_exceptions=True)
        assert [f[0] for f in found(observer.reader_engine)] == ["FORK"]
        assert cosigner.signed("mirror") is None
        # The hub we announced for: caught up, and signing again.
        observer.follower._feed = feed
        assert await observer.follower.once() == announced
        assert cosigner.restored_to is None
        assert cosigner.signed("mirror").head == announced
        consortium.play(10)
        await observer.follower.once()
        assert cosigner.signed("witness").head.size == consortium.log.size


async def test_cosignature_times_never_go_back(tmp_path):
    consortium = Consortium(25)
    now = [2_000_000_000.0]
    async with observing(
        tmp_path, consortium, HonestFeed(consortium.log), clock=lambda: now[0]
    ) as observer:
        consortium.play(5)
        await observer.follower.once()
        first = observer.follower.cosigner.signed("witness")
        now[0] -= 3_600
        consortium.play(5)
        await observer.follower.once()
        second = observer.follower.cosigner.signed("witness")
        assert second.head.size > first.head.size
        assert second.time_s == first.time_s
        assert parse_note(f"{second.head.note}{second.line}")


async def test_a_second_observer_on_the_same_folder_is_refused(tmp_path):
    consortium = Consortium(26)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)):
        with pytest.raises(DatabaseUnusable, match="another observer"):
            async with observing(tmp_path, consortium, HonestFeed(consortium.log)):
                pass


async def test_a_database_of_another_log_or_a_touched_one_is_refused(tmp_path):
    consortium, other = Consortium(27), Consortium(28)
    consortium.play(300)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        records = stored_records(observer.reader_engine)
        assert records
    with pytest.raises(CopyDamaged, match="own database"):
        async with observing(tmp_path, other, HonestFeed(other.log)):
            pass
    with closing(sqlite3.connect(tmp_path / "observer.db", isolation_level=None)) as connection:
        connection.execute("UPDATE entry SET entry = x'00' WHERE idx = 280")
    with pytest.raises(CopyDamaged, match="do not lead to the root"):
        async with observing(tmp_path, consortium, HonestFeed(consortium.log)):
            pass
    (tmp_path / "observer.db").write_bytes(b"not a database, whatever it says" * 99)
    with pytest.raises(DatabaseUnusable, match="observer database"):
        async with observing(tmp_path, consortium, HonestFeed(consortium.log)):
            pass


async def test_findings_are_kept_for_ever(tmp_path):
    consortium = Consortium(29)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        consortium.log.append_raw(b"nonsense", b"")
        consortium.log.publish()
        await observer.follower.once()
        assert len(found(observer.reader_engine)) == 1
    with closing(sqlite3.connect(tmp_path / "observer.db", isolation_level=None)) as connection:
        for statement in ("DELETE FROM finding", "UPDATE finding SET detail = ''"):
            with pytest.raises(sqlite3.DatabaseError, match="for ever"):
                connection.execute(statement)
