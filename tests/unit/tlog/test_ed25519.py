"""The one strict reading of Ed25519 keys and signatures, as notes rely on it."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from creditchain.tlog.ed25519 import BadKey, ed25519_public_key, verify
from creditchain.tlog.note import Verifier

ORDER = 2**252 + 27742317777372353535851937790883648493  # RFC 8032 section 5.1

# RFC 8032 section 7.1, TEST 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
MESSAGE = bytes.fromhex("72")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)

# The encodings of the points of small order that libsodium refuses (ge25519_has_small_order), the
# last three not reduced; the sign bit makes a second encoding of each.
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_the_vector_of_rfc_8032_verifies() -> None:
    assert Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw() == PUBLIC
    assert verify(ed25519_public_key(PUBLIC), SIGNATURE, MESSAGE)
    assert not verify(ed25519_public_key(PUBLIC), SIGNATURE, MESSAGE + b"\0")


@pytest.mark.parametrize("encoding", SMALL_ORDER)
def test_a_key_of_small_order_is_refused(encoding: str) -> None:
    raw = bytes.fromhex(encoding)
    for key in (raw, raw[:31] + bytes([raw[31] | 0x80])):
        with pytest.raises(BadKey):
            ed25519_public_key(key)
        with pytest.raises(BadKey):
            Verifier("log.example", key)


def test_a_key_that_is_not_reduced_or_not_a_point_is_refused() -> None:
    for raw in (b"\xff" * 32, (2**255 - 10).to_bytes(32, "little"), (2).to_bytes(32, "little")):
        with pytest.raises(BadKey):
            ed25519_public_key(raw)
    for raw in (b"", PUBLIC[:31], PUBLIC + b"\0"):
        with pytest.raises(BadKey):
            ed25519_public_key(raw)


def test_a_signature_has_one_form() -> None:
    key = ed25519_public_key(PUBLIC)
    s = int.from_bytes(SIGNATURE[32:], "little")
    for multiple in range(1, 8):
        second = SIGNATURE[:32] + (s + multiple * ORDER).to_bytes(32, "little")
        assert not verify(key, second, MESSAGE)
    for wrong in (b"", SIGNATURE[:63], SIGNATURE + b"\0", bytes(64)):
        assert not verify(key, wrong, MESSAGE)
