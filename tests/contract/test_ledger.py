"""What every ledger promises, whatever orders its batches."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from creditchain.client.fresh import fresh_event_id
from creditchain.client.signer import now_ms
from creditchain.events import b64u, parse_time
from creditchain.ledger import Admitted, Busy, Ledger, Level, Refused
from creditchain.ledger.order import START, Batch, Position, WrongHistory
from creditchain.ledger.order.sqlite import QUEUE_MAX
from creditchain.rulebook import Refusal, Violation
from creditchain.rulebook.record import Consent, Consortium, Member, Order, OrderStatus
from creditchain.seal import parse_entry
from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.edge import VerifiedTiles
from creditchain.tlog.merkle import Frontier, leaf_hashes_of
from creditchain.tlog.note import BadNote, open_note
from creditchain.tlog.tile import new_bundles, parse_bundle
from creditchain.tlog.tlogproof import check_tlog_proof
from tests.contract import town

Open = Callable[..., Ledger]


def open_sqlite(path: Path, **options: object) -> Ledger:
    """The embedded default."""
    return Ledger.open(path, town.KEYS, **options)  # type: ignore[arg-type]


@pytest.fixture(params=[open_sqlite], ids=["sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the one ledger of the test, and closes the one that was open before."""
    path = town.settled(tmp_path)
    opened: list[Ledger] = []

    def open_again(**options: object) -> Ledger:
        while opened:
            opened.pop().close()
        opened.append(request.param(path, **options))
        return opened[-1]

    yield open_again
    while opened:
        opened.pop().close()


@pytest.fixture
def ledger(reopen: Open) -> Ledger:
    return reopen()


def entries_of(ledger: Ledger) -> list[bytes]:
    """Every entry as the feed serves it."""
    entries: list[bytes] = []
    for path in new_bundles(0, ledger.head().size):
        bundle = ledger.entry_bundle(path.n, path.width)
        assert bundle is not None
        entries += parse_bundle(bundle, path.width)
    return entries


def assert_log_holds_together(ledger: Ledger) -> None:
    """Entries, tiles, bodies and the signed root agree, as a stranger would check them."""
    head = ledger.head()
    entries = entries_of(ledger)
    assert Frontier.empty().extend(leaf_hashes_of(entries)).root() == head.root

    def fetch(level: int, n: int, width: int) -> bytes:
        return ledger.tile(level, n, width) or b""

    tiles = VerifiedTiles(head.size, head.root, fetch)
    for path in new_bundles(0, head.size):
        assert tiles.read_tile(0, path.n, path.width) == fetch(0, path.n, path.width)
        bodies = ledger.bodies(path.n, path.width)
        assert len(bodies) == path.width
    times = [parse_entry(entry).at for entry in entries]
    assert times == sorted(times)


# Answers.


async def test_an_answer_proves_its_entry_to_a_stranger(ledger: Ledger):
    before = ledger.head().size
    items = town.orders(5)
    answers = town.admitted(await ledger.submit(items))
    assert [answer.index for answer in answers] == list(range(before, before + 5))
    for item, answer in zip(items, answers, strict=True):
        entry = parse_entry(answer.entry)
        assert (entry.at, entry.commitment) == (answer.at, item.commitment)
        assert town.check(answer).checkpoint.size == before + 5
        assert ledger.body(answer.index) == item.body
    assert_log_holds_together(ledger)


async def test_the_book_follows_the_log(ledger: Ledger):
    [placed] = town.orders(1)
    [answer] = town.admitted(await ledger.submit([placed]))
    order = ledger.book.get(Order, placed.event.id)
    assert order is not None
    assert order.status is OrderStatus.PLACED
    assert order.placed_at == answer.at
    await ledger.submit([town.accept(order.id)])
    order = ledger.book.get(Order, placed.event.id)
    assert order is not None
    assert order.status is OrderStatus.ACCEPTED


async def test_later_items_of_a_batch_see_what_earlier_ones_wrote(ledger: Ledger):
    placed = town.order()
    town.admitted(await ledger.submit([placed, town.accept(placed.event.id)]))
    consent = ledger.book.get(Consent, town.CONSENT)
    assert consent is not None
    assert consent.uses == 1


