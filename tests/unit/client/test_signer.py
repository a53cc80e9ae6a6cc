"""The signer: events that unseal, and sign-ins that say who asks."""

import jwt
import pytest

from creditchain.client.fresh import fresh_enterprise_id, fresh_officer_id
from creditchain.client.keys import ED25519, ES256, HPKE_X25519, generate_key
from creditchain.client.signer import ASSERTION_TYPE, Signer
from creditchain.events import parse_event
from creditchain.events.envelope import format_event
from creditchain.events.membership import MemberWithdrawn
from creditchain.seal import BadSeal, unseal

LOG = "hub.example/log"
BODY = MemberWithdrawn("bank-hana")


@pytest.mark.parametrize("alg", [ED25519, ES256])
def test_what_is_sealed_unseals(alg: str):
    key = generate_key(alg)
    sealed = Signer("bank-hana", key, LOG).seal(BODY)
    assert unseal(sealed.body, lambda event, kid: key.public) == sealed
    assert (sealed.event.by, sealed.event.log, sealed.kid) == ("bank-hana", LOG, key.kid)
    with pytest.raises(BadSeal):
        unseal(sealed.body, lambda event, kid: generate_key(alg).public)


def test_every_statement_has_its_own_id_and_salt():
    signer = Signer("bank-hana", generate_key(), LOG)
    events = [signer.event(BODY) for _ in range(100)]
    assert len({event.id for event in events}) == 100
    assert len({event.salt for event in events}) == 100
    assert all(parse_event(format_event(event)) == event for event in events)


def test_a_statement_can_be_said_again_in_the_same_words():
    signer = Signer("bank-hana", generate_key(), LOG, clock=lambda: 1_800_000_000_000)
    first = signer.seal(BODY)
    event = first.event
    assert signer.seal(BODY, event.id, event.signed_at, event.salt) == first


@pytest.mark.parametrize(("alg", "named"), [(ED25519, "EdDSA"), (ES256, "ES256")])
def test_an_assertion_says_who_asks_for_a_minute(alg: str, named: str):
    key = generate_key(alg)
    signer = Signer("bank-hana", key, LOG)
    token = signer.assertion()
    assert jwt.get_unverified_header(token) == {"alg": named, "kid": key.kid, "typ": ASSERTION_TYPE}
    claims = jwt.decode(
        token,
        key.signing.public_key(),
        algorithms=[named],
        audience=f"{LOG}/token",
        issuer="bank-hana",
        options={"require": ["exp", "iat", "iss", "sub", "aud", "jti"], "strict_aud": True},
    )
    assert claims["exp"] - claims["iat"] == 60
    assert claims["sub"] == "bank-hana"
    assert (
        claims["jti"] != jwt.decode(signer.assertion(), options={"verify_signature": False})["jti"]
    )


def test_a_key_to_seal_to_is_no_signer():
    with pytest.raises(ValueError, match="does not sign"):
        Signer("bank-hana", generate_key(HPKE_X25519), LOG)


def test_fresh_ids_are_ids_that_the_log_takes():
    signer = Signer(fresh_officer_id(), generate_key(), LOG)
    assert parse_event(format_event(signer.event(BODY))).by == signer.actor
    signer = Signer(fresh_enterprise_id(), generate_key(), LOG)
    assert parse_event(format_event(signer.event(BODY))).by == signer.actor
