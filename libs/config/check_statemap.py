"""State maps: states that exist, can be reached and left, and transitions that can fire and do not contend."""

from itertools import combinations

from libs.config.check_ids import check_ids
from libs.config.exclusive import exclude_each_other
from libs.config.findings import Findings, nearest, suggest
from libs.config.model import CHANNELS
from libs.config.parsed import Parsed, Placed
from libs.config.references import References
from libs.config.scope import SURELY, Scopes
from libs.config.tree import Node
from libs.domain.flow import Move, Plan, PlanTool, ToolCall
from libs.domain.statemap import (
    CHANNEL_OUTCOMES,
    Action,
    ScheduleCheck,
    SendMessage,
    StartFlow,
    StateMap,
    SwitchChannel,
    UpdateBackend,
)


def check_state_maps(parsed: Parsed, found: Findings) -> None:
    refer, scopes = References(parsed, found), Scopes(parsed)
    results = frozenset(
        tool.result_key
        for flow in parsed.flows
        for step in flow.value.steps
        for tool in (step.tools if isinstance(step, Plan) else (step,))
        if isinstance(tool, ToolCall | PlanTool)
    ) | frozenset(
        action.result_key
        for each in parsed.state_maps
        for transition in each.value.transitions
        for action in transition.actions
        if isinstance(action, UpdateBackend) and action.result_key
    )
    for each in parsed.state_maps:
        _states(each, found)
        _triggers(each, results, refer, found)
        _timers(each, found)
        _actions(each, refer, found)
        _manual_moves(each, parsed, scopes, found)
        if not found.errors_under(each.node):
            _reachable(each, found)
            _overlaps(each, found)


def _states(placed: Placed[StateMap], found: Findings) -> None:
    state_map, node = placed.value, placed.node
    known = set(state_map.states)
    uses: list[tuple[str, Node]] = [(state_map.initial_state, node.at("initial_state"))]
    uses += [(state, node.at("terminal_states", n)) for n, state in enumerate(state_map.terminal_states)]
    for position, transition in enumerate(state_map.transitions):
        here = node.at("transitions", position)
        uses += [(state, here.at("from_states", n)) for n, state in enumerate(transition.from_states)]
        uses.append((transition.to_state, here.at("to_state")))
        for n, state in enumerate(transition.from_states):
            if state in state_map.terminal_states:
                place = here.at("from_states", n)
                found.error(place, f"{state!r} is terminal: nothing leaves it", "leave it out of from_states")
    for n, state in enumerate(state_map.states):
        if state in state_map.states[:n]:
            found.error(node.at("states", n), f"the state {state!r} is listed twice", "leave one out")
    for state, place in uses:
        if state and state not in known:
            found.error(place, f"there is no state {state!r}", suggest(state, known))


def _triggers(placed: Placed[StateMap], results: frozenset[str], refer: References, found: Findings) -> None:
    state_map, node = placed.value, placed.node
    used = set()
    for position, transition in enumerate(state_map.transitions):
        trigger, place = transition.trigger, node.at("transitions", position, "trigger")
        if trigger.type == "event":
            refer.match(place.keys.get("match"))
            if trigger.match and "entity_id" not in trigger.match and not found.errors_under(place):
                found.error(place.at("match"), "the match has no 'entity_id'", 'add `entity_id: "{{invoice_number}}"`')
        for n, value in enumerate(trigger.values):
            written = place.at("values", n)
            if trigger.type == "outcome" and value not in (*CHANNEL_OUTCOMES, *results):
                found.error(
                    written,
                    f"the outcome {value!r} never comes: it is neither a channel's nor the result_key of a tool",
                    suggest(value, (*CHANNEL_OUTCOMES, *results)),
                )
            if trigger.type == "intent":
                used.add(value)
                near = nearest(value, state_map.intents, SURELY)
                if near and value not in state_map.intents:
                    found.warn(written, f"the intent {value!r} is not described", f"did you mean {near!r}?")
    for intent, described in node.at("intents").keys.items() if "intents" in node.keys else ():
        if intent not in used:
            found.warn(
                described,
                f"no transition listens to the intent {intent!r}",
                suggest(intent, used),
                line=described.key_line,
            )


