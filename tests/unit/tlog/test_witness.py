"""What a witness is sent, and how it decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.tlog.checkpoint import (
    Checkpoint,
    OpenedCheckpoint,
    format_checkpoint,
    sign_checkpoint,
)
from creditchain.tlog.merkle import EMPTY_ROOT
from creditchain.tlog.note import Signer, parse_note, sign_note
from creditchain.tlog.proof import PROOF_HASHES_MAX, prove_consistency
from creditchain.tlog.wire import encode_base64
from creditchain.tlog.witness import (
    REQUEST_BYTES_MAX,
    REQUEST_BYTES_PORTABLE,
    AddCheckpoint,
    MalformedRequest,
    Status,
    format_add_checkpoint,
    judge,
    parse_add_checkpoint,
)
from tests.unit.tlog.trees import Rows, flips, leaves_of, mth, prefixes

# C2SP tlog-witness, add-checkpoint: the example request body.
EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()  # noqa: E501

LOG = Signer("log.example/credit", b"L" * 32)
STRANGER = Signer("log.example/credit", b"S" * 32)
LEAVES = leaves_of(70)
ROOTS = [mth(LEAVES[:size]) for size in range(71)]
READER = Rows(LEAVES)
HASH = encode_base64(bytes(32))


def _note(size: int, root: bytes | None = None, signer: Signer = LOG) -> str:
    root = ROOTS[size] if root is None else root
    return sign_checkpoint(Checkpoint(LOG.name, size, root), signer)


def signed(size: int) -> OpenedCheckpoint:
    """What the log has signed of a size, opened, without anyone's cosignatures."""
    checkpoint = Checkpoint(LOG.name, size, ROOTS[size])
    return OpenedCheckpoint(checkpoint, format_checkpoint(checkpoint), ())


def _request(old: int, new: int) -> AddCheckpoint:
    proof = prove_consistency(old, new, READER)
    return parse_add_checkpoint(format_add_checkpoint(old, proof, _note(new)))


def test_the_example_of_the_specification_parses() -> None:
    request = parse_add_checkpoint(EXAMPLE)
    assert request.old == 20_852_014
    assert len(request.proof) == 4
    assert request.origin == "example.com/behind-the-sofa"
    assert len(parse_note(request.note).signatures) == 2
    assert format_add_checkpoint(request.old, request.proof, request.note) == EXAMPLE


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_parses_back(old: int, proof: list[bytes]) -> None:
    body = format_add_checkpoint(old, proof, _note(70))
    assert parse_add_checkpoint(body) == AddCheckpoint(old, tuple(proof), _note(70))
    assert len(body) < 10_240  # what the smallest deployed witness takes


