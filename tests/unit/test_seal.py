"""One signature over one event: what holds, and everything that must not.

The passkey here is a software authenticator written in this file; that real verifiers accept what
it makes is checked against the `webauthn` package.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
import webauthn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from webauthn.helpers import encode_cbor
from webauthn.helpers.exceptions import InvalidAuthenticationResponse

from creditchain.events import (
    EVENTS,
    Event,
    MalformedEvent,
    PublicKey,
    b64u,
    canonical_json,
    event_object,
    format_event,
    parse_event_object,
    unb64u,
)
from creditchain.events.consent import ConsentWithdrawn
from creditchain.events.key import ED25519, ES256
from creditchain.seal import (
    BODY_BYTES_MAX,
    BadSeal,
    Entry,
    FindKey,
    Sealed,
    SealFault,
    Signing,
    assemble,
    challenge_of,
    format_entry,
    jws_header,
    parse_entry,
    seal,
    seal_of,
    signing_input,
    unseal,
)
from fixtures.stories import STORIES, read_story
from fixtures.stories.story import START, actor_id, compose, event_id, public_key, signing_key

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RP_ID, ORIGIN = "hub.example", "https://hub.example"

ALICE = actor_id("en_alice")
EVENT = Event(
    id=event_id("withdrawal"),
    log="stories.example/1",
    by=ALICE,
    signed_at=START,
    salt=b64u(bytes(16)),
    body=ConsentWithdrawn(consent=event_id("consent")),
)
PAYLOAD = format_event(EVENT)

ED_KEY, ED_PUBLIC = signing_key("en_alice", 0), public_key("en_alice#0")
EC_KEY = ec.derive_private_key(20260302, ec.SECP256R1())
SEAL_PUBLIC = public_key("en_alice#0:seal")


def public_half(key: ec.EllipticCurvePrivateKey) -> PublicKey:
    numbers = key.public_key().public_numbers()
    return PublicKey(
        ES256, b64u(numbers.x.to_bytes(32, "big")), b64u(numbers.y.to_bytes(32, "big"))
    )


EC_PUBLIC = public_half(EC_KEY)
BOTH: list[tuple[Signing, PublicKey]] = [(ED_KEY, ED_PUBLIC), (EC_KEY, EC_PUBLIC)]


def knowing(*keys: PublicKey, by: str = ALICE) -> FindKey:
    known = {key.kid: key for key in keys}
    return lambda event, kid: known.get(kid) if event.by == by else None


KNOWN = knowing(ED_PUBLIC, EC_PUBLIC, SEAL_PUBLIC)


def fault_of(proof: str | Mapping[str, Any], find: FindKey = KNOWN) -> SealFault:
    with pytest.raises(BadSeal) as caught:
        seal_of(EVENT, proof, find)
    assert caught.value.event == EVENT
    return caught.value.fault


def jws(header: Mapping[str, Any] | str, key: Signing = ED_KEY, payload: bytes = PAYLOAD) -> str:
    """A JWS under any header, honestly signed over it."""
    text = header if isinstance(header, str) else b64u(canonical_json(header))
    return f"{text}..{b64u(sign(key, signing_input(text, payload)))}"


def sign(key: Signing, message: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


class Authenticator:
    """A passkey in software: signs assertions as a platform authenticator does."""

    def __init__(self, key: Signing, public: PublicKey) -> None:
        self.key, self.public = key, public
        self.count = 7

    def assertion(
        self, challenge: bytes, *, flags: int = 0x1D, client: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        said = {
            "type": "webauthn.get",
            "challenge": b64u(challenge),
            "origin": ORIGIN,
            "crossOrigin": False,
            **(client or {}),
        }
        said = {name: value for name, value in said.items() if value is not None}
        # Browsers do not sort, and write what they like around the members we need.
        client_json = json.dumps(said).encode()
        data = (
            hashlib.sha256(RP_ID.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")
        )
        message = data + hashlib.sha256(client_json).digest()
        if isinstance(self.key, Ed25519PrivateKey):
            signature = self.key.sign(message)
        else:
            signature = self.key.sign(message, ec.ECDSA(SHA256()))
        return {
            "authenticatorData": b64u(data),
            "clientDataJSON": b64u(client_json),
            "kid": self.public.kid,
            "signature": b64u(signature),
        }


PASSKEY = Authenticator(EC_KEY, EC_PUBLIC)
CHALLENGE = challenge_of(PAYLOAD)


# What holds.


@pytest.mark.parametrize(("key", "public"), BOTH)
def test_a_sealed_event_is_unsealed(key: Signing, public: PublicKey):
    sealed = seal(EVENT, key, public)
    opened = unseal(sealed.body, KNOWN)
    assert opened == sealed
    assert (opened.event, opened.kid) == (EVENT, public.kid)
    assert opened.commitment == hashlib.sha256(sealed.body).digest()


@pytest.mark.parametrize(("key", "public"), BOTH)
def test_event_and_proof_as_fields_give_the_same_body(key: Signing, public: PublicKey):
    sealed = seal(EVENT, key, public)
    proof = json.loads(sealed.body)["proof"]
    assert seal_of(EVENT, proof, KNOWN) == sealed


def test_the_proof_is_a_jws_that_others_read():
    proof = json.loads(seal(EVENT, ED_KEY, ED_PUBLIC).body)["proof"]
    header, payload, signature = proof.split(".")
    assert payload == ""
    assert json.loads(unb64u(header)) == {
        "alg": "Ed25519",
        "kid": ED_PUBLIC.kid,
        "typ": "creditchain-event+jws",
    }
    ED_KEY.public_key().verify(unb64u(signature), f"{header}.{b64u(PAYLOAD)}".encode())


@pytest.mark.parametrize("flags", [0x05, 0x0D, 0x1D, 0x85])
@pytest.mark.parametrize(("key", "public"), BOTH)
def test_a_passkey_seals_too(key: Signing, public: PublicKey, flags: int):
    proof = Authenticator(key, public).assertion(CHALLENGE, flags=flags)
    sealed = seal_of(EVENT, proof, KNOWN)
    assert sealed.kid == public.kid
    assert unseal(sealed.body, KNOWN) == sealed


def test_a_browser_may_leave_cross_origin_out_and_add_its_own():
    client = {"crossOrigin": None, "other_keys_can_be_added_here": "do not compare", "x": 1.5}
    assert seal_of(EVENT, PASSKEY.assertion(CHALLENGE, client=client), KNOWN)


def test_an_authenticator_may_send_either_s():
    low_and_high = set()
    for _ in range(40):
        proof = PASSKEY.assertion(CHALLENGE)
        r, s = decode_dss_signature(unb64u(proof["signature"]))
        low_and_high.add(s <= P256_ORDER // 2)
        for other in (s, P256_ORDER - s):
            again = {**proof, "signature": b64u(encode_dss_signature(r, other))}
            assert seal_of(EVENT, again, KNOWN).kid == EC_PUBLIC.kid
    assert low_and_high == {True, False}


def test_the_assertion_is_one_that_the_webauthn_package_accepts():
    x, y = unb64u(EC_PUBLIC.x), unb64u(EC_PUBLIC.y or "")
    cose = encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})
    proof = PASSKEY.assertion(CHALLENGE)

    def judge(challenge: bytes) -> Any:
        return webauthn.verify_authentication_response(
            credential={
                "id": b64u(b"credential"),
                "rawId": b64u(b"credential"),
                "type": "public-key",
                "response": {
                    "authenticatorData": proof["authenticatorData"],
                    "clientDataJSON": proof["clientDataJSON"],
                    "signature": proof["signature"],
                },
            },
            expected_challenge=challenge,
            expected_rp_id=RP_ID,
            expected_origin=ORIGIN,
            credential_public_key=cose,
            credential_current_sign_count=0,
            require_user_verification=True,
        )

    assert judge(CHALLENGE).user_verified
    assert seal_of(EVENT, proof, KNOWN)
    with pytest.raises(InvalidAuthenticationResponse):
        judge(challenge_of(PAYLOAD + b" "))


# Signatures over something else.


@pytest.mark.parametrize("name", ["id", "log", "by", "signedAt", "salt", "type", "body"])
def test_a_signature_is_over_every_field(name: str):
    others = {
        "id": event_id("another"),
        "log": "stories.example/2",
        "by": actor_id("en_bob"),
        "signedAt": "2026-03-02T01:00:00.001Z",
        "salt": b64u(bytes([1] * 16)),
        "type": "ConsentExpired",
        "body": {"consent": event_id("another consent")},
    }
    other = parse_event_object({**event_object(EVENT), name: others[name]})
    everybody = {key.kid: key for key in (ED_PUBLIC, EC_PUBLIC)}
    for proof in (json.loads(seal(EVENT, ED_KEY, ED_PUBLIC).body)["proof"],):
        with pytest.raises(BadSeal) as caught:
            seal_of(other, proof, lambda _event, kid: everybody.get(kid))
        assert caught.value.fault is SealFault.SIGNATURE_INVALID
    with pytest.raises(BadSeal) as caught:
        seal_of(other, PASSKEY.assertion(CHALLENGE), lambda _event, kid: everybody.get(kid))
    assert caught.value.fault is SealFault.SIGNATURE_INVALID


def test_a_key_of_somebody_else_is_not_known():
    proof = json.loads(seal(EVENT, ED_KEY, ED_PUBLIC).body)["proof"]
    find = knowing(ED_PUBLIC, by=actor_id("en_bob"))
    assert fault_of(proof, find) is SealFault.KEY_UNKNOWN
    assert fault_of(PASSKEY.assertion(CHALLENGE), find) is SealFault.KEY_UNKNOWN


def test_a_signature_by_another_key_does_not_hold():
    other = signing_key("en_mallory", 0)
    header = jws_header(ED25519, ED_PUBLIC.kid)
    assert fault_of(jws(header, other)) is SealFault.SIGNATURE_INVALID
    mallory = Authenticator(ec.derive_private_key(666, ec.SECP256R1()), EC_PUBLIC)
    assert fault_of(mallory.assertion(CHALLENGE)) is SealFault.SIGNATURE_INVALID


# Headers.


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "Ed25519", "kid": ED_PUBLIC.kid},
        {"alg": "Ed25519", "kid": ED_PUBLIC.kid, "typ": "JWT"},
        {"alg": "Ed25519", "kid": ED_PUBLIC.kid, "typ": "client-authentication+jwt"},
        {"alg": "Ed25519", "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws", "b64": False},
        {"alg": "Ed25519", "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws", "crit": ["b64"]},
        {"alg": "Ed25519", "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws", "jwk": {}},
        {"alg": "EdDSA", "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws"},
        {"alg": "none", "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws"},
        {"alg": "HS256", "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws"},
        {"alg": "HPKE-X25519", "kid": SEAL_PUBLIC.kid, "typ": "creditchain-event+jws"},
        {"alg": ["Ed25519"], "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws"},
        {"alg": "Ed25519", "kid": 7, "typ": "creditchain-event+jws"},
        {"alg": "Ed25519", "kid": "short", "typ": "creditchain-event+jws"},
        {"alg": "Ed25519", "kid": "x" * 300, "typ": "creditchain-event+jws"},
    ],
)
def test_a_header_has_one_form(header: dict[str, Any]):
    assert fault_of(jws(header)) is SealFault.PROOF_MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        json.dumps({"alg": "Ed25519", "kid": ED_PUBLIC.kid, "typ": "creditchain-event+jws"}),
        '{"alg":"Ed25519","alg":"Ed25519","kid":"x","typ":"creditchain-event+jws"}',
        '{"typ":"creditchain-event+jws"}',
        '{"alg":"Ed25519","kid":"\\ud800","typ":"creditchain-event+jws"}',
        "[]",
        "7",
        "",
        "[" * 290,
        '{"alg":' + "9" * 280 + "}",
    ],
)
def test_a_header_in_another_spelling_is_malformed(header: str):
    assert fault_of(jws(b64u(header.encode()))) is SealFault.PROOF_MALFORMED


def test_the_algorithm_is_the_key_records():
    """A header cannot talk the verifier into another algorithm (RFC 8725 section 3.1)."""
    for alg, kid in ((ES256, ED_PUBLIC.kid), (ED25519, EC_PUBLIC.kid), (ED25519, SEAL_PUBLIC.kid)):
        for key in (ED_KEY, EC_KEY):
            assert fault_of(jws(jws_header(alg, kid), key)) is SealFault.KEY_UNKNOWN


def test_a_key_to_seal_to_signs_nothing():
    proof = {**PASSKEY.assertion(CHALLENGE), "kid": SEAL_PUBLIC.kid}
    assert fault_of(proof) is SealFault.KEY_UNKNOWN


def test_a_kid_that_finds_another_key_is_unknown():
    find: FindKey = lambda _event, _kid: EC_PUBLIC  # noqa: E731
    assert fault_of(jws(jws_header(ED25519, ED_PUBLIC.kid)), find) is SealFault.KEY_UNKNOWN
    proof = {**PASSKEY.assertion(CHALLENGE), "kid": ED_PUBLIC.kid}
    assert fault_of(proof, find) is SealFault.KEY_UNKNOWN


GOOD = json.loads(seal(EVENT, ED_KEY, ED_PUBLIC).body)["proof"]


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "..",
        ".",
        GOOD.replace("..", "."),
        GOOD.replace("..", f".{b64u(PAYLOAD)}."),
        GOOD + "=",
        GOOD + ".",
        GOOD[:-1],
        " " + GOOD,
        GOOD + "\n",
        GOOD.replace("_", "/").replace("-", "+") if set("_-") & set(GOOD) else GOOD + "+",
        GOOD + "A" * 4000,
        GOOD.replace("..", "..é"),
        GOOD[:-1] + "\u0660",
        "\ud800" + GOOD,
    ],
)
def test_a_proof_has_one_spelling(proof: str):
    assert fault_of(proof) is SealFault.PROOF_MALFORMED


def test_a_signature_of_another_length_does_not_hold():
    header, signature = GOOD.split("..")
    for raw in (b"", unb64u(signature)[:63], unb64u(signature) + b"\0", bytes(64)):
        assert fault_of(f"{header}..{b64u(raw)}") is SealFault.SIGNATURE_INVALID


def test_a_jws_signature_with_the_higher_s_does_not_hold():
    header = jws_header(ES256, EC_PUBLIC.kid)
    raw = sign(EC_KEY, signing_input(header, PAYLOAD))
    assert seal_of(EVENT, f"{header}..{b64u(raw)}", KNOWN)
    s = int.from_bytes(raw[32:], "big")
    for other in (P256_ORDER - s, s + P256_ORDER if s + P256_ORDER < 2**256 else 0, P256_ORDER):
        changed = raw[:32] + other.to_bytes(32, "big")
        assert fault_of(f"{header}..{b64u(changed)}") is SealFault.SIGNATURE_INVALID
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), s)
    assert fault_of(f"{header}..{b64u(der)}") is SealFault.SIGNATURE_INVALID


# Passkeys.


@pytest.mark.parametrize(
    "client",
    [
        {"type": "webauthn.create"},
        {"type": None},
        {"challenge": b64u(bytes(32))},
        {"challenge": b64u(CHALLENGE) + "="},
        {"challenge": None},
        {"challenge": 7},
        {"crossOrigin": True},
        {"crossOrigin": "false"},
        {"crossOrigin": 0},
    ],
)
def test_an_assertion_for_anything_else_does_not_hold(client: dict[str, Any]):
    proof = PASSKEY.assertion(CHALLENGE, client=client)
    assert fault_of(proof) is SealFault.SIGNATURE_INVALID


@pytest.mark.parametrize("flags", [0x00, 0x01, 0x04, 0x18])
def test_a_passkey_signs_only_for_a_present_and_verified_person(flags: int):
    proof = PASSKEY.assertion(CHALLENGE, flags=flags)
    assert fault_of(proof) is SealFault.SIGNATURE_INVALID


def test_a_plain_digest_of_the_event_is_no_challenge():
    proof = PASSKEY.assertion(hashlib.sha256(PAYLOAD).digest())
    assert fault_of(proof) is SealFault.SIGNATURE_INVALID


ASSERTED = PASSKEY.assertion(CHALLENGE)


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {**ASSERTED, "userHandle": "AA"},
        {name: value for name, value in ASSERTED.items() if name != "kid"},
        {**ASSERTED, "signature": 7},
        {**ASSERTED, "signature": "not base64!"},
        {**ASSERTED, "signature": b64u(b"not DER")},
        {**ASSERTED, "signature": b64u(encode_dss_signature(1, P256_ORDER + 5))},
        {**ASSERTED, "signature": b64u(bytes.fromhex("3006020101020180"))},
        {**ASSERTED, "authenticatorData": b64u(bytes(36))},
        {**ASSERTED, "authenticatorData": ASSERTED["authenticatorData"] + "="},
        {**ASSERTED, "clientDataJSON": b64u(b"[]")},
        {**ASSERTED, "clientDataJSON": b64u(b"{")},
        {**ASSERTED, "clientDataJSON": b64u(b"\xff")},
        {**ASSERTED, "clientDataJSON": b64u(b"[" * 2900)},
        {**ASSERTED, "clientDataJSON": "A" * 4000},
        {**ASSERTED, "kid": "\ud800"},
        {**ASSERTED, "kid": ""},
        {**ASSERTED, "kid": "../" * 15},
    ],
)
def test_an_assertion_out_of_form_is_malformed(proof: dict[str, Any]):
    assert fault_of(proof) is SealFault.PROOF_MALFORMED


@pytest.mark.parametrize("name", ["authenticatorData", "clientDataJSON", "signature"])
def test_no_changed_byte_of_an_assertion_holds(name: str):
    raw = unb64u(ASSERTED[name])
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 0x01]) + raw[at + 1 :]
        assert fault_of({**ASSERTED, name: b64u(changed)})


@pytest.mark.parametrize("proof", [7, True, [], [GOOD], {"proof": GOOD}])
def test_a_proof_of_no_kind_is_malformed(proof: Any):
    raw = canonical_json({"event": event_object(EVENT), "proof": proof})
    with pytest.raises(BadSeal) as caught:
        unseal(raw, KNOWN)
    assert caught.value.fault is SealFault.PROOF_MALFORMED


# Bodies.


def body_of_each_type() -> list[Sealed]:
    found = {
        sealed.event.type: sealed
        for name in STORIES
        for line, sealed, _ in compose(read_story(name))
        if line.code == "ok"
    }
    assert found.keys() == EVENTS.keys()
    return list(found.values())


BODIES = body_of_each_type()
STORY_SIGNERS = (
    "regulator",
    "operator",
    "hana",
    "minh",
    "pearl",
    "tide",
    "taxes",
    "court",
    "of_lin",
    "of_wu",
    "of_ada",
    "of_min",
    "of_pei",
    "of_tan",
    "of_tao",
    "of_cai",
    "of_cui",
    "of_qi",
    "of_su",
    "of_ren",
    "of_tai",
    "of_rui",
    "en_acme",
    "en_lotus",
)
# Each sample is signed with the first or second key of a story's signer; names are not reversible.
STORY_KEYS = {
    key.kid: key
    for name in STORY_SIGNERS
    for key in (public_key(f"{name}#{number}") for number in range(4))
}


def find_story_key(_event: Event, kid: str) -> PublicKey | None:
    return STORY_KEYS.get(kid)


@pytest.mark.parametrize("sealed", BODIES, ids=lambda sealed: sealed.event.type)
def test_no_mangled_byte_of_a_body_is_taken(sealed: Sealed):
    body = sealed.body
    assert unseal(body, find_story_key) == sealed
    for at in range(len(body)):
        mangled = body[:at] + bytes([body[at] ^ (1 << at % 8)]) + body[at + 1 :]
        with pytest.raises((MalformedEvent, BadSeal)):
            unseal(mangled, find_story_key)


def test_no_prefix_and_no_longer_body_is_taken():
    body = seal(EVENT, ED_KEY, ED_PUBLIC).body
    for end in range(len(body)):
        with pytest.raises(MalformedEvent):
            unseal(body[:end], KNOWN)
    for tail in (b" ", b"\n", b"\0", b"}", b'{"a":1}'):
        with pytest.raises(MalformedEvent):
            unseal(body + tail, KNOWN)


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_any_bytes_are_malformed(raw: bytes):
    with pytest.raises(MalformedEvent):
        unseal(raw, KNOWN)


@settings(max_examples=150)
@given(st.text(max_size=60) | st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
def test_any_proof_is_a_bad_seal(proof: str | dict[str, str]):
    with pytest.raises(BadSeal):
        seal_of(EVENT, proof, KNOWN)


def test_a_body_in_another_spelling_is_malformed():
    body = seal(EVENT, ED_KEY, ED_PUBLIC).body
    value = json.loads(body)
    for other in (
        json.dumps(value, sort_keys=True).encode(),
        json.dumps({"proof": value["proof"], "event": value["event"]}, separators=(",", ":")),
        body.replace(b'"event":', b'"event":{},"event":', 1),
        body.replace(b'"proof":', b'"more":1,"proof":', 1),
        body.replace(b"ConsentWithdrawn", b"Consent\\u0057ithdrawn"),
        body.replace(b"..", b"\\u002e.", 1),
    ):
        raw = other.encode() if isinstance(other, str) else other
        assert raw != body
        with pytest.raises(MalformedEvent):
            unseal(raw, KNOWN)


def test_a_body_of_64_kib_is_malformed():
    for size in (BODY_BYTES_MAX, 10 * BODY_BYTES_MAX):
        with pytest.raises(MalformedEvent, match="more than 65535 bytes"):
            unseal(assemble(PAYLOAD, "A" * size), KNOWN)
    with pytest.raises(BadSeal):
        unseal(assemble(PAYLOAD, "A" * (BODY_BYTES_MAX - len(PAYLOAD) - 21)), KNOWN)


def test_a_body_that_is_no_object_of_two_is_malformed():
    for raw in (b"[]", b"7", b'"x"', b"{}", b'{"event":{}}', b'{"event":{},"proof":""}'):
        with pytest.raises(MalformedEvent):
            unseal(raw, KNOWN)


# Entries.


@given(st.integers(0, 253_402_300_799_999), st.binary(min_size=32, max_size=32))
def test_an_entry_is_read_as_it_was_written(at: int, commitment: bytes):
    entry = Entry(at, commitment)
    data = format_entry(entry)
    assert len(data) == 86
    assert parse_entry(data) == entry
    assert canonical_json(json.loads(data)) == data


def test_no_mangled_byte_of_an_entry_is_the_same_entry():
    entry = Entry(START, hashlib.sha256(b"body").digest())
    data = format_entry(entry)
    for at in range(len(data)):
        for bit in range(8):
            mangled = data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]
            try:
                other = parse_entry(mangled)
            except MalformedEvent:
                continue
            assert other != entry
            assert format_entry(other) == mangled


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"at":"2026-03-02T01:00:00.000Z"}',
        b'{"at":"2026-03-02T01:00:00.000Z","body":""}',
        b'{"at":"2026-03-02T01:00:00.000Z","body":"AAAA"}',
        b'{"at":"2026-03-02T01:00:00.000Z","body":7}',
        b'{"at":7,"body":"AAAA"}',
        b'{"at":"2026-03-02T01:00:00.000Z","body":{"a":[]}}',
        b'{"at": "2026-03-02T01:00:00.000Z","body":"' + b"A" * 43 + b'"}',
        b"x" * 300,
    ],
)
def test_what_is_no_entry_is_malformed(data: bytes):
    with pytest.raises(MalformedEvent):
        parse_entry(data)
