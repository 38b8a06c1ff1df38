"""What becomes of a call that Exotel took: it rings, is answered or not, is talked on, and is told about by callbacks."""

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import structlog

from services.sandbox.voice.exotel_calls import ExotelCalls, PhoneCall, answered_by, ist, national, recording_url
from services.sandbox.voice.exotel_stream import Stream
from services.sandbox.voice.phone import Talker
from services.sandbox.voice.phone_script import Fate

log = structlog.get_logger(__name__)

_RING_LIMIT_S = 60.0
_STATUSES: dict[Fate, str] = {
    "answers": "completed",
    "voicemail": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
}


class Callback(msgspec.Struct, kw_only=True):
    """A status callback: what was told, how often it was tried, and the last answer (0: none)."""

    url: str
    content_type: str
    fields: dict[str, Any]
    attempts: int = 0
    status: int = 0
    over: bool = False


class ExotelNetwork:
    """Dials, lets people talk, and tells."""

    def __init__(self, calls: ExotelCalls, client: httpx.AsyncClient) -> None:
        self.callbacks: list[Callback] = []
        self._calls = calls
        self._client = client
        calls.place = self.place

    def place(self, call: PhoneCall) -> None:
        """Ring in the background."""
        self._calls.background.start(self._carry(call))

    async def _carry(self, call: PhoneCall) -> None:
        try:
            fate = "answers" if call.incoming else await self._ring(call)
            if fate in ("answers", "voicemail"):
                await self._converse(call, fate)
            self._end(call, _STATUSES[fate] if call.status == "in-progress" else call.status)
        finally:
            call.over.set()
        if (wait := self._calls.settings.settles_after) > 0:
            await asyncio.sleep(wait)
        call.settled = True

    async def _ring(self, call: PhoneCall) -> Fate:
        phone = self._calls.phones.phone(call.contact)
        fate = call.fault.ends or phone.fate
        self._tell(call, "ringing")
        patience = float(call.form.get("TimeOut") or _RING_LIMIT_S)
        if phone.rings_seconds > patience and fate in ("answers", "voicemail"):
            fate = "no-answer"
        rings = patience if fate == "no-answer" else min(phone.rings_seconds, patience)
        try:
            async with asyncio.timeout(rings / self._calls.settings.speed):
                await call.hang_up.wait()
            fate = "failed"
        except TimeoutError:
            pass
        return fate

    async def _converse(self, call: PhoneCall, fate: Fate) -> None:
        settings = self._calls.settings
        call.answered_at = call.updated = self._calls.now()
        call.machine = fate == "voicemail"
        self._tell(call, "answered")
        url = await self._stream_url(call)
        if url is None or call.fault.unconnected:
            call.status = "failed"
            call.problems.append("no media WebSocket")
            return
        call.talker = Talker(self._calls.phones, call.contact, calls=call.incoming)
        call.moments = call.talker.moments
        if not await Stream(call, call.talker, url, settings).run():
            call.status = "failed"

    async def _stream_url(self, call: PhoneCall) -> str | None:
        """The call's own, or the applet's, which asks for it where it is no WebSocket."""
        url = self._calls.stream_url(call)
        if url is None or not url.startswith("http"):
            return url
        asked = {
            "CallSid": call.sid,
            "CallFrom": national(call.contact) if call.incoming else call.form["CallerId"],
            "CallTo": call.form["CallerId"] if call.incoming else national(call.contact),
            "Direction": "incoming" if call.incoming else "outbound-dial",
            **({"CustomField": call.form["CustomField"]} if "CustomField" in call.form else {}),
        }
        try:
            answer = await self._client.get(url, params=asked, timeout=10)
            return str(answer.raise_for_status().json()["url"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            call.problems.append(f"the applet's URL gave no stream: {type(error).__name__}")
            return None

    def _end(self, call: PhoneCall, status: str) -> None:
        call.status = status
        call.ended_at = call.updated = self._calls.now()
        call.settled = self._calls.settings.settles_after <= 0
        self._tell(call, "terminal")

    def _tell(self, call: PhoneCall, event: str) -> None:
        url = call.form.get("StatusCallback")
        wanted = [value for name, value in call.form.items() if name.startswith("StatusCallbackEvents")] or ["terminal"]
        if not url or call.fault.silent or event not in wanted:
            return
        form = call.fault.form or ("json" if "json" in call.form.get("StatusCallbackContentType", "") else "multipart")
        fields = self._fields(call, event, self._calls.now())
        for _ in range(call.fault.copies):
            callback = Callback(url=url, content_type=form, fields=fields)
            self.callbacks.append(callback)
            self._calls.background.start(self._deliver(call, event, callback))

    async def _deliver(self, call: PhoneCall, event: str, callback: Callback) -> None:
        if call.fault.late:
            await asyncio.sleep(call.fault.late)
        if call.fault.backwards and event != "terminal":
            await call.over.wait()
            await asyncio.sleep(0.05)
        backoff = self._calls.settings.callback_backoff
        for attempt in range(self._calls.settings.callback_attempts):
            if attempt:
                await asyncio.sleep(backoff * 2 ** (attempt - 1))
            callback.attempts += 1
            try:
                answer = await self._post(callback)
                callback.status = answer.status_code
            except httpx.HTTPError:
                callback.status = 0
            if callback.status == 200:
                break
        callback.over = True

    async def _post(self, callback: Callback) -> httpx.Response:
        if callback.content_type == "json":
            return await self._client.post(callback.url, json=callback.fields, timeout=15)
        flat = _flat(callback.fields)
        if callback.content_type == "form":
            headers = {"content-type": "application/x-www-form-urlencoded"}
            return await self._client.post(callback.url, content=urlencode(flat), headers=headers, timeout=15)
        parts = {name: (None, value) for name, value in flat.items()}
        return await self._client.post(callback.url, files=parts, timeout=15)

    def _fields(self, call: PhoneCall, event: str, at: datetime) -> dict[str, Any]:
        url = recording_url(call) if call.settled else None
        status = call.status if event != "ringing" else "ringing"
        if call.fault.short:
            return {"CallSid": call.sid, "Status": status, "RecordingUrl": url or "", "DateUpdated": ist(at)}
        fields: dict[str, Any] = {
            "CallSid": call.sid,
            "EventType": event,
            "Status": status,
            "DateCreated": ist(call.created),
            "DateUpdated": ist(at),
            "StartTime": ist(call.answered_at or call.created),
            "To": call.form["CallerId"],
            "From": national(call.contact),
            "PhoneNumberSid": call.form["CallerId"],
            "Direction": "outbound-api",
            "RecordingUrl": url or "",
        }
        if "CustomField" in call.form:
            fields["CustomField"] = call.form["CustomField"]
        if event == "terminal":
            leg = {"OnCallDuration": call.seconds, "Status": call.status, "AnsweredBy": answered_by(call)}
            fields |= {"EndTime": ist(at), "ConversationDuration": call.seconds, "Legs": [leg]}
        return fields


def _flat(fields: dict[str, Any]) -> dict[str, str]:
    """`Legs[0][Status]`, as form encodings have it."""
    flat: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, list):
            flat |= {f"{name}[{n}][{key}]": str(each) for n, one in enumerate(value) for key, each in one.items()}
        else:
            flat[name] = "" if value is None else str(value)
    return flat
