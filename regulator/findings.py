"""The register of findings: what integrity, replay and audit found, and how far each has come.

Findings lie where they were made (`finding` in observer.db, in audit.db under the pack in force);
what was asked and answered about them lies on the log, and so in our replayed records. Here the
three come together, read only and each as committed. A finding's id is base64url SHA-256 over what
was found; it is how the log's events cite it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from creditchain.events import b64u, unb64u
from regulator.audit import AUDIT_RULES
from regulator.audit_store import AUDIT_NAME
from regulator.database import OBSERVER_NAME, open_beside
from regulator.finding import TITLES, FindingCode, severity_of

PAGE_MAX: Final = 1_000
"""Findings read at once; ten thousand are ten pages."""


class State(StrEnum):
    """How far a finding has come; OPEN while nobody was asked about it."""

    OPEN = "OPEN"
    ASKED = "ASKED"
    ANSWERED = "ANSWERED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Registered:
    """A finding in the register.

    `place` orders the register: integrity first, each by when it was found. `pack` is None for what
    integrity and replay found; `asked` is the newest asking on the log, with `reply` and `outcome`.
    `evidence` is its canonical JSON.
    """

    id: str
    place: tuple[int, int]
    code: str
    severity: str
    pack: str | None
    index: int | None
    at_ms: int | None
    member: str | None
    officer: str | None
    certain: bool
    state: State
    evidence: str
    asked: str | None = None
    reply: str | None = None
    outcome: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding for people and programs; absent instead of null."""
        told = {
            "id": self.id,
            "code": self.code,
            "severity": self.severity,
            "pack": self.pack,
            "index": self.index,
            "member": self.member,
            "officer": self.officer,
            "certain": self.certain,
            "state": self.state.value,
            "asked": self.asked,
            "reply": self.reply,
            "outcome": self.outcome,
            "evidence": json.loads(self.evidence),
        }
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings; None asks for all. `after` is the place of the last one already read."""

    code: str | None = None
    severity: str | None = None
    member: str | None = None
    state: State | None = None
    id: str | None = None
    after: tuple[int, int] = (-1, -1)


class FindingRegister:
    """The register over an observer's folder; each call sees one committed state of each file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, wanted: Wanted, most: int = PAGE_MAX) -> list[Registered]:
        """Up to `most` findings in the order of the register."""
        assert 0 < most <= PAGE_MAX, "bounded by the caller"
        found: list[Registered] = []
        with self._connected() as connection:
            for one in self._all(connection, wanted):
                if wanted.state is None or one.state is wanted.state:
                    found.append(one)
                if len(found) == most:
                    break
        return found

    def find(self, id: str) -> Registered | None:
        """The finding of this id."""
        return next(iter(self.read(Wanted(id=id), 1)), None)

    def audited(self) -> tuple[int, str]:
        """How many entries are audited, and under which pack."""
        with self._connected() as connection:
            row = (
                _has_audit(connection)
                and connection.execute("SELECT size, label FROM audit.progress").fetchone()
            )
        return (row[0], row[1]) if row else (0, "")

    def counts(self) -> dict[str, int]:
        """How many findings the audit has made under the pack in force, by code."""
        with self._connected() as connection:
            if not _has_audit(connection):
                return {}
            rows = connection.execute(
                "SELECT code, count(*) FROM audit.finding WHERE pack = "
                "(SELECT label FROM audit.progress) GROUP BY code ORDER BY code"
            ).fetchall()
        return dict(rows)

    def _all(self, connection: sqlite3.Connection, wanted: Wanted) -> Iterator[Registered]:
        asked = _asked(connection)
        if wanted.after[0] <= 0:
            yield from self._integrity(connection, wanted, asked)
        if _has_audit(connection):
            yield from self._audit(connection, wanted, asked)

    def _integrity(
        self, connection: sqlite3.Connection, wanted: Wanted, asked: Mapping[str, Any]
    ) -> Iterator[Registered]:
        if wanted.member is not None:
            return  # integrity holds things against the hub, whoever runs it
        after = wanted.after[1] if wanted.after[0] == 0 else -1
        rows = connection.execute(
            "SELECT id, digest, code, idx, detail, evidence, certain, found_at FROM finding "
            "WHERE id > ? AND (? IS NULL OR code = ?) AND (? IS NULL OR digest = ?) ORDER BY id",
            (after, wanted.code, wanted.code, *_digest_twice(wanted.id)),
        )
        for row_id, digest, code, idx, detail, evidence, certain, found_at in rows:
            severity = severity_of(code).value
            if wanted.severity in {None, severity}:
                told = json.loads(evidence)
                whole = {"code": code, "detail": detail, "evidence": told}
                if idx is not None:
                    whole["index"] = idx
                yield _registered(
                    asked,
                    b64u(digest),
                    (0, row_id),
                    code=code,
                    severity=severity,
                    pack=None,
                    index=idx,
                    at_ms=found_at,
                    member=None,
                    officer=None,
                    certain=bool(certain),
                    evidence=json.dumps(whole, ensure_ascii=False, sort_keys=True),
                )

    def _audit(
        self, connection: sqlite3.Connection, wanted: Wanted, asked: Mapping[str, Any]
    ) -> Iterator[Registered]:
        after = wanted.after[1] if wanted.after[0] == 1 else -1
        rows = connection.execute(
            "SELECT seq, digest, code, severity, pack, at_index, at_ms, member, officer, certain, "
            "json FROM audit.finding WHERE pack = (SELECT label FROM audit.progress) AND seq > ? "
            "AND (? IS NULL OR code = ?) AND (? IS NULL OR severity = ?) "
            "AND (? IS NULL OR member = ?) AND (? IS NULL OR digest = ?) ORDER BY seq",
            (
                after,
                *(wanted.code, wanted.code),
                *(wanted.severity, wanted.severity),
                *(wanted.member, wanted.member),
                *_digest_twice(wanted.id),
            ),
        )
        for seq, digest, code, severity, pack, index, at_ms, member, officer, certain, text in rows:
            yield _registered(
                asked,
                b64u(digest),
                (1, seq),
                code=code,
                severity=severity,
                pack=pack,
                index=index,
                at_ms=at_ms,
                member=member,
                officer=officer,
                certain=bool(certain),
                evidence=text,
            )

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with closing(open_beside(self._folder / OBSERVER_NAME)) as connection:
            audit = self._folder / AUDIT_NAME
            if audit.exists():
                uri = f"{audit.absolute().as_uri()}?mode=ro"
                connection.execute("ATTACH DATABASE ? AS audit", (uri,))
            yield connection


