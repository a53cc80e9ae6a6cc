"""What the shared law gets wrong, replay cannot find; whoever replays with the right one can."""

import pytest

from creditchain.events.order import OrderPlaced
from regulator.audit import AUDIT_RULES, parse_pack
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.auditing import read_pack
from regulator.auditor import Auditor
from regulator.database import OBSERVER_NAME
from regulator.finding import FindingCode
from tests.lying_hub.broken_law import (
    blind_to_withdrawal,
    broken,
    order_under_a_withdrawn_consent,
)
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.unit.regulator.observing import found, observing


@pytest.fixture
def planted():
    """A history with an order that only a broken law lets through, and its index."""
    consortium = Consortium(95)
    consortium.play(40)
    with broken(OrderPlaced, blind_to_withdrawal()):
        index = order_under_a_withdrawn_consent(consortium)
    consortium.log.publish()
    return consortium, index


async def test_replay_with_the_same_broken_law_finds_nothing(planted, tmp_path):
    consortium, _ = planted
    with broken(OrderPlaced, blind_to_withdrawal()):
        async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
            await observer.follower.once()
            assert found(observer.reader_engine) == []


async def test_replay_with_the_law_as_it_is_finds_it(planted, tmp_path):
    consortium, index = planted
    async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        [(code, at, detail, certain)] = found(observer.reader_engine)
    assert (code, at, certain) == (FindingCode.LAW_BROKEN, index, True)
    assert detail.startswith("CONSENT_WITHDRAWN")


async def test_the_audit_alone_catches_what_the_shared_law_got_wrong(planted, tmp_path):
    consortium, index = planted
    with broken(OrderPlaced, blind_to_withdrawal()):
        async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
            await observer.follower.once()
            assert found(observer.reader_engine) == []
        file = read_pack(None)
        store = AuditStore(tmp_path / AUDIT_NAME)
        auditor = Auditor(tmp_path / OBSERVER_NAME, store, parse_pack(file, AUDIT_RULES), file)
        findings = auditor.advance()
        assert auditor.progress.size == consortium.log.size
        auditor.close()
        store.close()
    [wrong] = [one for one in findings if one.code == "C01"]
    assert (wrong.index, wrong.member, wrong.certain) == (index, "bank-hana", True)
    assert wrong.facts["why"] == "WITHDRAWN"
