"""Addresses in one form, however they were written, and on which channels one names the same person."""

import pytest

from libs.channels.address import normalized, same_person
from libs.channels.whatsapp_address import e164


@pytest.mark.parametrize("channel", ["whatsapp", "sms", "voice"])
@pytest.mark.parametrize(
    "notation", ["+919876512345", "919876512345", "9876512345", "09876512345", "+91 98765 12345", "(+91) 98765-12345"]
)
def test_a_phone_is_one_address_in_every_notation(channel: str, notation: str):
    assert normalized(channel, notation) == e164("+919876512345") == "+919876512345"


@pytest.mark.parametrize(
    "notation", ["  Priya@ACME.example ", "Priya Sharma <priya@acme.example>", '"Sharma, P." <PRIYA@acme.example>']
)
def test_a_mail_address_is_compared_without_the_name_that_stands_before_it_and_in_small_letters(notation: str):
    assert normalized("email", notation) == "priya@acme.example"


def test_what_can_be_no_address_stays_comparable():
    assert normalized("email", "Not An Address") == "not an address"
    assert normalized("whatsapp", " nobody ") == "nobody"


def test_a_hidden_phones_id_and_a_contacts_own_id_stay_as_they_are():
    assert normalized("whatsapp", "IN.13491208655302741918") == "IN.13491208655302741918"
    assert normalized("chat", " C_Chat ") == "C_Chat"


def test_a_phone_names_one_person_on_every_phone_channel_and_nothing_else_does():
    assert same_person("voice", "+919876512345") == ("whatsapp", "sms")
    assert same_person("whatsapp", "IN.13491208655302741918") == ()
    assert same_person("whatsapp", "nobody") == ()
    assert same_person("email", "priya@acme.example") == ()
