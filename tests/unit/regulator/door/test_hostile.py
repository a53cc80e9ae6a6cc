"""Strangers and auditors who mean harm: what they must not learn, change or use up."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationType
from sqlalchemy.exc import DatabaseError

from creditchain.querying.document import parse_document, validate_document
from creditchain.querying.rules import rules_of
from regulator import receiving
from regulator.door import asking, over_http
from regulator.door.copy import open_copy, reading
from regulator.door.inquiry import Inquiry
from regulator.door.limits import BODY_BYTES_MAX, QUERIES_AT_ONCE, QUERIES_WAITING_MAX
from regulator.door.schema import PRICES, SCHEMA
from regulator.findings import FindingRegister
from tests.unit.regulator.door.world import World

JSON = {"content-type": "application/json"}
FOREVER = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a"


# Strangers.


async def test_strangers_may_ask_for_the_typename_only(world: World):
    async def post(query: str) -> Any:
        return await world.http.post("/graphql", json={"query": query})

    answer = await post("{ __typename }")
    assert answer.json() == {"data": {"__typename": "Query"}}
    for query in (
        "{ observer { size } }",
        "{ __schema { types { name } } }",
        "{ __typename observer { size } }",
        "{ ...F } fragment F on Query { me { actor } }",
        "{ ... { __typename } }",
        "{ nothing }",
        "mutation { __typename }",
        "subscription { __typename }",
    ):
        answer = await post(query)
        assert answer.status_code == 401, query
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "data" not in answer.json()


async def test_a_stranger_is_told_nothing_of_the_schema(world: World):
    answer = await world.http.post("/graphql", json={"query": "{ observe }"})
    assert "observer" not in answer.text


# Nothing can be changed.


def test_the_schema_has_queries_and_no_other_root():
    assert SCHEMA.mutation_type is None
    assert SCHEMA.subscription_type is None
    sdl = Path("graphql/observer.graphql").read_text(encoding="utf-8")
    for word in ("type Mutation", "type Subscription", "input "):
        assert word not in sdl


async def test_mutations_and_subscriptions_are_refused(world: World):
    for kind in ("mutation", "subscription"):
        assert await world.code_of(f"{kind} {{ __typename }}") == "FORBIDDEN"


WRITES = (
    "INSERT INTO hole (idx, reported) VALUES (9, 0)",
    "UPDATE copy SET size = 0",
    "DELETE FROM finding",
    "REPLACE INTO record (kind, id, json, changed_index) VALUES ('Order', 'x', '{}', 0)",
    "CREATE TABLE mine (a)",
    "CREATE TEMP TABLE mine (a)",
    "DROP TABLE record",
    "ALTER TABLE record ADD COLUMN mine",
    "PRAGMA query_only=OFF",
    "PRAGMA journal_mode=DELETE",
    "PRAGMA user_version=7",
    "ATTACH DATABASE ':memory:' AS mine",
    "VACUUM",
    "REINDEX",
    "ANALYZE",
    "SELECT load_extension('mine')",
)


async def test_no_statement_can_write(world: World):
    engine = open_copy(world.folder / "observer.db")
    for statement in WRITES:
        with reading(engine, 5) as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM entry").scalar_one() > 0
            with pytest.raises((DatabaseError, sqlite3.Error)):
                connection.exec_driver_sql(statement)


async def test_each_lock_on_the_copy_holds_alone(world: World):
    path = world.folder / "observer.db"
    lent = open_copy(path).raw_connection()
    raw = lent.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.set_authorizer(None)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        raw.execute("DELETE FROM record")
    raw.execute("PRAGMA query_only=OFF")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        raw.execute("DELETE FROM record")
    lent.close()


def test_the_register_of_findings_is_read_through_a_connection_that_cannot_write(tmp_path: Path):
    path = tmp_path / "observer.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE finding (id INTEGER)")
    connection.close()
    with (
        FindingRegister(tmp_path)._connected() as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM finding")


# Bombs.


def spread(depth: int) -> str:
    """Fragments that double at each step: 2^depth fields if they were walked each time."""
    parts = [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(depth)]
    return " ".join(["{ ...F0 }", *parts, f"fragment F{depth} on Query {{ observer {{ size }} }}"])


PAGE = "orders(first: 100) { nodes { id consent { id } } }"
BOMBS = {
    "2,000 aliases": "{" + " ".join(f"a{n}: __typename" for n in range(2_000)) + "}",
    "aliased figures": "{" + " ".join(f"a{n}: statistics {{ size }}" for n in range(11)) + "}",
    "aliased pages": "{" + " ".join(f"a{n}: {PAGE}" for n in range(40)) + "}",
    "aliased lists of one": "{" + " ".join(
        f"a{n}: orders(first: 1) {{ nodes {{ id }} }}" for n in range(100)
    ) + "}",
    "aliased timelines": "{ orders(first: 100) { nodes { timeline { nodes { index } } } } }",
    "proofs by the thousand": "{ orders(first: 20) { nodes { timeline(first: 100) { nodes {"
    " proof } } } } }",
    "deep": "{ me " + "{ member " * 400 + "{ id }" + "}" * 401,
    "deeper than the parser": "{a" * 5_000 + "}" * 5_000,
    "wide": "{ me {" + " actor" * 3_000 + "} }",
    "long": "{ __typename } #" + "x" * 40_000,
    "doubling fragments": spread(40),
    "fragment chain": " ".join(
        ["{ ...F0 }", *(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(200)),
         "fragment F200 on Query { observer { size } }"]
    ),
    "fragment circle": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "inline fragments": "{" + "... on Query {" * 300 + "__typename" + "}" * 301,
    "overlapping fields": "{" + 'x: member(id: "a") { id name } ' * 150 + "}",
    "introspection circle": "{ __schema { types { fields { type { fields { type { fields { type "
    "{ fields { name } } } } } } } } } }",
}  # fmt: skip
LAWFUL = {"doubling fragments"}
"""Harmless once it is memoised; it must be quick all the same."""


# Not a measurement: without the memo a bomb takes minutes, and the test would hang, not be slow.
@pytest.mark.timeout(60)
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_at_once(bomb: str):
    document = parse_document(BOMBS[bomb])
    if not isinstance(document, Exception):
        errors = validate_document(SCHEMA, document, PRICES, rules_of(introspection=True))
        assert errors or bomb in LAWFUL


async def test_a_bomb_is_told_to_be_too_complex(world: World):
    for bomb in ("2,000 aliases", "aliased pages", "aliased figures", "deep", "long"):
        assert await world.code_of(BOMBS[bomb]) == "QUERY_TOO_COMPLEX", bomb


# Time and number.


def never_ending(self: Inquiry, id: str) -> Any:
    return self._rows(FOREVER)


EVENT = '{ event(id: "01977420-0000-7000-8000-000000000000") { index } }'


async def test_a_query_that_reads_too_long_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Inquiry, "event", never_ending)
    world.door._asking._seconds = 0.2
    assert await world.code_of(EVENT) == "QUERY_TOO_COMPLEX"
    monkeypatch.undo()
    assert (await world.ask(EVENT))["event"] is None


async def test_following_and_status_go_on_beside_slow_queries(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    reading, go = threading.Semaphore(0), threading.Event()

    def slow(self: Inquiry, _id: str) -> None:
        assert self.copy.size > 0, "so that it holds on to one state of the copy"
        reading.release()
        go.wait(60)

    monkeypatch.setattr(Inquiry, "event", slow)
    await world.sign_in(world.auditor)
    tasks = [asyncio.create_task(world.post(EVENT)) for _ in range(QUERIES_AT_ONCE)]
    try:
        for _ in tasks:
            assert await asyncio.to_thread(reading.acquire, timeout=20)
        world.consortium.play(40)
        await world.follow()
        status = (await world.http.get("/status")).json()
        assert status["cosigned"]["mirror"]["size"] == world.consortium.log.size
        assert not any(task.done() for task in tasks)
    finally:
        go.set()
        answers = await asyncio.gather(*tasks)
    assert {answer.status_code for answer in answers} == {200}


async def test_too_many_questions_at_once_are_turned_away(world: World):
    world.door._under_way = QUERIES_AT_ONCE + QUERIES_WAITING_MAX
    answer = await world.http.post("/graphql", json={"query": "{ __typename }"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    form = {"grant_type": "client_credentials"}
    assert (await world.http.post("/token", data=form)).status_code == 503
    world.door._under_way = 0
    assert (await world.post("{ __typename }")).status_code == 200
    assert world.door._under_way == 0


async def test_requests_have_bounds(world: World, monkeypatch: pytest.MonkeyPatch):
    post, get = world.http.post, world.http.get
    large = json.dumps({"query": "{ __typename }", "x": "x" * BODY_BYTES_MAX}).encode()
    assert (await post("/graphql", content=large, headers=JSON)).status_code == 413
    assert (
        await post("/graphql", content=b"x", headers={"content-type": "text/plain"})
    ).status_code == 415
    assert (await post("/graphql", content=b"{", headers=JSON)).status_code == 400
    for value in ([], {}, {"query": 7}, {"query": "{a}", "variables": []}, {"documentId": "x"}):
        answer = await post(
            "/graphql", json=value, headers={"accept": "application/graphql-response+json"}
        )
        assert answer.status_code == 400, value
    assert (await get("/graphql?query=" + "x" * 20_000)).status_code == 414
    assert (await get("/graphql?query=%7B__typename%7D")).json()["data"]["__typename"] == "Query"
    assert (await world.http.put("/graphql")).status_code == 405
    answer = await post("/graphql", json={"query": "{__typename}"}, headers={"accept": "image/png"})
    assert answer.status_code == 406

    async def never() -> Any:
        yield b"{"
        await asyncio.sleep(30)

    monkeypatch.setattr(receiving, "SECONDS_MAX", 0.05)
    assert (await post("/graphql", content=never(), headers=JSON)).status_code == 408


# What is told.


@pytest.mark.parametrize(
    ("accept", "status"), [("application/graphql-response+json", 400), ("application/json", 200)]
)
async def test_request_errors_have_no_data(world: World, accept: str, status: int):
    for query, variables in (
        ("{", {}),
        ("{ nothing }", {}),
        ("{ observe }", {}),
        ("query($id: EventId!) { order(id: $id) { id } }", {}),
        ("query($id: EventId!) { order(id: $id) { id } }", {"id": "no id"}),
        ("query($s: OrderStatus) { orders(status: $s) { nodes { id } } }", {"s": "PLACE"}),
        ("query A { __typename } query B { __typename }", {}),
    ):
        answer = await world.post(query, variables, accept=accept)
        body = answer.json()
        assert (answer.status_code, "data" in body) == (status, False), query
        assert {error["extensions"]["code"] for error in body["errors"]} == {"BAD_USER_INPUT"}
        assert "Did you mean" not in answer.text


async def test_what_fails_inside_is_masked(world: World, monkeypatch: pytest.MonkeyPatch):
    def explode(self: Inquiry, id: str) -> Any:
        raise RuntimeError("db password=hunter2")

    monkeypatch.setattr(Inquiry, "event", explode)
    answer = await world.post(EVENT)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (200, "INTERNAL")
    assert error["extensions"]["requestId"]
    assert "hunter2" not in answer.text


async def test_introspection_is_for_auditors_and_can_be_switched_off(world: World):
    query = "{ __schema { queryType { name } } }"
    assert (await world.ask(query))["__schema"]["queryType"]["name"] == "Query"
    world.door._asking = asking.Asking(
        world.door._asking._engine, world.door._asking._rooms, introspection=False
    )
    assert await world.code_of(query) == "FORBIDDEN"
    assert await world.code_of('{ __type(name: "Order") { name } }') == "FORBIDDEN"
    assert (await world.ask("{ __typename }")) == {"__typename": "Query"}


async def test_each_question_is_one_line_without_what_was_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    lines: list[dict[str, Any]] = []

    class Log:
        def info(self, event: str, **told: Any) -> None:
            lines.append({"event": event, **told})

    monkeypatch.setattr(over_http, "_log", Log())
    some = world.consortium.enterprises[0].id
    await world.ask("query Find($id: EnterpriseId!) { enterprise(id: $id) { id } }", id=some)
    [line] = lines
    assert (line["event"], line["operation"], line["actor"]) == ("asked", "Find", world.auditor.id)
    assert some not in str(line)
    assert world.tokens[world.auditor.id] not in str(line)


def test_remembered_documents_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "DOCUMENTS_REMEMBERED", 3)
    held = asking.Asking(open_copy(tmp_path / "observer.db"), None)  # type: ignore[arg-type]
    for n in range(10):
        source = f"{{ a{n}: __typename }}"
        document = parse_document(source)
        assert not isinstance(document, Exception)
        assert document.definitions[0].operation is OperationType.QUERY  # type: ignore[attr-defined]
        assert held._validate(source, document) == ()
    assert len(held._valid) == 3
