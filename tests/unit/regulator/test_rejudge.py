"""A signed refusal is judged again at the size and the time that it names."""

import pytest

import regulator.rejudge
from creditchain.client.keys import generate_key
from creditchain.events.codes import ErasureGround, Purpose
from creditchain.events.consent import ConsentWithdrawn
from creditchain.events.erasure import BodyErased
from creditchain.events.membership import MemberKeyAdded, MemberWithdrawn
from creditchain.events.order import OrderCancelled, OrderLapsed
from creditchain.rulebook import Refusal
from creditchain.rulebook.record import Order
from creditchain.rulebook.rule import SKEW_MS
from creditchain.seal import seal
from creditchain.tlog.note import Signer, sign_note
from regulator.database import open_database
from regulator.inbox import Inbox
from regulator.rejudge import _rejudge_by_replay, own_genesis, rejudge, rejudge_all
from regulator.submit import SLACK_MS, Outcome, open_refusal, sort
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.refusals import refusal_key, refuse
from tests.unit.regulator.observing import found, observing
from tests.unit.regulator.test_submit import Stage, evidence_of


@pytest.fixture
async def stage(tmp_path):
    consortium = Consortium(61)
    consortium.play(300)
    now = [2_000_000.0]
    async with observing(
        tmp_path, consortium, HonestFeed(consortium.log), clock=lambda: now[0]
    ) as observer:
        await observer.follower.once()
        inbox = Inbox(
            observer.follower, observer.genesis, tmp_path, clock=lambda: now[0], deep=True
        )
        yield Stage(consortium, observer, inbox, now)


async def test_a_refusal_that_the_law_bears_out_agrees(stage):
    consortium = stage.consortium
    stranger = consortium.actor("of_AAAAAAAAAAAAAAAAAAAAAA")
    erased = consortium.sealed(
        consortium.operator, BodyErased(1, consortium.digest(), ErasureGround.COURT_ORDER)
    )
    good = stage.placed()
    forged = seal(good.event, stranger.key.signing, stranger.key.public)
    for body, code in (
        (stage.placed(consent=None), Refusal.BASIS_MISSING),
        (stage.placed(purpose=Purpose.GUARANTEE_REVIEW), Refusal.CONSENT_PURPOSE),
        (stage.placed(product="agency-lin/none"), Refusal.PRODUCT_UNKNOWN),
        (b"{}", Refusal.EVENT_MALFORMED),
        (forged, Refusal.KEY_UNKNOWN),
        (good.body[:-30] + b"AAAA" + good.body[-26:], Refusal.SIGNATURE_INVALID),
        (consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"), log="other.example"),
         Refusal.WRONG_LOG),
        (erased, Refusal.ERASURE_SUBJECT),
        (consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"),
                           signed_at=consortium.at - SKEW_MS - 1), Refusal.CLOCK_SKEW),
        (_same_id(consortium), Refusal.ID_REUSED),
    ):  # fmt: skip
        raw = body if isinstance(body, bytes) else body.body
        judged = await stage.one(refuse(consortium, raw, code), raw)
        assert judged.outcome is Outcome.AGREES, (code, judged)
    assert stage.found == []


def _same_id(consortium):
    place = next(i for i, b in enumerate(consortium.log.bodies) if b'"EnterpriseEnrolled"' in b)
    taken = consortium.log.bodies[place].partition(b'"id":"')[2][:36].decode()
    return consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"), id=taken)


async def test_a_lawful_event_refused_is_a_finding(stage):
    order = stage.placed()
    note = refuse(stage.consortium, order, Refusal.CONSENT_WITHDRAWN)
    judged = await stage.one(order.body, note)
    assert judged.outcome is Outcome.ACCUSES
    [(code, index, detail, certain)] = found(stage.observer.reader_engine)
    assert (code, index, certain) == ("UNFOUNDED_REFUSAL", None, True)
    assert detail == "CONSENT_WITHDRAWN, where the law says ADMIT"
    evidence = evidence_of(stage.observer)
    assert evidence["note"] == note.decode()
    assert (evidence["refused"], evidence["lawful"]) == ("CONSENT_WITHDRAWN", "ADMIT")
    # The same again, with a line of somebody else's on it, is the same finding.
    other = sign_note("x\n", [Signer("other.example", bytes(32))]).partition("\n\n")[2]
    await stage.one(order.body, note + other.encode())
    assert len(stage.found) == 1


