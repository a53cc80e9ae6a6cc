"""Verifying logs and bundles: the vectors' log as files, and every lie about it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from creditchain.client.bundle import BundledEvent, verify_bundle, write_bundle
from creditchain.client.evidence import BadEvidence, Trust
from creditchain.client.verify import (
    CannotReach,
    LogFolder,
    keep_receipt,
    trust_of_files,
    verify_log,
    verify_receipt,
)
from creditchain.events import parse_time
from creditchain.seal import Entry, format_entry
from creditchain.tlog.edge import Edge, EdgeReader
from creditchain.tlog.merkle import leaf_hashes_of
from creditchain.tlog.note import Signer, format_vkey
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.proof import prove_inclusion
from creditchain.tlog.tile import format_bundle
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof

VECTORS = Path(__file__).parents[3] / "fixtures" / "vectors"
LOG: dict[str, Any] = json.loads((VECTORS / "log.json").read_text())
EVENTS: list[dict[str, Any]] = json.loads((VECTORS / "events.json").read_text())["vectors"]
BODIES = [event["body"].encode() for event in EVENTS]
ENTRIES = [event["entry"].encode() for event in EVENTS]
ERASED = LOG["bodyBundle"]["erased"]
SIZE = len(ENTRIES)
TRUST = Trust.of_genesis(BODIES[0], parse_policy(LOG["policy"]))
EDGE = Edge.empty()
EDGE.append(leaf_hashes_of(ENTRIES))


def log_folder(
    folder: Path,
    *,
    entries: list[bytes] = ENTRIES,
    bodies: list[bytes] | None = None,
    checkpoint: str = LOG["cosignedCheckpoint"],
) -> LogFolder:
    """The vectors' log as a mirror would keep it, or what a liar makes of it."""
    if bodies is None:
        bodies = [b"" if n in ERASED else body for n, body in enumerate(BODIES)]
    files = {
        "checkpoint": checkpoint.encode(),
        f"tile/entries/000.p/{SIZE}": format_bundle(entries),
        f"bodies/000.p/{SIZE}": format_bundle(bodies),
        f"tile/0/000.p/{SIZE}": EDGE.partial(0),
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return LogFolder(folder)


def test_the_log_of_the_vectors_is_verified(tmp_path: Path):
    files = log_folder(tmp_path)
    done: list[int] = []
    verdict = verify_log(
        files,
        TRUST,
        genesis=BODIES[0],
        complete=True,
        progress=lambda at, of: done.append(at),
    )
    assert verdict.problems == []
    facts = verdict.facts
    assert (facts["size"], facts["entries"], facts["observed"]) == (SIZE, SIZE, True)
    assert (facts["bodies"], facts["erased"]) == (SIZE - len(ERASED), len(ERASED))
    assert (facts["signatures"], facts["unsigned"]) == (SIZE - len(ERASED), 0)
    assert done[-1] == SIZE


def test_a_log_without_bodies_is_verified_as_far_as_it_goes(tmp_path: Path):
    files = log_folder(tmp_path)
    (tmp_path / f"bodies/000.p/{SIZE}").unlink()
    verdict = verify_log(files, TRUST, genesis=BODIES[0])
    assert verdict.ok
    assert (verdict.facts["withheld"], verdict.facts["bodies"]) == (SIZE, 0)
    assert not verify_log(files, TRUST, complete=True).ok


def swapped(items: list[bytes], at: int, item: bytes) -> list[bytes]:
    return [*items[:at], item, *items[at + 1 :]]


@pytest.mark.parametrize(
    ("lie", "problem"),
    [
        (
            lambda f: log_folder(f, entries=swapped(ENTRIES, 5, ENTRIES[6])),
            "not the one in the tree",
        ),
        (lambda f: log_folder(f, bodies=swapped(BODIES, 5, BODIES[6])), "not the one committed to"),
        (lambda f: log_folder(f, bodies=swapped(BODIES, 5, b"")), "bodies are missing"),
        (
            lambda f: log_folder(f, checkpoint=LOG["checkpoint"].replace("61", "62", 1)),
            "checkpoint",
        ),
        (lambda f: log_folder(f, checkpoint="x"), "checkpoint"),
    ],
)
def test_a_lie_about_the_log_is_seen(
    lie: Callable[[Path], LogFolder], problem: str, tmp_path: Path
):
    verdict = verify_log(lie(tmp_path), TRUST, complete=True)
    assert not verdict.ok
    assert problem in "; ".join(verdict.problems)


def test_every_byte_of_the_tile_counts(tmp_path: Path):
    files = log_folder(tmp_path)
    path = tmp_path / f"tile/0/000.p/{SIZE}"
    good = path.read_bytes()
    for at in range(0, len(good), 97):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert not verify_log(files, TRUST).ok


def test_another_founding_than_the_pinned_one_is_seen(tmp_path: Path):
    verdict = verify_log(log_folder(tmp_path), TRUST, genesis=BODIES[1])
    assert verdict.problems == ["entry 0 is not the pinned founding"]


def test_a_log_that_cannot_be_read_is_not_judged(tmp_path: Path):
    with pytest.raises(CannotReach):
        verify_log(LogFolder(tmp_path), TRUST)
    files = log_folder(tmp_path)
    (tmp_path / f"tile/entries/000.p/{SIZE}").unlink()
    assert "missing" in verify_log(files, TRUST).problems[0]


def proof_of(index: int) -> str:
    hashes = prove_inclusion(index, SIZE, EdgeReader(EDGE.copy(), lambda *_: b""))
    return format_tlog_proof(TlogProof(index, hashes, LOG["cosignedCheckpoint"]))


def bundled(count: int = SIZE) -> list[BundledEvent]:
    return [
        BundledEvent(
            index,
            parse_time(json.loads(ENTRIES[index])["at"]),
            None if index in ERASED else BODIES[index],
            proof_of(index),
        )
        for index in range(count)
    ]


def bundle(path: Path, events: list[BundledEvent]) -> Path:
    write_bundle(path, BODIES[0], LOG["policy"], LOG["log"], events)
    return path


def test_a_bundle_of_everything_is_verified(tmp_path: Path):
    verdict = verify_bundle(bundle(tmp_path / "all.zip", bundled()), TRUST)
    assert verdict.problems == []
    assert verdict.facts["events"] == verdict.facts["observed"] == SIZE - len(ERASED)
    assert verdict.facts["genesis"] == LOG["genesis"]


def test_a_bundle_without_the_erasure_lacks_a_body(tmp_path: Path):
    events = bundled(max(ERASED) + 1)
    verdict = verify_bundle(bundle(tmp_path / "some.zip", events), TRUST)
    assert [p for p in verdict.problems if "is missing" in p]


@pytest.mark.parametrize("other", [None, 0])
def test_the_receipt_of_an_erased_event_must_hold_too(other: int | None, tmp_path: Path):
    events, index = bundled(), min(ERASED)
    erased = events[index]
    proof = "" if other is None else events[other].proof
    events[index] = BundledEvent(index, erased.at, None, proof)
    verdict = verify_bundle(bundle(tmp_path / "proof.zip", events), TRUST)
    assert [p for p in verdict.problems if f"entry {index}, erased" in p]
    events[index] = BundledEvent(index, erased.at + 1, None, erased.proof)
    verdict = verify_bundle(bundle(tmp_path / "time.zip", events), TRUST)
    assert [p for p in verdict.problems if f"entry {index}, erased" in p]


def test_a_bundle_without_the_signers_key_is_not_verified(tmp_path: Path):
    placed = next(n for n, event in enumerate(EVENTS) if event["type"] == "OrderPlaced")
    verdict = verify_bundle(bundle(tmp_path / "one.zip", [bundled()[placed]]), TRUST)
    assert "KEY_UNKNOWN" in verdict.problems[0]


def test_a_bundle_of_another_log_is_not_verified(tmp_path: Path):
    path = bundle(tmp_path / "all.zip", bundled(3))
    stranger = Trust.of_keys(format_vkey(Signer("other.example/log", bytes(32)).verifier))
    assert "another log" in verify_bundle(path, stranger).problems[0]


def test_no_file_of_a_bundle_may_change(tmp_path: Path):
    path = bundle(tmp_path / "good.zip", bundled(6))
    with zipfile.ZipFile(path) as good:
        files = {name: good.read(name) for name in good.namelist()}
    for name, data in files.items():
        for at in sorted({0, len(data) // 2, len(data) - 2}):
            mangled = tmp_path / "bad.zip"
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with zipfile.ZipFile(mangled, "w") as bad:
                for other, content in files.items():
                    bad.writestr(other, changed if other == name else content)
            assert not verify_bundle(mangled, TRUST).ok, (name, at)


def test_what_the_manifest_does_not_list_is_not_vouched_for(tmp_path: Path):
    path = bundle(tmp_path / "good.zip", bundled(3))
    with zipfile.ZipFile(path, "a") as more:
        more.writestr("events/99.body", "forged")
    assert "nothing vouches for it" in verify_bundle(path, TRUST).problems[0]


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip"])
def test_what_is_no_zip_cannot_be_read(content: bytes, tmp_path: Path):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(CannotReach):
        verify_bundle(path, TRUST)


@pytest.mark.parametrize("manifest", ["{}", "[]", "{", '{"format":"creditchain-bundle/v1"}'])
def test_a_zip_of_something_else_is_no_bundle(manifest: str, tmp_path: Path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("manifest.json", manifest)
    assert not verify_bundle(path, TRUST).ok


def test_a_receipt_carries_its_time(tmp_path: Path):
    at = parse_time(json.loads(ENTRIES[7])["at"])
    proof = proof_of(7)
    assert not verify_receipt(proof, BODIES[7], TRUST).ok
    assert verify_receipt(proof, BODIES[7], TRUST, at=at).ok
    kept = keep_receipt(proof, ENTRIES[7])
    verdict = verify_receipt(kept, BODIES[7], TRUST)
    assert (verdict.facts["index"], verdict.facts["level"]) == (7, "OBSERVED")
    lying = keep_receipt(proof, format_entry(Entry(at + 1, bytes(32))))
    assert not verify_receipt(lying, BODIES[7], TRUST).ok
    assert not verify_receipt("", BODIES[7], TRUST).ok


def test_trust_is_read_from_what_a_person_names(tmp_path: Path):
    genesis, policy = tmp_path / "genesis.body", tmp_path / "policy"
    genesis.write_bytes(BODIES[0])
    policy.write_text(LOG["policy"])
    assert trust_of_files(genesis, policy, None, None) == (TRUST, BODIES[0])
    trust, _ = trust_of_files(None, policy, None, LOG["refusalKey"])
    assert trust == TRUST
    trust, _ = trust_of_files(None, None, LOG["logKey"], None)
    assert trust is not None
    assert trust.refusal is None
    assert trust_of_files(None, None, None, None) == (None, None)
    with pytest.raises(CannotReach):
        trust_of_files(tmp_path / "absent", None, None, None)
    policy.write_text("nonsense")
    with pytest.raises(BadEvidence):
        trust_of_files(None, policy, None, None)
    with pytest.raises(BadEvidence):
        trust_of_files(None, None, "nonsense", None)
