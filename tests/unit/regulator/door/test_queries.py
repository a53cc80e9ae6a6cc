"""What an auditor is told is what the copy holds: entries, records, findings, figures."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from graphql import parse

from creditchain.documents import DOCUMENTS
from creditchain.events import format_time
from creditchain.events.codes import RefusalReason
from creditchain.events.consent import ConsentRefused, ConsentRequested, Terms
from creditchain.rulebook import record
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.tlogproof import check_tlog_proof
from regulator.door import looking
from regulator.door.inquiry import Inquiry
from regulator.door.schema import SCHEMA
from regulator.door.statistics import Statistics
from regulator.evidence import make_policy
from regulator.office import open_office
from tests.unit.regulator.door.world import RULE, World, open_world
from tests.unit.regulator.observing import SIGNERS

FOLDER = DOCUMENTS / "operations" / "observer"
ORDERS = """query($first: Int, $after: String, $status: OrderStatus, $enterprise: EnterpriseId) {
  orders(first: $first, after: $after, status: $status, enterprise: $enterprise) {
    nodes { id } edges { cursor node { id } } pageInfo { hasNextPage endCursor hasPreviousPage }
  }
}"""


def orders_of(world: World) -> list[record.Order]:
    """The orders of the log by the hub's own book, in the order of their ids."""
    book = world.consortium.book
    found = (book.get(record.Order, order) for order in event_ids(world, "OrderPlaced"))
    return sorted((order for order in found if order is not None), key=lambda one: one.id)


def event_ids(world: World, type: str) -> list[str]:
    events = (json.loads(body)["event"] for body in world.consortium.log.bodies if body)
    return [event["id"] for event in events if event["type"] == type]


async def every(world: World, query: str, field: str, **variables: Any) -> list[Any]:
    """All items of a list, page by page."""
    items, after = [], None
    while True:
        page = (await world.ask(query, after=after, **variables))[field]
        items += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return items
        assert page["pageInfo"]["endCursor"] not in (None, after), "a page must lead on"
        after = page["pageInfo"]["endCursor"]


async def test_each_operation_document_is_answered(world: World):
    order = orders_of(world)[0]
    consortium = world.consortium
    ids = {
        "Event": order.id, "Order": order.id, "Consent": order.consent,
        "Member": "bank-hana", "Officer": order.officer, "Enterprise": order.enterprise,
        "Product": "agency-lin/basic", "Case": world.case, "Finding": world.finding,
    }  # fmt: skip
    missing = {"RecordBatch", "Objection"}  # of which this log has none
    for path in sorted(FOLDER.glob("*.graphql")):
        variables: dict[str, Any] = {"id": ids.get(path.stem, order.id), "index": 3}
        data = await world.ask(path.read_text(encoding="utf-8"), **variables)
        [found] = data.values()
        assert (found is None) == (path.stem in missing), path.stem
    assert consortium.log.size == (await world.ask("{ observer { size } }"))["observer"]["size"]


def test_every_root_field_has_an_operation_named_as_its_file():
    used = set()
    for path in FOLDER.glob("*.graphql"):
        [definition] = parse(path.read_text(encoding="utf-8")).definitions
        assert definition.name.value == path.stem
        used |= {selection.name.value for selection in definition.selection_set.selections}
    assert SCHEMA.query_type is not None
    assert used == set(SCHEMA.query_type.fields)


async def test_the_observer_says_what_its_status_says(world: World):
    query = (FOLDER / "Observer.graphql").read_text(encoding="utf-8")
    told = (await world.ask(query))["observer"]
    status = (await world.http.get("/status")).json()
    for name in ("origin", "size", "trusted", "lag", "fault"):
        assert told[name] == status[name], name
    assert told["bodies"] == status["bodies"]
    assert told["bodies"]["erased"] > 0
    cosigned = {head["name"]: head for head in told["cosigned"]}
    for name, head in status["cosigned"].items():
        assert (cosigned[name]["vkey"], cosigned[name]["size"]) == (head["vkey"], head["size"])
        assert world.consortium.log.note in cosigned[name]["checkpoint"]
    assert {one["code"]: one["count"] for one in told["findings"]} == {
        RULE: 1, "LAW_BROKEN": 1, "STALE_CHECKPOINT": 1,
    }  # fmt: skip


