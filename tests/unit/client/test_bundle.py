"""Evidence of an order: three verifiers agree on what holds, and refuse all that does not."""

import ast
import base64
import hashlib
import json
import re
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain import ed25519
from creditchain.client.bundle import MANIFEST, complete, open_members, verifier_members
from creditchain.client.bundle_check import UNPINNED, make_bundle, verify_bundle, verify_members
from creditchain.client.cover_words import EVENT_WORDS
from creditchain.client.evidence import Trust
from creditchain.client.judged import Pins
from creditchain.client.order_events import STRUCTURAL, About, Found, OrderEvents
from creditchain.client.stored_zip import BadZip, read_zip, write_zip
from creditchain.client.verifier import verify as alone
from creditchain.client.verify import CannotReach
from creditchain.events import PublicKey, b64u, parse_event_object, parse_json
from creditchain.events.codes import MemberKind
from creditchain.events.membership import MemberAdmitted
from creditchain.events.order import OrderPlaced
from creditchain.rulebook.law import RULES
from creditchain.tlog.policy import parse_policy
from tests.unit.client.browser import CHROMIUM, WHY_NOT, Browser, browser
from tests.unit.client.evidence_town import FORGERIES, Town
from tests.unit.witness_peer import free_port

VECTORS = Path(__file__).parents[3] / "fixtures" / "vectors"
ASSETS = Path(alone.__file__).parent
PAGE = (ASSETS / "verify.html").read_text("utf-8")
GOOD = Town().bundle()
MEMBERS = read_zip(GOOD)
FOUNDING = open_members(MEMBERS).founding


def by_script(members: dict[str, bytes], **pins: Any) -> tuple[dict[str, Any], list[str]]:
    """What verify.py says of members, in this process."""
    try:
        judge = alone.Judge(members, **pins)
        judge.run()
    except alone.FAULTS as error:
        return {}, [str(error)]
    return judge.facts(), judge.problems


