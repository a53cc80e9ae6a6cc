"""Opening what was delivered: download, unseal, and check every line against the log.

opened = await open_delivery(client, order_id, sealing_key)    # raises BadReport
await client.submit(DeliveryAcknowledged(order_id, opened.report.fingerprint))
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from creditchain.client.client import Client, HubFailure
from creditchain.client.evidence import BadEvidence, Level, check_receipt, commitment_of
from creditchain.client.hpke import CannotOpen, open_report
from creditchain.client.keys import PrivateKey
from creditchain.client.report import (
    BadReport,
    CommittedBatch,
    Delivered,
    Ordered,
    Problem,
    Report,
    read_report,
)
from creditchain.events import (
    MalformedEvent,
    b64u,
    parse_event_object,
    parse_json,
    parse_time,
    unb64u,
)
from creditchain.events.codes import DisputeCode, Purpose, Section
from creditchain.events.order import DeliveredSection
from creditchain.events.records import RecordsCommitted
from creditchain.seal import BODY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Opened:
    """A delivered report, checked: the order as the hub shows it, the report, and its bytes."""

    order: Mapping[str, Any]
    report: Report
    plaintext: bytes


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """A record batch, proved to be on the log; `superseded` is the hub's word on it today."""

    batch: CommittedBatch
    superseded: bool


async def open_delivery(client: Client, order_id: str, key: PrivateKey) -> Opened:
    """The report that was delivered on an order of ours, sealed to `key`.

    Raises `BadReport`, whose code and fingerprint are what a dispute states; `HubFailure` when
    there is no such order or no delivery with a report; and what a client's requests raise.
    """
    order = await client.ask("Order", id=order_id)
    if order is None or order["report"] is None:
        raise HubFailure(
            "NOT_DELIVERED", f"no report was delivered on order {order_id}, or it is not yours"
        )
    said = order["report"]
    if said["sealedTo"] != key.kid:
        raise HubFailure("OTHER_KEY", f"the report is sealed to the key {said['sealedTo']}")
    try:
        sealed = await client.download_report(order_id)
    except HubFailure as error:
        if error.code != "BAD_USER_INPUT":
            raise
        text = f"the hub no longer keeps the report of order {order_id}"
        raise HubFailure("REPORT_GONE", text) from None
    if b64u(hashlib.sha256(sealed).digest()) != said["ciphertext"]:
        text = "the sealed report in the vault is not the one that was delivered"
        raise BadReport([Problem(DisputeCode.UNREADABLE, "", text)])
    try:
        plaintext = open_report(sealed, key, order_id)
    except CannotOpen as error:
        raise BadReport([Problem(DisputeCode.UNREADABLE, "", str(error))]) from None
    sections = tuple(
        DeliveredSection(
            Section(part["section"]), part["fingerprint"], tuple(part["batches"] or ()) or None
        )
        for part in order["deliveredSections"]
    )
    cited = {batch for part in sections for batch in part.batches or ()}
    batches = {name: known.batch for name, known in (await known_batches(client, cited)).items()}
    delivered = Delivered(said["fingerprint"], sections)
    report = read_report(plaintext, ordered_of(client.trust.origin, order), delivered, batches)
    return Opened(order, report, plaintext)


def ordered_of(log: str, order: Mapping[str, Any]) -> Ordered:
    """What was ordered, from an order as the operations `Order` and `OrderToServe` select it."""
    agency = order["product"]["id"].partition("/")[0]
    return Ordered(
        log=log,
        order=order["id"],
        orderer=order["orderer"]["id"],
        agency=agency,
        product=order["product"]["id"],
        subject=order["enterprise"]["id"],
        purpose=Purpose(order["purpose"]),
        sections=tuple(Section(code) for code in order["sections"]),
    )


async def known_batches(client: Client, ids: Iterable[str]) -> dict[str, KnownBatch]:
    """The batches with these ids that are on the log, each proved by its own event."""
    names = sorted(ids)
    found = await asyncio.gather(*(known_batch(client, name) for name in names))
    return {name: known for name, known in zip(names, found, strict=True) if known is not None}


async def known_batch(client: Client, id: str) -> KnownBatch | None:
    """The batch as its event says, None if the hub knows none; raises `BadEvidence`.

    The root is taken from the signed event and the event is proved to be on the log, so the hub's
    own word counts only for whose batch it is and whether it still stands.
    """
    stated = await client.ask("RecordBatch", id=id)
    logged = await client.ask("Event", id=id)
    if stated is None or logged is None or logged["body"] is None or logged["receipt"] is None:
        return None
    body = logged["body"].encode("utf-8")
    at = parse_time(logged["at"])
    check_receipt(
        commitment_of(body), at, logged["receipt"]["proof"], client.trust, Level.CHECKPOINTED
    )
    try:
        event = parse_event_object(parse_json(body, BODY_BYTES_MAX)["event"])
    except (MalformedEvent, KeyError, TypeError) as error:
        raise BadEvidence(f"the body of the batch {id}: {error}") from None
    said = event.body
    if event.id != id or not isinstance(said, RecordsCommitted):
        raise BadEvidence(f"the event {event.id} does not commit the batch {id}")
    batch = CommittedBatch(
        id, stated["member"]["id"], unb64u(said.root), said.count, said.sections, said.as_of
    )
    return KnownBatch(batch, stated["supersededAt"] is not None)
