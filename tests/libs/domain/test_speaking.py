"""Speech while it is being written: numbers wait until they are whole, words do not; what was heard is told as written."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.call_lines import Language
from libs.domain.speaking import Utterance, Writing, letters
from libs.domain.spoken import Piece


def said(tokens: list[str], **how: int) -> list[str]:
    """What is said after each token, and at the end."""
    writing = Writing(language="en", most_words=how.get("most_words"))
    steps = [writing.add(token) for token in tokens] + [writing.end()]
    return ["".join(piece.said for piece in step) for step in steps]


def test_words_are_said_at_once():
    tokens = ["Nam", "aste", " Priya", " ji", ",", " aap", "ka", " bill"]
    assert said(tokens) == [*tokens, ""]


def test_an_amount_over_several_tokens_waits_until_it_is_whole():
    assert said(["It", " is", " ₹", "52", ",", "400", " due", " now", "."]) == [
        "It", " is", " ", "", "", "", "fifty-two thousand four hundred rupees due", " now", ".", "",
    ]  # fmt: skip


def test_a_number_waits_for_what_may_belong_to_it():
    assert said(["by", " 20", " Feb", "ruary", " 2026", "?", " Thanks"])[-3:] == [
        "twentieth of February twenty twenty-six?", " Thanks", "",
    ]  # fmt: skip
    assert said(["wait", " 5", " days", "."]) == ["wait", " ", "five days", ".", ""]


def test_a_number_at_the_end_is_said_at_the_end():
    assert said(["It", " is", " 52", ",400"])[-1] == "fifty-two thousand four hundred"


def test_after_the_words_that_it_may_have_an_answer_ends_with_its_sentence():
    tokens = ["One two", " three", " four.", " Five", " six.", " Seven."]
    assert "".join(said(tokens, most_words=3)) == "One two three four."


TEXTS = (
    "Aapka invoice INV-2026-0042 ka ₹2,52,400 baaki hai, 20 February 2026 tak kar denge?",
    "Please call +91 98765 43210 at 4:30 pm. It is Rs. 2.5 lakh by May 5, and 18% more from 01/03/2026 on.",
    "Write to Acme Pvt. Ltd. about 3-5 boxes. I may call on March 3.",
    "आपका ₹52,400 का भुगतान 20/02/2026 तक बाकी है। धन्यवाद!",
)


@given(st.sampled_from(TEXTS), st.lists(st.integers(0, 120), max_size=40))
def test_however_it_is_cut_into_tokens_the_same_is_said(text, cuts):
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    tokens = [text[a:b] for a, b in pairwise(edges)]
    language: Language = "hi-Latn" if "Aapka" in text else "en"
    whole, parts = Writing(language=language), Writing(language=language)
    expected = whole.add(text) + whole.end()
    found = [piece for token in tokens for piece in parts.add(token)] + parts.end()
    assert "".join(piece.said for piece in found) == "".join(piece.said for piece in expected)
    assert "".join(piece.written for piece in found) == text


def utterance(text: str) -> Utterance:
    writing, spoken = Writing(language="hi-Latn"), Utterance()
    for piece in [*writing.add(text), *writing.end()]:
        spoken.add(piece)
    return spoken


BILL = "Aapka bill ₹52,400 ka hai."


@pytest.mark.parametrize(
    ("played", "heard", "understood"),
    [
        ("", "", ""),
        ("Aapka", "Aapka", "Aapka"),
        ("Aapka bill baavan hazaar", "Aapka bill baavan hazaar", "Aapka bill"),
        ("Aapka bill baavan hazaar chaar sau rupaye", "Aapka bill ₹52,400", "Aapka bill ₹52,400"),
        ("Aapka bill baavan hazaar chaar sau rupaye ka hai.", BILL, BILL),
    ],
)
def test_what_was_heard_is_told_in_the_words_that_were_written(played, heard, understood):
    spoken = utterance(BILL)
    for word in played.split():
        spoken.hear(word)
    assert (spoken.heard, spoken.understood) == (heard, understood)
    assert spoken.written == BILL
    assert spoken.written.startswith(spoken.understood)


def test_what_is_left_out_is_written_and_never_heard():
    spoken = utterance("**Namaste** Priya ji 😊")
    spoken.hear_all()
    assert spoken.heard == "**Namaste** Priya ji 😊"


def test_what_is_cut_off_is_gone_and_what_comes_after_it_is_heard_in_its_turn():
    spoken = utterance(BILL)
    for word in ["Aapka", "bill", "baavan", "hazaar"]:
        spoken.hear(word)
    spoken.cut()
    assert spoken.heard == spoken.written == "Aapka bill baavan hazaar"
    for piece in [Piece(" ", " "), Piece("₹52,400", "baavan hazaar chaar sau rupaye"), Piece(" ka hai.", " ka hai.")]:
        spoken.add(piece)
    spoken.hear("baavan hazaar chaar sau rupaye ka")
    assert spoken.heard == "Aapka bill baavan hazaar ₹52,400 ka"


def test_vowel_signs_are_letters():
    assert letters("हाँ, ठीक है।") == 8
