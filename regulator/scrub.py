"""The scrub: our own copy read again at a low rate, for ever, so that rot shows before it hurts.

One package with each step, and some records. What does not fit (`regulator.damage`) is
`COPY_DAMAGED`: a finding about ourselves, not held against the hub. Until it is made good nothing
above it is cosigned but as witness: the other names say that we hold every entry and every body.

What can be made good is: tiles from what lies below them, ids from bodies, entries and bodies from
the hub, each only if it hashes to what the tree says. Where it is goes into the database, so that a
restart begins nothing anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from sqlalchemy import Connection, Engine

from creditchain.tlog.tile import TILE_WIDTH, BadBundle, BundlePath, parse_bundle
from regulator.damage import (
    Damage,
    Tree,
    examine,
    examine_findings,
    examine_records,
    let_go,
    mend_index,
    mend_tile,
    put_back_entries,
)
from regulator.feed import Feed, FeedFault
from regulator.finding import Finding
from regulator.follow import Follower, announce_findings
from regulator.mirror import Mirror

WALK: Final = "scrub"

MENDED_AT_ONCE: Final = 4
"""Damaged packages looked at in one step."""

ASK_SECONDS: Final = 30.0
"""How often a hub is asked for entries we lost; it may not have them either."""

_log = structlog.get_logger("regulator.scrub")


class Scrub:
    """Reads one package again with each `step`. `feed` is asked for what we have lost."""

    def __init__(
        self,
        follower: Follower,
        reader_engine: Engine,
        feed: Feed,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._follower = follower
        self._engine = reader_engine
        self._feed = feed
        self._clock = clock
        self._asked_at = 0.0
        # Where the records are being read, and those that were damaged since their first.
        self._after: tuple[str, str] = ("", "")
        self._records: set[int] = set()
        self._finding = 0

    async def step(self) -> list[Damage]:
        """Mend and read again what was damaged, then read the next package; what is wrong now."""
        tree = await self._follower.write(self._tree)
        if tree.size == 0:
            return []
        wrong: list[Damage] = []
        damaged = await self._follower.write(self._damaged)
        for n in damaged:
            if await self._follower.write(self._mend, tree, n):
                await self._fetch_again(tree, n)
            wrong += await self._look(tree, n)
        n = await self._follower.write(self._next, tree.size)
        wrong += await self._look(tree, n)
        if bool(wrong) != bool(damaged):
            # What was lost can be asked for; or what is mended, and can be signed again.
            self._follower.wake()
        wrong += await self._look_at_findings()
        records, last = await asyncio.to_thread(self._read_records, tree.size)
        self._records |= {damage.index for damage in records}
        await self._follower.write(self._keep_records, records, ended=last is None)
        self._after = last or ("", "")
        return wrong + records

    async def _look(self, tree: Tree, n: int) -> list[Damage]:
        found = await asyncio.to_thread(self._examine, tree, n)
        await self._follower.write(self._keep, n, found)
        return found

    def _examine(self, tree: Tree, n: int) -> list[Damage]:
        if n * TILE_WIDTH >= tree.size:
            return []
        with self._engine.begin() as connection:
            return examine(connection, tree, n)

    def _read_records(self, size: int) -> tuple[list[Damage], tuple[str, str] | None]:
        with self._engine.begin() as connection:
            return examine_records(connection, size, self._after)

    async def _look_at_findings(self) -> list[Damage]:
        """Not part of the copy: what is wrong there is told, and stops nothing."""
        found, last = await asyncio.to_thread(self._read_findings)
        self._finding = last or 0
        for one in found:
            await self._follower.keep(one.finding())
        return found

    def _read_findings(self) -> tuple[list[Damage], int | None]:
        with self._engine.begin() as connection:
            return examine_findings(connection, self._finding)

    async def _fetch_again(self, tree: Tree, n: int) -> None:
        """Ask the hub for the entries of a package; what hashes to its leaf is written back."""
        now = self._clock()
        if now - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = now
        width = min(TILE_WIDTH, tree.size - n * TILE_WIDTH)
        try:
            served = parse_bundle(await self._feed.entries(BundlePath(n, width)), width)
        except (FeedFault, BadBundle) as error:
            _log.warning("lost entries are not served", package=n, problem=str(error))
            return
        await self._follower.write(self._put_back, tree, n, served)

    # In the writer's thread.

    @property
    def _mirror(self) -> Mirror:
        return self._follower.cosigner.mirror

    def _tree(self) -> Tree:
        return Tree(self._mirror.size, self._mirror.edge.copy())

    def _damaged(self) -> list[int]:
        rows = self._mirror.run(
            lambda connection: connection.exec_driver_sql(
                "SELECT DISTINCT idx / 256 FROM damage WHERE part <> 'record' ORDER BY 1 LIMIT ?",
                (MENDED_AT_ONCE,),
            ).fetchall()
        )
        return [row[0] for row in rows]

    def _next(self, size: int) -> int:
        return self._mirror.run(lambda connection: next_place(connection, WALK, size))

    def _keep(self, n: int, found: Sequence[Damage]) -> None:
        """Note what is damaged in package `n`, and what is no more."""

        def write(connection: Connection) -> None:
            connection.exec_driver_sql(
                "DELETE FROM damage WHERE part <> 'record' AND idx >= ? AND idx < ?",
                (n * TILE_WIDTH, (n + 1) * TILE_WIDTH),
            )
            for damage in found:
                if damage.part == "body":
                    let_go(connection, damage.index)

        self._mirror.run(write)
        self._note(found)

    def _keep_records(self, found: Sequence[Damage], *, ended: bool) -> None:
        self._note(found)
        if ended:
            still = json.dumps(sorted(self._records))
            self._records.clear()
            self._mirror.run(
                lambda connection: connection.exec_driver_sql(
                    "DELETE FROM damage WHERE part = 'record' "
                    "AND idx NOT IN (SELECT value FROM json_each(?))",
                    (still,),
                )
            )

    def _note(self, found: Sequence[Damage]) -> None:
        def write(connection: Connection) -> list[Finding]:
            for damage in found:
                connection.exec_driver_sql(
                    "INSERT OR IGNORE INTO damage (part, idx, found_at) VALUES (?, ?, ?)",
                    (damage.part, damage.index, int(self._clock() * 1000)),
                )
            return [f for f in (damage.finding() for damage in found) if self._mirror.find(f)]

        if found:
            announce_findings(self._mirror.run(write))

    def _mend(self, tree: Tree, n: int) -> bool:
        """Make good what our own copy can; whether there are entries that it cannot."""

        def write(connection: Connection) -> bool:
            lost = False
            for damage in examine(connection, tree, n) if n * TILE_WIDTH < tree.size else []:
                if damage.part == "tile" and damage.right:
                    mend_tile(connection, damage)
                elif damage.part == "index":
                    mend_index(connection, damage.index)
                elif damage.part in ("entry", "tile"):
                    lost = True
            return lost

        return self._mirror.run(write)

    def _put_back(self, tree: Tree, n: int, served: Sequence[bytes]) -> None:
        self._mirror.run(lambda connection: put_back_entries(connection, tree, n, served))


def next_place(connection: Connection, walk: str, size: int) -> int:
    """The package where a walk goes on, from the first one again after the last."""
    row = connection.exec_driver_sql(
        "SELECT place, rounds FROM walk WHERE name = ?", (walk,)
    ).first()
    place, rounds = (0, 0) if row is None else (row[0], row[1])
    if place * TILE_WIDTH >= size:
        place, rounds = 0, rounds + 1
    connection.exec_driver_sql(
        "INSERT INTO walk (name, place, rounds) VALUES (?, ?, ?) ON CONFLICT (name) "
        "DO UPDATE SET place = excluded.place, rounds = excluded.rounds",
        (walk, place + 1, rounds),
    )
    return int(place)
