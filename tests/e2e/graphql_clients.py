"""Node and the reference clients of npm, and a hub's doors on a real port for them to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvicorn
from starlette.applications import Starlette

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
BUILD = ROOT / "build" / "graphql-clients"
INSTALL_SECONDS = 100


def install() -> Path:
    """The folder with the scripts and node_modules; skips the test if npm cannot give them."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _not_here("the audits need Node 20 and npm (Debian: apt-get install nodejs npm)")
    assert npm is not None
    wanted = (CLIENTS / "package.json").read_text(encoding="utf-8")
    stamp = BUILD / "installed.json"
    BUILD.mkdir(parents=True, exist_ok=True)
    for path in CLIENTS.iterdir():
        shutil.copy(path, BUILD / path.name)
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        try:
            done = subprocess.run(
                command, cwd=BUILD, capture_output=True, text=True, timeout=INSTALL_SECONDS,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            _not_here("npm did not fetch the reference clients in time")
        if done.returncode != 0:
            _not_here(f"npm cannot fetch the reference clients: {done.stderr.strip()[:300]}")
        stamp.write_text(wanted, encoding="utf-8")
    return BUILD


def _not_here(why: str) -> NoReturn:
    """Skips on a machine without Node; in CI, which has it, the audits may not go missing."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def free_port() -> int:
    """A port below the ephemeral ones that nobody listens on now."""
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """The application on 127.0.0.1; yields host:port."""
    port = free_port()
    server = _Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, lifespan="off", log_config=None, access_log=False,
            ws="websockets-sansio", timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


class Script:
    """A running node script that prints JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, seconds: float = 30) -> Any:
        """The next line."""
        assert self._process.stdout is not None
        raw = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        assert raw, await self._failure()
        return json.loads(raw)

    async def lines(self, seconds: float = 30) -> list[Any]:
        """The rest of the lines, once the script has ended well."""
        out, err = await asyncio.wait_for(self._process.communicate(), seconds)
        assert self._process.returncode == 0, err.decode()
        return [json.loads(line) for line in out.splitlines()]

    async def _failure(self) -> str:
        _, err = await self._process.communicate()
        return err.decode()


@contextlib.asynccontextmanager
async def node(script: str, *arguments: str) -> AsyncIterator[Script]:
    """A node script at work; it is ended with the test."""
    process = await asyncio.create_subprocess_exec(
        "node", script, *arguments, cwd=BUILD,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
