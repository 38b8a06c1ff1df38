"""Planning on paper: Claude chooses among a step's tools, an operator agrees to what is dangerous, and limits end it."""

from typing import Any

import pytest

from events import backend, operator
from events.conversation import Escalated, MessageRequested, StepEntered, TimerSet, TurnRequested
from events.dialogue import ApprovalRequested, PlanChose, PlanEnded
from events.errand import ToolRequested, WritebackRequested
from events.followup import Exhausted
from events.values import Cost, ToolChoice
from services.orchestrator import decide
from tests.services.orchestrator.scene import CONVERSATION, MATTER
from tests.services.orchestrator.visit import TEXTS, Visit, bundle_of, visit

FLOWS = """
flows:
  - id: find
    steps:
      - id: plan
        type: plan
        goal: Look up the route of visit {{entity_id}} and book the visit.
        max_steps: 3
        max_cost: {USD: 0.001}
        timeout: 10m
        tools:
          - {endpoint: route, description: Looks up the route of a visit, payload_template: {visit: entity_id}, result_key: way}
          - endpoint: book
            description: Book the visit on a day
            payload_template: {visit: entity_id}
            inputs: [{name: day, type: date}]
            approve: operator
        on_error: sorry
      - {id: told, type: say, text: "Way: {{way.by}}.", goto: over}
      - {id: sorry, type: say, text: "A colleague will help."}
      - {id: over, type: end}
"""
BUNDLE = bundle_of(
    TEXTS
    | {
        "flows/visit.yaml": FLOWS,
        "prices.yaml": """
prices:
  - {provider: anthropic, unit: token_in, category: claude-haiku-5-5, currency: USD, amount: 0.1, per: 1000000, effective: 2026-01-01}
  - {provider: anthropic, unit: token_out, category: claude-haiku-5-5, currency: USD, amount: 0.5, per: 1000000, effective: 2026-01-01}
""",
        "state_maps.yaml": TEXTS["state_maps.yaml"]
        .split("      - {from_states: [new, asked], to_state: booked")[0]
        .replace("booked, ", "")
        .replace("[booked,", "[")
        + """      - {from_states: [new, asked], to_state: called_off, trigger: {type: intent, values: [cancel_visit, ask_way, speak_to_person]}}
""",
    }
)


def planned() -> Visit:
    return visit("find", BUNDLE, asked=False)


def chooses(scene: Visit, tool: str, cost: int | None = None, **inputs: Any) -> list[Any]:
    spent = None if cost is None else Cost(currency="USD", micros=cost)
    return scene.claude_answers(None, choice=ToolChoice(tool=tool, inputs=inputs), cost=spent)


def answers(scene: Visit, **result: Any) -> list[Any]:
    told = scene.last(WritebackRequested)
    done = backend.CallCompleted(kind="write", conversation=CONVERSATION, endpoint="book", status=201, result=result)
    return scene.tells(lambda story: decide.after_writeback(story, told.call, done))


def agrees(scene: Visit, approved: bool, approval: str | None = None) -> list[Any]:
    asked = approval or scene.last(ApprovalRequested).approval
    given = operator.ApprovalGiven(conversation=CONVERSATION, approval=asked, operator="Meera", approved=approved)
    return scene.tells(lambda story: decide.approve(story, given))


def test_claude_is_asked_with_the_goal_the_tools_and_what_it_may_say_to_them():
    asked = planned().last(TurnRequested)
    assert asked.instructions == "Look up the route of visit V-1 and book the visit."
    assert [tool.name for tool in asked.tools] == ["route", "book"]
    assert [slot.name for slot in asked.tools[1].inputs] == ["day"]


def test_a_read_is_an_intent_with_the_flows_own_payload_and_its_answer_is_the_next_question():
    scene = planned()
    chooses(scene, "route", visit="V-99")
    call = scene.last(ToolRequested)
    assert (call.endpoint, call.payload, call.step) == ("route", {"visit": "V-1"}, "plan")
    scene.erp_answers({"by": "train"})
    asked = scene.last(TurnRequested)
    assert asked.done == [{"tool": "route", "inputs": {"visit": "V-99"}, "refused": None}]
    assert asked.context["tool_results"]["way"] == {"by": "train"}


