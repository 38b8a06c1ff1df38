"""What SendGrid and Mailgun tell of our mails: how far they got, and who wants no more. Opens and clicks mean nothing here."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from libs.channels.email_address import bare_id, message_of, normal, without_addresses
from libs.channels.email_mime import Malformed
from libs.channels.email_verify import MailgunSignature

MailState = Literal["accepted", "delivered", "failed", "bounced"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A state of a mail of ours: `id` is the event's own, `mail` the Message-ID, `reference` our message."""

    id: str
    state: MailState
    at: datetime
    mail: str | None = None
    reference: UUID | None = None
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NoMore:
    """Somebody wants no more mail: by the provider's link, its preferences, or a complaint."""

    id: str
    address: str
    how: Literal["link", "preference", "complaint"]
    reference: UUID | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that changes nothing, by its name."""

    name: str


Told = Progress | NoMore | Ignored


class _SendGridEvent(msgspec.Struct):
    event: str
    timestamp: int | float
    sg_event_id: str
    email: str = ""
    smtp_id: str | None = msgspec.field(default=None, name="smtp-id")
    sg_message_id: str | None = None
    msg: str | None = None
    type: str | None = None
    status: str | None = None
    reason: str | None = None


class _Delivery(msgspec.Struct):
    code: int | None = None
    bounce_code: str | None = msgspec.field(default=None, name="bounce-code")
    message: str | None = None
    description: str | None = None


class _Enclosed(msgspec.Struct):
    headers: dict[str, Any] = {}


class _MailgunEvent(msgspec.Struct):
    event: str
    timestamp: float
    id: str
    recipient: str = ""
    severity: str | None = None
    reason: str | None = None
    delivery: _Delivery = msgspec.field(default_factory=_Delivery, name="delivery-status")
    message: _Enclosed = msgspec.field(default_factory=_Enclosed)
    variables: Any = msgspec.field(default=None, name="user-variables")


class _MailgunWebhook(msgspec.Struct):
    signature: MailgunSignature
    event: _MailgunEvent = msgspec.field(name="event-data")


def read_sendgrid(raw: bytes) -> list[Told]:
    """The events of one webhook. An event of another shape is Ignored, for the others' sake; Malformed where none has one."""
    try:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise Malformed("$", "the events must be an array") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("$", "must be JSON") from error
    told = [_sendgrid(item) for item in items]
    if all(each == Ignored("malformed") for each in told):
        raise Malformed("$[0]", "an event has `event`, `timestamp` and `sg_event_id`")
    return [item for each in told for item in (each if isinstance(each, list) else [each])]


def read_mailgun_signature(raw: bytes) -> MailgunSignature:
    """What a webhook is signed with. Raises Malformed."""
    return _mailgun(raw).signature


def read_mailgun(raw: bytes) -> list[Told]:
    """The event of one webhook. Raises Malformed."""
    event = _mailgun(raw).event
    at = _time(event.timestamp)
    mail = bare_id(_str(event.message.headers.get("message-id")))
    variables = event.variables if isinstance(event.variables, dict) else {}
    reference = message_of(_str(variables.get("msg"))) or message_of(mail)
    code = event.delivery.bounce_code or (str(event.delivery.code) if event.delivery.code else None)
    reason = without_addresses(event.delivery.message or event.delivery.description or event.reason or "")

    def progress(state: MailState, code: str | None = code) -> Progress:
        return Progress(event.id, state, at, mail, reference, code, reason or None)

    match event.event:
        case "accepted" | "delivered":
            return [Progress(event.id, "accepted" if event.event == "accepted" else "delivered", at, mail, reference)]
        case "failed" if event.severity == "permanent":
            return [progress("bounced" if _is_bounce(code, event.reason) else "failed")]
        case "rejected":
            return [progress("failed", "rejected")]
        case "complained":
            return [NoMore(event.id, normal(event.recipient), "complaint", reference), progress("failed", "complaint")]
        case "unsubscribed":
            return [NoMore(event.id, normal(event.recipient), "link", reference)]
        case other:
            return [Ignored(other)]


def _sendgrid(raw: bytes | msgspec.Raw) -> list[Told] | Ignored:
    try:
        event = msgspec.json.decode(raw, type=_SendGridEvent)
        at = _time(event.timestamp)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Malformed):
        return Ignored("malformed")
    mail = bare_id(event.smtp_id) or bare_id(event.sg_message_id)
    reference = message_of(event.msg) or message_of(event.smtp_id)
    reason = without_addresses(event.reason or "") or None

    def progress(state: MailState, code: str | None = None) -> Progress:
        return Progress(event.sg_event_id, state, at, mail, reference, code or event.status, reason)

    match event.event:
        case "processed":
            return [progress("accepted")]
        case "delivered":
            return [progress("delivered")]
        case "bounce":
            return [progress("failed" if event.type == "blocked" else "bounced")]
        case "dropped":
            return [progress("bounced" if "bounced" in (event.reason or "").lower() else "failed", "dropped")]
        case "spamreport":
            return [
                NoMore(event.sg_event_id, normal(event.email), "complaint", reference),
                progress("failed", "complaint"),
            ]
        case "unsubscribe":
            return [NoMore(event.sg_event_id, normal(event.email), "link", reference)]
        case "group_unsubscribe":
            return [NoMore(event.sg_event_id, normal(event.email), "preference", reference)]
        case other:
            return [Ignored(other)]


def _mailgun(raw: bytes) -> _MailgunWebhook:
    try:
        return msgspec.json.decode(raw, type=_MailgunWebhook)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise Malformed(path.rstrip("`") or "$", message) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("$", "must be JSON") from error


def _is_bounce(code: str | None, reason: str | None) -> bool:
    """Whether the address does not take mail, as opposed to the mail not being taken."""
    if (code or "").startswith(("5.7", "5.6")) or (reason or "").startswith("suppress-unsubscribe"):
        return False
    return (
        (code or "").startswith(("5.1", "5.2"))
        or code in ("550", "551", "553")
        or (reason or "")
        in (
            "bounce",
            "suppress-bounce",
        )
    )


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed("timestamp", "must be seconds since 1970") from error


def _str(found: Any) -> str | None:
    return found if isinstance(found, str) else None
