"""The observer's settings and keys: one frozen value from `observer.toml`, then the environment.

A setting is a line of `observer.toml` or a variable `REGULATOR_<NAME>`, which wins. Unknown names
are refused, so that a mistyped one cannot be ignored. The file lies in the observer's folder beside
`observer.db`, `head.register`, `genesis.body` (the founding it pins) and `keys/`:

- `witness.key`, `mirror.key`, `audit.key`: cosigning keys, in the text form of C2SP;
- `service.json`: a private JWK that signs the observer in at the hub;
- `report.json`: a private JWK that signs reports and warnings;
- `smtp.password`: one line, if mail is sent with a password that `smtp_url` does not carry.
"""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from creditchain.client.keys import (
    ED25519,
    BadKeyFile,
    PrivateKey,
    generate_key,
    load_key,
    read_private,
    save_key,
    write_private,
)
from creditchain.ed25519 import BadKey
from creditchain.tlog.cosignature import (
    CosignatureSigner,
    format_cosigner_key,
    format_cosigner_vkey,
    parse_cosigner_key,
)
from regulator.cosign import AUDIT, MIRROR, WITNESS
from regulator.observer import BadGenesis, Genesis, read_genesis
from regulator.report.model import LANGUAGES
from regulator.setting import CHECKS, FORMATS, MailServer, parse_mail_server

CONFIG_NAME: Final = "observer.toml"
GENESIS_NAME: Final = "genesis.body"
ENV_PREFIX: Final = "REGULATOR_"
FILE_BYTES_MAX: Final = 65_536
"""Settings, keys and the founding are all smaller; what is larger is not what it is taken for."""

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
COSIGNERS: Final = (WITNESS, MIRROR, AUDIT)


class BadConfig(ValueError):
    """A setting or a file of the observer is unfit; the message names it and what is expected."""


def _setting(
    default: Any,
    says: str,
    low: int | None = None,
    high: int | None = None,
    *,
    secret: bool = False,
) -> Any:
    metadata = {"says": says, "low": low, "high": high}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverConfig:
    """How this observer runs. `folder` is where its files lie; everything else is a setting."""

    folder: Path
    name: str = _setting("", "the observer's name; its keys are NAME/witness, /mirror and /audit")
    hub_url: str = _setting("http://127.0.0.1:8400", "where the hub is; its feed is under /log")
    actor: str = _setting("", "as whom to sign in for the bodies; empty: the regulator's member id")
    host: str = _setting("127.0.0.1", "the address to listen on")
    port: int = _setting(8401, "the port; 0 takes a free one", 0, 65_535)
    poll_every_s: int = _setting(5, "how often to look without being woken, seconds", 1, 3_600)
    mirror_wait_s: int = _setting(
        20, "how long add-checkpoint may wait for the copy, seconds", 1, 300
    )
    stale_after_s: int = _setting(
        60, "after how many seconds without word from the hub we are not ready", 5, 86_400
    )
    processes: int = _setting(0, "processes that check signatures; 0: one for each core", 0, 256)
    rule_pack: str = _setting("", "the audit's rule pack, a TOML file; empty: the one that ships")
    reports_daily: str = _setting("L1,L5,L9", "reports made for each day; empty: none")
    reports_monthly: str = _setting("L2,L3,L4,L6,L7,L8", "reports made for each month; empty: none")
    report_hour: int = _setting(1, "how many hours after its end a period is reported", 0, 240)
    report_zone: str = _setting("Asia/Shanghai", "the time zone whose days and months these are")
    report_folder: str = _setting("reports", "where reports are filed")
    report_languages: str = _setting("en,zh", "of " + ", ".join(LANGUAGES))
    report_formats: str = _setting(",".join(FORMATS), "of " + ", ".join(FORMATS))
    report_fonts: str = _setting(
        "/usr/share/fonts/opentype/noto", "where the fonts of PDFs are (Debian: fonts-noto-cjk)"
    )
    webhook_url: str = _setting(
        "", "where new high findings are posted as CloudEvents; empty: nowhere", secret=True
    )
    smtp_url: str = _setting(
        "",
        "through whom they are mailed: smtp://user@host:port?starttls or smtps://…; empty: no mail",
        secret=True,
    )
    mail_from: str = _setting("", "the sender of such mail")
    mail_to: str = _setting("", "its receivers, between commas")
    watch_every_s: int = _setting(
        30, "how often to look after the hub and ourselves, seconds", 1, 86_400
    )
    scrub_every_s: int = _setting(
        1, "how often 256 entries of our own copy are read again, seconds", 1, 86_400
    )
    withheld_after_s: int = _setting(
        600, "how long the hub may show us less than a member, seconds", 1, 86_400
    )
    checkpoint_stale_after_s: int = _setting(
        7_200,
        "how old our line on the checkpoint may get, or the hub be silent, seconds; more than the "
        "hub's cosign_stale_s",
        10,
        604_800,
    )
    lag_after_s: int = _setting(3_600, "how long we may be behind, seconds", 10, 604_800)
    erased_after_s: int = _setting(
        600, "how long an erased body may still be served, seconds", 1, 604_800
    )
    introspection: int = _setting(
        1, "whether /graphql tells its schema to those signed in; the schema is public anyway", 0, 1
    )
    log_level: str = _setting("info", "one of " + ", ".join(LOG_LEVELS))

    @property
    def keys_folder(self) -> Path:
        """The observer's secrets."""
        return self.folder / "keys"

    @property
    def report_key_path(self) -> Path:
        """The key that signs reports and warnings."""
        return self.keys_folder / "report.json"

    @property
    def pack_path(self) -> Path | None:
        """The rule pack's file, seen from the observer's folder; None: the one that ships."""
        return self.folder / self.rule_pack if self.rule_pack else None