@pytest.mark.parametrize(
    "body",
    [
        "", "old", "old 0", "old 0\n", "old 0\n\n", f"\n\n{_note(1)}", f"0\n\n{_note(1)}",
        f"old  0\n\n{_note(1)}", f"old 00\n\n{_note(1)}", f"old -1\n\n{_note(1)}",
        f"old +1\n\n{_note(1)}", f"old {2**63}\n\n{_note(1)}", f"old 0 \n\n{_note(1)}",
        f"Old 0\n\n{_note(1)}", f"new 0\n\n{_note(1)}", f"old 0\n{_note(1)}",
        f"old 0\nAAAA\n\n{_note(1)}", f"old 0\n{HASH} \n\n{_note(1)}",
        f"old 0\n{HASH}x\n\n{_note(1)}",
        f"old 0\r\n\r\n{_note(1)}",
        "old 0\n" + f"{HASH}\n" * (PROOF_HASHES_MAX + 1) + f"\n{_note(1)}",
        "old 0\n\n" + "x" * REQUEST_BYTES_MAX,
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(body: str) -> None:
    with pytest.raises(MalformedRequest):
        parse_add_checkpoint(body.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(MalformedRequest):
        parse_add_checkpoint(b"old 0\n\n\xff" + _note(1).encode())


def test_no_mangled_request_is_accepted_and_no_prefix_parses() -> None:
    body = format_add_checkpoint(40, prove_consistency(40, 70, READER), _note(70))
    for mangled in flips(body):
        try:
            request = parse_add_checkpoint(mangled)
        except MalformedRequest:
            continue
        keys = [LOG.verifier] if request.origin == LOG.name else []
        assert judge(request, keys, (40, ROOTS[40])).status is not Status.ACCEPTED
    for cut in prefixes(body):
        with pytest.raises(MalformedRequest):
            parse_add_checkpoint(cut)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_the_one_error(body: bytes) -> None:
    for wanted in (body, b"old 0\n\n" + body):
        try:
            request = parse_add_checkpoint(wanted)
        except MalformedRequest:
            continue
        assert format_add_checkpoint(request.old, request.proof, request.note) == wanted


def test_what_could_not_be_sent_is_not_formatted() -> None:
    for old, proof in ((-1, ()), (2**63, ()), (1, (b"short",)), (1, (bytes(32),) * 64)):
        with pytest.raises(MalformedRequest):
            format_add_checkpoint(old, proof, _note(70))
    with pytest.raises(MalformedRequest):
        format_add_checkpoint(0, (), "no note")
    crowd = [Signer(f"key{i}.example", b"L" * 32) for i in range(99)]
    with pytest.raises(MalformedRequest, match="10240"):
        format_add_checkpoint(0, (), sign_note(parse_note(_note(1)).text, crowd))


def test_63_hashes_are_sent_and_the_largest_request_is_what_deployed_witnesses_take() -> None:
    assert len(parse_add_checkpoint(_sent(bytes(32), count=63)).proof) == PROOF_HASHES_MAX
    spare = REQUEST_BYTES_PORTABLE - len(format_add_checkpoint(0, (), sign_note("x\n", [LOG])))
    largest = sign_note("x" * (1 + spare) + "\n", [LOG])
    assert len(format_add_checkpoint(0, (), largest)) == REQUEST_BYTES_PORTABLE
    with pytest.raises(MalformedRequest, match="10240"):
        format_add_checkpoint(0, (), sign_note("x" * (2 + spare) + "\n", [LOG]))


def _sent(proof_hash: bytes, count: int) -> bytes:
    return format_add_checkpoint(1, (proof_hash,) * count, _note(70))


@pytest.mark.parametrize(
    ("old", "new"), [(0, 0), (0, 1), (0, 70), (1, 70), (40, 70), (64, 70), (70, 70)]
)
def test_a_checkpoint_that_extends_the_last_is_accepted(old: int, new: int) -> None:
    head = (old, ROOTS[old])
    verdict = judge(_request(old, new), [LOG.verifier], head)
    assert verdict.status is Status.ACCEPTED
    assert verdict.checkpoint is not None
    assert verdict.checkpoint == signed(new)
    assert verdict.reason
    if old == 0:
        assert judge(_request(0, new), [LOG.verifier], None) == verdict


def test_an_unknown_log_is_answered_404() -> None:
    verdict = judge(_request(0, 70), [], None)
    assert verdict.status == 404
    assert verdict.reason


def test_a_checkpoint_without_a_trusted_signature_is_answered_403() -> None:
    unsigned = AddCheckpoint(0, (), _note(70, signer=STRANGER))
    assert judge(unsigned, [LOG.verifier], None).status == 403
    bad_line = _note(69).rpartition("\n\n")[2]
    spoilt = AddCheckpoint(0, (), _note(70) + bad_line)
    verdict = judge(spoilt, [LOG.verifier], None)
    assert verdict.status == 403
    assert verdict.checkpoint is None


def test_either_key_of_a_log_that_changes_keys_will_do() -> None:
    for signer in (LOG, STRANGER):
        request = AddCheckpoint(0, (), _note(70, signer=signer))
        assert judge(request, [LOG.verifier, STRANGER.verifier], None).status == 200


def test_an_old_size_above_the_checkpoint_is_answered_400() -> None:
    request = AddCheckpoint(70, (), _note(69))
    verdict = judge(request, [LOG.verifier], (70, ROOTS[70]))
    assert verdict.status == 400
    assert (verdict.checkpoint, bool(verdict.reason)) == (signed(69), True)


def test_a_signed_text_that_is_no_checkpoint_is_answered_400() -> None:
    for text in (
        f"{LOG.name}\n",
        f"{LOG.name}\n1\n{HASH}\nextension\n",
        f"{LOG.name}\n01\n{HASH}\n",
    ):
        request = AddCheckpoint(0, (), sign_note(text, [LOG]))
        assert judge(request, [LOG.verifier], None).status == 400


def test_an_old_size_that_is_not_the_last_is_answered_409_with_the_last() -> None:
    for old in (0, 39, 41):
        verdict = judge(_request(old, 70), [LOG.verifier], (40, ROOTS[40]))
        assert verdict.status == 409
        assert verdict.head_size == 40
        assert (verdict.checkpoint, bool(verdict.reason)) == (signed(70), True)
    assert judge(_request(40, 70), [LOG.verifier], None).head_size == 0


def test_a_wrong_proof_is_answered_422_and_the_checkpoint_kept_as_evidence() -> None:
    proof = prove_consistency(40, 70, READER)
    head = (40, ROOTS[40])
    for bad in ((), proof[:-1], (*proof, bytes(32)), (bytes(32), *proof[1:])):
        verdict = judge(AddCheckpoint(40, bad, _note(70)), [LOG.verifier], head)
        assert verdict.status == 422
        assert verdict.checkpoint == signed(70)
        assert "proof" in verdict.reason
    forked = judge(_request(40, 70), [LOG.verifier], (40, ROOTS[41]))
    assert forked.status == 422
    assert forked.checkpoint is not None


def test_another_root_for_the_same_size_is_answered_422() -> None:
    request = AddCheckpoint(70, (), _note(70, ROOTS[69]))
    assert judge(request, [LOG.verifier], (70, ROOTS[70])).status == 422


def test_a_proof_from_size_0_is_answered_422() -> None:
    assert judge(AddCheckpoint(0, (bytes(32),), _note(70)), [LOG.verifier], None).status == 422


def test_size_0_with_another_root_than_the_empty_one_is_answered_422() -> None:
    assert judge(AddCheckpoint(0, (), _note(0, ROOTS[1])), [LOG.verifier], None).status == 422
    assert judge(AddCheckpoint(0, (), _note(0, EMPTY_ROOT)), [LOG.verifier], None).status == 200
