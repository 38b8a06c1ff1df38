"""The planner: what Claude chose so far in a step, whether it may choose again, and whether its choice may be done."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from events.base import Event
from events.dialogue import ApprovalHeard, ApprovalRequested, PlanChose, PlanEnded, PlanStarted
from libs.domain.flow import Plan, PlanTool
from libs.domain.ids import is_id, is_known, leaves
from libs.domain.names import Names
from libs.domain.slots import Accepted, accept

FINISH = "finish"
"""The name of the choice that ends a plan."""
_ID = re.compile(r"(?<!\w)(?P<prefix>[A-Za-z]{1,8}[-_/]?)\d[\w/-]*")


class Chosen(msgspec.Struct, frozen=True):
    """One choice: the tool, what Claude said to it, and why it was not done, where it was not."""

    tool: str
    inputs: Mapping[str, Any]
    refused: str | None = None


class Planning(msgspec.Struct, frozen=True):
    """A plan at work. `micros` is what it cost, by currency; `approval` is what an operator has to decide."""

    since: datetime
    chosen: tuple[Chosen, ...] = ()
    micros: Mapping[str, int] = msgspec.field(default_factory=dict)
    approval: ApprovalRequested | None = None


class Do(msgspec.Struct, frozen=True):
    """This tool is to be called with these inputs, in their one form."""

    tool: PlanTool
    inputs: Mapping[str, Any]


class Finish(msgspec.Struct, frozen=True):
    """Claude says that it is done."""

    reached: bool
    summary: str


class Refuse(msgspec.Struct, frozen=True):
    """The choice may not be done, and why."""

    reason: str


def evolve(state: Planning | None, event: Event) -> Planning | None:
    """The plan after one more fact; None where none is at work."""
    match event:
        case PlanStarted():
            return Planning(since=event.at)
        case PlanEnded():
            return None
        case _ if state is None:
            return None
        case PlanChose():
            micros = dict(state.micros)
            if event.cost is not None:
                micros[event.cost.currency] = micros.get(event.cost.currency, 0) + event.cost.micros
            chosen = Chosen(event.tool, event.inputs, event.refused)
            return replace(state, chosen=(*state.chosen, chosen), micros=micros)
        case ApprovalRequested():
            return replace(state, approval=event)
        case ApprovalHeard():
            refused = None if event.approved else f"the operator said no: {event.reason or 'without a reason'}"
            last = replace(state.chosen[-1], refused=refused) if state.chosen else None
            return replace(state, approval=None, chosen=(*state.chosen[:-1], last) if last else ())
        case _:
            return state


def limit(state: Planning, step: Plan, now: datetime) -> Literal["steps", "money", "time"] | None:
    """Which limit is used up, so that Claude is not asked again."""
    if len(state.chosen) >= step.max_steps:
        return "steps"
    if any(state.micros.get(currency, 0) >= most for currency, most in step.max_cost.items()):
        return "money"
    if step.timeout_s is not None and now - state.since >= timedelta(seconds=step.timeout_s):
        return "time"
    return None


def judge(step: Plan, tool: str, inputs: Mapping[str, Any], names: Names) -> Do | Finish | Refuse:
    """What a choice comes to: only the step's own tools, and only inputs that are what the step asks for."""
    if tool == FINISH:
        return Finish(inputs.get("reached") is True, str(inputs.get("summary") or ""))
    known = next((each for each in step.tools if each.endpoint == tool), None)
    if known is None:
        return Refuse(f"the step allows no tool {tool!r}")
    read: dict[str, Any] = {}
    for slot in known.inputs:
        said = inputs.get(slot.name)
        if said is None or said == "":
            if slot.required:
                return Refuse(f"{tool} needs {slot.name}")
            continue
        value = accept(slot, said, names)
        if not isinstance(value, Accepted):
            return Refuse(f"{slot.name} of {tool}: {value.reason}")
        if slot.type == "text" and _foreign(str(value.value), names):
            return Refuse(f"{slot.name} of {tool}: it names what no matter of this conversation is about")
        if is_id(slot.name) and not is_known(value.value, names):
            return Refuse(f"{slot.name} of {tool}: it is no id that this matter knows")
        read[slot.name] = value.value
    return Do(known, read)


def _foreign(said: str, names: Names) -> bool:
    """Whether a text names an id of the kind of this matter's, and not one that its facts hold."""
    ours = _ID.fullmatch(names.entity_id or "")
    if ours is None:
        return False
    known = {str(value).casefold() for value in leaves((names.entity_id, names.business_context, names.tool_results))}
    found = (each for each in _ID.finditer(said) if each["prefix"].casefold() == ours["prefix"].casefold())
    return any(each[0].casefold() not in known for each in found)
