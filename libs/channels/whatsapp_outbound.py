"""The calls to the Graph API: a message to a contact, the read mark with the typing indicator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.channels.outcome import Refused
from libs.channels.whatsapp_address import is_user_id, wa_id
from libs.channels.whatsapp_message import WRONG_VALUE, Message, content

GRAPH_VERSION = "v26.0"
_REFERENCE_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Request:
    """A JSON POST to the Graph API: `path` is appended to the base URL."""

    path: str
    body: Mapping[str, Any]


def write(
    message: Message,
    *,
    to: str,
    account: str,
    reference: str | None = None,
    reply_to: str | None = None,
    version: str = GRAPH_VERSION,
) -> Request | Refused:
    """The call that sends `message` from the business number `account` (its phone number id).

    `to` is a phone in any usual notation, a wa_id or a BSUID; `reference` our message id, which every status webhook
    echoes as `biz_opaque_callback_data`; `reply_to` the provider's id of the message that is quoted. What Meta would
    refuse for certain is refused here, with Meta's code.
    """
    if reference is not None and not 0 < len(reference) <= _REFERENCE_LIMIT:
        return Refused(WRONG_VALUE, f"the reference must have 1 to {_REFERENCE_LIMIT} characters", "message")
    if is_user_id(to):
        person = {"recipient": to}
    elif (digits := wa_id(to)) is not None:
        person = {"to": digits}
    else:
        return Refused(WRONG_VALUE, "the recipient is neither a phone in E.164 nor a user id", "contact")
    said = content(message)
    if isinstance(said, Refused):
        return said
    body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual", **person, **said}
    if reply_to is not None:
        body["context"] = {"message_id": reply_to}
    if reference is not None:
        body["biz_opaque_callback_data"] = reference
    return Request(f"/{version}/{account}/messages", body)


def mark_read(message_id: str, *, account: str, typing: bool = False, version: str = GRAPH_VERSION) -> Request:
    """Shows the contact two blue ticks and, with `typing`, that we are writing (for 25 s or until we answer)."""
    body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
    if typing:
        body["typing_indicator"] = {"type": "text"}
    return Request(f"/{version}/{account}/messages", body)
