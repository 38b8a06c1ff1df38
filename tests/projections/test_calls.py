"""Calls as they are read: how far each came, whatever the order in which its facts were told."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid5

import pytest

from events import call
from events.base import Envelope, Event, Recorded, tag_of
from events.call import CallRequested, CallTaken, EndReason
from events.person import PersonHeard
from events.phone import CallOver, RangUs
from events.values import Cost, PolicyDecision
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_PHONE, TENANT
from projections.base import Held, Row
from projections.call_turns import CALL_TURNS, CallTool, CallTurn
from projections.calls import CALLS, Call

ROOT = UUID("00000000-0000-0000-0000-00000000ca11")
ID = "00000000-0000-0000-0000-0000000000c1"
OURS: dict[str, Any] = {"conversation": "c"}
ALLOWED = PolicyDecision(verdict="allowed", channel="voice", purpose="payment_collection", at=MORNING)
WANTED = CallRequested(
    call=ID, to=PRIYA_PHONE, opening="Namaste", instructions="Ask.", allowed_by=ALLOWED, matter="m", identifies=True
)
DIALLED = call.Dialled(**OURS, provider="exotel", provider_ref="sid")
CAME_IN = call.CameIn(caller=PRIYA_PHONE, digest="d", provider="exotel", provider_ref="sid", at=MORNING)


def at(seconds: int) -> datetime:
    return MORNING + timedelta(seconds=seconds)


def recorded(event: Event, pos: int) -> Recorded[Any]:
    """A fact in its stream, told a second after the one before it."""
    tag = tag_of(type(event))
    stream = f"call-{ID}" if tag.startswith("call.") else "conversation-c"
    envelope = Envelope(
        id=uuid5(ROOT, str(pos)),
        type=tag,
        source="test",
        stream=stream,
        version=pos,
        pos=pos,
        tenant=TENANT,
        correlation_id=ROOT,
        occurred_at=at(pos),
        recorded_at=at(pos),
        subject=PRIYA if stream.startswith("conversation") else None,
    )
    return Recorded(event, envelope)


def after(*events: Event) -> Held:
    held = Held()
    for pos, event in enumerate(events, start=1):
        for projection in (CALLS, CALL_TURNS):
            if type(event) in projection.hears:
                projection.take(recorded(event, pos), held)
    return held


def the_call(*events: Event) -> Call:
    [row] = after(*events).all(Call)
    return row


def ended(reason: EndReason = "contact_hung_up", **changed: Any) -> call.Ended:
    return call.Ended(**{**OURS, "reason": reason, "seconds": 40, **changed})


def test_callbacks_in_any_order_come_to_the_same_call():
    told = [DIALLED, call.Ringing(**OURS, at=at(20)), call.Answered(**OURS, at=at(29)), ended()]
    shown = {
        (row.status, row.reason, row.ring_seconds, row.talk_seconds, row.provider, row.ringing_at, row.answered_at)
        for row in (the_call(WANTED, *order) for order in permutations(told))
    }
    assert shown == {("ended", "contact_hung_up", 9.0, 40, "exotel", at(20), at(29))}


def test_a_call_that_nobody_answered_rang_until_it_was_given_up():
    row = the_call(WANTED, DIALLED, call.Ringing(**OURS, at=at(0)), ended("no_answer", seconds=0))
    assert (row.reason, row.ring_seconds, row.answered_at, row.ended_at) == ("no_answer", 4.0, None, at(4))


@pytest.mark.parametrize(
    "event",
    [
        call.Rejected(**OURS, code="1", reason="no such number"),
        call.Withheld(**OURS, reason="no such number"),
        call.OutcomeUnknown(**OURS, reason="no such number"),
    ],
)
def test_a_call_that_was_not_made_says_why_and_costs_nothing(event: Event):
    row = the_call(WANTED, event)
    assert (row.status, row.reason, row.cost, row.talk_seconds) == (
        tag_of(type(event)).split(".")[1].removeprefix("outcome_"),
        "no such number",
        {},
        None,
    )


def test_costs_are_added_up_by_currency():
    rupees, dollars = Cost(currency="INR", micros=1_200_000), Cost(currency="USD", micros=4_000)
    row = the_call(WANTED, ended(costs={"telephony": rupees, "stt": dollars, "llm": dollars}))
    assert row.cost == {"INR": 1_200_000, "USD": 8_000}
    assert row.costs["stt"] == {"currency": "USD", "micros": 4_000}


def test_who_was_on_the_phone_is_told_of_the_call_they_were_heard_in_and_not_of_the_chat():
    heard = PersonHeard(turn=f"{ID}/1", channel="voice", verdict="denied")
    chat = PersonHeard(turn=ID, channel="whatsapp", verdict="confirmed")
    assert the_call(WANTED, heard, chat).person == "denied"
    assert the_call(WANTED, chat).person is None


def test_somebody_who_calls_us_is_talked_with_in_their_conversation():
    taken = CallTaken(call=ID, caller=PRIYA_PHONE, at=MORNING, opening="Namaste", instructions="Help.", matter="m")
    row = the_call(CAME_IN, taken, call.Answered(**OURS, at=at(5)), ended())
    assert (row.direction, row.conversation_id, row.followup_id, row.contact_id, row.status) == (
        "inbound",
        "c",
        "m",
        PRIYA,
        "ended",
    )


def test_somebody_whom_nobody_talked_with_was_missed_and_their_conversation_knows():
    row = the_call(CAME_IN, call.Missed(at=at(9), reason="no_line"), RangUs(call=ID, at=MORNING, sender=PRIYA_PHONE))
    assert (row.status, row.reason, row.conversation_id, row.ended_at) == ("missed", "no_line", "c", at(9))


def test_a_recording_that_was_deleted_says_why():
    stored = call.RecordingStored(**OURS, seconds=40, size=1, announced="recorded", delete_at=at(90))
    kept = the_call(WANTED, stored)
    assert (kept.recording, kept.recording_seconds, kept.recording_until) == ("stored", 40, at(90))
    gone = the_call(WANTED, stored, call.RecordingDeleted(**OURS, at=at(50), reason="refused"))
    assert (gone.recording, gone.recording_until) == ("deleted: refused", at(50))


def test_what_came_of_a_call_and_which_providers_failed_in_it():
    switched = call.ProviderSwitched(
        **OURS, component="stt", from_provider="a", to_provider="b", reason="connection_lost"
    )
    over = CallOver(call=ID, outcome="talked", reason="completed")
    row = the_call(WANTED, switched, switched, ended(latency_ms={"total": {"p50_ms": 400, "p90_ms": 600}}), over)
    assert [(each["component"], each["reason"]) for each in row.switches] == [("stt", "connection_lost")] * 2
    assert (row.outcome, row.latency_p50_ms, row.latency_p90_ms) == ("talked", 400, 600)


def test_who_was_handed_over_to_a_person_and_for_how_long_stands_with_the_call_that_ended_so():
    talked = call.TransferOver(**OURS, at=at(90), outcome="talked", seconds=48)
    row = the_call(WANTED, ended("transferred"), talked)
    assert (row.status, row.reason, row.talk_seconds) == ("ended", "transferred", 40)
    assert (row.transfer, row.transfer_seconds) == ("talked", 48)


def test_each_exchange_is_a_row_with_its_waits_and_each_thing_asked_for():
    asked = call.ToolCalled(**OURS, turn=1, number=1, tool="send_on_channel", inputs={"text": "secret"})
    waits = {"llm": 210, "total": 540}
    turn = call.TurnTaken(**OURS, turn=1, contact="Haan", agent="Theek hai", at=MORNING, latency_ms=waits)
    again = call.TurnTaken(**OURS, turn=1, contact="", agent="Hello?", at=MORNING, interrupted=True)
    held = after(WANTED, asked, turn, again)
    first, second = held.all(CallTurn)
    assert (first.number, first.contact, first.agent, first.llm_ms, first.stt_ms, first.total_ms) == (
        1,
        "Haan",
        "Theek hai",
        210,
        None,
        540,
    )
    assert (second.number, second.interrupted, second.total_ms) == (1, True, None)
    [tool] = held.all(CallTool)
    assert (tool.turn, tool.tool) == (1, "send_on_channel")
    assert "secret" not in repr(tool)


def test_a_fact_of_a_call_that_nobody_asked_for_makes_no_row():
    rows: list[Row] = list(after(DIALLED, ended()).all(Call))
    assert rows == []
