"""A SIP call's media as Pipecat's transport: 8 kHz both ways, never more than 80 ms written ahead, so that we fall silent at once."""

import asyncio
from typing import Any

from baresip import AudioNotActive, AudioRestarted, Call, CallState, Event, StackEvent
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from libs.channels.exotel_media import RATE
from voice_service import calls, sip

FRAME_BYTES = RATE // 50 * 2
"""20 ms of sound."""
AHEAD_BYTES = FRAME_BYTES * 4
"""Written before its time: outlasts a stalled event loop of 80 ms, and is what remains audible after an interruption."""
POLL_S = 0.02
MEDIA_GONE = (AudioNotActive, AudioRestarted)
"""Before the answer, and for a moment while a re-INVITE replaces the streams: the same object works again afterwards."""


class Ears(BaseInputTransport):
    """What the contact says and presses."""

    def __init__(self, params: TransportParams, line: Call, call: "calls.Call") -> None:
        super().__init__(params)
        self._line = line
        self._call = call
        self._reading: asyncio.Task[None] | None = None

    async def start(self, frame: StartFrame) -> None:
        """Begin to read; the queue that it fills must stand before."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._line.on_dtmf(self._pressed)
        if self._reading is None:
            self._reading = self.create_task(self._read(), "sip-media")

    def _pressed(self, key: Any) -> None:
        self._call.pressed(key.digit)

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                pcm = self._line.audio.read(AHEAD_BYTES)
            except MEDIA_GONE:
                continue
            if pcm:
                self._call.hears(pcm)
                await self.push_audio_frame(InputAudioRawFrame(audio=pcm, sample_rate=RATE, num_channels=1))

    async def stop(self, frame: EndFrame) -> None:
        """Hear no more."""
        await super().stop(frame)
        await self._end()

    async def cancel(self, frame: CancelFrame) -> None:
        """Hear no more."""
        await super().cancel(frame)
        await self._end()

    async def _end(self) -> None:
        self._line.off_dtmf(self._pressed)
        if self._reading is not None:
            reading, self._reading = self._reading, None
            await self.cancel_task(reading)


class Mouth(BaseOutputTransport):
    """What we say."""

    def __init__(self, params: TransportParams, line: Call, call: "calls.Call") -> None:
        super().__init__(params)
        self._line = line
        self._call = call

    async def start(self, frame: StartFrame) -> None:
        """Ready as soon as the line is: it was answered before."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Write it when its time comes: nobody else paces us. False where the line is gone."""
        self._call.speaks(frame.audio)
        left = memoryview(frame.audio)
        while left and self._line.state is not CallState.CLOSED:
            try:
                if self._line.audio.info().tx_buffered < AHEAD_BYTES:
                    left = left[self._line.audio.write(left) :]
                    continue
            except MEDIA_GONE:
                pass
            await asyncio.sleep(POLL_S / 2)
        return not left

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """An interruption also takes back what is written and not on the wire yet."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._call.falls_silent()
            try:
                self._line.audio.flush_tx()
            except MEDIA_GONE:
                pass

    async def stop(self, frame: EndFrame) -> None:
        """Hang up once the last word is on the wire."""
        await super().stop(frame)
        await self._spoken()
        await sip.hang_up(self._line)

    async def cancel(self, frame: CancelFrame) -> None:
        """Hang up at once."""
        await super().cancel(frame)
        await sip.hang_up(self._line)

    async def _spoken(self) -> None:
        try:
            left = self._line.audio.info().tx_buffered
        except MEDIA_GONE:
            return
        await asyncio.sleep((left / 2 / RATE) + POLL_S)


class SipMedia(BaseTransport):
    """One established call. Tells `on_client_disconnected` when the contact has hung up, as Pipecat's sockets do."""

    def __init__(self, line: Call, call: "calls.Call") -> None:
        super().__init__()
        self._line = line
        self._call = call
        self._register_event_handler("on_client_disconnected")
        params = TransportParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_in_sample_rate=RATE,
            audio_out_sample_rate=RATE,
            audio_out_10ms_chunks=2,
            audio_out_end_silence_secs=0,
        )
        self._ears = Ears(params, line, call)
        self._mouth = Mouth(params, line, call)
        self._telling: asyncio.Future[None] | None = None
        line.on(self._happened)

    def input(self) -> Ears:
        """The end that hears."""
        return self._ears

    def output(self) -> Mouth:
        """The end that speaks."""
        return self._mouth

    def _happened(self, event: StackEvent) -> None:
        if event.event is Event.CALL_CLOSED and self._telling is None:
            self._call.hung_up = True
            self._telling = asyncio.ensure_future(self._call_event_handler("on_client_disconnected", self._line))
