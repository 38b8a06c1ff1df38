"""Which transitions and flow steps of a bundle scenarios have taken. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from events.base import Recorded
from events.conversation import ProcessBound, ProcessMoved, StepEntered
from libs.config.bundle import Bundle
from libs.domain.conditions import ALWAYS, in_words
from libs.domain.flow import End, Flow, Subflow
from libs.domain.statemap import StartFlow, StateMap, Transition


@dataclass(slots=True)
class Covered:
    """A process: how often each of its transitions, and each step of the flows that serve it, was taken.

    An `end` is no step that is entered: the flow is over, and no fact tells at which of its ends.
    """

    process: str
    transitions: dict[int, int]
    steps: dict[tuple[str, str], int]
    names: dict[int, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """What no scenario has taken."""
        moves = [self.names[place] for place, times in self.transitions.items() if not times]
        return moves + [f"step {flow}.{step}" for (flow, step), times in self.steps.items() if not times]


def coverage(bundle: Bundle, played: Iterable[Sequence[Recorded[Any]]]) -> list[Covered]:
    """Every process of the bundle with what was taken of it."""
    covered = {name: _nothing(state_map, bundle) for name, state_map in bundle.state_maps.items()}
    for facts in played:
        process_of: dict[str, str | None] = {}
        for fact in facts:
            match fact.event:
                case ProcessBound() as bound:
                    process_of[bound.matter] = bound.process_type
                case ProcessMoved(transition=int(place)) as moved:
                    known = covered.get(process_of.get(moved.matter) or "")
                    if known is not None:
                        known.transitions[place] += 1
                case StepEntered() as entered:
                    known = covered.get(process_of.get(entered.matter) or "")
                    if known is not None and (entered.flow, entered.step) in known.steps:
                        known.steps[entered.flow, entered.step] += 1
    return list(covered.values())


def _nothing(state_map: StateMap, bundle: Bundle) -> Covered:
    flows = _flows_of(state_map, bundle)
    return Covered(
        process=state_map.process_type,
        transitions=dict.fromkeys(range(len(state_map.transitions)), 0),
        steps={(flow.id, step.id): 0 for flow in flows for step in flow.steps if not isinstance(step, End)},
        names={place: _name(each) for place, each in enumerate(state_map.transitions)},
    )


def _name(each: Transition) -> str:
    """A transition by what it does, when, and under which conditions."""
    trigger = f"{each.trigger.type} {' | '.join(each.trigger.values)}"
    asked = f" if {in_words(each.conditions)}" if each.conditions != ALWAYS else ""
    return f"{' | '.join(each.from_states)} → {each.to_state} on {trigger}{asked}"


def _flows_of(state_map: StateMap, bundle: Bundle) -> list[Flow]:
    """The flows that serve a process: those that its rules and transitions begin, and those that these call."""
    begun = [
        rule.create_followup.flow
        for rule in bundle.rules
        if rule.create_followup.process_type == state_map.process_type
    ]
    begun += [act.flow for each in state_map.transitions for act in each.actions if isinstance(act, StartFlow)]
    flows: dict[str, Flow] = {}
    todo = [name for name in begun if name is not None]
    while todo:
        name = todo.pop(0)
        flow = bundle.flows.get(name)
        if flow is None or name in flows:
            continue
        flows[name] = flow
        todo += [step.flow for step in flow.steps if isinstance(step, Subflow)]
    return list(flows.values())


def as_percent(taken: Mapping[Any, int]) -> str:
    """`14/16 (87%)`: how many were taken at least once."""
    number = sum(times > 0 for times in taken.values())
    return f"{number}/{len(taken)} ({100 * number // max(1, len(taken))}%)"
