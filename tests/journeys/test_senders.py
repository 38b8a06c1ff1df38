"""Somebody writes first: whoever it is, it is found out, heard and answered."""

from typing import Any

import pytest

from events import contact, conversation, inbound, message
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_unknown_address_is_looked_up_at_the_erp_and_joins_its_contact(town: Town):
    asha = await town.somebody()
    await asha.says("Namaste, invoice ka kya hua?")
    await asha.sees(contact.Linked)
    await asha.sees(message.Accepted)
    [said] = await asha.facts(conversation.ContactSaid)
    assert said.envelope.subject == asha.id
    assert len(await asha.received()) == 1


async def test_several_messages_of_an_unknown_sender_are_all_heard_in_one_conversation(town: Town):
    asha = await town.somebody()
    for text in ("Namaste", "mera order kahan hai?", "please reply"):
        await asha.says(text)
    await asha.sees(conversation.ContactSaid, times=3)
    await asha.sees(message.Accepted)
    assert len(await asha.facts(conversation.Opened)) == 1
    said = [fact.event.text for fact in await asha.facts(conversation.ContactSaid)]
    assert sorted(said) == sorted(["Namaste", "mera order kahan hai?", "please reply"])


async def test_somebody_whom_the_erp_does_not_know_is_a_contact_of_its_own_and_is_answered(town: Town):
    stranger = await unknown(town)
    await stranger.says("hello, do you sell cotton yarn?")
    registered = await stranger.sees(contact.Registered)
    assert not registered.event.known_to_erp
    await stranger.sees(message.Accepted)
    await stranger.sees(conversation.Closed)
    assert len(await stranger.received()) == 1


async def test_a_stranger_who_writes_again_is_known_and_the_conversation_follows_the_last(town: Town):
    stranger = await unknown(town)
    await stranger.says("hello, do you sell cotton yarn?")
    await stranger.sees(conversation.Closed)
    first = await stranger.conversation()
    await stranger.says("and silk?")
    opened = await stranger.sees(conversation.Opened, times=2)
    assert opened.event.follows == first
    await stranger.sees(message.Accepted, times=2)
    assert len(await stranger.facts(contact.Registered)) == 1


async def test_a_known_contact_who_writes_after_the_end_opens_a_conversation_that_follows(town: Town):
    asha = await town.somebody()
    await asha.pays()
    await asha.owes()
    await asha.sees(conversation.Closed)
    first = await asha.conversation()
    await asha.says("thank you, all settled?")
    opened = await asha.sees(conversation.Opened, times=2)
    assert opened.event.follows == first
    await asha.sees(message.Accepted)


async def test_the_reminder_joins_the_conversation_that_the_contact_opened(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("kaun?")
    await asha.sees(message.Accepted, times=2)
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    await asha.sees(conversation.ProcessBound, times=2)
    assert len(await asha.facts(conversation.Opened)) == 1


KINDS: list[dict[str, Any]] = [
    {"type": "image", "image": {"id": "1", "mime_type": "image/jpeg", "sha256": "x"}},
    {"type": "location", "location": {"latitude": 19.07, "longitude": 72.87}},
    {"type": "audio", "audio": {"id": "2", "mime_type": "audio/ogg", "voice": True}},
    {"type": "button", "button": {"text": "Yes", "payload": "yes"}},
    {"type": "unsupported", "errors": [{"code": 131051, "title": "Unsupported"}]},
    {"type": "hologram", "hologram": {"depth": 3}},
]


@pytest.mark.parametrize("what", KINDS, ids=lambda what: str(what["type"]))
async def test_whatever_a_contact_sends_is_heard_and_not_met_with_silence(town: Town, what: dict[str, Any]):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("", message=what)
    await asha.sees(inbound.Received)
    await asha.sees(conversation.ContactSaid)
    await asha.sees((conversation.Escalated, conversation.MessageRequested), times=2)


@pytest.mark.parametrize("text", ["", "   ", "👍", "x" * 4096, "{{contact_name}} {% raw %}", "\u202eabc", "ok\u0000ok"])
async def test_odd_texts_are_heard(town: Town, text: str):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says(text)
    said = await asha.sees(conversation.ContactSaid)
    assert said.event.text.strip() == text.strip()
    await asha.sees((conversation.Escalated, conversation.MessageRequested), times=2)


async def unknown(town: Town) -> Person:
    """Somebody whom the ERP does not know; their contact id is made of the address."""
    stranger = await town.somebody(known=False)
    digest = (await town.running.store.keyring.lookup("default", "whatsapp", stranger.phone)).hex()
    stranger.id = f"unknown-{digest[:32]}"
    return stranger
