"""A small log about one order, its evidence, and all the ways to forge it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from creditchain.client.bundle import (
    MANIFEST,
    POLICY,
    SIGNATURE,
    BundledEvent,
    body_name,
    complete,
    open_members,
    proof_name,
)
from creditchain.client.bundle_check import make_bundle
from creditchain.client.stored_zip import read_zip, write_zip
from creditchain.events import b64u, parse_json
from creditchain.events.codes import (
    CreditDecision,
    ErasureGround,
    MemberKind,
    RevocationReason,
    Role,
)
from creditchain.events.enterprise import AuthoriserKeyAdded
from creditchain.events.erasure import BodyErased, DirectoryErased
from creditchain.events.membership import MemberAdmitted, MemberKeyRevoked
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from creditchain.events.order import CreditDecided
from creditchain.seal import Sealed, parse_entry
from creditchain.tlog.checkpoint import Checkpoint, sign_checkpoint
from creditchain.tlog.cosignature import CosignatureSigner, format_cosigner_vkey
from creditchain.tlog.note import Signer, format_vkey
from creditchain.tlog.proof import prove_inclusion
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof
from tests.lying_hub.honest import Actor, Consortium, seed_bytes

OBSERVER = {
    name: CosignatureSigner(f"observer.example/{name}", seed_bytes("evidence", name))
    for name in ("witness", "mirror", "audit")
}
STRANGER = CosignatureSigner("observer.example/mirror", seed_bytes("stranger"))


@dataclass
class Town:
    """A consortium with one order that ended well; `forge` says things the law would refuse."""

    consortium: Consortium = field(default_factory=lambda: Consortium(7))
    order: str = ""

    def __post_init__(self) -> None:
        town = self.consortium
        while not self.order:
            town.enrol()
            town.consent()
            if town.consents:
                town.order()
            for body in town.log.bodies:
                event = parse_json(body, len(body))["event"] if body else {}
                if event.get("type") == "CreditDecided":
                    self.order = event["body"]["order"]

    def index_of(self, type_: str) -> int:
        """The first entry of a type."""
        mark = f'"type":"{type_}"}}'.encode()
        return next(n for n, body in enumerate(self.consortium.log.bodies) if mark in body)

    def policy(self, quorum: str = "mirror") -> str:
        """A policy with all three keys of the observer."""
        lines = [f"log {format_vkey(self.consortium.log.signer.verifier)}"]
        lines += [
            f"witness {name} {format_cosigner_vkey(signer.verifier)}"
            for name, signer in OBSERVER.items()
        ]
        return "\n".join([*lines, f"quorum {quorum}", ""])

    def note(
        self,
        cosigners: Sequence[CosignatureSigner] = tuple(OBSERVER.values()),
        time_s: int | None = None,
        root: bytes | None = None,
        signer: Signer | None = None,
    ) -> str:
        """The checkpoint of the log as it is, cosigned."""
        log = self.consortium.log
        point = Checkpoint(log.signer.name, log.size, root or log.edge.root())
        note = sign_checkpoint(point, signer or log.signer)
        text = note.partition("\n\n")[0] + "\n"
        at = self.consortium.at // 1000 + 1 if time_s is None else time_s
        return note + "".join(c.cosign(text, at).line for c in cosigners)

    def proof(self, index: int, note: str | None = None) -> str:
        """The receipt of an entry."""
        log = self.consortium.log
        hashes = prove_inclusion(index, log.size, log.reader())
        return format_tlog_proof(TlogProof(index, hashes, note or self.note()))

    def events(self, note: str | None = None, unshown: Sequence[int] = ()) -> list[BundledEvent]:
        """The whole log for a bundle."""
        log = self.consortium.log
        return [
            BundledEvent(n, parse_entry(entry).at, body or None, self.proof(n, note), n in unshown)
            for n, (entry, body) in enumerate(zip(log.entries, log.bodies, strict=True))
        ]

    def bundle(
        self, events: Sequence[BundledEvent] | None = None, policy: str | None = None
    ) -> bytes:
        """The bundle of the regulator, whatever verifying says."""
        regulator = self.consortium.regulator
        rows = self.events() if events is None else events
        made, _ = make_bundle(
            self.order, regulator.id, regulator.key, policy or self.policy(), rows
        )
        return made

    def forge(self, actor: Actor, body: object, **changes: object) -> Sealed:
        """An event on the log that no honest hub would have admitted."""
        sealed = self.consortium.sealed(actor, body, **changes)  # type: ignore[arg-type]
        self.consortium.force(sealed)
        return sealed

    def remake(
        self, change: Callable[[dict[str, bytes]], None], edit: Mapping[str, object] | None = None
    ) -> bytes:
        """The good bundle with its members changed, manifest and signature made anew over them."""
        members = read_zip(self.bundle())
        manifest = open_members(members)
        for name in (MANIFEST, SIGNATURE):
            del members[name]
        change(members)
        changed = replace(manifest, **(edit or {}))  # type: ignore[arg-type]
        return write_zip(complete(changed, members, self.consortium.regulator.key))


def _decided(town: Town) -> CreditDecided:
    value = parse_json(town.consortium.log.bodies[town.index_of("CreditDecided")], 65_535)
    return CreditDecided(value["event"]["body"]["order"], CreditDecision.DECLINED)


def swap_proofs(town: Town) -> bytes:
    def change(members: dict[str, bytes]) -> None:
        a, b = proof_name(3), proof_name(4)
        members[a], members[b] = members[b], members[a]

    return town.remake(change)


def swap_bodies(town: Town) -> bytes:
    def change(members: dict[str, bytes]) -> None:
        a, b = body_name(3), body_name(4)
        members[a], members[b] = members[b], members[a]

    return town.remake(change)


def forge_entry_and_path(town: Town) -> bytes:
    """Body and path belong together; the signed root is another."""
    index = town.index_of("OrderPlaced")
    body = town.consortium.log.bodies[index].replace(b"PRE_LOAN_REVIEW", b"GUARANTEE_REVIEW")
    forged = Town(Consortium(7))
    log = type(forged.consortium.log)(forged.consortium.log.signer)
    for n, (entry, old) in enumerate(
        zip(forged.consortium.log.entries, forged.consortium.log.bodies, strict=True)
    ):
        log.append(parse_entry(entry).at, body if n == index else old)
    forged.consortium.log = log
    note = town.note()

    def change(members: dict[str, bytes]) -> None:
        members[body_name(index)] = body
        members[proof_name(index)] = forged.proof(index, note).encode()

    return town.remake(change)


def other_log_key(town: Town) -> bytes:
    impostor = Signer(town.consortium.log.signer.name, seed_bytes("impostor"))
    return town.bundle(town.events(town.note(signer=impostor)))


def no_cosigner(town: Town) -> bytes:
    return town.bundle(town.events(town.note(())))


def wrong_cosigner(town: Town) -> bytes:
    return town.bundle(town.events(town.note((OBSERVER["witness"], STRANGER))))


def bad_cosignature(town: Town) -> bytes:
    good, other = town.note(), town.note(root=bytes(32))
    line = good.splitlines()[-2]
    return town.bundle(town.events(good.replace(line, other.splitlines()[-2])))


def cosigned_too_early(town: Town) -> bytes:
    return town.bundle(town.events(town.note(time_s=town.consortium.at // 1000 - 3_600)))


def fork(town: Town) -> bytes:
    """Two honest-looking trees of one size, each signed and cosigned, in one bundle."""
    other = Town(Consortium(7))
    for one, byte in ((town, b"a"), (other, b"b")):
        one.forge(one.consortium.operator, DirectoryErased(f"en_{b64u(byte * 16)}", _GROUND))
    return town.bundle([*town.events()[:-1], *other.events()[-1:]])


_REASON = RevocationReason.SUPERSEDED
_GROUND = ErasureGround.COURT_ORDER


def officer_appointed_by_an_officer(town: Town) -> bytes:
    new = town.consortium.actor("of_" + b64u(bytes(16)))
    appointed = OfficerAppointed(new.id, (Role.ORDER,), new.key.public, b64u(bytes(32)))
    town.forge(town.consortium.bank_officer, appointed)
    return town.bundle()


def unendorsed_officer(town: Town) -> bytes:
    town.forge(town.consortium.actor("of_" + b64u(bytes(16))), _decided(town))
    return town.bundle()


def member_admitted_by_a_bank(town: Town) -> bytes:
    new = town.consortium.actor("bank-new")
    admitted = MemberAdmitted(new.id, MemberKind.BANK, "New", "440000", new.key.public)
    town.forge(town.consortium.bank, admitted)
    return town.bundle()


def second_regulator(town: Town) -> bytes:
    new = town.consortium.actor("regulator-two")
    admitted = MemberAdmitted(new.id, MemberKind.REGULATOR, "Two", "440000", new.key.public)
    town.forge(town.consortium.regulator, admitted)
    return town.bundle()


def key_added_by_a_stranger(town: Town) -> bytes:
    firm, key = town.consortium.enterprises[0], town.consortium.actor("spare").key
    added = AuthoriserKeyAdded(firm.id, key.public, b64u(bytes(32)))
    town.forge(town.consortium.agency, added)
    return town.bundle()


def revoked_key(town: Town) -> bytes:
    bank, new = town.consortium.bank, town.consortium.actor("of_" + b64u(bytes(16)))
    town.forge(town.consortium.regulator, MemberKeyRevoked(bank.id, bank.key.public.kid, _REASON))
    appointed = OfficerAppointed(new.id, (Role.ORDER,), new.key.public, b64u(bytes(32)))
    town.forge(bank, appointed)
    return town.bundle()


def dismissed_officer(town: Town) -> bytes:
    officer = town.consortium.bank_officer
    town.forge(town.consortium.bank, OfficerDismissed(officer.id))
    town.forge(officer, _decided(town))
    return town.bundle()


def expired_key(town: Town) -> bytes:
    new, at = town.consortium.actor("of_" + b64u(bytes(16))), town.consortium.at
    town.forge(
        town.consortium.bank,
        OfficerAppointed(new.id, (Role.ORDER,), new.key.public, b64u(bytes(32)), at + 1_000),
    )
    town.consortium.at += 1_000
    town.forge(new, _decided(town))
    return town.bundle()


def wrong_role(town: Town) -> bytes:
    town.forge(town.consortium.agency_officer, _decided(town))
    return town.bundle()


def key_twice(town: Town) -> bytes:
    """A revoked key is introduced again."""
    firm = town.consortium.enterprises[0]
    added = AuthoriserKeyAdded(firm.id, firm.key.public, b64u(bytes(32)))
    town.forge(firm, added)
    return town.bundle()


def body_gone(town: Town) -> bytes:
    index = town.index_of("CreditDecided")
    rows = [replace(e, body=None) if e.index == index else e for e in town.events()]
    return town.bundle(rows)


def erased_by_a_party(town: Town) -> bytes:
    index = town.index_of("CreditDecided")
    commitment = b64u(parse_entry(town.consortium.log.entries[index]).commitment)
    town.forge(town.consortium.bank, BodyErased(index, commitment, _GROUND))
    town.consortium.log.bodies[index] = b""
    return town.bundle()


def erasure_of_another(town: Town) -> bytes:
    index = town.index_of("CreditDecided")
    commitment = b64u(bytes(32))
    town.forge(town.consortium.operator, BodyErased(index, commitment, _GROUND))
    town.consortium.log.bodies[index] = b""
    return town.bundle()


def time_goes_back(town: Town) -> bytes:
    sealed = town.consortium.sealed(town.consortium.bank_officer, _decided(town))
    town.consortium.force(sealed, town.consortium.at - 60_000)
    return town.bundle()


def signed_at_another_time(town: Town) -> bytes:
    later = town.consortium.at + 600_000
    town.forge(town.consortium.bank_officer, _decided(town), signed_at=later)
    return town.bundle()


def said_on_another_log(town: Town) -> bytes:
    town.forge(town.consortium.bank_officer, _decided(town), log="other.example/log")
    return town.bundle()


def of_another_order(town: Town) -> bytes:
    return town.remake(lambda _: None, {"order": f"{town.order[:-12]}000000000000"})


def maker_unknown(town: Town) -> bytes:
    return town.remake(lambda _: None, {"maker": "bank-lotus"})


def maker_is_another(town: Town) -> bytes:
    return town.remake(lambda _: None, {"maker": "bank-hana"})


def maker_signs_wrongly(town: Town) -> bytes:
    members = read_zip(town.bundle())
    jws = bytearray(members[SIGNATURE])
    jws[-10] = ord("A") if jws[-10] != ord("A") else ord("B")
    return write_zip({**members, SIGNATURE: bytes(jws)})


def policy_of_another_log(town: Town) -> bytes:
    stranger = Signer("other.example/log", seed_bytes("impostor"))
    lines = town.policy().splitlines()[1:]
    policy = "\n".join([f"log {format_vkey(stranger.verifier)}", *lines, ""])
    return town.remake(lambda members: members.update({POLICY: policy.encode()}))


def listed_and_meaningless(town: Town) -> bytes:
    return town.remake(lambda members: members.update({"events/99.body": b"forged"}))


def unlisted_member(town: Town) -> bytes:
    return write_zip({**read_zip(town.bundle()), "events/99.body": b"forged"})


def member_missing(town: Town) -> bytes:
    members = read_zip(town.bundle())
    del members["cover.html"]
    return write_zip(members)


def no_founding(town: Town) -> bytes:
    members = read_zip(town.bundle())
    del members[body_name(0)]
    return write_zip(members)


FORGERIES: dict[str, Callable[[Town], bytes]] = {
    made.__name__: made
    for made in (
        *(swap_proofs, swap_bodies, forge_entry_and_path, other_log_key, no_cosigner),
        *(wrong_cosigner, bad_cosignature, cosigned_too_early, fork, unendorsed_officer),
        *(officer_appointed_by_an_officer, member_admitted_by_a_bank, second_regulator),
        *(key_added_by_a_stranger, revoked_key, dismissed_officer, expired_key, wrong_role),
        *(key_twice, body_gone, erased_by_a_party, erasure_of_another, time_goes_back),
        *(signed_at_another_time, said_on_another_log, of_another_order, maker_unknown),
        *(maker_is_another, maker_signs_wrongly, policy_of_another_log, listed_and_meaningless),
        *(unlisted_member, member_missing, no_founding),
    )
}
"""Each lets everything else be as it should: what refuses it is the check it is named for."""
