"""Every word of the contact policy: what was allowed, deferred or refused, and by which checks."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from events.base import Recorded
from events.conversation import MessageRequested
from events.followup import AttemptStarted, Deferred, Exhausted
from projections.base import Held, Json, Projection, Row, reads_nothing


class PolicyDecision(Row, frozen=True, kw_only=True):
    """One decision; `stream` is the follow-up or conversation that it was taken for."""

    TABLE = "policy_decisions"
    KEY = ("tenant", "pos", "number")

    pos: int
    number: int
    stream: str
    contact_id: str | None
    verdict: str
    channel: str
    purpose: str
    at: datetime
    until: datetime | None
    checks: Json


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The decisions that a fact carries."""
    event = fact.event
    decisions = event.decisions if isinstance(event, Deferred | Exhausted) else [event.allowed_by]
    for number, decision in enumerate(decisions):
        yield PolicyDecision(
            tenant=fact.tenant,
            pos=fact.pos,
            number=number,
            stream=fact.stream,
            contact_id=fact.envelope.subject,
            verdict=decision.verdict,
            channel=decision.channel,
            purpose=decision.purpose,
            at=decision.at,
            until=decision.until,
            checks=msgspec.to_builtins(decision.checks),
        )


POLICY_DECISIONS = Projection(
    "policy_decisions", (PolicyDecision,), (AttemptStarted, Deferred, Exhausted, MessageRequested), reads_nothing, apply
)
