"""Everything about one order that its asker may read, gathered from the hub for a bundle.

    gathered = await gather_order(client, order_id)
    write_bundle(path, genesis, policy, client.trust.origin, gathered.events)

Chosen are the order's own events, those of the consent it rests on, the objections that name it,
the record batches its delivery cites, the founding, and whatever introduced the keys that signed
any of these. Each comes with a receipt that was checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from creditchain.client.bundle import BundledEvent
from creditchain.client.client import Client, HubFailure
from creditchain.client.evidence import BadEvidence
from creditchain.client.verify import CannotReach, Keys, LogUrl
from creditchain.events import Event, PublicKey, parse_event_object, parse_json
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.order import OrderPlaced
from creditchain.events.records import RecordsCommitted
from creditchain.seal import BODY_BYTES_MAX, unseal
from creditchain.tlog.tile import (
    ENTRY_BYTES_MAX,
    TILE_WIDTH,
    format_bundle_path,
    new_bundles,
    parse_bundle,
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The events with their receipts; `unsigned` are the (index, type) of those among them whose
    signer's key stands in an event that is not ours to read, so that nobody can verify them from
    here: the officers' keys of another institution are shown to it and to the regulator only.
    """

    events: list[BundledEvent]
    unsigned: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class _Found:
    index: int
    event: Event
    body: bytes


async def gather_order(
    client: Client, order: str, progress: Callable[[int, int], None] = lambda _done, _size: None
) -> Gathered:
    """The events about an order with their receipts, the earliest first.

    Reads every body of the log that the client may read, so it takes as long as the log is long;
    `progress` is told how many of how many. Raises `HubFailure` when there is no such order,
    `CannotReach`, `BadEvidence`, and what a client's requests raise.
    """
    shown = await client.ask("Order", id=order)
    if shown is None:
        raise HubFailure("NOT_FOUND", f"there is no order {order}, or it is not yours to see")
    consent = None if shown["consent"] is None else str(shown["consent"]["id"])
    batches = {
        batch for part in shown["deliveredSections"] or () for batch in part["batches"] or ()
    }
    size, token = int((await client.ask("Log"))["size"]), await client.token()

    def read() -> tuple[list[_Found], list[tuple[int, str]]]:
        with closing(LogUrl(f"{client.url}/log", lambda: token)) as files:
            return _choose(_events(files, size, progress), order, consent, batches)

    events = []
    chosen, unsigned = await asyncio.to_thread(read)
    for found in chosen:
        proved = await client.find_receipt(found.event.id, found.body)
        if proved is None or proved[1].index != found.index:
            raise BadEvidence(f"the hub shows no receipt of entry {found.index}")
        receipt = proved[1]
        events.append(BundledEvent(receipt.index, receipt.at, found.body, receipt.proof))
    return Gathered(events, unsigned)


def _events(files: LogUrl, size: int, progress: Callable[[int, int], None]) -> Iterator[_Found]:
    """Every event whose body the hub shows us."""
    for path in new_bundles(0, size):
        name = format_bundle_path(path, "bodies")
        data = files.read(name, TILE_WIDTH * (2 + max(BODY_BYTES_MAX, ENTRY_BYTES_MAX)))
        if data is None:
            raise CannotReach(f"the hub does not show {name}")
        start = path.n * TILE_WIDTH
        for at, body in enumerate(parse_bundle(data, path.width, allow_empty=True)):
            if body:
                value = parse_json(body, BODY_BYTES_MAX)
                yield _Found(start + at, parse_event_object(value["event"]), body)
        progress(start + path.width, size)


def _choose(
    events: Iterator[_Found], order: str, consent: str | None, batches: set[str]
) -> tuple[list[_Found], list[tuple[int, str]]]:
    keys, chosen = _KeyEvents(), dict[int, _Found]()
    for found in events:
        keys.learn_from(found)
        said = found.event.body
        if (
            isinstance(said, ConsortiumFounded)
            or order in {found.event.id, getattr(said, "order", None)}
            or (isinstance(said, RecordsCommitted) and found.event.id in batches)
            or (
                consent is not None
                # Other orders under the same consent are another matter.
                and not isinstance(said, OrderPlaced)
                and consent in {found.event.id, getattr(said, "consent", None)}
            )
        ):
            chosen[found.index] = found
    open_, unsigned = list(chosen.values()), list[tuple[int, str]]()
    while open_:
        # The event that introduced a key is signed too, with a key introduced before.
        signed = open_.pop()
        origin = keys.of_signer(signed)
        if origin is None and not isinstance(signed.event.body, ConsortiumFounded):
            unsigned.append((signed.index, signed.event.type))
        elif origin is not None and origin.index not in chosen:
            chosen[origin.index] = origin
            open_.append(origin)
    return [chosen[index] for index in sorted(chosen)], sorted(unsigned)


class _KeyEvents(Keys):
    """The keys introduced so far, and by which event each."""

    def __init__(self) -> None:
        super().__init__()
        self._by: dict[tuple[str, str], _Found] = {}

    def learn_from(self, found: _Found) -> None:
        before = set(self._keys)
        self.learn(found.event)
        self._by.update(dict.fromkeys(self._keys.keys() - before, found))

    def of_signer(self, found: _Found) -> _Found | None:
        """The event that introduced the key that signed an event, None if we may not see it."""
        used: list[str] = []

        def find(event: Event, kid: str) -> PublicKey | None:
            used.append(kid)
            return self.find(event, kid)

        try:
            unseal(found.body, find)
        except ValueError:
            # Whoever verifies the bundle will say so; what is at hand belongs in it.
            return None
        return self._by.get((found.event.by, used[0]))


__all__ = ["Gathered", "gather_order"]
