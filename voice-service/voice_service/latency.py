"""How long the contact waits, stage by stage, keyed on what the transport and the providers did."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

STAGES = ("decision", "stt", "llm", "tts", "transport", "total")
KEPT = 1000
"""Turns that count in the percentiles of a process."""


@dataclass(slots=True)
class Turn:
    """The moments of one answer, in milliseconds of the call; None: not yet."""

    last_word: int | None = None
    end_of_speech: int | None = None
    closed: int | None = None
    first_token: int | None = None
    first_sound: int | None = None
    first_sent: int | None = None

    def stages(self) -> dict[str, int]:
        """Milliseconds by stage: `stt` from the last word to the provider's end of turn, `decision` from there to ours."""
        pairs = {
            "stt": (self.last_word, self.end_of_speech),
            "decision": (self.end_of_speech, self.closed),
            "llm": (self.closed, self.first_token),
            "tts": (self.first_token, self.first_sound),
            "transport": (self.first_sound, self.first_sent),
            "total": (self.last_word, self.first_sent),
        }
        return {name: max(0, b - a) for name, (a, b) in pairs.items() if a is not None and b is not None}


@dataclass(slots=True)
class Tracker:
    """The newest turns of a call or of a process."""

    kept: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT)))

    def add(self, stages: Mapping[str, int]) -> None:
        """One more turn."""
        for name, value in stages.items():
            self.kept[name].append(value)

    def percentiles(self) -> dict[str, dict[str, int]]:
        """p50, p90 and p99 in milliseconds, by stage."""
        return {name: _percentiles(self.kept[name]) for name in STAGES if self.kept.get(name)}


def hints(percentiles: Mapping[str, Mapping[str, int]]) -> list[str]:
    """What would make answers faster, by what was measured."""
    found = []
    if percentiles.get("llm", {}).get("p50_ms", 0) > 300:
        found.append("Claude's first token takes over 300 ms: use the faster model, shrink the prompt, cache it")
    if percentiles.get("tts", {}).get("p50_ms", 0) > 200:
        found.append("the first sound takes over 200 ms: stream by token, lower max_buffer_delay_ms")
    return found


def _percentiles(values: Iterable[int]) -> dict[str, int]:
    ordered = sorted(values)
    return {f"p{p}_ms": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 90, 99)}