def test_when_the_goal_is_reached_the_flow_goes_on():
    scene = planned()
    chooses(scene, "route")
    scene.erp_answers({"by": "train"})
    chooses(scene, "finish", reached=True, summary="By train.")
    assert scene.last(PlanEnded).how == "reached"
    assert scene.conversation.matters[MATTER].results["plan"]["summary"] == "By train."
    assert scene.last(StepEntered).step == "told"


def test_a_write_asks_the_operator_first_and_is_told_once_they_agree():
    scene = planned()
    chooses(scene, "book", day="2026-02-20")
    assert scene.all(WritebackRequested) == []
    assert scene.last(Escalated).queue == "approvals"
    assert scene.last(ApprovalRequested).payload == {"day": "2026-02-20", "visit": "V-1"}
    agrees(scene, True)
    assert scene.last(WritebackRequested).payload == {"day": "2026-02-20", "visit": "V-1"}
    assert agrees(scene, True) == []
    turns = len(scene.all(TurnRequested))
    answers(scene, id="B-1")
    assert len(scene.all(TurnRequested)) == turns + 1


def test_an_operator_who_says_no_makes_claude_think_again():
    scene = planned()
    chooses(scene, "book", day="2026-02-20")
    agrees(scene, False)
    assert scene.all(WritebackRequested) == []
    assert "the operator said no" in scene.last(TurnRequested).done[-1]["refused"]


def test_an_approval_that_nobody_waits_for_does_nothing():
    assert agrees(planned(), True, "somebody-elses") == []


@pytest.mark.parametrize(("tool", "inputs"), [("wipe", {}), ("book", {}), ("book", {"day": "soon"})])
def test_what_the_step_does_not_allow_is_refused_recorded_and_not_done(tool: str, inputs: dict[str, Any]):
    scene = planned()
    chooses(scene, tool, **inputs)
    assert scene.last(PlanChose).refused
    assert (scene.all(ToolRequested), scene.all(WritebackRequested)) == ([], [])
    assert scene.last(TurnRequested).done[-1]["refused"]


def test_after_so_many_steps_the_plan_gives_up_and_the_flow_says_so():
    scene = planned()
    for _ in range(3):
        chooses(scene, "wipe")
    assert scene.last(PlanEnded).how == "steps"
    assert scene.last(StepEntered).step == "sorry"
    assert scene.last(MessageRequested)


def test_after_so_much_money_the_plan_gives_up():
    scene = planned()
    chooses(scene, "wipe", cost=1000)
    assert scene.last(PlanEnded).how == "money"


def test_after_so_much_time_the_plan_gives_up():
    scene = planned()
    chooses(scene, "route")
    scene.later(minutes=10)
    scene.erp_answers({"by": "train"})
    assert scene.last(PlanEnded).how == "time"


def test_when_claude_cannot_plan_the_flow_goes_where_it_says():
    scene = planned()
    scene.claude_fails()
    assert scene.last(StepEntered).step == "sorry"
    assert scene.all(Exhausted) == []


def test_a_plan_rests_while_an_operator_has_the_conversation_and_goes_on_after():
    scene = planned()
    scene.is_taken_over()
    chooses(scene, "route")
    assert scene.all(ToolRequested) == []
    scene.is_released()
    assert scene.last(TurnRequested).tools


def test_the_contact_is_heard_while_claude_plans():
    scene = planned()
    chooses(scene, "route")
    told = scene.priya_says("kaun?")
    assert scene.last(TurnRequested).tools == []
    assert told
    scene.erp_answers({"by": "train"})
    assert scene.last(TimerSet).purpose == "pending"


def test_the_emulated_claude_plays_it_from_the_goal_to_its_end():
    scene = planned()
    scene.claude_plans()
    assert scene.last(ToolRequested).endpoint == "route"
    scene.erp_answers({"by": "train"})
    scene.claude_plans()
    assert scene.last(PlanChose).tool == "finish"  # nobody named a day, so the visit cannot be booked
    assert scene.last(PlanEnded).how == "reached"