# Entries.


async def test_every_entry_is_told_with_a_proof_that_holds_offline(world: World):
    log = world.consortium.log
    query = """query($after: String) { entries(first: 100, after: $after) {
      nodes { index at commitment id type by body proof } pageInfo { hasNextPage endCursor } } }"""
    entries = await every(world, query, "entries")
    assert [entry["index"] for entry in entries] == list(range(log.size))
    policy = parse_policy(make_policy(world.observer.genesis.log, SIGNERS))
    for entry, raw, body in zip(entries, log.entries, log.bodies, strict=True):
        assert check_tlog_proof(entry["proof"], raw, policy).index == entry["index"]
        assert json.loads(raw) == {"at": entry["at"], "body": entry["commitment"]}
        assert (entry["body"] or "").encode() == body
        if body:
            event = json.loads(body)["event"]
            assert [entry["id"], entry["type"], entry["by"]] == [
                event["id"], event["type"], event["by"],
            ]  # fmt: skip


async def test_an_entry_beyond_our_cosignatures_has_no_proof_yet(world: World):
    path = world.folder / "observer.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE head SET size = 10")
    query = "{ early: entry(index: 3) { proof } late: entry(index: 20) { proof } }"
    data = await world.ask(query)
    assert data["late"]["proof"] is None
    assert data["early"]["proof"].startswith("c2sp.org/tlog-proof@v1\nindex 3\n")


async def test_entries_are_found_by_type_signer_and_time(world: World):
    log = world.consortium.log
    rows = [
        (index, json.loads(raw)["at"], json.loads(body)["event"])
        for index, (raw, body) in enumerate(zip(log.entries, log.bodies, strict=True))
        if body
    ]
    officer = world.consortium.bank_officer.id
    middle, late = rows[60][1], rows[90][1]
    query = """query($after: String, $type: String, $by: ActorId, $from: Timestamp,
      $to: Timestamp) {
      entries(first: 7, after: $after, type: $type, by: $by, from: $from, to: $to) {
        nodes { index member { id } } pageInfo { hasNextPage endCursor } } }"""
    wanted: list[tuple[dict[str, str], Callable[[Any], bool]]] = [
        ({"type": "OrderPlaced"}, lambda row: row[2]["type"] == "OrderPlaced"),
        ({"by": officer}, lambda row: row[2]["by"] == officer),
        ({"from": middle, "to": late}, lambda row: middle <= row[1] < late),
        (
            {"from": middle, "type": "ConsentGranted"},
            lambda row: row[1] >= middle and row[2]["type"] == "ConsentGranted",
        ),
        ({"from": format_time(2**41)}, lambda row: False),
    ]
    for filters, fits in wanted:
        found = await every(world, query, "entries", **filters)
        erased = {index for index, body in enumerate(log.bodies) if not body}
        got = [entry["index"] for entry in found if entry["index"] not in erased]
        assert got == [row[0] for row in rows if fits(row)], filters
    [*_, last] = await every(world, query, "entries", by=officer)
    assert last["member"]["id"] == "bank-hana"


async def test_an_order_has_its_timeline(world: World):
    order = orders_of(world)[0].id
    query = "query($id: EventId!) { order(id: $id) { timeline { nodes { index type body } } } }"
    nodes = (await world.ask(query, id=order))["order"]["timeline"]["nodes"]
    assert nodes[0]["type"] == "OrderPlaced"
    assert nodes[1]["type"] in {"OrderAccepted", "OrderDeclined", "OrderCancelled"}
    speaking = [i for i, body in enumerate(world.consortium.log.bodies) if order.encode() in body]
    assert [node["index"] for node in nodes] == speaking


