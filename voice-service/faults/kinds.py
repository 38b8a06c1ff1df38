"""What goes wrong: each kind befalls one call, in the turn in which the contact names a date, at one provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Where = Literal["stt", "llm", "tts", "both voices", "none"]
SLOW_MS = 4000


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault by the sandbox's own words; `when` is added by the call that it is meant for."""

    name: str
    where: Where
    fault: dict[str, Any]


KINDS: Sequence[Kind] = (
    Kind("stt killed", "stt", {"drops": True}),
    Kind("stt closed (1011)", "stt", {"closes": 1011, "reason": "NET-0000"}),
    Kind("stt error", "stt", {"fails": 500}),
    Kind("stt muted", "stt", {"mute": True}),
    Kind("stt slowed", "stt", {"slow_ms": SLOW_MS}),
    Kind("stt rate-limited", "stt", {"refuse": 429, "refusals": 1}),
    Kind("both ears refused", "stt", {"refuse": 503, "refusals": 5}),
    Kind("llm rate-limited", "llm", {"kind": "rate_limit", "retry_after": 30}),
    Kind("llm overloaded", "llm", {"kind": "overloaded"}),
    Kind("llm error", "llm", {"kind": "server_error"}),
    Kind("llm muted", "llm", {"kind": "hung"}),
    Kind("llm slowed", "llm", {"kind": "slow_first_token", "delay_ms": SLOW_MS}),
    Kind("llm stalled", "llm", {"kind": "stall"}),
    Kind("llm broken off", "llm", {"kind": "mid_stream_error"}),
    Kind("llm killed", "llm", {"kind": "connection_reset"}),
    Kind("tts killed", "tts", {"drops": True}),
    Kind("tts killed, speaking", "tts", {"drops": True, "after_ms": 400}),
    Kind("tts muted", "tts", {"mute": True}),
    Kind("tts muted, speaking", "tts", {"mute": True, "after_ms": 400}),
    Kind("tts slowed", "tts", {"slow_ms": SLOW_MS}),
    Kind("tts rate-limited", "tts", {"fails": 429}),
    Kind("tts quota", "tts", {"fails": 402}),
    Kind("tts error", "tts", {"fails": 500}),
    Kind("both voices muted", "both voices", {"mute": True}),
    Kind("none", "none", {}),
)
PATHS: dict[Where, tuple[str, ...]] = {
    "stt": ("/deepgram/live/faults",),
    "llm": ("/anthropic/faults",),
    "tts": ("/cartesia/faults",),
}
PATHS |= {"both voices": ("/cartesia/faults", "/elevenlabs/faults"), "none": ()}
SHORT: Sequence[str] = (
    "stt killed",
    "stt muted",
    "stt slowed",
    "stt rate-limited",
    "llm rate-limited",
    "llm muted",
    "llm broken off",
    "tts killed, speaking",
    "tts muted",
    "tts slowed",
    "tts rate-limited",
    "both voices muted",
)
"""Every sort of fault once, for each provider that it can befall."""
