"""A conversation folded: what was said, what is unread, what is awaited, and where each matter stands."""

from typing import Any

import pytest

from events.base import Event
from events.conversation import (
    ChannelSwitched,
    Closed,
    ContactSaid,
    DraftDropped,
    Escalated,
    FlowEnded,
    FlowStarted,
    MatterSettled,
    MessageRequested,
    Opened,
    OutcomeHeard,
    ProcessBound,
    ProcessMoved,
    Released,
    StepEntered,
    TakenOver,
    TimerSet,
    ToolAnswered,
    TurnRequested,
    Understood,
)
from events.errand import ToolRequested, WritebackRequested
from events.values import Body, PolicyDecision, Trigger
from libs.domain.conversation import Conversation, evolve
from libs.domain.lines import HISTORY
from libs.testkit.nouns import HER_PROMISE, INVOICE, NOON, PRIYA

OPENED = Opened(contact_id=PRIYA)
BOUND = ProcessBound(
    matter="m", bundle="b", state="pending", process_type="payment_collection", entity_id=INVOICE, context={"amount": 1}
)
AT_THE_REMINDER = (
    OPENED,
    BOUND,
    FlowStarted(matter="m", flow="payment_reminder"),
    StepEntered(matter="m", flow="payment_reminder", step="send_reminder"),
)
CALL = ToolRequested(call="t-1", matter="m", endpoint="check_payment", result_key="payment_status")
TURN = TurnRequested(turn="turn-1", upto=5, instructions="", matter="m", step="send_reminder")


def said(text: str = HER_PROMISE) -> ContactSaid:
    return ContactSaid(channel="whatsapp", inbound="inbound-1", text=text, at=NOON)


def asked(message: str = "m-1", **changes: Any) -> MessageRequested:
    decision = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=NOON)
    known: dict[str, Any] = {"matter": "m", "step": "send_reminder", "channel": "whatsapp", "body": Body(text="Hello")}
    return MessageRequested(**{"message": message, "to": "+91", "allowed_by": decision, **known, **changes})


def after(*facts: Event) -> Conversation:
    state = Conversation()
    for fact in facts:
        state = evolve(state, fact)
    return state


def test_its_version_is_the_number_of_its_facts():
    assert after(OPENED, Escalated(reason="?"), ChannelSwitched(channel="email", reason="")).version == 3


def test_it_is_new_then_open_then_closed():
    closed = Closed(reason="resolved")
    assert [after(*facts).status for facts in ((), (OPENED,), (OPENED, closed))] == ["new", "open", "closed"]


def test_an_operator_has_it_until_the_release():
    taken = (OPENED, TakenOver(operator="Meera"))
    assert (after(*taken).status, after(*taken).open) == ("with_operator", True)
    assert after(*taken, Released(operator="Meera")).status == "open"


def test_a_matter_joins_with_its_state_and_context_and_is_in_focus():
    state = after(OPENED, BOUND)
    matter = state.matters["m"]
    assert (matter.state, matter.entity_id, matter.context, state.focus) == ("pending", INVOICE, {"amount": 1}, "m")


def test_what_the_contact_said_is_unread_until_a_message_answers_it():
    heard = (*AT_THE_REMINDER, said())
    assert [line.text for line in after(*heard).unread] == [HER_PROMISE]
    assert after(*heard, asked(answers=5)).unread == ()


def test_an_answer_leaves_unread_what_was_said_after_what_it_answers():
    state = after(*AT_THE_REMINDER, said("one"), said("two"), asked(answers=5))
    assert [line.text for line in state.unread] == ["two"]


def test_the_channel_is_the_one_last_spoken_on():
    assert after(OPENED, said()).channel == "whatsapp"
    assert after(OPENED, said(), ChannelSwitched(channel="email", reason="")).channel == "email"
    assert after(OPENED, said(), asked(channel="sms")).channel == "sms"


def test_lines_are_kept_as_far_as_claude_needs_them():
    state = after(OPENED, *(said(str(number)) for number in range(HISTORY + 5)))
    assert len(state.lines) == HISTORY
    assert state.lines[-1].text == str(HISTORY + 4)