async def test_an_event_that_stands_and_is_refused_is_a_finding(stage):
    body = stage.consortium.log.bodies[4]
    judged = await stage.one(refuse(stage.consortium, body, Refusal.KEY_REVOKED), body)
    assert judged.outcome is Outcome.ACCUSES
    assert stage.found == ["UNFOUNDED_REFUSAL"]


async def test_a_refusal_for_another_reason_than_the_laws_is_a_finding(stage):
    order = stage.placed(consent=None)
    await stage.one(order.body, refuse(stage.consortium, order, Refusal.PRODUCT_SECTION))
    [(_, _, detail, certain)] = found(stage.observer.reader_engine)
    assert (detail, certain) == ("PRODUCT_SECTION, where the law says BASIS_MISSING", True)


async def test_a_refusal_is_judged_by_the_law_as_it_stood_then(stage):
    """The consent is withdrawn later: what was refused for it before was unfounded."""
    consortium = stage.consortium
    order = stage.placed()
    consent, enterprise, _ = consortium.consents[0]
    before, at = consortium.log.size, consortium.at
    unfair = refuse(consortium, order, Refusal.CONSENT_WITHDRAWN, size=before, at=at)
    consortium.admit(enterprise, ConsentWithdrawn(consent))
    consortium.at += 5
    fair = refuse(consortium, order, Refusal.CONSENT_WITHDRAWN)
    del consortium.consents[0]
    consortium.play(20)
    await stage.follow()
    assert (await stage.one(order.body, fair)).outcome is Outcome.AGREES
    judged = await stage.one(order.body, unfair)
    assert judged.outcome is Outcome.ACCUSES
    assert judged.size == before
    assert found(stage.observer.reader_engine)[0][3] is (stage.unseen == 0)


async def test_what_needs_a_replay_is_left_to_whoever_has_time(stage, tmp_path):
    consortium = stage.consortium
    consent, enterprise, _ = consortium.consents[0]
    order = stage.placed()
    note = refuse(consortium, order, Refusal.CONSENT_WITHDRAWN)
    consortium.admit(enterprise, ConsentWithdrawn(consent))
    consortium.log.publish()
    await stage.follow()
    quick = Inbox(
        stage.observer.follower, stage.observer.genesis, tmp_path, clock=lambda: stage.now[0]
    )
    (tmp_path / "observer-replay-left").mkdir()
    [judged] = await quick.take([order.body, note])
    assert judged.outcome is Outcome.UNRESOLVED
    assert "replayed" in judged.says
    [judged] = await quick.look_again()
    assert judged.outcome is Outcome.ACCUSES
    assert await quick.look_again() == []
    assert not list(tmp_path.glob("observer-replay-*"))


async def test_one_replay_serves_all_refusals_that_need_one(stage, tmp_path, monkeypatch):
    """Whoever collects refusals, which cost nothing, does not make us replay the log for each."""
    consortium = stage.consortium
    consent, enterprise, _ = consortium.consents[0]
    documents = []
    for _ in range(3):
        order = stage.placed()
        note = refuse(consortium, order, Refusal.CONSENT_WITHDRAWN)
        documents += sort([order.body, note])
        consortium.enrol()
    consortium.admit(enterprise, ConsentWithdrawn(consent))
    consortium.log.publish()
    await stage.follow()
    sizes, read = [], regulator.rejudge._read_package

    def counted(engine, start, width):
        sizes.append(width)
        return read(engine, start, width)

    monkeypatch.setattr(regulator.rejudge, "_read_package", counted)
    (tmp_path / "scratch").mkdir()
    database = tmp_path / "observer.db"
    judged = rejudge_all(database, documents[::-1], tmp_path / "scratch")
    assert [one.outcome for one in judged] == [Outcome.ACCUSES] * 3
    assert [one.size for one in judged] == sorted((one.size for one in judged), reverse=True)
    assert sum(sizes) == judged[0].size, "each entry is replayed once"