def run_script(*words: str) -> subprocess.CompletedProcess[str]:
    """verify.py as a program, without our packages, site packages or environment."""
    script = str(ASSETS / "verify.py")
    return subprocess.run(
        [sys.executable, "-I", "-S", script, *words],
        check=False,
        capture_output=True,
        text=True,
        env={},
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "order.zip"
    path.write_bytes(GOOD)
    return path


# What holds.


def test_two_verifiers_print_the_same_facts(good: Path):
    verdict = verify_bundle(good)
    assert verdict.problems == []
    facts = verdict.to_json()
    assert (facts.pop("verifiers"), facts.pop("cover")) == ("OURS", "OURS")
    ran = run_script(str(good), "--json")
    assert (ran.returncode, json.loads(ran.stdout)) == (0, facts)
    assert (facts["makerIsRegulator"], facts["quorum"], facts["unshown"]) == (True, True, [])
    (checkpoint,) = facts["checkpoints"]
    names = [c["name"] for c in checkpoint["cosignatures"]]
    assert names == [f"observer.example/{name}" for name in ("witness", "mirror", "audit")]


def test_every_signature_leads_to_the_founding():
    trails = [e["trail"] for e in verify_members(MEMBERS, UNPINNED).facts["events"]]
    assert all(trail[-1] == 0 for trail in trails)
    assert max(map(len, trails)) == 3


def test_a_bundle_is_the_same_bytes_each_time():
    assert Town().bundle() == GOOD


def test_any_zip_program_opens_it(good: Path, tmp_path: Path):
    with zipfile.ZipFile(good) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    assert verify_bundle(tmp_path).ok
    assert alone.verify(tmp_path)[1] == []
    (tmp_path / "events" / "Thumbs.db").write_bytes(b"")
    with pytest.raises(CannotReach, match=r"Thumbs\.db"):
        verify_bundle(tmp_path)
    assert "Thumbs.db" in alone.verify(tmp_path)[1][0]


def test_the_founding_is_pinned_from_outside(good: Path):
    assert verify_bundle(good).facts["foundingPinned"] is False
    assert verify_bundle(good, Pins(FOUNDING)).facts["foundingPinned"] is True
    for pin in (b64u(FOUNDING), FOUNDING.hex()):
        ran = run_script(str(good), "--founding", pin)
        assert ran.returncode == 0
        assert "COMPARE the founding" not in ran.stdout
        assert ran.stdout.endswith("evidence: verified\n")
    unpinned = run_script(str(good)).stdout
    assert "COMPARE the founding" in unpinned
    assert unpinned.endswith("evidence: agrees with its own founding\n")
    foreign = bytes(32)
    assert "not the pinned one" in verify_bundle(good, Pins(foreign)).problems[0]
    ran = run_script(str(good), "--founding", foreign.hex())
    assert (ran.returncode, "not the pinned one" in ran.stdout) == (1, True)
    assert run_script(str(good), "--founding", "x").returncode == 2
    assert run_script(str(good.with_name("absent.zip"))).returncode == 2


def test_the_policy_may_be_pinned_too(good: Path, tmp_path: Path):
    text = MEMBERS["policy"].decode()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert run_script(str(good), "--policy", digest).returncode == 0
    assert run_script(str(good), "--policy", digest[::-1]).returncode == 1
    strict = tmp_path / "policy"
    strict.write_text(text.replace("quorum mirror", "group all 3 witness mirror audit\nquorum all"))
    assert run_script(str(good), "--policy", str(strict)).returncode == 0
    assert verify_bundle(good, Pins(FOUNDING, parse_policy(strict.read_text()))).ok
    trust = Trust.of_genesis(MEMBERS["events/0.body"], parse_policy(strict.read_text()))
    assert Pins.of_trust(trust, MEMBERS["events/0.body"]).policy == trust.policy


def test_a_pinned_policy_asks_for_more_than_the_bundle_has(tmp_path: Path):
    town = Town()
    lines = town.note().splitlines(keepends=True)
    bundle = town.bundle(town.events("".join(lines[:-1])))
    asks = parse_policy(town.policy("audit"))
    assert verify_members(read_zip(bundle), UNPINNED).ok
    judged = verify_members(read_zip(bundle), Pins(policy=asks))
    assert "too few witnesses" in judged.problems[0]
    _, problems = by_script(read_zip(bundle), policy=town.policy("audit").encode())
    assert "too few observers" in problems[0]


def test_an_erased_body_stays_provable():
    town = Town()
    for _ in range(200):
        town.consortium.erase()
        if b"" in town.consortium.log.bodies:
            break
    erased = town.consortium.log.bodies.index(b"")
    members = read_zip(town.bundle())
    verdict = verify_members(members, UNPINNED)
    assert (verdict.problems, verdict.facts["erased"]) == ([], [erased])
    assert by_script(members)[0]["erased"] == [erased]
    assert "Content erased" in members["cover.html"].decode()


def test_an_unknown_author_is_told_and_never_believed(capsys: pytest.CaptureFixture[str]):
    town = Town()
    appointed = max(
        n for n, b in enumerate(town.consortium.log.bodies) if b'"type":"OfficerAppointed"' in b
    )
    said = [n for n, body in enumerate(town.consortium.log.bodies) if b"ReportDelivered" in body]
    rows = [e for e in town.events(unshown=said) if e.index != appointed]
    hidden = [e.index for e in rows if b'"type":"OrderAccepted"' in (e.body or b"")]
    verdict = verify_members(read_zip(town.bundle(rows)), UNPINNED)
    assert {f"entry {n}: KEY_UNKNOWN" for n in hidden} <= set(verdict.problems)
    rows = [e for e in town.events(unshown=[*said, *hidden]) if e.index != appointed]
    members = read_zip(town.bundle(rows))
    verdict = verify_members(members, UNPINNED)
    assert (verdict.problems, verdict.facts["unshown"]) == ([], sorted(said + hidden))
    facts, problems = by_script(members)
    assert (problems, facts["unshown"]) == ([], sorted(said + hidden))
    alone.tell(facts, problems)
    assert "author not shown" in capsys.readouterr().out


def test_what_is_cited_and_not_there_is_told(tmp_path: Path):
    town = Town()
    product = town.index_of("ProductOffered")
    bundle = town.bundle([e for e in town.events() if e.index != product])
    verdict = verify_members(read_zip(bundle), UNPINNED)
    assert verdict.ok
    assert verdict.facts["absent"] == [{"what": "product", "id": "agency-lin/basic"}]
    path = tmp_path / "order.zip"
    path.write_bytes(bundle)
    ran = run_script(str(path), "--complete", "--json")
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["absent"]) == (1, verdict.facts["absent"])


