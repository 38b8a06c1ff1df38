"""What to send, what it costs, whether it may still go out, and how far a message has got: pure decisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from events.base import Draft, Event, Recorded
from events.conversation import MessageRequested
from events.inbound import Received, StatusReceived, Unsubscribed
from events.message import Accepted, Delivered, Failed, OutcomeUnknown, Read, Rejected, Withheld
from events.values import Cost
from libs.channels.outcome import Refused, State, advance
from libs.channels.whatsapp_items import ButtonPress, Content, Inbound, Media, Status, Unread
from libs.config.bundle import Bundle
from libs.domain.policy import calendar_of
from libs.domain.segments import segments
from services.gateways.settings import SMS, WHATSAPP

FRESH = timedelta(minutes=15)
"""How long the policy decision in an intent stands; after it the hours are looked at again."""

_STATES: dict[str, State] = {
    "accepted": "accepted",
    "sent": "sent",
    "failed": "failed",
    "delivered": "delivered",
    "read": "read",
    "played": "played",
}


class Door(Protocol):
    """Where a channel leads, as far as it decides whether something may go out."""

    def may_write_to(self, address: str) -> bool:
        """Whether the list of test recipients, if one binds, has `address`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An outbound message as far as this service follows it."""

    id: UUID
    conversation: str
    channel: str
    state: str
    template: str | None = None
    units: int = 1
    """How many of what its provider counts it takes, such as the segments of an SMS."""

    @property
    def stream(self) -> str:
        return f"message-{self.id}"


def message_of(intent: Recorded[MessageRequested]) -> Message:
    """The message that an intent asks for."""
    body = intent.event.body
    return Message(
        id=intent.id,
        conversation=intent.subject_id,
        channel=intent.event.channel,
        state="requested",
        template=body.template,
        units=segments(body.text).count if intent.event.channel == SMS else 1,
    )


def veto(intent: Recorded[MessageRequested], door: Door, bundle: Bundle, now: datetime) -> str | None:
    """Why it may not be sent any more although it was allowed when it was asked for; None where it may."""
    event = intent.event
    if not door.may_write_to(event.to):
        return "the address is none of the channel's test recipients"
    decision = event.allowed_by
    if event.purpose != "approach" or now - decision.at <= FRESH:
        return None
    policy = bundle.policy
    calendar = calendar_of(policy, channel=event.channel, purpose=decision.purpose, zone=policy.timezone)
    return None if calendar.is_open(now) else "the hours in which it was allowed are over"


def cost(bundle: Bundle, message: Message, at: datetime) -> Cost | None:
    """What the provider takes for this message by the bundle's price list; None where it has no price."""
    template = bundle.templates.get(message.channel, {}).get(message.template or "")
    category = template.category if template else "service"
    settings = bundle.settings.channels.get(message.channel)
    provider = bundle.provider(message.channel)
    price = bundle.price(settings.provider, provider.unit, at.date(), category) if settings and provider else None
    return Cost(currency=price.currency, micros=round(price.minor_units(message.units) * 10_000)) if price else None


def accepted(message: Message, provider_ref: str, price: Cost | None) -> Draft:
    return Draft(
        message.stream,
        Accepted(conversation=message.conversation, channel=message.channel, provider_ref=provider_ref, cost=price),
    )


def rejected(message: Message, refused: Refused) -> Draft:
    return Draft(
        message.stream,
        Rejected(
            conversation=message.conversation,
            channel=message.channel,
            code=str(refused.code),
            reason=refused.reason,
            scope=refused.scope,
        ),
    )


def unsubscribed(channel: str, address: str, digest: str, reference: str | None) -> Unsubscribed:
    """The provider has this address on its list of those who asked for no more; `reference` is our message's id."""
    return Unsubscribed(channel=channel, digest=digest, how="preference", sender=address, reference=reference)


def given_up(message: Message, reason: str) -> Draft:
    """It could not be sent in all the time that it had."""
    return Draft(
        message.stream,
        Rejected(conversation=message.conversation, channel=message.channel, code="retries_exhausted", reason=reason),
    )


def withheld(message: Message, reason: str) -> Draft:
    return Draft(message.stream, Withheld(conversation=message.conversation, channel=message.channel, reason=reason))


def outcome_unknown(message: Message, reason: str) -> Draft:
    return Draft(
        message.stream, OutcomeUnknown(conversation=message.conversation, channel=message.channel, reason=reason)
    )


def progress(message: Message, statuses: Iterable[StatusReceived]) -> tuple[str, list[Draft]]:
    """How far the message has got with these statuses too, and the facts that are new: none twice, none going back."""
    state = _STATES[message.state]
    drafts: list[Draft] = []
    for status in sorted(statuses, key=lambda each: _PROGRESS[each.status]):
        further = advance(state, _STATES[status.status])
        if further != state and (fact := _fact(message, state, status)) is not None:
            drafts.append(Draft(message.stream, fact))
        state = further
    return state, drafts


_PROGRESS = {"accepted": 0, "sent": 1, "failed": 2, "delivered": 3, "read": 4, "played": 5}


def _fact(message: Message, before: State, status: StatusReceived) -> Event | None:
    conversation, channel = message.conversation, message.channel
    match status.status:
        case "delivered":
            return Delivered(conversation=conversation, channel=channel, at=status.at)
        case "read" | "played" if before not in ("read", "played"):
            return Read(conversation=conversation, channel=channel, at=status.at)
        case "failed":
            return Failed(
                conversation=conversation,
                channel=channel,
                at=status.at,
                code=status.code or "unknown",
                reason=status.reason or "the provider gave no reason",
            )
        case _:
            return None


def received(item: Inbound, digest: str) -> Received:
    """A contact's message as a fact. What was not said in words (a picture, a place) is an empty text of its kind."""
    return Received(
        channel=WHATSAPP,
        account=item.account,
        digest=digest,
        sender=address_of(item),
        text=item.words or "",
        provider_ref=item.id,
        kind=_kind(item.content),
        sender_name=item.sender.name,
        reply_to=item.quoted,
        sent_at=item.at,
    )


def _kind(content: Content) -> str:
    match content:
        case ButtonPress():
            return "button"
        case Media(kind=kind) | Unread(kind=kind):
            return kind
        case _:
            return type(content).__name__.lower()


def address_of(item: Inbound) -> str:
    """How we know the sender: the phone in E.164, or the user id of somebody who hides it."""
    return item.sender.number or item.sender.user_id or item.sender.wa_id or ""


def status_received(item: Status) -> StatusReceived:
    """A provider's status as a fact."""
    problem = item.problems[0] if item.problems else None
    return StatusReceived(
        channel=WHATSAPP,
        provider_ref=item.id,
        status=item.state,
        at=item.at,
        reference=item.reference,
        code=str(problem.code) if problem else None,
        reason=(problem.details or problem.title) if problem else None,
    )
