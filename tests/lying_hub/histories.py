"""Random honest histories, wide and short, and a pure judge for them.

`told(seed)` yields a history event by event, as an observer that is there from the beginning sees
it; whoever has rules of their own to hold against honest histories reads it from there. Everything
follows from the seed, so a history that fails can be told again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from creditchain.client.keys import PrivateKey, private_key
from creditchain.events import Body, Event, PublicKey, b64u
from creditchain.events.codes import (
    CreditDecision,
    DisputeCode,
    ErasureGround,
    LawfulGround,
    MemberKind,
    ObjectionOutcome,
    Outcome,
    Purpose,
    RevocationReason,
    Role,
    Section,
    SupersedeReason,
    SuspensionGround,
)
from creditchain.events.consent import ConsentExpired, ConsentRequested, Terms
from creditchain.events.enterprise import AuthoriserKeyAdded, AuthoriserKeyRevoked
from creditchain.events.erasure import BodyErased, DirectoryErased, ReportErased
from creditchain.events.key import ED25519, HPKE_X25519
from creditchain.events.membership import (
    MemberAdmitted,
    MemberKeyAdded,
    MemberKeyRevoked,
    MemberReinstated,
    MemberSuspended,
)
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.events.order import (
    CreditDecided,
    DeliveredSection,
    DeliveryAcknowledged,
    DeliveryDisputed,
    Ground,
    OrderAccepted,
    OrderApproved,
    OrderLapsed,
    OrderPlaced,
    ReportDelivered,
    SealedReport,
)
from creditchain.events.product import Money, ProductOffered, ProductWithdrawn
from creditchain.events.records import RecordsCommitted, RecordsSuperseded
from creditchain.rulebook import NEVER_ERASED, DictBook, Violation, decide
from creditchain.seal import Sealed, parse_entry
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import leaf_hash
from regulator.finding import Finding, FindingCode
from regulator.observer import read_genesis
from regulator.opening import KeysAtHand
from regulator.replay import EarlierEntry, Replay, open_package
from tests.lying_hub.honest import ORIGIN, SECTIONS, Actor, Consortium, seed_bytes

EVENTS = 60
"""Events of a short history, its beginnings included."""

Pace = Callable[[Random], int]
"""How many milliseconds pass between two acts."""


def mixed_pace(random: Random) -> int:
    """Mostly moments, sometimes hours, now and then more than a day: orders lapse, keys rest."""
    return random.choice((0, 0, 5, 40, 1_000, 60_000, 3_600_000, 90_000_000))


class Told(NamedTuple):
    """An event on the log: its index, its admission time (ms), the event, its body as logged."""

    index: int
    at: int
    event: Event
    body: bytes


class WideConsortium(Consortium):
    """A consortium that does more than order: keys end, officers go, members are suspended.

    Whatever is not lawful at that moment is not said: the rulebook has the last word.
    """

    def __init__(self, seed: int, pace: Pace = mixed_pace) -> None:
        self.told: list[Told] = []
        self.pace = pace
        super().__init__(seed)
        self.court = self.actor("court-gz")
        self.source = self.actor("source-tax")
        self.clerk, self.judge = (self.actor(f"of_{self._opaque()}") for _ in range(2))
        self.keeper = self.actor(f"of_{self._opaque()}")
        self.batches: list[str] = []
        self.objections: list[str] = []
        self.delivered: list[tuple[str, SealedReport]] = []
        self.open: list[str] = []
        self.requests: list[str] = []
        self.authorisers: list[tuple[Actor, PublicKey]] = []
        self.court_seal: PublicKey | None = None
        self.products = 0
        for member, kind in ((self.court, MemberKind.JUDICIAL), (self.source, MemberKind.SOURCE)):
            self.admit(
                self.regulator,
                MemberAdmitted(member.id, kind, member.id, "440100", member.key.public),
            )
        for member, officer, role in (
            (self.court, self.clerk, Role.ORDER),
            (self.court, self.judge, Role.APPROVE),
            (self.source, self.keeper, Role.FULFIL),
        ):
            self.admit(
                member, OfficerAppointed(officer.id, (role,), officer.key.public, self.digest())
            )

    def admit(self, actor: Actor, body: Body) -> Sealed:
        """As ever, and told."""
        index, at = self.log.size, self.at
        sealed = super().admit(actor, body)
        self.told.append(Told(index, at, sealed.event, sealed.body))
        return sealed

    def attempt(self, actor: Actor, body: Body) -> Sealed | None:
        """Say it if it is lawful now."""
        if isinstance(decide(self.book, self.sealed(actor, body), self.at), Violation):
            return None
        return self.admit(actor, body)

    def play_widely(self, events: int = EVENTS) -> None:
        """Acts by the seed until the log has so many events."""
        acts = (
            [self.order_and_dispute] * 4
            + [self.consent] * 3
            + [self.order] * 4
            + [self.enrol] * 2
            + [self.order_by_court, self.place_and_leave, self.lapse, self.object, self.answer]
            + [self.commit_records, self.supersede, self.renew_key, self.renew_officer]
            + [self.stand_still, self.offer_and_withdraw, self.ask_in_vain, self.expire]
            + [self.add_authoriser, self.end_authoriser, self.erase_any, self.erase_elsewhere]
        )
        while self.log.size < events:
            self.at += self.pace(self.random)
            if not self.enterprises:
                self.enrol()
            elif not self.consents:
                self.consent()
            else:
                self.random.choice(acts)()
        self.log.publish()

    # Orders that end in other ways.

    def _deliver(self, order: str, sections: tuple[Section, ...], outcome: Outcome) -> str | None:
        """The agency's delivery; the report's fingerprint if it was lawful and there is one."""
        report = SealedReport(
            self.digest(), self.digest(), 9_000, "application/json", "creditchain-report/v1",
            self.seal_key.public.kid,
        )  # fmt: skip
        batches = tuple(self.batches[-1:]) or None
        if outcome is Outcome.NOT_FOUND:
            said = ReportDelivered(order, outcome)
        else:
            parts = tuple(DeliveredSection(s, self.digest(), batches) for s in sections)
            said = ReportDelivered(order, outcome, report, parts)
        if self.attempt(self.agency_officer, said) is None:
            return None
        if said.report is not None:
            self.delivered.append((order, report))
            return report.fingerprint
        self.attempt(self.bank_officer, DeliveryAcknowledged(order))
        return None

    def _place(self) -> tuple[str, tuple[Section, ...]] | None:
        if not self.consents:
            return None
        consent, enterprise = self.take_consent()
        sections = tuple(sorted(self.random.sample(SECTIONS, self.random.randint(1, 3))))
        placed = self.attempt(
            self.bank_officer,
            OrderPlaced(
                enterprise.id, "agency-lin/basic", Purpose.PRE_LOAN_REVIEW, sections,
                self.seal_key.public.kid, consent=consent,
            ),
        )  # fmt: skip
        return None if placed is None else (placed.event.id, sections)

    def order_and_dispute(self) -> None:
        """An order whose delivery is disputed, or finds nothing."""
        placed = self._place()
        if placed is None or self.attempt(self.agency_officer, OrderAccepted(placed[0])) is None:
            return
        order, sections = placed
        if self.random.random() < 0.3:
            self._deliver(order, sections, Outcome.NOT_FOUND)
            return
        if self._deliver(order, sections, Outcome.COMPLETE) is None:
            return
        code = self.random.choice(tuple(DisputeCode))
        opened = self.digest() if code is DisputeCode.FINGERPRINT_MISMATCH else None
        self.attempt(self.bank_officer, DeliveryDisputed(order, code, opened))
        self.attempt(self.bank_officer, CreditDecided(order, CreditDecision.DECLINED))

    def place_and_leave(self) -> None:
        """An order that nobody answers for now."""
        placed = self._place()
        if placed is not None:
            self.open.append(placed[0])

    def lapse(self) -> None:
        """The operator says what time has ended."""
        for order in self.open[:2]:
            if self.attempt(self.operator, OrderLapsed(order)) is not None:
                self.open.remove(order)

    def order_by_court(self) -> None:
        """An order on a ground of law, approved by a second officer or not."""
        enterprise = self.random.choice(self.enterprises)
        ground = Ground(LawfulGround.COURT, self.digest())
        if self.court_seal is None:
            self.court_seal = private_key(HPKE_X25519, seed_bytes(self.seed, "court")).public
            self.admit(self.court, MemberKeyAdded("court-gz", self.court_seal))
        placed = self.attempt(
            self.clerk,
            OrderPlaced(
                enterprise.id, "agency-lin/basic", Purpose.PRE_LOAN_REVIEW, SECTIONS,
                self.court_seal.kid,
                ground=ground,
            ),
        )  # fmt: skip
        if placed is not None:
            self.attempt(self.judge, OrderApproved(placed.event.id))

    # Consents and enterprises.

    def ask_in_vain(self) -> None:
        """A consent asked for that nobody answers."""
        enterprise = self.random.choice(self.enterprises)
        terms = Terms(
            "bank-hana", Purpose.PRE_LOAN_REVIEW, ("agency-lin",), SECTIONS,
            self.at, self.at + 3_600_000, 1,
        )  # fmt: skip
        asked = self.attempt(self.bank_officer, ConsentRequested(enterprise.id, terms))
        if asked is not None:
            self.requests.append(asked.event.id)

    def expire(self) -> None:
        """The operator says which requests have ended."""
        for consent in self.requests[:2]:
            if self.attempt(self.operator, ConsentExpired(consent)) is not None:
                self.requests.remove(consent)

    def add_authoriser(self) -> None:
        """One more key for an enterprise, by itself or by the bank."""
        enterprise = self.random.choice(self.enterprises)
        key = self._new_key().public
        by = self.random.choice((enterprise, self.bank))
        if self.attempt(by, AuthoriserKeyAdded(enterprise.id, key, self.digest())) is not None:
            self.authorisers.append((enterprise, key))

    def end_authoriser(self) -> None:
        """And its end."""
        if self.authorisers:
            enterprise, key = self.authorisers.pop()
            reason = self.random.choice((RevocationReason.SUPERSEDED, RevocationReason.CEASED))
            self.attempt(enterprise, AuthoriserKeyRevoked(enterprise.id, key.kid, reason))

    def object(self) -> None:
        """An enterprise objects."""
        said = self.attempt(
            self.random.choice(self.enterprises),
            ObjectionRaised("agency-lin", Section.LOANS, self.digest()),
        )
        if said is not None:
            self.objections.append(said.event.id)

    def answer(self) -> None:
        """And hears an answer."""
        if self.objections:
            outcome = self.random.choice(tuple(ObjectionOutcome))
            answered = ObjectionAnswered(self.objections.pop(0), outcome, self.digest())
            self.attempt(self.agency_officer, answered)

    # Members, officers, keys, products, records.

    def renew_key(self) -> None:
        """The bank signs with a new key from now on, and lays down the old one."""
        old, new = self.bank.key, self._new_key()
        if self.attempt(self.bank, MemberKeyAdded("bank-hana", new.public)) is None:
            return
        self.bank.key = new
        if self.random.random() < 0.7:
            ended = MemberKeyRevoked("bank-hana", old.public.kid, RevocationReason.SUPERSEDED)
            self.attempt(self.bank, ended)

    def renew_officer(self) -> None:
        """An officer goes, another comes."""
        old = self.agency_officer
        new = self.actor(f"of_{self._opaque()}")
        appointed = OfficerAppointed(new.id, (Role.FULFIL,), new.key.public, self.digest())
        if self.attempt(self.agency, appointed) is not None:
            self.agency_officer = new
            self.attempt(self.agency, OfficerDismissed(old.id))

    def stand_still(self) -> None:
        """A member is suspended for a while; what it may not do meanwhile it does not do."""
        member = self.random.choice(("bank-hana", "agency-lin"))
        if self.attempt(self.regulator, MemberSuspended(member, SuspensionGround.BREACH)) is None:
            return
        self.at += self.random.choice((0, 1_000, 3_600_000))
        self.place_and_leave()
        self.answer()
        self.admit(self.regulator, MemberReinstated(member))

    def offer_and_withdraw(self) -> None:
        """A product that is soon given up."""
        self.products += 1
        product = f"agency-lin/p{self.products}"
        offered = ProductOffered(
            product, "More", SECTIONS, (Purpose.OTHER,), Money(500, "CNY"), 3_600_000,
            "creditchain-report/v1",
        )  # fmt: skip
        if self.attempt(self.agency, offered) is not None:
            self.attempt(self.agency, ProductWithdrawn(product))

    def commit_records(self) -> None:
        """A batch of the agency's records, or of the source's."""
        by = self.random.choice((self.agency_officer, self.keeper))
        count = self.random.randint(1, 1_000_000)
        said = self.attempt(by, RecordsCommitted(self.digest(), count, SECTIONS, self.at))
        if said is not None and by is self.agency_officer:
            self.batches.append(said.event.id)

    def supersede(self) -> None:
        """The oldest batch no longer counts."""
        if len(self.batches) > 1:
            old, new = self.batches.pop(0), self.batches[-1]
            said = RecordsSuperseded(old, SupersedeReason.UPDATED, new)
            self.attempt(self.agency_officer, said)

    # Erasures.

    def erase_any(self) -> None:
        """The body of some event is erased, whatever builds on it."""
        told = self.random.choice(self.told)
        if type(told.event.body) in NEVER_ERASED or not self.log.bodies[told.index]:
            return
        commitment = b64u(hashlib.sha256(told.body).digest())
        by = self.random.choice((self.operator, self.regulator))
        ground = self.random.choice(tuple(ErasureGround))
        if self.attempt(by, BodyErased(told.index, commitment, ground)) is not None:
            self.log.bodies[told.index] = b""

    def erase_elsewhere(self) -> None:
        """A directory row or a sealed report is erased: nothing of it is on the log."""
        if self.delivered and self.random.random() < 0.6:
            order, _ = self.delivered.pop(0)
            self.attempt(self.operator, ReportErased(order, ErasureGround.RETENTION_ENDED))
        else:
            subject = self.random.choice(self.enterprises).id
            self.attempt(self.bank, DirectoryErased(subject, ErasureGround.SUBJECT_REQUEST))

    def _new_key(self) -> PrivateKey:
        self._drawn += 1
        return private_key(ED25519, seed_bytes(self.seed, "key", self._drawn))


def told(seed: int, events: int = EVENTS, pace: Pace = mixed_pace) -> Iterator[Told]:
    """An honest history, event by event."""
    consortium = WideConsortium(seed, pace)
    consortium.play_widely(events)
    yield from consortium.told


def judge(consortium: WideConsortium) -> list[Finding]:
    """What an observer that was there from the beginning finds in a history; no store, no network.

    Each entry and body by itself, the law in log order, the tree over it, and at the end that every
    body the hub no longer has was erased by an event.
    """
    log = consortium.log
    genesis = read_genesis(consortium.genesis)
    bodies = [one.body for one in consortium.told]
    found, erased = replay(log.entries, bodies, genesis.commitment)
    edge = Edge.empty()
    edge.append([leaf_hash(entry) for entry in log.entries])
    if edge.root() != log.edge.root():
        found.append(Finding(FindingCode.ENTRY_MISMATCH))
    for index, body in enumerate(log.bodies):
        if not body and index not in erased:
            found.append(Finding(FindingCode.BODY_WITHHELD, index))
        if body and index in erased:
            found.append(Finding(FindingCode.ERASURE_IGNORED, index))
    return found


def replay(
    entries: Sequence[bytes], bodies: Sequence[bytes], genesis: bytes
) -> tuple[list[Finding], set[int]]:
    """The findings of a replay, and the entries whose bodies were erased."""
    book = DictBook()
    ids: set[str] = set()
    types: list[str | None] = []

    def entry_at(index: int) -> EarlierEntry | None:
        if index >= len(types):
            return None
        return EarlierEntry(parse_entry(entries[index]).commitment, types[index])

    replaying = Replay(book, genesis, ORIGIN, is_known=ids.__contains__, entry_at=entry_at)
    found: list[Finding] = []
    erased: set[int] = set()
    for index, opened in enumerate(open_package(entries, bodies, KeysAtHand())):
        stepped = replaying.step(index, opened, bodies[index])
        book.put(stepped.writes)
        if stepped.finding is not None:
            found.append(stepped.finding)
        if stepped.erased is not None:
            erased.add(stepped.erased)
        types.append(None if opened.event is None else opened.event.type)
        if opened.event is not None:
            ids.add(opened.event.id)
    return found, erased
