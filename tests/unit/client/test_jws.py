"""Detached signatures: one payload, one key, one use; and one spelling of each."""

import pytest

from creditchain.client.jws import BadSignature, check, kid_of, sign
from creditchain.client.keys import generate_key
from creditchain.events.key import ED25519, ES256
from creditchain.seal import JWS_TYPE

USE = "creditchain-test+jws"
PAYLOAD = b'{"a":1}'


@pytest.mark.parametrize("alg", [ED25519, ES256])
def test_what_is_signed_is_checked_and_signed_again_the_same(alg: str):
    key = generate_key(alg)
    jws = sign(PAYLOAD, key, USE)
    check(PAYLOAD, jws, key.public, USE)
    assert sign(PAYLOAD, key, USE) == jws
    assert kid_of(jws) == key.kid


@pytest.mark.parametrize("alg", [ED25519, ES256])
def test_no_other_payload_key_use_or_spelling_passes(alg: str):
    key = generate_key(alg)
    jws = sign(PAYLOAD, key, USE)
    header, _, tail = jws.partition("..")
    lies = [
        (b'{"a":2}', jws, key.public, USE),
        (PAYLOAD, jws, generate_key(alg).public, USE),
        (PAYLOAD, jws, key.public, JWS_TYPE),
        (PAYLOAD, f"{header}.{tail}", key.public, USE),
        (PAYLOAD, f"{header}..{tail}=", key.public, USE),
        (PAYLOAD, f"{jws}\n", key.public, USE),
        (PAYLOAD, f"\ufffd{jws}", key.public, USE),
        (PAYLOAD, "", key.public, USE),
        *((PAYLOAD, jws[:at], key.public, USE) for at in range(len(jws))),
    ]
    for lie in lies:
        with pytest.raises(BadSignature):
            check(*lie)


@pytest.mark.parametrize("jws", ["", "..", "\ufffd..", "W10..", "e30..", "not base64.."])
def test_a_signature_that_names_no_key_names_none(jws: str):
    assert kid_of(jws) == ""
