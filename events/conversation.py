"""A conversation with one contact, over all channels and matters. Written by orchestrator.

A matter is a follow-up in this conversation; it is named by the follow-up's id.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from events import refs
from events.address import AddressMoved, SenderUnknown
from events.base import Category, Event, Intent, Personal
from events.call import CallRequested, CallTaken
from events.dialogue import (
    ApprovalHeard,
    ApprovalRequested,
    CollectEnded,
    Migrated,
    MigrationRefused,
    PlanChose,
    PlanEnded,
    PlanStarted,
    SlotAsked,
    SlotFilled,
    SlotRefused,
)
from events.errand import ToolRequested, WritebackRequested
from events.person import LineLeftOut, PersonHeard
from events.phone import ON_THE_PHONE
from events.values import (
    Attachment,
    Cost,
    FactOffer,
    PersonalBody,
    PersonalData,
    PersonalText,
    PersonalTextOrNone,
    PolicyDecision,
    SlotOffer,
    ToolOffer,
    Trigger,
)


class Opened(Event, tag="conversation.opened.v1"):
    """We talk with this contact now; `follows` names the conversation before.

    `idle_turns`: so many turns without progress the one before ended with, if it ended lately.
    """

    contact_id: str
    follows: str | None = None
    idle_turns: int = 0


class ProcessBound(Event, tag="conversation.process_bound.v1"):
    """A matter has joined; with a process type its state map starts (or goes on) here. All of it is pinned to `bundle`."""

    matter: str
    bundle: str
    state: str | None = None
    process_type: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    channel_priority: list[str] = []
    context: PersonalData = {}


class FlowStarted(Event, tag="conversation.flow_started.v1"):
    """A flow begins. With `called_from`, a step of the flow that runs, that flow waits until this one is over."""

    matter: str
    flow: str
    called_from: str | None = None


class StepEntered(Event, tag="conversation.step_entered.v1"):
    matter: str
    flow: str
    step: str


class FlowEnded(Event, tag="conversation.flow_ended.v1"):
    """A flow is over. `returns`: the flow that waits for it goes on; else those that wait are over, too."""

    matter: str
    flow: str
    returns: bool = False


class ToolAnswered(Event, tag="conversation.tool_answered.v1"):
    """What the ERP answered to `call`, kept under the step's result key."""

    call: str
    matter: str
    result_key: str
    ok: bool
    result: Annotated[Any, Personal(None)] = None


class ContactSaid(Event, tag="conversation.contact_said.v1"):
    """The contact spoke; `inbound` is the stream of the message.

    `matter` is the one that the message is about, where the message that it answers or an id that it names tells that.
    `kind` is what was sent, where it was no text; `sender` the address that it came from, where an answer may go.
    """

    channel: str
    inbound: str
    text: PersonalText
    at: datetime
    kind: str = "text"
    sender: PersonalTextOrNone = None
    provider_ref: str | None = None
    reply_to: str | None = None
    matter: str | None = None
    choice: str | None = None
    subject: PersonalTextOrNone = None
    attachments: Annotated[list[Attachment], Personal([])] = []

    def __post_init__(self) -> None:
        refs.hide(self, "provider_ref", "reply_to")


class AttachmentsRead(Event, tag="conversation.attachments_read.v1"):
    """What a message brought beside its words, as far as it could be had: the files, and what was said in a voice note."""

    inbound: str
    attachments: Annotated[list[Attachment], Personal([])] = []
    transcript: PersonalTextOrNone = None
    failed: str | None = None


class AutomaticHeard(Event, tag="conversation.automatic_heard.v1"):
    """A machine answered in the contact's place (out of office, a list, a report): it is noted, and never answered."""

    channel: str
    inbound: str
    automatic: Literal["auto_reply", "out_of_office", "list", "report"]
    text: PersonalText
    at: datetime
    subject: PersonalTextOrNone = None
    provider_ref: str | None = None
    matter: str | None = None

    def __post_init__(self) -> None:
        refs.hide(self, "provider_ref")


class Understood(Event, tag="conversation.understood.v1"):
    """What the contact meant: intents by name, facts by name, and the words that they came from.

    `tokens` and `cost` are those of the turn, told once.
    """

    turn: str
    intents: list[str]
    matter: str | None = None
    extracted_info: PersonalData = {}
    words: PersonalData = {}
    language: str | None = None
    sentiment: str | None = None
    opt_out: bool = False
    slots: PersonalData = {}
    breaks_off: bool = False
    tokens: int = 0
    cost: Cost | None = None


class DraftDropped(Event, tag="conversation.draft_dropped.v1"):
    """A reply was written and not sent, because the conversation had moved on."""

    turn: str
    reason: Literal["moved_on", "newer_message", "closed", "taken_over", "opted_out", "no_progress", "unconfirmed"]


class ProcessMoved(Event, tag="conversation.process_moved.v1"):
    """The state map took a transition: the first listed one that holds; `reasons` say so of it, and why no other one.

    `transition` is its place in the map of the matter's bundle, from 0.
    """

    matter: str
    from_state: str
    to_state: str
    trigger: Trigger
    reasons: list[str] = []
    transition: int | None = None


class OutcomeHeard(Event, tag="conversation.outcome_heard.v1"):
    """The outcome of one of our intents reached the conversation; it is no longer awaited.

    `provider_ref` is the provider's id of a message that was taken, or what stands for it: answers quote it. `tokens` and
    `cost` are those of a turn.
    """

    intent: str
    outcome: str
    provider_ref: str | None = None
    tokens: int = 0
    cost: Cost | None = None

    def __post_init__(self) -> None:
        refs.hide(self, "provider_ref")


