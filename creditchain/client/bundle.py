"""Evidence bundles: events and their receipts in one file, for anyone to verify offline.

A bundle (`creditchain-bundle/v1`) is a zip file:

    manifest.json            {"format","log","events":[{"at","index"}, …]}, canonical JSON
    genesis.body             the body of entry 0
    policy                   the C2SP policy
    events/INDEX.body        the body of each event, unless erased
    proofs/INDEX.tlog-proof  its receipt

The events that introduce the signers' keys belong in it: a signature whose key is not shown is a
problem.

Like all evidence it is judged by pinned keys; see `creditchain.client.verify`.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from creditchain.client.evidence import (
    BadEvidence,
    Level,
    Trust,
    check_receipt,
    commitment_of,
    open_genesis,
)
from creditchain.client.verify import CannotReach, Keys, Verdict
from creditchain.events import Event, b64u, canonical_json, format_time, parse_time, unb64u
from creditchain.events.erasure import BodyErased
from creditchain.seal import unseal
from creditchain.tlog.policy import parse_policy

BUNDLE_FORMAT: Final = "creditchain-bundle/v1"

BUNDLE_FILES_MAX: Final = 100_000
BUNDLE_FILE_BYTES_MAX: Final = 262_144
"""A body has 64 KiB at most, a receipt with all the signatures it may carry three times that."""


@dataclass(frozen=True, slots=True)
class BundledEvent:
    """An event for a bundle: its place on the log, its body (None: erased) and its receipt."""

    index: int
    at: int
    body: bytes | None
    proof: str


def write_bundle(
    path: Path, genesis: bytes, policy: str, log: str, events: Sequence[BundledEvent]
) -> None:
    """Writes an evidence bundle; raises OSError."""
    ordered = sorted(events, key=lambda event: event.index)
    manifest = {
        "format": BUNDLE_FORMAT,
        "log": log,
        "events": [{"at": format_time(e.at), "index": e.index} for e in ordered],
    }
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("manifest.json", canonical_json(manifest))
        bundle.writestr("genesis.body", genesis)
        bundle.writestr("policy", policy)
        for event in ordered:
            if event.body is not None:
                bundle.writestr(f"events/{event.index}.body", event.body)
            bundle.writestr(f"proofs/{event.index}.tlog-proof", event.proof)


def verify_bundle(path: Path, trust: Trust | None = None) -> Verdict:
    """Whether every event of a bundle is on the log and signed by whom it says.

    Without `trust` the bundle is judged by its own founding, and the verdict says so: compare its
    `genesis` with the commitment you were given when you joined. Raises `CannotReach`.
    """
    verdict = Verdict("bundle")
    try:
        with zipfile.ZipFile(path) as bundle:
            _check_bundle(_BundleFiles(bundle), trust, verdict)
    except OSError as error:
        raise CannotReach(f"{path}: {error.strerror or error}") from None
    except zipfile.BadZipFile as error:
        raise CannotReach(f"{path}: no bundle: {error}") from None
    except (ValueError, KeyError, TypeError) as error:
        verdict.blame(f"the bundle: {error}")
    return verdict


class _BundleFiles:
    """The files of a bundle, each read once and none larger than it may be."""

    def __init__(self, bundle: zipfile.ZipFile) -> None:
        if len(bundle.namelist()) > BUNDLE_FILES_MAX:
            raise ValueError(f"more than {BUNDLE_FILES_MAX} files")
        if len(set(bundle.namelist())) != len(bundle.namelist()):
            raise ValueError("a file stands twice")
        self._bundle = bundle
        self._names = set(bundle.namelist())
        self.unread = set(self._names)

    def read(self, name: str, bytes_max: int = BUNDLE_FILE_BYTES_MAX) -> bytes:
        data = self.find(name, bytes_max)
        if data is None:
            raise ValueError(f"{name} is missing")
        return data

    def find(self, name: str, bytes_max: int = BUNDLE_FILE_BYTES_MAX) -> bytes | None:
        if name not in self._names:
            return None
        self.unread.discard(name)
        try:
            # The size in the directory may lie, so what is unpacked is counted.
            with self._bundle.open(name) as file:
                data = file.read(bytes_max + 1)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise ValueError(f"{name}: {error}") from None
        if len(data) > bytes_max:
            raise ValueError(f"{name}: more than {bytes_max} bytes")
        return data


def _check_bundle(files: _BundleFiles, trust: Trust | None, verdict: Verdict) -> None:
    manifest = json.loads(files.read("manifest.json", 64 * BUNDLE_FILES_MAX))
    if not isinstance(manifest, dict) or manifest.get("format") != BUNDLE_FORMAT:
        raise ValueError(f"not a {BUNDLE_FORMAT}")
    if manifest.keys() != {"format", "log", "events"}:
        raise ValueError("the manifest has format, log and events")
    genesis = files.read("genesis.body")
    own = Trust.of_genesis(genesis, parse_policy(files.read("policy")))
    judge = own if trust is None else trust
    if judge.log != own.log or manifest["log"] != own.origin:
        verdict.blame("the bundle is of another log than the pinned one")
        return
    keys = Keys()
    keys.learn(open_genesis(genesis).event)
    counts: Counter[str] = Counter()
    gone: dict[int, tuple[int, str]] = {}
    last, observed = -1, 0
    for listed in manifest["events"]:
        if not isinstance(listed, dict) or listed.keys() != {"at", "index"}:
            raise ValueError("an event of the manifest has at and index")
        index, at = int(listed["index"]), parse_time(listed["at"])
        if index <= last:
            raise ValueError("the events of the manifest are not in the log's order")
        last = index
        proof = files.read(f"proofs/{index}.tlog-proof").decode("utf-8")
        body = files.find(f"events/{index}.body")
        if body is None:
            gone[index] = (at, proof)
            continue
        if index == 0 and body != genesis:
            verdict.blame("entry 0 is another founding than genesis.body")
        checked = _check_event(index, at, body, proof, judge, keys, verdict)
        if checked is None:
            continue
        event, is_observed = checked
        observed += is_observed
        counts[event.type] += 1
        said = event.body
        if isinstance(said, BodyErased) and said.index in gone:
            _check_erased(said, *gone.pop(said.index), judge, verdict)
    for index in gone:
        verdict.blame(f"the body of entry {index} is missing, and no event says that it was erased")
    for name in sorted(files.unread):
        verdict.blame(f"{name} is not in the manifest, so nothing vouches for it")
    verdict.facts = {
        "log": judge.origin,
        "genesis": b64u(commitment_of(genesis)),
        "pinned": trust is not None,
        "events": counts.total(),
        "observed": observed,
        "types": dict(sorted(counts.items())),
    }


def _check_event(
    index: int, at: int, body: bytes, proof: str, trust: Trust, keys: Keys, verdict: Verdict
) -> tuple[Event, bool] | None:
    """The event and whether the regulator has it; None where it was blamed."""
    try:
        receipt = check_receipt(commitment_of(body), at, proof, trust, Level.CHECKPOINTED)
        if receipt.index != index:
            raise BadEvidence("its receipt is of another index")
        sealed = unseal(body, keys.find)
        if sealed.event.log != trust.origin:
            raise BadEvidence("it was said on another log")
    except ValueError as error:
        verdict.blame(f"entry {index}: {error}")
        return None
    keys.learn(sealed.event)
    return sealed.event, receipt.level is Level.OBSERVED


def _check_erased(said: BodyErased, at: int, proof: str, trust: Trust, verdict: Verdict) -> None:
    """Blames a receipt that does not hold for the commitment which the erasure names."""
    try:
        commitment = unb64u(said.commitment)
        receipt = check_receipt(commitment, at, proof, trust, Level.CHECKPOINTED)
        if receipt.index != said.index:
            raise BadEvidence("its receipt is of another index")
    except ValueError as error:
        verdict.blame(f"entry {said.index}, erased: {error}")
