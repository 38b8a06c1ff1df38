"""What to send, what it costs, whether it may still go out, and how far a message has got: pure decisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from events.base import Draft, Event, Recorded
from events.conversation import MessageRequested
from events.inbound import StatusReceived, Unsubscribed
from events.message import Accepted, Bounced, Delivered, Failed, OutcomeUnknown, Priced, Read, Rejected, Withheld
from events.refs import ref_of
from events.values import Cost
from libs.channels import sms_exotel, sms_pinpoint, whatsapp
from libs.channels.email_outcome import is_permanent
from libs.channels.outcome import Refused, Scope, State, advance
from libs.config.bundle import Bundle
from libs.domain.policy import lapsed
from libs.domain.segments import segments
from services.gateways.settings import SMS, WHATSAPP

_STATES: dict[str, State] = {
    "accepted": "accepted",
    "sent": "sent",
    "failed": "failed",
    "delivered": "delivered",
    "bounced": "bounced",
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
    priced: str | None = None
    """The mark of the price that was told last."""

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
    return (
        None
        if event.purpose == "operator"
        else lapsed(bundle.policy, event.allowed_by, at=now, begins=event.purpose == "approach")
    )


def cost(bundle: Bundle, message: Message, at: datetime) -> Cost | None:
    """What the provider takes for this message by the bundle's price list; None where it has no price."""
    template = bundle.templates.get(message.channel, {}).get(message.template or "")
    category = template.category if template else "service"
    settings = bundle.settings.channels.get(message.channel)
    provider = bundle.provider(message.channel)
    price = bundle.price(settings.provider, provider.unit, at.date(), category) if settings and provider else None
    return Cost(currency=price.currency, micros=round(price.minor_units(message.units) * 10_000)) if price else None


def taken(intent: Recorded[MessageRequested], provider_id: str, price: Cost | None) -> Draft:
    """The provider took it. One of Meta's ids, which name the contact, is sealed, and its digest stands for it."""
    names_contact = intent.event.channel == WHATSAPP
    fact = Accepted(
        conversation=intent.subject_id,
        channel=intent.event.channel,
        provider_ref=ref_of(provider_id) if names_contact else provider_id,
        cost=price,
        provider_id=provider_id if names_contact else None,
    )
    contact = intent.envelope.subject
    return Draft(f"message-{intent.id}", fact, key=f"contact-{contact}" if contact else None)


def accepted(message: Message, provider_ref: str, price: Cost | None) -> Draft:
    """It was taken, as something else than the provider's answer shows."""
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


_PROGRESS = {"accepted": 0, "sent": 1, "failed": 2, "delivered": 3, "bounced": 4, "read": 5, "played": 6}


def _fact(message: Message, before: State, status: StatusReceived) -> Event | None:
    conversation, channel = message.conversation, message.channel
    match status.status:
        case "delivered":
            return Delivered(conversation=conversation, channel=channel, at=status.at)
        case "bounced":
            return Bounced(
                conversation=conversation,
                channel=channel,
                reason=status.reason or status.code or "the provider gave no reason",
                permanent=is_permanent(status.code),
            )
        case "read" | "played" if before not in ("read", "played"):
            return Read(conversation=conversation, channel=channel, at=status.at)
        case "failed":
            return Failed(
                conversation=conversation,
                channel=channel,
                at=status.at,
                code=status.code or "unknown",
                reason=status.reason or "the provider gave no reason",
                scope=_touches(status),
            )
        case _:
            return None


def _touches(status: StatusReceived) -> Scope:
    """What else a failure touches, as its code says.

    Of a code that says nothing, on WhatsApp no more than this message; elsewhere what could not be delivered tells of the
    address. A registration that the operators do not know (DLT) fails each repeat of the same SMS at its full price, so
    that it counts as this message's fault: neither the address's, nor one to try again in an hour.
    """
    number = int(status.code) if status.code and status.code.isdigit() else None
    if status.channel == SMS:
        touched = sms_exotel.touched(number) or sms_pinpoint.touched(status.code) or "contact"
        return "message" if touched == "account" else touched
    if status.channel != WHATSAPP:
        return "contact"
    known = whatsapp.meaning(number) if number is not None else None
    return known.scope if isinstance(known, Refused) else "message"


def priced(
    bundle: Bundle, message: Message, statuses: Iterable[StatusReceived], at: datetime
) -> tuple[str | None, list[Draft]]:
    """What the provider now says that the message costs: the mark of it, and the fact where it is not what was told.

    A billable one costs what the bundle's prices say of its category, any other nothing; nor does one on WhatsApp that
    failed, which is billed as delivered.
    """
    mark = message.priced
    drafts: list[Draft] = []
    for status in statuses:
        if status.billable is not None:
            amount = status.cost or _amount(bundle, message, status.category, at, billable=status.billable)
        elif status.status == "failed" and _billed_as_delivered(message):
            amount = _amount(bundle, message, None, at, billable=False)
        else:
            continue
        if amount is not None and price_mark(amount) != mark:
            fact = Priced(
                conversation=message.conversation, channel=message.channel, cost=amount, category=status.category
            )
            drafts.append(Draft(message.stream, fact))
            mark = price_mark(amount)
    return mark, drafts


def price_mark(amount: Cost | None) -> str | None:
    """What tells one price from another."""
    return f"{amount.micros} {amount.currency}" if amount else None


def _billed_as_delivered(message: Message) -> bool:
    """Whether it costs nothing now that it failed. Source: Meta, per-message pricing: what is delivered is billed."""
    return message.channel == WHATSAPP and _PROGRESS.get(message.state, 0) < _PROGRESS["delivered"]


def _amount(bundle: Bundle, message: Message, category: str | None, at: datetime, *, billable: bool) -> Cost | None:
    """None where the bundle has no price: what it costs stays as it was reckoned."""
    settings = bundle.settings.channels.get(message.channel)
    provider = bundle.provider(message.channel)
    if settings is None or provider is None:
        return None
    price = bundle.price(settings.provider, provider.unit, at.date(), category)
    if not billable:
        currency = price.currency if price else next((each.currency for each in bundle.prices), None)
        return Cost(currency=currency, micros=0) if currency else None
    return Cost(currency=price.currency, micros=round(price.minor_units(message.units) * 10_000)) if price else None


def stops_account(status: StatusReceived) -> str | None:
    """Why a failure that came later stops the whole account; None where it is about this message or contact."""
    if status.channel != WHATSAPP or status.status != "failed" or not (status.code or "").isdigit():
        return None
    known = whatsapp.meaning(int(status.code or 0))
    return f"{known.code}: {known.reason}" if isinstance(known, Refused) and known.scope == "account" else None