# What does not.


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_by_both(name: str):
    members = read_zip(FORGERIES[name](Town()))
    assert not verify_members(members, UNPINNED).ok
    assert by_script(members)[1]


def test_no_byte_of_the_file_may_change():
    for at in range(0, len(GOOD), 89):
        bad = GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]
        with pytest.raises(BadZip):
            read_zip(bad)
        with pytest.raises(alone.Bad):
            alone.read_zip(bad)


def mangled(name: str, at: int) -> dict[str, bytes]:
    data = MEMBERS[name]
    return {**MEMBERS, name: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]}


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_no_member_may_change(name: str):
    size = len(MEMBERS[name])
    step = 47 if name == MANIFEST else max(size // 3, 1)
    for at in sorted({0, size - 1, *range(0, size, step)}):
        assert not verify_members(mangled(name, at), UNPINNED).ok, at
        assert by_script(mangled(name, at))[1], at


def test_the_script_refuses_what_the_library_refuses_whatever_the_change():
    """The maker signs whatever was changed, so that only the checks behind it can tell."""
    seed = Random().randrange(2**32)
    print(f"seed {seed}")
    random = Random(seed)
    bare = {name: d for name, d in MEMBERS.items() if not name.startswith("manifest.")}
    names = sorted(name for name in bare if name.startswith(("events/", "proofs/")))
    key, manifest = Town().consortium.regulator.key, open_members(MEMBERS)
    for _ in range(30):
        name = random.choice([*names, *["policy"] * len(names)])
        data, at = bare[name], random.randrange(len(bare[name]))
        put = random.choice(
            (b"", b"\n", b" ", b"0", b"=", b"\xff", b"#", b"null", b"\xe2\x80\x94 ")
        )
        changed = data[:at] + put + data[at + random.randrange(4) :]
        members = complete(manifest, {**bare, name: changed}, key)
        verdict, (facts, problems) = verify_members(members, UNPINNED), by_script(members)
        assert verdict.ok is (not problems), (name, at, put)
        if verdict.ok:
            assert facts["events"] == verdict.facts["events"]


def entry(name: str, data: bytes = b"x", method: int = 0) -> bytes:
    raw = name.encode()
    head = (0x04034B50, 20, 0, method, 0, 0x21, 0, len(data), len(data), len(raw), 0)
    return struct.pack("<IHHHHHIIIHH", *head) + raw + data


def deflated() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in MEMBERS.items():
            archive.writestr(name, data)
    return out.getvalue()


BAD_ZIPS = {
    "empty": b"",
    "no zip": b"PK",
    "no members": write_zip({}),
    "slip": entry("../etc/passwd"),
    "absolute": entry("/etc/passwd"),
    "backslash": entry("a\\b"),
    "upper case": entry("Manifest.json"),
    "device": entry("events/con:"),
    "twice": entry("a") + entry("a"),
    "out of order": entry("b") + entry("a"),
    "cut": GOOD[:-1],
    "more behind": GOOD + b"\0",
    "more before": b"\0" + GOOD,
    "a comment": GOOD[:-2] + b"\1\0!",
    "packed anew": deflated(),
    "a bomb": entry("manifest.json", b"\0" * 64, method=8),
    "a size beyond": entry("a")[:18] + b"\xff\xff\xff\xff" * 2 + entry("a")[26:],
    "hidden between": write_zip({"a": b""})[:31] + b"hidden" + write_zip({"a": b""})[31:],
}


def is_refused(path: Path) -> bool:
    try:
        return not verify_bundle(path).ok
    except CannotReach:
        return True


@pytest.mark.parametrize("name", BAD_ZIPS)
def test_a_zip_of_another_spelling_is_no_bundle(name: str, tmp_path: Path):
    path = tmp_path / "x.zip"
    path.write_bytes(BAD_ZIPS[name])
    assert is_refused(path)
    assert alone.verify(path)[1]


def test_a_link_in_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "policy").symlink_to(ASSETS / "verify.py")
    with pytest.raises(CannotReach):
        verify_bundle(tmp_path)
    assert "link" in alone.verify(tmp_path)[1][0]


