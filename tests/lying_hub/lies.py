"""A lying hub: each function tells one lie, and names the finding it must give.

`Told` lies are in what the hub signs: they are on the log. `Served` lies are in what it serves: the
tree is honest, the bytes are not. `Shown` lies are told with checkpoints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from creditchain.events import b64u, format_event
from creditchain.events.codes import (
    DisputeCode,
    ErasureGround,
    LawfulGround,
    Purpose,
    SuspensionGround,
)
from creditchain.events.erasure import BodyErased
from creditchain.events.membership import MemberSuspended, MemberWithdrawn
from creditchain.events.order import (
    DeliveryDisputed,
    Ground,
    OrderAccepted,
    OrderLapsed,
    OrderPlaced,
)
from creditchain.seal import (
    Entry,
    assemble,
    format_entry,
    jws_header,
    parse_entry,
    seal,
    signing_input,
)
from creditchain.tlog.merkle import leaf_hash
from creditchain.tlog.tile import TILE_WIDTH, BundlePath, Tile
from regulator.finding import FindingCode
from tests.lying_hub.honest import SECTIONS, Consortium, HonestFeed, seed_bytes

# Lies on the log. Each adds one entry and returns its index.


def backdate(consortium: Consortium) -> int:
    """A lawful event is admitted with a time before the last entry's."""
    now = consortium.at
    consortium.at = parse_entry(consortium.log.entries[-1]).at - 1
    consortium.enrol()
    consortium.at = now
    return consortium.log.size - 1


def postdate(consortium: Consortium) -> int:
    """An order lapses lawfully, at a time that has not come."""
    order = consortium.place()
    consortium.at += 30 * 86_400_000
    consortium.admit(consortium.operator, OrderLapsed(order))
    return consortium.log.size - 1


def skip_the_law(consortium: Consortium) -> int:
    """An order without consent or ground is admitted."""
    enterprise = consortium.enrol()
    body = OrderPlaced(
        enterprise.id,
        "agency-lin/basic",
        Purpose.PRE_LOAN_REVIEW,
        SECTIONS,
        consortium.seal_key.public.kid,
    )
    return consortium.force(consortium.sealed(consortium.bank_officer, body))


def admit_under_suspension(consortium: Consortium) -> int:
    """A suspended bank's order is admitted."""
    enterprise = consortium.enrol()
    consortium.admit(consortium.regulator, MemberSuspended("bank-hana", SuspensionGround.BREACH))
    body = OrderPlaced(
        enterprise.id,
        "agency-lin/basic",
        Purpose.PRE_LOAN_REVIEW,
        SECTIONS,
        consortium.seal_key.public.kid,
        ground=Ground(LawfulGround.COURT, consortium.digest()),
    )
    return consortium.force(consortium.sealed(consortium.bank_officer, body))


def forge_a_member(consortium: Consortium) -> int:
    """The bank leaves, in a signature that names its key and is somebody else's."""
    event = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana")).event
    payload = format_event(event)
    header = jws_header("Ed25519", consortium.bank.key.kid)
    signature = consortium.operator.key.signing.sign(signing_input(header, payload))
    body = assemble(payload, f"{header}..{b64u(signature)}")
    consortium.log.append(consortium.at, body)
    return consortium.log.size - 1


def borrow_a_key(consortium: Consortium) -> int:
    """The bank leaves, signed with a key that is on the log, but the operator's."""
    event = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana")).event
    key = consortium.operator.key
    return consortium.force(seal(event, key.signing, key.public))


def invent_a_key(consortium: Consortium) -> int:
    """The bank leaves, signed with a key nobody has recorded."""
    stranger = consortium.actor("bank-hana-" + str(consortium.log.size))
    event = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana")).event
    return consortium.force(seal(event, stranger.key.signing, stranger.key.public))


def borrow_another_log(consortium: Consortium) -> int:
    """An event that was signed for another log."""
    sealed = consortium.sealed(
        consortium.bank, MemberWithdrawn("bank-hana"), log="other.example/log"
    )
    return consortium.force(sealed)


def repeat_an_event(consortium: Consortium) -> int:
    """The same event a second time."""
    place = next(i for i, b in enumerate(consortium.log.bodies) if b'"EnterpriseEnrolled"' in b)
    consortium.log.append(consortium.at, consortium.log.bodies[place])
    return consortium.log.size - 1


def log_nonsense(consortium: Consortium) -> int:
    """A body that is no event, properly committed to."""
    consortium.log.append(consortium.at, b'{"event":{},"proof":""}')
    return consortium.log.size - 1


