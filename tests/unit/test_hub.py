"""The hub as a whole: in this process with an observer, and as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from creditchain.cli.hub import hub_app
from creditchain.client.keys import generate_key, save_key
from creditchain.config import BadConfig, HubConfig, load_policy
from creditchain.founding import ObserverKey
from creditchain.hub import EXIT_REFUSED, Hub, HubRefused, build
from creditchain.ledger import LedgerStopped
from creditchain.tlog.checkpoint import open_checkpoint
from creditchain.tlog.cosignature import format_cosigner_vkey
from creditchain.tlog.note import Signer, format_signer_key, parse_signer_key
from creditchain.tlog.tlogproof import check_tlog_proof
from regulator.cli import app as regulator_app
from regulator.config import load_config as load_observer
from regulator.config import load_genesis, make_observer
from regulator.config import load_secrets as load_observer_keys
from regulator.observer import open_observer
from tests.faults.ledger_feed import LedgerFeed
from tests.unit.hub_world import BANK, FIXTURE, REGULATOR, Time, World, found
from tests.unit.test_collector import until
from tests.unit.witness_peer import WitnessPeer, free_port

SERVE = (
    "import os, sys; from pathlib import Path; from creditchain.config import load_config; "
    "from creditchain.hub import serve; sys.exit(serve(load_config(Path(sys.argv[1]), os.environ)))"
)


STRANGER = Signer("stranger.example", b"\1" * 32).verifier


def log_key_of(config: HubConfig) -> Signer:
    return parse_signer_key((config.keys_folder / "log.key").read_text().strip())


@contextmanager
def process(config: HubConfig, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A hub process over a founded folder; ended with the block if it still runs."""
    hub = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(config.folder / "hub.toml")],
        env={**os.environ, **{f"CREDITCHAIN_{k.upper()}": v for k, v in variables.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield hub
    finally:
        if hub.poll() is None:
            hub.kill()
        hub.communicate()


def address_of(hub: subprocess.Popen[str]) -> str:
    line = hub.stdout.readline()
    assert line.startswith("creditchain hub listens on http://"), line + hub.stderr.read()
    return line.rpartition(" ")[2].strip()


async def test_what_is_admitted_is_cosigned_and_its_receipt_observed(tmp_path: Path):
    unset = [WitnessPeer(name, STRANGER) for name in ("witness", "mirror")]
    config = found(
        tmp_path,
        [
            ObserverKey(peer.name, format_cosigner_vkey(peer.signer.verifier), peer.cosigner.url)
            for peer in unset
        ],
    )
    for peer in unset:
        peer.log = log_key_of(config).verifier
    hub = Hub(config)
    witness, mirror = unset
    async with witness.serving(), mirror.serving(), hub.running():
        # The world's time stands ahead of the machine's, within the bound on skew.
        world = World(hub.ledger, Time())
        sealed = world.signer(REGULATOR).seal(FIXTURE.members[BANK].admitted())
        [answer] = await hub.ledger.submit([sealed])
        proof = await hub.ledger.observed(answer.index, 10)
        checked = check_tlog_proof(proof, answer.entry, load_policy(config))
        assert {c.name for c in checked.cosignatures} == {p.signer.name for p in unset}
        assert hub.faults() == {}
    with pytest.raises(LedgerStopped):
        await hub.ledger.submit([sealed])


async def test_the_doors_stand_open_while_the_lifespan_lasts(tmp_path: Path):
    app = build(found(tmp_path))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://hub"
        ) as client,
    ):
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        note = (await client.get("/log/checkpoint")).text
        policy = (await client.get("/log/policy")).text
    assert note.startswith("hub.example/log\n1\n")
    assert policy.startswith("log hub.example/log+")


