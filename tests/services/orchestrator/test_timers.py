"""Flows and timers on paper: waiting, silence, loops, tools that fail, and what the state map asks for."""

import msgspec
import pytest

from events import backend
from events.conversation import (
    Closed,
    Escalated,
    FlowEnded,
    MatterSettled,
    MessageRequested,
    ProcessMoved,
    StepEntered,
    TimerSet,
    ToolAnswered,
    TurnRequested,
)
from events.errand import ToolRequested, WritebackRequested
from events.followup import AttemptUnanswered, Exhausted, Opened, Resolved
from libs.domain.dialogue import LIMIT
from libs.domain.flow import Arm, Branch, Flow, Move, Say, ToolCall, Wait
from services.orchestrator import decide
from services.orchestrator.story import Story
from tests.services.orchestrator.errand import BUNDLE, TEXTS, about, bundle_of, errand, with_flows
from tests.services.orchestrator.scene import CONVERSATION, MATTER, OVERDUE, Scene


def kinds(facts: list[object]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


def waiting() -> Scene:
    """The flow has spoken and waits two hours for a reply."""
    scene = errand("patient")
    scene.message_is("accepted")
    return scene


def test_a_wait_sets_a_timer_and_stays_at_its_step():
    scene = errand("patient")
    timer = next(fact for fact in scene.told if isinstance(fact, TimerSet))
    assert (timer.purpose, timer.step, (timer.due_at - scene.now).total_seconds()) == ("wait", "pause", 7200)
    assert scene.conversation.matters[MATTER].step == "pause"


def test_a_wait_that_nobody_answers_goes_where_it_says():
    scene = waiting()
    told = scene.timer_fires("wait")
    assert [fact.step for fact in told if isinstance(fact, StepEntered)] == ["gave_up"]
    assert scene.last(ProcessMoved).trigger.value == "give_up"
    assert scene.state == "stuck"


def test_a_reply_ends_a_wait_and_the_next_step_answers():
    scene = waiting()
    scene.priya_says("main wapas aa gayi")
    told = scene.claude_answers("a draft", intents=[])
    assert [fact.step for fact in told if isinstance(fact, StepEntered)] == ["heard"]
    assert scene.last(MessageRequested).body.text == "You are back."
    assert scene.timer_fires("wait") == []


def test_an_intent_ends_a_wait_too():
    scene = waiting()
    scene.priya_says("haan, manzoor")
    scene.claude_answers("a draft", intents=["agree"])
    assert scene.state == "agreed"
    assert scene.last(MessageRequested).body.text == "You are back."
    assert len(scene.all(MessageRequested)) == 2


def test_a_reply_to_a_wait_that_ends_the_flow_gets_claudes_answer():
    flow = Flow(id="errand", steps=(Wait(id="until_reply"),))
    scene = errand(bundle=with_flows(flow))
    scene.priya_says("order kahan hai?")
    told = scene.claude_answers("Raaste mein hai.", intents=[])
    assert any(isinstance(fact, FlowEnded) for fact in told)
    assert scene.last(MessageRequested).body.text == "Raaste mein hai."


def test_the_timeout_of_a_wait_overrides_the_policys_silence():
    flow = Flow(id="errand", steps=(*BUNDLE.flows["patient"].steps[:1], Wait(id="long", timeout_s=30 * 86400)))
    scene = errand(bundle=with_flows(flow))
    scene.message_is("accepted")
    assert scene.timer_fires("no_reply") == []
    assert scene.all(AttemptUnanswered) == []


def test_a_manual_step_moves_the_map_and_the_flow_goes_on():
    flow = Flow(id="errand", steps=(Move(id="give", trigger_value="give_up"), Move(id="end", trigger_value="finish")))
    scene = errand(bundle=with_flows(flow))
    assert [move.to_state for move in scene.all(ProcessMoved)] == ["stuck", "done"]
    assert scene.last(Resolved).state == "done"
    assert scene.last(WritebackRequested).payload == {"errand": "E-7", "note": "done"}


def test_a_flow_that_runs_in_a_circle_is_stopped_and_given_to_a_person():
    circle = Flow(id="errand", steps=(Branch(id="a", arms=(Arm(goto="b"),)), Branch(id="b", arms=(Arm(goto="a"),))))
    scene = errand(bundle=with_flows(circle))
    assert len(scene.all(StepEntered)) == LIMIT
    assert scene.followup.status == "exhausted"
    assert "without waiting" in scene.last(Escalated).reason


def test_steps_whose_errors_lead_to_each_other_are_stopped_too():
    steps = (
        Say(id="a", text="{{nobody_knows}}", templates={"whatsapp": "tip"}, on_error="b"),
        Say(id="b", text="{{nobody_knows}}", templates={"whatsapp": "tip"}, on_error="a"),
    )
    scene = errand(bundle=with_flows(Flow(id="errand", steps=steps)))
    assert len(scene.all(StepEntered)) == LIMIT
    assert len(scene.all(Exhausted)) == 1


def test_a_tool_that_fails_without_an_on_error_is_for_a_person():
    scene = errand("look_first")
    told = scene.erp_fails("HTTP 500")
    assert kinds(told) == ["ToolAnswered", "Exhausted", "Escalated", "MatterSettled", "FlowEnded", "Closed"]
    assert scene.last(Escalated).reason == "look: HTTP 500"
    assert scene.last(MatterSettled).how == "handed_over"


def test_a_payload_that_cannot_be_made_is_a_failure_of_the_step():
    step = ToolCall(id="look", endpoint="look", result_key="seen", payload_template={"errand": "{{nobody_knows}}"})
    scene = errand(bundle=with_flows(Flow(id="errand", steps=(step,))))
    assert scene.all(ToolRequested) == []
    assert "cannot ask" in scene.last(Exhausted).reason


def test_an_answer_to_a_step_that_the_flow_has_left_is_kept_and_runs_nothing():
    steps = (
        ToolCall(id="first", endpoint="look", result_key="seen", payload_template={"errand": "entity_id"}),
        ToolCall(id="second", endpoint="look", result_key="seen_again", payload_template={"errand": "entity_id"}),
    )
    scene = errand(bundle=with_flows(Flow(id="errand", steps=steps)))
    first: ToolRequested = scene.last(ToolRequested)
    scene.is_moved_by_hand("event", "errand_changed", errand="E-7")
    assert scene.conversation.matters[MATTER].step == "second"
    late = backend.CallFailed(kind="tool", conversation=CONVERSATION, endpoint="look", reason="HTTP 500")
    told = scene.tells(lambda story: decide.after_tool(story, first.call, first, late))
    assert kinds(told) == ["ToolAnswered"]
    assert scene.followup.status == "open"


def test_a_tools_answer_is_known_under_its_result_key():
    scene = errand("look_first")
    scene.erp_answers({"size": 3})
    assert scene.last(ToolAnswered).ok
    assert scene.conversation.matters[MATTER].results == {"seen": {"size": 3}}


def test_create_followup_opens_another_matter_with_rendered_words():
    scene = errand()
    scene.message_is("accepted")
    scene.erp_says("errand_changed", errand="E-7")
    told = scene.is_moved_by_hand("manual", "again")
    [opened] = [fact for fact in told if isinstance(fact, Opened)]
    assert (opened.reason, opened.origin, opened.priority, opened.flow) == ("Again: E-7", "action", "low", "chat")
    assert opened.contact_id == "c_123"
    assert opened.business_context == {"errand": "E-7"}
    assert len(scene.followups) == 2


def test_what_one_event_opens_in_two_conversations_is_two():
    heard: list[Story] = []
    errand().tells(heard.append)
    here, there = heard[0], Story(msgspec.structs.replace(heard[0].known, id="another"))
    assert here.new_id("followup") != there.new_id("followup")


def test_a_check_that_was_set_in_another_state_is_void():
    scene = errand()
    scene.message_is("accepted")
    scene.priya_says("haan")
    scene.claude_answers(intents=["agree"])
    scene.priya_says("help")
    scene.claude_answers(intents=["ask_help"])
    assert scene.timer_fires("check") == []


@pytest.mark.parametrize("held", [False, True])
def test_a_check_that_was_set_again_in_its_state_counts_from_the_last_time(held: bool):
    scene = Scene().promised()
    first = scene.last(TimerSet)
    scene.later(days=2)
    scene.priya_says("nahi, 22 February")
    scene.claude_answers(intents=["promise_to_pay"], extracted_info={"payment_date": "2026-02-22"})
    second = scene.last(TimerSet)
    assert (first.purpose, second.purpose) == ("check", "check")
    scene.now = first.due_at
    if held:
        scene.is_taken_over()
    assert scene.tells(lambda story: decide.after_timer(story, first)) == []
    if held:
        scene.is_released()
    assert "ToolRequested" in kinds(scene.timer_fires("check"))


@pytest.mark.parametrize("process", ["errand", None])
def test_silence_while_a_flow_waits_for_a_reply_says_it_again_along_the_ladder_and_then_calls_a_person(
    process: str | None,
):
    texts = TEXTS | {
        "flows/errand.yaml": TEXTS["flows/errand.yaml"]
        + """
  - id: until_reply
    steps:
      - {id: tell, type: say, text: "Please answer.", templates: {whatsapp: ask}}
      - {id: pause, type: wait}
      - {id: thanks, type: say, text: "Thanks.", templates: {whatsapp: ask}}
""",
        "policy.yaml": TEXTS["policy.yaml"] + "  attempts: {per_matter: 2}\n",
    }
    scene = errand("until_reply", bundle_of(texts), process_type=process)
    scene.message_is("accepted")
    scene.timer_fires("no_reply")
    scene.timer_fires("deferred")  # the next day is a holiday
    assert scene.last(MessageRequested).channel == "email"
    scene.message_is("accepted")
    assert "Escalated" in kinds(scene.timer_fires("no_reply"))
    assert scene.followup.status == "exhausted"


def test_silence_without_a_transition_tries_the_step_again():
    scene = errand()
    scene.message_is("accepted")
    told = scene.timer_fires("no_reply")
    assert kinds(told)[0] == "AttemptUnanswered"
    assert isinstance(told[-1], MessageRequested | TurnRequested | TimerSet)


def test_silence_after_a_newer_attempt_is_an_old_timers():
    scene = errand()
    scene.message_is("accepted")
    old = scene.last(TimerSet)
    scene.later(days=3)
    scene.tells(lambda story: decide.after_timer(story, old))
    scene.claude_answers("Dear Priya, …")
    assert scene.followup.attempts == 2
    scene.tells(lambda story: decide.after_timer(story, old))
    assert len(scene.all(AttemptUnanswered)) == 1


def test_a_follow_up_without_a_flow_of_its_own_runs_the_general_one():
    scene = Scene()
    scene.opens(msgspec.structs.replace(OVERDUE, process_type=None, entity_id=None, flow=None))
    assert scene.all(StepEntered)[0].flow == "general_followup"


def test_claude_is_told_why_there_is_a_follow_up():
    scene = Scene()
    by_hand = {"reason": "Ask for the delivery date", "process_type": None, "entity_id": None, "flow": None}
    scene.opens(msgspec.structs.replace(OVERDUE, business_context={}, **by_hand))
    scene.priya_says("Hello?")
    assert scene.last(TurnRequested).context["reason"] == "Ask for the delivery date"


def test_a_process_that_the_bundle_does_not_have_is_for_a_person():
    scene = errand(process_type="unheard_of")
    assert "no process 'unheard_of'" in scene.last(Exhausted).reason


def test_a_flow_that_the_bundle_does_not_have_is_for_a_person():
    scene = errand("unheard_of")
    assert "no flow 'unheard_of'" in scene.last(Exhausted).reason


def test_a_conversation_stays_open_as_long_as_anything_is_awaited():
    scene = errand("look_first", erp_id="F-1")
    scene.is_moved_by_hand("manual", "give_up")
    scene.is_moved_by_hand("manual", "finish")
    assert scene.conversation.live == ()
    assert scene.conversation.status == "open"
    write: WritebackRequested = scene.last(WritebackRequested)
    done = backend.CallCompleted(kind="write", conversation=CONVERSATION, endpoint="tell", status=200)
    scene.tells(lambda story: decide.after_writeback(story, write.call, done))
    scene.message_is("withheld")
    assert scene.conversation.status == "open"
    scene.erp_answers({})
    assert scene.told[-1] == Closed(reason="resolved")


def test_a_conversation_with_another_open_matter_stays_open():
    scene = errand("look_first")
    scene.opens(about("look_first", entity_id="E-8"), matter="matter-2")
    scene.erp_fails()
    assert scene.conversation.status == "open"


def test_a_writeback_that_the_erp_refuses_is_for_a_person():
    scene = Scene().reminded()
    scene.is_moved_by_hand("manual", "mark_paid")
    write: WritebackRequested = scene.last(WritebackRequested)
    refused = backend.CallFailed(kind="write", conversation=CONVERSATION, endpoint=write.endpoint, reason="HTTP 409")
    scene.tells(lambda story: decide.after_writeback(story, write.call, refused))
    assert (scene.last(Escalated).queue, scene.last(Escalated).reason) == (
        "backend",
        "the ERP refused record_outcome: HTTP 409",
    )


def test_without_a_writeback_of_the_map_a_follow_up_of_the_erp_is_updated_there():
    scene = errand("chat", process_type=None, erp_id="F-1")
    scene.message_is("accepted")
    scene.priya_says("haan")
    scene.claude_answers("…")
    scene.claude_answers("Dhanyavaad.")
    scene.message_is("accepted")
    scene.timer_fires("no_reply")
    write = scene.last(WritebackRequested)
    assert (write.endpoint, write.why) == ("update_followup", "resolved")
    assert write.payload == {"followup_id": "F-1", "status": "resolved", "outcome": "the flow chat has ended"}


def test_a_question_that_answers_the_contact_waits_for_a_reply_too_where_the_map_listens_to_silence():
    scene = Scene().reminded()
    scene.priya_says("dekhti hoon")
    scene.claude_answers("Kis din payment karenge?", intents=[])
    scene.message_is("accepted")
    assert scene.last(TimerSet).purpose == "no_reply"
    scene.timer_fires("no_reply")
    assert scene.state == "overdue"


def test_the_confirmation_of_a_promise_waits_for_the_check_and_not_for_a_reply():
    scene = Scene().promised()
    assert scene.last(TimerSet).purpose == "check"


def test_the_answer_to_a_question_that_nobody_waits_for_any_more_moves_nothing():
    scene = Scene().promised()
    scene.timer_fires("check")
    stale = scene.last(ToolRequested)
    scene.priya_says("25 February pakka")
    scene.claude_answers(intents=["promise_to_pay"], extracted_info={"payment_date": "2026-02-25"})
    answer = backend.CallCompleted(
        kind="tool", conversation="conv-1", endpoint="check_payment", status=200, result={"paid": False}
    )
    scene.tells(lambda story: decide.after_tool(story, stale.call, stale, answer))
    assert scene.state == "promised"
