"""Numbers and base64 with one spelling each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.tlog.wire import (
    NUMBER_MAX,
    decode_base64,
    decode_decimal,
    decode_hash,
    encode_base64,
)


@given(st.integers(0, NUMBER_MAX))
def test_a_number_is_read_back(number: int) -> None:
    assert decode_decimal(str(number)) == number


def test_the_largest_number_is_read() -> None:
    assert decode_decimal("9223372036854775807") == NUMBER_MAX


@pytest.mark.parametrize(
    "text",
    ["", "00", "01", "-1", "+1", " 1", "1 ", "1\n", "1_0", "0x1", "1e3", "1.0", "١", "²", "½",
     str(NUMBER_MAX + 1), "9" * 5000],
)  # fmt: skip
def test_a_second_spelling_of_a_number_is_refused(text: str) -> None:
    assert decode_decimal(text) is None


def test_a_number_above_its_bound_is_refused() -> None:
    assert decode_decimal("7", 7) == 7
    assert decode_decimal("8", 7) is None


@given(st.binary(max_size=70))
def test_base64_is_read_back(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


# RFC 4648 section 10 gives the first form of each; the others name the same bytes a second time.
@pytest.mark.parametrize(
    "text",
    ["Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n", "\nZm9v", "Zm 9v", "Zm-v", "Zm_v", "Zm9v====",
     "Zg==Zg==", "Zm9vé", "\ud800", "="],
)  # fmt: skip
def test_a_second_spelling_of_base64_is_refused(text: str) -> None:
    assert decode_base64(text) is None


@given(st.text(alphabet="AZaz09+/=-_ \n", max_size=12))
def test_whatever_base64_is_read_is_its_one_spelling(text: str) -> None:
    data = decode_base64(text)
    assert data is None or encode_base64(data) == text


def test_a_hash_has_32_bytes() -> None:
    assert decode_hash(encode_base64(bytes(32))) == bytes(32)
    assert decode_hash(encode_base64(bytes(31))) is None
    assert decode_hash(encode_base64(bytes(33))) is None
    assert decode_hash("") is None
