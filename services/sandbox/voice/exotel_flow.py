"""What a flow of Exotel's does behind the Voicebot applet: it asks whether to go on, whom to ring, lets them talk, and tells.

Source: docs.exotel.com, programmable connect (Connect applet with a dynamic URL, version 1.0) and Passthru, as of August 2026.
"""

import asyncio
from typing import Any

import httpx
import msgspec

from services.sandbox.voice.exotel_calls import ExotelCalls, PhoneCall, national
from services.sandbox.voice.phone import Moment, Talker

BLOCK_MS = 100


class Playback(msgspec.Struct, forbid_unknown_fields=True):
    """What is heard before they are connected: by whom is rung, or by both."""

    playback_to: str
    type: str
    value: str


class Destination(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to ring, one after the other."""

    numbers: list[str]


class Connect(msgspec.Struct, forbid_unknown_fields=True):
    """The answer that the Connect applet takes; anything else makes it drop the call."""

    destination: Destination
    fetch_after_attempt: bool = False
    outgoing_phone_number: str | None = None
    record: bool = False
    recording_channels: str | None = None
    max_ringing_duration: int = 60
    max_conversation_duration: int = 3600
    music_on_hold: dict[str, str] | None = None
    start_call_playback: Playback | None = None
    parallel_ringing: dict[str, Any] | None = None
    dial_passthru_event_url: str | None = None


class Flow:
    """Of all calls that go through one."""

    def __init__(self, calls: ExotelCalls, client: httpx.AsyncClient) -> None:
        self._calls = calls
        self._client = client

    async def hands_over(self, call: PhoneCall) -> bool:
        """Whether the flow comes to the Voicebot applet again, as nobody took the call."""
        settings = self._calls.settings
        if settings.flow_connect_url is None or not await self._goes_on(call):
            return False
        wanted = await self._wanted(call, settings.flow_connect_url)
        if wanted is None or not wanted.destination.numbers:
            return False
        began = asyncio.get_running_loop().time()
        person = await self._rings(call, wanted)
        if person is None:
            return not call.hang_up.is_set()
        await self._talk(call, person, wanted)
        if settings.flow_after_url is not None:
            seconds = round((asyncio.get_running_loop().time() - began) * settings.speed)
            told = {"CallType": "completed", "DialCallDuration": str(seconds), "DialWhomNumber": person.number}
            await self._get(call, settings.flow_after_url, told)
        return False

    async def _goes_on(self, call: PhoneCall) -> bool:
        url = self._calls.settings.flow_next_url
        if url is None:
            return True
        answer = await self._get(call, url, {"Stream[Status]": "completed", "Stream[DisconnectedBy]": "bot"})
        return answer is not None and answer.status_code == 200

    async def _wanted(self, call: PhoneCall, url: str) -> Connect | None:
        answer = await self._get(call, url, {})
        try:
            return msgspec.json.decode(answer.raise_for_status().content, type=Connect) if answer is not None else None
        except (httpx.HTTPStatusError, msgspec.MsgspecError) as error:
            call.problems.append(f"the Connect applet dropped the call: {error}")
            return None

    async def _rings(self, call: PhoneCall, wanted: Connect) -> Talker | None:
        """Whoever answers first; the contact hears a tone meanwhile."""
        for number in wanted.destination.numbers:
            phone = self._calls.phones.phone(number)
            self._notes(call, f"rings {number}")
            rings = min(phone.rings_seconds, wanted.max_ringing_duration)
            answers = phone.fate == "answers" and phone.rings_seconds <= wanted.max_ringing_duration
            try:
                async with asyncio.timeout(rings / self._calls.settings.speed):
                    await call.hang_up.wait()
                return None
            except TimeoutError:
                pass
            if answers:
                call.second_leg = "completed"
                return Talker(self._calls.phones, number)
            call.second_leg = phone.fate if phone.fate != "answers" else "no-answer"
        return None

    async def _talk(self, call: PhoneCall, person: Talker, wanted: Connect) -> None:
        """Both hear each other until one hangs up."""
        if wanted.start_call_playback is not None:
            self._notes(call, f"whispers {wanted.start_call_playback.value}")
        contact = call.talker
        assert contact is not None, "they have talked with the business"
        blocks = 0
        while not (contact.gone or person.gone or call.hang_up.is_set()):
            if blocks * BLOCK_MS >= wanted.max_conversation_duration * 1000:
                break
            theirs, ours = await contact.speak(BLOCK_MS), await person.speak(BLOCK_MS)
            person.hear(theirs)
            contact.hear(ours)
            call.recording.add(theirs, ours)
            blocks += 1
            await asyncio.sleep(BLOCK_MS / 1000 / self._calls.settings.speed)
        call.talked = round(blocks * BLOCK_MS / 1000)
        call.disconnected_by = "user" if contact.gone else "NA"

    async def _get(self, call: PhoneCall, url: str, more: dict[str, str]) -> httpx.Response | None:
        asked = {
            "CallSid": call.sid,
            "CallFrom": national(call.contact) if call.incoming else call.form["CallerId"],
            "CallTo": call.form["CallerId"] if call.incoming else national(call.contact),
            "Direction": "incoming" if call.incoming else "outbound-dial",
            **more,
        }
        try:
            return await self._client.get(url, params=asked, timeout=10)
        except httpx.HTTPError as error:
            call.problems.append(f"an applet's URL did not answer: {type(error).__name__}")
            return None

    def _notes(self, call: PhoneCall, what: str) -> None:
        call.moments.append(Moment(at=round(call.recording.seconds, 2), who="line", what=what))