@pytest.mark.parametrize(
    ("intent", "name", "answer"),
    [
        (CALL, "t-1", ToolAnswered(call="t-1", matter="m", result_key="payment_status", ok=True)),
        (asked(), "m-1", OutcomeHeard(intent="m-1", outcome="accepted")),
        (TURN, "turn-1", Understood(turn="turn-1", intents=[])),
        (TURN, "turn-1", OutcomeHeard(intent="turn-1", outcome="failed")),
        (
            WritebackRequested(call="w-1", matter="m", endpoint="x"),
            "w-1",
            OutcomeHeard(intent="w-1", outcome="confirmed"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_intent_is_awaited_until_its_outcome_is_heard(intent: Event, name: str, answer: Event):
    assert after(*AT_THE_REMINDER, intent).awaited == {name}
    assert after(*AT_THE_REMINDER, intent, answer).awaited == frozenset()


def test_a_timer_is_awaited_only_where_it_will_say_something():
    check = TimerSet(timer="1", purpose="check", due_at=NOON, matter="m")
    line = TimerSet(timer="2", purpose="deferred", due_at=NOON, matter="m", template="thanks")
    assert after(OPENED, BOUND, check).awaited == frozenset()
    assert after(OPENED, BOUND, line).awaited == {"2"}


def test_a_tools_answer_is_kept_under_its_key():
    answer = ToolAnswered(call="t-1", matter="m", result_key="payment_status", ok=True, result={"paid": True})
    state = after(*AT_THE_REMINDER, CALL, answer)
    assert state.matters["m"].results == {"payment_status": {"paid": True}}
    assert state.calls == {}


def test_what_was_understood_adds_to_what_was_known():
    first = Understood(turn="1", intents=["promise_to_pay"], matter="m", extracted_info={"payment_date": "2026-02-20"})
    second = Understood(turn="2", intents=[], matter="m", extracted_info={"amount": 1}, language="hi")
    state = after(*AT_THE_REMINDER, first, second)
    assert state.matters["m"].extracted_info == {"payment_date": "2026-02-20", "amount": 1}
    assert state.language == "hi"


def test_a_turn_says_up_to_where_was_understood():
    state = after(*AT_THE_REMINDER, said(), TURN, said("and more"), Understood(turn="turn-1", intents=[]))
    assert [line.understood for line in state.unread] == [True, False]


def test_a_move_by_an_intent_remembers_it_and_by_anything_else_keeps_it():
    by_intent = ProcessMoved(matter="m", from_state="a", to_state="b", trigger=Trigger(type="intent", value="promise"))
    by_timer = ProcessMoved(matter="m", from_state="b", to_state="c", trigger=Trigger(type="timer", value="check"))
    matter = after(OPENED, BOUND, by_intent, by_timer).matters["m"]
    assert (matter.state, matter.intent) == ("c", "promise")


def test_a_step_has_asked_once_it_has_spoken():
    assert not after(*AT_THE_REMINDER).matters["m"].asked
    assert after(*AT_THE_REMINDER, asked()).matters["m"].asked
    assert after(*AT_THE_REMINDER, TURN).matters["m"].asked


@pytest.mark.parametrize("purpose", ["deferred", "pending"])
def test_a_step_that_was_put_off_has_not_asked(purpose: Any):
    timer = TimerSet(timer="1", purpose=purpose, due_at=NOON, matter="m", step="send_reminder")
    assert not after(*AT_THE_REMINDER, TURN, timer).matters["m"].asked


def test_a_step_whose_message_was_withheld_has_not_asked():
    withheld = OutcomeHeard(intent="m-1", outcome="withheld")
    assert not after(*AT_THE_REMINDER, asked(), withheld).matters["m"].asked
    assert after(*AT_THE_REMINDER, asked(), OutcomeHeard(intent="m-1", outcome="accepted")).matters["m"].asked


@pytest.mark.parametrize(
    ("wants", "before", "outcome", "asks_again"),
    [
        ("draft", (), "withheld", True),
        ("draft", (TakenOver(operator="Meera"),), "completed", True),
        ("draft", (), "completed", False),
        ("draft", (), "failed", False),
        ("both", (), "withheld", False),
    ],
)
def test_a_step_whose_words_could_not_be_used_has_not_asked(
    wants: Any, before: tuple[Event, ...], outcome: str, asks_again: bool
):
    turn = TurnRequested(turn="turn-1", upto=4, instructions="", wants=wants, matter="m", step="send_reminder")
    state = after(*AT_THE_REMINDER, turn, *before, OutcomeHeard(intent="turn-1", outcome=outcome))
    assert state.matters["m"].asked is not asks_again


def test_a_draft_that_was_dropped_for_a_newer_message_makes_it_quiet_until_the_next_turn():
    dropped = DraftDropped(turn="turn-1", reason="newer_message")
    quiet = (*AT_THE_REMINDER, said(), TURN, dropped)
    assert (after(*quiet).quiet, after(*quiet).suppressed) == (True, 1)
    assert not after(*quiet, TURN).quiet
    assert after(*quiet, TURN, dropped).suppressed == 2


@pytest.mark.parametrize("end", [TakenOver(operator="Meera"), Closed(reason="opted_out"), asked(answers=7)])
def test_it_is_quiet_no_longer_once_somebody_answered(end: Event):
    dropped = DraftDropped(turn="turn-1", reason="newer_message")
    assert not after(*AT_THE_REMINDER, said(), TURN, dropped, end).quiet


def test_a_message_that_was_sent_forgives_the_suppressed_drafts():
    dropped = DraftDropped(turn="turn-1", reason="newer_message")
    assert after(*AT_THE_REMINDER, TURN, dropped, asked()).suppressed == 0


def test_a_settled_matter_is_not_live_and_a_flow_that_ended_has_no_step():
    ended = (
        *AT_THE_REMINDER,
        MatterSettled(matter="m", how="resolved"),
        FlowEnded(matter="m", flow="payment_reminder"),
    )
    state = after(*ended)
    assert (state.live, state.matters["m"].settled) == ((), "resolved")
    assert (state.matters["m"].flow, state.matters["m"].step) == (None, None)


def test_a_message_remembers_when_it_was_decided_and_what_became_of_it():
    sent = after(*AT_THE_REMINDER, asked(), OutcomeHeard(intent="m-1", outcome="failed")).messages["m-1"]
    assert (sent.at, sent.heard, sent.step) == (NOON, "failed", "send_reminder")


def test_facts_about_a_matter_that_is_not_here_are_no_trouble():
    stray = (
        StepEntered(matter="x", flow="f", step="s"),
        FlowEnded(matter="x", flow="f"),
        MatterSettled(matter="x", how="cancelled"),
        Understood(turn="1", intents=[], matter="x", extracted_info={"a": 1}),
        ToolAnswered(call="1", matter="x", result_key="k", ok=True),
    )
    assert after(OPENED, *stray).matters == {}
