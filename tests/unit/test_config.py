"""The hub's settings: what a file and the environment may say, and how a mistake is named."""

import tomllib
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from creditchain.client.keys import generate_key, save_key, write_private
from creditchain.config import (
    SETTINGS,
    BadConfig,
    HubConfig,
    format_config,
    load_config,
    load_policy,
    load_secrets,
)
from creditchain.tlog.note import Signer, format_signer_key


def write(folder: Path, text: str) -> Path:
    path = folder / "hub.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_gives_the_defaults(tmp_path: Path):
    config = load_config(write(tmp_path, ""))
    assert config == HubConfig(folder=tmp_path)
    assert config.ledger_path == tmp_path / "ledger.db"
    with pytest.raises(FrozenInstanceError):
        config.port = 1  # type: ignore[misc]


def test_a_file_sets_and_a_variable_wins(tmp_path: Path):
    path = write(tmp_path, 'port = 9000\nfeed_public = false\nobserver_url = "http://o.example"\n')
    config = load_config(path, {"CREDITCHAIN_PORT": "9001", "HOME": "/", "PORT": "1"})
    assert (config.port, config.feed_public) == (9001, False)
    assert config.observer_url == "http://o.example"
    assert load_config(path, {"CREDITCHAIN_FEED_PUBLIC": "true"}).feed_public is True


def test_what_is_formatted_is_read_back_and_explains_every_setting(tmp_path: Path):
    given = {
        "port": 9000,
        "host": "0.0.0.0",
        "feed_public": False,
        "observer_url": "http://[::1]:1",
    }
    text = format_config(given)
    assert tomllib.loads(text) == given
    config = load_config(write(tmp_path, text))
    assert {name: getattr(config, name) for name in given} == given
    for name, spec in SETTINGS.items():
        assert f"{name} = " in text
        assert spec.metadata["says"] in text
    uncommented = text.replace("# ", "").partition("\n")[2]
    values = [line for line in uncommented.splitlines() if " = " in line]
    everything = load_config(write(tmp_path, "\n".join(values)))
    assert [getattr(everything, f.name) for f in fields(everything) if f.name not in given] == [
        getattr(config, f.name) for f in fields(config) if f.name not in given
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("host = '::1'\nprot = 1", r"hub.toml line 2: unknown setting 'prot'; did you mean 'port'"),
        ("\n[keys]\nx = 1", "line 2: unknown setting 'keys'"),
        ("port = '1'", "line 1: port is a number from 0 to 65535"),
        ("port = 70000", "line 1: port is a number from 0 to 65535"),
        ("port = true", "port is a number"),
        ("retention_days = 0", "retention_days is a number from 1"),
        ("feed_public = 1", "feed_public is true or false"),
        ("host = 1", "host is a text"),
        ("host = 'a b'", "host is a text without spaces"),
        ("log_level = 'loud'", "log_level is one of debug"),
        ("observer_url = 'ftp://x'", "observer_url is an http or https address"),
        ("observer_url = 'http://x/'", "without a slash at the end"),
        ("observer_url = 'http://u:p@x'", "observer_url is an http"),
        ("observer_url = 'http://x:99999'", "observer_url is an http"),
        ("port = ", "hub.toml: "),
        ("port = 1\nport = 2", "hub.toml: "),
        ("#" * 70_000, "more than 65536 bytes"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, says: str):
    with pytest.raises(BadConfig, match=says):
        load_config(write(tmp_path, text))


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CREDITCHAIN_PROT", "1", "unknown variable CREDITCHAIN_PROT; did you mean 'port'"),
        ("CREDITCHAIN_FOLDER", "x", "unknown variable CREDITCHAIN_FOLDER"),
        ("CREDITCHAIN_PORT", "x", "variable CREDITCHAIN_PORT: port is a number"),
        ("CREDITCHAIN_PORT", "-1", "port is a number"),
        ("CREDITCHAIN_PORT", "９", "port is a number"),
        ("CREDITCHAIN_FEED_PUBLIC", "yes", "feed_public is true or false"),
    ],
)
def test_a_mistake_in_the_environment_is_named(
    tmp_path: Path, variable: str, value: str, says: str
):
    with pytest.raises(BadConfig, match=says):
        load_config(write(tmp_path, ""), {variable: value})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(BadConfig, match=r"hub.toml: No such file"):
        load_config(tmp_path / "hub.toml")
    (tmp_path / "hub.toml").write_bytes(b"host = '\xff'")
    with pytest.raises(BadConfig, match="not UTF-8"):
        load_config(tmp_path / "hub.toml")


def test_an_unfit_setting_is_not_written():
    with pytest.raises(BadConfig, match="unknown setting 'prot'"):
        format_config({"prot": 1})
    with pytest.raises(BadConfig, match="port is a number"):
        format_config({"port": -1})


@pytest.fixture
def config(tmp_path: Path) -> HubConfig:
    keys = tmp_path / "keys"
    for name, text in (
        ("log.key", format_signer_key(Signer("hub.example/log", bytes(32)))),
        ("refusal.key", format_signer_key(Signer("hub.example/log/refusal", b"\1" * 32))),
        ("token.key", "ab" * 32),
    ):
        write_private(keys / name, text.encode() + b"\n")
    save_key(keys / "operator.json", generate_key())
    return load_config(write(tmp_path, ""))


def test_secrets_are_read_and_never_shown(config: HubConfig):
    secrets = load_secrets(config)
    assert secrets.log.name == "hub.example/log"
    assert secrets.refusal.name == "hub.example/log/refusal"
    assert secrets.token == b"\xab" * 32
    for shown in (repr(secrets), str(secrets)):
        assert "seed" not in shown
        assert "secret=" not in shown
        assert repr(secrets.token) not in shown


@pytest.mark.parametrize("name", ["log.key", "refusal.key", "token.key", "operator.json"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_reach_is_refused(config: HubConfig, name: str, mode: int):
    (config.keys_folder / name).chmod(mode)
    with pytest.raises(BadConfig, match=rf"{name}: others can reach .*chmod 600"):
        load_secrets(config)


@pytest.mark.parametrize("name", ["log.key", "refusal.key", "token.key", "operator.json"])
@pytest.mark.parametrize("data", [b"", b"secret", b"PRIVATE+KEY+a+b+c\n", b"\xff\n", b"a" * 5000])
def test_an_unfit_key_file_is_named_without_its_content(config: HubConfig, name: str, data: bytes):
    path = config.keys_folder / name
    path.write_bytes(data)
    with pytest.raises(BadConfig, match=name) as caught:
        load_secrets(config)
    assert "secret" not in str(caught.value)
    path.unlink()
    with pytest.raises(BadConfig, match=f"{name}: No such file"):
        load_secrets(config)


def test_an_unfit_policy_is_named(config: HubConfig):
    config.policy_path.write_text("quorum all\n", encoding="utf-8")
    with pytest.raises(BadConfig, match="policy: line 1: the quorum is not defined"):
        load_policy(config)
    config.policy_path.write_text("quorum none\n", encoding="utf-8")
    assert load_policy(config).quorum == "none"


def test_every_setting_is_explained_in_the_operations_page():
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, spec in SETTINGS.items():
        shown = str(spec.default).lower() or "empty"
        assert f"| `{name}` | {shown} | {spec.metadata['says']} |" in page
