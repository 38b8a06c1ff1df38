"""A circuit breaker: who fails again and again is left alone for a while, then asked by one call before all ask again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from libs.kit import telemetry

State = Literal["closed", "open", "half_open"]

MOST = 4
"""So many failures one after the other within `WINDOW_S`, whichever calls they befall, open it."""
WINDOW_S = 30.0
REST_S = 10.0
PROBE_S = 15.0
"""A call that probes and ends without a word blocks nobody for longer."""
LONGEST_S = 120.0
"""Each failed probe doubles the rest, up to this."""

_OPEN = telemetry.gauge(
    "voice_provider_open", "Whether a provider's breaker is open (1) or half open (0.5).", "provider"
)


@dataclass(slots=True)
class Breaker:
    """One provider's, shared by all calls of this process. Times are seconds of any one clock."""

    failures: list[float] = field(default_factory=list)
    opened: float | None = None
    rest: float = REST_S
    probed: float | None = None
    """When a probe began that has not told yet."""

    def state(self, now: float) -> State:
        """Open until the rest is over, half open from then until a probe has told."""
        if self.opened is None:
            return "closed"
        return "half_open" if now >= self.opened + self.rest else "open"

    def allows(self, now: float) -> bool:
        """Whether a call may ask; half open, the first one may."""
        state = self.state(now)
        probing = self.probed is not None and now < self.probed + PROBE_S
        return state == "closed" or (state == "half_open" and not probing)

    def asked(self, now: float) -> None:
        """A call asks."""
        if self.state(now) == "half_open":
            self.probed = now

    def succeeded(self) -> None:
        """It has answered."""
        self.opened, self.rest, self.probed = None, REST_S, None
        self.failures.clear()

    def failed(self, now: float) -> None:
        """It has not, or not in time."""
        if self.opened is not None:
            if self.probed is not None:
                self.opened, self.rest, self.probed = now, min(LONGEST_S, self.rest * 2), None
            return
        self.failures = [at for at in self.failures if at > now - WINDOW_S] + [now]
        if len(self.failures) >= MOST:
            self.opened = now


class Breakers:
    """The breakers of this process, by provider and model."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, Breaker] = {}

    def allows(self, provider: str) -> bool:
        """Whether a call may ask it."""
        return self._of(provider).allows(self._clock())

    def asked(self, provider: str) -> None:
        """A call asks it."""
        self._of(provider).asked(self._clock())

    def succeeded(self, provider: str) -> None:
        """It has answered a call."""
        breaker = self._of(provider)
        was_open = breaker.opened is not None
        breaker.succeeded()
        if was_open:
            self._show(provider)

    def failed(self, provider: str) -> None:
        """It has failed a call."""
        self._of(provider).failed(self._clock())
        self._show(provider)

    def states(self) -> dict[str, State]:
        """Every known provider's."""
        now = self._clock()
        return {name: breaker.state(now) for name, breaker in self._known.items()}

    def _of(self, provider: str) -> Breaker:
        return self._known.setdefault(provider, Breaker())

    def _show(self, provider: str) -> None:
        value = {"closed": 0.0, "half_open": 0.5, "open": 1.0}[self._of(provider).state(self._clock())]
        _OPEN.labels(provider=provider).set(value)
