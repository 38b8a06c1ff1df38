"""Pictures: every state, step and way out of them is drawn, in words that Mermaid takes."""

import re

import pytest

from libs.config import picture
from libs.domain.flow import Collect, End, Flow, Handoff, Plan, PlanTool, Say, Subflow, Wait
from libs.domain.slots import Slot
from libs.domain.statemap import StateMap
from tests.libs.config.shipped import check

SHIPPED = check().bundle
assert SHIPPED is not None
STATE_LINE = re.compile(r"    (\[\*\]|\w+) --> (\[\*\]|\w+)(: [^:{}\[\]|<>;#\"]+)?")
FLOW_LINE = re.compile(r"    \w+(\[\"[^\"]*\"\]|\{\"[^\"]*\"\}|\(\(end\)\)| -->(\|\"[^\"|]*\"\|)? \w+)")


@pytest.mark.parametrize("drawn", SHIPPED.state_maps.values(), ids=lambda each: each.process_type)
def test_a_state_map_is_drawn_with_every_transition_and_its_ends(drawn: StateMap):
    lines = picture.state_map(drawn).splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert all(STATE_LINE.fullmatch(line) for line in lines[1:]), lines
    assert f"    [*] --> {drawn.initial_state}" in lines
    assert all(f"    {state} --> [*]" in lines for state in drawn.terminal_states)
    ways = sum(len(each.from_states) for each in drawn.transitions)
    assert len(lines) == 2 + ways + len(drawn.terminal_states)


@pytest.mark.parametrize("drawn", SHIPPED.flows.values(), ids=lambda each: each.id)
def test_a_flow_is_drawn_with_every_step(drawn: Flow):
    lines = picture.flow(drawn).splitlines()
    assert lines[0] == "flowchart TD"
    assert all(FLOW_LINE.fullmatch(line) for line in lines[1:]), lines
    assert all(any(line.startswith(f"    {step.id}") for line in lines) for step in drawn.steps)


def test_every_kind_of_step_shows_its_ways_out():
    slot = Slot(name="day", type="date", ask="?")
    drawn = Flow(
        id="f",
        steps=(
            Collect(id="ask", slots=(slot,), on_cancel="end", on_error="person"),
            Plan(id="think", goal="g", tools=(PlanTool(endpoint="look", result_key="l"),), on_error="person"),
            Subflow(id="other", flow="g"),
            Wait(id="pause", timeout_s=60, on_timeout="person"),
            Say(id="say", text='He said: "no" {{x}} <b>'),
            End(id="end"),
            Handoff(id="person", reason="r", queue="q"),
        ),
    )
    told = picture.flow(drawn)
    assert 'ask -->|"broken off"| end_' in told
    assert 'think -->|"error"| person' in told
    assert 'pause -->|"after 60 s"| person' in told
    assert "say<br/>say He said 'no' x ‹b›" in told.replace("  ", " ").replace("  ", " ")
    assert "person -->" not in told


def test_all_pictures_stand_on_one_page():
    assert SHIPPED is not None
    page = picture.pictures(SHIPPED)
    assert page.count("```mermaid") == len(SHIPPED.state_maps) + len(SHIPPED.flows)
