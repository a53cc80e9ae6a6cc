"""`regulator check`: our own copy, verified again from the first entry, without the hub.

The copy is served to a second, empty observer as if it were a hub's, so what is run is the very
code that follows: every entry under the signed root, every body, every signature, every rule. Then
the two are compared, record by record and finding by finding.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.tile import BundlePath, Tile, format_bundle
from regulator.cosign import MIRROR, WITNESS
from regulator.database import OBSERVER_NAME, open_database
from regulator.feed import Fault, FeedFault
from regulator.finding import REPLAYED
from regulator.observer import Genesis, open_observer
from regulator.reading import read_bodies, read_signed, serve_bundle, serve_tile
from regulator.stored import CopyDamaged, Signed
from regulator.verify import NotInTree

DIFFERENCES_TOLD: int = 20
"""More would not help anyone; the count is told in full."""


@dataclass(slots=True)
class Verdict:
    """What a check found: `problems` is empty if the copy is what it should be.

    `erased` bodies could not be replayed, so records that differ are then told, not held against
    the copy: `unsure` counts them. Uncertain findings that differ are `warnings`.
    """

    size: int
    signed: bool
    erased: int = 0
    unsure: int = 0
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class OwnFeed:
    """Our copy as a feed."""

    def __init__(self, engine: Engine, signed: Signed) -> None:
        self._engine = engine
        self._signed = signed

    async def checkpoint(self) -> bytes:
        """The newest note that we cosigned as mirror."""
        return self._signed.head.note.encode()

    async def tile(self, tile: Tile) -> bytes:
        """A tile as it is stored."""
        return _there(serve_tile(self._engine, tile), f"tile {tile}")

    async def entries(self, path: BundlePath) -> bytes:
        """The entries as they are stored."""
        return _there(serve_bundle(self._engine, path), f"entries {path}")

    async def bodies(self, path: BundlePath) -> bytes:
        """The bodies as they are stored."""
        return format_bundle(read_bodies(self._engine, path))


async def check_copy(folder: Path, genesis: Genesis, processes: int | None = None) -> Verdict:
    """Verify and replay the copy in `folder` again; raises `DatabaseUnusable`.

    Reads only; an observer may be running on it. It ends at the size last cosigned as mirror.
    """
    path = folder / OBSERVER_NAME
    with (
        open_database(path, readers=True) as own,
        tempfile.TemporaryDirectory(prefix="observer-check-", dir=folder) as scratch,
    ):
        signed = read_signed(own, MIRROR) or read_signed(own, WITNESS)
        if signed is None:
            return Verdict(0, signed=False)
        verdict = Verdict(signed.head.size, signed=True)
        # The second observer signs for nobody: its keys end with it.
        signers = {
            name: CosignatureSigner(f"check/{name}", secrets.token_bytes(32))
            for name in (WITNESS, MIRROR)
        }
        try:
            async with open_observer(
                Path(scratch), genesis, signers, OwnFeed(own, signed), processes=processes
            ) as second:
                await second.follower.once()
                verdict.erased = second.follower.progress().unseen
                _compare(own, second.reader_engine, verdict)
        except (NotInTree, FeedFault, CopyDamaged) as error:
            verdict.problems.append(str(error))
        return verdict


def _compare(own: Engine, second: Engine, verdict: Verdict) -> None:
    size = verdict.size
    verdict.problems += _wrong_bodies(own, second)
    ours, theirs = _findings(own, size), _findings(second, size)
    if verdict.erased == 0:
        told = [(f, f"finding {f[0]} is not in the copy") for f in sorted(theirs - ours)]
        told += [(f, f"finding {f[0]} does not come again") for f in sorted(ours - theirs)]
        for (_, certain), words in told:
            (verdict.problems if certain else verdict.warnings).append(words)
    verdict.problems += [f"tile {name} differs" for name in _differing_tiles(own, second, size)]
    differing = list(_differing(own, second, size))
    if verdict.erased:
        verdict.unsure = len(differing)
    else:
        verdict.problems += [f"record {name} differs" for name in differing[:DIFFERENCES_TOLD]]
        if len(differing) > DIFFERENCES_TOLD:
            verdict.problems.append(f"{len(differing)} records differ in all")


def _findings(engine: Engine, size: int) -> set[tuple[str, bool]]:
    """The findings about entries below `size` that every replay makes."""
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT code, idx, detail, certain FROM finding WHERE idx < ?", (size,)
        ).fetchall()
    replayed = {code.value for code in REPLAYED}
    rows = [row for row in rows if row[0] in replayed]
    return {(f"{code} at {idx} ({detail})", bool(certain)) for code, idx, detail, certain in rows}


def _differing(own: Engine, second: Engine, size: int) -> Iterator[str]:
    """Records not changed since `size` that differ; both tables are walked in key order."""
    with own.begin() as mine, second.begin() as its:
        left, right = _records(mine, size), _records(its, size)
        a, b = next(left, None), next(right, None)
        while a is not None or b is not None:
            if b is None or (a is not None and a[:2] < b[:2]):
                assert a is not None, "one of the two is there"
                yield f"{a[0]} {a[1]}"
                a = next(left, None)
            elif a is None or b[:2] < a[:2]:
                yield f"{b[0]} {b[1]}"
                b = next(right, None)
            else:
                if a != b:
                    yield f"{a[0]} {a[1]}"
                a, b = next(left, None), next(right, None)


def _wrong_bodies(own: Engine, second: Engine) -> list[str]:
    """Bodies of our own that are not what was committed to, or gone without our knowing why."""
    with own.begin() as mine, second.begin() as its:
        holes = {row[0] for row in mine.exec_driver_sql("SELECT idx FROM hole")}
        wrong = its.exec_driver_sql(
            "SELECT code, idx FROM finding WHERE code IN ('BODY_ALTERED', 'BODY_WITHHELD')"
        ).fetchall()
    return [f"{code} at {idx}, in our own copy" for code, idx in wrong if idx not in holes]


def _differing_tiles(own: Engine, second: Engine, size: int) -> Iterator[str]:
    """Full tiles below `size` that are not what the entries make them."""
    query = "SELECT level, n, data FROM tile ORDER BY level, n"
    with own.begin() as mine, second.begin() as its:
        theirs = iter(its.exec_driver_sql(query))
        for level, n, data in mine.exec_driver_sql(query):
            if (n + 1) << 8 * (level + 1) <= size and next(theirs, None) != (level, n, data):
                yield f"{level}/{n}"
                return
        if next(theirs, None) is not None:
            yield "at the end"


def _records(connection: Any, size: int) -> Iterator[tuple[str, str, str]]:
    rows = connection.exec_driver_sql(
        "SELECT kind, id, json FROM record WHERE changed_index < ? ORDER BY kind, id", (size,)
    )
    for row in rows:
        yield row[0], row[1], row[2]


def _there(data: bytes | None, what: str) -> bytes:
    if data is None:
        raise FeedFault(Fault.NOT_FOUND, what)
    return data
