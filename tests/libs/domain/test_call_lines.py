"""What the agent says by itself, in each of its languages."""

import pytest

from libs.domain.call_lines import LANGUAGES, LINES, TEXTS, language_of, line


def test_every_line_is_there_in_every_language():
    assert set(TEXTS) == set(LANGUAGES)
    assert all(set(texts) == set(LINES) and all(texts.values()) for texts in TEXTS.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_names_a_matter(language):
    """Whoever takes the call or empties the mailbox may not be the contact."""
    said = " ".join(TEXTS[language].values()).lower()
    assert not any(word in said for word in ("invoice", "payment", "due", "bill", "भुगतान", "बिल", "bhugtan"))


@pytest.mark.parametrize(
    ("told", "language"),
    [("en", "en"), ("en-IN", "en"), ("hi", "hi"), ("hi_IN", "hi"), ("hi-Latn", "hi-Latn"), ("hinglish", "hi-Latn"),
     (None, "hi-Latn"), ("ta", "hi-Latn")],
)  # fmt: skip
def test_a_tag_means_a_language(told, language):
    assert language_of(told) == language


def test_the_settings_own_words_come_first():
    own = {"en": {"hold_on": "Bear with me."}}
    assert line("hold_on", "en", own) == "Bear with me."
    assert line("goodbye", "en", own) == TEXTS["en"]["goodbye"]
    assert line("hold_on", "hi", own) == TEXTS["hi"]["hold_on"]
