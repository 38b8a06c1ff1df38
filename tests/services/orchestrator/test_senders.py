"""Whose message it is, on the real log: by every address of a contact, by what it answers, and when it turns out later."""

from typing import Any

import pytest

from events.address import AddressMoved, SenderUnknown
from events.consent import Withdrawn
from events.contact import Address, Changed, Linked, Lookup, Profile, Registered
from events.conversation import (
    AttachmentsRead,
    Closed,
    ContactSaid,
    MessageRequested,
    Opened,
    TurnRequested,
)
from events.inbound import AddressChanged, Fetched, Received, Unsubscribed
from events.message import Accepted
from events.values import Attachment
from libs.kit import quarantine
from libs.testkit.nouns import EVENING, MORNING, NOON, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from tests.services.orchestrator.neighbours import Neighbours

HIDDEN = "IN.13491208655302741918"


async def priya(neighbours: Neighbours, *, implied: bool = False) -> None:
    """The ERP knows Priya by her phone (for calls only, where that is `implied` on WhatsApp) and her mail."""
    lookups = [
        Lookup(channel="whatsapp", digest=await neighbours.digest("whatsapp", PRIYA_PHONE), implied=implied),
        Lookup(channel="email", digest=await neighbours.digest("email", PRIYA_EMAIL)),
    ]
    channels = [Address(channel="voice" if implied else "whatsapp", address=PRIYA_PHONE)]
    profile = Profile(name="Priya", channels=[*channels, Address(channel="email", address=PRIYA_EMAIL)])
    await neighbours.say(f"contact-{PRIYA}", Registered(contact_id=PRIYA, profile=profile, lookups=lookups))


async def writes(
    neighbours: Neighbours, number: int, *, channel: str = "whatsapp", sender: str = PRIYA_PHONE, **more: Any
) -> str:
    """Somebody writes; the stream of the message."""
    stream = f"inbound-{channel}-{number}"
    said = Received(
        channel=channel,
        account="1",
        digest=await neighbours.digest(channel, sender),
        sender=sender,
        text=more.pop("text", f"message {number}"),
        provider_ref=f"in.{number}",
        **more,
    )
    await neighbours.say(stream, said, contact=None)
    return stream


async def stranger(neighbours: Neighbours, sender: str = PRIYA_PHONE) -> str:
    """Backend-sync could not find out who it is."""
    unknown = await neighbours.heard(SenderUnknown)
    contact = f"unknown-{unknown.event.digest[:32]}"
    known = Registered(
        contact_id=contact,
        profile=Profile(name=sender, channels=[Address(channel="whatsapp", address=sender)]),
        lookups=[Lookup(channel="whatsapp", digest=unknown.event.digest)],
        known_to_erp=False,
    )
    await neighbours.say(f"contact-{contact}", known, contact=contact)
    return contact


@pytest.mark.parametrize("implied", [False, True])
async def test_a_phone_names_its_owner_whether_it_was_registered_for_this_channel_or_another(
    neighbours: Neighbours, implied: bool
):
    await priya(neighbours, implied=implied)
    await writes(neighbours, 1)
    said = await neighbours.heard(ContactSaid)
    assert (said.envelope.subject, said.event.sender) == (PRIYA, PRIYA_PHONE)
    asked = await neighbours.heard(MessageRequested)
    assert (asked.event.channel, asked.event.to) == ("whatsapp", PRIYA_PHONE)


async def test_an_id_that_the_provider_names_beside_a_known_one_is_learnt(neighbours: Neighbours):
    await priya(neighbours)
    hidden = await neighbours.digest("whatsapp", HIDDEN)
    await writes(neighbours, 1, also_known_as=[hidden])
    await writes(neighbours, 2, sender=HIDDEN)
    said = await neighbours.heard(ContactSaid, inbound="inbound-whatsapp-2")
    assert said.envelope.subject == PRIYA
    assert await neighbours.facts(SenderUnknown) == []


async def test_a_phone_that_is_named_beside_an_unknown_id_says_who_it_is(neighbours: Neighbours):
    await priya(neighbours)
    phone = await neighbours.digest("whatsapp", PRIYA_PHONE)
    await writes(neighbours, 1, sender=HIDDEN, also_known_as=[phone])
    assert (await neighbours.heard(ContactSaid)).envelope.subject == PRIYA


