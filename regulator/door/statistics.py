"""Figures over the whole log, counted in a process of their own.

`python -m regulator.door.statistics FOLDER ZONE` counts and prints one JSON object; `Statistics` is
the observer's end: it starts that process, one at a time, ends it when it takes too long, and gives
figures again while they are fresh. So counting a million orders takes neither the observer's cores
from following nor its memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from creditchain.querying.failure import DoorError, ErrorCode
from regulator.door.limits import (
    MONTHS_MAX,
    STATISTICS_BYTES_MAX,
    STATISTICS_FRESH_SECONDS,
    STATISTICS_REST,
    STATISTICS_SECONDS,
)

MONTHLY: Final = (
    "monthly_institutions",
    "monthly_service",
    "monthly_consents",
    "monthly_disputes",
)
"""The views that are counted by month."""

MEMORY_MIB: Final = 512
"""What the counting process may take; beyond it DuckDB goes to disk."""

NICENESS: Final = 10
"""Following comes first."""

_log = structlog.get_logger("regulator.door")


class Statistics:
    """The newest figures; for any thread. `close` ends a count that is under way."""

    def __init__(
        self, folder: Path, zone: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._command = [sys.executable, "-m", "regulator.door.statistics", str(folder), zone]
        self._clock = clock
        self._counting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._figures: dict[str, Any] | None = None
        self._good_until = 0.0

    def read(self) -> dict[str, Any]:
        """The figures: `size`, `as_of`, `headline` and a list for each of `MONTHLY`.

        Nobody waits for somebody else's count. Raises `DoorError` when there are none to be had.
        """
        figures = self._figures
        if figures is not None and self._clock() < self._good_until:
            return figures
        if not self._counting.acquire(blocking=False):
            if figures is None:
                raise _unavailable("They are being counted; ask again in some seconds.")
            return figures
        try:
            began = self._clock()
            self._figures = figures = self._count()
            ended = self._clock()
            rest = max(STATISTICS_FRESH_SECONDS, (ended - began) * STATISTICS_REST)
            self._good_until = ended + rest
            return figures
        finally:
            self._counting.release()

    def close(self) -> None:
        """End the count that is under way, if one is."""
        process = self._process
        if process is not None:
            process.kill()

    def _count(self) -> dict[str, Any]:
        with subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            self._process = process
            try:
                out, err = process.communicate(timeout=STATISTICS_SECONDS)
            except subprocess.TimeoutExpired:
                raise _unavailable(f"Counting took over {STATISTICS_SECONDS:.0f} s.") from None
            finally:
                process.kill()
                self._process = None
        if process.returncode != 0 or len(out) > STATISTICS_BYTES_MAX:
            told = err.decode("utf-8", "replace").strip()[-500:]
            _log.error("the statistics cannot be counted", status=process.returncode, problem=told)
            raise _unavailable("The figures cannot be counted; the observer's log says why.")
        figures: dict[str, Any] = json.loads(out)
        return figures


def count(folder: Path, zone: str) -> dict[str, Any]:
    """The figures of the copy in a folder; raises what `open_session` does."""
    # Here, in the process that counts: its other end needs no DuckDB.
    from regulator.analytics.session import open_session  # noqa: PLC0415
    from regulator.analytics.views import views  # noqa: PLC0415

    with open_session(folder, zone=zone, memory_mib=MEMORY_MIB, threads=1) as session:
        size, as_of_ms = session.one("SELECT size, as_of_ms FROM log")

        def rows(view: str, rest: str = "") -> list[dict[str, Any]]:
            # Names come from our own views.
            columns = [name for one in views() if one.name == view for name, _ in one.columns]
            found = session.rows(f"SELECT {', '.join(columns)} FROM {view} {rest}")  # noqa: S608
            return [dict(zip(columns, map(_plain, row), strict=True)) for row in found]

        [headline] = rows("headline")
        figures = {"size": size, "as_of": as_of_ms, "headline": headline}
        for view in MONTHLY:
            figures[view] = rows(
                view,
                f"WHERE month IN (SELECT DISTINCT month FROM {view} ORDER BY month DESC "  # noqa: S608
                f"LIMIT {MONTHS_MAX}) ORDER BY ALL",
            )
        return figures


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()[:7]  # of days only first days of months are shown
    return int(value) if isinstance(value, float) else value


def _unavailable(message: str) -> DoorError:
    return DoorError(ErrorCode.STATISTICS_UNAVAILABLE, message)


def main(arguments: list[str]) -> int:
    """Exit status: 0, or 2 for wrong arguments; what fails is a traceback on standard error."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m regulator.door.statistics FOLDER ZONE\n")
        return 2
    os.nice(NICENESS)
    sys.stdout.write(json.dumps(count(Path(arguments[0]), arguments[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