def _timers(placed: Placed[StateMap], found: Findings) -> None:
    """A timer counts only in the state that it was set in: the state that its transition leads to."""
    transitions = placed.value.transitions
    heard = {
        (state, name)
        for each in transitions
        if each.trigger.type == "timer"
        for state in each.from_states
        for name in each.trigger.values
    }
    set_in: dict[tuple[str, str], Node] = {}
    for position, each in enumerate(transitions):
        for n, action in enumerate(each.actions):
            if isinstance(action, ScheduleCheck):
                set_in[each.to_state, action.name] = placed.node.at("transitions", position, "actions", n)
    misheard: set[str] = set()
    for position, each in enumerate(transitions):
        for n, name in enumerate(each.trigger.values if each.trigger.type == "timer" else ()):
            if not any((state, name) in set_in for state in each.from_states):
                misheard.update(each.from_states)
                found.error(
                    placed.node.at("transitions", position, "trigger", "values", n),
                    f"the timer {name!r} never fires: no transition into {' or '.join(each.from_states)} sets it",
                    suggest(name, {known for _, known in set_in}, otherwise="set are")
                    or "add a schedule_check to a transition that leads there",
                )
    for (state, name), node in set_in.items():
        if state and (state, name) not in heard and state not in misheard:
            found.warn(
                node, f"in {state!r} nothing listens to the timer {name!r}", "add a transition with that trigger"
            )


def _actions(placed: Placed[StateMap], refer: References, found: Findings) -> None:
    state_map, node = placed.value, placed.node
    for position, transition in enumerate(state_map.transitions):
        for n, action in enumerate(transition.actions):
            _action(action, node.at("transitions", position, "actions", n), refer, found)
    if state_map.on_resolved is not None:
        place = node.at("on_resolved")
        writeback = state_map.on_resolved
        refer.endpoint(writeback.endpoint, writeback.payload, place.at("endpoint"), place.at("payload"))
        check_ids(writeback.endpoint, writeback.payload, place.at("payload"), refer, found)


def _action(action: Action, node: Node, refer: References, found: Findings) -> None:
    match action:
        case UpdateBackend(endpoint=endpoint, payload=payload):
            refer.endpoint(endpoint, payload, node.at("endpoint"), node.at("payload"))
            check_ids(endpoint, payload, node.at("payload"), refer, found)
        case StartFlow(flow=flow):
            refer.flow(flow, node.at("flow"))
        case SwitchChannel(channel=channel) if channel not in ("", "next"):
            _channel(channel, node.at("channel"), refer, found)
        case SendMessage(template=template, channel=wanted):
            if wanted:
                _channel(wanted, node.at("channel"), refer, found)
            if template and wanted:
                refer.template(wanted, template, node.at("template"))
            elif template:
                refer.any_template(template, node.at("template"))
        case _:
            pass


def _channel(channel: str, node: Node, refer: References, found: Findings) -> None:
    if channel in CHANNELS:
        refer.channel(channel, node)
    else:
        found.error(node, f"{channel!r} is no channel", suggest(channel, (*CHANNELS, "next")))


def _manual_moves(placed: Placed[StateMap], parsed: Parsed, scopes: Scopes, found: Findings) -> None:
    """A flow's `transition` step gives a manual trigger that the maps it runs for know."""
    known = {
        value for each in placed.value.transitions if each.trigger.type == "manual" for value in each.trigger.values
    }
    process = placed.value.process_type
    running = scopes.flows_of(process)
    for flow in parsed.flows:
        for position, step in enumerate(flow.value.steps):
            if flow.value.id in running and isinstance(step, Move) and step.trigger_value not in known | {""}:
                found.error(
                    flow.node.at("steps", position, "trigger_value"),
                    f"{process} has no manual trigger {step.trigger_value!r}",
                    suggest(step.trigger_value, known) or "add a transition with a manual trigger",
                )


def _reachable(placed: Placed[StateMap], found: Findings) -> None:
    state_map, node = placed.value, placed.node
    moves = [(each.from_states, each.to_state) for each in state_map.transitions]
    reached = _closure({state_map.initial_state}, [(start, end) for starts, end in moves for start in starts])
    settled = _closure(set(state_map.terminal_states), [(end, start) for starts, end in moves for start in starts])
    for n, state in enumerate(state_map.states):
        if state not in reached:
            found.error(
                node.at("states", n), f"the state {state!r} cannot be reached", "add a transition that leads to it"
            )
        elif state not in settled:
            found.error(
                node.at("states", n),
                f"the state {state!r} is a dead end: no terminal state can be reached from it",
                "add a transition out of it, or list it among terminal_states",
            )


def _closure(start: set[str], edges: list[tuple[str, str]]) -> set[str]:
    reached = set(start)
    while True:
        more = {end for begin, end in edges if begin in reached} - reached
        if not more:
            return reached
        reached |= more


def _overlaps(placed: Placed[StateMap], found: Findings) -> None:
    for (first, one), (second, other) in combinations(enumerate(placed.value.transitions), 2):
        if one.trigger.type != other.trigger.type:
            continue
        values = [value for value in other.trigger.values if value in one.trigger.values]
        states = [state for state in other.from_states if state in one.from_states]
        if values and states and not exclude_each_other(one.conditions, other.conditions):
            found.warn(
                placed.node.at("transitions", second),
                f"overlaps with transitions[{first}] on {one.trigger.type} {', '.join(values)} in {', '.join(states)}: "
                "the first listed is taken",
                "give the two conditions that exclude each other",
            )
