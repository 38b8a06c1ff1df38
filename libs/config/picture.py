"""State maps and flows as Mermaid diagrams (https://mermaid.js.org), to be looked at in any Markdown viewer."""

import re
from collections.abc import Iterator
from typing import assert_never

from libs.config.bundle import Bundle
from libs.domain.conditions import ALWAYS, AllOf, AnyOf, Check, Condition, Not
from libs.domain.flow import (
    AnyStep,
    Branch,
    Collect,
    End,
    Flow,
    Generate,
    Handoff,
    Move,
    Plan,
    Say,
    Subflow,
    ToolCall,
    Wait,
)
from libs.domain.statemap import StateMap, Transition

LONGEST = 60


def pictures(bundle: Bundle) -> str:
    """All of a bundle's maps and flows as a Markdown page."""
    maps = [f"## {each.process_type}\n\n{_block(state_map(each))}" for each in bundle.state_maps.values()]
    flows = [f"## {each.id}\n\n{_block(flow(each))}" for each in bundle.flows.values()]
    return "\n".join(["# State maps\n", *maps, "# Flows\n", *flows])


def state_map(map_: StateMap) -> str:
    """A state diagram: each transition with its trigger, its conditions and what it does."""
    lines = ["stateDiagram-v2", f"    [*] --> {_id(map_.initial_state)}"]
    lines += [f'    state "{_text(state)}" as {_id(state)}' for state in map_.states if _id(state) != state]
    for each in map_.transitions:
        lines += [f"    {_id(state)} --> {_id(each.to_state)}: {_transition(each)}" for state in each.from_states]
    lines += [f"    {_id(state)} --> [*]" for state in map_.terminal_states]
    return "\n".join(lines) + "\n"


def flow(drawn: Flow) -> str:
    """A flow chart: each step with its type, and every way out of it."""
    lines = ["flowchart TD"]
    ends = False
    for position, step in enumerate(drawn.steps):
        lines.append(f"    {_id(step.id)}{_shape(step)}")
        ways = list(_ways(step, _below(drawn, position)))
        ends = ends or any(target == THE_END for _, target in ways)
        lines += [f"    {_id(step.id)} -->{label} {_id(target)}" for label, target in ways]
    if ends:
        lines.append(f"    {_id(THE_END)}((end))")
    return "\n".join(lines) + "\n"


THE_END = "the end"


def _below(drawn: Flow, position: int) -> str | None:
    return drawn.steps[position + 1].id if position + 1 < len(drawn.steps) else None


def _ways(step: AnyStep, below: str | None) -> Iterator[tuple[str, str]]:
    """Where a step leads, each with its label."""
    ahead = step.goto or below or THE_END
    match step:
        case End() | Handoff():
            return
        case Branch():
            for arm in step.arms:
                yield _label(_condition(arm.conditions) or "else"), arm.goto
            if not any(arm.conditions == ALWAYS for arm in step.arms):
                yield _label("else"), ahead
            return
        case Collect():
            yield "", ahead
            if step.on_cancel:
                yield _label("broken off"), step.on_cancel
            if step.on_error:
                yield _label("not answered"), step.on_error
            return
        case Wait():
            yield _label("reply") if step.timeout_s else "", ahead
            if step.timeout_s:
                yield _label(f"after {step.timeout_s} s"), step.on_timeout or ahead
            return
        case ToolCall() | Generate() | Say() | Plan():
            yield "", ahead
            if step.on_error:
                yield _label("error"), step.on_error
            return
    yield "", ahead


def _shape(step: AnyStep) -> str:
    """A step's box: what it is, and what it is about."""
    match step:
        case Branch():
            return f'{{"{_text(step.id)}"}}'
        case End():
            return "((end))"
        case ToolCall():
            said = f"tool_call {step.endpoint}"
        case Generate():
            said = "generate"
        case Say():
            said = f"say {step.text}"
        case Collect():
            said = f"collect {', '.join(slot.name for slot in step.slots)}"
        case Plan():
            said = f"plan {', '.join(tool.endpoint for tool in step.tools)}"
        case Wait():
            said = "wait"
        case Move():
            said = f"transition {step.trigger_value}"
        case Subflow():
            said = f"subflow {step.flow}"
        case Handoff():
            said = f"handoff {step.queue or step.reason}"
        case _:
            assert_never(step)
    return f'["{_text(step.id)}<br/>{_text(said)}"]'


def _transition(each: Transition) -> str:
    said = f"{each.trigger.type} {' or '.join(each.trigger.values)}"
    if asked := _condition(each.conditions):
        said += f" if {asked}"
    if each.actions:
        said += f" / {', '.join(str(action.__struct_config__.tag) for action in each.actions)}"
    return _text(said)


def _condition(condition: Condition) -> str:
    match condition:
        case Check(field=field, operator="exists", value=False):
            return f"{field} is missing"
        case Check(field=field, operator="exists"):
            return f"{field} exists"
        case Check(field=field, operator=operator, value=value):
            return f"{field} {operator} {value}"
        case Not(part=part):
            return f"not ({_condition(part)})"
        case AllOf(parts=parts):
            return " and ".join(_condition(part) for part in parts)
        case AnyOf(parts=parts):
            return " or ".join(_condition(part) for part in parts)


def _label(text: str) -> str:
    return f'|"{_text(text)}"|'


def _id(name: str) -> str:
    """A name that Mermaid takes as one; `end` is a word of its own there."""
    safe = re.sub(r"\W", "_", name)
    return f"{safe}_" if safe in ("end", "state", "default", "graph", "subgraph", "note") else safe


def _text(text: str) -> str:
    """A label without what Mermaid would read as its own."""
    flat = re.sub(r"\s+", " ", text).strip()
    short = flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"
    return re.sub(
        r"[\"{}\[\]|<>;#]", lambda found: {'"': "'", "<": "‹", ">": "›"}.get(found[0], " "), short.replace(":", " ")
    )


def _block(diagram: str) -> str:
    return f"```mermaid\n{diagram}```\n"
