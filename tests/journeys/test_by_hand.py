"""Follow-ups and moves that somebody asks for by hand."""

import pytest

from events import conversation, errand, followup, message, operator
from tests.journeys.conftest import FreshTown
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLLOWUPS, CONTEXT = "/api/v1/followups/trigger", "/api/v1/context/trigger"


async def test_a_followup_without_a_process_runs_the_general_flow_to_its_end(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    answer = await town.post(
        FOLLOWUPS, {"contact_id": asha.id, "reason": "Test call", "channel_priority": ["voice", "whatsapp"]}
    )
    assert answer.status_code == 202
    asked = answer.json()
    assert asked["conversation_id"] is None
    assert asked["event_id"]
    opened = await asha.sees(followup.Opened)
    assert opened.subject_id == asked["followup_id"]
    started = await asha.sees(conversation.FlowStarted)
    assert started.event.flow == "general_followup"
    await asha.sees(message.Read)
    await asha.says("Yes, tomorrow is fine")
    await asha.sees(message.Accepted, times=2)
    waits = await asha.sees(conversation.TimerSet, purpose="no_reply", step="close")
    await town.clock.set(waits.event.due_at)
    await asha.sees(followup.Resolved)
    await asha.sees(conversation.Closed, reason="resolved")
    assert len(await asha.received()) == 2


async def test_the_answer_to_a_repeated_post_names_the_conversation_once_there_is_one(town: Town):
    asha = await town.somebody()
    body = {"contact_id": asha.id, "reason": "Test call"}
    first = (await town.post(FOLLOWUPS, body, headers={"idempotency-key": "by-hand-1"})).json()
    await asha.sees(message.Accepted)
    again = (await town.post(FOLLOWUPS, body, headers={"idempotency-key": "by-hand-1"})).json()
    assert again["followup_id"] == first["followup_id"]
    assert again["conversation_id"] == await asha.conversation()


async def test_a_followup_only_by_a_channel_that_is_not_built_ends_with_the_reason(town: Town):
    asha = await town.somebody()
    await town.post(FOLLOWUPS, {"contact_id": asha.id, "reason": "Test call", "channel_priority": ["voice"]})
    exhausted = await asha.sees(followup.Exhausted)
    assert [each.channel for each in exhausted.event.skipped] == ["voice"]
    await asha.sees(conversation.Closed)


async def test_a_followup_with_a_process_starts_its_map(town: Town):
    asha = await town.somebody()
    await town.post(
        FOLLOWUPS,
        {
            "contact_id": asha.id,
            "reason": "Invoice",
            "process_type": "payment_collection",
            "entity_type": "invoice",
            "entity_id": asha.invoice,
            "flow": "payment_reminder",
            "channel_priority": ["whatsapp"],
            "business_context": {
                "invoice_number": asha.invoice,
                "amount": 52400,
                "currency": "INR",
                "due_date": "2026-01-30",
                "days_overdue": 17,
            },
        },
    )
    await asha.sees(conversation.ProcessMoved, to_state="reminded")
    assert (await asha.received())[0]["template"] == "payment_reminder_v1"


async def test_a_trigger_moves_the_map_with_what_is_known(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    answer = await town.post(
        CONTEXT,
        {
            "conversation_id": await asha.conversation(),
            "trigger_type": "intent",
            "trigger_value": "promise_to_pay",
            "extra_data": {"extracted_info": {"payment_date": "2026-02-20"}},
        },
    )
    assert answer.status_code == 202, answer.text
    moved = await asha.sees(conversation.ProcessMoved, to_state="promised")
    assert moved.event.from_state == "reminded"
    await asha.sees(operator.TriggerGiven)
    [written] = [
        fact for fact in [await asha.sees(errand.WritebackRequested)] if fact.event.endpoint == "record_promise"
    ]
    assert written.event.payload["promised_date"] == "2026-02-20"


async def test_a_trigger_can_name_the_process_and_the_entity(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    await asha.sees(conversation.ProcessBound, times=2)
    body = {
        "conversation_id": await asha.conversation(),
        "trigger_type": "manual",
        "trigger_value": "close",
        "process_type": "order_fulfillment",
        "entity_id": asha.order,
    }
    assert (await town.post(CONTEXT, body)).status_code == 202
    moved = await asha.sees(conversation.ProcessMoved, to_state="cancelled")
    assert moved.event.from_state == "placed"
    states = [fact.event.to_state for fact in await asha.facts(conversation.ProcessMoved)]
    assert "closed" not in states


async def test_an_unknown_conversation_is_not_found(town: Town):
    answer = await town.post(
        CONTEXT, {"conversation_id": "no-such", "trigger_type": "manual", "trigger_value": "close"}
    )
    assert answer.status_code == 404
    assert answer.json()["title"] == "Unknown conversation"


async def test_a_trigger_that_moves_nothing_is_answered_with_those_that_would(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    answer = await town.post(
        CONTEXT,
        {"conversation_id": await asha.conversation(), "trigger_type": "manual", "trigger_value": "dance"},
    )
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["title"] == "no transition"
    assert {"type": "manual", "value": "mark_paid"} in problem["accepted_triggers"]
    assert {"type": "intent", "value": "promise_to_pay"} in problem["accepted_triggers"]
    assert len(await asha.facts(operator.TriggerGiven)) == 0


async def test_a_closed_conversation_takes_no_trigger(town: Town):
    asha = await town.somebody()
    await asha.pays()
    await asha.owes()
    await asha.sees(conversation.Closed)
    answer = await town.post(
        CONTEXT, {"conversation_id": await asha.conversation(), "trigger_type": "manual", "trigger_value": "close"}
    )
    assert answer.status_code == 409
    assert answer.json()["accepted_triggers"] == []
