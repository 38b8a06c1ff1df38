"""The main job: from the ERP's event to a settled follow-up, each fact with its cause."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from events import backend, business, conversation, errand, followup, inbound, message, rules, timer, turn
from events.base import Recorded
from libs.testkit.nouns import HER_PROMISE, INVOICE, INVOICE_OVERDUE, IST, PRIYA
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYDAY = datetime(2026, 2, 20, 10, 0, tzinfo=IST)

SHAPE = {
    ("business.event_received", None),
    ("rules.evaluated", "business.event_received"),
    ("followup.opened", "rules.evaluated"),
    ("followup.contact_requested", "followup.opened"),
    ("contact.registered", "followup.contact_requested"),
    ("conversation.opened", "contact.registered"),
    ("conversation.process_bound", "contact.registered"),
    ("conversation.flow_started", "contact.registered"),
    ("conversation.step_entered", "contact.registered"),
    ("conversation.tool_requested", "contact.registered"),
    ("backend.call_completed", "conversation.tool_requested"),
    ("conversation.step_entered", "backend.call_completed"),
    ("followup.attempt_started", "backend.call_completed"),
    ("conversation.message_requested", "backend.call_completed"),
    ("message.accepted", "conversation.message_requested"),
    ("conversation.process_moved", "message.accepted"),
    ("conversation.timer_set", "message.accepted"),
    ("message.delivered", "inbound.status_received"),
    ("message.read", "inbound.status_received"),
    ("inbound.received", None),
    ("conversation.contact_said", "inbound.received"),
    ("conversation.turn_requested", "inbound.received"),
    ("turn.completed", "conversation.turn_requested"),
    ("conversation.understood", "turn.completed"),
    ("conversation.process_moved", "turn.completed"),
    ("conversation.timer_set", "turn.completed"),
    ("conversation.step_entered", "turn.completed"),
    ("conversation.draft_dropped", "turn.completed"),
    ("conversation.writeback_requested", "turn.completed"),
    ("conversation.turn_requested", "turn.completed"),
    ("conversation.message_requested", "turn.completed"),
    ("backend.call_completed", "conversation.writeback_requested"),
    ("timer.fired", "conversation.timer_set"),
    ("conversation.process_moved", "timer.fired"),
    ("conversation.flow_started", "timer.fired"),
    ("conversation.tool_requested", "timer.fired"),
    ("conversation.process_moved", "backend.call_completed"),
    ("followup.resolved", "backend.call_completed"),
    ("conversation.writeback_requested", "backend.call_completed"),
    ("conversation.closed", None),
}
"""A fact and the fact that caused it. The closing may be caused by either last outcome."""


async def test_the_demo_is_the_journey_of_the_design_fact_by_fact(fresh_town: FreshTown):
    town = await fresh_town()
    priya = Priya(town)
    await town.event("invoice_overdue", INVOICE_OVERDUE, event_id="demo-1", source="erp")
    await priya.sees(backend.CallCompleted, endpoint="record_promise")
    await priya.sees(message.Read, times=2)
    await town.told("erp/pay", {"invoice_id": INVOICE})
    await town.clock.set(PAYDAY)
    await priya.sees(conversation.Closed, reason="resolved")
    facts = await town.log.now()

    happened = causes(facts)
    assert {row for row in SHAPE - set(happened) if row[1] is not None} == set()
    assert ("business.event_received", None) in happened
    assert ("inbound.received", None) in happened

    moves = [(fact.event.from_state, fact.event.to_state) for fact in await priya.facts(conversation.ProcessMoved)]
    assert moves == [
        ("pending", "reminded"),
        ("reminded", "promised"),
        ("promised", "promised"),
        ("promised", "confirmed"),
    ]
    [evaluated] = await priya.facts(rules.Evaluated)
    assert [each.rule_id for each in evaluated.event.matched] == ["overdue_reminder"]
    assert {each.rule_id for each in evaluated.event.rejected} == {
        "overdue_reminder_by_chat",
        "overdue_reminder_by_sms",
        "order_placed",
        "shipment_delayed",
        "due_soon",
    }
    assert all(each.reasons for each in evaluated.event.rejected)
    [started] = await priya.facts(followup.AttemptStarted)
    assert started.event.allowed_by.verdict == "allowed"
    assert started.event.allowed_by.checks
    assert [each.channel for each in started.event.skipped] == ["voice"]
    [promise] = [fact.event for fact in await priya.facts(turn.Completed) if fact.event.intents]
    assert promise.intents == ["promise_to_pay"]
    assert promise.extracted_info["payment_date"] == "2026-02-20"
    assert promise.words["payment_date"] in HER_PROMISE
    assert promise.cost is not None
    assert promise.cost.currency == "USD"
    assert promise.cost.micros > 0
    costs = [fact.event.cost for fact in await priya.facts(message.Accepted)]
    assert [(cost.currency, cost.micros) for cost in costs if cost] == [("INR", 115_000), ("INR", 0), ("INR", 115_000)]


async def test_the_erp_is_told_once_under_the_intents_own_id(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.pays(event=True)
    await asha.sees(backend.CallCompleted, endpoint="record_outcome")
    [asked] = await asha.facts(errand.WritebackRequested)
    [told] = [each for each in await town.writes("/outcome") if asha.invoice in each["path"]]
    assert told["key"] == str(asked.id)
    assert told["replays"] == 0
    assert told["body"] == {"status": "resolved", "outcome": "confirmed"}


async def test_thanks_wait_for_the_minimum_gap_and_close_the_conversation(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.pays(event=True)
    await asha.sees(followup.Resolved)
    deferred = await asha.sees(conversation.TimerSet, purpose="deferred")
    assert [each["template"] for each in await asha.received()] == ["payment_reminder_v1"]
    await town.clock.set(deferred.event.due_at)
    await asha.sees(conversation.Closed, reason="resolved")
    assert [each["template"] for each in await asha.received()] == ["payment_reminder_v1", "payment_thanks_v1"]


async def test_nobody_is_written_to_about_an_invoice_that_is_paid_already(town: Town):
    asha = await town.somebody()
    await asha.pays()
    await asha.owes()
    await asha.sees(followup.Resolved)
    await asha.sees(conversation.Closed, reason="resolved")
    assert await asha.received() == []


async def test_the_same_matter_is_followed_up_once_however_often_the_erp_says_it(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    for _ in range(3):
        await asha.owes()
    await asha.sees(rules.Evaluated, times=4)
    await asha.says("20 February tak kar denge")
    await asha.sees(message.Accepted, times=2)
    assert len(await asha.facts(followup.Opened)) == 1
    assert len(await asha.facts(business.EventReceived)) == 4


async def test_an_event_that_no_rule_wants_is_evaluated_with_its_reasons_and_leads_nowhere(town: Town):
    asha = await town.somebody()
    await asha.owes(days_overdue=1)
    await asha.owes(disputed=True)
    found = await town.log.wait(
        lambda fact: isinstance(fact.event, rules.Evaluated) and not fact.event.matched, times=2
    )
    assert all(each.reasons for fact in found for each in fact.event.rejected)
    assert await asha.facts(followup.Opened) == []


async def test_two_matters_of_one_contact_share_one_conversation(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await town.event("order_placed", {"order_number": asha.order, "contact_id": asha.id, "expected_date": "2026-02-24"})
    await asha.sees(conversation.ProcessBound, times=2)
    assert len(await asha.facts(conversation.Opened)) == 1
    bound = {fact.event.process_type for fact in await asha.facts(conversation.ProcessBound)}
    assert bound == {"payment_collection", "order_fulfillment"}


async def test_an_inbound_message_and_its_reply_name_the_conversation_that_the_reminder_opened(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("5 lakh ka payment kal kar denge")
    await asha.sees(inbound.Received)
    await asha.sees(message.Accepted, times=2)
    assert len(await asha.facts(conversation.Opened)) == 1


async def test_the_timer_that_fires_is_one_that_was_set(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("kal kar denge")
    await asha.sees(conversation.TimerSet, purpose="check")
    await town.clock.set(PAYDAY)
    fired = await asha.sees(timer.Fired)
    assert fired.event.timer in {fact.event.timer for fact in await asha.facts(conversation.TimerSet)}
    moved = await asha.sees(conversation.ProcessMoved, to_state="overdue")
    assert moved.event.from_state == "promised"


class Priya(Person):
    """Priya Sharma of Acme Corp, whom the sandbox knows and who answers by herself."""

    def __init__(self, town: Town) -> None:
        super().__init__(town, 0)
        self.id, self.invoice, self.phone = PRIYA, INVOICE, "+919876543210"


def causes(facts: list[Recorded[Any]]) -> Counter[tuple[str, str | None]]:
    """How often a fact of one type was caused by a fact of another; None: by something outside."""
    types = {fact.id: fact.type.rpartition(".")[0] for fact in facts}
    return Counter(
        (types[fact.id], types.get(fact.envelope.causation_id) if fact.envelope.causation_id else None)
        for fact in facts
    )