class MatterSettled(Event, tag="conversation.matter_settled.v1"):
    """Nothing more is to be done here for this matter."""

    matter: str
    how: Literal["resolved", "exhausted", "cancelled", "handed_over"]


class ChannelSwitched(Event, tag="conversation.channel_switched.v1"):
    """It goes on there: for one matter where it is named, whatever channel the others are talked about on."""

    channel: str
    reason: str
    matter: str | None = None


class GateClosed(Event, tag="conversation.gate_closed.v1"):
    """Intents of this scope (`contact:…`, `contact:…/<channel>`, `conversation:…`, `matter:…`) at lower positions are withheld.

    A lasting gate withholds later ones too, until it is opened.
    """

    scope: str
    reason: str
    lasting: bool = False


class GateOpened(Event, tag="conversation.gate_opened.v1"):
    scope: str


class Escalated(Event, tag="conversation.escalated.v1"):
    """A person must look at it. `silences`: the agent says nothing more until one has, or the process moves otherwise."""

    reason: str
    matter: str | None = None
    queue: str | None = None
    silences: bool = False


class TakenOver(Event, tag="conversation.taken_over.v1"):
    operator: str


class Released(Event, tag="conversation.released.v1"):
    operator: str


class Closed(Event, tag="conversation.closed.v1"):
    """Nobody speaks here any more."""

    reason: Literal["resolved", "exhausted", "opted_out", "handed_over", "cancelled"]


class TimerSet(Event, tag="conversation.timer_set.v1"):
    """Come back at `due_at` (business time). The timer is void when the matter has left `state` or `step` meanwhile.

    A deferred line of an action carries what it is to say: the bundle's own `text` or `template`, not yet rendered.
    """

    timer: str
    purpose: Literal["check", "no_reply", "wait", "deferred", "quiet", "pending", "media"]
    due_at: datetime
    matter: str | None = None
    name: str | None = None
    state: str | None = None
    step: str | None = None
    mark: int = 0
    text: str | None = None
    template: str | None = None
    channel: str | None = None


class TurnRequested(Intent, tag="conversation.turn_requested.v1", effect="llm.turn"):
    """Claude is asked to understand what was said up to version `upto` of this stream, and to write for this step.

    `intents` are those that the process knows, with their descriptions; `facts` those that only it
    uses; `turn` is this intent's own id. `slots` are asked
    for at this step, or may be corrected at it. With `tools` Claude plans: it chooses one of them, or finishes; `done` is
    what it chose before. `identifies`: it is asked only who wrote what was `said`
    (streams of messages, all from one address). Nothing of the matters that it `hides` is shown to it.
    `merged` are further matters, at the same step, that its words are for.
    """

    turn: str
    upto: int
    instructions: PersonalText
    wants: Literal["understand", "draft", "both"] = "both"
    matter: str | None = None
    flow: str | None = None
    step: str | None = None
    intents: dict[str, str] = {}
    facts: list[FactOffer] = []
    context: PersonalData = {}
    undefined: list[str] = []
    max_words: int | None = None
    gates: list[str] = []
    slots: Annotated[list[SlotOffer], Personal([])] = []
    tools: list[ToolOffer] = []
    done: Annotated[list[dict[str, Any]], Personal([])] = []
    identifies: bool = False
    said: list[str] = []
    hides: list[str] = []
    merged: list[str] = []


class MessageRequested(Intent, tag="conversation.message_requested.v1", effect="message.send"):
    """We know what to say; a gateway has yet to say it.

    `message` is this intent's own id; `answers` the version of this stream up to which the contact's words are answered.
    `reply_to` and `thread` are the provider's ids of the messages before it (or what stands for them), the newest first.
    `draft` is the turn whose words it says: the chat has streamed them. `identifies`: it asks who reads it, and says nothing of
    the matter. `merged` are further matters that it speaks of, at the same step.
    """

    message: str
    channel: str
    to: PersonalText
    body: PersonalBody
    allowed_by: PolicyDecision
    purpose: Literal["approach", "answer", "operator"] = "approach"
    answers: int = 0
    matter: str | None = None
    step: str | None = None
    reply_to: str | None = None
    thread: list[str] = []
    draft: str | None = None
    gates: list[str] = []
    identifies: bool = False
    merged: list[str] = []

    def __post_init__(self) -> None:
        refs.hide(self, "reply_to")


CONVERSATION = Category(
    "conversation",
    current=(
        Opened,
        ProcessBound,
        FlowStarted,
        StepEntered,
        FlowEnded,
        Migrated,
        MigrationRefused,
        SlotAsked,
        SlotFilled,
        SlotRefused,
        CollectEnded,
        PlanStarted,
        PlanChose,
        ApprovalRequested,
        ApprovalHeard,
        PlanEnded,
        ToolAnswered,
        ContactSaid,
        AttachmentsRead,
        AutomaticHeard,
        Understood,
        PersonHeard,
        LineLeftOut,
        DraftDropped,
        ProcessMoved,
        OutcomeHeard,
        MatterSettled,
        ChannelSwitched,
        GateClosed,
        GateOpened,
        Escalated,
        TakenOver,
        Released,
        Closed,
        TimerSet,
        TurnRequested,
        MessageRequested,
        CallRequested,
        CallTaken,
        *ON_THE_PHONE,
        ToolRequested,
        WritebackRequested,
        SenderUnknown,
        AddressMoved,
    ),
)
