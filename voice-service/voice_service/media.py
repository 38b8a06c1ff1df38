"""Exotel's media stream as Pipecat's transport wants it: frames in, frames out, through the pure codec."""

from pipecat.frames.frames import (
    AudioRawFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
)
from pipecat.serializers.base_serializer import FrameSerializer

from libs.channels import exotel_media
from voice_service.calls import Call

CHUNK_10MS = exotel_media.SMALLEST // 2 * 100 // exotel_media.RATE
"""What the transport sends at once, in tens of milliseconds: Exotel's smallest chunk."""


class ExotelMedia(FrameSerializer):
    """No resampling: both sides speak 8 kHz."""

    def __init__(self, stream: str, call: Call) -> None:
        super().__init__()
        self._stream = stream
        self._call = call

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Sound as `media`, an interruption as `clear`."""
        if isinstance(frame, InterruptionFrame):
            self._call.falls_silent()
            return exotel_media.clear(self._stream)
        if isinstance(frame, AudioRawFrame):
            self._call.speaks(frame.audio)
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
