"""The main job through the doors: what is said, what is answered, what is refused."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from creditchain.api.limits import Limits
from creditchain.client.fresh import fresh_salt
from creditchain.documents import load_operation
from creditchain.events import b64u, format_time
from creditchain.events.codes import (
    CreditDecision,
    DisputeCode,
    ErasureGround,
    LawfulGround,
    ObjectionOutcome,
    Outcome,
    Section,
    SuspensionGround,
)
from creditchain.events.erasure import BodyErased, DirectoryErased, ReportErased
from creditchain.events.membership import MemberSuspended
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.order import (
    CreditDecided,
    DeliveryAcknowledged,
    DeliveryDisputed,
    Ground,
    OrderAccepted,
    OrderApproved,
    ReportDelivered,
)
from creditchain.events.product import Money
from creditchain.founding import ObserverKey
from creditchain.seal import Entry, format_entry, seal
from creditchain.tlog.cosignature import CosignatureSigner, format_cosigner_vkey
from creditchain.tlog.note import open_note, parse_vkey
from creditchain.tlog.tlogproof import check_tlog_proof
from tests.unit.api.town import (
    DAY_MS,
    Town,
    digest,
    identity,
    mutation_of,
    new_id,
    officer_id,
    opaque,
    proof_of,
)


async def test_an_order_is_placed_and_its_receipt_checked_offline(town: Town):
    sealed = town.order(await town.consent())
    payload = await town.done(sealed)
    assert payload["order"]["id"] == sealed.event.id
    assert payload["order"]["status"] == "PLACED"
    receipt = payload["receipt"]
    assert receipt["level"] == "CHECKPOINTED"
    index, _, _, at = town.ledger.find(sealed.event.id)
    assert (receipt["index"], receipt["at"]) == (index, format_time(at))
    entry = format_entry(Entry(at, sealed.commitment))
    proven = check_tlog_proof(receipt["proof"], entry, town.policy)
    assert proven.index == index


async def test_saying_it_again_gives_the_same_receipt(town: Town):
    sealed = town.order(await town.consent())
    first, second = await town.done(sealed), await town.done(sealed)
    assert first["receipt"]["index"] == second["receipt"]["index"]
    assert town.ledger.head().size == first["receipt"]["index"] + 1


async def test_the_same_id_with_other_bytes_is_refused(town: Town):
    consent = await town.consent()
    sealed = town.order(consent)
    await town.done(sealed)
    signer = town.signer(sealed.event.by)
    other = signer.seal(sealed.event.body, id=sealed.event.id)
    refusal = (await town.say(other))["refusal"]
    assert refusal["code"] == "ID_REUSED"


async def test_a_refusal_is_signed_and_told_in_two_languages(town: Town):
    sealed = town.order(new_id())
    english = (await town.say(sealed))["refusal"]
    assert (english["code"], english["path"]) == ("CONSENT_UNKNOWN", "body.consent")
    chinese = (await town.say(sealed, language="zh-CN,zh;q=0.9,en;q=0.8"))["refusal"]
    assert chinese["message"] != english["message"]
    assert any("\u4e00" <= c <= "\u9fff" for c in chinese["message"])
    key = parse_vkey(town.ledger.book.get(*consortium()).refusal_key)
    note = open_note(english["note"], [key])
    assert b64u(sealed.commitment) in note.text
    assert "CONSENT_UNKNOWN" in note.text


def consortium() -> Any:
    from creditchain.rulebook.record import CONSORTIUM_ID, Consortium

    return Consortium, CONSORTIUM_ID


async def test_a_changed_field_breaks_the_seal(town: Town):
    sealed = town.order(await town.consent())
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    variables["order"]["sections"] = ["IDENTITY"]
    data = await town.ask(sealed.event.by, name, **variables)
    refusal = data["placeOrder"]["refusal"]
    assert refusal["code"] == "SIGNATURE_INVALID"
    assert data["placeOrder"]["receipt"] is None


async def test_a_seal_by_a_strange_key_is_refused(town: Town):
    sealed = town.order(await town.consent())
    strange = town.key("somebody else")
    forged = seal(sealed.event, strange.signing, strange.public)
    assert (await town.say(forged))["refusal"]["code"] == "KEY_UNKNOWN"


async def test_a_seal_for_another_log_is_refused(town: Town):
    sealed = town.order(await town.consent())
    key = town.key(sealed.event.by)
    foreign = seal(replace(sealed.event, log="other.example/log"), key.signing, key.public)
    # The API says which log it is; the signature over another name does not hold here.
    assert (await town.say(foreign))["refusal"]["code"] == "SIGNATURE_INVALID"
    [answer] = (await town.ask("bank-hana", "Submit", events=[foreign.body.decode()]))["submit"]
    assert answer["refusal"]["code"] == "WRONG_LOG"


async def test_a_clock_that_is_wrong_is_refused_both_ways(town: Town):
    body = town.order(await town.consent()).event.body
    signer = town.signer(officer_id("bank-hana"))
    for off_ms in (-360_000, 360_000):
        sealed = signer.seal(body, signed_at=town.clock() + off_ms)
        assert (await town.say(sealed))["refusal"]["code"] == "CLOCK_SKEW"


async def test_an_unsorted_list_is_a_malformed_event(town: Town):
    sealed = town.order(await town.consent())
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    variables["order"]["sections"] = ["LOANS", "IDENTITY"]
    refusal = (await town.ask(sealed.event.by, name, **variables))["placeOrder"]["refusal"]
    assert (refusal["code"], refusal["path"]) == ("EVENT_MALFORMED", "body.sections")
    assert refusal["note"].startswith("creditchain/refusal/v1\n")


async def test_an_input_of_a_wrong_kind_is_a_request_error(town: Town):
    sealed = town.order(await town.consent())
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    for field, value in (
        ("enterprise", "en_short"),
        ("purpose", "CURIOSITY"),
        ("sealTo", 7),
        ("sections", [None]),
        ("surprise", "x"),
    ):
        changed = {**variables, "order": {**variables["order"], field: value}}
        answer = await town.post(sealed.event.by, load_operation(name), changed)
        body = answer.json()
        assert "data" not in body
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", field


async def test_a_caller_hands_in_nothing_of_another_member(town: Town):
    sealed = town.order(await town.consent())
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    for actor in ("bank-ivy", "agency-pearl", opaque("en", "en-acme"), "regulator"):
        [error] = await town.errors(actor, name, **variables)
        assert error["extensions"]["code"] == "FORBIDDEN"
    # The bank's own machine may hand in what its officer has signed.
    assert (await town.say(sealed, by="bank-hana"))["refusal"] is None


async def test_waiting_for_an_observer_that_is_away_fails_closed(town: Town):
    sealed = town.order(await town.consent())
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    town.ledger.observed = never  # nobody cosigns in this town
    [error] = await town.errors(sealed.event.by, name, **variables, waitFor="OBSERVED")
    assert error["extensions"]["code"] == "OBSERVER_UNAVAILABLE"
    index = error["extensions"]["index"]
    assert town.ledger.find(sealed.event.id)[0] == index
    receipt = (await town.ask(sealed.event.by, "Receipt", id=sealed.event.id))["receipt"]
    assert receipt["index"] == index


async def never(_index: int, _timeout_s: float) -> None:
    return None


async def test_sequenced_is_answered_too(town: Town):
    sealed = town.order(await town.consent())
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    data = await town.ask(sealed.event.by, name, **variables, waitFor="SEQUENCED")
    assert data["placeOrder"]["receipt"]["level"] == "CHECKPOINTED"


async def test_many_events_are_answered_one_by_one(town: Town):
    consent = await town.consent()
    good, bad = town.order(consent), town.order(new_id())
    texts = [good.body.decode(), "{}", bad.body.decode(), good.body.decode()]
    answers = (await town.ask("bank-hana", "Submit", events=texts))["submit"]
    assert [a["id"] for a in answers] == [good.event.id, None, bad.event.id, good.event.id]
    assert [(a["refusal"] or {}).get("code") for a in answers] == [
        None, "EVENT_MALFORMED", "CONSENT_UNKNOWN", None,
    ]  # fmt: skip
    assert answers[0]["receipt"]["index"] == answers[3]["receipt"]["index"]
    assert answers[0]["type"] == "OrderPlaced"


async def test_too_many_events_at_once_and_names_without_a_row_are_turned_away(town: Town):
    [error] = await town.errors("bank-hana", "Submit", events=["{}"] * 65)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    row = {"name": "X", "uscc": "91440101MA59RK0L6X", "salt": fresh_salt()}
    from creditchain.events.enterprise import EnterpriseEnrolled

    body = EnterpriseEnrolled(
        opaque("en", "new"), identity(row), "440100", town.key("new").public, digest("a")
    )
    event = town.signer("bank-hana").seal(body)
    [error] = await town.errors("bank-hana", "Submit", events=[event.body.decode()])
    assert "enrolEnterprise" in error["message"]


async def test_a_whole_order_from_consent_to_credit(town: Town):
    consent = await town.consent()
    order = await town.delivered(consent, b"sealed bytes")
    token = await town.headers(officer_id("bank-hana"))
    fetched = await town.http.get(f"/reports/{order}", headers=token)
    assert fetched.content == b"sealed bytes"
    bank = town.signer(officer_id("bank-hana"))
    await town.done(bank.seal(DeliveryAcknowledged(order, digest(order))))
    await town.done(bank.seal(CreditDecided(order, CreditDecision.GRANTED, Money(500, "CNY"))))
    seen = (await town.ask(officer_id("bank-hana"), "Order", id=order))["order"]
    assert seen["status"] == "ACKNOWLEDGED"
    assert seen["decision"] == "GRANTED"
    assert seen["amount"] == {"amount": 500, "currency": "CNY"}
    assert seen["report"]["size"] == 12
    assert [s["section"] for s in seen["deliveredSections"]] == ["IDENTITY", "LOANS"]
    counters = (await town.ask("regulator", "Counters"))["counters"]
    assert counters["granted"] == [{"amount": 500, "currency": "CNY"}]
    assert counters["borrowers"] == 1
    assert counters["enterprises"] == 2
    assert {"status": "ACKNOWLEDGED", "count": 1} in counters["orders"]


async def test_a_lawful_order_waits_for_a_second_officer(town: Town):
    body = replace(
        town.order(new_id()).event.body,
        consent=None,
        ground=Ground(LawfulGround.COURT, digest("ruling")),
    )
    placed = town.signer(officer_id("bank-hana")).seal(body)
    payload = await town.done(placed)
    assert payload["order"]["status"] == "AWAITING_APPROVAL"
    approver = town.signer(officer_id("bank-hana", "approves"))
    payload = await town.done(approver.seal(OrderApproved(placed.event.id)))
    assert payload["order"]["status"] == "PLACED"
    seen = (await town.ask("bank-hana", "Order", id=placed.event.id))["order"]
    assert seen["ground"] == {"code": "COURT", "document": digest("ruling")}


async def test_a_dispute_names_what_was_opened(town: Town):
    order = await town.delivered(await town.consent())
    dispute = DeliveryDisputed(order, DisputeCode.FINGERPRINT_MISMATCH, digest("other"))
    payload = await town.done(town.signer(officer_id("bank-hana")).seal(dispute))
    assert payload["order"]["status"] == "DISPUTED"


async def test_a_suspended_member_is_refused_in_writing(town: Town):
    consent = await town.consent()
    suspended = MemberSuspended("bank-hana", SuspensionGround.BREACH)
    await town.done(town.signer("regulator").seal(suspended))
    assert (await town.say(town.order(consent)))["refusal"]["code"] == "MEMBER_SUSPENDED"
    [error] = await town.errors("bank-hana", "FindEnterprise", uscc="91440101MA59RK0L6X")
    assert error["extensions"]["code"] == "FORBIDDEN"


async def test_a_delivery_needs_its_upload_first(town: Town):
    order = await town.accepted(await town.consent())
    name, variables = mutation_of(*delivery_of(town, order, b"sealed"))
    [error] = await town.errors(officer_id("agency-pearl"), name, **variables)
    assert error["extensions"]["code"] == "REPORT_NOT_UPLOADED"
    seen = (await town.ask("agency-pearl", "Order", id=order))["order"]
    assert seen["status"] == "ACCEPTED"


def delivery_of(town: Town, order: str, sealed_bytes: bytes) -> Any:
    sealed = town.delivery(order, sealed_bytes)
    return sealed.event, proof_of(sealed)


async def test_nothing_found_needs_no_upload(town: Town):
    order = await town.accepted(await town.consent())
    payload = await town.done(town.agent().seal(ReportDelivered(order, Outcome.NOT_FOUND)))
    assert payload["order"]["status"] == "DELIVERED"


async def test_an_objection_is_raised_and_answered_in_words(town: Town):
    order = await town.delivered(await town.consent())
    words = {"text": "The loan was repaid.\n贷款已还清。", "salt": fresh_salt()}
    raised = town.signer(opaque("en", "en-acme")).seal(
        ObjectionRaised("agency-pearl", Section.LOANS, identity(words), order)
    )
    await town.done(raised, words)
    answer = {"text": "So it was.", "salt": fresh_salt()}
    answered = ObjectionAnswered(raised.event.id, ObjectionOutcome.DATA_WRONG, identity(answer))
    await town.done(town.agent().seal(answered), answer)
    for actor in (opaque("en", "en-acme"), "agency-pearl", "bank-hana", "regulator"):
        seen = (await town.ask(actor, "Objection", id=raised.event.id))["objection"]
        # The regulator counts objections; their words it reads in an inspection case.
        told = actor != "regulator"
        assert seen["statement"] == (words["text"] if told else None)
        assert seen["answer"] == (answer["text"] if told else None)
        assert seen["status"] == "ANSWERED"
    for actor in ("bank-ivy", "agency-tide", opaque("en", "en-bolt")):
        assert (await town.ask(actor, "Objection", id=raised.event.id))["objection"] is None


async def test_words_that_are_not_those_of_the_event_are_turned_away(town: Town):
    words = {"text": "One thing.", "salt": fresh_salt()}
    raised = town.signer(opaque("en", "en-acme")).seal(
        ObjectionRaised("agency-pearl", Section.LOANS, identity(words))
    )
    name, variables = mutation_of(raised.event, proof_of(raised), words | {"text": "Another."})
    [error] = await town.errors(raised.event.by, name, **variables)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert town.ledger.find(raised.event.id) is None


async def test_codes_with_a_wrong_digit_or_of_another_enterprise_are_turned_away(town: Town):
    from creditchain.events.enterprise import EnterpriseEnrolled

    for uscc in ("91440101MA59RK0L60", "９１440101MA59RK0L6X", "91440101MA59RK0L6X"):
        row = {"name": "X", "uscc": uscc, "salt": fresh_salt()}
        body = EnterpriseEnrolled(
            opaque("en", "new"), identity(row), "440100", town.key("new").public, digest("a")
        )
        sealed = town.signer("bank-hana").seal(body)
        name, variables = mutation_of(sealed.event, proof_of(sealed), row)
        [error] = await town.errors("bank-hana", name, **variables)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert town.ledger.find(sealed.event.id) is None


async def test_what_is_erased_is_gone_and_every_proof_still_holds(town: Town):
    order = await town.delivered(await town.consent())
    sealed_receipt = (await town.ask("regulator", "Receipt", id=order))["receipt"]
    operator = town.signer("operator")
    await town.done(operator.seal(ReportErased(order, ErasureGround.RETENTION_ENDED)))
    token = await town.headers("bank-hana")
    assert (await town.http.get(f"/reports/{order}", headers=token)).status_code == 404
    acme = opaque("en", "en-acme")
    await town.done(operator.seal(DirectoryErased(acme, ErasureGround.SUBJECT_REQUEST)))
    assert (await town.ask("bank-hana", "Enterprise", id=acme))["enterprise"]["name"] is None
    index = sealed_receipt["index"]
    event = (await town.ask("regulator", "Event", index=index))["event"]
    commitment = b64u(hashlib.sha256(event["body"].encode()).digest())
    erased = BodyErased(index, commitment, ErasureGround.COURT_ORDER)
    payload = await town.done(operator.seal(erased))
    assert payload["erasure"]["id"] == f"body/{index}"
    event = (await town.ask("regulator", "Event", index=index))["event"]
    assert event["body"] is None
    assert event["receipt"]["index"] == index


async def test_orders_are_paged_with_signed_cursors(town: Town):
    consent = await town.consent()
    orders = [await town.placed(consent) for _ in range(5)]
    seen: list[str] = []
    after = None
    while True:
        page = (await town.ask("bank-hana", "Orders", first=2, after=after))["orders"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == orders
    first = (await town.ask("bank-hana", "Orders", first=2))["orders"]["pageInfo"]["endCursor"]
    flipped = first[:-2] + ("A" if first[-2] != "A" else "B") + first[-1]
    for actor, operation, cursor in (
        ("bank-hana", "Orders", flipped),
        ("bank-hana", "Orders", "nonsense"),
        ("bank-hana", "Orders", "A" * 300),
        ("bank-hana", "Consents", first),
        ("regulator", "Orders", first),
    ):
        [error] = await town.errors(actor, operation, first=2, after=cursor)
        assert error["extensions"]["code"] == "BAD_USER_INPUT", (actor, operation, cursor)
    [error] = await town.errors("bank-hana", "Orders", first=2, after=first, status="PLACED")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    for count in (0, 101, -1):
        [error] = await town.errors("bank-hana", "Orders", first=count)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_lists_are_filtered(town: Town):
    consent = await town.consent()
    kept = await town.placed(consent)
    taken = await town.placed(consent)
    await town.done(town.agent().seal(OrderAccepted(taken)))
    page = (await town.ask("agency-pearl", "Orders", status="ACCEPTED"))["orders"]
    assert [node["id"] for node in page["nodes"]] == [taken]
    page = await town.ask("agency-pearl", "Orders", orderer="bank-hana", status="PLACED")
    assert [node["id"] for node in page["orders"]["nodes"]] == [kept]
    page = (await town.ask("regulator", "Members", kind="AGENCY"))["members"]
    assert [node["id"] for node in page["nodes"]] == ["agency-pearl", "agency-tide"]


async def test_me_is_who_signed_in(town: Town):
    me = (await town.ask(officer_id("bank-hana"), "Me"))["me"]
    assert me["actor"] == officer_id("bank-hana")
    assert me["member"]["id"] == "bank-hana"
    assert me["officer"]["name"] == "orders of bank-hana"
    me = (await town.ask(opaque("en", "en-acme"), "Me"))["me"]
    assert me["member"] is None
    assert me["enterprise"]["name"] == "en-acme Ltd"


async def test_the_time_to_answer_is_the_products(town: Town):
    payload = await town.done(town.order(await town.consent()))
    index = payload["receipt"]["index"]
    at = town.ledger.find(payload["order"]["id"])[3]
    assert payload["order"]["dueAt"] == format_time(at + 2 * DAY_MS)
    assert json.loads(town.ledger.body(index))["event"]["id"] == payload["order"]["id"]


async def test_an_event_is_observed_once_the_observer_has_cosigned(tmp_path: Path):
    signer = CosignatureSigner("observer.example/witness", bytes(31) + b"\x01")
    observer = ObserverKey("witness", format_cosigner_vkey(signer.verifier))
    town = Town(tmp_path, observer=(observer,), limits=Limits(observed_timeout_s=5))

    async def observe() -> None:
        size = 0
        while True:
            size = await town.ledger.beyond(size)
            head = town.ledger.head()
            text = head.note.partition("\n\n")[0] + "\n"
            line = signer.cosign(text, town.clock() // 1000).line
            town.ledger.add_cosignatures(head.size, [line])

    observing = asyncio.create_task(observe())
    try:
        await town.settle()
        sealed = town.order(await town.consent())
        name, variables = mutation_of(sealed.event, proof_of(sealed))
        data = await town.ask(sealed.event.by, name, **variables, waitFor="OBSERVED")
        receipt = data["placeOrder"]["receipt"]
        assert receipt["level"] == "OBSERVED"
        index, _, _, at = town.ledger.find(sealed.event.id)
        entry = format_entry(Entry(at, sealed.commitment))
        proven = check_tlog_proof(receipt["proof"], entry, town.policy)
        assert proven.index == index
        assert "observer.example/witness" in receipt["proof"]
        again = (await town.ask("bank-ivy", "Receipt", id=sealed.event.id))["receipt"]
        assert again["level"] == "OBSERVED"
    finally:
        observing.cancel()
        await town.close()
