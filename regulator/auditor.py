"""The auditor: follows the copy in observer.db, entry by entry, and keeps what the rules find.

It runs in a process of its own, so that verifying and auditing share nothing but the disk and each
can have a core. It believes what integrity has proven: an entry that integrity found to be no event
of anybody (a forged signature, another log, a repeated id) takes no effect here; one that only
broke the law does, because the law itself is what the audit checks.

What it says it has audited is a tree, by size and root, with every body in it. While the hub
withholds one nothing is said, and when it is there the audit begins again: else who runs the hub
could keep an event from the rules by handing it out late.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from creditchain.events import b64u
from creditchain.seal import parse_entry, read_body
from creditchain.tlog.merkle import leaf_hashes_of
from regulator.audit import AUDIT_RULES, Audit, AuditFinding, Pack, Rule, Said
from regulator.audit_store import AuditProgress, AuditStore
from regulator.database import open_beside, open_database
from regulator.finding import FindingCode
from regulator.stored import CopyDamaged, read_edge

GROUP: Final = 2_048
"""Entries audited in one transaction: some 0.3 s, and a few MB of bodies."""

MISSING_MAX: Final = 10_000
"""Missing bodies that are remembered, the first ones: while one is missing nothing is cosigned."""

NO_EVENT: Final = (
    FindingCode.WRONG_GENESIS,
    FindingCode.ENTRY_MALFORMED,
    FindingCode.BODY_MALFORMED,
    FindingCode.WRONG_LOG,
    FindingCode.PROOF_MALFORMED,
    FindingCode.KEY_UNKNOWN,
    FindingCode.SIGNATURE_INVALID,
    FindingCode.ID_REUSED,
)
"""What integrity holds against an entry that is nobody's event. A body that was served altered says
nothing of the event: the body itself may be here, before that or after."""


class Auditor:
    """Audits the copy in `observer_path` under a pack into `store`; one thread.

    A pack other than the stored one begins the audit again.
    """

    def __init__(
        self,
        observer_path: Path,
        store: AuditStore,
        pack: Pack,
        pack_file: bytes,
        rules: Sequence[Rule[Any]] = AUDIT_RULES,
    ) -> None:
        self._copy = open_beside(observer_path)
        self._store = store
        self._pack = pack
        self._rules = rules
        self._pack_file = pack_file
        if not _is_audit_of(store.progress, observer_path):
            # Of another log or another history: what was found there was not found here.
            store.begin_again(pack_file, pack.label, keep=False)
        elif store.progress.pack != pack_file:
            store.begin_again(pack_file, pack.label)
        self._take_progress()
        self._missing = store.missing

    def _take_progress(self) -> None:
        self._progress = self._store.progress
        self._frontier = self._progress.frontier
        self._last_at = self._progress.last_at
        self._audit = self._new_audit()

    def close(self) -> None:
        """Give the copy back; the store is the caller's."""
        self._copy.close()

    @property
    def progress(self) -> AuditProgress:
        """How far the audit is, as committed."""
        return self._progress

    @property
    def audited(self) -> tuple[int, bytes]:
        """The size audited and its root; no root while a body of it is missing that none erased."""
        frontier = self._frontier
        return frontier.size, b"" if self._missing else frontier.root()

    def copied(self) -> int:
        """How many entries the copy has."""
        return int(self._copy.execute("SELECT size FROM copy").fetchone()[0])

    def advance(self, until: int | None = None) -> list[AuditFinding]:
        """Audit the next group of entries, up to `until` (None: all there is); the findings.

        On an error nothing is stored, and the audit stands where it stood.
        """
        self._settle_missing()
        start = self._progress.size
        rows = self._copy.execute(
            "SELECT idx, entry, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
            (start, min(start + GROUP, self.copied() if until is None else until)),
        ).fetchall()
        if not rows:
            return []
        end = start + len(rows)
        assert rows[-1][0] == end - 1, "the copy has every entry below its size"
        forged = self._forged(start, end)
        frontier = self._frontier.extend(leaf_hashes_of(row[1] for row in rows))
        erased = self._erased_in(start, end)
        missing = [
            idx for idx, _, body in rows if body is None and not (idx in forged or idx in erased)
        ][: MISSING_MAX - len(self._missing)]
        try:
            with self._store.transaction():
                found = self._audit_rows(rows, forged)
                self._store.save(
                    end,
                    self._audit.unseen,
                    self._last_at,
                    found,
                    tree=b"".join(frontier.hashes),
                    missing=missing,
                )
        except BaseException:
            self._audit = self._new_audit()
            raise
        self._progress = self._store.progress
        self._frontier = frontier
        self._missing += missing
        return found

    def _erased_in(self, start: int, end: int) -> frozenset[int]:
        """Entries from `start` to before `end` whose body the log says is erased."""
        rows = self._copy.execute(
            "SELECT idx FROM hole WHERE erased_by IS NOT NULL AND idx >= ? AND idx < ?",
            (start, end),
        ).fetchall()
        return frozenset(row[0] for row in rows)

    def _settle_missing(self) -> None:
        """Begin again once no body is missing any more, if one of them was served after all."""
        if not self._missing:
            return
        rows = self._copy.execute(
            "SELECT hole.idx, hole.erased_by FROM json_each(?) JOIN hole ON hole.idx = value",
            (json.dumps(self._missing),),
        ).fetchall()
        erased = {idx for idx, by in rows if by is not None}
        here = {*self._missing} - {idx for idx, _ in rows}
        # Of a full list nobody knows what else was missing.
        unknown = bool(erased) and len(self._missing) >= MISSING_MAX
        if erased:
            self._store.drop_missing(sorted(erased))
            self._missing = self._store.missing
        if unknown or (here and here == {*self._missing}):
            self._store.begin_again(self._pack_file, self._pack.label, keep=False)
            self._missing = []
            self._take_progress()

    def _audit_rows(
        self, rows: Sequence[tuple[int, bytes, bytes | None]], forged: frozenset[int]
    ) -> list[AuditFinding]:
        entries = [(None if idx in forged else parse_entry(entry)) for idx, entry, _ in rows]
        times = [one.at for one in entries if one is not None]
        last_at = max([self._progress.last_at, *times])
        self._store.agenda.look_to(last_at)
        found: list[AuditFinding] = []
        step = self._audit.step
        at = self._progress.last_at
        for (idx, _, body), entry in zip(rows, entries, strict=True):
            if entry is None:
                continue
            # Time that went back is integrity's finding; here it stands still.
            timely, at = entry.at >= at, max(at, entry.at)
            commitment = b64u(entry.commitment)
            if body is None:
                self._audit.pass_over(idx, at)
                found += step(idx, at, commitment, None, timely=timely)
                continue
            said = read_said(idx, at, commitment, body)
            found += step(idx, at, commitment, said, timely=timely)
        self._last_at = last_at
        return found

    def _forged(self, start: int, end: int) -> frozenset[int]:
        marks = ",".join("?" * len(NO_EVENT))
        rows = self._copy.execute(
            f"SELECT idx FROM finding WHERE idx >= ? AND idx < ? AND certain "  # noqa: S608
            f"AND code IN ({marks})",
            (start, end, *(code.value for code in NO_EVENT)),
        ).fetchall()
        return frozenset(row[0] for row in rows)

    def _commitment_at(self, index: int) -> str:
        (entry,) = self._copy.execute("SELECT entry FROM entry WHERE idx = ?", (index,)).fetchone()
        return b64u(parse_entry(entry).commitment)

    def _new_audit(self) -> Audit:
        return Audit(
            self._rules,
            self._pack,
            self._store.facts,
            self._store.agenda,
            self._commitment_at,
            unseen=self._progress.unseen,
        )


def _is_audit_of(progress: AuditProgress, observer_path: Path) -> bool:
    """Whether what was audited is the beginning of the log whose copy is in `observer_path`."""
    if not progress.size:
        return True
    with open_database(observer_path, readers=True) as engine, engine.begin() as connection:
        if connection.exec_driver_sql("SELECT size FROM copy").scalar_one() < progress.size:
            return False
        try:
            return read_edge(connection, progress.size).root() == progress.frontier.root()
        except (CopyDamaged, ValueError):
            return False


def read_said(index: int, at: int, commitment: str, body: bytes) -> Said:
    """The event in a body that integrity has verified."""
    event, kid = read_body(body)
    return Said(index, at, commitment, event.id, event.by, event.signed_at, kid, event.body)
