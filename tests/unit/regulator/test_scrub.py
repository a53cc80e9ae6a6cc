"""Our own copy, changed as only its administrator could: found within one round, and mended."""

import sqlite3
from contextlib import closing, contextmanager

import pytest

from creditchain.tlog.merkle import leaf_hash
from regulator.cosign import MIRROR, WITNESS
from regulator.damage import _named, examine_records
from regulator.scrub import ASK_SECONDS, Scrub
from tests.lying_hub.honest import Consortium, HonestFeed, Log
from tests.unit.regulator.observing import found, observing
from tests.unit.regulator.test_crash import contents

FLIPS = {
    "an entry": ("UPDATE entry SET entry = flip(entry) WHERE idx = 260", "entry", 260),
    "an entry of the edge": ("UPDATE entry SET entry = flip(entry) WHERE idx = 520", "entry", 520),
    "an entry and a longer one": (
        "UPDATE entry SET entry = entry || x'00' WHERE idx = 3", "entry", 3),
    "a lost entry": ("DELETE FROM entry WHERE idx = 300", "entry", 300),
    "a body": ("UPDATE entry SET body = flip(body) WHERE idx = 270", "body", 270),
    "a lost body": ("UPDATE entry SET body = NULL WHERE idx = 270", "body", 270),
    "an id": ("UPDATE entry SET event = 'x' WHERE idx = 270", "index", 270),
    "a lost type": ("UPDATE entry SET event = NULL, type = NULL WHERE idx = 270", "index", 270),
    "a tile": ("UPDATE tile SET data = flip(data) WHERE n = 1", "tile", 256),
    "a lost tile": ("DELETE FROM tile WHERE n = 0", "tile", 0),
    "a short tile": ("UPDATE tile SET data = substr(data, 33) WHERE n = 0", "tile", 0),
}  # fmt: skip


@contextmanager
def as_administrator(folder):
    """The database, with a function that changes one byte in the middle."""

    def flip(data):
        at = len(data) // 2
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    with closing(sqlite3.connect(folder / "observer.db", isolation_level=None)) as connection:
        connection.create_function("flip", 1, flip)
        yield connection


@pytest.fixture
async def copied(tmp_path):
    """An observer with a copy of some 540 entries, and its scrub."""
    consortium = Consortium(71)
    consortium.play(530)
    now = [3_000_000.0]
    feed = HonestFeed(consortium.log)
    async with observing(tmp_path, consortium, feed, clock=lambda: now[0]) as observer:
        await observer.follower.once()
        scrub = Scrub(observer.follower, observer.reader_engine, feed, clock=lambda: now[0])
        yield consortium, observer, scrub, now


async def test_an_honest_copy_is_whole_round_after_round(copied):
    _, observer, scrub, _ = copied
    for _ in range(7):
        assert await scrub.step() == []
    assert found(observer.reader_engine) == []
    assert walked(observer) == (1, 2)


async def test_records_of_entries_copied_while_the_scrub_reads_are_not_damaged(copied):
    consortium, observer, *_ = copied
    before = consortium.log.size
    consortium.play(20)
    consortium.log.publish()
    await observer.follower.once()
    with observer.reader_engine.begin() as connection:
        read, after = [], ("", "")
        while after is not None:
            damaged, after = examine_records(connection, before, after)
            read += damaged
    assert read == []
    assert observer.follower.cosigner.mirror.size > before


def walked(observer):
    with observer.reader_engine.begin() as connection:
        return tuple(
            connection.exec_driver_sql("SELECT place, rounds FROM walk WHERE name = 'scrub'").one()
        )


@pytest.mark.parametrize("flip", FLIPS)
async def test_a_changed_row_is_found_within_a_round_and_mended(flip, copied, tmp_path):
    consortium, observer, scrub, now = copied
    statement, part, index = FLIPS[flip]
    while not consortium.log.bodies[index]:
        index += 1  # erased by the play: its neighbour will do
    statement = statement.replace("270", str(index)) if part in ("body", "index") else statement
    before = contents(tmp_path / "observer.db")
    with as_administrator(tmp_path) as connection:
        assert connection.execute(statement).rowcount == 1
    wrong = []
    for _ in range(3):
        wrong += await scrub.step()
    assert (part, index) in {(damage.part, damage.index) for damage in wrong}
    codes = found(observer.reader_engine)
    assert {code for code, *_ in codes} == {"COPY_DAMAGED"}
    assert (index, part) in {(idx, detail.partition(":")[0]) for _, idx, detail, _ in codes}
    # Meanwhile only what is seen is signed. What can be had again is, and then all is as before.
    follower = observer.follower
    consortium.play(3)
    await follower.once()
    for _ in range(4):
        await scrub.step()
        await follower.once()
        now[0] += ASK_SECONDS
    assert follower.cosigner.head(WITNESS).size == consortium.log.size
    assert follower.cosigner.head(MIRROR).size == consortium.log.size
    after = contents(tmp_path / "observer.db")
    assert after[0][: len(before[0])] == before[0]
    assert after[1] == before[1]
    assert found(observer.reader_engine) == codes
    assert await scrub.step() == []


