"""Reports are made by themselves: each once, late rather than never, of one prefix either way."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from creditchain.client.keys import load_key
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.config import load_report_key
from regulator.database import OBSERVER_NAME, DatabaseUnusable
from regulator.office import RunState, open_office, read_runs
from regulator.report.asking import scope_of
from regulator.report.folder import Filed, check_folder, write_folder
from regulator.report.making import (
    Job,
    NotMade,
    job_from_json,
    job_to_json,
    make,
    make_apart,
)
from regulator.report.model import Period, ReportCode
from regulator.report.period import CAUGHT_UP, Rhythm, between, day, list_due, month
from regulator.schedule import RETRY_S, Schedule, run_schedule
from tests.lying_hub.honest import START_MS
from tests.unit.regulator.report.world import (
    DAY_MS,
    HOUR_MS,
    contents_of,
    forget_cosignatures,
    make_folder,
)

ZONE = "Asia/Shanghai"
FIRST = date(2025, 6, 15)  # the day on which START_MS lies there


def make_here(job: Job) -> Filed:
    report = contents_of(job.code)(job.folder, job.scope)
    return write_folder(
        job.out,
        report,
        load_key(job.key),
        fonts=job.fonts,
        languages=job.languages,
        formats=job.formats,
    )


class Maker:
    """Makes reports in this process, and tells which."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.problem = ""

    async def __call__(self, job: Job) -> Filed:
        self.jobs.append(job)
        if self.problem:
            raise NotMade(self.problem)
        return make_here(job)

    @property
    def made(self) -> list[tuple[str, str]]:
        return [(job.code.value, job.scope.period.name) for job in self.jobs]


async def look(config, maker: Maker, now_ms: int) -> int:
    with open_office(config.folder) as office:
        return await Schedule(config, office, make=maker, clock_ms=lambda: now_ms).look()


async def test_each_finished_day_is_reported_once_oldest_first(tmp_path):
    config = await make_folder(tmp_path, 30, 20, 25, reports_daily="L1,L9", reports_monthly="")
    maker = Maker()
    now = START_MS + 3 * DAY_MS
    assert await look(config, maker, now) == 6
    days = ["2025-06-15", "2025-06-16", "2025-06-17"]
    assert maker.made == [(code, one) for one in days for code in ("L1", "L9")]
    sizes = [job.scope.size for job in maker.jobs[::2]]
    assert sizes == sorted(set(sizes)), "each day ends further on"
    assert await look(config, maker, now) == 0
    assert {run.state for run in read_runs(tmp_path)} == {RunState.DONE}
    for code, one in maker.made:
        assert (tmp_path / "reports" / code / one / f"{code}.json").is_file()


async def test_a_report_made_late_is_the_one_made_in_time(tmp_path):
    early = await make_folder(tmp_path / "a", 30, 20, reports_daily="L1", reports_monthly="")
    late = await make_folder(tmp_path / "b", 30, 20, 25, 5, reports_daily="L1", reports_monthly="")
    await look(early, Maker(), START_MS + 2 * DAY_MS)
    await look(late, Maker(), START_MS + 20 * DAY_MS)
    digests = [
        {run.period: run.digest for run in read_runs(config.folder)} for config in (early, late)
    ]
    assert digests[0].items() <= digests[1].items()
    assert len(digests[0]) == 2


async def test_entries_that_cannot_be_read_hold_up_no_report(tmp_path):
    config = await make_folder(tmp_path, 30, 20, reports_daily="L1", reports_monthly="")
    readable = scope_of(tmp_path, ReportCode("L1"), day(FIRST, ZONE)).size
    with closing(sqlite3.connect(tmp_path / OBSERVER_NAME, isolation_level=None)) as connection:
        # As a hub that signs anything would have them.
        connection.execute("UPDATE entry SET entry = x'00' WHERE idx NOT IN (0, ?)", (readable,))
    assert scope_of(tmp_path, ReportCode("L1"), day(FIRST, ZONE)).size == readable
    assert await look(config, Maker(), START_MS + 2 * DAY_MS) == 2


async def test_a_day_that_may_still_grow_is_not_reported(tmp_path):
    config = await make_folder(tmp_path, 30, 20, reports_daily="L1", reports_monthly="")
    forget_cosignatures(tmp_path)
    maker = Maker()
    await look(config, maker, START_MS + 30 * DAY_MS)
    assert maker.made == [("L1", "2025-06-15")], "the log said nothing after the second day"


async def test_a_day_is_reported_some_hours_after_its_end(tmp_path):
    config = await make_folder(tmp_path, 30, reports_daily="L1", reports_monthly="", report_hour=3)
    maker = Maker()
    end = day(FIRST, ZONE).end_ms
    assert await look(config, maker, end + 3 * HOUR_MS - 1) == 0
    assert await look(config, maker, end + 3 * HOUR_MS) == 1


