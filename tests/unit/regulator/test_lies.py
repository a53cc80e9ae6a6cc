"""Each lie gives exactly its finding; honest histories give none."""

import random

import pytest

from creditchain.events.envelope import canonical_json
from creditchain.rulebook.record import RECORDS
from creditchain.rulebook.record_json import record_to_json
from creditchain.tlog.witness import AddCheckpoint
from regulator.finding import FindingCode
from regulator.reading import read_findings
from regulator.verify import NotInTree, is_fork
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.lies import SERVED, TOLD, Lie, another_history
from tests.unit.regulator.observing import fork_in, found, observing, stored_records

SMALL, LARGE = 150, 1_050
"""Below and above what is proven by our own edge alone."""


@pytest.mark.parametrize("history", ["one", "another"])
async def test_honest_histories_give_no_finding(history, tmp_path):
    # Drawn here, not in the parameters: the test processes must agree on what there is to run.
    seed = random.Random().randrange(10**6)
    print(f"{history} history, seed {seed}")
    consortium = Consortium(seed)
    feed = HonestFeed(consortium.log)
    async with observing(tmp_path, consortium, feed) as observer:
        for events in (1, 0, 1_040, 3):
            consortium.play(events)
            trusted = await observer.follower.once()
            assert trusted.size == consortium.log.size
        assert found(observer.reader_engine) == []
        # The records are the hub's own, except what was erased before it was ever seen.
        ours = stored_records(observer.reader_engine)
        hubs = sorted(
            (kind.__name__, record.id, canonical_json(record_to_json(record)).decode())
            for kind in RECORDS
            for record in consortium.book.all(kind)
        )
        unseen = observer.follower.progress().unseen
        assert len(set(hubs) - set(ours)) <= unseen


@pytest.mark.parametrize("lie", TOLD, ids=lambda lie: lie.tell.__name__)
async def test_a_lie_on_the_log_gives_exactly_its_finding(lie: Lie, tmp_path):
    consortium = Consortium(7)
    for _ in range(5):
        consortium.enrol()
    index = lie.tell(consortium)
    consortium.at += 10
    consortium.log.publish()
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        [(code, at, detail, certain)] = found(observer.reader_engine)
        assert (code, at, certain) == (lie.code, index, True)
        assert detail.startswith(lie.detail)
        assert observer.follower.progress().size == consortium.log.size


async def test_an_unlawful_event_changes_nothing(tmp_path):
    consortium = Consortium(7)
    consortium.enrol()
    [lie] = [lie for lie in TOLD if lie.tell.__name__ == "forge_a_member"]
    lie.tell(consortium)
    consortium.enrol()  # by the bank that was said to have left
    consortium.log.publish()
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        assert len(found(observer.reader_engine)) == 1


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize(("lying", "code"), SERVED, ids=lambda p: getattr(p, "__name__", p))
async def test_a_lie_in_what_is_served_gives_exactly_its_finding(lying, code, size, tmp_path):
    consortium = Consortium(11)
    consortium.play(size)
    # A decision on which nothing else depends, so that what is missing hides nothing.
    place = next(
        i
        for i, body in enumerate(consortium.log.bodies)
        if i > size // 2 and b'"CreditDecided"' in body
    )
    feed = lying(consortium, place)
    async with observing(tmp_path, consortium, feed) as observer:
        try:
            await observer.follower.once()
            stored = True
        except NotInTree:
            stored = False
        assert stored is code.name.startswith("BODY_")
        findings = found(observer.reader_engine)
        [told] = [f for f in findings if f[0] == code]
        assert findings == [told]
        if code is FindingCode.TILE_MISMATCH:
            assert told[1] // 256 == place // 256
        else:
            assert told[1] == place
        # No statement is made about content we do not hold.
        assert observer.follower.cosigner.signed("mirror") is None
        # The hub comes to its senses.
        observer.follower._feed = HonestFeed(consortium.log)
        await observer.follower.once()
        assert observer.follower.cosigner.head("mirror").size == consortium.log.size
        assert found(observer.reader_engine) == findings


async def test_a_body_erased_before_we_came_is_no_finding(tmp_path):
    consortium = Consortium(3)
    consortium.play(600)
    while not any(not body for body in consortium.log.bodies):
        consortium.erase()
    consortium.log.publish()
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        assert found(observer.reader_engine) == []
        assert observer.follower.progress().unseen == consortium.log.bodies.count(b"")
        assert observer.follower.cosigner.head("mirror").size == consortium.log.size


