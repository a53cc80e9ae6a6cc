"""The inbox: what members hand in is judged, kept as a finding, or remembered until it can be.

Checkpoints and receipts are judged by our own tree, in the writer's thread; refusals beside it, and
in a process of their own where the log must be replayed. What our copy does not reach yet waits in
observer.db, so a restart forgets nothing, and is judged as soon as it can be.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import sqlalchemy
import structlog

from creditchain.tlog.proof import prove_inclusion
from creditchain.tlog.tlogproof import TLOG_PROOF_BYTES_MAX
from regulator.cosign import Cosigner
from regulator.database import OBSERVER_NAME
from regulator.finding import Finding, FindingCode
from regulator.follow import Follower, announce_findings
from regulator.mirror import Mirror
from regulator.observer import Genesis
from regulator.rejudge import rejudge, rejudge_all
from regulator.submit import (
    Document,
    Judged,
    Kind,
    Outcome,
    Refused,
    judge_body,
    judge_checkpoint,
    judge_receipt,
    open_refusal,
    sort,
)
from regulator.verify import Fork, Head, open_head
from regulator.verifying import begin

FILES_MAX: Final = 64
"""Files handed in at once."""

FILE_BYTES_MAX: Final = TLOG_PROOF_BYTES_MAX
"""A receipt is the largest of what can be handed in."""

WAITING_MAX: Final = 1_000
"""Of each kind that waits for our copy. Each is signed by the hub, but many can be made of one."""

LOOKED_AT: Final = 16
"""How many of those that wait are judged in one go; the follower must not wait long."""

REPLAYED_TOGETHER: Final = 256
"""Refusals that one replay of the log serves: whoever collects them does not choose how often."""

_SCRATCH: Final = "observer-replay-"

_log = structlog.get_logger("regulator.inbox")


class OwnCopy:
    """Our copy as `submit` asks it; in the writer's thread."""

    def __init__(self, cosigner: Cosigner) -> None:
        self._cosigner = cosigner
        self._mirror: Mirror = cosigner.mirror

    @property
    def size(self) -> int:
        """Entries copied."""
        return self._mirror.size

    @property
    def trusted(self) -> Head:
        """The largest head found consistent."""
        return self._cosigner.trusted

    @property
    def copied(self) -> Head | None:
        """The largest signed head to which our copy leads."""
        heads = [h for h in self._cosigner.heads if 0 < h.size <= self.size]
        return max(heads, key=lambda head: head.size, default=None)

    def root_at(self, size: int) -> bytes | None:
        """The root of our first `size` entries."""
        return self._mirror.root_at(size)

    def compare(self, held: Head, shown: Head) -> Fork | None:
        """The fork, if a head no larger than the one held is not the one our tree had."""
        judged = self._mirror.growth_from(held, shown)
        return judged if isinstance(judged, Fork) else None

    def entry(self, index: int) -> bytes | None:
        """The bytes of an entry."""
        row = self._mirror.run(
            lambda connection: connection.exec_driver_sql(
                "SELECT entry FROM entry WHERE idx = ?", (index,)
            ).first()
        )
        return None if row is None else bytes(row[0])

    def prove(self, index: int, size: int) -> Sequence[bytes]:
        """The inclusion proof of our entry in our first `size` entries."""
        mirror = self._mirror
        return mirror.run(lambda _: prove_inclusion(index, size, mirror.reader()))


