"""Bodies, keys, signatures and ids that must not stand, through the door of a real hub."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from creditchain.client.client import RefusedByHub, seal_input
from creditchain.client.evidence import check_refusal
from creditchain.client.fresh import fresh_event_id
from creditchain.client.keys import ED25519, HPKE_X25519, generate_key
from creditchain.client.signer import Signer, now_ms
from creditchain.documents import load_operation
from creditchain.events import Event, PublicKey, b64u, format_event, format_fields
from creditchain.events.codes import RevocationReason
from creditchain.events.consent import ConsentRequested
from creditchain.events.membership import MemberKeyAdded, MemberKeyRevoked, MemberWithdrawn
from creditchain.events.order import OrderAccepted, OrderCancelled
from creditchain.rulebook.refusal import Refusal
from creditchain.seal import BODY_BYTES_MAX, Sealed, assemble, seal
from fixtures.demo.stage import ORIGIN
from tests.e2e.faults.small_stage import (
    BANK,
    CONSORTIUM,
    ENTERPRISE,
    ORDERING,
    OTHER_BANK,
    REGULATOR,
    SmallStage,
    order,
    refused,
    say,
    terms,
)

MINUTE_MS = 60_000
SKEW_MS = 5 * MINUTE_MS


def request(stage: SmallStage) -> Sealed:
    """A request for consent that the hub would admit."""
    return stage.signer(ORDERING).seal(ConsentRequested(ENTERPRISE.id, terms()))


SPOILT: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "no JSON": lambda _: "an order, please",
    "no object": lambda _: "[]",
    "cut short": lambda text: text[:-1],
    "two bodies": lambda text: text + text,
    "spaces": lambda text: text.replace('":{', '": {', 1),
    "over 64 KiB": lambda text: text.replace('"salt":"', '"salt":"' + "A" * BODY_BYTES_MAX),
    "64 KiB of spaces": lambda text: text + " " * BODY_BYTES_MAX,
    "a key twice": lambda text: text.replace('"usesMax":1000', '"usesMax":1000,"usesMax":1000'),
    "a key twice, at the top": lambda text: text[:-1] + ',"proof":""}',
    "a float": lambda text: text.replace('"usesMax":1000', '"usesMax":1000.0'),
    "a float with an exponent": lambda text: text.replace('"usesMax":1000', '"usesMax":1e3'),
    "a number beyond 2^53": lambda text: text.replace('"usesMax":1000', f'"usesMax":{2**53}'),
    "a null": lambda text: text.replace('"usesMax":1000', '"usesMax":null'),
    "no number": lambda text: text.replace('"usesMax":1000', '"usesMax":NaN'),
    "an escaped lone surrogate": lambda text: text.replace(f'"{BANK}"', r'"bank-\ud800"'),
    "a lone surrogate": lambda text: text.replace(f'"{BANK}"', '"bank-\udc00"'),
    "an unknown field": lambda text: text.replace('"usesMax":1000', '"usesMax":1000,"usesNow":1'),
    "an unknown field of the body": lambda text: text.replace('{"event"', '{"also":1,"event"'),
    "an unknown type": lambda text: text.replace("ConsentRequested", "ConsentRepeated"),
    "nested deep": lambda text: text.replace('"usesMax":1000', '"usesMax":' + "[" * 9000),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_malformed_body_is_refused_in_writing(stage: SmallStage, kind: str):
    said = request(stage).body.decode()
    spoilt = SPOILT[kind](said)
    assert spoilt != said
    size = stage.size()
    [answer] = stage.submit_text(ORDERING, spoilt)
    assert answer["receipt"] is None
    assert answer["refusal"]["code"] == Refusal.EVENT_MALFORMED
    commitment = hashlib.sha256(spoilt.encode("utf-8", "surrogatepass")).digest()
    signed = check_refusal(answer["refusal"]["note"], stage.trust, commitment)
    assert signed.code is Refusal.EVENT_MALFORMED
    assert stage.size() == size


async def test_a_lone_surrogate_in_a_name_is_turned_away(stage: SmallStage):
    newcomer = CONSORTIUM.members["bank-banyan"].admitted()
    async with stage.cast() as cast:
        regulator = await cast.of(REGULATOR)
        said = regulator.signer.seal(newcomer)
        answer = stage.query(
            REGULATOR,
            load_operation("AdmitMember"),
            member={**format_fields(newcomer), "name": "Bank \ud800"},
            seal=seal_input(said),
            waitFor="CHECKPOINTED",
        )
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "member.name" in error["message"]


def test_a_malformed_body_spoils_none_of_its_neighbours(stage: SmallStage):
    first, second = request(stage), request(stage)
    size = stage.size()
    answers = stage.submit_text(ORDERING, first.body.decode(), "{}", second.body.decode())
    assert [answer["receipt"] is not None for answer in answers] == [True, False, True]
    assert [answer["id"] for answer in answers] == [first.event.id, None, second.event.id]
    assert stage.size() == size + 2


# Keys.


async def test_a_key_that_is_not_the_signers_is_refused(stage: SmallStage):
    body = MemberKeyAdded(BANK, generate_key().public)
    async with stage.cast() as cast:
        for strange in (generate_key(), CONSORTIUM.members[OTHER_BANK].key):
            said = Signer(BANK, strange, ORIGIN).seal(body)
            assert await refused(cast, BANK, said) == (Refusal.KEY_UNKNOWN, "proof")


async def test_a_signature_by_another_key_under_the_right_name_is_refused(stage: SmallStage):
    signer = stage.signer(BANK)
    event = signer.event(MemberKeyAdded(BANK, generate_key().public))
    async with stage.cast() as cast:
        said = seal(event, generate_key().signing, signer.public)
        assert await refused(cast, BANK, said) == (Refusal.SIGNATURE_INVALID, "proof")


async def test_a_revoked_key_is_refused(stage: SmallStage):
    key = generate_key()
    async with stage.cast() as cast:
        await say(cast, BANK, MemberKeyAdded(BANK, key.public))
        signed_before = Signer(BANK, key, ORIGIN).seal(MemberWithdrawn(BANK))
        await say(cast, BANK, MemberKeyRevoked(BANK, key.kid, RevocationReason.COMPROMISED))
        assert await refused(cast, BANK, signed_before) == (Refusal.KEY_REVOKED, "by")
    answer = stage.sign_in(Signer(BANK, key, ORIGIN).assertion())
    assert answer.status_code == 401
    assert "revoked" in answer.json()["error_description"]


async def test_an_expired_key_is_refused(stage: SmallStage):
    key = generate_key()
    expires_at = now_ms() + 1_500
    async with stage.cast() as cast:
        await say(cast, BANK, MemberKeyAdded(BANK, key.public, expires_at))
        await asyncio.sleep(max(0, expires_at - now_ms()) / 1000 + 0.1)
        said = Signer(BANK, key, ORIGIN).seal(MemberKeyAdded(BANK, generate_key().public))
        assert await refused(cast, BANK, said) == (Refusal.KEY_EXPIRED, "by")
    answer = stage.sign_in(Signer(BANK, key, ORIGIN).assertion())
    assert answer.status_code == 401
    assert "expired" in answer.json()["error_description"]


SMALL_ORDER = {
    "Ed25519, order 1": (ED25519, (1).to_bytes(32, "little")),
    "Ed25519, order 2": (ED25519, (2**255 - 20).to_bytes(32, "little")),
    "Ed25519, order 4": (ED25519, bytes(32)),
    "Ed25519, not reduced": (ED25519, (2**255 - 18).to_bytes(32, "little")),
    "X25519, order 4": (HPKE_X25519, bytes(32)),
    "X25519, order 1": (HPKE_X25519, (1).to_bytes(32, "little")),
    "X25519, not reduced": (HPKE_X25519, (2**255 - 18).to_bytes(32, "little")),
}


@pytest.mark.parametrize("kind", SMALL_ORDER)
async def test_a_key_of_low_order_is_not_registered(stage: SmallStage, kind: str):
    alg, raw = SMALL_ORDER[kind]
    body = MemberKeyAdded(BANK, PublicKey(alg, b64u(raw)))
    async with stage.cast() as cast:
        assert await refused(cast, BANK, body) == (Refusal.EVENT_MALFORMED, "body.key")


# Signatures over something else.


async def test_a_signature_over_other_bytes_is_refused(stage: SmallStage):
    said = request(stage)
    body = said.event.body
    assert isinstance(body, ConsentRequested)
    changed = replace(body, terms=replace(body.terms, uses_max=1_001))
    async with stage.cast() as cast:
        for event in (
            replace(said.event, body=changed),
            replace(said.event, id=fresh_event_id()),
            replace(said.event, signed_at=said.event.signed_at + 1),
        ):
            moved = replace(said, event=event, commitment=_commitment(said, event))
            assert await refused(cast, ORDERING, moved) == (Refusal.SIGNATURE_INVALID, "proof")


async def test_a_signature_over_another_type_is_refused(stage: SmallStage):
    said = stage.signer(ORDERING).seal(OrderAccepted(fresh_event_id()))
    body = said.event.body
    assert isinstance(body, OrderAccepted)
    event = replace(said.event, body=OrderCancelled(body.order))
    moved = replace(said, event=event, commitment=_commitment(said, event))
    async with stage.cast() as cast:
        assert await refused(cast, ORDERING, moved) == (Refusal.SIGNATURE_INVALID, "proof")


async def test_a_signature_for_another_log_is_refused(stage: SmallStage):
    officer = CONSORTIUM.officers[ORDERING]
    elsewhere = Signer(officer.id, officer.key, "other.example/log")
    said = elsewhere.seal(ConsentRequested(ENTERPRISE.id, terms()))
    [answer] = stage.submit_text(ORDERING, said.body.decode())
    assert answer["refusal"]["code"] == Refusal.WRONG_LOG
    # A typed mutation leaves the log out: the hub puts in its own, and the signature does not fit.
    event = replace(said.event, log=ORIGIN)
    moved = replace(said, event=event, commitment=_commitment(said, event))
    async with stage.cast() as cast:
        assert await refused(cast, ORDERING, moved) == (Refusal.SIGNATURE_INVALID, "proof")


def _commitment(said: Sealed, event: Event) -> bytes:
    """The commitment of another event under the proof of this one."""
    proof = said.body.rpartition(b'"proof":"')[2].removesuffix(b'"}').decode()
    return hashlib.sha256(assemble(format_event(event), proof)).digest()


# Ids and times.


async def test_the_same_bytes_get_the_same_receipt_and_other_bytes_a_refusal(stage: SmallStage):
    said = request(stage)
    async with stage.cast() as cast:
        client = await cast.of(ORDERING)
        first = await client.submit(said)
        size = (await client.ask("Log"))["size"]
        again = await client.submit(said)
        [once_more] = await client.submit_many([said])
        assert not isinstance(once_more, RefusedByHub)
        for receipt in (again, once_more):
            assert (receipt.index, receipt.at) == (first.index, first.at)
        other = client.signer.seal(said.event.body, id=said.event.id)
        assert await refused(cast, ORDERING, other) == (Refusal.ID_REUSED, "id")
        assert (await client.ask("Log"))["size"] == size


@pytest.mark.parametrize("way", [-1, 1], ids=["behind", "ahead"])
async def test_a_clock_that_differs_too_much_is_refused(stage: SmallStage, way: int):
    body = ConsentRequested(ENTERPRISE.id, terms())
    async with stage.cast() as cast:
        signer = (await cast.of(ORDERING)).signer
        wrong = signer.seal(body, signed_at=now_ms() + way * (SKEW_MS + MINUTE_MS))
        assert await refused(cast, ORDERING, wrong) == (Refusal.CLOCK_SKEW, "signedAt")
        near = signer.seal(body, signed_at=now_ms() + way * (SKEW_MS - MINUTE_MS))
        await (await cast.of(ORDERING)).submit(near)


# Who hands it in.


async def test_an_event_of_another_member_is_not_taken_from_this_caller(stage: SmallStage):
    said = stage.signer(f"{OTHER_BANK}/order-1").seal(order(fresh_event_id()))
    size = stage.size()
    answer = stage.query(
        ORDERING,
        "mutation($events: [String!]!) { submit(events: $events) { id } }",
        events=[said.body.decode()],
    )
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert stage.size() == size
