"""What members hand in: each is checked against our copy, and nonsense accuses nobody."""

import base64
import json
from dataclasses import replace

import pytest

from creditchain.client.verify import keep_receipt
from creditchain.events.codes import Purpose
from creditchain.events.order import OrderPlaced
from creditchain.tlog.merkle import leaf_hash
from creditchain.tlog.note import Signer, open_note, sign_note
from creditchain.tlog.proof import check_inclusion, prove_inclusion
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof
from regulator.inbox import Inbox
from regulator.submit import Outcome
from regulator.verify import is_fork
from tests.lying_hub.honest import SECTIONS, Consortium, HonestFeed, Log
from tests.lying_hub.lies import another_history
from tests.unit.regulator.observing import fork_in, found, observing

DAY_MS = 86_400_000


@pytest.fixture
async def stage(tmp_path):
    """A consortium of 300 entries, an observer that has copied them, and its inbox."""
    consortium = Consortium(51)
    consortium.play(300)
    now = [2_000_000.0]
    async with observing(
        tmp_path, consortium, HonestFeed(consortium.log), clock=lambda: now[0]
    ) as observer:
        await observer.follower.once()
        inbox = Inbox(observer.follower, observer.genesis, tmp_path, clock=lambda: now[0])
        yield Stage(consortium, observer, inbox, now)


class Stage:
    def __init__(self, consortium, observer, inbox, now):
        self.consortium = consortium
        self.observer = observer
        self.inbox = inbox
        self.now = now

    @property
    def found(self):
        return [f[0] for f in found(self.observer.reader_engine)]

    @property
    def unseen(self):
        return self.observer.follower.progress().unseen

    async def follow(self):
        await self.observer.follower.once()
        return await self.inbox.look_again()

    async def one(self, *files):
        [judged] = await self.inbox.take(files)
        return judged

    def placed(self, **changes):
        """An order as the bank's officer seals it, lawful unless changed."""
        consortium = self.consortium
        consent, enterprise, _ = consortium.consents[0]
        body = OrderPlaced(
            enterprise.id,
            "agency-lin/basic",
            Purpose.PRE_LOAN_REVIEW,
            SECTIONS,
            consortium.seal_key.public.kid,
            consent=consent,
        )
        return consortium.sealed(consortium.bank_officer, replace(body, **changes))


def receipt(log: Log, index: int, size: int | None = None, *, extra: bool = True) -> bytes:
    size = log.size if size is None else size
    proof = format_tlog_proof(
        TlogProof(index, prove_inclusion(index, size, log.reader()), log.notes[size])
    )
    return (keep_receipt(proof, log.entries[index]) if extra else proof).encode()


# Checkpoints.


async def test_a_checkpoint_of_our_log_agrees_at_any_size(stage):
    log = stage.consortium.log
    sizes = sorted(log.notes)
    assert len(sizes) > 1
    for size in sizes[1:]:
        judged = await stage.one(log.notes[size].encode())
        assert judged.outcome is Outcome.AGREES, judged
    assert stage.found == []


@pytest.mark.parametrize("larger", [False, True])
async def test_a_checkpoint_of_another_history_is_a_fork_with_both_notes(stage, larger):
    consortium = stage.consortium
    size = consortium.log.size
    other = another_history(consortium, 200)
    if not larger:
        log = Log(consortium.log.signer)
        for entry, body in zip(other.log.entries[:size], other.log.bodies[:size], strict=True):
            log.append_raw(entry, body)
        other.log = log
    note = other.log.publish().encode()
    judged = await stage.one(note)
    if larger:
        # It may be what our log will be: only when we are there can it be told.
        assert judged.outcome is Outcome.UNRESOLVED
        assert stage.found == []
        consortium.play(60)
        [judged] = await stage.follow()
    assert judged.outcome is Outcome.ACCUSES
    assert stage.found == ["FORK"]
    fork = fork_in(stage.observer.reader_engine, consortium)
    assert is_fork(fork)
    assert fork.shown.note == note.decode()
    # Handed in again it is the same finding, and nothing waits any more.
    assert (await stage.one(note)).outcome is Outcome.ACCUSES
    assert await stage.inbox.look_again() == []
    assert stage.found == ["FORK"]


async def test_a_checkpoint_ahead_of_us_waits_and_agrees_when_we_are_there(stage):
    stage.consortium.play(40)
    note = stage.consortium.log.note.encode()
    judged = await stage.one(note)
    assert (judged.outcome, judged.size) == (Outcome.UNRESOLVED, stage.consortium.log.size)
    [judged] = await stage.follow()
    assert judged.outcome is Outcome.AGREES
    assert await stage.inbox.look_again() == []
    assert stage.found == []


async def test_what_a_member_was_shown_and_we_are_not_is_a_finding_after_a_while(stage):
    consortium = stage.consortium
    shown = await stage.observer.follower.once()
    consortium.play(40)
    newer, consortium.log.note = consortium.log.note, shown.note
    await stage.one(newer.encode())
    await stage.inbox.report_withheld(shown, stage.now[0] - 600)
    assert stage.found == []  # it came just now
    stage.now[0] += 601
    for _ in range(2):
        await stage.inbox.report_withheld(shown, stage.now[0] - 600)
        assert stage.found == ["HEAD_WITHHELD"]
    # It still waits, and is judged when the hub shows it to us after all.
    consortium.log.note = newer
    [judged] = await stage.follow()
    assert judged.outcome is Outcome.AGREES
    assert stage.found == ["HEAD_WITHHELD"]


