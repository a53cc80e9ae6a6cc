"""Receipts and refusals: what they prove, and all they must not prove."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.client.evidence import (
    BadEvidence,
    Level,
    Trust,
    check_receipt,
    check_refusal,
    open_genesis,
)
from creditchain.client.keys import generate_key
from creditchain.client.signer import Signer
from creditchain.events.consortium import ConsortiumFounded, Founder
from creditchain.events.membership import MemberWithdrawn
from creditchain.rulebook.refusal import Refusal
from creditchain.tlog.note import Signer as NoteSigner
from creditchain.tlog.note import format_vkey
from tests.unit.client.scripted_hub import AT, LOG, ScriptedHub

VECTORS = Path(__file__).parents[3] / "fixtures" / "vectors"
HUB = ScriptedHub()
for _ in range(4):
    HUB.admit(HUB.signer.seal(MemberWithdrawn("bank-hana")))
SEALED = HUB.signer.seal(MemberWithdrawn("bank-hana"))
INDEX = HUB.admit(SEALED)
HUB.admit(HUB.signer.seal(MemberWithdrawn("bank-hana")))
PLAIN = HUB.proof(INDEX, observed=False)
OBSERVED = HUB.proof(INDEX, observed=True)


def check(proof: str, level: Level = Level.CHECKPOINTED, trust: Trust = HUB.trust) -> Level:
    return check_receipt(SEALED.commitment, AT, proof, trust, level).level


def test_a_receipt_proves_the_level_it_has():
    assert check(PLAIN) is Level.CHECKPOINTED
    assert check(OBSERVED) is Level.OBSERVED
    assert check(OBSERVED, Level.OBSERVED) is Level.OBSERVED
    receipt = check_receipt(SEALED.commitment, AT, OBSERVED, HUB.trust, Level.OBSERVED)
    assert (receipt.index, receipt.size, receipt.at) == (INDEX, INDEX + 2, AT)
    assert [c.name for c in receipt.cosignatures] == ["observer.example/witness"]


def test_observed_needs_the_observer():
    with pytest.raises(BadEvidence, match="too few observers"):
        check(PLAIN, Level.OBSERVED)
    alone = Trust.of_keys(format_vkey(HUB.log_key.verifier))
    assert check(OBSERVED, trust=alone) is Level.CHECKPOINTED
    with pytest.raises(BadEvidence, match="names no observer"):
        check(OBSERVED, Level.OBSERVED, alone)


def test_an_index_alone_is_no_evidence():
    with pytest.raises(BadEvidence, match="no evidence"):
        check(PLAIN, Level.SEQUENCED)


def test_a_receipt_is_of_one_event_at_one_time():
    other = HUB.signer.seal(MemberWithdrawn("bank-hana"))
    with pytest.raises(BadEvidence):
        check_receipt(other.commitment, AT, PLAIN, HUB.trust, Level.CHECKPOINTED)
    with pytest.raises(BadEvidence):
        check_receipt(SEALED.commitment, AT + 1, PLAIN, HUB.trust, Level.CHECKPOINTED)


def test_another_log_proves_nothing():
    impostor = NoteSigner(LOG, bytes([9]) * 32)
    with pytest.raises(BadEvidence):
        check(PLAIN, trust=Trust.of_keys(format_vkey(impostor.verifier)))


@given(st.data())
def test_no_byte_of_a_receipt_may_change(data: st.DataObject):
    # The observer's line at the end may be lost: then the receipt proves less.
    proof = bytearray(PLAIN.encode())
    at = data.draw(st.integers(0, len(proof) - 1))
    proof[at] ^= data.draw(st.integers(1, 127))
    with pytest.raises(BadEvidence):
        check(proof.decode("utf-8", "replace"))


@given(st.integers(0, len(PLAIN) - 1))
def test_no_prefix_of_a_receipt_proves_anything(length: int):
    with pytest.raises(BadEvidence):
        check(PLAIN[:length])


def test_a_refusal_is_of_one_event_of_one_log():
    note = HUB.refusal(SEALED.commitment, "ROLE_MISSING", "body.order")
    refusal = check_refusal(note, HUB.trust, SEALED.commitment)
    assert (refusal.code, refusal.path, refusal.at) == (Refusal.ROLE_MISSING, "body.order", AT)
    assert refusal.size == HUB.edge.size
    with pytest.raises(BadEvidence, match="another event"):
        check_refusal(note, HUB.trust, bytes(32))
    with pytest.raises(BadEvidence, match="no refusal key"):
        check_refusal(note, replace(HUB.trust, refusal=None))


def test_no_byte_of_a_refusal_may_change():
    note = HUB.refusal(SEALED.commitment, "ROLE_MISSING", "")
    assert check_refusal(note, HUB.trust).path == ""
    for at in range(len(note)):
        mangled = note[:at] + chr(ord(note[at]) ^ 1) + note[at + 1 :]
        with pytest.raises(BadEvidence):
            check_refusal(mangled, HUB.trust)
        with pytest.raises(BadEvidence):
            check_refusal(note[:at], HUB.trust)


def test_the_refusals_of_the_formats_are_read():
    vectors = json.loads((VECTORS / "refusal.json").read_text())
    log_key = format_vkey(NoteSigner("hub.example/creditchain", bytes(32)).verifier)
    trust = Trust.of_keys(log_key, vectors["refusalKey"])
    for vector in vectors["vectors"]:
        refusal = check_refusal(vector["note"], trust)
        assert (refusal.code, refusal.path, refusal.size) == (
            vector["code"],
            vector["path"],
            vector["size"],
        )


def found(name: str = LOG, by: str = "delta-regulator") -> tuple[bytes, NoteSigner]:
    key, log = generate_key(), NoteSigner(name, bytes([1]) * 32)
    refusal = NoteSigner(f"{name}/refusal", bytes([2]) * 32)
    founder = Founder("delta-regulator", "Office", "990100", key.public)
    operator = Founder("delta-operator", "Hub", "990100", generate_key().public)
    body = ConsortiumFounded(
        "Delta", founder, operator, format_vkey(log.verifier), format_vkey(refusal.verifier), 1
    )
    return Signer(by, key, name).seal(body).body, log


def test_trust_follows_from_the_founding():
    body, log = found()
    trust = Trust.of_genesis(body)
    assert (trust.origin, trust.log) == (LOG, log.verifier)
    assert Trust.of_genesis(body, HUB.trust.policy).policy == HUB.trust.policy


def test_a_policy_about_another_log_is_refused():
    body, _ = found("other.example/log")
    with pytest.raises(BadEvidence, match="not about the log"):
        Trust.of_genesis(body, HUB.trust.policy)


def test_a_founding_is_said_by_the_regulator_it_names():
    body, _ = found(by="delta-operator")
    with pytest.raises(BadEvidence, match="KEY_UNKNOWN"):
        open_genesis(body)


def test_what_is_no_founding_founds_no_trust():
    body, _ = found()
    for bad in (b"", b"{}", SEALED.body, body[:-3], body.replace(b"Delta", b"Gamma")):
        with pytest.raises(BadEvidence, match="no founding"):
            open_genesis(bad)


def test_a_refusal_key_of_another_log_is_refused():
    stranger = NoteSigner("other.example/refusal", bytes([2]) * 32)
    with pytest.raises(BadEvidence, match="not that of the log"):
        Trust.of_keys(format_vkey(HUB.log_key.verifier), format_vkey(stranger.verifier))
    with pytest.raises(BadEvidence, match="verifier key"):
        Trust.of_keys("nonsense")