def test_other_verifiers_in_it_are_told():
    members = {n: d for n, d in MEMBERS.items() if not n.startswith("manifest.")}
    members["verify.html"] = b"<p>all is well</p>"
    key = Town().consortium.regulator.key
    changed = complete(open_members(MEMBERS), members, key)
    verdict = verify_members(changed, UNPINNED)
    assert (verdict.ok, verdict.facts["verifiers"]) == (True, "OTHER")


def test_a_cover_that_tells_another_story_is_told():
    members = {n: d for n, d in MEMBERS.items() if not n.startswith("manifest.")}
    members["cover.html"] = members["cover.html"].replace(b"The order was placed", b"Nothing was")
    assert members["cover.html"] != MEMBERS["cover.html"]
    changed = complete(open_members(MEMBERS), members, Town().consortium.regulator.key)
    for pins in (UNPINNED, Pins(FOUNDING)):
        assert verify_members(MEMBERS, pins).facts["cover"] == "OURS"
        verdict = verify_members(changed, pins)
        assert (verdict.ok, verdict.facts["cover"]) == (True, "OTHER")


def test_what_does_not_verify_has_no_cover():
    town = Town()
    rows = town.events(town.note(()))
    regulator = town.consortium.regulator
    made, verdict = make_bundle(town.order, regulator.id, regulator.key, town.policy(), rows)
    assert not verdict.ok
    assert read_zip(made)["cover.html"] == b""


# The second implementations, against what pins them.


@pytest.mark.parametrize(
    "row", json.loads((VECTORS / "refused.json").read_text())["vectors"], ids=lambda r: r["what"]
)
def test_a_seal_that_does_not_hold_is_refused_by_the_script(row: dict[str, Any]):
    rows = json.loads((VECTORS / "keys.json").read_text())["signers"]
    keys = {(r["by"], r["kid"]): alone.Key(r["jwk"]) for r in rows}
    body = bytes.fromhex(row["bodyHex"]) if "bodyHex" in row else row["body"].encode()

    def judge() -> None:
        event, payload, proof = alone.open_event(body)
        alone.must(event["log"] == "hub.example/creditchain", "log")
        alone.parse_time(event["signedAt"])
        key = keys.get((event["by"], alone.kid_of(proof)))
        alone.must(key, "key")
        assert key is not None
        if isinstance(proof, str):
            alone.check_jws(proof, payload, key, "creditchain-event+jws")
        else:
            alone.check_assertion(proof, payload, key)

    if row["code"] == "EVENT_MALFORMED":
        # Field kinds of bodies are the hub's and the observer's to judge; the rest must not crash.
        try:
            judge()
        except alone.FAULTS:
            return
        assert parse_json(body, len(body))["event"]["body"]
    else:
        with pytest.raises(alone.FAULTS):
            judge()


