"""Following over WebSocket and SSE: close codes, expiry, resumption, bounds."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets

from creditchain.api.journal import Sockets
from creditchain.api.limits import Limits
from creditchain.documents import document_id, load_operation
from creditchain.events.codes import DeclineCode
from creditchain.events.consent import ConsentWithdrawn
from creditchain.events.membership import MemberWithdrawn
from creditchain.events.order import OrderDeclined
from tests.e2e.graphql_clients import serving
from tests.unit.api.town import Town, officer_id, opaque, open_town

PROTOCOL = "graphql-transport-ws"


class Socket:
    """A client of the protocol, by hand, to misbehave with."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def say(self, **message: Any) -> None:
        await self._connection.send(json.dumps(message))

    async def raw(self, text: str | bytes) -> None:
        await self._connection.send(text)

    async def hear(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self._connection.recv(), 10))

    async def closed(self) -> int:
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await asyncio.wait_for(self._connection.recv(), 10)
        return self._connection.close_code

    async def init(self, **payload: Any) -> None:
        await self.say(type="connection_init", payload=payload)
        assert (await self.hear())["type"] == "connection_ack"

    async def subscribe(self, id: str, query: str, **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        await self.say(type="subscribe", id=id, payload=payload)


@contextlib.asynccontextmanager
async def socket(host: str, protocol: str = PROTOCOL) -> AsyncIterator[Socket]:
    async with websockets.connect(f"ws://{host}/graphql", subprotocols=[protocol]) as connection:
        yield Socket(connection)


@contextlib.asynccontextmanager
async def served(tmp_path: Path, **doors: Any) -> AsyncIterator[tuple[Town, str]]:
    async with open_town(tmp_path, **doors) as town, serving(town.app) as host:
        yield town, host


FOLLOW = load_operation("OrderChanges")


async def test_a_query_over_the_socket(tmp_path: Path):
    async with served(tmp_path) as (town, host), socket(host) as ws:
        token = await town.sign_in("bank-hana")
        await ws.say(type="ping")
        assert await ws.hear() == {"type": "pong"}
        await ws.init(authorization=f"Bearer {token}")
        await ws.say(type="ping")
        assert await ws.hear() == {"type": "pong"}
        await ws.say(type="pong")
        await ws.subscribe("1", "{ me { actor } }")
        assert await ws.hear() == {
            "id": "1", "type": "next", "payload": {"data": {"me": {"actor": "bank-hana"}}},
        }  # fmt: skip
        assert await ws.hear() == {"id": "1", "type": "complete"}
        # The id is free again, also for a document cited by its id.
        payload = {"documentId": document_id(load_operation("Me"))}
        await ws.say(type="subscribe", id="1", payload=payload)
        assert (await ws.hear())["payload"]["data"]["me"]["actor"] == "bank-hana"


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["{"], 4400),
        (["[]"], 4400),
        (["7"], 4400),
        (["{}"], 4400),
        (['{"type": 7}'], 4400),
        (['{"type": "hello"}'], 4400),
        ([b"\x00\x01"], 4400),
        (['{"type": "subscribe", "id": "1", "payload": {"query": "{__typename}"}}'], 4401),
        (['{"type": "complete", "id": "1"}'], 4401),
        (['{"type": "connection_init", "payload": {"token": "x"}}'], 4403),
        (['{"type": "connection_init", "payload": {"token": 7}}'], 4400),
        (['{"type": "connection_init"}', '{"type": "connection_init"}'], 4429),
        (['{"type": "connection_init"}', '{"type": "hello"}'], 4400),
        (['{"type": "connection_init"}', '{"type": "subscribe"}'], 4400),
        (['{"type": "connection_init"}', '{"type": "subscribe", "id": "1"}'], 4400),
        (['{"type": "connection_init"}', '{"type": "subscribe", "id": "", "payload": {}}'], 4400),
        (
            ['{"type": "connection_init"}',
             '{"type": "subscribe", "id": "1", "payload": {"query": 7}}'],
            4400,
        ),
        ([" " * 300_000], 1009),
    ],
)  # fmt: skip
async def test_what_breaks_the_protocol_closes_the_socket(
    tmp_path: Path, texts: list[str | bytes], code: int
):
    async with served(tmp_path) as (_, host), socket(host) as ws:
        for text in texts:
            await ws.raw(text)
        closed = await ws.closed()
        assert closed in (code, 4400) if code == 1009 else closed == code


async def test_other_subprotocols_are_refused(tmp_path: Path):
    async with (
        served(tmp_path) as (_, host),
        websockets.connect(f"ws://{host}/graphql") as connection,
    ):
        assert await Socket(connection).closed() == 4406


