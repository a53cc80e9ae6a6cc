"""An officer at work, to the millisecond, watched by one rule."""

from dataclasses import replace
from typing import Any, Final

from creditchain.events import Body
from creditchain.events.codes import Purpose, Section
from creditchain.events.order import OrderPlaced
from regulator.audit import AUDIT_RULES, Audit, AuditFinding, DictFacts, HeapAgenda, Said
from regulator.audit.fact import Enterprise, Member, Officer
from tests.stories.audited import default_pack

RULES: Final = {rule.code: rule for rule in AUDIT_RULES}
CALENDAR: Final = default_pack().almanac
REGIONS: Final = {"near": "440300", "far": "310100", "listed": "450100", "close": "441900"}


class Desk:
    """One officer of a bank in 440100, watched by one rule."""

    def __init__(self, code: str, limits: Any) -> None:
        self.facts = DictFacts()
        self.facts.put(Member("hana", 0, "BANK", "440100", None, 0))
        self.facts.put(Officer("of_lin", 0, "hana", ("ORDER",), 0))
        for name, region in REGIONS.items():
            self.facts.put(Enterprise(name, 0, "hana", region, "paper", 0))
        pack = default_pack()
        pack = replace(pack, limits={**pack.limits, code: limits})
        self.audit = Audit([RULES[code]], pack, self.facts, HeapAgenda(), str)
        self.entry = 0
        self.found: list[AuditFinding] = []

    def say(self, at: int, body: Body, by: str = "of_lin") -> int:
        """An event; its entry."""
        self.entry += 1
        said = Said(self.entry, at, "now", f"order {self.entry}", by, at, "kid", body)
        self.found += self.audit.step(self.entry, at, "now", said)
        return self.entry

    def order(self, at: int, subject: str = "near", by: str = "of_lin") -> int:
        sections = (Section.LOANS,)
        body = OrderPlaced(subject, "pearl/basic", Purpose.PRE_LOAN_REVIEW, sections, "seal")
        return self.say(at, body, by)

    def orders(self, day: int, count: int) -> int:
        """So many orders on a day; the first one's entry."""
        first, *_ = [self.order(CALENDAR.day_start(day) + number) for number in range(count)]
        return first


def facts_of(desk: Desk) -> list[tuple[list[int], dict[str, str | int]]]:
    return [([one.entry for one in f.entries], dict(f.facts)) for f in desk.found]
