"""An emulator of Exotel's Connect API: what it takes, what becomes of a call, and what its details say.

Source: developer.exotel.com as of August 2026. `From` is the contact. Dates are Indian local time without a zone.
"""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import msgspec

from services.sandbox.exotel import ExotelError, admit
from services.sandbox.state import Answer, Background, Faults
from services.sandbox.voice.phone import Moment, Phones, Talker
from services.sandbox.voice.phone_script import Fate
from services.sandbox.voice.recording import Recording
from services.sandbox.voice.settings import ExotelSettings

IST = timezone(timedelta(hours=5, minutes=30))
_INDIAN = re.compile(r"(?:\+?91|0)?([1-9]\d{9})")
_MINUTE_S = 60.0


class ExotelFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` calls (to `to`).

    `refuse`: `"429"`, `"403:40001"`, with `retry_after`. `answer`: how the answer to the API's caller is lost; with `commits`
    the call is placed all the same. `ends`: what becomes of the call. Of the status callbacks: `silent` (none), `short` form,
    `copies`, `late` seconds, `backwards` (the last event first), `form`. Of the media: `numbers` (ids and counters as
    integers, stream id in camel case), `unconnected` (the socket never opens), `drops_after` seconds (1006 in mid-call).
    """

    times: int = 1
    to: str | None = None
    refuse: str | None = None
    retry_after: float | None = None
    answer: Answer = "whole"
    commits: bool = True
    seconds: float = 30.0
    ends: Fate | None = None
    silent: bool = False
    short: bool = False
    copies: int = 1
    late: float = 0.0
    backwards: bool = False
    form: Literal["json", "multipart", "form"] | None = None
    numbers: bool = False
    unconnected: bool = False
    drops_after: float | None = None


class PhoneCall:
    """One call: what was asked for, what happened, and both sides' sound."""

    def __init__(self, sid: str, account: str, form: Mapping[str, str], at: datetime, fault: ExotelFault) -> None:
        self.sid = sid
        self.account = account
        self.form = dict(form)
        self.fault = fault
        self.created = self.updated = at
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.status = "in-progress"
        self.settled = False
        self.talker: Talker | None = None
        self.recording = Recording()
        self.moments: list[Moment] = []
        self.problems: list[str] = []
        """What the business did that Exotel would not like."""
        self.digits = ""
        self.disconnected_by: Literal["user", "bot", "NA"] = "NA"
        self.machine = False
        self.second_leg: str | None = None
        """How ringing a person ended; None where none was."""
        self.talked = 0
        """Seconds with that person."""
        self.incoming = False
        """Whether the contact called, and a flow answers."""
        self.hang_up = asyncio.Event()
        self.over = asyncio.Event()

    @property
    def contact(self) -> str:
        """Whom it rings, E.164 where it is Indian."""
        return e164(self.form["From"]) or self.form["From"]

    @property
    def seconds(self) -> int:
        """Of conversation."""
        return round(self.recording.seconds)


class ExotelCalls:
    """The calls of all accounts."""

    def __init__(
        self, settings: ExotelSettings, *, now: Callable[[], datetime], phones: Phones, background: Background
    ) -> None:
        self.settings = settings
        self.now = now
        self.phones = phones
        self.background = background
        self.faults: Faults[ExotelFault] = Faults()
        self.calls: dict[str, PhoneCall] = {}
        self.place: Callable[[PhoneCall], None] = lambda call: None
        """What dials; the network brings it."""
        self._requests: deque[float] = deque()
        self._initial = settings

    def reset(self) -> None:
        """As at the start; calls that are on hang up."""
        self.settings = self._initial
        self.faults.clear()
        for call in self.calls.values():
            call.hang_up.set()
        self.calls.clear()
        self._requests.clear()

    def connect(self, account: str, authorization: str, form: Mapping[str, str]) -> tuple[dict[str, Any], ExotelFault]:
        """The answer to `Calls/connect`, and how it reaches the caller. Raises ExotelError."""
        admit(self.settings, authorization)
        self._limit()
        self._check(form)
        contact = e164(form["From"])
        fault = self.faults.take(lambda each: each.to in (None, contact, form["From"])) or ExotelFault()
        if fault.refuse is not None:
            status, _, code = fault.refuse.partition(":")
            raise ExotelError(int(status), int(code or 40000), "said by the sandbox", fault.retry_after)
        if fault.answer != "whole" and not fault.commits:
            return {}, fault
        call = PhoneCall(secrets.token_hex(16), account, form, self.now(), fault)
        self.calls[call.sid] = call
        self.place(call)
        return {"Call": self.fields(call)}, fault

    def details(self, account: str, authorization: str, sid: str, *, full: bool) -> dict[str, Any]:
        """`GET Calls/{sid}`. Raises ExotelError."""
        admit(self.settings, authorization)
        call = self.calls.get(sid)
        if call is None or call.account != account:
            raise ExotelError(404, 34001, "Resource not found")
        fields = self.fields(call)
        if full:
            fields["Details"] = {
                "ConversationDuration": (call.talked or call.seconds) if call.settled else None,
                "Leg1Status": call.status,
                "Leg2Status": call.second_leg,
                "Legs": [{"Leg": {"Id": 1, "OnCallDuration": call.seconds if call.settled else None}}],
            }
        return {"Call": fields}

    def listed(self, account: str, authorization: str, query: Mapping[str, str]) -> dict[str, Any]:
        """`GET Calls`, by Sid, From, Status and DateCreated, newest first. Raises ExotelError."""
        admit(self.settings, authorization)
        sids = query["Sid"].split(",") if query.get("Sid") else None
        since, until = _between(query.get("DateCreated", ""))
        found = [
            self.fields(call)
            for call in reversed(self.calls.values())
            if call.account == account
            and (sids is None or call.sid in sids)
            and query.get("Status") in (None, call.status)
            and ("From" not in query or e164(query["From"]) == call.contact)
            and since <= ist(call.created) <= until
        ][: min(100, int(query.get("PageSize", 50)))]
        return {"Metadata": {"Total": len(found), "PageSize": len(found)}, "Calls": found}

    def fields(self, call: PhoneCall) -> dict[str, Any]:
        """A call as the API shows it."""
        over = call.settled
        return {
            "Sid": call.sid,
            "ParentCallSid": None,
            "DateCreated": ist(call.created),
            "DateUpdated": ist(call.updated),
            "AccountSid": call.account,
            "To": None,
            "From": national(call.contact),
            "PhoneNumberSid": call.form["CallerId"],
            "Status": call.status,
            "StartTime": ist(call.created),
            "EndTime": ist(call.ended_at) if over and call.ended_at else None,
            "Duration": call.seconds if over else None,
            "Price": round(0.35 * -(-call.seconds // 60), 2) if over and call.answered_at else None,
            "Direction": "outbound-api",
            "AnsweredBy": answered_by(call) if call.answered_at else None,
            "ForwardedFrom": None,
            "CallerName": None,
            "Uri": f"/v1/Accounts/{call.account}/Calls.json/{call.sid}",
            "RecordingUrl": recording_url(call) if over else None,
        }

    def stream_url(self, call: PhoneCall) -> str | None:
        """The WebSocket that a call's media go to."""
        return call.form.get("StreamUrl") or self.settings.flow_stream_url

    def incoming(self, caller: str) -> PhoneCall:
        """Somebody calls the exophone, whose flow answers."""
        form = {"From": caller, "CallerId": self.settings.exophone}
        call = PhoneCall(secrets.token_hex(16), "sandbox", form, self.now(), ExotelFault())
        call.incoming = True
        self.calls[call.sid] = call
        self.place(call)
        return call

    def _limit(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._requests and now - self._requests[0] > _MINUTE_S:
            self._requests.popleft()
        if len(self._requests) >= self.settings.rate_per_minute:
            left = _MINUTE_S - (now - self._requests[0])
            raise ExotelError(429, 34029, "Too many requests", round(left + 0.5))
        self._requests.append(now)

    def _check(self, form: Mapping[str, str]) -> None:
        for name in ("From", "CallerId"):
            if not form.get(name):
                raise ExotelError(400, 34001, f"Mandatory parameter missing: {name}")
        if not re.fullmatch(r"\+?\d{5,15}", form["From"]):
            raise ExotelError(400, 34002, "From is not a valid phone number")
        if form.get("To"):
            raise ExotelError(400, 34003, "the sandbox bridges no two numbers: leave out To, give StreamUrl or Url")
        if not form.get("StreamUrl"):
            if "/exoml/start_voice/" not in form.get("Url", ""):
                raise ExotelError(400, 34004, "StreamUrl or an exoml flow Url is required")
            return
        if not self.settings.voice_ai:
            raise ExotelError(403, 34009, "Connect Voice AI is not enabled for this account")
        if form.get("StreamType") != "bidirectional":
            raise ExotelError(400, 34005, "StreamType must be bidirectional")
        url = form["StreamUrl"]
        if not url.startswith(("ws://", "wss://")) or len(url) >= 600:
            raise ExotelError(400, 34006, "StreamUrl must be ws:// or wss:// and shorter than 600 characters")
        limits = (("StreamName", 32), ("CustomField", 128))
        for name, most in limits:
            if len(form.get(name, "")) > most:
                raise ExotelError(400, 34007, f"{name} is longer than {most} characters")
        if not 1 <= int(form.get("TimeLimit") or 14400) <= 14400:
            raise ExotelError(400, 34008, "TimeLimit is at most 14400")


def e164(number: str) -> str | None:
    """An Indian number in E.164."""
    indian = _INDIAN.fullmatch(number)
    return f"+91{indian[1]}" if indian else None


def national(number: str) -> str:
    """As Exotel writes Indian numbers."""
    return "0" + number.removeprefix("+91") if number.startswith("+91") else number


def ist(at: datetime) -> str:
    """As Exotel writes times."""
    return at.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S")


def number_of(settings: ExotelSettings, number: str) -> dict[str, str]:
    """What Exotel knows of a number: whether it is on the do-not-disturb register."""
    found = e164(number) or number
    return {"PhoneNumber": national(found), "Type": "Mobile", "DND": "Yes" if found in settings.dnd else "No"}


def answered_by(call: PhoneCall) -> str:
    """HUMAN or MACHINE, once answered."""
    return "NA" if call.answered_at is None else "MACHINE" if call.machine else "HUMAN"


def recording_url(call: PhoneCall) -> str | None:
    """Where the recording is, below the API's address, when one was asked for and there was a conversation."""
    if call.form.get("Record", "").lower() != "true" or call.answered_at is None:
        return None
    return f"/recordings/{call.account}/{call.sid}.wav"


def _between(dates: str) -> tuple[str, str]:
    """`gte:2026-11-23 10:00:00;lte:…` as two times that compare as text."""
    given = dict(part.partition(":")[::2] for part in dates.split(";") if ":" in part)
    return given.get("gte", ""), given.get("lte", "9")
