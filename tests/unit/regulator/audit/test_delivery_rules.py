"""Rules about answers and deliveries at their very thresholds."""

from typing import Final

import pytest

from creditchain.events.codes import DeclineCode, LawfulGround, Outcome, Purpose, Section
from creditchain.events.order import (
    DeliveredSection,
    Ground,
    OrderAccepted,
    OrderApproved,
    OrderDeclined,
    OrderPlaced,
    ReportDelivered,
)
from regulator.audit.almanac import DAY_MS, MINUTE_MS
from regulator.audit.delivery import BANKS_COUNTED_MAX, AnswerTime, Bias, Freshness
from regulator.audit.fact import Batch, Order
from tests.unit.regulator.audit.desk import CALENDAR, Desk, facts_of
from tests.unit.regulator.audit.found import found

START: Final = CALENDAR.month_start(2026 * 12 + 2)
NEXT_MONTH: Final = CALENDAR.month_start(2026 * 12 + 3)
ANSWER_TIME: Final = AnswerTime(minutes=10, by_product=("pearl/slow=30", "pearl/quick=2"))


@pytest.mark.parametrize(
    ("product", "minutes"), [("pearl/basic", 10), ("pearl/slow", 30), ("pearl/quick", 2)]
)
@pytest.mark.parametrize("ground", [None, Ground(LawfulGround.COURT, "paper")])
def test_each_product_has_its_own_time_to_be_answered(
    product: str, minutes: int, ground: Ground | None
) -> None:
    desk = Desk("D01", ANSWER_TIME)
    body = OrderPlaced("near", product, Purpose.OTHER, (Section.LOANS,), "seal", None, ground)
    order = desk.say(START, body)
    since = START
    if ground is not None:
        # Nobody may serve it before a second officer has approved it.
        since += 40 * MINUTE_MS
        desk.say(since, OrderApproved(f"order {order}"), "of_wu")
        # Approved again, it is no later due.
        desk.say(since + 1, OrderApproved(f"order {order}"), "of_wu")
    desk.say(since + minutes * MINUTE_MS - 1, OrderAccepted("none"))
    assert desk.found == []
    last = desk.say(since + minutes * MINUTE_MS, OrderAccepted("none"))
    assert facts_of(desk) == [([order, last], {"order": f"order {order}"})]
    assert desk.found[0].member == product.partition("/")[0]


def test_an_answer_at_the_last_moment_is_in_time() -> None:
    desk = Desk("D01", ANSWER_TIME)
    order = desk.order(START)
    desk.say(START + 10 * MINUTE_MS - 1, OrderAccepted(f"order {order}"))
    desk.say(START + 11 * MINUTE_MS, OrderAccepted("none"))
    assert desk.found == []


def delivered(age_ms: int, *others: int) -> Desk:
    """A delivery that rests on a batch of this age, and on others."""
    desk = Desk("D08", Freshness(days=15))
    parts = []
    for number, age in enumerate((age_ms, *others)):
        desk.facts.put(Batch(f"b{number}", 70 + number, "pearl", 1, (), START - age, START - age))
        parts.append(DeliveredSection(Section.LOANS, "digest", (f"b{number}", "unknown")))
    desk.entry = 99
    desk.say(START, ReportDelivered("o", Outcome.COMPLETE, None, tuple(parts)), "of_pei")
    return desk


def test_data_may_be_fifteen_days_old_to_the_moment() -> None:
    most = 15 * DAY_MS
    assert delivered(most).found == []
    assert facts_of(delivered(most + 1)) == [([70, 100], {"batch": "b0", "days": 15})]


def test_of_old_data_the_oldest_is_told_and_of_one_age_the_first() -> None:
    old = 20 * DAY_MS
    assert facts_of(delivered(old, old + DAY_MS, DAY_MS)) == [
        ([71, 100], {"batch": "b1", "days": 21})
    ]
    assert facts_of(delivered(old, old)) == [([70, 100], {"batch": "b0", "days": 20})]


BIAS: Final = Bias(percent=20, times_others=3, floor=10)


def answered(**banks: tuple[int, int]) -> Desk:
    """A month in which an agency answered each bank so often, and declined so many of these."""
    desk = Desk("D11", BIAS)
    for bank, (answers, declined) in banks.items():
        desk.facts.put(
            Order(
                bank, 0, bank, "of", "near", "pearl", "p", "OTHER", (), None, None, 0, "", 0, 0, 0
            )
        )
        for number in range(answers):
            body = (
                OrderAccepted(bank)
                if number < answers - declined
                else OrderDeclined(bank, DeclineCode.CAPACITY)
            )
            desk.say(START + number, body, "of_pei")
    desk.say(NEXT_MONTH - 1, OrderAccepted("none"))
    assert desk.found == []
    desk.say(NEXT_MONTH, OrderAccepted("none"))
    return desk


@pytest.mark.parametrize(
    ("hana", "minh", "told"),
    [
        ((10, 3), (10, 0), True),
        ((10, 2), (10, 0), False),  # a fifth is not above a fifth
        ((100, 21), (100, 6), True),
        ((100, 21), (100, 7), False),  # three times as many is not above three times
        ((9, 9), (10, 0), False),
        ((10, 10), (9, 0), False),
        ((101, 21), (100, 0), True),
        ((40, 10), (400, 33), True),
        ((40, 10), (400, 34), False),
    ],
)
def test_a_bank_that_is_declined_out_of_proportion_is_told(
    hana: tuple[int, int], minh: tuple[int, int], told: bool
) -> None:
    desk = answered(hana=hana, minh=minh)
    if not told:
        assert desk.found == []
        return
    [(cited, facts)] = facts_of(desk)
    assert facts == {
        "bank": "hana",
        "answers": hana[0],
        "declined": hana[1],
        "othersAnswers": minh[0],
        "othersDeclined": minh[1],
    }
    # The first that was declined, and the entry by which the month was over.
    assert cited == [hana[0] - hana[1] + 1, desk.entry]
    assert desk.found[0].member == "pearl"


def test_the_declines_of_each_month_and_agency_are_counted_apart() -> None:
    desk = answered(hana=(10, 3), minh=(10, 0))
    for number in range(6):
        desk.say(NEXT_MONTH + number, OrderDeclined("hana", DeclineCode.CAPACITY), "of_pei")
    desk.say(CALENDAR.month_start(2026 * 12 + 4), OrderAccepted("none"))
    assert len(desk.found) == 1


def test_so_many_banks_are_told_apart_and_no_more() -> None:
    banks = {f"b{number:03}": (1, 0) for number in range(BANKS_COUNTED_MAX - 1)}
    desk = answered(**banks, hana=(10, 3), late=(20, 20))
    [(_, facts)] = facts_of(desk)
    assert (facts["bank"], facts["othersAnswers"]) == ("hana", BANKS_COUNTED_MAX - 1)


def test_of_many_names_of_a_member_that_left_the_newest_are_cited() -> None:
    more = [f"minh OfficerAppointed officer=of_m{n} roles=ORDER -> ok" for n in range(40)]
    [(entries, facts)] = found(
        "P09",
        *more,
        "minh MemberWithdrawn member=minh -> ok",
        "+1859d regulator RulebookAdopted -> ok",
    )
    assert facts["officers"] >= 40
    assert entries == [*range(39, 70), 71]
