"""The evidence bundle `creditchain-evidence/v1`: an order's events in one file, to verify offline.

A bundle is a zip of stored members (`creditchain.client.stored_zip`), docs/formats.md section 18:

    manifest.json            what is in it, canonical JSON; `Manifest`
    manifest.jws             its maker's signature over the manifest
    policy                   the C2SP policy: the log's key, and whose cosignatures count
    events/INDEX.body        the body of each event, unless erased
    proofs/INDEX.tlog-proof  its receipt
    cover.html               for people: what it shows and what it does not
    verify.html, verify.py   verifiers that need nothing but a browser, or Python

The manifest names every other member with its size and SHA-256, and its maker signs it with a key
that the events lead back to the founding: nothing in a bundle stands there unvouched for. The trust
in the founding itself never comes from the bundle; see `creditchain.client.bundle_check`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from creditchain.client.evidence import commitment_of
from creditchain.client.jws import sign
from creditchain.client.keys import PrivateKey
from creditchain.events import b64u, canonical_json, format_time, parse_time, unb64u

EVIDENCE_FORMAT: Final = "creditchain-evidence/v1"

EVIDENCE_TYPE: Final = "creditchain-evidence+jws"
"""Of the maker's signature."""

EVENTS_MAX: Final = 10_000
"""An order has tens; 256 batches cited by each of 20 sections would be 5,120 more."""

MANIFEST_BYTES_MAX: Final = 4_194_304
"""10,000 events with two members each come to 3.3 MB."""

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.jws"
POLICY: Final = "policy"
ASSETS: Final = ("verify.html", "verify.py")
COVER: Final = "cover.html"

_EVENT_ID: Final = re.compile(
    "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII
)


class BadBundleFile(ValueError):
    """The members are not those of an evidence bundle; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class BundledEvent:
    """An event for a bundle: its place on the log, its body (None: erased) and its receipt.

    `at` is when it was admitted, ms. `unshown`: the event that introduced its signer's key is not
    in the bundle, because the maker may not read it or it was erased; then only that it is on the
    log is shown, not who said it.
    """

    index: int
    at: int
    body: bytes | None
    proof: str
    unshown: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the manifest about an event."""

    index: int
    at: int
    unshown: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says is in it. `founding` is the commitment of entry 0, 32 bytes.

    `members` are size and SHA-256 (hex) of every member but the manifest and its signature.
    """

    log: str
    founding: bytes
    order: str
    maker: str
    events: tuple[Listed, ...]
    members: Mapping[str, tuple[int, str]]


def body_name(index: int) -> str:
    """The member with the body of the event at an index."""
    return f"events/{index}.body"


def proof_name(index: int) -> str:
    """The member with the receipt of the event at an index."""
    return f"proofs/{index}.tlog-proof"


def event_members(events: Sequence[BundledEvent]) -> dict[str, bytes]:
    """The members that hold these events."""
    members = {proof_name(e.index): e.proof.encode("utf-8") for e in events}
    members.update({body_name(e.index): e.body for e in events if e.body is not None})
    return members


def verifier_members() -> dict[str, bytes]:
    """The verifiers that this release puts into a bundle."""
    folder = resources.files("creditchain.client.verifier")
    return {name: folder.joinpath(name).read_bytes() for name in ASSETS}


def complete(manifest: Manifest, members: Mapping[str, bytes], key: PrivateKey) -> dict[str, bytes]:
    """The members with the manifest that names them all and its signature by the maker's `key`."""
    raw = format_manifest(manifest, members)
    return {**members, MANIFEST: raw, SIGNATURE: sign(raw, key, EVIDENCE_TYPE).encode("ascii")}


def format_manifest(manifest: Manifest, members: Mapping[str, bytes]) -> bytes:
    """The manifest's bytes, its list made anew of `members`."""
    return canonical_json(
        {
            "events": [_event_line(e) for e in sorted(manifest.events, key=lambda e: e.index)],
            "format": EVIDENCE_FORMAT,
            "founding": b64u(manifest.founding),
            "log": manifest.log,
            "maker": manifest.maker,
            "members": [
                {"bytes": len(members[n]), "name": n, "sha256": _sha256(members[n])}
                for n in sorted(members)
            ],
            "order": manifest.order,
        }
    )


