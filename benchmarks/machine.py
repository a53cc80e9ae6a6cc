"""What the kernel says of processes and of the machine: CPU time, memory, files."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
CORES: Final = len(os.sched_getaffinity(0))


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def peak_mib(pid: int) -> float:
    """The most memory a process has had resident so far, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has ended")


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


@contextmanager
def uncollected() -> Iterator[None]:
    """What this process holds now is no work for the garbage collector meanwhile.

    The load that waits to be sent, a million objects, would else be gone through again and again at
    the cost of what is measured. What is measured still pays for its own.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@dataclass(frozen=True, slots=True)
class Busy:
    """A moment: CPU seconds of the machine, of this process with those it waited for, and time."""

    machine_s: float
    own_s: float
    at_s: float

    @classmethod
    def now(cls) -> Busy:
        """This moment."""
        user, nice, system, _idle, _wait, irq, soft, *_ = map(
            int, Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
        )
        own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(
            (user + nice + system + irq + soft) / TICKS_PER_S,
            sum(usage.ru_utime + usage.ru_stime for usage in own),
            time.monotonic(),
        )

    def own_s_since(self) -> float:
        """CPU seconds of this process, and of those it has waited for, since."""
        return Busy.now().own_s - self.own_s

    def others_share(self, besides_s: float) -> float:
        """The share of the machine that others have used since, 0 to 1.

        `besides_s` are the CPU seconds of processes of ours that still run.
        """
        now = Busy.now()
        others = now.machine_s - self.machine_s - (now.own_s - self.own_s) - besides_s
        return max(0.0, others) / ((now.at_s - self.at_s) * CORES)


def file_system(path: Path) -> str:
    """The type of the file system that `path` lies on, and its device."""
    best, found = "", "unknown"
    place = str(path.absolute())
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        device, mount, kind, *_ = line.split()
        under = mount in {"/", place} or place.startswith(mount + os.sep)
        if under and len(mount) >= len(best):
            best, found = mount, f"{kind} on {device}"
    return found
