"""What the emulated carrier, listeners and speakers know when they start."""

from typing import Literal

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast Deepgram decides, in milliseconds; the defaults are what it was measured at.

    Silence is counted from the end of the sound; where audio comes slower than that, a timer decides between blocks.
    `eager_ms` and `end_of_turn_ms` are Flux's for something that sounds finished, `hold_ms` its patience with a sentence
    that is not. `update_ms`: an interim at most that often. `final_ms` is what
    nova needs for a final beyond its `endpointing`.
    """

    eager_ms: float = 120
    end_of_turn_ms: float = 260
    hold_ms: float = 1000
    update_ms: float = 250
    final_ms: float = 0
    silent_close_ms: float = 10_000
    """Without audio and KeepAlive, nova closes with NET-0001."""


class SynthesisPace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Milliseconds from a text to its first audio, and how many seconds of audio come in one second after that."""

    first_byte_ms: float = 90
    real_time_factor: float = 4.0
    chunk_ms: int = 100


class ExotelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One account. None for a key accepts any; waits are in machine seconds."""

    api_key: str | None = None
    api_token: str | None = None
    voice_ai: bool = True
    """Whether Connect Voice AI is enabled for the account; without it 403."""
    flow_stream_url: str | None = None
    """The Voicebot applet's, for calls with a flow's `Url`: a WebSocket, or an address that is asked for one."""
    flow_next_url: str | None = None
    """Behind the Voicebot applet: a Passthru that is asked whether the flow goes on to Connect (200) or hangs up (302)."""
    flow_connect_url: str | None = None
    """The Connect applet's, asked whom to ring; where nobody answers the flow comes to the Voicebot applet again."""
    flow_after_url: str | None = None
    """Behind Connect: a Passthru that is told how it went."""
    exophone: str = "08047491899"
    rate_per_minute: int = 200
    streams: int = 100
    speed: float = 1.0
    """How many seconds of a call pass in one; sound keeps its length in the call's time."""
    marks_after_clear: Literal["echoed", "dropped"] = "echoed"
    callback_attempts: int = 3
    callback_backoff: float = 0.1
    """Before the second attempt, then doubled; the real ones come after 5 and 15 minutes."""
    settles_after: float = 0.0
    """Until Duration, EndTime, Price and RecordingUrl are in the details; about 120 s in reality."""
    dnd: tuple[str, ...] = ()


class VoiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about calls. None for a key accepts any."""

    exotel: ExotelSettings = ExotelSettings()
    hearing: Pace = Pace()
    speaking: SynthesisPace = SynthesisPace()
    cartesia_key: str | None = None
    elevenlabs_key: str | None = None
    audible: bool = True
    """Speak through espeak-ng where it is installed; tones otherwise."""
