"""Offline proofs in one text, and the examples in our docstrings."""

import doctest
import importlib
import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import creditchain.tlog
from creditchain.tlog.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from creditchain.tlog.cosignature import CosignatureSigner, format_cosigner_vkey
from creditchain.tlog.merkle import SIZE_MAX, leaf_hashes_of
from creditchain.tlog.note import Signer, format_vkey
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.proof import PROOF_HASHES_MAX, BadProof, prove_inclusion
from creditchain.tlog.tlogproof import (
    EXTRA_BYTES_MAX,
    TLOG_PROOF_BYTES_MAX,
    BadTlogProof,
    CheckedProof,
    MalformedTlogProof,
    TlogProof,
    UntrustedTlogProof,
    check_tlog_proof,
    format_tlog_proof,
    parse_tlog_proof,
)
from tests.unit.tlog.trees import Rows, flips, mth, prefixes

# C2SP tlog-proof, the example at the top; its elided signatures are replaced by one that parses.
EXAMPLE = """\
c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/fancylog hI2DJwAA
"""

LOG = Signer("log.example/credit", b"L" * 32)
WITNESS = CosignatureSigner("observer.example/audit", b"W" * 32)
ENTRIES = [f"entry {i}".encode() for i in range(70)]
LEAVES = leaf_hashes_of(ENTRIES)
CHECKPOINT = Checkpoint(LOG.name, 70, mth(LEAVES))
NOTE = sign_checkpoint(CHECKPOINT, LOG) + WITNESS.cosign(format_checkpoint(CHECKPOINT), 7).line
HASHES = prove_inclusion(41, 70, Rows(LEAVES))
PROOF = format_tlog_proof(TlogProof(41, HASHES, NOTE))
POLICY = parse_policy(
    f"log {format_vkey(LOG.verifier)}\n"
    f"witness audit {format_cosigner_vkey(WITNESS.verifier)}\nquorum audit\n"
)
HEAD = "c2sp.org/tlog-proof@v1\n"


def test_the_example_of_the_specification_parses() -> None:
    proof = parse_tlog_proof(EXAMPLE)
    assert proof.index == 73_894
    assert len(proof.hashes) == 5
    assert proof.extra is not None
    assert proof.extra.startswith(b"age-v1.2.1-darwin-arm64.tar.gz")
    assert proof.checkpoint_note.startswith("example.com/fancylog\n109482\n")
    assert format_tlog_proof(proof) == EXAMPLE


def test_a_proof_shows_its_entry_at_its_index() -> None:
    for text in (PROOF, PROOF.encode()):
        checked = check_tlog_proof(text, ENTRIES[41], POLICY)
        assert isinstance(checked, CheckedProof)
        assert (checked.index, checked.checkpoint) == (41, CHECKPOINT)
        assert [(c.name, c.time_s) for c in checked.cosignatures] == [(WITNESS.name, 7)]


def test_a_proof_shows_no_other_entry_and_no_other_index() -> None:
    with pytest.raises(BadTlogProof, match="another root"):
        check_tlog_proof(PROOF, ENTRIES[40], POLICY)
    for index in (40, 42, 69, 70, 10**9):
        with pytest.raises(BadTlogProof):
            check_tlog_proof(PROOF.replace("index 41", f"index {index}"), ENTRIES[41], POLICY)


def test_a_leaf_hash_is_not_taken_for_an_entry() -> None:
    with pytest.raises(BadTlogProof):
        check_tlog_proof(PROOF, LEAVES[41], POLICY)


def test_a_proof_under_a_stranger_or_without_the_quorum_is_not_trusted() -> None:
    stranger = Signer(LOG.name, b"S" * 32)
    for note, reason in (
        (sign_checkpoint(CHECKPOINT, stranger), "no known key"),
        (sign_checkpoint(CHECKPOINT, LOG), "too few witnesses"),
    ):
        text = format_tlog_proof(TlogProof(41, HASHES, note))
        with pytest.raises(UntrustedTlogProof, match=reason):
            check_tlog_proof(text, ENTRIES[41], POLICY)


def test_every_mangled_byte_and_every_prefix_of_a_proof_is_refused() -> None:
    raw = PROOF.encode()
    for mangled in [*flips(raw), *prefixes(raw)]:
        with pytest.raises(BadProof):
            check_tlog_proof(mangled, ENTRIES[41], POLICY)


