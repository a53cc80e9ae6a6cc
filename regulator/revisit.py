"""The hub's bodies, seen again: what it served once it must serve until the log says it is erased.

One bundle at a time, round and round, beside the follower, which sees each body once; and the
bundles with bodies that the log says are erased, which should be gone. What should be gone is not
kept in evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import Connection

from creditchain.events import b64u, format_time
from creditchain.seal import parse_entry
from creditchain.tlog.tile import TILE_WIDTH, BadBundle, BundlePath, parse_bundle
from regulator.feed import FeedFault
from regulator.finding import Finding, FindingCode
from regulator.follow import Follower
from regulator.scrub import next_place
from regulator.verify import Head

REVISIT: Final = "revisit"
ERASED: Final = "erased"

_log = structlog.get_logger("regulator.revisit")


class Row(NamedTuple):
    """An entry of our copy: its admission time (ms) and commitment, whether its body is here.

    `erased_at` is when the erasure of its body was admitted, ms; None if nothing says so.
    """

    at: int
    commitment: bytes
    here: bool
    erased_at: int | None


class Revisit:
    """Sees bodies again. `erased_after_s`: for how long an erased one may still be served."""

    def __init__(
        self, follower: Follower, erased_after_s: float, *, clock: Callable[[], float]
    ) -> None:
        self._follower = follower
        self._erased_after_s = erased_after_s
        self._clock = clock
        # Entries whose body was gone when last seen.
        self._gone: set[int] = set()

    async def step(self, shown: Head) -> None:
        """See one bundle of bodies again, and one that holds a body said to be erased.

        Not while what is shown is not of our tree, or more than we have copied.
        """
        write = self._follower.write
        mirror = self._follower.cosigner.mirror
        size = shown.size
        if size == 0 or await write(mirror.root_at, size) != shown.root:
            return
        await self._confirm_gone(shown)
        places = {await write(mirror.run, lambda connection: next_place(connection, REVISIT, size))}
        erased = await write(mirror.run, _next_erased)
        if erased is not None and erased < size:
            places.add(erased // TILE_WIDTH)
        for n in places:
            await self._see(n, size, shown)

    async def _see(self, n: int, size: int, shown: Head) -> None:
        width = min(TILE_WIDTH, size - n * TILE_WIDTH)
        try:
            served = parse_bundle(
                await self._follower.feed.bodies(BundlePath(n, width)), width, allow_empty=True
            )
        except (FeedFault, BadBundle) as error:
            _log.info("bodies cannot be seen again", package=n, problem=str(error))
            return
        rows = await self._read(n * TILE_WIDTH, width)
        for index, row in rows.items():
            body = served[index - n * TILE_WIDTH]
            if not body:
                if row.here:
                    # Erased since, perhaps: then the log says so by the next head at the latest.
                    self._gone.add(index)
            elif hashlib.sha256(body).digest() != row.commitment:
                detail = "served altered after it was copied"
                await self._keep_once(FindingCode.BODY_ALTERED, index, detail, row, shown, body)
            elif self._is_overdue(row):
                assert row.erased_at is not None, "what is overdue was erased"
                detail = f"still served, erased at {format_time(row.erased_at)}"
                await self._keep_once(FindingCode.ERASURE_IGNORED, index, detail, row, shown)

    def _is_overdue(self, row: Row) -> bool:
        bound_ms = self._erased_after_s * 1000
        return row.erased_at is not None and row.erased_at + bound_ms <= self._clock() * 1000

    async def _confirm_gone(self, shown: Head) -> None:
        """What was gone then, and is not erased by a head that was shown after that."""
        gone, self._gone = self._gone, set()
        for index in sorted(gone):
            row = (await self._read(index, 1)).get(index)
            if row is not None and row.here:
                detail = "served before, and gone without an erasure"
                await self._keep_once(FindingCode.ERASURE_UNLOGGED, index, detail, row, shown)

    async def _read(self, start: int, width: int) -> dict[int, Row]:
        def read(connection: Connection) -> dict[int, Row]:
            rows = connection.exec_driver_sql(
                "SELECT entry.idx, entry.entry, entry.body IS NOT NULL, erasing.entry FROM entry "
                "LEFT JOIN hole ON hole.idx = entry.idx "
                "LEFT JOIN entry AS erasing ON erasing.idx = hole.erased_by "
                "WHERE entry.idx >= ? AND entry.idx < ?",
                (start, start + width),
            )
            return {row[0]: _row(row) for row in rows if _is_entry(row[1])}

        return await self._follower.write(self._follower.cosigner.mirror.run, read)

    async def _keep_once(
        self,
        code: FindingCode,
        index: int,
        detail: str,
        row: Row,
        shown: Head,
        body: bytes = b"",
    ) -> None:
        """Keep what is found at each visit, once. What should be erased is not kept in evidence."""
        evidence: dict[str, str | int] = {
            "shown": shown.note,
            "commitment": b64u(row.commitment),
        }
        if body:
            evidence["served"] = b64u(hashlib.sha256(body).digest())
        known = await self._follower.write(
            self._follower.cosigner.mirror.run,
            lambda connection: connection.exec_driver_sql(
                "SELECT 1 FROM finding WHERE code = ? AND idx = ?", (code.value, index)
            ).first(),
        )
        if known is None:
            await self._follower.keep(Finding(code, index, detail, evidence))


def _next_erased(connection: Connection) -> int | None:
    """The next body that the log says is erased; from the first again after the last."""
    execute = connection.exec_driver_sql
    row = execute("SELECT place FROM walk WHERE name = ?", (ERASED,)).first()
    found = None
    for after in (-1 if row is None else row[0], -1):
        found = execute(
            "SELECT idx FROM hole WHERE erased_by IS NOT NULL AND idx > ? ORDER BY idx LIMIT 1",
            (after,),
        ).first()
        if found is not None:
            break
    if found is None:
        return None
    execute(
        "INSERT INTO walk (name, place, rounds) VALUES (?, ?, 0) "
        "ON CONFLICT (name) DO UPDATE SET place = excluded.place",
        (ERASED, found[0]),
    )
    return int(found[0])


def _is_entry(raw: bytes) -> bool:
    try:
        parse_entry(raw)
    except ValueError:
        return False
    return True


def _row(row: Any) -> Row:
    entry = parse_entry(row[1])
    erased_at = parse_entry(row[3]).at if row[3] is not None and _is_entry(row[3]) else None
    return Row(entry.at, entry.commitment, bool(row[2]), erased_at)
