"""Founding: the genesis fits the keys, the folder is whole or not there."""

import stat
from pathlib import Path

import pytest

from creditchain.client.keys import generate_key
from creditchain.config import load_config, load_policy, load_secrets
from creditchain.events.consortium import Founder
from creditchain.founding import (
    FoundingRefused,
    ObserverKey,
    found_hub,
    ledger_keys,
    make_policy,
    new_hub_keys,
    open_genesis,
    write_genesis,
)
from creditchain.ledger import Ledger
from creditchain.rulebook.record import CONSORTIUM_ID, Consortium
from creditchain.tlog.cosignature import CosignatureSigner, format_cosigner_vkey
from creditchain.tlog.note import Signer, format_vkey

ORIGIN = "hub.example/log"
REGULATOR = generate_key()
OBSERVER = tuple(
    ObserverKey(
        name,
        format_cosigner_vkey(
            CosignatureSigner(f"observer.example/{name}", name.encode().ljust(32)).verifier
        ),
        f"http://127.0.0.1:8401/{name}",
    )
    for name in ("witness", "mirror")
)


def make_genesis(path: Path, keys, **changes):
    values = {
        "name": "Pearl River test chain",
        "regulator": Founder("regulator", "Test Regulator", "999999", REGULATOR.public),
        "regulator_key": REGULATOR,
        "operator": Founder("operator", "Test Operator", "999999", keys.operator.public),
        "log_key": format_vkey(keys.log.verifier),
        "refusal_key": format_vkey(keys.refusal.verifier),
    }
    return write_genesis(path, **(values | changes))


def test_a_founded_hub_opens_with_its_first_entry(tmp_path: Path):
    keys = new_hub_keys(ORIGIN)
    genesis = make_genesis(tmp_path / "genesis.body", keys)
    config = found_hub(
        tmp_path / "data", genesis.body, keys, observer=OBSERVER, settings={"port": 0}
    )
    assert config.folder == tmp_path / "data" / "hub"
    assert config.port == 0
    secrets, policy = load_secrets(config), load_policy(config)
    assert secrets == keys
    assert [line.url for line in policy.witnesses] == [key.url for key in OBSERVER]
    assert policy.satisfied_by({"witness", "mirror"})
    assert not policy.satisfied_by({"witness"})
    assert (
        config.genesis_path.read_bytes() == genesis.body == (tmp_path / "genesis.body").read_bytes()
    )
    founded = open_genesis(genesis.body)
    ledger = Ledger.open(config.ledger_path, ledger_keys(founded, secrets, policy))
    try:
        assert ledger.origin == ORIGIN
        assert ledger.head().size == 1
        assert ledger.body(0) == genesis.body
        consortium = ledger.book.get(Consortium, CONSORTIUM_ID)
        assert (consortium.regulator, consortium.operator) == ("regulator", "operator")
    finally:
        ledger.close()


def test_secrets_are_the_owner_s_alone_and_nothing_else_is_left(tmp_path: Path):
    keys = new_hub_keys(ORIGIN)
    genesis = make_genesis(tmp_path / "genesis.body", keys)
    config = found_hub(tmp_path / "data", genesis.body, keys)
    assert load_policy(config).quorum == "none"
    for file in config.keys_folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(config.folder.stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"hub"}
    assert {path.name for path in config.folder.iterdir()} >= {
        "genesis.body", "head.register", "hub.toml", "keys", "ledger.db", "policy", "private.db",
    }  # fmt: skip
    public = b"".join(p.read_bytes() for p in config.folder.iterdir() if p.is_file())
    assert keys.log.seed not in public
    assert load_config(config.folder / "hub.toml") == config


def test_a_hub_is_founded_once(tmp_path: Path):
    keys = new_hub_keys(ORIGIN)
    genesis = make_genesis(tmp_path / "genesis.body", keys)
    config = found_hub(tmp_path, genesis.body, keys)
    before = {p: p.stat().st_mtime_ns for p in config.folder.rglob("*")}
    with pytest.raises(FoundingRefused, match="founded once"):
        found_hub(tmp_path, genesis.body, keys)
    assert {p: p.stat().st_mtime_ns for p in config.folder.rglob("*")} == before
    with pytest.raises(FoundingRefused, match="there is a file already"):
        make_genesis(tmp_path / "genesis.body", keys)


@pytest.mark.parametrize("part", ["log", "refusal", "operator"])
def test_keys_that_are_not_the_genesis_s_are_refused(tmp_path: Path, part: str):
    keys, other = new_hub_keys(ORIGIN), new_hub_keys(ORIGIN)
    genesis = make_genesis(tmp_path / "genesis.body", keys)
    mixed = type(keys)(
        **{
            name: getattr(other if name == part else keys, name)
            for name in ("log", "refusal", "operator", "token")
        }
    )
    with pytest.raises(FoundingRefused, match=f"another {part}"):
        found_hub(tmp_path / "data", genesis.body, mixed)
    assert not (tmp_path / "data").exists()


def test_a_failed_founding_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    keys = new_hub_keys(ORIGIN)
    genesis = make_genesis(tmp_path / "genesis.body", keys)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("creditchain.founding.open_private_store", fail)
    with pytest.raises(OSError, match="disk full"):
        found_hub(tmp_path / "data", genesis.body, keys)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_genesis_that_does_not_fit_is_refused(tmp_path: Path):
    keys = new_hub_keys(ORIGIN)
    path = tmp_path / "genesis.body"
    for changes, says in (
        ({"regulator_key": generate_key()}, "not the regulator's"),
        ({"log_key": "nonsense"}, "not a verifier key"),
        ({"refusal_key": format_vkey(Signer("x/refusal", b"\1" * 32).verifier)}, "is named"),
        (
            {"refusal_key": format_vkey(Signer(f"{ORIGIN}/refusal", keys.log.seed).verifier)},
            "different keys",
        ),
        ({"name": " "}, "not a genesis"),
    ):
        with pytest.raises(FoundingRefused, match=says):
            make_genesis(path, keys, **changes)
    assert not path.exists()


def test_what_is_no_genesis_is_not_opened(tmp_path: Path):
    keys = new_hub_keys(ORIGIN)
    body = make_genesis(tmp_path / "genesis.body", keys).body
    for wrong in (b"", b"{}", body[:-1], body.replace(b"Pearl", b"Pearls")):
        with pytest.raises(FoundingRefused, match="not a genesis"):
            open_genesis(wrong)


def test_unfit_observer_keys_and_settings_are_refused(tmp_path: Path):
    keys = new_hub_keys(ORIGIN)
    genesis = make_genesis(tmp_path / "genesis.body", keys)
    with pytest.raises(FoundingRefused, match="unknown setting"):
        found_hub(tmp_path, genesis.body, keys, settings={"prot": 1})
    twice = (OBSERVER[0], OBSERVER[0])
    with pytest.raises(FoundingRefused, match="observer's keys"):
        make_policy(format_vkey(keys.log.verifier), twice)
    assert not (tmp_path / "hub").exists()
