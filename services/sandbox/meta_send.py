"""What Meta takes on `/messages`, and how it refuses everything else."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from services.sandbox.settings import Template

_STATUS = {0: 401, 190: 401, 3: 403, 10: 403, 131031: 403, 368: 403, 130497: 403, 4: 429, 80007: 429, 130429: 429}
_STATUS |= {131000: 500, 131016: 503, 133004: 503, 1: 500, 2: 503, 132001: 404, 132015: 400, 131057: 500}
_PARAMETER = re.compile(r"{{\s*([^}|\s]+)[^}]*}}")
_PHONE = re.compile(r"\+?[0-9]{7,15}\Z")
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z")

TITLES = {
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131049: "This message was not delivered to maintain healthy ecosystem engagement",
    131050: "User's number is part of a marketing opt-out",
    131053: "Media upload error",
}


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


class _Text(msgspec.Struct):
    body: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    preview_url: bool = False


class _Language(msgspec.Struct):
    code: str


class _Parameter(msgspec.Struct):
    type: str
    text: str | None = None
    parameter_name: str | None = None


class _Component(msgspec.Struct):
    type: Literal["header", "body", "button"]
    parameters: list[_Parameter] = []


class _Template(msgspec.Struct):
    name: str
    language: _Language
    components: list[_Component] = []


class _Context(msgspec.Struct):
    message_id: str


class _Send(msgspec.Struct):
    messaging_product: Literal["whatsapp"]
    status: Literal["read"] | None = None
    message_id: str | None = None
    type: str = "text"
    to: str | int | None = None
    recipient: str | None = None
    text: _Text | None = None
    template: _Template | None = None
    context: _Context | None = None
    biz_opaque_callback_data: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class ReadMark(msgspec.Struct, frozen=True):
    """The business has read the contact's message."""

    message_id: str


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message that may be sent. `to` is a wa_id or a BSUID, `text` what the contact will read."""

    to: str
    type: Literal["text", "template"]
    text: str
    template: str | None
    category: str
    reference: str | None
    reply_to: str | None


def check(raw: bytes, templates: Sequence[Template] | None, display_number: str) -> Outgoing | ReadMark:
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
        return ReadMark(body.message_id)
    text, category = _content(body, templates)
    return Outgoing(
        to=_recipient(body, display_number),
        type="template" if body.type == "template" else "text",
        text=text,
        template=body.template.name if body.type == "template" and body.template else None,
        category=category,
        reference=body.biz_opaque_callback_data,
        reply_to=body.context.message_id if body.context else None,
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


def _content(body: _Send, templates: Sequence[Template] | None) -> tuple[str, str]:
    """The text that the contact will read, and the category that is billed."""
    if body.type == "text":
        if body.text is None:
            raise GraphError(131008, "Required parameter is missing: text")
        return body.text.body, "service"
    if body.type == "template":
        if body.template is None:
            raise GraphError(131008, "Required parameter is missing: template")
        return _filled(body.template, templates)
    raise GraphError(131051, f"the sandbox sends text and template messages, not {body.type!r}")


def _filled(given: _Template, templates: Sequence[Template] | None) -> tuple[str, str]:
    parameters = [p for component in given.components if component.type == "body" for p in component.parameters]
    plain = " ".join(p.text or "" for p in parameters)
    if templates is None:
        return plain, "utility"
    for template in templates:
        if (template.name, template.language) == (given.name, given.language.code):
            break
    else:
        raise GraphError(132001, f"template name ({given.name}) does not exist in {given.language.code}")
    if not template.body:
        return plain, template.category
    wanted = list(dict.fromkeys(_PARAMETER.findall(template.body)))
    values = {p.parameter_name or str(position): p.text or "" for position, p in enumerate(parameters, 1)}
    if set(wanted) != set(values):
        raise GraphError(132000, f"body: expected the parameters {wanted}, got {list(values)}")
    return _PARAMETER.sub(lambda name: values[name[1]], template.body), template.category
