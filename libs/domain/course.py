"""The course of a matter's dialogue: the flows that wait for the one that runs, the slots, and how often each was asked for."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from events.base import Event
from events.conversation import FlowEnded, FlowStarted, StepEntered
from events.dialogue import (
    ApprovalHeard,
    ApprovalRequested,
    CollectEnded,
    PlanChose,
    PlanEnded,
    PlanStarted,
    SlotAsked,
    SlotFilled,
    SlotRefused,
)
from libs.domain import planner
from libs.domain.dialogue import Frame
from libs.domain.planner import Planning
from libs.domain.slots import Filled

FACTS = (
    SlotAsked,
    SlotFilled,
    SlotRefused,
    CollectEnded,
    PlanStarted,
    PlanChose,
    ApprovalRequested,
    ApprovalHeard,
    PlanEnded,
)
"""What concerns a matter's course and nothing else of the conversation."""


class Course(msgspec.Struct, frozen=True):
    """`stack` holds the flows that wait, the newest last. `asks`, `refused` and `plan` are those of the step at work."""

    stack: tuple[Frame, ...] = ()
    slots: Mapping[str, Filled] = msgspec.field(default_factory=dict)
    asks: Mapping[str, int] = msgspec.field(default_factory=dict)
    refused: Mapping[str, str] = msgspec.field(default_factory=dict)
    plan: Planning | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What `slots.*` names."""
        return {name: filled.value for name, filled in self.slots.items()}


def evolve(state: Course, event: Event, *, flow: str | None = None) -> Course:
    """The course after one more fact; `flow` is the one that ran before it."""
    match event:
        case PlanStarted() | PlanChose() | ApprovalRequested() | ApprovalHeard() | PlanEnded():
            return replace(state, plan=planner.evolve(state.plan, event))
        case FlowStarted(called_from=str(step)) if flow is not None:
            return replace(state, stack=(*state.stack, Frame(flow, step)), asks={}, refused={})
        case FlowStarted():
            return replace(state, stack=(), asks={}, refused={}, plan=None)
        case FlowEnded(returns=True):
            return replace(state, stack=state.stack[:-1], asks={}, refused={})
        case FlowEnded():
            return replace(state, stack=(), asks={}, refused={}, plan=None)
        case StepEntered():
            anew = {
                name: each for name, each in state.slots.items() if (each.flow, each.step) != (event.flow, event.step)
            }
            return replace(state, slots=anew, asks={}, refused={}, plan=None)
        case SlotAsked():
            return replace(state, asks={**state.asks, event.slot: state.asks.get(event.slot, 0) + 1}, refused={})
        case SlotFilled():
            filled = Filled(event.value, event.flow, event.step)
            refused = {name: why for name, why in state.refused.items() if name != event.slot}
            return replace(state, slots={**state.slots, event.slot: filled}, refused=refused)
        case SlotRefused():
            return replace(state, refused={**state.refused, event.slot: event.reason})
        case _:
            return state


def place_after(state: Course, event: FlowStarted | FlowEnded) -> tuple[str | None, str | None]:
    """The flow and the step at which a matter stands when a flow has begun, or is over."""
    if isinstance(event, FlowStarted):
        return event.flow, None
    if event.returns and state.stack:
        return state.stack[-1].flow, state.stack[-1].step
    return None, None
