"""What the audit finds is the same, byte for byte, on any machine and after any change of ours.

The stories' findings are kept in full; what is found in events of any kind, only as a digest for
each rule. `python -m tests.unit.regulator.audit.test_same_bytes` writes these anew, and a review
sees which rules changed their mind.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from fixtures.stories.story import read_story
from regulator.audit import AUDIT_RULES, Audit, AuditFinding, DictFacts, HeapAgenda, Said
from tests.stories.audited import FINDINGS, STORIES, default_pack, play
from tests.unit.regulator.audit.soup import Soup

RULES = {rule.code: rule for rule in AUDIT_RULES}
KEPT = Path(__file__).with_name("soup_findings.json")
SEEDS = range(1, 7)
EVENTS = 800


def find_all(said: Sequence[Said]) -> list[AuditFinding]:
    commitments = [one.commitment for one in said]
    audit = Audit(AUDIT_RULES, default_pack(), DictFacts(), HeapAgenda(), commitments.__getitem__)
    return [
        finding for one in said for finding in audit.step(one.entry, one.at, one.commitment, one)
    ]


def digests_of(seed: int) -> dict[str, str]:
    """How many findings of each rule there are in a soup, and the digest of their bytes."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for finding in find_all(list(Soup(seed).said(EVENTS))):
        found[finding.code].append(finding.evidence)
    return {
        code: f"{len(found[code])} {hashlib.sha256(b''.join(found[code])).hexdigest()}"
        for code in sorted(found)
    }


@pytest.mark.parametrize("name", STORIES)
def test_the_findings_of_a_story_are_those_that_are_kept(name: str) -> None:
    code = name.removesuffix("-not")
    lines = FINDINGS.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["code"] == code] if name == code else []
    found = [
        finding.evidence.decode()
        for *_, findings in play(read_story(f"audit/{name}"), [RULES[code]])
        for finding in findings
    ]
    assert found == kept


@pytest.mark.parametrize("seed", SEEDS)
def test_the_findings_among_any_events_are_those_that_are_kept(seed: int) -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))[str(seed)]
    assert digests_of(seed) == kept, "python -m tests.unit.regulator.audit.test_same_bytes"


if __name__ == "__main__":
    kept = {seed: digests_of(seed) for seed in SEEDS}
    KEPT.write_text(f"{json.dumps(kept, indent=1)}\n", encoding="utf-8")
