"""The consortium in numbers, counted at most every few seconds however many ask."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from sqlalchemy import JSON, Connection, distinct, func, select, type_coerce

from creditchain.events.codes import CreditDecision
from creditchain.events.product import Money
from creditchain.ledger import Ledger, tables
from creditchain.rulebook.record import ConsentStatus, OrderStatus, Standing

FRESH_S: Final = 5.0
"""Counting walks whole tables: a second at ten million orders."""


_PART: Final = 2**31


class Counters:
    """Counts on demand and remembers the answer."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = asyncio.Lock()
        self._counted: dict[str, Any] = {}
        self._at_s = float("-inf")

    async def read(self) -> dict[str, Any]:
        """The numbers, at most `FRESH_S` old."""
        async with self._lock:
            if time.monotonic() - self._at_s > FRESH_S:
                self._counted = await asyncio.to_thread(self._count)
                self._at_s = time.monotonic()
            return self._counted

    def _count(self) -> dict[str, Any]:
        with self._ledger.reading() as connection:
            return count(connection)


def count(connection: Connection) -> dict[str, Any]:
    """All the numbers, in one read transaction."""
    t = tables

    def number(query: Any) -> int:
        return int(connection.execute(query).scalar_one() or 0)

    amount = type_coerce(t.orders.c.amount, JSON)
    currency = amount["currency"].as_string()
    granted = (
        select(
            currency,
            # In two parts: SQLite gives up where a sum of many large amounts leaves 63 bits.
            func.sum(amount["amount"].as_integer() // _PART),
            func.sum(amount["amount"].as_integer() % _PART),
        )
        .where(t.orders.c.decision == CreditDecision.GRANTED.value)
        .group_by(currency)
        .order_by(currency)
    )
    statuses = select(t.orders.c.status, func.count()).group_by(t.orders.c.status)
    by_status: dict[str, int] = {row[0]: row[1] for row in connection.execute(statuses)}
    return {
        "members": number(
            select(func.count()).where(t.member.c.standing != Standing.WITHDRAWN.value)
        ),
        "enterprises": number(select(func.count()).select_from(t.enterprise)),
        "items": number(
            select(func.sum(t.record_batch.c["count"])).where(
                t.record_batch.c.superseded_at.is_(None)
            )
        ),
        "officers": number(select(func.count()).where(t.officer.c.dismissed_at.is_(None))),
        "authorisations": number(
            select(func.count()).where(
                t.consent.c.status.in_([ConsentStatus.GRANTED.value, ConsentStatus.WITHDRAWN.value])
                # A request that nobody answered expires too; one that was used was granted.
                | ((t.consent.c.status == ConsentStatus.EXPIRED.value) & (t.consent.c.uses > 0))
            )
        ),
        "orders": [
            {"status": status, "count": by_status.get(status.value, 0)} for status in OrderStatus
        ],
        "granted": [
            Money(high * _PART + low, name) for name, high, low in connection.execute(granted)
        ],
        "borrowers": number(
            select(func.count(distinct(t.orders.c.enterprise))).where(
                t.orders.c.decision == CreditDecision.GRANTED.value
            )
        ),
    }
