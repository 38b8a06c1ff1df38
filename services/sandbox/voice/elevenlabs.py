"""An emulator of ElevenLabs' sockets: `multi-stream-input` as Pipecat uses it, and `stream-input` for one context.

Source: elevenlabs.io/docs, November 2026. What is sent says `context_id`, what is received `contextId`.
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Router, websocket
from litestar.params import FromPath

from services.sandbox.voice.speech import Speech
from services.sandbox.voice.synthesis import Buffered, Spoken, Synthesis
from services.sandbox.voice.wire import AnySocket, VoiceFault, Wire, Wires, refuse

BASE = "/sandbox/elevenlabs"
"""The path to append to the origin; `/v1/text-to-speech/{voice}/multi-stream-input` is below it."""

POLICY = 1008
_MOST_CONTEXTS = 5
_FORMATS = {f"pcm_{rate}": rate for rate in (8000, 16000, 22050, 24000, 44100)}
_ERRORS: dict[int, tuple[str, str]] = {
    401: ("invalid_api_key", "Invalid API key"),
    402: ("quota_exceeded", "This request exceeds your quota."),
    403: ("forbidden", "You have no access to this voice"),
    429: ("rate_limit_exceeded", "Too many concurrent requests"),
    500: ("internal_error", "An internal error occurred"),
    503: ("system_busy", "The system is busy"),
}


class ElevenLabs:
    """One account."""

    def __init__(self, synthesis: Synthesis, *, api_key: str | None) -> None:
        self.synthesis = synthesis
        self.wires = Wires()
        self.spoken: list[Spoken] = []
        self._api_key = api_key

    def reset(self) -> None:
        """As at the start; open sockets stay."""
        self.wires.clear()
        self.synthesis.reset()
        self.spoken.clear()

    async def talk(self, socket: AnySocket, *, several: bool) -> None:
        """A socket, until it ends."""
        fault = self.wires.take("socket")
        status = self._refusal(socket, fault)
        if status is not None:
            code, words = _ERRORS.get(status, ("error", "said by the sandbox"))
            await refuse(socket, status, {"detail": {"status": code, "message": words}}, {})
            return
        query = socket.query_params
        form = query.get("output_format", "mp3_44100_128")
        async with self.wires.opening(socket, "socket", fault) as wire:
            if form not in _FORMATS:
                _fail(wire, "unsupported_output_format", f"the sandbox speaks {', '.join(_FORMATS)}, not {form}")
            session = Session(self, wire, query, _FORMATS.get(form, 8000), several=several)
            try:
                async for message in wire.heard():
                    session.told(message)
            finally:
                session.ended()

    def _refusal(self, socket: AnySocket, fault: VoiceFault | None) -> int | None:
        key = socket.headers.get("xi-api-key", "")
        if not key or self._api_key not in (None, key):
            return 401
        return fault.refuse if fault else None


class Session:
    """One socket and its contexts."""

    def __init__(
        self, elevenlabs: ElevenLabs, wire: Wire, query: Mapping[str, str], rate: int, *, several: bool
    ) -> None:
        self.elevenlabs = elevenlabs
        self.wire = wire
        self.rate = rate
        self.several = several
        self.auto = query.get("auto_mode") == "true"
        self.contexts: dict[str, Context] = {}
        self._inactivity = min(180.0, float(query.get("inactivity_timeout", 20)))
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def told(self, message: str | bytes) -> None:
        """A frame of the client."""
        self._wait()
        try:
            told = msgspec.json.decode(message, type=dict[str, Any])
        except msgspec.DecodeError:
            _fail(self.wire, "invalid_json", "the message is no JSON")
            return
        if self.wire.awaited and (text := told.get("text")):
            known = self.contexts.get(told.get("context_id") or "default")
            self.wire.mention((known.spoken.text if known else "") + text)
        if (status := self.wire.failure()) is not None:
            _fail(self.wire, *_ERRORS.get(status, _ERRORS[500]))
            return
        if told.get("close_socket"):
            self.wire.close()
            return
        text, id = told.get("text"), told.get("context_id")
        if id is None and self.several:
            if text:
                _fail(self.wire, "missing_context_id", "text needs a context_id")
            return  # a keep-alive
        self._context(id or "default", text, told)

    def ended(self) -> None:
        """Nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
        for context in self.contexts.values():
            context.task.cancel()

    def _context(self, id: str, text: str | None, told: Mapping[str, Any]) -> None:
        context = self.contexts.get(id)
        if context is None:
            if text is None:
                return  # flush or close of what is no more
            if len(self.contexts) >= _MOST_CONTEXTS:
                _fail(self.wire, "max_active_conversations", f"{_MOST_CONTEXTS} contexts at most")
                return
            context = self.contexts[id] = Context(self, id, told)
            context.task.add_done_callback(lambda _: self.contexts.pop(id, None))
        elif "voice_settings" in told:
            _fail(self.wire, "policy_violation", "voice_settings belong to the first message of a context")
            return
        context.add(told, self.several)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._inactivity, self.wire.close, POLICY, "input_timeout_exceeded")


