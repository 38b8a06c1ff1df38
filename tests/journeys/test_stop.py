"""STOP: at once, everywhere, also for what was asked for before; START opens again."""

import pytest

from events import consent, conversation, followup, message, turn
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("word", ["STOP", "stop please!", "band karo", "बंद करो"])
async def test_stop_ends_every_contact_at_once(town: Town, word: str):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says(word)
    withdrawn = await asha.sees(consent.Withdrawn, how="stop_word")
    assert withdrawn.event.evidence == word
    await asha.sees(conversation.Closed, reason="opted_out")
    await asha.sees(followup.Cancelled)
    assert await asha.facts(turn.Completed) == []
    assert len(await asha.received()) == 1


async def test_after_a_stop_new_matters_are_refused_with_the_reason(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("STOP")
    await asha.sees(conversation.Closed)
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    exhausted = await asha.sees(followup.Exhausted)
    assert "stop" in str(exhausted.event.skipped)
    assert len(await asha.received()) == 1


async def test_what_was_asked_for_before_the_stop_is_withheld(town: Town):
    asha = await town.somebody()
    async with town.held():
        await asha.owes()
        await asha.sees(conversation.MessageRequested)
        await asha.says("STOP")
        withheld = await asha.sees(message.Withheld)
    assert "gate" in withheld.event.reason
    await asha.sees(conversation.Closed, reason="opted_out")
    assert await asha.received() == []


async def test_claude_can_hear_a_stop_that_is_no_stop_word(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("Please remove my number from your list and never write to me again, I do not want any messages")
    await asha.sees(consent.Withdrawn, how="understood")
    await asha.sees(conversation.Closed, reason="opted_out")
    assert len(await asha.received()) == 1


async def test_start_opens_again(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("STOP")
    await asha.sees(conversation.Closed)
    await asha.says("START")
    await asha.sees(consent.Given)
    await asha.sees(conversation.GateOpened)
    await asha.sees(message.Accepted, times=2)
    assert len(await asha.received()) == 2


async def test_a_contact_who_said_stop_and_writes_again_is_handed_to_a_person(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("STOP")
    await asha.sees(conversation.Closed)
    await asha.says("when will my order come?")
    await asha.sees(conversation.Escalated)
    assert len(await asha.received()) == 1


async def test_stop_word_from_one_contact_silences_nobody_else(town: Town):
    asha, ravi = await town.somebody(), await town.somebody()
    await asha.was_reminded()
    await asha.says("STOP")
    await asha.sees(conversation.Closed)
    await ravi.was_reminded()
    assert len(await ravi.received()) == 1


async def test_a_stop_counts_for_everybody_who_is_reached_at_that_phone(town: Town):
    asha, dev, mira = [await town.somebody() for _ in range(3)]
    dev.phone = mira.phone = asha.phone
    agreed = {"at": "2025-11-03T09:30:00Z", "evidence": "order form, box ticked"}
    shared = [{"channel": "whatsapp", "address": asha.phone, "consent": agreed}]
    for each in (dev, mira):
        await town.told("erp/contacts", {"id": each.id, "name": each.name, "channels": shared})
    await asha.was_reminded()
    await dev.owes()
    await dev.sees(followup.Deferred)
    quoted = next(each["id"] for each in await asha.received() if asha.invoice in each["text"])
    await asha.says("STOP", quoted=quoted)
    await asha.sees(consent.Withdrawn, channel=None)
    barred = [await dev.sees(consent.Withdrawn, times=number) for number in (1, 2, 3)]
    assert {each.event.channel for each in barred} == {"whatsapp", "sms", "voice"}
    before = len(await asha.received())
    await mira.owes()  # who is known only now
    await mira.sees((followup.Exhausted, conversation.Escalated))
    assert len(await asha.received()) == before
