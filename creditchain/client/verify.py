"""Verifying without trust in the hub: receipts, refusals and whole logs.

Everything is judged by pinned keys (`creditchain.client.evidence.Trust`) and by nothing that came
along with the evidence. A verdict says what was shown and lists every problem; what could not be
read at all raises `CannotReach`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2

from creditchain.client.evidence import (
    BadEvidence,
    Level,
    Trust,
    check_receipt,
    check_refusal,
    commitment_of,
)
from creditchain.client.key_chain import introduced_keys
from creditchain.ed25519 import BadKey
from creditchain.events import Event, PublicKey, b64u, format_time
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.erasure import BodyErased
from creditchain.seal import parse_entry, unseal
from creditchain.tlog.checkpoint import OpenedCheckpoint
from creditchain.tlog.edge import VerifiedTiles
from creditchain.tlog.note import NOTE_BYTES_MAX, BadNote, parse_vkey
from creditchain.tlog.policy import BadPolicy, parse_policy
from creditchain.tlog.tile import (
    ENTRY_BYTES_MAX,
    TILE_BYTES,
    TILE_WIDTH,
    BadBundle,
    BadTile,
    BundlePath,
    Tile,
    format_bundle_path,
    format_tile_path,
    new_bundles,
    parse_bundle,
)
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof, parse_tlog_proof

PROBLEMS_MAX: Final = 100
"""Enough to act on; a rotten log would have one for each entry."""

_RESOURCE_BYTES_MAX: Final = TILE_WIDTH * (2 + ENTRY_BYTES_MAX)
_TIMEOUT: Final = httpx2.Timeout(30.0, connect=5.0)


class CannotReach(Exception):
    """What should be verified could not be read; the message says why."""


@dataclass(slots=True)
class Verdict:
    """What verifying has shown: of what, the facts that hold, the problems found."""

    what: str
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything was verified."""
        return not self.problems

    def blame(self, problem: str) -> None:
        """Notes a problem; a long list is cut off."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        elif len(self.problems) == PROBLEMS_MAX:
            self.problems.append("and more")

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"what": self.what, "ok": self.ok, **self.facts, "problems": self.problems}


def verify_receipt(
    proof: str,
    body: bytes,
    trust: Trust,
    *,
    at: int | None = None,
    level: Level = Level.CHECKPOINTED,
) -> Verdict:
    """Whether the event in `body` is on the log. `at` (ms) may come in the proof's own extra data.

    `keep_receipt` puts it there; the proof leads to the root only with the right time.
    """
    verdict = Verdict("receipt")
    try:
        if at is None:
            extra = parse_tlog_proof(proof).extra
            if extra is None:
                raise BadEvidence("the receipt does not say when the event was admitted: give it")
            at = parse_entry(extra).at
        receipt = check_receipt(commitment_of(body), at, proof, trust, level)
    except ValueError as error:
        verdict.blame(str(error))
        return verdict
    verdict.facts = {
        "log": trust.origin,
        "index": receipt.index,
        "at": format_time(receipt.at),
        "level": receipt.level.value,
        "size": receipt.size,
        "commitment": b64u(receipt.commitment),
        "cosignatures": [
            {"name": c.name, "at": format_time(c.time_s * 1000)} for c in receipt.cosignatures
        ],
    }
    return verdict


def keep_receipt(proof: str, entry: bytes) -> str:
    """The receipt with its entry as extra data, so that it says when the event was admitted."""
    parsed = parse_tlog_proof(proof)
    return format_tlog_proof(TlogProof(parsed.index, parsed.hashes, parsed.checkpoint_note, entry))


def verify_refusal(note: str | bytes, trust: Trust, body: bytes | None = None) -> Verdict:
    """Whether the hub signed this refusal, of the event in `body` if that is given."""
    verdict = Verdict("refusal")
    try:
        refusal = check_refusal(note, trust, None if body is None else commitment_of(body))
    except BadEvidence as error:
        verdict.blame(str(error))
        return verdict
    verdict.facts = {
        "log": refusal.origin,
        "code": refusal.code.value,
        "path": refusal.path,
        "at": format_time(refusal.at),
        "size": refusal.size,
        "commitment": b64u(refusal.commitment),
    }
    return verdict


class Keys:
    """The public keys that proved events have introduced, by owner and thumbprint.

    Whether a key had ended when it signed is for the rulebook, hence for the observer; here counts
    that the key is the one recorded for the author.
    """

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], PublicKey] = {}

    def find(self, event: Event, kid: str) -> PublicKey | None:
        """A `FindKey` over what was introduced; a founding brings its own key."""
        if isinstance(event.body, ConsortiumFounded):
            return event.body.regulator.key
        return self._keys.get((event.by, kid))

    def learn(self, event: Event) -> None:
        """Takes over the keys that an event introduces."""
        self._keys.update(introduced_keys(event.body))


class LogFiles(Protocol):
    """A log as files under a prefix; nothing promised about what is in them."""

    def read(self, path: str, bytes_max: int) -> bytes | None:
        """The bytes at a path, None if there are none or they are withheld; or `CannotReach`."""


class LogFolder:
    """A log's tiles in a folder, as a mirror keeps them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, bytes_max: int) -> bytes | None:
        try:
            with (self._folder / path).open("rb") as file:
                data = file.read(bytes_max + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CannotReach(f"{self._folder / path}: {error.strerror}") from None
        return data if len(data) <= bytes_max else None

    def close(self) -> None:
        """Nothing is kept open."""


class LogUrl:
    """A log at a URL, its prefix: `https://hub.example/log`. With a token also what is withheld."""

    def __init__(self, url: str, token: Callable[[], str] | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = httpx2.Client(
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            verify=self._url.startswith("https:"),
        )
        self._headers = {"authorization": f"Bearer {token()}"} if token is not None else {}

    def read(self, path: str, bytes_max: int) -> bytes | None:
        try:
            with self._http.stream("GET", f"{self._url}/{path}", headers=self._headers) as answer:
                if answer.status_code in {401, 403, 404}:
                    return None
                if answer.status_code != 200:
                    raise CannotReach(f"{self._url}/{path}: answered {answer.status_code}")
                data = bytearray()
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > bytes_max:
                        raise CannotReach(f"{self._url}/{path}: more than {bytes_max} bytes")
                return bytes(data)
        except httpx2.HTTPError as error:
            raise CannotReach(f"{self._url}: {type(error).__name__}: {error}") from None

    def close(self) -> None:
        """Lets go of the connections."""
        self._http.close()


def verify_log(
    files: LogFiles,
    trust: Trust,
    *,
    genesis: bytes | None = None,
    checkpoint: bytes | None = None,
    complete: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> Verdict:
    """Whether a whole log is what its checkpoint says: every tile, every entry, every body at hand.

    The checkpoint must be signed by the pinned log; the verdict says who has cosigned it. With
    `genesis` entry 0 must commit to it. A body that is withheld is counted, not blamed; signatures
    are checked as far as the events that introduce their keys are at hand. Who may read every body
    says so with `complete`: then one that is missing without a logged erasure is a problem.
    `progress` is told how many entries of how many are done. Raises `CannotReach`.
    """
    verdict = Verdict("log")
    note = checkpoint if checkpoint is not None else files.read("checkpoint", NOTE_BYTES_MAX)
    if note is None:
        raise CannotReach("there is no checkpoint")
    try:
        opened = trust.unobserved.open_checkpoint(note)
    except BadNote as error:
        verdict.blame(f"the checkpoint: {error}")
        return verdict
    walk = _Walk(files, trust, opened, verdict)
    try:
        walk.run(progress)
    except (BadTile, BadBundle) as error:
        verdict.blame(str(error))
    if complete and walk.withheld:
        verdict.blame(f"{walk.withheld} bodies are missing and no event says that they were erased")
    if genesis is not None and walk.first not in (None, commitment_of(genesis)):
        verdict.blame("entry 0 is not the pinned founding")
    seen = {
        line.name
        for line in trust.policy.witnesses
        if any(c.name == line.verifier.name for c in opened.cosignatures)
    }
    verdict.facts = {
        "log": trust.origin,
        "size": opened.checkpoint.size,
        "root": b64u(opened.checkpoint.root),
        "entries": walk.entries,
        "bodies": walk.bodies,
        "withheld": walk.withheld,
        "erased": walk.erased,
        "signatures": walk.signatures,
        "unsigned": walk.unsigned,
        "observed": bool(seen) and trust.policy.satisfied_by(seen),
        "cosignatures": [
            {"name": c.name, "at": format_time(c.time_s * 1000)} for c in opened.cosignatures
        ],
    }
    return verdict


class _Walk:
    """One pass over a log, from its first entry to its last."""

    def __init__(
        self, files: LogFiles, trust: Trust, opened: OpenedCheckpoint, verdict: Verdict
    ) -> None:
        self._files = files
        self._trust = trust
        self._verdict = verdict
        self._size = opened.checkpoint.size
        self._tiles = VerifiedTiles(self._size, opened.checkpoint.root, self._fetch_tile)
        self._keys = Keys()
        self._gone: dict[int, str] = {}
        self.first: bytes | None = None
        self.entries = self.bodies = self.withheld = self.erased = 0
        self.signatures = self.unsigned = 0

    def run(self, progress: Callable[[int, int], None]) -> None:
        last_at = 0
        for path in new_bundles(0, self._size):
            data = self._read(path, "tile/entries")
            if data is None:
                raise BadBundle(f"the entries from {path.n * TILE_WIDTH} on are missing")
            entries = self._tiles.read_entries(path.n, path.width, data)
            bodies = self._bodies_of(path)
            for at, (raw, body) in enumerate(zip(entries, bodies, strict=True)):
                index = path.n * TILE_WIDTH + at
                try:
                    entry = parse_entry(raw)
                except ValueError as error:
                    self._verdict.blame(f"entry {index}: {error}")
                    continue
                if entry.at < last_at:
                    self._verdict.blame(f"entry {index}: its time lies before the one before")
                last_at = max(last_at, entry.at)
                if index == 0:
                    self.first = entry.commitment
                self._judge(index, entry.commitment, body)
            self.entries += len(entries)
            progress(self.entries, self._size)
        if self._size == 0:
            # Even nothing has a root, and it must be the one that was signed.
            self._tiles.edge()

    def _judge(self, index: int, commitment: bytes, body: bytes | None) -> None:
        if body is None:
            self.withheld += 1
            return
        if not body:
            self._gone[index] = b64u(commitment)
            self.withheld += 1
            return
        if commitment_of(body) != commitment:
            self._verdict.blame(f"entry {index}: the body is not the one committed to")
            return
        self.bodies += 1
        try:
            sealed = unseal(body, self._keys.find)
        except ValueError as error:
            if str(error) == "KEY_UNKNOWN" and self.withheld:
                # The event that introduced the key may be among those withheld from us.
                self.unsigned += 1
            else:
                self._verdict.blame(f"entry {index}: {error}")
            return
        self.signatures += 1
        if sealed.event.log != self._trust.origin:
            self._verdict.blame(f"entry {index}: it was said on another log")
        self._keys.learn(sealed.event)
        said = sealed.event.body
        if isinstance(said, BodyErased) and self._gone.get(said.index) == said.commitment:
            del self._gone[said.index]
            self.erased += 1
            self.withheld -= 1

    def _bodies_of(self, path: BundlePath) -> Iterator[bytes | None]:
        data = self._read(path, "bodies")
        if data is None:
            return iter([None] * path.width)
        try:
            return iter(parse_bundle(data, path.width, allow_empty=True))
        except BadBundle as error:
            self._verdict.blame(f"the bodies from {path.n * TILE_WIDTH} on: {error}")
            return iter([None] * path.width)

    def _read(self, path: BundlePath, prefix: str) -> bytes | None:
        data = self._files.read(format_bundle_path(path, prefix), _RESOURCE_BYTES_MAX)
        if data is None and path.width < TILE_WIDTH:
            # A log that has grown may have dropped the partial bundle; the full one holds it.
            full = self._files.read(
                format_bundle_path(BundlePath(path.n), prefix), _RESOURCE_BYTES_MAX
            )
            if full is not None:
                return _first(full, path.width)
        return data

    def _fetch_tile(self, level: int, n: int, width: int) -> bytes:
        data = self._files.read(format_tile_path(Tile(level, n, width)), TILE_BYTES)
        if data is None and width < TILE_WIDTH:
            data = self._files.read(format_tile_path(Tile(level, n)), TILE_BYTES)
        if data is None:
            raise BadTile(f"the tile ({level}, {n}, {width}) is missing")
        return data


def _first(bundle: bytes, count: int) -> bytes:
    """The first `count` items of a bundle, as a bundle."""
    at = 0
    for _ in range(count):
        at += 2 + int.from_bytes(bundle[at : at + 2])
    return bundle[:at]


def trust_of_files(
    genesis: Path | None, policy: Path | None, log_key: str | None, refusal_key: str | None
) -> tuple[Trust | None, bytes | None]:
    """Trust in what a person names, and the founding's body; None where nothing is named.

    Raises `BadEvidence` or `CannotReach`.
    """
    try:
        body = None if genesis is None else genesis.read_bytes()
        parsed = None if policy is None else parse_policy(policy.read_bytes())
    except OSError as error:
        raise CannotReach(f"{error.filename}: {error.strerror}") from None
    except BadPolicy as error:
        raise BadEvidence(f"{policy}: {error}") from None
    if body is not None:
        return Trust.of_genesis(body, parsed), body
    if parsed is not None:
        try:
            refusal = None if refusal_key is None else parse_vkey(refusal_key)
        except BadKey as error:
            raise BadEvidence(f"the refusal key: {error}") from None
        return Trust(parsed, refusal), None
    if log_key is not None:
        return Trust.of_keys(log_key, refusal_key), None
    return None, None
