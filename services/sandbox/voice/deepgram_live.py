"""An emulator of Deepgram's live sockets, `/v1/listen` (nova) and `/v2/listen` (Flux): who is let in, and how it ends.

It recognises what it was taught, by its sound (hearing.py); other sounds are noise to it. Which silence ends a turn is in
`Pace`. Source: developers.deepgram.com as of November 2026.
"""

import base64
import binascii
import wave
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from litestar import Router, get, post, put, websocket
from litestar.exceptions import ValidationException
from litestar.params import JSONBody

from libs.kit import ids
from services.sandbox.voice.flux import Flux
from services.sandbox.voice.hearing import Hearing, Lexicon
from services.sandbox.voice.nova import Nova
from services.sandbox.voice.settings import Pace
from services.sandbox.voice.sound import a_law, mu_law, read_wav
from services.sandbox.voice.speech import spread
from services.sandbox.voice.wire import AnySocket, VoiceFault, Wire, Wires, refuse

_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {"linear16": bytes, "mulaw": mu_law, "alaw": a_law}
_RATES = (8000, 16000, 24000, 48000)
_ERRORS: dict[int, tuple[str, str]] = {
    400: ("Bad Request", "Bad Request: failed to initiate streaming."),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
    403: ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
    503: ("SERVICE_UNAVAILABLE", "The service is temporarily unavailable."),
}


class Session(Protocol):
    """One live transcription."""

    def hear(self, pcm: bytes) -> None:
        """Audio has come, s16le."""

    def told(self, message: dict[str, Any]) -> bool:
        """The client says something; False ends the session."""

    def ended(self) -> None:
        """Nobody listens any more."""


