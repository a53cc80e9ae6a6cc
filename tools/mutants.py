"""Runs mutmut's mutants of what must not be wrong; `make mutants`, see docs/mutants.md.

mutmut makes the mutants and keeps the verdicts, so `mutmut results`, `mutmut show NAME` and
`mutmut browse` work as ever. Running them is ours: mutmut starts pytest anew for each mutant, which
costs seconds; here the tests of a group are collected once, and a fork of that process, in which no
test has run yet, runs for each mutant the tests that reach it, until one fails.

    python tools/mutants.py                    every group
    python tools/mutants.py tlog               one group
    python tools/mutants.py tlog 'creditchain.tlog.proof.*'

Verdicts are remembered: a mutant that was killed is run again only when its function has changed.
"""

from __future__ import annotations

import argparse
import fnmatch
import gc
import json
import os
import resource
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from time import process_time
from typing import Final, NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings
from mutmut.__main__ import create_mutants
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import (
    copy_also_copy_files,
    copy_src_dir,
    setup_source_paths,
    walk_mutatable_files,
)
from mutmut.utils.format_utils import mangled_name_from_mutant_name

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "mutants"

SURVIVED: Final = 0
KILLED: Final = 1
NO_TESTS: Final = 33
SUSPICIOUS: Final = 35
TIMEOUT: Final = 36
"""mutmut's own codes; see its stats.py."""

EXAMPLES: Final = 12
"""Of a hypothesis test, always the same ones: a mutant must not die by luck."""

MEMORY_BYTES: Final = 4 << 30
"""A mutant that never stops must not take the machine with it."""


class Group(NamedTuple):
    """Modules, by patterns of their names, and the tests that must notice a change in them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    but_not: tuple[str, ...] = ()

    def holds(self, name: str) -> bool:
        """Whether a mutant of this name is of the group."""
        return is_like(name, self.modules) and not is_like(name, self.but_not)


AUDIT_TESTS: Final = "tests/unit/regulator/audit"
SOUPS: Final = "test_the_findings_among_any_events_are_those_that_are_kept"
AUDIT_CORE: Final = ("almanac", "engine", "fact", "finding", "history", "pack", "rule")

GROUPS: Final = {
    "tlog": Group(("creditchain.tlog.*",), ("tests/unit/tlog",)),
    "verify": Group(("regulator.verify.*",), ("tests/unit/regulator/test_verify.py",)),
    "replay": Group(("regulator.replay.*",), ("tests/unit/regulator/test_replay.py",)),
    "audit": Group(
        tuple(f"regulator.audit.{name}.*" for name in AUDIT_CORE),
        (
            f"{AUDIT_TESTS}/test_almanac.py",
            f"{AUDIT_TESTS}/test_history.py",
            f"{AUDIT_TESTS}/test_pack.py",
            f"{AUDIT_TESTS}/test_pack_edges.py",
            f"{AUDIT_TESTS}/test_same_bytes.py::{SOUPS}",
            f"{AUDIT_TESTS}/test_step.py",
        ),
    ),
    "rules": Group(
        ("regulator.audit.*",),
        (
            AUDIT_TESTS,
            f"--ignore={AUDIT_TESTS}/test_backdated.py",
            f"--ignore={AUDIT_TESTS}/test_engine.py",
            f"--ignore={AUDIT_TESTS}/test_honest.py",
        ),
        tuple(f"regulator.audit.{name}.*" for name in AUDIT_CORE),
    ),
}
EVERYTHING: Final = Group(("*",), ())


class Mutant(NamedTuple):
    """A mutant and the file that keeps its verdict."""

    name: str
    kept: SourceFileMutationData

    @property
    def function(self) -> str:
        """The name of what was changed, as mutmut's statistics have it."""
        return mangled_name_from_mutant_name(self.name)


