"""The main job on each channel, and one matter that wanders over them: from the ERP's event to the status written back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from events import backend, consent, contact, conversation, followup, inbound, message
from libs.testkit.nouns import IST
from tests.journeys.conftest import FreshTown
from tests.journeys.log import fits
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
    if channel == "chat":  # where only somebody who is there can be spoken to
        await asha.says("Namaste", on="chat")
        await asha.sees(conversation.Closed)
    await asha.owes(preferred_channel=channel)
    await asha.sees(conversation.ProcessMoved, to_state="reminded")
    return asha


async def asked(asha: Person, purpose: str, times: int = 1) -> Any:
    """What was asked to be said in the conversation with the matter, the last of so many times."""
    bound = await asha.sees(conversation.ProcessBound)
    found = await asha.town.log.wait(
        lambda fact: fits(fact, conversation.MessageRequested, {"purpose": purpose}) and fact.stream == bound.stream,
        times=times,
    )
    return found[-1].event


@pytest.mark.parametrize("channel", CHANNELS)
async def test_from_the_event_to_the_status_written_back(fresh_town: FreshTown, channel: str):
    town: Town = await fresh_town()
    asha = await reached_on(town, channel)
    reminder = await asked(asha, "approach")
    assert (reminder.channel, reminder.to) == (channel, asha.addresses[channel])
    assert (reminder.body.template is not None) == (channel in REGISTERED_TEXTS)
    await asha.says("Haan ji, 20 February tak kar denge", on=channel)
    await asha.sees(conversation.ProcessMoved, from_state="reminded", to_state="promised")
    assert (await asked(asha, "answer")).channel == channel
    await asha.pays()
    if channel == "chat":
        await asha.says("Payment kar diya hai", on="chat")
        thanks = await asked(asha, "answer", times=2)
    else:
        await asha.sees(message.Delivered, times=2)  # days later WhatsApp would take no free text any more
        await town.clock.advance(CHECK - town.clock.now())
        thanks = await asked(asha, "approach", times=2)
    await asha.sees(conversation.ProcessMoved, to_state="confirmed")
    assert (thanks.channel, bool(thanks.body.text.strip())) == (channel, True)
    await asha.sees(backend.CallCompleted, endpoint="record_outcome")
    await asha.sees(followup.Resolved)
    await asha.sees(conversation.Closed, reason="resolved")
    [told] = await town.writes(f"/invoices/{asha.invoice}/outcome")
    assert told["body"]["outcome"] == "confirmed"
    assert len(await asha.facts(conversation.ProcessBound)) == 1


@pytest.mark.parametrize("channel", CHANNELS)
async def test_stop_on_a_channel_ends_everything_on_all(town: Town, channel: str):
    asha = await reached_on(town, channel)
    await asha.says("STOP", on=channel)
    await asha.sees(consent.Withdrawn, how="stop_word")
    await asha.sees(conversation.Closed, reason="opted_out")
    before = len(await asha.facts(conversation.MessageRequested))
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    await asha.sees(followup.Exhausted)
    assert len(await asha.facts(conversation.MessageRequested)) == before


@pytest.mark.parametrize("channel", CHANNELS)
async def test_somebody_whom_nobody_knows_is_heard_and_answered_where_they_write(town: Town, channel: str):
    stranger = await town.somebody(known=False, channels=(channel,))
    address = stranger.addresses[channel]
    await stranger.says("hello, do you sell cotton yarn?", on=channel)
    await stranger.sees(inbound.Received, channel=channel)
    registered = await town.log.wait(
        lambda fact: (
            isinstance(fact.event, contact.Registered) and not fact.event.known_to_erp and address in str(fact.event)
        )
    )
    stranger.id = registered[0].event.contact_id
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
    assert len({fact.stream for fact in await asha.facts(conversation.ProcessBound)}) == 1


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
    asha = await town.somebody(channels=("email", "sms"))
    await town.told("mail/faults", {"to": asha.email, "bounces": "5.1.1"})
    wanted = {"contact_id": asha.id, "reason": "Ask for the delivery date", "channel_priority": ["email", "sms"]}
    answer = await town.post("/api/v1/followups/trigger", wanted)
    assert answer.status_code == 202, answer.text
    await asha.sees(message.Bounced)
    await asha.sees(followup.AttemptUnanswered)
    await town.clock.advance(THE_GAP)
    second = await asha.sees(followup.AttemptStarted, times=2)
    assert (second.event.channel, second.event.number) == ("sms", 2)
    await asha.sees(message.Delivered, channel="sms")


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_channel_that_is_killed_lets_nothing_out_that_waits(fresh_town: FreshTown, channel: str):
    town: Town = await fresh_town()
    asha = await town.somebody(channels=(channel,))
    if channel == "chat":
        await asha.says("Namaste", on="chat")
        await asha.sees(conversation.Closed)
    before = len(await asha.facts(message.Accepted))
    async with town.held(account=channel):
        await asha.owes(preferred_channel=channel)
        await asked(asha, "approach")
        await town.publishes(without=channel)
        withheld = await asha.sees(message.Withheld)
    assert "off" in withheld.event.reason
    assert len(await asha.facts(message.Accepted)) == before


async def test_what_was_written_while_the_chat_was_closed_is_there_when_it_opens(town: Town):
    asha = await reached_on(town, "chat")
    await asha.sees(message.Read, times=2, channel="chat")
    await town.outside.delete(f"/_sandbox/chat/{asha.id}/open")
    before = await shown_to(asha)
    await asha.taken_over()
    await asha.replied("We keep the parcel until Friday.")
    await asha.sees(message.Accepted, times=3, channel="chat")
    assert await shown_to(asha) == before
    await asha.sits_in_the_chat()
    await asha.sees(message.Read, times=3, channel="chat")
    last = (await shown_to(asha))[-1]
    assert (last["role"], last["text"]) == ("operator", "We keep the parcel until Friday.")
    assert last["position"] == before[-1]["position"] + 1


async def shown_to(asha: Person) -> list[dict[str, Any]]:
    """The lines that their tab has shown."""
    lines: list[dict[str, Any]] = (
        await asha.town.outside.get("/_sandbox/chat/messages", params={"to": asha.id})
    ).json()
    return lines
