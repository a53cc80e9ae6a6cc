"""Sign-in: only a fresh assertion by a live key of an actor who may act gives a token."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditchain.client.fresh import fresh_event_id
from creditchain.client.keys import ES256, HPKE_X25519, PrivateKey, generate_key
from creditchain.events.codes import RevocationReason, SuspensionGround
from creditchain.events.key import ED25519
from creditchain.events.membership import (
    MemberKeyAdded,
    MemberKeyRevoked,
    MemberSuspended,
    MemberWithdrawn,
)
from creditchain.events.officer import OfficerDismissed
from tests.unit.api.town import ORIGIN, Town, officer_id, opaque, unsigned

TYPE = "client-authentication+jwt"


def assertion(
    town: Town,
    actor: str = "bank-hana",
    key: PrivateKey | None = None,
    headers: dict[str, Any] | None = None,
    alg: str = "EdDSA",
    **claims: Any,
) -> str:
    key = key or town.key(actor)
    now_s = town.clock() // 1000
    values = {
        "iss": actor, "sub": actor, "aud": f"{ORIGIN}/token",
        "iat": now_s, "exp": now_s + 60, "jti": fresh_event_id(),
    } | claims  # fmt: skip
    payload = {name: value for name, value in values.items() if value is not None}
    said = {"kid": key.kid, "typ": TYPE} | (headers or {})
    return jwt.encode(payload, key.signing, alg, headers=said)


async def refused(town: Town, token: str, status: int = 401) -> str:
    answer = await town.exchange(token)
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["error_description"]


async def test_a_fresh_assertion_gives_a_token_for_ten_minutes(town: Town):
    answer = await town.exchange(assertion(town))
    body = answer.json()
    assert answer.status_code == 200
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    claims = unsigned(body["access_token"])
    assert (claims["sub"], claims["aud"], claims["iss"]) == ("bank-hana", ORIGIN, ORIGIN)
    assert claims["exp"] - claims["iat"] == 600
    assert jwt.get_unverified_header(body["access_token"])["typ"] == "at+jwt"


async def test_our_own_signer_gets_in(town: Town):
    for actor in ("regulator", officer_id("agency-pearl"), opaque("en", "en-acme")):
        assert (await town.exchange(town.signer(actor).assertion())).status_code == 200


async def test_p256_keys_sign_in_with_their_own_algorithm(town: Town):
    key = generate_key(ES256)
    await town.done(town.signer("bank-hana").seal(MemberKeyAdded("bank-hana", key.public)))
    assert (await town.exchange(assertion(town, key=key, alg="ES256"))).status_code == 200


async def test_the_newer_name_of_the_algorithm_is_taken(town: Town):
    key = town.key("bank-hana")
    signer = jwt.PyJWS()
    signer.register_algorithm(ED25519, jwt.algorithms.OKPAlgorithm())
    claims = unsigned(assertion(town))
    token = signer.encode(
        json.dumps(claims).encode(), key.signing, ED25519, headers={"kid": key.kid, "typ": TYPE}
    )
    assert (await town.exchange(token)).status_code == 200


async def test_an_assertion_counts_once(town: Town):
    token = assertion(town)
    assert (await town.exchange(token)).status_code == 200
    assert "used before" in await refused(town, token)


async def test_an_assertion_does_not_count_again_after_a_restart(town: Town):
    token = assertion(town)
    assert (await town.exchange(token)).status_code == 200
    town.clock.ms += 2_000
    town.make_app()
    assert "older than our own start" in await refused(town, token)
    assert (await town.exchange(assertion(town))).status_code == 200


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"jti": None}, "jti"),
        ({"aud": None}, "aud"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "key"),
        ({"iss": "bank-ivy"}, "iss and sub"),
        ({"sub": "bank-ivy"}, "key"),
        ({"aud": ORIGIN}, "aud"),
        ({"aud": [f"{ORIGIN}/token"]}, "aud"),
        ({"aud": "other.example/log/token"}, "aud"),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 129}, "jti"),
        ({"jti": 7}, "signature"),
        ({"iat": "soon"}, "iat"),
        ({"iat": True}, "iat"),
        ({"exp": 10**300}, "iat"),
    ],
)
async def test_wrong_claims_are_refused(town: Town, changes: dict[str, Any], problem: str):
    try:
        token = assertion(town, **changes)
    except TypeError:  # PyJWT itself makes no such token
        token = raw(town, changes)
    description = await refused(town, token)
    assert problem.lower() in description.lower() or "signature" in description


def raw(town: Town, changes: dict[str, Any]) -> str:
    """A token that PyJWT would not make."""
    key = town.key("bank-hana")
    claims = unsigned(assertion(town)) | changes
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (
            {"alg": "EdDSA", "kid": key.kid, "typ": TYPE},
            {n: v for n, v in claims.items() if v is not None},
        )
    ]
    signature = key.signing.sign(".".join(parts).encode())
    return ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])


@pytest.mark.parametrize(
    ("iat", "exp", "problem"),
    [
        (-120, -60, "expired"),
        (-30, -1, "expired"),
        (0, 61, "60 s"),
        (0, 0, "60 s"),
        (60, 120, "future"),
        (-120, 10, "60 s"),
    ],
)
async def test_wrong_times_are_refused(town: Town, iat: int, exp: int, problem: str):
    town.clock.ms += 600_000
    now_s = town.clock() // 1000
    assert problem in await refused(town, assertion(town, iat=now_s + iat, exp=now_s + exp))


async def test_an_assertion_from_before_the_start_is_refused(town: Town):
    now_s = town.clock() // 1000
    assert "older" in await refused(town, assertion(town, iat=now_s - 5, exp=now_s + 5))


async def test_foreign_and_unfit_keys_are_refused(town: Town):
    stranger = generate_key()
    assert "No such key" in await refused(town, assertion(town, key=stranger))
    claimed = assertion(town, key=stranger, headers={"kid": town.key("bank-hana").kid})
    assert "signature" in await refused(town, claimed)
    sealing = generate_key(HPKE_X25519)
    await town.done(town.signer("bank-hana").seal(MemberKeyAdded("bank-hana", sealing.public)))
    borrowed = assertion(town, headers={"kid": sealing.kid})
    assert "No such key" in await refused(town, borrowed)


@pytest.mark.parametrize(
    "headers",
    [
        {"typ": "JWT"},
        {"typ": "creditchain-event+jws"},
        {"jwk": {"kty": "OKP"}},
        {"jku": "http://127.0.0.1/keys"},
        {"crit": ["x"], "x": 1},
        {"kid": "../../keys"},
    ],
)
async def test_strange_headers_are_refused(town: Town, headers: dict[str, Any]):
    await refused(town, assertion(town, headers=headers))


async def test_an_algorithm_of_the_tokens_own_choosing_is_refused(town: Town):
    key = town.key("bank-hana")
    public = key.public.x
    claims = unsigned(assertion(town))
    headers = {"kid": key.kid, "typ": TYPE}
    forged = jwt.encode(claims, public.ljust(64, "="), "HS256", headers=headers)
    assert "algorithm" in await refused(town, forged)
    unsigned_token = jwt.encode(claims, None, "none", headers=headers)
    assert "algorithm" in await refused(town, unsigned_token)


async def test_what_is_no_token_is_refused(town: Town):
    for text, status in (
        ("", 400),
        ("x", 401),
        ("a.b.c", 401),
        ("ü", 400),
        ("x" * 8_193, 400),
        (assertion(town) + "x", 401),
    ):
        await refused(town, text, status)


async def test_forms_that_are_none_are_refused(town: Town):
    post = town.http.post
    token = assertion(town)
    assert (await town.http.get("/token")).status_code == 405
    assert (await post("/token", json={})).status_code == 415
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await post("/token", content=b"x" * 20_000, headers=form)).status_code == 413
    assert (await post("/token", content=b"a=1&a=2", headers=form)).status_code == 400
    assert (await post("/token", content=b"%ff=\xff", headers=form)).status_code == 400
    assert (await town.exchange(token, grant_type="password")).json()["error"] == (
        "unsupported_grant_type"
    )
    wrong = await town.exchange(token, client_assertion_type="urn:x")
    assert wrong.json()["error"] == "invalid_request"


async def test_a_revoked_key_neither_signs_in_nor_keeps_its_token(town: Town):
    spare = generate_key()
    await town.done(town.signer("bank-hana").seal(MemberKeyAdded("bank-hana", spare.public)))
    assert (await town.post("bank-hana", "{ me { actor } }")).status_code == 200
    revoked = MemberKeyRevoked(
        "bank-hana", town.key("bank-hana").kid, RevocationReason.COMPROMISED, town.clock()
    )
    await town.done(town.signer("regulator").seal(revoked))
    assert (await town.post("bank-hana", "{ me { actor } }")).status_code == 401
    assert "revoked" in await refused(town, assertion(town))
    assert (await town.exchange(assertion(town, key=spare))).status_code == 200


async def test_a_dismissed_officer_is_out_at_once(town: Town):
    officer = officer_id("bank-hana")
    assert (await town.post(officer, "{ me { actor } }")).status_code == 200
    await town.done(town.signer("bank-hana").seal(OfficerDismissed(officer)))
    assert (await town.post(officer, "{ me { actor } }")).status_code == 401
    await refused(town, assertion(town, officer))


async def test_a_withdrawn_member_is_out_and_a_suspended_one_still_reads(town: Town):
    await town.sign_in("bank-ivy")
    await town.done(
        town.signer("regulator").seal(MemberSuspended("bank-ivy", SuspensionGround.BREACH))
    )
    assert (await town.ask("bank-ivy", "Me"))["me"]["member"]["standing"] == "SUSPENDED"
    await town.done(town.signer("regulator").seal(MemberWithdrawn("bank-ivy")))
    assert (await town.post("bank-ivy", "{ me { actor } }")).status_code == 401
    await refused(town, assertion(town, "bank-ivy"))


async def test_an_access_token_ends_after_ten_minutes(town: Town):
    await town.sign_in("bank-hana")
    town.clock.ms += 599_000
    assert (await town.post("bank-hana", "{ me { actor } }")).status_code == 200
    town.clock.ms += 2_000
    answer = await town.post("bank-hana", "{ me { actor } }")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_tokens_that_are_not_ours_are_refused(town: Town):
    token = await town.sign_in("bank-hana")
    head, payload, signature = token.split(".")
    claims = unsigned(token)
    theirs = generate_key().signing
    typ = {"typ": "at+jwt"}
    for forged in (
        "",
        "x",
        "a.b.c",
        "é" * 20,
        token[:-4],
        f"{head}.{payload}.{signature[::-1]}",
        jwt.encode(claims, theirs, "EdDSA", headers=typ),
        jwt.encode(claims, "k" * 64, "HS256", headers=typ),
        jwt.encode(claims, None, "none", headers=typ),
        assertion(town),
        "x" * 9_000,
    ):
        headers = {"authorization": f"Bearer {forged}".encode()}
        answer = await town.http.post("/graphql", json={"query": "{__typename}"}, headers=headers)
        assert answer.status_code == 401, forged
    basic = {"authorization": "Basic eDp5"}
    answer = await town.http.post("/graphql", json={"query": "{__typename}"}, headers=basic)
    assert answer.status_code == 401
    ours = Ed25519PrivateKey.from_private_bytes(town.hub.token)
    for changes, header in (
        ({"aud": "other.example/log"}, typ),
        ({"iss": "other.example/log"}, typ),
        ({"aud": [ORIGIN]}, typ),
        ({}, {"typ": "JWT"}),
    ):
        forged = jwt.encode(unsigned(token) | changes, ours, "EdDSA", headers=header)
        headers = {"authorization": f"Bearer {forged}"}
        answer = await town.http.post("/graphql", json={"query": "{__typename}"}, headers=headers)
        assert answer.status_code == 401, (changes, header)