async def test_a_refused_item_is_answered_and_not_logged(ledger: Ledger):
    before = ledger.head()
    nowhere = town.accept(fresh_event_id())
    [refused] = await ledger.submit([nowhere])
    assert isinstance(refused, Refused)
    assert refused.violation.code is Refusal.ORDER_UNKNOWN
    assert ledger.head() == before
    assert ledger.find(nowhere.event.id) is None


async def test_a_refusal_is_signed_over_what_was_refused(ledger: Ledger):
    placed, nowhere = town.order(), town.accept(fresh_event_id())
    admitted, refused = await ledger.submit([placed, nowhere])
    assert isinstance(admitted, Admitted)
    assert isinstance(refused, Refused)
    lines = open_note(refused.note, [town.REFUSAL.verifier]).text.split("\n")
    assert lines[:4] == [
        "creditchain/refusal/v1",
        town.ORIGIN,
        str(admitted.index + 1),
        b64u(nowhere.commitment),
    ]
    assert parse_time(lines[4]) == admitted.at
    assert lines[5:] == ["ORDER_UNKNOWN", "body.order", ""]


async def test_one_refusal_spoils_no_batch(ledger: Ledger):
    items = town.orders(6)
    items.insert(3, town.accept(fresh_event_id()))
    answers = await ledger.submit(items)
    assert [isinstance(answer, Admitted) for answer in answers] == [True] * 3 + [False] + [True] * 3
    assert_log_holds_together(ledger)


async def test_nothing_submitted_is_nothing_answered(ledger: Ledger):
    assert await ledger.submit([]) == []


# Exactly once.


async def test_the_same_body_gets_the_same_entry_again(reopen: Open):
    ledger = reopen()
    [item] = town.orders(1)
    [first] = town.admitted(await ledger.submit([item]))
    town.admitted(await ledger.submit(town.orders(300)))
    [second] = town.admitted(await ledger.submit([item]))
    [third] = town.admitted(await reopen().submit([item]))
    for again in (second, third):
        assert (again.index, again.at, again.entry) == (first.index, first.at, first.entry)
        assert town.check(again).index == first.index


async def test_other_bytes_under_a_known_id_are_refused(reopen: Open):
    ledger = reopen()
    first = town.order()
    other = town.order(first.event.id)
    assert other.body != first.body
    await ledger.submit([first])
    for _ in range(2):
        [answer] = await ledger.submit([other])
        assert isinstance(answer, Refused)
        assert answer.violation.code is Refusal.ID_REUSED
        ledger = reopen()


async def test_two_bodies_under_one_id_in_one_batch_admit_the_first(ledger: Ledger):
    first = town.order()
    answers = await ledger.submit([first, town.order(first.event.id), first])
    assert isinstance(answers[0], Admitted)
    assert isinstance(answers[1], Refused)
    assert answers[2] == answers[0]


async def test_a_refused_id_is_free_to_be_admitted_later(ledger: Ledger):
    id_ = fresh_event_id()
    wrong = town.author(town.AGENCY).seal(town.PRODUCT, id=id_)
    [refused] = await ledger.submit([wrong])
    assert isinstance(refused, Refused)
    assert isinstance((await ledger.submit([town.order(id_)]))[0], Admitted)


async def test_ids_repeated_by_many_submitters_and_after_restarts_make_one_entry_each(reopen: Open):
    chance = random.Random(20260101)
    items = town.orders(60)
    index_of: dict[str, int] = {}
    size = town.SETTLED
    for _ in range(2):
        ledger = reopen()

        async def submitter(ledger: Ledger, seed: int) -> None:
            mine = items * random.Random(seed).randint(1, 5)
            random.Random(seed).shuffle(mine)
            while mine:
                count = min(len(mine), random.Random(seed).randint(1, 7))
                part, mine = mine[:count], mine[count:]
                for item, answer in zip(
                    part, town.admitted(await ledger.submit(part)), strict=True
                ):
                    assert index_of.setdefault(item.event.id, answer.index) == answer.index

        await asyncio.gather(*(submitter(ledger, chance.randrange(1000)) for _ in range(2)))
        assert ledger.head().size == size + len(items)
        assert_log_holds_together(ledger)
    assert sorted(index_of.values()) == list(range(size, size + len(items)))


