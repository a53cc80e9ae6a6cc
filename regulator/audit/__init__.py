"""The third check: whether what is on the log is what the statutes want, read from events alone.

PURE, and it may not import the rulebook: a bug in the law that hub and replay share passes both,
and is caught here. `AUDIT_RULES` is every rule there is, written out by hand; a rule is one
generator with its source in its docstring, one `Rule`, and two stories in `fixtures/stories/audit`,
one that triggers it and one that must not.
"""

from typing import Any, Final

from regulator.audit.consent import CONSENT_RULES
from regulator.audit.delivery import DELIVERY_RULES
from regulator.audit.engine import Agenda, Audit, DictFacts, HeapAgenda, WakeUp
from regulator.audit.fact import Facts
from regulator.audit.finding import AuditFinding, Cited
from regulator.audit.log import LOG_RULES
from regulator.audit.members import MEMBER_RULES
from regulator.audit.pack import BadPack, Pack, parse_pack
from regulator.audit.privacy import PRIVACY_RULES
from regulator.audit.rule import Concern, Due, Regime, Rule, Said, View
from regulator.audit.use import USE_RULES

AUDIT_RULES: Final[tuple[Rule[Any], ...]] = (
    *CONSENT_RULES,
    *USE_RULES,
    *MEMBER_RULES,
    *DELIVERY_RULES,
    *PRIVACY_RULES,
    *LOG_RULES,
)

__all__ = [
    "AUDIT_RULES",
    "Agenda",
    "Audit",
    "AuditFinding",
    "BadPack",
    "Cited",
    "Concern",
    "DictFacts",
    "Due",
    "Facts",
    "HeapAgenda",
    "Pack",
    "Regime",
    "Rule",
    "Said",
    "View",
    "WakeUp",
    "parse_pack",
]