def test_a_process_says_where_it_listens_and_ends_well(tmp_path: Path):
    config = found(tmp_path, settings={"port": 0})
    with process(config) as hub:
        address = address_of(hub)
        note = httpx2.get(f"{address}/log/checkpoint", trust_env=False).text
        assert open_checkpoint(note, log_key_of(config).verifier).checkpoint.size == 1
        hub.send_signal(signal.SIGTERM)
        out, err = hub.communicate(timeout=15)
        assert (hub.returncode, out) == (0, ""), err
        lines = [json.loads(line) for line in err.splitlines()]
        told = [line for line in lines if line["event"] in {"started", "stopped"}]
        assert [(line["event"], line["origin"], line["size"]) for line in told] == [
            ("started", "hub.example/log", 1),
            ("stopped", "hub.example/log", 1),
        ]
        assert told[0]["address"] == address.removeprefix("http://")
    with process(config) as hub:
        address_of(hub)
        hub.send_signal(signal.SIGINT)
        hub.communicate(timeout=15)
        assert hub.returncode == 0


def test_after_kill_it_starts_again_and_a_second_one_is_refused(tmp_path: Path):
    config = found(tmp_path, settings={"port": 0})
    with process(config) as hub:
        address_of(hub)
        with process(config) as second:
            out, err = second.communicate(timeout=15)
            assert (second.returncode, out) == (EXIT_REFUSED, "")
            assert err.startswith("creditchain: the hub does not start: ")
            assert "Traceback" not in err
        hub.kill()
        hub.wait()
    with process(config) as hub:
        address_of(hub)


def test_a_taken_port_is_named(tmp_path: Path):
    config = found(tmp_path)
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with process(config, port=str(port)) as hub:
            out, err = hub.communicate(timeout=15)
    assert (hub.returncode, out) == (EXIT_REFUSED, "")
    assert f"cannot listen on 127.0.0.1:{port}" in err
    assert "Traceback" not in err


def copy_key(config: HubConfig) -> None:
    (config.keys_folder / "log.key").write_bytes((config.keys_folder / "refusal.key").read_bytes())


def change_refusal_key(config: HubConfig) -> None:
    other = Signer(f"{log_key_of(config).name}/refusal", b"\5" * 32)
    (config.keys_folder / "refusal.key").write_text(format_signer_key(other) + "\n")


def change_operator_key(config: HubConfig) -> None:
    (config.keys_folder / "operator.json").unlink()
    save_key(config.keys_folder / "operator.json", generate_key())


