"""An emulator of Deepgram's pre-recorded listen endpoint: it knows the utterances that it was taught, by their audio.

It understands no sound. What an audio says is what `PUT /_sandbox/deepgram/utterances` taught for the hash of its bytes; of
any other it hears nothing, as Deepgram of silence: an empty transcript, with a header `x-sandbox: unknown audio`.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.exceptions import ValidationException
from litestar.params import JSONBody

from libs.kit import ids
from services.sandbox.state import Answer, Faults, deliver

BASE = "/sandbox/deepgram"
"""The path to append to the origin for Deepgram's base URL."""

Refusal = Literal[400, 401, 402, 403, 429, 500, 503, 504]
_ERRORS: dict[int, tuple[str, str]] = {
    400: ("Bad Request", "failed to process audio: corrupt or unsupported data"),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
    403: ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
    500: ("INTERNAL_ERROR", "An internal error occurred."),
    503: ("SERVICE_UNAVAILABLE", "The service is temporarily unavailable."),
    504: ("GATEWAY_TIMEOUT", "The audio took too long to process."),
}


class Utterance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an audio says: the audio itself in base64, or the sha256 (hex) of its bytes."""

    transcript: str
    audio: str | None = None
    sha256: str | None = None
    language: str = "hi"
    confidence: float = 0.98


class DeepgramFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` requests: refused with a status, or the answer garbled, dropped or hung."""

    times: int = 1
    refuse: Refusal | None = None
    retry_after: float | None = None
    answer: Answer = "whole"
    seconds: float = 30.0


class Heard(msgspec.Struct, kw_only=True):
    """A request that arrived."""

    sha256: str
    bytes: int
    media_type: str | None
    query: dict[str, str]
    transcript: str


class Deepgram:
    """The utterances that were taught, and what was asked."""

    def __init__(self, *, api_key: str | None, now: Callable[[], datetime]) -> None:
        self.faults: Faults[DeepgramFault] = Faults()
        self.requests: list[Heard] = []
        self._api_key = api_key
        self._now = now
        self._taught: dict[str, Utterance] = {}

    def teach(self, utterance: Utterance) -> str:
        """Know from now on what an audio says; its sha256. Raises ValueError where it names none."""
        digest = utterance.sha256.lower() if utterance.sha256 else None
        if utterance.audio is not None:
            try:
                digest = hashlib.sha256(base64.b64decode(utterance.audio, validate=True)).hexdigest()
            except binascii.Error as error:
                raise ValueError(f"audio must be base64: {error}") from error
        if digest is None:
            raise ValueError("an utterance names its audio or the sha256 of it")
        self._taught[digest] = utterance
        return digest

    def reset(self) -> None:
        """As at the start: nothing taught, nothing asked."""
        self.faults.clear()
        self.requests.clear()
        self._taught.clear()

    def admits(self, authorization: str) -> bool:
        """Whether a caller with this header is let in."""
        scheme, _, key = authorization.partition(" ")
        return scheme.lower() in ("token", "bearer") and bool(key) and self._api_key in (None, key)

    def hear(self, audio: bytes, media_type: str | None, query: dict[str, str]) -> tuple[dict[str, Any], bool]:
        """The answer, and whether the audio is known."""
        digest = hashlib.sha256(audio).hexdigest()
        known = self._taught.get(digest)
        said = known or Utterance(transcript="", confidence=0.0)
        self.requests.append(
            Heard(sha256=digest, bytes=len(audio), media_type=media_type, query=query, transcript=said.transcript)
        )
        return self._answer(digest, said, query), known is not None

    def _answer(self, digest: str, said: Utterance, query: dict[str, str]) -> dict[str, Any]:
        words = said.transcript.split()
        alternative: dict[str, Any] = {
            "transcript": said.transcript,
            "confidence": said.confidence,
            "words": [
                {
                    "word": word.lower(),
                    "punctuated_word": word,
                    "start": n * 0.4,
                    "end": n * 0.4 + 0.3,
                    "confidence": 0.98,
                }
                for n, word in enumerate(words)
            ],
        }
        if query.get("language") == "multi" and words:
            alternative["languages"] = [said.language]
        model = f"general-{query.get('model', 'base')}"
        return {
            "metadata": {
                "transaction_key": "deprecated",
                "request_id": str(ids.fresh()),
                "sha256": digest,
                "created": self._now().isoformat(),
                "duration": max(0.5, len(words) * 0.4),
                "channels": 1,
                "models": ["sandbox"],
                "model_info": {"sandbox": {"name": model, "version": "sandbox", "arch": query.get("model", "base")}},
            },
            "results": {"channels": [{"alternatives": [alternative]}]},
        }


def api(deepgram: Deepgram) -> Router:
    """What the SDK calls."""

    @post("/v1/listen", status_code=200, request_max_body_size=64 * 1024 * 1024)
    async def listen(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not deepgram.admits(request.headers.get("authorization", "")):
            return _refused(401)
        audio = await request.body()
        fault = deepgram.faults.take(lambda _: True) or DeepgramFault()
        if fault.refuse is not None:
            return _refused(fault.refuse, fault.retry_after)
        if not audio:
            return _refused(400)
        answer, known = deepgram.hear(audio, request.headers.get("content-type"), dict(request.query_params))
        headers = {} if known else {"x-sandbox": "unknown audio"}
        response = Response(msgspec.json.encode(answer), headers=headers, media_type="application/json")
        return await deliver(response, fault.answer, request, fault.seconds)

    return Router(BASE, route_handlers=[listen], include_in_schema=False)


def controls(deepgram: Deepgram) -> Router:
    """What a test or a demo asks of the emulator itself."""

    @put("/deepgram/utterances", sync_to_thread=False)
    def teach(data: JSONBody[Utterance | list[Utterance]]) -> dict[str, list[str]]:
        """Teach what audio says; the hashes that it is known by."""
        try:
            return {"sha256": [deepgram.teach(each) for each in (data if isinstance(data, list) else [data])]}
        except ValueError as error:
            raise ValidationException(str(error)) from error

    @get("/deepgram/requests", sync_to_thread=False)
    def requests() -> list[Heard]:
        return deepgram.requests

    @post("/deepgram/faults", sync_to_thread=False)
    def add_faults(data: JSONBody[DeepgramFault | list[DeepgramFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            deepgram.faults.add(fault)
        return {"waiting": len(deepgram.faults)}

    return Router("/_sandbox", route_handlers=[teach, requests, add_faults], include_in_schema=False)


def _refused(status: int, retry_after: float | None = None) -> Response[bytes]:
    code, message = _ERRORS[status]
    body = {"err_code": code, "err_msg": message, "request_id": str(ids.fresh())}
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")
