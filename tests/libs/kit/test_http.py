"""What an answer's Retry-After asks for, however a provider writes it."""

import pytest

from libs.kit.http import LONGEST_WAIT_S, retry_after

DATE = "Mon, 16 Feb 2026 05:00:00 GMT"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("120", 120.0),
        ("0.5", 0.5),
        ("-30", 0.0),
        ("Mon, 16 Feb 2026 05:02:00 GMT", 120.0),
        ("Mon, 16 Feb 2026 04:00:00 GMT", 0.0),
        ("9999999999999999", LONGEST_WAIT_S),
        ("1e400", LONGEST_WAIT_S),
        ("inf", LONGEST_WAIT_S),
        ("-inf", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("\u00b2", None),
        ("Mon, 99 Foo 2026 05:02:00 GMT", None),
    ],
)
def test_a_wait_is_a_number_of_seconds_that_can_be_waited(told: str, seconds: float | None):
    assert retry_after({"Retry-After": told, "Date": DATE}) == seconds


def test_a_date_without_the_answers_own_date_is_left_to_our_backoff():
    assert retry_after({"retry-after": "Mon, 16 Feb 2026 05:02:00 GMT"}) is None


def test_an_answer_without_headers_asks_for_no_wait():
    assert retry_after(None) is None
