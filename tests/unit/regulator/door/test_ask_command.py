"""`regulator ask`: an auditor asks a running observer from the command line."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from creditchain.client.keys import save_key
from creditchain.client.profile import format_profile
from regulator.cli import app
from tests.e2e.graphql_clients import serving
from tests.lying_hub.honest import Actor, Consortium
from tests.unit.regulator.door.world import NAME, World


def write_profile(folder: Path, consortium: Consortium, actor: Actor) -> str:
    """The profile of an actor, its key beside it."""
    save_key(folder / f"{actor.id}.json", actor.key)
    (folder / "genesis.body").write_bytes(consortium.genesis)
    settings = {
        "url": "http://127.0.0.1:1", "actor": actor.id, "key": f"{actor.id}.json",
        "genesis": "genesis.body",
    }  # fmt: skip
    path = folder / f"{actor.id}.toml"
    path.write_text(format_profile(settings), encoding="utf-8")
    return str(path)


async def run(*arguments: str, text: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of `regulator ask`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "regulator", "ask", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(text.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_an_auditor_asks_from_the_command_line(world: World, tmp_path: Path):
    # The command has no clock but the machine's.
    world.clock.ms = time.time_ns() // 1_000_000
    consortium = world.consortium
    profile = write_profile(tmp_path, consortium, world.auditor)
    clerk = write_profile(tmp_path, consortium, world.clerk)
    async with serving(world.app) as host:
        at = ("--url", f"http://{host}", "--name", NAME)
        asked: list[Any] = await asyncio.gather(
            run("-", *at, "-p", profile, text="{ me { actor } nothing: observer { size } }"),
            run("Orders", *at, "-p", profile, "--variables", '{"first": 1}'),
            run("{ nothing }", *at, "-p", profile),
            run("{ me { actor } }", *at[:2], "--name", "x.y", "-p", profile),
            run("{ me { actor } }", *at, "-p", clerk),
        )
    me, orders, wrong, elsewhere, refused = asked
    told = json.loads(me[1])["data"]
    assert told == {
        "me": {"actor": world.auditor.id}, "nothing": {"size": consortium.log.size},
    }  # fmt: skip
    assert len(json.loads(orders[1])["data"]["orders"]["nodes"]) == 1
    [error] = json.loads(wrong[1])["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"aud is {NAME}/token" in elsewhere[2]
    assert "may not act" in refused[2]
    assert [code for code, _, _ in asked] == [0, 0, 3, 2, 2]


def test_what_cannot_be_asked_is_said(tmp_path: Path):
    consortium = Consortium(1)
    profile = write_profile(tmp_path, consortium, consortium.regulator)
    for code, *arguments in (
        (3, "-p", profile, "--url", "http://127.0.0.1:1", "--name", NAME),
        (2, "-p", profile, "--url", "http://127.0.0.1:1"),
        (2, "-p", profile, "--variables", "[]"),
        (2, "-p", profile, "--variables", "{"),
        (2, "-p", str(tmp_path / "none.toml"), "--url", "x", "--name", NAME),
        (2, "-p", profile, "--data", str(tmp_path / "nowhere")),
    ):
        result = CliRunner().invoke(app, ["ask", "{ me { actor } }", *arguments])
        assert (result.exit_code, bool(result.output.strip())) == (code, True), arguments