async def test_concurrent_submitters_share_batches(ledger: Ledger):
    answers = await asyncio.gather(*(ledger.submit([item]) for item in town.orders(200)))
    batches = {town.admitted(answer)[0].at for answer in answers}
    assert len(batches) < 100
    assert_log_holds_together(ledger)


async def test_two_event_loops_may_submit(ledger: Ledger):
    items = town.orders(80)

    def in_a_thread() -> list[int]:
        async def submit() -> list[int]:
            answers = await asyncio.gather(*(ledger.submit([item]) for item in items[:40]))
            return [town.admitted(answer)[0].index for answer in answers]

        return asyncio.run(submit())

    there = asyncio.create_task(asyncio.to_thread(in_a_thread))
    here = await asyncio.gather(*(ledger.submit([item]) for item in items[40:]))
    indexes = [town.admitted(answer)[0].index for answer in here] + await there
    assert sorted(indexes) == list(range(town.SETTLED, town.SETTLED + 80))


async def test_a_submitter_that_goes_away_leaves_the_others_alone(ledger: Ledger):
    gone = asyncio.create_task(ledger.submit(town.orders(3)))
    await asyncio.sleep(0)
    gone.cancel()
    town.admitted(await ledger.submit(town.orders(3)))
    assert_log_holds_together(ledger)


async def test_a_full_queue_is_said_at_once(ledger: Ledger):
    item = town.order()
    with pytest.raises(Busy):
        await ledger.submit([item] * (QUEUE_MAX + 1))
    town.admitted(await ledger.submit([item]))


# Time.


async def test_admission_times_never_go_back_when_the_clock_does(reopen: Open):
    clock = now_ms()
    ledger = reopen(clock=lambda: clock)
    times = [answer.at for answer in town.admitted(await ledger.submit([town.order()]))]
    clock -= 3_600_000
    for _ in range(3):
        times += [answer.at for answer in town.admitted(await ledger.submit([town.order()]))]
    ledger = reopen(clock=lambda: clock)
    times += [answer.at for answer in town.admitted(await ledger.submit([town.order()]))]
    assert all(earlier < later for earlier, later in pairwise(times))
    assert_log_holds_together(ledger)


async def test_a_clock_that_stands_still_gives_each_batch_its_own_time(reopen: Open):
    now = now_ms()
    ledger = reopen(clock=lambda: now)
    times = []
    for _ in range(3):
        times += [answer.at for answer in town.admitted(await ledger.submit(town.orders(2)))]
    assert times[0] == times[1] < times[2] == times[3] < times[4] == times[5]


# Reading.


async def test_every_published_size_keeps_its_tiles(ledger: Ledger):
    sizes = [ledger.head().size]
    for count in (1, 3, 100, 160, 40):
        await ledger.submit(town.orders(count))
        sizes.append(ledger.head().size)
    for size in sizes:
        width = min(size, 256)
        tile = ledger.tile(0, 0, width)
        assert tile is not None
        assert len(tile) == 32 * width
    head = ledger.head()
    assert ledger.tile(0, 1, head.size - 256) is not None
    assert ledger.tile(0, 1, head.size - 255) is None
    assert ledger.tile(1, 0, 1) is not None
    assert ledger.tile(1, 0, 2) is None
    assert ledger.tile(0, 0, 0) is None
    assert ledger.tile(0, 0, 257) is None
    assert ledger.tile(-1, 0, 1) is None
    assert ledger.tile(0, -1, 1) is None
    assert ledger.tile(7, 0, 1) is None
    assert ledger.entry_bundle(0, 257) is None
    assert ledger.entry_bundle(1, head.size - 255) is None
    assert ledger.bodies(1, head.size - 255) == []
    assert_log_holds_together(ledger)


async def test_receipts_of_old_entries_prove_under_the_newest_checkpoint(ledger: Ledger):
    answers = town.admitted(await ledger.submit(town.orders(300)))
    for answer in (answers[0], answers[200], answers[-1]):
        receipt = ledger.receipt(answer.index)
        assert receipt is not None
        assert receipt.level is Level.CHECKPOINTED
        assert receipt.entry == answer.entry
        assert receipt.at == answer.at
        checked = check_tlog_proof(receipt.proof, receipt.entry, town.LOG_ONLY)
        assert (checked.index, checked.checkpoint.size) == (answer.index, ledger.head().size)
    assert ledger.receipt(ledger.head().size) is None
    assert ledger.receipt(-1) is None


