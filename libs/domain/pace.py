"""When answers come too late for a while the agent does with less, and comes back once they are quick again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from libs.domain.latency import Budget, Histogram, budget_of

FASTER_MODEL = "claude-haiku-5-5"
FEWER_WORDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what it is decided, and what doing with less means (`voice.latency` of the settings).

    The newest `turns` answers of the last `window_s` seconds count; with fewer than that nothing changes. Degraded when one in
    ten takes the budget's alarm or more; back when nine in ten keep its target, after `hold_s` seconds at least. `endpointing_ms` are
    added to what we wait after the contact's last word, so that fewer answers are begun in vain; they are not held
    against the answer.
    """

    budget: Budget = field(default_factory=Budget)
    window_s: float = 120.0
    turns: int = 10
    hold_s: float = 60.0
    model: str = FASTER_MODEL
    words: int = FEWER_WORDS
    endpointing_ms: int = 150


def terms_of(told: Mapping[str, Any]) -> Terms:
    """What `voice` of the settings says of it."""
    part = told.get("latency") or {}
    less = part.get("degraded") or {}
    plain = Terms()
    return Terms(
        budget=budget_of(told),
        window_s=float(part.get("window_s", plain.window_s)),
        turns=int(part.get("turns", plain.turns)),
        hold_s=float(part.get("hold_s", plain.hold_s)),
        model=str(less.get("model", plain.model)),
        words=int(less.get("max_response_words", plain.words)),
        endpointing_ms=int(less.get("endpointing_ms", plain.endpointing_ms)),
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """Seconds of a monotonic clock, and the milliseconds that the contact waited."""

    at: float
    waited_ms: int


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nobody has waited since; old measurements grow stale."""

    at: float


@dataclass(frozen=True, slots=True)
class Degraded:
    """From now on with less: one answer in ten took `p90_ms` or more."""

    p90_ms: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """As usual again; None: nobody has waited for so long that nothing says it is slow."""

    p90_ms: int | None


@dataclass(frozen=True, slots=True)
class Pacing:
    """The newest answers, and since when we do with less; None: we do not."""

    answers: tuple[Answered, ...] = ()
    degraded_since: float | None = None


def step(pacing: Pacing, happened: Answered | TimePassed, terms: Terms) -> tuple[Pacing, list[Degraded | Recovered]]:
    """The state after one more answer or some time, and what changes by it."""
    now, since = happened.at, pacing.degraded_since
    answers = tuple(each for each in pacing.answers if now - each.at <= terms.window_s)
    if isinstance(happened, Answered):
        extra = 0 if since is None else terms.endpointing_ms
        answers = (*answers, replace(happened, waited_ms=max(0, happened.waited_ms - extra)))[-terms.turns :]
    pacing = replace(pacing, answers=answers)
    if since is not None and not answers and now - since > terms.window_s:
        return Pacing(), [Recovered(None)]
    if len(answers) < terms.turns:
        return pacing, []
    late = _p90(answers)
    if since is None and late >= terms.budget.alarm:
        return Pacing(degraded_since=now), [Degraded(late)]
    if since is not None and late <= terms.budget.total and now - since >= terms.hold_s:
        return Pacing(), [Recovered(late)]
    return pacing, []


def _p90(answers: tuple[Answered, ...]) -> int:
    waits = Histogram()
    for each in answers:
        waits.add(each.waited_ms)
    return waits.percentile(90)
