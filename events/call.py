"""A phone call, from the dialling to its end. Written by the voice service; the stream is `call-{intent id}`.

That a call is wanted is the conversation's intent, and written by orchestrator.
"""

from datetime import datetime
from typing import Literal

from events.base import Category, Event, Intent, Value
from events.values import Cost, FactOffer, PersonalData, PersonalText, PolicyDecision

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
    "budget",
    "withdrawn",
]
"""`budget`: it had cost what one call may (`voice.costs.per_call`). `withdrawn`: we let it go before a word was said, as the
contact was on another call with us, or one of its gates had closed while their phone rang."""
DeletionReason = Literal["retention", "refused", "erased", "lost"]
"""`refused`: the contact did not want to be recorded. `erased`: they were forgotten. `lost`: nothing was
kept before its process died. `retention`: it was kept long enough."""
MissedReason = Literal["hung_up", "not_found", "no_line", "not_connected", "lost"]
TransferOutcome = Literal["talked", "nobody", "hung_up", "not_possible", "unknown"]
Mood = Literal["positive", "neutral", "negative", "angry"]


Component = Literal["stt", "llm", "tts"]
SwitchReason = Literal[
    "rate_limited", "quota", "unauthorised", "refused", "server_error", "connection_lost", "silent", "nothing_left"
]


class CallRequested(Intent, tag="conversation.call_requested.v1", effect="call.dial"):
    """The contact is to be called and talked with. `call` is this intent's own id.

    `opening` is said first; `instructions` are the flow's step; `intents` those that the process knows, with their
    descriptions, `facts` those that only it uses; `tools` the flow's own, with theirs (`send_on_channel` needs `channels`). `identifies`: it begins with
    the question who it is, and holds nothing of the matter; that comes with `conversation.call_guided` once it is known.
    """

    call: str
    to: PersonalText
    opening: PersonalText
    instructions: PersonalText
    allowed_by: PolicyDecision
    intents: dict[str, str] = {}
    facts: list[FactOffer] = []
    context: PersonalData = {}
    channels: list[str] = []
    language: str | None = None
    matter: str | None = None
    step: str | None = None
    max_seconds: int = 600
    gates: list[str] = []
    purpose: Literal["approach", "answer"] = "approach"
    identifies: bool = False
    tools: dict[str, str] = {}


class CallTaken(Event, tag="conversation.call_taken.v1"):
    """Somebody who called us (`call`) is talked with here, and this is what it begins with: as `CallRequested` has it.

    `caller` is their number. `answers_only`: they once wanted to hear nothing more; what they ask is answered, and nothing begun.
    `returned`: they come back to us, as no person took the call that we had handed over.
    """

    call: str
    caller: PersonalText
    at: datetime
    opening: PersonalText
    instructions: PersonalText
    intents: dict[str, str] = {}
    facts: list[FactOffer] = []
    context: PersonalData = {}
    channels: list[str] = []
    language: str | None = None
    matter: str | None = None
    step: str | None = None
    max_seconds: int = 600
    identifies: bool = False
    tools: dict[str, str] = {}
    answers_only: bool = False
    returned: bool = False


Talk = CallRequested | CallTaken
"""What a call begins with, whoever called whom."""


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
    """Somebody calls us, and nobody has talked with them yet. `digest` is their number's in the index of addresses.

    `back` is the newest call of ours to that number and `conversation` that call's, where there is one. `waits`: their media
    come to us, and they hear a line until `conversation.call_taken` or `call.missed`; else they can only be called back. `returns`: the call of ours that they come back from, as no person answered.
    """

    caller: PersonalText
    digest: str
    provider: str
    provider_ref: str
    at: datetime
    dialled: str | None = None
    back: str | None = None
    conversation: str | None = None
    waits: bool = False
    returns: str | None = None


class Missed(Event, tag="call.missed.v1"):
    """Somebody who called us is gone, and nobody has talked with them.

    `hung_up`: they did not wait. `not_found`: it took too long to find out what to say. `no_line`: there was none left.
    `not_connected`: their media never came. `lost`: the process that they waited at died. `promised`: they were told that we call (nobody is any more: who waits may have been erased, or have said stop).
    """

    at: datetime
    reason: MissedReason
    promised: bool = False
    conversation: str | None = None


