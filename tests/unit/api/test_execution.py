"""The short ways give what graphql-core gives: the same responses, the same variables."""

import asyncio
import gc
import json
import sys
import warnings
from itertools import product
from types import SimpleNamespace
from typing import Any

import graphene
import pytest
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLNonNull,
    execute,
    get_variable_values,
    parse,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain.api.execution import Documents, Executor
from creditchain.api.input_plan import BODIES, Unplain, coerce_variables, plan_variables
from creditchain.api.schema import SCHEMA
from creditchain.api.short_execution import ShortExecution
from creditchain.api.shortcut import shortcuts_of
from creditchain.documents import load_operation, operations
from creditchain.events import parse_fields
from tests.unit.api.samples import ACTION
from tests.unit.api.test_orders import delivery_of
from tests.unit.api.town import Town, mutation_of, new_id, proof_of

# A schema of its own, so that every kind of field meets every kind of value.


class Colour(graphene.Enum):
    RED = "RED"
    BLUE = "BLUE"


class Leaf(graphene.ObjectType):
    """Plain and not so plain fields over whatever the source holds."""

    text = graphene.String()
    sure = graphene.String(required=True)
    number = graphene.Int()
    colour = graphene.Field(Colour)
    words = graphene.List(graphene.NonNull(graphene.String))
    loose = graphene.List(graphene.String)
    made = graphene.String()
    later = graphene.String()
    child = graphene.Field(lambda: Leaf)
    firm = graphene.Field(lambda: Leaf, required=True)
    many = graphene.List(graphene.NonNull(lambda: Leaf))
    must = graphene.List(graphene.NonNull(lambda: Leaf), required=True)
    holey = graphene.List(lambda: Leaf)

    def resolve_made(self: Any, _info: Any) -> Any:
        value = self.get("text")
        if value == "fail":
            raise ValueError("made to fail")
        return value

    async def resolve_later(self: Any, _info: Any) -> Any:
        await asyncio.sleep(0)
        if self.get("text") == "fail":
            raise GraphQLError("later")
        return self.get("text")


class Query(graphene.ObjectType):
    root = graphene.Field(Leaf)
    firm_root = graphene.Field(Leaf, required=True)

    def resolve_root(self: Any, _info: Any) -> Any:
        return self

    async def resolve_firm_root(self: Any, _info: Any) -> Any:
        return self


class Mutation(graphene.ObjectType):
    put = graphene.Field(
        Leaf,
        words=graphene.List(graphene.NonNull(graphene.String), required=True),
        note_well=graphene.String(),
    )
    put_firm = graphene.Field(Leaf, required=True, note_well=graphene.String())
    put_by_default = graphene.Field(Leaf, note_well=graphene.String(default_value="left out"))

    async def resolve_put(self: Any, _info: Any, **given: Any) -> Any:
        await asyncio.sleep(0)
        if given.get("note_well") == "fail":
            raise ValueError("put to fail")
        return {**self, "made": repr(given), "text": given.get("note_well")}

    resolve_put_firm = resolve_put
    resolve_put_by_default = resolve_put


TEST_SCHEMA = graphene.Schema(query=Query, mutation=Mutation).graphql_schema
PLAIN = ["text", "sure", "number", "colour", "words", "loose", "made", "later"]
OBJECTS = ["child", "firm", "many", "must", "holey"]

values = st.one_of(
    st.none(), st.text(max_size=3), st.integers(-(2**33), 2**33), st.booleans(), st.floats(),
    st.just("fail"), st.just("RED"), st.just(ValueError("a value")), st.just(("a", "b")),
    st.just(["a", None]), st.just({}), st.just([1]), st.just(b"bytes"),
)  # fmt: skip


