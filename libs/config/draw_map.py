"""A state map as a picture: a column for each state, a row for each transition, from its rings to its arrow."""

from collections.abc import Iterator, Mapping

from libs.config.draw import FAINT, INK, LINE, PALE, Drawing, lines_of, wide
from libs.domain.conditions import ALWAYS, in_words
from libs.domain.statemap import (
    Action,
    Close,
    CreateFollowup,
    Escalate,
    ScheduleCheck,
    SendMessage,
    StartFlow,
    StateMap,
    SwitchChannel,
    Transition,
    TriggerType,
    UpdateBackend,
)

INKS: Mapping[TriggerType, str] = {
    "intent": "#1d4ed8",
    "event": "#047857",
    "outcome": "#7c3aed",
    "timer": "#c2410c",
    "manual": "#475569",
}
NUMBER, GAP, HEAD = 34, 26, 44
LETTERS = 84
"""Letters in a line beside the arrows."""
ROWS = 12
"""After so many transitions the states are named again."""


def state_map(map_: StateMap) -> str:
    """An SVG. Each transition has its number in the file, its trigger, its conditions and what is done."""
    drawing = Drawing()
    column = max(wide(state) for state in map_.states) + GAP
    places = {state: NUMBER + column * (n + 0.5) for n, state in enumerate(map_.states)}
    beside = NUMBER + column * len(map_.states) + GAP
    top = 0.0
    for number, each in enumerate(map_.transitions):
        if number % ROWS == 0:
            _states(drawing, map_, places, column, top)
            top += HEAD
        top = _transition(drawing, number, each, places, beside, top)
    lanes = Drawing()
    for place in places.values():
        lanes.line((place, HEAD / 2), (place, top), ink=PALE)
    drawing.parts = lanes.parts + drawing.parts
    drawing.reach(0, top)
    return drawing.svg(f"state map {map_.process_type}")


def _states(drawing: Drawing, map_: StateMap, places: Mapping[str, float], column: float, top: float) -> None:
    for state, place in places.items():
        ends = state in map_.terminal_states
        begins = state == map_.initial_state
        fill, ink = ("#1f2430", "white") if ends else ("#fef3c7", INK) if begins else ("#f3f4f6", INK)
        drawing.box(place - column / 2 + 4, top + 8, column - 8, 24, fill=fill, ink=INK, round_=12)
        drawing.text(place, top + 24, state, ink=ink, bold=begins or ends, anchor="middle")


def _transition(
    drawing: Drawing, number: int, each: Transition, places: Mapping[str, float], beside: float, top: float
) -> float:
    """Draw a row; where the next one begins."""
    ink = INKS[each.trigger.type]
    y = top + 18
    target = places[each.to_state]
    sources = [places[state] for state in each.from_states]
    drawing.text(NUMBER - 8, y + 4, str(number), ink=FAINT, anchor="end")
    left = [place for place in sources if place < target]
    right = [place for place in sources if place > target]
    if left:
        drawing.line((min(left), y), (target - 5, y), ink=ink, arrow=True)
    if right:
        drawing.line((max(right), y), (target + 5, y), ink=ink, arrow=True)
    for place in sources:
        drawing.dot(place, y, ink=ink)
    if target in sources:
        drawing.loop(target, y, ink=ink)
    for said, colour, bold in _words(each, ink):
        for line in lines_of(said, LETTERS):
            drawing.text(beside, y + 4, line, ink=colour, bold=bold)
            y += LINE
    return max(y, top + 28) + 4


def _words(each: Transition, ink: str) -> Iterator[tuple[str, str, bool]]:
    yield f"{each.trigger.type} {' or '.join(each.trigger.values)}", ink, True
    if each.conditions != ALWAYS:
        yield f"if {in_words(each.conditions)}", INK, False
    if each.actions:
        yield ", ".join(_done(action) for action in each.actions), FAINT, False


def _done(action: Action) -> str:
    match action:
        case UpdateBackend():
            return f"update_backend {action.endpoint}" + (f" → {action.result_key}" if action.result_key else "")
        case ScheduleCheck():
            return f"schedule_check {action.name} in {_time(action.delay_minutes)}"
        case SendMessage():
            return f"send_message {action.template or f'“{action.text}”'}"
        case StartFlow():
            return f"start_flow {action.flow}"
        case SwitchChannel():
            return f"switch_channel {action.channel}"
        case Escalate():
            return f"escalate to {action.queue or 'a person'}: “{action.reason}”"
        case CreateFollowup():
            return f"create_followup: “{action.followup.reason}”"
        case Close():
            return "close"


def _time(minutes: int) -> str:
    """`3 d`, `20 h` or `45 min`."""
    if minutes % 1440 == 0:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
