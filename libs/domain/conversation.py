"""A conversation with one contact: what was said, which matters are open in it, and what is still awaited."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from events.base import Event
from events.conversation import (
    AttachmentsRead,
    ChannelSwitched,
    Closed,
    ContactSaid,
    DraftDropped,
    Escalated,
    FlowEnded,
    FlowStarted,
    GateClosed,
    MatterSettled,
    MessageRequested,
    Opened,
    OutcomeHeard,
    ProcessBound,
    ProcessMoved,
    Released,
    StepEntered,
    TakenOver,
    TimerSet,
    ToolAnswered,
    TurnRequested,
    Understood,
)
from events.dialogue import Migrated, PlanEnded, SlotAsked, SlotFilled
from events.errand import ToolRequested, WritebackRequested
from events.person import PersonHeard
from libs.domain import course, lines, phone
from libs.domain.lines import HISTORY, Line, Lines, Sent, Turn
from libs.domain.matter import Matter, bound, in_flow
from libs.domain.phone import HandedOver, Phone

Status = Literal["new", "open", "with_operator", "closed"]
LOST = ("failed", "withheld")
"""The outcomes of a message that reached nobody."""


class Conversation(msgspec.Struct, frozen=True):
    """What we remember. `awaited` holds the ids of intents whose outcome has not been heard.

    `channel` is where it was spoken last, `channels` where about each matter. `senders` are the addresses that the contact
    wrote from, by channel; `gates` the versions at which each gate closed last. `idle` counts the turns in a row that brought nothing new. `silenced`: a person goes on.
    `tokens` and `micros` (by currency) are what turns with Claude have cost. `phone` is the call that rings or goes on, `handed_over` those in
    which a person took over, or was to.
    """

    contact_id: str = ""
    status: Status = "new"
    version: int = 0
    channel: str | None = None
    channels: Mapping[str, str] = msgspec.field(default_factory=dict)
    lines: Lines = ()
    matters: Mapping[str, Matter] = msgspec.field(default_factory=dict)
    focus: str | None = None
    turn: Turn | None = None
    phone: Phone | None = None
    handed_over: Mapping[str, HandedOver] = msgspec.field(default_factory=dict)
    quiet: bool = False
    idle: int = 0
    silenced: bool = False
    suppressed: int = 0
    messages: Mapping[str, Sent] = msgspec.field(default_factory=dict)
    awaited: frozenset[str] = frozenset()
    calls: Mapping[str, ToolRequested] = msgspec.field(default_factory=dict)
    writes: Mapping[str, WritebackRequested] = msgspec.field(default_factory=dict)
    timers: Mapping[str, TimerSet] = msgspec.field(default_factory=dict)
    heard_at: Mapping[str, datetime] = msgspec.field(default_factory=dict)
    senders: Mapping[str, str] = msgspec.field(default_factory=dict)
    gates: Mapping[str, int] = msgspec.field(default_factory=dict)
    language: str | None = None
    follows: str | None = None
    tokens: int = 0
    micros: Mapping[str, int] = msgspec.field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.status in ("open", "with_operator")

    @property
    def unread(self) -> Lines:
        """What the contact said and nobody has answered."""
        return tuple(line for line in self.lines if line.role == "contact" and not line.answered)

    def about(self, line: Line) -> str | None:
        """The matter that a line is about. Where it does not tell, and what was guessed is settled: the one in focus now."""
        if line.certain:
            return line.about
        return line.about if any(matter.id == line.about for matter in self.live) else self.in_focus

    def heard_about(self, matter: str | None) -> Lines:
        """What the contact said about a matter (None: about none)."""
        return tuple(line for line in self.lines if line.role == "contact" and self.about(line) == matter)

    def unread_about(self, matter: str | None) -> Lines:
        return tuple(line for line in self.unread if self.about(line) == matter)

    def last_heard(self, matter: str | None) -> int:
        """The version of the contact's newest message about a matter, 0 when there is none."""
        return max((line.version for line in self.heard_about(matter)), default=0)

    def was_read(self, line: Line, turn: Turn) -> bool:
        """Whether a turn has read a line: what the contact had said about its matter when it was asked for."""
        if line.role != "contact" or line.version > turn.upto:
            return False
        return turn.matter in (line.about, self.about(line))

    def withdrew(self, sent: Sent) -> bool:
        """Whether we ourselves have closed a gate before a message since we asked for it."""
        return any(self.gates.get(scope, 0) > sent.version for scope in sent.gates)

    @property
    def in_focus(self) -> str | None:
        """The live matter that was spoken of last, so that it reached the contact; else the one that is at work."""
        live = [matter.id for matter in self.live]
        for line in reversed(self.lines):
            sent = self.messages.get(line.source or "")
            if line.about in live and (sent is None or sent.heard not in LOST):
                return line.about
        return self.focus if self.focus in live else next(iter(live), None)

    @property
    def live(self) -> tuple[Matter, ...]:
        """The matters that are not settled, in the order in which they joined."""
        return tuple(matter for matter in self.matters.values() if matter.settled is None)


