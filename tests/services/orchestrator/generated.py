"""Generated configurations that the check finds right, and what may happen to a matter that runs in one."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle

INTENTS = ("i0", "i1", "i2")
FLOWS = ("f0", "f1", "f2")
SETTINGS = """
backend: {type: rest, endpoints: {look: "/things/{thing}", tell: {method: POST, path: "/things/{thing}/notes"}}}
channels: {whatsapp: {enabled: true, provider: meta, default_template: hello}}
"""
TEMPLATES = """
templates: [{id: hello, name: hello_v1, language: en, category: utility, body: "About {{entity_id}}."}]
"""
POLICY = """
policy:
  timezone: Asia/Kolkata
  hours: {whatsapp: {from: "00:00", to: "24:00"}}
  consent: {whatsapp: implied}
  attempts: {per_day: 20, per_matter: 20}
  minimum_gap_minutes: 0
"""
KINDS = (*["next"] * 9, "says", "says", "timer", "timer", "event", "hand", "failed")
"""`next`: whatever is awaited comes, so that most courses lead somewhere."""
PAYLOAD = {"thing": "{{entity_id}}", "now": "{{state}}"}


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    """A bundle with one process and three flows; drawn until the check has nothing against it."""
    flows = [_flow(draw, number) for number in range(len(FLOWS))]
    files = {
        "settings.yaml": SETTINGS,
        "templates/whatsapp.yaml": TEMPLATES,
        "policy.yaml": POLICY,
        "state_maps.yaml": json.dumps({"state_maps": [_state_map(draw)]}),
        "flows/all.yaml": json.dumps({"flows": flows}),
    }
    bundle = compile_bundle(files, {}, "development").bundle
    assume(bundle is not None)
    assert bundle is not None
    return bundle


def happenings() -> st.SearchStrategy[list[dict[str, Any]]]:
    """What happens one after the other; each is taken up where it fits the conversation as it stands."""
    return st.lists(
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(KINDS),
                "pick": st.integers(0, 5),
                "intents": st.lists(st.sampled_from(INTENTS), max_size=2, unique=True),
                "slots": st.dictionaries(
                    st.sampled_from(("day0", "day1", "day2")),
                    st.sampled_from(("2026-02-20", "2026-03-05", "soon")),
                    max_size=2,
                ),
                "breaks_off": st.sampled_from((False, False, False, True)),
                "ok": st.booleans(),
            }
        ),
        min_size=6,
        max_size=30,
    )


def _state_map(draw: st.DrawFn) -> dict[str, Any]:
    states = [f"s{n}" for n in range(draw(st.integers(2, 5)))]
    last = states[-1]
    transitions: list[dict[str, Any]] = [
        {"from_states": [here], "to_state": there, "trigger": {"type": "manual", "values": [f"to_{there}"]}}
        for here, there in pairwise(states)
    ]
    for _ in range(draw(st.integers(1, 6))):
        here, there = draw(st.sampled_from(states[:-1])), draw(st.sampled_from(states))
        transition: dict[str, Any] = {"from_states": [here], "to_state": there, "trigger": _trigger(draw)}
        if draw(st.booleans()):
            transition["conditions"] = [
                {"field": f"extracted_info.{draw(st.sampled_from(('a', 'b')))}", "operator": "exists"}
            ]
        transition["actions"] = draw(st.lists(_action(), max_size=2))
        transitions.append(transition)
    if draw(st.booleans()):
        here = draw(st.sampled_from(states[:-1]))
        transitions.append(
            {
                "from_states": [states[0]],
                "to_state": here,
                "trigger": {"type": "outcome", "values": ["message_sent"]},
                "actions": [{"type": "schedule_check", "delay_minutes": 60, "name": "tick"}],
            }
        )
        transitions.append({"from_states": [here], "to_state": here, "trigger": {"type": "timer", "values": ["tick"]}})
    return {
        "process_type": "thing",
        "states": states,
        "initial_state": states[0],
        "terminal_states": [last],
        "transitions": transitions,
        "on_resolved": {"endpoint": "tell", "payload": PAYLOAD},
    }


def _trigger(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("intent", "outcome", "event", "manual")))
    match kind:
        case "intent":
            values = draw(st.lists(st.sampled_from(INTENTS), min_size=1, max_size=2, unique=True))
        case "outcome":
            values = [draw(st.sampled_from(("message_sent", "delivered", "no_reply", "message_failed", "told")))]
        case "event":
            return {"type": kind, "values": ["changed"], "match": {"entity_id": "{{thing}}"}}
        case _:
            values = ["go"]
    return {"type": kind, "values": values}


def _action() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(
        (
            {"type": "update_backend", "endpoint": "tell", "payload": PAYLOAD, "result_key": "told"},
            {"type": "update_backend", "endpoint": "tell", "payload": PAYLOAD},
            {"type": "send_message", "text": "Something about {{entity_id}}."},
            {"type": "start_flow", "flow": "f1"},
            {"type": "start_flow", "flow": "f2"},
            {"type": "escalate", "reason": "look at {{entity_id}}"},
            {"type": "switch_channel", "channel": "next"},
            {"type": "close"},
        )
    )


def _flow(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A flow that calls later ones only; a goto leads forward, or back from a step that waits."""
    count = draw(st.integers(1, 5))
    steps = [_step(draw, number, n, count) for n in range(count)]
    if number == 1:  # the bundle always has an action's outcome to listen to
        steps.insert(0, {"id": "first", "type": "say", "text": "Namaste."})
    return {"id": FLOWS[number], "steps": [*steps, {"id": "over", "type": "end"}]}


def _step(draw: st.DrawFn, flow: int, n: int, count: int) -> dict[str, Any]:
    later = [f"x{m}" for m in range(n + 1, count)] + ["over"]
    kinds = ["say", "generate", "collect", "wait", "branch", "transition", "tool_call", "handoff", "plan"]
    kind = draw(st.sampled_from(kinds + (["subflow"] if flow + 1 < len(FLOWS) else [])))
    step: dict[str, Any] = {"id": f"x{n}", "type": kind}
    match kind:
        case "say":
            step["text"] = "We say something."
        case "generate":
            step |= {"system_prompt": "Ask {{contact_name}} something."}
        case "collect":
            slot = {"name": f"day{flow}", "type": "date", "ask": "Which day?"}
            taken = draw(st.booleans())
            step |= {"slots": [slot], "max_asks": 2}
            if taken:
                step |= {"on_error": draw(st.sampled_from(later)), "on_cancel": draw(st.sampled_from(later))}
        case "wait":
            if draw(st.booleans()):
                step |= {"timeout": "2h", "on_timeout": draw(st.sampled_from(later))}
        case "branch":
            asked = [{"field": "state", "operator": "eq", "value": draw(st.sampled_from(("s0", "s1")))}]
            step["arms"] = [{"conditions": asked, "goto": draw(st.sampled_from(later))}]
        case "transition":
            step["trigger_value"] = draw(st.sampled_from(("go", "to_s1")))
        case "tool_call":
            step["tool"] = {"endpoint": "look", "payload_template": {"thing": "entity_id"}, "result_key": "seen"}
            step["on_error"] = draw(st.sampled_from(later))
        case "handoff":
            step["reason"] = "a person is wanted"
        case "plan":
            step |= {"goal": "Look.", "max_steps": 2, "on_error": draw(st.sampled_from(later))}
            step["tools"] = [{"endpoint": "look", "payload_template": {"thing": "entity_id"}, "result_key": "seen"}]
        case "subflow":
            step["flow"] = draw(st.sampled_from(FLOWS[flow + 1 :]))
    return step
