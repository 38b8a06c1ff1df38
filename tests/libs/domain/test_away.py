"""The date on which a machine's answer says that its owner is back. Today is Monday, 16 February 2026."""

from datetime import date

import pytest

from libs.domain.away import returns

TODAY = date(2026, 2, 16)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("I am out of the office until 18 February and will answer when I am back.", date(2026, 2, 18)),
        ("I will be back on Monday.", date(2026, 2, 23)),
        ("Out of office. Returning Tuesday!", date(2026, 2, 17)),
        ("I am on leave from 14 Feb to 20 Feb. I will be back on 23 February 2026.", date(2026, 2, 23)),
        ("On annual leave from 14th to 20th February.", date(2026, 2, 20)),
        ("Not available from 16/02/2026 to 19/02/2026", date(2026, 2, 19)),
        ("I will return on 02/03.", date(2026, 3, 2)),
        ("I shall resume on 2026-02-20", date(2026, 2, 20)),
        ("Away till Feb 25th, 2026", date(2026, 2, 25)),
        ("I'm travelling through the 3rd of March.", date(2026, 3, 3)),
        ("Back in the office tomorrow.", date(2026, 2, 17)),
        ("मैं 20 फरवरी तक अवकाश पर हूँ।", date(2026, 2, 20)),
        ("मैं सोमवार को वापस आऊँगी", date(2026, 2, 23)),
        ("Main 20 February tak chhutti par hoon", date(2026, 2, 20)),
        ("Main somvaar ko wapas aaungi", date(2026, 2, 23)),
        ("Back on 12/25/2026", date(2026, 12, 25)),
    ],
)
def test_the_day_of_the_return_is_read(text: str, day: date):
    found = returns(text, TODAY)
    assert found is not None
    assert found.day == day


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for your message. We answer within two working days.",
        "I am away. In urgent cases call Meera.",
        "Your invoice of 20 February has arrived.",
        "I was on leave until 10 February.",
        "I am back on 31 February.",
        "Back on 45/45/2026, until 99-99-9999",
        "We are open from Monday on. Our fax: 022-1234-56",
        "",
    ],
)
def test_no_day_is_made_up(text: str):
    assert returns(text, TODAY) is None


def test_the_words_are_kept():
    found = returns("Hello! I am away until 18 February. Bye.", TODAY)
    assert found is not None
    assert found.words == "until 18 February"


def test_without_a_year_the_nearest_one_is_meant():
    found = returns("Back on 5 January", date(2026, 12, 20))
    assert found is not None
    assert found.day == date(2027, 1, 5)


def test_a_long_text_is_read_in_no_time():
    assert returns("back " * 100_000 + "until " * 100_000, TODAY) is None
