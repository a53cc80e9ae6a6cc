"""The table on the terminal and in `results.md`, and under what circumstances it was made."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import cryptography
from cryptography.hazmat.backends.openssl import backend
from rich.table import Table

from benchmarks.figure import Figure, Measured
from benchmarks.machine import CORES, file_system

HEADINGS = ("", "Measured", "Result", "Compared with", "Ratio", "Target", "Held")


@dataclass(frozen=True, slots=True)
class Setting:
    """When, where and on what."""

    at: str
    machine: str
    disk: str
    software: str
    commit: str
    load: str
    command: str

    @classmethod
    def now(cls, repository: Path, folder: Path, arguments: Sequence[str]) -> Self:
        """The circumstances at this moment."""
        arguments_text = f" ARGS='{' '.join(arguments)}'" if arguments else ""
        return cls(
            datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            f"{CORES} cores, {_processor()}, {_memory_gib():.0f} GiB",
            file_system(folder),
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            f"cryptography {cryptography.__version__} ({backend.openssl_version_text()})",
            _commit(repository),
            f"{os.getloadavg()[0]:.1f}",
            f"make bench{arguments_text}",
        )


def table(measured: Sequence[Measured]) -> Table:
    """The lines of all measurements."""
    made = Table(title="creditchain, measured", title_justify="left")
    for heading in HEADINGS:
        made.add_column(heading, overflow="fold")
    for figure in _figures(measured):
        made.add_row(*_cells(figure))
    return made


def notes(measured: Sequence[Measured], setting: Setting) -> list[str]:
    """What one must know to read the table."""
    return [
        f"{setting.at}; {setting.machine}; {setting.disk}; {setting.software}",
        f"commit {setting.commit}; load before the run {setting.load}; {setting.command}",
        "medians, with the least and the most in parentheses; ratios are made within one round.",
        *(note for one in measured for note in one.notes),
    ]


def markdown(measured: Sequence[Measured], setting: Setting) -> str:
    """The page."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; not edited by hand.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{' --- |' * len(HEADINGS)}",
        *(f"| {' | '.join(_cells(figure))} |" for figure in _figures(measured)),
        "",
        *(f"- {note}" for note in notes(measured, setting)),
    ]
    return "\n".join(lines) + "\n"


def _figures(measured: Sequence[Measured]) -> list[Figure]:
    return [figure for one in measured for figure in one.figures]


def _cells(figure: Figure) -> tuple[str, ...]:
    held = {True: "yes", False: "NO", None: ""}[figure.held]
    return (
        str(figure.number),
        figure.what,
        figure.value,
        figure.against,
        figure.ratio,
        figure.target,
        held,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _commit(repository: Path) -> str:
    def git(*arguments: str) -> str:
        made = subprocess.run(
            ["git", "-C", str(repository), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        return made.stdout.strip()

    changed = git("status", "--porcelain", "--", "creditchain", "regulator")
    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{commit} and changes" if changed else commit