FAULTS = {
    "no ledger": (lambda c: c.ledger_path.unlink(), "ledger.db"),
    "no register": (lambda c: (c.folder / "head.register").unlink(), "head.register"),
    "no genesis": (lambda c: c.genesis_path.unlink(), "genesis.body"),
    "another genesis": (lambda c: c.genesis_path.write_bytes(b"{}"), "not a genesis"),
    "no policy": (lambda c: c.policy_path.unlink(), "policy: No such file"),
    "a policy of nothing": (lambda c: c.policy_path.write_text("quorum x\n"), "policy: line 1"),
    "an open key": (lambda c: (c.keys_folder / "log.key").chmod(0o644), "chmod 600"),
    "a wrong key": (copy_key, "log.key|key"),
    "another refusal key": (change_refusal_key, "refusal.key is not the key"),
    "a stranger's operator key": (change_operator_key, "operator.json is no key of delta-operator"),
    "a damaged private store": (lambda c: c.private_path.write_bytes(b"x" * 9_000), "private.db"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hub_that_may_not_start_says_why_and_lets_go(tmp_path: Path, fault: str):
    config = found(tmp_path)
    spoil, says = FAULTS[fault]
    spoil(config)
    for _ in range(2):
        with pytest.raises((HubRefused, BadConfig), match=says):
            Hub(config)


async def test_a_collector_that_ended_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    key = ObserverKey(
        "witness", format_cosigner_vkey(WitnessPeer("witness", STRANGER).signer.verifier)
    )
    hub = Hub(found(tmp_path, [key], {"observer_url": f"http://127.0.0.1:{free_port()}"}))

    def fail() -> None:
        raise RuntimeError("stopped")

    monkeypatch.setattr(hub.ledger, "head", fail)
    async with hub.running():
        await until(hub.faults)
        assert "restart" in hub.faults()["collector"]


async def furnish(config: HubConfig, *, requests: int = 0) -> World:
    """Lets the hub's ledger grow; it is closed again."""
    hub = Hub(config)
    try:
        world = World(hub.ledger, Time())
        if hub.ledger.head().size == 1:
            await world.furnish()
        for _ in range(requests):
            await world.request()
        return world
    finally:
        hub.close()


async def test_a_private_store_that_is_missing_is_not_replaced_unasked(tmp_path: Path):
    config = found(tmp_path)
    config.private_path.unlink()
    await furnish(config)  # nobody was enrolled yet
    with pytest.raises(HubRefused, match="start without --new-private-store"):
        Hub(config, new_private_store=True)
    config.private_path.unlink()
    for _ in range(2):
        with pytest.raises(HubRefused, match=r"private\.db is missing.*newest copy"):
            Hub(config)
        assert not config.private_path.exists()
    config.private_path.touch()  # as a restore that met a full disk leaves it
    with pytest.raises(HubRefused, match="is missing"):
        Hub(config)
    Hub(config, new_private_store=True).close()
    Hub(config).close()


def command(*arguments: object) -> tuple[int, str]:
    """Exit code and output of `creditchain`."""
    result = CliRunner().invoke(hub_app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


async def test_an_older_copy_is_brought_up_by_what_the_regulator_exports(tmp_path: Path):
    config = found(tmp_path)
    await furnish(config)
    copy = tmp_path / "copy.db"
    shutil.copy(config.ledger_path, copy)
    await furnish(config, requests=3)
    hub = Hub(config)
    size, root = hub.ledger.head().size, hub.ledger.head().root
    observer = tmp_path / "observer"
    make_observer(observer, "observer.example")
    shutil.copy(config.genesis_path, observer / "genesis.body")
    settings = load_observer(observer / "observer.toml")
    async with open_observer(
        observer,
        load_genesis(settings),
        load_observer_keys(settings).signers,
        LedgerFeed(hub.ledger),
        processes=0,
    ) as watching:
        await watching.follower.once()
    hub.close()
    shutil.copy(copy, config.ledger_path)
    with pytest.raises(HubRefused, match=r"regulator export --from 8.*creditchain hub recover"):
        Hub(config)

    file = tmp_path / "entries"
    arguments = ("export", "--data", observer, "--from", 8, "--out", file)
    told = await asyncio.to_thread(CliRunner().invoke, regulator_app, list(map(str, arguments)))
    assert (told.exit_code, file.stat().st_mode & 0o777) == (0, 0o600), told.output
    again = await asyncio.to_thread(CliRunner().invoke, regulator_app, list(map(str, arguments)))
    assert again.exit_code == 2
    code, text = command("recover", "--data", tmp_path, "--entries", tmp_path / "none")
    assert (code, "none: No such file" in text) == (EXIT_REFUSED, True)
    code, text = command("recover", "--data", tmp_path, "--entries", file, "--json")
    assert (code, json.loads(text)) == (0, {"before": 8, "size": size, "registered": True})
    hub = Hub(config)
    assert (hub.ledger.head().size, hub.ledger.head().root) == (size, root)
    hub.close()

    (config.folder / "head.register").unlink()
    renew = ("renew-register", "--data", tmp_path, "--observer-size")
    code, text = command(*renew, size + 1)
    assert (code, f"the observer has seen {size + 1}" in text) == (EXIT_REFUSED, True)
    assert command(*renew, size)[0] == 0
    assert command(*renew, size)[0] == EXIT_REFUSED
    await furnish(config, requests=1)
