"""Exotel's media stream as the port's media: frames in, frames out, through the pure codec."""

import asyncio
import contextlib
import time

from pipecat.frames.frames import (
    AudioRawFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
)
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from starlette.websockets import WebSocket, WebSocketDisconnect

from libs.channels import exotel_media
from voice_service.calls import Call
from voice_service.telephony import NotTaken

UNKNOWN_CALL = 1008
TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001
CLOSE: dict[NotTaken, int] = {"unknown_call": UNKNOWN_CALL, "no_line": TRY_AGAIN_LATER}
PACE = 0.9
"""How much faster than it plays prepared sound is sent: just under real time, as Exotel's samples do it."""
TAIL_S = 0.8
"""What is still on its way to their ear when the last of a sound should have been played."""
CHUNK_10MS = exotel_media.SMALLEST // 2 * 100 // exotel_media.RATE
"""What the transport sends at once, in tens of milliseconds: Exotel's smallest chunk."""


class ExotelMedia:
    """Adapter of telephony.Media: a WebSocket whose stream has said whose it is."""

    provider = "exotel"
    chunk = exotel_media.SMALLEST

    def __init__(self, socket: WebSocket, started: exotel_media.Started) -> None:
        self.ref = started.ref
        self.call = started.call
        self._socket = socket
        self._stream = started.stream

    def transport(self, call: Call) -> FastAPIWebsocketTransport:
        """Ends with the socket, whichever side closes it."""
        return FastAPIWebsocketTransport(
            self._socket,
            FastAPIWebsocketParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                serializer=Frames(self._stream, call),
                audio_out_10ms_chunks=CHUNK_10MS,
                audio_out_end_silence_secs=0,
            ),
        )

    async def refuse(self, why: NotTaken) -> None:
        """Exotel tries once more where there was no line."""
        with contextlib.suppress(RuntimeError, OSError):
            await self._socket.close(CLOSE[why])

    async def left(self) -> None:
        """Before the transport is there: until they are gone. What they say meanwhile nobody hears."""
        with contextlib.suppress(WebSocketDisconnect):
            while not isinstance(exotel_media.read(await self._socket.receive_text()), exotel_media.Stopped):
                pass

    async def plays(self, pcm: bytes) -> None:
        """Before the transport is there: play a sound to them, and return when they have heard it."""
        began, sent, chunks = time.monotonic(), 0, exotel_media.Chunks()
        for chunk in [*chunks.add(pcm), *filter(None, [chunks.rest()])]:
            await self._socket.send_text(exotel_media.media(self._stream, chunk))
            sent += len(chunk)
            ahead = sent / 2 / exotel_media.RATE * PACE - (time.monotonic() - began)
            await asyncio.sleep(max(0.0, ahead))
        await asyncio.sleep(max(0.0, len(pcm) / 2 / exotel_media.RATE + TAIL_S - (time.monotonic() - began)))

    async def hang_up(self) -> None:
        """The end of a direct stream ends the call."""
        with contextlib.suppress(RuntimeError, OSError):
            await self._socket.close(GOING_AWAY)


class Frames(FrameSerializer):
    """No resampling: both sides speak 8 kHz."""

    def __init__(self, stream: str, call: Call) -> None:
        super().__init__()
        self._stream = stream
        self._call = call
        self._plays_until = 0.0

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Sound as `media`, an interruption as `clear`. The end waits: what Exotel has and has not played goes with the socket."""
        now = time.monotonic()
        if isinstance(frame, EndFrame):
            await asyncio.sleep(max(0.0, self._plays_until + TAIL_S - now))
            return None
        if isinstance(frame, InterruptionFrame):
            self._call.falls_silent()
            self._plays_until = 0.0
            return exotel_media.clear(self._stream)
        if isinstance(frame, AudioRawFrame):
            self._call.speaks(frame.audio)
            self._plays_until = max(now, self._plays_until) + len(frame.audio) / 2 / exotel_media.RATE
            missing = -len(frame.audio) % exotel_media.STEP
            return exotel_media.media(self._stream, frame.audio + bytes(missing))
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """The contact's sound; keys and the end of the stream are told to the call."""
        match exotel_media.read(data):
            case exotel_media.Media(pcm):
                self._call.hears(pcm)
                return InputAudioRawFrame(audio=pcm, num_channels=1, sample_rate=exotel_media.RATE)
            case exotel_media.Pressed(digit):
                self._call.pressed(digit)
            case exotel_media.Stopped(hung_up):
                self._call.hung_up = hung_up
        return None
