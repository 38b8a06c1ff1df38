"""Between an intent and its sending the world may change: what is no longer wanted is withheld, and nothing reaches the provider."""

from collections.abc import Awaitable, Callable

import pytest

from events import conversation, followup, message, turn
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

Change = Callable[[Person], Awaitable[None]]


async def says_stop(asha: Person) -> None:
    await asha.says("STOP")


async def is_taken_over(asha: Person) -> None:
    await asha.taken_over()


async def pays(asha: Person) -> None:
    await asha.pays(event=True)


async def has_the_invoice_cancelled(asha: Person) -> None:
    await asha.town.event("invoice_cancelled", {"invoice_number": asha.invoice})


async def is_closed_by_hand(asha: Person) -> None:
    answer = await asha.town.post(
        "/api/v1/context/trigger",
        {"conversation_id": await asha.conversation(), "trigger_type": "manual", "trigger_value": "close"},
    )
    assert answer.status_code == 202, answer.text


CHANGES = [says_stop, is_taken_over, pays, has_the_invoice_cancelled, is_closed_by_hand]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_message_that_is_no_longer_wanted_is_withheld(town: Town, change: Change):
    asha = await town.somebody()
    async with town.held():
        await asha.owes()
        asked = await asha.sees(conversation.MessageRequested)
        await change(asha)
        withheld = await asha.sees(message.Withheld)
    assert withheld.subject_id == asked.event.message
    await asha.sees(conversation.OutcomeHeard, intent=asked.event.message, outcome="withheld")
    ravi = await town.somebody()
    await ravi.was_reminded()
    assert await asha.received() == []


@pytest.mark.parametrize("change", [says_stop, is_taken_over, pays], ids=lambda change: change.__name__)
async def test_a_turn_that_is_no_longer_wanted_is_not_taken(town: Town, change: Change):
    asha = await town.somebody()
    await asha.was_reminded()
    async with town.held("orchestrator", "anthropic"):
        await asha.says("kal kar denge")
        asked = await asha.sees(conversation.TurnRequested)
        await change(asha)
        withheld = await asha.sees(turn.Withheld)
    assert withheld.subject_id == asked.event.turn
    await asha.sees(conversation.OutcomeHeard, intent=asked.event.turn, outcome="withheld")
    ravi = await town.somebody()
    await ravi.was_reminded()
    await ravi.says("kal kar denge")
    await ravi.sees(turn.Completed)
    # What was paid for meanwhile may be answered, by another turn.
    assert asked.event.turn not in [fact.subject_id for fact in await asha.facts(turn.Completed)]


async def test_a_contact_who_wrote_while_the_invoice_was_being_paid_is_still_answered(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    async with town.held("orchestrator", "anthropic"):
        await asha.says("kal kar denge")
        await asha.sees(conversation.TurnRequested)
        await asha.pays(event=True)
        await asha.sees(turn.Withheld)
    await asha.sees(followup.Resolved)
    await asha.sees(message.Accepted, times=2)


async def test_a_new_matter_after_a_withheld_one_is_written_about(town: Town):
    asha = await town.somebody()
    async with town.held():
        await asha.owes()
        await asha.sees(conversation.MessageRequested)
        await has_the_invoice_cancelled(asha)
        await asha.sees(message.Withheld)
    await asha.sees(conversation.Closed, reason="cancelled")
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    opened = await asha.sees(conversation.Opened, times=2)
    assert opened.event.follows is not None
    await asha.sees(followup.Opened, times=2)


async def test_the_cancelled_matter_is_cancelled_and_the_erp_is_not_told_that_it_was_resolved(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await has_the_invoice_cancelled(asha)
    cancelled = await asha.sees(followup.Cancelled)
    assert "invoice_cancelled" in cancelled.event.reason
    await asha.sees(conversation.Closed, reason="cancelled")
    assert [each for each in await town.writes("/outcome") if asha.invoice in each["path"]] == []


async def test_what_the_provider_holds_already_is_known_when_the_contact_says_stop(town: Town):
    asha = await town.somebody()
    await town.told(
        "meta/faults", {"to": asha.phone, "answer": "hung", "commits": True, "seconds": 0.5, "silent": True}
    )
    await asha.owes()
    await asha.sees(conversation.MessageRequested)
    await town.until_sent(asha)
    await asha.says("STOP")
    await asha.sees(conversation.Closed, reason="opted_out")
    await asha.sees((message.Accepted, message.OutcomeUnknown))
    assert len(await asha.received()) == 1
