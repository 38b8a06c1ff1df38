"""A flow as a picture: its steps one below the other, and every way that does not lead to the step below."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from libs.config.draw import FAINT, INK, LINE, Drawing, lines_of, wide
from libs.domain.conditions import ALWAYS, in_words
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

LETTERS, WAY_LETTERS = 66, 44
"""Letters in a line of a step, and of what stands at a way out of it."""
LEFT, APART, TRACK = 8, 26, 16
FILLS: Mapping[type, str] = {
    Generate: "#eff6ff",
    Say: "#eff6ff",
    Collect: "#ecfdf5",
    Plan: "#fdf4ff",
    Branch: "#fffbeb",
    Handoff: "#fef2f2",
    End: "#f3f4f6",
}
THE_END = "the end"


@dataclass(frozen=True, slots=True)
class Way:
    """Where a step leads, and when; without `when` always, or where nothing else is so."""

    to: str
    when: str = ""


@dataclass(slots=True)
class Place:
    """Where a step stands: its upper edge, and the height of its box."""

    top: float
    height: float
    ways: Sequence[tuple[Way, list[str]]]


def flow(drawn: Flow) -> str:
    """An SVG. Each step has its type, what it says or asks, and every way out of it."""
    drawing = Drawing()
    said = {step.id: [step.id, *_about(step)] for step in drawn.steps}
    width = max(wide(line) for lines in said.values() for line in lines) + 20
    below = {step.id: _below(drawn, n) for n, step in enumerate(drawn.steps)}
    places = _placed(drawn, said, below)
    asides = [line for place in places.values() for _, lines in place.ways for line in lines]
    tracks = LEFT + width + max((wide(line) for line in asides), default=0) + APART
    for step in drawn.steps:
        _step(drawing, step, said[step.id], places[step.id], width)
        if (next_ := below[step.id]) in places and any(way.to == next_ and not way.when for way in ways(step, next_)):
            place, to = places[step.id], places[next_]
            x = LEFT + 24
            drawing.line((x, place.top + place.height), (x, to.top), arrow=True)
    if THE_END in places:
        _the_end(drawing, places[THE_END])
    _jumps(drawing, places, LEFT + width, tracks)
    return drawing.svg(f"flow {drawn.id}")


def ways(step: AnyStep, below: str) -> Iterator[Way]:
    """Every way out of a step; `below` is the step after it, or the end."""
    ahead = step.goto or below
    match step:
        case End() | Handoff():
            return
        case Branch():
            for arm in step.arms:
                yield Way(arm.goto, "" if arm.conditions == ALWAYS else f"if {in_words(arm.conditions)}")
            if not any(arm.conditions == ALWAYS for arm in step.arms):
                yield Way(ahead)
        case Collect():
            yield Way(ahead)
            if step.on_cancel:
                yield Way(step.on_cancel, "broken off")
            if step.on_error:
                yield Way(step.on_error, f"not answered {step.max_asks} times")
        case Wait():
            yield Way(ahead)
            if step.timeout_s:
                yield Way(step.on_timeout or ahead, f"no reply in {_time(step.timeout_s)}")
        case ToolCall() | Generate() | Say() | Plan():
            yield Way(ahead)
            if step.on_error:
                yield Way(step.on_error, "not reached" if isinstance(step, Plan) else "error")
        case Move() | Subflow():
            yield Way(ahead)
        case _:
            assert_never(step)


def _below(drawn: Flow, position: int) -> str:
    return drawn.steps[position + 1].id if position + 1 < len(drawn.steps) else THE_END


def _placed(drawn: Flow, said: Mapping[str, list[str]], below: Mapping[str, str]) -> dict[str, Place]:
    """Where each step stands, and the end where a way leads there."""
    places: dict[str, Place] = {}
    top = 10.0
    for step in drawn.steps:
        next_ = below[step.id]
        aside = [way for way in ways(step, next_) if way.when or way.to != next_]
        out = [
            (way, lines_of(way.when or ("else" if isinstance(step, Branch) else "then"), WAY_LETTERS)) for way in aside
        ]
        needs = LINE + sum(len(lines) * LINE + 6 for _, lines in out)
        height = max(len(said[step.id]) * LINE + 12, needs + 8)
        places[step.id] = Place(top, height, out)
        top += height + APART
    if any(way.to == THE_END for step in drawn.steps for way in ways(step, below[step.id])):
        places[THE_END] = Place(top, 24, ())
    return places


def _step(drawing: Drawing, step: AnyStep, said: list[str], place: Place, width: float) -> None:
    drawing.box(LEFT, place.top, width, place.height, fill=FILLS.get(type(step), "white"), ink=FAINT)
    for n, line in enumerate(said):
        ink = INK if n < 2 else FAINT
        drawing.text(LEFT + 10, place.top + 18 + n * LINE, line, ink=ink, bold=n == 0)


def _the_end(drawing: Drawing, place: Place) -> None:
    drawing.box(LEFT, place.top, 60, place.height, fill="#1f2430", ink=INK, round_=12)
    drawing.text(LEFT + 30, place.top + 16, "end", ink="white", bold=True, anchor="middle")


def _jumps(drawing: Drawing, places: Mapping[str, Place], edge: float, tracks: float) -> None:
    """A track for each step that is jumped to: what leads there joins it, and an arrow leaves it."""
    spans: dict[str, tuple[float, float]] = {}
    sources: list[tuple[str, float]] = []
    for place in places.values():
        y = place.top + LINE + 8
        for way, lines in place.ways:
            for n, line in enumerate(lines):
                drawing.text(edge + 10, y + n * LINE, line, ink=FAINT)
            y += (len(lines) - 1) * LINE
            sources.append((way.to, y + 5))
            low, high = spans.get(way.to, (_entry(places[way.to]), _entry(places[way.to])))
            spans[way.to] = min(low, y + 5), max(high, y + 5)
            y += LINE + 6
    track = _tracks(spans)
    for to, y in sources:
        drawing.line((edge, y), (tracks + track[to] * TRACK, y))
    for to, (low, high) in spans.items():
        x, entry = tracks + track[to] * TRACK, _entry(places[to])
        right = LEFT + 60 if to == THE_END else edge
        drawing.line((x, low), (x, high))
        drawing.line((x, entry), (right, entry), arrow=True)


def _entry(place: Place) -> float:
    return place.top + 9


def _tracks(spans: Mapping[str, tuple[float, float]]) -> dict[str, int]:
    """The track of each span, so that no two on one overlap."""
    taken: list[float] = []
    found: dict[str, int] = {}
    for to, (low, high) in sorted(spans.items(), key=lambda each: each[1]):
        free = next((n for n, until in enumerate(taken) if until + 6 < low), len(taken))
        taken[free : free + 1] = [high]
        found[to] = free
    return found


def _about(step: AnyStep) -> list[str]:
    """A step's type and what it is about, in lines."""
    match step:
        case Branch():
            return ["branch"]
        case End():
            return ["end"]
        case ToolCall():
            return [f"tool_call {step.endpoint} → {step.result_key}"]
        case Generate():
            return ["generate", *lines_of(step.system_prompt, LETTERS)]
        case Say():
            return ["say", *lines_of(f"“{step.text}”", LETTERS)]
        case Collect():
            asked = [
                f"{slot.name} ({slot.type}): {f'“{slot.ask}”' if slot.ask else 'not asked for'}" for slot in step.slots
            ]
            return ["collect", *(line for each in asked for line in lines_of(each, LETTERS))]
        case Plan():
            tools = [f"{tool.endpoint}{' (asks an operator)' if tool.approve else ''}" for tool in step.tools]
            limits = [f"at most {step.max_steps} choices"]
            limits += [f"{micros / 1_000_000:g} {currency}" for currency, micros in step.max_cost.items()]
            limits += [_time(step.timeout_s)] if step.timeout_s else []
            told = (step.goal, f"with {', '.join(tools)}", ", ".join(limits))
            return ["plan", *(line for each in told for line in lines_of(each, LETTERS))]
        case Wait():
            return ["wait for a reply"]
        case Move():
            return [f"transition {step.trigger_value}"]
        case Subflow():
            return [f"subflow {step.flow}"]
        case Handoff():
            return [f"handoff to {step.queue or 'a person'}", *lines_of(f"“{step.reason}”", LETTERS)]
        case _:
            assert_never(step)


def _time(seconds: int) -> str:
    """`3 d`, `20 h`, `45 min` or `30 s`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