def open_members(members: Mapping[str, bytes]) -> Manifest:
    """The manifest, once every member was found to be the one it names; raises `BadBundleFile`."""
    raw = members.get(MANIFEST)
    if raw is None or SIGNATURE not in members:
        raise BadBundleFile(f"no evidence bundle: there is no {MANIFEST} or no {SIGNATURE}")
    manifest = parse_manifest(raw)
    named = {MANIFEST, SIGNATURE, *manifest.members}
    for name in sorted(members.keys() - named):
        raise BadBundleFile(f"{name} is not in the manifest, so nothing vouches for it")
    for name, (size, digest) in manifest.members.items():
        data = members.get(name)
        if data is None:
            raise BadBundleFile(f"{name} is missing")
        if len(data) != size or _sha256(data) != digest:
            raise BadBundleFile(f"{name} is not what the manifest says it is")
    return manifest


def parse_manifest(raw: bytes) -> Manifest:
    """The manifest in its bytes; raises `BadBundleFile`, also for names it should not list."""
    if len(raw) > MANIFEST_BYTES_MAX:
        raise BadBundleFile(f"the manifest has more than {MANIFEST_BYTES_MAX} bytes")
    try:
        manifest = _read_manifest(json.loads(raw), raw)
    except BadBundleFile:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadBundleFile(f"the manifest: {error!r}") from None
    indexes = [e.index for e in manifest.events]
    if not 0 < len(indexes) <= EVENTS_MAX or indexes != sorted(set(indexes)) or indexes[0] != 0:
        raise BadBundleFile(
            "the manifest's events do not begin with the founding, or are not in order"
        )
    known = {POLICY, COVER, *ASSETS, *map(proof_name, indexes)}
    allowed = known | set(map(body_name, indexes))
    if not known <= manifest.members.keys() <= allowed:
        raise BadBundleFile("the manifest lists another set of members than its events need")
    return manifest


def _read_manifest(value: Any, raw: bytes) -> Manifest:
    if canonical_json(value) != raw:
        raise BadBundleFile("the manifest is not in canonical form")
    if value["format"] != EVIDENCE_FORMAT:
        raise BadBundleFile(f"not a {EVIDENCE_FORMAT}")
    if value.keys() != {"events", "format", "founding", "log", "maker", "members", "order"}:
        raise BadBundleFile("the manifest has other fields than it should")
    founding = unb64u(value["founding"])
    if len(founding) != 32 or _EVENT_ID.fullmatch(value["order"]) is None:
        raise BadBundleFile("the manifest names no founding or no order")
    members = {}
    for line in value["members"]:
        size, name, digest = line["bytes"], line["name"], line["sha256"]
        if line.keys() != {"bytes", "name", "sha256"} or type(size) is not int:
            raise BadBundleFile("a member of the manifest has bytes, name and sha256")
        members[str(name)] = (size, str(digest))
    if [line["name"] for line in value["members"]] != sorted(members):
        raise BadBundleFile("the manifest's members are not in order")
    events = tuple(map(_read_line, value["events"]))
    return Manifest(
        str(value["log"]), founding, value["order"], str(value["maker"]), events, members
    )


def _read_line(line: Any) -> Listed:
    unshown = line.get("author") == "UNSHOWN"
    index = line["index"]
    if line.keys() != {"at", "index"} | ({"author"} if unshown else set()):
        raise BadBundleFile("an event of the manifest has at, index and perhaps author")
    if type(index) is not int or not 0 <= index < 2**53:
        raise BadBundleFile("an event's index is no index")
    return Listed(index, parse_time(line["at"]), unshown)


def _event_line(event: Listed) -> dict[str, Any]:
    line: dict[str, Any] = {"at": format_time(event.at), "index": event.index}
    return {**line, "author": "UNSHOWN"} if event.unshown else line


def _sha256(data: bytes) -> str:
    return commitment_of(data).hex()


def policy_digest(policy: bytes) -> str:
    """How a policy is named to be compared: SHA-256 of the file, hex, as `sha256sum` prints it."""
    return hashlib.sha256(policy).hexdigest()
