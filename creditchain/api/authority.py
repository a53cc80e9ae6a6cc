"""Who may read what: one table, for rows and for the fields that need more.

A caller stands in relations to a record: some show in the record itself (`COLUMNS`: who is named in
which field), some follow from other records (`Tie`: a bank that has a consent of an enterprise).
`AUTHORITY` lists, for each kind of record, the relations that may read a row, and for single fields
the fewer that may read them. The lists a caller gets are cut by the same columns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from creditchain.events.codes import MemberKind, Role
from creditchain.rulebook.record import (
    Case,
    CaseStatus,
    Consent,
    Consortium,
    Enterprise,
    Erasure,
    Finding,
    Key,
    LastAsked,
    Look,
    Member,
    Objection,
    Officer,
    Order,
    Product,
    Record,
    RecordBatch,
    Standing,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `party` is the id under which records name it: its member or, if it is one, the
    enterprise itself; `roles` are an officer's."""

    actor: str
    party: str
    member: str | None
    kind: MemberKind | None
    standing: Standing | None
    roles: frozenset[Role] = frozenset()

    @property
    def is_regulator(self) -> bool:
        """Whether it is the regulator or acts for it."""
        return self.kind is MemberKind.REGULATOR


class Relation(StrEnum):
    """How a caller stands to a record."""

    ANYONE = "ANYONE"
    MEMBER = "MEMBER"
    REGULATOR = "REGULATOR"
    OWN_MEMBER = "OWN_MEMBER"
    SUBJECT = "SUBJECT"
    VOUCHER = "VOUCHER"
    GRANTEE = "GRANTEE"
    ORDERER = "ORDERER"
    AGENCY = "AGENCY"
    HOLDER = "HOLDER"
    CONCERNED = "CONCERNED"


COLUMNS: Final[Mapping[type[Record], Mapping[Relation, str]]] = {
    Officer: {Relation.OWN_MEMBER: "member"},
    Enterprise: {Relation.SUBJECT: "id", Relation.VOUCHER: "vouched_by"},
    Consent: {Relation.GRANTEE: "grantee", Relation.SUBJECT: "enterprise"},
    Order: {
        Relation.ORDERER: "orderer",
        Relation.AGENCY: "agency",
        Relation.SUBJECT: "enterprise",
    },
    Objection: {Relation.HOLDER: "holder", Relation.SUBJECT: "enterprise"},
    Finding: {Relation.CONCERNED: "member"},
    Case: {Relation.CONCERNED: "member"},
}
"""For each kind of record, the field that names the party in a relation to it."""

SHOWN_WHEN: Final[Mapping[type[Record], tuple[str, Any]]] = {Case: ("status", CaseStatus.CLOSED)}
"""For some kinds of record, the field and its value without which its columns count for nobody: a
member learns of its inspection when that is over."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Who may read a row, and the fields that fewer may read."""

    rows: frozenset[Relation]
    fields: Mapping[str, frozenset[Relation]] = field(default_factory=dict)


def _any(*relations: Relation) -> frozenset[Relation]:
    return frozenset(relations)


_OPEN: Final = Authority(_any(Relation.ANYONE))
# The regulator is in none of these: it learns names in an inspection case and nowhere else, unless
# it vouched for the enterprise itself.
_IN_RELATION: Final = _any(
    Relation.SUBJECT,
    Relation.VOUCHER,
    Relation.GRANTEE,
    Relation.ORDERER,
    Relation.AGENCY,
    Relation.HOLDER,
)
_OBJECTING: Final = _any(Relation.SUBJECT, Relation.HOLDER, Relation.ORDERER)
_NOT_THE_AGENCY: Final = _any(Relation.ORDERER, Relation.SUBJECT, Relation.REGULATOR)

