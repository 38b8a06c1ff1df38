"""An emulator of Cartesia: its WebSocket with contexts, and `/tts/bytes` as the SDK calls it.

Source: docs.cartesia.ai and SDK 4.2, November 2026. Beyond the wire it knows that the agent's people hear what it says.
"""

import asyncio
import base64
import time
from array import array
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, Router, post, websocket

from libs.kit import ids
from services.sandbox.voice.hearing import Lesson
from services.sandbox.voice.sound import samples, wav
from services.sandbox.voice.speech import Speech
from services.sandbox.voice.synthesis import Buffered, Spoken, Synthesis
from services.sandbox.voice.wire import AnySocket, Wire, Wires, refuse

BASE = "/sandbox/cartesia"
"""The path to append to the origin; the socket is `/tts/websocket` below it."""

_RATES = (8000, 16000, 22050, 24000, 44100, 48000)
_ERRORS: dict[int, tuple[str, str]] = {
    400: ("Bad request", "bad_request"),
    401: ("Unauthorized", "unauthorized"),
    402: ("Credits exhausted", "quota_exceeded"),
    404: ("Invalid model", "model_not_found"),
    429: ("Too many concurrent contexts", "concurrency_limited"),
    500: ("Internal error", "internal_server_error"),
    503: ("Service unavailable", "service_unavailable"),
}


class Refused(Exception):
    """Cartesia does not take a request."""

    def __init__(self, status: int, message: str = "said by the sandbox") -> None:
        super().__init__(message)
        self.status = status

    def body(self, context: str | None = None) -> dict[str, Any]:
        """Its error, of a context where there is one."""
        title, code = _ERRORS.get(self.status, _ERRORS[500])
        named = {} if context is None else {"type": "error", "context_id": context, "done": True}
        return named | {
            "status_code": self.status,
            "title": title,
            "message": str(self),
            "error_code": code,
            "doc_url": "https://docs.cartesia.ai/",
            "request_id": f"req_{ids.fresh().hex[:16]}",
        }


