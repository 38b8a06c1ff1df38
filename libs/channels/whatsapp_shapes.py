"""The shapes of Meta's webhooks, as far as we read them; what else is in them is ignored."""

from typing import Literal

import msgspec

Id = str | int


class Profile(msgspec.Struct):
    name: str | None = None


class Contact(msgspec.Struct):
    wa_id: Id | None = None
    user_id: Id | None = None
    parent_user_id: Id | None = None
    profile: Profile | None = None


class Metadata(msgspec.Struct):
    phone_number_id: Id


class Value(msgspec.Struct):
    metadata: Metadata
    contacts: list[Contact] = []
    messages: list[msgspec.Raw] = []
    statuses: list[msgspec.Raw] = []
    errors: list[msgspec.Raw] = []


class Change(msgspec.Struct):
    field: str
    value: msgspec.Raw


class Entry(msgspec.Struct):
    id: Id
    changes: list[Change]


class Webhook(msgspec.Struct):
    object: Literal["whatsapp_business_account"]
    entry: list[Entry]


class Context(msgspec.Struct):
    id: Id | None = None


class Head(msgspec.Struct, rename={"sender": "from"}):
    id: Id
    timestamp: Id
    type: str
    sender: Id | None = None
    from_user_id: Id | None = None
    from_parent_user_id: Id | None = None
    errors: list["ErrorPart"] = []
    context: Context | None = None


class TextPart(msgspec.Struct):
    body: str


class ButtonPart(msgspec.Struct):
    text: str
    payload: Id | None = None


class ReplyPart(msgspec.Struct):
    id: Id
    title: str
    description: str | None = None


class InteractivePart(msgspec.Struct):
    type: str
    button_reply: ReplyPart | None = None
    list_reply: ReplyPart | None = None


class ReactionPart(msgspec.Struct):
    message_id: Id
    emoji: str | None = None


class MediaPart(msgspec.Struct):
    id: Id
    mime_type: str | None = None
    sha256: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool = False


class LocationPart(msgspec.Struct):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class NamePart(msgspec.Struct):
    formatted_name: str | None = None


class PhonePart(msgspec.Struct):
    phone: Id | None = None
    wa_id: Id | None = None


class CardPart(msgspec.Struct):
    name: NamePart | None = None
    phones: list[PhonePart] = []


class SystemPart(msgspec.Struct):
    type: str = "unknown"
    body: str | None = None
    wa_id: Id | None = None
    new_wa_id: Id | None = None
    user_id: Id | None = None
    parent_user_id: Id | None = None
    previous_user_id: Id | None = None


class Details(msgspec.Struct):
    details: str | None = None


class ErrorPart(msgspec.Struct):
    code: int
    title: str | None = None
    message: str | None = None
    error_data: Details | None = None


class Pricing(msgspec.Struct):
    billable: bool | None = None
    category: str | None = None
    type: str | None = None


class StatusPart(msgspec.Struct):
    id: Id
    status: str
    timestamp: Id
    recipient_id: Id | None = None
    recipient_user_id: Id | None = None
    biz_opaque_callback_data: str | None = None
    errors: list[ErrorPart] = []
    pricing: Pricing | None = None


class PreferencePart(msgspec.Struct):
    category: str
    value: str
    timestamp: Id
    wa_id: Id | None = None
    user_id: Id | None = None
    parent_user_id: Id | None = None


class Preferences(msgspec.Struct):
    user_preferences: list[PreferencePart]
    metadata: Metadata | None = None


class Moved(msgspec.Struct):
    previous: Id | None = None
    current: Id | None = None


class UserIdPart(msgspec.Struct):
    user_id: Moved | Id | None = None
    previous_user_id: Id | None = None
    wa_id: Id | None = None
    timestamp: Id | None = None


class UserIds(msgspec.Struct):
    user_id_update: list[UserIdPart]
    metadata: Metadata | None = None


class TemplateChange(msgspec.Struct):
    event: str
    message_template_name: str
    message_template_language: str
    message_template_id: Id | None = None
    reason: str | None = None