def sources() -> st.SearchStrategy[Any]:
    def grow(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        objects = st.one_of(
            children, st.none(), values, st.lists(st.one_of(children, values), max_size=3),
            st.lists(children, max_size=3), st.lists(children, max_size=2).map(tuple),
        )  # fmt: skip
        return st.fixed_dictionaries(
            {}, optional={**dict.fromkeys(PLAIN, values), **dict.fromkeys(OBJECTS, objects)}
        )

    leaf = st.fixed_dictionaries({}, optional=dict.fromkeys(PLAIN, values))
    return st.recursive(leaf, grow, max_leaves=6)


def selections() -> st.SearchStrategy[str]:
    plain = st.lists(
        st.sampled_from([*PLAIN, "__typename", "a: text", "b: sure", "... { number }", "...F"]),
        min_size=1, max_size=5,
    ).map(" ".join)  # fmt: skip

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        nested = st.tuples(st.sampled_from([*OBJECTS, "z: child"]), inner)
        branches = st.lists(nested.map(lambda pair: f"{pair[0]} {{ {pair[1]} }}"), max_size=3)
        return st.tuples(plain, branches).map(lambda pair: " ".join([pair[0], *pair[1]]))

    return st.recursive(plain, grow, max_leaves=4)


def plain_result(result: ExecutionResult) -> str:
    errors = sorted(
        json.dumps([e.message, e.path, [list(at) for at in e.locations or []]])
        for e in result.errors or []
    )
    return json.dumps([result.data, errors], default=repr)


class Short(ShortExecution):
    """The short execution over the test's schema, with the arguments `execute` gives."""

    shortcuts = shortcuts_of(TEST_SCHEMA)

    def execute_operation(self, operation: Any, root_value: Any) -> Any:
        return super().execute_operation(operation, root_value)


async def run(query: str, source: Any, **more: Any) -> str:
    result = execute(TEST_SCHEMA, parse(query), source, **more)
    if asyncio.iscoroutine(result):
        result = await result
    return plain_result(result)


def test_the_short_way_answers_as_the_long_way(monkeypatch: pytest.MonkeyPatch):
    # graphql-core leaves coroutines behind when a sibling that may not be null fails at once.
    monkeypatch.setattr(sys, "unraisablehook", lambda _what: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        check_both_ways()
        gc.collect()


@settings(max_examples=200)
@given(source=sources(), selection=selections(), root=st.sampled_from(["root", "firmRoot"]))
def check_both_ways(source: Any, selection: str, root: str):
    query = f"{{ {root} {{ {selection} }} }} fragment F on Leaf {{ text sure }}"
    if validate(TEST_SCHEMA, parse(query)):
        query = f"{{ {root} {{ {selection} ...F }} }} fragment F on Leaf {{ text sure }}"
    if validate(TEST_SCHEMA, parse(query)):
        return

    async def both() -> tuple[Any, Any]:
        stock = await run(query, source)
        return json.loads(stock), json.loads(
            await run(query, source, execution_context_class=Short)
        )

    (stock, stock_errors), (short, short_errors) = asyncio.run(both())
    assert list(iter_keys(stock)) == list(iter_keys(short))
    assert json.dumps(stock) == json.dumps(short)
    # Of several errors under one lost parent, which is told may differ; that there is one may not.
    assert bool(stock_errors) == bool(short_errors)
    if len(stock_errors) == 1:
        assert stock_errors == short_errors


HIDDEN = "Something failed inside."


@pytest.mark.parametrize(
    ("document", "short"),
    [
        ("mutation($w: [String!]!, $n: String) { put(words: $w, noteWell: $n) { text words } }", 1),
        ("mutation($w: [String!]!) { a: put(words: $w) { text child { sure } later } }", 1),
        ("mutation($w: [String!]! = [], $n: String) { put(words: $w, noteWell: $n) { text } }", 1),
        ("mutation($w: [String!] = [], $n: String) { put(words: $w, noteWell: $n) { text } }", 0),
        ("mutation($n: String) { putFirm(noteWell: $n) { text sure firm { made } } }", 1),
        ("mutation($n: String) { putByDefault(noteWell: $n) { text made } }", 0),
        ('mutation($w: [String!]!) { put(words: $w, noteWell: "fail") { text } }', 0),
        ("mutation($n: String) { a: putByDefault { text } b: putFirm(noteWell: $n) { text } }", 0),
        ("mutation($n: String) { putFirm(noteWell: $n) @include(if: true) { text } }", 0),
        ("mutation { __typename }", 0),
    ],
)
async def test_a_mutation_that_is_one_call_answers_as_the_long_way(document: str, short: int):
    prepared = Documents(TEST_SCHEMA, introspection=False).prepare(document)
    operation = prepared.operation(None)
    executor = Executor(TEST_SCHEMA)
    inquiry: Any = SimpleNamespace(request_id="r")
    known = {node.variable.name.value for node in operation.variable_definitions}
    for words, note, source in product(
        ([], ["a"], None), (..., None, "yes", "fail"), ({}, {"sure": "s", "firm": {}, "child": {}})
    ):
        said = {"w": words, "n": note}
        variables = {k: v for k, v in said.items() if v is not ... and k in known}
        result = execute(TEST_SCHEMA, parse(document), source, inquiry, variables)
        stock = await result if asyncio.iscoroutine(result) else result
        assert isinstance(stock, ExecutionResult)
        got = await executor.run(prepared, operation, variables, inquiry, source)
        assert got.body.get("data") == stock.data
        told = [(error["message"], error.get("path")) for error in got.body.get("errors", ())]
        assert told == [
            (HIDDEN if isinstance(e.original_error, ValueError | TypeError) else e.message, e.path)
            for e in stock.errors or ()
        ]
    assert bool(prepared.plans[id(operation)].call) == bool(short)


def iter_keys(value: Any) -> Any:
    """The keys of a response in their order."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from iter_keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from iter_keys(item)


def test_most_fields_of_our_schema_go_the_short_way():
    shortcuts = shortcuts_of(SCHEMA)
    assert {"id", "status", "dueAt", "sections"} <= shortcuts["Order"].leaves.keys()
    assert {"report", "ground"} <= shortcuts["Order"].branches.keys()
    # What asks for authority never does.
    assert not {"price", "amount", "decision", "decidedAt", "orderer", "consent"} & (
        shortcuts["Order"].leaves.keys() | shortcuts["Order"].branches.keys()
    )
    assert not {"name", "uscc", "keys"} & (
        shortcuts["Enterprise"].leaves.keys() | shortcuts["Enterprise"].branches.keys()
    )


async def test_a_page_is_the_same_both_ways(town: Town):
    consent = await town.consent()
    for _ in range(3):
        await town.placed(consent)
    order = await town.delivered(consent)
    for name, variables in (
        ("Orders", {"first": 10}), ("Order", {"id": order}), ("Members", {}), ("Products", {}),
        ("Consents", {}), ("Counters", {}),
    ):  # fmt: skip
        short = (await town.post("bank-hana", load_operation(name), variables)).json()
        executor = town.app.state.operations.executor
        kept, executor._shortcuts = executor._shortcuts, {}
        try:
            stock = (await town.post("bank-hana", load_operation(name), variables)).json()
        finally:
            executor._shortcuts = kept
        assert json.dumps(short) == json.dumps(stock)


async def test_variables_are_coerced_as_graphql_core_does(town: Town):
    consent = await town.consent()
    order = await town.accepted(consent)
    event, proof = delivery_of(town, order, b"x")
    samples = [mutation_of(event, proof)]
    sealed = town.order(consent)
    samples.append(mutation_of(sealed.event, proof_of(sealed)))
    for name, variables in samples:
        operation = parse(load_operation(name)).definitions[0]
        plan = plan_variables(SCHEMA, operation)
        stock = get_variable_values(SCHEMA, operation.variable_definitions, variables)
        ours = coerce_variables(plan, variables)
        argument = ACTION[name].argument
        body = parse_fields(ACTION[name].body, stock.pop(argument), "body")
        assert ours.pop(argument) == body
        assert ours == stock


junk = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
        st.sampled_from(["IDENTITY", "PRE_LOAN_REVIEW", new_id(), "bank-hana", "a/b"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=200)
@given(data=st.data())
def test_a_plan_takes_nothing_that_graphql_core_refuses(data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(operations())))
    operation = parse(load_operation(name)).definitions[0]
    definitions = operation.variable_definitions or ()
    variables = {}
    for definition in definitions:
        if data.draw(st.booleans()):
            variables[definition.variable.name.value] = data.draw(near(SCHEMA, definition.type))
    stock = get_variable_values(SCHEMA, definitions, variables)
    try:
        ours = coerce_variables(plan_variables(SCHEMA, operation), variables)
    except Unplain:
        return
    assert not isinstance(stock, list), stock
    for key, value in stock.items():
        if type(ours[key]) in BODIES.values():
            assert parse_fields(type(ours[key]), value, "body") == ours[key]
        else:
            assert ours[key] == value


def near(schema: Any, node: Any) -> st.SearchStrategy[Any]:
    """Values that often nearly fit an input type."""
    from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, type_from_ast

    def of(type_: Any) -> st.SearchStrategy[Any]:
        if isinstance(type_, GraphQLNonNull):
            return of(type_.of_type)
        if isinstance(type_, GraphQLList):
            return st.one_of(st.lists(of(type_.of_type), max_size=3), of(type_.of_type), junk)
        if isinstance(type_, GraphQLEnumType):
            return st.one_of(st.sampled_from(sorted(type_.values)), junk)
        if isinstance(type_, GraphQLInputObjectType):
            fields = {name: of(field.type) for name, field in type_.fields.items()}
            return st.one_of(st.fixed_dictionaries({}, optional=fields), junk)
        return st.one_of(st.sampled_from(SCALARS.get(type_.name, ["x"])), junk)

    return of(type_from_ast(schema, node))


SCALARS = {
    "EventId": [new_id()],
    "MemberId": ["bank-hana"],
    "ActorId": ["bank-hana", "of_" + "A" * 22],
    "OfficerId": ["of_" + "A" * 22],
    "EnterpriseId": ["en_" + "A" * 22],
    "ProductId": ["agency-pearl/basic"],
    "Digest": ["A" * 43],
    "Salt": ["A" * 22],
    "Thumbprint": ["A" * 43],
    "Region": ["440100"],
    "Currency": ["CNY"],
    "MediaType": ["application/json"],
    "SchemaId": ["creditchain-report/v1"],
    "Label": ["A name"],
    "Timestamp": ["2026-03-02T01:00:00.000Z"],
    "Count": [0, 5],
    "Positive": [1, 5],
    "RecordCount": [3],
    "Uscc": ["91440101MA5AKYY10M"],
    "Int": [1, 5],
    "String": ["Ed25519", "OKP"],
}


@pytest.mark.parametrize("directive", ["@skip(if: $not)", "@include(if: $yes)"])
async def test_directives_choose_anew_in_each_run(town: Town, directive: str):
    query = (
        "query Q($yes: Boolean! = true, $not: Boolean! = false) "
        f"{{ log {{ size root {directive} }} me {directive} {{ actor }} }}"
    )
    # Both variables must be used to be valid.
    query = query.replace("size", "size a: size @include(if: $yes) b: size @skip(if: $not)")
    for shown in (True, False, True):
        variables = {"yes": shown, "not": not shown}
        data = (await town.post("bank-hana", query, variables)).json()["data"]
        assert ("me" in data, "root" in data["log"], "a" in data["log"]) == (shown,) * 3


def test_a_remembered_document_keeps_its_plan():
    documents, executor = Documents(SCHEMA, introspection=True), Executor(SCHEMA)
    prepared = documents.prepare(load_operation("Me"))
    operation = prepared.operation(None)
    assert executor._plan(prepared, operation) is executor._plan(prepared, operation)
    assert len(prepared.plans) == 1