class Context:
    """One speech. Text waits for a sentence, for `flush` or the end; in auto mode it does not wait."""

    def __init__(self, session: Session, id: str, first: Mapping[str, Any]) -> None:
        self.id = id
        self.spoken = Spoken(context=id)
        session.elevenlabs.spoken.append(self.spoken)
        self._session = session
        self._synthesis = session.elevenlabs.synthesis
        self._lesson = self._synthesis.lesson(session.rate)
        schedule = (first.get("generation_config") or {}).get("chunk_length_schedule", [120])
        self._buffer = Buffered(0 if session.auto else 3600, least=schedule[0])
        self._speed = float((first.get("voice_settings") or {}).get("speed", 1.0))
        self._todo: asyncio.Queue[tuple[str, bool, bool]] = asyncio.Queue()
        self._said = 0
        self._first = True
        self.task = asyncio.create_task(self._run())

    def add(self, told: Mapping[str, Any], several: bool) -> None:
        """What the client says about this context; an empty text ends a socket's only one."""
        text = told.get("text") or ""
        over = bool(told.get("close_context")) or (not several and told.get("text") == "")
        self.spoken.text += text
        self._todo.put_nowait((text, bool(told.get("flush")), over))

    async def _run(self) -> None:
        while True:
            text, flush, over = await self._todo.get()
            self._buffer.add(text)
            await self._speak(self._buffer.due(all=flush or over))
            if over:
                self._lesson.end()
                self.spoken.end = "done"
                self._say(isFinal=True)
                if not self._session.several:
                    self._session.wire.close()
                return

    async def _speak(self, text: str) -> None:
        if not text.strip():
            return
        speech = await self._synthesis.speak(text, self._session.rate, self._lesson, speed=self._speed)
        alignment: dict[str, Any] | None = _alignment(text, speech)
        async for pcm in self._synthesis.chunks(speech, first=self._first):
            self._first = False
            audio = base64.b64encode(pcm).decode()
            self._say(audio=audio, isFinal=None, normalizedAlignment=alignment, alignment=alignment)
            alignment = None
            self._said += len(pcm)
            self._session.wire.sounded(self._said / 2 / speech.rate * 1000)

    def _say(self, **message: Any) -> None:
        named = {"contextId": self.id} if self._session.several else {}
        self._session.wire.say(message | named)


def api(elevenlabs: ElevenLabs) -> Router:
    """What clients open."""

    @websocket("/v1/text-to-speech/{voice:str}/multi-stream-input")
    async def several(socket: AnySocket, voice: FromPath[str]) -> None:
        await elevenlabs.talk(socket, several=True)

    @websocket("/v1/text-to-speech/{voice:str}/stream-input")
    async def one(socket: AnySocket, voice: FromPath[str]) -> None:
        await elevenlabs.talk(socket, several=False)

    return Router(BASE, route_handlers=[several, one], include_in_schema=False)


def _alignment(text: str, speech: Speech) -> dict[str, Any]:
    """When each character of `text` sounds, in milliseconds from the beginning of this audio."""
    chars, starts, durations = [], [], []
    words = iter(speech.words)
    inside, at, each = False, 0.0, 0.0
    for char in text:
        if char.isspace():
            inside, length = False, 0.0
        else:
            if not inside and (word := next(words, None)) is not None:
                inside, at = True, word.start * 1000
                each = (word.end - word.start) * 1000 / max(1, len(word.text))
            length = each
        chars.append(char)
        starts.append(round(at))
        durations.append(round(at + length) - round(at))
        at += length
    return {"chars": chars, "charStartTimesMs": starts, "charDurationsMs": durations}


def _fail(wire: Wire, error: str, message: str) -> None:
    wire.say({"message": message, "error": error, "code": POLICY})
    wire.close(POLICY, error)
