"""Collecting slots: several in one message, asked again, corrected, interrupted, broken off, and given up."""

from events import backend
from events.base import tag_of
from events.conversation import Closed, Escalated, FlowEnded, FlowStarted, MessageRequested, ProcessMoved, TurnRequested
from events.dialogue import CollectEnded, SlotAsked, SlotFilled, SlotRefused
from events.errand import WritebackRequested
from events.followup import Exhausted
from libs.domain import conversation as talk
from libs.domain.conversation import Conversation
from libs.domain.flow import Flow, Handoff, Subflow
from services.orchestrator import decide
from tests.services.orchestrator.errand import errand, with_flows
from tests.services.orchestrator.scene import CONVERSATION, MATTER
from tests.services.orchestrator.visit import TEXTS, bundle_of, visit


def test_the_first_question_goes_out_as_the_registered_text():
    scene = visit()
    assert scene.last(MessageRequested).body.template == "hello"
    assert [(asked.slot, asked.step) for asked in scene.all(SlotAsked)] == [("visit_date", "when")]
    assert scene.place == ("book", "when")


def test_claude_is_offered_the_slots_with_their_types_and_questions():
    scene = visit()
    scene.priya_says("hello")
    offered = scene.last(TurnRequested).slots
    assert [(slot.name, slot.type, slot.required) for slot in offered] == [
        ("visit_date", "date", True),
        ("part_of_day", "choice", True),
        ("phone", "phone", False),
    ]
    assert offered[0].ask == "On which day may we come, Priya Sharma?"
    assert offered[1].choices == ["morning", "afternoon"]


def test_an_answer_fills_its_slot_and_the_next_one_is_asked_for():
    scene = visit()
    scene.hears("20 February theek hai")
    assert scene.slots == {"visit_date": "2026-02-20"}
    assert scene.last(SlotFilled).words == "20 February"
    assert "In the morning or in the afternoon?" in scene.last(MessageRequested).body.text
    assert scene.last(SlotAsked).slot == "part_of_day"


def test_several_slots_in_one_message_are_all_taken_and_the_flow_goes_on():
    scene = visit()
    scene.hears("agle somvaar morning, call me on 98765 12345")
    assert scene.slots == {"visit_date": "2026-02-23", "part_of_day": "morning", "phone": "+919876512345"}
    assert scene.state == "booked"
    assert scene.last(WritebackRequested).payload["on"] == "2026-02-23"


def test_a_slot_is_filled_once_however_often_the_turn_is_heard():
    scene = visit()
    scene.hears("20 February theek hai")
    assert len(scene.all(SlotFilled)) == 1
    scene.hears("20 February")
    assert len(scene.all(SlotFilled)) == 1


def test_what_does_not_do_is_refused_with_the_reason_and_asked_for_again_in_claudes_words():
    scene = visit()
    scene.priya_says("10 February")
    scene.claude_answers("Noted!", slots={"visit_date": "2026-02-10"})
    refused = scene.last(SlotRefused)
    assert (refused.slot, refused.reason) == ("visit_date", "slots.visit_date is not after today")
    asked = scene.last(TurnRequested)
    assert asked.wants == "draft"
    assert "visit_date does not do" in asked.instructions
    assert not any(sent.body.text == "Noted!" for sent in scene.all(MessageRequested))
    scene.claude_thinks()
    assert "On which day may we come" in scene.last(MessageRequested).body.text


def test_a_correction_replaces_the_value_while_the_step_still_asks():
    scene = visit()
    scene.hears("20 February")
    scene.hears("no, I meant March")
    filled = scene.last(SlotFilled)
    assert (filled.value, filled.corrected) == ("2026-03-20", True)
    assert scene.slots["visit_date"] == "2026-03-20"
    assert "In the morning or in the afternoon?" in scene.last(MessageRequested).body.text


def test_a_correction_after_the_step_runs_the_flow_again_from_below_it():
    scene = visit("with_budget", process=None)
    scene.hears("5 lakh")
    scene.hears("Please ring the bell")
    assert scene.place == ("with_budget", "noted")
    scene.priya_says("no, knock")
    told = scene.claude_answers("Theek hai.", slots={"remark": "knock"})
    assert scene.slots["remark"] == "knock"
    assert [type(fact).__name__ for fact in told][-3:] == ["StepEntered", "TurnRequested", "DraftDropped"]


def test_a_question_in_between_is_answered_and_the_slot_is_asked_for_again():
    scene = visit()
    scene.hears("who is this?")
    assert scene.slots == {}
    assert [asked.slot for asked in scene.all(SlotAsked)] == ["visit_date", "visit_date"]
    assert scene.place == ("book", "when")


def test_another_topic_interrupts_and_the_questions_come_back_after_it():
    scene = visit()
    scene.priya_says("which way does the engineer take?")
    scene.claude_answers("?", intents=["ask_way"])
    assert scene.place == ("tell_way", "way")
    assert scene.last(FlowStarted).called_from == "when"
    scene.claude_answers("By train.")
    assert scene.last(MessageRequested).body.text == "By train."
    scene.priya_says("achha, 20 February morning")
    scene.claude_answers("Theek hai.")
    assert scene.last(FlowEnded).returns
    scene.claude_thinks()
    assert scene.slots == {"visit_date": "2026-02-20", "part_of_day": "morning"}
    assert scene.state == "booked"


def test_a_transition_to_another_state_ends_the_questions():
    scene = visit()
    scene.priya_says("I do not want the visit any more")
    scene.claude_answers("Theek hai.", intents=["cancel_visit"])
    assert scene.state == "called_off"
    assert scene.place == (None, None)
    assert scene.last(MessageRequested).body.text == "Theek hai."