class Cartesia:
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

    def admit(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Raises Refused."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        key = headers.get("x-api-key") or (bearer if scheme.lower() == "bearer" else "")
        key = key or query.get("api_key", "") or query.get("access_token", "")
        if not key or self._api_key not in (None, key):
            raise Refused(401, "Invalid API key")
        if not (headers.get("cartesia-version") or query.get("cartesia_version")):
            raise Refused(400, "cartesia-version is required")

    async def talk(self, socket: AnySocket) -> None:
        """A socket, until it ends."""
        fault = self.wires.take("socket")
        try:
            self.admit(socket.headers, socket.query_params)
            if fault is not None and fault.refuse is not None:
                raise Refused(fault.refuse)
        except Refused as error:
            wait = {} if fault is None or fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
            await refuse(socket, error.status, error.body(), wait)
            return
        async with self.wires.opening(socket, "socket", fault) as wire:
            contexts: dict[str, Context] = {}
            try:
                async for message in wire.heard():
                    self._told(wire, contexts, message)
            finally:
                for context in contexts.values():
                    context.cancel()

    def _told(self, wire: Wire, contexts: "dict[str, Context]", message: str | bytes) -> None:
        try:
            told = msgspec.json.decode(message, type=dict[str, Any])
        except msgspec.DecodeError:
            wire.say(Refused(400, "the message is no JSON").body(""))
            return
        id = told.get("context_id", "")
        if told.get("cancel"):
            if (gone := contexts.pop(id, None)) is not None:
                gone.cancel()
            return
        context = contexts.get(id)
        if wire.awaited:
            wire.mention((context.spoken.text if context else "") + str(told.get("transcript", "")))
        try:
            if (status := wire.failure()) is not None:
                raise Refused(status)
            checked(told)
            if context is None:
                context = contexts[id] = Context(self, wire, told)
                context.task.add_done_callback(lambda _: contexts.pop(id, None))
            context.add(told)
        except Refused as error:
            if (gone := contexts.pop(id, None)) is not None:
                gone.cancel("failed")
            wire.say(error.body(id))


class Context:
    """One speech: text comes in, audio goes out, until no more text comes or it is cancelled."""

    def __init__(self, cartesia: Cartesia, wire: Wire, first: Mapping[str, Any]) -> None:
        self.id: str = first["context_id"]
        self.spoken = Spoken(context=self.id)
        cartesia.spoken.append(self.spoken)
        self._synthesis = cartesia.synthesis
        self._wire = wire
        self._fixed = _fixed(first)
        self._format: Mapping[str, Any] = first["output_format"]
        self._lesson = self._synthesis.lesson(self._format["sample_rate"])
        self._messages: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._timestamps = bool(first.get("add_timestamps"))
        self._speed = float((first.get("generation_config") or {}).get("speed", 1.0))
        self._buffer = Buffered(float(first.get("max_buffer_delay_ms", 3000)) / 1000)
        self._seconds = 0.0
        self._said = 0
        self._first = True
        self.task = asyncio.create_task(self._run())

    def add(self, message: Mapping[str, Any]) -> None:
        """More text. Raises Refused where it is in another voice, model, language or format."""
        if _fixed(message) != self._fixed:
            raise Refused(400, "voice, model, language and output format are the same in all of a context")
        self.spoken.text += message.get("transcript", "")
        self._messages.put_nowait(message)

    def cancel(self, end: str = "cancelled") -> None:
        """No more audio."""
        if not self.task.done():
            self.spoken.end = end
            self.task.cancel()

    async def _run(self) -> None:
        while True:
            message = await self._next()
            over = message is not None and not message.get("continue", False)
            flush = message is not None and bool(message.get("flush"))
            if message is not None:
                self._buffer.add(message.get("transcript", ""))
            await self._speak(self._buffer.due(all=over or flush))
            if flush:
                self._say("flush_done", done=False, flush_done=True, flush_id=1, status_code=206)
            if over:
                self._lesson.end()
                self.spoken.end = "done"
                self._say("done", done=True, status_code=200)
                return

    async def _next(self) -> Mapping[str, Any] | None:
        """The next message; None when what waits must be spoken."""
        try:
            async with asyncio.timeout(self._buffer.left):
                return await self._messages.get()
        except TimeoutError:
            return None

    async def _speak(self, text: str) -> None:
        if not text.strip():
            return
        speech = await self._synthesis.speak(text, self._format["sample_rate"], self._lesson, speed=self._speed)
        began = time.monotonic()
        announced = not self._timestamps or not speech.words
        async for pcm in self._synthesis.chunks(speech, first=self._first):
            self._first = False
            if not announced:
                announced = True
                self._say_words(speech)
            took = round((time.monotonic() - began) * 1000, 1)
            data = base64.b64encode(encoded(pcm, self._format["encoding"])).decode()
            self._say("chunk", data=data, done=False, status_code=206, step_time=took, flush_id=1)
            self._said += len(pcm)
            self._wire.sounded(self._said / 2 / speech.rate * 1000)
        self._seconds += speech.seconds

    def _say_words(self, speech: Speech) -> None:
        self._say(
            "timestamps",
            done=False,
            status_code=206,
            word_timestamps={
                "words": [word.text for word in speech.words],
                "start": [round(word.start + self._seconds, 3) for word in speech.words],
                "end": [round(word.end + self._seconds, 3) for word in speech.words],
            },
        )

    def _say(self, type: str, **more: Any) -> None:
        self._wire.say({"type": type, "context_id": self.id, **more})


def checked(told: Mapping[str, Any]) -> None:
    """Raises Refused for a request that Cartesia would not take."""
    if not str(told.get("model_id", "")).startswith("sonic"):
        raise Refused(404, "The model is not valid, make sure it is a valid model ID.")
    voice = told.get("voice")
    if not (isinstance(voice, str) and voice) and not (isinstance(voice, Mapping) and voice.get("id")):
        raise Refused(400, "voice: an id is required")
    form = told.get("output_format") or {}
    if form.get("container") not in ("raw", "wav") or form.get("encoding") not in ("pcm_s16le", "pcm_f32le"):
        raise Refused(400, "output_format: the sandbox speaks raw or wav, pcm_s16le or pcm_f32le")
    if form.get("sample_rate") not in _RATES:
        raise Refused(400, f"output_format.sample_rate: one of {', '.join(map(str, _RATES))}")
    if not isinstance(told.get("transcript", ""), str):
        raise Refused(400, "transcript must be a string")


def encoded(pcm: bytes, encoding: str) -> bytes:
    """PCM s16le in the encoding that was asked for."""
    if encoding == "pcm_f32le":
        return array("f", [value / 32768 for value in samples(pcm)]).tobytes()
    return pcm


def api(cartesia: Cartesia) -> Router:
    """What clients call."""

    @websocket("/tts/websocket")
    async def talk(socket: AnySocket) -> None:
        await cartesia.talk(socket)

    @post("/tts/bytes", status_code=200)
    async def whole(request: Request[Any, Any, Any]) -> Response[bytes]:
        fault = cartesia.wires.take("bytes")
        try:
            cartesia.admit(request.headers, request.query_params)
            if fault is not None and (fault.refuse or fault.fails):
                raise Refused(fault.refuse or fault.fails or 500)
            asked = msgspec.json.decode(await request.body(), type=dict[str, Any])
            checked(asked)
        except msgspec.DecodeError:
            return _error(Refused(400, "the body is no JSON"))
        except Refused as error:
            return _error(error)
        form = asked["output_format"]
        lesson: Lesson = cartesia.synthesis.lesson(form["sample_rate"])
        speed = float((asked.get("generation_config") or {}).get("speed", 1.0))
        speech = await cartesia.synthesis.speak(asked["transcript"], form["sample_rate"], lesson, speed=speed)
        lesson.end()
        cartesia.spoken.append(Spoken(context=None, text=asked["transcript"], end="done"))
        if fault is not None and fault.slow_ms:
            await asyncio.sleep(fault.slow_ms / 1000)
        pcm = b"".join([part async for part in cartesia.synthesis.chunks(speech, first=True)])
        if form["container"] == "wav":
            return Response(wav([pcm], form["sample_rate"]), media_type="audio/wav")
        return Response(encoded(pcm, form["encoding"]), media_type="audio/raw")

    return Router(BASE, route_handlers=[talk, whole], include_in_schema=False)


def _fixed(message: Mapping[str, Any]) -> tuple[bytes, ...]:
    """What may not change within a context."""
    names = ("model_id", "voice", "output_format", "language")
    return tuple(msgspec.json.encode(message.get(name), order="deterministic") for name in names)


def _error(error: Refused) -> Response[bytes]:
    return Response(msgspec.json.encode(error.body()), status_code=error.status, media_type="application/json")
