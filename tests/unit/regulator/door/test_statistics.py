"""Figures are counted by one process at a time, rarely, and never waited for by two."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from creditchain.querying.failure import DoorError, ErrorCode
from regulator.door import statistics
from regulator.door.statistics import Statistics


def counting(script: str, clock: list[float] | None = None) -> Statistics:
    """Statistics whose counting process is this script."""
    times = clock or [0.0]
    counted = Statistics(Path("nowhere"), "UTC", lambda: times[0])
    counted._command = [sys.executable, "-c", script]
    return counted


def test_figures_are_kept_for_a_minute_and_ten_times_as_long_as_counting_took(
    monkeypatch: pytest.MonkeyPatch,
):
    clock = [0.0]
    counted = counting("", clock)
    sizes = iter(range(1, 100))

    def count(seconds: float) -> dict[str, int]:
        clock[0] += seconds
        return {"size": next(sizes)}

    monkeypatch.setattr(counted, "_count", lambda: count(1.0))
    assert counted.read() == {"size": 1}
    clock[0] += 59.0
    assert counted.read() == {"size": 1}
    clock[0] += 1.0
    monkeypatch.setattr(counted, "_count", lambda: count(30.0))
    assert counted.read() == {"size": 2}
    clock[0] += 299.0
    assert counted.read() == {"size": 2}
    clock[0] += 1.0
    assert counted.read() == {"size": 3}


def test_nobody_waits_for_another_count(monkeypatch: pytest.MonkeyPatch):
    clock = [0.0]
    counted = counting("", clock)
    under_way, go = threading.Event(), threading.Event()

    def slow() -> dict[str, int]:
        under_way.set()
        assert go.wait(20)
        return {"size": 7}

    monkeypatch.setattr(counted, "_count", slow)
    first = threading.Thread(target=counted.read)
    first.start()
    assert under_way.wait(20)
    with pytest.raises(DoorError, match="being counted"):
        counted.read()
    go.set()
    first.join()
    # The next time there are older figures, and they are given meanwhile.
    clock[0], _ = 1e9, (under_way.clear(), go.clear())
    second = threading.Thread(target=counted.read)
    second.start()
    assert under_way.wait(20)
    assert counted.read() == {"size": 7}
    go.set()
    second.join()


@pytest.mark.parametrize(
    "script", ["raise SystemExit(3)", "print('x' * 200)", "import time; time.sleep(60)"]
)
def test_a_count_that_fails_says_more_or_never_ends_is_unavailable(
    script: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(statistics, "STATISTICS_BYTES_MAX", 100)
    monkeypatch.setattr(statistics, "STATISTICS_SECONDS", 0.5)
    counted = counting(script)
    with pytest.raises(DoorError) as refused:
        counted.read()
    assert refused.value.code is ErrorCode.STATISTICS_UNAVAILABLE
    counted._command = [sys.executable, "-S", "-c", "print('{}')"]
    monkeypatch.setattr(statistics, "STATISTICS_SECONDS", 20.0)
    assert counted.read() == {}


def test_closing_ends_the_count_that_is_under_way():
    counted = counting("import time; print('x', flush=True); time.sleep(60)")
    failed: list[DoorError] = []

    def read() -> None:
        try:
            counted.read()
        except DoorError as error:
            failed.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    while counted._process is None:
        assert reading.is_alive()
    counted.close()
    reading.join(20)
    assert len(failed) == 1
