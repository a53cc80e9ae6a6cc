"""Small copies of a log in an observer's database, for tests: written as the mirror would."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from creditchain.events import parse_time
from creditchain.rulebook import DictBook, Violation, decide
from creditchain.seal import Entry, Sealed, format_entry
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import leaf_hash
from fixtures.stories.story import compose, read_story
from regulator.database import OBSERVER_NAME, open_database

ORIGIN = "stories.example/1"
VECTORS = [Path("fixtures/vectors") / name for name in ("events.json", "inspection.json")]


class Row(NamedTuple):
    """One entry as the mirror stores it."""

    at: int
    body: bytes
    type: str | None
    event: str | None

    @property
    def entry(self) -> bytes:
        return format_entry(Entry(self.at, hashlib.sha256(self.body).digest()))


def row_of(sealed: Sealed, at: int) -> Row:
    """The entry of an event admitted at `at`, ms."""
    return Row(at, sealed.body, sealed.event.type, sealed.event.id)


def rows_of_story(name: str) -> tuple[list[Row], DictBook]:
    """The entries of what a story admits, and the records that the law makes of them."""
    book = DictBook()
    rows = []
    for line, sealed, at in compose(read_story(name)):
        answer = decide(book, sealed, at)
        if line.code == "ok":
            assert not isinstance(answer, Violation), line
            book.put(answer)
            rows.append(row_of(sealed, at))
    return rows, book


def vector_rows() -> list[Row]:
    """The log of the vectors: every type of event, lawful, one second after the other."""
    rows = []
    for path in VECTORS:
        for vector in json.loads(path.read_text(encoding="utf-8"))["vectors"]:
            at = parse_time(json.loads(vector["entry"])["at"])
            event = json.loads(vector["event"])
            rows.append(Row(at, vector["body"].encode(), event["type"], event["id"]))
    return rows


def write_copy(folder: Path, rows: Sequence[Row], origin: str = ORIGIN) -> Path:
    """An observer's folder whose copy has these entries; a copy that is there is continued."""
    folder.mkdir(exist_ok=True)
    with open_database(folder / OBSERVER_NAME) as engine, engine.begin() as connection:
        execute = connection.exec_driver_sql
        there = execute("SELECT count(*) FROM entry").scalar_one()
        execute(
            "INSERT INTO entry (idx, entry, body, event, type) VALUES (?, ?, ?, ?, ?)",
            [
                (index, row.entry, row.body or None, row.event, row.type)
                for index, row in enumerate(rows)
                if index >= there
            ],
        )
        edge = Edge.empty()
        full = edge.append([leaf_hash(row.entry) for row in rows])
        execute("DELETE FROM tile")
        if full:
            execute(
                "INSERT INTO tile (level, n, data) VALUES (?, ?, ?)",
                [(tile.level, tile.n, data) for tile, data in full],
            )
        execute("DELETE FROM copy")
        execute(
            "INSERT INTO copy (id, origin, genesis, size, root, last_at, unseen) "
            "VALUES (1, ?, ?, ?, ?, ?, 0)",
            (origin, hashlib.sha256(rows[0].body).digest(), len(rows), edge.root(), rows[-1].at),
        )
    return folder


def erase_bodies(folder: Path, indexes: Iterable[int], by: int | None) -> None:
    """The copy no longer has these bodies; `by` is the entry that says so."""
    with open_database(folder / OBSERVER_NAME) as engine, engine.begin() as connection:
        for index in indexes:
            connection.exec_driver_sql("UPDATE entry SET body = NULL WHERE idx = ?", (index,))
            connection.exec_driver_sql(
                "INSERT INTO hole (idx, erased_by, reported) VALUES (?, ?, 0)", (index, by)
            )
