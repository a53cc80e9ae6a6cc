"""An observer over a feed, for tests: real database, real keys, a folder of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from creditchain.tlog.cosignature import CosignatureSigner
from regulator.feed import Feed
from regulator.observer import Observer, open_observer, read_genesis
from regulator.verify import Fork, open_head
from tests.lying_hub.honest import Consortium, seed_bytes

SIGNERS = {
    name: CosignatureSigner(f"observer.example/{name}", seed_bytes(name))
    for name in ("witness", "mirror")
}


@asynccontextmanager
async def observing(
    folder: Path, consortium: Consortium, feed: Feed, **options: Any
) -> AsyncIterator[Observer]:
    """An observer of this consortium's log through this feed, opening packages in this process."""
    options.setdefault("processes", 0)
    async with open_observer(
        folder, read_genesis(consortium.genesis), SIGNERS, feed, **options
    ) as observer:
        yield observer


def found(engine: Engine) -> list[tuple[str, int | None, str, bool]]:
    """Code, index, detail and certainty of each finding, in order of finding."""
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT code, idx, detail, certain FROM finding ORDER BY id"
        ).fetchall()
    return [(code, idx, detail, bool(certain)) for code, idx, detail, certain in rows]


def stored_records(engine: Engine) -> list[tuple[str, str, str]]:
    """Every record as stored."""
    with engine.begin() as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql(
                "SELECT kind, id, json FROM record ORDER BY kind, id"
            )
        ]


def fork_in(engine: Engine, consortium: Consortium) -> Fork:
    """The one fork that was found, as its evidence has it."""
    with engine.begin() as connection:
        evidence = json.loads(
            connection.exec_driver_sql(
                "SELECT evidence FROM finding WHERE code = 'FORK'"
            ).scalar_one()
        )
    verifier = consortium.log.signer.verifier
    proof = [base64.b64decode(line) for line in evidence.get("proof", "").split()]
    return Fork(
        open_head(evidence["held"], verifier), open_head(evidence["shown"], verifier), tuple(proof)
    )
