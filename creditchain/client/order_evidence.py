"""Everything about one order that its asker may read, gathered from the hub for a bundle.

    gathered = await gather_order(client, order_id)
    bundle, verdict = make_bundle(order_id, client.signer.actor, key, policy, gathered)

What belongs to an order is told by `creditchain.client.order_events`. Each event comes with a
receipt that was checked. What an asker may not read is left out; an event whose signer's key stands
in such a body is marked, since who said it cannot be shown from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from creditchain.client.bundle import BundledEvent
from creditchain.client.client import Client, HubFailure, NotObserved
from creditchain.client.evidence import BadEvidence, Level, check_receipt
from creditchain.client.order_events import About, Found, OrderEvents
from creditchain.client.verify import CannotReach, LogUrl
from creditchain.events import parse_time, unb64u
from creditchain.events.erasure import BodyErased
from creditchain.seal import BODY_BYTES_MAX
from creditchain.tlog.policy import NO_QUORUM
from creditchain.tlog.tile import (
    ENTRY_BYTES_MAX,
    TILE_WIDTH,
    format_bundle_path,
    new_bundles,
    parse_bundle,
)


@dataclass(frozen=True, slots=True)
class _Gone:
    """An event that the hub knows and whose body was erased."""

    index: int
    at: int
    proof: str


async def gather_order(
    client: Client, order: str, progress: Callable[[int, int], None] = lambda _done, _size: None
) -> list[BundledEvent]:
    """The events about an order with their receipts, the earliest first.

    Reads every body of the log that the client may read, so it takes as long as the log is long;
    `progress` is told how many of how many. Raises `HubFailure` when there is no such order,
    `NotObserved` when the policy asks for cosignatures that an event does not have yet,
    `CannotReach`, `BadEvidence`, and what a client's requests raise.
    """
    shown = await client.ask("Order", id=order)
    if shown is None:
        raise HubFailure("NOT_FOUND", f"there is no order {order}, or it is not yours to see")
    about = About(
        order,
        None if shown["consent"] is None else str(shown["consent"]["id"]),
        frozenset(b for part in shown["deliveredSections"] or () for b in part["batches"] or ()),
        str(shown["product"]["id"]),
        str(shown["enterprise"]["id"]),
        str(shown["sealTo"]),
    )
    size, token = int((await client.ask("Log"))["size"]), await client.token()
    events = OrderEvents(about)

    def read() -> None:
        with closing(LogUrl(f"{client.url}/log", lambda: token)) as files:
            _read_all(files, size, events, progress)

    await asyncio.to_thread(read)
    gone = {event.index: event for event in await _find_erased(client, events)}
    events.finish((client.signer.actor, client.signer.kid), gone)
    return sorted(
        [
            *[await _bundle(client, found, events.unshown) for found in events.events],
            *[BundledEvent(g.index, g.at, None, g.proof) for g in gone.values()],
        ],
        key=lambda e: e.index,
    )


def _read_all(
    files: LogUrl, size: int, events: OrderEvents, progress: Callable[[int, int], None]
) -> None:
    """Shows every event whose body the hub shows us."""
    for path in new_bundles(0, size):
        name = format_bundle_path(path, "bodies")
        data = files.read(name, TILE_WIDTH * (2 + max(BODY_BYTES_MAX, ENTRY_BYTES_MAX)))
        if data is None:
            raise CannotReach(f"the hub does not show {name}")
        start = path.n * TILE_WIDTH
        for at, body in enumerate(parse_bundle(data, path.width, allow_empty=True)):
            if body:
                events.take(Found.of_body(start + at, body))
        progress(start + path.width, size)


async def _find_erased(client: Client, events: OrderEvents) -> list[_Gone]:
    """Of the events we know by id and were not shown, those whose erasure stands on the log."""
    gone = []
    for missing in sorted(events.missing):
        found = await client.ask("Receipt", id=missing)
        erasure = None if found is None else events.erasure_of(int(found["index"]))
        if erasure is None:
            continue
        said = erasure.event.body
        assert isinstance(said, BodyErased), "nothing else erases a body"
        at, proof = parse_time(found["at"]), str(found["proof"])
        receipt = check_receipt(
            unb64u(said.commitment), at, proof, client.trust, Level.CHECKPOINTED
        )
        if receipt.index != said.index:
            raise BadEvidence(f"the hub shows another receipt than that of entry {said.index}")
        gone.append(_Gone(said.index, at, proof))
    return gone


async def _bundle(client: Client, found: Found, unshown: list[int]) -> BundledEvent:
    proved = await client.find_receipt(found.event.id, found.body)
    if proved is None or proved[1].index != found.index:
        raise BadEvidence(f"the hub shows no receipt of entry {found.index}")
    receipt = proved[1]
    if client.trust.policy.quorum != NO_QUORUM and receipt.level is not Level.OBSERVED:
        facts = {"id": found.event.id, "index": found.index}
        text = f"the observer has not cosigned entry {found.index} yet: ask again later"
        raise NotObserved("NOT_OBSERVED", text, facts)
    return BundledEvent(
        receipt.index, receipt.at, found.body, receipt.proof, found.index in unshown
    )


__all__ = ["gather_order"]
