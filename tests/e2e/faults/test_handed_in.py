"""What a real hub gives its members is borne out by a real observer."""

from __future__ import annotations

import base64
from typing import Any

from creditchain.client.keys import generate_key
from creditchain.client.signer import Signer, now_ms
from creditchain.events.codes import Purpose, RevocationReason
from creditchain.events.consent import ConsentRequested, ConsentWithdrawn
from creditchain.events.membership import MemberKeyAdded, MemberKeyRevoked, MemberWithdrawn
from creditchain.events.order import OrderAccepted, OrderCancelled, OrderLapsed
from creditchain.rulebook import Refusal
from creditchain.seal import seal
from fixtures.demo.stage import ORIGIN
from tests.e2e.faults.small_stage import (
    BANK,
    ENTERPRISE,
    ORDERING,
    WORKER,
    SmallStage,
    consent,
    eventually,
    order,
    say,
    terms,
)


def hand_in(stage: SmallStage, *files: bytes) -> list[dict[str, Any]]:
    """The observer's answers."""
    documents = [base64.b64encode(raw).decode() for raw in files]
    answer = stage.http.post(f"{stage.observer_url}/submit", json={"documents": documents})
    assert answer.status_code == 200, answer.text
    answers: list[dict[str, Any]] = answer.json()["answers"]
    return answers


def refusals(stage: SmallStage, actor: str, *bodies: bytes) -> list[tuple[str, bytes]]:
    """Code and signed note of the refusal of each body, in one batch."""
    answers = stage.submit_text(actor, *(body.decode() for body in bodies))
    assert all(answer["refusal"] for answer in answers), answers
    return [(a["refusal"]["code"], a["refusal"]["note"].encode()) for a in answers]


async def test_every_refusal_that_a_hub_signs_is_borne_out_by_the_observer(stage: SmallStage):
    before = stage.observed()["findings"]["byCode"]
    async with stage.cast() as cast:
        given = await consent(cast)
        withdrawn = await consent(cast)
        await say(cast, ENTERPRISE.id, ConsentWithdrawn(withdrawn))
        taken = await say(cast, ORDERING, order(given))
        cancelled = await say(cast, ORDERING, order(given))
        await say(cast, ORDERING, OrderCancelled(cancelled))
        key = generate_key()
        await say(cast, BANK, MemberKeyAdded(BANK, key.public))
        by_ended_key = Signer(BANK, key, ORIGIN).seal(MemberWithdrawn(BANK))
        await say(cast, BANK, MemberKeyRevoked(BANK, key.kid, RevocationReason.SUPERSEDED))
    officer, worker, bank = (stage.signer(actor) for actor in (ORDERING, WORKER, BANK))
    asked = ConsentRequested(ENTERPRISE.id, terms())
    said = {
        ORDERING: [
            officer.seal(order(withdrawn)).body,
            officer.seal(order(given, purpose=Purpose.OTHER)).body,
            officer.seal(order(taken)).body,
            officer.seal(OrderCancelled(cancelled)).body,
            officer.seal(order(given, product="agency-none/none")).body,
            officer.seal(asked, signed_at=now_ms() - 10 * 60_000).body,
            officer.seal(asked, id=taken).body,
            seal(officer.event(asked), generate_key().signing, officer.public).body,
            officer.seal(asked).body[:-1],
        ],
        WORKER: [
            worker.seal(OrderAccepted(cancelled)).body,
            worker.seal(OrderLapsed(taken)).body,
        ],
        BANK: [by_ended_key.body, Signer(BANK, generate_key(), ORIGIN).seal(
            MemberWithdrawn(BANK)).body, bank.seal(OrderCancelled(taken)).body],
    }  # fmt: skip
    held: list[tuple[str, bytes, bytes]] = []
    for actor, bodies in said.items():
        held += [
            (code, note, body)
            for body, (code, note) in zip(bodies, refusals(stage, actor, *bodies), strict=True)
        ]
    codes = {code for code, _, _ in held}
    assert len(codes) >= 11, codes
    eventually(lambda: stage.observed()["size"] >= stage.size())
    # One is asked again after its records have changed: the log is replayed for it.
    async with stage.cast() as cast:
        await say(cast, ENTERPRISE.id, ConsentWithdrawn(given))
    eventually(lambda: stage.observed()["size"] >= stage.size())
    for code, note, body in held:
        [answer] = hand_in(stage, note, body)
        assert answer["outcome"] in {"AGREES", "UNRESOLVED"}, (code, answer)
        if answer["outcome"] == "UNRESOLVED":
            assert "replayed" in answer["says"]
    assert {code for code, _, _ in held} >= {Refusal.CONSENT_WITHDRAWN, Refusal.KEY_REVOKED}
    # A note that says another code than was signed is nobody's word.
    code, note, body = held[0]
    [answer] = hand_in(stage, note.replace(code.encode(), b"NOT_YOURS"), body)
    assert answer["outcome"] == "NOTHING"
    assert stage.observed()["findings"]["byCode"] == before


async def test_receipts_and_checkpoints_of_a_hub_agree(stage: SmallStage):
    checkpoint = stage.http.get(f"{stage.url}/log/checkpoint").content
    async with stage.cast() as cast:
        client = await cast.of(ORDERING)
        sealed = client.signer.seal(ConsentRequested(ENTERPRISE.id, terms()))
        receipt = await client.submit(sealed)
    eventually(lambda: stage.observed()["size"] >= stage.size())
    answers = hand_in(stage, checkpoint, receipt.proof.encode())
    assert [answer["outcome"] for answer in answers] == ["AGREES", "AGREES"]
