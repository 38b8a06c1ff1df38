"""Exotel's calls: a form that dials straight into our media stream, its status callbacks, and the call's details.

Source: developer.exotel.com as of August 2026 (Connect Voice AI, StatusCallback, call details). `From` is the contact. There is
no idempotency key: after a lost answer only the call list, a callback or the call's own media tell. Nothing is signed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from libs.channels.call_status import State, Status
from libs.channels.outcome import Accepted, Broken, Outcome, Refused, Retry, Scope, Unknown
from libs.channels.sms_items import Malformed, scrubbed
from libs.channels.whatsapp_address import e164

IST = timezone(timedelta(hours=5, minutes=30))
LONGEST_STREAM_URL = 600
LONGEST_CUSTOM_FIELD = 128
LONGEST_TALK = 3600
Became = Literal["talked", "nobody", "hung_up"]
"""What became of ringing a second person in a call."""

_OVER: Mapping[str, State] = {
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
    "canceled": "failed",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A form POST: `path` is appended to the base URL."""

    path: str
    form: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A flow has come to the applet that wants our stream's URL. `caller` is E.164 where somebody called us."""

    ref: str
    call: str | None
    caller: str | None
    dialled: str | None


class _Call(msgspec.Struct):
    Sid: str
    Status: str | None = None
    From: str | None = None
    DateCreated: str | None = None
    DateUpdated: str | None = None
    EndTime: str | None = None
    Duration: int | str | None = None
    RecordingUrl: str | None = None


class _Legs(msgspec.Struct):
    Leg2Status: str | None = None
    ConversationDuration: int | str | None = None


class _WithLegs(msgspec.Struct):
    Status: str | None = None
    Details: _Legs = msgspec.field(default_factory=_Legs)


class _Detailed(msgspec.Struct):
    Call: _WithLegs


class _Taken(msgspec.Struct):
    Call: _Call


class _Listed(msgspec.Struct):
    Calls: list[_Call]


class _Exception(msgspec.Struct):
    Message: str | None = None
    Code: str | int | None = None


class _Failure(msgspec.Struct):
    RestException: _Exception


def write(
    *,
    account_sid: str,
    call: str,
    to: str,
    caller_id: str,
    stream_url: str,
    callback: str,
    ring_seconds: int = 30,
    max_seconds: int = 600,
    flow: str | None = None,
) -> Request | Refused:
    """The call that rings `to` (E.164) and opens our media stream when it is answered; `call` comes back as CustomField.

    `flow` is the id of a flow of the account's, for accounts without Connect Voice AI: its Voicebot applet asks us for the URL.
    """
    url = f"{stream_url}?{urlencode({'call': call})}"
    if len(url) >= LONGEST_STREAM_URL or len(call) > LONGEST_CUSTOM_FIELD:
        return Refused(
            "too_long", f"Exotel takes a StreamUrl of {LONGEST_STREAM_URL - 1} characters at most", "account"
        )
    form = {
        "From": to,
        "CallerId": caller_id,
        **_leads_to(account_sid, url, flow),
        "TimeOut": str(ring_seconds),
        "TimeLimit": str(max_seconds),
        "CustomField": call,
        "StatusCallback": callback,
        "StatusCallbackEvents[0]": "ringing",
        "StatusCallbackEvents[1]": "answered",
        "StatusCallbackEvents[2]": "terminal",
        "StatusCallbackContentType": "application/json",
    }
    return Request(f"/v1/Accounts/{quote(account_sid, safe='')}/Calls/connect.json", form)


def _leads_to(account_sid: str, url: str, flow: str | None) -> dict[str, str]:
    if flow is None:
        return {"StreamUrl": url, "StreamType": "bidirectional"}
    return {"Url": f"http://my.exotel.com/{quote(account_sid, safe='')}/exoml/start_voice/{quote(flow, safe='')}"}


def details_path(account_sid: str, ref: str) -> str:
    """Where a call's details are."""
    return f"/v1/Accounts/{quote(account_sid, safe='')}/Calls/{quote(ref, safe='')}.json?details=true"


def list_path(account_sid: str, to: str, since: datetime) -> str:
    """Where the calls to `to` since then are listed."""
    query = urlencode({"From": to, "DateCreated": f"gte:{since.astimezone(IST):%Y-%m-%d %H:%M:%S}", "PageSize": "100"})
    return f"/v1/Accounts/{quote(account_sid, safe='')}/Calls.json?{query}"


def classify(answer: int | Broken, body: bytes = b"", *, retry_after: float | None = None) -> Outcome:
    """What a `Calls/connect` came to. `answer` is the HTTP status or how it broke, `retry_after` in seconds.

    A 5xx is of unknown outcome: the phone may be ringing.
    """
    if answer == "not_connected":
        return Retry("no connection to Exotel")
    if answer == "no_answer":
        return Unknown("the request left us and no whole answer came back")
    if 200 <= answer < 300:
        try:
            return Accepted(msgspec.json.decode(body, type=_Taken).Call.Sid)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Unknown("Exotel answered success with a body that names no call")
    try:
        problem = msgspec.json.decode(body, type=_Failure).RestException
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        problem = _Exception()
    details = scrubbed(problem.Message or "")
    if answer == 429:
        return Retry("429 too many requests", retry_after)
    if answer >= 500:
        return Unknown(f"{answer} {details or 'without an error document'}")
    scope: Scope = "account" if answer in (401, 402, 403, 404, 405) or 300 <= answer < 400 else "message"
    return Refused(problem.Code or answer, details or "Exotel refuses the call", scope)