# Records.


async def test_pages_hold_every_order_once(world: World):
    orders = [order.id for order in orders_of(world)]
    assert len(orders) > 20
    assert [one["id"] for one in await every(world, ORDERS, "orders", first=4)] == orders
    page = (await world.ask(ORDERS, first=3))["orders"]
    assert [edge["node"]["id"] for edge in page["edges"]] == orders[:3]
    assert not page["pageInfo"]["hasPreviousPage"]
    middle = (await world.ask(ORDERS, first=3, after=page["edges"][0]["cursor"]))["orders"]
    assert [one["id"] for one in middle["nodes"]] == orders[1:4]
    assert middle["pageInfo"]["hasPreviousPage"]


async def test_orders_are_filtered_by_what_they_say(world: World):
    orders = orders_of(world)
    some = orders[7]
    times = {
        "from": format_time(orders[5].placed_at), "to": format_time(orders[-2].placed_at),
    }  # fmt: skip
    query = """query($after: String, $status: OrderStatus, $purpose: Purpose, $orderer: MemberId,
      $officer: OfficerId, $agency: MemberId, $enterprise: EnterpriseId, $consent: EventId,
      $from: Timestamp, $to: Timestamp) {
      orders(first: 9, after: $after, status: $status, purpose: $purpose, orderer: $orderer,
        officer: $officer, agency: $agency, enterprise: $enterprise, consent: $consent,
        from: $from, to: $to) { nodes { id } pageInfo { hasNextPage endCursor } } }"""
    for filters in (
        {"status": some.status.value},
        {"enterprise": some.enterprise, "status": some.status.value},
        {"consent": some.consent, "purpose": some.purpose.value},
        {"officer": some.officer, "orderer": "bank-hana", "agency": "agency-lin"},
        {"orderer": "bank-nobody"},
        {"status": "LAPSED"},
        times,
    ):
        wanted = [
            order.id
            for order in orders
            if all(
                str(getattr(order, name)) == value
                for name, value in filters.items()
                if name not in times
            )
            and (
                "from" not in filters
                or orders[5].placed_at <= order.placed_at < orders[-2].placed_at
            )
        ]
        found = await every(world, query, "orders", **filters)
        assert [one["id"] for one in found] == wanted, filters


async def test_a_list_that_found_too_few_says_where_to_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(looking, "STEP_ROWS", 2)
    monkeypatch.setattr(looking, "ROWS_LOOKED_AT", 4)
    orders = orders_of(world)
    rare = next(order for order in orders[8:] if order.enterprise != orders[0].enterprise)
    wanted = [order.id for order in orders if order.enterprise == rare.enterprise]
    first = (await world.ask(ORDERS, enterprise=rare.enterprise))["orders"]
    assert len(first["nodes"]) < len(wanted)
    assert first["pageInfo"]["hasNextPage"]
    found = await every(world, ORDERS, "orders", enterprise=rare.enterprise)
    assert [one["id"] for one in found] == wanted