def test_extra_data_comes_along_and_changes_nothing() -> None:
    for extra in (b"", b"out of band"):
        text = format_tlog_proof(TlogProof(41, HASHES, NOTE, extra))
        assert parse_tlog_proof(text).extra == extra
        assert check_tlog_proof(text, ENTRIES[41], POLICY) == check_tlog_proof(
            PROOF, ENTRIES[41], POLICY
        )


@given(
    st.integers(0, SIZE_MAX - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=PROOF_HASHES_MAX),
    st.none() | st.binary(max_size=40),
)
def test_a_proof_parses_back(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index, tuple(hashes), NOTE, extra)
    assert parse_tlog_proof(format_tlog_proof(proof)) == proof


@pytest.mark.parametrize(
    "text",
    [
        "", HEAD, f"{HEAD}index 0\n", f"{HEAD}index 0\n\n", f"{HEAD}\n{NOTE}", f"index 0\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v2\nindex 0\n\n{NOTE}", f"{HEAD}index 00\n\n{NOTE}",
        f"{HEAD}index -1\n\n{NOTE}", f"{HEAD}index  1\n\n{NOTE}",
        f"{HEAD}index {SIZE_MAX}\n\n{NOTE}",
        f"{HEAD}index 0\nextra AA==\n\n{NOTE}", f"{HEAD}extra AB==\nindex 0\n\n{NOTE}",
        f"{HEAD}extra AA==\nextra AA==\nindex 0\n\n{NOTE}", f"{HEAD}extra\nindex 0\n\n{NOTE}",
        f"{HEAD}index 0\nindex 0\n\n{NOTE}", f"{HEAD}index 0\nAAAA\n\n{NOTE}",
        f"{HEAD}index 0\n{NOTE}", f" {HEAD}index 0\n\n{NOTE}", f"{HEAD}index 0\r\n\r\n{NOTE}",
        f"{HEAD}index 0\n" + f"{'A' * 43}=\n" * (PROOF_HASHES_MAX + 1) + f"\n{NOTE}",
        f"{HEAD}extra {'AAAA' * (EXTRA_BYTES_MAX // 3 + 1)}\nindex 0\n\n{NOTE}",
        "x" * (TLOG_PROOF_BYTES_MAX + 1), f"{HEAD}extra \ud800\nindex 0\n\n{NOTE}",
    ],
)  # fmt: skip
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(MalformedTlogProof):
        parse_tlog_proof(text)
    with pytest.raises(MalformedTlogProof):
        parse_tlog_proof(text.encode(errors="surrogatepass"))


def test_the_largest_extra_data_fits() -> None:
    text = format_tlog_proof(TlogProof(41, HASHES, NOTE, bytes(EXTRA_BYTES_MAX)))
    assert len(parse_tlog_proof(text).extra or b"") == EXTRA_BYTES_MAX


def test_63_hashes_and_the_last_index_fit() -> None:
    proof = TlogProof(SIZE_MAX - 1, (bytes(32),) * PROOF_HASHES_MAX, NOTE)
    assert parse_tlog_proof(format_tlog_proof(proof)) == proof


def test_a_proof_without_a_note_says_what_is_wrong_with_the_note() -> None:
    for text in (f"{HEAD}index 0\n\nno note", f"{HEAD}index 0\n\nno\n\nnote"):
        with pytest.raises(MalformedTlogProof, match="a note"):
            parse_tlog_proof(text)


def test_what_could_not_be_parsed_back_is_not_formatted() -> None:
    for proof in (
        TlogProof(-1, HASHES, NOTE),
        TlogProof(SIZE_MAX, HASHES, NOTE),
        TlogProof(41, (b"short",), NOTE),
        TlogProof(41, (bytes(32),) * 64, NOTE),
        TlogProof(41, HASHES, "no note"),
        TlogProof(41, HASHES, NOTE, bytes(EXTRA_BYTES_MAX + 1)),
    ):
        with pytest.raises(MalformedTlogProof):
            format_tlog_proof(proof)


@pytest.mark.parametrize(
    "module",
    [
        "creditchain.tlog",
        *(f"creditchain.tlog.{m.name}" for m in pkgutil.iter_modules(creditchain.tlog.__path__)),
    ],
)
def test_the_examples_in_the_docstrings_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0
