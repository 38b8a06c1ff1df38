"""How long contacts wait for an answer: milliseconds by stage, in histograms that add up, held against a budget."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Stage = Literal["decision", "stt", "llm", "tts", "transport", "total"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""`stt` from the last word to the provider's end of turn, `decision` from there to ours, `llm` to the first token,
`tts` to so much sound as the line sends at once, `transport` to the first block sent; `total` is all of them."""

PERCENTILES = (50, 90, 99)
HALF = 32
"""Buckets to each doubling: a percentile is off by 1/64 at most. Below twice as many milliseconds each has its own."""

Counts = Mapping[int, int]
"""How often each bucket was hit; those that never were are left out."""


@dataclass(slots=True)
class Histogram:
    """Milliseconds in logarithmic buckets, as HdrHistogram has them: those of several calls or processes add up exactly."""

    counts: dict[int, int] = field(default_factory=dict)

    def add(self, milliseconds: int) -> None:
        """One more."""
        place = bucket_of(milliseconds)
        self.counts[place] = self.counts.get(place, 0) + 1

    def merge(self, counts: Counts) -> None:
        """Those of another one, too."""
        for place, count in counts.items():
            self.counts[place] = self.counts.get(place, 0) + count

    def __len__(self) -> int:
        return sum(self.counts.values())

    def percentile(self, percent: float) -> int:
        """The milliseconds that so many percent do not exceed. Raises ValueError where nothing was measured."""
        number = len(self)
        if not number:
            raise ValueError("nothing was measured")
        rank = max(1, -(-number * percent // 100))
        for place in sorted(self.counts):
            rank -= self.counts[place]
            if rank <= 0:
                break
        return middle_of(place)


@dataclass(slots=True)
class Latency:
    """The waits of a call, a process or a service, by stage."""

    stages: dict[str, Histogram] = field(default_factory=dict)

    def add(self, measured: Mapping[str, int]) -> None:
        """One more answer: its milliseconds by stage."""
        for name, milliseconds in measured.items():
            self.stages.setdefault(name, Histogram()).add(milliseconds)

    def merge(self, counts: Mapping[str, Counts]) -> None:
        """Those of another call or process, too."""
        for name, each in counts.items():
            self.stages.setdefault(name, Histogram()).merge(each)

    def counts(self) -> dict[str, dict[int, int]]:
        """What `merge` takes, of its own."""
        return {name: dict(each.counts) for name, each in self.stages.items()}

    def percentiles(self) -> dict[str, dict[str, int]]:
        """p50, p90 and p99 in milliseconds by stage, as `p50_ms`."""
        return {
            name: {f"p{percent}_ms": self.stages[name].percentile(percent) for percent in PERCENTILES}
            for name in STAGES
            if self.stages.get(name)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Milliseconds that an answer may take, by stage and in all; above `alarm` something has to change."""

    decision: int = 150
    stt: int = 300
    llm: int = 300
    tts: int = 200
    transport: int = 100
    total: int = 600
    alarm: int = 800


def budget_of(told: Mapping[str, Any]) -> Budget:
    """What `voice.latency` of the settings says, such as `{target_ms: 600, alarm_ms: 800, stages: {llm_ms: 300}}`."""
    part = told.get("latency") or {}
    given = {name.removesuffix("_ms"): milliseconds for name, milliseconds in (part.get("stages") or {}).items()}
    for name, key in (("total", "target_ms"), ("alarm", "alarm_ms")):
        if key in part:
            given[name] = part[key]
    return Budget(**given)


_ADVICE: Mapping[str, str] = {
    "decision": "endpointing waits long after the end of speech: lower voice.endpointing where the contacts pause little",
    "stt": "the end of speech is noticed late: use the model with eager end of turn, or lower its endpointing_ms",
    "llm": "use the faster model, shrink the prompt, cache it",
    "tts": "the first sound is late: speak token by token, lower the buffer delay, or use the faster voice model",
    "transport": "the process is busy or the line is far: fewer calls a process, or a region that is nearer",
}


def hints(percentiles: Mapping[str, Mapping[str, int]], budget: Budget) -> list[str]:
    """What would make answers faster, by what was measured: each stage whose median is over its budget."""
    found = []
    for name, advice in _ADVICE.items():
        median, allowed = percentiles.get(name, {}).get("p50_ms", 0), getattr(budget, name)
        if median > allowed:
            found.append(f"{name} takes {median} ms and has {allowed} ms: {advice}")
    late = percentiles.get("total", {}).get("p90_ms", 0)
    if late > budget.alarm:
        found.append(f"one answer in ten takes {late} ms or more, over the alarm's {budget.alarm} ms")
    return found


def bucket_of(milliseconds: int) -> int:
    """The bucket of a duration; one below zero counts as none at all."""
    value = max(0, milliseconds)
    shift = max(0, value.bit_length() - HALF.bit_length())
    return HALF * shift + (value >> shift)


def middle_of(bucket: int) -> int:
    """The duration that stands for a bucket."""
    shift = max(0, bucket // HALF - 1)
    return ((bucket - HALF * shift) << shift) + ((1 << shift) >> 1)


def merged(all_counts: Iterable[Mapping[str, Counts]]) -> Latency:
    """The waits of several calls or processes together."""
    whole = Latency()
    for counts in all_counts:
        whole.merge(counts)
    return whole
