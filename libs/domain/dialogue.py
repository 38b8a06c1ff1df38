"""Dialogue flows at work: which step comes first, which comes next, and which arm a branch takes. Pure and replayable."""

from dataclasses import dataclass

from libs.domain.conditions import evaluate
from libs.domain.flow import AnyStep, Branch, Collect, Flow, Subflow
from libs.domain.names import Names

LIMIT = 100
"""How many steps a flow may take without waiting; the check of the bundle refuses such loops, this is the fuse."""

DEPTH = 8
"""How many flows may wait for the one that runs; the check of the bundle refuses flows that call themselves."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a flow stood when it called another one, or was interrupted by it."""

    flow: str
    step: str


@dataclass(frozen=True, slots=True)
class Taken:
    """Where a branch leads (None: to the step below it), and what was found on the way."""

    step: AnyStep | None
    reasons: tuple[str, ...]


def step_of(flow: Flow, step_id: str | None) -> AnyStep | None:
    """The step of that name; None when this version of the flow has none."""
    return next((step for step in flow.steps if step.id == step_id), None)


def first_step(flow: Flow) -> AnyStep | None:
    return flow.steps[0] if flow.steps else None


def next_step(flow: Flow, step: AnyStep) -> AnyStep | None:
    """The step after this one: where it says, else the one below; None at the end of the flow."""
    if step.goto is not None:
        return step_of(flow, step.goto)
    places = [place for place, other in enumerate(flow.steps) if other.id == step.id]
    below = places[0] + 1 if places else len(flow.steps)
    return flow.steps[below] if below < len(flow.steps) else None


def branch(flow: Flow, step: Branch, names: Names) -> Taken:
    """The first arm whose conditions hold; the step below when none does."""
    reasons: list[str] = []
    for arm in step.arms:
        verdict = evaluate(arm.conditions, names)
        reasons.extend(verdict.reasons)
        if verdict:
            return Taken(step_of(flow, arm.goto), tuple(reasons))
    return Taken(next_step(flow, step), tuple(reasons))


def after_return(flow: Flow, step: AnyStep | None) -> AnyStep | None:
    """Where a flow goes on when the one above it is over: below the step that called it; at the very step that was interrupted."""
    return next_step(flow, step) if isinstance(step, Subflow) else step


def slot_steps(flow: Flow) -> dict[str, Collect]:
    """Which step of a flow collects which slot."""
    return {slot.name: step for step in flow.steps if isinstance(step, Collect) for slot in step.slots}
