"""Pictures: every transition, step and way out of it is drawn, in whole words that lie within the picture."""

import re
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from libs.config.draw import wide
from libs.config.draw_flow import Way, flow, ways
from libs.config.draw_map import state_map
from libs.config.picture import pictures
from libs.domain.conditions import ALWAYS, Check, in_words
from libs.domain.flow import (
    Arm,
    Branch,
    Collect,
    End,
    Flow,
    Generate,
    Handoff,
    Move,
    Plan,
    PlanTool,
    Say,
    Subflow,
    Wait,
)
from libs.domain.rules import FollowupSpec
from libs.domain.slots import Slot
from libs.domain.statemap import (
    Close,
    CreateFollowup,
    Escalate,
    ScheduleCheck,
    SendMessage,
    StateMap,
    SwitchChannel,
    Transition,
    Trigger,
    UpdateBackend,
)
from tests.libs.config.shipped import check

SHIPPED = check().bundle
assert SHIPPED is not None
SVG = "{http://www.w3.org/2000/svg}"


class Seen:
    """A picture as its reader sees it."""

    def __init__(self, svg: str) -> None:
        self.root = ET.fromstring(svg)  # noqa: S314 - our own text
        self.texts = list(self.root.iter(f"{SVG}text"))
        self.words = " ".join(str(each.text) for each in self.texts)
        self.arrows = len(list(self.root.iter(f"{SVG}polygon")))
        self.rings = len(list(self.root.iter(f"{SVG}circle")))

    def all_lies_within(self) -> bool:
        right, below = float(self.root.attrib["width"]), float(self.root.attrib["height"])
        for each in self.texts:
            width = wide(str(each.text)) / (2 if each.get("text-anchor") == "middle" else 1)
            if each.get("text-anchor") != "end" and float(each.attrib["x"]) + width > right:
                return False
            if not 0 < float(each.attrib["y"]) < below:
                return False
        return True

    def no_two_texts_overlap(self) -> bool:
        """Of texts on one line each ends before the next begins."""
        rows: dict[float, list[tuple[float, float]]] = {}
        for each in self.texts:
            x, width = float(each.attrib["x"]), wide(str(each.text))
            left = x - {"middle": width / 2, "end": width}.get(each.get("text-anchor", ""), 0)
            rows.setdefault(float(each.attrib["y"]), []).append((left, left + width))
        return all(right <= left for spans in rows.values() for (_, right), (left, _) in pairwise(sorted(spans)))


def shown(text: str, seen: Seen) -> bool:
    """Whether all words of a text are there in their order, wherever its lines are broken."""
    return " ".join(text.split()) in seen.words


@pytest.mark.parametrize("drawn", SHIPPED.state_maps.values(), ids=lambda each: each.process_type)
def test_a_state_map_is_drawn_with_every_transition_in_whole_words(drawn: StateMap):
    seen = Seen(state_map(drawn))
    assert seen.rings == sum(len(each.from_states) for each in drawn.transitions)
    assert seen.arrows >= len(drawn.transitions)
    for number, each in enumerate(drawn.transitions):
        assert shown(f"{number} {each.trigger.type} {' or '.join(each.trigger.values)}", seen)
        assert each.conditions == ALWAYS or shown(f"if {in_words(each.conditions)}", seen)
        for action in each.actions:
            if isinstance(action, Escalate):
                assert shown(f"escalate to {action.queue}: “{action.reason}”", seen)
    assert all(shown(state, seen) for state in drawn.states)
    assert seen.all_lies_within()
    assert seen.no_two_texts_overlap()


@pytest.mark.parametrize("drawn", SHIPPED.flows.values(), ids=lambda each: each.id)
def test_a_flow_is_drawn_with_every_step_in_whole_words(drawn: Flow):
    seen = Seen(flow(drawn))
    for step in drawn.steps:
        assert shown(step.id, seen)
        assert not isinstance(step, Generate) or shown(f"{step.id} generate {step.system_prompt}", seen)
    assert seen.all_lies_within()
    assert seen.no_two_texts_overlap()


