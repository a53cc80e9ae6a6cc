"""Ed25519 keys and signatures that must not count, whatever OpenSSL thinks of them."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from creditchain.ed25519 import BadKey, ed25519_public_key, verify

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493

# RFC 8032 section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]

# The encodings of the points of small order, canonical and not (from "Taming the many EdDSAs",
# table 1, and C2SP's note on keys).
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_rfc_8032_verify(key: str, message: str, signature: str):
    public = ed25519_public_key(bytes.fromhex(key))
    assert verify(public, bytes.fromhex(signature), bytes.fromhex(message))
    assert not verify(public, bytes.fromhex(signature), bytes.fromhex(message) + b"x")


@pytest.mark.parametrize("raw", SMALL_ORDER)
def test_a_key_of_small_order_is_no_key(raw: str):
    with pytest.raises(BadKey):
        ed25519_public_key(bytes.fromhex(raw))


@pytest.mark.parametrize("y", [P, P + 2, P + 3, P + 9, P + 18])
@pytest.mark.parametrize("sign", [0, 2**255])
def test_a_key_that_is_not_reduced_is_no_key(y: int, sign: int):
    with pytest.raises(BadKey, match=r"canonical|small order"):
        ed25519_public_key((y | sign).to_bytes(32, "little"))


@pytest.mark.parametrize("y", [2, 5, 7, 8, 11])
def test_a_y_off_the_curve_is_no_key(y: int):
    """Half of all y have no x; OpenSSL takes them in and finds out when verifying."""
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    if pow(square, (P - 1) // 2, P) in {0, 1}:
        assert ed25519_public_key(y.to_bytes(32, "little"))
    else:
        with pytest.raises(BadKey, match="not a point"):
            ed25519_public_key(y.to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_key_has_32_bytes(size: int):
    with pytest.raises(BadKey, match="32 bytes"):
        ed25519_public_key(b"\x09" * size)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64))
def test_a_real_key_is_taken_and_its_signature_holds(seed: bytes, message: bytes):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = ed25519_public_key(private.public_key().public_bytes_raw())
    signature = private.sign(message)
    assert verify(public, signature, message)


def test_a_signature_has_one_form():
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = ed25519_public_key(private.public_key().public_bytes_raw())
    signature = private.sign(b"message")
    s = int.from_bytes(signature[32:], "little")
    for other in (*(s + multiple * L for multiple in range(1, 8)), L - s):
        forged = signature[:32] + other.to_bytes(32, "little")
        assert not verify(public, forged, b"message")


@pytest.mark.parametrize("size", [0, 63, 65, 128])
def test_a_signature_has_64_bytes(size: int):
    public = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    assert not verify(public, b"\x01" * size, b"message")
    assert not verify(public, bytes(size), b"message")


def test_no_changed_bit_of_a_signature_verifies():
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = private.public_key(), private.sign(b"message")
    for bit in range(512):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(public, bytes(changed), b"message")
