"""A WebSocket as a provider's server has it: it can be refused before it opens, be slow or mute, and break off.

What is said goes into a queue, so that those who speak need not wait; a fault that is `open` befalls sockets in mid-speech.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from services.sandbox.state import Faults

AnySocket = WebSocket[Any, Any, Any]


class VoiceFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` sockets, or (`open`) at once with all that are open, or (`when`) with the one
    on which these words, a regular expression, are being spoken or heard.

    `refuse`: this HTTP status in place of the handshake, with `retry_after` seconds; with `when` the socket drops, and so many
    handshakes (`refusals`) after it are refused. Otherwise, `after_ms` after it opened or the words were there, or once
    `sound_ms` of the speech with these words have been said, however fast that went:
    `drops` (no close frame: 1006), `closes` with this code and `reason`, `mute` (hears, and says nothing any more), `slow_ms`
    (everything it says comes that much later), or `fails`, the provider's own error with this status: Deepgram's and
    ElevenLabs' end the socket, Cartesia's the next context.
    """

    times: int = 1
    on: Literal["v1", "v2"] | None = None
    """Only Deepgram's nova, or only Flux."""
    open: bool = False
    when: str | None = None
    refuse: int | None = None
    refusals: int = 1
    retry_after: float | None = None
    after_ms: float = 0
    sound_ms: float = 0
    drops: bool = False
    closes: int | None = None
    reason: str = ""
    mute: bool = False
    slow_ms: float = 0
    fails: int | None = None


class Wire:
    """One open socket."""

    def __init__(self, socket: AnySocket, kind: str, wires: "Wires") -> None:
        self.kind = kind
        self._wires = wires
        self.fault: VoiceFault | None = None
        """The fault that holds at the moment."""
        self.mute = False
        self._waits_for_sound: VoiceFault | None = None
        self._socket = socket
        self._slow = 0.0
        self._queue: asyncio.Queue[tuple[float, str | int | None, str]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._dropped = False

    def say(self, message: Mapping[str, Any]) -> None:
        """Send this as a text frame, after what was said before."""
        if not self.mute:
            self._put(msgspec.json.encode(message).decode(), "")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close after what was said before."""
        self._put(code, reason)

    def drop(self) -> None:
        """Break off after what was said before, without a close frame."""
        self._put(None, "")

    def befall(self, fault: VoiceFault) -> None:
        """Let it go wrong from now on."""
        self.fault = fault
        self.mute = self.mute or fault.mute
        self._slow = fault.slow_ms / 1000
        if fault.refuse is not None:
            self._wires.faults.add(msgspec.structs.replace(fault, when=None, on=None, times=fault.refusals))
            self.drop()
        elif fault.drops:
            self.drop()
        elif fault.closes is not None:
            self.close(fault.closes, fault.reason)

    @property
    def awaited(self) -> bool:
        """Whether words may bring a fault."""
        return bool(self._wires.awaiting)

    def mention(self, text: str) -> None:
        """These words are being spoken or heard here."""
        fault = self._wires.awaiting.take(lambda waiting: self._wires.fits(waiting, self.kind, text))
        if fault is not None:
            self._wires.struck += 1
            if fault.sound_ms > 0:
                self._waits_for_sound = fault
            elif fault.after_ms > 0:
                self._loop.call_later(fault.after_ms / 1000, self.befall, fault)
            else:
                self.befall(fault)

    def sounded(self, milliseconds: float) -> None:
        """So much of a speech has been said here by now."""
        fault = self._waits_for_sound
        if fault is not None and milliseconds >= fault.sound_ms:
            self._waits_for_sound = None
            self.befall(fault)

    def failure(self) -> int | None:
        """The status of an error that is due, once."""
        fault, self.fault = self.fault, None
        return fault.fails if fault else None

    async def heard(self) -> AsyncIterator[str | bytes]:
        """What the other side sends, until either side ends it."""
        while (message := await self._read()) is not None:
            yield message

    async def _read(self) -> str | bytes | None:
        try:
            message = await self._socket.receive()
        except WebSocketDisconnect:
            return None
        if message["type"] == "websocket.disconnect":
            return None
        match message:
            case {"text": str(text)}:
                return text
            case {"bytes": bytes(data)}:
                return data
        return b""

    async def write(self) -> None:
        """Send what is said, as long as the socket is open."""
        while True:
            due, what, reason = await self._queue.get()
            if (wait := due - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            match what:
                case str():
                    await self._socket.send({"type": "websocket.send", "text": what, "bytes": None})
                case int():
                    await self._socket.send({"type": "websocket.close", "code": what, "reason": reason})
                    return
                case None:
                    self._dropped = True
                    if self._task is not None:
                        self._task.cancel()
                    return

    @property
    def dropped(self) -> bool:
        """Whether it broke off on purpose."""
        return self._dropped

    def _put(self, what: str | int | None, reason: str) -> None:
        self._queue.put_nowait((self._loop.time() + self._slow, what, reason))


class Wires:
    """The sockets of one provider, and what befalls them."""

    def __init__(self) -> None:
        self.faults: Faults[VoiceFault] = Faults()
        self.awaiting: Faults[VoiceFault] = Faults()
        """Those that wait for words."""
        self.struck = 0
        self.open: set[Wire] = set()
        self.opened = 0

    def add(self, fault: VoiceFault) -> None:
        """Let it befall sockets that are open, or those to come."""
        if fault.when is not None:
            self.awaiting.add(fault)
            return
        if not fault.open:
            self.faults.add(fault)
            return
        for wire in [each for each in self.open if fault.on in (None, each.kind)]:
            wire.befall(fault)

    def take(self, kind: str) -> VoiceFault | None:
        """The fault of a socket or request that arrives now."""
        fault = self.faults.take(lambda waiting: waiting.on in (None, kind))
        self.struck += fault is not None
        return fault

    def fits(self, fault: VoiceFault, kind: str, text: str) -> bool:
        """Whether these words bring this fault to a socket of this kind."""
        return fault.on in (None, kind) and re.search(fault.when or "", text, re.IGNORECASE) is not None

    def shown(self) -> dict[str, int]:
        """How many faults wait, how many have struck, and how many sockets are open."""
        waiting = len(self.faults) + len(self.awaiting)
        return {"waiting": waiting, "struck": self.struck, "open": len(self.open)}

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.faults.clear()
        self.awaiting.clear()

    @contextlib.asynccontextmanager
    async def opening(
        self, socket: AnySocket, kind: str, fault: VoiceFault | None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Wire]:
        """The socket, accepted, as long as it is open."""
        await socket.accept(headers=dict(headers or {}))
        wire = Wire(socket, kind, self)
        self.open.add(wire)
        self.opened += 1
        timer = None
        if fault is not None and fault.after_ms > 0:
            timer = asyncio.get_running_loop().call_later(fault.after_ms / 1000, wire.befall, fault)
        elif fault is not None:
            wire.befall(fault)
        writing = asyncio.create_task(wire.write())
        try:
            yield wire
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not wire.dropped or task is None:
                raise
            task.uncancel()
        finally:
            self.open.discard(wire)
            writing.cancel()
            if timer is not None:
                timer.cancel()


async def refuse(socket: AnySocket, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Answer the handshake with an HTTP error in place of 101."""
    raw = [(name.encode(), value.encode()) for name, value in {"content-type": "application/json", **headers}.items()]
    start: Any = {"type": "websocket.http.response.start", "status": status, "headers": raw}
    rest: Any = {"type": "websocket.http.response.body", "body": msgspec.json.encode(body), "more_body": False}
    await socket.send(start)
    await socket.send(rest)
