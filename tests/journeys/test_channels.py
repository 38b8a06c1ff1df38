"""The main job on each channel, and one matter that wanders over them: from the ERP's event to the status written back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from events import backend, consent, contact, conversation, followup, inbound, message
from libs.testkit.nouns import IST
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANNELS = ["whatsapp", "email", "chat", "sms"]
REGISTERED_TEXTS = {"whatsapp", "sms"}
THE_GAP = timedelta(hours=4, minutes=1)
"""The policy's least time between two approaches, and a little."""
CHECK = datetime(2026, 2, 20, 10, 0, tzinfo=IST)


async def reached_on(town: Town, channel: str, **about: Any) -> Person:
    """Somebody whom the ERP knows on one channel only, reminded there about an overdue invoice."""
    asha = await town.somebody(channels=(channel,), **about)
    if channel == "chat":
        await asha.sits_in_the_chat()
    await asha.owes(preferred_channel=channel)
    await asha.sees(message.Accepted, channel=channel)
    return asha


@pytest.mark.parametrize("channel", CHANNELS)
async def test_from_the_event_to_the_status_written_back(fresh_town: FreshTown, channel: str):
    town: Town = await fresh_town()
    asha = await reached_on(town, channel)
    asked = await asha.sees(conversation.MessageRequested)
    assert (asked.event.channel, asked.event.to) == (channel, asha.addresses[channel])
    assert (asked.event.body.template is not None) == (channel in REGISTERED_TEXTS)
    await asha.sees(conversation.ProcessMoved, to_state="reminded")
    await asha.says("Haan ji, 20 February tak kar denge", on=channel)
    await asha.sees(conversation.ProcessMoved, from_state="reminded", to_state="promised")
    answered = await asha.sees(conversation.MessageRequested, times=2)
    assert answered.event.channel == channel
    await asha.sees(message.Accepted, times=2)
    await asha.pays()
    await town.clock.advance(CHECK - town.clock.now())
    await asha.sees(conversation.ProcessMoved, to_state="confirmed")
    await asha.sees(backend.CallCompleted, endpoint="record_outcome")
    thanked = await asha.sees(conversation.MessageRequested, times=3)
    assert (thanked.event.channel, bool(thanked.event.body.text.strip())) == (channel, True)
    await asha.sees(followup.Resolved)
    await asha.sees(conversation.Closed, reason="resolved")
    [told] = await town.writes(f"/invoices/{asha.invoice}/outcome")
    assert told["body"]["outcome"] == "confirmed"
    assert len(await asha.facts(conversation.Opened)) == len(await asha.facts(conversation.ProcessBound)) == 1


@pytest.mark.parametrize("channel", CHANNELS)
async def test_stop_on_a_channel_ends_everything_on_all(town: Town, channel: str):
    asha = await reached_on(town, channel)
    await asha.says("STOP", on=channel)
    withdrawn = await asha.sees(consent.Withdrawn, how="stop_word")
    assert withdrawn.event.channel is None
    await asha.sees(conversation.Closed, reason="opted_out")
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    await asha.sees(followup.Exhausted)
    assert len(await asha.facts(conversation.MessageRequested)) == 1


@pytest.mark.parametrize("channel", CHANNELS)
async def test_somebody_whom_nobody_knows_is_heard_and_answered_where_they_write(town: Town, channel: str):
    stranger = await town.somebody(known=False, channels=(channel,))
    address = stranger.addresses[channel]
    await stranger.says("hello, do you sell cotton yarn?", on=channel)
    received = await stranger.sees(inbound.Received, channel=channel)
    stranger.id = f"unknown-{received.event.digest[:32]}"
    registered = await stranger.sees(contact.Registered)
    assert not registered.event.known_to_erp
    answered = await stranger.sees(conversation.MessageRequested)
    assert (answered.event.channel, answered.event.to) == (channel, address)
    await stranger.sees(message.Accepted, channel=channel)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_two_matters_at_once_do_not_mix(town: Town, channel: str):
    asha = await reached_on(town, channel)
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    await asha.sees(conversation.ProcessBound, times=2)
    await asha.says(f"Invoice {asha.invoice} ka payment 20 February tak kar denge", on=channel)
    await asha.sees(conversation.ProcessMoved, to_state="promised")
    matters = {fact.event.entity_id: fact.event.matter for fact in await asha.facts(conversation.ProcessBound)}
    moved = [fact.event for fact in await asha.facts(conversation.ProcessMoved) if fact.event.to_state == "promised"]
    assert [each.matter for each in moved] == [matters[asha.invoice]]
    assert len(await asha.facts(conversation.Opened)) == 1


