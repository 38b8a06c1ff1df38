"""What somebody is in the middle of, and how long to wait after their last word."""

import pytest

from libs.domain.endpointing import Endpointing, is_backchannel, names_amount_or_date, situation, words

WAITS = {
    "base": 300,
    "after_question": 250,
    "after_filler": 1000,
    "number_dictation": 1500,
    "mid_sentence": 700,
    "emotional": 600,
}


@pytest.mark.parametrize(("name", "milliseconds"), WAITS.items())
def test_each_situation_waits_as_the_specification_says(name, milliseconds):
    assert Endpointing().wait_ms(name) == milliseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I will pay tomorrow", "base"),
        ("mera number hai nine eight seven six", "number_dictation"),
        ("nau aath saat", "number_dictation"),
        ("it is 98765", "number_dictation"),
        ("नौ आठ सात", "number_dictation"),
        ("paanch lakh", "number_dictation"),
        ("payment ho jayega matlab", "after_filler"),
        ("I can pay you know", "after_filler"),
        ("let me see ek minute", "after_filler"),
        ("हम भुगतान करेंगे मतलब", "after_filler"),
        ("haan", "base"),
        ("theek hai", "base"),
        ("haan theek hai", "base"),
        ("we will pay when", "mid_sentence"),
        ("payment kar denge lekin", "mid_sentence"),
        ("the invoice was wrong,", "mid_sentence"),
        ("main bahut pareshan hoon", "emotional"),
        ("kal kar do", "base"),
        ("", "base"),
    ],
)
def test_the_words_tell_the_situation(text, expected):
    assert situation(text) == expected


@pytest.mark.parametrize(
    ("text", "told", "expected"),
    [
        ("my father died in hospital and nine eight seven", {}, "number_dictation"),
        ("I am very upset matlab", {}, "after_filler"),
        ("I am upset because", {}, "mid_sentence"),
        ("tomorrow", {"after_question": True, "emotional": True}, "emotional"),
        ("tomorrow", {"after_question": True}, "after_question"),
        ("nine", {"after_question": True, "asked_for_number": True}, "number_dictation"),
        ("nine", {}, "number_dictation"),
        ("only nine", {}, "base"),
    ],
)
def test_the_situation_that_comes_first_in_the_specification_wins(text, told, expected):
    assert situation(text, **told) == expected


@pytest.mark.parametrize("text", ["hmm", "Haan.", "ok ok", "haan ji", "हाँ जी", "acha theek hai", "Uh-huh", "yes yes"])
def test_saying_only_that_one_listens_is_a_backchannel(text):
    assert is_backchannel(text)


@pytest.mark.parametrize("text", ["haan kal kar dunga", "no", "nahi", "wait", "ruko ek minute", "stop", "ok but"])
def test_anything_more_is_not(text):
    assert not is_backchannel(text)


@pytest.mark.parametrize("text", ["fifty two thousand", "20 February", "52400", "paanch lakh", "बीस फरवरी"])
def test_amounts_and_dates_are_worth_reading_back(text):
    assert names_amount_or_date(text)


@pytest.mark.parametrize("text", ["haan ji", "I will pay soon", "ek minute", "may be"])
def test_other_words_are_not(text):
    assert not names_amount_or_date(text)


def test_devanagari_words_keep_their_vowel_signs():
    assert words("हाँ, ठीक है।") == ("हाँ", "ठीक", "है")
