"""The vectors of docs/formats.md, derived again: by the library, and by a reader that is not ours.

The reader (fixtures/vectors/reader.py) was written from that page alone; where it agrees with the
vectors, the page says enough.
"""

import ast
import base64
import hashlib
import json
import re
import sys
from functools import cache
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from creditchain.client.bundle_check import UNPINNED, verify_members
from creditchain.client.evidence import Trust, check_refusal
from creditchain.client.hpke import open_report
from creditchain.client.keys import PrivateKey
from creditchain.client.stored_zip import BadZip, read_zip, write_zip
from creditchain.events import (
    EVENTS,
    Event,
    MalformedEvent,
    PublicKey,
    b64u,
    canonical_json,
    format_event,
    parse_event,
    parse_json,
    parse_time,
    unb64u,
)
from creditchain.fingerprint import fingerprint
from creditchain.ledger.publisher import HubKeys, Publisher
from creditchain.ledger.tiles import StoredTiles
from creditchain.rulebook import DictBook, Refusal, Violation, decide
from creditchain.rulebook import find_key as rulebook_key
from creditchain.seal import (
    BODY_BYTES_MAX,
    BadSeal,
    Entry,
    challenge_of,
    format_entry,
    jws_header,
    parse_entry,
    signing_input,
    unseal,
)
from creditchain.tlog.checkpoint import open_checkpoint
from creditchain.tlog.cosignature import open_cosignatures, parse_cosigner_vkey
from creditchain.tlog.edge import Edge
from creditchain.tlog.merkle import leaf_hash, leaf_hashes_of
from creditchain.tlog.note import open_note, parse_vkey
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.proof import BadProof, check_consistency, check_inclusion
from creditchain.tlog.tile import (
    Tile,
    format_bundle,
    format_bundle_path,
    format_tile_path,
    new_bundles,
    parse_bundle,
    parse_bundle_path,
    parse_tile_path,
    tiles_of,
)
from creditchain.tlog.tlogproof import BadTlogProof, check_tlog_proof
from fixtures.vectors import fields, generate, hpke, reader

FILES = sorted(path.name for path in generate.FOLDER.glob("*.json"))


@cache
def load(name: str) -> dict[str, Any]:
    """A vector file."""
    data: dict[str, Any] = json.loads((generate.FOLDER / f"{name}.json").read_text("utf-8"))
    return data


@cache
def signers() -> dict[tuple[str, str], dict[str, str]]:
    """The JWK of every signer of the vectors, by owner and kid."""
    rows = load("keys")["signers"] + load("inspection")["signers"]
    return {(row["by"], row["kid"]): row["jwk"] for row in rows}


def find_key(event: Event, kid: str) -> PublicKey | None:
    jwk = signers().get((event.by, kid))
    return None if jwk is None else PublicKey.from_json(jwk)


def find_jwk(by: str, kid: str) -> dict[str, str] | None:
    return signers().get((by, kid))


@cache
def tables() -> fields.Tables:
    """The field kinds as docs/events.md has them."""
    return fields.Tables(generate.FOLDER.parents[1] / "docs" / "events.md")


def entries() -> list[bytes]:
    return [row["entry"].encode() for row in load("events")["vectors"]]


def every_event() -> list[dict[str, Any]]:
    """The events of the log, from its founding and as it grows."""
    rows: list[dict[str, Any]] = load("events")["vectors"] + load("inspection")["vectors"]
    return rows


def bytes_of(row: dict[str, Any]) -> bytes:
    """The body of a refused vector, which is not always UTF-8."""
    return bytes.fromhex(row["bodyHex"]) if "bodyHex" in row else row["body"].encode()


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in hashes]


# The files.


def test_the_vectors_are_what_the_generator_makes():
    made = generate.build()
    assert sorted(made) == FILES
    for name, file in made.items():
        written = (generate.FOLDER / name).read_text("utf-8")
        assert written == generate.format_file(file), f"{name} is stale"


@pytest.mark.parametrize("name", FILES)
def test_every_file_states_its_origin(name: str):
    assert load(name.removesuffix(".json"))["origin"].startswith("made by creditchain")


def test_every_event_type_has_a_vector():
    assert {row["type"] for row in every_event()} == set(EVENTS)


def test_every_refused_vector_has_a_code_of_the_rulebook():
    assert {row["code"] for row in load("refused")["vectors"]} <= set(Refusal)


