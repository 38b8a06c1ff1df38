"""Flows walked: first step, next step, and the arm that a branch takes."""

import pytest

from libs.domain.conditions import Check
from libs.domain.dialogue import branch, first_step, next_step, step_of
from libs.domain.flow import Arm, Branch, End, Flow, Say
from libs.domain.names import Names

ASK = Say(id="ask", text="?")
FORK = Branch(
    id="fork",
    arms=(
        Arm(goto="big", conditions=Check(field="size", operator="gt", value=10)),
        Arm(goto="small", conditions=Check(field="size", operator="lte", value=10)),
    ),
)
BELOW = Say(id="below", text="-")
BIG = Say(id="big", text="big", goto="over")
SMALL = Say(id="small", text="small")
OVER = End(id="over")
FLOW = Flow(id="f", steps=(ASK, FORK, BELOW, BIG, SMALL, OVER))


def test_a_flow_begins_at_its_first_step():
    assert first_step(FLOW) == ASK
    assert first_step(Flow(id="empty", steps=())) is None


@pytest.mark.parametrize(("step", "then"), [(ASK, FORK), (BIG, OVER), (SMALL, OVER), (OVER, None)])
def test_after_a_step_comes_where_it_says_else_the_one_below(step: Say, then: Say | None):
    assert next_step(FLOW, step) == then


def test_a_step_that_this_version_of_the_flow_lost_leads_nowhere():
    assert next_step(FLOW, Say(id="lost", text="")) is None
    assert next_step(FLOW, Say(id="ask", text="", goto="lost")) is None


def test_a_step_is_found_by_its_id():
    assert step_of(FLOW, "big") == BIG
    assert step_of(FLOW, "lost") is None
    assert step_of(FLOW, None) is None


@pytest.mark.parametrize(("size", "to"), [(11, BIG), (10, SMALL)])
def test_a_branch_takes_the_first_arm_that_holds(size: int, to: Say):
    taken = branch(FLOW, FORK, Names(data={"size": size}))
    assert taken.step == to
    assert any(str(size) in reason for reason in taken.reasons)


def test_a_branch_none_of_whose_arms_holds_goes_on_below():
    taken = branch(FLOW, FORK, Names(data={}))
    assert taken.step == BELOW
    assert len(taken.reasons) == 2


def test_an_arm_without_conditions_always_holds():
    fork = Branch(id="fork", arms=(Arm(goto="over"),))
    assert branch(FLOW, fork, Names()).step == OVER