def test_who_does_not_answer_is_asked_as_often_as_allowed_and_then_it_is_on_error():
    scene = visit()
    scene.hears("hmm")
    assert not scene.all(CollectEnded)
    scene.hears("hmm hmm")
    ended = scene.last(CollectEnded)
    assert (ended.how, ended.slot) == ("unanswered", "visit_date")
    escalated = scene.last(Escalated)
    assert (escalated.queue, escalated.reason) == ("visits", "cannot agree on a day with Priya Sharma")
    assert scene.place == (None, None)
    assert scene.state == "asked"


def test_who_breaks_it_off_is_left_in_peace():
    scene = visit("budget", process=None)
    scene.hears("rehne do")
    assert scene.last(CollectEnded).how == "cancelled"
    assert scene.last(Exhausted).reason == "the contact broke off the questions"
    assert scene.last(MessageRequested).purpose == "answer"


def test_on_cancel_says_where_a_flow_goes_when_the_contact_breaks_it_off():
    scene = visit("with_budget", process=None)
    scene.hears("5 lakh")
    scene.hears("leave it")
    assert scene.last(CollectEnded).how == "cancelled"
    assert scene.followup.status == "resolved"


def test_a_subflow_fills_its_slots_and_the_caller_goes_on():
    scene = visit("with_budget", process=None)
    assert scene.place == ("budget", "how_much")
    scene.hears("paanch lakh tak")
    assert scene.slots == {"budget": 500000}
    assert scene.place == ("with_budget", "note")
    assert "Anything else" in scene.last(MessageRequested).body.text


def test_a_handoff_without_a_process_hands_the_matter_over_to_its_queue():
    bundle = with_flows(Flow(id="f", steps=(Handoff(id="h", reason="{{contact_name}} waits", queue="q"),)))
    scene = errand("f", bundle, process_type=None)
    escalated = scene.last(Escalated)
    assert (escalated.reason, escalated.queue) == ("Priya Sharma waits", "q")
    assert scene.conversation.matters[MATTER].settled == "handed_over"
    assert scene.last(Closed)


def test_flows_that_call_each_other_without_end_go_to_a_person():
    bundle = with_flows(
        Flow(id="a", steps=(Subflow(id="s", flow="b"),)), Flow(id="b", steps=(Subflow(id="s", flow="a"),))
    )
    scene = errand("a", bundle)
    assert "8 flows wait for each other" in scene.last(Exhausted).reason
    assert scene.conversation.matters[MATTER].course.stack == ()


def test_silence_after_a_question_asks_again_and_then_gives_up():
    scene = visit("budget", process=None)
    scene.hears("hello")
    scene.message_is("accepted")
    scene.timer_fires("no_reply")
    assert [asked.slot for asked in scene.all(SlotAsked)] == ["budget", "budget", "budget"]


def test_when_claude_cannot_write_the_bundles_own_question_is_asked():
    scene = visit()
    scene.priya_says("haan ji")
    scene.claude_fails()
    assert scene.last(MessageRequested).body.text == "On which day may we come, Priya Sharma?"


def test_the_place_the_slots_and_the_stack_come_out_of_the_facts_alone():
    scene = visit("with_budget", process=None)
    scene.hears("5 lakh")
    again = Conversation()
    for event in scene.told:
        if tag_of(type(event)).startswith("conversation."):
            again = talk.evolve(again, event)
    assert again == scene.conversation


def test_the_map_moves_by_what_a_slot_says():
    scene = visit()
    scene.hears("20 February morning")
    moved = scene.last(ProcessMoved)
    assert (moved.to_state, moved.trigger.type, moved.trigger.value) == ("booked", "manual", "agreed")


def test_what_the_erp_answers_to_a_write_is_an_outcome_of_the_map():
    scene = visit(bundle=ANSWERED)
    scene.hears("20 February morning")
    assert scene.state == "agreed"
    scene.tells(lambda story: decide.after_writeback(story, scene.last(WritebackRequested).call, booked(id="B-1")))
    assert scene.state == "booked"
    assert scene.conversation.matters[MATTER].results["booking"] == {"id": "B-1"}


def test_a_refused_write_that_no_transition_takes_is_for_a_person():
    scene = visit(bundle=ANSWERED)
    scene.hears("20 February morning")
    refused = backend.CallFailed(kind="write", conversation=CONVERSATION, endpoint="book", reason="HTTP 409")
    scene.tells(lambda story: decide.after_writeback(story, scene.last(WritebackRequested).call, refused))
    assert scene.state == "agreed"
    assert scene.last(Escalated).queue == "backend"


def booked(**result: str) -> backend.CallCompleted:
    return backend.CallCompleted(
        kind="write", conversation=CONVERSATION, endpoint="book", status=201, result=dict(result)
    )


ANSWERED = bundle_of(
    TEXTS
    | {
        "state_maps.yaml": TEXTS["state_maps.yaml"]
        .replace("[new, asked, booked", "[new, asked, agreed, booked")
        .replace("to_state: booked", "to_state: agreed")
        .replace('part: "{{slots.part_of_day}}"}', 'part: "{{slots.part_of_day}}"}, result_key: booking')
        .replace(
            "      - {from_states: [new, asked], to_state: called_off",
            "      - {from_states: [agreed], to_state: booked, trigger: {type: outcome, values: [booking]},\n"
            "         conditions: [{field: booking.id, operator: exists}]}\n"
            "      - {from_states: [new, asked], to_state: called_off",
            1,
        )
    }
)
