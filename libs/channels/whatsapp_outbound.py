"""What is said to Meta: text and template messages, and the read mark."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from libs.channels.outcome import Refused
from libs.channels.whatsapp_address import is_user_id, wa_id

GRAPH_VERSION = "v26.0"
_TEXT_LIMIT = 4096
_REFERENCE_LIMIT = 512
_MISSING_PARAMETER = 131008
_WRONG_VALUE = 131009


@dataclass(frozen=True, slots=True)
class Request:
    """A JSON POST to the Graph API: `path` is appended to the base URL."""

    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TextMessage:
    """Free text, allowed while the service window is open; at most 4096 characters."""

    body: str
    preview_url: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """An image, document or video of a template's header, by media id or by link."""

    kind: Literal["image", "document", "video"]
    id: str | None = None
    link: str | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class QuickReply:
    """What a template's quick reply button (counted from 0) sends back when it is pressed."""

    index: int
    payload: str


@dataclass(frozen=True, slots=True)
class UrlSuffix:
    """What is appended to the address of a template's link button (counted from 0)."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """A template that Meta approved. Its `language` must be an approved translation exactly (`en` is not `en_US`).

    `body`: parameters by name where the template has named ones, by position otherwise.
    """

    name: str
    language: str
    body: Mapping[str, str] | tuple[str, ...] = ()
    header: str | File | None = None
    buttons: tuple[QuickReply | UrlSuffix, ...] = ()


def write(
    message: TextMessage | TemplateMessage,
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
        return Refused(_WRONG_VALUE, f"the reference must have 1 to {_REFERENCE_LIMIT} characters", "message")
    if is_user_id(to):
        person = {"recipient": to}
    elif (digits := wa_id(to)) is not None:
        person = {"to": digits}
    else:
        return Refused(_WRONG_VALUE, "the recipient is neither a phone in E.164 nor a user id", "contact")
    content = _text(message) if isinstance(message, TextMessage) else _template(message)
    if isinstance(content, Refused):
        return content
    body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual", **person, **content}
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


def _text(message: TextMessage) -> dict[str, Any] | Refused:
    if not message.body.strip():
        return Refused(_MISSING_PARAMETER, "the text is empty", "message")
    if len(message.body) > _TEXT_LIMIT:
        return Refused(
            _WRONG_VALUE, f"the text has {len(message.body)} characters; at most {_TEXT_LIMIT} are allowed", "message"
        )
    return {"type": "text", "text": {"preview_url": message.preview_url, "body": message.body}}


def _template(message: TemplateMessage) -> dict[str, Any] | Refused:
    named = isinstance(message.body, Mapping)
    pairs = message.body.items() if isinstance(message.body, Mapping) else enumerate(message.body, 1)
    parameters: list[dict[str, str]] = []
    for name, value in pairs:
        text = _one_line(value)
        if not text:
            return Refused(_MISSING_PARAMETER, f"the parameter {name} of template {message.name} is empty", "message")
        parameters.append({"type": "text", **({"parameter_name": str(name)} if named else {}), "text": text})
    components: list[dict[str, Any]] = []
    if message.header is not None:
        components.append({"type": "header", "parameters": [_header(message.header)]})
    if parameters:
        components.append({"type": "body", "parameters": parameters})
    components.extend(_button(button) for button in message.buttons)
    template: dict[str, Any] = {"name": message.name, "language": {"code": message.language}}
    if components:
        template["components"] = components
    return {"type": "template", "template": template}


def _header(header: str | File) -> dict[str, Any]:
    if isinstance(header, str):
        return {"type": "text", "text": _one_line(header)}
    about = {"id": header.id, "link": header.link, "filename": header.filename}
    return {"type": header.kind, header.kind: {key: value for key, value in about.items() if value is not None}}


def _button(button: QuickReply | UrlSuffix) -> dict[str, Any]:
    if isinstance(button, QuickReply):
        kind, parameter = "quick_reply", {"type": "payload", "payload": button.payload}
    else:
        kind, parameter = "url", {"type": "text", "text": button.text}
    return {"type": "button", "sub_type": kind, "index": str(button.index), "parameters": [parameter]}


def _one_line(text: str) -> str:
    """Meta refuses line breaks, tabs and runs of spaces in a parameter."""
    return " ".join(text.split())
