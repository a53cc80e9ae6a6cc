"""Opening packages, their signatures verified on every core: two thirds of all the work.

Everything else is done in this process, because sending an event costs more than reading it. Keys,
signatures and messages go out, one byte for each comes back. Few signatures are verified here and
now: sending them would take longer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from creditchain.events import PublicKey
from creditchain.seal import Claim
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.tile import BadBundle, parse_bundle
from regulator.replay import Keys, Opened, open_package, read_package
from regulator.verifying import KeyFields, begin, verify

KEYS_REMEMBERED: Final = 16_384
"""Per process; more than the query users of the largest known chain (14,700)."""

HERE_MAX: Final = 24
"""Up to so many bodies are opened in this process, about 5 ms: a fresh checkpoint must not wait."""


class KeysAtHand:
    """Public keys by thumbprint, the oldest forgotten first; what is not here, `read` may know.

    `read(owner, kid)` asks a store. Several threads may use one.
    """

    def __init__(self, read: Callable[[str, str], PublicKey | None] | None = None) -> None:
        self._read = read
        self._keys: OrderedDict[str, PublicKey] = OrderedDict()

    def find(self, owner: str, kid: str) -> PublicKey | None:
        """The key of this thumbprint, None where it is not known."""
        key = self._keys.get(kid)
        if key is None and self._read is not None:
            key = self._read(owner, kid)
            if key is not None:
                self.learn(key)
        return key

    def learn(self, key: PublicKey) -> None:
        """Remember a key."""
        self._keys[key.kid] = key
        if len(self._keys) > KEYS_REMEMBERED:
            self._keys.popitem(last=False)


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
        self, entries: Sequence[bytes], bodies: Sequence[bytes], keys: Keys
    ) -> list[Opened]:
        """What `replay.open_package` says of these."""
        if self._processes == 0 or len(bodies) <= HERE_MAX:
            return await asyncio.to_thread(open_package, entries, bodies, keys)
        read = await asyncio.to_thread(read_package, entries, bodies, keys)
        verdicts = iter(await self._verify([claim for _, claim in read if claim is not None]))
        return [
            opened if claim is None or next(verdicts) else opened.forged() for opened, claim in read
        ]

    async def _verify(self, claims: Sequence[Claim]) -> bytes:
        """One byte for each claim: 1 if it holds, else 0."""
        known: dict[KeyFields, int] = {}
        numbers = [known.setdefault((k.alg, k.x, k.y), len(known)) for _, _, k, _, _ in claims]
        signatures = [claim.signature for claim in claims]
        messages = [claim.message for claim in claims]
        loop = asyncio.get_running_loop()
        for attempt in (1, 2):
            pool = self._pool
            if pool is None:
                pool = self._pool = self._start()
            try:
                return await loop.run_in_executor(
                    pool, verify, list(known), numbers, signatures, messages
                )
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
            initializer=begin,
        )
