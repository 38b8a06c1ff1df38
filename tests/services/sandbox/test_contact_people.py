"""Everybody in the library says something that means what it is there for, and is in the ERP's books."""

import re

import pytest

from libs.domain.stopwords import is_stop
from services.sandbox import erp_seed
from services.sandbox.contact_people import (
    ARJUN,
    BROKEN,
    DEEPA,
    FARHAN,
    KAVITA,
    LAKSHMI,
    MEERA,
    PEOPLE,
    PRIYA,
    RAHUL,
    RAVI,
    REMINDED,
    SURESH,
    VIKRAM,
)
from services.sandbox.contact_script import Person, address_key, checked
from tests.services.sandbox.test_understanding_bundle import first

MEANT = [
    (PRIYA, 0, "promise_to_pay"),
    (RAHUL, 1, "promise_to_pay"),
    (RAVI, 0, "partial_payment"),
    (RAVI, 1, "promise_to_pay"),
    (MEERA, 0, "dispute_invoice"),
    (SURESH, 0, "wrong_person"),
    (FARHAN, 0, "speak_to_person"),
    (VIKRAM, 1, "promise_to_pay"),
    (DEEPA, 1, "promise_to_pay"),
    (ARJUN, 1, "promise_to_pay"),
    (KAVITA, 1, "promise_to_pay"),
    (KAVITA, 2, "promise_to_pay"),
]


@pytest.mark.parametrize(("person", "line", "intent"), MEANT, ids=lambda each: getattr(each, "name", str(each)))
def test_what_they_say_is_understood(person: Person, line: int, intent: str):
    assert first("payment_collection", person.lines[line].say[0]) == intent


def test_anita_has_paid_and_proves_it():
    anita = next(each for each in PEOPLE if each.name == "Anita Desai")
    assert first("payment_collection", anita.lines[0].say[0]) == "already_paid"
    assert first("payment_collection", anita.lines[1].say[0]) == "payment_reference"


def test_arjun_says_in_his_voice_note_what_he_would_write():
    assert first("payment_collection", ARJUN.lines[0].files[0].spoken) == "promise_to_pay"


def test_lakshmi_says_stop_before_any_model_hears_her():
    assert is_stop(LAKSHMI.lines[1].say[0])


def test_everybody_is_in_the_erps_books_with_an_invoice_and_every_address():
    booked = {contact.id: {each.channel: each.address for each in contact.channels} for contact in erp_seed.CONTACTS}
    assert booked == {
        person.addresses["chat"]: {**person.addresses, "voice": person.addresses["whatsapp"]} for person in PEOPLE
    }
    assert {invoice.contact_id for invoice in erp_seed.INVOICES} == set(booked)


def test_nobody_shares_an_address():
    keys = [{address_key(address) for address in checked(person).addresses.values()} for person in PEOPLE]
    assert sum(map(len, keys)) == len(set.union(*keys))


@pytest.mark.parametrize(
    "reminder",
    [
        "payment_reminder_v1",
        "Invoice INV-2026-0042",
        "Namaste, this is a reminder that an invoice is still open",
        "we have not heard from you",
    ],
)
def test_a_reminder_is_known_as_one(reminder: str):
    assert re.search(REMINDED, reminder, re.IGNORECASE)
    assert not re.search(BROKEN, reminder, re.IGNORECASE)
