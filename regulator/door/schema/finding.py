"""Findings of integrity, replay and audit, each with its evidence and how far it has come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import graphene

from creditchain.events import codes
from creditchain.querying import scalar
from creditchain.querying.code import CODES, enum_of
from creditchain.rulebook import record
from regulator.door.entry import LoggedEntry
from regulator.door.limits import ENTRIES_CITED_MAX
from regulator.door.schema.field import Info, many, maybe, one
from regulator.door.schema.inspection import Asking
from regulator.door.schema.log import Entry
from regulator.door.schema.member import Member, Officer
from regulator.findings import Registered, State, title_of

FindingState: Final = enum_of(State, "FindingState")


class Finding(graphene.ObjectType):
    """What is held against the log or somebody on it; the same on every machine."""

    id = one(scalar.Digest, "SHA-256 over what was found: how the log's events cite it.")
    code = one(graphene.String, "What kind of thing; never renamed, never reused.")
    title = one(graphene.String, "What the code means, in English.")
    title_zh = one(graphene.String, "The same in Chinese.")
    severity = one(CODES[codes.Severity], "How heavy it weighs.")
    pack = maybe(
        graphene.String, "The rule pack and its version; null for what integrity and replay found."
    )
    certain = one(
        graphene.Boolean, "False: an earlier body was never seen, so it may be lawful after all."
    )
    index = maybe(scalar.Count, "The entry at which it was found.")
    at = maybe(
        scalar.Timestamp, "The log's own time then; for integrity and replay, when we found it."
    )
    member = maybe(Member, "Whom it concerns.")
    officer = maybe(Officer, "And which of its officers.")
    state = one(FindingState, "How far it has come.")
    asking = maybe(Asking, "The newest asking about it on the log.")
    evidence = one(graphene.String, "All that one needs to check it again, as JSON text.")
    entries = many(
        Entry, f"The entries it cites that there are, in order; the first {ENTRIES_CITED_MAX}."
    )

    def resolve_title(finding: Registered, info: Info) -> str:
        return title_of(finding.code)[0]

    def resolve_title_zh(finding: Registered, info: Info) -> str:
        return title_of(finding.code)[1]

    def resolve_at(finding: Registered, info: Info) -> int | None:
        return finding.at_ms

    async def resolve_member(finding: Registered, info: Info) -> record.Member | None:
        return await info.context.record(record.Member, finding.member)

    async def resolve_officer(finding: Registered, info: Info) -> record.Officer | None:
        return await info.context.record(record.Officer, finding.officer)

    async def resolve_asking(finding: Registered, info: Info) -> record.Finding | None:
        return await info.context.record(record.Finding, finding.asked)

    async def resolve_entries(finding: Registered, info: Info) -> Sequence[LoggedEntry]:
        return await info.context.entries_at(cited(finding)[:ENTRIES_CITED_MAX])


def cited(finding: Registered) -> list[int]:
    """The indexes of the entries a finding is about, in order."""
    told = json.loads(finding.evidence).get("entries", ())
    indexes = {one["index"] for one in told if isinstance(one, dict) and "index" in one}
    return sorted(indexes | ({finding.index} if finding.index is not None else set()))
