"""A thousand random honest histories give no finding."""

from collections import Counter
from random import Random

import pytest

from creditchain.events import EVENTS as TYPES
from creditchain.rulebook import RULES
from creditchain.seal import parse_entry
from tests.lying_hub.histories import EVENTS, WideConsortium, judge, told

HISTORIES = 1_000
PARTS = 10
"""The thousand in parts, so that the test processes can share them."""


@pytest.mark.parametrize("part", range(PARTS))
def test_random_honest_histories_give_no_finding(part):
    first = Random().randrange(10**9)
    print(f"part {part}: seeds from {first}; WideConsortium(seed).play_widely() tells one again")
    for seed in range(first, first + HISTORIES // PARTS):
        consortium = WideConsortium(seed)
        consortium.play_widely()
        assert consortium.log.size >= EVENTS
        assert judge(consortium) == [], f"seed {seed}"


def test_the_histories_are_wide():
    """Nearly everything that can be said is said in a few dozen of them."""
    said = Counter(one.event.type for seed in range(40) for one in told(seed))
    missing = {type_ for type_ in TYPES if TYPES[type_] in RULES} - said.keys()
    assert missing <= NOT_SAID, missing - NOT_SAID


NOT_SAID = {
    "MemberWithdrawn",  # it would end the history
    "RulebookAdopted",  # there is one version yet
    # Findings and inspections are about what these histories do not have.
    "FindingAsked", "FindingAnswered", "FindingClosed",
    "CaseOpened", "CaseApproved", "IdentitiesResolved", "CaseClosed",
}  # fmt: skip


def test_a_history_follows_from_its_seed():
    first, second = list(told(7)), list(told(7))
    assert first == second
    assert [one.index for one in first] == list(range(len(first)))
    assert [one.at for one in first] == sorted(one.at for one in first)
    consortium = WideConsortium(7)
    consortium.play_widely()
    assert [parse_entry(entry).at for entry in consortium.log.entries] == [one.at for one in first]
