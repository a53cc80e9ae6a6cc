"""The evidence of an order from our own copy: no hub is asked, none need be running.

    bundle, verdict = make_evidence(engine, "01977420-…", signers, maker, key)

The regulator reads every body, so its evidence is whole: every key leads back to the founding in
it. Receipts are proven in our own tree, under the newest checkpoint that we hold to its end and
have cosigned as mirror or auditor, with all the lines we gave it. The policy names our keys; since
the regulator signs the manifest, whoever trusts the founding need not take them on anybody's word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine

from creditchain.client.bundle import BundledEvent
from creditchain.client.bundle_check import make_bundle
from creditchain.client.keys import PrivateKey
from creditchain.client.order_events import STRUCTURAL, About, Found, OrderEvents
from creditchain.client.verify import Verdict
from creditchain.events import TYPE_OF
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
from creditchain.events.objection import ObjectionAnswered
from creditchain.events.records import RecordsSuperseded
from creditchain.rulebook.record import Order
from creditchain.rulebook.record_json import record_from_json
from creditchain.seal import parse_entry
from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.note import Verifier
from creditchain.tlog.policy import GroupLine, LogLine, Policy, WitnessLine, format_policy
from creditchain.tlog.proof import prove_inclusions
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof
from regulator.cosign import AUDIT, MIRROR
from regulator.stored import Signed, read_head, read_tree

HOLDS_ALL: Final = (MIRROR, AUDIT)
"""Cosignatures that say that every entry and body was held: evidence needs one of them."""

QUORUM: Final = "held"

_OF_AN_ENTERPRISE: Final = (EnterpriseEnrolled, AuthoriserKeyAdded, AuthoriserKeyRevoked)
"""There may be millions; only those of the order's enterprise are read."""


class NoEvidence(Exception):
    """Our copy has nothing to show about it; the message says why."""


def make_evidence(
    engine: Engine,
    order: str,
    log: Verifier,
    signers: Mapping[str, CosignatureSigner],
    maker: str,
    key: PrivateKey,
) -> tuple[bytes, Verdict]:
    """The bundle of an order, signed by `maker` with `key`, and what verifying it says.

    Reads one committed state; a running observer goes on. Raises `NoEvidence` and `CopyDamaged`.
    """
    with engine.begin() as connection:
        about = _about(connection, order)
        heads = _heads(connection, signers)
        size = max(signed.head.size for signed in heads.values())
        events, erased = _events(connection, about, size)
        events.finish((maker, key.kid), erased)
        indexes = sorted({*(f.index for f in events.events), *erased})
        note, size = _note(heads, indexes[-1])
        rows = _bundled(connection, events, indexes, note, size)
    return make_bundle(order, maker, key, make_policy(log, signers), rows)


def make_policy(log: Verifier, signers: Mapping[str, CosignatureSigner]) -> str:
    """The policy that goes with our evidence: all our keys, one that holds every entry suffices."""
    witnesses = tuple(WitnessLine(name, signer.verifier) for name, signer in signers.items())
    held = tuple(name for name in signers if name in HOLDS_ALL)
    group = GroupLine(QUORUM, 1, held)
    return format_policy(Policy((LogLine(log),), witnesses, (group,), QUORUM))


def _about(connection: Connection, order: str) -> About:
    """What the order rests on, by its record: that stays when a body is erased."""
    row = connection.exec_driver_sql(
        "SELECT json FROM record WHERE kind = 'Order' AND id = ?", (order,)
    ).first()
    if row is None:
        raise NoEvidence(f"there is no order {order} in our copy")
    record = record_from_json(Order, json.loads(row[0]))
    batches = {b for part in record.delivered_sections or () for b in part.batches or ()}
    return About(
        order,
        record.consent,
        frozenset(batches),
        record.product,
        record.enterprise,
        record.seal_to,
    )


def _heads(connection: Connection, signers: Mapping[str, CosignatureSigner]) -> dict[str, Signed]:
    """The heads we have cosigned and hold to their end, those that say so among them."""
    (held,) = connection.exec_driver_sql("SELECT size FROM copy").one()
    found = {name: read_head(connection, name) for name in signers}
    heads = {
        name: signed
        for name, signed in found.items()
        if signed is not None and signed.line and signed.head.size <= held
    }
    if heads.keys().isdisjoint(HOLDS_ALL):
        raise NoEvidence("nothing is cosigned as mirror yet: follow the hub first")
    return heads


def _note(heads: Mapping[str, Signed], last: int) -> tuple[str, int]:
    """The checkpoint to prove under, with every line we gave it, and its size.

    The one with the most lines of those that reach to the `last` entry; of equals the newest.
    """
    notes = []
    for name in HOLDS_ALL:
        head = heads[name].head if name in heads else None
        if head is not None and head.size > last:
            lines = [s.line for s in heads.values() if s.head.root == head.root]
            notes.append((len(lines), head.size, head.note + "".join(lines)))
    if not notes:
        raise NoEvidence("the newest events of the order are not cosigned as mirror yet")
    _, size, note = max(notes)
    return note, size


def _events(connection: Connection, about: About, size: int) -> tuple[OrderEvents, list[int]]:
    """What belongs to the order, and which of it was erased; one pass over the table."""
    events = OrderEvents(about)
    ids = sorted(about.ids)
    structural = [TYPE_OF[t] for t in STRUCTURAL if t not in _OF_AN_ENTERPRISE]
    structural += [TYPE_OF[t] for t in (ObjectionAnswered, RecordsSuperseded)]
    firms = [TYPE_OF[t] for t in _OF_AN_ENTERPRISE]
    needles = [text.encode() for text in (about.order, about.consent) if text is not None]
    named = " OR ".join(["instr(body, ?)"] * len(needles))
    query = (
        "SELECT idx, body FROM entry WHERE idx < ? AND body IS NOT NULL AND (idx = 0"  # noqa: S608
        f" OR type IN ({_marks(structural)}) OR event IN ({_marks(ids)}) OR {named}"
        f" OR (type IN ({_marks(firms)}) AND instr(body, ?))) ORDER BY idx"
    )
    firm = (about.enterprise or "").encode()
    values = (size, *structural, *ids, *needles, *firms, firm)
    for index, body in connection.exec_driver_sql(query, values):
        events.take(Found.of_body(index, body))
    missing = sorted(events.missing)
    query = (
        "SELECT idx FROM entry WHERE body IS NULL AND idx < ? "  # noqa: S608 - only marks
        f"AND event IN ({_marks(missing)})"
    )
    gone = connection.exec_driver_sql(query, (size, *missing)).fetchall()
    return events, [index for (index,) in gone if events.erasure_of(index) is not None]


def _bundled(
    connection: Connection, events: OrderEvents, indexes: Sequence[int], note: str, size: int
) -> list[BundledEvent]:
    """The events at these indexes, each with its receipt under the note."""
    bodies = {found.index: found.body for found in events.events}
    proofs = prove_inclusions(indexes, size, read_tree(connection, size))
    rows = []
    for index, hashes in zip(indexes, proofs, strict=True):
        (raw,) = connection.exec_driver_sql("SELECT entry FROM entry WHERE idx = ?", (index,)).one()
        proof = format_tlog_proof(TlogProof(index, hashes, note))
        unshown = index in events.unshown
        rows.append(BundledEvent(index, parse_entry(raw).at, bodies.get(index), proof, unshown))
    return rows


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))
