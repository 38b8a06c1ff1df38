"""A conversation with one contact: what was said, which matters are open in it, and what is still awaited."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from events.base import Event
from events.conversation import (
    ChannelSwitched,
    Closed,
    ContactSaid,
    DraftDropped,
    Escalated,
    FlowEnded,
    FlowStarted,
    MatterSettled,
    MessageRequested,
    Migrated,
    Opened,
    OutcomeHeard,
    ProcessBound,
    ProcessMoved,
    Released,
    StepEntered,
    TakenOver,
    TimerSet,
    ToolAnswered,
    ToolRequested,
    TurnRequested,
    Understood,
    WritebackRequested,
)
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
from libs.domain import course
from libs.domain.course import Course

Status = Literal["new", "open", "with_operator", "closed"]
Role = Literal["contact", "agent", "operator"]
HISTORY = 40
"""How many lines of a conversation stay in mind and are shown to Claude."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said, by whom and where. `version` is its place in the conversation's stream."""

    role: Role
    text: str
    channel: str
    version: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that we asked for, when (business time), and what for."""

    channel: str
    purpose: str
    at: datetime
    matter: str | None = None
    step: str | None = None
    heard: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """Claude is thinking: up to which version of the stream, for which step."""

    id: str
    upto: int
    wants: str
    matter: str | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Matter:
    """One follow-up in this conversation. `asked`: its current step has spoken, or asked somebody, and waits."""

    id: str
    bundle: str
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    state: str | None = None
    channels: tuple[str, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    flow: str | None = None
    step: str | None = None
    asked: bool = False
    intent: str | None = None
    extracted_info: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    course: Course = field(default_factory=Course)
    settled: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """What we remember. `awaited` holds the ids of intents whose outcome has not been heard."""

    contact_id: str = ""
    status: Status = "new"
    version: int = 0
    channel: str | None = None
    lines: tuple[Line, ...] = ()
    matters: Mapping[str, Matter] = field(default_factory=dict)
    focus: str | None = None
    turn: Turn | None = None
    answered: int = 0
    understood: int = 0
    quiet: bool = False
    suppressed: int = 0
    messages: Mapping[str, Sent] = field(default_factory=dict)
    awaited: frozenset[str] = frozenset()
    calls: Mapping[str, ToolRequested] = field(default_factory=dict)
    writes: Mapping[str, WritebackRequested] = field(default_factory=dict)
    timers: Mapping[str, TimerSet] = field(default_factory=dict)
    heard_at: Mapping[str, datetime] = field(default_factory=dict)
    language: str | None = None

    @property
    def open(self) -> bool:
        return self.status in ("open", "with_operator")

    @property
    def unread(self) -> tuple[Line, ...]:
        """What the contact said and nobody has answered."""
        return tuple(line for line in self.lines if line.role == "contact" and line.version > self.answered)

    @property
    def last_heard(self) -> int:
        """The version of the contact's newest message, 0 when there is none."""
        return max((line.version for line in self.lines if line.role == "contact"), default=0)

    @property
    def live(self) -> tuple[Matter, ...]:
        """The matters that are not settled, in the order in which they joined."""
        return tuple(matter for matter in self.matters.values() if matter.settled is None)


def evolve(state: Conversation, event: Event) -> Conversation:
    """The conversation after one more fact."""
    return _evolve(replace(state, version=state.version + 1), event)