def log_no_proof(consortium: Consortium) -> int:
    """An event whose proof is no proof."""
    event = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana")).event
    consortium.log.append(consortium.at, assemble(format_event(event), "signed, the bank"))
    return consortium.log.size - 1


def log_a_strange_entry(consortium: Consortium) -> int:
    """An entry that is none of ours."""
    consortium.log.append_raw(b"hello", b"")
    return consortium.log.size - 1


def erase_another(consortium: Consortium) -> int:
    """An erasure whose index is not that of its commitment."""
    commitment = b64u(hashlib.sha256(consortium.log.bodies[5]).digest())
    body = BodyErased(6, commitment, ErasureGround.COURT_ORDER)
    return consortium.force(consortium.sealed(consortium.operator, body))


def erase_a_member(consortium: Consortium) -> int:
    """An erasure of a member's admission, which is never erased."""
    commitment = b64u(hashlib.sha256(consortium.log.bodies[1]).digest())
    body = BodyErased(1, commitment, ErasureGround.COURT_ORDER)
    return consortium.force(consortium.sealed(consortium.operator, body))


def swap_a_fingerprint(consortium: Consortium) -> int:
    """What the agency delivered stands on the log with another fingerprint than it signed."""
    while not consortium.consents:
        consortium.consent()
    placed = consortium.place()
    consortium.admit(consortium.agency_officer, OrderAccepted(placed))
    sealed = consortium.sealed(consortium.agency_officer, consortium.delivery(placed))
    body = swapped(sealed.body)
    assert body != sealed.body
    consortium.log.append(consortium.at, body)
    return consortium.log.size - 1


def swapped(body: bytes) -> bytes:
    """The body with its first fingerprint written backwards: as well formed, and another."""
    head, name, tail = body.partition(b'"fingerprint":"')
    return head + name + tail[:42][::-1] + tail[42:]


def deliver_another_report(consortium: Consortium) -> int:
    """An agency seals another report than it says; the bank opens it, and disputes.

    No lie of the hub, and no breach of the law: who compares fingerprints must find it.
    """
    while not consortium.consents:
        consortium.consent()
    placed = consortium.place()
    consortium.admit(consortium.agency_officer, OrderAccepted(placed))
    consortium.admit(consortium.agency_officer, consortium.delivery(placed))
    opened = DeliveryDisputed(placed, DisputeCode.FINGERPRINT_MISMATCH, consortium.digest())
    consortium.admit(consortium.bank_officer, opened)
    return consortium.log.size - 1


def erase_in_words_only(consortium: Consortium, index: int) -> int:
    """The log says that a body is erased, and it is not."""
    commitment = b64u(hashlib.sha256(consortium.log.bodies[index]).digest())
    said = BodyErased(index, commitment, ErasureGround.COURT_ORDER)
    consortium.admit(consortium.operator, said)
    consortium.log.publish()
    return consortium.log.size - 1


@dataclass(frozen=True)
class Lie:
    """A lie on the log, the finding it gives, and the start of its detail."""

    tell: Callable[[Consortium], int]
    code: FindingCode
    detail: str = ""


TOLD = (
    Lie(backdate, FindingCode.TIME_WENT_BACK, "1 ms"),
    Lie(skip_the_law, FindingCode.LAW_BROKEN, "BASIS_MISSING"),
    Lie(admit_under_suspension, FindingCode.LAW_BROKEN, "MEMBER_SUSPENDED"),
    Lie(forge_a_member, FindingCode.SIGNATURE_INVALID, "bank-hana"),
    Lie(borrow_a_key, FindingCode.KEY_UNKNOWN, "bank-hana"),
    Lie(invent_a_key, FindingCode.KEY_UNKNOWN, "bank-hana"),
    Lie(borrow_another_log, FindingCode.WRONG_LOG, "other.example/log"),
    Lie(repeat_an_event, FindingCode.ID_REUSED),
    Lie(swap_a_fingerprint, FindingCode.SIGNATURE_INVALID),
    Lie(log_nonsense, FindingCode.BODY_MALFORMED),
    Lie(log_no_proof, FindingCode.PROOF_MALFORMED),
    Lie(log_a_strange_entry, FindingCode.ENTRY_MALFORMED),
    Lie(erase_another, FindingCode.ERASURE_MISMATCH, "6"),
    Lie(erase_a_member, FindingCode.ERASURE_MISMATCH, "1"),
)


# Lies in what is served about an honest tree. Each is a feed; `place` is the entry lied about.


class Lying(HonestFeed):
    """A feed that lies about the entry at `place`."""

    def __init__(self, consortium: Consortium, place: int) -> None:
        super().__init__(consortium.log)
        self.place = place

    def holds(self, path: BundlePath) -> bool:
        return path.n * TILE_WIDTH <= self.place < path.n * TILE_WIDTH + path.width


