"""The private store: settings, migrations, shredding, and what a full disk does."""

import os
import random
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, text, update

from creditchain.private_store import (
    StoreFull,
    StoreTooNew,
    StoreUnusable,
    open_private_store,
    reading,
    scrub,
    writing,
)
from creditchain.private_store.shred import DamagedRow, lock, shred, unlock
from creditchain.private_store.tables import DIRECTORY, METADATA, ROW_KEY


@pytest.fixture
def engine(tmp_path: Path):
    engine = open_private_store(tmp_path / "private.db")
    yield engine
    engine.dispose()


def read_folder(path: Path) -> bytes:
    """Every byte of every file in a folder."""
    return b"\0".join(file.read_bytes() for file in sorted(path.iterdir()))


def key_in(engine: Engine, slot: int) -> bytes:
    with reading(engine) as connection:
        return connection.execute(select(ROW_KEY.c.key).where(ROW_KEY.c.slot == slot)).scalar_one()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("secure_delete", 1), ("foreign_keys", 1),
     ("temp_store", 2)],
)  # fmt: skip
def test_every_connection_is_durable_and_forgets(engine: Engine, pragma: str, value: object):
    with reading(engine) as one, reading(engine) as two:
        for connection in (one, two):
            assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_the_migrations_lead_to_the_tables(engine: Engine):
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        keys = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE name = 'row_key'")
        ).scalar()
    assert "AUTOINCREMENT" in keys


def test_only_the_owner_can_read_the_file(tmp_path: Path, engine: Engine):
    with writing(engine) as connection:
        lock(connection, "a", b"b")
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_store_opens_again_with_what_it_held(tmp_path: Path):
    path = tmp_path / "private.db"
    first = open_private_store(path)
    with writing(first) as connection:
        slot, locked = lock(connection, "a", b"value")
    first.dispose()
    again = open_private_store(path)
    assert unlock(key_in(again, slot), "a", locked) == b"value"
    again.dispose()


def test_a_file_of_a_later_version_is_refused(tmp_path: Path):
    path = tmp_path / "private.db"
    open_private_store(path).dispose()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StoreTooNew, match="install that version"):
        open_private_store(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "private.db"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreUnusable, match="not a private store"):
        open_private_store(path)
    assert path.read_bytes() == b"not a database, " * 100


def test_a_folder_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(StoreUnusable, match="nowhere"):
        open_private_store(tmp_path / "nowhere" / "private.db")


def test_a_full_disk_writes_nothing_and_passes(engine: Engine):
    def fill() -> None:
        with writing(engine) as connection:
            lock(connection, "a", os.urandom(10))
            connection.execute(
                insert(DIRECTORY).values(
                    id="a", kind="officer", identity="i", slot=1, staged_at=1, confirmed=False,
                    content=os.urandom(1_000_000),
                )
            )  # fmt: skip

    with reading(engine) as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    limit(engine, pages + 10)
    with pytest.raises(StoreFull, match="full"):
        fill()
    with reading(engine) as connection:
        assert connection.execute(select(DIRECTORY)).all() == []
        assert connection.execute(select(ROW_KEY)).all() == []
    limit(engine, 100_000)
    fill()


def limit(engine: Engine, pages: int) -> None:
    """Lets the file grow to so many pages, as a full disk would. Holds for each connection."""
    raw = engine.raw_connection()
    raw.cursor().execute(f"PRAGMA max_page_count={pages}")
    raw.close()


def test_a_refused_transaction_leaves_nothing(engine: Engine):
    def fail() -> None:
        with writing(engine) as connection:
            lock(connection, "a", b"b")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with reading(engine) as connection:
        assert connection.execute(select(ROW_KEY)).all() == []


def test_a_value_unlocks_only_in_its_place(engine: Engine):
    with writing(engine) as connection:
        slot, locked = lock(connection, "a", b"value")
    key = key_in(engine, slot)
    assert unlock(key, "a", locked) == b"value"
    with pytest.raises(DamagedRow):
        unlock(key, "b", locked)
    with pytest.raises(DamagedRow):
        unlock(key, "a", locked[:-1] + bytes([locked[-1] ^ 1]))


def test_a_shredded_value_is_gone(engine: Engine):
    with writing(engine) as connection:
        slot, locked = lock(connection, "a", b"value")
        shred(connection, slot)
    assert unlock(key_in(engine, slot), "a", locked) is None


def test_scrubbing_waits_for_readers_and_says_when_it_could_not(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("creditchain.private_store.engine.SCRUB_TRIES", 2)
    with writing(engine) as connection:
        slot, _ = lock(connection, "a", b"value")
    with reading(engine) as reader:
        reader.execute(select(ROW_KEY)).all()
        with writing(engine) as connection:
            shred(connection, slot)
        raw = engine.raw_connection()
        raw.cursor().execute("PRAGMA busy_timeout=10")
        raw.close()
        assert scrub(engine) is False
    assert scrub(engine) is True


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_a_shredded_key_is_in_no_file(tmp_path_factory: pytest.TempPathFactory, seed: int):
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("store")
    engine = open_private_store(folder / "private.db")
    live: dict[int, bytes] = {}
    gone: dict[int, bytes] = {}
    for _ in range(12):
        with writing(engine) as connection:
            for _ in range(chance.randint(1, 60)):
                slot, locked = lock(connection, "a", b"value" * chance.randint(1, 400))
                connection.execute(
                    insert(DIRECTORY).values(
                        id=str(slot), kind="officer", identity="i", slot=slot, staged_at=1,
                        confirmed=True, content=locked,
                    )
                )  # fmt: skip
                query = select(ROW_KEY.c.key).where(ROW_KEY.c.slot == slot)
                live[slot] = connection.execute(query).scalar_one()
            for slot in chance.sample(sorted(live), len(live) // 4):
                shred(connection, slot)
                connection.execute(
                    update(DIRECTORY).where(DIRECTORY.c.slot == slot).values(content=None)
                )
                gone[slot] = live.pop(slot)
    assert scrub(engine)
    for _ in ("while it is open", "after it was closed"):
        left = read_folder(folder)
        assert [slot for slot, key in gone.items() if key in left] == []
        assert [slot for slot, key in live.items() if key not in left] == []
        engine.dispose()