@pytest.mark.parametrize("name", ["reader.py", "fields.py"])
def test_the_other_reader_is_independent(name: str):
    tree = ast.parse((generate.FOLDER / name).read_text("utf-8"))
    names = {
        source if source == "fixtures.vectors.reader" else source.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for source in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    allowed = {"cryptography", "fixtures.vectors.reader"}
    assert names - set(sys.stdlib_module_names) - allowed == set()


def admit(book: DictBook, body: bytes, at: str) -> Violation | None:
    """Judges a body by the law of `book`, and lets the book take over what it writes."""
    answer = decide(book, unseal(body, rulebook_key(book)), parse_time(at))
    if isinstance(answer, Violation):
        return answer
    book.put(answer)
    return None


def test_the_history_is_lawful_and_its_refusals_are_deserved():
    book = DictBook()
    for row in load("events")["vectors"]:
        assert admit(book, row["body"].encode(), row["at"]) is None, row["type"]
    for row in load("refusal")["vectors"]:
        violation = Violation(Refusal(row["code"]), row["path"])
        assert admit(book, row["body"].encode(), row["at"]) == violation
    for row in load("inspection")["vectors"]:
        assert admit(book, row["body"].encode(), row["at"]) is None, row["type"]


# Events, seals and entries.


@pytest.mark.parametrize("row", every_event(), ids=lambda r: f"{r['index']}{r['type']}")
def test_an_event_is_read_and_written_alike(row: dict[str, Any]):
    event = parse_event(row["event"].encode())
    assert format_event(event).decode() == row["event"]
    assert event.type == row["type"]
    sealed = unseal(row["body"].encode(), find_key)
    assert (sealed.event, sealed.kid) == (event, row["kid"])
    assert b64u(sealed.commitment) == row["commitment"]
    entry = Entry(parse_time(row["at"]), sealed.commitment)
    assert format_entry(entry).decode() == row["entry"]
    assert parse_entry(row["entry"].encode()) == entry
    assert leaf_hash(row["entry"].encode()).hex() == row["leafHash"]


@pytest.mark.parametrize("row", every_event(), ids=lambda r: f"{r['index']}{r['type']}")
def test_the_other_reader_agrees_on_an_event(row: dict[str, Any]):
    body = row["body"].encode()
    event = reader.open_body(body, load("events")["log"], find_jwk)
    assert reader.canonical(event).decode() == row["event"]
    assert reader.b64u(reader.sha(body)) == row["commitment"]
    tables().check_event(event)
    entry = reader.entry_of(row["at"], body)
    assert entry.decode() == row["entry"]
    assert len(entry) == 86
    assert reader.leaf_hash(entry).hex() == row["leafHash"]


@pytest.mark.parametrize("row", load("refused")["vectors"], ids=lambda r: r["what"])
def test_a_bad_body_is_refused_with_its_code(row: dict[str, Any]):
    with pytest.raises((MalformedEvent, BadSeal)) as caught:
        unseal(bytes_of(row), find_key)
    error = caught.value
    assert (error.fault if isinstance(error, BadSeal) else "EVENT_MALFORMED") == row["code"]


@pytest.mark.parametrize("row", load("refused")["vectors"], ids=lambda r: r["what"])
def test_the_other_reader_refuses_it_too(row: dict[str, Any]):
    with pytest.raises((ValueError, KeyError, InvalidSignature)):
        tables().check_event(reader.open_body(bytes_of(row), load("refused")["log"], find_jwk))


def test_a_jws_is_made_of_its_parts():
    rows = load("seals")["jws"]
    assert {row["alg"] for row in rows} == {"Ed25519", "ES256"}
    for row in rows:
        event = load("events")["vectors"][row["index"]]["event"].encode()
        key = PublicKey.from_json(row["jwk"])
        header = jws_header(key.alg, key.kid)
        assert unb64u(header).decode() == row["header"]
        assert signing_input(header, event).decode() == row["signingInput"]
        signature = bytes.fromhex(row["signature"])
        assert key.verifies(signature, row["signingInput"].encode())
        assert row["proof"] == f"{header}..{b64u(signature)}"
        assert reader.thumbprint(row["jwk"]) == json.loads(row["header"])["kid"]
        reader.check_signature(row["jwk"], signature, row["signingInput"].encode())


def test_an_assertion_is_made_of_its_parts():
    rows = load("seals")["assertions"]
    assert {row["alg"] for row in rows} == {"Ed25519", "ES256"}
    for row in rows:
        event = load("events")["vectors"][row["index"]]["event"].encode()
        assert hashlib.sha256(event).hexdigest() == row["eventDigest"]
        assert challenge_of(event).hex() == row["challenge"]
        client = json.loads(row["clientDataJSON"])
        assert unb64u(client["challenge"]).hex() == row["challenge"]
        digest = hashlib.sha256(row["clientDataJSON"].encode()).hexdigest()
        assert row["signedBytes"] == row["authenticatorData"] + digest


def test_thumbprints_are_hashes_of_the_text_shown():
    rows = load("keys")["keys"]
    assert {row["jwk"]["alg"] for row in rows} == {"Ed25519", "ES256", "HPKE-X25519"}
    for row in rows:
        key = PublicKey.from_json(row["jwk"])
        assert key.kid == row["kid"] == reader.thumbprint(row["jwk"])
        assert b64u(hashlib.sha256(row["hashed"].encode()).digest()) == row["kid"]


def test_a_thumbprint_is_that_of_rfc_8037():
    """RFC 8037 appendix A.3, over the key of RFC 8032 section 7.1, TEST 1."""
    raw = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    key = PublicKey("Ed25519", b64u(bytes.fromhex(raw)))
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


# The log.


def test_the_log_of_the_events_has_this_root_and_checkpoint():
    log = load("log")
    edge = Edge.empty()
    edge.append(leaf_hashes_of(entries()))
    assert (edge.size, edge.root().hex()) == (log["size"], log["root"])
    opened = open_checkpoint(log["checkpoint"], parse_vkey(log["logKey"]))
    assert (opened.checkpoint.size, opened.checkpoint.root.hex()) == (log["size"], log["root"])
    assert edge.partial(0).hex() == log["tile"]["data"]
    founded = parse_event(load("events")["vectors"][0]["event"].encode()).body
    assert (founded.log_key, founded.refusal_key) == (log["logKey"], log["refusalKey"])
    assert load("events")["vectors"][0]["commitment"] == log["genesis"]


def test_the_other_reader_agrees_on_the_checkpoint():
    log = load("log")
    root = reader.root_of([reader.leaf_hash(entry) for entry in entries()])
    assert root.hex() == log["root"]
    text = reader.open_note(log["checkpoint"], log["logKey"])
    assert text == f"{log['log']}\n{log['size']}\n{base64.b64encode(root).decode()}\n"
    for vkey in log["cosignerKeys"]:
        assert reader.open_note(log["cosignedCheckpoint"], vkey) == text
        with pytest.raises(ValueError, match="not signed"):
            reader.open_note(log["checkpoint"], vkey)


def test_the_log_grows_by_findings_and_an_inspection():
    log, more = load("log"), load("inspection")
    grown = [row["entry"].encode() for row in every_event()]
    edge = Edge.empty()
    edge.append(leaf_hashes_of(grown))
    assert (edge.size, edge.root().hex()) == (more["size"], more["root"])
    assert reader.root_of([reader.leaf_hash(entry) for entry in grown]).hex() == more["root"]
    old, proof = more["consistency"]["old"], unhex(more["consistency"]["proof"])
    assert old == log["size"]
    root = bytes.fromhex(log["root"])
    check_consistency(old, root, edge.size, edge.root(), proof)


def test_cosignatures_state_time_and_name():
    log = load("log")
    cosigners = [parse_cosigner_vkey(vkey) for vkey in log["cosignerKeys"]]
    assert [c.name.rpartition("/")[2] for c in cosigners] == ["witness", "mirror", "audit"]
    text = log["checkpoint"].rpartition("\n\n")[0] + "\n"
    opened = open_cosignatures("".join(log["cosignatures"]), text, cosigners)
    assert [c.line for c in opened] == log["cosignatures"]
    assert log["cosignedText"] == f"cosignature/v1\ntime {opened[0].time_s}\n{text}"


def test_bundles_hold_entries_and_bodies_and_the_erased_is_empty():
    log, rows = load("log"), load("events")["vectors"]
    erased = log["bodyBundle"]["erased"]
    bodies = [b"" if r["index"] in erased else r["body"].encode() for r in rows]
    assert len(erased) == 1
    for bundle, items, prefix in (
        (log["entryBundle"], entries(), "tile/entries"),
        (log["bodyBundle"], bodies, "bodies"),
    ):
        data = format_bundle(items)
        assert hashlib.sha256(data).hexdigest() == bundle["sha256"]
        assert len(data) == bundle["length"]
        assert parse_bundle(data, log["size"], allow_empty=prefix == "bodies") == items
        assert parse_bundle_path(bundle["path"], prefix).width == log["size"]
        assert reader.parse_bundle(data, log["size"]) == items
    layout = log["bundleLayout"]
    items = [item.encode() for item in layout["items"]]
    assert format_bundle(items).hex() == layout["bundle"]
    assert reader.parse_bundle(bytes.fromhex(layout["bundle"]), len(items)) == items
    said = [json.loads(r["event"])["body"] for r in rows if r["type"] == "BodyErased"]
    assert [(b["index"], b["commitment"]) for b in said] == [
        (n, rows[n]["commitment"]) for n in erased
    ]


def test_inclusion_is_proved_to_both_readers():
    log = load("log")
    root = bytes.fromhex(log["root"])
    for row in log["inclusion"]:
        proof, leaf = unhex(row["proof"]), leaf_hash(entries()[row["index"]])
        check_inclusion(leaf, row["index"], log["size"], proof, root)
        reader.check_inclusion(leaf, row["index"], log["size"], proof, root)
        with pytest.raises(BadProof):
            check_inclusion(leaf, row["index"] ^ 1, log["size"], proof, root)
        with pytest.raises(ValueError, match=r"root|index"):
            reader.check_inclusion(leaf, row["index"] ^ 1, log["size"], proof, root)


def test_a_receipt_holds_offline_and_for_its_entry_alone():
    log = load("log")
    index, text = log["tlogProof"]["index"], log["tlogProof"]["text"]
    policy = parse_policy(log["policy"])
    checked = check_tlog_proof(text, entries()[index], policy)
    assert (checked.index, checked.checkpoint.size) == (index, log["size"])
    assert {c.name.rpartition("/")[2] for c in checked.cosignatures} == {"witness", "mirror"}
    vkeys = [log["logKey"], *log["cosignerKeys"]]
    assert reader.check_receipt(text, entries()[index], vkeys) == (index, log["size"])
    with pytest.raises(BadTlogProof):
        check_tlog_proof(text, entries()[index - 1], policy)
    with pytest.raises(ValueError, match="root"):
        reader.check_receipt(text, entries()[index - 1], vkeys)


def test_the_evidence_of_an_order_is_read_by_all():
    row = load("evidence")
    members = {name: text.encode() for name, text in row["members"].items()}
    data = write_zip(members)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (
        row["zip"]["length"],
        row["zip"]["sha256"],
    )
    assert reader.open_zip(data) == members
    manifest = reader.open_evidence(members, find_jwk)
    assert (manifest["order"], manifest["maker"]) == (row["order"], row["maker"])
    assert manifest["founding"] == load("log")["genesis"]
    vkeys = [load("log")["logKey"], *load("log")["cosignerKeys"][:2]]
    for line in manifest["events"]:
        body = members[f"events/{line['index']}.body"]
        proof = members[f"proofs/{line['index']}.tlog-proof"].decode()
        found = reader.check_receipt(proof, reader.entry_of(line["at"], body), vkeys)
        assert found == (line["index"], load("log")["size"])
        reader.open_body(body, manifest["log"], find_jwk)
    assert verify_members(members, UNPINNED).problems == []


def test_a_zip_has_one_spelling():
    layout = load("evidence")["zipLayout"]
    members = {name: text.encode() for name, text in layout["members"].items()}
    data = bytes.fromhex(layout["zip"])
    assert write_zip(members) == data
    assert read_zip(data) == reader.open_zip(data) == members
    for at in range(len(data)):
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((ValueError, KeyError)):
            reader.open_zip(bad)
        with pytest.raises(BadZip):
            read_zip(bad)


def test_larger_trees_have_these_roots_and_proofs():
    tree = load("tree")
    leaves = [
        leaf_hash(format_entry(Entry(n * 1000, hashlib.sha256(str(n).encode()).digest())))
        for n in range(600)
    ]
    roots = {row["size"]: bytes.fromhex(row["root"]) for row in tree["roots"]}
    for size, root in roots.items():
        assert reader.root_of(leaves[:size]) == root
    for row in tree["inclusion"]:
        index, size, proof = row["index"], row["size"], unhex(row["proof"])
        check_inclusion(leaves[index], index, size, proof, roots[size])
        reader.check_inclusion(leaves[index], index, size, proof, roots[size])
    for row in tree["consistency"]:
        old, new = row["old"], row["new"]
        check_consistency(old, roots[old], new, roots[new], unhex(row["proof"]))
    assert [format_tile_path(tile) for tile in tiles_of(600)] == tree["tilesOf600"]
    assert [format_bundle_path(path) for path in new_bundles(0, 600)] == tree["bundlesOf600"]
    assert [parse_tile_path(path) for path in tree["paths"]] == [Tile(0, 1234067), Tile(2, 1000, 7)]


def test_a_refusal_is_signed_and_says_why():
    refusals = load("refusal")
    policy = parse_policy(load("log")["policy"])
    hub = HubKeys(generate.LOG_SIGNER, generate.REFUSAL_SIGNER, policy, "delta-operator")
    publisher = Publisher(hub, StoredTiles(lambda _level, _n: None))
    for row in refusals["vectors"]:
        assert open_note(row["note"], [parse_vkey(refusals["refusalKey"])]).text == row["text"]
        commitment = hashlib.sha256(row["body"].encode()).digest()
        assert b64u(commitment) == row["commitment"]
        trust = Trust.of_genesis(load("events")["vectors"][0]["body"].encode())
        refusal = check_refusal(row["note"], trust, commitment)
        assert (refusal.code, refusal.path, refusal.size) == (row["code"], row["path"], row["size"])
        violation = Violation(Refusal(row["code"]), row["path"])
        made = publisher.refuse(commitment, violation, row["size"], parse_time(row["at"]))
        assert made.note == row["note"]
        assert reader.open_note(row["note"], refusals["refusalKey"]) == row["text"]
        said = [
            "creditchain/refusal/v1",
            load("log")["log"],
            str(row["size"]),
            row["commitment"],
            row["at"],
            row["code"],
            row["path"] or "-",
        ]
        assert row["text"].splitlines() == said
        assert row["code"] in set(Refusal)


# What stands beside the log.


def test_fingerprints_are_salted_hashes():
    for row in load("fingerprints")["vectors"]:
        salt, content = unb64u(row["salt"]), row["content"].encode()
        assert b64u(fingerprint(salt, content)) == row["fingerprint"]
        assert b64u(reader.fingerprint(salt, content)) == row["fingerprint"]


def test_record_batches_have_these_roots_and_paths():
    for batch in load("records")["batches"]:
        root = unb64u(batch["root"])
        leaves = []
        for index, row in enumerate(batch["records"]):
            content = row["content"].encode()
            assert canonical_json(parse_json(content, BODY_BYTES_MAX)) == content
            digest = reader.fingerprint(unb64u(row["salt"]), content)
            assert b64u(digest) == row["fingerprint"]
            leaves.append(reader.leaf_hash(digest))
            assert leaves[-1].hex() == row["leafHash"]
            path = [unb64u(text) for text in row["path"]]
            check_inclusion(leaves[-1], index, batch["count"], path, root)
            reader.check_inclusion(leaves[-1], index, batch["count"], path, root)
        assert reader.root_of(leaves) == root


def test_a_sealed_report_opens_for_its_order_alone():
    row = load("report")
    sealed, plaintext = bytes.fromhex(row["sealed"]), row["plaintext"].encode()
    key = PrivateKey(PublicKey.from_json(row["recipient"]), bytes.fromhex(row["secret"]))
    assert open_report(sealed, key, row["order"]) == plaintext
    assert hpke.open_sealed(sealed, key.secret, row["order"]) == plaintext
    said = row["delivered"]["report"]
    digest = b64u(hashlib.sha256(sealed).digest())
    assert (said["ciphertext"], said["size"], said["sealedTo"]) == (digest, len(sealed), key.kid)
    with pytest.raises(ValueError, match="another order"):
        open_report(sealed, key, row["order"][:-1] + "2")


def test_a_report_is_fingerprinted_whole_and_by_section_and_cites_its_batch():
    row = load("report")
    plaintext = row["plaintext"].encode()
    report, said = reader.parse(plaintext), row["delivered"]
    whole = reader.fingerprint(reader.unb64u(report["salt"]), plaintext)
    assert reader.b64u(whole) == said["report"]["fingerprint"]
    (batch,) = report["batches"]
    root = reader.unb64u(batch["root"])
    for part, delivered in zip(report["sections"], said["sections"], strict=True):
        content = reader.canonical({"records": part["records"], "section": part["section"]})
        digest = reader.fingerprint(reader.unb64u(part["salt"]), content)
        assert delivered["section"] == part["section"]
        assert delivered["fingerprint"] == reader.b64u(digest)
        assert delivered["batches"] == [batch["batch"]]
        for line in part["records"]:
            record = {
                "data": line["data"],
                "section": part["section"],
                "subject": report["subject"],
            }
            digest = reader.fingerprint(reader.unb64u(line["salt"]), reader.canonical(record))
            path = [reader.unb64u(text) for text in line["path"]]
            leaf = reader.leaf_hash(digest)
            reader.check_inclusion(leaf, line["index"], batch["count"], path, root)


# The page.


def test_the_page_names_every_vector_file():
    page = (generate.FOLDER.parents[1] / "docs" / "formats.md").read_text("utf-8")
    named = set(re.findall(r"fixtures/vectors/(\w+\.json)", page))
    assert named == set(FILES)