async def test_find_tells_where_an_id_stands(ledger: Ledger):
    item = town.order()
    [answer] = town.admitted(await ledger.submit([item]))
    found = ledger.find(item.event.id)
    assert found == (answer.index, "OrderPlaced", item.event.by, answer.at)
    assert ledger.find(fresh_event_id()) is None


def test_a_reader_sees_one_state_and_cannot_write(ledger: Ledger):
    with ledger.reading() as connection:
        count = "SELECT count(*) FROM entry"
        before = connection.exec_driver_sql(count).scalar()
        asyncio.run(ledger.submit(town.orders(2)))
        assert connection.exec_driver_sql(count).scalar() == before
        with pytest.raises(Exception, match="readonly"):
            connection.exec_driver_sql("DELETE FROM cosignature")
    with ledger.reading() as connection:
        assert connection.exec_driver_sql(count).scalar() == before + 2


async def test_a_reader_of_the_book_never_keeps_a_stale_record(ledger: Ledger):
    placed = town.order()
    await ledger.submit([placed])
    stop = False

    def read() -> set[OrderStatus]:
        seen = set()
        while not stop:
            order = ledger.book.get(Order, placed.event.id)
            assert order is not None
            seen.add(order.status)
        return seen

    readers = [asyncio.create_task(asyncio.to_thread(read)) for _ in range(2)]
    await ledger.submit([town.accept(placed.event.id)])
    order = ledger.book.get(Order, placed.event.id)
    stop = True
    await asyncio.gather(*readers)
    assert order is not None
    assert order.status is OrderStatus.ACCEPTED


async def test_beyond_wakes_when_the_log_grows(ledger: Ledger):
    size = ledger.head().size
    assert await ledger.beyond(size - 1) == size
    waiting = asyncio.create_task(ledger.beyond(size + 1))
    await ledger.submit(town.orders(1))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await ledger.submit(town.orders(1))
    assert await asyncio.wait_for(waiting, 5) == size + 2


# Followers.


async def follow(ledger: Ledger, after: Position, count: int) -> list[Batch]:
    """The next batches after a position."""
    batches: list[Batch] = []
    async for batch in ledger.batches(after):
        batches.append(batch)
        if len(batches) == count:
            break
    return batches


async def test_followers_from_anywhere_read_the_same_chain_without_a_gap(reopen: Open):
    ledger = reopen()
    for count in (1, 5, 20, 1, 40):
        await ledger.submit(town.orders(count))
    position = START
    for batch in await follow(ledger, START, 10):
        assert batch.height == position.height + 1
        assert batch.previous == position.digest
        position = Position(batch.height, batch.digest)
    middle = (await follow(ledger, START, 4))[-1]
    rest = await follow(reopen(), Position(middle.height, middle.digest), 6)
    assert (rest[-1].height, rest[-1].digest) == (position.height, position.digest)
    ledger = reopen()
    bodies = [item for batch in await follow(ledger, START, 10) for item in batch.items]
    assert bodies == ledger.bodies(0, len(bodies))


async def test_a_follower_at_the_head_gets_the_next_batch_when_it_comes(ledger: Ledger):
    last = (await follow(ledger, START, 5))[-1]
    waiting = asyncio.create_task(follow(ledger, Position(last.height, last.digest), 3))
    items = town.orders(3)
    for item in items:
        await ledger.submit([item])
    batches = await asyncio.wait_for(waiting, 5)
    assert [item for batch in batches for item in batch.items] == [item.body for item in items]


async def test_a_follower_from_another_history_is_told_so(ledger: Ledger):
    with pytest.raises(WrongHistory):
        await follow(ledger, Position(2, bytes(32)), 1)


# Erasure.


