"""A phone call, from the dialling to its end. Written by the voice service; the stream is `call-{intent id}`.

That a call is wanted is the conversation's intent, and written by orchestrator.
"""

from datetime import datetime
from typing import Literal

from events.base import Category, Event, Intent
from events.values import Cost, PersonalData, PersonalText, PolicyDecision

EndReason = Literal[
    "completed",
    "contact_hung_up",
    "no_answer",
    "busy",
    "failed",
    "voicemail",
    "silence",
    "transferred",
    "max_duration",
]


class CallRequested(Intent, tag="conversation.call_requested.v1", effect="call.dial"):
    """The contact is to be called and talked with. `call` is this intent's own id.

    `opening` is said first; `instructions` are the flow's step; `intents` those that the process knows, with their
    descriptions; `tools` what Claude may ask for besides (`send_on_channel` needs `channels`).
    """

    call: str
    to: PersonalText
    opening: PersonalText
    instructions: PersonalText
    allowed_by: PolicyDecision
    intents: dict[str, str] = {}
    context: PersonalData = {}
    channels: list[str] = []
    language: str | None = None
    matter: str | None = None
    step: str | None = None
    max_seconds: int = 600
    gates: list[str] = []


class Dialled(Event, tag="call.dialled.v1"):
    """The provider took it and will ring; not answered yet."""

    conversation: str
    provider: str
    provider_ref: str


class Rejected(Event, tag="call.rejected.v1"):
    """The provider refused it for good: nobody's phone has rung. `scope` says what else that touches."""

    conversation: str
    code: str
    reason: str
    scope: Literal["call", "contact", "account"] = "call"


class Withheld(Event, tag="call.withheld.v1"):
    """It was not dialled: a gate, the kill switch or the hours closed between the intent and the call."""

    conversation: str
    reason: str


class OutcomeUnknown(Event, tag="call.outcome_unknown.v1"):
    """We asked and do not know whether it rings; never dialled again, waits for a callback, its media or the call list."""

    conversation: str
    reason: str


class Ringing(Event, tag="call.ringing.v1"):
    conversation: str
    at: datetime


class Answered(Event, tag="call.answered.v1"):
    """Somebody, or something, has picked up."""

    conversation: str
    at: datetime
    provider_ref: str | None = None


class CameIn(Event, tag="call.came_in.v1"):
    """Somebody called us, and nobody talked with them yet. `digest` is their number's in the index of addresses.

    `back` is the newest call of ours to that number and `conversation` that call's, where there is one.
    """

    caller: PersonalText
    digest: str
    provider: str
    provider_ref: str
    at: datetime
    dialled: str | None = None
    back: str | None = None
    conversation: str | None = None


class TurnTaken(Event, tag="call.turn_taken.v1"):
    """One exchange: what the contact said (empty: we spoke first) and what they heard of our answer.

    `latency_ms` by stage: `decision`, `stt`, `llm`, `tts`, `transport`, `total`. `situation` is why their turn was over.
    """

    conversation: str
    turn: int
    contact: PersonalText
    agent: PersonalText
    at: datetime
    interrupted: bool = False
    situation: str | None = None
    latency_ms: dict[str, int] = {}


class ToolCalled(Event, tag="call.tool_called.v1"):
    """Claude asked for something during the call; `call` numbers it within the call, `turn` is the contact's before it."""

    conversation: str
    turn: int
    number: int
    tool: str
    inputs: PersonalData = {}


class DigitsPressed(Event, tag="call.digits_pressed.v1"):
    conversation: str
    digits: PersonalText


class Ended(Event, tag="call.ended.v1"):
    """It is over. `seconds` of conversation; `costs` by component (`telephony`, `stt`, `tts`, `llm`)."""

    conversation: str
    reason: EndReason
    seconds: int
    turns: int = 0
    costs: dict[str, Cost] = {}
    latency_ms: dict[str, dict[str, int]] = {}


class Summarised(Event, tag="call.summarised.v1"):
    conversation: str
    summary: PersonalText


CALL = Category(
    "call",
    current=(
        Dialled,
        Rejected,
        Withheld,
        OutcomeUnknown,
        Ringing,
        Answered,
        CameIn,
        TurnTaken,
        ToolCalled,
        DigitsPressed,
        Ended,
        Summarised,
    ),
)
