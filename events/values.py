"""The values that several families share."""

from datetime import datetime
from typing import Annotated, Any, Literal

from events.base import Personal, Value

Channel = Literal["whatsapp", "email", "chat", "sms", "voice"]
Priority = Literal["low", "normal", "high", "urgent"]

FactKind = Literal["date", "datetime", "amount", "number", "reference", "phone", "email", "choice", "text"]

PersonalText = Annotated[str, Personal("[erased]")]
PersonalTextOrNone = Annotated[str | None, Personal(None)]
PersonalData = Annotated[dict[str, Any], Personal({})]


class Cost(Value):
    """Money of ours, in millionths of the currency's major unit (₹0.115 is 115000): some prices are below a paisa."""

    currency: str
    micros: int


class Attachment(Value):
    """A file that came or goes. `object` names it in the object store, `provider_id` where the provider keeps it.

    `size` in bytes; `sha256` in hex. A file that is only announced has no `object` yet.
    """

    media_type: str
    name: str | None = None
    size: int | None = None
    object: str | None = None
    provider_id: str | None = None
    sha256: str | None = None
    voice: bool = False


class Choice(Value):
    """An answer that the contact may press instead of writing; `id` comes back."""

    id: str
    title: str
    description: str | None = None


class Body(Value):
    """What is said: free text, or a registered template with its variables by name, in order (and its text, as rendered).

    Up to three `choices` are buttons where the channel has them, more are a list; elsewhere they are written out.
    """

    text: str
    template: str | None = None
    template_name: str | None = None
    language: str | None = None
    variables: dict[str, str] = {}
    subject: str | None = None
    choices: list[Choice] = []
    attachments: list[Attachment] = []


ERASED_BODY = {"text": "[erased]"}
PersonalBody = Annotated[Body, Personal(ERASED_BODY)]


class PolicyCheck(Value):
    """One rule of the contact policy and what it said.

    `source` is what stands behind it, `effective` since when (ISO date), `provision` its id in the policy's `rules`.
    """

    rule: str
    verdict: Literal["allowed", "deferred", "refused", "exempt"]
    detail: str
    source: str | None = None
    effective: str | None = None
    provision: str | None = None


class PolicyDecision(Value):
    """Why an approach was allowed, deferred (`until`) or refused, by the clock of `zone`: each rule with its verdict.

    What is allowed has to begin before `holds_until`: there the contact's hours close, or an answer is none any more.
    """

    verdict: Literal["allowed", "deferred", "refused"]
    channel: str
    purpose: str
    at: datetime
    until: datetime | None = None
    checks: list[PolicyCheck] = []
    zone: str | None = None
    holds_until: datetime | None = None


class CancelOn(Value):
    """An event that makes a follow-up pointless; `match` holds templates over that event's data."""

    event: str
    match: dict[str, str]


class Trigger(Value):
    """What moved a process."""

    type: Literal["intent", "event", "outcome", "timer", "manual"]
    value: str


class Skipped(Value):
    """A channel of the ladder that was passed over, and why."""

    channel: str
    reason: str


class ToolChoice(Value):
    """What a planner chose: a tool with its inputs, or `finish` with `reached` and `summary`."""

    tool: str
    inputs: dict[str, Any] = {}


class SlotOffer(Value):
    """Something that the contact is asked for, or may correct; `value` is what they said before."""

    name: str
    type: Literal["date", "amount", "phone", "choice", "text"]
    required: bool = True
    choices: list[str] = []
    ask: str | None = None
    value: Any = None


class FactOffer(Value):
    """A fact that the contact may state; it becomes `extracted_info.<name>`. `choices`: what one of kind `choice` may be."""

    name: str
    kind: FactKind
    description: str = ""
    choices: list[str] = []


class ToolOffer(Value):
    """A tool that a planner may choose, and what it may say to it."""

    name: str
    description: str
    inputs: list[SlotOffer] = []
