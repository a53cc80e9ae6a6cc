"""A founded hub folder with a few members of the fixture, for tests of what the hub does alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from creditchain.client.signer import Signer, now_ms
from creditchain.config import HubConfig
from creditchain.directory import Directory, EnterpriseRow
from creditchain.events import Body
from creditchain.events.codes import Outcome, Purpose, Section
from creditchain.events.consent import ConsentGranted, ConsentRequested, Terms
from creditchain.events.order import (
    DeliveredSection,
    OrderAccepted,
    OrderPlaced,
    ReportDelivered,
    SealedReport,
)
from creditchain.events.product import ProductOffered
from creditchain.founding import ObserverKey, found_hub, new_hub_keys, write_genesis
from creditchain.ledger import Admitted, Answer, Ledger
from creditchain.tlog.note import format_vkey
from creditchain.vault import digest_of
from fixtures.consortium import Consortium, EnterpriseFixture

FIXTURE = Consortium()
REGULATOR, OPERATOR = "delta-regulator", "delta-operator"
BANK, AGENCY = "bank-kapok", "agency-pearl"
ORDERING, FULFILLING = "bank-kapok/order-1", "agency-pearl/worker"
PRODUCT: ProductOffered = FIXTURE.products["agency-pearl/basic"]
ENTERPRISE: EnterpriseFixture = next(
    e for e in FIXTURE.enterprises.values() if e.vouched_by == BANK
)
ORIGIN = "hub.example/log"
DAY_MS = 86_400_000


class Time:
    """A clock that tests move; ms."""

    def __init__(self) -> None:
        # Ahead of the founding, whose time is the machine's: a log's time never goes back.
        self.ms = now_ms() + 60_000

    def __call__(self) -> int:
        return self.ms


def found(
    data: Path, observer: Sequence[ObserverKey] = (), settings: dict[str, object] | None = None
) -> HubConfig:
    """A hub folder founded by the fixture's regulator and operator."""
    members = FIXTURE.members
    keys = new_hub_keys(ORIGIN, members[OPERATOR].key)
    genesis = write_genesis(
        data / "genesis.body",
        name=FIXTURE.name,
        regulator=members[REGULATOR].founder(),
        regulator_key=members[REGULATOR].key,
        operator=members[OPERATOR].founder(),
        log_key=format_vkey(keys.log.verifier),
        refusal_key=format_vkey(keys.refusal.verifier),
    )
    return found_hub(data, genesis.body, keys, observer=observer, settings=settings)


class World:
    """An open ledger with one bank, one agency, one product and one enterprise, moved by events."""

    def __init__(self, ledger: Ledger, now: Time) -> None:
        self.ledger = ledger
        self.now = now

    def signer(self, actor: str) -> Signer:
        known = FIXTURE.signer(actor, ORIGIN)
        if actor in FIXTURE.members:
            key = FIXTURE.members[actor].key
        elif actor in FIXTURE.officers:
            key = FIXTURE.officers[actor].key
        else:
            key = FIXTURE.enterprises[actor].key
        return Signer(known.actor, key, ORIGIN, clock=self.now)

    async def try_say(self, actor: str, body: Body) -> tuple[str, Answer]:
        sealed = self.signer(actor).seal(body)
        [answer] = await self.ledger.submit([sealed])
        return sealed.event.id, answer

    async def say(self, actor: str, body: Body) -> str:
        """The id of the event, which is admitted."""
        id_, answer = await self.try_say(actor, body)
        assert isinstance(answer, Admitted), answer
        return id_

    async def furnish(self) -> None:
        members, officers = FIXTURE.members, FIXTURE.officers
        for member in (BANK, AGENCY):
            await self.say(REGULATOR, members[member].admitted())
        await self.say(BANK, members[BANK].sealing_key_added())
        await self.say(BANK, officers[ORDERING].appointed())
        await self.say(AGENCY, officers[FULFILLING].appointed())
        await self.say(AGENCY, PRODUCT)
        await self.say(BANK, ENTERPRISE.enrolled())

    def enrol_in(self, directory: Directory) -> EnterpriseRow:
        """The row of the enterprise, staged."""
        row = EnterpriseRow(ENTERPRISE.name, ENTERPRISE.uscc, ENTERPRISE.salt)
        directory.put_enterprise(ENTERPRISE.id, row, row.identity(), self.now())
        return row

    def terms(self, days: int = 30) -> Terms:
        return Terms(
            BANK,
            Purpose.PRE_LOAN_REVIEW,
            (AGENCY,),
            (Section.IDENTITY,),
            self.now() - 1,
            self.now() + days * DAY_MS,
            100,
        )

    async def request(self, days: int = 30) -> str:
        return await self.say(ORDERING, ConsentRequested(ENTERPRISE.id, self.terms(days)))

    async def consent(self, days: int = 30) -> str:
        terms = self.terms(days)
        id_ = await self.say(ORDERING, ConsentRequested(ENTERPRISE.id, terms))
        await self.say(ENTERPRISE.id, ConsentGranted(id_, terms))
        return id_

    async def order(self, consent: str) -> str:
        return await self.say(
            ORDERING,
            OrderPlaced(
                ENTERPRISE.id,
                PRODUCT.product,
                Purpose.PRE_LOAN_REVIEW,
                (Section.IDENTITY,),
                FIXTURE.members[BANK].sealing_key.kid,
                consent=consent,
            ),
        )

    async def deliver(self, consent: str, sealed: bytes) -> str:
        """An order, accepted and delivered with these sealed bytes; its id."""
        order = await self.order(consent)
        await self.say(FULFILLING, OrderAccepted(order))
        digest = digest_of(sealed)
        report = SealedReport(
            digest,
            digest,
            len(sealed),
            "application/json",
            PRODUCT.schema,
            FIXTURE.members[BANK].sealing_key.kid,
        )
        sections = (DeliveredSection(Section.IDENTITY, digest),)
        await self.say(FULFILLING, ReportDelivered(order, Outcome.COMPLETE, report, sections))
        return order
