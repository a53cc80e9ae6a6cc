"""Rules at their very edges, where stories do not come."""

from typing import Any

import pytest

from creditchain.events.codes import (
    ErasureGround,
    ObjectionOutcome,
    Outcome,
    Purpose,
    Section,
    SupersedeReason,
)
from creditchain.events.consent import ConsentWithdrawn
from creditchain.events.erasure import BodyErased, ReportErased
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.order import DeliveredSection, OrderPlaced, ReportDelivered, SealedReport
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from regulator.audit import Audit, AuditFinding, DictFacts, HeapAgenda, Said
from regulator.audit.almanac import DAY_MS, MINUTE_MS
from regulator.audit.consent import LISTED_MAX
from regulator.audit.fact import Batch, Consent, Member, Officer, Order
from regulator.audit.objections import Correction
from regulator.audit.privacy import DataLife
from tests.stories.audited import default_pack
from tests.unit.regulator.audit.desk import Desk
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


def test_a_consent_may_be_signed_later_by_what_the_clocks_are_apart_to_the_millisecond() -> None:
    most = PACK.limits["C03"].clock_seconds * SECOND_MS
    for later, times in ((most, 0), (most + 1, 1)):
        desk = Desk("C03", PACK.limits["C03"])
        consent = Consent(
            "c", 1, "near", "hana", "of_lin", "OTHER", (), (), 0, 0, 1, 0, 5, 2, 50 + later
        )
        desk.facts.put(consent)
        body = OrderPlaced("near", "p/p", Purpose.OTHER, (Section.LOANS,), "seal", "c")
        desk.say(50, body)
        assert len(desk.found) == times
        if times:
            assert dict(desk.found[0].facts)["laterMs"] == later


def test_a_bank_that_has_settled_may_be_asked_about_its_loans_from_that_moment_on() -> None:
    settled = PACK.limits["C15"].settling_days * DAY_MS
    for at, times in ((settled - 1, 0), (settled, 1)):
        desk = Desk("C15", PACK.limits["C15"])
        purpose = Purpose.POST_LOAN_MANAGEMENT
        desk.say(at, OrderPlaced("near", "p/p", purpose, (Section.LOANS,), "seal"))
        assert len(desk.found) == times


class Wrong:
    """An agency's error about an enterprise, and what became of it; times in ms."""

    LIMITS = Correction(days=20, look_back_days=30)
    RAISED_AT = 100 * DAY_MS
    ANSWERED_AT = 101 * DAY_MS

    def __init__(self) -> None:
        self.desk = Desk("P04", self.LIMITS)
        self.desk.facts.put(Member("pearl", 0, "AGENCY", "440100", None, 0))
        self.desk.facts.put(Officer("of_pei", 0, "pearl", ("FULFIL",), 0))
        self.desk.facts.put(Batch("b", 0, "pearl", 1, ("LOANS",), 0, 0))
        self.desk.facts.put(delivered(None)._replace(enterprise="near"))

    def raised(self) -> None:
        body = ObjectionRaised("pearl", Section.LOANS, "digest")
        self.objection = f"order {self.desk.say(self.RAISED_AT, body, 'near')}"

    def answered(self) -> None:
        body = ObjectionAnswered(self.objection, ObjectionOutcome.DATA_WRONG, "digest")
        self.desk.say(self.ANSWERED_AT, body, "of_pei")

    def sent(self, at: int, by: str = "of_pei") -> int:
        parts = (DeliveredSection(Section.LOANS, "digest"),)
        return self.desk.say(at, ReportDelivered("o", Outcome.COMPLETE, None, parts), by)

    def committed(self, at: int) -> None:
        self.desk.say(at, RecordsCommitted("root", 1, (Section.LOANS,), at), "of_pei")

    def judged(self) -> dict[str, str | int]:
        """What is found when the time is over, to the millisecond."""
        due_at = self.ANSWERED_AT + self.LIMITS.days * DAY_MS
        self.desk.say(due_at - 1, ConsentWithdrawn("none"))
        assert self.desk.found == []
        self.desk.say(due_at, ConsentWithdrawn("none"))
        return dict(self.desk.found[0].facts) if self.desk.found else {}


def test_records_of_the_very_moment_of_the_objection_correct_it() -> None:
    for at, why in ((Wrong.RAISED_AT - 1, "NOT_CORRECTED"), (Wrong.RAISED_AT, None)):
        wrong = Wrong()
        if at < Wrong.RAISED_AT:
            wrong.committed(at)
        wrong.raised()
        if at == Wrong.RAISED_AT:
            wrong.committed(at)
        wrong.answered()
        assert wrong.judged().get("why") == why


