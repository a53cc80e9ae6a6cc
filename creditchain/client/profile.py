"""Profiles: who one is, at which hub, with which keys, in one TOML file.

    url = "https://hub.example"
    actor = "of_8CmyMaQ1Tc2hXz0vYV0xGA"
    key = "keys/officer.json"             # signs
    genesis = "genesis.body"              # the founding that is trusted
    policy = "policy"                     # whose cosignatures count; left out: nobody's
    sealing_key = "keys/seal.json"        # opens reports; optional
    receipts = "receipts"                 # where receipts and refusals are kept; optional
    records = "records.db"                # the record store; optional

    [agency]                              # for `creditchain agency work`
    mapping = "mapping.toml"
    database = "postgresql+psycopg://…"   # or database_env = "NAME" of a variable with it
    journal = "journal.db"
    records = ["other.db"]                # further record stores whose records may be cited

Paths are relative to the file. A name without a slash is a file in the profiles folder.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from creditchain.client.client import Client
from creditchain.client.evidence import BadEvidence, Trust
from creditchain.client.keys import PrivateKey, load_key
from creditchain.client.signer import Signer
from creditchain.tlog.note import format_vkey
from creditchain.tlog.policy import BadPolicy, parse_policy

PROFILE_ENV: Final = "CREDITCHAIN_PROFILE"

_TEXTS: Final = {"url", "actor", "key", "genesis", "policy", "sealing_key", "receipts", "records"}
_REQUIRED: Final = {"url", "actor", "key", "genesis"}
_AGENCY_TEXTS: Final = {"mapping", "database", "database_env", "journal"}


class BadProfile(ValueError):
    """The profile cannot be used; the message names the file, the line and what is expected."""


@dataclass(frozen=True, slots=True)
class AgencyProfile:
    """What the agency worker needs beside the profile: mapping, database URL, journal, stores."""

    mapping: Path
    database: str
    journal: Path
    records: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as read; files are opened when they are needed."""

    path: Path
    url: str
    actor: str
    key: Path
    genesis: Path
    policy: Path | None
    sealing_key: Path | None
    receipts: Path | None
    records: Path | None
    agency: Mapping[str, Any] | None

    def trust(self) -> Trust:
        """What the profile trusts; raises `BadProfile`."""
        try:
            policy = None if self.policy is None else parse_policy(self.policy.read_bytes())
            return Trust.of_genesis(self.genesis.read_bytes(), policy)
        except OSError as error:
            raise BadProfile(f"{error.filename}: {error.strerror}") from None
        except (BadEvidence, BadPolicy) as error:
            raise BadProfile(f"{self.path}: {error}") from None

    def policy_text(self) -> str:
        """The policy to hand on with evidence; without one, that the log's signature is enough."""
        if self.policy is not None:
            return self.policy.read_text(encoding="utf-8")
        return f"log {format_vkey(self.trust().log)}\nquorum none\n"

    def client(self, *, patience_s: float | None = None) -> Client:
        """A client that speaks as this profile; raises `BadProfile` and `BadKeyFile`."""
        trust = self.trust()
        try:
            signer = Signer(self.actor, load_key(self.key), trust.origin)
        except ValueError as error:
            raise BadProfile(f"{self.path}: {error}") from None
        if patience_s is None:
            return Client(self.url, signer, trust)
        return Client(self.url, signer, trust, patience_s=patience_s)

    def open_with(self) -> PrivateKey:
        """The key that opens reports; raises `BadProfile` and `BadKeyFile`."""
        if self.sealing_key is None:
            raise BadProfile(f"{self.path}: names no sealing_key, so no report can be opened")
        return load_key(self.sealing_key)

    def record_store(self) -> Path:
        """Where the record store is; raises `BadProfile`."""
        if self.records is None:
            raise BadProfile(f"{self.path}: names no records, the record store's file")
        return self.records

    def agency_profile(self, environ: Mapping[str, str]) -> AgencyProfile:
        """What the worker needs; raises `BadProfile`."""
        table = self.agency
        if table is None or "mapping" not in table:
            raise BadProfile(f"{self.path}: has no [agency] with a mapping")
        folder = self.path.parent
        if ("database" in table) == ("database_env" in table):
            raise BadProfile(f"{self.path}: [agency] has database or database_env")
        if "database_env" in table:
            database = environ.get(table["database_env"])
            if not database:
                raise BadProfile(f"the variable {table['database_env']} holds no database URL")
        else:
            database = table["database"]
        stores = [folder / name for name in table.get("records", [])]
        if self.records is not None:
            stores.insert(0, self.records)
        return AgencyProfile(
            folder / table["mapping"],
            database,
            folder / table.get("journal", "journal.db"),
            tuple(stores),
        )


def find_profile(name: str | None, environ: Mapping[str, str]) -> Path:
    """The file of the profile that a person names, or that the environment does."""
    chosen = name or environ.get(PROFILE_ENV)
    if not chosen:
        raise BadProfile(f"name a profile with -p, or in the variable {PROFILE_ENV}")
    if "/" in chosen or chosen.endswith(".toml"):
        return Path(chosen)
    config = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "creditchain" / f"{chosen}.toml"


def load_profile(name: str | None, environ: Mapping[str, str] | None = None) -> Profile:
    """The profile that is named; raises `BadProfile`."""
    path = find_profile(name, os.environ if environ is None else environ)
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadProfile(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BadProfile(f"{path}: {error}") from None
    agency = value.pop("agency", None)
    unknown = value.keys() - _TEXTS
    if unknown:
        raise BadProfile(f"{path}: {min(unknown)} is no setting of a profile")
    absent = _REQUIRED - value.keys()
    if absent:
        raise BadProfile(f"{path}: {min(absent)} is missing")
    for setting, text in value.items():
        if not isinstance(text, str) or not text:
            raise BadProfile(f"{path}: {setting} is a text")
    if agency is not None:
        _check_agency(path, agency)
    places = {
        setting: (path.parent / value[setting]) if setting in value else None
        for setting in _TEXTS - {"url", "actor", "key", "genesis"}
    }
    return Profile(
        path=path,
        url=value["url"],
        actor=value["actor"],
        key=path.parent / value["key"],
        genesis=path.parent / value["genesis"],
        agency=agency,
        **places,
    )


def _check_agency(path: Path, table: object) -> None:
    if not isinstance(table, dict) or table.keys() - _AGENCY_TEXTS - {"records"}:
        raise BadProfile(f"{path}: [agency] has {', '.join(sorted(_AGENCY_TEXTS))} and records")
    stores = table.get("records", [])
    texts = [table[name] for name in _AGENCY_TEXTS & table.keys()]
    if not isinstance(stores, list) or not all(isinstance(t, str) for t in [*texts, *stores]):
        raise BadProfile(f"{path}: [agency] holds texts, and records a list of them")


def format_profile(settings: Mapping[str, str]) -> str:
    """The text of a profile with these settings; raises `BadProfile` for a text it cannot hold."""
    lines = []
    for name, text in settings.items():
        if any(c in '"\\' or c < " " for c in text):
            raise BadProfile(f"{name}: a quote, a backslash or a control character")
        lines.append(f'{name} = "{text}"\n')
    return "".join(lines)
