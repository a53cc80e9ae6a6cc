"""No byte changed and no end cut off makes an accusation, or an error, of what is handed in."""

import hashlib

import pytest

from creditchain.client.verify import keep_receipt
from creditchain.rulebook import Refusal
from creditchain.tlog.proof import prove_inclusion
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof
from regulator.submit import (
    Judged,
    Kind,
    Outcome,
    judge_body,
    judge_checkpoint,
    judge_receipt,
    open_refusal,
    sort,
)
from regulator.verify import Fork, judge_by_tree, open_head
from tests.lying_hub.honest import ORIGIN, Consortium
from tests.lying_hub.lies import another_history
from tests.lying_hub.refusals import refusal_key, refuse


class InMemory:
    """A log as `submit` asks a copy of it."""

    def __init__(self, log):
        self._log = log
        self.size = log.size
        self.trusted = self.copied = open_head(log.note, log.signer.verifier)

    def root_at(self, size):
        note = self._log.notes.get(size)
        return None if note is None else open_head(note, self._log.signer.verifier).root

    def compare(self, held, shown):
        judged = judge_by_tree(held, shown, self._log.reader())
        return judged if isinstance(judged, Fork) else None

    def entry(self, index):
        return self._log.entries[index] if index < self.size else None

    def prove(self, index, size):
        return prove_inclusion(index, size, self._log.reader())


@pytest.fixture(scope="module")
def consortium():
    made = Consortium(111)
    made.play(60)
    return made


def answers(raw, consortium, own):
    """What is said of these bytes; a refusal that would be judged again is no answer here."""
    key = refusal_key(consortium).verifier
    for document in sort([raw]):
        if document.kind is Kind.CHECKPOINT:
            yield judge_checkpoint(document, consortium.log.signer.verifier, own)
        elif document.kind is Kind.RECEIPT:
            yield judge_receipt(document, consortium.log.signer.verifier, own)
        elif document.kind is Kind.REFUSAL:
            opened = open_refusal(document, key, ORIGIN)
            assert isinstance(opened, Judged), "without its body it is not judged"
            yield opened
        else:
            yield judge_body(document)


def mangled(raw):
    for at in range(len(raw)):
        yield raw[:at]
        for bit in (1, 32, 128):
            yield raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :]
    yield raw + b"x"
    yield raw + raw


def genuine(consortium):
    log = consortium.log
    proof = TlogProof(9, prove_inclusion(9, log.size, log.reader()), log.note)
    receipt = keep_receipt(format_tlog_proof(proof), log.entries[9])
    return {
        "checkpoint": log.note.encode(),
        "receipt": receipt.encode(),
        "refusal": refuse(consortium, log.bodies[9], Refusal.KEY_REVOKED),
    }


@pytest.mark.parametrize("kind", ["checkpoint", "receipt", "refusal"])
def test_what_is_mangled_accuses_nobody(kind, consortium):
    own = InMemory(consortium.log)
    raw = genuine(consortium)[kind]
    outcomes = set()
    for changed in mangled(raw):
        for judged in answers(changed, consortium, own):
            assert judged.finding is None, changed
            outcomes.add(judged.outcome)
    # What nothing signs may be changed: the entry beside our own receipt, and no more.
    assert outcomes == {Outcome.NOTHING} | ({Outcome.AGREES} if kind == "receipt" else set())


def test_what_is_mangled_of_another_history_accuses_of_nothing_but_the_fork(consortium):
    """The log's own signature still stands on it, or it is nobody's word."""
    other = another_history(consortium, 30)
    other.log.publish()
    own = InMemory(consortium.log)
    smaller = type(other.log)(other.log.signer)
    for entry, body in zip(other.log.entries[:50], other.log.bodies[:50], strict=True):
        smaller.append_raw(entry, body)
    smaller.publish()
    proof = TlogProof(40, prove_inclusion(40, 50, smaller.reader()), smaller.note)
    raw = keep_receipt(format_tlog_proof(proof), smaller.entries[40]).encode()
    [whole] = answers(raw, consortium, InMemory(consortium.log))
    assert whole.finding.code == "RECEIPT_DENIED"
    codes = set()
    for changed in mangled(raw):
        for judged in answers(changed, consortium, own):
            if judged.finding is not None:
                codes.add(judged.finding.code.value)
                assert smaller.note in judged.finding.evidence["shown"]
    assert codes == {"FORK"}


def test_files_are_told_by_how_they_begin(consortium):
    log = consortium.log
    body = log.bodies[9]
    note = refuse(consortium, body, Refusal.KEY_REVOKED)
    kept = genuine(consortium)
    documents = sort([body, note, kept["receipt"], kept["checkpoint"], log.bodies[8]])
    assert [document.kind for document in documents] == [
        Kind.REFUSAL, Kind.RECEIPT, Kind.CHECKPOINT, Kind.BODY,
    ]  # fmt: skip
    assert documents[0].body == body
    assert documents[3].raw == log.bodies[8]
    assert len({document.digest for document in documents}) == 4
    assert hashlib.sha256(body).digest() not in {document.digest for document in documents}