SETTINGS: Final = {f.name: f for f in fields(ObserverConfig) if f.name != "folder"}


@dataclass(frozen=True, slots=True)
class ObserverSecrets:
    """The observer's private keys."""

    signers: Mapping[str, CosignatureSigner]
    service: PrivateKey


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> ObserverConfig:
    """The settings in a file, then in the environment; raises `BadConfig`."""
    try:
        table = tomllib.loads(read_file(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise BadConfig(f"{path}: {error}") from None
    values = {name: _check(name, value, str(path)) for name, value in table.items()}
    for variable, given in sorted((environ or {}).items()):
        if variable.startswith(ENV_PREFIX):
            name = variable.removeprefix(ENV_PREFIX).lower()
            values[name] = _check(name, _from_text(name, given), f"variable {variable}")
    config = ObserverConfig(folder=path.parent.absolute(), **values)
    if not config.name:
        raise BadConfig(f"{path}: the setting name is missing")
    if config.smtp_url and not (config.mail_from and config.mail_to):
        raise BadConfig(f"{path}: smtp_url is of no use without mail_from and mail_to")
    return config


def format_config(settings: Mapping[str, Any]) -> str:
    """An `observer.toml` with every setting explained: those given as lines, others as comments."""
    lines = ["# Settings of this observer; a variable REGULATOR_<NAME> wins over a line here."]
    for name, spec in SETTINGS.items():
        value = _check(name, settings[name], name) if name in settings else spec.default
        text = str(value) if isinstance(value, int) else f'"{value}"'
        lines += [
            "",
            f"# {spec.metadata['says']}",
            f"{'' if name in settings else '# '}{name} = {text}",
        ]
    return "\n".join(lines) + "\n"


def load_secrets(config: ObserverConfig) -> ObserverSecrets:
    """The observer's keys; raises `BadConfig`, also when others can reach a file."""
    signers = {}
    for name in COSIGNERS:
        path = config.keys_folder / f"{name}.key"
        try:
            signer = parse_cosigner_key(read_private(path).decode().strip())
        except BadKeyFile as error:
            raise BadConfig(str(error)) from None
        except (BadKey, UnicodeError) as error:
            raise BadConfig(f"{path}: {error}") from None
        if signer.name != f"{config.name}/{name}":
            raise BadConfig(f"{path}: a key of {signer.name}, not of {config.name}/{name}")
        signers[name] = signer
    try:
        return ObserverSecrets(signers, load_key(config.keys_folder / "service.json"))
    except BadKeyFile as error:
        raise BadConfig(str(error)) from None


def load_report_key(config: ObserverConfig) -> PrivateKey:
    """The key that signs reports and warnings; raises `BadConfig`."""
    path = config.report_key_path
    try:
        key = load_key(path)
    except BadKeyFile as error:
        raise BadConfig(f"{error}; `regulator init` makes the keys that are missing") from None
    if key.alg != ED25519:
        raise BadConfig(f"{path}: reports are signed with {ED25519}")
    return key


def load_mail_server(config: ObserverConfig) -> MailServer | None:
    """Where mail is handed in, its password from `smtp_url` or its file; raises `BadConfig`."""
    if not config.smtp_url:
        return None
    server = parse_mail_server(config.smtp_url)
    if not server.user or server.password:
        return server
    try:
        password = read_private(config.keys_folder / "smtp.password").decode().strip()
    except (BadKeyFile, UnicodeError) as error:
        raise BadConfig(f"the password of {server.user} at {server.host}: {error}") from None
    return replace(server, password=password)


def load_genesis(config: ObserverConfig) -> Genesis:
    """The founding that this observer pins; raises `BadConfig`."""
    path = config.folder / GENESIS_NAME
    try:
        return read_genesis(read_file(path))
    except BadGenesis as error:
        raise BadConfig(f"{path}: {error}") from None


def make_observer(
    folder: Path, name: str, *, service: PrivateKey | None = None, **settings: Any
) -> dict[str, str]:
    """Makes the folder of a new observer: settings and keys; its vkeys by cosigner.

    `service` is the key to sign in with, made anew unless given. Keys that exist are kept. Raises
    `BadConfig`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = folder / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    vkeys = {}
    try:
        for cosigner in COSIGNERS:
            path = keys / f"{cosigner}.key"
            if path.exists():
                signer = parse_cosigner_key(read_private(path).decode().strip())
            else:
                signer = CosignatureSigner(f"{name}/{cosigner}", secrets.token_bytes(32))
                write_private(path, f"{format_cosigner_key(signer)}\n".encode())
            vkeys[cosigner] = format_cosigner_vkey(signer.verifier)
        if not (keys / "service.json").exists():
            save_key(keys / "service.json", service or generate_key())
        if not (keys / "report.json").exists():
            save_key(keys / "report.json", generate_key())
    except (BadKey, BadKeyFile, UnicodeError) as error:
        raise BadConfig(str(error)) from None
    path = folder / CONFIG_NAME
    if not path.exists():
        path.write_text(format_config({"name": name, **settings}), encoding="utf-8")
    return vkeys


def read_file(path: Path) -> bytes:
    """A small file; raises `BadConfig`."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise BadConfig(f"{path}: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise BadConfig(f"{path}: more than {FILE_BYTES_MAX} bytes")
    return data


def _from_text(name: str, given: str) -> Any:
    spec = SETTINGS.get(name)
    if spec is None or not isinstance(spec.default, int):
        return given
    try:
        return int(given)
    except ValueError:
        return given


def _check(name: str, value: Any, where: str) -> Any:
    spec = SETTINGS.get(name)
    if spec is None:
        raise BadConfig(f"{where}: unknown setting {name!r}")
    kind = type(spec.default)
    if type(value) is not kind:
        raise BadConfig(f"{where}: {name} is not a {'number' if kind is int else 'text'}")
    low, high = spec.metadata["low"], spec.metadata["high"]
    if kind is int and not low <= value <= high:
        raise BadConfig(f"{where}: {name} is not from {low} to {high}")
    if name == "log_level" and value not in LOG_LEVELS:
        raise BadConfig(f"{where}: log_level is not one of {', '.join(LOG_LEVELS)}")
    if name == "hub_url":
        parts = urlsplit(str(value))
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise BadConfig(f"{where}: hub_url is no http or https address")
        return str(value).rstrip("/")
    if name in CHECKS:
        try:
            CHECKS[name](str(value))
        except ValueError as error:
            raise BadConfig(f"{where}: {name}: {error}") from None
    return value
