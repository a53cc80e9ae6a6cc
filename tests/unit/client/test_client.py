"""The client: what it believes, what it repeats, and what it refuses to take from a hub."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from creditchain.api.action import ACTION_OF
from creditchain.client.client import (
    MUTATIONS,
    Client,
    HubFailure,
    HubUnreachable,
    NotObserved,
    RefusedByHub,
    seal_input,
)
from creditchain.client.evidence import (
    BadEvidence,
    Level,
    Receipt,
    Trust,
    check_refusal,
    commitment_of,
)
from creditchain.client.signer import Signer
from creditchain.client.token import SignInRefused
from creditchain.documents import operations
from creditchain.events import format_time
from creditchain.events.membership import MemberWithdrawn
from creditchain.events.order import OrderAccepted
from creditchain.rulebook.refusal import Refusal
from creditchain.tlog.note import format_vkey
from tests.unit.client.scripted_hub import AT, ScriptedHub

BODY = MemberWithdrawn("bank-hana")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("creditchain.client.client.WAIT_FIRST_S", 0.001)
    monkeypatch.setattr("creditchain.client.client.WAIT_MOST_S", 0.004)


@pytest.fixture
def hub() -> ScriptedHub:
    return ScriptedHub()


def failed(code: str, status: int = 200, **facts: Any) -> httpx2.Response:
    error = {"message": "It is so.", "extensions": {"code": code, "requestId": "r", **facts}}
    return httpx2.Response(status, json={"errors": [error]})


def test_every_mutation_of_the_hub_can_be_said():
    assert {cls: (a.mutation, a.argument) for cls, a in ACTION_OF.items()} == dict(MUTATIONS)
    assert {m[0].upper() + m[1:] for m, _ in MUTATIONS.values()} <= set(operations())


async def test_a_submitted_event_has_a_checked_receipt(hub: ScriptedHub):
    async with hub.client() as client:
        first = await client.submit(BODY)
        second = await client.submit(OrderAccepted(hub.signer.event(BODY).id))
    assert (first.index, second.index, second.size) == (0, 1, 2)
    assert (first.level, first.at) == (Level.CHECKPOINTED, AT)
    assert hub.sign_ins == 1


async def test_what_is_asked_is_what_is_sent(hub: ScriptedHub):
    sealed = hub.signer.seal(BODY)
    async with hub.client() as client:
        hub.observed = True
        receipt = await client.submit(
            sealed, wait_for=Level.OBSERVED, directory={"name": "n", "salt": "s"}
        )
    assert receipt.level is Level.OBSERVED
    assert hub.requests[-1]["variables"] == {
        "member": {"member": "bank-hana"},
        "seal": seal_input(sealed),
        "waitFor": "OBSERVED",
        "directory": {"name": "n", "salt": "s"},
    }


async def test_a_receipt_below_what_was_asked_is_not_taken(hub: ScriptedHub):
    async with hub.client() as client:
        with pytest.raises(BadEvidence, match="too few observers"):
            await client.submit(BODY, wait_for=Level.OBSERVED)


def spoiled(name: str, value: Any) -> Any:
    def spoil(data: dict[str, Any]) -> dict[str, Any]:
        (answer,) = data.values()
        if value is None:
            del answer["receipt"][name]
        else:
            answer["receipt"][name] = value
        return data

    return spoil


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("index", 7),
        ("at", format_time(AT + 1)),
        ("at", "soon"),
        ("at", None),
        ("proof", ""),
        ("proof", None),
    ],
)
async def test_a_spoiled_receipt_is_not_believed(hub: ScriptedHub, name: str, value: Any):
    hub.spoil = spoiled(name, value)
    async with hub.client() as client:
        with pytest.raises(BadEvidence):
            await client.submit(BODY)


async def test_the_receipt_of_another_event_is_not_believed(hub: ScriptedHub):
    other = hub.admit(hub.signer.seal(BODY))
    hub.spoil = lambda data: {"withdrawMember": {"receipt": hub.receipt(other), "refusal": None}}
    async with hub.client() as client:
        with pytest.raises(BadEvidence):
            await client.submit(BODY)


async def test_no_answer_at_all_is_no_evidence(hub: ScriptedHub):
    hub.spoil = lambda data: {"withdrawMember": {"receipt": None, "refusal": None}}
    async with hub.client() as client:
        with pytest.raises(BadEvidence, match="neither"):
            await client.submit(BODY)


async def test_a_refusal_comes_with_the_hubs_signature(hub: ScriptedHub):
    hub.refuse_as = ("MEMBER_SUSPENDED", "body.member")
    async with hub.client() as client:
        with pytest.raises(RefusedByHub) as caught:
            await client.submit(BODY)
    refused = caught.value
    assert (refused.code, refused.path) == (Refusal.MEMBER_SUSPENDED, "body.member")
    assert refused.signed is not None
    assert refused.signed.size == 0
    assert "MEMBER_SUSPENDED at body.member" in str(refused)


def lie_about_refusal(**changes: str) -> Any:
    def spoil(data: dict[str, Any]) -> dict[str, Any]:
        (answer,) = data.values()
        answer["refusal"] |= changes
        return data

    return spoil


@pytest.mark.parametrize(
    "changes",
    [{"code": "ROLE_MISSING"}, {"path": ""}, {"note": ""}, {"note": "x\n\nx"}, {"code": "NEW"}],
)
async def test_a_refusal_that_is_not_what_was_signed_is_seen(
    hub: ScriptedHub, changes: dict[str, str]
):
    hub.refuse_as = ("MEMBER_SUSPENDED", "body.member")
    hub.spoil = lie_about_refusal(**changes)
    async with hub.client() as client:
        with pytest.raises(BadEvidence):
            await client.submit(BODY)


async def test_the_refusal_of_another_event_is_seen(hub: ScriptedHub):
    hub.refuse_as = ("MEMBER_SUSPENDED", "")
    hub.spoil = lie_about_refusal(note=hub.refusal(bytes(32), "MEMBER_SUSPENDED", ""))
    async with hub.client() as client:
        with pytest.raises(BadEvidence, match="another event"):
            await client.submit(BODY)


async def test_without_a_refusal_key_a_refusal_is_unchecked(hub: ScriptedHub):
    hub.refuse_as = ("MEMBER_SUSPENDED", "")
    trust = Trust.of_keys(format_vkey(hub.log_key.verifier))
    async with hub.client(trust=trust) as client:
        with pytest.raises(RefusedByHub) as caught:
            await client.submit(BODY)
    assert caught.value.signed is None


@pytest.mark.parametrize(
    "trouble",
    [
        httpx2.Response(429, json={"errors": []}),
        httpx2.Response(429, headers={"retry-after": "1"}),
        httpx2.Response(503, text="busy"),
        httpx2.Response(502),
        failed("RATE_LIMITED", 429),
        failed("RATE_LIMITED"),
        httpx2.ReadTimeout("slow"),
        httpx2.ConnectError("down"),
        httpx2.RemoteProtocolError("cut"),
    ],
)
async def test_trouble_is_waited_out_with_the_same_id(hub: ScriptedHub, trouble: Any):
    hub.script = [trouble, trouble]
    async with hub.client() as client:
        receipt = await client.submit(BODY)
    assert receipt.index == 0
    assert len(hub.requests) == 3
    assert hub.requests[0] == hub.requests[1] == hub.requests[2]


async def test_an_event_whose_answer_was_lost_is_said_once(hub: ScriptedHub):
    sealed = hub.signer.seal(BODY)
    index = hub.admit(sealed)
    hub.script = [httpx2.ReadError("the answer was lost")]
    async with hub.client() as client:
        assert (await client.submit(sealed)).index == index
    assert hub.edge.size == 1


async def test_patience_ends(hub: ScriptedHub):
    hub.script = [httpx2.ConnectError("down")] * 1000
    async with hub.client(patience_s=0.02) as client:
        with pytest.raises(HubUnreachable, match="down"):
            await client.submit(BODY)


async def test_an_ended_token_is_renewed_once(hub: ScriptedHub):
    hub.script = [failed("UNAUTHENTICATED", 401)]
    async with hub.client() as client:
        await client.submit(BODY)
    assert hub.sign_ins == 2
    hub.script = [failed("UNAUTHENTICATED", 401)] * 2
    async with hub.client() as client:
        with pytest.raises(HubFailure) as caught:
            await client.submit(BODY)
    assert caught.value.code == "UNAUTHENTICATED"


async def test_a_short_token_is_renewed_before_it_ends(hub: ScriptedHub):
    hub.token_seconds = 61
    async with hub.client() as client:
        await client.submit(BODY)
        await asyncio.sleep(1.05)
        await client.submit(BODY)
    assert hub.sign_ins == 2


async def test_many_requests_share_one_sign_in(hub: ScriptedHub):
    async with hub.client() as client:
        receipts = await asyncio.gather(*(client.submit(BODY) for _ in range(20)))
    assert hub.sign_ins == 1
    assert sorted(receipt.index for receipt in receipts) == list(range(20))


async def test_a_refused_sign_in_says_why(hub: ScriptedHub):
    async def answer(request: httpx2.Request) -> httpx2.Response:
        problem = {"error": "invalid_client", "error_description": "The key is unknown."}
        return httpx2.Response(401, json=problem)

    transport = httpx2.MockTransport(answer)
    async with Client("http://hub.example", hub.signer, hub.trust, transport=transport) as client:
        with pytest.raises(SignInRefused, match="The key is unknown") as caught:
            await client.submit(BODY)
    assert caught.value.error == "invalid_client"


async def test_not_observed_in_time_tells_the_index(hub: ScriptedHub):
    hub.script = [failed("OBSERVER_UNAVAILABLE", index=5)]
    async with hub.client() as client:
        with pytest.raises(NotObserved) as caught:
            await client.submit(BODY, wait_for=Level.OBSERVED)
    assert caught.value.index == 5


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (failed("FORBIDDEN"), "FORBIDDEN"),
        (failed("INTERNAL", 500), "INTERNAL"),
        (httpx2.Response(200, text="hello"), "INTERNAL"),
        (httpx2.Response(200, json=[]), "INTERNAL"),
        (httpx2.Response(200, json={"data": {}}), "INTERNAL"),
        (httpx2.Response(404, text="gone"), "HTTP_404"),
        (httpx2.Response(307, headers={"location": "http://evil.example"}), "INTERNAL"),
    ],
)
async def test_other_trouble_is_told_as_it_is(hub: ScriptedHub, answer: httpx2.Response, code: str):
    hub.script = [answer]
    async with hub.client() as client:
        with pytest.raises(HubFailure) as caught:
            await client.submit(BODY)
    assert caught.value.code == code
    assert len(hub.requests) == 1


async def test_many_events_are_answered_one_by_one(hub: ScriptedHub):
    sealed = [hub.signer.seal(BODY) for _ in range(70)]
    async with hub.client() as client:
        answers = await client.submit_many(sealed)
        assert [a.index for a in answers if isinstance(a, Receipt)] == list(range(70))
        assert [len(r["variables"]["events"]) for r in hub.requests] == [64, 6]
        assert json.loads(hub.requests[1]["variables"]["events"][0])["event"]["by"] == "bank-hana"
        hub.refuse_as = ("CLOCK_SKEW", "signedAt")
        (refused,) = await client.submit_many(sealed[:1])
    assert isinstance(refused, RefusedByHub)
    assert refused.code is Refusal.CLOCK_SKEW


def test_a_signer_of_another_log_is_refused(hub: ScriptedHub):
    signer = Signer("bank-hana", hub.actor_key, "other.example/log")
    with pytest.raises(ValueError, match=r"other\.example"):
        Client("http://hub.example", signer, hub.trust)


async def test_an_outage_is_told_once_and_its_end_too(hub: ScriptedHub):
    told: list[str] = []
    async with hub.client(notice=told.append) as client:
        await client.submit(BODY)
        assert told == []
        hub.script += [httpx2.ConnectError("no"), httpx2.Response(503, text="starting")]
        await client.submit(BODY)
        assert told == [
            "cannot reach http://hub.example, trying again",
            "http://hub.example answers again",
        ]
        hub.script.append(failed("RATE_LIMITED", 429))
        await client.submit(BODY)
    assert len(told) == 2


async def test_a_refusal_comes_with_the_body_that_was_refused(hub: ScriptedHub):
    hub.refuse_as = ("MEMBER_SUSPENDED", "body.member")
    async with hub.client() as client:
        sealed = client.signer.seal(BODY)
        with pytest.raises(RefusedByHub) as caught:
            await client.submit(sealed)
    assert caught.value.body == sealed.body
    assert check_refusal(caught.value.note, hub.trust, commitment_of(caught.value.body))
