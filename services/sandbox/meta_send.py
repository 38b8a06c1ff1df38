"""What Meta takes on `/messages`, and how it refuses everything else."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec

from services.sandbox import meta_content as content
from services.sandbox.settings import Template

_STATUS = {0: 401, 190: 401, 3: 403, 10: 403, 131031: 403, 368: 403, 130497: 403, 4: 429, 80007: 429, 130429: 429}
_STATUS |= {131000: 500, 131016: 503, 133004: 503, 1: 500, 2: 503, 132001: 404, 132015: 400, 131057: 500}
_PARAMETER = re.compile(r"{{\s*([^}|\s]+)[^}]*}}")
_PHONE = re.compile(r"\+?[0-9]{7,15}\Z")
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z")
_UNAVAILABLE = {"PAUSED": 132015, "DISABLED": 132016}
_ROWS = 10

TITLES = {
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131049: "This message was not delivered to maintain healthy ecosystem engagement",
    131050: "User's number is part of a marketing opt-out",
    131053: "Media upload error",
}

Kind = Literal["text", "template", "interactive", "reaction", "image", "document", "audio", "video", "sticker"]


class GraphError(Exception):
    """A refusal in Meta's shape; `code` is what a client branches on."""

    def __init__(self, code: int, details: str, status: int | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(f"(#{code}) {details}")
        self.code = code
        self.details = details
        self.status = status or _STATUS.get(code, 400)
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        error = {
            "message": str(self),
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": "SandboxTrace",
        }
        return {"error": error}


class _Context(msgspec.Struct):
    message_id: str


class _Typing(msgspec.Struct):
    type: Literal["text"]


class _Send(msgspec.Struct):
    messaging_product: Literal["whatsapp"]
    status: Literal["read"] | None = None
    message_id: str | None = None
    typing_indicator: _Typing | None = None
    type: str = "text"
    to: str | int | None = None
    recipient: str | None = None
    text: content.Text | None = None
    template: content.TemplateCall | None = None
    interactive: content.Interactive | None = None
    reaction: content.Reaction | None = None
    image: content.File | None = None
    document: content.File | None = None
    audio: content.File | None = None
    video: content.File | None = None
    sticker: content.File | None = None
    context: _Context | None = None
    biz_opaque_callback_data: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class ReadMark(msgspec.Struct, frozen=True):
    """The business has read the contact's message, and may be typing an answer."""

    message_id: str
    typing: bool = False


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message that may be sent. `to` is a wa_id or a BSUID, `text` what the contact will read.

    `choices` are the ids and titles that may be pressed, `file` the upload or link of what is shown.
    """

    to: str
    type: Kind
    text: str
    template: str | None = None
    category: str = "service"
    reference: str | None = None
    reply_to: str | None = None
    choices: list[tuple[str, str]] = []
    file: str | None = None
    file_name: str | None = None
    payloads: list[str] = []


def check(
    raw: bytes, templates: Sequence[Template] | None, display_number: str, has_media: Callable[[str], bool]
) -> Outgoing | ReadMark:
    """What the body asks for; raises `GraphError` as Meta would."""
    try:
        body = msgspec.json.decode(raw, type=_Send)
    except msgspec.ValidationError as error:
        code = 131008 if "missing required field" in str(error) else 100
        raise GraphError(code, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GraphError(100, "the body is not JSON") from error
    if body.status == "read":
        if not body.message_id:
            raise GraphError(131008, "Required parameter is missing: message_id")
        return ReadMark(body.message_id, body.typing_indicator is not None)
    about = _content(body, templates)
    file = about.pop("shows", None)
    if file is not None:
        about |= {"file": _there(file, has_media), "file_name": file.filename}
    return Outgoing(
        to=_recipient(body, display_number),
        reference=body.biz_opaque_callback_data,
        reply_to=body.context.message_id if body.context else None,
        **about,
    )


def _recipient(body: _Send, display_number: str) -> str:
    if body.to is None and body.recipient is None:
        raise GraphError(131008, "Required parameter is missing: to")
    if body.to is None:
        if body.recipient is None or not _USER_ID.match(body.recipient):
            raise GraphError(131009, "Parameter value is not valid: recipient")
        return body.recipient
    phone = str(body.to)
    if not _PHONE.match(phone):
        raise GraphError(131009, "Parameter value is not valid: to")
    digits = phone.removeprefix("+")
    if digits == display_number:
        raise GraphError(131021, "Sender and recipient phone number is the same")
    return digits


def _content(body: _Send, templates: Sequence[Template] | None) -> dict[str, Any]:
    """What the contact will see, and the category that is billed."""
    if body.type not in get_args(Kind):
        raise GraphError(131051, f"the sandbox does not send {body.type!r}")
    part = getattr(body, body.type)
    if part is None:
        raise GraphError(131008, f"Required parameter is missing: {body.type}")
    match part:
        case content.Text():
            return {"type": "text", "text": part.body}
        case content.TemplateCall():
            return _filled(part, templates)
        case content.Interactive():
            return _offered(part)
        case content.Reaction():
            return {"type": "reaction", "text": part.emoji}
        case _:
            return _shown(body.type, part)


def _shown(kind: str, file: content.File) -> dict[str, Any]:
    if file.caption and kind in ("audio", "sticker"):
        raise GraphError(100, f'Unexpected key "caption" on param "{kind}"')
    return {"type": kind, "text": file.caption or "", "shows": file}


def _offered(asked: content.Interactive) -> dict[str, Any]:
    offered = asked.offered
    if not offered or (asked.type == "list" and not asked.action.button):
        raise GraphError(131008, "Required parameter is missing: action")
    if asked.type == "list" and len(offered) > _ROWS:
        raise GraphError(131009, f"Total row count exceed max allowed count: {_ROWS}")
    for values in zip(*offered, strict=True):
        if len(set(values)) < len(offered):
            raise GraphError(131009, "Duplicate button or row")
    file = asked.header.file if asked.header else None
    about: dict[str, Any] = {"type": "interactive", "text": asked.body.text, "choices": offered}
    return about | ({"shows": file} if file else {})


def _there(file: content.File, has_media: Callable[[str], bool]) -> str:
    """The id or the link of a file, which must be there."""
    if (file.id is None) == (file.link is None):
        raise GraphError(100, "The parameter needs either id or link")
    if file.link is not None:
        if not file.link.startswith(("https://", "http://")):
            raise GraphError(131053, "the link is none that Meta fetches")
        return file.link
    if not has_media(file.id or ""):
        raise GraphError(131009, "Parameter value is not valid: the media id does not exist")
    return file.id or ""


def _filled(given: content.TemplateCall, templates: Sequence[Template] | None) -> dict[str, Any]:
    parameters = [p for component in given.components if component.type == "body" for p in component.parameters]
    headers = [p for component in given.components if component.type == "header" for p in component.parameters]
    buttons = [p for component in given.components if component.type == "button" for p in component.parameters]
    about: dict[str, Any] = {"type": "template", "template": given.name, "category": "utility"}
    about |= {"payloads": [each.payload or each.text or "" for each in buttons]}
    if headers and headers[0].file is not None:
        about["shows"] = headers[0].file
    plain = " ".join(p.text or "" for p in parameters)
    if templates is None:
        return about | {"text": plain}
    template = next((t for t in templates if (t.name, t.language) == (given.name, given.language.code)), None)
    if template is None:
        raise GraphError(132001, f"template name ({given.name}) does not exist in {given.language.code}")
    if template.status not in ("APPROVED", "FLAGGED"):
        code = _UNAVAILABLE.get(template.status, 132001)
        raise GraphError(code, f"template {given.name} is {template.status.lower()}")
    about["category"] = template.category
    wanted_header = template.header if template.header in ("IMAGE", "VIDEO", "DOCUMENT") else None
    if wanted_header != (headers[0].type.upper() if headers and headers[0].type != "text" else None):
        raise GraphError(132012, f"header: expected {wanted_header}")
    if not template.body:
        return about | {"text": plain}
    wanted = list(dict.fromkeys(_PARAMETER.findall(template.body)))
    values = {p.parameter_name or str(position): p.text or "" for position, p in enumerate(parameters, 1)}
    if set(wanted) != set(values):
        raise GraphError(132000, f"body: expected the parameters {wanted}, got {list(values)}")
    return about | {"text": _PARAMETER.sub(lambda name: values[name[1]], template.body)}