async def test_an_erased_body_is_gone_and_every_proof_stands(reopen: Open):
    ledger = reopen()
    items = town.orders(3)
    answers = town.admitted(await ledger.submit(items))
    index = answers[1].index
    town.admitted(await ledger.submit([town.erase(index, items[1].commitment)]))
    assert ledger.body(index) is None
    assert ledger.body(index + 1) == items[2].body
    assert ledger.bodies(0, index + 1)[index] is None
    ledger = reopen()
    assert ledger.body(index) is None
    receipt = ledger.receipt(index)
    assert receipt is not None
    check_tlog_proof(receipt.proof, answers[1].entry, town.LOG_ONLY)
    assert_log_holds_together(ledger)
    [again] = town.admitted(await ledger.submit([items[1]]))
    assert again.index == index
    assert ledger.body(index) is None
    batch = (await follow(ledger, START, 6))[-1]
    assert batch.items == (items[0].body, items[1].commitment, items[2].body)
    await follow(ledger, Position(batch.height, batch.digest), 1)


def files_with(data: bytes, folder: Path) -> list[str]:
    """The files of a folder in which these bytes stand."""
    return [path.name for path in folder.iterdir() if data in path.read_bytes()]


async def test_an_erased_body_leaves_no_bytes_in_the_files(ledger: Ledger, tmp_path: Path):
    item = town.order()
    [answer] = town.admitted(await ledger.submit([item]))
    await ledger.submit([town.erase(answer.index, item.commitment)])
    salt = item.event.salt.encode()
    for _ in range(100):  # the WAL is emptied beside the writer
        if not files_with(salt, tmp_path):
            break
        await asyncio.sleep(0.05)
    assert files_with(salt, tmp_path) == []


async def test_an_erasure_does_not_wait_for_readers(ledger: Ledger):
    item = town.order()
    [answer] = town.admitted(await ledger.submit([item]))
    with ledger.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM entry").scalar()
        async with asyncio.timeout(5):
            await ledger.submit([town.erase(answer.index, item.commitment)])
            for _ in range(5):
                town.admitted(await ledger.submit(town.orders(1)))


async def test_a_body_of_the_same_batch_can_be_erased(ledger: Ledger):
    item = town.order()
    index = ledger.head().size
    town.admitted(await ledger.submit([item, town.erase(index, item.commitment)]))
    assert ledger.body(index) is None


async def test_what_is_no_erasable_body_is_refused(ledger: Ledger):
    item = town.order()
    [answer] = town.admitted(await ledger.submit([item]))
    public = parse_entry(entries_of(ledger)[1]).commitment
    wrong = {
        "no such entry": town.erase(10**6, item.commitment),
        "itself": town.erase(answer.index + 1, bytes(32)),
        "another body": town.erase(answer.index, bytes(32)),
        "a public body": town.erase(1, public),
    }
    for what, erasure in wrong.items():
        [refused] = await ledger.submit([erasure])
        assert isinstance(refused, Refused), what
        assert refused.violation.code is Refusal.ERASURE_SUBJECT, what
    assert ledger.body(1) is not None
    assert ledger.body(answer.index) == item.body


async def test_a_body_is_erased_once(ledger: Ledger):
    item = town.order()
    [answer] = town.admitted(await ledger.submit([item]))
    await ledger.submit([town.erase(answer.index, item.commitment)])
    [refused] = await ledger.submit([town.erase(answer.index, item.commitment)])
    assert isinstance(refused, Refused)
    assert refused.violation.code is Refusal.ERASURE_DONE
    [refused] = await ledger.submit([town.erase(answer.index, bytes(32))])
    assert isinstance(refused, Refused)
    assert refused.violation.code is Refusal.ERASURE_SUBJECT


# Cosignatures.


def cosign(ledger: Ledger, *signers: CosignatureSigner) -> int:
    """Has the head cosigned; its size."""
    head = ledger.head()
    text = open_note(head.note, [town.LOG.verifier]).text
    lines = [signer.cosign(text, 1_800_000_000).line for signer in signers]
    ledger.add_cosignatures(head.size, lines)
    return head.size