def is_like(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name fits one of the patterns."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def make_mutants() -> None:
    """Writes the changed modules, and all that their tests need, to `mutants`."""
    set_mutant_under_test("mutant_generation")
    FOLDER.mkdir(exist_ok=True)
    forget_copies()
    with quiet():
        copy_src_dir()
        copy_also_copy_files()
        create_mutants(os.cpu_count() or 1)
    setup_source_paths()


def forget_copies() -> None:
    """Removes all of an earlier run but the mutants and their verdicts: mutmut leaves what it once
    copied as it was."""
    sources = {str(path) for path in config().source_paths}
    for path in FOLDER.iterdir():
        if path.name not in sources and path.is_dir():
            shutil.rmtree(path)
    for name in sources & {path.name for path in FOLDER.iterdir()}:
        for path in (FOLDER / name).rglob("*"):
            is_kept = path.suffix in {".meta", ".spans"} or (
                path.suffix == ".py" and (ROOT / path.relative_to(FOLDER)).is_file()
            )
            if path.is_file() and not is_kept:
                path.unlink()


def read_mutants(group: Group, names: Sequence[str]) -> Iterator[Mutant]:
    """Those of a group; if names are given, those like one of them."""
    for path in walk_mutatable_files():
        kept = SourceFileMutationData(path=path)
        kept.meta_path = ROOT / kept.meta_path
        kept.load()
        for name in kept.exit_code_by_key:
            if group.holds(name) and (not names or is_like(name, names)):
                yield Mutant(name, kept)


class Trial:
    """A pytest plugin: in place of running the tests, it tries them on each mutant."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int) -> None:
        self._mutants = mutants
        self._jobs = jobs
        self._items: dict[str, pytest.Item] = {}
        self._seconds: dict[str, float] = {}
        self._reaches: dict[str, set[str]] = defaultdict(set)
        self._kills: dict[str, Counter[str]] = defaultdict(Counter)
        self._scratch = Path(tempfile.mkdtemp(prefix="mutants-"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or not session.items:
            raise session.Interrupted("the tests cannot be collected")
        self._items = {item.nodeid: item for item in session.items}
        gc.freeze()
        try:
            self._learn()
            self._try_all()
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
        return True

    def _learn(self) -> None:
        """Which tests reach which function, and the CPU time that each takes."""
        told = self._scratch / "told.json"
        child = os.fork()
        if child == 0:
            with in_child(self._scratch, "stats"):
                told.write_text(json.dumps(self._watch()))
            os._exit(0)
        os.waitpid(child, 0)
        if not told.exists():
            sys.exit("the tests could not be run")
        failed, reaches, self._seconds = json.loads(told.read_text())
        if failed:
            sys.exit(f"without any mutant, this fails: {failed}")
        for function, tests in reaches.items():
            self._reaches[function] = set(tests)

    def _watch(self) -> tuple[list[str], dict[str, list[str]], dict[str, float]]:
        failed, seconds = [], {}
        reaches: dict[str, list[str]] = defaultdict(list)
        reached = state()._stats  # noqa: SLF001
        for name, item in self._items.items():
            reached.clear()
            start = process_time()
            if not passes(item, None):
                failed.append(name)
            seconds[name] = process_time() - start
            for function in reached:
                reaches[function].append(name)
        return failed, reaches, seconds

    def _try_all(self) -> None:
        running: dict[int, tuple[Mutant, Path]] = {}
        tally: Counter[int] = Counter()
        for number, mutant in enumerate(self._mutants):
            if not self._reaches[mutant.function]:
                tally[NO_TESTS] += 1
                keep(mutant, NO_TESTS)
                continue
            while len(running) >= self._jobs:
                tally[self._reap(running)] += 1
            killer = self._scratch / f"killer of {number}"
            running[self._start(mutant, killer)] = mutant, killer
            if number % 50 == 0:
                print(f"\r{number} of {len(self._mutants)}", end="", file=sys.stderr, flush=True)
        while running:
            tally[self._reap(running)] += 1
        print(
            f"\r{len(self._mutants)} mutants run: {tally[KILLED]} killed, {tally[TIMEOUT]} never "
            f"ended, {tally[SURVIVED]} survived, {tally[NO_TESTS]} reached by no test, "
            f"{tally[SUSPICIOUS]} broke the run; "
            f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:.0f} s of CPU time"
        )

    def _start(self, mutant: Mutant, killer: Path) -> int:
        kills = self._kills[mutant.function]
        tests = sorted(
            self._reaches[mutant.function], key=lambda name: (-kills[name], self._seconds[name])
        )
        child = os.fork()
        if child:
            return child
        with in_child(self._scratch, mutant.name):
            for name, after in zip(tests, [*tests[1:], None], strict=True):
                bound_cpu(process_time() + 2 + 5 * self._seconds[name])
                if not passes(self._items[name], self._items[after] if after else None):
                    killer.write_text(name)
                    os._exit(KILLED)
        os._exit(SURVIVED)

    def _reap(self, running: dict[int, tuple[Mutant, Path]]) -> int:
        child, status = os.waitpid(-1, 0)
        mutant, killer = running.pop(child)
        shutil.rmtree(self._scratch / str(child), ignore_errors=True)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            # SIGXCPU: its time was up.
            code = TIMEOUT
        if killer.exists():
            self._kills[mutant.function][killer.read_text()] += 1
            killer.unlink()
        keep(mutant, code)
        return code


def keep(mutant: Mutant, code: int) -> None:
    """Remember a verdict."""
    kept, place = mutant.kept, mutant.kept.meta_path
    kept.exit_code_by_key[mutant.name] = code
    # Written aside, so that whoever stops us or looks on finds a whole file.
    kept.meta_path = place.with_suffix(".new")
    kept.save()
    kept.meta_path = kept.meta_path.replace(place)


def passes(item: pytest.Item, after: pytest.Item | None) -> bool:
    """Whether a test passes; what it shares with the one after it stays set up."""
    reports = runtestprotocol(item, log=False, nextitem=after)
    return not any(report.failed for report in reports)


def bound_cpu(seconds: float) -> None:
    """This process ends when it has used so much CPU time: a busy machine condemns nobody."""
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(seconds), resource.RLIM_INFINITY))


@contextmanager
def in_child(scratch: Path, mutant: str) -> Iterator[None]:
    """A fork in which one mutant is alive, its memory bounded; no exception leaves it."""
    try:
        mine = scratch / str(os.getpid())
        mine.mkdir()
        tempfile.tempdir = str(mine)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        set_mutant_under_test(mutant)
        yield
    except BaseException:  # noqa: BLE001  # no test failed, yet the run broke: a person must look
        os._exit(SUSPICIOUS)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed, by Python's hand."""
    out, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: PTH123, SIM115
    try:
        yield
    finally:
        sys.stdout.close()
        sys.stdout = out


def run(group: Group, names: Sequence[str], *, again: bool, jobs: int) -> None:
    """Try the mutants of a group that are not known to be killed, or all of them."""
    mutants = list(read_mutants(group, names))
    open_ones = [
        mutant
        for mutant in mutants
        if again or mutant.kept.exit_code_by_key[mutant.name] not in {KILLED, TIMEOUT}
    ]
    print(f"{len(mutants)} mutants, {len(mutants) - len(open_ones)} known to be killed")
    if not open_ones:
        return
    settings.register_profile(
        "mutants",
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
    )
    os.chdir(FOLDER)
    options = ["-q", "-p", "no:cacheprovider", "--tb=native", "--hypothesis-profile=mutants"]
    # hypothesis is imported by then.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    pytest.main([*options, "--rootdir=.", *group.tests], plugins=[Trial(open_ones, jobs)])
    os.chdir(ROOT)


def print_table() -> None:
    """How many mutants of each module were killed, by what is remembered."""
    rows: dict[str, Counter[int | None]] = defaultdict(Counter)
    for mutant in read_mutants(EVERYTHING, []):
        rows[str(mutant.kept.path)][mutant.kept.exit_code_by_key[mutant.name]] += 1
    print("| module | mutants | killed | never ended | survived | reached by no test | not run |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, row in [*sorted(rows.items()), ("all", sum(rows.values(), Counter()))]:
        not_run = row[None] + row[SUSPICIOUS]
        figures = (row.total(), row[KILLED], row[TIMEOUT], row[SURVIVED], row[NO_TESTS], not_run)
        print(f"| `{name}` | {' | '.join(str(figure) for figure in figures)} |")


def print_open(group: Group, names: Sequence[str]) -> None:
    """Every mutant that no test has killed, and the lines it changes."""
    for mutant in read_mutants(group, names):
        if mutant.kept.exit_code_by_key[mutant.name] in {SURVIVED, NO_TESTS, SUSPICIOUS}:
            diff = get_diff_for_mutant(mutant.name, path=mutant.kept.path)
            changed = [line for line in diff.splitlines()[3:] if line[:1] in {"-", "+"}]
            print(mutant.name, *changed, sep="\n")


def main() -> None:
    """Makes the mutants and tries them, or tells what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("group", nargs="?", choices=sorted(GROUPS))
    parser.add_argument("names", nargs="*", help="patterns of mutants' names")
    parser.add_argument("--again", action="store_true", help="those already killed as well")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--table", action="store_true", help="only print how many were killed")
    parser.add_argument("--open", action="store_true", help="only print those that were not")
    asked = parser.parse_args()
    os.chdir(ROOT)
    config()
    if asked.table:
        print_table()
    elif asked.open:
        print_open(GROUPS[asked.group] if asked.group else EVERYTHING, asked.names)
    else:
        make_mutants()
        # One process each: what a group's tests import must not be there for the next.
        for name in [asked.group] if asked.group else GROUPS:
            child = os.fork()
            if child == 0:
                run(GROUPS[name], asked.names, again=asked.again, jobs=asked.jobs)
                sys.stdout.flush()
                os._exit(0)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