async def test_whoever_comes_into_the_chat_is_known_by_the_contact_id_that_their_token_proved(neighbours: Neighbours):
    await priya(neighbours)
    await writes(neighbours, 1, channel="chat", sender=PRIYA)
    assert (await neighbours.heard(ContactSaid)).envelope.subject == PRIYA
    asked = await neighbours.heard(MessageRequested)
    assert (asked.event.channel, asked.event.to) == ("chat", PRIYA)


async def test_one_conversation_goes_on_over_the_channels(neighbours: Neighbours):
    await priya(neighbours)
    await writes(neighbours, 1, channel="email", sender=PRIYA_EMAIL, subject="Hello")
    first = await neighbours.heard(ContactSaid)
    await writes(neighbours, 2)
    second = await neighbours.heard(ContactSaid, inbound="inbound-whatsapp-2")
    assert second.stream == first.stream


async def test_an_unknown_address_that_answers_our_mail_speaks_for_whoever_got_it(neighbours: Neighbours):
    await priya(neighbours)
    await writes(neighbours, 1, channel="email", sender=PRIYA_EMAIL)
    asked = await neighbours.heard(MessageRequested)
    accepted = Accepted(conversation=asked.subject_id, channel="email", provider_ref="ours@acme")
    await neighbours.say(f"message-{asked.id}", accepted)
    await writes(neighbours, 2, channel="email", sender="priya@home.example", reference=str(asked.id))
    said = await neighbours.heard(ContactSaid, inbound="inbound-email-2")
    assert (said.envelope.subject, said.event.sender) == (PRIYA, None)
    answer = await neighbours.heard(MessageRequested, reply_to="in.2")
    assert answer.event.to == PRIYA_EMAIL
    await writes(neighbours, 3, channel="email", sender="priya@home.example")
    assert (await neighbours.heard(SenderUnknown)).event.address == "priya@home.example"


async def test_a_stranger_who_turns_out_to_be_known_takes_what_they_wrote_along(neighbours: Neighbours):
    await writes(neighbours, 1)
    contact = await stranger(neighbours)
    asked = await neighbours.heard(TurnRequested)
    assert asked.envelope.subject == contact
    await writes(neighbours, 2)
    await neighbours.heard(ContactSaid, inbound="inbound-whatsapp-2")
    await priya(neighbours)
    ended = await neighbours.heard(Closed, reason="handed_over")
    assert ended.stream == asked.stream
    opened = [fact for fact in await neighbours.facts(Opened) if fact.event.contact_id == PRIYA]
    assert [fact.event.follows for fact in opened] in ([asked.subject_id], [])
    await writes(neighbours, 3)
    said = await neighbours.heard(ContactSaid, inbound="inbound-whatsapp-3")
    assert said.envelope.subject == PRIYA


async def test_what_a_stranger_forbade_the_contact_has_forbidden(neighbours: Neighbours):
    await writes(neighbours, 1, text="STOP")
    contact = await stranger(neighbours)
    await neighbours.heard(Withdrawn, contact_id=contact)
    await priya(neighbours)
    withdrawn = await neighbours.heard(Withdrawn, contact_id=PRIYA)
    assert (withdrawn.event.how, withdrawn.event.channel) == ("stop_word", None)


async def test_an_address_that_the_erp_links_is_the_contacts_from_then_on(neighbours: Neighbours):
    await priya(neighbours)
    await writes(neighbours, 1, channel="email", sender="priya@home.example")
    unknown = await neighbours.heard(SenderUnknown)
    linked = Linked(contact_id=PRIYA, channel="email", digest=unknown.event.digest)
    await neighbours.say(f"contact-{PRIYA}", linked)
    assert (await neighbours.heard(ContactSaid)).envelope.subject == PRIYA
    assert (await neighbours.heard(MessageRequested)).event.to == "priya@home.example"


