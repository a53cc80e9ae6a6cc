"""Opening packages on every core: the only expensive step, and the only one that order lets apart.

Raw bundles go out, compact judgements come back. Each process keeps the keys it has met, by
thumbprint; the keys that a package needs are sent along, in case it has not. Few bodies are opened
here and now: sending them would take longer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from creditchain.events import PublicKey
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.tile import BadBundle, parse_bundle
from regulator.replay import Opened, open_package

KEYS_REMEMBERED: Final = 16_384
"""Per process; more than the query users of the largest known chain (14,700)."""

HERE_MAX: Final = 24
"""Up to so many bodies are opened in this process, about 5 ms: a fresh checkpoint must not wait."""


class KeysAtHand(OrderedDict[str, PublicKey]):
    """Public keys by thumbprint; the oldest are forgotten first."""

    def __setitem__(self, kid: str, key: PublicKey) -> None:
        super().__setitem__(kid, key)
        if len(self) > KEYS_REMEMBERED:
            self.popitem(last=False)


class BadPackage(ValueError):
    """The bytes are no bundle of the expected width; `what` says of entries or of bodies."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(f"{what}: {detail}")
        self.what = what
        self.detail = detail


Parts = tuple[list[bytes], list[bytes], bytes]
"""Entries, bodies (empty: not served) and the joined leaf hashes of the entries."""


def split(entries: bytes, bodies: bytes, width: int, skip: int) -> Parts:
    """The parts of two bundles of `width`, without their first `skip`; raises `BadPackage`.

    The leaf hashes are those of all `width` entries.
    """
    try:
        all_entries = parse_bundle(entries, width)
    except BadBundle as error:
        raise BadPackage("entries", str(error)) from None
    try:
        all_bodies = parse_bundle(bodies, width, allow_empty=True)
    except BadBundle as error:
        raise BadPackage("bodies", str(error)) from None
    return all_entries[skip:], all_bodies[skip:], b"".join(leaf_hashes_of(all_entries))


class Openers:
    """Opens packages in `processes` processes (None: one for each core, 0: here).

    The processes start with the first package that is worth it and are replaced when one dies.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._processes = (os.cpu_count() or 1) if processes is None else processes
        self._pool: ProcessPoolExecutor | None = None
        self._keys = KeysAtHand()

    @property
    def processes(self) -> int:
        """How many processes open packages when there is much to do."""
        return self._processes

    def close(self) -> None:
        """Stop the processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    async def open(
        self, entries: Sequence[bytes], bodies: Sequence[bytes], keys: dict[str, PublicKey]
    ) -> list[Opened]:
        """What `replay.open_package` says of these, with `keys` at hand."""
        if self._processes == 0 or len(bodies) <= HERE_MAX:
            self._keys.update(keys)
            return await asyncio.to_thread(open_package, entries, bodies, self._keys)
        loop = asyncio.get_running_loop()
        for attempt in (1, 2):
            pool = self._pool
            if pool is None:
                pool = self._pool = self._start()
            try:
                rows = await loop.run_in_executor(pool, _open_there, entries, bodies, keys)
                return [Opened._make(row) for row in rows]
            except BrokenProcessPool:
                # A process was killed (out of memory, an operator): its work is done again, once.
                if self._pool is pool:
                    pool.shutdown(wait=False, cancel_futures=True)
                    self._pool = None
                if attempt == 2:
                    raise
        raise AssertionError("the second attempt answers or raises")

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._processes,
            # Never fork: this process has threads, sockets and a database open.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
        )


_keys_there: Final = KeysAtHand()


def _begin() -> None:
    """In a new process: interrupts are for the parent to handle, and its end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # The queue of a parent that was killed never closes: we would wait at it for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _open_there(
    entries: Sequence[bytes], bodies: Sequence[bytes], keys: dict[str, PublicKey]
) -> list[tuple[Any, ...]]:
    _keys_there.update(keys)
    # Plain tuples cross between processes in half the time of named ones.
    return [tuple(opened) for opened in open_package(entries, bodies, _keys_there)]