def test_the_script_opens_every_event_of_the_vectors():
    chain = alone.Chain()
    for row in json.loads((VECTORS / "events.json").read_text())["vectors"]:
        if row["type"] not in alone.VOICES and row["type"] != "ConsortiumFounded":
            continue
        event, payload, proof = alone.open_event(row["body"].encode())
        key = chain.find(event, alone.kid_of(proof))
        assert key is not None
        if isinstance(proof, str):
            alone.check_jws(proof, payload, key, "creditchain-event+jws")
        else:
            alone.check_assertion(proof, payload, key)
        chain.judge(event, key.kid, row["index"], alone.parse_time(row["at"]))
        chain.learn(event, key.kid, row["index"])


def test_keys_under_which_anything_verifies_are_refused_by_the_script():
    for y in alone.SMALL_Y:
        for sign in (0, 1 << 255):
            with pytest.raises(alone.Bad):
                alone.ed_point((y | sign).to_bytes(32, "little"))
    for raw in (alone.P.to_bytes(32, "little"), (2).to_bytes(32, "little"), bytes(31)):
        with pytest.raises(alone.Bad):
            alone.ed_point(raw)
    with pytest.raises(alone.Bad):
        alone.p256_point(bytes(64))


def both_say(public: bytes, signature: bytes, message: bytes) -> bool:
    """What OpenSSL behind our checks and the script say of an Ed25519 signature, if they agree."""
    try:
        ours = ed25519.verify(ed25519.ed25519_public_key(public), signature, message)
    except ed25519.BadKey:
        ours = False
    try:
        its = alone.ed25519_verify(public, signature, message)
    except alone.Bad:
        its = False
    assert ours is its, (public.hex(), signature.hex(), message.hex())
    return ours


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.integers(0, 511))
def test_the_scripts_ed25519_is_ours(seed: bytes, message: bytes, bit: int):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert both_say(public, signature, message)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not both_say(public, bytes(flipped), message)
    # S + L is the same number to the group: a second spelling of one signature.
    s = int.from_bytes(signature[32:], "little") + alone.L
    assert not both_say(public, signature[:32] + s.to_bytes(32, "little"), message)
    # Under a key with a part of small order the two could differ by the cofactor.
    mixed = alone.ed_add(alone.ed_point(public), (0, alone.P - 1, 1, 0))
    inverse = pow(mixed[2], -1, alone.P)
    x, y = mixed[0] * inverse % alone.P, mixed[1] * inverse % alone.P
    torsion = (y | (x & 1) << 255).to_bytes(32, "little")
    both_say(torsion, signature, message)
    h = hashlib.sha512(signature[:32] + torsion + message).digest()
    scalar = hashlib.sha512(seed).digest()[:32]
    a = (int.from_bytes(scalar, "little") & ~7 & ((1 << 255) - 1)) | 1 << 254
    prefix = hashlib.sha512(seed).digest()[32:]
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little")
    forged = (r + int.from_bytes(h, "little") % alone.L * a) % alone.L
    both_say(torsion, signature[:32] + forged.to_bytes(32, "little"), message)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, alone.N - 1), st.binary(max_size=64), st.integers(0, 511))
