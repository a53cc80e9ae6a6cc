"""However a package is opened, quickly and on other cores or not, the verdicts are the same."""

from __future__ import annotations

import hashlib
from collections import Counter
from random import Random

import pytest

from creditchain.events import MalformedEvent, PublicKey
from creditchain.seal import BadSeal, Entry, _claim, _read_strictly, format_entry, parse_entry
from regulator.finding import FindingCode
from regulator.opening import KEYS_REMEMBERED, KeysAtHand, Openers
from regulator.replay import Opened, keys_in, open_package
from tests.lying_hub.honest import Consortium

SEED = 20_261_125


def mangled(body: bytes, other: bytes, random: Random) -> bytes:
    """A body with one thing wrong with it, or nothing."""
    at = random.randrange(len(body))
    proof_at = body.rindex(b'"proof":"')
    signed_at = random.randrange(body.rindex(b"..") + 2, len(body) - 2)
    letter = random.choice(b"ABCDwxyz0189-_")
    return random.choice(
        (
            body,
            b"",
            body[:at],
            body[:at] + body[at + 1 :],
            body[:at] + bytes([body[at] ^ (1 << random.randrange(8))]) + body[at + 1 :],
            body[:at] + body[at : at + 1] + body[at:],
            body[:signed_at] + bytes([letter]) + body[signed_at + 1 :],
            body[:-2] + bytes([letter]) + body[-2:],
            body[:proof_at] + other[other.rindex(b'"proof":"') :],
            body[:proof_at] + b'"proof":{}}',
            body[:-1] + b" }",
            body.replace(b"..", b".", 1),
        )
    )


def packages() -> tuple[list[bytes], list[bytes]]:
    """The entries and bodies of an honest log, and as many with something wrong."""
    consortium = Consortium(SEED)
    consortium.play(700)
    log, random = consortium.log, Random(SEED)
    entries, bodies = list(log.entries), list(log.bodies)
    whole = [body for body in bodies if body]
    for entry, body in zip(log.entries, log.bodies, strict=True):
        if not body:
            continue
        wrong = mangled(body, random.choice(whole), random)
        at = parse_entry(entry).at
        # Committed to as it is, for otherwise nothing would be looked at but the commitment.
        digest = hashlib.sha256(wrong or body).digest()
        committed = format_entry(Entry(at, digest)) if random.random() < 0.95 else entry
        entries.append(committed if random.random() < 0.97 else committed[:-1])
        bodies.append(wrong)
    return entries, bodies


ENTRIES, BODIES = packages()


def judged(entry: bytes, body: bytes, keys: KeysAtHand) -> Opened:
    """The verdict by the strict readers alone, step by step."""
    try:
        read = parse_entry(entry)
    except MalformedEvent as error:
        return Opened(None, b"", None, None, FindingCode.ENTRY_MALFORMED, str(error))
    at, commitment = read.at, read.commitment
    if not body:
        return Opened(at, commitment, None, None, None, "")
    if hashlib.sha256(body).digest() != commitment:
        return Opened(at, commitment, None, None, FindingCode.BODY_ALTERED, "")
    try:
        event, payload, proof = _read_strictly(body)
    except MalformedEvent as error:
        return Opened(at, commitment, None, None, FindingCode.BODY_MALFORMED, str(error))
    for key in keys_in(event):
        keys.learn(key)
    try:
        claim = _claim(event, payload, proof, lambda event, kid: keys.find(event.by, kid))
    except BadSeal as error:
        return Opened(at, commitment, event, None, FindingCode(error.fault.value), "")
    if not claim.key.verifies(claim.signature, claim.message):
        return Opened(at, commitment, event, None, FindingCode.SIGNATURE_INVALID, "")
    return Opened(at, commitment, event, claim.kid, None, "")


STRICT_KEYS = KeysAtHand()
EXPECTED = [judged(*pair, STRICT_KEYS) for pair in zip(ENTRIES, BODIES, strict=True)]


def test_the_wrong_ones_have_every_fault_a_body_can_have():
    seen = Counter(one.fault for one in EXPECTED)
    assert seen[None] > 700
    assert {code for code in seen if code is not None} == {
        FindingCode.ENTRY_MALFORMED,
        FindingCode.BODY_ALTERED,
        FindingCode.BODY_MALFORMED,
        FindingCode.PROOF_MALFORMED,
        FindingCode.KEY_UNKNOWN,
        FindingCode.SIGNATURE_INVALID,
    }


def test_the_quick_readers_give_the_verdicts_of_the_strict_ones():
    assert open_package(ENTRIES, BODIES, KeysAtHand()) == EXPECTED


@pytest.mark.parametrize("processes", [0, 1, 2])
async def test_the_verdicts_are_the_same_in_any_number_of_processes(processes: int):
    openers = Openers(processes)
    keys = KeysAtHand()
    try:
        opened = []
        for start in range(0, len(ENTRIES), 256):
            package = slice(start, start + 256)
            opened += await openers.open(ENTRIES[package], BODIES[package], keys)
    finally:
        openers.close()
    assert opened == EXPECTED


def test_keys_at_hand_forget_the_oldest_and_ask_for_what_they_do_not_have():
    key = PublicKey("Ed25519", "A" * 43)
    asked = []

    def read(owner: str, kid: str) -> PublicKey | None:
        asked.append((owner, kid))
        return key if (owner, kid) == ("hana", key.kid) else None

    keys = KeysAtHand(read)
    assert keys.find("minh", key.kid) is None
    assert keys.find("hana", key.kid) == keys.find("hana", key.kid) == key
    assert asked == [("minh", key.kid), ("hana", key.kid)]
    for number in range(KEYS_REMEMBERED):
        keys.learn(PublicKey("Ed25519", f"{number:043}"))
    assert keys.find("minh", key.kid) is None
    assert asked[2:] == [("minh", key.kid)]
