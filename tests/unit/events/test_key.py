"""Public keys in events: one spelling each, and none by which a signature proves nothing."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from creditchain.events import MalformedEvent, PublicKey, b64u, canonical_json, unb64u
from creditchain.events.codes import KeyUse
from fixtures.stories.story import public_key

ED = public_key("key#0")
X = public_key("key#0:seal")
NUMBERS = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_numbers()
EC = PublicKey("ES256", b64u(NUMBERS.x.to_bytes(32, "big")), b64u(NUMBERS.y.to_bytes(32, "big")))
P255 = 2**255 - 19


def little(number: int) -> str:
    return b64u(number.to_bytes(32, "little"))


@pytest.mark.parametrize("key", [ED, X, EC], ids=lambda key: key.alg)
def test_a_key_is_read_as_it_was_written(key: PublicKey):
    assert PublicKey.from_json(key.to_json()) == key
    assert len(key.raw) == (64 if key is EC else 32)


def test_the_algorithm_says_what_a_key_is_for():
    assert [key.use for key in (ED, EC, X)] == [KeyUse.SIGN, KeyUse.SIGN, KeyUse.SEAL]


def test_the_thumbprint_of_rfc_8037_appendix_a_3_holds():
    key = PublicKey("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("key", [ED, X, EC], ids=lambda key: key.alg)
def test_a_thumbprint_is_the_digest_of_the_required_members(key: PublicKey):
    required = {name: value for name, value in key.to_json().items() if name != "alg"}
    assert unb64u(key.kid) == hashlib.sha256(canonical_json(required)).digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "EdDSA"},
        {"alg": "none"},
        {"alg": ["Ed25519"]},
        {"alg": "ES256"},
        {"alg": "HPKE-X25519"},
        {"kty": "EC"},
        {"crv": "X25519"},
        {"y": ED.x},
        {"d": ED.x},
        {"kid": ED.kid},
        {"use": "sig"},
        {"x": ""},
        {"x": ED.x + "="},
        {"x": ED.x[:-1]},
        {"x": ED.x + "A"},
        {"x": ED.x[:-1] + chr(ord(ED.x[-1]) + 1)},
        {"x": "+" + ED.x[1:]},
        {"x": "é" + ED.x[1:]},
        {"x": 7},
    ],
)
def test_a_key_has_one_spelling(changes: dict[str, Any]):
    with pytest.raises(MalformedEvent, match=r"^key"):
        PublicKey.from_json({**ED.to_json(), **changes})


@pytest.mark.parametrize("value", [None, [], "key", {}, {"alg": "Ed25519"}])
def test_what_is_no_key_is_malformed(value: Any):
    with pytest.raises(MalformedEvent):
        PublicKey.from_json(value)


@pytest.mark.parametrize("y", [0, 1, P255 - 1, P255, P255 + 1, 2**255, 2**256 - 1])
def test_an_ed25519_key_of_small_order_or_not_reduced_is_malformed(y: int):
    with pytest.raises(MalformedEvent, match=r"small order|canonical"):
        PublicKey.from_json({**ED.to_json(), "x": little(y)})


# RFC 7748 section 6.1 and the list of D. J. Bernstein ("Curve25519", validation).
@pytest.mark.parametrize(
    "u",
    [
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        P255 - 1,
        P255,
        P255 + 1,
        2**255 - 1,
        2**255,
        2**255 + 9,
        2**256 - 1,
    ],
)
def test_an_x25519_key_of_small_order_or_not_reduced_is_malformed(u: int):
    with pytest.raises(MalformedEvent, match="small order"):
        PublicKey.from_json({**X.to_json(), "x": little(u)})


def test_a_p256_point_off_its_curve_is_malformed():
    for y in (NUMBERS.y + 1, 0, 2**256 - 1):
        with pytest.raises(MalformedEvent):
            PublicKey.from_json({**EC.to_json(), "y": b64u(y.to_bytes(32, "big"))})
    negative = (2**256 - 2**224 + 2**192 + 2**96 - 1 - NUMBERS.y).to_bytes(32, "big")
    assert PublicKey.from_json({**EC.to_json(), "y": b64u(negative)}).kid != EC.kid


@pytest.mark.parametrize(
    "text", ["A", "AB", "AA=", "AA==", "A A", "AA\n", "A+", "A/", "é", "AAAAA"]
)
def test_base64url_has_one_spelling(text: str):
    with pytest.raises(ValueError, match=r".+"):
        unb64u(text)


def test_base64url_is_read_as_it_was_written():
    for size in range(70):
        raw = hashlib.shake_128(bytes([size])).digest(size)
        assert unb64u(b64u(raw)) == raw
