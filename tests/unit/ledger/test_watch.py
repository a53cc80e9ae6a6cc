"""Whoever waits for a number is woken when it is passed, whichever thread passes it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from creditchain.ledger.watch import Watch


async def test_a_mark_already_passed_waits_for_nobody():
    assert await Watch(5).beyond(4) == 5


async def test_waiters_wake_at_their_own_marks():
    watch = Watch(0)
    waiting = [asyncio.create_task(watch.beyond(mark)) for mark in (0, 1, 5)]
    await asyncio.sleep(0)
    watch.advance(2)
    assert await waiting[0] == await waiting[1] == 2
    assert not waiting[2].done()
    watch.advance(5)
    await asyncio.sleep(0)
    assert not waiting[2].done()
    watch.advance(6)
    assert await waiting[2] == 6


async def test_the_number_never_goes_back():
    watch = Watch(3)
    watch.advance(2)
    assert watch.value == 3


async def test_who_gives_up_is_forgotten():
    watch = Watch(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await watch.beyond(0)
    assert watch._waiting == {}
    watch.advance(1)


async def test_another_thread_wakes_a_coroutine():
    watch = Watch(0)
    threading.Timer(0.01, watch.advance, [1]).start()
    assert await asyncio.wait_for(watch.beyond(0), 5) == 1


def test_a_closed_loop_does_not_disturb_the_others():
    watch = Watch(0)
    loop = asyncio.new_event_loop()
    task = loop.create_task(watch.beyond(0))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    watch.advance(1)
    assert watch.value == 1
    task._log_destroy_pending = False
