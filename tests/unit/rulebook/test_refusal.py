"""What people read when they are refused."""

import pytest

from creditchain.rulebook import SENTENCES, Refusal


def test_every_refusal_has_a_sentence_in_the_order_of_the_codes():
    assert list(SENTENCES) == list(Refusal)


def test_no_two_refusals_read_the_same():
    assert len({sentence.en for sentence in SENTENCES.values()}) == len(Refusal)
    assert len({sentence.zh for sentence in SENTENCES.values()}) == len(Refusal)


@pytest.mark.parametrize("code", Refusal)
def test_a_sentence_is_one_sentence_in_each_language(code: Refusal):
    sentence = SENTENCES[code]
    assert sentence.en[0].isupper()
    assert sentence.en.count(".") == 1
    assert sentence.en.endswith(".")
    assert sentence.en.isascii()
    assert sentence.zh.count("。") == 1
    assert sentence.zh.endswith("。")
    assert not any(c.isascii() and c.isalpha() for c in sentence.zh)
    assert len(sentence.en) <= 100


def test_a_code_is_its_own_name():
    assert all(code.name == code.value for code in Refusal)
