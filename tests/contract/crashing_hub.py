"""A hub that dies: submits bodies and ends itself, without warning, at one step of a commit.

Run as a program by `test_crash.py`: database, file of bodies (one a line), journal, step, and at
which of its passages to die (0: never). Each answer goes into the journal as soon as it arrives,
as whoever submitted would remember it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from creditchain.ledger import Ledger
from creditchain.seal import Sealed
from tests.contract import town

IN_FLIGHT = 8


def main(database: Path, bodies: Path, journal: Path, step: str, passage: int) -> None:
    passed = 0

    def on_step(name: str) -> None:
        nonlocal passed
        if name == step:
            passed += 1
            if passed == passage:
                os.kill(os.getpid(), signal.SIGKILL)

    ledger = Ledger.open(database, town.KEYS, step=on_step)
    items: list[Sealed] = []
    for line in bodies.read_bytes().splitlines():
        sealed = ledger.screen_body(line)
        assert isinstance(sealed, Sealed), sealed
        items.append(sealed)
    out = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def submitter(share: list[Sealed]) -> None:
        for item in share:
            [answer] = town.admitted(await ledger.submit([item]))
            line = f"{item.event.id} {answer.index} {answer.entry.hex()}\n"
            os.write(out, line.encode())

    async def submit_all() -> None:
        await asyncio.gather(*(submitter(items[at::IN_FLIGHT]) for at in range(IN_FLIGHT)))

    asyncio.run(submit_all())
    ledger.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
