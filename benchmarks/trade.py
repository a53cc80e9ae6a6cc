"""Who orders what from whom: the consortium's trades, and the signed events of orders.

A trade is a bank with an enterprise's consent that lasts for any number of orders of one product.
Signing takes longer than anything else here, so `SigningPool` does it in processes of its own.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

from creditchain.client.client import seal_input
from creditchain.client.signer import Signer, now_ms
from creditchain.documents import load_operation
from creditchain.events import b64u, format_fields
from creditchain.events.codes import CreditDecision, MemberKind, Outcome, Purpose, Role
from creditchain.events.consent import ConsentGranted, ConsentRequested, Terms
from creditchain.events.order import (
    CreditDecided,
    DeliveredSection,
    DeliveryAcknowledged,
    OrderAccepted,
    OrderPlaced,
    ReportDelivered,
    SealedReport,
)
from creditchain.events.product import Money
from creditchain.seal import Sealed
from fixtures import keys
from fixtures.consortium import Consortium
from fixtures.demo.stage import ORIGIN

LIFE: Final = 5
"""Events in the life of an order: placed, accepted, delivered, acknowledged, decided."""

PURPOSE: Final = Purpose.PRE_LOAN_REVIEW
DAY_MS: Final = 86_400_000
USES_MAX: Final = 1_000_000_000
SIGNERS: Final = 2


@dataclass(frozen=True, slots=True)
class Trade:
    """Labels and ids of those who take part in an order; `consent` is the consent's id."""

    officer: str
    bank: str
    enterprise: str
    clerk: str
    product: str
    consent: str


@cache
def consortium() -> Consortium:
    """The fixture consortium."""
    return Consortium()


@cache
def signer(actor: str) -> Signer:
    """A signer for a member id, an officer label or an enterprise id."""
    return consortium().signer(actor, ORIGIN)


@cache
def ordering_officers() -> tuple[str, ...]:
    """The banks' officers who may order, by turns of the banks."""
    officers = [o for o in consortium().officers.values() if Role.ORDER in o.roles]
    return tuple(o.label for o in sorted(officers, key=lambda o: (o.label[-1], o.label)))


@cache
def trades() -> tuple[Trade, ...]:
    """One trade for each enterprise; officers and products take turns."""
    world, officers = consortium(), ordering_officers()
    products = sorted(world.products)
    found = []
    for place, enterprise in enumerate(sorted(world.enterprises)):
        officer = officers[place % len(officers)]
        product = products[place // len(officers) % len(products)]
        digits = keys.bits(f"bench consent|{enterprise}").hex()
        found.append(
            Trade(
                officer,
                officer.partition("/")[0],
                enterprise,
                f"{product.partition('/')[0]}/clerk",
                product,
                f"01900000-{digits[:4]}-7{digits[4:7]}-8{digits[7:10]}-{digits[10:22]}",
            )
        )
    return tuple(found)


def joining() -> list[Sealed]:
    """Everything between the founding and the first order, in an order that the law takes."""
    world = consortium()
    founders = (MemberKind.REGULATOR, MemberKind.OPERATOR)
    regulator = signer(world.of_kind[MemberKind.REGULATOR][0].id)
    newcomers = [m for m in world.members.values() if m.kind not in founders]
    said = [regulator.seal(m.admitted()) for m in newcomers]
    said += [
        signer(m.id).seal(m.sealing_key_added()) for m in newcomers if m.kind is MemberKind.BANK
    ]
    said += [signer(o.member).seal(o.appointed()) for o in world.officers.values()]
    said += [
        signer(product.partition("/")[0]).seal(offered)
        for product, offered in world.products.items()
    ]
    said += [signer(f"{e.vouched_by}/admin").seal(e.enrolled()) for e in world.enterprises.values()]
    for trade in trades():
        product = world.products[trade.product]
        now = now_ms()
        terms = Terms(
            grantee=trade.bank,
            purpose=PURPOSE,
            agencies=(trade.product.partition("/")[0],),
            sections=product.sections,
            valid_from=now - 60_000,
            valid_until=now + 300 * DAY_MS,
            uses_max=USES_MAX,
        )
        request = ConsentRequested(trade.enterprise, terms)
        said.append(signer(trade.officer).seal(request, id=trade.consent))
        said.append(signer(trade.enterprise).seal(ConsentGranted(trade.consent, terms)))
    return said


def placing(trade: Trade) -> Sealed:
    """A fresh order of a trade."""
    product = consortium().products[trade.product]
    return signer(trade.officer).seal(
        OrderPlaced(
            trade.enterprise,
            trade.product,
            PURPOSE,
            product.sections,
            consortium().members[trade.bank].sealing_key.kid,
            trade.consent,
        )
    )


def life(trade: Trade) -> list[Sealed]:
    """A fresh order of a trade, from placing to the decision on credit."""
    product = consortium().products[trade.product]
    officer, clerk = signer(trade.officer), signer(trade.clerk)
    placed = placing(trade)
    order = placed.event.id
    digest = b64u(keys.bits(order))
    report = SealedReport(
        digest,
        digest,
        20_000,
        "application/json",
        product.schema,
        consortium().members[trade.bank].sealing_key.kid,
    )
    sections = tuple(DeliveredSection(section, digest) for section in product.sections)
    return [
        placed,
        clerk.seal(OrderAccepted(order)),
        clerk.seal(ReportDelivered(order, Outcome.COMPLETE, report, sections)),
        officer.seal(DeliveryAcknowledged(order, digest)),
        officer.seal(CreditDecided(order, CreditDecision.GRANTED, Money(50_000_000, "CNY"))),
    ]


def _place_many(start: int, count: int) -> list[Sealed]:
    known = trades()
    return [placing(known[n % len(known)]) for n in range(start, start + count)]


def _requests(start: int, count: int) -> list[str]:
    """GraphQL requests as JSON; the n-th is by officer n modulo the number of them."""
    query = load_operation("PlaceOrder")
    return [
        json.dumps(
            {
                "query": query,
                "variables": {
                    "order": format_fields(sealed.event.body),
                    "seal": seal_input(sealed),
                    "waitFor": "CHECKPOINTED",
                },
            },
            separators=(",", ":"),
        )
        for sealed in _place_many(start, count)
    ]


def _live_many(start: int, count: int) -> list[Sealed]:
    known = trades()
    return [event for n in range(start, start + count) for event in life(known[n % len(known)])]


class SigningPool:
    """Signs in processes of its own, ahead of who takes it, a bounded number of chunks."""

    def __init__(self) -> None:
        # Never fork: the caller may have threads and a database open.
        self._pool = ProcessPoolExecutor(SIGNERS, mp_context=multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def placings(self, count: int) -> list[Sealed]:
        """Fresh orders."""
        return [one for chunk in self._chunks(_place_many, count, 256) for one in chunk]

    def requests(self, count: int) -> Iterator[str]:
        """Fresh orders as GraphQL requests."""
        for chunk in self._chunks(_requests, count, 600):
            yield from chunk

    def lives(self, count: int, chunk: int) -> Iterator[list[Sealed]]:
        """The events of `count` fresh orders, `chunk` orders at a time."""
        yield from self._chunks(_live_many, count, chunk)

    def _chunks(self, make: Any, count: int, size: int) -> Iterator[Any]:
        ahead: list[Future[Any]] = []
        starts = iter(range(0, count, size))
        while True:
            for start in starts:
                ahead.append(self._pool.submit(make, start, min(size, count - start)))
                if len(ahead) >= 4 * SIGNERS:
                    break
            if not ahead:
                return
            yield ahead.pop(0).result()
