"""Flows: steps that exist, can be reached and come to an end, and texts for closed windows."""

from libs.config.check_collect import RESERVED, check_collect
from libs.config.check_ids import check_ids
from libs.config.check_plan import check_plan
from libs.config.findings import Findings, suggest
from libs.config.parsed import Parsed, Placed
from libs.config.providers import BUILT_CHANNELS, FREE_TEXT, WINDOWED
from libs.config.references import References
from libs.config.tree import Node
from libs.domain.conditions import ALWAYS
from libs.domain.flow import AnyStep, Branch, Collect, End, Flow, Generate, Handoff, Plan, Say, Subflow, ToolCall, Wait

THE_END = -1
Waiting = frozenset[str]


def check_flows(parsed: Parsed, found: Findings) -> None:
    refer = References(parsed, found)
    registered_only = [
        name
        for name, settings in parsed.settings.value.channels.items()
        if name in BUILT_CHANNELS - FREE_TEXT and settings.enabled and not settings.default_template
    ]
    waiting = _always_waiting(parsed)
    for flow in parsed.flows:
        _steps(flow, refer, found)
        if found.errors_under(flow.node):
            continue
        if not flow.value.steps:
            found.error(flow.node.at("steps"), "the flow has no step", "begin with a generate or say step")
            continue
        _course(flow, waiting, found)
        for channel in registered_only:
            _closed_windows(flow, channel, waiting, found)
    _calls(parsed, found)


def _steps(placed: Placed[Flow], refer: References, found: Findings) -> None:
    ids = [step.id for step in placed.value.steps]
    slots = {slot.name for step in placed.value.steps if isinstance(step, Collect) for slot in step.slots}
    for position, step in enumerate(placed.value.steps):
        node = placed.node.at("steps", position)
        if step.id and step.id in ids[:position]:
            found.error(
                node.at("id"), f"the step {step.id!r} is defined twice in this flow", "give it an id of its own"
            )
        for target, place in _gotos(step, node):
            if target and target not in ids:
                found.error(place, f"there is no step {target!r} in this flow", suggest(target, ids))
        match step:
            case ToolCall():
                tool = node.at("tool")
                refer.endpoint(step.endpoint, step.payload_template, tool.at("endpoint"), tool.at("payload_template"))
                template = tool.at("payload_template")
                check_ids(step.endpoint, step.payload_template, template, refer, found, slots=slots, bare_paths=True)
                if step.result_key in RESERVED:
                    found.error(
                        tool.at("result_key"),
                        f"{step.result_key!r} already means something else",
                        "choose another name",
                    )
            case Plan():
                check_plan(step, node, refer, found)
                for n, each in enumerate(step.tools):
                    template = node.at("tools", n, "payload_template")
                    check_ids(
                        each.endpoint, each.payload_template, template, refer, found, slots=slots, bare_paths=True
                    )
            case Subflow():
                refer.flow(step.flow, node.at("flow"))
            case Generate() | Say() | Collect():
                if isinstance(step, Collect):
                    check_collect(placed.value, step, node, found)
                several = {} if isinstance(step, Collect) else step.several
                for key, named in (("templates", step.templates), ("several", several)):
                    for channel, text in named.items():
                        written = node.at(key, channel)
                        if channel in refer.settings.channels or channel in BUILT_CHANNELS:
                            refer.template(channel, text, written)
                        else:
                            refer.channel(channel, written)
            case _:
                pass


def _gotos(step: AnyStep, node: Node) -> list[tuple[str | None, Node]]:
    """The steps that a step names, each with its place."""
    named: list[tuple[str | None, Node]] = [(step.goto, node.at("goto"))]
    match step:
        case Branch(arms=arms):
            named += [(arm.goto, node.at("arms", n, "goto")) for n, arm in enumerate(arms)]
        case ToolCall() | Generate() | Say() | Plan():
            named.append((step.on_error, node.at("on_error")))
        case Collect():
            named += [(step.on_error, node.at("on_error")), (step.on_cancel, node.at("on_cancel"))]
        case Wait():
            named.append((step.on_timeout, node.at("on_timeout")))
        case _:
            pass
    return named


def _after(flow: Flow, position: int) -> set[int]:
    """The positions that may follow a step; THE_END beyond the last."""
    step = flow.steps[position]
    places = {each.id: n for n, each in enumerate(flow.steps)}
    below = position + 1 if position + 1 < len(flow.steps) else THE_END
    ahead = places[step.goto] if step.goto else below
    match step:
        case End() | Handoff():
            return {THE_END}
        case Collect(on_error=failed, on_cancel=cancelled):
            return {ahead, places[cancelled] if cancelled else THE_END} | ({places[failed]} if failed else set())
        case Branch(arms=arms):
            sure = any(arm.conditions == ALWAYS for arm in arms)
            return {places[arm.goto] for arm in arms} | (set() if sure else {ahead})
        case (
            ToolCall(on_error=other)
            | Plan(on_error=other)
            | Generate(on_error=other)
            | Say(on_error=other)
            | Wait(on_timeout=other)
        ):
            return {ahead} | ({places[other]} if other else set())
    return {ahead}


