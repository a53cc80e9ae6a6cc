"""Honest business gives no finding, under all rules and the limits that ship."""

import pytest

from regulator.audit import AUDIT_RULES, Audit, DictFacts, HeapAgenda
from tests.stories.audited import default_pack
from tests.unit.regulator.audit.business import Business, read_log


@pytest.mark.parametrize(("seed", "events"), [(1, 700), (2, 700), (3, 700), (4, 3_000)])
def test_honest_business_gives_no_finding(seed: int, events: int):
    business = Business(seed)
    business.play(events)
    steps = list(read_log(business))
    days = (steps[-1][1] - steps[0][1]) // 86_400_000
    assert days > 20, "there was time for what is judged by day and month"
    commitments = [step[2] for step in steps]
    audit = Audit(AUDIT_RULES, default_pack(), DictFacts(), HeapAgenda(), commitments.__getitem__)
    found = []
    for index, at, commitment, said in steps:
        if said is None:
            audit.pass_over()
        found += audit.step(index, at, commitment, said)
    assert [one.to_json() for one in found] == []