class Omitting(Lying):
    """One entry is left out, and the next one moves up."""

    def read_entries(self, path: BundlePath) -> list[bytes]:
        rows = super().read_entries(path)
        if self.holds(path):
            del rows[self.place % TILE_WIDTH]
            rows.append(rows[-1])
        return rows

    def read_bodies(self, path: BundlePath) -> list[bytes]:
        rows = super().read_bodies(path)
        if self.holds(path):
            del rows[self.place % TILE_WIDTH]
            rows.append(rows[-1])
        return rows


class Reordering(Lying):
    """Two neighbours change places."""

    def _swap(self, rows: list[bytes], path: BundlePath) -> list[bytes]:
        if self.holds(path):
            at = self.place % TILE_WIDTH
            rows[at], rows[at + 1] = rows[at + 1], rows[at]
        return rows

    def read_entries(self, path: BundlePath) -> list[bytes]:
        return self._swap(super().read_entries(path), path)

    def read_bodies(self, path: BundlePath) -> list[bytes]:
        return self._swap(super().read_bodies(path), path)


class Redating(Lying):
    """One entry is served with another time."""

    def read_entries(self, path: BundlePath) -> list[bytes]:
        rows = super().read_entries(path)
        if self.holds(path):
            at = self.place % TILE_WIDTH
            entry = parse_entry(rows[at])
            rows[at] = format_entry(replace(entry, at=entry.at + 1))
        return rows


class ForgingPair(Lying):
    """Another body, its entry AND its leaf hash, forged together; parents untouched."""

    def forged(self) -> tuple[bytes, bytes]:
        body = self.log.bodies[self.place] or b"{}"
        body = body.replace(b"bank", b"tank", 1) + b" "
        at = parse_entry(self.log.entries[self.place]).at
        return format_entry(Entry(at, hashlib.sha256(body).digest())), body

    def read_entries(self, path: BundlePath) -> list[bytes]:
        rows = super().read_entries(path)
        if self.holds(path):
            rows[self.place % TILE_WIDTH] = self.forged()[0]
        return rows

    def read_bodies(self, path: BundlePath) -> list[bytes]:
        rows = super().read_bodies(path)
        if self.holds(path):
            rows[self.place % TILE_WIDTH] = self.forged()[1]
        return rows

    def read_tile(self, tile: Tile) -> bytes:
        data = super().read_tile(tile)
        if tile.level == 0 and self.holds(BundlePath(tile.n, tile.width)):
            at = self.place % TILE_WIDTH * 32
            data = data[:at] + leaf_hash(self.forged()[0]) + data[at + 32 :]
        return data


class AlteringBody(Lying):
    """One body is served with a byte changed."""

    def read_bodies(self, path: BundlePath) -> list[bytes]:
        rows = super().read_bodies(path)
        if self.holds(path):
            at = self.place % TILE_WIDTH
            rows[at] = rows[at][:-3] + b"AA" + rows[at][-1:]
        return rows


class SwappingFingerprint(Lying):
    """One body is served with another fingerprint in it."""

    def read_bodies(self, path: BundlePath) -> list[bytes]:
        rows = super().read_bodies(path)
        if self.holds(path):
            rows[self.place % TILE_WIDTH] = swapped(rows[self.place % TILE_WIDTH])
        return rows


class WithholdingBody(Lying):
    """One body is not served, and no event says why."""

    def read_bodies(self, path: BundlePath) -> list[bytes]:
        rows = super().read_bodies(path)
        if self.holds(path):
            rows[self.place % TILE_WIDTH] = b""
        return rows


SERVED = (
    (Omitting, FindingCode.ENTRY_MISMATCH),
    (Reordering, FindingCode.ENTRY_MISMATCH),
    (Redating, FindingCode.ENTRY_MISMATCH),
    (ForgingPair, FindingCode.TILE_MISMATCH),
    (AlteringBody, FindingCode.BODY_ALTERED),
    (WithholdingBody, FindingCode.BODY_WITHHELD),
)


def another_history(consortium: Consortium, kept: int) -> Consortium:
    """A consortium with the same keys whose log leaves the first one's after `kept` entries."""
    other = Consortium(consortium.seed)
    other.log = type(other.log)(consortium.log.signer)
    for entry, body in zip(
        consortium.log.entries[:kept], consortium.log.bodies[:kept], strict=True
    ):
        other.log.append_raw(entry, body)
    while other.log.size < consortium.log.size + 40:
        # What is on it does not matter: no entry of a fork is ever read.
        other.log.append(consortium.at, seed_bytes("fork", other.log.size))
    return other
