"""What a hub lies about time, or lets somebody say for another, turns no member's case."""

import asyncio
import json
from pathlib import Path

import pytest

from creditchain.events import b64u
from creditchain.events.codes import ErasureGround, FindingReply, Section, Severity
from creditchain.events.erasure import BodyErased
from creditchain.events.finding import FindingAnswered, FindingAsked
from creditchain.events.membership import MemberWithdrawn
from creditchain.events.objection import ObjectionRaised
from creditchain.seal import parse_entry
from regulator.audit import AUDIT_RULES, parse_pack
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.auditing import read_pack
from regulator.auditor import Auditor
from regulator.database import OBSERVER_NAME
from tests.lying_hub.honest import Consortium, HonestFeed
from tests.lying_hub.lies import skip_the_law
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

    follow(tmp_path, consortium)
    found = [one for one in audit(tmp_path) if one["code"] == "P03"]
    assert [one["entries"][0]["index"] for one in found] == [raised]
    assert [one["index"] for one in found] == [consortium.log.size - 1]


def test_what_is_found_while_the_log_is_ahead_of_itself_is_in_doubt(tmp_path: Path):
    """Else a hub whose time leaps has every consent end, and every later order held for sure."""
    consortium = Consortium(7)
    consortium.play(40)
    leap = consortium.force(
        consortium.sealed(consortium.operator, MemberWithdrawn("operator-hub")),
        consortium.at + 400 * DAY_MS,
    )
    consortium.play(40)
    consortium.log.publish()
    follow(tmp_path, consortium)
    outside = [one for one in audit(tmp_path) if "OUTSIDE_ITS_WINDOW" in str(one["facts"])]
    assert outside
    assert all(one["index"] > leap and not one["certain"] for one in outside)


@pytest.mark.parametrize("by", ["bank", "agency"])
def test_nobody_answers_the_regulator_for_another(by: str, tmp_path: Path):
    consortium = Consortium(7)
    consortium.play(20)
    asked = consortium.admit(
        consortium.regulator,
        FindingAsked(
            consortium.digest(), "C01", "bank-hana", Severity.HIGH, consortium.at + DAY_MS
        ),
    )
    answered = FindingAnswered(asked.event.id, FindingReply.CONTESTED, consortium.digest())
    consortium.force(consortium.sealed(getattr(consortium, by), answered))
    consortium.at += 2 * DAY_MS
    consortium.enrol()
    consortium.log.publish()
    follow(tmp_path, consortium)
    codes = [one["code"] for one in audit(tmp_path)]
    assert ("L09" in codes) is (by == "agency")


def follow(folder: Path, consortium: Consortium) -> None:
    async def once() -> None:
        async with observing(folder, consortium, HonestFeed(consortium.log)) as observer:
            await observer.follower.once()

    asyncio.run(once())


def audit(folder: Path) -> list[dict]:
    store = AuditStore(folder / AUDIT_NAME)
    pack = read_pack(None)
    auditor = Auditor(folder / OBSERVER_NAME, store, parse_pack(pack, AUDIT_RULES), pack)
    found = [json.loads(one.evidence) for one in auditor.advance()]
    auditor.close()
    store.close()
    return found


def test_an_event_erased_before_anybody_read_it_is_told(tmp_path: Path):
    """Who runs the hub would else keep what it lets through from the law and the audit both."""
    consortium = Consortium(7)
    consortium.play(40)
    hidden = skip_the_law(consortium)
    commitment = b64u(parse_entry(consortium.log.entries[hidden]).commitment)
    erasure = BodyErased(hidden, commitment, ErasureGround.RETENTION_ENDED)
    consortium.admit(consortium.operator, erasure)
    consortium.log.bodies[hidden] = b""
    consortium.log.publish()
    follow(tmp_path, consortium)
    found = [one for one in audit(tmp_path) if one["code"] == "L10"]
    assert [(one["index"], one["member"], one["certain"]) for one in found] == [
        (hidden + 1, "operator-hub", False)
    ]
