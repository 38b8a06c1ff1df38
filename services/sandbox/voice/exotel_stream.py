"""Exotel's media stream: the client of the business's WebSocket for one answered call, in blocks of 100 ms.

It plays what comes in order, echoes marks when they are reached, and forgets what was not played on `clear`. Chunks that
are no multiple of 320 bytes leave a gap, as documented; they and others out of bounds are noted in the call's problems.
"""

import asyncio
import base64
import binascii
from collections import deque
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from services.sandbox.voice.exotel_calls import PhoneCall, e164
from services.sandbox.voice.phone import Moment, Talker
from services.sandbox.voice.settings import ExotelSettings
from services.sandbox.voice.sound import TELEPHONY, resampled

log = structlog.get_logger(__name__)

BLOCK_MS = 100
HANDSHAKE_S = 10.0
LONGEST_S = 3600
_SMALLEST, _LARGEST, _STEP = 3200, 100_000, 320


class Player:
    """What the business sent and has not been heard yet: sound at the stream's rate, and marks in between."""

    def __init__(self, call: PhoneCall, rate: int) -> None:
        self.rate = rate
        self._call = call
        self._queue: deque[bytearray | str] = deque()
        self._small = False

    def add(self, payload: str) -> None:
        """A `media` of the business."""
        try:
            pcm = base64.b64decode(payload, validate=True)
        except binascii.Error:
            self._complain("a payload is no base64")
            return
        if len(pcm) > _LARGEST:
            self._complain(f"a chunk of {len(pcm)} bytes, {_LARGEST} at most, was dropped")
            return
        if len(pcm) < _SMALLEST:
            if self._small:  # only the last one of a speech may be
                self._complain(f"chunks of {len(pcm)} bytes, {_SMALLEST} at least")
            self._small = True
        else:
            self._small = False
        if gap := -len(pcm) % _STEP:
            self._complain(f"a chunk of {len(pcm)} bytes is no multiple of {_STEP}: a gap is heard")
            pcm += bytes(gap)
        if self._queue and isinstance(self._queue[-1], bytearray):
            self._queue[-1] += pcm
        else:
            self._queue.append(bytearray(pcm))

    def mark(self, name: str) -> None:
        """Echo it when all that came before has been played."""
        self._queue.append(name)

    def clear(self) -> list[str]:
        """Play nothing of what came before; its marks."""
        marks = [each for each in self._queue if isinstance(each, str)]
        self._queue.clear()
        return marks

    def take(self, size: int) -> tuple[bytes, list[str]]:
        """The next `size` bytes, with silence where there is nothing, and the marks that were reached."""
        played, marks = bytearray(), []
        while self._queue:
            head = self._queue[0]
            if isinstance(head, str):
                marks.append(head)
                self._queue.popleft()
                continue
            if len(played) == size:
                break
            part = head[: size - len(played)]
            played += part
            del head[: len(part)]
            if not head:
                self._queue.popleft()
        return bytes(played).ljust(size, b"\0"), marks

    @property
    def waiting_ms(self) -> float:
        """How much is yet to be played."""
        return sum(len(each) for each in self._queue if isinstance(each, bytearray)) / 2 / self.rate * 1000

    def _complain(self, what: str) -> None:
        if what not in self._call.problems:
            self._call.problems.append(what)


