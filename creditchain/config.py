"""The hub's settings: one frozen value, from `hub.toml` and then the environment.

A setting is a line of `hub.toml` or a variable `CREDITCHAIN_<NAME>`, which wins. Unknown names are
refused, so that a mistyped one cannot be ignored. The file lies in the hub's folder, beside what it
speaks about: `ledger.db`, `private.db`, `policy` and `keys/`. Secrets are never settings; they are
files that only their owner can reach.

    config = load_config(Path("hub/hub.toml"), os.environ)
    secrets = load_secrets(config)
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from creditchain.client.keys import BadKeyFile, PrivateKey, load_key, read_private
from creditchain.ed25519 import BadKey
from creditchain.tlog.note import Signer, parse_signer_key
from creditchain.tlog.policy import BadPolicy, Policy, parse_policy

CONFIG_NAME: Final = "hub.toml"
ENV_PREFIX: Final = "CREDITCHAIN_"

CONFIG_BYTES_MAX: Final = 65_536
"""A larger file is not what it is taken for."""

TOKEN_SECRET_BYTES: Final = 32
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


class BadConfig(ValueError):
    """A setting or a file of the hub is unfit; the message names it and says what is expected."""


def _setting(default: Any, says: str, low: int | None = None, high: int | None = None) -> Any:
    return field(default=default, metadata={"says": says, "low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """How this hub runs. `folder` is where its files lie; everything else is a setting."""

    folder: Path
    host: str = _setting("127.0.0.1", "the address to listen on")
    port: int = _setting(8400, "the port; 0 takes a free one", 0, 65_535)
    observer_url: str = _setting(
        "", "where the observer listens; empty: as the policy's witness lines say"
    )
    retention_days: int = _setting(
        90, "how long a delivered report is kept; the orderer keeps its own copy", 1, 36_500
    )
    feed_public: bool = _setting(True, "whether strangers may read checkpoints, tiles and entries")
    trusted_documents: bool = _setting(
        False, "whether only the documents shipped with the software may be asked"
    )
    scan_every_s: int = _setting(5, "how often deadlines are looked at, seconds", 1, 3_600)
    cosign_stale_s: int = _setting(
        600, "after how many seconds a cosignature on a log at rest is asked for again", 10, 86_400
    )
    connections_max: int = _setting(1_000, "connections served at once", 10, 100_000)
    drain_s: int = _setting(10, "how long requests may finish when the hub stops", 0, 300)
    log_level: str = _setting("info", "one of " + ", ".join(LOG_LEVELS))

    @property
    def ledger_path(self) -> Path:
        """The log and its records."""
        return self.folder / "ledger.db"

    @property
    def private_path(self) -> Path:
        """Directory and vault."""
        return self.folder / "private.db"

    @property
    def policy_path(self) -> Path:
        """The C2SP policy: the log's key and the observer's."""
        return self.folder / "policy"

    @property
    def genesis_path(self) -> Path:
        """The body of the founding event, public."""
        return self.folder / "genesis.body"

    @property
    def keys_folder(self) -> Path:
        """The hub's secrets."""
        return self.folder / "keys"


@dataclass(frozen=True, slots=True)
class HubSecrets:
    """The hub's private keys; `token` is 32 bytes for access tokens and cursors."""

    log: Signer
    refusal: Signer
    operator: PrivateKey
    token: bytes = field(repr=False)


SETTINGS: Final = {f.name: f for f in fields(HubConfig) if f.name != "folder"}


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> HubConfig:
    """The settings in a file, then in the environment; raises `BadConfig`."""
    text = _read(path, CONFIG_BYTES_MAX)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path}: {error}") from None
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in SETTINGS:
            raise BadConfig(f"{path}{_line_of(text, name)}: unknown setting {name!r}{_near(name)}")
        values[name] = _check(name, value, f"{path}{_line_of(text, name)}")
    for variable, given in sorted((environ or {}).items()):
        if not variable.startswith(ENV_PREFIX):
            continue
        name = variable.removeprefix(ENV_PREFIX).lower()
        if name not in SETTINGS:
            raise BadConfig(f"unknown variable {variable}{_near(name)}")
        values[name] = _check(name, _from_text(name, given), f"variable {variable}")
    return HubConfig(folder=path.parent.absolute(), **values)


