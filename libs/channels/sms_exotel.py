"""Exotel SMS: a form to be posted, a status callback that carries our id, and messages of contacts. None of it is signed.

Source: developer.exotel.com (send SMS, SMS webhooks), captured in November 2026. Exotel has no idempotency key and no look-up
by CustomField: after a lost answer only the status callback tells. Times are India's, without a zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from libs.channels.outcome import Accepted, Broken, Outcome, Refused, Retry, Scope, State, Unknown
from libs.channels.sms import Message
from libs.channels.sms_items import Inbound, Malformed, Status, scrubbed
from libs.channels.whatsapp_address import e164

LONGEST_BODY = 2000
IST = timezone(timedelta(hours=5, minutes=30))
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_OPTED_OUT = 23020
_HANDSET = 20005
_DND = frozenset({23005})
_DLT = frozenset({23070, 23281, *range(23080, 23085), *range(23181, 23187)})
_BAD_NUMBER = frozenset({23010, 23040})
_UNREACHABLE = frozenset({23035, 23050})
_STATES: Mapping[str, State] = {
    "queued": "accepted",
    "sending": "accepted",
    "submitted": "sent",
    "sent": "sent",
    "failed": "failed",
    "failed-dnd": "failed",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A form POST: `path` is appended to the base URL."""

    path: str
    form: Mapping[str, str]


class _Sms(msgspec.Struct):
    Sid: str | int
    To: str | int | None = None
    Status: str | None = None
    DetailedStatus: str | None = None
    DetailedStatusCode: str | int | None = None


class _Taken(msgspec.Struct):
    SMSMessage: _Sms


class _Exception(msgspec.Struct):
    Message: str | None = None
    Code: str | int | None = None
    Status: str | int | None = None


class _Failure(msgspec.Struct):
    RestException: _Exception


def write(message: Message, *, account_sid: str, sender: str, callback: str | None) -> Request | Refused:
    """The call that sends a registered text. Our id travels as CustomField and comes back in each status callback."""
    if message.registered is None:
        return Refused("free_text", "Exotel sends registered texts only: name a template", "message")
    if len(message.text) > LONGEST_BODY:
        return Refused("too_long", f"Exotel takes {LONGEST_BODY} characters, it has {len(message.text)}", "message")
    form = {
        "From": sender,
        "To": message.to,
        "Body": message.text,
        "DltEntityId": message.registered.entity_id,
        "DltTemplateId": message.registered.template_id,
        "SmsType": "promotional" if message.registered.promotional else "transactional",
        "EncodingType": "unicode" if message.unicode else "plain",
        "CustomField": message.reference,
    }
    if callback is not None:
        form["StatusCallback"] = callback
    return Request(f"/v1/Accounts/{quote(account_sid, safe='')}/Sms/send.json", form)


def classify(answer: int | Broken, body: bytes = b"", *, retry_after: float | None = None) -> Outcome:
    """What a call to `Sms/send` came to. `answer` is the HTTP status or how the call broke, `retry_after` in seconds."""
    if answer == "not_connected":
        return Retry("no connection to Exotel")
    if answer == "no_answer":
        return Unknown("the request left us and no whole answer came back")
    if 200 <= answer < 300:
        return _taken(body)
    try:
        problem = msgspec.json.decode(body, type=_Failure).RestException
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        problem = _Exception()
    code = _number(problem.Code)
    details = scrubbed(problem.Message or "")
    if answer == 429 or code == 40405:
        return Retry(f"{code or answer} too many requests", retry_after)
    if answer >= 500:
        return Unknown(f"{answer} {details or 'without an error document'}")
    scope: Scope = "account" if answer in (401, 402, 403, 404, 405) or 300 <= answer < 400 else "message"
    hint = _HTTP_HINTS.get(answer, "Exotel refuses the request")
    return Refused(code or answer, f"{hint} ({details})" if details else hint, scope)


_HTTP_HINTS = {
    401: "the API key or token is wrong, or of another region",
    402: "the account has no balance",
    403: "the account may not send: no balance, inactive, or SMS is not enabled",
    404: "the account or the base URL is wrong",
}


