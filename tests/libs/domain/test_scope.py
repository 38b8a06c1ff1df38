"""What templates may name: of the contact always, of a matter where there is one."""

import pytest

from events.contact import Address, Profile
from libs.domain.contact import Contact
from libs.domain.matter import Matter
from libs.domain.names import UNDEFINED, Names
from libs.domain.scope import fields_of, names_of, zone_of
from libs.testkit.nouns import INVOICE, NOON, PRIYA, PRIYA_PHONE

PRIYA_IS = Profile(
    name="Priya Sharma",
    organization="Acme Corp",
    channels=[Address(channel="whatsapp", address=PRIYA_PHONE)],
    metadata={"vip": True, "name": "not this one"},
)
KNOWN = Contact(id=PRIYA, profile=PRIYA_IS)
MATTER = Matter(
    id="m",
    bundle="b",
    process_type="payment_collection",
    entity_type="invoice",
    entity_id=INVOICE,
    state="reminded",
    intent="acknowledge",
    context={"amount": 52400},
    extracted_info={"payment_date": "2026-02-20"},
    results={"payment_status": {"paid": False}},
)


def names(contact: Contact = KNOWN, matter: Matter | None = MATTER) -> Names:
    return names_of(contact, matter, now=NOON, zone="Asia/Kolkata")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("contact_name", "Priya Sharma"),
        ("contact.name", "Priya Sharma"),
        ("contact.organization", "Acme Corp"),
        ("contact.id", PRIYA),
        ("contact.vip", True),
        ("entity_id", INVOICE),
        ("process_type", "payment_collection"),
        ("state", "reminded"),
        ("intent", "acknowledge"),
        ("business_context.amount", 52400),
        ("amount", 52400),
        ("extracted_info.payment_date", "2026-02-20"),
        ("payment_status.paid", False),
    ],
)
def test_each_name_of_the_spec_is_found(path: str, value: object):
    assert names().get(path) == value


def test_without_a_matter_only_the_contact_is_known():
    assert names(matter=None).get("contact_name") == "Priya Sharma"
    assert names(matter=None).get("entity_id") in (None, UNDEFINED)
    assert names(matter=None).get("amount") is UNDEFINED


def test_a_contact_that_nobody_named_has_an_id_alone():
    assert fields_of(Contact(id=PRIYA)) == {"id": PRIYA}
    assert names(Contact(id=PRIYA)).get("contact.name") is UNDEFINED


def test_now_is_told_in_the_contacts_zone():
    told = names_of(KNOWN, None, now=NOON, zone="America/New_York")
    assert told.now is not None
    assert (told.now, told.now.hour) == (NOON, 1)


@pytest.mark.parametrize(
    ("channel", "address", "zone"),
    [
        ("whatsapp", PRIYA_PHONE, "Asia/Kolkata"),
        ("voice", "+6591234567", "Asia/Singapore"),
        ("email", "priya@acme.example", "Europe/Paris"),
    ],
)
def test_a_contacts_zone_follows_the_phone_else_the_policy(channel: str, address: str, zone: str):
    contact = Contact(id=PRIYA, profile=Profile(name="P", channels=[Address(channel=channel, address=address)]))
    assert zone_of(contact, "Europe/Paris") == zone
