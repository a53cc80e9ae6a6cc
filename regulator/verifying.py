"""What runs in the processes that verify signatures, and as little else as can be.

They start anew for each observer, and all they import they import each time.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence

from creditchain.events.key import PublicKey

KeyFields = tuple[str, str, str | None]
"""The fields of a public key: of plain values, pickle makes a tenth of the work."""


def begin() -> None:
    """In a new process: interrupts are for the parent to handle, and its end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # The queue of a parent that was killed never closes: we would wait at it for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def verify(
    keys: Sequence[KeyFields],
    numbers: Sequence[int],
    signatures: Sequence[bytes],
    messages: Sequence[bytes],
) -> bytes:
    """One byte for each signature: 1 if the key of that number made it over the message, else 0."""
    known = [PublicKey(*key) for key in keys]
    return bytes(
        known[number].verifies(signature, message)
        for number, signature, message in zip(numbers, signatures, messages, strict=True)
    )
