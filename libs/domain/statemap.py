"""State maps: the states of a business process, what moves it, and what is done when it moves."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from events.values import FactOffer
from libs.domain.conditions import ALWAYS, Condition, evaluate
from libs.domain.names import Names
from libs.domain.rules import FollowupSpec, rendered_match, same_facts

TriggerType = Literal["intent", "event", "outcome", "timer", "manual"]
CHANNEL_OUTCOMES = (
    "message_sent",
    "message_failed",
    "delivered",
    "read",
    "no_reply",
    "call_answered",
    "call_failed",
    "transferred",
    "transfer_failed",
)


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What may move the process; an event's `match` (templates over its data) says which entity it is about."""

    type: TriggerType
    values: tuple[str, ...]
    match: dict[str, str] | None = None


class UpdateBackend(msgspec.Struct, frozen=True, kw_only=True, tag="update_backend"):
    """Tell the ERP, until it confirms; with a `result_key` its answer is an outcome of that name."""

    endpoint: str
    payload: dict[str, Any] = {}
    result_key: str | None = None


class ScheduleCheck(msgspec.Struct, frozen=True, kw_only=True, tag="schedule_check"):
    """Raise the trigger `timer: <name>` after so many minutes of business time."""

    delay_minutes: int
    name: str = "check"


class SendMessage(msgspec.Struct, frozen=True, kw_only=True, tag="send_message"):
    """Say a text, or a registered template."""

    text: str | None = None
    template: str | None = None
    channel: str | None = None


class StartFlow(msgspec.Struct, frozen=True, kw_only=True, tag="start_flow"):
    flow: str


class SwitchChannel(msgspec.Struct, frozen=True, kw_only=True, tag="switch_channel"):
    channel: str


class Escalate(msgspec.Struct, frozen=True, kw_only=True, tag="escalate"):
    reason: str
    queue: str | None = None


class CreateFollowup(msgspec.Struct, frozen=True, kw_only=True, tag="create_followup"):
    followup: FollowupSpec


class Close(msgspec.Struct, frozen=True, kw_only=True, tag="close"):
    reason: str | None = None


Action = UpdateBackend | ScheduleCheck | SendMessage | StartFlow | SwitchChannel | Escalate | CreateFollowup | Close


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """From any of `from_states` to `to_state`, when the trigger comes and the conditions hold."""

    from_states: tuple[str, ...]
    to_state: str
    trigger: Trigger
    conditions: Condition = ALWAYS
    actions: tuple[Action, ...] = ()


class Writeback(msgspec.Struct, frozen=True, kw_only=True):
    """What the ERP is told when the matter is settled."""

    endpoint: str
    payload: dict[str, Any] = {}