def test_a_batch_superseded_as_wrong_in_the_very_moment_tells_everybody() -> None:
    for reason, why in (
        (SupersedeReason.RETRACTED, None), (SupersedeReason.UPDATED, "RECIPIENTS_NOT_TOLD"),
    ):  # fmt: skip
        wrong = Wrong()
        wrong.sent(Wrong.RAISED_AT - 1)
        wrong.raised()
        wrong.committed(Wrong.RAISED_AT)
        wrong.desk.say(Wrong.RAISED_AT, RecordsSuperseded("b", reason), "of_pei")
        wrong.answered()
        assert wrong.judged().get("why") == why


def test_recipients_of_the_last_thirty_days_are_told_by_a_report_at_the_answer_or_later() -> None:
    first = Wrong.ANSWERED_AT - Wrong.LIMITS.look_back_days * DAY_MS
    for at, by, again_at, recipients in (
        (first - 1, "of_pei", None, None),
        (first, "of_pei", None, 1),
        (first, "of_pei", Wrong.ANSWERED_AT - 1, 1),
        (first, "of_pei", Wrong.ANSWERED_AT, None),
        # Whoever delivers for an agency that nobody knows delivers for the order's.
        (first, "stranger", None, 1),
    ):
        wrong = Wrong()
        wrong.sent(at, by)
        wrong.raised()
        wrong.committed(Wrong.RAISED_AT)
        if again_at is not None and again_at < Wrong.ANSWERED_AT:
            wrong.sent(again_at)
        wrong.answered()
        if again_at == Wrong.ANSWERED_AT:
            wrong.sent(again_at)
        assert wrong.judged().get("recipients") == recipients, (at, by, again_at)


def test_what_another_agency_delivered_is_not_this_ones_to_tell() -> None:
    wrong = Wrong()
    wrong.desk.facts.put(Officer("of_tide", 0, "tide", ("FULFIL",), 0))
    wrong.sent(Wrong.RAISED_AT - 1, "of_tide")
    wrong.raised()
    wrong.committed(Wrong.RAISED_AT)
    wrong.answered()
    assert wrong.judged() == {}


def test_a_report_past_its_retention_is_told_though_nobody_is_known_to_keep_the_vault() -> None:
    desk = Desk("P02", DataLife(retention_days=5, grace_days=1))
    report = SealedReport("digest", "digest", 9, "application/json", "schema", "seal")
    entry = desk.say(0, ReportDelivered("o", Outcome.COMPLETE, report), "of_pei")
    [finding] = desk.audit.step(99, 20 * DAY_MS, "now", None)
    assert finding.member is None
    assert [one.entry for one in finding.entries] == [entry, 99]


PLACED = "of_lin OrderPlaced {} consent=c1 -> ok"
WITHDRAWN = "en_acme ConsentWithdrawn consent=c1 -> ok"
LATE = "+5m regulator RulebookAdopted -> ok"


def test_what_is_ordered_after_the_withdrawal_was_never_under_way() -> None:
    orders = [PLACED.format(f"o{number}") for number in range(LISTED_MAX + 1)]
    ended = [f"of_lin OrderCancelled order=o{number} -> ok" for number in range(LISTED_MAX)]
    after, ended_after = PLACED.format("o"), "of_lin OrderCancelled order=o -> ok"
    [(_, facts)] = found("C13", GRANTED, *orders, WITHDRAWN, after, LATE)
    assert facts["orders"] == LISTED_MAX + 1
    # Nor does its end end another.
    [(_, facts)] = found("C13", GRANTED, *orders, *ended, WITHDRAWN, after, ended_after, LATE)
    assert facts["orders"] == 1


def test_an_order_in_the_very_moment_of_the_withdrawal_was_under_way_if_it_came_first() -> None:
    placed, withdrawn = PLACED.format("o"), f"+0s {WITHDRAWN}"
    assert len(found("C13", GRANTED, placed, withdrawn, LATE)) == 1
    first = PLACED.format("first")
    [(_, facts)] = found("C13", GRANTED, first, WITHDRAWN, f"+0s {placed}", LATE)
    assert facts["orders"] == 1


def test_a_body_is_erased_too_early_up_to_the_moment_that_the_pack_says() -> None:
    most = PACK.limits["L10"].hours * 60 * MINUTE_MS
    for after_ms, by, times in (
        (most - 1, "operator", 1), (most - 1, "of_lin", 1), (most, "operator", 0),
    ):  # fmt: skip
        desk = Desk("L10", PACK.limits["L10"])
        desk.audit.pass_over(0, 50)
        desk.say(50 + after_ms, BodyErased(0, "digest", ErasureGround.COURT_ORDER), by)
        assert len(desk.found) == times
        for finding in desk.found:
            assert dict(finding.facts) == {"afterMs": after_ms, "ground": "COURT_ORDER"}
            assert finding.officer == (by if by == "of_lin" else None)
            assert not finding.certain
