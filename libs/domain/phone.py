"""The phone call of a conversation: whether it rings or is talked on, who was confirmed, and what it waits for."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from events.base import Event
from events.call import CallRequested, CallTaken
from events.person import PersonHeard
from events.phone import (
    CallAsked,
    CallBegun,
    CallGuided,
    CallOver,
    RangUs,
    Talked,
    TransferHeard,
    TransferRequested,
)
from events.values import FactOffer
from libs.domain import lines
from libs.domain.lines import HISTORY, Line, Sent

if TYPE_CHECKING:
    from libs.domain.conversation import Conversation

VOICE = "voice"
FACTS = (
    CallRequested,
    CallTaken,
    CallBegun,
    RangUs,
    Talked,
    CallAsked,
    CallGuided,
    CallOver,
    TransferRequested,
    TransferHeard,
)


class Guidance(msgspec.Struct, frozen=True):
    """What a call goes on with, as it was told last."""

    instructions: str
    context: Mapping[str, object] = {}
    intents: Mapping[str, str] = {}
    facts: tuple[FactOffer, ...] = ()
    channels: tuple[str, ...] = ()
    tools: Mapping[str, str] = {}
    state: str | None = None
    ends: bool = False


class HandedOver(msgspec.Struct, frozen=True):
    """A contact who was let go to a person: what it is about, and whether they were known to be the contact."""

    matter: str | None
    known: bool


class Phone(msgspec.Struct, frozen=True):
    """A call that we asked for, or that came in. `live`: somebody has picked up, or has called us. `confirmed`: they are the
    contact, where that is asked. `answers_only`: it came in from somebody who had said stop.

    `words` are the contact's newest ones. `waiting` holds, by the number of what was asked for and not answered yet, the
    intent whose outcome answers it. `callback_at`: they asked to be called again then.
    """

    call: str
    to: str
    at: datetime
    matter: str | None = None
    step: str | None = None
    version: int = 0
    purpose: str = "approach"
    identifies: bool = False
    gates: tuple[str, ...] = ()
    live: bool = False
    confirmed: bool = False
    denied: bool = False
    turns: int = 0
    words: str = ""
    waiting: Mapping[int, str | None] = {}
    asked: frozenset[int] = frozenset()
    told: Guidance | None = None
    came_in: bool = False
    answers_only: bool = False
    returned: bool = False

    @property
    def known(self) -> bool:
        """Whether the contact may hear the matter in this call."""
        return self.confirmed or not self.identifies


def evolve(state: Phone | None, event: Event, version: int) -> Phone | None:
    """The call after one more fact; None where there is none, or it is over."""
    if isinstance(event, CallRequested):
        return _requested(event, version)
    if isinstance(event, CallTaken):
        return taken(event, version)
    if state is None:
        return None
    match event:
        case PersonHeard(channel="voice"):
            return replace(state, confirmed=event.verdict == "confirmed", denied=event.verdict == "denied")
        case CallBegun() | Talked() | CallAsked() | CallGuided() | CallOver() if event.call != state.call:
            return state
        case CallBegun():
            return replace(state, live=True)
        case Talked():
            said = bool(event.contact.strip())
            return replace(state, turns=state.turns + said, words=event.contact if said else state.words)
        case CallAsked():
            waiting = {**state.waiting, event.number: event.waits_for}
            return replace(state, waiting=waiting, asked=state.asked | {event.number})
        case CallGuided():
            waiting = {number: on for number, on in state.waiting.items() if str(number) not in event.answers}
            return replace(state, waiting=waiting, told=guidance(event))
        case CallOver():
            return None
        case _:
            return state


def guidance(event: CallGuided | CallRequested | CallTaken) -> Guidance:
    """What a fact told the call to go on with."""
    return Guidance(
        instructions=event.instructions,
        context=event.context,
        intents=event.intents,
        facts=tuple(event.facts),
        channels=tuple(event.channels),
        tools=event.tools,
        state=event.state if isinstance(event, CallGuided) else None,
        ends=event.ends if isinstance(event, CallGuided) else False,
    )


def _requested(event: CallRequested, version: int) -> Phone:
    return Phone(
        call=event.call,
        to=event.to,
        at=event.allowed_by.at,
        matter=event.matter,
        step=event.step,
        version=version,
        purpose=event.purpose,
        identifies=event.identifies,
        gates=tuple(event.gates),
        told=guidance(event),
    )


def taken(event: CallTaken, version: int = 0) -> Phone:
    """The call of somebody who calls us and is talked with."""
    return Phone(
        call=event.call,
        to=event.caller,
        at=event.at,
        matter=event.matter,
        step=event.step,
        version=version,
        purpose="answer",
        identifies=event.identifies,
        live=True,
        told=guidance(event),
        came_in=True,
        answers_only=event.answers_only,
        returned=event.returned,
    )


def in_call(now: "Conversation", event: Event) -> "Conversation":
    """The conversation after one more fact of its call."""
    now = replace(now, phone=evolve(now.phone, event, now.version))
    match event:
        case CallRequested():
            return _rings(now, event)
        case CallTaken():
            return replace(_heard_from(now, event.caller, event.at), awaited=now.awaited | {event.call}, channel=VOICE)
        case TransferRequested():
            known = now.phone is not None and now.phone.known
            return replace(now, handed_over={**now.handed_over, event.call: HandedOver(event.matter, known)})
        case TransferHeard():
            left = {call: each for call, each in now.handed_over.items() if call != event.call}
            return replace(now, handed_over=left if event.outcome != "nobody" else now.handed_over)
        case RangUs():
            return _heard_from(now, event.sender, event.at)
        case Talked():
            return _talked(now, event)
        case CallGuided():
            return _guided(now)
        case CallOver():
            return _over(now, event)
        case _:
            return now


def _heard_from(now: "Conversation", number: str, at: datetime) -> "Conversation":
    """They called us: an answer goes to the number that they called from."""
    return replace(now, heard_at={**now.heard_at, VOICE: at}, senders={**now.senders, VOICE: number})


def _guided(now: "Conversation") -> "Conversation":
    """The call speaks for the step at which its matter stands."""
    matter = now.matters.get(now.phone.matter or "") if now.phone is not None and now.phone.known else None
    if matter is None or matter.settled is not None:
        return now
    return replace(now, matters={**now.matters, matter.id: replace(matter, asked=True)})


def _rings(now: "Conversation", event: CallRequested) -> "Conversation":
    sent = Sent(
        VOICE,
        event.purpose,
        event.allowed_by.at,
        event.matter,
        event.step,
        to=event.to,
        version=now.version,
        gates=tuple(event.gates),
    )
    recent = dict(list(now.messages.items())[-(HISTORY - 1) :])
    now = replace(now, messages={**recent, event.call: sent}, awaited=now.awaited | {event.call}, channel=VOICE)
    matter = now.matters.get(event.matter or "")
    if matter is None:
        return now
    asks = replace(matter, asked=matter.step == event.step)
    return replace(
        now, matters={**now.matters, matter.id: asks}, channels={**now.channels, matter.id: VOICE}, focus=matter.id
    )


def _talked(now: "Conversation", event: Talked) -> "Conversation":
    """Both sides of an exchange are lines of the conversation; what was said in a call was answered in it."""
    told = now.lines
    if event.contact.strip():
        said = Line(
            "contact",
            event.contact,
            VOICE,
            now.version,
            event.at,
            about=event.matter,
            certain=event.matter is not None,
            answered=True,
            understood=True,
        )
        told = lines.and_line(told, said)
        now = replace(now, heard_at={**now.heard_at, VOICE: event.at})
    if event.agent.strip():
        answer = Line("agent", event.agent, VOICE, now.version, event.at, about=event.matter, certain=True)
        told = lines.and_line(told, answer)
    return replace(now, lines=told, channel=VOICE)


def _over(now: "Conversation", event: CallOver) -> "Conversation":
    sent = now.messages.get(event.call)
    messages = now.messages
    if sent is not None:
        # Whoever did not become a talk has left us without an answer, whatever was said first.
        since = sent.version if event.outcome == "talked" else now.version
        messages = {**messages, event.call: replace(sent, heard=event.outcome, version=since)}
    spent = event.costs.get("llm")
    micros = now.micros
    if spent is not None:
        micros = {**micros, spent.currency: micros.get(spent.currency, 0) + spent.micros}
    now = replace(now, awaited=now.awaited - {event.call}, messages=messages, micros=micros)
    matter = now.matters.get(sent.matter or "") if sent is not None else None
    if matter is None or sent is None or event.outcome == "talked" or matter.step != sent.step:
        return now
    return replace(now, matters={**now.matters, matter.id: replace(matter, asked=False)})
