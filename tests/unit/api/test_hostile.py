"""Members and strangers who mean harm: what they must not learn, keep from others or use up."""

import asyncio
import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from creditchain import connection
from creditchain.api import reports
from creditchain.api.limits import Limits
from creditchain.api.request import BodyTooSlow, read_body
from creditchain.client.fresh import fresh_salt
from creditchain.directory import What
from creditchain.documents import load_operation
from creditchain.events import b64u
from creditchain.events.codes import ErasureGround, SuspensionGround
from creditchain.events.enterprise import EnterpriseEnrolled
from creditchain.events.erasure import ReportErased
from creditchain.events.membership import MemberSuspended
from creditchain.events.order import OrderAccepted
from creditchain.seal import Sealed
from tests.e2e.graphql_clients import free_port
from tests.unit.api.test_identity import assertion, refused
from tests.unit.api.test_subscriptions import FOLLOW, served, socket
from tests.unit.api.town import USCCS, Town, digest, identity, mutation_of, officer_id, opaque

ACME = opaque("en", "en-acme")


def enrolment(town: Town, by: str, uscc: str) -> tuple[Sealed, dict[str, str]]:
    """An enrolment of a new enterprise under a code, and its row."""
    row = {"name": "Squatter Ltd", "uscc": uscc, "salt": fresh_salt()}
    enterprise = opaque("en", f"by-{by[:10]}")
    key = town.key(enterprise).public
    body = EnterpriseEnrolled(enterprise, identity(row), "440100", key, digest("x"))
    return town.signer(by).seal(body), row


# The directory.


async def test_whether_a_code_is_taken_is_no_answer_to_who_may_not_enrol(town: Town):
    suspended = MemberSuspended("bank-ivy", SuspensionGround.BREACH)
    await town.done(town.signer("regulator").seal(suspended))
    for by, code in (
        (opaque("en", "en-bolt"), "ROLE_MISSING"),
        (officer_id("agency-tide"), "ROLE_MISSING"),
        ("bank-ivy", "MEMBER_SUSPENDED"),
    ):
        for uscc in (USCCS["en-acme"], "91440101MA59RK0L6X"):
            sealed, row = enrolment(town, by, uscc)
            assert (await town.say(sealed, row))["refusal"]["code"] == code
    assert town.directory.staged(0) == []


async def test_a_member_told_that_a_code_is_taken_has_looked(town: Town):
    sealed, row = enrolment(town, "source-tax", USCCS["en-acme"])
    name, variables = mutation_of(sealed.event, json.loads(sealed.body)["proof"], row)
    [error] = await town.errors("source-tax", name, **variables)
    assert "another enterprise" in error["message"]
    [*_, look] = town.directory.accesses_of(ACME, limit=100)
    assert (look.actor, look.what) == ("source-tax", What.DIRECTORY)


async def test_who_goes_half_way_leaves_no_code_taken(town: Town, monkeypatch: pytest.MonkeyPatch):
    submit, staged, go = town.ledger.submit, asyncio.Event(), asyncio.Event()

    async def slow(items: Any) -> Any:
        staged.set()
        await go.wait()
        return await submit(items)

    await town.sign_in("bank-ivy")
    monkeypatch.setattr(town.ledger, "submit", slow)
    sealed, row = enrolment(town, "bank-ivy", "91440101MA5CK3X102")
    saying = asyncio.create_task(town.say(sealed, row))
    await asyncio.wait_for(staged.wait(), 10)
    saying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await saying
    go.set()
    for _ in range(1000):
        if not town.directory.staged(0):
            break
        await asyncio.sleep(0.01)
    # What was staged stands on the log: the code has a taker who can be held to it.
    assert town.ledger.find(sealed.event.id) is not None
    assert town.directory.has_row(sealed.event.body.enterprise)


# Bodies and reports.


