"""Reports by themselves: each day's and each month's when it is over, none missed, none doubled.

Every minute one job looks which reports are due and not done, oldest first, and makes them one
after the other in a process of its own. What is due follows from the calendar and from what is
noted in office.db, never from what a timer remembers, so being down, slow or killed changes
nothing:

- a run is noted with the prefix of the log it is of before it is made, and redone from that;
- its folder appears whole or not at all, and the run is done only afterwards;
- a folder that is there already with the same digest is taken for what it is.

A report waits until the copy surely holds all of its period and the audit has reached its end.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from creditchain.client.signer import now_ms
from regulator.config import ObserverConfig
from regulator.database import DatabaseUnusable
from regulator.office import Office, RunState
from regulator.report.asking import Standing, read_standing, scope_of
from regulator.report.folder import Filed
from regulator.report.making import Job, NotMade, make_apart, scope_from_json, scope_to_json
from regulator.report.model import BadReport, Period, ReportCode, Scope
from regulator.report.period import Rhythm, list_due
from regulator.setting import parse_list
from regulator.stored import CopyDamaged

LOOK_EVERY_S: Final = 60

FIRST_LOOK_S: Final = 30.0
"""How long after a start: following and auditing catch up first."""

RETRY_S: Final = (60, 300, 1_800, 3_600)
"""How long to wait after the first, second … failure; from then on hourly."""

Make = Callable[[Job], Awaitable[Filed]]

_log = structlog.get_logger("regulator.schedule")


class Schedule:
    """The reports of one observer; `look` does all there is to do."""

    def __init__(
        self,
        config: ObserverConfig,
        office: Office,
        *,
        make: Make = make_apart,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._config = config
        self._office = office
        self._make = make
        self._clock_ms = clock_ms or now_ms

    async def look(self) -> int:
        """Make every report that is due; how many were made."""
        made = 0
        try:
            due = await asyncio.to_thread(self._list_due)
            for code, period in due:
                try:
                    scope = await asyncio.to_thread(scope_of, self._config.folder, code, period)
                except BadReport as error:
                    _log.info("reports wait", first=period.name, reason=str(error))
                    break
                made += await self._run(code, period, scope)
        except (DatabaseUnusable, CopyDamaged, sqlite3.Error) as error:
            _log.warning("reports are put off", problem=str(error))
        return made

    def _list_due(self) -> list[tuple[ReportCode, Period]]:
        standing = read_standing(self._config.folder)
        if not standing.size:
            return []
        now = self._clock_ms()
        due = []
        for code, period in self._list_periods(standing, now):
            run = self._office.run(code.value, period.name)
            if run is None or (run.state is not RunState.DONE and run.next_at <= now):
                due.append((code, period))
        return sorted(due, key=lambda one: (one[1].end_ms, int(one[0].value[1:])))

    def _list_periods(self, standing: Standing, now: int) -> Iterator[tuple[ReportCode, Period]]:
        config = self._config
        for rhythm, codes in (
            (Rhythm.DAILY, config.reports_daily),
            (Rhythm.MONTHLY, config.reports_monthly),
        ):
            for period in list_due(
                rhythm, standing.begun_at_ms, now, config.report_zone, config.report_hour
            ):
                # Of a period of which entries may still be on their way nothing is said.
                if standing.seen_at_ms >= period.end_ms:
                    yield from ((ReportCode(code), period) for code in parse_list(codes))

    async def _run(self, code: ReportCode, period: Period, scope: Scope) -> bool:
        """Make one; whether it lies in its folder now."""
        config, name = self._config, period.name
        run = await asyncio.to_thread(
            self._office.begin_run, code.value, name, scope_to_json(scope), self._clock_ms()
        )
        job = Job(
            config.folder,
            code,
            scope_from_json(run.scope),
            config.folder / config.report_folder / code.value / name,
            config.report_key_path,
            config.folder / config.report_fonts,
            parse_list(config.report_languages),
            parse_list(config.report_formats),
        )
        try:
            filed = await self._make(job)
        except NotMade as error:
            wait_s = RETRY_S[min(run.attempts, len(RETRY_S) - 1)]
            _log.warning(
                "a report was not made",
                report=code.value,
                period=name,
                problem=str(error),
                retry_s=wait_s,
            )
            await asyncio.to_thread(
                self._office.fail_run,
                code.value,
                name,
                str(error),
                self._clock_ms() + wait_s * 1000,
            )
            return False
        await asyncio.to_thread(
            self._office.end_run, code.value, name, filed.digest, self._clock_ms()
        )
        _log.info("a report was filed", report=code.value, period=name, digest=filed.digest)
        return True


async def run_schedule(
    config: ObserverConfig,
    office: Office,
    *,
    make: Make = make_apart,
    first_s: float = FIRST_LOOK_S,
) -> None:
    """Make reports when they are due; only cancellation ends it, and what is being made with it."""
    schedule = Schedule(config, office, make=make)
    running: set[asyncio.Task[object]] = set()

    async def look() -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await schedule.look()
        except asyncio.CancelledError:
            # To APScheduler a job that is cut off is a job that failed; it is made again.
            _log.info("a report was cut off")
        except Exception:  # noqa: BLE001 - a job may fail, the schedule goes on
            _log.exception("a look at the reports failed")
        finally:
            running.discard(task)

    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.add_job(
        look,
        "interval",
        seconds=LOOK_EVERY_S,
        id="reports",
        coalesce=True,
        max_instances=1,
        misfire_grace_time=None,
        replace_existing=True,
        next_run_time=datetime.now(UTC) + timedelta(seconds=first_s),
    )
    scheduler.start()
    try:
        await asyncio.Event().wait()
    finally:
        scheduler.shutdown(wait=False)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
