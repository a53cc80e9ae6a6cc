"""Each lie of the lying hub gives exactly its finding, and everything goes on."""

from contextlib import suppress

import pytest

from creditchain.tlog.witness import AddCheckpoint
from regulator.feed import FeedFault
from regulator.finding import FindingCode
from regulator.follow import ROLLBACK_SECONDS
from regulator.inbox import Inbox
from regulator.scrub import Scrub
from regulator.verify import NotInTree
from regulator.watch import Bounds, Watch
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.hub import LIES, LyingHub
from tests.lying_hub.lies import deliver_another_report
from tests.unit.regulator.observing import found, observing

STEP_S = 40.0

NAMED = {
    "fork_at_the_same_size", "show_a_smaller_tree", "omit", "reorder", "backdate", "skip_the_law",
    "forge_a_member", "swap_a_fingerprint", "alter_a_body", "tell_two_members_two_checkpoints",
    "withhold_a_body", "forge_cell_and_tile_together",
}  # fmt: skip
"""The lies a regulator has asked for by name; there are more."""


def test_no_lie_that_was_asked_for_is_missing():
    assert set(LIES) >= NAMED


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_gives_exactly_its_finding(lie, tmp_path):
    hub = LyingHub(93)
    now = [hub.consortium.at / 1000]
    async with observing(tmp_path, hub.consortium, hub, clock=lambda: now[0]) as observer:
        inbox = Inbox(
            observer.follower, observer.genesis, tmp_path, clock=lambda: now[0], deep=True
        )
        scrub = Scrub(observer.follower, observer.reader_engine, hub, clock=lambda: now[0])
        watch = Watch(observer, inbox, scrub, Bounds(stale_after_s=10**6), clock=lambda: now[0])
        await observer.follower.once()
        assert found(observer.reader_engine) == []

        told = getattr(hub, lie)()
        if told.members:
            await inbox.take(told.members)
        until = now[0] + max(told.patience_s, 5 * STEP_S)
        while now[0] < until:
            with suppress(NotInTree, FeedFault):
                await observer.follower.once()
            await inbox.look_again()
            await watch.look()
            await scrub.step()
            now[0] += max(STEP_S, told.patience_s / 12)
        assert [
            (code, index, certain) for code, index, _, certain in found(observer.reader_engine)
        ] == [(told.code, told.index, told.certain)]


async def test_the_two_checkpoints_of_two_members_are_the_evidence(tmp_path):
    """Neither was ever shown to the observer; one of the two must be a lie."""
    hub = LyingHub(93)
    async with observing(tmp_path, hub.consortium, hub) as observer:
        await observer.follower.once()
        told = hub.tell_two_members_two_checkpoints()
        inbox = Inbox(observer.follower, observer.genesis, tmp_path, clock=lambda: 0.0)
        first, second = await inbox.take(told.members)
        assert first.outcome == second.outcome == "UNRESOLVED"
        assert found(observer.reader_engine) == []
        await observer.follower.once()
        outcomes = [judged.outcome for judged in await inbox.look_again()]
        assert sorted(outcomes) == ["ACCUSES", "AGREES"]
        assert [code for code, *_ in found(observer.reader_engine)] == [FindingCode.FORK]


async def test_a_forked_hub_gets_no_cosignature_at_its_door_either(tmp_path):
    hub = LyingHub(93)
    async with observing(tmp_path, hub.consortium, hub) as observer:
        held = await observer.follower.once()
        hub.fork_and_grow()
        log = hub.serving.log
        asked = AddCheckpoint(held.size, log.prove(held.size), log.note)
        answer, finding = await observer.follower.write(observer.follower.cosigner.witness, asked)
        assert answer.status == 422
        assert finding.code is FindingCode.FORK
        assert observer.follower.cosigner.head("witness") == held


async def test_another_report_than_was_said_is_no_lie_of_the_hub(tmp_path):
    """The log has it right: the bank says what it opened. It is for the audit to find."""
    consortium = Consortium(94)
    consortium.play(40)
    deliver_another_report(consortium)
    consortium.log.publish()
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        assert found(observer.reader_engine) == []


def test_a_rollback_outlasts_the_caches():
    assert ROLLBACK_SECONDS >= 60
