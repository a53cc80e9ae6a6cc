"""A stretch of a log in one file: what is written is read back, and nothing else is read."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.tlog.extract import MAGIC, BadExtract, ExtractReader, write_extract
from creditchain.tlog.merkle import SIZE_MAX
from creditchain.tlog.note import NOTE_BYTES_MAX
from creditchain.tlog.tile import ENTRY_BYTES_MAX

PAIRS = [(b"entry seven", b"its body"), (b"entry eight", b"")]

Pairs = list[tuple[bytes, bytes]]


def written(start: int = 7, note: str = "note\n", pairs: Pairs = PAIRS) -> bytes:
    file = io.BytesIO()
    write_extract(file, start, note, pairs)
    return file.getvalue()


def read(data: bytes, size: int = 9) -> tuple[int, str, Pairs]:
    reader = ExtractReader(io.BytesIO(data))
    return reader.start, reader.note, list(reader.pairs(size))


def test_the_bytes_are_those_of_the_format() -> None:
    assert written() == (
        b"creditchain log extract v1\n"
        b"\0\0\0\0\0\0\0\x07"
        b"\0\0\0\x05note\n"
        b"\0\x0bentry seven\0\x08its body"
        b"\0\x0bentry eight\0\0"
    )


@given(
    st.integers(0, 2**40),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=4),
)
def test_an_extract_is_read_back(start: int, note: str, pairs: Pairs) -> None:
    assert read(written(start, note, pairs), start + len(pairs)) == (start, note, pairs)


def test_the_pairs_may_be_read_again() -> None:
    reader = ExtractReader(io.BytesIO(written()))
    assert list(reader.pairs(9)) == list(reader.pairs(9)) == PAIRS


def test_the_largest_parts_fit_and_no_larger_ones() -> None:
    largest = b"x" * ENTRY_BYTES_MAX
    note = "n" * NOTE_BYTES_MAX
    assert read(written(SIZE_MAX, note, []), SIZE_MAX) == (SIZE_MAX, note, [])
    assert read(written(7, "", [(largest, largest)]), 8) == (7, "", [(largest, largest)])
    with pytest.raises(BadExtract, match="65536 bytes are over 65535"):
        written(pairs=[(largest + b"x", b"")])
    with pytest.raises(BadExtract, match="65536 bytes are over 65535"):
        written(pairs=[(b"", largest + b"x")])
    for start, text in ((-1, ""), (SIZE_MAX + 1, ""), (0, note + "n"), (0, "è" * NOTE_BYTES_MAX)):
        with pytest.raises(BadExtract, match="no log"):
            written(start, text, [])


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"creditchain log extract v2\n" + bytes(12), "begin"),
        (MAGIC.upper() + bytes(12), "begin"),
        (b"", "begin"),
        (MAGIC, "cut short"),
        (MAGIC + bytes(11), "cut short"),
        (MAGIC + (SIZE_MAX + 1).to_bytes(8) + bytes(4), "numbers"),
        (MAGIC + bytes(8) + (NOTE_BYTES_MAX + 1).to_bytes(4) + bytes(NOTE_BYTES_MAX + 1), "number"),
        (MAGIC + bytes(8) + b"\0\0\0\x02\xc3\x28", "UTF-8"),
        (MAGIC + bytes(8) + b"\0\0\0\x02n", "cut short"),
    ],
)
def test_what_is_no_head_of_an_extract_is_refused(head: bytes, reason: str) -> None:
    with pytest.raises(BadExtract, match=reason):
        ExtractReader(io.BytesIO(head))


def test_no_part_of_an_extract_is_read_as_the_whole() -> None:
    whole = written()
    for end in range(len(whole)):
        with pytest.raises(BadExtract):
            read(whole[:end])
    with pytest.raises(BadExtract, match="after its last"):
        read(whole + b"\0")
    with pytest.raises(BadExtract, match="after its last"):
        read(whole, 8)
    with pytest.raises(BadExtract, match="cut short"):
        read(whole, 10)