AUTHORITY: Final[Mapping[type[Record], Authority]] = {
    Consortium: _OPEN,
    Member: _OPEN,
    Key: _OPEN,
    Product: _OPEN,
    RecordBatch: _OPEN,
    Erasure: Authority(_any(Relation.MEMBER)),
    # As open as the appointment, so that signatures can be checked; the name is the member's own.
    Officer: Authority(_any(Relation.MEMBER), {"name": _any(Relation.OWN_MEMBER)}),
    # The opaque id, region and voucher say nothing of whom they are about; the rest does.
    Enterprise: Authority(
        _any(Relation.MEMBER, Relation.SUBJECT),
        {"name": _IN_RELATION, "uscc": _IN_RELATION, "keys": _IN_RELATION | {Relation.REGULATOR}},
    ),
    Consent: Authority(_any(Relation.GRANTEE, Relation.SUBJECT, Relation.REGULATOR)),
    # What a bank lends is no business of the agency; what a report costs, none of its subject.
    Order: Authority(
        _any(Relation.ORDERER, Relation.AGENCY, Relation.SUBJECT, Relation.REGULATOR),
        {
            "price": _any(Relation.ORDERER, Relation.AGENCY, Relation.REGULATOR),
            "decision": _NOT_THE_AGENCY,
            "amount": _NOT_THE_AGENCY,
            "decided_at": _NOT_THE_AGENCY,
        },
    ),
    # The orderer of the report that showed the section reads the objection to it.
    Objection: Authority(_OBJECTING | {Relation.REGULATOR}, {"words": _OBJECTING}),
    Finding: Authority(_any(Relation.CONCERNED, Relation.REGULATOR)),
    LastAsked: Authority(_any(Relation.REGULATOR)),
    Case: Authority(_any(Relation.CONCERNED, Relation.REGULATOR)),
    # Concerned by a look is who may read its case.
    Look: Authority(_any(Relation.CONCERNED, Relation.REGULATOR)),
}

Ties = Callable[[Record], Awaitable[frozenset[Relation]]]
"""The relations of the caller to a record that follow from other records."""


def relations(caller: Caller, record: Record) -> frozenset[Relation]:
    """The relations that show in the caller and the record alone."""
    found = {Relation.ANYONE}
    if caller.member is not None:
        found.add(Relation.MEMBER)
        if caller.is_regulator:
            found.add(Relation.REGULATOR)
    name, value = SHOWN_WHEN.get(type(record), (None, None))
    if name is None or getattr(record, name) is value:
        for relation, column in COLUMNS.get(type(record), {}).items():
            if getattr(record, column) == caller.party:
                found.add(relation)
    return frozenset(found)


async def may_read(caller: Caller, record: Record, ties: Ties) -> bool:
    """Whether the caller may read the row."""
    return await _allowed(caller, record, AUTHORITY[type(record)].rows, ties)


async def may_read_field(caller: Caller, record: Record, name: str, ties: Ties) -> bool:
    """Whether the caller, who may read the row, may also read this field of it."""
    needed = AUTHORITY[type(record)].fields.get(name)
    return needed is None or await _allowed(caller, record, needed, ties)


async def _allowed(caller: Caller, record: Record, needed: frozenset[Relation], ties: Ties) -> bool:
    if not needed.isdisjoint(relations(caller, record)):
        return True
    # Only what the columns cannot tell is looked up in other records.
    if needed <= _TOLD_BY_COLUMNS | COLUMNS.get(type(record), {}).keys():
        return False
    return not needed.isdisjoint(await ties(record))


_TOLD_BY_COLUMNS: Final = _any(Relation.ANYONE, Relation.MEMBER, Relation.REGULATOR)


def scope(caller: Caller, kind: type[Record]) -> Mapping[str, Any]:
    """The values of columns that cut a list to the caller's rows; empty: all rows.

    Members do only one thing on the chain, so one column names them: an agency serves orders,
    every other member places them.
    """
    if Relation.ANYONE in AUTHORITY[kind].rows or caller.is_regulator:
        return {}
    columns = COLUMNS[kind]
    if caller.member is None:
        # An officers' list holds nothing for an enterprise; no member id is like an enterprise's.
        column = columns.get(Relation.SUBJECT, next(iter(columns.values())))
    elif kind is Order and caller.kind is not MemberKind.AGENCY:
        column = columns[Relation.ORDERER]
    else:
        wanted = (
            Relation.AGENCY,
            Relation.GRANTEE,
            Relation.HOLDER,
            Relation.OWN_MEMBER,
            Relation.CONCERNED,
        )
        column = next(columns[relation] for relation in wanted if relation in columns)
    return {column: caller.party, **dict([SHOWN_WHEN[kind]] if kind in SHOWN_WHEN else [])}
