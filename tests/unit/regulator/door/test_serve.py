"""The door of a real observer process, asked from the command line while it follows."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx2

from creditchain.client.keys import save_key
from creditchain.client.profile import format_profile
from creditchain.events.codes import Role
from creditchain.events.officer import OfficerAppointed
from regulator.config import make_observer
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.http import hub_at
from tests.unit.regulator.raw_hub import free_port

QUERY = """{ observer { name size audit { size pack } findings { code } }
  statistics { size headline { orders } }
  orders(first: 1) { nodes { id timeline { nodes { proof } } } }
}"""


async def test_an_auditor_asks_a_running_observer(tmp_path: Path):
    consortium = Consortium(44)
    auditor = consortium.actor(f"of_{consortium._opaque()}")
    consortium.admit(
        consortium.regulator,
        OfficerAppointed(auditor.id, (Role.AUDIT,), auditor.key.public, consortium.digest()),
    )
    consortium.play(60)
    consortium.log.publish()
    folder, port = tmp_path / "observer", free_port()
    save_key(tmp_path / "auditor.json", auditor.key)
    (tmp_path / "genesis.body").write_bytes(consortium.genesis)
    profile = {
        "url": "http://127.0.0.1:1", "actor": auditor.id, "key": "auditor.json",
        "genesis": "genesis.body",
    }  # fmt: skip
    (tmp_path / "auditor.toml").write_text(format_profile(profile), encoding="utf-8")
    async with hub_at(HonestFeed(consortium.log)) as url, httpx2.AsyncClient() as http:
        make_observer(
            folder, "observer.example", hub_url=url, port=port, processes=1, reports_daily="",
            reports_monthly="",
        )  # fmt: skip
        (folder / "genesis.body").write_bytes(consortium.genesis)
        serving = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "regulator", "serve", "--data", folder),
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            size = consortium.log.size
            while True:
                assert serving.returncode is None
                try:
                    status = (await http.get(f"http://127.0.0.1:{port}/status")).json()
                    if status["size"] == (status["audit"] or {}).get("size") == size:
                        break
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.1)
            asking = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "regulator", "ask", QUERY, "--data", folder),
                *("-p", tmp_path / "auditor.toml"),
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await asking.communicate()
            assert asking.returncode == 0, out
            data = json.loads(out)["data"]
            assert (data["observer"]["name"], data["observer"]["size"]) == (
                "observer.example",
                size,
            )
            assert data["observer"]["audit"]["size"] == size
            assert data["statistics"]["size"] == size
            [order] = data["orders"]["nodes"]
            assert all(
                "observer.example/mirror" in node["proof"] for node in order["timeline"]["nodes"]
            )
            serving.send_signal(signal.SIGTERM)
            _, errors = await serving.communicate()
            assert serving.returncode == 0, errors.decode()
            [line] = [line for line in errors.decode().splitlines() if '"asked"' in line]
            assert auditor.id in line
        finally:
            if serving.returncode is None:
                serving.kill()
