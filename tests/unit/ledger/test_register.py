"""The register survives every way of cutting a write short."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditchain.ledger import LedgerRefused
from creditchain.ledger.register import NOTE_BYTES_MAX, SLOT_BYTES, HeadRegister


@pytest.fixture
def path(tmp_path: Path) -> Path:
    HeadRegister.create(tmp_path / "head.register", "first\n")
    return tmp_path / "head.register"


def write(path: Path, *notes: str) -> None:
    """Writes notes as one hub after another would."""
    for note in notes:
        register = HeadRegister.open(path)
        register.write(note)
        assert register.note == note
        register.close()


def read(path: Path) -> str:
    register = HeadRegister.open(path)
    register.close()
    return register.note


def test_the_newest_note_is_read_back(path: Path):
    assert read(path) == "first\n"
    for number in range(20):
        write(path, f"note {number}\n")
        assert read(path) == f"note {number}\n"
    assert path.stat().st_size == 2 * SLOT_BYTES


def test_one_open_register_writes_many_times(path: Path):
    register = HeadRegister.open(path)
    for number in range(7):
        register.write(f"{number}\n")
    register.close()
    assert read(path) == "6\n"


def test_a_write_cut_anywhere_leaves_the_note_before(path: Path):
    write(path, "second\n", "third\n")
    before = path.read_bytes()
    write(path, "fourth\n")
    after = path.read_bytes()
    start = next(at for at in (0, SLOT_BYTES) if before[at : at + 100] != after[at : at + 100])
    for cut in range(120):
        torn = before[:start] + after[start : start + cut] + before[start + cut :]
        path.write_bytes(torn)
        assert read(path) in ({"third\n"} if torn != after else {"fourth\n"})


def test_every_flipped_byte_of_the_newest_slot_is_noticed(path: Path):
    write(path, "second\n")
    whole = path.read_bytes()
    end = SLOT_BYTES + len(whole[SLOT_BYTES:].rstrip(b"\0"))
    for at in range(SLOT_BYTES, end):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert read(path) == "first\n"


def test_a_register_without_a_whole_slot_is_refused(path: Path):
    for content in (b"", b"x", bytes(SLOT_BYTES), bytes(3 * SLOT_BYTES), path.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(LedgerRefused, match="damaged"):
            HeadRegister.open(path)


def test_a_note_of_the_largest_size_fits(path: Path):
    note = "x" * NOTE_BYTES_MAX
    write(path, note)
    assert read(path) == note
    with pytest.raises(AssertionError):
        HeadRegister.open(path).write(note + "x")


def test_creating_replaces_whole(path: Path):
    write(path, "a\n", "b\n")
    HeadRegister.create(path, "anew\n")
    assert read(path) == "anew\n"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_failed_write_does_not_move_the_register(path: Path, monkeypatch: pytest.MonkeyPatch):
    register = HeadRegister.open(path)
    monkeypatch.setattr("creditchain.ledger.register.os.pwrite", lambda *_: 17)
    with pytest.raises(OSError, match="in part"):
        register.write("second\n")
    monkeypatch.undo()
    assert register.note == "first\n"
    register.write("second\n")
    register.close()
    assert read(path) == "second\n"