async def test_a_run_that_failed_is_tried_again_later_and_holds_up_no_other(tmp_path):
    config = await make_folder(tmp_path, 30, 20, reports_daily="L1", reports_monthly="")
    maker = Maker()
    maker.problem = "no fonts"
    now = START_MS + 2 * DAY_MS
    assert await look(config, maker, now) == 0
    assert len(maker.jobs) == 2
    assert [run.problem for run in read_runs(tmp_path)] == ["no fonts", "no fonts"]
    assert {run.state for run in read_runs(tmp_path)} == {RunState.FAILED}
    await look(config, maker, now + RETRY_S[0] * 1000 - 1)
    assert len(maker.jobs) == 2, "too early"
    maker.problem = ""
    assert await look(config, maker, now + RETRY_S[0] * 1000) == 2
    assert {run.state for run in read_runs(tmp_path)} == {RunState.DONE}


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from regulator.config import load_config
from regulator.office import open_office
from regulator.report import folder
from regulator.schedule import Schedule
from tests.unit.regulator.test_schedule import make_here

async def make(job):
    if sys.argv[2] == "draft":
        folder._make_durable = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    filed = make_here(job)
    os.kill(os.getpid(), signal.SIGKILL)

config = load_config(Path(sys.argv[1]) / "observer.toml")
with open_office(config.folder) as office:
    asyncio.run(Schedule(config, office, make=make, clock_ms=lambda: int(sys.argv[3])).look())
