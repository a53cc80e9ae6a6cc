"""Rules at their very edges, where stories do not come."""

from typing import Any

import pytest

from creditchain.events.codes import ErasureGround
from creditchain.events.consent import ConsentWithdrawn
from creditchain.events.erasure import ReportErased
from regulator.audit import Audit, AuditFinding, DictFacts, HeapAgenda, Said
from regulator.audit.almanac import DAY_MS
from regulator.audit.fact import Order
from tests.stories.audited import default_pack
from tests.unit.regulator.audit.found import GRANTED, RULES, found

PACK = default_pack()
SECOND_MS = 1_000


def judged(code: str, said: Said, *facts: tuple[Any, ...]) -> list[AuditFinding]:
    """What a rule finds in one event after these facts."""
    known = DictFacts()
    for fact in facts:
        known.put(fact)
    audit = Audit([RULES[code]], PACK, known, HeapAgenda(), str)
    return audit.step(said.entry, said.at, said.commitment, said)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_clocks_may_be_as_far_apart_as_the_pack_says_to_the_millisecond(sign: int) -> None:
    most = PACK.limits["L04"].seconds * SECOND_MS

    def apart(ms: int) -> list[AuditFinding]:
        at = 10 * DAY_MS
        body = ConsentWithdrawn("c")
        return judged("L04", Said(3, at, "now", "id", "of_lin", at - sign * ms, "kid", body))

    assert apart(most) == []
    [finding] = apart(most + 1)
    assert dict(finding.facts) == {"apartMs": sign * (most + 1)}
    assert finding.officer == "of_lin"


def delivered(at: int | None) -> Order:
    """An order, delivered at that time."""
    order = Order(
        "o", 1, "hana", "of_lin", "en_acme", "pearl", "pearl/basic", "OTHER", (), None, "COURT",
        0, "", 0, 0, 0,
    )  # fmt: skip
    return order if at is None else order._replace(delivered_at=at, delivered_index=2)


def test_a_report_is_old_enough_to_be_erased_at_the_end_of_its_last_day() -> None:
    most = PACK.limits["L06"].days * DAY_MS

    def erased(age: int, order: Order) -> list[AuditFinding]:
        body = ReportErased("o", ErasureGround.RETENTION_ENDED)
        return judged("L06", Said(3, 7 + age, "now", "id", "operator", 0, "kid", body), order)

    assert erased(most, delivered(7)) == []
    [finding] = erased(most - 1, delivered(7))
    assert dict(finding.facts) == {"order": "o", "days": PACK.limits["L06"].days - 1}
    assert [one.entry for one in finding.entries] == [2, 3]
    # What was never ordered or never delivered is nothing to keep.
    assert erased(0, delivered(None)) == []
    assert erased(0, delivered(7)._replace(id="other")) == []


def test_all_the_old_data_about_a_person_is_told_at_once_by_its_oldest() -> None:
    [(entries, facts)] = found(
        "P01",
        "pearl ProductOffered product=pearl/tax sections=IDENTITY,ENFORCEMENT,TAX_ARREARS -> ok",
        "hana EnterpriseEnrolled enterprise=en_stall form=SOLE_TRADER -> ok",
        "of_tao RecordsCommitted b1 sections=TAX_ARREARS asOf=-1900d -> ok",
        "of_tao RecordsCommitted b2 sections=ENFORCEMENT asOf=-2000d -> ok",
        "of_tao RecordsCommitted b3 sections=TAX_ARREARS -> ok",
        "of_tao RecordsCommitted b4 sections=TAX_ARREARS asOf=-1850d -> ok",
        "of_lin OrderPlaced o1 enterprise=en_stall product=pearl/tax "
        "sections=IDENTITY,ENFORCEMENT,TAX_ARREARS -> ok",
        # b9 nobody has committed to; identities may be of any age.
        "of_pei ReportDelivered order=o1 "
        "sections=IDENTITY:b1,ENFORCEMENT:b2,TAX_ARREARS:b9+b1+b3+b4 -> ok",
    )
    assert entries == [31, 32, 33, 35, 36, 37]
    assert facts["sections"] == "ENFORCEMENT,TAX_ARREARS"
    assert facts["days"] == 2000


def test_a_key_added_for_who_was_never_enrolled_is_vouched_for_from_the_second_on() -> None:
    asked = GRANTED[: GRANTED.index("en_acme ConsentGranted")].replace(
        "c1", "c1 enterprise=en_ghost"
    )
    first = "hana AuthoriserKeyAdded enterprise=en_ghost key=en_ghost#0 -> ok"
    second = "hana AuthoriserKeyAdded enterprise=en_ghost key=en_ghost#1 -> ok"
    by_first = "en_ghost ConsentGranted consent=c1 -> ok"
    by_second = "en_ghost#1 ConsentGranted consent=c1 -> ok"
    # Without a key of its own there is nothing that the voucher could go behind.
    assert found("C18", first, asked, by_first) == []
    assert len(found("C18", first, second, asked, by_second)) == 1