async def test_members_who_read_bodies_in_bulk_are_recorded(town: Town):
    await town.placed(await town.consent())
    before = len(town.directory.accesses_of(ACME, limit=1000))
    size = town.ledger.head().size
    path = f"/log/bodies/000.p/{size}"
    reader = officer_id("agency-pearl")
    assert (await town.http.get(path, headers=await town.headers(reader))).status_code == 200
    [look] = town.directory.accesses_of(ACME, limit=1000)[before:]
    assert (look.actor, look.member, look.what) == (reader, "agency-pearl", What.BODY)
    await town.http.get(path, headers=await town.headers("source-tax"))
    assert len(town.directory.accesses_of(ACME, limit=1000)) == before + 1


async def test_an_erased_report_does_not_come_back(town: Town):
    order = await town.accepted(await town.consent())
    agent = officer_id("agency-pearl")
    await town.upload(order, b"sealed", agent)
    delivery = town.delivery(order, b"sealed")
    first = await town.done(delivery)
    erased = ReportErased(order, ErasureGround.RETENTION_ENDED)
    await town.done(town.signer("operator").seal(erased))
    assert (await town.upload(order, b"sealed", agent)).status_code == 403
    # Nor if it was uploaded at the same moment.
    town.vault.stage(order, b"sealed", town.clock())
    again = await town.done(delivery)
    assert again["receipt"]["index"] == first["receipt"]["index"]
    assert town.vault.open(order) is None


async def drip(host: str, order: str, token: str) -> bytes:
    """The status line of the answer to an upload of which one byte comes."""
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        writer.write(
            f"POST /reports/{order} HTTP/1.1\r\nhost: {host}\r\nauthorization: {token}\r\n"
            "content-type: application/octet-stream\r\ncontent-length: 1000\r\n\r\ns".encode()
        )
        return await reader.readline()
    finally:
        writer.close()


async def test_dripping_uploads_keep_no_other_agency_from_delivering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reports, "UPLOAD_WITHIN_S", 2.0)
    async with served(tmp_path) as (town, host):
        consent = await town.consent()
        order = await town.accepted(consent)
        other = await town.placed(consent, agency="agency-tide")
        await town.done(town.agent("agency-tide").seal(OrderAccepted(other)))
        token = (await town.headers(officer_id("agency-pearl")))["authorization"]
        dripping = [
            asyncio.create_task(drip(host, order, token)) for _ in range(reports.UPLOADS_AT_ONCE)
        ]
        await asyncio.sleep(0.5)
        turned_away = [task.result()[:12] for task in dripping if task.done()]
        assert turned_away == [b"HTTP/1.1 503"] * (
            reports.UPLOADS_AT_ONCE - reports.UPLOADS_PER_AGENCY
        )
        honest = officer_id("agency-tide")
        assert (await asyncio.wait_for(town.upload(other, b"sealed", honest), 1)).status_code == 201
        ended = sorted(status[:12] for status in await asyncio.gather(*dripping))
        assert ended[0] == b"HTTP/1.1 408"
        assert (await town.upload(order, b"s", officer_id("agency-pearl"))).status_code == 201


async def test_a_body_that_never_comes_is_not_waited_for():
    async def never() -> Any:
        await asyncio.sleep(30)

    with pytest.raises(BodyTooSlow, match=r"within 0\.05 s"):
        await read_body({}, never, 10, within_s=0.05)


# Places.


async def test_a_stranger_does_not_stay_on_a_socket(tmp_path: Path):
    limits = Limits(stranger_life_s=0.1)
    async with served(tmp_path, limits=limits) as (_, host), socket(host) as ws:
        await ws.init()
        assert await ws.closed() == 4403