async def test_a_page_of_many_asks_no_more_often_than_a_page_of_few(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    query = """query($first: Int) { orders(first: $first) { nodes {
      orderer { id } officer { id member { id } } enterprise { vouchedBy { id } } product { id }
      consent { grantee { id } terms { agencies { id } } } } } }"""
    asked: list[str] = []
    rows = Inquiry._rows

    def counted(self: Inquiry, query: str, values: Any = ()) -> Any:
        asked.append(query)
        return rows(self, query, values)

    monkeypatch.setattr(Inquiry, "_rows", counted)
    await world.ask(query, first=1)
    few = len(asked)
    await world.ask(query, first=25)
    assert len(asked) - few <= few


async def test_what_is_not_there_is_null(world: World):
    query = """{ order(id: "01977420-0000-7000-8000-000000000000") { id }
      entry(index: 100000) { index } event(id: "01977420-0000-7000-8000-000000000000") { index }
      member(id: "bank-nobody") { id } finding(id: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") {
      id } }"""
    assert set((await world.ask(query)).values()) == {None}


async def test_a_page_has_one_to_a_hundred_items(world: World):
    for first in (0, -1, 101):
        assert await world.code_of(ORDERS, first=first) == "BAD_USER_INPUT"


# Cursors.


async def test_a_cursor_is_good_for_its_list_and_its_holder_alone(world: World):
    page = (await world.ask(ORDERS, first=2))["orders"]
    cursor = page["pageInfo"]["endCursor"]
    enterprise = orders_of(world)[0].enterprise
    assert await world.code_of(ORDERS, after=cursor, enterprise=enterprise) == "BAD_USER_INPUT"
    consents = "query($after: String) { consents(after: $after) { nodes { id } } }"
    assert await world.code_of(consents, after=cursor) == "BAD_USER_INPUT"
    for forged in ("x", "", "AAAA", cursor[:-2] + "AA", "é", "A" * 300):
        assert await world.code_of(ORDERS, after=forged) == "BAD_USER_INPUT"
    other = {"authorization": f"Bearer {await world.sign_in(world.second)}"}
    answer = await world.post(ORDERS, {"after": cursor}, **other)
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert "errors" not in (await world.post(ORDERS, {"after": cursor})).json()


# Findings, cases, reports.

FINDINGS = """query($first: Int, $after: String, $code: FindingLabel, $severity: Severity,
  $member: MemberId, $state: FindingState) {
  findings(first: $first, after: $after, code: $code, severity: $severity, member: $member,
    state: $state) {
    nodes { id code title titleZh state evidence index asking { member { id } }
      entries { index type } }
    pageInfo { hasNextPage endCursor } } }"""


async def test_findings_come_with_their_state_and_what_they_cite(world: World):
    found = await every(world, FINDINGS, "findings", first=1)
    assert [one["code"] for one in found] == ["STALE_CHECKPOINT", "LAW_BROKEN", RULE]
    audited = found[2]
    assert audited["id"] == world.finding
    assert audited["state"] == "ASKED"
    assert audited["asking"] == {"member": {"id": "bank-hana"}}
    assert json.loads(audited["evidence"])["facts"] == {"count": 3}
    assert [entry["index"] for entry in audited["entries"]] == [20]
    assert audited["title"] != audited["titleZh"] != ""
    for filters, codes in (
        ({"code": "LAW_BROKEN"}, ["LAW_BROKEN"]),
        ({"state": "ASKED"}, [RULE]),
        ({"state": "OPEN"}, ["STALE_CHECKPOINT", "LAW_BROKEN"]),
        ({"member": "bank-hana"}, [RULE]),
        ({"member": "agency-lin"}, []),
        ({"severity": "LOW"}, []),
    ):
        found = await every(world, FINDINGS, "findings", **filters)
        assert [one["code"] for one in found] == codes, filters


async def test_findings_in_a_rare_state_are_found_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(looking, "REGISTER_PAGE", 1)
    monkeypatch.setattr(looking, "FINDINGS_LOOKED_AT", 2)
    first = (await world.ask(FINDINGS, state="ASKED"))["findings"]
    assert (first["nodes"], first["pageInfo"]["hasNextPage"]) == ([], True)
    assert [one["code"] for one in await every(world, FINDINGS, "findings", state="ASKED")] == [
        RULE
    ]
    opened = await every(world, FINDINGS, "findings", state="OPEN", first=1)
    assert [one["code"] for one in opened] == ["STALE_CHECKPOINT", "LAW_BROKEN"]


async def test_a_case_shows_its_looks(world: World):
    query = (FOLDER / "Case.graphql").read_text(encoding="utf-8")
    case = (await world.ask(query, id=world.case))["case"]
    assert (case["status"], case["lookCount"]) == ("CLOSED", 1)
    [look] = case["looks"]["nodes"]
    assert look["subjects"] == [world.consortium.bank_officer.id]


async def test_reports_of_the_schedule_come_newest_first(world: World):
    with open_office(world.folder) as office:
        for number, code in enumerate(("L1", "L5", "L1")):
            period = f"2026-11-0{number + 1}"
            office.begin_run(code, period, {"size": 100 + number}, 1_000 * (number + 1))
    query = """query($after: String, $code: String, $state: ReportState) {
      reports(first: 2, after: $after, code: $code, state: $state) {
        nodes { code period state scope } pageInfo { hasNextPage endCursor } } }"""
    found = await every(world, query, "reports")
    assert [one["period"][-1] for one in found] == ["3", "2", "1"]
    assert json.loads(found[0]["scope"]) == {"size": 102}
    assert len(await every(world, query, "reports", code="L1")) == 2
    assert await every(world, query, "reports", state="FAILED") == []


# Figures.


async def test_figures_are_counted_once_for_all_who_ask(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    counted = []
    count = Statistics._count

    def watched(self: Statistics) -> Any:
        counted.append(True)
        return count(self)

    monkeypatch.setattr(Statistics, "_count", watched)
    query = (FOLDER / "Statistics.graphql").read_text(encoding="utf-8")
    for _ in range(2):
        figures = (await world.ask(query))["statistics"]
        assert figures["size"] == world.consortium.log.size
        assert figures["headline"]["orders"] == len(orders_of(world))
        [institution] = figures["institutions"]
        assert (institution["orderer"], institution["orders"]) == (
            "bank-hana",
            len(orders_of(world)),
        )
    assert counted == [True]
    assert (await world.ask(query, month="1999-01"))["statistics"]["institutions"] == []


async def test_figures_that_cannot_be_counted_are_null_with_a_reason(world: World):
    (world.folder / "analytics").write_text("in the way")
    answer = (await world.post("{ observer { size } statistics { size } }")).json()
    assert answer["data"]["statistics"] is None
    assert answer["data"]["observer"]["size"] == world.consortium.log.size
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "STATISTICS_UNAVAILABLE"
    assert str(world.folder) not in json.dumps(answer)


# One view.


async def test_a_query_sees_one_state_of_the_copy_and_the_next_one_the_new(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The log grows between two fields of a query; the later field does not see it."""
    bank, officer = world.consortium.enterprises[0], world.consortium.bank_officer
    before = world.consortium.log.size
    event = Inquiry.event

    def late(self: Inquiry, id: str) -> Any:
        assert self.copy.size == before
        asyncio.run_coroutine_threadsafe(grow(), loop).result(20)
        self._copy = None
        assert self.copy.size == before
        return event(self, id)

    async def grow() -> None:
        at = world.consortium.at
        terms = Terms(
            "bank-hana", record.Purpose.PRE_LOAN_REVIEW, ("agency-lin",), (record.Section.LOANS,),
            at, at + 86_400_000, 1,
        )  # fmt: skip
        asked = await world.say(officer, ConsentRequested(bank.id, terms))
        await world.say(bank, ConsentRefused(asked, RefusalReason.TOO_BROAD))

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Inquiry, "event", late)
    some = orders_of(world)[0].id
    query = "query($id: EventId!) { event(id: $id) { index } observer { size } }"
    assert (await world.ask(query, id=some))["observer"]["size"] == before
    monkeypatch.setattr(Inquiry, "event", event)
    assert (await world.ask(query, id=some))["observer"]["size"] == before + 2


async def test_a_list_of_nothing_is_an_empty_page(tmp_path: Any):
    async with open_world(tmp_path, events=1) as world:
        data = await world.ask("{ orders { nodes { id } pageInfo { hasNextPage endCursor } } }")
        assert data["orders"]["pageInfo"] == {"hasNextPage": False, "endCursor": None}
