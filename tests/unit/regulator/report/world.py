"""An observer's folder for the office: a real copy of an honest log, and a report made of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.config import ObserverConfig, load_config, make_observer
from regulator.report.asking import read_standing
from regulator.report.model import (
    Both,
    Column,
    Figure,
    Figures,
    Kind,
    Report,
    ReportCode,
    Scope,
    Table,
)
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.unit.regulator.observing import observing

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def contents_of(code: ReportCode) -> Callable[[Path, Scope], Report]:
    """Contents that say of which prefix they are, and nothing else."""

    def contents(folder: Path, scope: Scope) -> Report:
        standing = read_standing(folder)
        assert standing.size >= scope.size
        return Report(
            code,
            scope.header(seed=scope.seed),
            (
                Figures((Figure("entries", Both("Entries", "条目"), scope.size),)),
                Table(
                    "sizes",
                    Both("Sizes", "条数"),
                    (Column("size", Both("Size", "条数"), Kind.INTEGER),),
                    ((scope.size,),),
                ),
            ),
        )

    return contents


async def make_folder(folder: Path, *events: int, **settings: object) -> ObserverConfig:
    """An observer that has copied and audited a log of so many events on each of some days."""
    consortium = Consortium(77)
    for number, count in enumerate(events):
        consortium.at += DAY_MS if number else 0
        consortium.play(count)
    consortium.log.publish()
    settings = {"report_formats": "json", **settings}
    make_observer(folder, "observer.example", **settings)
    (folder / "genesis.body").write_bytes(consortium.genesis)
    async with observing(folder, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
    store = AuditStore(folder / AUDIT_NAME)
    store.begin_again(b"x", "pearl-river@2026.2")
    with store.transaction():
        store.save(1_000, 0, consortium.at, [])
    store.close()
    return load_config(folder / "observer.toml")


def forget_cosignatures(folder: Path) -> None:
    """As if the observer had not heard of the hub since the log's last entry."""
    with closing(sqlite3.connect(folder / "observer.db", isolation_level=None)) as connection:
        connection.execute("UPDATE head SET time_s = 1")
