"""An honest hub in memory: admits under the rulebook, orders, publishes; a `Feed` of its own log.

Histories are random but lawful: `Consortium` plays enrolments, consents, orders and erasures from a
seed. Keys derive from the seed too, so a failing history can be played again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from creditchain.client.keys import PrivateKey, private_key
from creditchain.events import Body, Event, b64u
from creditchain.events.codes import (
    CreditDecision,
    DeclineCode,
    ErasureGround,
    MemberKind,
    MissingCode,
    Outcome,
    Purpose,
    RefusalReason,
    Role,
    Section,
)
from creditchain.events.consent import (
    ConsentGranted,
    ConsentRefused,
    ConsentRequested,
    ConsentWithdrawn,
    Terms,
)
from creditchain.events.consortium import ConsortiumFounded, Founder
from creditchain.events.enterprise import EnterpriseEnrolled
from creditchain.events.erasure import BodyErased
from creditchain.events.key import ED25519, HPKE_X25519
from creditchain.events.membership import MemberAdmitted, MemberKeyAdded
from creditchain.events.officer import OfficerAppointed
from creditchain.events.order import (
    CreditDecided,
    DeliveredSection,
    DeliveryAcknowledged,
    MissingSection,
    OrderAccepted,
    OrderCancelled,
    OrderDeclined,
    OrderPlaced,
    ReportDelivered,
    SealedReport,
)
from creditchain.events.product import Money, ProductOffered
from creditchain.rulebook import DictBook, Violation, decide
from creditchain.rulebook.record import Order
from creditchain.seal import Entry, Sealed, format_entry, seal
from creditchain.tlog.checkpoint import Checkpoint, sign_checkpoint
from creditchain.tlog.edge import Edge, EdgeReader
from creditchain.tlog.merkle import leaf_hash
from creditchain.tlog.note import Signer, format_vkey
from creditchain.tlog.proof import prove_consistency
from creditchain.tlog.tile import TILE_WIDTH, BundlePath, Tile, format_bundle
from regulator.feed import Fault, FeedFault

ORIGIN = "hub.example/log"
START_MS = 1_750_000_000_000
SECTIONS = (Section.CREDIT_LINES, Section.IDENTITY, Section.LOANS)


def seed_bytes(*parts: object) -> bytes:
    """32 bytes that follow from the parts."""
    return hashlib.sha256(repr(parts).encode()).digest()


@dataclass
class Actor:
    """Somebody who signs."""

    id: str
    key: PrivateKey


class Log:
    """Entries and bodies under a signed tree; it decides nothing."""

    def __init__(self, log_signer: Signer) -> None:
        self.signer = log_signer
        self.entries: list[bytes] = []
        self.bodies: list[bytes] = []
        self.leaves: list[bytes] = []
        self.edge = Edge.empty()
        self.full: dict[Tile, bytes] = {}
        self.notes: dict[int, str] = {}
        self.note = ""
        self.publish()

    @property
    def size(self) -> int:
        """Entries so far."""
        return self.edge.size

    def append(self, at: int, body: bytes) -> None:
        """One more entry."""
        entry = format_entry(Entry(at, hashlib.sha256(body).digest()))
        self.append_raw(entry, body)

    def append_raw(self, entry: bytes, body: bytes) -> None:
        """One more entry of any bytes."""
        self.entries.append(entry)
        self.bodies.append(body)
        self.leaves.append(leaf_hash(entry))
        self.full.update(self.edge.append([self.leaves[-1]]))

    def publish(self) -> str:
        """Sign the tree as it is now."""
        checkpoint = Checkpoint(self.signer.name, self.size, self.edge.root())
        self.note = self.notes[self.size] = sign_checkpoint(checkpoint, self.signer)
        return self.note

    def prove(self, old: int) -> tuple[bytes, ...]:
        """That the tree of now extends that of `old`."""
        return prove_consistency(old, self.size, self.reader())

    def reader(self) -> EdgeReader:
        """The hashes of the tree."""
        return EdgeReader(self.edge.copy(), lambda level, n, _: self.full[Tile(level, n)])


class HonestFeed:
    """The feed of a log, honestly; the base of every lie."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def checkpoint(self) -> bytes:
        return self.log.note.encode()

    async def tile(self, tile: Tile) -> bytes:
        return self.read_tile(tile)

    async def entries(self, path: BundlePath) -> bytes:
        return format_bundle(self.read_entries(path))

    async def bodies(self, path: BundlePath) -> bytes:
        return format_bundle(self.read_bodies(path))

    def read_tile(self, tile: Tile) -> bytes:
        full = self.log.full.get(Tile(tile.level, tile.n))
        data = full if full is not None else self.log.edge.partial(tile.level)
        here = full is not None or tile.n == self.log.size >> 8 * (tile.level + 1)
        if not here or len(data) < tile.width * 32:
            raise FeedFault(Fault.NOT_FOUND, repr(tile))
        return data[: tile.width * 32]

    def read_entries(self, path: BundlePath) -> list[bytes]:
        return _slice(self.log.entries, path)

    def read_bodies(self, path: BundlePath) -> list[bytes]:
        return _slice(self.log.bodies, path)