class LiveUtterance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an audio (base64 of PCM s16le, or a WAV file) says; the words are spread over it by their length."""

    transcript: str
    audio: str
    sample_rate: int = 8000


class LiveRequest(msgspec.Struct, kw_only=True):
    """A socket that was opened: its version and query."""

    version: str
    query: list[tuple[str, str]]
    seconds: float = 0.0
    """Of audio that came."""


class DeepgramLive:
    """Both endpoints over one lexicon."""

    def __init__(self, lexicon: Lexicon, pace: Pace, *, admits: Callable[[str], bool]) -> None:
        self.lexicon = lexicon
        self.pace = pace
        self.wires = Wires()
        self.requests: list[LiveRequest] = []
        self._initial = pace
        self._admits = admits

    def reset(self) -> None:
        """As at the start; open sockets stay."""
        self.wires.clear()
        self.requests.clear()
        self.pace = self._initial

    async def listen(self, socket: AnySocket, version: str) -> None:
        """A socket, until it ends."""
        query = list(socket.query_params.multi_items())
        given = dict(query)
        fault = self.wires.take(version)
        problem = _refusal(given, version, fault, self._admits(_authorization(socket)))
        request_id = str(ids.fresh())
        if problem is not None:
            status, message = problem
            await _refuse(socket, status, message, request_id, fault)
            return
        request = LiveRequest(version=version, query=query)
        self.requests.append(request)
        decode = _ENCODINGS[given.get("encoding", "linear16")]
        rate = int(given.get("sample_rate", 16000))
        async with self.wires.opening(socket, version, fault, {"dg-request-id": request_id}) as wire:
            hearing = Hearing(self.lexicon, rate)
            session: Session = (Flux if version == "v2" else Nova)(wire, hearing, query, self.pace, request_id)
            await _attend(wire, session, decode, rate, request)


async def _attend(
    wire: Wire, session: Session, decode: Callable[[bytes], bytes], rate: int, request: LiveRequest
) -> None:
    try:
        async for message in wire.heard():
            if isinstance(message, bytes):
                pcm = decode(message)
                request.seconds += len(pcm) / 2 / rate
                session.hear(pcm)
            else:
                try:
                    told = msgspec.json.decode(message, type=dict[str, Any])
                except msgspec.DecodeError:
                    told = {"type": "(no JSON)", "raw": message}
                if not session.told(told):
                    wire.close()
    finally:
        session.ended()


def api(live: DeepgramLive, base: str) -> Router:
    """What clients open."""

    @websocket("/v1/listen")
    async def nova(socket: AnySocket) -> None:
        await live.listen(socket, "v1")

    @websocket("/v2/listen")
    async def flux(socket: AnySocket) -> None:
        await live.listen(socket, "v2")

    return Router(base, route_handlers=[nova, flux], include_in_schema=False)


def controls(live: DeepgramLive) -> Router:
    """What a test or a demo asks of the live emulator."""

    @get("/requests", sync_to_thread=False)
    def requests() -> list[LiveRequest]:
        """The sockets that were opened, with the seconds of audio that came."""
        return live.requests

    @put("/utterances", sync_to_thread=False)
    def teach(data: JSONBody[LiveUtterance | list[LiveUtterance]]) -> dict[str, int]:
        """Teach what sounds say; what people in the sandbox say on the phone it knows already."""
        told = data if isinstance(data, list) else [data]
        for each in told:
            try:
                audio = base64.b64decode(each.audio, validate=True)
                pcm, rate = read_wav(audio) if audio[:4] == b"RIFF" else (audio, each.sample_rate)
                live.lexicon.teach(spread(each.transcript, pcm, rate))
            except (binascii.Error, wave.Error, EOFError) as error:
                raise ValidationException(f"audio is base64 of PCM or of a WAV file: {error}") from error
        return {"taught": len(told)}

    @put("/pace", sync_to_thread=False)
    def pace(data: JSONBody[Pace]) -> Pace:
        """How fast it is, for sockets that are opened from now on."""
        live.pace = data
        return data

    @post("/faults", sync_to_thread=False)
    def faults(data: JSONBody[VoiceFault | list[VoiceFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            if fault.refuse is not None and fault.refuse not in _ERRORS:
                raise ValidationException(f"refuse: one of {', '.join(map(str, _ERRORS))}")
            live.wires.add(fault)
        return live.wires.shown()

    return Router("/_sandbox/deepgram/live", route_handlers=[requests, teach, pace, faults], include_in_schema=False)


def _authorization(socket: AnySocket) -> str:
    header = socket.headers.get("authorization", "")
    if header:
        return header
    scheme, _, key = socket.headers.get("sec-websocket-protocol", "").partition(",")
    return f"{scheme.strip()} {key.strip()}"


def _refusal(
    given: dict[str, str], version: str, fault: VoiceFault | None, admitted: bool
) -> tuple[int, str | None] | None:
    if not admitted:
        return 401, None
    if fault is not None and fault.refuse is not None:
        return fault.refuse, None
    if given.get("encoding", "linear16") not in _ENCODINGS:
        return 400, "Bad Request: unsupported encoding."
    if not given.get("sample_rate", "16000").isdigit() or int(given.get("sample_rate", "16000")) not in _RATES:
        return 400, "Bad Request: unsupported sample_rate."
    model = given.get("model", "")
    if version == "v2":
        strange = {"language", "interim_results", "endpointing", "smart_format"} & given.keys()
        if not model.startswith("flux-general") or strange:
            return 400, f"Bad Request: {', '.join(sorted(strange)) or 'model'} is not supported by v2/listen."
        eager, sure = float(given.get("eager_eot_threshold", 0.3)), float(given.get("eot_threshold", 0.7))
        if not (0.3 <= eager <= 0.9 and 0.5 <= sure <= 1.0 and eager <= sure):
            return 400, "Bad Request: eager_eot_threshold must be at most eot_threshold."
        if "language_hint" in given and model != "flux-general-multi":
            return 400, "Bad Request: language_hint needs flux-general-multi."
        return None
    if model.startswith("flux"):
        return 400, "Bad Request: flux models need v2/listen."
    if model.startswith("nova-3") and "keywords" in given:
        return 400, "Bad Request: keywords are not supported by nova-3; use keyterm."
    if "utterance_end_ms" in given and (
        given.get("interim_results") != "true" or int(given["utterance_end_ms"]) < 1000
    ):
        return 400, "Bad Request: utterance_end_ms needs interim_results and at least 1000."
    return None


async def _refuse(
    socket: AnySocket, status: int, message: str | None, request_id: str, fault: VoiceFault | None
) -> None:
    code, usual = _ERRORS[status]
    body = {"err_code": code, "err_msg": message or usual, "request_id": request_id}
    headers = {"dg-request-id": request_id, "dg-error": message or usual}
    if fault is not None and fault.retry_after is not None:
        headers["retry-after"] = f"{fault.retry_after:g}"
    await refuse(socket, status, body, headers)
