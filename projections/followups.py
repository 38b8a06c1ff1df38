"""The follow-ups: which matter, how far it is, and when it is tried next."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.base import Recorded
from events.conversation import ProcessBound, TimerSet
from events.followup import AttemptStarted, Cancelled, Deferred, Exhausted, Joined, Opened, Resolved, Scheduled
from projections.base import Held, Json, Projection, Row, Wanted, changed

NEXT_ATTEMPT = ("no_reply", "deferred")
"""What a timer must be for, so that the contact is approached again when it is due."""


class Followup(Row, frozen=True, kw_only=True):
    """`status`: open, deferred, resolved, exhausted, cancelled; `outcome` says what came of it, or why not."""

    TABLE = "followups"
    KEY = ("tenant", "id")

    id: str
    contact_id: str
    conversation_id: str | None
    rule_id: str | None
    status: str
    priority: str
    reason: str
    business_context: Json
    attempt_count: int
    next_attempt_at: datetime | None
    origin: str
    process_type: str | None
    entity_type: str | None
    entity_id: str | None
    flow: str | None
    channel_priority: Json
    dedupe_key: str | None
    outcome: str | None
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    first_pos: int


def reads(fact: Recorded[Any]) -> Iterator[Wanted]:
    """The follow-up that a fact is about."""
    followup = _followup_of(fact)
    if followup is not None:
        yield Followup, (fact.tenant, followup)


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The follow-up after one more fact."""
    if isinstance(fact.event, Opened):
        yield _opened(fact, fact.event)
        return
    followup = _followup_of(fact)
    row = held.get(Followup, fact.tenant, followup) if followup is not None else None
    if row is not None:
        now = fact.envelope.occurred_at
        yield _after(changed(row, updated_at=now), fact.event, now)


def _followup_of(fact: Recorded[Any]) -> str | None:
    followup: str | None = fact.subject_id if fact.family == "followup" else fact.event.matter
    return followup


def _after(row: Followup, event: Any, now: datetime) -> Followup:
    match event:
        case Scheduled():
            return changed(row, status="deferred", next_attempt_at=event.due_at)
        case Joined() if row.settled_at is None:
            return changed(row, conversation_id=event.conversation, status="open", next_attempt_at=None)
        case Joined():
            return changed(row, conversation_id=event.conversation)
        case ProcessBound():
            return changed(row, business_context=row.business_context or event.context)
        case TimerSet() if event.purpose in NEXT_ATTEMPT and row.settled_at is None:
            return changed(row, next_attempt_at=event.due_at)
        case AttemptStarted():
            return changed(row, status="open", attempt_count=event.number, next_attempt_at=None)
        case Deferred():
            return changed(row, status="deferred", next_attempt_at=event.until)
        case Resolved():
            return _settled(row, "resolved", event.outcome, now)
        case Exhausted():
            return _settled(row, "exhausted", event.reason, now)
        case Cancelled():
            return _settled(row, "cancelled", event.reason, now)
        case _:
            return row


def _settled(row: Followup, status: str, outcome: str, now: datetime) -> Followup:
    return changed(row, status=status, outcome=outcome, settled_at=now, next_attempt_at=None)


def _opened(fact: Recorded[Any], event: Opened) -> Followup:
    at = fact.envelope.occurred_at
    return Followup(
        tenant=fact.tenant,
        id=fact.subject_id,
        contact_id=event.contact_id,
        conversation_id=None,
        rule_id=event.rule_id,
        status="open",
        priority=event.priority,
        reason=event.reason,
        business_context=event.business_context or {},
        attempt_count=0,
        next_attempt_at=None,
        origin=event.origin,
        process_type=event.process_type,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        flow=event.flow,
        channel_priority=event.channel_priority,
        dedupe_key=event.dedupe_key,
        outcome=None,
        created_at=at,
        updated_at=at,
        settled_at=None,
        first_pos=fact.pos,
    )


FOLLOWUPS = Projection(
    "followups",
    (Followup,),
    (Opened, Scheduled, Joined, ProcessBound, TimerSet, AttemptStarted, Deferred, Resolved, Exhausted, Cancelled),
    reads,
    apply,
)
