"""The audit follows the copy: the same findings in any grouping and after any crash."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from creditchain.events.membership import MemberWithdrawn
from regulator.audit import AUDIT_RULES, BadPack, parse_pack
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.auditing import auditing, read_pack
from regulator.auditor import Auditor
from regulator.cli import app
from regulator.config import GENESIS_NAME, make_observer
from regulator.database import OBSERVER_NAME
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.lies import TOLD
from tests.unit.regulator.observing import observing

PACK = read_pack(None)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A folder with the copy of a log on which orders were let through without a consent."""
    folder = tmp_path_factory.mktemp("copy")
    consortium = Consortium(5)
    consortium.play(300)
    [lie] = [lie for lie in TOLD if lie.tell.__name__ == "skip_the_law"]
    for _ in range(3):
        lie.tell(consortium)
    consortium.play(300)
    consortium.log.publish()

    async def follow() -> None:
        async with observing(folder, consortium, HonestFeed(consortium.log)) as observer:
            await observer.follower.once()

    asyncio.run(follow())
    (folder / GENESIS_NAME).write_bytes(consortium.genesis)
    return folder


@pytest.fixture
def folder(copy: Path, tmp_path: Path) -> Path:
    shutil.copytree(copy, tmp_path / "observer")
    return tmp_path / "observer"


def audit_all(folder: Path, steps: list[int] | None = None) -> list[bytes]:
    """Audit to the end, in groups that end at `steps`; the findings as stored."""
    store = AuditStore(folder / AUDIT_NAME)
    auditor = Auditor(folder / OBSERVER_NAME, store, parse_pack(PACK, AUDIT_RULES), PACK)
    for until in [*(steps or []), auditor.copied()]:
        while auditor.progress.size < until:
            auditor.advance(until)
    auditor.close()
    store.close()
    return stored(folder)


def stored(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / AUDIT_NAME) as connection:
        rows = connection.execute("SELECT json FROM finding ORDER BY seq").fetchall()
    return [row[0].encode() for row in rows]


def codes(findings: list[bytes]) -> list[str]:
    return [json.loads(one)["code"] for one in findings]


def test_what_the_law_let_through_the_audit_finds(folder: Path):
    assert codes(audit_all(folder)).count("C01") == 3


def test_findings_do_not_depend_on_how_entries_are_grouped(folder: Path, tmp_path: Path):
    whole = audit_all(folder)
    (tmp_path / "again").mkdir()
    shutil.copy(folder / OBSERVER_NAME, tmp_path / "again")
    assert audit_all(tmp_path / "again", list(range(1, 600, 7))) == whole


def test_a_group_that_fails_leaves_the_audit_where_it_stood(folder: Path, monkeypatch):
    whole = audit_all(folder)
    (folder / AUDIT_NAME).unlink()
    store = AuditStore(folder / AUDIT_NAME)
    auditor = Auditor(folder / OBSERVER_NAME, store, parse_pack(PACK, AUDIT_RULES), PACK)
    auditor.advance(250)
    save = AuditStore.save

    def full(*arguments, **named) -> None:
        save(*arguments, **named)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(AuditStore, "save", full)
    with pytest.raises(sqlite3.OperationalError):
        auditor.advance()
    assert auditor.progress.size == 250
    monkeypatch.undo()
    while auditor.progress.size < auditor.copied():
        auditor.advance()
    assert stored(folder) == whole


@pytest.mark.parametrize("forged", [True, False])
def test_forged_entries_take_no_effect_and_signed_ones_do(forged: bool, tmp_path: Path):
    consortium = Consortium(7)
    consortium.enrol()
    if forged:
        for name in ("forge_a_member", "invent_a_key", "log_nonsense", "log_a_strange_entry"):
            [lie] = [lie for lie in TOLD if lie.tell.__name__ == name]
            lie.tell(consortium)
    else:
        left = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"))
        consortium.log.append(consortium.at, left.body)
    consortium.play(60)
    consortium.log.publish()

    async def follow() -> None:
        async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
            await observer.follower.once()

    asyncio.run(follow())
    assert ("M01" in codes(audit_all(tmp_path))) is not forged


def test_another_pack_begins_the_audit_again_and_keeps_what_was_found(folder: Path):
    first = audit_all(folder)
    other = PACK.replace(b'version = "2026.1"', b'version = "2026.2"')
    store = AuditStore(folder / AUDIT_NAME)
    auditor = Auditor(folder / OBSERVER_NAME, store, parse_pack(other, AUDIT_RULES), other)
    assert auditor.progress.size == 0
    while auditor.progress.size < auditor.copied():
        auditor.advance()
    store.close()
    both = stored(folder)
    assert both[: len(first)] == first
    ids = [json.loads(one)["id"] for one in both]
    assert ids[: len(first)] == ids[len(first) :], "a finding keeps its id under another pack"