async def test_it_starts_by_mail_goes_on_by_whatsapp_and_ends_in_the_chat(town: Town):
    asha = await town.somebody(channels=("email", "whatsapp", "chat"), consent=("email",))
    await asha.owes()
    await asha.sees(message.Accepted, channel="email")
    await asha.says("Kitna amount hai?", on="whatsapp")
    answered = await asha.sees(conversation.MessageRequested, times=2)
    assert (answered.event.channel, answered.event.to) == ("whatsapp", asha.phone)
    await asha.says("Haan ji, 20 February tak kar denge", on="chat")
    await asha.sees(conversation.ProcessMoved, from_state="reminded", to_state="promised")
    confirmed = await asha.sees(conversation.MessageRequested, times=3)
    assert (confirmed.event.channel, confirmed.event.to) == ("chat", asha.id)
    await asha.pays()
    await asha.says("Payment kar diya hai", on="chat")
    await asha.sees(conversation.ProcessMoved, to_state="confirmed")
    await asha.sees(conversation.Closed, reason="resolved")
    thanked = await asha.sees(conversation.MessageRequested, times=4)
    assert thanked.event.channel == "chat"
    [told] = await town.writes(f"/invoices/{asha.invoice}/outcome")
    assert told["body"]["outcome"] == "confirmed"
    assert len(await asha.facts(conversation.Opened)) == len(await asha.facts(conversation.ProcessBound)) == 1


async def test_a_bounce_moves_the_matter_to_the_next_channel(fresh_town: FreshTown):
    town: Town = await fresh_town()
    asha = await town.somebody(channels=("email", "chat"))
    await asha.sits_in_the_chat()
    await town.told("mail/faults", {"to": asha.email, "bounces": "5.1.1"})
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    await asha.sees(message.Bounced)
    await asha.sees(followup.AttemptUnanswered)
    await town.clock.advance(THE_GAP)
    second = await asha.sees(followup.AttemptStarted, times=2)
    assert (second.event.channel, second.event.number) == ("chat", 2)
    await asha.sees(message.Read, channel="chat")


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_channel_that_is_killed_lets_nothing_out_that_waits(fresh_town: FreshTown, channel: str):
    town: Town = await fresh_town()
    asha = await town.somebody(channels=(channel,))
    async with town.held(account=channel):
        await asha.owes(preferred_channel=channel)
        await asha.sees(conversation.MessageRequested, channel=channel)
        await town.publishes(without=channel)
        withheld = await asha.sees(message.Withheld)
    assert "off" in withheld.event.reason
    assert not await asha.facts(message.Accepted)


async def test_what_was_written_while_the_chat_was_closed_is_there_when_it_opens(town: Town):
    asha = await reached_on(town, "chat")
    await town.outside.delete(f"/_sandbox/chat/{asha.id}/open")
    await asha.says("Kitna amount hai?", on="chat")
    await asha.sees(message.Accepted, times=2, channel="chat")
    await asha.sits_in_the_chat()
    await asha.sees(message.Read, times=2, channel="chat")
    shown = (await town.outside.get("/_sandbox/chat/messages", params={"to": asha.id, "role": "agent"})).json()
    assert len(shown) == 2
    assert [line["position"] for line in shown] == sorted(line["position"] for line in shown)