async def test_a_receipt_is_observed_when_the_policy_is_met(reopen: Open):
    ledger = reopen()
    [answer] = town.admitted(await ledger.submit(town.orders(1)))
    assert await ledger.observed(answer.index, 0.01) is None
    waiting = asyncio.create_task(ledger.observed(answer.index, 10))
    cosign(ledger, town.WITNESS)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    size = cosign(ledger, town.MIRROR)
    proof = await waiting
    assert proof is not None
    checked = check_tlog_proof(proof, answer.entry, town.OBSERVED)
    assert (checked.index, checked.checkpoint.size) == (answer.index, size)
    assert len(checked.cosignatures) == 2
    assert ledger.head().note.count("\n— ") == 3
    for hub in (ledger, reopen()):
        receipt = hub.receipt(answer.index)
        assert receipt is not None
        assert receipt.level is Level.OBSERVED
        check_tlog_proof(receipt.proof, receipt.entry, town.OBSERVED)
        assert await hub.observed(answer.index, 1) == receipt.proof


async def test_later_entries_are_not_observed_by_an_earlier_cosignature(ledger: Ledger):
    cosign(ledger, town.WITNESS, town.MIRROR)
    [answer] = town.admitted(await ledger.submit(town.orders(1)))
    assert await ledger.observed(answer.index, 0.05) is None
    receipt = ledger.receipt(answer.index)
    assert receipt is not None
    assert receipt.level is Level.CHECKPOINTED


async def test_an_earlier_checkpoint_may_be_cosigned_late(ledger: Ledger):
    [answer] = town.admitted(await ledger.submit(town.orders(1)))
    head = ledger.head()
    await ledger.submit(town.orders(300))
    text = open_note(head.note, [town.LOG.verifier]).text
    lines = [signer.cosign(text, 1_800_000_000).line for signer in (town.WITNESS, town.MIRROR)]
    ledger.add_cosignatures(head.size, lines)
    proof = await ledger.observed(answer.index, 5)
    assert proof is not None
    assert check_tlog_proof(proof, answer.entry, town.OBSERVED).checkpoint.size == head.size


async def test_cosignatures_that_prove_nothing_are_refused(ledger: Ledger):
    head = ledger.head()
    stranger = CosignatureSigner("stranger.example", bytes([9] * 32))
    text = open_note(head.note, [town.LOG.verifier]).text
    with pytest.raises(BadNote):
        ledger.add_cosignatures(head.size, [stranger.cosign(text, 1).line])
    with pytest.raises(BadNote):
        ledger.add_cosignatures(head.size, [town.WITNESS.cosign(text + "\n", 1).line])
    with pytest.raises(KeyError):
        ledger.add_cosignatures(head.size + 1, [town.WITNESS.cosign(text, 1).line])
    assert ledger.head() == head


# The door's side.


def test_a_screened_body_is_what_its_author_sealed(ledger: Ledger):
    item = town.order()
    assert ledger.screen_body(item.body) == item


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda body: body[:-1], Refusal.EVENT_MALFORMED),
        (lambda body: body.replace(b'"log":"hub', b'"log":"hob'), Refusal.WRONG_LOG),
        (lambda body: body.replace(b'"proof":"', b'"proof":"_'), Refusal.PROOF_MALFORMED),
        (lambda body: body.replace(b'"signedAt":"2', b'"signedAt":"3'), Refusal.SIGNATURE_INVALID),
    ],
)
def test_a_spoilt_body_is_refused_by_name(
    ledger: Ledger, spoil: Callable[[bytes], bytes], code: Refusal
):
    answer = ledger.screen_body(spoil(town.order().body))
    assert isinstance(answer, Violation)
    assert answer.code is code


def test_founded_consortium_and_members_are_in_the_book(ledger: Ledger):
    consortium = ledger.book.get(Consortium, "consortium")
    assert consortium is not None
    assert consortium.log == town.ORIGIN
    assert ledger.book.get(Member, town.BANK) is not None
    assert ledger.book.get(Member, "nobody") is None


def test_a_refusal_outside_a_batch_is_signed_too(ledger: Ledger):
    violation = ledger.screen_body(b"{}")
    assert isinstance(violation, Violation)
    refused = ledger.refuse(bytes(32), violation)
    lines = open_note(refused.note, [town.REFUSAL.verifier]).text.split("\n")
    assert lines[2] == str(ledger.head().size)
    assert lines[5:7] == ["EVENT_MALFORMED", "-"]
