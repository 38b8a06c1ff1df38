"""The main loop on paper: from a follow-up to its settlement, decision by decision."""

from typing import Any

from events import backend
from events.contact import Profile
from events.conversation import (
    Closed,
    DraftDropped,
    Escalated,
    MatterSettled,
    MessageRequested,
    ProcessMoved,
    StepEntered,
    TimerSet,
    TurnRequested,
    Understood,
)
from events.errand import ToolRequested, WritebackRequested
from events.followup import AttemptStarted, AttemptUnanswered, Exhausted, Joined, Resolved
from libs.testkit.nouns import INVOICE
from services.orchestrator import decide
from tests.services.orchestrator.scene import Scene


def kinds(facts: Any) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def test_a_follow_up_opens_the_conversation_and_asks_the_erp_first():
    told = Scene().opens()
    assert kinds(told) == ["Opened", "Joined", "ProcessBound", "FlowStarted", "StepEntered", "ToolRequested"]
    assert told[-1].payload == {"invoice_id": INVOICE}


def test_outside_the_window_the_reminder_is_a_template_and_no_claude_is_asked():
    scene = Scene()
    scene.opens()
    told = scene.erp_answers({"paid": False})
    asked = scene.last(MessageRequested)
    assert asked.body.template == "payment_reminder"
    assert "₹52,400" in asked.body.text
    assert asked.purpose == "approach"
    assert not any(isinstance(fact, TurnRequested) for fact in told)


def test_an_attempt_says_which_channels_were_passed_over_and_why():
    scene = Scene()
    scene.opens()
    scene.erp_answers({"paid": False})
    attempt = scene.last(AttemptStarted)
    assert (attempt.number, attempt.channel) == (1, "whatsapp")
    assert [skipped.channel for skipped in attempt.skipped] == ["voice"]
    assert attempt.allowed_by.verdict == "allowed"


def test_an_invoice_that_is_paid_already_is_settled_without_a_word():
    scene = Scene()
    scene.opens()
    told = scene.erp_answers({"paid": True})
    assert scene.state == "confirmed"
    assert not any(isinstance(fact, MessageRequested) for fact in told)
    assert scene.followup.status == "resolved"


def test_a_sent_reminder_moves_the_process_and_waits_for_an_answer():
    scene = Scene().reminded()
    assert scene.state == "reminded"
    timer = scene.last(TimerSet)
    assert timer.purpose == "no_reply"
    assert (timer.due_at - scene.now).total_seconds() == 24 * 3600


def test_an_acceptance_that_is_heard_twice_counts_once():
    scene = Scene().reminded()
    assert scene.message_is("accepted") == []


def test_what_the_contact_says_is_given_to_claude_with_the_intents_of_the_process():
    scene = Scene().reminded()
    told = scene.priya_says("20 February tak kar denge")
    assert kinds(told) == ["ContactSaid", "TurnRequested"]
    asked = scene.last(TurnRequested)
    assert asked.wants == "both"
    assert "promise_to_pay" in asked.intents
    assert asked.step == "send_reminder"


def test_a_promise_moves_the_map_is_written_back_checked_later_and_confirmed():
    scene = Scene().reminded()
    scene.priya_says("20 February tak kar denge")
    told = scene.claude_answers(intents=["promise_to_pay"], extracted_info={"payment_date": "2026-02-20"})
    assert scene.state == "promised"
    assert scene.last(WritebackRequested).payload == {"invoice_id": INVOICE, "promised_date": "2026-02-20"}
    assert scene.last(TimerSet).purpose == "check"
    assert [fact.step for fact in told if isinstance(fact, StepEntered)] == ["after_reply", "confirm_promise"]
    assert scene.last(TurnRequested).wants == "draft"
    assert scene.last(DraftDropped).reason == "moved_on"


def test_who_says_that_it_is_paid_has_the_erp_told_the_reference_the_day_and_their_words():
    scene = Scene().reminded()
    scene.priya_says("15 ko hi NEFT kar diya, UTR HDFCN226046111222")
    scene.claude_answers(
        intents=["already_paid", "payment_reference"],
        extracted_info={"reference": "HDFCN226046111222", "paid_on": "2026-02-15"},
        words={"reference": "UTR HDFCN226046111222", "paid_on": "15 ko"},
    )
    told: WritebackRequested = scene.last(WritebackRequested)
    assert (scene.state, told.endpoint) == ("escalated", "record_payment_claim")
    assert told.payload == {
        "invoice_id": INVOICE,
        "reference": "HDFCN226046111222",
        "paid_on": "2026-02-15",
        "words": {"reference": "UTR HDFCN226046111222", "paid_on": "15 ko"},
    }


def test_a_day_on_which_they_will_pay_is_not_told_as_the_day_of_a_payment():
    scene = Scene().promised()
    scene.later(days=6)  # the promised day is over
    scene.priya_says("kar diya, UTR HDFCN226046111222")
    found = {"reference": "HDFCN226046111222"}
    scene.claude_answers(intents=["already_paid", "payment_reference"], extracted_info=found, words=found)
    assert scene.last(WritebackRequested).payload == {
        "invoice_id": INVOICE,
        "reference": "HDFCN226046111222",
        "words": {"reference": "HDFCN226046111222"},
    }