class Inbox:
    """Takes what is handed in.

    `deep`: the log is replayed for a refusal here and now, however long it takes. Without it that
    is left to `look_again`, which whoever runs an observer calls now and then.
    """

    def __init__(
        self,
        follower: Follower,
        genesis: Genesis,
        folder: Path,
        *,
        clock: Callable[[], float],
        deep: bool = False,
    ) -> None:
        self._follower = follower
        self._cosigner = follower.cosigner
        self._genesis = genesis
        self._database = folder / OBSERVER_NAME
        self._clock = clock
        self._deep = deep
        self._looking = asyncio.Lock()
        self._replaying = asyncio.Lock()

    async def take(self, files: Sequence[bytes]) -> list[Judged]:
        """What is to be said of each document in these files, kept or remembered."""
        judged = []
        for document in sort(files):
            answer = await self._judge(document, deep=self._deep)
            judged.append(await self._follower.write(self._keep, document, answer))
        if any(one.outcome is Outcome.UNRESOLVED for one in judged):
            # Perhaps the hub has shown the member more than us.
            self._follower.wake()
        return judged

    async def look_again(self) -> list[Judged]:
        """Judge what waited for our copy and need wait no longer; what came of it."""
        async with self._looking:
            rows = await self._follower.write(self._ripe)
            refusals = [document for _, document in rows if document.kind is Kind.REFUSAL]
            replayed = iter(await self._replay(refusals) if refusals else [])
            judged = []
            for row, document in rows:
                if document.kind is Kind.REFUSAL:
                    answer = next(replayed)
                else:
                    answer = await self._judge(document, deep=True)
                judged.append(await self._follower.write(self._keep, document, answer))
                if answer.outcome is not Outcome.UNRESOLVED:
                    await self._follower.write(self._forget, row)
                    _log.info("a submission is settled", kind=document.kind, outcome=answer.outcome)
        return judged

    async def report_withheld(self, shown: Head, before_s: float) -> None:
        """Report what came before `before_s` and is of a larger log than the hub shows us now."""
        announce_findings(await self._follower.write(self._withheld, shown, before_s))

    async def _judge(self, document: Document, *, deep: bool) -> Judged:
        if len(document.raw) > FILE_BYTES_MAX or len(document.body or b"") > FILE_BYTES_MAX:
            return Judged(document.kind, Outcome.NOTHING, f"more than {FILE_BYTES_MAX} bytes")
        if document.kind is Kind.BODY:
            return judge_body(document)
        if document.kind is Kind.REFUSAL:
            quick = await asyncio.to_thread(rejudge, self._database, document)
            held = self._follower.progress().size
            if not deep or quick.outcome is not Outcome.UNRESOLVED or (quick.size or 0) > held:
                return quick
            return (await self._replay([document]))[0]
        judge = judge_checkpoint if document.kind is Kind.CHECKPOINT else judge_receipt
        own = OwnCopy(self._cosigner)
        return await self._follower.write(judge, document, self._genesis.log, own)

    async def _replay(self, documents: Sequence[Document]) -> list[Judged]:
        """In a process of its own: the whole log may be replayed, and we go on meanwhile."""
        async with self._replaying:
            for left in self._database.parent.glob(f"{_SCRATCH}*"):
                # Of a replay that was killed together with us.
                await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self._database.parent) as scratch:
                return await self._replay_in(Path(scratch), documents)

    async def _replay_in(self, scratch: Path, documents: Sequence[Document]) -> list[Judged]:
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=_replay_there, args=(sender, self._database, documents, scratch), daemon=True
        )
        process.start()
        sender.close()
        try:
            return await asyncio.to_thread(_receive, receiver)
        except EOFError:
            _log.warning("a replay for a refusal ended early; it is begun again")
            says = "the replay ended early and is begun again"
            return [Judged(Kind.REFUSAL, Outcome.UNRESOLVED, says, 0) for _ in documents]
        finally:
            process.kill()
            process.join()

    # In the writer's thread.

    def _keep(self, document: Document, judged: Judged) -> Judged:
        if judged.finding is not None:
            kept = self._cosigner.keep(judged.finding)
            if kept is not None:
                announce_findings([kept])
        if judged.outcome is not Outcome.UNRESOLVED:
            return judged
        document = self._signed_alone(document)
        row = (
            document.digest,
            document.kind.value,
            document.raw,
            document.body,
            judged.size or 0,
            int(self._clock() * 1000),
        )

        def insert(connection: sqlalchemy.Connection) -> bool:
            count = connection.exec_driver_sql(
                "SELECT count(*) FROM submission WHERE kind = ?", (document.kind.value,)
            ).scalar_one()
            known = connection.exec_driver_sql(
                "SELECT 1 FROM submission WHERE digest = ?", (document.digest,)
            ).first()
            if known is None and count < WAITING_MAX:
                connection.exec_driver_sql(
                    "INSERT INTO submission (digest, kind, raw, body, size, came_at, reported) "
                    "VALUES (?, ?, ?, ?, ?, ?, 0)",
                    row,
                )
            return known is not None or count < WAITING_MAX

        if self._cosigner.mirror.run(insert):
            return judged
        return replace(judged, says=f"{judged.says}; but too much waits, so hand it in later")

    def _signed_alone(self, document: Document) -> Document:
        """Without what others added to it: one thing signed once waits once."""
        genesis = self._genesis
        if document.kind is Kind.CHECKPOINT:
            return replace(document, raw=open_head(document.raw, genesis.log).note.encode())
        if document.kind is Kind.REFUSAL:
            refused = open_refusal(document, genesis.refusal, genesis.origin)
            if isinstance(refused, Refused):
                return replace(document, raw=refused.note.encode())
        return document

    def _ripe(self) -> list[tuple[int, Document]]:
        size = self._cosigner.mirror.size

        def read(connection: sqlalchemy.Connection) -> list[tuple[int, Document]]:
            found = []
            for condition, most in (("<>", LOOKED_AT), ("=", REPLAYED_TOGETHER)):
                rows = connection.exec_driver_sql(
                    "SELECT id, kind, raw, body FROM submission "  # noqa: S608  signs of ours
                    f"WHERE size <= ? AND kind {condition} ? ORDER BY id LIMIT ?",
                    (size, Kind.REFUSAL.value, most),
                )
                found += [(row[0], Document(Kind(row[1]), row[2], row[3])) for row in rows]
            return found

        return self._cosigner.mirror.run(read)

    def _forget(self, row: int) -> None:
        self._cosigner.mirror.run(
            lambda connection: connection.exec_driver_sql(
                "DELETE FROM submission WHERE id = ?", (row,)
            )
        )

    def _withheld(self, shown: Head, before_s: float) -> list[Finding]:
        rows = self._cosigner.mirror.run(
            lambda connection: connection.exec_driver_sql(
                "SELECT id, kind, raw, size FROM submission WHERE size > ? AND NOT reported "
                "AND came_at < ? ORDER BY id LIMIT ?",
                (shown.size, int(before_s * 1000), LOOKED_AT),
            ).fetchall()
        )
        found = []
        for row, kind, raw, size in rows:
            detail = f"a {kind} of size {size}; the hub shows us {shown.size}"
            evidence: dict[str, str | int] = {"held": raw.decode(), "shown": shown.note}
            finding = Finding(FindingCode.HEAD_WITHHELD, None, detail, evidence)
            if self._cosigner.keep(finding) is not None:
                found.append(finding)
            self._cosigner.mirror.run(partial(_set_reported, row))
        return found


def _set_reported(row: int, connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("UPDATE submission SET reported = 1 WHERE id = ?", (row,))


def _receive(receiver: Connection[Any, list[Judged]]) -> list[Judged]:
    with receiver:
        return receiver.recv()


def _replay_there(
    sender: Connection[list[Judged], Any],
    database: Path,
    documents: Sequence[Document],
    scratch: Path,
) -> None:
    begin()
    with sender:
        sender.send(rejudge_all(database, documents, scratch))
