#!/usr/bin/env python3
"""Verifies an evidence bundle (creditchain-evidence/v1) with nothing but Python 3.8 or later.

    python3 verify.py FILE.zip --founding HASH [--policy FILE-OR-SHA256] [--complete] [--json]

FILE.zip is the bundle, or the folder it was unpacked to. HASH is the founding's commitment as the
regulator publishes it, base64url or hex: a bundle cannot vouch for its own founding, so without it
the result says only that the bundle agrees with itself. --policy says whose cosignatures count, as
a file or as its SHA-256. --complete demands every author shown and nothing cited absent.
Exit code: 0 verified, 1 not verified, 2 the command or the file is unfit.

Checked are: every byte of the zip against its manifest; the manifest against its maker's signature;
each entry's inclusion under a checkpoint that the log signed and the policy's observers cosigned;
each event's canonical form and signature; each key's way back to the founding; times. It is written
from docs/formats.md, needs no network and imports nothing but the standard library.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import calendar
import datetime as dt
import hashlib
import json
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

FORMAT = "creditchain-evidence/v1"
SKEW_MS = 300_000
ZIP_MAX, MEMBERS_MAX, EVENTS_MAX, MANIFEST_MAX = 64 << 20, 20_500, 10_000, 4 << 20
BODY_MAX, EVENT_MAX, PROOF_MAX, NOTE_MAX, POLICY_MAX = 65_535, 61_440, 4_000, 131_072, 65_536
NAME = re.compile(r"[a-z][a-z0-9.-]{0,39}(/[a-z0-9.-]{1,59})?", re.ASCII)
FIXED = ("cover.html", "policy", "verify.html", "verify.py")

MEMBER = "[a-z][a-z0-9-]{1,30}[a-z0-9]"
OPAQUE = "[A-Za-z0-9_-]{21}[AQgw]"
ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
ACTOR = re.compile(f"{MEMBER}|of_{OPAQUE}|en_{OPAQUE}", re.ASCII)
ORIGIN = re.compile(r"[a-z0-9][a-z0-9.:-]{0,120}(/[a-z0-9._-]{1,60}){0,4}", re.ASCII)
SALT = re.compile(OPAQUE, re.ASCII)
DIGEST = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)

# Who may say what, and for which kinds of member (rulebook 1). MEMBER: the institution's own key.
ADMIN = {"MEMBER", "ADMINISTER"}
ANY = {"BANK", "AGENCY", "SOURCE", "JUDICIAL", "REGULATOR", "OPERATOR"}
ORDERERS, HOLDERS = {"BANK", "JUDICIAL"}, {"AGENCY", "SOURCE"}
VOICES = {
    "RulebookAdopted": (ADMIN, {"REGULATOR"}),
    "MemberAdmitted": (ADMIN, {"REGULATOR"}),
    "MemberSuspended": (ADMIN, {"REGULATOR"}),
    "MemberReinstated": (ADMIN, {"REGULATOR"}),
    "MemberWithdrawn": (ADMIN, ANY),
    "MemberKeyAdded": ({"MEMBER"}, ANY),
    "MemberKeyRevoked": (ADMIN, ANY),
    "OfficerAppointed": ({"MEMBER"}, ANY),
    "OfficerDismissed": (ADMIN, ANY),
    "EnterpriseEnrolled": (ADMIN, ANY),
    "AuthoriserKeyAdded": (ADMIN | {"ENTERPRISE"}, ANY),
    "AuthoriserKeyRevoked": (ADMIN | {"ENTERPRISE"}, ANY),
    "ProductOffered": (ADMIN, {"AGENCY"}),
    "ProductWithdrawn": (ADMIN, {"AGENCY"}),
    "ConsentRequested": ({"ORDER"}, {"BANK"}),
    "ConsentGranted": ({"ENTERPRISE"}, ANY),
    "ConsentRefused": ({"ENTERPRISE"}, ANY),
    "ConsentWithdrawn": ({"ENTERPRISE"}, ANY),
    "ConsentExpired": (ADMIN, {"OPERATOR"}),
    "OrderPlaced": ({"ORDER"}, ORDERERS),
    "OrderApproved": ({"APPROVE"}, ORDERERS),
    "OrderAccepted": ({"FULFIL"}, {"AGENCY"}),
    "OrderDeclined": ({"FULFIL"}, {"AGENCY"}),
    "OrderCancelled": ({"ORDER"}, ORDERERS),
    "OrderLapsed": (ADMIN, {"OPERATOR"}),
    "ReportDelivered": ({"FULFIL"}, {"AGENCY"}),
    "DeliveryAcknowledged": ({"ORDER"}, ORDERERS),
    "DeliveryDisputed": ({"ORDER"}, ORDERERS),
    "CreditDecided": ({"ORDER"}, ORDERERS),
    "RecordsCommitted": ({"FULFIL"}, HOLDERS),
    "RecordsSuperseded": ({"FULFIL"}, HOLDERS),
    "ObjectionRaised": ({"ENTERPRISE"}, ANY),
    "ObjectionAnswered": ({"FULFIL"}, HOLDERS),
    "BodyErased": (ADMIN, {"OPERATOR", "REGULATOR"}),
    "DirectoryErased": (ADMIN, ANY),
    "ReportErased": (ADMIN | {"FULFIL", "ORDER"}, ANY),
}


T = TypeVar("T")
Point = Any  # of edwards25519: X, Y, Z, T in extended coordinates
Affine = Any  # of P-256: x and y, or None for infinity
Opened = Any  # size, root and cosignatures of a checkpoint


class Bad(ValueError):
    """Something does not hold; the message says what."""


# What reading something malformed may raise; `Bad` is a ValueError.
FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


def must(holds: Any, what: str) -> None:
    """Raises `Bad` unless it holds."""
    if not holds:
        raise Bad(what)


# Text: one spelling for every value.


def sha(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def b64u(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def unb64u(text: str) -> bytes:
    """The bytes of the one spelling in base64url."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", True)
    except (ValueError, TypeError):
        raise Bad("not base64url") from None
    must(b64u(data) == text, "not canonical base64url")
    return data


