"""`regulator ask`: an auditor asks a running observer from the command line."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from creditchain.client.keys import save_key
from creditchain.client.profile import format_profile
from tests.e2e.graphql_clients import serving
from tests.lying_hub.honest import Actor
from tests.unit.regulator.door.world import NAME, World


def write_profile(folder: Path, world: World, actor: Actor) -> Path:
    """The profile of an actor, its key beside it."""
    save_key(folder / f"{actor.id}.json", actor.key)
    (folder / "genesis.body").write_bytes(world.consortium.genesis)
    settings = {
        "url": "http://127.0.0.1:1", "actor": actor.id, "key": f"{actor.id}.json",
        "genesis": "genesis.body",
    }  # fmt: skip
    path = folder / f"{actor.id}.toml"
    path.write_text(format_profile(settings), encoding="utf-8")
    return path


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


@pytest.fixture
def now(world: World) -> World:
    """The world at this very time: the command has no other clock."""
    world.clock.ms = time.time_ns() // 1_000_000
    return world


async def test_an_auditor_asks_from_the_command_line(now: World, tmp_path: Path):
    world = now
    profile = str(write_profile(tmp_path, world, world.auditor))
    async with serving(world.app) as host:
        at = ("-p", profile, "--url", f"http://{host}", "--name", NAME)
        asked: list[Any] = await asyncio.gather(
            run("{ observer { size } }", *at),
            run("Orders", *at, "--variables", '{"first": 1}'),
            run("-", *at, text="{ me { actor } }"),
            run("{ nothing }", *at),
            run("{ observer { size } }", "-p", profile, "--url", f"http://{host}", "--name", "x.y"),
            run(
                "{ me { actor } }", *at[2:], "-p", str(write_profile(tmp_path, world, world.clerk))
            ),
        )
    size, orders, me, wrong, elsewhere, clerk = asked
    assert json.loads(size[1]) == {"data": {"observer": {"size": world.consortium.log.size}}}
    assert len(json.loads(orders[1])["data"]["orders"]["nodes"]) == 1
    assert json.loads(me[1])["data"]["me"]["actor"] == world.auditor.id
    assert [size[0], orders[0], me[0]] == [0, 0, 0]
    assert (wrong[0], json.loads(wrong[1])["errors"][0]["extensions"]["code"]) == (
        3, "BAD_USER_INPUT",
    )  # fmt: skip
    assert (elsewhere[0], f"aud is {NAME}/token" in elsewhere[2]) == (2, True)
    assert (clerk[0], "may not act" in clerk[2]) == (2, True)


async def test_what_cannot_be_asked_is_said(now: World, tmp_path: Path):
    profile = str(write_profile(tmp_path, now, now.auditor))
    asked = await asyncio.gather(
        run("{ me { actor } }", "-p", profile, "--url", "http://127.0.0.1:1", "--name", NAME),
        run("{ me { actor } }", "-p", profile, "--url", "http://127.0.0.1:1"),
        run("{ me { actor } }", "-p", profile, "--variables", "[]"),
        run("{ me { actor } }", "-p", str(tmp_path / "none.toml"), "--url", "x", "--name", NAME),
        run("{ me { actor } }", "-p", profile, "--data", str(tmp_path / "nowhere")),
    )
    assert [code for code, _, _ in asked] == [3, 2, 2, 2, 2]
    assert all(err.strip() and "Traceback" not in err for _, _, err in asked)