def _evolve(now: Conversation, event: Event) -> Conversation:
    match event:
        case Opened():
            return replace(now, contact_id=event.contact_id, status="open")
        case ProcessBound():
            return replace(_with_matter(now, _bound(now.matters.get(event.matter), event)), focus=event.matter)
        case FlowStarted() | FlowEnded():
            matter = now.matters.get(event.matter)
            return now if matter is None else _with_matter(now, _in_flow(matter, event))
        case StepEntered():
            matter = now.matters.get(event.matter)
            if matter is None:
                return now
            entered = replace(matter, flow=event.flow, step=event.step, course=course.evolve(matter.course, event))
            return replace(_with_matter(now, replace(entered, asked=False)), focus=event.matter)
        case (
            SlotAsked()
            | SlotFilled()
            | SlotRefused()
            | CollectEnded()
            | PlanStarted()
            | PlanChose()
            | ApprovalRequested()
            | ApprovalHeard()
            | PlanEnded()
        ):
            matter = now.matters.get(event.matter)
            if matter is None:
                return now
            told = _matter(now, matter.id, course=course.evolve(matter.course, event))
            if isinstance(event, PlanEnded):
                ended = {"how": event.how, "reached": event.how == "reached", "summary": event.summary}
                told = _matter(told, matter.id, results=_and(matter.results, event.step, ended))
            return replace(told, focus=matter.id) if isinstance(event, SlotAsked) else told
        case ProcessMoved():
            changes: dict[str, Any] = {"state": event.to_state}
            if event.trigger.type == "intent":
                changes["intent"] = event.trigger.value
            return _matter(now, event.matter, **changes)
        case Migrated():
            return _matter(now, event.matter, bundle=event.to_bundle)
        case MatterSettled():
            return _matter(now, event.matter, settled=event.how)
        case ToolRequested():
            asked = replace(now, calls=_and(now.calls, event.call, event))
            return _awaiting(_matter(asked, event.matter, asked=True), event.call)
        case ToolAnswered():
            calls = {call: asked for call, asked in now.calls.items() if call != event.call}
            writes = {call: told for call, told in now.writes.items() if call != event.call}
            settled = _settled(replace(now, calls=calls, writes=writes), event.call)
            matter = settled.matters.get(event.matter)
            if matter is None:
                return settled
            return _with_matter(settled, replace(matter, results=_and(matter.results, event.result_key, event.result)))
        case WritebackRequested(result_key=str()):
            return _awaiting(replace(now, writes=_and(now.writes, event.call, event)), event.call)
        case WritebackRequested():
            return _awaiting(now, event.call)
        case ContactSaid():
            line = Line("contact", event.text, event.channel, now.version, event.at)
            heard_at = _and(now.heard_at, event.channel, event.at)
            return replace(now, lines=_lines(now, line), channel=event.channel, heard_at=heard_at)
        case TurnRequested():
            turn = Turn(event.turn, event.upto, event.wants, event.matter, event.step)
            waiting = _matter(now, event.matter, asked=True) if event.matter and event.step else now
            return replace(_awaiting(waiting, event.turn), turn=turn, quiet=False)
        case Understood():
            upto = now.turn.upto if now.turn is not None and now.turn.id == event.turn else now.understood
            return replace(_understood(_settled(now, event.turn), event), understood=upto)
        case DraftDropped():
            suppressed = now.suppressed + 1 if event.reason == "newer_message" else now.suppressed
            return replace(_settled(now, event.turn), suppressed=suppressed, quiet=event.reason == "newer_message")
        case MessageRequested():
            return _spoke(now, event)
        case TimerSet():
            timed = replace(now, timers=_and(now.timers, event.timer, event))
            if event.text or event.template:
                return _awaiting(timed, event.timer)
            if event.purpose in ("deferred", "pending") and event.matter:
                return _matter(timed, event.matter, asked=False)
            return timed
        case OutcomeHeard():
            sent = now.messages.get(event.intent)
            if sent is not None:
                now = replace(now, messages=_and(now.messages, event.intent, replace(sent, heard=event.outcome)))
                if event.outcome == "withheld" and sent.matter and sent.step:
                    now = _matter(now, sent.matter, asked=False)
            return _settled(_unwritten(now, event), event.intent)
        case ChannelSwitched():
            return replace(now, channel=event.channel)
        case TakenOver():
            return replace(now, status="with_operator", quiet=False)
        case Released():
            return replace(now, status="open")
        case Closed():
            return replace(now, status="closed", turn=None, quiet=False)
        case Escalated() | _:
            return now


Key = TypeVar("Key")
Item = TypeVar("Item")


def _and(mapping: Mapping[Key, Item], key: Key, item: Item) -> Mapping[Key, Item]:
    return {**mapping, key: item}


def _with_matter(state: Conversation, matter: Matter) -> Conversation:
    return replace(state, matters=_and(state.matters, matter.id, matter))


def _matter(state: Conversation, matter: str, /, **changes: Any) -> Conversation:
    known = state.matters.get(matter)
    return state if known is None else _with_matter(state, replace(known, **changes))


def _in_flow(matter: Matter, event: FlowStarted | FlowEnded) -> Matter:
    """A flow begins or is over; a flow that waits for it keeps its place, and gets it back."""
    place = course.place_after(matter.course, event)
    return replace(
        matter, flow=place[0], step=place[1], asked=False, course=course.evolve(matter.course, event, flow=matter.flow)
    )


def _bound(known: Matter | None, event: ProcessBound) -> Matter:
    return replace(
        known or Matter(id=event.matter, bundle=event.bundle),
        bundle=event.bundle,
        process_type=event.process_type,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        state=event.state,
        channels=tuple(event.channel_priority),
        context=event.context,
    )


def _awaiting(state: Conversation, intent: str) -> Conversation:
    return replace(state, awaited=state.awaited | {intent})


def _settled(state: Conversation, intent: str) -> Conversation:
    turn = None if state.turn is not None and state.turn.id == intent else state.turn
    return replace(state, awaited=state.awaited - {intent}, turn=turn)


def _lines(state: Conversation, line: Line) -> tuple[Line, ...]:
    return (*state.lines[-(HISTORY - 1) :], line)


def _spoke(state: Conversation, event: MessageRequested) -> Conversation:
    operator = event.purpose == "operator"
    line = Line("operator" if operator else "agent", event.body.text, event.channel, state.version)
    sent = Sent(event.channel, event.purpose, event.allowed_by.at, event.matter, event.step)
    recent = dict(list(state.messages.items())[-(HISTORY - 1) :])
    said = replace(
        _awaiting(state, event.message),
        lines=_lines(state, line),
        messages={**recent, event.message: sent},
        channel=event.channel,
        answered=max(state.answered, event.answers),
        suppressed=0,
    )
    if not said.unread:
        said = replace(said, quiet=False)
    return _matter(said, event.matter, asked=True) if event.matter and event.step else said


def _unwritten(state: Conversation, event: OutcomeHeard) -> Conversation:
    """A step for which Claude was to write, and whose words cannot be used, has not spoken yet."""
    turn = state.turn
    if turn is None or turn.id != event.intent or turn.wants != "draft" or turn.matter is None:
        return state
    matter = state.matters.get(turn.matter)
    unusable = event.outcome == "withheld" or state.status == "with_operator"
    if matter is None or matter.step != turn.step or not unusable:
        return state
    return _matter(state, turn.matter, asked=False)


def _understood(state: Conversation, event: Understood) -> Conversation:
    state = replace(state, language=event.language or state.language)
    if event.matter is None:
        return state
    matter = state.matters.get(event.matter)
    if matter is None:
        return state
    return _with_matter(state, replace(matter, extracted_info={**matter.extracted_info, **event.extracted_info}))
