"""A contact and a consent folded: who it is, where it is reached, and what it allowed last."""

import pytest

from events.base import Event
from events.consent import Given, Withdrawn
from events.contact import Address, Changed, Erased, NotFound, Profile, Registered
from libs.domain.contact import Consent, Contact, evolve, evolve_consent
from libs.testkit.nouns import PRIYA, PRIYA_EMAIL, PRIYA_PHONE

PRIYA_IS = Profile(
    name="Priya Sharma",
    channels=[
        Address(channel="whatsapp", address=PRIYA_PHONE),
        Address(channel="whatsapp", address="+919800000000"),
        Address(channel="email", address=PRIYA_EMAIL),
    ],
)
REGISTERED = Registered(contact_id=PRIYA, profile=PRIYA_IS)
STOP = Withdrawn(contact_id=PRIYA, how="stop_word", evidence="STOP")


def contact(*facts: Event) -> Contact:
    state = Contact()
    for fact in facts:
        state = evolve(state, fact)
    return state


def consent(*facts: Event) -> Consent:
    state = Consent()
    for fact in facts:
        state = evolve_consent(state, fact)
    return state


def test_a_registered_contact_is_reached_at_the_first_address_of_a_channel():
    known = contact(REGISTERED)
    assert known.address("whatsapp") == PRIYA_PHONE
    assert known.address("email") == PRIYA_EMAIL
    assert known.address("voice") is None
    assert known.known_to_erp


def test_whom_the_erp_knows_is_reached_in_the_chat_under_its_own_id():
    assert contact(REGISTERED).address("chat") == PRIYA
    chatting = Profile(name="Priya", channels=[Address(channel="chat", address="c_7")])
    assert contact(Registered(contact_id=PRIYA, profile=chatting)).address("chat") == "c_7"
    stranger = Registered(contact_id="unknown-1", profile=Profile(name="+91"), known_to_erp=False)
    assert contact(stranger).address("chat") is None
    assert Contact(id=PRIYA).address("chat") is None


def test_a_sender_whom_the_erp_cannot_name_is_known_as_such():
    stranger = Registered(contact_id="unknown-1", profile=Profile(name="+91"), known_to_erp=False)
    assert not contact(stranger).known_to_erp


def test_a_change_replaces_the_profile_and_nothing_else():
    changed = contact(REGISTERED, Changed(contact_id=PRIYA, profile=Profile(name="Priya Verma")))
    assert changed.profile == Profile(name="Priya Verma")
    assert (changed.id, changed.known_to_erp) == (PRIYA, True)


def test_a_contact_that_was_not_found_says_why_until_it_is_known():
    missing = contact(NotFound(contact_id=PRIYA, reason="HTTP 404"))
    assert (missing.id, missing.profile, missing.missing) == (PRIYA, None, "HTTP 404")
    assert contact(NotFound(contact_id=PRIYA, reason="HTTP 404"), REGISTERED).missing is None


def test_an_erased_contact_has_no_address_any_more():
    erased = contact(REGISTERED, Erased(contact_id=PRIYA))
    assert (erased.profile, erased.missing, erased.address("whatsapp")) == (None, "erased", None)


def test_nobody_has_said_anything_at_the_start():
    assert consent() == Consent(stopped=False, channels={})


def test_a_stop_is_for_every_channel_and_a_start_takes_it_back():
    assert consent(STOP).stopped
    assert not consent(STOP, Given(contact_id=PRIYA, evidence="START")).stopped


def test_a_start_after_a_stop_takes_back_no_unsubscribing_from_one_channel():
    withdrawn = Withdrawn(contact_id=PRIYA, channel="email", how="unsubscribe", evidence="link")
    assert consent(withdrawn, STOP, Given(contact_id=PRIYA, evidence="START")) == Consent(channels={"email": False})


@pytest.mark.parametrize("order", [1, -1])
def test_what_was_said_last_of_a_channel_counts(order: int):
    given = Given(contact_id=PRIYA, channel="email", evidence="form")
    withdrawn = Withdrawn(contact_id=PRIYA, channel="email", how="operator", evidence="call")
    facts = [given, withdrawn][::order]
    assert consent(*facts).channels == {"email": order == -1}


def test_a_consent_to_one_channel_ends_a_stop():
    assert consent(STOP, Given(contact_id=PRIYA, channel="email", evidence="form")) == Consent(channels={"email": True})


def test_withdrawing_one_channel_stops_no_other():
    withdrawn = Withdrawn(contact_id=PRIYA, channel="email", how="operator", evidence="call")
    assert consent(withdrawn) == Consent(stopped=False, channels={"email": False})
