"""What reached us from the providers. Written by gateways; the stream is `inbound-{channel}-{hash of the provider's id}`."""

from datetime import datetime

from events.base import Category, Event
from events.values import PersonalText, PersonalTextOrNone


class Received(Event, tag="inbound.received.v1"):
    """A contact wrote. `digest` is the HMAC (hex) of the sender's normalised address."""

    channel: str
    account: str
    digest: str
    sender: PersonalText
    text: PersonalText
    provider_ref: str
    kind: str = "text"
    sender_name: PersonalTextOrNone = None
    reply_to: str | None = None
    sent_at: datetime | None = None


class StatusReceived(Event, tag="inbound.status_received.v1"):
    """A provider tells a message's state. `reference` is our own message id where the provider echoes it."""

    channel: str
    provider_ref: str
    status: str
    at: datetime
    reference: str | None = None
    code: str | None = None
    reason: str | None = None


INBOUND = Category("inbound", current=(Received, StatusReceived))
