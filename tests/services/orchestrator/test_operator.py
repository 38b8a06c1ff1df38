"""People on paper: stop and start by the contact, takeover, reply and release by an operator, triggers by hand."""

import msgspec
import pytest
from msgspec import structs

from events.consent import Given, Withdrawn
from events.conversation import (
    ChannelSwitched,
    Closed,
    Escalated,
    GateClosed,
    GateOpened,
    MatterSettled,
    MessageRequested,
    OutcomeHeard,
    ProcessMoved,
    Released,
    TakenOver,
    TimerSet,
    TurnRequested,
    Understood,
)
from events.followup import Cancelled, Exhausted, Resolved
from events.operator import TriggerGiven
from services.orchestrator import decide
from tests.services.orchestrator.errand import about, errand
from tests.services.orchestrator.phoned import Phoned
from tests.services.orchestrator.scene import CONVERSATION, MATTER, OVERDUE, Scene

CONTACT_GATE = "contact:c_123"
CONVERSATION_GATE = f"conversation:{CONVERSATION}"


def kinds(facts: list[object]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


@pytest.mark.parametrize("word", ["STOP", "stop!", "Band karo", "बंद करो"])
def test_a_stop_word_withdraws_consent_cancels_what_is_open_and_closes(word: str):
    scene = Scene().reminded()
    told = scene.priya_says(word)
    assert kinds(told) == [
        "ContactSaid",
        "Withdrawn",
        "GateClosed",
        "Cancelled",
        "MatterSettled",
        "FlowEnded",
        "Closed",
    ]
    assert scene.last(Withdrawn) == Withdrawn(contact_id="c_123", how="stop_word", evidence=word, said_on="whatsapp")
    assert (scene.last(GateClosed).scope, scene.last(GateClosed).lasting) == (CONTACT_GATE, True)
    assert scene.last(MatterSettled).how == "cancelled"
    assert scene.last(Closed).reason == "opted_out"


def test_a_stop_is_obeyed_while_an_operator_has_the_conversation():
    scene = Scene().reminded()
    scene.is_taken_over()
    scene.priya_says("STOP")
    assert scene.consent.stopped
    assert scene.conversation.status == "closed"


def test_a_stop_cancels_every_matter_of_the_contact():
    scene = Scene().reminded()
    scene.opens(msgspec.structs.replace(OVERDUE, entity_id="INV-2"), matter="matter-2")
    scene.priya_says("STOP")
    assert {followup.status for followup in scene.followups.values()} == {"cancelled"}


def test_a_word_that_only_contains_stop_is_for_claude():
    scene = Scene().reminded()
    assert kinds(scene.priya_says("please don't stop the delivery")) == ["ContactSaid", "TurnRequested"]


def stopped() -> Scene:
    """Priya said STOP, and a new conversation may begin."""
    scene = Scene().reminded()
    scene.priya_says("STOP")
    scene.conversation = type(scene.conversation)()
    return scene


def test_after_a_stop_what_the_contact_writes_goes_to_a_person_once_and_to_no_claude():
    scene = stopped()
    assert kinds(scene.priya_says("order kahan hai?")) == ["Opened", "ContactSaid", "Escalated"]
    assert kinds(scene.priya_says("hello?")) == ["ContactSaid"]


def test_after_a_stop_a_new_matter_is_refused_with_the_reason():
    scene = stopped()
    scene.opens(matter="matter-2")
    scene.erp_answers({"paid": False})
    assert "stop" in str(scene.last(Exhausted).skipped)
    assert not any(isinstance(fact, MessageRequested) for fact in scene.told[-5:])


@pytest.mark.parametrize("word", ["START", "start", "Unstop"])
def test_start_opens_the_gate_and_lets_claude_read(word: str):
    scene = stopped()
    told = scene.priya_says(word)
    assert kinds(told) == ["Opened", "ContactSaid", "Given", "GateOpened", "Escalated", "TurnRequested"]
    assert scene.last(Given).evidence == word
    assert scene.last(GateOpened).scope == CONTACT_GATE
    assert not scene.consent.stopped


def test_start_from_somebody_who_never_stopped_is_a_word_like_any_other():
    scene = Scene().reminded()
    assert kinds(scene.priya_says("START")) == ["ContactSaid", "TurnRequested"]


def test_a_takeover_closes_the_conversations_gate_until_it_is_opened():
    scene = Scene().reminded()
    told = scene.is_taken_over("Meera")
    assert told == [
        TakenOver(operator="Meera"),
        GateClosed(scope=CONVERSATION_GATE, reason="taken over by Meera", lasting=True),
    ]
    assert scene.is_taken_over("Ravi") == []


def test_while_an_operator_has_the_conversation_nobody_asks_claude():
    scene = Scene().reminded()
    scene.is_taken_over()
    assert kinds(scene.priya_says("haan?")) == ["ContactSaid"]


def test_an_operators_reply_is_withheld_by_the_contacts_stop_alone():
    scene = Scene().reminded()
    scene.priya_says("haan?")
    scene.is_taken_over()
    told = scene.operator_says("I am looking into it.")
    assert kinds(told) == ["MessageRequested"]
    assert (told[0].purpose, told[0].gates) == ("operator", [CONTACT_GATE, f"{CONTACT_GATE}/whatsapp"])
    assert told[0].allowed_by.checks[0].detail == "Meera decides"
    assert scene.conversation.unread == ()


def test_an_operator_may_answer_on_another_channel():
    scene = errand()
    scene.message_is("accepted")
    scene.is_taken_over()
    told = scene.operator_says("By mail then.", channel="email")
    assert kinds(told) == ["ChannelSwitched", "MessageRequested"]
    assert told[-1].to == "priya@acme.example"


def test_an_operators_reply_after_a_call_is_written():
    scene = Phoned().talks()
    scene.ends()
    assert scene.conversation.channel == "voice"
    scene.is_taken_over()
    scene.operator_says("We have looked into it.")
    assert scene.last(MessageRequested).channel == "whatsapp"


def test_an_operators_words_are_not_sent_to_a_telephone():
    scene = Phoned().talks()
    scene.ends()
    scene.is_taken_over()
    assert kinds(scene.operator_says("We have looked into it.", channel="voice")) == ["Escalated"]


def test_an_operators_reply_to_nowhere_is_told():
    scene = Scene().reminded()
    scene.is_taken_over()
    told = scene.operator_says("Hello", channel="email")
    assert kinds(told) == ["Escalated"]
    assert "no email address" in told[0].reason


def test_an_operators_reply_after_a_stop_is_not_sent_and_switches_no_channel():
    scene = stopped()
    scene.priya_says("hello")
    told = scene.operator_says("Hello", channel="whatsapp")
    assert kinds(told) == ["Escalated"]
    assert scene.all(ChannelSwitched) == []


@pytest.mark.parametrize("outcome", ["failed", "withheld"])
def test_an_operators_reply_that_did_not_arrive_is_told(outcome: str):
    scene = Scene().reminded()
    scene.is_taken_over()
    scene.operator_says("Hello")
    assert kinds(scene.message_is(outcome)) == ["OutcomeHeard", "Escalated"]


def test_a_release_opens_the_gate_and_reads_what_nobody_answered():
    scene = Scene().reminded()
    scene.is_taken_over()
    scene.priya_says("haan?")
    told = scene.is_released("Meera")
    assert kinds(told) == ["Released", "GateOpened", "TurnRequested"]
    assert told[1].scope == CONVERSATION_GATE
    assert scene.is_released() == []


def test_a_release_after_the_operators_answer_asks_nobody():
    scene = Scene().reminded()
    scene.is_taken_over()
    scene.priya_says("haan?")
    scene.operator_says("Noted.")
    assert scene.is_released() == [Released(operator="Meera"), GateOpened(scope=CONVERSATION_GATE)]


def test_a_reminder_that_the_takeover_withheld_is_sent_after_the_release():
    scene = Scene()
    scene.opens()
    scene.erp_answers({"paid": False})
    scene.is_taken_over()
    assert kinds(scene.message_is("withheld")) == ["OutcomeHeard"]
    scene.is_released()
    assert len(scene.all(MessageRequested)) == 2
    assert scene.last(MessageRequested).body.template == "payment_reminder"


def test_a_reminder_whose_withholding_is_heard_after_the_release_is_sent_again_on_the_same_channel():
    scene = Scene()
    scene.opens()
    scene.erp_answers({"paid": False})
    scene.is_taken_over()
    scene.is_released()
    scene.message_is("withheld")
    assert scene.last(MessageRequested).channel == "whatsapp"
    assert len(scene.all(MessageRequested)) == 2
    assert scene.followup.failed == ()


def test_a_reminder_that_failed_during_the_takeover_goes_out_elsewhere_after_the_release():
    scene = errand()
    scene.is_taken_over()
    assert "MessageRequested" not in kinds(scene.message_is("failed"))
    scene.is_released()
    scene.claude_answers("Dear Priya, …")
    assert [each.channel for each in scene.all(MessageRequested)] == ["whatsapp", "email"]


def test_a_step_that_came_up_meanwhile_speaks_after_the_release():
    scene = Scene()
    scene.opens()
    scene.is_taken_over()
    assert not any(isinstance(fact, MessageRequested) for fact in scene.erp_answers({"paid": False}))
    scene.is_released()
    assert scene.last(MessageRequested).body.template == "payment_reminder"


def test_a_draft_that_the_takeover_stopped_is_asked_for_again_after_the_release():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("haan")
    scene.claude_answers()
    scene.later(hours=2)
    scene.opens(about(entity_id="E-8"), matter="matter-2")
    scene.is_taken_over()
    scene.claude_is_withheld()
    assert kinds(scene.is_released()) == ["Released", "GateOpened", "TurnRequested"]
    assert scene.last(TurnRequested).matter == "matter-2"


def test_a_line_of_the_state_map_waits_for_the_release_and_is_said_once():
    scene = errand()
    scene.message_is("accepted")
    scene.later(hours=2)
    scene.is_taken_over()
    assert kinds(scene.erp_says("errand_changed", errand="E-7")) == ["ProcessMoved", "TimerSet"]
    told = scene.is_released()
    assert [fact.body.text for fact in told if isinstance(fact, MessageRequested)] == ["Errand E-7 has changed."]
    assert scene.timer_fires("deferred") == []


def test_a_timer_that_comes_due_meanwhile_is_looked_at_later():
    scene = Scene().promised()
    scene.is_taken_over()
    told = scene.timer_fires("check")
    assert kinds(told) == ["TimerSet"]
    assert (told[0].purpose, told[0].state) == ("check", "promised")
    assert (told[0].due_at - scene.now).total_seconds() == 15 * 60
    scene.is_released()
    assert any(isinstance(fact, ProcessMoved) for fact in scene.timer_fires("check"))


def test_a_manual_trigger_settles_what_a_person_knows_to_be_paid():
    scene = Scene().reminded()
    told = scene.is_moved_by_hand("manual", "mark_paid")
    assert scene.state == "confirmed"
    assert scene.last(Resolved).outcome == "manual: mark_paid"
    assert kinds(told)[-1] == "WritebackRequested"


def test_an_intent_by_hand_brings_its_facts_and_the_flow_goes_on():
    scene = Scene().reminded()
    scene.is_moved_by_hand("intent", "promise_to_pay", extracted_info={"payment_date": "2026-02-20"})
    assert scene.last(Understood).extracted_info == {"payment_date": "2026-02-20"}
    assert scene.state == "promised"
    assert scene.conversation.matters[MATTER].step == "confirm_promise"


def test_a_trigger_by_hand_moves_the_matter_that_takes_it_whatever_was_spoken_of_last():
    """Beside the invoice stands a follow-up without a process, as after the first examples of the API."""
    scene = Scene()
    scene.opens()
    scene.opens(structs.replace(OVERDUE, process_type=None, entity_type=None, entity_id=None), matter="by hand")
    assert scene.conversation.in_focus == "by hand"
    given = TriggerGiven(
        conversation=CONVERSATION, fingerprint="f", trigger_type="manual", trigger_value="mark_paid", extra_data={}
    )
    scene.tells(lambda story: decide.moved_by_hand(story, given, "operator-1"))
    [moved] = scene.all(ProcessMoved)
    assert (moved.matter, moved.to_state) == (MATTER, "confirmed")


def test_a_trigger_by_hand_that_nothing_takes_moves_nothing():
    scene = Scene().reminded()
    assert scene.is_moved_by_hand("manual", "no_such_trigger") == []


def test_an_event_moves_the_process_withdraws_what_is_on_its_way_and_settles():
    scene = Scene()
    scene.opens()
    scene.erp_answers({"paid": False})
    told = scene.erp_says("payment_received", invoice_number="INV-2026-0042")
    assert scene.state == "confirmed"
    assert [fact.scope for fact in told if isinstance(fact, GateClosed)] == [f"matter:{MATTER}"]
    assert not scene.last(GateClosed).lasting


def test_an_event_about_another_entity_moves_nothing():
    scene = Scene().reminded()
    assert scene.erp_says("payment_received", invoice_number="INV-1") == []


def test_a_closed_matter_action_cancels_without_telling_the_erp():
    scene = errand()
    scene.message_is("accepted")
    told = scene.is_moved_by_hand("manual", "drop")
    assert isinstance(next(fact for fact in told if isinstance(fact, Cancelled)), Cancelled)
    assert scene.last(Cancelled).reason == "no longer wanted"
    assert told[-1] == Closed(reason="cancelled")


def test_escalate_renders_its_reason_for_the_queue_that_it_names():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("help!")
    scene.claude_answers("A colleague will help.", intents=["ask_help"])
    assert scene.last(Escalated) == Escalated(reason="Priya Sharma needs help with E-7", matter=MATTER, queue="helpers")


def test_a_line_deferred_for_a_matter_that_was_cancelled_meanwhile_is_not_said():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("haan")
    scene.claude_answers(intents=["agree"])
    scene.message_is("accepted")
    scene.is_taken_over()
    scene.erp_says("errand_changed", errand="E-7")
    scene.is_moved_by_hand("manual", "drop")
    told = scene.is_released()
    assert not any(isinstance(fact, MessageRequested) for fact in told)
    assert any(isinstance(fact, OutcomeHeard) and fact.outcome == "due" for fact in told)
    assert told[-1] == Closed(reason="cancelled")
    assert scene.last(TimerSet).purpose == "deferred"
