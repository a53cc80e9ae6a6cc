"""Making one report and filing it, in a process of its own.

`python -m regulator.report.making` reads one job as JSON on standard input and answers with one
line of JSON: `{"digest", "files"}`, or `{"problem"}` with exit status 1. It is nice to its
neighbours: following and auditing come first.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from creditchain.client.keys import BadKeyFile, load_key
from regulator.report.folder import Filed, NotWritten, write_folder
from regulator.report.model import LANGUAGES, BadReport, Period, Report, ReportCode, Scope
from regulator.setting import FORMATS

NICENESS: Final = 10

SECONDS_MAX: Final = 1_800
"""A month of a million orders takes a minute or two; what takes half an hour hangs."""

ANSWER_BYTES_MAX: Final = 65_536


class NotMade(Exception):
    """A report was not made; the message says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """One report to be made: of the observer in `folder`, into the new folder `out`."""

    folder: Path
    code: ReportCode
    scope: Scope
    out: Path
    key: Path
    fonts: Path
    languages: Sequence[str] = LANGUAGES
    formats: Sequence[str] = FORMATS


def make(job: Job) -> Filed:
    """Make and file it here and now; raises `NotMade`."""
    from regulator.analytics.export import AnalyticsUnusable  # noqa: PLC0415 - DuckDB, 50 ms
    from regulator.database import DatabaseUnusable  # noqa: PLC0415
    from regulator.report.contents import REPORTS  # noqa: PLC0415
    from regulator.report.pdf import NoFonts  # noqa: PLC0415

    contents = REPORTS.get(job.code)
    if contents is None:
        raise NotMade(f"there is no report {job.code.value}")
    try:
        key = load_key(job.key)
        report = contents(job.folder, job.scope)
        _check_scope(report, job)
        return write_folder(
            job.out,
            report,
            key,
            fonts=job.fonts,
            languages=job.languages,
            formats=job.formats,
        )
    except (
        AnalyticsUnusable,
        BadKeyFile,
        BadReport,
        DatabaseUnusable,
        NoFonts,
        NotWritten,
    ) as error:
        raise NotMade(str(error)) from None


async def make_apart(job: Job) -> Filed:
    """Make it in a process of its own, ended with the call; raises `NotMade`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "regulator.report.making",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            said, _ = await process.communicate(json.dumps(job_to_json(job)).encode())
    except TimeoutError:
        raise NotMade(f"it took more than {SECONDS_MAX} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        answer = json.loads(said[:ANSWER_BYTES_MAX])
        if process.returncode == 0:
            return Filed(job.out, str(answer["digest"]), int(answer["files"]))
        problem = str(answer["problem"])
    except (ValueError, TypeError, KeyError):
        problem = f"its process ended with status {process.returncode}"
    raise NotMade(problem)


def job_to_json(job: Job) -> dict[str, Any]:
    """A job as a JSON value."""
    return {
        **{name: str(getattr(job, name)) for name in ("folder", "out", "key", "fonts")},
        "code": job.code.value,
        "scope": scope_to_json(job.scope),
        "languages": list(job.languages),
        "formats": list(job.formats),
    }


def job_from_json(value: dict[str, Any]) -> Job:
    """The inverse of `job_to_json`."""
    return Job(
        Path(value["folder"]),
        ReportCode(value["code"]),
        scope_from_json(value["scope"]),
        Path(value["out"]),
        Path(value["key"]),
        Path(value["fonts"]),
        tuple(value["languages"]),
        tuple(value["formats"]),
    )


def scope_to_json(scope: Scope) -> dict[str, Any]:
    """A scope as a JSON value: what a run is pinned to."""
    return asdict(scope)


def scope_from_json(value: dict[str, Any]) -> Scope:
    """The inverse of `scope_to_json`."""
    parameters = tuple((str(name), str(said)) for name, said in value["parameters"])
    return Scope(**{**value, "period": Period(**value["period"]), "parameters": parameters})


def _check_scope(report: Report, job: Job) -> None:
    scope, header = job.scope, report.header
    asked = (scope.origin, scope.size, scope.root, scope.period)
    assert report.code is job.code, "contents answered with another report"
    assert (header.origin, header.size, header.root, header.period) == asked, "another scope"


def main() -> int:
    """The process; its exit status."""
    os.nice(NICENESS)
    try:
        filed = make(job_from_json(json.load(sys.stdin)))
    except NotMade as error:
        sys.stdout.write(json.dumps({"problem": str(error)}) + "\n")
        return 1
    sys.stdout.write(json.dumps({"digest": filed.digest, "files": filed.files}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
