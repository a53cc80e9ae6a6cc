"""Running the auditor beside the observer, as a process of its own.

`python -m regulator.auditing FOLDER [--pack FILE]` audits the copy in FOLDER/observer.db into
FOLDER/audit.db until its standard input ends; a line on it means that the copy has grown. On
standard output it says how far it is, one JSON object a line. `Auditing` is the observer's end of
both pipes: it starts the process, wakes it, and starts it again when it dies.

A rule pack that is malformed is refused with its line and reason, and the one in force stays. The
file is looked at again whenever it changes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Final

import structlog

from creditchain.events import b64u
from creditchain.events.codes import Severity
from creditchain.logs import set_up_logs
from regulator.audit import AUDIT_RULES, AuditFinding, BadPack, Pack, parse_pack
from regulator.audit.pack import PACK_BYTES_MAX
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.auditor import Auditor
from regulator.database import OBSERVER_NAME, DatabaseUnusable

DEFAULT_PACK: Final = "cn-enterprise.toml"

POLL_SECONDS: Final = 1.0
"""How often to look without being woken, and whether the pack's file has changed."""

RESTART_SECONDS: Final = (0.5, 2.0, 10.0, 30.0)
STOP_SECONDS: Final = 10.0
"""A group under way is finished in well under a second."""

LINE_BYTES_MAX: Final = 65_536

_log = structlog.get_logger("regulator.auditing")


@dataclass(frozen=True, slots=True)
class AuditState:
    """How far the audit is: entries audited under `pack`, and what keeps it (empty: nothing).

    `root` is that of the tree audited, base64url; empty while a body of it is missing, and nothing
    may be said of the whole.
    """

    size: int = 0
    pack: str = ""
    problem: str = ""
    root: str = ""

    def to_json(self) -> dict[str, str | int]:
        """As the status tells it."""
        return {"size": self.size, "pack": self.pack, "problem": self.problem}


class Auditing:
    """The observer's end: what the auditor last said, and a way to wake it. Use `auditing`."""

    def __init__(self, folder: Path, pack: Path | None) -> None:
        self._command = [sys.executable, "-m", "regulator.auditing", str(folder)]
        if pack is not None:
            self._command += ["--pack", str(pack)]
        self._process: asyncio.subprocess.Process | None = None
        self._changed = asyncio.Condition()
        self.state = AuditState()

    def wake(self) -> None:
        """The copy has grown."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            with suppress(OSError):
                process.stdin.write(b"\n")

    async def audited(self, size: int, timeout_s: float) -> bool:
        """Wait until entries up to `size` are audited; whether they are in time."""
        self.wake()
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self.state.size >= size)
        except TimeoutError:
            return False
        return True

    async def changed(self, since: AuditState) -> AuditState:
        """Wait until the auditor says something else than `since`; what it says."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.state != since)
            return self.state

    async def run(self) -> None:
        """Keep the process running; only cancellation ends it, and the process with it."""
        failures = 0
        while True:
            began = time.monotonic()
            status = await self._run_once()
            failures = 0 if time.monotonic() - began > RESTART_SECONDS[-1] else failures + 1
            wait_s = RESTART_SECONDS[min(failures, len(RESTART_SECONDS)) - 1]
            _log.error("the auditor ended", status=status, again_in_s=wait_s)
            await self._take(replace(self.state, problem="the auditor ended"))
            await asyncio.sleep(wait_s)

    async def _run_once(self) -> int:
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
        )
        assert process.stdout is not None, "it is a pipe"
        try:
            async for line in process.stdout:
                await self._take(AuditState(**json.loads(line)))
            return await process.wait()
        finally:
            self._process = None
            await _end(process)

    async def _take(self, state: AuditState) -> None:
        async with self._changed:
            self.state = state
            self._changed.notify_all()


