"""The observer as its own process: it serves, cosigns, is killed, and goes on where it was."""

import asyncio
import json
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from hashlib import sha256

import httpx2

from creditchain.tlog.cosignature import open_cosignatures, parse_cosigner_vkey
from creditchain.tlog.witness import format_add_checkpoint
from regulator.config import make_observer
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.http import hub_at
from tests.lying_hub.lies import TOLD
from tests.unit.regulator.raw_hub import free_port
from tests.unit.regulator.receivers import Hook

PATIENCE_S = 60


async def test_a_killed_observer_goes_on_and_a_stopped_one_ends_well(tmp_path):
    consortium = Consortium(41)
    consortium.play(300)
    port = free_port()
    observer = f"http://127.0.0.1:{port}"
    async with (
        hub_at(HonestFeed(consortium.log)) as url,
        httpx2.AsyncClient(timeout=PATIENCE_S) as client,
    ):
        vkeys = make_observer(
            tmp_path, "observer.example", hub_url=url, port=port, poll_every_s=3_600, processes=1
        )
        (tmp_path / "genesis.body").write_bytes(consortium.genesis)

        async def cosigned(name):
            """The newest checkpoint, cosigned under a name; from wherever the observer is."""
            old = consortium.log.size
            while True:
                body = format_add_checkpoint(old, consortium.log.prove(old), consortium.log.note)
                answer = await client.post(f"{observer}/{name}/add-checkpoint", content=body)
                if answer.status_code != 409:
                    break
                old = int(answer.text)
            assert answer.status_code == 200, answer.text
            text = consortium.log.note.partition("\n\n")[0] + "\n"
            open_cosignatures(answer.text, text, [parse_cosigner_vkey(vkeys[name])])

        async def status():
            return (await client.get(f"{observer}/status")).json()

        process = await _serve(tmp_path, client, observer)
        await asyncio.gather(cosigned("witness"), cosigned("mirror"))
        consortium.play(50)
        await cosigned("witness")
        process.send_signal(signal.SIGKILL)
        await process.wait()

        # What rots while it is down is found when it is back, and fetched from the hub again.
        with closing(sqlite3.connect(tmp_path / "observer.db", isolation_level=None)) as database:
            database.execute("UPDATE entry SET body = x'00' WHERE idx = 5")
        process = await _serve(tmp_path, client, observer)
        for _ in range(PATIENCE_S * 10):
            now = await status()
            if now["ours"] == {"findings": 1, "damaged": 0}:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"not found and mended: {now}")
        consortium.play(20)
        await asyncio.gather(cosigned("witness"), cosigned("mirror"))
        now = await status()
        assert now["size"] == now["trusted"] == consortium.log.size
        assert (now["violations"], now["ours"]) == (0, {"findings": 1, "damaged": 0})
        # What a member hands in meanwhile is judged by the running observer.
        (tmp_path / "held.note").write_text(consortium.log.note)
        submit = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "regulator", "submit", tmp_path / "held.note"),
            *("--data", tmp_path, "--json"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await submit.communicate()
        assert submit.returncode == 0, out
        assert [one["outcome"] for one in json.loads(out)["answers"]] == ["AGREES"]
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert all(json.loads(line)["event"] for line in errors.decode().splitlines())


async def test_a_running_observer_audits_cosigns_as_auditor_and_warns(tmp_path):
    consortium = Consortium(43)
    consortium.play(60)
    [lie] = [lie for lie in TOLD if lie.tell.__name__ == "skip_the_law"]
    index = lie.tell(consortium)
    consortium.log.publish()
    port = free_port()
    observer = f"http://127.0.0.1:{port}"
    hook = Hook()
    async with (
        hub_at(HonestFeed(consortium.log)) as url,
        hook.open(),
        httpx2.AsyncClient(timeout=PATIENCE_S) as client,
    ):
        vkeys = make_observer(
            tmp_path,
            "observer.example",
            hub_url=url,
            port=port,
            processes=1,
            webhook_url=hook.url,
            reports_daily="",
            reports_monthly="",
        )
        (tmp_path / "genesis.body").write_bytes(consortium.genesis)
        process = await _serve(tmp_path, client, observer)
        while True:
            body = format_add_checkpoint(0, [], consortium.log.note)
            answer = await client.post(f"{observer}/audit/add-checkpoint", content=body)
            if answer.status_code in {200, 409}:
                break
        size = consortium.log.size
        status = (await client.get(f"{observer}/status")).json()
        while status["cosigned"]["audit"]["size"] < size:
            await asyncio.sleep(0.1)
            status = (await client.get(f"{observer}/status")).json()
        assert status["audit"] == {"size": size, "pack": "cn-enterprise@2026.1", "problem": ""}
        hashed = sha256(consortium.log.signer.name.encode()).hexdigest()
        signed = (await client.get(f"{observer}/audit/{hashed}/checkpoint")).text
        text, _, lines = signed.partition("\n\n")
        open_cosignatures(
            lines.splitlines(keepends=True)[-1],
            text + "\n",
            [parse_cosigner_vkey(vkeys["audit"])],
        )
        # Replay holds it against the hub, the audit against the bank; both are told at once.
        while len(hook.requests) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        told = [json.loads(body) for _, body in hook.requests]
        assert {one["data"]["code"] for one in told} == {"LAW_BROKEN", "C01"}
        assert {one["data"]["index"] for one in told} == {index}
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()


async def _serve(folder, client, observer):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "regulator",
        "serve",
        "--data",
        str(folder),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    for _ in range(PATIENCE_S * 20):
        assert process.returncode is None, (await process.stderr.read()).decode()
        try:
            if (await client.get(f"{observer}/healthz")).status_code == 200:
                return process
        except httpx2.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError("the observer does not answer")


async def test_an_address_that_is_taken_is_a_setting_that_is_unfit(tmp_path):
    consortium = Consortium(47)
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        make_observer(tmp_path, "observer.example", port=port, reports_daily="")
        (tmp_path / "genesis.body").write_bytes(consortium.genesis)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "regulator", "serve", "--data", tmp_path),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in errors.decode()
