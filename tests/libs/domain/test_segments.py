"""An SMS is counted as carriers count it: alphabet, parts, and what must not be torn apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.segments import BASIC, EXTENDED, Segments, beyond_gsm7, is_gsm7, segments


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", Segments("gsm7", 0, 1)),
        ("Dear Ravi, invoice INV-1042 is due.", Segments("gsm7", 35, 1)),
        ("a" * 160, Segments("gsm7", 160, 1)),
        ("a" * 161, Segments("gsm7", 161, 2)),
        ("a" * 306, Segments("gsm7", 306, 2)),
        ("a" * 307, Segments("gsm7", 307, 3)),
        ("€" * 80, Segments("gsm7", 160, 1)),
        ("€" * 81, Segments("gsm7", 162, 2)),
        ("Ravi @ [Acme]\f", Segments("gsm7", 17, 1)),
        ("₹", Segments("ucs2", 1, 1)),
        ("कृपया भुगतान करें", Segments("ucs2", 17, 1)),
        ("ह" * 70, Segments("ucs2", 70, 1)),
        ("ह" * 71, Segments("ucs2", 71, 2)),
        ("ह" * 134, Segments("ucs2", 134, 2)),
        ("ह" * 135, Segments("ucs2", 135, 3)),
        ("👍" * 35, Segments("ucs2", 70, 1)),
        ("👍" * 36, Segments("ucs2", 72, 2)),
    ],
)
def test_a_text_takes_as_many_segments_as_its_letters_ask_for(text: str, counted: Segments):
    assert segments(text) == counted


def test_one_rupee_sign_doubles_what_a_long_text_takes():
    assert segments("a" * 159 + "Rs").count == 2
    assert segments("a" * 159 + "₹").count == 3


def test_an_escape_sequence_is_not_torn_apart():
    assert segments("a" * 152 + "€" + "a" * 152).count == 3  # 306 septets, but the sign would span both parts
    assert segments("a" * 151 + "€" + "a" * 153).count == 2


def test_a_surrogate_pair_is_not_torn_apart():
    assert segments("ह" * 66 + "👍" + "ह" * 66).count == 3
    assert segments("ह" * 65 + "👍" + "ह" * 67).count == 2


def test_what_makes_a_text_ucs2_is_named_once_and_in_order():
    assert beyond_gsm7("₹52,400 – ₹1’") == "₹–’"
    assert beyond_gsm7("Rs 52,400") == ""


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=500)
GSM_TEXT = st.text(st.sampled_from(sorted(BASIC | EXTENDED)), max_size=500)


@given(ANY_TEXT | GSM_TEXT)
def test_the_segments_hold_the_text_and_no_more_are_counted_than_needed(text: str):
    told = segments(text)
    single, part = (160, 153) if told.encoding == "gsm7" else (70, 67)
    assert told.encoding == ("gsm7" if is_gsm7(text) else "ucs2")
    if told.encoding == "ucs2":
        assert told.units == len(text.encode("utf-16-be")) // 2
    else:
        assert told.units == len(text) + sum(character in EXTENDED for character in text)
    if told.units <= single:
        assert told.count == 1
    else:
        assert told.units <= told.count * part
        assert told.units > (told.count - 1) * (part - 1)  # a part wastes one unit at most


@given(ANY_TEXT, ANY_TEXT)
def test_more_text_never_takes_less(text: str, more: str):
    assert segments(text + more).count >= segments(text).count


@given(ANY_TEXT)
def test_a_text_without_what_is_beyond_gsm7_is_gsm7(text: str):
    strange = beyond_gsm7(text)
    assert is_gsm7("".join(character for character in text if character not in strange))