_PAID = (Understood, OutcomeHeard)


def evolve(state: Conversation, event: Event) -> Conversation:
    """The conversation after one more fact."""
    told = replace(state, version=state.version + 1)
    if isinstance(event, _PAID) and (event.tokens or event.cost):
        told = _charged(told, event)
    return _evolve(told, event)


def _evolve(now: Conversation, event: Event) -> Conversation:
    match event:
        case Opened():
            return replace(
                now, contact_id=event.contact_id, status="open", idle=event.idle_turns, follows=event.follows
            )
        case ProcessBound():
            return replace(_with_matter(now, bound(now.matters.get(event.matter), event)), focus=event.matter)
        case FlowStarted() | FlowEnded():
            matter = now.matters.get(event.matter)
            return now if matter is None else _with_matter(now, in_flow(matter, event))
        case StepEntered():
            matter = now.matters.get(event.matter)
            if matter is None:
                return now
            entered = replace(matter, flow=event.flow, step=event.step, course=course.evolve(matter.course, event))
            return replace(_with_matter(now, replace(entered, asked=False)), focus=event.matter)
        case _ if isinstance(event, course.FACTS):
            matter = now.matters.get(event.matter)
            if matter is None:
                return now
            told = _matter(now, matter.id, course=course.evolve(matter.course, event))
            if isinstance(event, SlotFilled):
                told = replace(told, idle=0)
            if isinstance(event, PlanEnded):
                ended = {"how": event.how, "reached": event.how == "reached", "summary": event.summary}
                told = _matter(told, matter.id, results=_and(matter.results, event.step, ended))
            return replace(told, focus=matter.id) if isinstance(event, SlotAsked) else told
        case ProcessMoved():
            changes: dict[str, Any] = {"state": event.to_state}
            if event.trigger.type == "intent":
                changes["intent"] = event.trigger.value
            moved = _matter(now, event.matter, **changes)
            return _with_progress(moved) if event.from_state != event.to_state else moved
        case Migrated():
            return _matter(now, event.matter, bundle=event.to_bundle)
        case MatterSettled():
            return _with_progress(_matter(now, event.matter, settled=event.how))
        case _ if isinstance(event, phone.FACTS):
            return phone.in_call(now, event)
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
            return _heard(now, event)
        case AttachmentsRead():
            return replace(now, lines=lines.read(now.lines, event))
        case TurnRequested():
            waiting = _all(now, [event.matter, *event.merged] if event.step else (), asked=True)
            return replace(_awaiting(waiting, event.turn), turn=lines.thinking(event), quiet=False)
        case Understood():
            return _understood(now, event)
        case PersonHeard():
            return _person_heard(now, event)
        case DraftDropped():
            if event.reason != "newer_message":
                return replace(_settled(now, event.turn), quiet=False)
            heard = replace(_settled(now, event.turn), suppressed=now.suppressed + 1, quiet=True)
            return replace(heard, idle=max(now.idle - 1, 0))  # they had not finished
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
                ref = event.provider_ref or sent.ref
                now = replace(
                    now,
                    messages=_and(now.messages, event.intent, replace(sent, heard=event.outcome, ref=ref)),
                    lines=lines.changed(now.lines, lambda line: line.source == event.intent, ref=ref),
                )
                if event.outcome in LOST and sent.step:
                    now = _all(now, _at(now, sent.step, (sent.matter, *sent.merged)), asked=False)
            return _settled(_unwritten(now, event), event.intent)
        case ChannelSwitched():
            return _on(now, event.channel, event.matter)
        case GateClosed():
            return replace(now, gates=_and(now.gates, event.scope, now.version))
        case TakenOver():
            return replace(now, status="with_operator", quiet=False)
        case Released():
            return _with_progress(replace(now, status="open"))
        case Closed():
            return replace(now, status="closed", turn=None, quiet=False)
        case Escalated(silences=True):
            return replace(now, silenced=True)
        case _:
            return now


def _charged(state: Conversation, event: Understood | OutcomeHeard) -> Conversation:
    """What a turn has cost."""
    micros = state.micros
    if event.cost is not None:
        micros = _and(micros, event.cost.currency, micros.get(event.cost.currency, 0) + event.cost.micros)
    return replace(state, tokens=state.tokens + event.tokens, micros=micros)


Key = TypeVar("Key")
Item = TypeVar("Item")


def _and(mapping: Mapping[Key, Item], key: Key, item: Item) -> Mapping[Key, Item]:
    return {**mapping, key: item}


def _with_matter(state: Conversation, matter: Matter) -> Conversation:
    return replace(state, matters=_and(state.matters, matter.id, matter))


def _matter(state: Conversation, matter: str, /, **changes: Any) -> Conversation:
    known = state.matters.get(matter)
    return state if known is None else _with_matter(state, replace(known, **changes))


def _all(state: Conversation, matters: Iterable[str | None], /, **changes: Any) -> Conversation:
    for each in matters:
        state = _matter(state, each, **changes) if each else state
    return state