class StateMap(msgspec.Struct, frozen=True, kw_only=True):
    """One business process. `intents` describes, by name, what a contact may mean; `facts` are those that it and its flows use."""

    process_type: str
    states: tuple[str, ...]
    initial_state: str
    terminal_states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    intents: dict[str, str] = {}
    facts: tuple[FactOffer, ...] = ()
    on_resolved: Writeback | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A trigger that a state listens to."""

    type: TriggerType
    value: str


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger that came. `data` is the event's, or the answer of the tool whose result key is `value`."""

    type: TriggerType
    value: str
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The process moves (perhaps to its own state), by which transition of the map, and why by no earlier one."""

    from_state: str
    to_state: str
    transition: int
    actions: tuple[Action, ...] = ()
    reasons: tuple[str, ...] = ()
    terminal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """The process stays where it is, why, and what would move it."""

    state: str
    reasons: tuple[str, ...] = ()
    accepted: tuple[Accepted, ...] = ()


def step(map_: StateMap, state: str, fired: Fired, names: Names) -> Moved | Stays:
    """Give the trigger to the process: the first listed transition whose conditions hold is taken.

    Conditions see `names` with the trigger in them: `state`, `intent`, an event's data as bare names, a tool's
    result under its key. An event counts when its rendered `match` equals what `names` says of the process's entity.
    """
    seen = _with_trigger(names, state, fired)
    reasons: list[str] = []
    for index, transition in enumerate(map_.transitions):
        if state not in transition.from_states or not _hears(transition.trigger, fired):
            continue
        to = f"to {transition.to_state}"
        if not _about(transition.trigger, fired, names):
            reasons.append(f"{to}: the event is about another entity")
            continue
        if transition.to_state not in map_.states:
            reasons.append(f"{to}: the map declares no such state")
            continue
        verdict = evaluate(transition.conditions, seen)
        reasons.extend(f"{to}: {reason}" for reason in verdict.reasons)
        if verdict.holds:
            said = tuple(reasons) or (f"{to}: {fired.type} {fired.value}",)
            return Moved(
                from_state=state,
                to_state=transition.to_state,
                transition=index,
                actions=transition.actions,
                reasons=(*said, *_passed_over(map_, index, state, fired, names, seen)),
                terminal=transition.to_state in map_.terminal_states,
            )
    return Stays(
        state=state,
        reasons=tuple(reasons) or (_unheard(map_, state, fired),),
        accepted=accepted_triggers(map_, state),
    )


def _passed_over(map_: StateMap, taken: int, state: str, fired: Fired, names: Names, seen: Names) -> Iterator[str]:
    """Which later transitions would have been taken, were the first listed one not taken before them."""
    for each in map_.transitions[taken + 1 :]:
        hears = state in each.from_states and _hears(each.trigger, fired) and _about(each.trigger, fired, names)
        if hears and each.to_state in map_.states and evaluate(each.conditions, seen):
            yield f"to {each.to_state}: holds too, but is listed later"


def accepted_triggers(map_: StateMap, state: str) -> tuple[Accepted, ...]:
    """What a state listens to, in the order of the map, each once."""
    found = {Accepted(trigger.type, value): None for trigger in _triggers(map_, state) for value in trigger.values}
    return tuple(found)


def offered_intents(map_: StateMap, state: str) -> dict[str, str]:
    """What a contact may mean, with its description: first what moves this state, then what else the map knows."""
    here = (accepted.value for accepted in accepted_triggers(map_, state) if accepted.type == "intent")
    elsewhere = (value for each in map_.transitions if each.trigger.type == "intent" for value in each.trigger.values)
    return {name: map_.intents.get(name) or name.replace("_", " ") for name in (*here, *map_.intents, *elsewhere)}


def knows_intent(map_: StateMap, intent: str) -> bool:
    """Whether a process has a use for what a contact may mean, in whatever state."""
    heard = (each.trigger for each in map_.transitions if each.trigger.type == "intent")
    return intent in map_.intents or any(intent in trigger.values for trigger in heard)


def wants(map_: StateMap, fact: str) -> bool:
    """Whether a process, or a flow of its own, uses what a contact may state, such as `payment_date`."""
    path = rf"\bextracted_info\.{re.escape(fact)}\b"
    return any(each.name == fact for each in map_.facts) or bool(re.search(path, msgspec.json.encode(map_).decode()))


def event_entities(map_: StateMap, event_name: str, data: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Which entities an event speaks of, each once: the rendered matches by which bindings are found."""
    found: list[dict[str, Any]] = []
    for trigger in _hearing(map_, event_name):
        match = rendered_match(trigger.match, data) if trigger.match else None
        if match and match not in found:
            found.append(match)
    return tuple(found)


def _with_trigger(names: Names, state: str, fired: Fired) -> Names:
    seen = replace(names, state=state)
    match fired.type:
        case "intent":
            return replace(seen, intent=fired.value)
        case "event" if fired.data is not None:
            return replace(seen, data=fired.data)
        case "outcome" if fired.data is not None and fired.value not in CHANNEL_OUTCOMES:
            return replace(seen, tool_results={**(names.tool_results or {}), fired.value: fired.data})
    return seen


def _hears(trigger: Trigger, fired: Fired) -> bool:
    return trigger.type == fired.type and fired.value in trigger.values


def _about(trigger: Trigger, fired: Fired, names: Names) -> bool:
    """An event without `match` is taken as addressed; one with it must name what the process is bound to."""
    if trigger.type != "event" or not trigger.match:
        return True
    expected = rendered_match(trigger.match, fired.data or {})
    return expected is not None and same_facts(expected, {key: names.get(key) for key in expected})


def _triggers(map_: StateMap, state: str) -> Iterator[Trigger]:
    return (transition.trigger for transition in map_.transitions if state in transition.from_states)


def _hearing(map_: StateMap, event_name: str) -> Iterator[Trigger]:
    triggers = (transition.trigger for transition in map_.transitions)
    return (trigger for trigger in triggers if trigger.type == "event" and event_name in trigger.values)


def _unheard(map_: StateMap, state: str, fired: Fired) -> str:
    if state not in map_.states:
        return f"the map declares no state {state}"
    if state in map_.terminal_states:
        return f"{state} is terminal"
    return f"{state} does not listen to {fired.type} {fired.value}"
