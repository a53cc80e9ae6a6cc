"""Founding: the genesis of a consortium, and the folder of a hub that begins with it.

The operator makes the hub's keys; the regulator writes and signs the genesis, which names the hub's
public keys and the first two members; the operator founds the hub with it. Nobody hands over a
private key.

    keys = new_hub_keys("hub.example/log")
    genesis = write_genesis(path, name=…, regulator=…, regulator_key=…, operator=…,
                            log_key=format_vkey(keys.log.verifier), refusal_key=…)
    found_hub(folder, genesis.body, keys, observer=[ObserverKey("witness", vkey, url), …])
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from creditchain.client import evidence
from creditchain.client.keys import BadKeyFile, PrivateKey, generate_key, save_key, write_private
from creditchain.client.signer import Signer as EventSigner
from creditchain.config import (
    CONFIG_NAME,
    TOKEN_SECRET_BYTES,
    BadConfig,
    HubConfig,
    HubSecrets,
    format_config,
    load_config,
)
from creditchain.ed25519 import BadKey
from creditchain.events.consortium import ConsortiumFounded, Founder
from creditchain.ledger import HubKeys, Ledger, LedgerRefused
from creditchain.private_store import open_private_store
from creditchain.seal import Sealed
from creditchain.tlog.cosignature import CosignatureVerifier, parse_cosigner_vkey
from creditchain.tlog.note import (
    SEED_BYTES,
    Signer,
    format_signer_key,
    format_vkey,
    parse_vkey,
)
from creditchain.tlog.policy import (
    NO_QUORUM,
    BadPolicy,
    GroupLine,
    LogLine,
    Policy,
    WitnessLine,
    format_policy,
)

RULEBOOK: Final = 1
"""The law a new consortium begins with."""

HUB_FOLDER: Final = "hub"
REFUSAL_SUFFIX: Final = "/refusal"
QUORUM: Final = "observer"
"""The policy's group of the observer's keys that each must cosign for an entry to be observed."""
AUDIT: Final = "audit"
"""The observer's key for what it has audited. It is asked too, but `OBSERVED` does not wait for it:
that the log holds an entry does not hang on what the rules find."""


class FoundingRefused(ValueError):
    """The hub cannot be founded so; the message says what does not fit."""


@dataclass(frozen=True, slots=True)
class ObserverKey:
    """One of the observer's cosigning keys: its name in the policy, its vkey, where to ask it."""

    name: str
    vkey: str
    url: str | None = None


def new_hub_keys(origin: str, operator: PrivateKey | None = None) -> HubSecrets:
    """Fresh keys of a hub whose log is called `origin`; the operator's may be there already."""
    return HubSecrets(
        Signer(origin, secrets.token_bytes(SEED_BYTES)),
        Signer(origin + REFUSAL_SUFFIX, secrets.token_bytes(SEED_BYTES)),
        operator or generate_key(),
        secrets.token_bytes(TOKEN_SECRET_BYTES),
    )


def write_genesis(
    path: Path,
    *,
    name: str,
    regulator: Founder,
    regulator_key: PrivateKey,
    operator: Founder,
    log_key: str,
    refusal_key: str,
    signed_at: int | None = None,
) -> Sealed:
    """Write the body of ConsortiumFounded, signed by the regulator, to a new file; the event.

    `log_key` and `refusal_key` are the hub's verifier keys; the log's origin is the name of the
    first. Raises FoundingRefused when they do not fit together, or the file exists.
    """
    try:
        log, refusal = parse_vkey(log_key), parse_vkey(refusal_key)
    except BadKey as error:
        raise FoundingRefused(f"not a verifier key: {error}") from None
    if refusal.name != log.name + REFUSAL_SUFFIX:
        raise FoundingRefused(f"the refusal key is named {log.name}{REFUSAL_SUFFIX}")
    if refusal.public == log.public:
        raise FoundingRefused("the log and refusals are signed by different keys")
    if regulator.key != regulator_key.public:
        raise FoundingRefused("the private key is not the regulator's that the genesis names")
    body = ConsortiumFounded(name, regulator, operator, log_key, refusal_key, RULEBOOK)
    signer = EventSigner(regulator.member, regulator_key, log.name)
    try:
        sealed = signer.seal(body, signed_at=signed_at)
        open_genesis(sealed.body)
        write_private(path, sealed.body)
    except BadKeyFile as error:
        raise FoundingRefused(str(error)) from None
    path.chmod(0o644)
    return sealed


