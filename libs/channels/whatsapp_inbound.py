"""Reads Meta's webhook: all entries, changes, messages and statuses of one signed body."""

from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec

from libs.channels.whatsapp_address import e164
from libs.channels.whatsapp_items import (
    ButtonPress,
    Choice,
    Content,
    DeliveryState,
    Inbound,
    Item,
    Location,
    Media,
    Other,
    Preference,
    Problem,
    Reaction,
    Sender,
    Status,
    System,
    Text,
    Unread,
)


class Malformed(Exception):
    """The body is not one of Meta's webhooks; the message names the place and what would be right there."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"at {path}: {problem}")
        self.path = path
        self.problem = problem


Id = str | int


class _Profile(msgspec.Struct):
    name: str | None = None


class _Contact(msgspec.Struct):
    wa_id: Id | None = None
    user_id: Id | None = None
    profile: _Profile | None = None


class _Metadata(msgspec.Struct):
    phone_number_id: Id


class _Value(msgspec.Struct):
    metadata: _Metadata
    contacts: list[_Contact] = []
    messages: list[msgspec.Raw] = []
    statuses: list[msgspec.Raw] = []
    errors: list[msgspec.Raw] = []


class _Change(msgspec.Struct):
    field: str
    value: msgspec.Raw


class _Entry(msgspec.Struct):
    id: Id
    changes: list[_Change]


class _Webhook(msgspec.Struct):
    object: Literal["whatsapp_business_account"]
    entry: list[_Entry]


class _Context(msgspec.Struct):
    id: Id | None = None


class _Head(msgspec.Struct, rename={"sender": "from"}):
    id: Id
    timestamp: Id
    type: str
    sender: Id | None = None
    from_user_id: Id | None = None
    context: _Context | None = None


class _TextPart(msgspec.Struct):
    body: str


class _ButtonPart(msgspec.Struct):
    text: str
    payload: Id | None = None


class _ReplyPart(msgspec.Struct):
    id: Id
    title: str
    description: str | None = None


class _InteractivePart(msgspec.Struct):
    type: str
    button_reply: _ReplyPart | None = None
    list_reply: _ReplyPart | None = None


class _ReactionPart(msgspec.Struct):
    message_id: Id
    emoji: str | None = None


class _MediaPart(msgspec.Struct):
    id: Id
    mime_type: str | None = None
    sha256: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool = False


class _LocationPart(msgspec.Struct):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class _SystemPart(msgspec.Struct):
    type: str = "unknown"
    body: str | None = None
    wa_id: Id | None = None
    new_wa_id: Id | None = None


class _Details(msgspec.Struct):
    details: str | None = None


class _ErrorPart(msgspec.Struct):
    code: int
    title: str | None = None
    message: str | None = None
    error_data: _Details | None = None


class _Pricing(msgspec.Struct):
    billable: bool | None = None
    category: str | None = None


class _StatusPart(msgspec.Struct):
    id: Id
    status: str
    timestamp: Id
    recipient_id: Id | None = None
    recipient_user_id: Id | None = None
    biz_opaque_callback_data: str | None = None
    errors: list[_ErrorPart] = []
    pricing: _Pricing | None = None


class _PreferencePart(msgspec.Struct):
    category: str
    value: str
    timestamp: Id
    wa_id: Id | None = None
    user_id: Id | None = None


class _Preferences(msgspec.Struct):
    user_preferences: list[_PreferencePart]
    metadata: _Metadata | None = None


T = TypeVar("T")


def read(payload: bytes) -> list[Item]:
    """Everything that a webhook's body holds, in its order, of all entries, changes and messages.

    Raises `Malformed` for a body that is not Meta's. Verify the signature of the same bytes first.
    """
    items: list[Item] = []
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise Malformed("$", f"must be JSON in UTF-8: {error}") from error
    for e, entry in enumerate(_decode(payload, _Webhook, "$").entry):
        for c, change in enumerate(entry.changes):
            path = f"$.entry[{e}].changes[{c}].value"
            if change.field == "messages":
                items += _messages(_decode(change.value, _Value, path), str(entry.id), path)
            elif change.field == "user_preferences":
                items += _preferences(_decode(change.value, _Preferences, path), path)
            else:
                items.append(Other(str(entry.id), change.field, bytes(change.value)))
    return items


def _messages(value: _Value, business: str, path: str) -> list[Item]:
    account = str(value.metadata.phone_number_id)
    items: list[Item] = []
    for i, raw in enumerate(value.messages):
        items.append(_inbound(raw, value.contacts, account, f"{path}.messages[{i}]"))
    for i, raw in enumerate(value.statuses):
        items.append(_status(raw, account, business, f"{path}.statuses[{i}]"))
    items.extend(Other(business, "errors", bytes(raw)) for raw in value.errors)
    return items


def _inbound(raw: msgspec.Raw, contacts: list[_Contact], account: str, path: str) -> Inbound:
    head = _decode(raw, _Head, path)
    if head.sender is None and head.from_user_id is None:
        raise Malformed(path, "a message must say who wrote it, in `from` or `from_user_id`")
    return Inbound(
        account=account,
        id=str(head.id),
        sender=_sender(head.sender, head.from_user_id, contacts),
        at=_time(head.timestamp, f"{path}.timestamp"),
        content=_content(head.type, raw, path),
        quoted=_text(head.context.id) if head.context else None,
    )


def _content(kind: str, raw: msgspec.Raw, path: str) -> Content:
    match kind:
        case "text":
            return Text(_part(raw, kind, _TextPart, path).body)
        case "button":
            button = _part(raw, kind, _ButtonPart, path)
            return ButtonPress(button.text, _text(button.payload))
        case "interactive":
            interactive = _part(raw, kind, _InteractivePart, path)
            reply = interactive.button_reply or interactive.list_reply
            if reply is None:
                return Unread(f"interactive.{interactive.type}", bytes(raw))
            return Choice(str(reply.id), reply.title, reply.description)
        case "reaction":
            reaction = _part(raw, kind, _ReactionPart, path)
            return Reaction(str(reaction.message_id), reaction.emoji or None)
        case "image" | "audio" | "video" | "document" | "sticker":
            file = _part(raw, kind, _MediaPart, path)
            return Media(kind, str(file.id), file.mime_type, file.sha256, file.caption, file.filename, file.voice)
        case "location":
            place = _part(raw, kind, _LocationPart, path)
            return Location(place.latitude, place.longitude, place.name, place.address)
        case "system":
            change = _part(raw, kind, _SystemPart, path)
            return System(
                change.type, change.body, _text(change.wa_id if change.wa_id is not None else change.new_wa_id)
            )
        case _:
            return Unread(kind, bytes(raw))


def _status(raw: msgspec.Raw, account: str, business: str, path: str) -> Status | Other:
    part = _decode(raw, _StatusPart, path)
    match part.status:
        case "sent" | "delivered" | "read" | "played" | "failed":
            state: DeliveryState = part.status
        case _:
            return Other(business, "statuses", bytes(raw))
    recipient = part.recipient_id if part.recipient_id is not None else part.recipient_user_id
    return Status(
        account=account,
        id=str(part.id),
        state=state,
        at=_time(part.timestamp, f"{path}.timestamp"),
        recipient=_text(recipient),
        reference=part.biz_opaque_callback_data,
        problems=tuple(
            Problem(
                error.code, error.title or error.message or "", error.error_data.details if error.error_data else None
            )
            for error in part.errors
        ),
        billable=part.pricing.billable if part.pricing else None,
        category=part.pricing.category if part.pricing else None,
    )


def _preferences(value: _Preferences, path: str) -> list[Preference]:
    account = str(value.metadata.phone_number_id) if value.metadata else None
    return [
        Preference(
            account=account,
            sender=_sender(part.wa_id, part.user_id, []),
            category=part.category,
            value=part.value,
            at=_time(part.timestamp, f"{path}.user_preferences[{i}].timestamp"),
        )
        for i, part in enumerate(value.user_preferences)
    ]


def _sender(phone: Id | None, user: Id | None, contacts: list[_Contact]) -> Sender:
    """The sender by phone or user id, with what the webhook's list of contacts adds."""
    wa_id, user_id = _text(phone), _text(user)
    known = next(
        (
            contact
            for contact in contacts
            if (wa_id is not None and _text(contact.wa_id) == wa_id)
            or (user_id is not None and _text(contact.user_id) == user_id)
        ),
        _Contact(),
    )
    wa_id = wa_id or _text(known.wa_id)
    return Sender(
        number=e164(f"+{wa_id}") if wa_id else None,
        wa_id=wa_id,
        user_id=user_id or _text(known.user_id),
        name=known.profile.name if known.profile else None,
    )


def _part(raw: msgspec.Raw, kind: str, shape: type[T], path: str) -> T:
    """The object that stands in a message under the name of its type."""
    parts = _decode(raw, dict[str, msgspec.Raw], path)
    if kind not in parts:
        raise Malformed(path, f"a message of type {kind!r} must have an object {kind!r}")
    return _decode(parts[kind], shape, f"{path}.{kind}")


def _decode(raw: bytes | msgspec.Raw, shape: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        problem, _, inside = str(error).partition(" - at `$")
        raise Malformed(path + inside.removesuffix("`"), problem) from error
    except msgspec.DecodeError as error:
        raise Malformed(path, f"must be JSON: {error}") from error
    except RecursionError as error:
        raise Malformed(path, "must not be nested this deep") from error


def _time(seconds: Any, path: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(path, "must be seconds since 1970, as a number or as digits") from error


def _text(value: Id | None) -> str | None:
    return None if value is None else str(value)
