"""A small consortium on a real ledger: what the ledger's tests submit, and against what they check.

A bank with an officer, an agency with an officer and a product, an enterprise, and one consent that
lasts for any number of orders. Keys are the fixtures' test keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from creditchain.client.fresh import fresh_event_id
from creditchain.client.signer import Signer as Author
from creditchain.client.signer import now_ms
from creditchain.events import b64u
from creditchain.events.codes import ErasureGround, MemberKind, Purpose, Role
from creditchain.events.consent import ConsentGranted, ConsentRequested, Terms
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.erasure import BodyErased
from creditchain.events.order import OrderAccepted, OrderPlaced
from creditchain.ledger import Admitted, Answer, HubKeys, Ledger
from creditchain.ledger.ledger import REGISTER_NAME
from creditchain.seal import Sealed
from creditchain.tlog.cosignature import CosignatureSigner, format_cosigner_vkey
from creditchain.tlog.note import Signer, format_vkey
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.tlogproof import CheckedProof, check_tlog_proof
from fixtures.consortium import Consortium

ORIGIN = "hub.example/log"
LOG = Signer(ORIGIN, bytes(32))
REFUSAL = Signer(f"{ORIGIN}/refusal", bytes([1] * 32))
WITNESS = CosignatureSigner("observer.example/witness", bytes([2] * 32))
MIRROR = CosignatureSigner("observer.example/mirror", bytes([3] * 32))

LOG_ONLY = parse_policy(f"log {format_vkey(LOG.verifier)}\nquorum none\n")
OBSERVED = parse_policy(
    f"log {format_vkey(LOG.verifier)}\n"
    f"witness witness {format_cosigner_vkey(WITNESS.verifier)}\n"
    f"witness mirror {format_cosigner_vkey(MIRROR.verifier)}\n"
    "group observer all witness mirror\nquorum observer\n"
)

FIXTURE = Consortium()


def _first(kind: MemberKind) -> str:
    return FIXTURE.of_kind[kind][0].id


def _officer(member: str, role: Role) -> str:
    return next(
        label
        for label, officer in FIXTURE.officers.items()
        if officer.member == member and role in officer.roles
    )


REGULATOR, OPERATOR = _first(MemberKind.REGULATOR), _first(MemberKind.OPERATOR)
BANK, AGENCY = _first(MemberKind.BANK), _first(MemberKind.AGENCY)
BUYER, CLERK = _officer(BANK, Role.ORDER), _officer(AGENCY, Role.FULFIL)
PRODUCT = next(p for p in FIXTURE.products.values() if p.product.startswith(f"{AGENCY}/"))
PURPOSE: Purpose = PRODUCT.purposes[0]
ENTERPRISE = next(e for e in FIXTURE.enterprises.values() if e.vouched_by == BANK)
KEYS = HubKeys(LOG, REFUSAL, OBSERVED, OPERATOR)

DATABASE = "ledger.db"


def author(actor: str) -> Author:
    """A signer for a member, an officer's label or an enterprise."""
    return FIXTURE.signer(actor, ORIGIN)


def genesis(signed_at: int | None = None) -> bytes:
    """The founding, as body bytes."""
    founded = ConsortiumFounded(
        FIXTURE.name,
        FIXTURE.members[REGULATOR].founder(),
        FIXTURE.members[OPERATOR].founder(),
        format_vkey(LOG.verifier),
        format_vkey(REFUSAL.verifier),
        1,
    )
    return author(REGULATOR).seal(founded, signed_at=signed_at).body


def found(folder: Path) -> Path:
    """A database with the founding alone; its path."""
    path = folder / DATABASE
    Ledger.found(path, genesis(), KEYS)
    return path


CONSENT = fresh_event_id()
TERMS = Terms(
    BANK, PURPOSE, (AGENCY,), PRODUCT.sections, now_ms() - 1000, now_ms() + 86_400_000, 10**9
)


def settling() -> list[list[Sealed]]:
    """Everything up to the granted consent, in rounds: a later one needs keys of an earlier."""
    members, officers = FIXTURE.members, FIXTURE.officers
    regulator, bank, agency = author(REGULATOR), author(BANK), author(AGENCY)
    return [
        [regulator.seal(members[BANK].admitted()), regulator.seal(members[AGENCY].admitted())],
        [
            bank.seal(members[BANK].sealing_key_added()),
            bank.seal(officers[BUYER].appointed()),
            bank.seal(ENTERPRISE.enrolled()),
            agency.seal(officers[CLERK].appointed()),
            agency.seal(PRODUCT),
        ],
        [author(BUYER).seal(ConsentRequested(ENTERPRISE.id, TERMS), id=CONSENT)],
        [author(ENTERPRISE.id).seal(ConsentGranted(CONSENT, TERMS))],
    ]


SETTLED = 1 + 2 + 5 + 1 + 1
"""The size of a log with the founding and all of `settling`."""


@cache
def _settled_files() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        path = found(Path(name))
        ledger = Ledger.open(path, KEYS)
        try:
            asyncio.run(settle(ledger))
        finally:
            ledger.close()
        return {file: (Path(name) / file).read_bytes() for file in (DATABASE, REGISTER_NAME)}


def settled(folder: Path) -> Path:
    """A database with everything up to the granted consent; its path."""
    for name, data in _settled_files().items():
        (folder / name).write_bytes(data)
    return folder / DATABASE


async def settle(ledger: Ledger) -> None:
    """Submits `settling`."""
    for round_ in settling():
        admitted(await ledger.submit(round_))


def order(id: str | None = None) -> Sealed:
    """A new order under the consent."""
    placed = OrderPlaced(
        ENTERPRISE.id,
        PRODUCT.product,
        PURPOSE,
        PRODUCT.sections[:1],
        FIXTURE.members[BANK].sealing_key.kid,
        CONSENT,
    )
    return author(BUYER).seal(placed, id=id)


def orders(count: int) -> list[Sealed]:
    """So many of them."""
    return [order() for _ in range(count)]


def accept(order_id: str) -> Sealed:
    """The agency accepts an order."""
    return author(CLERK).seal(OrderAccepted(order_id))


def erase(index: int, commitment: bytes) -> Sealed:
    """The operator erases a body."""
    erased = BodyErased(index, b64u(commitment), ErasureGround.SUBJECT_REQUEST)
    return author(OPERATOR).seal(erased)


def admitted(answers: Sequence[Answer]) -> list[Admitted]:
    """The answers, all of which must be admissions."""
    result = []
    for answer in answers:
        assert isinstance(answer, Admitted), answer
        result.append(answer)
    return result


def check(answer: Admitted) -> CheckedProof:
    """What the answer's proof shows to anyone who knows the log's key."""
    return check_tlog_proof(answer.proof, answer.entry, LOG_ONLY)
