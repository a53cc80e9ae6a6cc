"""Who gets in: the regulator's auditors and its own key, with a fresh assertion for this door."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from creditchain.client.fresh import fresh_event_id
from creditchain.client.keys import ES256, generate_key
from creditchain.events.codes import RevocationReason, Role
from creditchain.events.membership import MemberKeyAdded, MemberKeyRevoked
from creditchain.events.officer import OfficerDismissed
from creditchain.querying.assertion import SignInRefused
from creditchain.rulebook.record import Member, Officer, Standing
from regulator.door.copy import Records, open_copy
from regulator.door.sign_in import SignIn
from tests.lying_hub.honest import ORIGIN, Actor
from tests.unit.regulator.door.world import NAME, World

ME = "{ me { actor member { id } } }"


def assertion(world: World, actor: Actor, **claims: Any) -> str:
    """An assertion as it should be, but for these claims; None leaves one out."""
    now_s = world.clock() // 1000
    values = {
        "iss": actor.id, "sub": actor.id, "aud": f"{NAME}/token", "iat": now_s, "exp": now_s + 60,
        "jti": fresh_event_id(),
    } | claims  # fmt: skip
    payload = {name: value for name, value in values.items() if value is not None}
    headers = {"kid": actor.key.kid, "typ": "client-authentication+jwt"}
    return jwt.encode(payload, actor.key.signing, "EdDSA", headers=headers)


async def refused(world: World, token: str, status: int = 401) -> str:
    answer = await world.exchange(token)
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["error_description"])


async def test_an_auditor_signs_in_and_asks(world: World):
    answer = await world.exchange(world.signer(world.auditor).assertion(f"{NAME}/token"))
    body = answer.json()
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 600)
    said = await world.ask(ME)
    assert said == {"me": {"actor": world.auditor.id, "member": {"id": "regulator-gd"}}}


async def test_the_regulator_itself_signs_in(world: World):
    token = await world.sign_in(world.consortium.regulator)
    answer = await world.post(ME, authorization=f"Bearer {token}")
    assert answer.json()["data"]["me"]["actor"] == "regulator-gd"


async def test_others_are_refused_whoever_they_are(world: World):
    consortium = world.consortium
    for actor in (
        world.clerk,  # of the regulator, but no auditor
        world.foreign,
        consortium.bank,
        consortium.bank_officer,
        consortium.operator,
        consortium.enterprises[0],
    ):
        said = await refused(world, assertion(world, actor))
        assert said == "The actor may not act any more.", actor.id
    stranger = consortium.actor("of_" + "A" * 22)
    assert await refused(world, assertion(world, stranger)) == "No such key of this actor."


def test_an_auditor_of_another_member_or_of_a_suspended_regulator_is_refused(world: World):
    """Neither can come about under the law in force; the door does not rely on it."""
    held = Records(open_copy(world.folder / "observer.db"))

    class Book:
        """The records, some of them as they cannot be."""

        def __init__(self, **changed: Any) -> None:
            self.changed = changed

        def get(self, kind: Any, id: str) -> Any:
            record = held.get(kind, id)
            changes = self.changed.get(kind.__name__)
            if record is None or changes is None:
                return record
            return kind(**{n: changes.get(n, getattr(record, n)) for n in record.__slots__})

    def exchange(book: Any, actor: Actor) -> Any:
        token = assertion(world, actor)
        form = (
            "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
            f"client-assertion-type%3Ajwt-bearer&client_assertion={token}"
        )
        return SignIn(NAME, "regulator-gd", book, world.clock).exchange(form.encode())

    assert exchange(Book(), world.auditor)["token_type"] == "Bearer"
    for changes in (
        {"Officer": {"member": "bank-hana"}},
        {"Officer": {"roles": (Role.ORDER,)}},
        {"Officer": {"dismissed_at": 1}},
        {"Member": {"standing": Standing.SUSPENDED}},
        {"Member": {"standing": Standing.WITHDRAWN}},
    ):
        with pytest.raises(SignInRefused, match="may not act"):
            exchange(Book(**changes), world.auditor)
    with pytest.raises(SignInRefused, match="may not act"):
        exchange(Book(Member={"standing": Standing.SUSPENDED}), world.consortium.regulator)
    assert held.get(Officer, world.auditor.id) is not None
    assert held.get(Member, "regulator-gd") is not None


async def test_an_assertion_counts_once(world: World):
    token = assertion(world, world.auditor)
    assert (await world.exchange(token)).status_code == 200
    assert await refused(world, token) == "The assertion was used before."


async def test_assertions_that_are_not_as_asked_are_refused(world: World):
    now_s = world.clock() // 1000
    for claims, says in (
        ({"aud": f"{ORIGIN}/token"}, f"aud is {NAME}/token."),  # what the hub takes
        ({"aud": [f"{NAME}/token"]}, f"aud is {NAME}/token."),
        ({"aud": None}, "The claim aud is missing."),
        ({"jti": None}, "The claim jti is missing."),
        ({"iat": None}, "The claim iat is missing."),
        ({"exp": None}, "The claim exp is missing."),
        ({"iss": "regulator-gd"}, "iss and sub are both the actor's id."),
        ({"exp": now_s + 600}, "exp is at most 60 s after iat."),
        ({"iat": now_s + 30, "exp": now_s + 60}, "iat lies in the future; check the clock."),
        ({"iat": now_s - 5, "exp": now_s - 1}, "The assertion has expired."),
        (
            {"iat": now_s - 50, "exp": now_s + 5},
            "The assertion is older than our own start; sign a new one.",
        ),
    ):
        assert await refused(world, assertion(world, world.auditor, **claims)) == says


async def test_the_algorithm_is_that_of_our_key_record(world: World):
    actor = world.auditor
    other = Actor(actor.id, generate_key(ES256))
    headers = {"kid": actor.key.kid, "typ": "client-authentication+jwt"}
    token = jwt.encode({"sub": actor.id, "iss": actor.id}, other.key.signing, "ES256", headers)
    assert await refused(world, token) == "The key record names another algorithm."
    forged = jwt.encode({"sub": actor.id}, generate_key().signing, "EdDSA", headers)
    assert "missing" in await refused(world, forged) or "hold" in await refused(world, forged)


async def test_a_dismissed_auditor_asks_nothing_more(world: World):
    assert "errors" not in (await world.post(ME)).json()
    await world.say(world.consortium.regulator, OfficerDismissed(world.auditor.id))
    answer = await world.post(ME)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["errors"][0]["message"] == "The actor may not ask any more."
    assert "may not act" in await refused(world, assertion(world, world.auditor))


async def test_a_revoked_key_signs_nobody_in_and_ends_its_tokens(world: World):
    regulator, new = world.consortium.regulator, generate_key()
    token = await world.sign_in(regulator)
    await world.say(regulator, MemberKeyAdded("regulator-gd", new.public))
    revoked = MemberKeyRevoked("regulator-gd", regulator.key.kid, RevocationReason.SUPERSEDED)
    await world.say(Actor("regulator-gd", new), revoked)
    answer = await world.post(ME, authorization=f"Bearer {token}")
    assert (
        answer.json()["errors"][0]["message"] == "The key of the sign-in does not count any more."
    )
    assert "revoked" in await refused(world, assertion(world, regulator))


async def test_a_token_ends_after_ten_minutes(world: World):
    assert (await world.post(ME)).status_code == 200
    world.clock.ms += 600_001
    answer = await world.post(ME)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        401, "The access token has expired.",
    )  # fmt: skip


async def test_what_is_no_token_of_ours_is_refused(world: World):
    mine = await world.sign_in(world.auditor)
    for authorization in (
        "Bearer x",
        f"Bearer {mine[:-3]}AAA",
        f"Basic {mine}",
        "Bearer " + "x" * 9_000,
    ):
        answer = await world.post("{ __typename }", authorization=authorization)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (
            401, "UNAUTHENTICATED",
        )  # fmt: skip


async def test_forms_that_are_none_are_refused(world: World):
    post = world.http.post
    assert (await post("/token", json={})).status_code == 415
    assert (await post("/token", data={"a": "x" * 20_000})).status_code == 413
    assert (await post("/token", data={"grant_type": "password"})).status_code == 400
    assert (await world.http.get("/token")).status_code == 405
    assert await refused(world, "", 400)
