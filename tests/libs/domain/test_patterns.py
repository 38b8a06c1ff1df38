"""Regular expressions of the bundle: what they match, what is none, and that none of them can hang a reactor."""

import pytest

from libs.domain import patterns
from libs.domain.comparing import LONGEST_TEXT, compare


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"^INV-\d{4}-", "INV-2026-0042", True),
        (r"(?i)acme", "The ACME corp", True),
        ("भुगतान", "मैंने भुगतान किया", True),
        (r"\bgst\b", "gstin", False),
        ("b", "a\ud800b", True),
    ],
)
def test_a_pattern_is_found_anywhere(pattern: str, text: str, matches: bool):
    assert patterns.found(pattern, text) is matches


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"^(a|a)*$", r"(.*a){20}$", r"^(\w+\s?)*$"])
@pytest.mark.timeout(5)
def test_no_pattern_takes_longer_than_its_text(pattern: str):
    """Python's own `re` would need years for each of them."""
    assert not patterns.found(pattern, "a" * LONGEST_TEXT + "!")
    assert not compare("a" * LONGEST_TEXT + "!!", "matches", r"(a+)+!$", None).holds


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "missing )"),
        (r"(a)\1", "invalid escape sequence"),
        (r"a(?=b)", "(?="),
        (5, "no text"),
        ("a" * 1001, "1001 characters"),
        ("a{1001}", "repetition"),
    ],
)
def test_what_is_none_says_why(pattern: object, told: str):
    assert told in (patterns.error(pattern) or "")
    with pytest.raises(patterns.NoPattern):
        patterns.found(pattern, "a")


def test_what_is_one_is_no_mistake():
    assert patterns.error(r"^INV-\d+$") is None