async def test_strangers_and_single_parties_do_not_take_every_socket(tmp_path: Path):
    limits = Limits(sockets_of_strangers=2, sockets_per_party=1)
    async with served(tmp_path, limits=limits) as (town, host):
        async with socket(host) as first:
            await first.init(token=await town.sign_in("bank-ivy"))
            # Another officer of the same member.
            async with socket(host) as second:
                token = await town.sign_in(officer_id("bank-ivy"))
                await second.say(type="connection_init", payload={"token": token})
                assert await second.closed() == 1013
            headers = await town.headers("bank-ivy") | {"accept": "text/event-stream"}
            async with httpx2.AsyncClient(base_url=f"http://{host}") as http:
                answer = await http.post("/graphql", json={"query": FOLLOW}, headers=headers)
            assert answer.status_code == 503
            async with socket(host) as third:
                await third.init(token=await town.sign_in("bank-hana"))
        async with socket(host) as a, socket(host) as b, socket(host) as c:
            await a.init()
            await b.init()
            assert await c.closed() == 1013


async def test_one_party_does_not_take_every_request_in_flight(tmp_path: Path):
    limits = Limits(in_flight_per_party=1, observed_timeout_s=0.5)
    async with served(tmp_path, limits=limits) as (town, _):
        sealed = town.order(await town.consent())
        name, variables = mutation_of(sealed.event, json.loads(sealed.body)["proof"])
        variables["waitFor"] = "OBSERVED"
        text, actor = load_operation(name), sealed.event.by
        both = await asyncio.gather(*(town.post(actor, text, variables) for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [200, 429]
        answer = await town.post(actor, "{ me { actor } }")
        assert answer.status_code == 200


async def test_headers_that_never_end_are_not_waited_for(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "HEADERS_WITHIN_S", 0.2)
    port = free_port()
    config = uvicorn.Config(
        town.app, host="127.0.0.1", port=port, lifespan="off", log_config=None,
        http=connection.Connection,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with monkeypatch.context() as patched:
        patched.setattr(server, "capture_signals", contextlib.nullcontext)
        serving = asyncio.create_task(server.serve())
        for _ in range(1000):
            if server.started:
                break
            await asyncio.sleep(0.01)
        try:
            for begin in (b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-drip: "):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(begin)
                assert await asyncio.wait_for(reader.read(), 5) == b""
                writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                answer = await asyncio.wait_for(reader.readuntil(b'"ok"}'), 5)
                assert answer.startswith(b"HTTP/1.1 200")
                await asyncio.sleep(0.3)
            writer.close()
        finally:
            server.should_exit = True
            await serving


# Strange values.


@pytest.mark.parametrize("alg", [["EdDSA"], {}, 1, None])
async def test_an_algorithm_that_is_no_text_is_refused(town: Town, alg: Any):
    key = town.key("bank-hana")
    _, payload, _ = assertion(town).split(".")
    header = b64u(
        json.dumps({"alg": alg, "kid": key.kid, "typ": "client-authentication+jwt"}).encode()
    )
    signature = b64u(key.signing.sign(f"{header}.{payload}".encode()))
    await refused(town, f"{header}.{payload}.{signature}")


async def test_an_actor_that_no_bytes_can_hold_is_refused(town: Town):
    header, _, signature = assertion(town).split(".")
    payload = base64.urlsafe_b64encode(b'{"sub":"\\ud800","iss":"\\ud800"}').decode().rstrip("=")
    assert await refused(town, f"{header}.{payload}.{signature}") == "No such key of this actor."


@pytest.mark.parametrize(
    "proof",
    [
        '{"kid":"\\ud800","authenticatorData":"","clientDataJSON":"","signature":""}',
        '{"\\ud800":"x"}',
        '{"kid":"é"}',
        "é..é",
    ],
)
async def test_a_proof_that_no_bytes_can_hold_is_malformed(town: Town, proof: str):
    sealed = town.order(await town.consent())
    name, variables = mutation_of(sealed.event, proof)
    [payload] = (await town.ask(sealed.event.by, name, **variables)).values()
    assert payload["refusal"]["code"] == "PROOF_MALFORMED"