def title_of(code: str) -> tuple[str, str]:
    """What a code is called, in English and Chinese; the code itself where we have no name for it.

    A rule may have been retired since, or be another release's.
    """
    for rule in AUDIT_RULES:
        if rule.code == code:
            return rule.title, rule.title_zh
    return TITLES[FindingCode(code)] if code in TITLES else (code, code)


def _registered(
    asked: Mapping[str, Any], id: str, place: tuple[int, int], **told: Any
) -> Registered:
    one = asked.get(id, {})
    return Registered(
        id=id,
        place=place,
        state=State(one.get("status", State.OPEN)),
        asked=one.get("id"),
        reply=one.get("reply"),
        outcome=one.get("outcome"),
        **told,
    )


def _asked(connection: sqlite3.Connection) -> dict[str, Mapping[str, Any]]:
    """The newest asking about each finding on the log, by its id, as our replay has it."""
    rows = connection.execute("SELECT json FROM record WHERE kind = 'Finding'")
    records = sorted((json.loads(row[0]) for row in rows), key=lambda one: int(one["asked_at"]))
    return {one["digest"]: one for one in records}


def _has_audit(connection: sqlite3.Connection) -> bool:
    names = {row[1] for row in connection.execute("PRAGMA database_list")}
    if "audit" not in names:
        return False
    return (
        connection.execute(
            "SELECT 1 FROM audit.sqlite_master WHERE type = 'table' AND name = 'progress'"
        ).fetchone()
        is not None
    )


def _digest_twice(id: str | None) -> tuple[bytes | None, bytes | None]:
    """The digest for `? IS NULL OR digest = ?`; of no finding where the id is none."""
    if id is None:
        return None, None
    try:
        digest = unb64u(id)
    except ValueError:
        digest = b"no finding"
    return digest, digest