def unb64(text: str) -> Any:
    """The bytes of the one spelling in base64, or None."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return data if base64.b64encode(data).decode() == text else None


def decimal(text: str, most: int = 2**63 - 1) -> Any:
    """The number in its one decimal spelling, or None."""
    if re.fullmatch("0|[1-9][0-9]{0,18}", text, re.ASCII) is None or int(text) > most:
        return None
    return int(text)


def parse_time(text: Any) -> int:
    """Milliseconds since 1970."""
    match = TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Bad("not a time")
    year, month, day, hour, minute, second, ms = map(int, match.groups())
    try:
        moment = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        raise Bad("not a time") from None
    at = calendar.timegm(moment.timetuple()) * 1000 + ms
    must(at >= 0, "a time before 1970")
    return at


def format_seconds(seconds: int) -> str:
    """A POSIX time as text."""
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)  # noqa: DTZ001
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").rjust(24, "0")


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of what events are made of."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Bad("a lone surrogate") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object no key of which stands twice."""
    must(len(dict(pairs)) == len(pairs), "a key stands twice")
    return dict(pairs)


def no_number(text: str) -> Any:
    """Only integers are numbers here."""
    raise Bad(text[:24] + " is no integer")


def plain(value: Any, depth: int = 0) -> None:
    """Whether canonical JSON can hold it: nesting, keys, integers."""
    must(depth <= 8 and value is not None, "nested too deep, or null")
    if isinstance(value, dict):
        for key, item in value.items():
            must(all(ord(c) < 128 for c in key), "a key that is not ASCII")
            plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            plain(item, depth + 1)
    elif isinstance(value, int):
        must(abs(value) < 2**53, "an integer beyond 2^53")


def parse(raw: bytes, most: int) -> Any:
    """The value of canonical JSON bytes."""
    must(len(raw) <= most, "too long")
    must(raw.count(b"{") + raw.count(b"[") <= 2048, "too many objects or lists")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=once,
            parse_float=no_number,
            parse_constant=no_number,
        )
    except Bad:
        raise
    except (ValueError, RecursionError):
        raise Bad("not JSON") from None
    plain(value)
    must(canonical(value) == raw, "not in canonical form")
    return value


# Ed25519 (RFC 8032) without its traps, and ES256.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
SMALL_Y = {
    0,
    1,
    P - 1,
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
}


def ed_point(raw: bytes) -> Point:
    """The point of 32 bytes: reduced, on the curve and not of small order."""
    must(len(raw) == 32, "an Ed25519 key has 32 bytes")
    number = int.from_bytes(raw, "little")
    y, sign = number & (2**255 - 1), number >> 255
    must(y < P and y not in SMALL_Y, "an Ed25519 key not reduced or of small order")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT % P
    must(v * x * x % P == u, "an Ed25519 key that is no point of the curve")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


def ed_add(p: Point, q: Point) -> Point:
    """The sum of two points in extended coordinates."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def twice(a: int, p: T, b: int, q: T, add: Callable[[T, T], T], zero: T) -> T:
    """a times p plus b times q."""
    both, result = add(p, q), zero
    for bit in range(max(a.bit_length(), b.bit_length()) - 1, -1, -1):
        result = add(result, result)
        picked = (a >> bit & 1) | (b >> bit & 1) << 1
        if picked:
            result = add(result, (p, q, both)[picked - 1])
    return result


ED_BASE = ed_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verify(raw: bytes, signature: bytes, message: bytes) -> bool:
    """Whether S is reduced and R is, byte for byte, the encoding of [S]B - [k]A."""
    x, y, _, t = ed_point(raw)
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + raw + message).digest(), "little") % L
    r = twice(s, ED_BASE, k, (P - x, y, 1, P - t), ed_add, (0, 1, 1, 0))
    inverse = pow(r[2], P - 2, P)
    x, y = r[0] * inverse % P, r[1] * inverse % P
    return bool((y | (x & 1) << 255).to_bytes(32, "little") == signature[:32])


Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
P256_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def p256_point(raw: bytes) -> Affine:
    """The point of x and y."""
    x, y = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    on = len(raw) == 64 and x < Q and y < Q and (y * y - x * x * x + 3 * x - B) % Q == 0
    must(on, "a P-256 key that is no point of the curve")
    return (x, y)


def p256_add(p: Affine, q: Affine) -> Affine:
    """The sum of two affine points; None is the point at infinity."""
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0]:
        if (p[1] + q[1]) % Q == 0:
            return None
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], Q - 2, Q) % Q
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], Q - 2, Q) % Q
    x = (slope * slope - p[0] - q[0]) % Q
    return (x, (slope * (p[0] - x) - p[1]) % Q)


def es256_verify(raw: bytes, signature: bytes, message: bytes) -> bool:
    """Whether r and s, s in its lower form, are a signature."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not 0 < r < N or not 0 < s <= N // 2:
        return False
    w = pow(s, N - 2, N)
    e = int.from_bytes(sha(message), "big")
    point = twice(e * w % N, P256_BASE, r * w % N, p256_point(raw), p256_add, None)
    return point is not None and point[0] % N == r


