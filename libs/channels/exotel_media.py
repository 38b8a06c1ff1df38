"""Exotel's media stream (AgentStream): the frames of its WebSocket, read with tolerance and written as it demands.

Source: docs.exotel.com AgentStream and Exotel's own samples as of August 2026. Sound is PCM s16le mono, 8 kHz, base64. What we
send comes in chunks of 3,200 to 100,000 bytes, a multiple of 320; only a speech's last one may be filled up with silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

RATE = 8000
SMALLEST = 3200
STEP = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The stream begins; `call` is our id, out of the stream's URL."""

    stream: str
    ref: str
    call: str | None
    rate: int


@dataclass(frozen=True, slots=True)
class Media:
    """Sound of the contact."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Marked:
    """All that we sent before this mark has been played, or was cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Pressed:
    digit: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """`hung_up`: the contact did; else the line ended it."""

    hung_up: bool


Frame = Started | Media | Marked | Pressed | Stopped


class _Sound(msgspec.Struct):
    payload: bytes


class _Media(msgspec.Struct, tag_field="event", tag="media"):
    """The frame that comes ten times a second in every call: nothing but its sound is read."""

    media: _Sound


_media = msgspec.json.Decoder(_Media)


def read(text: str | bytes) -> Frame | None:
    """A frame of Exotel's; None for `connected` and for what nobody documented. Ids and counters may be numbers or camelCase."""
    try:
        pcm = _media.decode(text).media.payload
        return Media(pcm[:-1] if len(pcm) % 2 else pcm)  # half a sample would make noise of all that follows
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _other(text)


def _other(text: str | bytes) -> Frame | None:
    try:
        told: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    match told:
        case {"event": "start", "start": dict(start)}:
            return _started(told, start)
        case {"event": "mark", "mark": {"name": str(name)}}:
            return Marked(name)
        case {"event": "dtmf", "dtmf": {"digit": digit}}:
            return Pressed(str(digit))
        case {"event": "stop"}:
            stop = told.get("stop")
            return Stopped(isinstance(stop, dict) and stop.get("reason") == "callended")
    return None


def media(stream: str, pcm: bytes) -> str:
    """A chunk of ours."""
    return _json(
        {"event": "media", "stream_sid": stream, "media": {"payload": pcm}}
    )  # bytes are base64 in msgspec's JSON


def mark(stream: str, name: str) -> str:
    """Asks to be told when all before it has been played."""
    return _json({"event": "mark", "stream_sid": stream, "mark": {"name": name}})


def clear(stream: str) -> str:
    """What was not played yet is dropped."""
    return _json({"event": "clear", "stream_sid": stream})


class Chunks:
    """Cuts sound into chunks as Exotel demands; `rest` gives the last one, filled up with silence."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, pcm: bytes) -> Iterator[bytes]:
        """The whole chunks that are there now."""
        self._kept += pcm
        while len(self._kept) >= SMALLEST:
            yield bytes(self._kept[:SMALLEST])
            del self._kept[:SMALLEST]

    def rest(self) -> bytes | None:
        """What is left."""
        left = bytes(self._kept).ljust(SMALLEST, b"\0") if self._kept else None
        self._kept.clear()
        return left

    def clear(self) -> None:
        """What is left is not said."""
        self._kept.clear()


def _started(told: dict[str, Any], start: dict[str, Any]) -> Started | None:
    stream = start.get("stream_sid") or start.get("streamSid") or told.get("stream_sid") or told.get("streamSid")
    ref = start.get("call_sid") or start.get("callSid")
    if not stream or not ref:
        return None
    parameters = start.get("custom_parameters") or start.get("customParameters") or {}
    form = start.get("media_format") or start.get("mediaFormat") or {}
    call = parameters.get("call") if isinstance(parameters, dict) else None
    rate = str(form.get("sample_rate") or RATE) if isinstance(form, dict) else str(RATE)
    return Started(
        stream=str(stream),
        ref=str(ref),
        call=str(call) if call else None,
        rate=int(rate) if rate.isdigit() else RATE,
    )


def _json(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