async def test_entry_and_tile_changed_together_are_found_by_the_tile_above(tmp_path):
    consortium = Consortium(72)
    while consortium.log.size < 256 * 256 + 5:
        consortium.log.append(consortium.at, b"x%d" % consortium.log.size)
    # Nobody judges these; the tree over them is what counts here.
    consortium.log.publish()
    feed = HonestFeed(consortium.log)
    now = [3_000_000.0]
    async with observing(tmp_path, consortium, feed, clock=lambda: now[0]) as observer:
        await _copy_unjudged(observer, consortium.log)
        scrub = Scrub(observer.follower, observer.reader_engine, feed, clock=lambda: now[0])
        assert await scrub.step() == []
        forge(tmp_path, consortium.log, 300)
        assert {(d.part, d.index) for d in await scrub.step()} == {("tile", 256), ("entry", 256)}
        await scrub.step()
        assert await scrub.step() == []
        # And a tile of the level above.
        with as_administrator(tmp_path) as connection:
            connection.execute("UPDATE tile SET data = flip(data) WHERE level = 1")
        assert {(d.part, d.index, d.level) for d in await scrub.step()} == {("tile", 0, 1)}
        assert await scrub.step() == []


async def _copy_unjudged(observer, log: Log) -> None:
    """The tables as following would leave them, without judging 65,536 bodies of no event."""

    def write(connection):
        connection.exec_driver_sql(
            "INSERT INTO entry (idx, entry, body, event, type) VALUES (?, ?, ?, ?, ?)",
            [
                (index, entry, body, *_named(body))
                for index, (entry, body) in enumerate(zip(log.entries, log.bodies, strict=True))
            ],
        )
        connection.exec_driver_sql(
            "INSERT INTO tile (level, n, data) VALUES (?, ?, ?)",
            [(tile.level, tile.n, data) for tile, data in log.full.items()],
        )
        connection.exec_driver_sql(
            "UPDATE copy SET size = ?, root = ?", (log.size, log.edge.root())
        )

    mirror = observer.follower._mirror

    def load():
        mirror.run(write)
        mirror.run(lambda _: mirror._load())

    await observer.follower.write(load)


def forge(folder, log: Log, index: int) -> None:
    """Another entry, and its leaf in the tile over it."""
    entry = log.entries[index - 1]
    place = index % 256 * 32
    with as_administrator(folder) as connection:
        connection.execute("UPDATE entry SET entry = ? WHERE idx = ?", (entry, index))
        [data] = connection.execute("SELECT data FROM tile WHERE level = 0 AND n = 1").fetchone()
        data = data[:place] + leaf_hash(entry) + data[place + 32 :]
        connection.execute("UPDATE tile SET data = ? WHERE level = 0 AND n = 1", (data,))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET json = substr(json, 1, 40) WHERE kind = 'Member'",
        "UPDATE record SET id = 'bank-hana/x' WHERE kind = 'Key' AND id LIKE 'bank-hana/%'",
        "UPDATE record SET kind = 'Ordre' WHERE kind = 'Product'",
        "UPDATE record SET changed_index = 9999 WHERE kind = 'Consortium'",
    ],
)
async def test_a_record_that_is_none_is_found_and_nothing_but_the_tree_signed(statement, tmp_path):
    consortium = Consortium(73)
    consortium.play(60)
    feed = HonestFeed(consortium.log)
    async with observing(tmp_path, consortium, feed, clock=lambda: 3_000_000.0) as observer:
        await observer.follower.once()
        whole = consortium.log.size
        scrub = Scrub(observer.follower, observer.reader_engine, feed, clock=lambda: 3_000_000.0)
        with as_administrator(tmp_path) as connection:
            try:
                connection.execute(statement)
            except sqlite3.IntegrityError:
                connection.execute(f"{statement} AND json LIKE '%Ed25519%'")
        assert {damage.part for damage in await scrub.step()} == {"record"}
        assert {code for code, *_ in found(observer.reader_engine)} == {"COPY_DAMAGED"}
        consortium.enrol()
        consortium.log.publish()
        await observer.follower.once()
        assert observer.follower.cosigner.head(WITNESS).size == consortium.log.size
        assert observer.follower.cosigner.head(MIRROR).size == whole


async def test_what_the_hub_does_not_have_either_is_asked_for_now_and_then(copied, tmp_path):
    consortium, observer, scrub, now = copied
    with as_administrator(tmp_path) as connection:
        connection.execute("DELETE FROM entry WHERE idx = 300")
    lost = consortium.log.entries[300]
    consortium.log.entries[300] = b"something else"
    asked = []
    scrub._feed = Counting(consortium.log, asked)
    for _ in range(5):
        await scrub.step()
    assert len(asked) == 1
    consortium.log.entries[300] = lost
    now[0] += ASK_SECONDS
    await scrub.step()
    await observer.follower.once()
    await scrub.step()
    assert len(asked) == 2
    assert await scrub.step() == []


class Counting(HonestFeed):
    def __init__(self, log, asked):
        super().__init__(log)
        self.asked = asked

    async def entries(self, path):
        self.asked.append(path)
        return await super().entries(path)


@pytest.mark.parametrize("change", ["detail = 'x'", "evidence = '{}'", "idx = NULL", "code = 'X'"])
async def test_a_finding_that_was_touched_is_told_and_stops_nothing(change, tmp_path):
    consortium = Consortium(74)
    consortium.log.append_raw(b"nonsense", b"")
    consortium.log.publish()
    feed = HonestFeed(consortium.log)
    async with observing(tmp_path, consortium, feed, clock=lambda: 3_000_000.0) as observer:
        await observer.follower.once()
        scrub = Scrub(observer.follower, observer.reader_engine, feed, clock=lambda: 3_000_000.0)
        assert await scrub.step() == []
        with as_administrator(tmp_path) as connection:
            connection.execute("DROP TRIGGER finding_no_update")
            connection.execute(f"UPDATE finding SET {change}")
        assert [(damage.part, damage.index) for damage in await scrub.step()] == [("finding", 1)]
        assert [code for code, *_ in found(observer.reader_engine)][1:] == ["COPY_DAMAGED"]
        consortium.enrol()
        consortium.log.publish()
        await observer.follower.once()
        assert observer.follower.cosigner.head(MIRROR).size == consortium.log.size