async def test_what_waits_waits_once_whatever_is_added_to_it(stage):
    consortium = stage.consortium
    consortium.play(20)
    order = stage.placed(consent=None)
    note = refuse(consortium, order, Refusal.BASIS_MISSING)
    checkpoint = consortium.log.note.encode()
    for n in range(4):
        line = sign_note("x\n", [Signer(f"other{n}.example", bytes(32))]).partition("\n\n")[2]
        await stage.inbox.take([order.body, note + line.encode(), checkpoint + line.encode()])
    with stage.observer.reader_engine.begin() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM submission").scalar_one()
    assert count == 2


async def test_a_refusal_at_a_size_that_we_do_not_have_yet_waits(stage):
    consortium = stage.consortium
    consortium.play(20)
    order = stage.placed(consent=None)
    judged = await stage.one(order.body, refuse(consortium, order, Refusal.BASIS_MISSING))
    assert judged.outcome is Outcome.UNRESOLVED
    [judged] = await stage.follow()
    assert judged.outcome is Outcome.AGREES


async def test_a_refusal_that_time_decides_is_certain_of_nothing(stage):
    """Between the entries around it an order falls due: who can say when exactly it was asked?"""
    consortium = stage.consortium
    consent = consortium.consents[0][0]
    placed = stage.placed(consent=consent)
    order = consortium.admit(consortium.bank_officer, placed.event.body).event
    size = consortium.log.size
    due = consortium.book.get(Order, order.id).due_at
    lapse = consortium.sealed(consortium.operator, OrderLapsed(order.id), signed_at=due)
    early = refuse(consortium, lapse, Refusal.ORDER_NOT_DUE, size=size, at=due - 1)
    late = refuse(consortium, lapse, Refusal.ORDER_NOT_DUE, size=size, at=due + 1)
    consortium.at = due + 60_000
    consortium.enrol()
    consortium.log.publish()
    await stage.follow()
    assert (await stage.one(lapse.body, early)).outcome is Outcome.AGREES
    assert stage.found == []
    assert (await stage.one(lapse.body, late)).outcome is Outcome.ACCUSES
    [(code, _, detail, certain)] = found(stage.observer.reader_engine)
    assert (code, detail) == ("UNFOUNDED_REFUSAL", "ORDER_NOT_DUE, where the law says ADMIT")
    assert not certain


async def test_a_refusal_at_a_time_that_was_not_then_is_a_finding_in_doubt(stage):
    consortium = stage.consortium
    size, now = consortium.log.size, consortium.at
    event = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"))
    note = refuse(consortium, event, Refusal.CLOCK_SKEW, size=size, at=now + SKEW_MS + SLACK_MS + 9)
    consortium.at += 5
    consortium.enrol()
    consortium.log.publish()
    await stage.follow()
    assert (await stage.one(event.body, note)).outcome is Outcome.ACCUSES
    [(code, _, detail, certain)] = found(stage.observer.reader_engine)
    assert code == "UNFOUNDED_REFUSAL"
    assert "which was not the time of the decision" in detail
    assert not certain


async def test_a_key_registered_in_the_same_moment_accuses_nobody(stage):
    consortium = stage.consortium
    key = generate_key()
    consortium.admit(consortium.bank, MemberKeyAdded("bank-hana", key.public))
    consortium.log.publish()
    event = seal(
        consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana")).event,
        key.signing,
        key.public,
    )
    await stage.follow()
    soon = refuse(consortium, event, Refusal.KEY_UNKNOWN, at=consortium.at + 5)
    judged = await stage.one(event.body, soon)
    assert judged.outcome is Outcome.NOTHING
    later = refuse(consortium, event, Refusal.KEY_UNKNOWN, at=consortium.at + SLACK_MS + 5)
    assert (await stage.one(event.body, later)).outcome is Outcome.ACCUSES


