"""Time that goes back on the log is integrity's finding; the audit goes on with time standing."""

import asyncio
import json
from pathlib import Path

from creditchain.events.codes import Section
from creditchain.events.objection import ObjectionRaised
from regulator.audit import AUDIT_RULES, parse_pack
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.auditing import read_pack
from regulator.auditor import Auditor
from regulator.database import OBSERVER_NAME
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.unit.regulator.observing import observing

DAY_MS = 86_400_000


def test_a_backdated_event_starts_its_time_limit_when_it_was_logged(tmp_path: Path):
    consortium = Consortium(7)
    enterprise = consortium.enrol()
    began_at = consortium.at
    consortium.at += 60 * DAY_MS
    consortium.enrol()
    objection = ObjectionRaised("agency-lin", Section.LOANS, consortium.digest())
    raised = consortium.force(consortium.sealed(enterprise, objection), began_at)
    consortium.at += 15 * DAY_MS
    consortium.enrol()
    consortium.at += 15 * DAY_MS
    consortium.enrol()
    consortium.log.publish()

    async def follow() -> None:
        async with observing(tmp_path, consortium, HonestFeed(consortium.log)) as observer:
            await observer.follower.once()

    asyncio.run(follow())
    store = AuditStore(tmp_path / AUDIT_NAME)
    pack = read_pack(None)
    auditor = Auditor(tmp_path / OBSERVER_NAME, store, parse_pack(pack, AUDIT_RULES), pack)
    found = [json.loads(one.evidence) for one in auditor.advance() if one.code == "P03"]
    auditor.close()
    store.close()
    assert [one["entries"][0]["index"] for one in found] == [raised]
    assert [one["index"] for one in found] == [consortium.log.size - 1]
