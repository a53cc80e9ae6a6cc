"""Requests, queries and sign-ins that must not pass, at the door of a real hub."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator

import pytest

from creditchain.api.limits import BODY_BYTES_MAX
from creditchain.client.keys import generate_key
from creditchain.client.signer import Signer, now_ms
from creditchain.documents import load_operation
from fixtures.demo.stage import ORIGIN
from tests.e2e.faults.small_stage import (
    BANK,
    CONSORTIUM,
    ENTERPRISE,
    ORDERING,
    OTHER_BANK,
    SmallStage,
)

AT_ONCE_S = 2.0
"""A refusal that costs next to nothing is there by then, on a busy machine too."""


@pytest.fixture(autouse=True)
def untouched(stage: SmallStage) -> Iterator[None]:
    """Whatever was sent, the log is as long as before and the hub takes events."""
    size = stage.size()
    yield
    assert stage.size() == size
    assert stage.is_ready()


# The request.

REQUESTS = {
    "nothing": b"",
    "no JSON": b"query { me { id } }",
    "a list": b"[]",
    "a number": b"7",
    "no query": b"{}",
    "a query that is no string": b'{"query":7}',
    "bytes that are no text": b'{"query":"\xff\xfe"}',
    "nested deep": b'{"query":"{__typename}","variables":' + b"[" * 100_000,
    "variables that are a list": b'{"query":"{__typename}","variables":[]}',
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_that_is_none_is_turned_away(stage: SmallStage, kind: str):
    answer = stage.post(ORDERING, REQUESTS[kind])
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["requestId"]


def test_a_request_over_its_bound_is_turned_away_with_or_without_its_length(stage: SmallStage):
    body = b'{"query":"' + b" " * BODY_BYTES_MAX + b'"}'

    def in_pieces() -> Iterator[bytes]:
        for at in range(0, len(body), 65_536):
            yield body[at : at + 65_536]

    headers = {"content-type": "application/json", "authorization": f"Bearer {stage.token(BANK)}"}
    for content in (body, in_pieces()):
        answer = stage.http.post(f"{stage.url}/graphql", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


TERMS = {
    "grantee": BANK,
    "purpose": "PRE_LOAN_REVIEW",
    "agencies": ["agency-pearl"],
    "sections": ["IDENTITY"],
    "validFrom": "2026-01-01T00:00:00.000Z",
    "validUntil": "2027-01-01T00:00:00.000Z",
    "usesMax": 1,
}
INPUTS: dict[str, dict[str, object]] = {
    "an unknown field": {"also": 1},
    "a null": {"usesMax": None},
    "a float": {"usesMax": 1.5},
    "a number as text": {"usesMax": "1"},
    "an unknown code": {"purpose": "CURIOSITY"},
    "no list": {"sections": {"IDENTITY": True}},
    "a lone surrogate": {"grantee": "bank-\ud800"},
    "surrogates the wrong way round": {"grantee": "bank-\udc00\ud800"},
}


@pytest.mark.parametrize("kind", INPUTS)
def test_an_input_that_does_not_fit_the_schema_is_turned_away(stage: SmallStage, kind: str):
    errors = request_consent(stage, TERMS | INPUTS[kind])["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}


def request_consent(stage: SmallStage, terms: dict[str, object]) -> dict[str, dict[str, object]]:
    """The answer to a request for consent on these terms, whatever they are."""
    seal = {
        "id": "01980000-0000-7000-8000-000000000000",
        "by": CONSORTIUM.officers[ORDERING].id,
        "signedAt": "2026-01-01T00:00:00.000Z",
        "salt": "A" * 22,
        "proof": "a.b.c",
    }
    answer = stage.query(
        ORDERING,
        load_operation("RequestConsent"),
        consent={"enterprise": ENTERPRISE.id, "terms": terms},
        seal=seal,
        waitFor="CHECKPOINTED",
    )
    found: dict[str, dict[str, object]] = answer.json()
    return found


# Queries that ask too much.


def nested(depth: int) -> str:
    """A query of so many fields inside each other."""
    return "{__schema{types{" + "ofType{" * depth + "name" + "}" * depth + "}}}"


def fragments(doublings: int) -> str:
    """Fragments that each spread the next one twice: small to write, 2^n fields to run."""
    chain = "".join(
        f" fragment f{n} on Log {{ ...f{n + 1} ...f{n + 1} }}" for n in range(doublings)
    )
    return f"{{log{{...f0}}}}{chain} fragment f{doublings} on Log {{ size }}"


BOMBS: dict[str, str] = {
    "deep": nested(40),
    "very deep": nested(900),
    "wide": "{" + "__typename " * 3_000 + "}",
    "2,000 aliases": "{" + " ".join(f"a{n}:__typename" for n in range(2_000)) + "}",
    "aliases of something dear": "{" + " ".join(f"a{n}:counters{{users}}" for n in range(90)) + "}",
    "a fragment bomb": fragments(25),
    "pages of pages": "{orders(first:100){nodes{enterprise{vouchedBy{id}}"
    + "".join(f"a{n}:deliveredSections{{section fingerprint}}" for n in range(60))
    + "}}}",
    "long": "{__typename" + " " * 40_000 + "}",
    "introspection, deep": "{__schema{types{fields{type{"
    + "ofType{fields{type{" * 8
    + "name"
    + "}}}" * 8
    + "}}}}}",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_query_that_asks_too_much_is_refused_at_once(stage: SmallStage, bomb: str):
    stage.token(ORDERING)
    began = time.monotonic()
    answer = stage.query(ORDERING, BOMBS[bomb])
    assert time.monotonic() - began < AT_ONCE_S
    assert answer.status_code == 400
    assert "data" not in answer.json()
    codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
    assert codes == {"QUERY_TOO_COMPLEX"}, answer.text


def test_fragments_in_a_circle_are_refused(stage: SmallStage):
    query = "{log{...f}} fragment f on Log{size ...g} fragment g on Log{...f}"
    answer = stage.query(ORDERING, query)
    assert answer.status_code == 400
    assert "data" not in answer.json()


def test_introspection_is_for_those_who_signed_in(stage: SmallStage):
    query = "{__schema{queryType{name} types{name fields{name type{kind name}}}}}"
    answer = stage.query(None, query)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    answer = stage.query(ORDERING, query)
    assert answer.status_code == 200
    assert answer.json()["data"]["__schema"]["queryType"] == {"name": "Query"}


async def test_bombs_do_not_keep_others_waiting(stage: SmallStage):
    async def ask(query: str) -> float:
        began = time.monotonic()
        await asyncio.to_thread(stage.query, ORDERING, query)
        return time.monotonic() - began

    stage.token(ORDERING)
    bombs = [ask(query) for query in BOMBS.values()]
    waits = await asyncio.gather(*bombs, *(ask("{log{size}}") for _ in range(5)))
    assert max(waits) < 2 * AT_ONCE_S


# Signing in.


def test_an_assertion_counts_once(stage: SmallStage):
    assertion = stage.signer(BANK).assertion()
    assert stage.sign_in(assertion).status_code == 200
    answer = stage.sign_in(assertion)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "The assertion was used before.",
    }


ASSERTIONS: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: by_clock(-120_000).assertion(), "expired"),
    "from the future": (lambda: by_clock(120_000).assertion(), "future"),
    "by an unknown key": (lambda: Signer(BANK, generate_key(), ORIGIN).assertion(), "No such key"),
    "by a key of another member": (
        lambda: Signer(BANK, CONSORTIUM.members[OTHER_BANK].key, ORIGIN).assertion(),
        "No such key",
    ),
    "of nobody": (
        lambda: Signer("bank-nowhere", generate_key(), ORIGIN).assertion(),
        "No such key",
    ),
    "for another log": (
        lambda: Signer(BANK, CONSORTIUM.members[BANK].key, "other.example/log").assertion(),
        f"{ORIGIN}/token",
    ),
    "with another signature": (lambda: by_clock(0).assertion()[:-6] + "AAAAAA", "signature"),
    "cut short": (lambda: by_clock(0).assertion()[:-60], "The "),
    "nothing": (lambda: "", "missing"),
}


def by_clock(ahead_ms: int) -> Signer:
    """The bank's signer, by a clock that is ahead."""
    key = CONSORTIUM.members[BANK].key
    return Signer(BANK, key, ORIGIN, clock=lambda: now_ms() + ahead_ms)


@pytest.mark.parametrize("kind", ASSERTIONS)
def test_an_assertion_that_does_not_count_gives_no_token(stage: SmallStage, kind: str):
    make, says = ASSERTIONS[kind]
    answer = stage.sign_in(make())
    assert answer.status_code in (400, 401)
    assert says in answer.json()["error_description"]
    assert "access_token" not in answer.json()


def test_an_access_token_that_is_not_the_hubs_is_refused(stage: SmallStage):
    body = json.dumps({"query": "{me{id}}"}).encode()
    stolen = stage.token(BANK)
    for token in ("x", stolen[:-6] + "AAAAAA", stage.signer(BANK).assertion()):
        answer = stage.post(None, body, authorization=f"Bearer {token}")
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
