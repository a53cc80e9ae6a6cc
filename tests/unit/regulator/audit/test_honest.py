"""Honest business gives no finding, under all rules and the limits that ship."""

from random import Random

import pytest

from regulator.audit import AUDIT_RULES, Audit, DictFacts, HeapAgenda
from tests.stories.audited import default_pack
from tests.unit.regulator.audit.business import Business, read_log

HISTORIES = 1_000
PARTS = 10
"""The thousand in parts, so that the test processes can share them."""


def find_all(business: Business) -> list[dict[str, object]]:
    """What every rule that ships finds in what was played."""
    steps = list(read_log(business))
    commitments = [step[2] for step in steps]
    audit = Audit(AUDIT_RULES, default_pack(), DictFacts(), HeapAgenda(), commitments.__getitem__)
    found = []
    for index, at, commitment, said in steps:
        found += audit.step(index, at, commitment, said)
    return [one.to_json() for one in found]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_random_honest_histories_give_no_finding(part: int):
    first = Random().randrange(10**9)
    print(f"part {part}: seeds from {first}; Business(seed).play(60) tells one again")
    for seed in range(first, first + HISTORIES // PARTS):
        business = Business(seed)
        business.play(60)
        assert find_all(business) == [], f"seed {seed}"


@pytest.mark.parametrize(("seed", "events"), [(1, 700), (2, 700), (3, 700), (4, 3_000)])
def test_months_of_honest_business_give_no_finding(seed: int, events: int):
    business = Business(seed)
    business.play(events)
    steps = list(read_log(business))
    days = (steps[-1][1] - steps[0][1]) // 86_400_000
    assert days > 20, "there was time for what is judged by day and month"
    assert find_all(business) == []