async def test_a_refusal_accuses_nobody_without_its_body_or_by_another_key(stage):
    order = stage.placed()
    note = refuse(stage.consortium, order, Refusal.CONSENT_WITHDRAWN)
    text = note.decode().partition("\n\n")[0] + "\n"
    for files, says in (
        ([note], "body that was refused is needed"),
        ([sign_note(text, [Signer("hub.example/log/refusal", bytes(32))]).encode()], "no known"),
        ([note.replace(b"CONSENT_WITHDRAWN", b"CONSENT_EXPIRED")], "is wrong"),
        ([sign_note(text.replace("hub.", "sub.", 1), [refusal_key(stage.consortium)]).encode()],
         "another log"),
        ([sign_note(text.replace("CONSENT_WITHDRAWN", "NO_MOOD"),
                    [refusal_key(stage.consortium)]).encode()], "NO_MOOD"),
    ):  # fmt: skip
        judged = (await stage.inbox.take(files))[0]
        assert judged.outcome is Outcome.NOTHING, judged
        assert says in judged.says
    assert stage.found == []


async def test_before_the_founding_there_is_nothing_to_judge_by(tmp_path):
    consortium = Consortium(62)
    consortium.play(1)
    order = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"))
    note = refuse(consortium, order, Refusal.NOT_FOUNDED, size=0)
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        inbox = Inbox(observer.follower, observer.genesis, tmp_path, clock=lambda: 0.0, deep=True)
        [judged] = await inbox.take([note, order.body])
        # Nobody had a key then: that comes first.
        assert judged.outcome is Outcome.ACCUSES
        assert "KEY_UNKNOWN" in judged.says


async def test_an_empty_copy_judges_no_refusal(tmp_path):
    consortium = Consortium(63)
    body = consortium.log.bodies[0]
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        inbox = Inbox(observer.follower, observer.genesis, tmp_path, clock=lambda: 0.0)
        [judged] = await inbox.take([body, refuse(consortium, body, Refusal.ALREADY_FOUNDED)])
        assert judged.outcome is Outcome.NOTHING


async def test_the_same_order_cancelled_twice_is_refused_rightly_the_second_time(stage):
    consortium = stage.consortium
    placed = consortium.admit(consortium.bank_officer, stage.placed().event.body)
    consortium.admit(consortium.bank_officer, OrderCancelled(placed.event.id))
    consortium.log.publish()
    again = consortium.sealed(consortium.bank_officer, OrderCancelled(placed.event.id))
    note = refuse(consortium, again, Refusal.ORDER_STATUS)
    await stage.follow()
    assert (await stage.one(note, again.body)).outcome is Outcome.AGREES


async def test_the_records_of_then_say_what_a_replay_says(tmp_path):
    consortium = Consortium(64)
    orders = []
    for _ in range(6):
        consortium.enrol()
        consortium.consent()
        if consortium.consents:
            orders.append((consortium.place(), consortium.log.size))
        consortium.at += 60_000
    consortium.log.publish()
    agree = different = 0
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        database = tmp_path / "observer.db"
        for order, size in orders:
            for at in (size, size - 1, consortium.log.size):
                body = consortium.sealed(consortium.bank_officer, OrderCancelled(order)).body
                note = refuse(consortium, body, Refusal.ORDER_UNKNOWN, size=at)
                [document] = sort([note, body])
                scratch = tmp_path / f"{order}-{at}"
                scratch.mkdir(exist_ok=True)
                quick = rejudge(database, document)
                with open_database(database, readers=True) as engine:
                    genesis = own_genesis(engine)
                    refused = open_refusal(document, genesis.refusal, genesis.origin)
                    slow = _rejudge_by_replay(engine, scratch, genesis, {0: refused})[0]
                assert slow.outcome in {Outcome.AGREES, Outcome.ACCUSES}
                if quick.outcome is not Outcome.UNRESOLVED:
                    assert quick == slow
                    agree += 1
                different += slow.outcome is Outcome.ACCUSES
        # Both kinds occurred: refusals borne out and not, and records untouched since.
        assert agree > 6
        assert 0 < different < 3 * len(orders)