"""


@pytest.mark.parametrize("where", ["draft", "filed"])
async def test_a_run_killed_in_the_middle_is_made_again_to_the_same_bytes(where, tmp_path):
    settings = {"reports_daily": "L1", "reports_monthly": ""}
    config = await make_folder(tmp_path / "killed", 30, 5, **settings)
    calm = await make_folder(tmp_path / "calm", 30, 5, **settings)
    key = (calm.folder / "keys" / "report.json").read_bytes()
    (config.folder / "keys" / "report.json").write_bytes(key)
    now = day(FIRST, ZONE).end_ms + 2 * HOUR_MS
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, str(config.folder), where, str(now)],
        check=False,
        timeout=60,
    )
    assert run.returncode == -signal.SIGKILL
    assert [one.state for one in read_runs(config.folder)] == ["BEGUN"]
    filed = config.folder / "reports" / "L1" / "2025-06-15"
    assert filed.exists() == (where == "filed")
    maker = Maker()
    assert await look(config, maker, now) == 1
    assert await look(calm, Maker(), now) == 1
    other = calm.folder / "reports" / "L1" / "2025-06-15"
    names = sorted(path.name for path in filed.parent.glob("**/*"))
    assert names == sorted(path.name for path in other.parent.glob("**/*"))
    for path in filed.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes()
    assert await look(config, maker, now) == 0


async def test_an_interrupted_run_keeps_the_prefix_it_began_with(tmp_path):
    config = await make_folder(tmp_path, 30, 5, reports_daily="L1", reports_monthly="")
    now = day(FIRST, ZONE).end_ms + 2 * HOUR_MS
    maker = Maker()
    maker.problem = "killed"
    await look(config, maker, now)
    (begun,) = read_runs(tmp_path)
    with open_office(tmp_path) as office:
        other = {**begun.scope, "rule_pack_version": "later"}
        assert office.begin_run("L1", begun.period, other, now).scope == begun.scope


async def test_nothing_is_reported_before_the_audit_is_there(tmp_path):
    config = await make_folder(tmp_path, 30, reports_daily="L1", reports_monthly="")
    audit = (tmp_path / AUDIT_NAME).read_bytes()
    (tmp_path / AUDIT_NAME).unlink()
    maker = Maker()
    now = day(FIRST, ZONE).end_ms + HOUR_MS
    assert await look(config, maker, now) == 0, "no audit has begun"
    store = AuditStore(tmp_path / AUDIT_NAME)
    store.begin_again(b"x", "pearl-river@2026.2")
    store.close()
    assert await look(config, maker, now) == 0, "it has begun"
    (tmp_path / AUDIT_NAME).write_bytes(audit)
    assert await look(config, maker, now) == 1
    scope = maker.jobs[0].scope
    assert (scope.rule_pack, scope.rule_pack_version) == ("pearl-river", "2026.2")


async def test_an_observer_without_a_copy_reports_nothing_and_says_so(tmp_path):
    config = await make_folder(tmp_path, 5)
    (tmp_path / "observer.db").unlink()
    assert await look(config, Maker(), START_MS + 90 * DAY_MS) == 0


async def test_the_schedule_looks_by_itself_and_what_it_makes_ends_with_it(
    tmp_path, monkeypatch, caplog
):
    config = await make_folder(tmp_path, 30, reports_daily="L1", reports_monthly="")
    monkeypatch.setattr("regulator.schedule.now_ms", lambda: START_MS + 2 * DAY_MS)
    making, ended = asyncio.Event(), asyncio.Event()

    async def make(job: Job) -> Filed:
        making.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    with open_office(tmp_path) as office:
        task = asyncio.create_task(run_schedule(config, office, make=make, first_s=0))
        await making.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert ended.is_set()
    assert [line for line in caplog.records if line.levelname == "ERROR"] == []
    assert [run.state for run in read_runs(tmp_path)] == ["BEGUN"]


async def test_the_office_is_held_by_one_process(tmp_path):
    with (
        open_office(tmp_path),
        pytest.raises(DatabaseUnusable, match="in use"),
        open_office(tmp_path),
    ):
        pass
    with open_office(tmp_path):
        assert (tmp_path / "office.db").stat().st_mode & 0o077 == 0


async def test_a_damaged_office_says_what_to_do(tmp_path):
    (tmp_path / "office.db").write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseUnusable, match="move it away"), open_office(tmp_path):
        pass


async def test_made_apart_it_is_the_report_that_is_made_here(tmp_path):
    config = await make_folder(tmp_path, 20)
    code = ReportCode.INTEGRITY_CERTIFICATE
    job = Job(
        tmp_path,
        code,
        scope_of(tmp_path, code, day(FIRST, ZONE)),
        tmp_path / "out",
        config.report_key_path,
        Path(config.report_fonts),
    )
    assert job_from_json(json.loads(json.dumps(job_to_json(job)))) == job
    filed = await make_apart(job)
    here = await asyncio.to_thread(make, replace(job, out=tmp_path / "here"))
    assert filed.digest == here.digest
    for path in filed.folder.iterdir():
        assert path.read_bytes() == (here.folder / path.name).read_bytes()
    check_folder(filed.folder, load_report_key(config).public)


async def test_making_apart_tells_why_nothing_was_made(tmp_path):
    config = await make_folder(tmp_path, 5)
    job = Job(
        tmp_path,
        ReportCode.INSPECTION_DOSSIER,
        scope_of(tmp_path, ReportCode.INSPECTION_DOSSIER, day(FIRST, ZONE)),
        tmp_path / "out",
        config.report_key_path,
        Path(config.report_fonts),
    )
    with pytest.raises(NotMade, match="which inspection"):
        await make_apart(job)
    daily = replace(job, code=ReportCode.DAILY_SUMMARY)
    for broken, problem in (
        (replace(daily, key=tmp_path / "none.json"), r"none\.json"),
        (replace(daily, folder=tmp_path / "nowhere"), "not there yet"),
    ):
        with pytest.raises(NotMade, match=problem):
            await asyncio.to_thread(make, broken)
    assert not (tmp_path / "out").exists()


async def test_the_seed_is_drawn_from_the_log_and_the_prefix_ends_with_the_period(tmp_path):
    await make_folder(tmp_path, 30, 20)
    first, second = (
        scope_of(tmp_path, ReportCode.CONSENT_SAMPLE, day(date(2025, 6, number), ZONE))
        for number in (15, 16)
    )
    assert first.seed != second.seed
    assert 0 < first.size < second.size
    assert first.as_of_ms < first.period.end_ms <= second.as_of_ms
    assert scope_of(tmp_path, ReportCode.CONSENT_SAMPLE, first.period) == first
    before = day(date(2025, 1, 1), ZONE)
    assert scope_of(tmp_path, ReportCode.CONSENT_SAMPLE, before).size == 0


def test_days_and_months_are_those_of_the_zone():
    assert day(date(2026, 11, 25), ZONE) == Period(
        "2026-11-25", 1_795_536_000_000, 1_795_622_400_000, ZONE
    )
    assert month(date(2026, 2, 14), ZONE).name == "2026-02"
    assert month(date(2026, 2, 14), ZONE).end_ms == day(date(2026, 3, 1), ZONE).start_ms
    assert month(date(2026, 12, 31), ZONE).end_ms == day(date(2027, 1, 1), ZONE).start_ms
    assert between(date(2026, 1, 1), date(2026, 3, 31), ZONE).name == "2026-01-01_2026-03-31"
    # A day on which clocks are put back has 25 hours.
    long = day(date(2026, 10, 25), "Europe/Berlin")
    assert long.end_ms - long.start_ms == 25 * HOUR_MS


@pytest.mark.parametrize("rhythm", list(Rhythm))
def test_what_was_missed_is_caught_up_within_bounds(rhythm):
    now = day(date(2026, 11, 25), ZONE).start_ms + HOUR_MS
    periods = list(list_due(rhythm, 0, now, ZONE, 1))
    assert len(periods) == CAUGHT_UP[rhythm]
    assert [one.start_ms for one in periods] == sorted(one.start_ms for one in periods)
    assert all(one.end_ms + HOUR_MS <= now for one in periods)
    assert periods[-1].name == {"DAILY": "2026-11-24", "MONTHLY": "2026-10"}[rhythm.value]
    begun = periods[-2].end_ms
    assert [one.name for one in list_due(rhythm, begun, now, ZONE, 1)] == [periods[-1].name]
