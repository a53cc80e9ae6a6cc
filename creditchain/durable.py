"""Making what was written durable: after a power loss it is there, under its name."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """The bytes of a file, or the names in a folder, are on the disk when this returns.

    A new or renamed file needs both. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