async def test_a_silent_socket_is_closed(tmp_path: Path):
    limits = Limits(init_timeout_s=0.1)
    async with served(tmp_path, limits=limits) as (_, host), socket(host) as ws:
        assert await ws.closed() == 4408


async def test_an_id_in_use_closes_the_socket(tmp_path: Path):
    async with served(tmp_path) as (town, host), socket(host) as ws:
        await ws.init(token=await town.sign_in("bank-hana"))
        await ws.subscribe("1", FOLLOW)
        await ws.subscribe("1", FOLLOW)
        assert await ws.closed() == 4409


async def test_the_socket_closes_when_its_token_ends(tmp_path: Path):
    async with served(tmp_path) as (town, host), socket(host) as ws:
        token = await town.sign_in("bank-hana")
        town.clock.ms += 599_700
        await ws.init(token=token)
        await ws.subscribe("1", FOLLOW)
        assert await ws.closed() == 4403


async def test_whoever_may_not_act_any_more_hears_no_more(tmp_path: Path):
    async with served(tmp_path) as (town, host), socket(host) as ws:
        await ws.init(token=await town.sign_in("bank-ivy"))
        await ws.subscribe("1", load_operation("Head"))
        assert (await ws.hear())["type"] == "next"
        await town.done(town.signer("regulator").seal(MemberWithdrawn("bank-ivy")))
        told = await ws.hear()
        assert told["type"] == "error"
        assert told["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_strangers_follow_nothing(tmp_path: Path):
    async with served(tmp_path) as (_, host), socket(host) as ws:
        await ws.say(type="connection_init")
        assert (await ws.hear())["type"] == "connection_ack"
        for name, query in (("1", FOLLOW), ("2", "{ log { size } }")):
            await ws.subscribe(name, query)
            told = await ws.hear()
            assert told["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_operations_on_one_socket_are_bounded(tmp_path: Path):
    limits = Limits(subscriptions_per_socket=2)
    async with served(tmp_path, limits=limits) as (town, host), socket(host) as ws:
        await ws.init(token=await town.sign_in("bank-hana"))
        for name in ("1", "2", "3"):
            await ws.subscribe(name, FOLLOW)
        told = await ws.hear()
        assert (told["id"], told["payload"][0]["extensions"]["code"]) == ("3", "RATE_LIMITED")
        await ws.say(type="complete", id="1")
        await ws.subscribe("4", "{ me { actor } }")
        assert (await ws.hear())["type"] == "next"


async def test_connections_are_bounded(tmp_path: Path):
    limits = Limits(sockets=Sockets.count + 1)
    async with (
        served(tmp_path, limits=limits) as (town, host),
        socket(host) as first,
        socket(host) as second,
    ):
        await first.init(token=await town.sign_in("bank-hana"))
        assert await second.closed() == 1013
        headers = await town.headers("bank-hana") | {"accept": "text/event-stream"}
        async with httpx2.AsyncClient(base_url=f"http://{host}") as http:
            answer = await http.post("/graphql", json={"query": FOLLOW}, headers=headers)
        assert answer.status_code == 503


async def test_changes_come_in_order_and_only_ones_own(tmp_path: Path):
    async with served(tmp_path) as (town, host):
        hana = await town.consent("bank-hana", "en-acme")
        ivy = await town.consent("bank-ivy", "en-bolt")
        start = town.ledger.head().size - 1
        async with socket(host) as ws:
            await ws.init(token=await town.sign_in("bank-hana"))
            await ws.subscribe("1", FOLLOW, after=start)
            placed = []
            for _ in range(3):
                placed.append(await town.placed(hana))
                await town.placed(ivy, bank="bank-ivy", label="en-bolt")
            heard = [(await ws.hear())["payload"]["data"]["orderChanges"] for _ in range(3)]
        assert [change["order"]["id"] for change in heard] == placed
        assert [town.ledger.find(order)[0] for order in placed] == [c["index"] for c in heard]


async def test_nothing_is_missed_or_lost_over_reconnects(tmp_path: Path):
    async with served(tmp_path) as (town, host):
        consent = await town.consent(uses=50)
        after = town.ledger.head().size - 1
        token = await town.sign_in("agency-pearl")
        said: list[tuple[str, str]] = []

        async def deal() -> None:
            for number in range(12):
                order = await town.placed(consent)
                said.append((order, "PLACED"))
                if number % 3 == 0:
                    await town.done(town.agent().seal(OrderDeclined(order, DeclineCode.CAPACITY)))
                    said.append((order, "DECLINED"))

        dealing = asyncio.create_task(deal())
        latest: dict[str, str] = {}
        indexes: list[int] = []
        while len([s for s in latest.values() if s]) < 12 or "PLACED" in {
            latest[order] for order, status in said if status == "DECLINED"
        } or not dealing.done():  # fmt: skip
            # Two changes, then the line breaks.
            async with socket(host) as ws:
                await ws.init(token=token)
                await ws.subscribe("1", FOLLOW, after=after)
                for _ in range(2):
                    try:
                        change = (await asyncio.wait_for(ws.hear(), 1.0))["payload"]["data"]
                    except TimeoutError:
                        break
                    after = change["orderChanges"]["index"]
                    indexes.append(after)
                    order = change["orderChanges"]["order"]
                    latest[order["id"]] = order["status"]
        await dealing
        assert latest == dict(said)
        assert indexes == sorted(set(indexes))


async def test_consents_are_followed_by_the_enterprise(tmp_path: Path):
    async with served(tmp_path) as (town, host), socket(host) as ws:
        acme = opaque("en", "en-acme")
        await ws.init(token=await town.sign_in(acme))
        await ws.subscribe("1", load_operation("ConsentChanges"))
        await asyncio.sleep(0.1)
        consent = await town.consent()
        await town.done(town.signer(acme).seal(ConsentWithdrawn(consent)))
        statuses = []
        while "WITHDRAWN" not in statuses:
            change = (await ws.hear())["payload"]["data"]["consentChanges"]
            assert change["consent"]["id"] == consent
            statuses.append(change["consent"]["status"])


async def test_the_head_is_followed(tmp_path: Path):
    async with served(tmp_path) as (town, host), socket(host) as ws:
        await ws.init(token=await town.sign_in("bank-hana"))
        await ws.subscribe("1", load_operation("Head"))
        first = (await ws.hear())["payload"]["data"]["head"]["size"]
        await town.consent()
        sizes = [first]
        while sizes[-1] < town.ledger.head().size:
            sizes.append((await ws.hear())["payload"]["data"]["head"]["size"])
        assert sizes == sorted(set(sizes))


async def lines(response: Any, count: int) -> list[str]:
    found = []
    async for line in response.aiter_lines():
        if line and not line.startswith(":"):
            found.append(line)
        if len(found) == count:
            break
    return found


async def test_a_stream_of_events(tmp_path: Path):
    async with served(tmp_path) as (town, host):
        consent = await town.consent()
        after = town.ledger.head().size - 1
        headers = await town.headers("agency-pearl") | {"accept": "text/event-stream"}
        body = {"query": FOLLOW, "variables": {"after": after}}
        async with (
            httpx2.AsyncClient(base_url=f"http://{host}") as http,
            http.stream("POST", "/graphql", json=body, headers=headers) as response,
        ):
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            order = await town.placed(consent)
            event, data = await asyncio.wait_for(lines(response, 2), 10)
        assert event == "event: next"
        change = json.loads(data.removeprefix("data: "))["data"]["orderChanges"]
        assert change["order"]["id"] == order
        assert Sockets.count >= 0


async def test_a_stream_ends_with_its_token(tmp_path: Path):
    async with served(tmp_path) as (town, host):
        headers = await town.headers("agency-pearl") | {"accept": "text/event-stream"}
        town.clock.ms += 600_000 - 700
        async with (
            httpx2.AsyncClient(base_url=f"http://{host}") as http,
            http.stream("POST", "/graphql", json={"query": FOLLOW}, headers=headers) as response,
        ):
            town.clock.ms += 800
            found = await asyncio.wait_for(lines(response, 4), 10)
        assert json.loads(found[1].removeprefix("data: "))["errors"][0]["extensions"]["code"] == (
            "UNAUTHENTICATED"
        )
        assert found[2] == "event: complete"


async def test_a_query_as_a_stream_is_one_result(tmp_path: Path):
    async with served(tmp_path) as (town, host):
        headers = await town.headers("bank-hana") | {"accept": "text/event-stream"}
        async with httpx2.AsyncClient(base_url=f"http://{host}") as http:
            body = {"query": "{ me { actor } }"}
            answer = await http.post("/graphql", json=body, headers=headers)
            assert answer.text == (
                ':\n\nevent: next\ndata: {"data":{"me":{"actor":"bank-hana"}}}\n\n'
                "event: complete\ndata:\n\n"
            )
            headers["accept"] = "application/json"
            answer = await http.post("/graphql", json={"query": FOLLOW}, headers=headers)
            assert answer.status_code == 406


async def test_a_client_that_goes_leaves_nothing_behind(tmp_path: Path):
    async with served(tmp_path) as (town, host):
        before = Sockets.count
        async with socket(host) as ws:
            await ws.init(token=await town.sign_in(officer_id("bank-hana")))
            await ws.subscribe("1", FOLLOW)
            await asyncio.sleep(0.1)
            assert Sockets.count == before + 1
        for _ in range(100):
            if Sockets.count == before:
                break
            await asyncio.sleep(0.02)
        assert Sockets.count == before
        assert not town.ledger._publisher.size._waiting
