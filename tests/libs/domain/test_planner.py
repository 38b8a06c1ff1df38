"""The planner: what may be done of what Claude chose, and when it is asked no more."""

from datetime import timedelta
from typing import Any

import pytest

from events.dialogue import ApprovalHeard, ApprovalRequested, PlanChose, PlanEnded, PlanStarted
from events.values import Cost
from libs.domain.flow import Plan, PlanTool
from libs.domain.names import Names
from libs.domain.planner import Do, Finish, Planning, Refuse, evolve, judge, limit
from libs.domain.slots import Slot
from libs.testkit.nouns import NOON

LOOK = PlanTool(
    endpoint="look",
    result_key="seen",
    payload_template={"errand": "entity_id"},
    inputs=(Slot(name="on", type="date"), Slot(name="note", type="text", required=False)),
)
STEP = Plan(id="p", goal="g", tools=(LOOK,), max_steps=3, max_cost={"USD": 1000}, timeout_s=60)
NAMES = Names(now=NOON)
STARTED = PlanStarted(matter="m", flow="f", step="p", at=NOON)


def after(*facts: Any) -> Planning:
    state: Planning | None = None
    for fact in (STARTED, *facts):
        state = evolve(state, fact)
    assert state is not None
    return state


def chose(**about: Any) -> PlanChose:
    return PlanChose(**{"matter": "m", "flow": "f", "step": "p", "turn": "t", "tool": "look", **about})


def test_a_tool_of_the_step_is_done_with_inputs_in_their_one_form():
    assert judge(STEP, "look", {"on": "2026-02-20T00:00"}, NAMES) == Do(LOOK, {"on": "2026-02-20"})


@pytest.mark.parametrize(
    ("tool", "inputs", "why"),
    [
        ("delete_everything", {}, "the step allows no tool 'delete_everything'"),
        ("", {}, "the step allows no tool ''"),
        ("look", {}, "look needs on"),
        ("look", {"on": "soon"}, "on of look: it is no date"),
    ],
)
def test_everything_else_is_refused_with_its_reason(tool: str, inputs: dict[str, Any], why: str):
    assert judge(STEP, tool, inputs, NAMES) == Refuse(why)


def test_an_input_that_the_step_does_not_ask_for_is_left_out():
    assert judge(STEP, "look", {"on": "2026-02-20", "errand": "somebody else's"}, NAMES) == Do(
        LOOK, {"on": "2026-02-20"}
    )


def test_finish_says_whether_the_goal_is_reached():
    assert judge(STEP, "finish", {"reached": True, "summary": "done"}, NAMES) == Finish(True, "done")
    assert judge(STEP, "finish", {"reached": "yes"}, NAMES) == Finish(False, "")


def test_the_limits_are_steps_money_and_time():
    assert limit(after(), STEP, NOON) is None
    assert limit(after(chose(), chose(refused="no"), chose()), STEP, NOON) == "steps"
    assert limit(after(chose(cost=Cost(currency="USD", micros=1000))), STEP, NOON) == "money"
    assert limit(after(chose(cost=Cost(currency="INR", micros=10**9))), STEP, NOON) is None
    assert limit(after(), STEP, NOON + timedelta(seconds=60)) == "time"


def test_an_operator_who_says_no_is_told_to_claude():
    asked = ApprovalRequested(approval="a", matter="m", flow="f", step="p", tool="look")
    no = ApprovalHeard(approval="a", matter="m", operator="Meera", approved=False, reason="not today")
    assert after(chose(), asked).approval == asked
    heard = after(chose(), asked, no)
    assert (heard.approval, heard.chosen[-1].refused) == (None, "the operator said no: not today")


def test_a_plan_that_has_ended_is_none():
    assert evolve(after(), PlanEnded(matter="m", flow="f", step="p", how="reached")) is None


@pytest.mark.parametrize(
    ("note", "may"),
    [
        ("as asked", True),
        ("about E-7 and e-8", True),
        ("E-99", False),
        ("ring at E-99 instead of E-7", False),
        ("flat B-99", True),
    ],
)
def test_a_text_that_names_what_is_not_this_conversations_is_refused(note: str, may: bool):
    names = Names(now=NOON, entity_id="E-7", business_context={"also": ["E-8"]})
    verdict = judge(STEP, "look", {"on": "2026-02-20", "note": note}, names)
    assert isinstance(verdict, Do) is may
    if isinstance(verdict, Refuse):
        assert "no matter of this conversation" in verdict.reason
