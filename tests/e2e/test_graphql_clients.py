"""Audits and clients that nobody here wrote, against the doors on a real port."""

import asyncio
from pathlib import Path

import pytest

from creditchain.events.order import OrderAccepted
from tests.e2e.graphql_clients import install, node, serving
from tests.unit.api.town import officer_id, open_town
from tests.unit.regulator.door.world import open_world

AUDITS = 61


@pytest.fixture(scope="module", autouse=True)
def installed() -> Path:
    return install()


async def test_all_audits_of_graphql_over_http_pass(tmp_path: Path):
    async with open_town(tmp_path) as town, serving(town.app) as host:
        token = await town.sign_in("bank-hana")
        async with node("audit.mjs", f"http://{host}/graphql", token) as script:
            [report] = await script.lines()
    assert report["faults"] == []
    assert report["count"] == AUDITS


async def test_all_audits_pass_at_the_regulators_own_door(tmp_path: Path):
    async with open_world(tmp_path, events=5) as world, serving(world.app) as host:
        token = await world.sign_in(world.auditor)
        async with node("audit.mjs", f"http://{host}/graphql", token) as script:
            [report] = await script.lines()
    assert report["faults"] == []
    assert report["count"] == AUDITS


async def test_the_graphql_ws_client_queries_fails_and_follows(tmp_path: Path):
    async with open_town(tmp_path) as town, serving(town.app) as host:
        consent = await town.consent()
        token = await town.sign_in(officer_id("agency-pearl"))
        async with node("follow_ws.mjs", f"ws://{host}/graphql", token, "2") as script:
            assert await script.line() == {"query": {"data": {"__typename": "Query"}}}
            assert await script.line() == {"error": "BAD_USER_INPUT"}
            assert await script.line() == {"following": True}
            await asyncio.sleep(0.2)
            order = await town.placed(consent)
            change = (await script.line())["change"]["data"]["orderChanges"]
            assert change["order"] == {"id": order, "status": "PLACED"}
            await town.done(town.agent().seal(OrderAccepted(order)))
            change = (await script.line())["change"]["data"]["orderChanges"]
            assert change["order"] == {"id": order, "status": "ACCEPTED"}
            assert await script.lines() == [{"closes": []}]


async def test_the_graphql_ws_client_resumes_where_it_was(tmp_path: Path):
    async with open_town(tmp_path) as town, serving(town.app) as host:
        consent = await town.consent()
        first = await town.placed(consent)
        after = town.ledger.find(first)[0]
        second, third = await town.placed(consent), await town.placed(consent)
        token = await town.sign_in(officer_id("agency-pearl"))
        arguments = (f"ws://{host}/graphql", token, "2", str(after))
        async with node("follow_ws.mjs", *arguments) as script:
            said = await script.lines()
        seen = [s["change"]["data"]["orderChanges"]["order"]["id"] for s in said if "change" in s]
        assert seen == [second, third]


async def test_the_graphql_ws_client_is_refused_with_a_bad_token(tmp_path: Path):
    async with (
        open_town(tmp_path) as town,
        serving(town.app) as host,
        node("follow_ws.mjs", f"ws://{host}/graphql", "nonsense", "0") as script,
    ):
        said = await script.lines()
    assert {"closes": [4403]} in said


async def test_the_graphql_sse_client_queries_and_follows(tmp_path: Path):
    async with open_town(tmp_path) as town, serving(town.app) as host:
        consent = await town.consent()
        token = await town.sign_in(officer_id("agency-pearl"))
        async with node("follow_sse.mjs", f"http://{host}/graphql", token, "1") as script:
            assert await script.line() == {"query": {"data": {"__typename": "Query"}}}
            assert await script.line() == {"following": True}
            await asyncio.sleep(0.2)
            order = await town.placed(consent)
            change = (await script.line())["change"]["data"]["orderChanges"]
            assert change["order"] == {"id": order, "status": "PLACED"}


async def test_the_graphql_sse_client_resumes_where_it_was(tmp_path: Path):
    async with open_town(tmp_path) as town, serving(town.app) as host:
        consent = await town.consent()
        first = await town.placed(consent)
        after = town.ledger.find(first)[0]
        second = await town.placed(consent)
        token = await town.sign_in(officer_id("agency-pearl"))
        arguments = (f"http://{host}/graphql", token, "1", str(after))
        async with node("follow_sse.mjs", *arguments) as script:
            said = await script.lines()
        seen = [s["change"]["data"]["orderChanges"]["order"]["id"] for s in said if "change" in s]
        assert seen == [second]
