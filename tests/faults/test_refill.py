"""A hub that lost the end of its log gets it back from the observer's copy."""

from __future__ import annotations

import asyncio
import io
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from creditchain.ledger import Ledger, LedgerRefused, refill
from creditchain.ledger.ledger import REGISTER_NAME
from creditchain.ledger.machine import Machine
from creditchain.ledger.register import HeadRegister
from creditchain.ledger.tables import metadata
from creditchain.tlog.checkpoint import Checkpoint, sign_checkpoint
from creditchain.tlog.extract import MAGIC, ExtractReader, write_extract
from creditchain.tlog.note import Signer
from regulator.database import OBSERVER_NAME, open_database
from regulator.observer import open_observer, read_genesis
from regulator.reading import NothingToExport, export
from tests.contract import town
from tests.faults.ledger_feed import LedgerFeed


@dataclass
class Loss:
    """A ledger at `path` restored from a copy of `old` entries, once of `new`."""

    path: Path
    newest: Path  # the database as it was
    old: int
    new: int
    receipts: list[str]
    file: bytes  # the observer's export from `old` on

    def refill(self, file: bytes | None = None) -> tuple[int, int, bool]:
        done = refill(self.path, town.KEYS, io.BytesIO(self.file if file is None else file))
        return done.before, done.size, done.registered

    def rewritten(self, *, start: int | None = None, note: str | None = None) -> bytes:
        """The file with another head."""
        reader = ExtractReader(io.BytesIO(self.file))
        out = io.BytesIO()
        pairs = list(reader.pairs(self.new))
        first = reader.start if start is None else start
        write_extract(out, first, note or reader.note, pairs[first - reader.start :])
        return out.getvalue()


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything in a database; cosignatures are asked for anew."""
    connection = sqlite3.connect(path)
    try:
        return {
            table: sorted(connection.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr)
            for table in metadata.tables
            if table != "cosignature"
        }
    finally:
        connection.close()


def lose(folder: Path, *, erased_in_gap: bool = False) -> Loss:
    """Plays a history, mirrors it by a real observer, and puts an older copy back."""
    path = town.settled(folder)
    copy, newest = folder / "copy.db", folder / "newest.db"

    async def play() -> tuple[int, int, list[str], bytes]:
        ledger = Ledger.open(path, town.KEYS)
        first = town.order()
        [ordered] = town.admitted(await ledger.submit([first]))
        [accepted] = town.admitted(await ledger.submit([town.accept(first.event.id)]))
        old = ledger.head().size
        ledger.close()
        shutil.copy(path, copy)
        ledger = Ledger.open(path, town.KEYS)
        try:
            orders = town.orders(260)
            for start in range(0, len(orders), 100):
                town.admitted(await ledger.submit(orders[start : start + 100]))
            accept = town.accept(orders[0].event.id)
            [last] = town.admitted(await ledger.submit([accept]))
            gone = (last.index, accept.commitment) if erased_in_gap else None
            index, commitment = gone or (ordered.index, first.commitment)
            town.admitted(await ledger.submit([town.erase(index, commitment)]))
            town.admitted(await ledger.submit(town.orders(3)))
            assert accepted.index == old - 1
            head = ledger.head()
            receipts = [ledger.receipt(index).proof for index in range(head.size)]  # type: ignore[union-attr]
            return old, head.size, receipts, await mirror(ledger, folder, old)
        finally:
            ledger.close()

    old, new, receipts, file = asyncio.run(play())
    shutil.copy(path, newest)
    shutil.copy(copy, path)
    return Loss(path, newest, old, new, receipts, file)


async def mirror(ledger: Ledger, folder: Path, start: int) -> bytes:
    """What a real observer exports of this ledger."""
    observer = folder / "observer"
    observer.mkdir()
    body = ledger.body(0)
    assert body is not None
    signers = {"witness": town.WITNESS, "mirror": town.MIRROR}
    out = io.BytesIO()
    async with open_observer(
        observer, read_genesis(body), signers, LedgerFeed(ledger), processes=0
    ) as watching:
        await watching.follower.once()
    with open_database(observer / OBSERVER_NAME, readers=True) as engine:
        assert export(engine, start, out)[0] == ledger.head().size
        with pytest.raises(NothingToExport):
            export(engine, ledger.head().size, io.BytesIO())
    return out.getvalue()


@pytest.fixture(scope="module")
def kept_loss(tmp_path_factory: pytest.TempPathFactory) -> Loss:
    return lose(tmp_path_factory.mktemp("loss"))


@pytest.fixture
def loss(kept_loss: Loss, tmp_path: Path) -> Loss:
    """The lost ledger, in a folder of its own for each test."""
    for name in (town.DATABASE, REGISTER_NAME):
        shutil.copy(kept_loss.path.with_name(name), tmp_path / name)
    return Loss(
        tmp_path / town.DATABASE,
        kept_loss.newest,
        kept_loss.old,
        kept_loss.new,
        kept_loss.receipts,
        kept_loss.file,
    )


def test_a_restored_database_gets_back_everything_as_it_was(loss: Loss):
    with pytest.raises(LedgerRefused, match=f"regulator export --from {loss.old}"):
        Ledger.open(loss.path, town.KEYS)
    assert loss.refill() == (loss.old, loss.new, True)
    assert rows_of(loss.path) == rows_of(loss.newest)
    ledger = Ledger.open(loss.path, town.KEYS)
    try:
        got = [ledger.receipt(index) for index in range(loss.new)]
        assert [receipt.proof for receipt in got if receipt] == loss.receipts
        town.check(town.admitted(asyncio.run(ledger.submit(town.orders(2))))[1])
        assert ledger.head().size == loss.new + 2
    finally:
        ledger.close()
    # What the log has grown beyond the file does no harm: it is the same history.
    assert loss.refill() == (loss.new + 2, loss.new + 2, True)


@pytest.mark.parametrize("place", ["execute", "commit"])
def test_a_run_that_was_cut_short_is_run_again(
    place: str, loss: Loss, monkeypatch: pytest.MonkeyPatch
):
    honest = getattr(Machine, place)
    calls = []

    def fails(self: Machine, *arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise OSError("the power is gone")
        return honest(self, *arguments)

    monkeypatch.setattr(Machine, place, fails)
    with pytest.raises(OSError, match="power"):
        loss.refill()
    with pytest.raises(LedgerRefused, match="older copy"):
        Ledger.open(loss.path, town.KEYS)
    before, size, registered = loss.refill()
    assert loss.old < before < size == loss.new
    assert registered
    assert rows_of(loss.path) == rows_of(loss.newest)


def test_without_a_register_it_stays_missing_until_it_is_renewed(loss: Loss):
    loss.path.with_name(REGISTER_NAME).unlink()
    with pytest.raises(LedgerRefused, match="creditchain hub recover"):
        Ledger.renew_register(loss.path, town.KEYS, loss.new)
    assert loss.refill() == (loss.old, loss.new, False)
    Ledger.renew_register(loss.path, town.KEYS, loss.new)
    Ledger.open(loss.path, town.KEYS).close()


def unfit_files(loss: Loss) -> dict[str, tuple[bytes, str]]:
    """Files that do not fit, and what is said of them."""
    note = ExtractReader(io.BytesIO(loss.file)).note
    middle = len(loss.file) // 2
    changed = loss.file[:middle] + bytes([loss.file[middle] ^ 1]) + loss.file[middle + 1 :]
    stranger = Signer(town.ORIGIN, bytes([9] * 32))
    other = sign_checkpoint(Checkpoint(town.ORIGIN, loss.new, bytes(32)), town.LOG)
    theirs = sign_checkpoint(Checkpoint(town.ORIGIN, loss.new, bytes(32)), stranger)
    fewer = sign_checkpoint(Checkpoint(town.ORIGIN, loss.old, bytes(32)), town.LOG)
    head = MAGIC + loss.old.to_bytes(8)
    return {
        "nothing": (b"", "does not begin"),
        "cut short": (loss.file[:-1], "cut short"),
        "too long": (loss.file + b"x", "after its last entry"),
        "a giant head": (head + b"\xff" * 4, "numbers that no log has"),
        "not a note": (head + (3).to_bytes(4) + b"abc", "not by this hub's log key"),
        "changed": (changed, "the body of entry|do not lead|is none|cut short|has another root"),
        "of another key": (loss.rewritten(note=theirs), "not by this hub's log key"),
        "another root": (loss.rewritten(note=other), "do not lead to the root"),
        "too late": (loss.rewritten(start=loss.old + 1), f"export from {loss.old}"),
        "too early": (
            head + len(fewer.encode()).to_bytes(4) + fewer.encode(),
            f"already signed {loss.new}",
        ),
        "of another place": (
            MAGIC + (1).to_bytes(8) + loss.rewritten()[len(MAGIC) + 8 :],
            "entry 1 of the file is not the one|after its last entry|cut short",
        ),
        "the note alone": (head + len(note.encode()).to_bytes(4) + note.encode(), "cut short"),
    }


def test_a_file_that_does_not_fit_changes_nothing(loss: Loss):
    before = rows_of(loss.path)
    for name, (file, says) in unfit_files(loss).items():
        with pytest.raises(LedgerRefused, match=says):
            loss.refill(file)
        assert rows_of(loss.path) == before, name
    assert loss.refill()[1] == loss.new


def test_a_register_of_another_history_stops_it(loss: Loss):
    register = loss.path.with_name(REGISTER_NAME)
    for size in (loss.old, loss.old + 50, loss.new):
        note = sign_checkpoint(Checkpoint(town.ORIGIN, size, bytes(32)), town.LOG)
        HeadRegister.create(register, note)
        with pytest.raises(LedgerRefused, match="has another root"):
            loss.refill()


def test_a_hub_that_has_the_file_open_is_not_disturbed(loss: Loss):
    loss.refill()
    ledger = Ledger.open(loss.path, town.KEYS)
    try:
        with pytest.raises(LedgerRefused, match="another hub has"):
            loss.refill()
    finally:
        ledger.close()


def test_a_body_erased_in_the_gap_is_said_to_be_unknown(tmp_path: Path):
    loss = lose(tmp_path, erased_in_gap=True)
    before = rows_of(loss.path)
    says = r"no body for entry \d+ \(erased by entry \d+\).* cannot be known"
    with pytest.raises(LedgerRefused, match=says):
        loss.refill()
    assert rows_of(loss.path) == before