class Stream:
    """The conversation of an answered call."""

    def __init__(self, call: PhoneCall, talker: Talker, url: str, settings: ExotelSettings) -> None:
        query = dict(parse_qsl(urlsplit(url).query))
        self._call = call
        self._talker = talker
        self._url = url
        self._settings = settings
        self._rate = int(query.pop("sample-rate", str(TELEPHONY)))
        self._parameters = dict(list(query.items())[:3])
        self._sid = f"MZ{call.sid[:30]}"
        self._sequence = 0
        self._player = Player(call, self._rate)
        self._at = 0.0

    async def run(self) -> bool:
        """Talk until somebody hangs up; False when the WebSocket could not be opened, after one more attempt."""
        self._call.disconnected_by = "NA"
        for _ in range(2):
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    socket = await connect(self._url, compression=None, max_size=2**21)
            except (OSError, TimeoutError, WebSocketException) as error:
                self._call.problems.append(f"the media WebSocket did not open: {type(error).__name__}")
                continue
            async with socket:
                await self._talk(socket)
            return True
        return False

    async def _talk(self, socket: ClientConnection) -> None:
        await socket.send(_json({"event": "connected"}))
        await self._send(socket, "start", start=self._start())
        reading = asyncio.create_task(self._read(socket))
        try:
            reason = await self._blocks(socket, reading)
            if reason is not None:
                stop = {"call_sid": self._call.sid, "account_sid": self._call.account, "reason": reason}
                await self._send(socket, "stop", stop=stop)
        except ConnectionClosed:
            self._ends("bot")
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _blocks(self, socket: ClientConnection, reading: "asyncio.Task[None]") -> str | None:
        """One block after the other at the line's own pace; why the stream stops, None when the business ended it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        limit = min(LONGEST_S, int(self._call.form.get("TimeLimit") or LONGEST_S))
        size = 2 * self._rate * BLOCK_MS // 1000
        chunk = 1
        while True:
            agent, marks = self._player.take(size)
            heard = resampled(agent, self._rate, TELEPHONY)
            self._talker.hear(heard)
            said = await self._talker.speak(BLOCK_MS)
            self._call.recording.add(said, heard)
            self._at += BLOCK_MS / 1000
            wait = began + self._at / self._settings.speed - loop.time()
            await asyncio.wait([reading], timeout=max(0.0, wait))
            if reading.done():
                self._ends("bot")
                return None
            chunk += 1
            stamp = round(self._at * 1000)
            payload = base64.b64encode(resampled(said, TELEPHONY, self._rate)).decode()
            await self._send(socket, "media", media=self._media(chunk, stamp, payload))
            for name in marks:
                await self._send(socket, "mark", mark={"name": name})
            for digit in self._talker.digits():
                self._call.digits += digit
                await self._send(socket, "dtmf", dtmf={"digit": digit, "duration": "100"})
            drops_after = self._call.fault.drops_after
            if drops_after is not None and self._at >= drops_after:
                socket.transport.abort()
                self._ends("NA")
                return None
            if self._talker.gone or self._call.hang_up.is_set():
                self._ends("user")
                return "callended"
            if self._at >= limit:
                self._ends("NA")
                return "stopped"

    async def _read(self, socket: ClientConnection) -> None:
        async for raw in socket:
            try:
                told = msgspec.json.decode(raw, type=dict[str, Any])
            except msgspec.DecodeError:
                self._call.problems.append("a frame is no JSON")
                continue
            match told:
                case {"event": "media", "media": {"payload": str(payload)}}:
                    self._player.add(payload)
                case {"event": "mark", "mark": {"name": str(name)}}:
                    self._player.mark(name)
                case {"event": "clear"}:
                    await self._clear(socket)
                case _:
                    self._call.problems.append(f"an event {told.get('event')!r} is not understood")
            if told.get("stream_sid", self._sid) != self._sid:
                self._call.problems.append("a frame names another stream_sid")

    async def _clear(self, socket: ClientConnection) -> None:
        unheard = round(self._player.waiting_ms)
        self._call.moments.append(Moment(at=round(self._at, 2), who="line", what=f"clear ({unheard} ms unheard)"))
        marks = self._player.clear()
        if self._settings.marks_after_clear == "echoed":
            for name in marks:
                await self._send(socket, "mark", mark={"name": name})

    async def _send(self, socket: ClientConnection, event: str, **more: Any) -> None:
        self._sequence += 1
        numbers = self._call.fault.numbers
        sid = {"streamSid" if numbers else "stream_sid": self._sid}
        sequence: int | str = self._sequence if numbers else str(self._sequence)
        await socket.send(_json({"event": event, "sequence_number": sequence, **sid, **more}))

    def _start(self) -> dict[str, Any]:
        numbers = self._call.fault.numbers
        ids = {"stream_sid": self._sid, "call_sid": self._call.sid}
        if numbers:
            ids = {"streamSid": self._sid, "callSid": self._call.sid}
        return ids | {
            "account_sid": self._call.account,
            "from": self._call.contact,
            "to": e164(self._call.form["CallerId"]) or self._call.form["CallerId"],
            "custom_parameters": self._parameters,
            "media_format": {
                "encoding": "base64" if numbers else "audio/x-raw",
                "sample_rate": self._rate if numbers else str(self._rate),
                "bit_rate": "128kbps" if numbers else "16",
            },
        }

    def _media(self, chunk: int, stamp: int, payload: str) -> dict[str, Any]:
        if self._call.fault.numbers:
            return {"chunk": chunk, "timestamp": stamp, "payload": payload}
        return {"chunk": str(chunk), "timestamp": str(stamp), "payload": payload}

    def _ends(self, by: Any) -> None:
        self._call.disconnected_by = by
        who = {"user": "the contact", "bot": "the business"}.get(by, "the line")
        self._call.moments.append(Moment(at=round(self._at, 2), who="line", what=f"{who} ended it"))


def _json(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
