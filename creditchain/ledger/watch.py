"""A number that only grows, and coroutines that wait until it passes a mark."""

from __future__ import annotations

import asyncio
from threading import Lock


class Watch:
    """Advanced by the writer's thread, awaited on any event loop."""

    def __init__(self, value: int) -> None:
        self.value = value
        self._lock = Lock()
        self._waiting: dict[asyncio.Future[None], tuple[int, asyncio.AbstractEventLoop]] = {}

    def advance(self, value: int) -> None:
        """Raises the number and wakes whom it concerns; a smaller one changes nothing."""
        with self._lock:
            if value <= self.value:
                return
            self.value = value
            passed = [future for future, (mark, _) in self._waiting.items() if mark < value]
            woken: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
            for future in passed:
                _, loop = self._waiting.pop(future)
                woken.setdefault(loop, []).append(future)
        for loop, futures in woken.items():
            try:
                loop.call_soon_threadsafe(_resolve, futures)
            except RuntimeError:
                continue  # the loop is closed; nobody waits there any more

    async def beyond(self, mark: int) -> int:
        """Waits until the number is larger than `mark`; the number then."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._lock:
            if self.value > mark:
                return self.value
            self._waiting[future] = (mark, loop)
        try:
            await future
        finally:
            with self._lock:
                self._waiting.pop(future, None)
        return self.value


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