def test_the_scripts_es256_is_ours(secret: int, message: bytes, bit: int):
    key = ec.derive_private_key(secret, ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    raw = numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
    public = PublicKey("ES256", b64u(raw[:32]), b64u(raw[32:]))
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    low, high = sorted((s, alone.N - s))
    signature = r.to_bytes(32) + low.to_bytes(32)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    for candidate in (signature, r.to_bytes(32) + high.to_bytes(32), bytes(flipped), bytes(64)):
        said = alone.es256_verify(raw, candidate, message)
        assert said is public.verifies(candidate, message)
        assert said is (candidate == signature)


def test_the_script_imports_the_standard_library_alone():
    tree = ast.parse((ASSETS / "verify.py").read_text("utf-8"))
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert names <= set(sys.stdlib_module_names)
    # Python 3.8 reads it: courts do not have the newest.
    ast.parse((ASSETS / "verify.py").read_text("utf-8"), feature_version=(3, 8))


def test_both_know_who_may_say_what():
    names = {"MEMBER_KEY": "MEMBER"}
    law = {
        type_.__name__: (
            {names.get(str(v), str(v)) for v in rule.voices},
            set(map(str, rule.kinds)),
        )
        for type_, rule in RULES.items()
    }
    rows = re.findall(r'^  (\w+): \["([A-Z ]+)", "([A-Z *]+)"\],$', PAGE, re.MULTILINE)
    page = {
        name: (set(voices.split()), alone.ANY if kinds == "*" else set(kinds.split()))
        for name, voices, kinds in rows
    }
    assert page == alone.VOICES
    assert {name: law[name] for name in page} == alone.VOICES
    assert {type_.__name__ for type_ in STRUCTURAL} <= page.keys()
    assert EVENT_WORDS.keys() == {"ConsortiumFounded", *page}
    for name, (en, zh) in EVENT_WORDS.items():
        assert f'  {name}: ["{en}", "{zh}"],' in PAGE


# The pages.


def digest_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("page", [PAGE, MEMBERS["cover.html"].decode()], ids=["verify", "cover"])
def test_a_page_allows_itself_and_nothing_else(page: str):
    (policy,) = re.findall(r'Content-Security-Policy"? content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL):
            assert f"{tag}-src 'sha256-{digest_of(text)}'" in policy
    assert not re.search(r"unsafe|https?://|src=|href=|@import|url\(", page.replace("-src", ""))


def test_the_cover_answers_the_four_questions_in_two_languages():
    cover = MEMBERS["cover.html"].decode()
    for words in ("comply", "independent of the parties", "clean, secure", "up to standard?"):
        assert words in cover
    for words in ("利害关系", "清洁性", "存证技术", "未能证明", "上链之前"):
        assert words in cover
    assert b64u(FOUNDING) in cover
    assert "observer.example/audit" in cover
    assert cover.count("<tr>") > 20


def test_the_cover_says_when_the_operator_is_a_party():
    town = Town()
    said = parse_event_object(
        next(
            event
            for body in town.consortium.log.bodies
            if (event := parse_json(body, len(body))["event"])["id"] == town.order
        )
    )
    assert isinstance(said.body, OrderPlaced)
    own = replace(said.body, product=f"{town.consortium.operator.id}/basic")
    town.order = town.forge(town.consortium.bank_officer, own).event.id
    cover = read_zip(town.bundle())["cover.html"].decode()
    assert "A party of this order is also the operator or the regulator: operator-hub" in cover
    assert "Neither the operator" not in cover
    assert "Neither the operator" in MEMBERS["cover.html"].decode()


def test_what_members_call_themselves_is_text_in_the_cover():
    town = Town()
    new = town.consortium.actor("bank-new")
    name = "<script>alert(1)</script>"
    town.forge(
        town.consortium.regulator,
        MemberAdmitted(new.id, MemberKind.BANK, name, "440000", new.key.public),
    )
    cover = read_zip(town.bundle())["cover.html"].decode()
    assert "&lt;script&gt;alert(1)" in cover
    assert "<script" not in cover


def test_the_verifiers_go_into_every_bundle():
    assert {name: MEMBERS[name] for name in verifier_members()} == verifier_members()


# The page in a browser.

NO_ED25519 = """
const own = SubtleCrypto.prototype.importKey;
SubtleCrypto.prototype.importKey = function (format, key, kind, ...rest) {
  if (kind.name === "Ed25519") throw new DOMException("no", "NotSupportedError");
  return own.call(this, format, key, kind, ...rest);
};
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    with browser(tmp_path_factory.mktemp("browser"), free_port()) as opened:
        yield opened


def judged_by(tab: Browser, path: Path, field: str = "#zip") -> tuple[str, dict[str, Any]]:
    """What the page says of a file: its colour, and its facts."""
    tab.run("document.body.dataset.result = 'waiting'")
    tab.choose(field, path)
    tab.until("!['waiting', 'working'].includes(document.body.dataset.result)")
    facts = json.loads(tab.run("document.getElementById('facts').textContent"))
    return tab.run("document.body.dataset.result"), facts


@pytest.mark.parametrize("script", ["", NO_ED25519], ids=["browser's Ed25519", "own Ed25519"])
def test_the_page_verifies_as_the_others_do(script: str, tab: Browser, good: Path, tmp_path: Path):
    tab.open(ASSETS / "verify.html", script)
    result, facts = judged_by(tab, good)
    ours = verify_bundle(good).to_json()
    del ours["verifiers"], ours["cover"]
    assert (result, facts) == ("unpinned", ours)
    tab.type("#founding", b64u(FOUNDING))
    tab.until("document.body.dataset.result === 'verified'")
    shown = tab.run("document.body.innerText")
    assert "验证通过" in shown
    assert "The order was placed 下达订单" in shown
    assert "purpose PRE_LOAN_REVIEW" in shown
    tab.run("document.getElementById('founding').value = ''")
    with zipfile.ZipFile(good) as archive:
        archive.extractall(tmp_path)
    assert judged_by(tab, tmp_path, "#folder")[0] == "unpinned"
    assert all(url.startswith("file:") for url in tab.loaded), "the page asks nobody"
    assert tab.run("browserKnowsEd25519") is (script == "")


def test_the_page_refuses_every_forgery(tab: Browser, good: Path, tmp_path: Path):
    tab.open(ASSETS / "verify.html")
    cases = {name: make(Town()) for name, make in FORGERIES.items()} | BAD_ZIPS
    for name, data in MEMBERS.items():
        cases[f"mangled {name}"] = write_zip(mangled(name, len(data) // 2))
    missed = []
    for number, (name, data) in enumerate(cases.items()):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(data)
        result, facts = judged_by(tab, path)
        if result != "refused" or not facts["problems"]:
            missed.append(name)
    assert missed == []
    tab.type("#founding", b64u(bytes(32)))
    assert judged_by(tab, good)[0] == "refused"


# What belongs to an order.


def chosen_of(town: Town, about: About) -> OrderEvents:
    events = OrderEvents(about)
    for index, body in enumerate(town.consortium.log.bodies):
        if body:
            events.take(Found.of_body(index, body))
    regulator = town.consortium.regulator
    events.finish((regulator.id, regulator.key.public.kid))
    return events


def test_other_orders_under_the_same_consent_are_another_matter():
    town = Town()
    town.consortium.play(60)
    body = town.consortium.log.bodies[town.index_of("OrderPlaced")]
    placed = next(
        parse_json(b, len(b))["event"]
        for b in town.consortium.log.bodies
        if b and parse_json(b, len(b))["event"]["id"] == town.order
    )
    assert body
    about = About(
        town.order, placed["body"]["consent"], frozenset(), placed["body"]["product"],
        placed["body"]["enterprise"], placed["body"]["sealTo"],
    )  # fmt: skip
    events = chosen_of(town, about)
    orders = {f.event.id for f in events.events if f.event.type == "OrderPlaced"}
    firms = {f.event.id for f in events.events if f.event.type == "EnterpriseEnrolled"}
    assert (orders, len(firms), events.unshown, events.missing) == ({town.order}, 1, [], set())
    kinds = {f.event.type for f in events.events}
    assert kinds >= {"ConsortiumFounded", "ConsentGranted", "OfficerAppointed", "MemberKeyAdded"}


def test_what_is_known_by_its_id_and_not_shown_is_missing():
    town = Town()
    absent = f"{town.order[:-12]}000000000000"
    events = chosen_of(town, About(town.order, absent, frozenset({absent[:-1] + "1"})))
    assert events.missing == {absent, absent[:-1] + "1"}
