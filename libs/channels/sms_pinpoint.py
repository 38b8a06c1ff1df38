"""AWS End User Messaging SMS (`pinpoint-sms-voice-v2`): sends with our id in its Context, tells events and answers over SNS.

Source: botocore's model of 2022-03-31 and the user guide's event types. A sender id cannot receive; two-way needs a number.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from events.values import Cost
from libs.channels.outcome import Outcome, Refused, Scope, State
from libs.channels.sms import INDIA, Message
from libs.channels.sms_aws import Failure, common, refused
from libs.channels.sms_items import Inbound, Item, Malformed, Status, scrubbed
from libs.channels.whatsapp_address import e164

LONGEST_BODY = 1600
"""Characters."""
REFERENCE = "msg"
"""The key of our message id in the Context."""

_STATES: Mapping[str, State] = {
    "TEXT_QUEUED": "accepted",
    "TEXT_PENDING": "accepted",
    "TEXT_UNKNOWN": "accepted",  # no receipt came within 72 hours: it says nothing new
    "TEXT_SENT": "sent",
    "TEXT_SUCCESSFUL": "sent",  # the carrier took it; where handsets send no receipts this is the last word
    "TEXT_DELIVERED": "delivered",
}
_FAILED: Mapping[str, tuple[Scope, str]] = {
    "TEXT_INVALID": ("contact", "the number is not valid"),
    "TEXT_INVALID_MESSAGE": ("message", "the body is not valid"),
    "TEXT_UNREACHABLE": ("message", "the phone was off or out of reach: later again"),
    "TEXT_CARRIER_UNREACHABLE": ("message", "the carrier was out of reach: later again"),
    "TEXT_BLOCKED": ("contact", "the phone blocks it"),
    "TEXT_CARRIER_BLOCKED": (
        "account",
        "the carrier blocks it: sender, registration (DLT) or text are not as registered",
    ),
    "TEXT_SPAM": ("message", "the carrier takes it for spam"),
    "TEXT_TTL_EXPIRED": ("message", "it was too late to deliver it"),
    "TEXT_PROTECT_BLOCKED": ("contact", "the protect configuration blocks the country"),
}


class _Event(msgspec.Struct, rename="camel"):
    event_type: str
    message_id: str
    event_timestamp: int
    destination_phone_number: str | None = None
    message_status_description: str | None = None
    context: dict[str, str] | None = None
    total_message_price: Decimal | None = None
    total_carrier_fee: Decimal | None = None


class _TwoWay(msgspec.Struct, rename="camel"):
    inbound_message_id: str
    origination_number: str
    destination_number: str
    message_body: str
    previous_published_message_id: str | None = None


def write(
    message: Message,
    *,
    sender: str | None,
    tenant: str,
    configuration_set: str | None,
    max_price: str | None,
    ttl_seconds: int | None,
) -> dict[str, Any] | Refused:
    """The arguments of `send_text_message`; every event of it echoes the Context, with our id."""
    if len(message.text) > LONGEST_BODY:
        return Refused("too_long", f"AWS takes {LONGEST_BODY} characters, it has {len(message.text)}", "message")
    registered = message.registered
    arguments: dict[str, Any] = {
        "DestinationPhoneNumber": message.to,
        "MessageBody": message.text,
        "MessageType": "PROMOTIONAL" if registered and registered.promotional else "TRANSACTIONAL",
        "Context": {"tenant": tenant, REFERENCE: message.reference},
    }
    further = {
        "OriginationIdentity": sender,
        "ConfigurationSetName": configuration_set,
        "MaxPrice": max_price,
        "TimeToLive": ttl_seconds,
    }
    arguments |= {name: value for name, value in further.items() if value is not None}
    if registered is not None and message.to.startswith(INDIA):
        arguments["DestinationCountryParameters"] = {
            "IN_ENTITY_ID": registered.entity_id,
            "IN_TEMPLATE_ID": registered.template_id,
        }
    return arguments


def classify(failure: Failure) -> Outcome:
    """What an error of SendTextMessage means."""
    match failure.code, failure.reason:
        case "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT":
            return refused(failure, "the contact has opted out: suppress the number", "contact", opted_out=True)
        case (
            "ConflictException",
            "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"
            | "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE"
            | "DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        ):
            return refused(failure, "the account does not write to this number or country", "contact")
        case "ValidationException", "DESTINATION_COUNTRY_BLOCKED" | "COUNTRY_NOT_ENABLED":
            return refused(failure, "the account does not write to this country", "contact")
        case "ValidationException", _ if "DestinationPhoneNumber" in failure.fields:
            return refused(failure, "the number is not valid", "contact")
        case (
            "ValidationException",
            "SENDER_ID_NOT_REGISTERED"
            | "SENDER_ID_NOT_SUPPORTED"
            | "SENDER_ID_REQUIRES_REGISTRATION"
            | "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY",
        ):
            return refused(failure, "the sender is not registered for this country", "account")
        case "ServiceQuotaExceededException", _:
            return refused(failure, "the spend limit or a quota of the account is used up", "account")
        case "ConflictException" | "ResourceNotFoundException", _:
            return refused(failure, "the sender, the configuration set or the account is not set up", "account")
    return common(failure) or refused(failure, "AWS refuses the message", "message")


def read(message: str, received_at: datetime) -> Item | None:
    """What a notification's `Message` tells: an event of ours, or a contact's words; None for events of no text message.

    `received_at` is the time of a contact's words, which name none.
    """
    try:
        keys = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise Malformed("Message", "must be a JSON object") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed("Message", "must be JSON", syntax=True) from error
    try:
        if "inboundMessageId" in keys:
            return _heard(msgspec.json.decode(message, type=_TwoWay), received_at)
        if "eventType" in keys:
            return _told(msgspec.json.decode(message, type=_Event))
    except msgspec.ValidationError as error:
        raise Malformed("Message", str(error)) from error
    raise Malformed("Message", "is neither an event (eventType) nor a message (inboundMessageId)")


def touched(event_type: str | None) -> Scope | None:
    """Whom an event of a failure is about; None for any other."""
    failed = _FAILED.get(event_type or "")
    return failed[0] if failed else None


def _heard(said: _TwoWay, received_at: datetime) -> Inbound:
    sender = e164(said.origination_number)
    if sender is None:
        raise Malformed("Message.originationNumber", "must be a phone number")
    return Inbound(
        id=said.inbound_message_id,
        account=said.destination_number,
        sender=sender,
        text=said.message_body,
        at=received_at,
        reply_to=said.previous_published_message_id or None,
    )


def _told(event: _Event) -> Status | None:
    failed = _FAILED.get(event.event_type)
    state: State | None = "failed" if failed else _STATES.get(event.event_type)
    if state is None:
        return None
    try:
        at = datetime.fromtimestamp(event.event_timestamp / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise Malformed("Message.eventTimestamp", "must be milliseconds since 1970") from error
    return Status(
        id=event.message_id,
        state=state,
        at=at,
        reference=(event.context or {}).get(REFERENCE),
        recipient=e164(event.destination_phone_number or ""),
        refused=_refusal(event, *failed) if failed else None,
        cost=_cost(event),
    )


def _refusal(event: _Event, scope: Scope, hint: str) -> Refused:
    details = scrubbed(event.message_status_description or "")
    failure = Failure(status=200, code=event.event_type, message=details)
    opted_out = "opted out" in details.lower()
    return refused(failure, hint, "contact" if opted_out else scope, opted_out=opted_out)


def _cost(event: _Event) -> Cost | None:
    """What AWS takes for all parts, in US dollars; only its last events tell more than nothing."""
    if event.total_message_price is None:
        return None
    total = event.total_message_price + (event.total_carrier_fee or Decimal(0))
    return Cost(currency="USD", micros=round(total * 1_000_000)) if total else None
