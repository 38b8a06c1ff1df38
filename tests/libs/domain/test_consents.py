"""What the ERP says of a consent: it stands with a time that is over and with what shows it, at that very address."""

from datetime import timedelta
from typing import Any

import pytest

from events.contact import Address, Profile
from libs.domain.consents import Record, of_record
from libs.domain.contact import Contact
from libs.testkit.nouns import MORNING, PRIYA_PHONE


def record(**said: Any) -> Record | None:
    return of_record(Address(channel="whatsapp", address=PRIYA_PHONE, **said), MORNING)


def test_when_and_how_are_both_there():
    found = record(consent_at=MORNING - timedelta(days=3), consent_evidence="order form, version 4")
    assert found is not None
    assert (found.stands, found.evidence) == (True, "2026-02-13, order form, version 4")


def test_nothing_is_said_of_a_consent():
    assert record() is None
    assert of_record(None, MORNING) is None


@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        ({"consent_at": MORNING}, "of 2026-02-16 has no evidence"),
        ({"consent_at": MORNING, "consent_evidence": "  "}, "of 2026-02-16 has no evidence"),
        ({"consent_evidence": "order form"}, "does not say when it was given"),
        ({"consent_at": MORNING + timedelta(days=2), "consent_evidence": "form"}, "is of 2026-02-18, a day to come"),
    ],
)
def test_a_record_that_cannot_be_shown_is_no_consent_and_says_what_it_lacks(said: Any, lacks: str):
    found = record(**said)
    assert found is not None
    assert (found.stands, found.lacks) == (False, lacks)


def test_what_the_erp_says_of_another_address_of_the_channel_is_not_said_of_this_one():
    entries = [
        Address(channel="whatsapp", address="+911"),
        Address(channel="whatsapp", address="+912", do_not_disturb=True),
    ]
    contact = Contact(id="c", profile=Profile(name="P", channels=entries))
    assert contact.entry("whatsapp", "+912") == entries[1]
    assert contact.entry("whatsapp", None) == entries[0]
    assert contact.entry("whatsapp", "+913") is None