def _slice(rows: list[bytes], path: BundlePath) -> list[bytes]:
    found = rows[path.n * TILE_WIDTH : path.n * TILE_WIDTH + path.width]
    if len(found) != path.width:
        raise FeedFault(Fault.NOT_FOUND, repr(path))
    return found


class Consortium:
    """A consortium and its log; `play` adds lawful events, chosen by the seed."""

    def __init__(self, seed: int, log_seed: bytes = bytes(32)) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.book = DictBook()
        self.log = Log(Signer(ORIGIN, log_seed))
        self.at = START_MS
        self._drawn = 0
        self.regulator = self.actor("regulator-gd")
        self.operator = self.actor("operator-hub")
        self.bank = self.actor("bank-hana")
        self.agency = self.actor("agency-lin")
        self.bank_officer = self.actor("of_" + self._opaque())
        self.agency_officer = self.actor("of_" + self._opaque())
        self.seal_key = private_key(HPKE_X25519, seed_bytes(seed, "seal"))
        self.enterprises: list[Actor] = []
        self.consents: list[tuple[str, Actor, Terms]] = []
        self.orders: list[tuple[str, Actor, str]] = []
        self.genesis = self._found()

    def _found(self) -> bytes:
        refusal = Signer(f"{ORIGIN}/refusal", seed_bytes(self.seed, "refusal"))
        founding = self.admit(
            self.regulator,
            ConsortiumFounded(
                "Pearl River",
                Founder("regulator-gd", "Regulator", "440000", self.regulator.key.public),
                Founder("operator-hub", "Operator", "440000", self.operator.key.public),
                format_vkey(self.log.signer.verifier),
                format_vkey(refusal.verifier),
                1,
            ),
        )
        for member, kind in ((self.bank, MemberKind.BANK), (self.agency, MemberKind.AGENCY)):
            filing, key = f"filing of {member.id}", member.key.public
            self.admit(
                self.regulator,
                MemberAdmitted(member.id, kind, member.id, "440100", key, filing),
            )
        self.admit(self.bank, MemberKeyAdded("bank-hana", self.seal_key.public))
        for member, officer, role in (
            (self.bank, self.bank_officer, Role.ORDER),
            (self.agency, self.agency_officer, Role.FULFIL),
        ):
            self.admit(
                member,
                OfficerAppointed(officer.id, (role,), officer.key.public, self.digest()),
            )
        self.admit(
            self.agency,
            ProductOffered(
                "agency-lin/basic",
                "Basic",
                SECTIONS,
                (Purpose.PRE_LOAN_REVIEW,),
                Money(1000, "CNY"),
                86_400_000,
                "creditchain-report/v1",
            ),
        )
        return founding.body

    def play(self, events: int) -> None:
        """At least so many more lawful events."""
        until = self.log.size + events
        while self.log.size < until:
            draw = self.random.random()
            if not self.enterprises or draw < 0.05:
                self.enrol()
            elif not self.consents or draw < 0.2:
                self.consent()
            elif draw < 0.22:
                self.erase()
            else:
                self.order()
        self.log.publish()

    def enrol(self) -> Actor:
        """An enterprise more."""
        enterprise = self.actor("en_" + self._opaque())
        self.admit(
            self.bank_clerk(),
            EnterpriseEnrolled(
                enterprise.id, self.digest(), "440100", enterprise.key.public, self.digest()
            ),
        )
        self.enterprises.append(enterprise)
        return enterprise

    def bank_clerk(self) -> Actor:
        """Who enrols: the bank's own key."""
        return self.bank

    def consent(self) -> None:
        """A consent asked for, and answered one way or the other."""
        enterprise = self.random.choice(self.enterprises)
        terms = Terms(
            "bank-hana",
            Purpose.PRE_LOAN_REVIEW,
            ("agency-lin",),
            SECTIONS,
            self.at,
            self.at + 170 * 86_400_000,
            self.random.choice((1, 6, 12)),
        )
        asked = self.admit(self.bank_officer, ConsentRequested(enterprise.id, terms)).event.id
        if self.random.random() < 0.1:
            self.admit(enterprise, ConsentRefused(asked, RefusalReason.TOO_BROAD))
            return
        self.admit(enterprise, ConsentGranted(asked, terms))
        self.consents.append((asked, enterprise, terms))
        if self.random.random() < 0.1:
            self.admit(enterprise, ConsentWithdrawn(asked))
            self.consents.pop()

    def take_consent(self) -> tuple[str, Actor]:
        """One use of some consent that has one left."""
        place = self.random.randrange(len(self.consents))
        consent, enterprise, terms = self.consents[place]
        if terms.uses_max == 1:
            self.consents.pop(place)
        else:
            left = replace(terms, uses_max=terms.uses_max - 1)
            self.consents[place] = (consent, enterprise, left)
        return consent, enterprise

    def order(self) -> None:
        """An order under a consent, and what becomes of it."""
        order = self.place()
        sections = self.sections_of(order)
        draw = self.random.random()
        if draw < 0.1:
            self.admit(self.agency_officer, OrderDeclined(order, DeclineCode.CAPACITY))
            return
        if draw < 0.2:
            self.admit(self.bank_officer, OrderCancelled(order))
            return
        self.admit(self.agency_officer, OrderAccepted(order))
        missing = sections[1:] if draw < 0.4 else ()
        delivery = self.delivery(order, missing)
        assert delivery.report is not None, "there are sections that are not missing"
        self.admit(self.agency_officer, delivery)
        self.admit(self.bank_officer, DeliveryAcknowledged(order, delivery.report.fingerprint))
        if draw < 0.7:
            self.admit(
                self.bank_officer,
                CreditDecided(order, CreditDecision.GRANTED, Money(5_000_000, "CNY")),
            )

    def place(self) -> str:
        """An order under some consent; its id."""
        consent, enterprise = self.take_consent()
        sections = tuple(sorted(self.random.sample(SECTIONS, self.random.randint(1, 3))))
        return self.admit(
            self.bank_officer,
            OrderPlaced(
                enterprise.id,
                "agency-lin/basic",
                Purpose.PRE_LOAN_REVIEW,
                sections,
                self.seal_key.public.kid,
                consent=consent,
            ),
        ).event.id

    def sections_of(self, order: str) -> tuple[Section, ...]:
        """What an order asks for."""
        record = self.book.get(Order, order)
        assert record is not None, order
        return record.sections

    def delivery(self, order: str, missing: tuple[Section, ...] = ()) -> ReportDelivered:
        """The agency's answer, without some sections."""
        sections = self.sections_of(order)
        return ReportDelivered(
            order,
            Outcome.PARTIAL if missing else Outcome.COMPLETE,
            SealedReport(
                self.digest(),
                self.digest(),
                9_000,
                "application/json",
                "creditchain-report/v1",
                self.seal_key.public.kid,
            ),
            tuple(DeliveredSection(s, self.digest()) for s in sections if s not in missing),
            tuple(MissingSection(s, MissingCode.NO_RECORDS) for s in missing) or None,
        )

    def erasable(self) -> int:
        """How many of the first bodies may be erased."""
        return self.log.size

    def erase(self) -> None:
        """The body of some order's event is erased, lawfully."""
        kinds = (b'"type":"CreditDecided"', b'"type":"OrderCancelled"')
        index = self.random.randrange(self.erasable())
        body = self.log.bodies[index]
        if not any(kind in body for kind in kinds):
            return
        commitment = b64u(hashlib.sha256(body).digest())
        self.admit(self.operator, BodyErased(index, commitment, ErasureGround.COURT_ORDER))
        self.log.bodies[index] = b""

    def sealed(self, actor: Actor, body: Body, **changes: object) -> Sealed:
        """The event as its author seals it, whether lawful or not."""
        event = Event(self._event_id(), ORIGIN, actor.id, self.at, b64u(self._bytes(16)), body)
        event = replace(event, **changes)  # type: ignore[arg-type]
        return seal(event, actor.key.signing, actor.key.public)

    def admit(self, actor: Actor, body: Body) -> Sealed:
        """One lawful event, at the end of the log; the rulebook has the last word."""
        sealed = self.sealed(actor, body)
        writes = decide(self.book, sealed, self.at)
        assert not isinstance(writes, Violation), (body, writes)
        self.book.put(writes)
        self.log.append(self.at, sealed.body)
        self.at += self.random.randint(0, 3)
        return sealed

    def force(self, sealed: Sealed, at: int | None = None) -> int:
        """An event on the log that nobody judged; its index."""
        self.log.append(self.at if at is None else at, sealed.body)
        return self.log.size - 1

    def actor(self, id: str) -> Actor:
        return Actor(id, private_key(ED25519, seed_bytes(self.seed, id)))

    def _bytes(self, count: int) -> bytes:
        self._drawn += 1
        return seed_bytes(self.seed, "drawn", self._drawn)[:count]

    def _opaque(self) -> str:
        return b64u(self._bytes(16))

    def digest(self) -> str:
        return b64u(self._bytes(32))

    def _event_id(self) -> str:
        raw = bytearray(self.at.to_bytes(6) + self._bytes(10))
        raw[6] = 0x70 | raw[6] & 0x0F
        raw[8] = 0x80 | raw[8] & 0x3F
        return str(UUID(bytes=bytes(raw)))