async def test_a_contact_who_has_another_number_is_known_by_that_one_and_no_longer_by_the_old(neighbours: Neighbours):
    await priya(neighbours)
    new = await neighbours.digest("whatsapp", "+919811111111")
    changed = AddressChanged(
        channel="whatsapp",
        digest=await neighbours.digest("whatsapp", PRIYA_PHONE),
        new_digest=new,
        new_address="+919811111111",
    )
    await neighbours.say("inbound-whatsapp-moved", changed, contact=None)
    moved = await neighbours.heard(AddressMoved)
    assert (moved.envelope.subject, moved.event.address) == (PRIYA, "+919811111111")
    await writes(neighbours, 1, sender="+919811111111")
    assert (await neighbours.heard(ContactSaid)).envelope.subject == PRIYA
    await writes(neighbours, 2)
    assert (await neighbours.heard(SenderUnknown)).event.address == PRIYA_PHONE


async def test_unsubscribing_needs_no_conversation_and_knows_the_contact_by_the_message(neighbours: Neighbours):
    await priya(neighbours)
    await writes(neighbours, 1, channel="email", sender=PRIYA_EMAIL)
    asked = await neighbours.heard(MessageRequested)
    accepted = Accepted(conversation=asked.subject_id, channel="email", provider_ref="ours@acme")
    await neighbours.say(f"message-{asked.id}", accepted)
    await neighbours.heard(Closed)
    clicked = Unsubscribed(channel="email", digest="nobodys", how="link", sender="", reference=str(asked.id))
    await neighbours.say("inbound-email-click", clicked, contact=None)
    withdrawn = await neighbours.heard(Withdrawn)
    assert (withdrawn.event.contact_id, withdrawn.event.channel) == (PRIYA, "email")


async def test_files_are_waited_for_also_when_their_sender_is_found_out_meanwhile(neighbours: Neighbours):
    note = Attachment(media_type="audio/ogg", provider_id="m1", voice=True)
    stream = await writes(neighbours, 1, text="", attachments=[note], kind="audio")
    await neighbours.heard(SenderUnknown)
    kept = Attachment(media_type="audio/ogg", object="o/1", voice=True)
    await neighbours.say(stream, Fetched(attachments=[kept], transcript="haan, kal"), contact=None)
    await priya(neighbours)
    read = await neighbours.heard(AttachmentsRead)
    assert (read.envelope.subject, read.event.transcript) == (PRIYA, "haan, kal")
    await neighbours.heard(TurnRequested)
    await neighbours.say(f"contact-{PRIYA}", Changed(contact_id=PRIYA, profile=Profile(name="Priya"), lookups=[]))
    assert await quarantine.entries(neighbours.store.pool) == []


async def test_a_voice_note_of_a_known_contact_is_read_once_it_is_fetched(neighbours: Neighbours):
    await priya(neighbours)
    note = Attachment(media_type="audio/ogg", provider_id="m1", voice=True)
    stream = await writes(neighbours, 1, text="", attachments=[note], kind="audio")
    await neighbours.heard(ContactSaid)
    assert await neighbours.facts(TurnRequested) == []
    kept = Attachment(media_type="audio/ogg", object="o/1", voice=True)
    await neighbours.say(stream, Fetched(attachments=[kept], transcript="haan, kal"), contact=None)
    asked = await neighbours.heard(TurnRequested)
    read = await neighbours.heard(AttachmentsRead)
    assert asked.pos > read.pos


async def test_a_machine_whom_nobody_knows_is_nobodys_concern(neighbours: Neighbours):
    await priya(neighbours)
    await writes(neighbours, 1, channel="email", sender="noreply@list.example", automatic="list")
    await writes(neighbours, 2)
    await neighbours.heard(ContactSaid)
    assert await neighbours.facts(SenderUnknown) == []


async def test_what_an_unknown_sender_wrote_is_heard_as_it_was_written(neighbours: Neighbours):
    for number, said_at in ((3, MORNING), (1, NOON), (2, EVENING)):
        await writes(neighbours, number, sent_at=said_at)
    await neighbours.heard(SenderUnknown)
    await priya(neighbours)
    await neighbours.heard(ContactSaid, inbound="inbound-whatsapp-2")
    heard = [fact.event.inbound for fact in await neighbours.facts(ContactSaid)]
    assert heard == ["inbound-whatsapp-3", "inbound-whatsapp-1", "inbound-whatsapp-2"]