JWKS = {
    "Ed25519": ("OKP", "Ed25519", {"x"}),
    "ES256": ("EC", "P-256", {"x", "y"}),
    "HPKE-X25519": ("OKP", "X25519", {"x"}),
}


class Key:
    """A public key out of its JWK."""

    def __init__(self, jwk: Any) -> None:
        must(isinstance(jwk, dict) and jwk.get("alg") in JWKS, "a key of no known algorithm")
        kty, crv, coordinates = JWKS[jwk["alg"]]
        shape = {"alg", "crv", "kty"} | coordinates
        must(set(jwk) == shape and (jwk["kty"], jwk["crv"]) == (kty, crv), "not a JWK")
        for name in coordinates:
            must(isinstance(jwk[name], str) and DIGEST.fullmatch(jwk[name]), "not a coordinate")
        self.alg = jwk["alg"]
        self.raw = b"".join(unb64u(jwk[name]) for name in sorted(coordinates))
        self.kid = b64u(sha(canonical({k: v for k, v in jwk.items() if k != "alg"})))
        if self.alg != "HPKE-X25519":
            (ed_point if self.alg == "Ed25519" else p256_point)(self.raw)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether a signature of 64 bytes is this key's."""
        check = ed25519_verify if self.alg == "Ed25519" else es256_verify
        return check(self.raw, signature, message)


# The log: notes, policies, checkpoints, receipts.


class NoteKey:
    """A C2SP verifier key: of a log (type 1) or of a cosigner (type 4)."""

    def __init__(self, vkey: str, kind: int) -> None:
        name, _, rest = vkey.partition("+")
        hex_id, _, encoded = rest.partition("+")
        raw = unb64(encoded)
        must(raw is not None and len(raw) == 33 and raw[0] == kind, "not a key of this type")
        must(name and len(name.encode("utf-8")) <= 255 and is_name(name), "not a key's name")
        ed_point(raw[1:])
        self.name, self.raw, self.kind = name, raw[1:], kind
        self.id = sha(name.encode("utf-8") + b"\n" + raw)[:4]
        must(self.id.hex() == hex_id, "the key id is not that of the key")

    def check(self, text: bytes, data: bytes) -> int | None:
        """The time of a cosignature (0 of a log's signature), or None if it does not hold."""
        if self.kind == 1:
            return 0 if ed25519_verify(self.raw, data, text) else None
        time = int.from_bytes(data[:8], "big")
        if len(data) != 72 or time >= 2**63:
            return None
        signed = b"cosignature/v1\ntime %d\n%b" % (time, text)
        return time if ed25519_verify(self.raw, data[8:], signed) else None


def is_name(name: str) -> bool:
    """Whether a key may be called so."""
    return "+" not in name and not any(c.isspace() or c < " " for c in name)


