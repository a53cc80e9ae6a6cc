"""kill -9 at every step of a commit: the answered is there, the rest can be asked again."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from creditchain.ledger import Ledger, LedgerRefused
from creditchain.seal import Sealed
from creditchain.tlog.merkle import Frontier, leaf_hashes_of
from creditchain.tlog.tile import parse_bundle
from tests.contract import town

ROOT = Path(__file__).parents[2]
STEPS = (
    "frozen", "executed", "begun", "entered", "written", "committed", "registered", "answered",
)  # fmt: skip
COUNT = 64


def start(
    folder: Path, items: list[Sealed], step: str = "none", passage: int = 0
) -> subprocess.Popen[bytes]:
    """Starts a hub on the folder's database that submits the items."""
    bodies = folder / "bodies"
    bodies.write_bytes(b"".join(item.body + b"\n" for item in items))
    arguments = [folder / town.DATABASE, bodies, folder / "journal", step, str(passage)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contract.crashing_hub", *map(str, arguments)], cwd=ROOT
    )


def read_journal(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Index and entry of each answered id."""
    journal = folder / "journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    told = {}
    for line in lines:
        id_, index, entry = line.split()
        told[id_] = (int(index), bytes.fromhex(entry))
    return told


def assert_nothing_is_lost_or_doubled(folder: Path, items: list[Sealed]) -> None:
    """Opens the ledger again, compares it with the journal, and submits everything once more."""
    told = read_journal(folder)
    ledger = Ledger.open(folder / town.DATABASE, town.KEYS)
    try:
        before = ledger.head().size
        for id_, (index, entry) in told.items():
            found, receipt = ledger.find(id_), ledger.receipt(index)
            assert found is not None
            assert receipt is not None
            assert (found[0], receipt.entry) == (index, entry)
        answers = town.admitted(asyncio.run(ledger.submit(items)))
        for item, answer in zip(items, answers, strict=True):
            town.check(answer)
            assert ledger.body(answer.index) == item.body
            if item.event.id in told:
                assert (answer.index, answer.entry) == told[item.event.id]
        head = ledger.head()
        assert head.size == town.SETTLED + len(items) >= before
        assert sorted(a.index for a in answers) == list(range(town.SETTLED, head.size))
        bundle = ledger.entry_bundle(0, head.size)
        assert bundle is not None
        leaves = leaf_hashes_of(parse_bundle(bundle, head.size))
        assert Frontier.empty().extend(leaves).root() == head.root
    finally:
        ledger.close()


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_of_a_commit(step: str, tmp_path: Path):
    town.settled(tmp_path)
    items = town.orders(COUNT)
    hub = start(tmp_path, items, step, 3)
    assert hub.wait(60) == -signal.SIGKILL
    assert len(read_journal(tmp_path)) < COUNT
    assert_nothing_is_lost_or_doubled(tmp_path, items)


def test_killed_at_any_moment_again_and_again(tmp_path: Path):
    town.settled(tmp_path)
    items = town.orders(COUNT)
    chance = random.Random(20260102)
    journal = tmp_path / "journal"
    for _ in range(2):
        hub = start(tmp_path, items)
        try:
            known = len(read_journal(tmp_path))
            deadline = time.monotonic() + 30
            while len(read_journal(tmp_path)) == known and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(chance.random() / 50)
        finally:
            hub.kill()
            hub.wait(60)
    assert journal.exists()
    assert_nothing_is_lost_or_doubled(tmp_path, items)


def test_a_frozen_hub_keeps_a_second_one_out(tmp_path: Path):
    town.settled(tmp_path)
    items = town.orders(COUNT)
    hub = start(tmp_path, items)
    try:
        deadline = time.monotonic() + 30
        while not read_journal(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.005)
        hub.send_signal(signal.SIGSTOP)
        with pytest.raises(LedgerRefused, match="another hub"):
            Ledger.open(tmp_path / town.DATABASE, town.KEYS)
        hub.send_signal(signal.SIGCONT)
        assert hub.wait(60) == 0
    finally:
        hub.kill()
        hub.wait(60)
    assert len(read_journal(tmp_path)) == COUNT
    assert_nothing_is_lost_or_doubled(tmp_path, items)