def meaning(code: int | None, details: str = "", *, dnd: bool = False) -> Refused:
    """What a DetailedStatusCode of a failure asks of us: the DLT ones are mistakes of the configuration."""
    said = f" ({scrubbed(details)})" if details else ""
    if code is None:
        code = 0
    if code == _OPTED_OUT:
        return Refused(code, f"the contact has opted out: suppress the number{said}", "contact", opted_out=True)
    if dnd or code in _DND:
        return Refused(code or "failed-dnd", f"the number is on the do-not-disturb register{said}", "contact")
    if code in _DLT:
        reason = f"DLT refuses it: entity, header, template or text are not as registered{said}"
        return Refused(code, reason, "account")
    if code in _BAD_NUMBER:
        return Refused(code, f"the number is not valid{said}", "contact")
    if code in _UNREACHABLE:
        return Refused(code, f"the phone was off or out of reach until it expired: later again{said}", "message")
    return Refused(code or "failed", f"Exotel could not deliver it{said}", "message")


def touched(code: int | None) -> Scope | None:
    """Whom a failure with this code is about; None for a code that the tables do not have."""
    known = {_OPTED_OUT} | _DND | _DLT | _BAD_NUMBER | _UNREACHABLE
    return meaning(code).scope if code in known else None


def fields(raw: bytes, media_type: str) -> dict[str, str]:
    """The fields of a callback, form or JSON, as texts; null reads as absent. Raises Malformed.

    A letter of a form that is no UTF-8 costs nothing but itself, as in the query of a GET: the rest may say stop.
    """
    if media_type == JSON:
        return _json_fields(raw)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="replace", max_num_fields=100
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed("$", f"must be a form: {error}", syntax=True) from error
    return dict(pairs)


def read_status(given: Mapping[str, str], received_at: datetime) -> Status | None:
    """A status callback; None for a status that we do not know. `received_at` serves where it names no time.

    `sent` is where a message ends well: with 20005 the handset has confirmed it, else the operator has taken it.
    """
    sid = _needed(given, "SmsSid")
    said = _needed(given, "Status").strip().lower().replace("_", "-")
    state = _STATES.get(said)
    if state is None:
        return None
    code = _number(given.get("DetailedStatusCode"))
    if said == "sent" and code == _HANDSET:
        state = "delivered"
    failure = meaning(code, given.get("DetailedStatus") or "", dnd=said == "failed-dnd") if state == "failed" else None
    return Status(
        id=sid,
        state=state,
        at=_time(given.get("DateSent")) or received_at,
        reference=given.get("CustomField") or None,
        recipient=e164(given.get("To") or ""),
        refused=failure,
    )


def read_inbound(given: Mapping[str, str]) -> Inbound | None:
    """A contact's message, from the query of a GET or the fields of a POST; None of a sender with a name (`VM-HDFCBK`).

    Raises Malformed.
    """
    named = _needed(given, "From")
    sender = e164(named)
    if sender is None and any(character.isalpha() for character in named):
        return None
    if sender is None:
        raise Malformed("From", "must be a phone number")
    if "Body" not in given:
        raise Malformed("Body", "is missing")
    return Inbound(
        id=_needed(given, "SmsSid"),
        account=_needed(given, "To"),
        sender=sender,
        text=given["Body"],
        at=_time(given.get("Date") or given.get("DateCreated")),
    )


def _taken(body: bytes) -> Outcome:
    try:
        sms = msgspec.json.decode(body, type=_Taken).SMSMessage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Unknown("Exotel answered success with a body that names no message")
    status = (sms.Status or "").lower().replace("_", "-")
    if status in ("failed", "failed-dnd"):
        return meaning(_number(sms.DetailedStatusCode), sms.DetailedStatus or "", dnd=status == "failed-dnd")
    return Accepted(str(sms.Sid), str(sms.To) if sms.To is not None else None, sms.DetailedStatus)


def _json_fields(raw: bytes) -> dict[str, str]:
    try:
        decoded: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("$", "must be JSON", syntax=True) from error
    if not isinstance(decoded, dict):
        raise Malformed("$", "must be an object")
    read: dict[str, str] = {}
    for name, value in decoded.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            read[name] = str(value)
        elif value is not None:
            raise Malformed(name, "must be a text or a number")
    return read


def _needed(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "").strip()
    if not value:
        raise Malformed(name, "is missing")
    return value


def _number(value: str | int | None) -> int | None:
    try:
        return int(value) if value is not None else None
    except ValueError:
        return None


def _time(text: str | None) -> datetime | None:
    """`YYYY-MM-DD HH:mm:ss` of India; None for what is none, or for the epoch that stands for it."""
    try:
        at = datetime.strptime((text or "").strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=IST)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.year > 1970 else None
