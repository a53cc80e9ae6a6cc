"""GraphQL over HTTP beyond the audits: bounds, statuses, masked errors, trusted documents."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from creditchain.api import execution, journal, over_http
from creditchain.api.doors import DocumentsMode
from creditchain.api.execution import Documents
from creditchain.api.limits import BODY_BYTES_MAX, Limits, Meter
from creditchain.api.request import language_of
from creditchain.api.schema import SCHEMA
from creditchain.documents import document_id, load_operation
from creditchain.ledger import Busy, StorageFull
from creditchain.querying.http_request import choose
from creditchain.querying.limits import COST_MAX, DEPTH_MAX
from tests.unit.api.town import Town, mutation_of, officer_id, open_town, proof_of

JSON = {"content-type": "application/json"}


async def send(town: Town, content: bytes, **headers: str) -> Any:
    return await town.http.post("/graphql", content=content, headers=JSON | headers)


def code_of(answer: Any) -> str:
    [error] = answer.json()["errors"]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    return error["extensions"]["code"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"7", b"\xff", b'{"query": 7}', b'{"query": {}}',
        b'{"query": null}', b"{}", b'[{"query": "{__typename}"}]',
        b'{"query": "{__typename}", "variables": []}',
        b'{"query": "{__typename}", "variables": "x"}',
        b'{"query": "{__typename}", "operationName": 7}',
        b'{"query": "{__typename}", "extensions": 7}',
        b'{"documentId": 7}', b"[" * 100_000,
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused(town: Town, content: bytes):
    answer = await send(town, content)
    assert answer.status_code == 400
    assert code_of(answer) == "BAD_USER_INPUT"


async def test_a_body_over_the_limit_is_refused_before_it_is_parsed(town: Town):
    answer = await send(town, b" " * (BODY_BYTES_MAX + 1))
    assert (answer.status_code, code_of(answer)) == (413, "QUERY_TOO_COMPLEX")

    async def chunks():
        for _ in range(BODY_BYTES_MAX // 4096 + 1):
            yield b" " * 4096

    answer = await town.http.post("/graphql", content=chunks(), headers=JSON)
    assert answer.status_code == 413


async def test_other_methods_types_and_tastes_are_refused(town: Town):
    assert (await town.http.put("/graphql", content=b"")).status_code == 405
    assert (await send(town, b"x", **{"content-type": "text/plain"})).status_code == 415
    latin = {"content-type": "application/json; charset=latin-1"}
    assert (await send(town, b"{}", **latin)).status_code == 415
    answer = await send(town, b'{"query": "{__typename}"}', accept="image/png")
    assert answer.status_code == 406


async def test_a_mutation_by_get_is_refused(town: Town):
    query = "mutation { submit(events: []) { id } }"
    answer = await town.http.get(
        "/graphql", params={"query": query}, headers=await town.headers("bank-hana")
    )
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_a_query_by_get_is_answered(town: Town):
    params = {
        "query": load_operation("Member"), "variables": '{"id": "bank-hana"}',
        "operationName": "Member",
    }  # fmt: skip
    headers = await town.headers("bank-hana")
    answer = await town.http.get("/graphql", params=params, headers=headers)
    assert answer.json()["data"]["member"]["id"] == "bank-hana"
    for broken in ("query=a&query=b", "variables={&query={__typename}", "%ff=%ff"):
        assert (await town.http.get(f"/graphql?{broken}")).status_code == 400
    assert (await town.http.get("/graphql?query=" + "x" * 20_000)).status_code == 414


FRAGMENT = "{ ...F } fragment F on Query { log { size } }"


async def test_strangers_may_ask_for_the_typename_only(town: Town):
    answer = await town.post(None, "{ __typename }")
    assert answer.json() == {"data": {"__typename": "Query"}}
    for query in ("{ me { actor } }", "{ __schema { types { name } } }", "{ log { size } }",
                  "mutation { submit(events: []) { id } }", FRAGMENT):  # fmt: skip
        answer = await town.post(None, query)
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("accept", "status"), [
    ("application/graphql-response+json", 400), ("application/json", 200),
])  # fmt: skip
async def test_request_errors_have_no_data(town: Town, accept: str, status: int):
    for query, variables in (
        ("{", {}),
        ("{ nothing }", {}),
        ("{ nothing { deeper } }", {}),
        (load_operation("Member"), {}),
        (load_operation("Member"), {"id": 7}),
        ("query A { __typename } query B { __typename }", {}),
        ("fragment F on Query { __typename }", {}),
    ):
        answer = await town.post("bank-hana", query, variables, accept=accept)
        body = answer.json()
        assert answer.status_code == status
        assert "data" not in body
        assert {e["extensions"]["code"] for e in body["errors"]} == {"BAD_USER_INPUT"}
        assert "Did you mean" not in answer.text


async def test_what_fails_inside_is_masked(town: Town, caplog: pytest.LogCaptureFixture):
    def explode() -> Any:
        raise RuntimeError("db password=hunter2")

    town.ledger.head = explode
    answer = await town.post("bank-hana", "{ log { size } }")
    assert answer.status_code == 200
    assert answer.json()["data"] is None
    assert code_of(answer) == "INTERNAL"
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("failure", [Busy("full"), StorageFull("full")])
async def test_a_hub_that_cannot_take_more_says_so(town: Town, failure: Exception):
    async def submit(_items: Any) -> Any:
        raise failure

    sealed = town.order(await town.consent())
    town.ledger.submit = submit
    name, variables = mutation_of(sealed.event, proof_of(sealed))
    [error] = await town.errors(sealed.event.by, name, **variables)
    assert error["extensions"]["code"] == "RATE_LIMITED"


async def test_a_request_id_is_taken_over_or_made(town: Town):
    answer = await town.post(None, "{ __typename }", **{"x-request-id": "from-a-proxy-1"})
    assert answer.headers["x-request-id"] == "from-a-proxy-1"
    answer = await town.post(None, "{ __typename }", **{"x-request-id": "<script>"})
    assert answer.headers["x-request-id"] != "<script>"


# Bombs.


def spread(depth: int) -> str:
    """Fragments that double at each step: 2^depth fields if they were walked each time."""
    parts = [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(depth)]
    return " ".join(["{ ...F0 }", *parts, f"fragment F{depth} on Query {{ log {{ size }} }}"])


def twice(depth: int) -> str:
    """Fragments that are spread under two aliases at each step."""
    type_ = "Member"
    parts = [f"fragment F{n} on {type_} {{ ...F{n + 1} ...F{n + 1} }}" for n in range(depth)]
    head = '{ member(id: "bank-hana") { ...F0 } }'
    return " ".join([head, *parts, f"fragment F{depth} on {type_} {{ id }}"])


BOMBS = {
    "2,000 aliases": "{" + " ".join(f"a{n}: __typename" for n in range(2_000)) + "}",
    "aliased counters": "{" + " ".join(f"a{n}: counters {{ members }}" for n in range(60)) + "}",
    "aliased pages": "{" + " ".join(
        f"a{n}: orders(first: 100) {{ nodes {{ id status consent {{ id }} }} }}" for n in range(60)
    ) + "}",
    "deep": "{ log " + "{ log " * 400 + "{ size }" + "}" * 401,
    "deeper than the parser": "{a" * 5_000 + "}" * 5_000,
    "wide": "{ me {" + " actor" * 3_000 + "} }",
    "long": "{ __typename } #" + "x" * 40_000,
    "doubling fragments": spread(40),
    "doubling fragments inside": twice(60),
    "fragment chain": " ".join(
        ["{ ...F0 }", *(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(200)),
         "fragment F200 on Query { log { size } }"]
    ),
    "fragment circle": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "inline fragments": "{" + "... on Query {" * 300 + "__typename" + "}" * 301,
    "introspection circle": "{ __schema { types { fields { type { fields { type { fields { type "
    "{ fields { name } } } } } } } } } }",
    "overlapping fields": "{" + " ".join(
        'x: member(id: "a") { id name }' for _ in range(150)
    ) + "}",
}  # fmt: skip
# Harmless once they are merged or memoised; they must be quick all the same.
LAWFUL = {"doubling fragments", "doubling fragments inside"}


# Not a measurement: without the memo a bomb takes minutes, and the test would hang, not be slow.
@pytest.mark.timeout(60)
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_at_once(bomb: str):
    prepared = Documents(SCHEMA, introspection=True).prepare(BOMBS[bomb])
    assert prepared.errors or bomb in LAWFUL


async def test_a_bomb_is_told_to_be_too_complex(town: Town):
    for bomb in ("2,000 aliases", "aliased pages", "deep", "long", "aliased counters"):
        answer = await town.post("bank-hana", BOMBS[bomb])
        assert code_of(answer) == "QUERY_TOO_COMPLEX", bomb
    accept = {"accept": "application/graphql-response+json"}
    answer = await town.post(None, BOMBS["2,000 aliases"], **accept)
    assert answer.status_code == 400


def test_limits_are_exact():
    documents = Documents(SCHEMA, introspection=True)
    nested = "{ __schema " + "{ types " * (DEPTH_MAX - 2)
    for extra, fits in ((0, True), (1, False)):
        text = nested + "{ types " * extra + "{ name }" + "}" * (DEPTH_MAX - 1 + extra)
        messages = [error.message for error in documents.prepare(text).errors]
        assert any("nested" in message for message in messages) is not fits
    cost = 5 + 1 + 100 * 2
    count = COST_MAX // cost
    for pages, fits in ((count, True), (count + 1, False)):
        text = " ".join(f"a{n}: orders(first: 100) {{ nodes {{ id }} }}" for n in range(pages))
        messages = [error.message for error in documents.prepare("{" + text + "}").errors]
        assert any("costs" in message for message in messages) is not fits


async def test_introspection_is_for_callers_and_can_be_switched_off(tmp_path: Path):
    query = "{ __schema { queryType { name } } __typename }"
    async with open_town(tmp_path) as town:
        assert (await town.post("bank-hana", query)).json()["data"]["__typename"] == "Query"
        town.make_app(limits=Limits(introspection=False))
        answer = await town.post("bank-hana", query)
        assert code_of(answer) == "FORBIDDEN"
        answer = await town.post("bank-hana", '{ __type(name: "Order") { name } }')
        assert code_of(answer) == "FORBIDDEN"
        assert (await town.post("bank-hana", "{ __typename }")).status_code == 200


def test_remembered_documents_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(execution, "DOCUMENTS_REMEMBERED", 10)
    documents = Documents(SCHEMA, introspection=True)
    kept = documents.prepare("{ __typename }")
    for n in range(100):
        documents.prepare(f"{{ a{n}: __typename }}")
        assert documents.prepare("{ __typename }") is kept
    assert len(documents._remembered) == 10
    monkeypatch.setattr(execution, "DOCUMENT_CHARS_REMEMBERED", 500)
    documents.prepare("{ __typename } #" + "x" * 400)
    assert documents._chars == sum(map(len, documents._remembered)) <= 500


# Trusted documents.


async def test_a_trusted_document_is_cited_by_its_id(town: Town):
    cited = {"documentId": document_id(load_operation("Me"))}
    headers = await town.headers("bank-hana")
    answer = await town.http.post("/graphql", json=cited, headers=headers)
    assert answer.json()["data"]["me"]["actor"] == "bank-hana"
    answer = await town.http.get("/graphql", params=cited, headers=headers)
    assert answer.json()["data"]["me"]["actor"] == "bank-hana"
    unknown = {"documentId": document_id("{ __typename }")}
    answer = await town.http.post("/graphql", json=unknown, headers=headers)
    assert code_of(answer) == "BAD_USER_INPUT"


async def test_a_strict_hub_runs_trusted_documents_only(tmp_path: Path):
    async with open_town(tmp_path, documents=DocumentsMode.STRICT) as town:
        answer = await town.post("bank-hana", "{ me { actor } }")
        assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
        assert (await town.ask("bank-hana", "Me"))["me"]["actor"] == "bank-hana"
        order = town.order(await town.consent())
        assert (await town.done(order))["order"]["status"] == "PLACED"


# Rates.


async def test_a_caller_in_a_hurry_waits_and_others_do_not(tmp_path: Path):
    limits = Limits(requests_per_s=1.0, burst=3)
    async with open_town(tmp_path, limits=limits) as town:
        answers = [await town.post("bank-hana", "{ log { size } }") for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert code_of(answers[3]) == "RATE_LIMITED"
        assert int(answers[3].headers["retry-after"]) >= 1
        assert (await town.post("bank-ivy", "{ log { size } }")).status_code == 200
        town.clock.ms += 1_000
        assert (await town.post("bank-hana", "{ log { size } }")).status_code == 200


def test_a_meter_remembers_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("creditchain.api.limits.CALLERS_REMEMBERED", 5)
    meter = Meter(Limits(requests_per_s=1.0, burst=1))
    for n in range(50):
        assert meter.admit(f"a{n}", 0.0) == 0.0
    assert meter.admit("a49", 0.0) > 0
    assert len(meter._buckets) == 5


async def test_too_many_requests_at_once_are_turned_away(town: Town):
    town.app.state.operations.in_flight = Limits().in_flight
    answer = await town.post("bank-hana", "{ log { size } }")
    assert (answer.status_code, code_of(answer)) == (503, "RATE_LIMITED")
    town.app.state.operations.in_flight = 0
    assert (await town.post("bank-hana", "{ log { size } }")).status_code == 200


# What is written down.


async def test_each_request_is_one_line_of_ids_and_times(
    town: Town, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal._ENABLED, "level", logging.INFO)
    logging.getLogger("creditchain.access").manager._clear_cache()
    lines: list[bytes] = []

    class Out:
        def write(self, line: bytes) -> None:
            lines.append(line)

        def flush(self) -> None:
            pass

    middle = journal.Journal(over_http.GraphQLOverHTTP(town.app.state.operations), Out())
    import httpx2

    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=middle), base_url="http://hub.test"
    ) as http:
        token = await town.headers(officer_id("bank-hana"))
        await http.post("/graphql", json={"query": load_operation("Me")}, headers=token)
    await asyncio.sleep(0)  # lines go out when the turn of the loop ends
    [line] = [json.loads(line) for line in lines if line.strip()]
    assert line["operation"] == "Me"
    assert line["actor"] == officer_id("bank-hana")
    assert (line["status"], line["method"], line["path"]) == (200, "POST", "/graphql")
    assert token["authorization"].split()[1] not in str(lines)
    capfd.readouterr()


async def test_the_machine_room_gets_its_answers(town: Town):
    assert (await town.http.get("/healthz")).json() == {"status": "ok"}
    ready = await town.http.get("/readyz")
    assert (ready.status_code, ready.json()["faults"]) == (200, {})
    await town.ask("bank-hana", "Me")
    metrics = (await town.http.get("/metrics")).text
    assert f"creditchain_log_size {float(town.ledger.head().size)}" in metrics
    assert 'creditchain_http_requests_total{door="graphql",status="200"}' in metrics
    assert "creditchain_storage_full 0.0" in metrics
    town.make_app(ready=lambda: {"clock": "stopped"}, cosigned=lambda: {"witness": 7})
    metrics = (await town.http.get("/metrics")).text
    assert 'creditchain_cosigned_size{cosigner="witness"} 7.0' in metrics
    ready = await town.http.get("/readyz")
    assert (ready.status_code, ready.json()["faults"]) == (503, {"clock": "stopped"})


def test_media_types_are_chosen_as_the_header_asks():
    offers = ("application/json", "application/graphql-response+json", "text/event-stream")
    for accept, chosen in (
        ("", offers[0]),
        ("*/*", offers[0]),
        ("application/*", offers[0]),
        ("text/*", offers[2]),
        ("application/graphql-response+json, application/json;q=0.9", offers[1]),
        ("application/graphql-response+json;q=0.1, application/json", offers[0]),
        ("application/json;q=0", None),
        ("application/json; charset=latin-1", None),
        ("application/json; charset=UTF-8", offers[0]),
        ("text/html", None),
        ("application/json;q=x", None),
        (",;=,", None),
    ):
        assert choose(accept, offers) == chosen, accept


def test_languages_are_english_unless_chinese_is_preferred():
    for header, language in (
        ("", "en"), ("*", "en"), ("fr", "en"), ("zh", "zh"), ("zh-CN", "zh"), ("en,zh", "en"),
        ("zh;q=0.8,en;q=0.9", "en"), ("zh-Hant-HK,en;q=0.5", "zh"), ("zh;q=0", "en"),
    ):  # fmt: skip
        assert language_of(header) == language, header