def _waits(step: AnyStep, waiting: Waiting) -> bool:
    return isinstance(step, Generate | Wait | Collect) or (isinstance(step, Subflow) and step.flow in waiting)


def _always_waiting(parsed: Parsed) -> Waiting:
    """The flows that cannot be walked to their end without waiting for somebody."""
    flows = [each.value for each in parsed.flows if each.value.steps and _walkable(each.value)]
    waiting: Waiting = frozenset()
    while True:
        more = frozenset(flow.id for flow in flows if THE_END not in _reached(flow, {0}, waiting, through_waits=False))
        if more <= waiting:
            return waiting
        waiting |= more


def _walkable(flow: Flow) -> bool:
    """Whether each step that a flow names is there."""
    ids = {step.id for step in flow.steps}
    nowhere = Node("", 0, "", "mapping")
    return all(target in ids for step in flow.steps for target, _ in _gotos(step, nowhere) if target)


def _calls(parsed: Parsed, found: Findings) -> None:
    """A flow must not call itself, straight or by way of others."""
    called = {
        each.value.id: {step.flow for step in each.value.steps if isinstance(step, Subflow)} for each in parsed.flows
    }

    def reaches(start: str, end: str) -> bool:
        seen: set[str] = set()
        ahead = {start}
        while ahead:
            flow = ahead.pop()
            if flow == end:
                return True
            seen.add(flow)
            ahead |= called.get(flow, set()) - seen
        return False

    for each in parsed.flows:
        for position, step in enumerate(each.value.steps):
            if isinstance(step, Subflow) and reaches(step.flow, each.value.id):
                found.error(
                    each.node.at("steps", position, "flow"),
                    f"the flow {each.value.id!r} calls itself by way of {step.flow!r}",
                    "let it go on with a goto, or let the state map start the flow",
                )


def _reached(flow: Flow, start: set[int], waiting: Waiting, *, through_waits: bool) -> set[int]:
    """Positions reached from `start`; without `through_waits` only those that no reply comes before."""
    reached: set[int] = set()
    ahead = set(start)
    while ahead:
        position = ahead.pop()
        if position in reached:
            continue
        reached.add(position)
        if position != THE_END and (through_waits or not _waits(flow.steps[position], waiting)):
            ahead |= _after(flow, position)
    return reached


def _course(placed: Placed[Flow], waiting: Waiting, found: Findings) -> None:
    flow, node = placed.value, placed.node
    reached = _reached(flow, {0}, waiting, through_waits=True)
    if THE_END not in reached:
        found.error(node.at("steps"), f"the flow {flow.id!r} has no end: every way leads back", "add an `end` step")
    for position, step in enumerate(flow.steps):
        here = node.at("steps", position)
        if position not in reached:
            found.warn(here, f"the step {step.id!r} is never reached", "name it in a goto, or leave it out")
        elif not _waits(step, waiting) and position in _reached(
            flow, _after(flow, position), waiting, through_waits=False
        ):
            found.error(
                here.at("id"),
                f"the step {step.id!r} is in a loop that never waits",
                "put a generate or wait step into it",
            )
        if isinstance(step, Branch):
            sure = [n for n, arm in enumerate(step.arms) if arm.conditions == ALWAYS]
            for n in range(sure[0] + 1, len(step.arms)) if sure else ():
                found.warn(here.at("arms", n), "this arm is never taken: one above it has no conditions", "move it up")


def _closed_windows(placed: Placed[Flow], channel: str, waiting: Waiting, found: Findings) -> None:
    """Steps that may speak first, or after a timeout, need a registered text where the window may be closed.

    Where there is no window every step that speaks needs one.
    """
    flow = placed.value
    places = {step.id: n for n, step in enumerate(flow.steps)}
    late = {
        places[step.on_timeout] if step.on_timeout else next(iter(_after(flow, n)))
        for n, step in enumerate(flow.steps)
        if isinstance(step, Wait) and step.timeout_s is not None
    }
    windowed = channel in WINDOWED
    closed = f"while {channel}'s window is closed" if windowed else f"on {channel}, which takes registered texts only"
    for position in sorted(_reached(flow, {0} | late, waiting, through_waits=not windowed) - {THE_END}):
        step = flow.steps[position]
        if isinstance(step, Generate | Say | Collect) and channel not in step.templates:
            found.warn(
                placed.node.at("steps", position),
                f"the step {step.id!r} may speak {closed}, and has no template for it",
                f"add `templates: {{{channel}: …}}`, or a default_template to channels.{channel}; else it is skipped",
            )