def format_config(settings: Mapping[str, Any]) -> str:
    """A `hub.toml` with every setting explained: those given as lines, the others as comments.

    Raises `BadConfig` for an unknown or unfit one.
    """
    for name in settings:
        if name not in SETTINGS:
            raise BadConfig(f"unknown setting {name!r}{_near(name)}")
    lines = ["# Settings of this hub; a variable CREDITCHAIN_<NAME> wins over a line here."]
    for name, spec in SETTINGS.items():
        value = _check(name, settings[name], name) if name in settings else spec.default
        lines += ["", f"# {spec.metadata['says']}"]
        lines.append(f"{'' if name in settings else '# '}{name} = {_literal(value)}")
    return "\n".join(lines) + "\n"


def load_secrets(config: HubConfig) -> HubSecrets:
    """The hub's keys; raises `BadConfig`, also when others than the owner can reach a file."""
    keys = config.keys_folder
    try:
        operator = load_key(keys / "operator.json")
        return HubSecrets(
            _load_signer(keys / "log.key"),
            _load_signer(keys / "refusal.key"),
            operator,
            _load_token(keys / "token.key"),
        )
    except BadKeyFile as error:
        raise BadConfig(str(error)) from None


def load_policy(config: HubConfig) -> Policy:
    """The policy beside the ledger; raises `BadConfig`."""
    try:
        return parse_policy(_read(config.policy_path, CONFIG_BYTES_MAX))
    except BadPolicy as error:
        raise BadConfig(f"{config.policy_path}: {error}") from None


def read_secret(path: Path) -> str:
    """The one line of a secret file; raises `BadConfig` when others can reach it."""
    try:
        data = read_private(path)
    except BadKeyFile as error:
        raise BadConfig(str(error)) from None
    try:
        text = data.decode("ascii")
    except UnicodeError:
        text = ""
    if text.count("\n") != 1 or not text.endswith("\n"):
        raise BadConfig(f"{path}: not a key file of one line")
    return text[:-1]


def _load_signer(path: Path) -> Signer:
    try:
        return parse_signer_key(read_secret(path))
    except BadKey as error:
        raise BadConfig(f"{path}: {error}") from None


def _load_token(path: Path) -> bytes:
    text = read_secret(path)
    if re.fullmatch(f"[0-9a-f]{{{2 * TOKEN_SECRET_BYTES}}}", text) is None:
        raise BadConfig(f"{path}: not {TOKEN_SECRET_BYTES} bytes in hex")
    return bytes.fromhex(text)


def _read(path: Path, bytes_max: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise BadConfig(f"{path}: {error.strerror}") from None
    if len(data) > bytes_max:
        raise BadConfig(f"{path}: more than {bytes_max} bytes")
    try:
        return data.decode()
    except UnicodeError:
        raise BadConfig(f"{path}: not UTF-8") from None


def _check(name: str, value: Any, where: str) -> Any:
    metadata = SETTINGS[name].metadata
    low, high = metadata["low"], metadata["high"]
    match SETTINGS[name].default:
        case bool():
            if not isinstance(value, bool):
                raise BadConfig(f"{where}: {name} is true or false")
        case int():
            # In Python true is a number too.
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise BadConfig(f"{where}: {name} is a number from {low} to {high}")
        case _:
            if not isinstance(value, str) or re.search(r"[\"\\\s]", value):
                raise BadConfig(f"{where}: {name} is a text without spaces and quotes")
            if name == "log_level" and value not in LOG_LEVELS:
                raise BadConfig(f"{where}: {name} is one of {', '.join(LOG_LEVELS)}")
            if name == "host" and not re.fullmatch(r"[A-Za-z0-9.:-]{1,255}", value):
                raise BadConfig(f"{where}: {name} is an address or a host name")
            if name == "observer_url" and value:
                _check_url(value, f"{where}: {name}")
    return value


def _check_url(text: str, where: str) -> None:
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    else:
        good = good and not (url.query or url.fragment or url.username or text.endswith("/"))
    if not good:
        raise BadConfig(f"{where} is an http or https address without a slash at the end")


def _from_text(name: str, text: str) -> Any:
    """The value of a variable; one that does not fit is left a text, for `_check` to name."""
    kind: type = type(SETTINGS[name].default)
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind is int and re.fullmatch("[0-9]{1,9}", text, re.ASCII):
        return int(text)
    return text


def _literal(value: Any) -> str:
    """The value as TOML; no text that `_check` passes has a quote or a backslash."""
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _line_of(text: str, name: str) -> str:
    """` line N` for the first line that sets or opens `name`, as far as one can see."""
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[=.\]]")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return f" line {number}"
    return ""


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, SETTINGS, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