def test_the_confirmation_answers_inside_the_window_in_claudes_words():
    scene = Scene().promised()
    sent = scene.last(MessageRequested)
    assert (sent.purpose, sent.body.text, sent.body.template) == ("answer", "Note kar liya.", None)


def test_an_answer_that_moves_nothing_gets_the_steps_draft_and_the_step_waits_on():
    scene = Scene().reminded()
    scene.priya_says("kaun bol raha hai?")
    scene.claude_answers("Main Acme ke liye likh raha hoon.", intents=[])
    assert scene.last(MessageRequested).body.text == "Main Acme ke liye likh raha hoon."
    assert scene.conversation.matters["matter-1"].step == "send_reminder"
    assert scene.state == "reminded"


def test_a_check_that_finds_the_payment_settles_tells_the_erp_once_and_thanks():
    scene = Scene().promised()
    scene.now = scene.last(TimerSet).due_at.replace(day=20)
    timer = next(event for event in scene.told if isinstance(event, TimerSet) and event.purpose == "check")
    scene.tells(lambda story: decide.after_timer(story, timer))
    told = scene.erp_answers({"paid": True})
    assert scene.state == "confirmed"
    assert isinstance(next(fact for fact in told if isinstance(fact, Resolved)), Resolved)
    writes = [fact for fact in told if isinstance(fact, WritebackRequested)]
    assert [(fact.endpoint, fact.why) for fact in writes] == [("record_outcome", "resolved")]
    assert scene.last(MessageRequested).body.template == "payment_thanks"


def test_a_conversation_closes_when_nothing_is_open_and_nothing_awaited():
    scene = Scene()
    scene.opens()
    scene.erp_answers({"paid": True})
    write = scene.last(WritebackRequested)
    done = backend.CallCompleted(kind="write", conversation="conv-1", endpoint="record_outcome", status=200)
    told = scene.tells(lambda story: decide.after_writeback(story, write.call, done))
    assert told[-1] == Closed(reason="resolved")


def test_nobody_answers_so_the_map_sends_a_firmer_reminder():
    scene = Scene().reminded()
    told = scene.timer_fires("no_reply")
    assert any(isinstance(fact, AttemptUnanswered) for fact in told)
    assert any(isinstance(fact, ToolRequested) for fact in told)
    scene.erp_answers({"paid": False})
    assert scene.last(MessageRequested).body.template == "payment_second_reminder"
    assert scene.followup.attempts == 2


def test_a_reply_makes_the_no_reply_timer_void():
    scene = Scene().reminded()
    scene.priya_says("dekhti hoon")
    scene.claude_answers("Theek hai.", intents=[])
    assert scene.timer_fires("no_reply") == []


def test_attempts_that_are_used_up_hand_the_matter_to_a_person():
    scene = Scene().reminded()
    for _ in range(12):
        if scene.followup.settled:
            break
        timer = next(event for event in reversed(scene.told) if isinstance(event, TimerSet))
        scene.timer_fires(timer.purpose)
        if isinstance(scene.told[-1], ToolRequested):
            scene.erp_answers({"paid": False})
        if isinstance(scene.told[-1], MessageRequested):
            scene.message_is("accepted")
    assert scene.followup.status == "exhausted"
    assert scene.followup.attempts <= 8
    assert scene.last(Escalated).matter == "matter-1"


def test_a_tool_that_fails_goes_where_the_step_says():
    scene = Scene()
    scene.opens()
    scene.erp_fails()
    assert scene.last(MessageRequested).body.template == "payment_reminder"


def test_a_contact_without_an_address_goes_to_a_person_with_every_reason():
    scene = Scene(Profile(name="Priya Sharma"))
    scene.opens()
    scene.erp_answers({"paid": False})
    exhausted = scene.last(Exhausted)
    assert [skipped.channel for skipped in exhausted.skipped] == ["voice", "whatsapp", "email"]
    assert scene.last(MatterSettled).how == "handed_over"


def test_each_understood_fact_keeps_the_words_that_it_came_from():
    scene = Scene().reminded()
    scene.priya_says("20 February tak")
    scene.claude_answers(
        intents=["promise_to_pay"],
        extracted_info={"payment_date": "2026-02-20"},
        words={"payment_date": "20 February tak"},
    )
    assert scene.last(Understood).words == {"payment_date": "20 February tak"}


def test_every_move_carries_its_trigger_and_its_reasons():
    scene = Scene().promised()
    moved = [fact for fact in scene.told if isinstance(fact, ProcessMoved)]
    assert [(fact.from_state, fact.to_state) for fact in moved] == [("pending", "reminded"), ("reminded", "promised")]
    assert all(fact.reasons for fact in moved)


def test_a_follow_up_joins_the_conversation_that_is_open():
    scene = Scene().reminded()
    told = scene.opens(matter="matter-2")
    assert not any(type(fact).__name__ == "Opened" for fact in told)
    assert scene.last(Joined).conversation == "conv-1"
