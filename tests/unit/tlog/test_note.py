"""Signed notes and the texts of keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.ed25519 import BadKey
from creditchain.tlog.note import (
    NAME_BYTES_MAX,
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    BadNote,
    MalformedNote,
    Note,
    Signature,
    Signer,
    UnverifiedNote,
    Verifier,
    format_note,
    format_signer_key,
    format_vkey,
    open_note,
    parse_note,
    parse_signer_key,
    parse_vkey,
    sign_note,
)
from creditchain.tlog.wire import encode_base64
from tests.unit.tlog.trees import flips, prefixes

# golang/mod sumdb/note/note_test.go: two keys, one of them private, and a note they both signed.
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH_VKEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_SIGNED = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
    "pRZb6KE6RyyBwJnAM=\n"
)
ENOCH_SIGNED = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLo"
    "x33WWd1RvMc+QQ=\n"
)
PETER, ENOCH = parse_vkey(PETER_VKEY), parse_vkey(ENOCH_VKEY)

# The same file: keys whose id fits, but whose length or type does not.
UNFIT_VKEYS = [
    "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
]

SIGNER = Signer("log.example/a", bytes(range(32)))
OTHER = Signer("log.example/b", bytes(range(1, 33)))
NOTE = sign_note("one\n\ntwo\n", [SIGNER])

TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"]) | st.just("\n"), max_size=40
)


def test_the_example_of_the_specification_opens() -> None:
    # C2SP signed-note, "Verifier keys", Example.
    key = parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    opened = open_note(
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi"
        "2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
        [key],
    )
    assert opened.text == "This is an example message.\n"


def test_the_poem_of_the_specification_parses_with_the_blank_line_in_its_text() -> None:
    # C2SP signed-note, the note at the top.
    raw = (
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n"
        "ed è subito sera.\n\n"
        "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrM"
        "ouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
    )
    note = parse_note(raw)
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert note.signatures[0].key_id == 0x367BA04B
    assert format_note(note) == raw


def test_go_and_we_sign_the_same_bytes() -> None:
    signer = parse_signer_key(PETER_KEY)
    assert signer.verifier == PETER
    assert sign_note(TEXT, [signer]) == f"{TEXT}\n{PETER_SIGNED}"
    assert format_signer_key(signer) == PETER_KEY
    assert format_vkey(PETER) == PETER_VKEY


def test_a_note_opens_for_one_known_key_and_keeps_the_unknown_line() -> None:
    raw = f"{TEXT}\n{PETER_SIGNED}{ENOCH_SIGNED}"
    opened = open_note(raw, [PETER])
    assert opened.text == TEXT
    assert [s.name for s in opened.verified] == ["PeterNeumann"]
    assert [s.line for s in opened.unverified] == [ENOCH_SIGNED]
    assert len(open_note(raw.encode(), [PETER, ENOCH]).verified) == 2


def test_a_note_that_no_known_key_signed_does_not_open() -> None:
    with pytest.raises(UnverifiedNote, match="no known key"):
        open_note(f"{TEXT}\n{ENOCH_SIGNED}", [PETER])
    with pytest.raises(UnverifiedNote):
        open_note(f"{TEXT}\n{ENOCH_SIGNED}", [])


def test_one_wrong_signature_by_a_known_key_rejects_the_note() -> None:
    wrong = Signature(ENOCH.name, ENOCH.key_id, bytes(64)).line
    with pytest.raises(UnverifiedNote, match="EnochRoot"):
        open_note(f"{TEXT}\n{PETER_SIGNED}{wrong}", [PETER, ENOCH])
    # A right line before it does not cover for it.
    with pytest.raises(UnverifiedNote, match="EnochRoot"):
        open_note(f"{TEXT}\n{ENOCH_SIGNED}{wrong}", [ENOCH])


def test_a_key_is_known_by_name_and_id_together() -> None:
    renamed = PETER_SIGNED.replace("PeterNeumann", "Peter")
    renumbered = PETER_SIGNED.replace("x08go/", "x08gp/")
    for line in (renamed, renumbered):
        opened = open_note(f"{TEXT}\n{line}{ENOCH_SIGNED}", [PETER, ENOCH])
        assert [s.name for s in opened.verified] == ["EnochRoot"]
        assert len(opened.unverified) == 1


def test_a_repeated_line_counts_once() -> None:
    opened = open_note(f"{TEXT}\n{PETER_SIGNED}{PETER_SIGNED}{ENOCH_SIGNED}{ENOCH_SIGNED}", [PETER])
    assert len(opened.verified) == len(opened.unverified) == 1


def test_two_known_keys_of_one_name_and_id_are_refused() -> None:
    class Impostor:
        name, key_id = PETER.name, PETER.key_id

        def verify(self, text: bytes, signature: bytes) -> bool:
            return True

    with pytest.raises(UnverifiedNote, match="two known keys"):
        open_note(f"{TEXT}\n{PETER_SIGNED}", [PETER, Impostor()])
    assert open_note(f"{TEXT}\n{PETER_SIGNED}", [PETER, parse_vkey(PETER_VKEY)]).verified


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}{PETER_SIGNED}",
        f"{TEXT}\n{PETER_SIGNED[:-1]}",
        f"\x01{TEXT}\n{PETER_SIGNED}",
        f"\r{TEXT}\n{PETER_SIGNED}",
        f"{TEXT}\n{PETER_SIGNED}".replace("\n", "\r\n"),
        f"{TEXT}\n{PETER_SIGNED}Unexpected line.\n",
        f"{TEXT}\n{PETER_SIGNED}\n",
        f"{TEXT}\n {PETER_SIGNED}",
        f"{TEXT}\n{PETER_SIGNED.replace('—', '-')}",
        f"{TEXT}\n{PETER_SIGNED.replace('— ', '—')}",
        f"{TEXT}\n{PETER_SIGNED.replace('PeterNeumann', 'Peter Neumann')}",
        f"{TEXT}\n{PETER_SIGNED.replace('PeterNeumann', 'Peter+Neumann')}",
        f"{TEXT}\n{PETER_SIGNED.replace('PeterNeumann', 'Peter' + chr(0xA0) + 'Neumann')}",
        f"{TEXT}\n{PETER_SIGNED.replace('PeterNeumann ', ' ')}",
        f"{TEXT}\n{PETER_SIGNED.replace('=', '')}",
        f"{TEXT}\n{PETER_SIGNED.replace('nAM=', 'nAN=')}",
        f"{TEXT}\n{PETER_SIGNED.replace('nAM=', 'nA M=')}",
        f"{TEXT}\n— PeterNeumann x08gow==\n",
        f"{TEXT}\ud800\n\n{PETER_SIGNED}",
        f"{TEXT}\n" + PETER_SIGNED * (SIGNATURES_MAX + 1),
        f"{TEXT}\n{PETER_SIGNED}" + " " * NOTE_BYTES_MAX,
        "è" * (NOTE_BYTES_MAX // 2) + f"\n\n{PETER_SIGNED}",
    ],
)
def test_what_is_no_note_is_refused(raw: str) -> None:
    with pytest.raises(MalformedNote):
        open_note(raw, [PETER])
    with pytest.raises(MalformedNote):
        parse_note(raw.encode(errors="surrogatepass"))


def test_sixteen_post_quantum_signatures_fit() -> None:
    # signed-note: "MUST accept at least up to 16 signatures", each up to nearly 5 kB.
    lines = "".join(Signature(f"pq{i}", i, bytes(4700)).line for i in range(16))
    assert len(open_note(f"{TEXT}\n{PETER_SIGNED}{lines}", [PETER]).unverified) == 16


def test_the_largest_note_fits_and_no_larger_one() -> None:
    lines = NOTE.rpartition("\n\n")[2]
    room = NOTE_BYTES_MAX - len(f"\n\n{lines}".encode())
    largest = Note("x" * room + "\n", parse_note(NOTE).signatures)
    raw = format_note(largest)
    assert len(raw.encode()) == NOTE_BYTES_MAX
    assert parse_note(raw) == parse_note(raw.encode()) == largest
    with pytest.raises(MalformedNote, match="at most"):
        format_note(Note("x" + largest.text, largest.signatures))
    for larger in ("x" + raw, ("x" + raw).encode(), "è" + raw[1:]):
        with pytest.raises(MalformedNote, match="at most"):
            parse_note(larger)


def test_a_hundred_signatures_fit() -> None:
    signatures = tuple(Signature("a", number, b"x") for number in range(SIGNATURES_MAX))
    raw = format_note(Note(TEXT, signatures))
    assert parse_note(raw).signatures == signatures
    with pytest.raises(MalformedNote, match="1 to 100"):
        format_note(Note(TEXT, (*signatures, Signature("a", 100, b"x"))))


def test_every_mangled_byte_and_every_prefix_of_a_note_is_refused() -> None:
    raw = NOTE.encode()
    for mangled in [*flips(raw), *prefixes(raw)]:
        with pytest.raises(BadNote):
            open_note(mangled, [SIGNER.verifier])


@given(TEXTS, st.booleans())
def test_a_signed_text_opens_as_it_was(text: str, both: bool) -> None:
    signers = [SIGNER, OTHER] if both else [SIGNER]
    raw = sign_note(text + "\n", signers)
    opened = open_note(raw, [SIGNER.verifier])
    assert opened.text == text + "\n"
    assert len(opened.unverified) == len(signers) - 1
    assert format_note(parse_note(raw)) == raw


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_parses_as_a_note_is_its_one_spelling(raw: str | bytes) -> None:
    try:
        note = parse_note(raw)
    except MalformedNote:
        return
    assert format_note(note) == (raw if isinstance(raw, str) else raw.decode())


def test_a_text_that_is_no_text_of_a_note_is_not_signed() -> None:
    for text in ("", "no end", "tab\there\n", "nul\0\n", "\ud800\n"):
        with pytest.raises(MalformedNote):
            sign_note(text, [SIGNER])
    with pytest.raises(MalformedNote):
        sign_note("text\n", [])
    with pytest.raises(MalformedNote):
        format_note(Note("x" * NOTE_BYTES_MAX + "\n", parse_note(NOTE).signatures))


def test_every_part_and_every_mangled_byte_of_a_vkey_is_refused() -> None:
    for start in range(len(PETER_VKEY)):
        for end in range(start + 1, len(PETER_VKEY) + 1):
            if (start, end) != (0, len(PETER_VKEY)):
                with pytest.raises(BadKey):
                    parse_vkey(PETER_VKEY[start:end])
    for mangled in flips(PETER_VKEY.encode()):
        with pytest.raises(BadKey):
            parse_vkey(mangled.decode("latin-1"))


def test_every_mangled_byte_and_prefix_of_a_private_key_is_refused_without_telling_it() -> None:
    secret = PETER_KEY.rpartition("+")[2]
    for mangled in [*flips(PETER_KEY.encode()), *prefixes(PETER_KEY.encode())]:
        with pytest.raises(BadKey) as caught:
            parse_signer_key(mangled.decode("latin-1"))
        assert secret[:8] not in str(caught.value)


def test_a_signer_does_not_show_its_seed() -> None:
    signer = Signer("log.example", b"s" * 32)
    assert "s" * 32 not in repr(signer)
    assert encode_base64(b"s" * 32)[:16] not in repr(signer)


@pytest.mark.parametrize("text", [*UNFIT_VKEYS, PETER_VKEY.upper(), "", "+", "++", PETER_KEY])
def test_an_unfit_vkey_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        parse_vkey(text)


def test_a_cosigner_key_is_no_log_key() -> None:
    # Type 0x04 under its own, right id.
    key = "witness.example+" + "00000000+" + encode_base64(b"\x04" + PETER.public)
    with pytest.raises(BadKey, match="type"):
        parse_vkey(key)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_name_that_cannot_stand_in_a_line_names_no_key(name: str) -> None:
    fits = "+" not in name and not any(c.isspace() or c < " " for c in name)
    if not fits:
        with pytest.raises(BadKey):
            Verifier(name, PETER.public)
    else:
        verifier = Verifier(name, PETER.public)
        assert parse_vkey(format_vkey(verifier)) == verifier
        signer = Signer(name, bytes(32))
        assert parse_signer_key(format_signer_key(signer)) == signer


def test_a_key_id_is_written_in_hex_digits_alone() -> None:
    for hex_id in ("c74f20aX", "0X4f20a3", "C74F20A3", "c74f20a", " 74f20a3"):
        with pytest.raises(BadKey, match="hex digits"):
            parse_vkey(f"PeterNeumann+{hex_id}+{PETER_VKEY.rpartition('+')[2]}")


def test_a_name_has_1_to_255_bytes() -> None:
    longest = Verifier("n" * NAME_BYTES_MAX, PETER.public)
    assert parse_vkey(format_vkey(longest)) == longest
    for name in ("", "n" * (NAME_BYTES_MAX + 1), "è" * 128, "\ud800"):
        with pytest.raises(BadKey):
            Verifier(name, PETER.public)


def test_a_seed_has_32_bytes() -> None:
    for seed in (b"", bytes(31), bytes(33)):
        with pytest.raises(BadKey, match="seed"):
            Signer("log.example", seed)


def test_a_key_of_small_order_verifies_no_note() -> None:
    for first in (0, 1):
        with pytest.raises(BadKey):
            Verifier("log.example", bytes([first, *bytes(31)]))
