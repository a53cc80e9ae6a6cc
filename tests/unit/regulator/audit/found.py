"""What one rule finds in a short story, and pieces of such stories."""

from collections.abc import Mapping
from typing import Final

from regulator.audit import AUDIT_RULES
from tests.stories.audited import play

RULES: Final = {rule.code: rule for rule in AUDIT_RULES}

GRANTED: Final = """
of_lin ConsentRequested c1 terms.usesMax=100 -> ok
en_acme ConsentGranted consent=c1 -> ok
"""
SERVED: Final = """
of_lin OrderPlaced o1 consent=c1 -> ok
of_pei OrderAccepted order=o1 -> ok
of_pei ReportDelivered order=o1 -> ok
"""


def found(code: str, *lines: str) -> list[tuple[list[int], Mapping[str, str | int]]]:
    """What a rule finds in a story that begins with the usual consortium (30 entries): the entries
    cited and the facts of each finding. Nobody asks the rulebook, so `-> ok` may be untrue."""
    text = "\n".join(("include consortium", *lines))
    return [
        ([one.entry for one in finding.entries], finding.facts)
        for *_, findings in play(text, [RULES[code]])
        for finding in findings
    ]


def blamed(code: str, *lines: str) -> list[tuple[str | None, str | None]]:
    """As `found`: the institution and the officer that each finding is held against."""
    text = "\n".join(("include consortium", *lines))
    return [
        (finding.member, finding.officer)
        for *_, findings in play(text, [RULES[code]])
        for finding in findings
    ]
