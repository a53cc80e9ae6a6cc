"""What a rule is: one event before the law, and who may put it there.

PURE. A rule is one flat function `(book, body, act) -> Writes | Violation`, entered in a table with
the voices that may speak it. Who speaks is settled before the rule runs; the rule asks only whether
this event may stand. It looks for faults in the order of `Refusal`, so of several the first in that
list is the one told. A thing that is not there has no other faults: `ORDER_UNKNOWN` hides what else
would be wrong with that order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from creditchain.events import Event
from creditchain.events.codes import MemberKind, Role
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.record import Consortium
from creditchain.rulebook.refusal import Violation

SKEW_MS: Final = 300_000
"""How far the signer's clock and the hub's may lie apart: five minutes, as Kerberos allows."""

DAY_MS: Final = 86_400_000


class Voice(StrEnum):
    """Who can speak besides an officer in one of the roles."""

    MEMBER_KEY = "MEMBER_KEY"
    ENTERPRISE = "ENTERPRISE"


class Act(NamedTuple):
    """One event before the law, with what is settled about its signer.

    `at` is the admission time, ms, `kid` the key it was sealed with. `member` is the institution
    behind the signer and `kind` its kind; for an enterprise, which has none, they are "" and None.
    """

    event: Event
    kid: str
    at: int
    member: str
    kind: MemberKind | None
    consortium: Consortium


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the law: what decides an event type, and who may say it.

    `voices`: the signer has one of these. `kinds`: its institution is one of these. Both fail as
    `ROLE_MISSING`. `while_suspended`: also open to a suspended member.
    """

    decide: Callable[[Book, Any, Act], Writes | Violation]
    voices: frozenset[Voice | Role]
    kinds: frozenset[MemberKind]
    while_suspended: bool = False


Rules: TypeAlias = dict[type[Any], Rule]

# Voices. An institution's own key grants powers; administrators run its affairs without it; persons
# in the roles ORDER, APPROVE, FULFIL and AUDIT do the business, each under a name that can be held
# to it.
BY_MEMBER_KEY: Final[frozenset[Voice | Role]] = frozenset({Voice.MEMBER_KEY})
BY_ADMINISTRATOR: Final[frozenset[Voice | Role]] = frozenset({Voice.MEMBER_KEY, Role.ADMINISTER})
BY_ENTERPRISE: Final[frozenset[Voice | Role]] = frozenset({Voice.ENTERPRISE})
BY_ORDERING: Final[frozenset[Voice | Role]] = frozenset({Role.ORDER})
BY_APPROVING: Final[frozenset[Voice | Role]] = frozenset({Role.APPROVE})
BY_FULFILLING: Final[frozenset[Voice | Role]] = frozenset({Role.FULFIL})
BY_AUDITING: Final[frozenset[Voice | Role]] = frozenset({Role.AUDIT})
BY_SUPERVISING: Final[frozenset[Voice | Role]] = frozenset({Voice.MEMBER_KEY, Role.AUDIT})

# Kinds of member. An enterprise speaks without one.
ANY: Final = frozenset(MemberKind)
REGULATOR: Final = frozenset({MemberKind.REGULATOR})
OPERATOR: Final = frozenset({MemberKind.OPERATOR})
SUPERVISORS: Final = REGULATOR | OPERATOR
BANKS: Final = frozenset({MemberKind.BANK})
AGENCIES: Final = frozenset({MemberKind.AGENCY})
ORDERERS: Final = frozenset({MemberKind.BANK, MemberKind.JUDICIAL})
HOLDERS: Final = frozenset({MemberKind.AGENCY, MemberKind.SOURCE})

ROLE_KINDS: Final[dict[Role, frozenset[MemberKind]]] = {
    Role.ORDER: ORDERERS,
    Role.APPROVE: ORDERERS,
    Role.FULFIL: HOLDERS,
    Role.ADMINISTER: ANY,
    Role.AUDIT: REGULATOR,
}
"""Which kinds of member may give an officer which role."""