async def test_a_body_erased_after_we_came_is_deleted_here_too(tmp_path):
    consortium = Consortium(3)
    consortium.play(400)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        before = consortium.log.bodies.count(b"")
        while consortium.log.bodies.count(b"") == before:
            consortium.erase()
        consortium.log.publish()
        await observer.follower.once()
        with observer.reader_engine.begin() as connection:
            gone = connection.exec_driver_sql("SELECT idx FROM entry WHERE body IS NULL").fetchall()
        assert [row[0] for row in gone] == [
            i for i, body in enumerate(consortium.log.bodies) if not body
        ]
        assert found(observer.reader_engine) == []


@pytest.mark.parametrize("kept", [1, 255, 256, 300])
@pytest.mark.parametrize("larger", [False, True])
async def test_a_fork_is_kept_with_both_notes_and_never_cosigned(kept, larger, tmp_path):
    consortium = Consortium(5)
    consortium.play(310)
    honest = HonestFeed(consortium.log)
    async with observing(tmp_path, consortium, honest) as observer:
        held = await observer.follower.once()
        other = another_history(consortium, kept)
        if not larger:
            for rows in (other.log.entries, other.log.bodies):
                del rows[held.size :]
            other.log = _rebuilt(other)
        other.log.publish()
        observer.follower._feed = HonestFeed(other.log)
        assert await observer.follower.once() == held
        assert [f[0] for f in found(observer.reader_engine)] == [FindingCode.FORK]
        fork = fork_in(observer.reader_engine, consortium)
        assert fork.held.note == held.note
        assert fork.shown.note.startswith(consortium.log.signer.name)
        assert is_fork(fork)
        # Told again, it is the same finding; and the honest log goes on.
        await observer.follower.once()
        observer.follower._feed = honest
        consortium.play(20)
        assert (await observer.follower.once()).size == consortium.log.size
        assert len(found(observer.reader_engine)) == 1


async def test_a_smaller_tree_of_another_history_is_a_fork(tmp_path):
    consortium = Consortium(5)
    consortium.play(310)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        other = another_history(consortium, 100)
        for rows in (other.log.entries, other.log.bodies):
            del rows[200:]
        other.log = _rebuilt(other)
        observer.follower._feed = HonestFeed(other.log)
        await observer.follower.once()
        assert [f[0] for f in found(observer.reader_engine)] == [FindingCode.FORK]
        assert is_fork(fork_in(observer.reader_engine, consortium))


async def test_an_older_checkpoint_is_a_rollback_once_it_stays(tmp_path):
    consortium = Consortium(5)
    consortium.play(100)
    older = consortium.log.note
    consortium.play(100)
    now = [1_000.0]
    async with observing(
        tmp_path, consortium, HonestFeed(consortium.log), clock=lambda: now[0], rollback_seconds=60
    ) as observer:
        await observer.follower.once()
        newer, consortium.log.note = consortium.log.note, older
        for _ in range(3):
            await observer.follower.once()
            now[0] += 20
        assert found(observer.reader_engine) == []
        now[0] += 20
        await observer.follower.once()
        assert [f[0] for f in found(observer.reader_engine)] == [FindingCode.ROLLED_BACK]
        consortium.log.note = newer
        await observer.follower.once()


async def test_a_made_up_proof_accuses_nobody(tmp_path):
    consortium = Consortium(5)
    consortium.play(310)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        held = await observer.follower.once()
        consortium.play(100)
        proof = tuple(bytes([i]) * 32 for i, _ in enumerate(consortium.log.prove(held.size)))
        asked = AddCheckpoint(held.size, proof, consortium.log.note)
        answer, finding = observer.follower.cosigner.witness(asked)
        assert (answer.status, finding) == (422, None)


async def test_two_members_two_checkpoints_is_a_fork(tmp_path):
    consortium = Consortium(5)
    consortium.play(310)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        held = await observer.follower.once()
        other = another_history(consortium, 280)
        other.log.publish()
        asked = AddCheckpoint(held.size, other.log.prove(held.size), other.log.note)
        answer, finding = observer.follower.cosigner.witness(asked)
        assert answer.status == 422
        assert finding is not None
        assert finding.code is FindingCode.FORK


def _rebuilt(other):
    log = type(other.log)(other.log.signer)
    for entry, body in zip(other.log.entries, other.log.bodies, strict=True):
        log.append_raw(entry, body)
    log.publish()
    return log


async def test_ten_thousand_findings_at_once_are_each_kept_once(tmp_path):
    consortium = Consortium(7)
    first = consortium.log.size
    for number in range(10_000):
        consortium.log.append_raw(b"nonsense %d" % number, b"")
    consortium.log.publish()
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        await observer.follower.once()
        findings = found(observer.reader_engine)
        told = read_findings(observer.reader_engine, 20)
    assert [(code, index) for code, index, *_ in findings] == [
        (FindingCode.ENTRY_MALFORMED, first + number) for number in range(10_000)
    ]
    assert (told.certain, len(told.newest)) == (10_000, 20)
