"""What a service promises about one kind of effect: how it is performed, and which facts tell how it ended."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from events.base import Draft, Recorded


@dataclass(frozen=True, slots=True)
class Done:
    """It was done; `drafts` tell the outcome."""

    drafts: Sequence[Draft] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The outside said no for good; `drafts` tell it. The provider works: this is no trouble of the account's."""

    drafts: Sequence[Draft] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """Nothing was done and the same may succeed later: after `after`, or after the kind's backoff.

    `trouble` counts towards the account's circuit breaker.
    """

    reason: str
    after: timedelta | None = None
    trouble: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been done."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """It must not be done (any more); nothing was."""

    reason: str


Outcome = Done | Refused | Retry | Unknown | Withheld


class ClaimExpired(Exception):
    """Too much of the lease has passed before the first byte: the call is not begun."""


@dataclass(slots=True, kw_only=True)
class Claim:
    """The right to perform one effect, for as long as its lease lasts."""

    id: UUID
    tenant: str
    kind: str
    account: str
    attempt: int
    token: UUID
    stream: str
    version: int
    pos: int
    opened_at: datetime
    claimed_at: float
    """time.monotonic() before the claim was asked for."""
    lease: float
    """Seconds."""
    intent: Recorded[Any] = field(init=False)
    begun: bool = False

    @classmethod
    def of(cls, record: Mapping[str, Any], claimed_at: float = 0.0, lease: float = 0.0) -> "Claim":
        """The claim that a row of the ledger tells of."""
        return cls(
            id=record["id"],
            tenant=record["tenant"],
            kind=record["kind"],
            account=record["account"],
            attempt=record["attempt"],
            token=record["claim"],
            stream=record["stream_id"],
            version=record["version"],
            pos=record["pos"],
            opened_at=record["opened_at"],
            claimed_at=claimed_at,
            lease=lease,
        )

    def begin_call(self) -> None:
        """Say that the next thing to happen is the first byte. Raises ClaimExpired when there is no time left for it.

        A bug or failure before this is known to have done nothing; one after it is of unknown outcome.
        """
        if time.monotonic() - self.claimed_at > self.lease / 2:
            raise ClaimExpired
        self.begun = True


def _no_facts(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    return ()


Tell = Callable[[Recorded[Any], str], Sequence[Draft]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of effect.

    `perform` builds the request, calls `claim.begin_call()`, calls the provider, and says what came of it.
    `after_unknown`: `repeat` where the provider has idempotency keys (or asking twice does no harm), `wait` where only
    evidence from outside can tell; after `wait` without any it counts as done.
    `timeout` bounds the whole of `perform` and is under half the lease. What may not be done any more for another reason
    than a gate or the kill switch (hours, test recipients) `perform` answers with Withheld.
    """

    perform: Callable[[Claim], Awaitable[Outcome]]
    withheld: Tell
    dead: Tell
    after_unknown: Literal["repeat", "wait"]
    unknown: Tell = _no_facts
    unresolved: Tell = _no_facts
    timeout: timedelta = timedelta(seconds=12)
    wait: timedelta = timedelta(minutes=10)
    attempts: int = 8
    max_age: timedelta = timedelta(hours=6)
    backoff: timedelta = timedelta(seconds=1)
    backoff_at_most: timedelta = timedelta(minutes=5)

    @property
    def lease(self) -> timedelta:
        """How long a claim lasts: the time-out is under half of it."""
        return self.timeout * 2.5

    def pause(self, attempt: int, chance: float) -> timedelta:
        """How long to wait after attempt number `attempt`: doubles each time, between half and all of it by `chance`."""
        doubled = self.backoff * (1 << min(attempt - 1, 20))
        whole = min(doubled, self.backoff_at_most)
        return whole * (0.5 + chance / 2)