@asynccontextmanager
async def auditing(folder: Path, pack: Path | None = None) -> AsyncIterator[Auditing]:
    """The auditor of the copy in `folder`, running until the context ends."""
    one = Auditing(folder, pack)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process: its input ends, and if that is not enough, by a signal."""
    if process.returncode is not None:
        return
    assert process.stdin is not None, "it is a pipe"
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def read_pack(path: Path | None) -> bytes:
    """The bytes of a pack's file, or of the one that ships; raises `BadPack`."""
    if path is None:
        return files("regulator.packs").joinpath(DEFAULT_PACK).read_bytes()
    try:
        with path.open("rb") as file:
            return file.read(PACK_BYTES_MAX + 1)
    except OSError as error:
        raise BadPack(1, f"{path}: {error.strerror}") from None


class _Work:
    """The auditor's end: what the process does between two words of the observer."""

    def __init__(self, folder: Path, pack_path: Path | None) -> None:
        self._folder = folder
        self._pack_path = pack_path
        self._store = AuditStore(folder / AUDIT_NAME)
        self._in_force = b""
        self._problem = ""
        self._auditor: Auditor | None = None

    def look(self) -> Iterator[AuditState]:
        """Audit what there is; how far it is, after each group."""
        self._store.check_in_place()
        self._take_pack()
        auditor = self._auditor
        if auditor is None:
            yield AuditState(0, "", self._problem)
            return
        behind = True
        while behind:
            _announce(auditor.advance())
            progress = auditor.progress
            size, root = auditor.audited
            yield AuditState(size, progress.label, self._problem, b64u(root))
            behind = progress.size < auditor.copied()

    def _take_pack(self) -> None:
        """Put the pack in its file in force if it is another one and fit."""
        try:
            data = read_pack(self._pack_path)
            if self._auditor is not None and data == self._in_force:
                self._problem = ""
                return
            pack = parse_pack(data, AUDIT_RULES)
            self._check_label(pack.label, data)
            self._problem = ""
        except BadPack as error:
            self._refuse(error)
            # What was in force before we were started again stays so.
            before = self._in_force_before(b"")
            if self._auditor is not None or before is None:
                return
            data, pack = before
        if self._auditor is not None:
            self._auditor.close()
        self._auditor = Auditor(self._folder / OBSERVER_NAME, self._store, pack, data)
        self._in_force = data
        _log.info("the rule pack in force", pack=pack.label)

    def _check_label(self, label: str, data: bytes) -> None:
        """Findings cite a pack by its label, so what it says under that does not change."""
        if self._in_force_before(data) is not None and self._store.is_taken(label, data):
            line = data[: data.find(b"version")].count(b"\n") + 1
            raise BadPack(line, f"{label} says something else since; give it a new version")

    def _in_force_before(self, data: bytes) -> tuple[bytes, Pack] | None:
        """The pack under which the audit stands, if it is another and still fit for our rules."""
        stored = self._store.progress.pack
        if stored == data:
            return None
        try:
            return stored, parse_pack(stored, AUDIT_RULES)
        except BadPack:
            return None

    def _refuse(self, error: BadPack) -> None:
        problem = f"the rule pack is not taken: {error}"
        if problem != self._problem:
            _log.error("the rule pack is not taken", line=error.line, problem=error.problem)
        self._problem = problem


def _announce(found: Sequence[AuditFinding]) -> None:
    for finding in found:
        say = _log.error if finding.severity is Severity.HIGH else _log.warning
        say(
            "audit finding",
            code=finding.code,
            severity=finding.severity.value,
            index=finding.index,
            member=finding.member,
            certain=finding.certain,
        )


def main() -> int:
    """The auditor's process; the exit status."""
    parser = argparse.ArgumentParser(prog="regulator.auditing")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pack", type=Path)
    asked = parser.parse_args()
    # Interrupts are for the observer to handle; its end is the end of our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_up_logs("info")
    said: AuditState | None = None
    try:
        work = _Work(asked.folder, asked.pack)
        while True:
            for state in work.look():
                if state != said:
                    said = state
                    sys.stdout.write(json.dumps(asdict(state)) + "\n")
                    sys.stdout.flush()
            ready, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
            if ready and not os.read(sys.stdin.fileno(), LINE_BYTES_MAX):
                return 0
    except BrokenPipeError:
        return 0
    except (DatabaseUnusable, sqlite3.Error) as error:
        _log.error("the audit cannot go on", problem=str(error))
        return 4


if __name__ == "__main__":
    sys.exit(main())