def parse_note(raw: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text and signatures (name, id, data) of a note."""
    must(len(raw) <= NOTE_MAX, "a note too long")
    text, blank, tail = raw.rpartition("\n\n")
    must(blank and tail.endswith("\n"), "not a note")
    must(not any(c < " " and c != "\n" for c in text), "a control character in a note")
    lines = tail[:-1].split("\n")
    must(len(lines) <= 100, "more than 100 signatures")
    signatures = []
    for line in lines:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        data = unb64(encoded)
        must(dash == "\u2014" and name and is_name(name), "not a signature line")
        must(data is not None and len(data) > 4, "not a signature line")
        signatures.append((name, data[:4], data[4:]))
    return text + "\n", signatures


class Policy:
    """A C2SP policy about one log."""

    def __init__(self, raw: bytes) -> None:
        must(len(raw) <= POLICY_MAX, "a policy too long")
        self.logs: list[NoteKey] = []
        self.witnesses: list[tuple[str, NoteKey]] = []
        self.groups: list[tuple[str, int, list[str]]] = []
        self.quorum: str | None = None
        members: set[str] = set()
        defined: set[str] = set()
        for line in decode(raw).split("\n"):
            must(not any((c < " " and c != "\t") or c == "\x7f" for c in line), "policy: a control")
            words = [word for word in line.replace("\t", " ").split(" ") if word]
            if not words or words[0].startswith("#"):
                continue
            kind = words[0]
            if kind == "log" and len(words) in {2, 3}:
                self.logs.append(NoteKey(words[1], 1))
            elif kind == "witness" and len(words) in {3, 4}:
                must(words[1] not in defined | {"none"}, "policy: a name twice")
                key = NoteKey(words[2], 4)
                must(all(key.raw != w.raw for _, w in self.witnesses), "policy: a key twice")
                self.witnesses.append((words[1], key))
                defined.add(words[1])
            elif kind == "group" and len(words) > 3:
                name, threshold, listed = words[1], words[2], words[3:]
                for member in listed:
                    must(member in defined and member not in members, "policy: a member")
                    members.add(member)
                must(name not in defined | {"none"}, "policy: a name twice")
                least = {"any": 1, "all": len(listed)}.get(threshold)
                least = decimal(threshold, len(listed)) if least is None else least
                must(least, "policy: a threshold")
                self.groups.append((name, least, listed))
                defined.add(name)
            elif kind == "quorum" and len(words) == 2 and self.quorum is None:
                must(words[1] in defined | {"none"}, "policy: the quorum is not defined")
                self.quorum = words[1]
            else:
                raise Bad("policy: a line that means nothing")
        must(len(self.logs) == 1 and self.quorum is not None, "policy: not about one log")
        self.opened: dict[str, Opened] = {}

    def satisfied(self, names: Iterator[str]) -> bool:
        """Whether these witnesses make up the quorum."""
        seen = set(names)
        for name, least, listed in self.groups:
            if sum(member in seen for member in listed) >= least:
                seen.add(name)
        return self.quorum == "none" or self.quorum in seen

    def open(self, note: str) -> Opened:
        """Size, root and cosignatures of a checkpoint that the policy accepts."""
        if note in self.opened:
            return self.opened[note]
        text, signatures = parse_note(note)
        known = {(key.name, key.id): key for key in [*self.logs, *(k for _, k in self.witnesses)]}
        times: dict[tuple[str, bytes], list[Any]] = {}
        for name, key_id, data in dict.fromkeys(signatures):
            key = known.get((name, key_id))
            if key is not None:
                time = key.check(text.encode("utf-8"), data)
                must(time is not None, "the signature by " + name + " is wrong")
                times.setdefault((name, key_id), []).append(time)
        log = self.logs[0]
        must((log.name, log.id) in times, "the log has not signed the checkpoint")
        lines = text[:-1].split("\n")
        must(len(lines) == 3 and lines[0] == log.name, "not a checkpoint of this log")
        size, root = decimal(lines[1]), unb64(lines[2])
        must(size is not None and root is not None and len(root) == 32, "not a checkpoint")
        seen = [(n, k, t) for n, k in self.witnesses for t in times.get((k.name, k.id), [])]
        must(self.satisfied(n for n, _, _ in seen), "too few observers have cosigned")
        self.opened[note] = (size, root, [(key.name, time) for _, key, time in seen])
        return self.opened[note]


def decode(raw: bytes) -> str:
    """UTF-8 text."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("not UTF-8") from None


def check_proof(raw: bytes, index: int, at_text: str, commitment: bytes, policy: Policy) -> Opened:
    """(size, root, cosignatures) under which the entry stands at its index."""
    head, blank, note = decode(raw).partition("\n\n")
    lines = head.split("\n")
    must(blank and lines[0] == "c2sp.org/tlog-proof@v1", "the receipt: not a tlog-proof")
    must(len(lines) >= 2 and lines[1] == f"index {index}", "the receipt: of another index")
    hashes = [unb64(line) for line in lines[2:]]
    good = len(hashes) <= 63 and all(h is not None and len(h) == 32 for h in hashes)
    must(good, "the receipt: not a proof")
    size, root, cosignatures = policy.open(note)
    must(index < size, "the receipt: no such leaf")
    node = sha(b"\x00" + canonical({"at": at_text, "body": b64u(commitment)}))
    place, last = index, size - 1
    for sibling in hashes:  # RFC 9162 section 2.1.3.2
        must(last != 0, "the receipt: a proof too long")
        if place & 1 or place == last:
            node = sha(b"\x01" + sibling + node)
            while not place & 1 and place != 0:
                place, last = place >> 1, last >> 1
        else:
            node = sha(b"\x01" + node + sibling)
        place, last = place >> 1, last >> 1
    must(last == 0 and node == root, "the receipt: the proof leads to another root")
    return size, root, cosignatures


# Events: form, signature, and who vouched for the signer.


def open_event(body: bytes) -> tuple[dict[str, Any], bytes, Any]:
    """Event, its canonical bytes and proof of body bytes in canonical form."""
    value = parse(body, BODY_MAX)
    must(isinstance(value, dict) and set(value) == {"event", "proof"}, "not a body")
    event = value["event"]
    names = {"body", "by", "id", "log", "salt", "signedAt", "type"}
    must(isinstance(event, dict) and set(event) == names, "not an event")
    kinds = (("id", ID), ("by", ACTOR), ("log", ORIGIN), ("salt", SALT))
    for name, pattern in kinds:
        must(isinstance(event[name], str) and pattern.fullmatch(event[name]), "event: " + name)
    must(isinstance(event["type"], str) and isinstance(event["body"], dict), "event: type, body")
    payload = canonical(event)
    must(len(payload) <= EVENT_MAX, "an event too long")
    return event, payload, value["proof"]


def kid_of(proof: Any) -> str:
    """The thumbprint that a proof names."""
    if isinstance(proof, str):
        must(len(proof) <= PROOF_MAX, "a proof too long")
        try:
            proof = json.loads(unb64u(proof.partition("..")[0]))
        except (ValueError, RecursionError):
            raise Bad("PROOF_MALFORMED") from None
    kid = proof.get("kid") if isinstance(proof, dict) else None
    if not isinstance(kid, str) or DIGEST.fullmatch(kid) is None:
        raise Bad("PROOF_MALFORMED")
    return kid


def check_jws(jws: str, payload: bytes, key: Key, typ: str) -> None:
    """Whether a detached JWS, its header in the one spelling, is the key's over the payload."""
    header = b64u(canonical({"alg": key.alg, "kid": key.kid, "typ": typ}))
    head, dots, tail = jws.partition("..")
    must(dots and head == header, "KEY_UNKNOWN")
    signed = (header + "." + b64u(payload)).encode("ascii")
    must(key.verifies(unb64u(tail), signed), "SIGNATURE_INVALID")


def check_assertion(proof: dict[str, Any], payload: bytes, key: Key) -> None:
    """Whether a WebAuthn assertion is the key's over the event."""
    names = {"authenticatorData", "clientDataJSON", "kid", "signature"}
    good = set(proof) == names and all(isinstance(v, str) for v in proof.values())
    must(good and sum(map(len, proof.values())) <= PROOF_MAX, "PROOF_MALFORMED")
    data, client = unb64u(proof["authenticatorData"]), unb64u(proof["clientDataJSON"])
    signature = unb64u(proof["signature"])
    try:
        said = json.loads(client.decode("utf-8"), object_pairs_hook=once, parse_constant=no_number)
    except (ValueError, RecursionError):
        raise Bad("PROOF_MALFORMED") from None
    must(isinstance(said, dict) and len(data) >= 37, "PROOF_MALFORMED")
    if key.alg == "ES256":
        signature = der_signature(signature)
    challenge = b64u(sha(b"creditchain-event/webauthn/v1\x00" + sha(payload)))
    holds = said.get("type") == "webauthn.get" and said.get("challenge") == challenge
    holds = holds and said.get("crossOrigin", False) is False and data[32] & 5 == 5
    must(holds and key.verifies(signature, data + sha(client)), "SIGNATURE_INVALID")


def der_signature(der: bytes) -> bytes:
    """r and s, s in its lower form, of a DER signature."""
    numbers, at = [], 2
    must(len(der) >= 8 and der[0] == 0x30 and der[1] == len(der) - 2 < 128, "PROOF_MALFORMED")
    while at < len(der):
        must(at + 2 < len(der) and der[at] == 2 and 0 < der[at + 1] <= 33, "PROOF_MALFORMED")
        part = der[at + 2 : at + 2 + der[at + 1]]
        at += 2 + der[at + 1]
        minimal = len(part) == 1 or part[0] != 0 or part[1] >= 128
        must(at <= len(der) and part[0] < 128 and minimal, "PROOF_MALFORMED")
        numbers.append(int.from_bytes(part, "big"))
    must(len(numbers) == 2 and max(numbers) < 2**256, "PROOF_MALFORMED")
    r, s = numbers
    must(s <= N, "SIGNATURE_INVALID")
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


class Chain:
    """The actors and keys introduced so far."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], dict[str, Any]] = {}
        self.actors: dict[str, dict[str, Any]] = {}
        self.regulator = self.operator = ""

    def find(self, event: dict[str, Any], kid: str) -> Key | None:
        """The signing key of the author with this thumbprint, or None."""
        if event["type"] == "ConsortiumFounded":
            founder = event["body"]["regulator"]
            key = Key(founder["key"])
            own = event["by"] == founder["member"] and key.kid == kid and not self.regulator
            return key if own and key.alg != "HPKE-X25519" else None
        known = self.keys.get((event["by"], kid))
        return known["key"] if known and known["key"].alg != "HPKE-X25519" else None

    def trail(self, by: str, kid: str) -> list[int]:
        """The entries from a key back to the founding."""
        entries = [self.keys[by, kid]["entry"]]
        while entries[-1] != 0:
            by, kid = self.keys[by, kid]["by"]
            entries.append(self.keys[by, kid]["entry"])
        return entries

    def judge(self, event: dict[str, Any], kid: str, index: int, at: int) -> None:
        """Whether the signer could say this then."""
        kind, body, by = event["type"], event["body"], event["by"]
        if kind == "ConsortiumFounded":
            must(index == 0, "a second founding")
            return
        known, actor = self.keys[by, kid], self.actors[by]
        must(known["ended"] is None, f"the key had been revoked at entry {known['ended']}")
        must(known["expires"] is None or at < known["expires"], "the key had expired")
        house = self.actors[actor["under"]]
        if not by.startswith("en_"):
            for gone in (actor, house):
                must(gone["ended"] is None, f"dismissed or left at entry {gone['ended']}")
        voices, kinds = VOICES.get(kind, (set(), set()))
        said = {"ENTERPRISE"} if by.startswith("en_") else set(actor["roles"] or ["MEMBER"])
        must(voices & said, by + " has no role to say this")
        must(by.startswith("en_") or house["kind"] in kinds, by + " has no role to say this")
        self.judge_subject(kind, body, by, house["id"])

    def judge_subject(self, kind: str, body: dict[str, Any], by: str, house: str) -> None:
        """Who introduces or ends a key or an actor must be the one who may."""
        own = None if by.startswith("en_") else house
        subject = str(body.get("enterprise", body.get("officer", "")))
        voucher = self.actors.get(subject, {}).get("under")
        good = True
        if kind == "MemberAdmitted":
            good = body["kind"] not in {"REGULATOR", "OPERATOR"}
            good = good and body["member"] not in self.actors
        elif kind in {"OfficerAppointed", "EnterpriseEnrolled"}:
            good = voucher is None
        elif kind == "MemberKeyAdded":
            good = by == body["member"]
        elif kind in {"MemberKeyRevoked", "MemberWithdrawn"}:
            good = own in {body["member"], self.regulator}
        elif kind == "OfficerDismissed":
            good = voucher is not None and own == voucher
        elif kind == "AuthoriserKeyAdded":
            good = by == body["enterprise"] or (voucher is not None and own == voucher)
        elif kind == "AuthoriserKeyRevoked":
            good = by == body["enterprise"] or (
                own is not None and own in {voucher, self.regulator}
            )
        taken = any((owner, key.kid) in self.keys for owner, key in introduced(kind, body))
        must(good and not taken, by + " is not one to vouch for, or to end, what it names")

    def learn(self, event: dict[str, Any], kid: str, index: int) -> None:
        """Takes over what an event introduces or ends."""
        kind, body, by = event["type"], event["body"], event["by"]
        expires = parse_time(body["expiresAt"]) if "expiresAt" in body else None
        for owner, key in introduced(kind, body):
            new = {"key": key, "entry": index, "by": (by, kid), "expires": expires, "ended": None}
            self.keys[owner, key.kid] = new
        house = self.actors[by]["under"] if by in self.actors else by
        if kind == "ConsortiumFounded":
            self.regulator, self.operator = body["regulator"]["member"], body["operator"]["member"]
            self.add(self.regulator, None, "REGULATOR")
            self.add(self.operator, None, "OPERATOR")
        elif kind == "MemberAdmitted":
            self.add(body["member"], None, body["kind"])
        elif kind == "OfficerAppointed":
            self.add(body["officer"], house, None, body["roles"])
        elif kind == "EnterpriseEnrolled":
            self.add(body["enterprise"], house, None)
        elif kind in {"MemberKeyRevoked", "AuthoriserKeyRevoked"}:
            end(self.keys.get((body.get("member", body.get("enterprise")), body["key"])), index)
        elif kind in {"OfficerDismissed", "MemberWithdrawn"}:
            end(self.actors.get(body.get("officer", body.get("member"))), index)

    def add(self, name: str, under: str | None, kind: str | None, roles: Any = ()) -> None:
        """One more actor."""
        actor = {"id": name, "under": under or name, "kind": kind, "roles": roles, "ended": None}
        self.actors[name] = actor


def end(known: dict[str, Any] | None, index: int) -> None:
    """A key or an actor ends, once."""
    if known is not None and known["ended"] is None:
        known["ended"] = index


def introduced(kind: str, body: dict[str, Any]) -> list[tuple[str, Key]]:
    """(owner, key) pairs of the keys that an event introduces."""
    if kind == "ConsortiumFounded":
        return [(f["member"], Key(f["key"])) for f in (body["regulator"], body["operator"])]
    if kind in {"MemberAdmitted", "MemberKeyAdded"}:
        return [(body["member"], Key(body["key"]))]
    if kind == "OfficerAppointed":
        return [(body["officer"], Key(body["key"]))]
    if kind in {"EnterpriseEnrolled", "AuthoriserKeyAdded"}:
        return [(body["enterprise"], Key(body["key"]))]
    return []


# The file: a zip with one spelling, and the manifest that names all in it.


def write_zip(members: dict[str, bytes]) -> bytes:
    """The one zip of these members."""
    parts, central, at = [], b"", 0
    for name in sorted(members):
        data, raw = members[name], name.encode("ascii")
        shared = (20, 0, 0, 0, 0x21, zlib.crc32(data), len(data), len(data), len(raw), 0)
        parts += [struct.pack("<IHHHHHIIIHH", 0x04034B50, *shared) + raw, data]
        tail = (0, 0, 0, 0o100644 << 16, at)
        central += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 788, *shared, *tail) + raw
        at += 30 + len(raw) + len(data)
    count = len(members)
    last = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(central), at, 0)
    return b"".join([*parts, central, last])


def read_zip(data: bytes) -> dict[str, bytes]:
    """The members of a zip of this one spelling."""
    must(len(data) <= ZIP_MAX, "the file is too long")
    members: dict[str, bytes] = {}
    at, last = 0, ""
    while data[at : at + 4] == b"PK\x03\x04":
        must(len(members) < MEMBERS_MAX and len(data) - at >= 30, "not a zip of ours")
        header = struct.unpack_from("<IHHHHHIIIHH", data, at)
        start = at + 30 + header[9]
        name = data[at + 30 : start].decode("latin-1")
        must(NAME.fullmatch(name) and name > last, "a member called " + repr(name[:60]))
        at = start + header[8]
        members[name], last = data[start:at], name
    whole = bool(members) and write_zip(members) == data
    must(whole, "there is more in the zip, or other, than its members: packed anew, or forged")
    return members


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of an unpacked bundle."""
    members: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        member = path.relative_to(folder).as_posix()
        must(not path.is_symlink(), "a link called " + repr(member[:60]))
        if path.is_dir():
            continue
        must(NAME.fullmatch(member) and path.is_file(), "a member called " + repr(member[:60]))
        total += path.stat().st_size
        must(total <= ZIP_MAX and len(members) < MEMBERS_MAX, "too much in the folder")
        members[member] = path.read_bytes()
    return members


def open_manifest(members: dict[str, bytes]) -> Any:
    """The manifest, every member of which is what it says."""
    must("manifest.json" in members and "manifest.jws" in members, "no evidence bundle")
    raw = members["manifest.json"]
    must(len(raw) <= MANIFEST_MAX, "the manifest is too long")
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Bad("the manifest is not JSON") from None
    must(canonical(value) == raw, "the manifest is not in canonical form")
    names = {"events", "format", "founding", "log", "maker", "members", "order"}
    must(isinstance(value, dict) and set(value) == names, "the manifest has other fields")
    must(value["format"] == FORMAT, "not a " + FORMAT)
    must(len(unb64u(value["founding"])) == 32, "the manifest names no founding")
    must(isinstance(value["order"], str) and ID.fullmatch(value["order"]), "it names no order")
    indexes = []
    for line in value["events"]:
        unshown = line.get("author") == "UNSHOWN"
        fields = {"at", "index"} | ({"author"} if unshown else set())
        must(set(line) == fields and type(line["index"]) is int, "the manifest: an event")
        parse_time(line["at"])
        indexes.append(line["index"])
    must(0 < len(indexes) <= EVENTS_MAX and indexes[0] == 0, "it does not begin with the founding")
    must(indexes == sorted(set(indexes)), "the manifest's events are not in order")
    known = {*FIXED, *(f"proofs/{index}.tlog-proof" for index in indexes)}
    listed = [line["name"] for line in value["members"]]
    allowed = known | {f"events/{index}.body" for index in indexes}
    must(listed == sorted(set(listed)), "the manifest's members are not in order")
    must(known <= set(listed) <= allowed, "the manifest lists another set of members")
    for line in value["members"]:
        must(set(line) == {"bytes", "name", "sha256"}, "the manifest: a member")
        must(line["name"] in members, str(line["name"]) + " is missing")
        data = members[line["name"]]
        same = type(line["bytes"]) is int and len(data) == line["bytes"]
        must(same and sha(data).hex() == line["sha256"], line["name"] + " was changed")
    extra = sorted(set(members) - set(listed) - {"manifest.json", "manifest.jws"})
    must(not extra, f"{extra} is not in the manifest, so nothing vouches for it")
    return value


class Judge:
    """One pass over a bundle."""

    def __init__(
        self,
        members: dict[str, bytes],
        founding: bytes | None = None,
        policy: bytes | None = None,
        policy_digest: str | None = None,
    ) -> None:
        self.members = members
        self.problems: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.absent: list[dict[str, str]] = []
        self.chain = Chain()
        self.roots: dict[int, bytes] = {}
        self.checkpoints: dict[int, Any] = {}
        self.gone: dict[int, dict[str, Any]] = {}
        self.manifest = manifest = open_manifest(members)
        genesis = members.get("events/0.body", b"")
        self.founding = sha(genesis)
        must(b64u(self.founding) == manifest["founding"], "entry 0 is another founding")
        must(founding in {None, self.founding}, "its founding is not the pinned one")
        event, _, _ = open_event(genesis)
        must(event["type"] == "ConsortiumFounded", "entry 0 is no founding")
        log_key = NoteKey(event["body"]["logKey"], 1)
        must(log_key.name == event["log"] == manifest["log"], "the log's key is of another log")
        must(
            policy_digest in {None, sha(members["policy"]).hex()},
            "the policy is not the pinned one",
        )
        for raw in (members["policy"], policy):
            if raw is not None:
                self.policy = Policy(raw)
                same = [(k.name, k.raw) for k in self.policy.logs] == [(log_key.name, log_key.raw)]
                must(same, "the policy is not about the log of this founding")
        self.pins = (founding is not None, policy is not None or policy_digest is not None)

    def run(self) -> None:
        """Judges every event, then the maker."""
        last = 0
        for line in self.manifest["events"]:
            at = parse_time(line["at"])
            try:
                must(at >= last, "its time lies before the one before")
                self.take(line, at)
            except FAULTS as error:
                self.problems.append(f"entry {line['index']}: {error}")
            last = at
        for index in self.gone:
            self.problems.append(f"entry {index}: no body, and no event says it was erased")
        self.events.sort(key=lambda e: e["index"])
        try:
            self.judge_maker()
            self.absent = list(self.find_absent())
        except FAULTS as error:
            self.problems.append(str(error))

    def take(self, line: dict[str, Any], at: int) -> None:
        """One event of the manifest."""
        index, body = line["index"], self.members.get(f"events/{line['index']}.body")
        if body is None:
            self.gone[index] = line
            return
        self.prove(line, sha(body))
        event, payload, proof = open_event(body)
        must(event["log"] == self.manifest["log"], "it was said on another log")
        signed_at = parse_time(event["signedAt"])
        must(abs(signed_at - at) <= SKEW_MS, "it was signed at another time than admitted")
        facts = {"index": index, "at": line["at"], "author": "UNSHOWN", "type": event["type"]}
        facts.update(by=event["by"], signedAt=event["signedAt"], trail=[])
        kid = kid_of(proof)
        key = self.chain.find(event, kid)
        if key is None:
            must("author" in line, "KEY_UNKNOWN")
        else:
            if isinstance(proof, str):
                check_jws(proof, payload, key, "creditchain-event+jws")
            else:
                check_assertion(proof, payload, key)
            self.chain.judge(event, kid, index, at)
            self.chain.learn(event, kid, index)
            facts.update(author="SHOWN", trail=self.chain.trail(event["by"], kid))
        self.events.append({**facts, "_": event})
        if (
            event["type"] == "BodyErased"
            and key is not None
            and event["body"]["index"] in self.gone
        ):
            gone = self.gone.pop(event["body"]["index"])
            self.prove(gone, unb64u(event["body"]["commitment"]))
            self.events.append({"index": gone["index"], "at": gone["at"], "author": "ERASED"})

    def prove(self, line: dict[str, Any], commitment: bytes) -> None:
        """That an entry stands in the log, with the cosignatures that count."""
        raw = self.members[f"proofs/{line['index']}.tlog-proof"]
        size, root, seen = check_proof(raw, line["index"], line["at"], commitment, self.policy)
        late = parse_time(line["at"]) - SKEW_MS
        must(all(t * 1000 + 999 >= late for _, t in seen), "it was cosigned before it was admitted")
        must(self.roots.setdefault(size, root) == root, "the log has forked: one size, two roots")
        self.checkpoints[size] = (root, seen)

    def judge_maker(self) -> None:
        """Whether the maker signed the manifest with a key shown here and in force."""
        maker, jws = self.manifest["maker"], self.members["manifest.jws"].decode("latin-1")
        known = self.chain.keys.get((maker, kid_of(jws)))
        if known is None or known["ended"] is not None or self.chain.actors[maker]["ended"]:
            raise Bad("no key shown here, and still in force, is that of the bundle's maker")
        must(known["key"].alg != "HPKE-X25519", "the maker's key does not sign")
        typ = "creditchain-evidence+jws"
        check_jws(jws, self.members["manifest.json"], known["key"], typ)

    def find_absent(self) -> Iterator[dict[str, str]]:
        """What the order cites and the bundle does not show."""
        said, order = [e["_"] for e in self.events if "_" in e], self.manifest["order"]
        ids = {event["id"] for event in said}
        of = {(e["type"], e["body"].get("product", e["body"].get("enterprise"))) for e in said}
        about = any(order in {e["id"], e["body"].get("order")} for e in said)
        must(about, "nothing in it is about the order " + order)
        if order not in ids:
            yield {"what": "order", "id": order}
        for event in said:
            body = event["body"]
            if event["type"] == "OrderPlaced" and event["id"] == order:
                if body.get("consent", order) not in ids:
                    yield {"what": "consent", "id": body["consent"]}
                if ("ProductOffered", body["product"]) not in of:
                    yield {"what": "product", "id": body["product"]}
                if ("EnterpriseEnrolled", body["enterprise"]) not in of:
                    yield {"what": "enterprise", "id": body["enterprise"]}
            if event["type"] == "ReportDelivered" and body["order"] == order:
                cited = {b for part in body.get("sections", []) for b in part.get("batches", [])}
                for batch in sorted(cited - ids):
                    yield {"what": "records", "id": batch}

    def facts(self) -> dict[str, Any]:
        """What was shown, as every verifier of this format prints it."""
        maker = self.chain.actors.get(self.manifest["maker"])
        rows = [{k: v for k, v in event.items() if k != "_"} for event in self.events]
        return {
            "log": self.manifest["log"],
            "founding": b64u(self.founding),
            "foundingPinned": self.pins[0],
            "policy": sha(self.members["policy"]).hex(),
            "policyPinned": self.pins[1],
            "quorum": self.policy.quorum != "none",
            "order": self.manifest["order"],
            "maker": self.manifest["maker"],
            "makerIsRegulator": bool(maker and maker["under"] == self.chain.regulator),
            "events": rows,
            "checkpoints": [
                {
                    "size": size,
                    "root": b64u(root),
                    "cosignatures": [{"name": n, "at": format_seconds(t)} for n, t in seen],
                }
                for size, (root, seen) in sorted(self.checkpoints.items())
            ],
            "erased": [e["index"] for e in rows if e["author"] == "ERASED"],
            "unshown": [e["index"] for e in rows if e["author"] == "UNSHOWN"],
            "absent": self.absent,
        }


def verify(
    path: Path,
    founding: bytes | None = None,
    policy: bytes | None = None,
    policy_digest: str | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The facts and the problems of a bundle at a path."""
    try:
        if path.is_dir():
            members = read_folder(path)
        else:
            with path.open("rb") as file:
                members = read_zip(file.read(ZIP_MAX + 1))
        judge = Judge(members, founding, policy, policy_digest)
        judge.run()
    except FAULTS as error:
        return {}, [str(error) or type(error).__name__]
    return judge.facts(), judge.problems


def hash_of(text: str) -> bytes:
    """32 bytes of a hash in hex or base64url."""
    if re.fullmatch("[0-9a-f]{64}", text):
        return bytes.fromhex(text)
    raw = unb64u(text)
    must(len(raw) == 32, "not a hash of 32 bytes")
    return raw


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", help="the bundle, or the folder it was unpacked to")
    parser.add_argument("--founding", help="the founding's hash that you were given")
    parser.add_argument("--policy", help="the policy that you were given: a file, or its SHA-256")
    parser.add_argument("--complete", action="store_true", help="nothing may be unshown or absent")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    try:
        founding = hash_of(args.founding) if args.founding else None
        policy = digest = None
        if args.policy and re.fullmatch("[0-9a-f]{64}", args.policy):
            digest = args.policy
        elif args.policy:
            with Path(args.policy).open("rb") as file:
                policy = file.read(POLICY_MAX + 1)
        facts, problems = verify(Path(args.file), founding, policy, digest)
    except (OSError, Bad) as error:
        sys.stderr.write(f"verify.py: {error}\n")
        return 2
    if args.complete and facts and (facts["unshown"] or facts["absent"]):
        problems.append("not complete: an author is unshown, or something cited is absent")
    if args.json:
        told = {"what": "evidence", "ok": not problems, **facts, "problems": problems}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        tell(facts, problems)
    return 1 if problems else 0


def tell(facts: dict[str, Any], problems: list[str]) -> None:
    """The result for people."""
    out = []
    for event in facts.get("events", []):
        what = event.get("type", "(content erased)")
        trail = " <- ".join(map(str, event.get("trail", [])))
        line = f"{event['index']:8d}  {event['at']}  {what:20} {event.get('by', '')}"
        out.append(line + ("  keys: " + trail if trail else "  author not shown"))
    for point in facts.get("checkpoints", []):
        names = ", ".join(f"{c['name']} {c['at']}" for c in point["cosignatures"])
        out.append(f"checkpoint of {point['size']} entries, cosigned: {names or 'by nobody'}")
    named = ("log", "order", "maker", "founding", "policy")
    out += [f"{name:9} {facts[name]}" for name in named if facts]
    out += [f"NOT IN IT: {lack['what']} {lack['id']}" for lack in facts.get("absent", [])]
    if facts and not facts["foundingPinned"]:
        out.append("COMPARE the founding with the one you were given: it was not pinned")
    if facts and not (facts["policyPinned"] or facts["makerIsRegulator"]):
        out.append("COMPARE the policy with the regulator's: its observers were not pinned")
    out += ["PROBLEM: " + problem for problem in problems]
    shown = "verified" if facts and facts["foundingPinned"] else "agrees with its own founding"
    out.append("evidence: " + ("NOT VERIFIED" if problems else shown))
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    sys.exit(main())
