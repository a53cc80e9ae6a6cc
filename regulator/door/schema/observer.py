"""The observer itself, and the reports it has filed."""

from __future__ import annotations

import json
from typing import Any, Final

import graphene

from creditchain.events import b64u
from creditchain.querying import scalar
from creditchain.querying.code import enum_of
from regulator.door.inquiry import Copy
from regulator.door.schema.field import Info, many, maybe, one
from regulator.findings import title_of
from regulator.office import Run, RunState

ReportState: Final = enum_of(RunState, "ReportState")


class CosignedHead(graphene.ObjectType):
    """The newest checkpoint that we cosigned under one of our names."""

    name = one(graphene.String, "witness, mirror or audit.")
    vkey = one(graphene.String, "The C2SP verifier key of our line.")
    size = one(scalar.Count, "Number of entries; 0 while nothing was cosigned.")
    root = maybe(scalar.Digest, "RFC 6962 root of that many entries.")
    cosigned_at = maybe(scalar.Timestamp, "The time in our line.")
    checkpoint = maybe(graphene.String, "The checkpoint with our line.")


class AuditState(graphene.ObjectType):
    """How far the audit is."""

    size = one(scalar.Count, "Number of entries audited.")
    pack = one(graphene.String, "The rule pack in force.")
    problem = one(graphene.String, "What keeps it; empty: nothing.")


class Bodies(graphene.ObjectType):
    """Bodies that are not there."""

    missing = one(scalar.Count, "Not served, and not erased by any event.")
    erased = one(scalar.Count, "Erased by an event on the log.")
    never_seen = one(scalar.Count, "Of these: what they did, this replay does not know.")


class CodeCount(graphene.ObjectType):
    """How many findings there are of a code."""

    code = one(graphene.String, "The code.")
    title = one(graphene.String, "What it means, in English.")
    title_zh = one(graphene.String, "The same in Chinese.")
    count = one(scalar.Count, "How many.")


class Observer(graphene.ObjectType):
    """How far the observer is, what keeps it, and what it has found."""

    name = one(graphene.String, "The observer's name.")
    origin = one(scalar.Origin, "The log it follows.")
    size = one(scalar.Count, "Entries copied, verified and replayed.")
    root = one(scalar.Digest, "RFC 6962 root of our own tree.")
    trusted = one(scalar.Count, "Size of the largest checkpoint found consistent.")
    lag = one(scalar.Count, "By how many entries our copy is behind it.")
    seen_at = maybe(scalar.Timestamp, "When the hub last answered.")
    fault = maybe(graphene.String, "What keeps us from following.")
    fault_at = maybe(scalar.Timestamp, "Since when.")
    restored_to = maybe(
        scalar.Count, "The size to which a copy restored from a backup must grow before we sign."
    )
    cosigned = many(CosignedHead, "What we cosigned last, under each of our names.")
    audit = maybe(AuditState, "How far the audit is; null without an auditor.")
    bodies = one(Bodies, "Bodies that are not there.")
    findings = many(CodeCount, "How many findings there are, by code.")

    def resolve_name(copy: Copy, info: Info) -> str:
        return info.context.standing.name

    def resolve_origin(copy: Copy, info: Info) -> str:
        return info.context.standing.origin

    def resolve_root(copy: Copy, info: Info) -> str:
        return b64u(copy.root)

    def resolve_trusted(copy: Copy, info: Info) -> int:
        return max(copy.size, info.context.standing.trusted)

    def resolve_lag(copy: Copy, info: Info) -> int:
        return max(0, info.context.standing.trusted - copy.size)

    def resolve_seen_at(copy: Copy, info: Info) -> int | None:
        return info.context.standing.seen_at

    def resolve_fault(copy: Copy, info: Info) -> str | None:
        return info.context.standing.fault

    def resolve_fault_at(copy: Copy, info: Info) -> int | None:
        return info.context.standing.fault_at

    def resolve_restored_to(copy: Copy, info: Info) -> int | None:
        return info.context.standing.restored_to

    def resolve_cosigned(copy: Copy, info: Info) -> list[dict[str, Any]]:
        signed = info.context.signed()
        heads = []
        for name, vkey in info.context.standing.vkeys.items():
            head: dict[str, Any] = {"name": name, "vkey": vkey, "size": 0}
            if name in signed:
                one = signed[name]
                head |= {
                    "size": one.head.size,
                    "root": b64u(one.head.root),
                    "cosigned_at": one.time_s * 1000,
                    "checkpoint": one.head.note + one.line,
                }
            heads.append(head)
        return heads

    def resolve_audit(copy: Copy, info: Info) -> object:
        return info.context.standing.audit

    def resolve_bodies(copy: Copy, info: Info) -> dict[str, int]:
        return info.context.bodies()

    def resolve_findings(copy: Copy, info: Info) -> list[dict[str, Any]]:
        counted = []
        for code, count in info.context.finding_counts():
            title, title_zh = title_of(code)
            counted.append({"code": code, "title": title, "title_zh": title_zh, "count": count})
        return counted


class Report(graphene.ObjectType):
    """A report of the schedule; the files lie in the observer's folder of reports."""

    code = one(graphene.String, "Which of the ten reports, L1 to L10.")
    period = one(graphene.String, "The day or month it is about.")
    state = one(ReportState, "What became of it.")
    attempts = one(scalar.Count, "How often it was tried.")
    begun_at = one(scalar.Timestamp, "When it was begun.")
    ended_at = maybe(scalar.Timestamp, "When it was filed.")
    digest = maybe(graphene.String, "The digest of the report, as in its header.")
    scope = one(graphene.String, "Of which prefix of the log it is, as JSON text.")
    problem = one(graphene.String, "Why it was not made; empty: nothing.")

    def resolve_scope(run: Run, info: Info) -> str:
        return json.dumps(run.scope, ensure_ascii=False, sort_keys=True)
