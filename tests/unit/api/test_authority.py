"""Nobody reads what is not for him: by id, in lists, and through references."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from creditchain.api import authority
from creditchain.api.authority import AUTHORITY, COLUMNS, Caller, Relation
from creditchain.api.inquiry import Inquiry
from creditchain.client.fresh import fresh_salt
from creditchain.events.codes import (
    CaseMatter,
    CreditDecision,
    MemberKind,
    Purpose,
    Section,
    Severity,
)
from creditchain.events.consent import Terms
from creditchain.events.objection import ObjectionRaised
from creditchain.events.order import CreditDecided, DeliveryAcknowledged
from creditchain.events.product import Money
from creditchain.rulebook.record import (
    RECORDS,
    Case,
    CaseStatus,
    Consent,
    ConsentStatus,
    Enterprise,
    Finding,
    FindingStatus,
    Objection,
    ObjectionStatus,
    Officer,
    Order,
    OrderStatus,
    Standing,
)
from tests.unit.api.town import USCCS, Town, digest, identity, officer_id, opaque

PARTIES = ("bank-a", "bank-b", "agency-a", "agency-b", "regulator", "en_a", "en_b")
KINDS = {
    "bank": MemberKind.BANK,
    "agency": MemberKind.AGENCY,
    "regulator": MemberKind.REGULATOR,
}


def caller(party: str) -> Caller:
    if party.startswith("en_"):
        return Caller(party, party, None, None, None)
    return Caller(party, party, party, KINDS[party.split("-", maxsplit=1)[0]], Standing.ACTIVE)


callers = st.sampled_from(PARTIES).map(caller)
banks = st.sampled_from(("bank-a", "bank-b"))
agencies = st.sampled_from(("agency-a", "agency-b"))
enterprises = st.sampled_from(("en_a", "en_b"))

TERMS = Terms("bank-a", Purpose.OTHER, ("agency-a",), (Section.LOANS,), 0, 1, 1)
MONEY = Money(1, "CNY")


def order_of(orderer: str, agency: str, enterprise: str) -> Order:
    return Order(
        "o", orderer, "of_x", enterprise, agency, "p", Purpose.OTHER, (Section.LOANS,), "k",
        MONEY, OrderStatus.PLACED, 0, 1, 0,
    )  # fmt: skip


orders = st.builds(order_of, banks, agencies, enterprises)
consents = st.builds(
    lambda e, g: Consent("c", e, g, "of_x", TERMS, ConsentStatus.GRANTED, 0, 0, 0),
    enterprises, banks,
)  # fmt: skip
findings = st.builds(
    lambda m: Finding("f", "d", "C01", m, Severity.LOW, FindingStatus.ASKED, 0, 1, 0), banks
)
cases = st.builds(
    lambda m, s: Case("k", "n", m, CaseMatter.ROUTINE, "of_x", s, 0, 0, 0),
    banks, st.sampled_from(CaseStatus),
)  # fmt: skip
records = st.one_of(
    orders,
    consents,
    st.builds(lambda m: Officer("of_x", m, (), digest("i"), 0), banks),
    st.builds(lambda e, v: Enterprise(e, v, "440100", digest("i"), 0), enterprises, banks),
    st.builds(
        lambda e, h: Objection("x", e, h, Section.LOANS, ObjectionStatus.OPEN, 0, "o"),
        enterprises, agencies,
    ),
    findings,
    cases,
)  # fmt: skip
tied = st.sets(
    st.sampled_from((Relation.GRANTEE, Relation.ORDERER, Relation.AGENCY, Relation.HOLDER))
)


def expected(who: Caller, record: Any, name: str | None, ties: set[Relation]) -> bool:
    """Who may read what, said once more in other words."""
    me = who.party
    if who.kind is MemberKind.REGULATOR:
        # Names and words are for an inspection case, not for whoever asks.
        match record:
            case Officer():
                return name != "name"
            case Enterprise():
                return name not in ("name", "uscc") or bool(ties)
            case Objection():
                return name != "words" or Relation.ORDERER in ties
        return True
    match record:
        case Order():
            row = me in (record.orderer, record.agency, record.enterprise)
            if name == "price":
                return row and me != record.enterprise
            if name in ("decision", "amount", "decided_at"):
                return row and me != record.agency
            return row
        case Consent():
            return me in (record.enterprise, record.grantee)
        case Officer():
            return me == record.member if name == "name" else who.member is not None
        case Enterprise():
            if name in ("name", "uscc", "keys"):
                return me in (record.id, record.vouched_by) or bool(ties)
            return who.member is not None or me == record.id
        case Objection():
            return me in (record.enterprise, record.holder) or Relation.ORDERER in ties
        case Finding():
            return me == record.member
        case Case():
            return me == record.member and record.status is CaseStatus.CLOSED
    raise AssertionError(record)


@given(who=callers, record=records, ties=tied, name=st.sampled_from(
    (
        "id", "status", "price", "decision", "amount", "decided_at",
        "name", "uscc", "keys", "words",
    )
))  # fmt: skip
def test_the_table_says_what_the_words_say(who: Caller, record: Any, ties: set[Any], name: str):
    if isinstance(record, Objection):
        ties = ties & {Relation.ORDERER}

    async def find(_record: object) -> frozenset[Relation]:
        return frozenset(ties) if who.member is not None else frozenset()

    if who.member is None:
        ties = set()
    row = asyncio.run(authority.may_read(who, record, find))
    assert row == expected(who, record, None, ties)
    if row:
        allowed = asyncio.run(authority.may_read_field(who, record, name, find))
        assert allowed == expected(who, record, name, ties)


@given(who=callers, record=st.one_of(orders, consents, findings, cases))
def test_lists_hold_what_may_be_read_one_by_one(who: Caller, record: Any):
    async def none(_record: object) -> frozenset[Relation]:
        return frozenset()

    cut = authority.scope(who, type(record))
    listed = all(getattr(record, column) == value for column, value in cut.items())
    assert listed == asyncio.run(authority.may_read(who, record, none))


def test_every_kind_of_record_has_its_line():
    assert set(AUTHORITY) == set(RECORDS)
    for kind, columns in COLUMNS.items():
        assert set(columns.values()) <= set(kind.__dataclass_fields__)
    for kind, line in AUTHORITY.items():
        names = set(kind.__dataclass_fields__) | {"name", "uscc", "keys", "words"}
        assert set(line.fields) <= names
        assert line.rows


# And through the doors.

ORDER_FIELDS = """id price { amount } decision amount { amount } decidedAt officer { id name }
  consent { id } enterprise { id name uscc keys { kid } } sealKey { kid }"""
BY_ID = {
    "order": f"query Q($id: EventId!) {{ order(id: $id) {{ {ORDER_FIELDS} }} }}",
    "consent": "query Q($id: EventId!) { consent(id: $id) { id officer { id } } }",
    "objection": "query Q($id: EventId!) { objection(id: $id) { id statement } }",
    "officer": "query Q($id: OfficerId!) { officer(id: $id) { id name } }",
}


async def world(town: Town) -> dict[str, Any]:
    """Two banks, agencies and enterprises with dealings, so that everyone is a stranger to some."""
    consent_a = await town.consent("bank-hana", "en-acme")
    consent_b = await town.consent("bank-ivy", "en-bolt")
    order_a = await town.delivered(consent_a)
    order_b = await town.placed(consent_b, bank="bank-ivy", label="en-bolt", agency="agency-tide")
    bank = town.signer(officer_id("bank-hana"))
    await town.done(bank.seal(DeliveryAcknowledged(order_a, digest(order_a))))
    await town.done(bank.seal(CreditDecided(order_a, CreditDecision.GRANTED, Money(7, "CNY"))))
    words = {"text": "Wrong.", "salt": fresh_salt()}
    raised = town.signer(opaque("en", "en-acme")).seal(
        ObjectionRaised("agency-pearl", Section.LOANS, identity(words), order_a)
    )
    await town.done(raised, words)
    return {
        "order_a": order_a, "order_b": order_b, "consent_a": consent_a, "consent_b": consent_b,
        "objection": raised.event.id,
    }  # fmt: skip


ACTORS = (
    "bank-hana", "bank-ivy", "agency-pearl", "agency-tide", "source-tax", "court", "operator",
    "regulator", opaque("en", "en-acme"), opaque("en", "en-bolt"),
)  # fmt: skip
ACME, BOLT = opaque("en", "en-acme"), opaque("en", "en-bolt")
MAY_READ = {
    "order_a": {"bank-hana", "agency-pearl", ACME, "regulator"},
    "order_b": {"bank-ivy", "agency-tide", BOLT, "regulator"},
    "consent_a": {"bank-hana", ACME, "regulator"},
    "consent_b": {"bank-ivy", BOLT, "regulator"},
    "objection": {"bank-hana", "agency-pearl", ACME, "regulator"},
}


async def test_by_id_everyone_reads_exactly_his_own(town: Town):
    ids = await world(town)
    for thing, readers in MAY_READ.items():
        kind = thing.split("_")[0]
        for actor in ACTORS:
            answer = (await town.post(actor, BY_ID[kind], {"id": ids[thing]})).json()
            assert "errors" not in answer, answer
            found = answer["data"][kind]
            assert (found is not None) == (actor in readers), (thing, actor)
    for actor in ACTORS:
        for bank in ("bank-hana", "bank-ivy"):
            variables = {"id": officer_id(bank)}
            found = (await town.post(actor, BY_ID["officer"], variables)).json()["data"]["officer"]
            # Every member may check the signature, the officer's own knows the name.
            assert (found is not None) == (not actor.startswith("en_"))
            assert found is None or (found["name"] is not None) == (actor == bank)


async def test_fields_of_an_order_are_for_those_they_are_for(town: Town):
    ids = await world(town)
    seen = {}
    for actor in ("bank-hana", "agency-pearl", ACME, "regulator"):
        answer = await town.post(actor, BY_ID["order"], {"id": ids["order_a"]})
        seen[actor] = answer.json()["data"]["order"]
    assert {a for a, o in seen.items() if o["price"]} == {"bank-hana", "agency-pearl", "regulator"}
    for field in ("decision", "amount", "decidedAt"):
        assert {a for a, o in seen.items() if o[field]} == {"bank-hana", ACME, "regulator"}
    assert {a for a, o in seen.items() if o["officer"]} == set(seen) - {ACME}
    assert {a for a, o in seen.items() if (o["officer"] or {}).get("name")} == {"bank-hana"}
    assert {a for a, o in seen.items() if o["consent"]} == {"bank-hana", ACME, "regulator"}
    # All but the regulator are in relation to the enterprise.
    assert {a for a, o in seen.items() if o["enterprise"]["name"]} == set(seen) - {"regulator"}


async def test_lists_and_events_hold_nothing_of_others(town: Town):
    ids = await world(town)
    size = town.ledger.head().size
    for actor in ACTORS:
        hidden = {ids[t] for t, readers in MAY_READ.items() if actor not in readers}
        # An agency may read the orders to it, which name the consent they rest on.
        known = {"agency-pearl": "consent_a", "agency-tide": "consent_b"}.get(actor)
        hidden -= {ids[known]} if known else set()
        text = ""
        for operation in (
            "Orders", "Consents", "Objections", "Officers", "Accesses", "Members", "Products",
            "RecordBatches",
        ):  # fmt: skip
            answer = await town.ask(actor, operation, first=100)
            text += str(answer)
            if operation == "Orders":
                orders = {node["id"] for node in answer["orders"]["nodes"]}
                mine = {ids[t] for t in ("order_a", "order_b") if actor in MAY_READ[t]}
                assert orders == mine, actor
        for index in range(size):
            text += str((await town.ask(actor, "Event", index=index))["event"])
        assert not [one for one in hidden if one in text], actor


async def test_names_are_for_those_in_relation(town: Town):
    await world(town)
    relation = {
        ACME: {"bank-hana", "agency-pearl", ACME},
        # bank-hana vouches for both.
        BOLT: {"bank-hana", "bank-ivy", "agency-tide", BOLT},
    }
    query = "query Q($id: EnterpriseId!) { enterprise(id: $id) { id name uscc keys { kid } } }"
    for enterprise, known in relation.items():
        for actor in ACTORS:
            answer = await town.post(actor, query, {"id": enterprise})
            found = answer.json()["data"]["enterprise"]
            if actor.startswith("en_") and actor != enterprise:
                assert found is None
                continue
            for field in ("name", "uscc"):
                assert (found[field] is not None) == (actor in known), (actor, field)
            assert (found["keys"] is not None) == (actor in known | {"regulator"})


async def test_a_look_is_recorded_and_the_enterprise_sees_it(town: Town):
    ids = await world(town)
    await town.ask("bank-hana", "Order", id=ids["order_a"])
    token = await town.headers(officer_id("bank-hana"))
    await town.http.get(f"/reports/{ids['order_a']}", headers=token)
    await town.ask("bank-ivy", "FindEnterprise", uscc=USCCS["en-acme"])
    await town.ask("regulator", "Event", id=ids["order_a"])
    seen = (await town.ask(ACME, "Accesses", first=100))["accesses"]["nodes"]
    looks = {(look["member"]["id"], look["what"]) for look in seen}
    assert {
        ("bank-hana", "directory"), ("bank-hana", "report"), ("bank-ivy", "directory"),
        ("regulator", "body"),
    } <= looks  # fmt: skip
    assert {look["subject"] for look in seen} == {ACME}
    report = next(look for look in seen if look["what"] == "report")
    assert (report["order"], report["actor"]) == (ids["order_a"], officer_id("bank-hana"))
    # Nobody else sees who looked at the enterprise, save the regulator.
    assert (await town.ask(BOLT, "Accesses"))["accesses"]["nodes"] == []
    assert (await town.ask("bank-hana", "Accesses"))["accesses"]["nodes"] == []
    everyone = (await town.ask("regulator", "Accesses", first=100))["accesses"]["nodes"]
    assert ACME in {look["subject"] for look in everyone}


async def test_accesses_are_paged(town: Town):
    await world(town)
    for actor in ("bank-hana", "agency-pearl", officer_id("bank-hana")):
        await town.ask(actor, "Enterprise", id=ACME)
    seen, after = [], None
    while True:
        page = (await town.ask(ACME, "Accesses", first=1, after=after))["accesses"]
        seen += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert {look["actor"] for look in seen} >= {
        "bank-hana", "agency-pearl", officer_id("bank-hana"),
    }  # fmt: skip


async def test_codes_are_looked_up_by_those_who_may(town: Town):
    for actor in ACTORS:
        answer = await town.post(
            actor, "query Q($u: Uscc!) { findEnterprise(uscc: $u) { id name } }",
            {"u": USCCS["en-acme"]},
        )  # fmt: skip
        body = answer.json()
        if actor in ("source-tax", "operator", "regulator", ACME, BOLT):
            assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
            assert body["data"] == {"findEnterprise": None}
        else:
            found = body["data"]["findEnterprise"]
            assert found["id"] == ACME
            assert (found["name"] is not None) == (actor == "bank-hana")
    unknown = "91440101MA5AKYY20K"
    answer = await town.post(
        "bank-hana", "query Q($u: Uscc!) { findEnterprise(uscc: $u) { id } }", {"u": unknown}
    )
    body = answer.json()
    assert body.get("data", {}).get("findEnterprise") is None


async def test_a_page_asks_the_database_in_batches(town: Town):
    await world(town)
    consent = await town.consent()
    for _ in range(6):
        await town.placed(consent)
    fetched = 0
    original = Inquiry._fetch

    def counting(self: Inquiry, query: Any) -> Any:
        nonlocal fetched
        fetched += 1
        return original(self, query)

    Inquiry._fetch = counting
    try:
        query = (
            "{ orders(first: 50) { nodes { id enterprise { id } consent { id } product { id } } } }"
        )
        await town.post("regulator", query)
    finally:
        Inquiry._fetch = original
    assert fetched <= 3