def _at(state: Conversation, step: str | None, matters: Iterable[str | None]) -> list[str]:
    """Those of these matters that stand at a step: what was said for it tells nothing of one that has moved on since."""
    return [each.id for each in state.live if step is not None and each.step == step and each.id in matters]


def _awaiting(state: Conversation, intent: str) -> Conversation:
    return replace(state, awaited=state.awaited | {intent})


def _settled(state: Conversation, intent: str) -> Conversation:
    turn = None if state.turn is not None and state.turn.id == intent else state.turn
    return replace(state, awaited=state.awaited - {intent}, turn=turn)


def _on(state: Conversation, channel: str, matter: str | None) -> Conversation:
    channels = state.channels if matter is None else _and(state.channels, matter, channel)
    return replace(state, channel=channel, channels=channels)


def _with_progress(state: Conversation) -> Conversation:
    return replace(state, idle=0, silenced=False)


def _heard(state: Conversation, event: ContactSaid) -> Conversation:
    """The contact spoke: about the matter that the message tells, else about the one in focus."""
    line = lines.heard(event, state.version, state.in_focus)
    senders = _and(state.senders, event.channel, event.sender) if event.sender else state.senders
    heard_at = _and(state.heard_at, event.channel, max(event.at, state.heard_at.get(event.channel, event.at)))
    told = state.matters.get(event.matter or "")
    return replace(
        _on(state, event.channel, line.about),
        lines=lines.and_line(state.lines, line),
        heard_at=heard_at,
        senders=senders,
        focus=told.id if told is not None and told.settled is None else state.focus,
    )


def _spoke(state: Conversation, event: MessageRequested) -> Conversation:
    operator = event.purpose == "operator"

    def answers(line: Line) -> bool:
        if line.role != "contact" or line.version > event.answers:
            return False
        return operator or event.matter in (line.about, state.about(line))

    sent = lines.sent(event, state.version)
    recent = dict(list(state.messages.items())[-(HISTORY - 1) :])
    said = replace(
        _on(_awaiting(state, event.message), event.channel, event.matter),
        lines=lines.and_line(lines.changed(state.lines, answers, answered=True), lines.said(event, state.version)),
        messages={**recent, event.message: sent},
        suppressed=0,
    )
    if operator:
        said = _with_progress(said)
    if not said.unread:
        said = replace(said, quiet=False)
    said = replace(said, channels={**said.channels, **dict.fromkeys(event.merged, event.channel)})
    return _all(said, _at(said, event.step, (event.matter, *event.merged)), asked=True)


def _unwritten(state: Conversation, event: OutcomeHeard) -> Conversation:
    """A step for which Claude was to write, and whose words cannot be used, has not spoken yet."""
    turn = state.turn
    if turn is None or turn.id != event.intent or turn.wants != "draft" or turn.matter is None:
        return state
    matter = state.matters.get(turn.matter)
    unusable = event.outcome == "withheld" or state.status == "with_operator"
    if matter is None or matter.step != turn.step or not unusable:
        return state
    return _all(state, (turn.matter, *turn.merged), asked=False)


def _person_heard(state: Conversation, event: PersonHeard) -> Conversation:
    """What the contact wrote is read once more now that we know who it is; what somebody else wrote is not read again."""
    turn = state.turn
    on_phone, language = phone.evolve(state.phone, event, state.version), event.language or state.language
    state = replace(_settled(state, event.turn), language=language, phone=on_phone)
    if turn is None or turn.id != event.turn or event.verdict == "confirmed":
        return state

    def read(line: Line) -> bool:
        return line.source in turn.said

    return replace(state, lines=lines.changed(state.lines, read, understood=True, answered=True), idle=state.idle + 1)


def _understood(state: Conversation, event: Understood) -> Conversation:
    """What a turn has read is about the matter that it was understood of; a fact that is new is progress."""
    turn = state.turn
    matter = state.matters.get(event.matter or "")
    news = matter is not None and not event.extracted_info.keys() <= matter.extracted_info.keys()
    if turn is not None and turn.id == event.turn:
        about = matter.id if matter is not None else turn.matter
        read = {line.version for line in state.lines if state.was_read(line, turn)}
        guessed = {line.version for line in state.unread_about(turn.matter) if not line.certain} - read
        known = lines.changed(
            state.lines, lambda line: line.version in read, understood=True, certain=True, about=about
        )
        state = replace(
            state,
            lines=lines.changed(known, lambda line: line.version in guessed, about=about) if guessed else known,
            idle=state.idle + 1,
            focus=matter.id if matter is not None and matter.settled is None else state.focus,
        )
    state = replace(_settled(state, event.turn), language=event.language or state.language)
    if news:
        state = _with_progress(state)
    if matter is None:
        return state
    said = {name: event.words.get(name, "") for name in event.extracted_info}
    info = {**matter.extracted_info, **event.extracted_info}
    return _with_matter(state, replace(matter, extracted_info=info, said={**matter.said, **said}))
