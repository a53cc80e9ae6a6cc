"""The regulator's commands, their words and their exit codes."""

import asyncio
import json
import logging
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
import structlog
from typer.testing import CliRunner

from creditchain.events.membership import MemberWithdrawn
from creditchain.rulebook import Refusal
from creditchain.tlog.cosignature import parse_cosigner_vkey
from regulator.check import check_copy
from regulator.cli import app
from regulator.config import (
    BadConfig,
    format_config,
    load_config,
    load_genesis,
    load_secrets,
    make_observer,
)
from regulator.finding import REPLAYED, Finding, FindingCode
from regulator.observer import read_genesis
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.http import hub_at
from tests.lying_hub.lies import another_history, skip_the_law
from tests.lying_hub.refusals import refuse
from tests.unit.regulator.observing import observing


def run(*arguments):
    """Exit code and output."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    # The runner's standard error, to which logs were sent, has ended with it.
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    return result.exit_code, result.output


def test_init_makes_keys_once_and_prints_policy_lines(tmp_path):
    genesis = tmp_path / "genesis"
    genesis.write_bytes(Consortium(1).genesis)
    folder = tmp_path / "observer"
    arguments = ("init", "--name", "observer.example", "--data", folder, "--genesis", genesis)
    code, first = run(*arguments)
    assert code == 0
    names = []
    for line in first.splitlines():
        if line.startswith("witness "):
            _, name, vkey, url = line.split()
            assert parse_cosigner_vkey(vkey).name == f"observer.example/{name}"
            assert url == f"http://127.0.0.1:8401/{name}"
            names.append(name)
    assert names == ["witness", "mirror", "audit"]
    assert run(*arguments) == (0, first)
    config = load_config(folder / "observer.toml")
    assert load_secrets(config).signers.keys() == {"witness", "mirror", "audit"}
    assert load_genesis(config).origin == "hub.example/log"
    for key in (folder / "keys").iterdir():
        assert key.stat().st_mode & 0o077 == 0


def test_unfit_settings_are_refused_by_name(tmp_path):
    make_observer(tmp_path, "observer.example")
    path = tmp_path / "observer.toml"
    good = path.read_text()
    for line, problem in (
        ("prot = 1", "unknown setting 'prot'"),
        ("port = 70000", "port is not from 0 to 65535"),
        ('port = "1"', "port is not a number"),
        ('hub_url = "ftp://x"', "hub_url is no http"),
        ('log_level = "loud"', "log_level"),
        ("port = ", "observer.toml"),
    ):
        path.write_text(f"{good}\n{line}\n")
        with pytest.raises(BadConfig, match=re.escape(problem)):
            load_config(path)
    path.write_text(good)
    assert load_config(path, {"REGULATOR_PORT": "1234", "HOME": "x"}).port == 1234
    with pytest.raises(BadConfig, match="unknown setting"):
        load_config(path, {"REGULATOR_PROT": "1"})
    path.write_text("")
    with pytest.raises(BadConfig, match="name is missing"):
        load_config(path)
    with pytest.raises(BadConfig, match=r"observer\.toml"):
        load_config(tmp_path / "nowhere" / "observer.toml")
    assert 'name = "x"' in format_config({"name": "x"})


def test_a_key_that_others_can_read_or_of_another_observer_is_refused(tmp_path):
    make_observer(tmp_path, "observer.example")
    config = load_config(tmp_path / "observer.toml")
    key = tmp_path / "keys" / "mirror.key"
    key.chmod(0o644)
    with pytest.raises(BadConfig, match="others can reach"):
        load_secrets(config)
    key.unlink()
    shutil.copy(tmp_path / "keys" / "witness.key", key)
    with pytest.raises(BadConfig, match=r"not of observer\.example/mirror"):
        load_secrets(config)


async def test_follow_status_and_check_tell_by_their_exit_code(tmp_path):
    consortium = Consortium(31)
    consortium.play(40)
    make_observer(tmp_path, "observer.example", hub_url="http://127.0.0.1:9")
    data = ("--data", tmp_path)

    async def command(*arguments):
        return await asyncio.to_thread(run, *arguments)

    assert (await command("follow", "--once", *data))[0] == 2  # no genesis yet
    (tmp_path / "genesis.body").write_bytes(b"{}")
    assert (await command("follow", "--once", *data))[0] == 2
    (tmp_path / "genesis.body").write_bytes(consortium.genesis)
    assert (await command("status", *data))[0] == 4  # no database yet
    code, text = await command("follow", "--once", *data)
    assert code == 3, text
    assert "UNREACHABLE" in text
    async with hub_at(HonestFeed(consortium.log)) as url:
        (tmp_path / "observer.toml").write_text(f'name = "observer.example"\nhub_url = "{url}"\n')
        code, text = await command("follow", "--once", "--json", *data)
        assert code == 0, text
        assert json.loads(text)["size"] == consortium.log.size
        assert (await command("status", *data))[0] == 0
        code, text = await command("check", *data)
        assert (code, text) == (0, f"checked {consortium.log.size} entries, 0 bodies erased\n")
        skip_the_law(consortium)
        consortium.log.publish()
        assert (await command("follow", "--once", *data))[0] == 1
        code, text = await command("status", *data)
        assert code == 1
        assert "LAW_BROKEN 1" in text
        # What the log did wrong is a finding; the copy itself is right.
        assert (await command("check", *data))[0] == 0


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE entry SET entry = x'00' WHERE idx = 7", "ENTRY_MISMATCH"),
        ("UPDATE tile SET data = zeroblob(8192)", "tile 0/0 differs"),
        ("UPDATE record SET json = '{}' WHERE kind = 'Officer'", "record Officer"),
        ("DELETE FROM record WHERE kind = 'Product'", "record Product"),
        ("UPDATE entry SET body = x'00' WHERE idx = 9", "BODY_ALTERED"),
        ("DELETE FROM entry WHERE idx = 3", "incomplete"),
        ("UPDATE copy SET size = 100", "NOT_FOUND"),
    ],
)
async def test_check_sees_what_was_touched_in_our_own_copy(statement, problem, tmp_path):
    consortium = Consortium(32)
    while consortium.log.size < 300:
        consortium.enrol()
    consortium.log.publish()
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
    genesis = read_genesis(consortium.genesis)
    assert (await check_copy(tmp_path, genesis, 0)).problems == []
    with closing(sqlite3.connect(tmp_path / "observer.db", isolation_level=None)) as connection:
        connection.execute(statement)
    problems = (await check_copy(tmp_path, genesis, 0)).problems
    assert problems
    assert problem in " ".join(problems)


async def test_check_warns_of_what_is_uncertain(tmp_path):
    consortium = Consortium(33)
    consortium.play(20)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        doubt = Finding(FindingCode.LAW_BROKEN, 5, "of an earlier replay", {}, certain=False)
        assert observer.follower.cosigner._mirror.find(doubt)
    verdict = await check_copy(tmp_path, read_genesis(consortium.genesis), 0)
    assert verdict.problems == []
    assert verdict.warnings == [
        "finding LAW_BROKEN at 5 (of an earlier replay) does not come again"
    ]


async def test_check_does_not_expect_again_what_was_shown_once(tmp_path):
    consortium = Consortium(35)
    consortium.play(20)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        for code in set(FindingCode) - REPLAYED:
            assert observer.follower.cosigner.mirror.find(Finding(code, 5))
    verdict = await check_copy(tmp_path, read_genesis(consortium.genesis), 0)
    assert verdict.problems == verdict.warnings == []


async def test_submit_tells_by_its_words_and_exit_code(tmp_path):
    consortium = Consortium(34)
    consortium.play(40)
    make_observer(tmp_path / "observer", "observer.example", hub_url="http://127.0.0.1:9")
    (tmp_path / "observer" / "genesis.body").write_bytes(consortium.genesis)
    data = ("--data", tmp_path / "observer")
    ours, other, nonsense = (tmp_path / name for name in ("ours", "other", "nonsense"))
    ours.write_text(consortium.log.note)
    fork = another_history(consortium, 10).log
    other.write_text(fork.publish())
    nonsense.write_bytes(b"hello")
    refused = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"))
    body, refusal = tmp_path / "body", tmp_path / "refusal"
    body.write_bytes(refused.body)
    refusal.write_bytes(refuse(consortium, refused, Refusal.KEY_REVOKED))

    async def command(*arguments):
        return await asyncio.to_thread(run, *arguments)

    async with hub_at(HonestFeed(consortium.log)) as url:
        (tmp_path / "observer" / "observer.toml").write_text(
            f'name = "observer.example"\nhub_url = "{url}"\n'
        )
        assert (await command("follow", "--once", *data))[0] == 0
    code, text = await command("submit", ours, *data)
    assert (code, text.split()[:2]) == (0, ["checkpoint", "AGREES"])
    code, text = await command("submit", nonsense, ours, *data)
    assert (code, [line.split()[1] for line in text.splitlines()]) == (2, ["NOTHING", "AGREES"])
    code, text = await command("submit", other, *data)
    assert (code, text.split()[1]) == (0, "UNRESOLVED")
    assert "handed in  1 waiting" in (await command("status", *data))[1]
    code, text = await command("submit", "--json", refusal, body, *data)
    assert code == 1
    [answer] = json.loads(text)["answers"]
    assert answer["finding"]["code"] == "UNFOUNDED_REFUSAL"
    code, text = await command("submit", tmp_path / "nowhere", *data)
    assert (code, "No such file" in text) == (2, True)
    assert (await command("status", *data))[0] == 1
