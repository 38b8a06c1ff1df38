"""Which messages stop everything, and which only sound like it."""

import pytest

from libs.domain.stopwords import DEFAULT_WORDS, is_start, is_stop, stop_words


@pytest.mark.parametrize(
    ("language", "word"), [(language, word) for language, words in DEFAULT_WORDS.items() for word in words]
)
def test_each_default_word_stops(language: str, word: str):
    assert is_stop(word)


def test_there_are_ten_languages():
    assert set(DEFAULT_WORDS) == {"en", "hi", "bn", "te", "mr", "ta", "gu", "kn", "ml", "pa"}


@pytest.mark.parametrize(
    "text",
    ["STOP", "Stop.", "  stop!!! ", "*STOP*", "stop 🙏🏽", "S\u200btop", "ＳＴＯＰ", "Please stop", "stop please", "STOP ALL", "Don't call me",
     "Don’t call me", "un\u00adsubscribe", "स्टॉप।", "कृपया बंद करें", "Band karo!", "stop\ufe0f", "S T O P", "s.t.o.p", "🛑", "🛑🛑!", "band karo yaar",
     "STOP STOP", "stop... Stop!", "mujhe message mat bhejo", "मुझे और मैसेज मत भेजो", "मेरा नंबर हटा दो जी", "ab band karo bhai 😡"],
)  # fmt: skip
def test_case_marks_emoji_and_politeness_do_not_matter(text: str):
    assert is_stop(text)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "🙏", "please", "please stop by on Monday", "non-stop", "I will stop the cheque", "stopped", "cancel", "ruko",
     "the bus stop", "payment band karo bank se", "haan ji, 20 February tak kar denge", "don't stop", "stop " * 50, "st op",
     "🙏🛑 ok", "ji", "yaar", "haan ji", "ab", "s t o", "A B", "aur batao"],
)  # fmt: skip
def test_a_sentence_with_the_word_in_it_stops_nothing(text: str):
    assert not is_stop(text)


def test_a_policy_replaces_the_words_of_the_languages_that_it_names():
    words = stop_words({"en": ["Enough!"], "fr": ["arrêt"]})
    assert is_stop("enough", words)
    assert is_stop("ARRÊT", words)
    assert is_stop("स्टॉप", words)
    assert not is_stop("stop", words)


@pytest.mark.parametrize(
    "text",
    ["STOP", "stop all", "StopAll", "UNSUBSCRIBE", "Cancel.", "END", "quit", "OPTOUT", "Opt-Out", "ARRET", "Arrêt", "REMOVE",
     "Band karo", "BANDKARO", "बंद", "mat bhejo"],
)  # fmt: skip
def test_by_sms_the_carriers_keywords_stop_too(text: str):
    assert is_stop(text, stop_words(channel="sms"))


def test_a_policy_cannot_unsay_what_the_carriers_obey():
    assert is_stop("END", stop_words({"en": ["enough"]}, channel="sms"))


@pytest.mark.parametrize("text", ["cancel", "end", "quit", "remove", "बंद", "mat bhejo"])
def test_elsewhere_they_may_mean_an_order(text: str):
    assert not is_stop(text, stop_words(channel="whatsapp"))


def test_start_is_heard_as_a_whole_message_too():
    assert is_start("START")
    assert is_start("शुरू करें")
    assert not is_start("when do we start")
    assert not is_start("stop")