def read_callback(given: Mapping[str, Any], received_at: datetime) -> Status | None:
    """A status callback, long or short; None for an event that we do not know. Raises Malformed without a CallSid."""
    ref = given.get("CallSid")
    if not isinstance(ref, str) or not ref.strip():
        raise Malformed("CallSid", "is missing")
    said = str(given.get("Status") or "").strip().lower().replace("_", "-")
    event = str(given.get("EventType") or "").strip().lower()
    state: State | None = _OVER.get(said)
    if event == "answered" or (state is None and said == "answered"):
        state = "answered"
    elif event == "ringing" or (state is None and said == "ringing"):
        state = "ringing"
    if state is None:
        return None
    return Status(
        ref=ref.strip(),
        state=state,
        at=_time(given.get("DateUpdated")) or received_at,
        call=str(given["CustomField"]) if given.get("CustomField") else None,
        seconds=_seconds(given.get("ConversationDuration")),
        machine=_machine(given),
        recording=str(given.get("RecordingUrl") or "") or None,
    )


def connect(numbers: Sequence[str], whisper: str, *, ring_seconds: int) -> dict[str, Any]:
    """What a flow's Connect applet is answered that asks whom to ring (docs.exotel.com, programmable connect 1.0).

    The numbers are tried in their order, and whoever answers hears `whisper` before they are connected; none: the flow goes on.
    A field that Exotel does not know makes it drop the call. The number shown is that of the call.
    """
    if not numbers:
        return {"fetch_after_attempt": False, "destination": {"numbers": []}}
    return {
        "fetch_after_attempt": False,
        "destination": {"numbers": list(numbers)},
        "record": False,
        "max_ringing_duration": ring_seconds,
        "max_conversation_duration": LONGEST_TALK,
        "music_on_hold": {"type": "default_tone"},
        "start_call_playback": {"playback_to": "callee", "type": "text", "value": whisper},
    }


def read_after(given: Mapping[str, str]) -> tuple[str, Became, int]:
    """What a Passthru applet after Connect tells: Exotel's id, what became of it, seconds from ringing on. Raises Malformed."""
    ref = given.get("CallSid", "").strip()
    if not ref:
        raise Malformed("CallSid", "is missing")
    became: Mapping[str, Became] = {"completed": "talked", "client-hangup": "hung_up"}
    said = given.get("CallType", "").strip().lower()
    return ref, became.get(said, "nobody"), _seconds(given.get("DialCallDuration")) or 0


def read_second_leg(body: bytes) -> tuple[Became, int] | None:
    """What a call's details say of the person who was rung; None while it goes on. Raises Malformed."""
    try:
        told = msgspec.json.decode(body, type=_Detailed).Call
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("$", "must be a call's details", syntax=True) from error
    if (told.Status or "").lower() not in _OVER:
        return None
    talked = (told.Details.Leg2Status or "").lower() == "completed"
    return ("talked", _seconds(told.Details.ConversationDuration) or 0) if talked else ("nobody", 0)


def read_flow(given: Mapping[str, str]) -> Reached:
    """What the applet asks with (query or form). Raises Malformed without a CallSid."""
    ref = given.get("CallSid", "").strip()
    if not ref:
        raise Malformed("CallSid", "is missing")
    theirs = given.get("Direction", "").strip().lower() in ("incoming", "inbound")
    caller = given.get("CallFrom") or given.get("From") or ""
    return Reached(
        ref=ref,
        call=given.get("CustomField") or None,
        caller=(e164(caller) or None) if theirs else None,
        dialled=given.get("CallTo") or given.get("To") or None,
    )


def read_details(body: bytes, received_at: datetime) -> Status | None:
    """A call's details; None while it goes on. `in-progress` says nothing: it is so from the moment of dialling.

    Raises Malformed.
    """
    try:
        call = msgspec.json.decode(body, type=_Taken).Call
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("$", "must be a call's details", syntax=True) from error
    state = _OVER.get((call.Status or "").lower())
    if state is None:
        return None
    at = _time(call.EndTime) or _time(call.DateUpdated) or received_at
    return Status(ref=call.Sid, state=state, at=at, seconds=_seconds(call.Duration), recording=call.RecordingUrl)


def found_in(body: bytes, to: str, since: datetime, known: Iterable[str]) -> str | None:
    """Exotel's id of the one call to `to` since then that is none of `known`; None where none or several are.

    The list shows no CustomField, so that only a single stranger can be ours. Raises Malformed.
    """
    try:
        calls = msgspec.json.decode(body, type=_Listed).Calls
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("$", "must be a list of calls", syntax=True) from error
    ours = set(known)
    strangers = [
        call.Sid
        for call in calls
        if call.Sid not in ours
        and e164(call.From or "") == to
        and (at := _time(call.DateCreated)) is not None
        and at >= since.replace(microsecond=0)
    ]
    return strangers[0] if len(strangers) == 1 else None


def _machine(given: Mapping[str, Any]) -> bool:
    legs = given.get("Legs")
    said = [leg.get("AnsweredBy") for leg in legs if isinstance(leg, Mapping)] if isinstance(legs, list) else []
    said += [value for name, value in given.items() if name.startswith("Legs[") and name.endswith("[AnsweredBy]")]
    return any(str(each).upper() == "MACHINE" for each in said)


def _seconds(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _time(text: Any) -> datetime | None:
    """`YYYY-MM-DD HH:mm:ss` of India; None for what is none, or for the epoch that stands for it."""
    try:
        at = datetime.strptime(str(text or "").strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=IST)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.year > 1970 else None