def test_every_kind_of_step_shows_what_it_is_about_and_its_ways_out():
    slot = Slot(name="day", type="date", ask="When?")
    drawn = Flow(
        id="f",
        steps=(
            Collect(id="ask", slots=(slot,), on_cancel="end", on_error="person"),
            Plan(
                id="think",
                goal="Find out.",
                tools=(PlanTool(endpoint="look", result_key="l", approve=True),),
                max_cost={"USD": 50_000},
                timeout_s=600,
                on_error="person",
            ),
            Branch(id="fork", arms=(Arm(goto="end", conditions=Check(field="l.found", operator="eq", value=True)),)),
            Subflow(id="other", flow="g"),
            Wait(id="pause", timeout_s=3600, on_timeout="ask"),
            Say(id="say", text='He said: "no" {{x}} <b>'),
            Move(id="move", trigger_value="told", goto="person"),
            End(id="end"),
            Handoff(id="person", reason="r", queue="q"),
        ),
    )
    seen = Seen(flow(drawn))
    for words in (
        "ask collect day (date): “When?”",
        "think plan Find out. with look (asks an operator) at most 5 choices, 0.05 USD, 10 min",
        "fork branch",
        "other subflow g",
        "pause wait for a reply",
        'say say “He said: "no" {{x}} <b>”',
        "move transition told",
        "person handoff to q “r”",
        "broken off",
        "not answered 3 times",
        "not reached",
        "if l.found = true",
        "no reply in 1 h",
    ):
        assert shown(words, seen), words
    down = ["ask", "think", "fork", "other", "pause", "say"]
    jumped_to = ["end", "person", "ask"]
    assert seen.arrows == len(down) + len(jumped_to)
    assert seen.all_lies_within()


def test_a_way_past_the_last_step_leads_to_the_end():
    drawn = Flow(id="f", steps=(Say(id="say", text="Hello"),))
    assert list(ways(drawn.steps[0], "the end")) == [Way("the end")]
    seen = Seen(flow(drawn))
    assert (shown("end", seen), seen.arrows) == (True, 1)


def test_every_action_is_told_with_what_it_is_about():
    follow = FollowupSpec(contact_id="{{contact.id}}", reason="Ask again", channel_priority=("whatsapp",))
    actions = (
        UpdateBackend(endpoint="tell"),
        UpdateBackend(endpoint="book", result_key="booking"),
        ScheduleCheck(delay_minutes=1440),
        ScheduleCheck(delay_minutes=90, name="soon"),
        SendMessage(text="Hello"),
        SendMessage(template="thanks"),
        SwitchChannel(channel="next"),
        Escalate(reason="odd"),
        CreateFollowup(followup=follow),
        Close(),
    )
    around = Transition(
        from_states=("a", "b"), to_state="b", trigger=Trigger(type="manual", values=("go",)), actions=actions
    )
    drawn = StateMap(
        process_type="p", states=("a", "b"), initial_state="a", terminal_states=("b",), transitions=(around,)
    )
    seen = Seen(state_map(drawn))
    assert shown(
        "update_backend tell, update_backend book → booking, schedule_check check in 1 d, schedule_check soon in 90 min, send_message “Hello”, "
        "send_message thanks, switch_channel next, escalate to a person: “odd”, create_followup: “Ask again”, close",
        seen,
    )
    assert (seen.rings, seen.arrows) == (2, 2), "from a, and from b to itself"


def test_all_pictures_stand_on_one_page_that_leads_to_each_and_runs_nothing():
    assert SHIPPED is not None
    page = pictures(SHIPPED)
    names = [*SHIPPED.state_maps, *SHIPPED.flows]
    assert Counter(re.findall(r'<h2 id="(\w+)">', page)) == Counter(names)
    assert Counter(re.findall(r'<a href="#(\w+)">', page)) == Counter(names)
    assert page.count("<svg") == len(names)
    assert "<script" not in page
    assert "src=" not in page
