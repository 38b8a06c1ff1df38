"""What became of an outbound message. Written by gateways; the stream is `message-{intent id}`."""

from datetime import datetime
from typing import Literal

from events import refs
from events.base import Category, Event
from events.values import Cost, PersonalTextOrNone


class Accepted(Event, tag="message.accepted.v1"):
    """The provider took it: on its way, not yet there.

    `provider_ref` is what the provider's id is joined by: the id itself, or what stands for one that names the contact
    (events/refs.py); that id is the `provider_id`, which only the provider is told.
    """

    conversation: str
    channel: str
    provider_ref: str
    cost: Cost | None = None
    provider_id: PersonalTextOrNone = None

    def __post_init__(self) -> None:
        refs.hide(self, "provider_ref")


class Rejected(Event, tag="message.rejected.v1"):
    """The provider refused it for good. `scope` says what else that touches."""

    conversation: str
    channel: str
    code: str
    reason: str
    scope: Literal["message", "contact", "account"] = "message"


class Withheld(Event, tag="message.withheld.v1"):
    """It was not sent: a gate, the kill switch or the hours closed between the intent and the call."""

    conversation: str
    channel: str
    reason: str


class OutcomeUnknown(Event, tag="message.outcome_unknown.v1"):
    """We called and do not know whether the provider took it; never sent again, waits for the provider's webhook."""

    conversation: str
    channel: str
    reason: str


class Delivered(Event, tag="message.delivered.v1"):
    conversation: str
    channel: str
    at: datetime


class Read(Event, tag="message.read.v1"):
    conversation: str
    channel: str
    at: datetime


class Failed(Event, tag="message.failed.v1"):
    """The provider took it, then could not deliver it. `scope` says what else that touches."""

    conversation: str
    channel: str
    code: str
    reason: str
    at: datetime
    scope: Literal["message", "contact", "account"] = "contact"


class Bounced(Event, tag="message.bounced.v1"):
    """The address does not take mail; `permanent` when it never will."""

    conversation: str
    channel: str
    reason: str
    permanent: bool = True


class Priced(Event, tag="message.priced.v1"):
    """The provider says what it takes; it replaces what we reckoned when it was accepted."""

    conversation: str
    channel: str
    cost: Cost
    category: str | None = None


MESSAGE = Category(
    "message", current=(Accepted, Rejected, Withheld, OutcomeUnknown, Delivered, Read, Failed, Bounced, Priced)
)
