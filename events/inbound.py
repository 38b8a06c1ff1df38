"""What reached us from the providers. Written by gateways; the stream is `inbound-{channel}-{hash of the provider's id}`."""

from datetime import datetime
from typing import Annotated, Literal

from events import refs
from events.base import Category, Event, Personal
from events.values import Attachment, Cost, PersonalText, PersonalTextOrNone

PersonalFiles = Annotated[list[Attachment], Personal([])]


class Received(Event, tag="inbound.received.v1"):
    """A contact wrote. `digest` is the HMAC (hex) of the sender's normalised address.

    `also_known_as` are the digests of further addresses that the provider names for the same sender. `provider_ref` is the
    provider's id, or what stands for one that names the contact, which is the `provider_id` then. `reply_to` is such a ref
    of the message that this one answers, `thread` those of the messages before it, newest first;
    `reference` is our own message id where the address that was written to proves it. `choice` is the id of a button or
    list row that was pressed. What a machine wrote says so in `automatic`: it is never answered.
    """

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
    also_known_as: list[str] = []
    thread: list[str] = []
    reference: str | None = None
    subject: PersonalTextOrNone = None
    choice: str | None = None
    attachments: PersonalFiles = []
    automatic: Literal["auto_reply", "out_of_office", "list", "report"] | None = None
    provider_id: PersonalTextOrNone = None

    def __post_init__(self) -> None:
        refs.hide(self, "provider_ref", "reply_to")


class Fetched(Event, tag="inbound.fetched.v1"):
    """The files of a message are in the object store; `transcript` is what was said in a voice note."""

    attachments: PersonalFiles
    transcript: PersonalTextOrNone = None


class FetchFailed(Event, tag="inbound.fetch_failed.v1"):
    """The files of a message could not be had or understood."""

    reason: str


class Unsubscribed(Event, tag="inbound.unsubscribed.v1"):
    """A contact asked a channel for no more, without words: by a link, a button of the provider, or a complaint."""

    channel: str
    digest: str
    how: Literal["link", "preference", "complaint"]
    sender: PersonalText
    reference: str | None = None


class AddressChanged(Event, tag="inbound.address_changed.v1"):
    """The provider tells that whoever had one address has another one now."""

    channel: str
    digest: str
    new_digest: str
    new_address: PersonalText


class StatusReceived(Event, tag="inbound.status_received.v1"):
    """A provider tells a message's state. `reference` is our own message id where the provider echoes it.

    `category`, `billable` and `cost` are what it says of the price.
    """

    channel: str
    provider_ref: str
    status: str
    at: datetime
    reference: str | None = None
    code: str | None = None
    reason: str | None = None
    category: str | None = None
    billable: bool | None = None
    cost: Cost | None = None

    def __post_init__(self) -> None:
        refs.hide(self, "provider_ref")


INBOUND = Category("inbound", current=(Received, Fetched, FetchFailed, Unsubscribed, AddressChanged, StatusReceived))
