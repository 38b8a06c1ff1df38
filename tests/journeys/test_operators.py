"""An operator takes a conversation, answers in it, and hands it back; the agent is silent meanwhile."""

import pytest

from events import conversation, message, turn
from events.conversation import MessageRequested
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_while_an_operator_has_the_conversation_the_agent_is_silent(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.taken_over()
    await asha.says("20 February tak kar denge")
    await asha.sees(conversation.ContactSaid)
    ravi = await town.somebody()
    await ravi.was_reminded()
    assert await asha.facts(turn.Completed) == []
    assert len(await asha.received()) == 1


async def test_the_operators_reply_goes_out_and_the_agents_gate_does_not_hold_it(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.taken_over()
    await asha.says("can I pay in two parts?")
    await asha.sees(conversation.ContactSaid)
    await asha.replied("Yes: half now, half on 1 March.")
    asked = await asha.sees(MessageRequested, purpose="operator")
    await asha.sees(message.Accepted, times=2)
    assert asked.event.allowed_by.checks[0].rule == "operator"
    assert (await asha.received())[-1]["text"] == "Yes: half now, half on 1 March."


async def test_after_the_release_what_nobody_answered_is_answered(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.taken_over()
    await asha.says("20 February tak kar denge")
    await asha.sees(conversation.ContactSaid)
    await asha.released()
    await asha.sees(conversation.ProcessMoved, to_state="promised")
    await asha.sees(message.Accepted, times=2)
    assert "20 February" in (await asha.received())[-1]["text"]


async def test_what_the_operator_answered_is_not_answered_again(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.taken_over()
    await asha.says("which account number?")
    await asha.sees(conversation.ContactSaid)
    await asha.replied("The one on the invoice.")
    await asha.sees(message.Accepted, times=2)
    await asha.released()
    await asha.sees(conversation.Released)
    await asha.says("20 February tak kar denge")
    await asha.sees(message.Accepted, times=3)
    assert len(await asha.received()) == 3


async def test_a_reminder_that_the_takeover_withheld_goes_out_after_the_release(town: Town):
    asha = await town.somebody()
    async with town.held():
        await asha.owes()
        await asha.sees(MessageRequested)
        await asha.taken_over()
        await asha.sees(message.Withheld)
    await asha.released()
    await asha.sees(message.Accepted)
    await asha.sees(conversation.ProcessMoved, to_state="reminded")
    assert len(await asha.received()) == 1


async def test_a_payment_during_the_takeover_settles_the_matter_and_the_conversation_stays_with_the_operator(
    town: Town,
):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.taken_over()
    await asha.pays(event=True)
    await asha.sees(conversation.MatterSettled, how="resolved")
    await asha.replied("Thank you!")
    await asha.sees(message.Accepted, times=2)
    assert await asha.facts(conversation.Closed) == []


async def test_an_operators_reply_is_withheld_by_a_stop(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.taken_over()
    async with town.held():
        await asha.replied("Are you there?")
        await asha.sees(MessageRequested, purpose="operator")
        await asha.says("STOP")
        await asha.sees(message.Withheld)
    assert len(await asha.received()) == 1
