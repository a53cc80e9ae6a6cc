"""The vault: sealed reports, kept for the retention time and then really gone.

Only ciphertext comes here, encrypted to the orderer; the hub cannot open it. An agency *stages* the
sealed bytes, then delivers by an event that carries their SHA-256; *binding* the two starts the
retention time. Staged bytes that no event claims are purged after an hour.

    digest = vault.stage(order, sealed_bytes, at)
    ... submit ReportDelivered; admitted: vault.bind(order, digest, at)
    vault.open(order)

Digests are base64url, as events carry them. Every method blocks for a moment and may be called
from any thread.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Engine, delete, func, insert, select, update

from creditchain.events import b64u
from creditchain.private_store import reading, scrub, writing
from creditchain.private_store.shred import lock, shred, unlock
from creditchain.private_store.tables import REPORT, ROW_KEY

REPORT_BYTES_MAX: Final = 16 * 1024 * 1024
"""A report of 10,000 lines with their Merkle paths has about 8 MB."""

STAGED_PER_ORDER_MAX: Final = 4
"""Uploads that wait for a delivery: one, and a few tries whose answer was lost. The oldest goes."""

ORPHAN_MS: Final = 3_600_000
"""Staged bytes that no delivery claimed within an hour belong to nothing."""

PAGE_MAX: Final = 1_000
"""Rows listed or purged at once."""

_DAY_MS: Final = 86_400_000


class ReportTooLarge(ValueError):
    """The sealed report is empty or above the limit."""


@dataclass(frozen=True, slots=True)
class StagedReport:
    """Sealed bytes that wait for their delivery; `seq` is the key to page by."""

    seq: int
    order: str
    digest: str
    size: int
    staged_at: int


class Vault:
    """The vault in an open private store."""

    def __init__(self, engine: Engine, *, retention_days: int) -> None:
        self._engine = engine
        self._retention_ms = retention_days * _DAY_MS

    def stage(self, order: str, ciphertext: bytes, at: int) -> str:
        """Keep sealed bytes for a delivery to come; their digest. Repeating it changes nothing.

        Raises ReportTooLarge, StoreFull.
        """
        if not 1 <= len(ciphertext) <= REPORT_BYTES_MAX:
            raise ReportTooLarge(f"a sealed report has 1 to {REPORT_BYTES_MAX} bytes")
        digest = digest_of(ciphertext)
        with writing(self._engine) as connection:
            if connection.execute(
                select(REPORT.c.seq).where(REPORT.c.order_id == order, REPORT.c.digest == digest)
            ).first():
                return digest
            waiting = connection.execute(
                select(REPORT.c.seq, REPORT.c.slot)
                .where(REPORT.c.order_id == order, REPORT.c.delivered_at.is_(None))
                .order_by(REPORT.c.seq.desc())
            ).all()
            for row in waiting[STAGED_PER_ORDER_MAX - 1 :]:
                shred(connection, row.slot)
                connection.execute(delete(REPORT).where(REPORT.c.seq == row.seq))
            slot, locked = lock(connection, order, ciphertext)
            connection.execute(
                insert(REPORT).values(
                    order_id=order,
                    digest=digest,
                    size=len(ciphertext),
                    slot=slot,
                    staged_at=at,
                    ciphertext=locked,
                )
            )
        return digest

    def size_of(self, order: str, digest: str) -> int | None:
        """The size of the sealed bytes with this digest if they wait or were delivered."""
        query = select(REPORT.c.size).where(REPORT.c.order_id == order, REPORT.c.digest == digest)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def bind(self, order: str, digest: str, at: int) -> bool:
        """The log has the delivery: keep these bytes until the retention time after `at` ends.

        Drops the order's other uploads. False when the bytes are not here. Repeating it changes
        nothing, so the time does not start again.
        """
        with writing(self._engine) as connection:
            row = connection.execute(
                select(REPORT.c.seq, REPORT.c.delivered_at).where(
                    REPORT.c.order_id == order, REPORT.c.digest == digest
                )
            ).one_or_none()
            if row is None:
                return False
            if row.delivered_at is not None:
                return True
            connection.execute(
                update(REPORT)
                .where(REPORT.c.seq == row.seq)
                .values(delivered_at=at, expires_at=at + self._retention_ms)
            )
            others = connection.execute(
                select(REPORT.c.slot).where(
                    REPORT.c.order_id == order, REPORT.c.delivered_at.is_(None)
                )
            ).scalars()
            for slot in others.all():
                shred(connection, slot)
            connection.execute(
                delete(REPORT).where(REPORT.c.order_id == order, REPORT.c.delivered_at.is_(None))
            )
        return True

    def open(self, order: str, digest: str | None = None) -> bytes | None:
        """The delivered sealed bytes of an order, None when there are none (any more).

        With the `digest` of the delivery that the log holds, also those that are not bound yet:
        who hears of a delivery may ask for the report before `bind` has caught up.
        """
        delivered = (
            REPORT.c.delivered_at.is_not(None) if digest is None else REPORT.c.digest == digest
        )
        query = (
            select(REPORT.c.digest, REPORT.c.ciphertext, ROW_KEY.c.key)
            .join(ROW_KEY, ROW_KEY.c.slot == REPORT.c.slot)
            .where(REPORT.c.order_id == order, delivered)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else unlock(row.key, order, row.ciphertext)

    def expired(self, at: int, limit: int = PAGE_MAX) -> list[str]:
        """Orders whose report has outlived its time at `at`, longest first.

        The caller has ReportErased logged for each, then erases it.
        """
        query = (
            select(REPORT.c.order_id)
            .where(REPORT.c.expires_at <= at)
            .order_by(REPORT.c.expires_at)
            .limit(min(limit, PAGE_MAX))
        )
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def erase(self, order: str) -> bool:
        """Delete all bytes of an order for good; False when there were none."""
        return self._drop(REPORT.c.order_id == order) > 0

    def erase_many(self, orders: list[str]) -> int:
        """As `erase`, for up to PAGE_MAX orders at once; how many reports there were."""
        assert len(orders) <= PAGE_MAX, "bounded by the caller"
        return self._drop(REPORT.c.order_id.in_(orders))

    def staged(self, after_seq: int, limit: int = PAGE_MAX) -> list[StagedReport]:
        """Undelivered uploads beyond the key `after_seq`, oldest first."""
        query = (
            select(
                REPORT.c.seq,
                REPORT.c.order_id,
                REPORT.c.digest,
                REPORT.c.size,
                REPORT.c.staged_at,
            )
            .where(REPORT.c.delivered_at.is_(None), REPORT.c.seq > after_seq)
            .order_by(REPORT.c.seq)
            .limit(min(limit, PAGE_MAX))
        )
        with reading(self._engine) as connection:
            return [StagedReport(*row) for row in connection.execute(query)]

    def held(self, orders: list[str]) -> list[str]:
        """Those of up to PAGE_MAX orders of which anything is kept."""
        assert len(orders) <= PAGE_MAX, "bounded by the caller"
        query = select(REPORT.c.order_id).where(REPORT.c.order_id.in_(orders)).distinct()
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def purge_staged(self, seqs: list[int]) -> int:
        """Delete these undelivered uploads; how many there were."""
        assert len(seqs) <= PAGE_MAX, "bounded by the caller"
        return self._drop(REPORT.c.seq.in_(seqs) & REPORT.c.delivered_at.is_(None))

    def count(self) -> int:
        """How many reports are kept, delivered or staged."""
        with reading(self._engine) as connection:
            return connection.execute(select(func.count()).select_from(REPORT)).scalar_one()

    def _drop(self, condition: ColumnElement[bool]) -> int:
        with writing(self._engine) as connection:
            slots = connection.execute(select(REPORT.c.slot).where(condition)).scalars()
            found = slots.all()
            for slot in found:
                shred(connection, slot)
            connection.execute(delete(REPORT).where(condition))
        # Also when nothing was left: a crash may have come between erasing and scrubbing.
        scrub(self._engine)
        return len(found)


def digest_of(ciphertext: bytes) -> str:
    """The base64url SHA-256 that ReportDelivered carries as `report.ciphertext`."""
    return b64u(hashlib.sha256(ciphertext).digest())
