"""Checkpoints and their cosignatures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.ed25519 import BadKey, verify
from creditchain.tlog.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from creditchain.tlog.cosignature import (
    CosignatureSigner,
    CosignatureVerifier,
    format_cosigner_key,
    format_cosigner_vkey,
    open_cosignatures,
    parse_cosigner_key,
    parse_cosigner_vkey,
)
from creditchain.tlog.merkle import EMPTY_ROOT, SIZE_MAX
from creditchain.tlog.note import (
    BadNote,
    MalformedNote,
    Signer,
    UnverifiedNote,
    format_vkey,
    parse_note,
    sign_note,
)
from creditchain.tlog.wire import NUMBER_MAX, decode_base64
from tests.unit.tlog.trees import flips, prefixes

# C2SP tlog-checkpoint and tlog-cosignature: the example checkpoint with its cosignature, whose
# keys the specification does not give, and the message that was cosigned.
EXAMPLE_TEXT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
)
EXAMPLE = (
    f"{EXAMPLE_TEXT}\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2"
    "q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2"
    "oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
EXAMPLE_ROOT = decode_base64("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=") or b""
EXAMPLE_TIME_S = 1_679_315_147

LOG = Signer("log.example/credit", b"L" * 32)
WITNESS = CosignatureSigner("observer.example/witness", b"W" * 32)
AUDIT = CosignatureSigner("observer.example/audit", b"A" * 32)
CHECKPOINT = Checkpoint(LOG.name, 300, b"r" * 32)
TEXT = format_checkpoint(CHECKPOINT)
SIGNED = sign_checkpoint(CHECKPOINT, LOG)


def test_the_example_of_the_specification_parses() -> None:
    note = parse_note(EXAMPLE)
    checkpoint = parse_checkpoint(note.text)
    assert checkpoint == Checkpoint("example.com/behind-the-sofa", 20_852_163, EXAMPLE_ROOT)
    assert format_checkpoint(checkpoint) == EXAMPLE_TEXT
    cosigned = note.signatures[1].data
    assert len(cosigned) == 8 + 64
    assert int.from_bytes(cosigned[:8]) == EXAMPLE_TIME_S


def test_the_cosigned_message_is_that_of_the_specification() -> None:
    # C2SP tlog-cosignature, "Ed25519 signed message".
    cosignature = WITNESS.cosign(EXAMPLE_TEXT, EXAMPLE_TIME_S)
    message = f"cosignature/v1\ntime 1679315147\n{EXAMPLE_TEXT}".encode()
    data = parse_note(f"{EXAMPLE_TEXT}\n{cosignature.line}").signatures[0].data
    assert data[:8] == bytes.fromhex("00000000641850cb")
    assert verify(WITNESS.verifier._key, data[8:], message)


def test_an_empty_log_has_size_0_and_the_empty_root() -> None:
    text = format_checkpoint(Checkpoint("log.example", 0, EMPTY_ROOT))
    assert text == "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n1\n",
        TEXT[:-1],
        f"\n{TEXT}",
        f"{TEXT}\n",
        TEXT.replace("300", "0300"),
        TEXT.replace("300", "-300"),
        TEXT.replace("300", "+300"),
        TEXT.replace("300", "3_00"),
        TEXT.replace("300", " 300"),
        TEXT.replace("300", str(SIZE_MAX + 1)),
        TEXT.replace("300", ""),
        TEXT.replace("cnI=", "cnJ="),
        TEXT.replace("cnI=", "cnJy"),
        TEXT.replace("cnI=", "cnI"),
        TEXT.replace("cnI=", "cnI= "),
        "a\n1\ncg==\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        parse_checkpoint(text, extensions_allowed=True)
    with pytest.raises(BadNote):
        open_checkpoint(sign_note(text, [LOG]), LOG.verifier, extensions_allowed=True)


def test_extension_lines_are_refused_unless_allowed() -> None:
    text = f"{TEXT}timestamp 1\n"
    with pytest.raises(BadCheckpoint, match="extension"):
        parse_checkpoint(text)
    with pytest.raises(BadCheckpoint, match="extension"):
        open_checkpoint(sign_note(text, [LOG]), LOG.verifier)
    allowed = parse_checkpoint(text, extensions_allowed=True)
    assert allowed.extensions == ("timestamp 1",)
    opened = open_checkpoint(sign_note(text, [LOG]), LOG.verifier, extensions_allowed=True)
    assert opened.checkpoint == allowed
    assert format_checkpoint(allowed) == text


@given(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.integers(0, SIZE_MAX),
    st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_parses_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@given(st.text(alphabet="a0123456789=\nAB+/", max_size=80))
def test_whatever_parses_as_a_checkpoint_is_its_one_spelling(text: str) -> None:
    for wanted in (text, f"{text}\n1\n{TEXT.splitlines()[2]}\n"):
        try:
            checkpoint = parse_checkpoint(wanted, extensions_allowed=True)
        except BadCheckpoint:
            continue
        assert format_checkpoint(checkpoint) == wanted


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, b"r" * 32),
        Checkpoint("a\nb", 1, b"r" * 32),
        Checkpoint("a", -1, b"r" * 32),
        Checkpoint("a", SIZE_MAX + 1, b"r" * 32),
        Checkpoint("a", 1, b"r" * 31),
        Checkpoint("a", 1, b"r" * 32, ("",)),
        Checkpoint("a", 1, b"r" * 32, ("x\ny",)),
    ],
)
def test_what_could_not_be_parsed_back_is_not_formatted(checkpoint: Checkpoint) -> None:
    with pytest.raises(BadCheckpoint):
        format_checkpoint(checkpoint)


def test_every_mangled_byte_and_every_prefix_of_a_checkpoint_is_refused() -> None:
    raw = (SIGNED + WITNESS.cosign(TEXT, 7).line).encode()
    assert len(open_checkpoint(raw, LOG.verifier, [WITNESS.verifier]).cosignatures) == 1
    for mangled in flips(raw):
        try:
            opened = open_checkpoint(mangled, LOG.verifier, [WITNESS.verifier])
        except BadNote:
            continue
        # Only what names the witness may change without harm: then it is some stranger's line.
        assert opened.checkpoint == CHECKPOINT
        assert opened.cosignatures == ()
    for cut in prefixes(raw):
        if cut.decode(errors="ignore") != SIGNED:
            with pytest.raises(BadNote):
                open_checkpoint(cut, LOG.verifier, [WITNESS.verifier])


def test_a_log_signs_only_its_own_checkpoints() -> None:
    with pytest.raises(BadCheckpoint, match="origin"):
        sign_checkpoint(Checkpoint("other.example", 1, b"r" * 32), LOG)
    foreign = sign_note(format_checkpoint(Checkpoint("other.example", 1, b"r" * 32)), [LOG])
    with pytest.raises(BadCheckpoint, match="another log"):
        open_checkpoint(foreign, LOG.verifier)


def test_cosigners_alone_do_not_make_a_checkpoint() -> None:
    cosigned = f"{TEXT}\n{WITNESS.cosign(TEXT, 7).line}"
    with pytest.raises(UnverifiedNote, match="the log"):
        open_checkpoint(cosigned, LOG.verifier, [WITNESS.verifier])


def test_the_cosignatures_of_known_cosigners_come_with_their_times() -> None:
    raw = SIGNED + AUDIT.cosign(TEXT, 9).line + WITNESS.cosign(TEXT, 7).line
    opened = open_checkpoint(raw, LOG.verifier, [WITNESS.verifier, AUDIT.verifier])
    assert opened.note_text == TEXT
    assert [(c.name, c.time_s) for c in opened.cosignatures] == [
        ("observer.example/witness", 7),
        ("observer.example/audit", 9),
    ]
    assert SIGNED + "".join(c.line for c in reversed(opened.cosignatures)) == raw
    assert open_checkpoint(raw, LOG.verifier).cosignatures == ()


def test_a_cosigner_may_sign_again_later() -> None:
    raw = SIGNED + WITNESS.cosign(TEXT, 7).line + WITNESS.cosign(TEXT, 8).line
    opened = open_checkpoint(raw, LOG.verifier, [WITNESS.verifier])
    assert [c.time_s for c in opened.cosignatures] == [7, 8]


def test_a_wrong_cosignature_by_a_known_cosigner_rejects_the_checkpoint() -> None:
    elsewhere = WITNESS.cosign(TEXT.replace("300", "301"), 7)
    with pytest.raises(UnverifiedNote, match="witness"):
        open_checkpoint(SIGNED + elsewhere.line, LOG.verifier, [WITNESS.verifier])


def test_a_cosignature_is_bound_to_its_time() -> None:
    data = parse_note(SIGNED + WITNESS.cosign(TEXT, 7).line).signatures[1].data
    raw = TEXT.encode()
    assert WITNESS.verifier.verify(raw, data)
    assert not WITNESS.verifier.verify(raw, (8).to_bytes(8) + data[8:])
    for mangled in flips(data):
        assert not WITNESS.verifier.verify(raw, mangled)
    for length in (*range(len(data)), len(data) + 1):
        assert not WITNESS.verifier.verify(raw, (data + b"\0")[:length])


def test_a_log_signature_is_no_cosignature_under_the_same_key() -> None:
    same = CosignatureSigner(LOG.name, LOG.seed)
    assert same.key_id != LOG.key_id
    assert not same.verifier.verify(TEXT.encode(), bytes(8) + LOG.sign(TEXT.encode()))


def test_a_log_line_is_not_counted_as_a_cosignature_of_the_same_name() -> None:
    namesake = CosignatureSigner(LOG.name, b"N" * 32)
    opened = open_checkpoint(SIGNED, LOG.verifier, [namesake.verifier])
    assert opened.cosignatures == ()
    both = open_checkpoint(
        SIGNED + namesake.cosign(TEXT, 7).line, LOG.verifier, [namesake.verifier]
    )
    assert [c.time_s for c in both.cosignatures] == [7]


def test_a_time_that_v1_cannot_carry_is_not_signed_and_not_accepted() -> None:
    for time_s in (0, NUMBER_MAX):
        cosignature = WITNESS.cosign(TEXT, time_s)
        assert (cosignature.name, cosignature.time_s) == (WITNESS.name, time_s)
        assert open_cosignatures(cosignature.line, TEXT, [WITNESS.verifier]) == (cosignature,)
    for time_s in (-1, NUMBER_MAX + 1):
        with pytest.raises(ValueError, match="time"):
            WITNESS.cosign(TEXT, time_s)
    late = 2**63
    signature = WITNESS._key.sign(b"cosignature/v1\ntime %d\n%b" % (late, TEXT.encode()))
    assert not WITNESS.verifier.verify(TEXT.encode(), late.to_bytes(8) + signature)
    with pytest.raises(MalformedNote):
        WITNESS.cosign("no newline", 1)


def test_the_answer_of_a_witness_opens_against_what_it_was_sent() -> None:
    lines = WITNESS.cosign(TEXT, 7).line + AUDIT.cosign(TEXT, 8).line
    for answer in (lines, lines.encode()):
        opened = open_cosignatures(answer, TEXT, [AUDIT.verifier])
        assert [(c.name, c.time_s) for c in opened] == [("observer.example/audit", 8)]


@pytest.mark.parametrize(
    "answer",
    ["", "\n", "ok\n", "\n" + WITNESS.cosign(TEXT, 7).line, WITNESS.cosign(TEXT, 7).line[:-1],
     WITNESS.cosign(TEXT, 7).line + "\n" + WITNESS.cosign(TEXT, 7).line,
     AUDIT.cosign(TEXT, 7).line, WITNESS.cosign(TEXT + "x\n", 7).line, b"\xff\n"],
)  # fmt: skip
def test_an_answer_without_a_good_cosignature_is_refused(answer: str | bytes) -> None:
    with pytest.raises(BadNote):
        open_cosignatures(answer, TEXT, [WITNESS.verifier])


def test_an_answer_cannot_move_the_end_of_the_text() -> None:
    # The witness signs a longer text and hides the rest of it in front of its line.
    longer = f"{TEXT}\nforged\n"
    answer = f"forged\n\n{WITNESS.cosign(longer, 7).line}"
    with pytest.raises(MalformedNote):
        open_cosignatures(answer, TEXT, [WITNESS.verifier])
    # Or it signs one more empty line, and begins its answer with it.
    with pytest.raises(MalformedNote):
        open_cosignatures("\n" + WITNESS.cosign(TEXT + "\n", 7).line, TEXT, [WITNESS.verifier])


def test_the_texts_of_cosigner_keys_parse_back_and_are_no_note_keys() -> None:
    vkey, key = format_cosigner_vkey(WITNESS.verifier), format_cosigner_key(WITNESS)
    assert parse_cosigner_vkey(vkey) == WITNESS.verifier
    assert parse_cosigner_key(key) == WITNESS
    for mangled in [*flips(vkey.encode()), *prefixes(vkey.encode())]:
        with pytest.raises(BadKey):
            parse_cosigner_vkey(mangled.decode("latin-1"))
    for mangled in [*flips(key.encode()), *prefixes(key.encode())]:
        with pytest.raises(BadKey):
            parse_cosigner_key(mangled.decode("latin-1"))
    with pytest.raises(BadKey, match="type"):
        parse_cosigner_vkey(format_vkey(LOG.verifier))
    assert "WWWW" not in repr(WITNESS)


def test_a_cosigner_key_of_small_order_is_refused() -> None:
    with pytest.raises(BadKey):
        CosignatureVerifier("witness.example", bytes(32))
