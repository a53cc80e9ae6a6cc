"""A disk that can be filled up and freed while a process writes on it.

Best a small file system of its own, mounted over the folder: then the process meets what it would
meet on a full disk. Where mounting is not allowed, a limit on the size of every file the process
writes: the same refusal to grow, by another error of the kernel.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fixtures.demo.stage import Process

DISK_MB: Final = 48
"""Room for the databases of the tests many times over, and little enough to fill in no time."""

REGISTER_BYTES: Final = 8_192
"""The hub's head register is laid out in full: like on a full disk it can still be written."""

_OURS: Final = 0
"""To the kernel, the process that asks."""


class SmallDisk(ABC):
    """The disk under a folder; `close` when no process writes there any more."""

    @abstractmethod
    def fill(self, process: Process) -> None:
        """Takes all the space that is left from the process."""

    @abstractmethod
    def free(self, process: Process) -> None:
        """Gives the space back."""

    @contextmanager
    def full(self, process: Process) -> Iterator[None]:
        """The disk is full meanwhile."""
        self.fill(process)
        try:
            yield
        finally:
            self.free(process)

    @abstractmethod
    def close(self) -> None:
        """Puts the folder back."""


class MountedDisk(SmallDisk):
    """A file system in memory, mounted over the folder with what was in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        kept = folder.with_name(f"{folder.name}.kept")
        shutil.copytree(folder, kept)
        options = f"size={DISK_MB}m,mode=0700"
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
        shutil.copytree(kept, folder, dirs_exist_ok=True)

    def fill(self, process: Process) -> None:
        """Writes ballast, to the last byte."""
        del process
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while ballast.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self, process: Process) -> None:
        """Removes the ballast."""
        del process
        self._ballast.unlink()

    def close(self) -> None:
        """Unmounts it, with all that was written since."""
        _run("umount", str(self._folder))

    @property
    def _ballast(self) -> Path:
        return self._folder / "ballast"


class LimitedDisk(SmallDisk):
    """A limit on the size of the files that the process writes."""

    def fill(self, process: Process) -> None:
        """No file grows any more. What does not run yet inherits the limit from us."""
        _limit(process.pid if process.fault() is None else _OURS, REGISTER_BYTES)

    def free(self, process: Process) -> None:
        """Files grow again."""
        _limit(_OURS, resource.RLIM_INFINITY)
        if process.fault() is None:
            _limit(process.pid, resource.RLIM_INFINITY)

    def close(self) -> None:
        """The limit ends with the process."""


def small_disk(folder: Path) -> SmallDisk:
    """A small disk under a folder that no process uses yet."""
    if os.environ.get("SMALL_DISK") == "limited":
        return LimitedDisk()
    try:
        return MountedDisk(folder)
    except (OSError, subprocess.CalledProcessError):
        return LimitedDisk()


def _limit(pid: int, most: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, hard))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
