"""A SIP call's media as the port's media: 8 kHz both ways, little is written ahead, and taken back when we fall silent."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from baresip import AudioNotActive, AudioRestarted, Call, CallState, Event, StackEvent
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from libs.channels.exotel_media import RATE
from voice_service import calls, sip_stack
from voice_service.telephony import NotTaken

FRAME_BYTES = RATE // 50 * 2
"""20 ms of sound."""
AHEAD_BYTES = FRAME_BYTES * 10
"""Written before its time, as much as Exotel's chunk: outlasts a stalled event loop of 200 ms. An interruption takes it back."""
POLL_S = 0.02
SPOKEN_S = 1.0
"""How long the last words may take to leave: more than were written ahead."""
JITTER_S = 0.2
"""What the other end's jitter buffer may hold back."""
LOST = "rtp stream"
"""How the stack names the end of a line that was silent for too long."""
MEDIA_GONE = (AudioNotActive, AudioRestarted)
"""Before the answer, and for a moment while a re-INVITE replaces the streams: the same object works again afterwards."""


class Ears(BaseInputTransport):
    """What the contact says and presses."""

    def __init__(
        self, params: TransportParams, line: Call, call: "calls.Call", gone: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        super().__init__(params)
        self._line = line
        self._call = call
        self._gone = gone
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, frame: StartFrame) -> None:
        """Begin to read; the queue that it fills must stand before."""
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._line.on_dtmf(self._pressed)
        if not self._tasks:
            self._tasks = [self.create_task(self._read(), "sip-media"), self.create_task(self._gone(), "sip-line")]

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
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            await self.cancel_task(task)


class Mouth(BaseOutputTransport):
    """What we say."""

    def __init__(
        self, params: TransportParams, line: Call, call: "calls.Call", hang_up: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(params)
        self._line = line
        self._call = call
        self._hang_up = hang_up

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
        await self._hang_up()

    async def cancel(self, frame: CancelFrame) -> None:
        """Hang up at once."""
        await super().cancel(frame)
        await self._hang_up()

    def _supports_native_dtmf(self) -> bool:
        return True

    async def _write_dtmf_native(self, frame: OutputDTMFFrame | OutputDTMFUrgentFrame) -> None:
        """Keys as telephone-events (RFC 4733)."""
        await self._line.send_dtmf("".join(button.value for button in frame.buttons or ()))

    async def _spoken(self) -> None:
        """Until what is written is on the wire, and the other end has played it: a BYE cuts off what its jitter buffer holds."""
        try:
            async with asyncio.timeout(SPOKEN_S):
                while self._line.audio.info().tx_buffered:  # noqa: ASYNC110 - the stack's own thread takes it
                    await asyncio.sleep(POLL_S)
        except (TimeoutError, *MEDIA_GONE):
            return
        await asyncio.sleep(JITTER_S)


class SipTransport(BaseTransport):
    """Both ends of a line. Tells `on_client_disconnected` when it is gone, as Pipecat's sockets do."""

    def __init__(self, line: Call, media: "SipMedia", call: "calls.Call") -> None:
        super().__init__()
        self._line = line
        self._media = media
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
        self._ears = Ears(params, line, call, self._gone)
        self._mouth = Mouth(params, line, call, media.hang_up)

    def input(self) -> Ears:
        """The end that hears."""
        return self._ears

    def output(self) -> Mouth:
        """The end that speaks."""
        return self._mouth

    async def _gone(self) -> None:
        self._call.hung_up = await self._media.gone()
        await self._call_event_handler("on_client_disconnected", self._line)


class SipMedia:
    """Adapter of telephony.Media: an established call of this process's stack. Make it as soon as it is one."""

    provider = "sip"
    chunk = FRAME_BYTES

    def __init__(self, line: Call, call: str) -> None:
        self.ref = call
        self.call: str | None = call
        self.line = line
        self._over = sip_stack.closing(line)
        self._ours = False
        self._lost = False
        line.on(self._happened)

    def transport(self, call: "calls.Call") -> "SipTransport":
        """Ends with the line, whichever side hangs up."""
        return SipTransport(self.line, self, call)

    async def refuse(self, why: NotTaken) -> None:
        """Nobody calls back a line that was answered."""
        await self.hang_up()

    async def hang_up(self) -> None:
        """BYE."""
        self._ours = True
        await sip_stack.hang_up(self.line)

    async def gone(self) -> bool:
        """Once the line is: whether the contact hung up."""
        await self._over.wait()
        return not self._ours and not self._lost

    def _happened(self, event: StackEvent) -> None:
        """A line without sound for too long is closed by the stack: nobody hung up."""
        if event.event is Event.CALL_CLOSED:
            self._lost = LOST in (event.text or "")
