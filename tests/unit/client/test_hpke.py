"""Sealed reports: opened by their orderer for their order, and by nobody else."""

import json
from pathlib import Path

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import SHAKE128
from Crypto.Protocol import HPKE
from Crypto.Protocol.DH import import_x25519_private_key
from Crypto.Util.strxor import strxor
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given
from hypothesis import strategies as st

from creditchain.client.hpke import INFO, OVERHEAD_BYTES, CannotOpen, open_report, seal_report
from creditchain.client.keys import ED25519, HPKE_X25519, PrivateKey, generate_key, private_key

ORDER = "01a2032a-fc11-77ba-a21e-5283e0b78dee"
OTHER_ORDER = "01a2032a-fcb0-71c0-a158-81c726653e0c"
KEY = generate_key(HPKE_X25519)
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@given(st.binary(max_size=300))
def test_what_is_sealed_opens(plaintext: bytes):
    sealed = seal_report(plaintext, KEY.public, ORDER)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert open_report(sealed, KEY, ORDER) == plaintext


def test_the_suite_is_that_of_rfc_9180():
    vector = json.loads((Path(__file__).parent / "vectors" / "hpke.json").read_text())
    key = private_key(HPKE_X25519, bytes.fromhex(vector["skRm"]))
    assert key.public.raw == bytes.fromhex(vector["pkRm"])
    cipher = HPKE.new(
        receiver_key=import_x25519_private_key(key.secret),
        aead_id=HPKE.AEAD.AES256_GCM,
        enc=bytes.fromhex(vector["enc"]),
        info=bytes.fromhex(vector["info"]),
    )
    source, sink = SHAKE128.new(), SHAKE128.new()
    for sequence in range(1000):
        aad = source.read(source.read(1)[0])
        plaintext = source.read(source.read(1)[0])
        nonce = strxor(cipher._base_nonce, sequence.to_bytes(12))
        aes = AES.new(cipher._key, AES.MODE_GCM, nonce=nonce).update(aad)
        ciphertext = b"".join(aes.encrypt_and_digest(plaintext))
        assert cipher.unseal(ciphertext, auth_data=aad) == plaintext
        sink.update(ciphertext)
    assert sink.read(16).hex() == vector["encryptions_accumulated"]


def test_another_implementation_opens_what_we_seal():
    sealed = seal_report(b"report", KEY.public, ORDER)
    theirs = X25519PrivateKey.from_private_bytes(KEY.secret)
    assert openssl.hpke._decrypt_with_aad(SUITE, sealed, theirs, INFO, ORDER.encode()) == b"report"


def test_we_open_what_another_implementation_seals():
    theirs = X25519PublicKey.from_public_bytes(KEY.public.raw)
    sealed = openssl.hpke._encrypt_with_aad(SUITE, b"report", theirs, INFO, ORDER.encode())
    assert open_report(sealed, KEY, ORDER) == b"report"


def test_no_byte_may_change():
    sealed = seal_report(b"report", KEY.public, ORDER)
    for at in range(len(sealed)):
        mangled = bytearray(sealed)
        mangled[at] ^= 1 + at % 127
        with pytest.raises(CannotOpen):
            open_report(bytes(mangled), KEY, ORDER)


def test_no_prefix_opens():
    sealed = seal_report(b"report", KEY.public, ORDER)
    for length in range(len(sealed)):
        with pytest.raises(CannotOpen):
            open_report(sealed[:length], KEY, ORDER)


def test_a_report_opens_for_its_own_order_only():
    sealed = seal_report(b"report", KEY.public, ORDER)
    with pytest.raises(CannotOpen, match="another order"):
        open_report(sealed, KEY, OTHER_ORDER)


@pytest.mark.parametrize("key", [generate_key(HPKE_X25519), generate_key(ED25519)])
def test_another_key_opens_nothing(key: PrivateKey):
    with pytest.raises(CannotOpen):
        open_report(seal_report(b"report", KEY.public, ORDER), key, ORDER)


@pytest.mark.parametrize("u", [0, 1, 2**255 - 20])
def test_an_encapsulated_key_of_small_order_is_refused(u: int):
    sealed = u.to_bytes(32, "little") + seal_report(b"report", KEY.public, ORDER)[32:]
    with pytest.raises(CannotOpen):
        open_report(sealed, KEY, ORDER)


def test_nothing_is_sealed_to_a_signing_key():
    with pytest.raises(ValueError, match="sealed to a key of Ed25519"):
        seal_report(b"report", generate_key(ED25519).public, ORDER)


def test_two_sealings_of_one_report_share_nothing():
    assert (
        seal_report(b"report", KEY.public, ORDER)[:32]
        != seal_report(b"report", KEY.public, ORDER)[:32]
    )
