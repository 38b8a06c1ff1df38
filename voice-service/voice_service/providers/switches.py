"""What is told of a fail-over: a metric, a line in the log, a fact of the call."""

from collections.abc import Callable
from typing import get_args

import structlog

from events.call import Component, ProviderSwitched, SwitchReason
from libs.kit import telemetry
from voice_service.providers.breaker import Breakers

log = structlog.get_logger(__name__)

_SWITCHES = telemetry.counter(
    "voice_provider_switches", "Fail-overs in mid-call.", "component", "from_provider", "to_provider", "reason"
)
REASONS: frozenset[str] = frozenset(get_args(SwitchReason))


class Switches:
    """The fail-overs of one call."""

    def __init__(self, conversation: str, breakers: Breakers, tell: Callable[[str, ProviderSwitched], None]) -> None:
        self.breakers = breakers
        self._conversation = conversation
        self._tell = tell
        self.count = 0

    def switched(self, component: Component, before: str, after: str, why: str) -> None:
        """`before` has failed and `after` goes on."""
        self.count += 1
        reason: SwitchReason = why if why in REASONS else "refused"  # type: ignore[assignment] # one of them
        _SWITCHES.labels(component=component, from_provider=before, to_provider=after, reason=reason).inc()
        log.warning(
            "a provider was switched in mid-call", component=component, before=before, after=after, reason=reason
        )
        fact = ProviderSwitched(
            conversation=self._conversation,
            component=component,
            from_provider=before,
            to_provider=after,
            reason=reason,
        )
        self._tell(f"switch {self.count}", fact)