class TransferOver(Event, tag="call.transfer_over.v1"):
    """A contact whom we had handed over has talked with a person, for `seconds`, or with nobody.

    `nobody`: none of the numbers was answered. `hung_up`: the contact did before. `not_possible`: the call's line leads to
    nobody. `unknown`: nobody told what became of it.
    """

    conversation: str
    at: datetime
    outcome: TransferOutcome
    seconds: int = 0


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
    """Claude asked for something during the call, the `number`th time; `said` is what the contact said before it, in `turn`."""

    conversation: str
    turn: int
    number: int
    tool: str
    inputs: PersonalData = {}
    said: PersonalText = ""


class ProviderSwitched(Event, tag="call.provider_switched.v1"):
    """A provider failed in mid-call and another one went on; the contact heard no gap longer than its deadline.

    Providers are named with their model (`deepgram flux-general-multi`). `silent` took too long to say anything;
    `nothing_left`: all had failed, a prepared sentence was played, and the first was asked again.
    """

    conversation: str
    component: Component
    from_provider: str
    to_provider: str
    reason: SwitchReason


class DigitsPressed(Event, tag="call.digits_pressed.v1"):
    conversation: str
    digits: PersonalText


class Degraded(Event, tag="call.degraded.v1"):
    """Answers came too late for a while: from now on this call has the faster model, fewer words and longer endpointing.

    One answer in ten of the newest ones, of all calls of its process, took `p90_ms` or more.
    """

    conversation: str
    at: datetime
    p90_ms: int


class Recovered(Event, tag="call.recovered.v1"):
    """Answers are quick again, and the call goes on as usual; without `p90_ms` nothing says any more that they are slow."""

    conversation: str
    at: datetime
    p90_ms: int | None = None


class Consumed(Value):
    """What a call took of a provider, in `unit`s, and what that came to where the prices know it.

    `category` is the model, for tokens with their kind (`claude-haiku-5-5:cache_read`).
    """

    component: str
    provider: str
    unit: Literal["pulse", "second", "character", "token_in", "token_out"]
    quantity: int
    category: str | None = None
    cost: Cost | None = None


class Ended(Event, tag="call.ended.v1"):
    """It is over. `seconds` of conversation; `costs` by component (`telephony`, `stt`, `tts`, `llm`), of what was `consumed`.

    `latency_ms` has percentiles by stage, `waits` the buckets behind them (libs/domain/latency.py), which add up.
    """

    conversation: str
    reason: EndReason
    seconds: int
    turns: int = 0
    costs: dict[str, Cost] = {}
    latency_ms: dict[str, dict[str, int]] = {}
    waits: dict[str, dict[str, int]] = {}
    consumed: list[Consumed] = []


class RecordingStored(Event, tag="call.recording_stored.v1"):
    """Both sides were recorded, after `announced` was said; kept, sealed, until `delete_at`.

    `complete`: to the call's end; else its process died, and this is what was kept of it.
    """

    conversation: str
    seconds: int
    size: int
    announced: str
    delete_at: datetime
    complete: bool = True


class RecordingDeleted(Event, tag="call.recording_deleted.v1"):
    """Nothing is left of the recording; `refused` in mid-call, nothing of it was ever stored."""

    conversation: str
    at: datetime
    reason: DeletionReason


class Summarised(Event, tag="call.summarised.v1"):
    """What came of the call, in 80 words at most, as Claude saw it.

    `facts`: `promise` (what was promised), `amount`, `currency`, `date` (ISO), `next_step`; what was not said is left out.
    """

    conversation: str
    summary: PersonalText
    facts: PersonalData = {}
    mood: Mood | None = None
    language: str | None = None
    model: str | None = None
    cost: Cost | None = None


class SummaryFailed(Event, tag="call.summary_failed.v1"):
    """There is no summary, and none will come: Claude did not write one that can be used."""

    conversation: str
    reason: str


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
        Missed,
        TransferOver,
        TurnTaken,
        ToolCalled,
        ProviderSwitched,
        DigitsPressed,
        Degraded,
        Recovered,
        Ended,
        RecordingStored,
        RecordingDeleted,
        Summarised,
        SummaryFailed,
    ),
)
