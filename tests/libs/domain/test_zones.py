"""By whose clock a contact lives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.zones import contact_zone, is_zone
from libs.testkit.nouns import PRIYA_PHONE


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        (PRIYA_PHONE, "Asia/Kolkata"),
        ("919876512345", "Asia/Kolkata"),
        ("+1 212 555 1234", "America/New_York"),
        ("+442079460000", "Europe/London"),
        ("+18005551234", "Asia/Dubai"),
        ("+999", "Asia/Dubai"),
        ("priya@acme.example", "Asia/Dubai"),
        ("", "Asia/Dubai"),
        (None, "Asia/Dubai"),
    ],
)
def test_a_number_tells_its_zone_or_the_policys_counts(phone: str | None, zone: str):
    assert contact_zone(phone, "Asia/Dubai") == zone


@given(st.text(max_size=20))
def test_any_text_has_a_zone(phone: str):
    assert is_zone(contact_zone(phone, "Asia/Kolkata"))


def test_a_zone_is_known_by_its_iana_name():
    assert is_zone("Asia/Kolkata")
    assert not is_zone("Asia/Nowhere")
    assert not is_zone("../etc")