def test_a_store_of_another_version_is_made_anew(folder: Path):
    whole = audit_all(folder)
    with sqlite3.connect(folder / AUDIT_NAME) as connection:
        connection.execute("PRAGMA user_version=99")
        connection.execute("DROP TABLE fact")
    assert audit_all(folder) == whole


def test_the_command_prints_the_same_bytes_and_only_the_entries_asked_for(folder: Path):
    whole = audit_all(folder)
    make_observer(folder, "observer.example")
    runner = CliRunner()
    run = runner.invoke(app, ["audit", "--data", str(folder), "--json"])
    assert (run.exit_code, run.stdout.encode().splitlines()) == (1, whole)
    middle = json.loads(whole[1])["index"]
    arguments = ["audit", "--data", str(folder), "--json", "--from", str(middle)]
    run = runner.invoke(app, [*arguments, "--to", str(middle + 1)])
    assert {json.loads(line)["index"] for line in run.stdout.splitlines()} == {middle}
    assert not list(folder.glob(".audit-*"))


def test_a_malformed_pack_is_refused_with_line_and_reason(folder: Path):
    make_observer(folder, "observer.example")
    bad = folder / "bad.toml"
    bad.write_bytes(PACK.replace(b"duty_weekdays = [1, 2, 3, 4, 5]", b"duty_weekdays = [8]"))
    line = bad.read_text().splitlines().index("duty_weekdays = [8]") + 1
    run = CliRunner().invoke(app, ["audit", "--data", str(folder), "--pack", str(bad)])
    assert run.exit_code == 2
    assert f"line {line}: duty_weekdays" in run.stderr


async def test_the_process_audits_survives_a_kill_and_takes_up_a_new_pack(folder: Path):
    pack = folder / "pack.toml"
    pack.write_bytes(PACK)
    with sqlite3.connect(folder / OBSERVER_NAME) as connection:
        (size,) = connection.execute("SELECT size FROM copy").fetchone()
    async with auditing(folder, pack) as audit:
        assert await audit.audited(size, 30)
        assert audit.state.pack == "cn-enterprise@2026.1"
        process = audit._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        state = await asyncio.wait_for(audit.changed(audit.state), 30)
        assert state.problem == "the auditor ended"
        state = await asyncio.wait_for(audit.changed(state), 30)
        assert (state.size, state.problem) == (size, "")
        # A pack that is malformed is told and not taken; one that is fit is.
        pack.write_bytes(PACK.replace(b"cap_percent", b"cap_percents", 1))
        audit.wake()
        state = await asyncio.wait_for(audit.changed(state), 30)
        assert state.pack == "cn-enterprise@2026.1"
        assert "unknown name cap_percents" in state.problem
        # Nor is one that says something else under the name of the one in force.
        pack.write_bytes(PACK.replace(b"times = 4", b"times = 5"))
        audit.wake()
        while "cn-enterprise@2026.1 says something else" not in state.problem:
            state = await asyncio.wait_for(audit.changed(state), 30)
        pack.write_bytes(PACK.replace(b'version = "2026.1"', b'version = "2026.2"'))
        audit.wake()
        while state.pack != "cn-enterprise@2026.2" or state.size < size:
            state = await asyncio.wait_for(audit.changed(state), 30)
        assert state.problem == ""
    assert len(stored(folder)) == 2 * len(set(codes_and_ids(folder)))


def delete_store(folder: Path) -> None:
    for path in folder.glob(f"{AUDIT_NAME}*"):
        path.unlink()


async def test_a_store_deleted_under_the_process_is_made_anew(folder: Path):
    with sqlite3.connect(folder / OBSERVER_NAME) as connection:
        (size,) = connection.execute("SELECT size FROM copy").fetchone()
    async with auditing(folder) as audit:
        assert await audit.audited(size, 30)
        before = stored(folder)
        delete_store(folder)
        audit.wake()
        state = await asyncio.wait_for(audit.changed(audit.state), 30)
        assert state.problem == "the auditor ended"
        while state.problem or state.size < size:
            state = await asyncio.wait_for(audit.changed(state), 30)
    assert stored(folder) == before


def codes_and_ids(folder: Path) -> list[tuple[str, str]]:
    return [(one["code"], one["id"]) for one in map(json.loads, stored(folder))]


async def test_a_pack_that_was_never_fit_is_said_and_nothing_is_audited(folder: Path):
    pack = folder / "pack.toml"
    pack.write_bytes(b"name = ")
    async with auditing(folder, pack) as audit:
        state = await asyncio.wait_for(audit.changed(audit.state), 30)
        assert state.size == 0
        assert "line 1" in state.problem


def test_the_pack_that_ships_parses_and_names_every_rule():
    pack = parse_pack(PACK, AUDIT_RULES)
    assert all(pack.runs(rule.code) for rule in AUDIT_RULES)
    with pytest.raises(BadPack, match="is missing"):
        parse_pack(PACK.partition(b"[enterprise.L09]")[0], AUDIT_RULES)
