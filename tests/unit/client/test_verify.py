"""Verifying logs: the vectors' log as files, and every lie about it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