def open_genesis(body: bytes) -> ConsortiumFounded:
    """The founding in body bytes, verified; raises FoundingRefused."""
    try:
        founded = evidence.open_genesis(body).event.body
    except evidence.BadEvidence as error:
        raise FoundingRefused(f"not a genesis: {error}") from None
    assert isinstance(founded, ConsortiumFounded), "open_genesis opens foundings only"
    return founded


def make_policy(log_vkey: str, observer: Sequence[ObserverKey]) -> Policy:
    """The policy of a log that is observed when these keys, but the audit's, have cosigned.

    Raises FoundingRefused.
    """
    try:
        log = LogLine(parse_vkey(log_vkey))
        witnesses = tuple(
            WitnessLine(key.name, _cosigner(key), key.url or None) for key in observer
        )
        names = tuple(key.name for key in observer if key.name != AUDIT)
        groups = (GroupLine(QUORUM, len(names), names),) if names else ()
        policy = Policy((log,), witnesses, groups, QUORUM if names else NO_QUORUM)
        format_policy(policy)
    except (BadKey, BadPolicy) as error:
        raise FoundingRefused(f"the observer's keys do not make a policy: {error}") from None
    return policy


def found_hub(
    data_dir: Path,
    genesis_body: bytes,
    keys: HubSecrets,
    *,
    observer: Sequence[ObserverKey] = (),
    settings: Mapping[str, Any] | None = None,
) -> HubConfig:
    """Create `hub/` in `data_dir`: keys, policy, settings, the log with its first entry.

    All or nothing: it is built beside its place and moved there when it is whole. Raises
    FoundingRefused.
    """
    folder = data_dir / HUB_FOLDER
    if folder.exists():
        raise FoundingRefused(f"{folder} is there already; a hub is founded once")
    founded = open_genesis(genesis_body)
    if founded.log_key != format_vkey(keys.log.verifier):
        raise FoundingRefused("the genesis names another log key")
    if founded.refusal_key != format_vkey(keys.refusal.verifier):
        raise FoundingRefused("the genesis names another refusal key")
    if founded.operator.key != keys.operator.public:
        raise FoundingRefused("the genesis names another operator's key")
    policy = make_policy(founded.log_key, observer)
    try:
        config_text = format_config(settings or {})
    except BadConfig as error:
        raise FoundingRefused(str(error)) from None
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = data_dir / f".{HUB_FOLDER}.{secrets.token_hex(8)}"
    draft.mkdir(mode=0o700)
    try:
        save_hub_keys(draft / "keys", keys)
        (draft / CONFIG_NAME).write_text(config_text, encoding="utf-8")
        config = load_config(draft / CONFIG_NAME)
        config.policy_path.write_text(format_policy(policy), encoding="utf-8")
        config.genesis_path.write_bytes(genesis_body)
        try:
            Ledger.found(config.ledger_path, genesis_body, ledger_keys(founded, keys, policy))
        except LedgerRefused as error:
            raise FoundingRefused(str(error)) from None
        open_private_store(config.private_path).dispose()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return load_config(folder / CONFIG_NAME)


def save_hub_keys(folder: Path, keys: HubSecrets) -> None:
    """Write a hub's keys to new files that only their owner can reach; raises FoundingRefused."""
    try:
        for name, text in (
            ("log.key", format_signer_key(keys.log)),
            ("refusal.key", format_signer_key(keys.refusal)),
            ("token.key", keys.token.hex()),
        ):
            write_private(folder / name, f"{text}\n".encode("ascii"))
        save_key(folder / "operator.json", keys.operator)
    except BadKeyFile as error:
        raise FoundingRefused(str(error)) from None


def ledger_keys(founded: ConsortiumFounded, keys: HubSecrets, policy: Policy) -> HubKeys:
    """The keys as the ledger takes them."""
    return HubKeys(keys.log, keys.refusal, policy, founded.operator.member)


def _cosigner(key: ObserverKey) -> CosignatureVerifier:
    return parse_cosigner_vkey(key.vkey)
