"""What WhatsApp's webhook told, as facts."""

from collections.abc import Sequence

from events.inbound import AddressChanged, Received, StatusReceived, Unsubscribed
from events.refs import ref_of
from events.values import Attachment
from libs.channels.whatsapp_items import (
    AddressChange,
    ButtonPress,
    Cards,
    Choice,
    Content,
    Inbound,
    Media,
    Preference,
    Reaction,
    Status,
    System,
    Unread,
)
from libs.channels.whatsapp_media import hex_digest
from services.gateways.settings import WHATSAPP

_NO_WORDS = frozenset({"request_welcome"})
_MEDIA_TYPES = {
    "image": "image/jpeg",
    "audio": "audio/ogg",
    "video": "video/mp4",
    "sticker": "image/webp",
    "document": "application/octet-stream",
}


def is_said(item: Inbound) -> bool:
    """Whether a contact has said something, in words or otherwise.

    A reaction that is taken back, a chat that was opened and an identity that changed say nothing.
    """
    match item.content:
        case Reaction(emoji=emoji):
            return emoji is not None
        case Unread(kind=kind):
            return kind not in _NO_WORDS
        case System():
            return False
        case _:
            return True


def received(item: Inbound, digest: str, also_known_as: Sequence[str] = ()) -> Received:
    """A contact's message. What was not said in words (a picture) is an empty text of its kind.

    A reaction is of the kind `reaction`, its text the emoji, `reply_to` the message that it was put on: whether 👍 answers
    a question is for the conversation to say. A button's or list row's id is the `choice`, its title the text. Files are
    announced by Meta's id and follow as `inbound.fetched`. Meta's ids of messages hold the contact's number: what stands
    for them is told, and this one's own is sealed.
    """
    reaction = item.content if isinstance(item.content, Reaction) else None
    answered = reaction.message if reaction else item.quoted
    return Received(
        channel=WHATSAPP,
        account=item.account,
        digest=digest,
        sender=address_of(item),
        text=item.words or "",
        provider_ref=ref_of(item.id),
        kind=_kind(item.content),
        sender_name=item.sender.name,
        reply_to=ref_of(answered) if answered else None,
        sent_at=item.at,
        also_known_as=list(also_known_as),
        choice=_choice(item.content),
        attachments=[_attachment(item.content)] if isinstance(item.content, Media) else [],
        provider_id=item.id,
    )


def address_of(item: Inbound | Preference) -> str:
    """How we know the sender: the phone in E.164, or the user id of somebody who hides it."""
    return item.sender.addresses[0] if item.sender.addresses else ""


def status_received(item: Status) -> StatusReceived:
    """A provider's status, with what it says of the price."""
    problem = item.problems[0] if item.problems else None
    return StatusReceived(
        channel=WHATSAPP,
        provider_ref=ref_of(item.id),
        status=item.state,
        at=item.at,
        reference=item.reference,
        code=str(problem.code) if problem else None,
        reason=(problem.details or problem.title) if problem else None,
        category=item.category,
        billable=item.billable,
    )


def unsubscribed(item: Preference, digest: str) -> Unsubscribed:
    """A contact stopped messages in WhatsApp's own settings."""
    return Unsubscribed(channel=WHATSAPP, digest=digest, how="preference", sender=address_of(item))


def address_changed(item: AddressChange, digest: str, new_digest: str) -> AddressChanged:
    """A contact has another number or user id."""
    return AddressChanged(channel=WHATSAPP, digest=digest, new_digest=new_digest, new_address=item.current)


def _kind(content: Content) -> str:
    match content:
        case ButtonPress():
            return "button"
        case Media(kind=kind) | Unread(kind=kind):
            return kind
        case Cards():
            return "contacts"
        case _:
            return type(content).__name__.lower()


def _choice(content: Content) -> str | None:
    match content:
        case ButtonPress(payload=payload):
            return payload
        case Choice(id=id):
            return id
        case _:
            return None


def _attachment(file: Media) -> Attachment:
    return Attachment(
        media_type=file.mime_type or _MEDIA_TYPES[file.kind],
        name=file.filename,
        provider_id=file.id,
        sha256=hex_digest(file.sha256),
        voice=file.voice,
    )