async def test_what_waits_survives_a_restart(tmp_path):
    consortium = Consortium(52)
    consortium.play(30)
    feed = HonestFeed(consortium.log)
    async with observing(tmp_path, consortium, feed) as observer:
        await observer.follower.once()
        consortium.play(30)
        inbox = Inbox(observer.follower, observer.genesis, tmp_path, clock=lambda: 0.0)
        await inbox.take([consortium.log.note.encode()])
    async with observing(tmp_path, consortium, feed) as observer:
        await observer.follower.once()
        inbox = Inbox(observer.follower, observer.genesis, tmp_path, clock=lambda: 0.0)
        [judged] = await inbox.look_again()
        assert judged.outcome is Outcome.AGREES


async def test_nonsense_and_foreign_signatures_accuse_nobody(stage):
    log = stage.consortium.log
    stranger = Signer("hub.example/log", bytes(range(32)))
    text = open_note(log.note, [log.signer.verifier]).text
    other = Signer("other.example/log", bytes(32))
    for raw, says in (
        (b"hello", "no checkpoint"),
        (b"\xff\xfe", "no checkpoint"),
        (b"", "no checkpoint"),
        (sign_note(text, [stranger]).encode(), "no known key"),
        (sign_note(text.replace("hub", "other", 1), [other]).encode(), "no known key"),
        (log.note.replace(f"\n{log.size}\n", f"\n{log.size + 1}\n").encode(), "is wrong"),
        (Log(log.signer).publish().encode(), "says nothing"),
        (b"c2sp.org/tlog-proof@v1\nindex x\n\n", "no receipt"),
        (b"creditchain/refusal/v1\nhello\n", "no refusal"),
        (b'{"event":{}}', "goes with the signed refusal"),
    ):
        judged = await stage.one(raw)
        assert judged.outcome is Outcome.NOTHING, raw
        assert says in judged.says
    assert stage.found == []
    assert await stage.inbox.look_again() == []


# Receipts.


@pytest.mark.parametrize("extra", [True, False])
async def test_a_receipt_of_our_log_agrees(stage, extra):
    log = stage.consortium.log
    for index in (0, 17, log.size - 1):
        judged = await stage.one(receipt(log, index, extra=extra))
        assert judged.outcome is Outcome.AGREES, judged
    assert stage.found == []


@pytest.mark.parametrize("larger", [False, True])
async def test_a_receipt_of_an_entry_that_our_log_does_not_have_is_a_finding(stage, larger):
    consortium = stage.consortium
    size = consortium.log.size
    other = another_history(consortium, 200)
    if not larger:
        log = Log(consortium.log.signer)
        for entry, body in zip(other.log.entries[:size], other.log.bodies[:size], strict=True):
            log.append_raw(entry, body)
        other.log = log
    other.log.publish()
    judged = await stage.one(receipt(other.log, 250))
    assert judged.outcome is Outcome.ACCUSES
    assert stage.found == ["RECEIPT_DENIED"]
    # The evidence convinces by itself: two signed trees, and at one index two entries.
    evidence = evidence_of(stage.observer)
    for note, entry, proof in (("shown", "entry", "proof"), ("held", "heldEntry", "heldProof")):
        text = open_note(evidence[note], [consortium.log.signer.verifier]).text.split("\n")
        hashes = [base64.b64decode(line) for line in evidence[proof].split()]
        leaf = leaf_hash(base64.b64decode(evidence[entry]))
        check_inclusion(leaf, 250, int(text[1]), hashes, base64.b64decode(text[2]))
    assert evidence["entry"] != evidence["heldEntry"]


async def test_a_receipt_of_our_entry_under_a_forked_tree_is_a_fork(stage):
    other = another_history(stage.consortium, 200)
    other.log.publish()
    judged = await stage.one(receipt(other.log, 150))
    assert judged.outcome is Outcome.UNRESOLVED
    stage.consortium.play(60)
    [judged] = await stage.follow()
    assert judged.outcome is Outcome.ACCUSES
    assert stage.found == ["FORK"]


async def test_a_receipt_without_its_entry_under_a_forked_tree_is_a_fork(stage):
    consortium = stage.consortium
    other = another_history(consortium, 200)
    other.log.publish()
    await stage.one(receipt(other.log, 250, extra=False))
    consortium.play(60)
    await stage.follow()
    assert stage.found == ["FORK"]


async def test_a_receipt_beyond_our_copy_waits(stage):
    stage.consortium.play(40)
    raw = receipt(stage.consortium.log, stage.consortium.log.size - 2)
    assert (await stage.one(raw)).outcome is Outcome.UNRESOLVED
    [judged] = await stage.follow()
    assert judged.outcome is Outcome.AGREES


async def test_a_made_up_proof_under_a_genuine_checkpoint_accuses_nobody(stage):
    log = stage.consortium.log
    right = TlogProof(9, prove_inclusion(9, log.size, log.reader()), log.note, log.entries[9])
    for wrong in (
        replace(right, index=8),
        replace(right, extra=log.entries[8], index=8),
        replace(right, hashes=tuple(bytes(32) for _ in right.hashes)),
        replace(right, hashes=()),
        replace(right, index=log.size),
    ):
        judged = await stage.one(format_tlog_proof(wrong).encode())
        assert judged.outcome is Outcome.NOTHING, judged
    judged = await stage.one(format_tlog_proof(replace(right, extra=b"other")).encode())
    assert judged.outcome is Outcome.AGREES  # nothing signs what comes along
    assert stage.found == []


def evidence_of(observer):
    with observer.reader_engine.begin() as connection:
        row = connection.exec_driver_sql("SELECT evidence FROM finding").scalar_one()
    return json.loads(row)
