"""Every phone call, ours and theirs: how far it came, how long it took, what it cost, and how quick its answers were."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from events import call
from events.base import Recorded
from events.call import CallRequested, CallTaken
from events.person import PersonHeard
from events.phone import CallOver, RangUs
from projections.base import Held, Json, Projection, Row, Wanted, changed

RANKS = {
    "wanted": 0,
    "came_in": 0,
    "unknown": 1,
    "dialled": 2,
    "ringing": 3,
    "answered": 4,
    "missed": 5,
    "withheld": 5,
    "rejected": 5,
    "ended": 6,
}
"""Statuses form a lattice: callbacks come in any order, and a later status is never undone by an earlier one."""
VOICE = "voice"


class Call(Row, frozen=True, kw_only=True):
    """`costs` is {component: {currency, micros}}, `cost` their sums by currency. What no fact has told is null."""

    TABLE = "calls"
    KEY = ("tenant", "id")

    id: str
    conversation_id: str | None
    followup_id: str | None
    contact_id: str | None
    direction: str
    purpose: str | None
    status: str
    reason: str | None
    outcome: str | None
    asks_person: bool | None
    person: str | None
    provider: str | None
    provider_ref: str | None
    wanted_at: datetime
    dialled_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    ring_seconds: float | None
    talk_seconds: int | None
    turns: int | None
    tool_calls: int
    switches: Json
    degraded: int
    transfer: str | None
    transfer_seconds: int | None
    costs: Json
    cost: Json
    latency_p50_ms: int | None
    latency_p90_ms: int | None
    latency_ms: Json
    recording: str | None
    recording_seconds: int | None
    recording_until: datetime | None
    summary: str | None
    summary_facts: Json
    mood: str | None
    summary_cost: Json
    pos: int


def reads(fact: Recorded[Any]) -> Iterator[Wanted]:
    """The call that a fact is about."""
    if not isinstance(fact.event, PersonHeard) or fact.event.channel == VOICE:
        yield Call, (fact.tenant, _call_of(fact))


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The call after one more fact."""
    event = fact.event
    match event:
        case CallRequested():
            yield _wanted(fact, event)
            return
        case call.CameIn():
            yield _came_in(fact, event)
            return
        case PersonHeard() if event.channel != VOICE:
            return
        case _:
            row = held.get(Call, fact.tenant, _call_of(fact))
            if row is not None:
                yield _after(row, fact)


def _call_of(fact: Recorded[Any]) -> str:
    """Which call: the stream's own, or the one that a fact of its conversation names."""
    if fact.family == "call":
        return fact.subject_id
    if isinstance(fact.event, PersonHeard):
        return fact.event.turn.partition("/")[0]  # of a call, what Claude asked for is its "turn": `{call}/{number}`
    named: str = fact.event.call
    return named


def _after(row: Call, fact: Recorded[Any]) -> Call:
    event, now = fact.event, fact.envelope.occurred_at
    match event:
        case CallTaken():
            return changed(
                row,
                conversation_id=fact.subject_id,
                contact_id=fact.envelope.subject or row.contact_id,
                followup_id=event.matter,
                purpose="answer",
                asks_person=event.identifies,
            )
        case RangUs():
            return changed(row, conversation_id=fact.subject_id, contact_id=fact.envelope.subject or row.contact_id)
        case PersonHeard():
            return changed(row, person=event.verdict)
        case CallOver():
            return changed(row, outcome=event.outcome)
        case call.ToolCalled():
            return changed(row, tool_calls=row.tool_calls + 1)
        case call.ProviderSwitched():
            switch = {
                "component": event.component,
                "from": event.from_provider,
                "to": event.to_provider,
                "reason": event.reason,
                "at": msgspec.to_builtins(now),
            }
            return changed(row, switches=[*row.switches, switch])
        case call.Degraded():
            return changed(row, degraded=row.degraded + 1)
        case call.TransferOver():
            return changed(row, transfer=event.outcome, transfer_seconds=event.seconds)
        case call.RecordingStored():
            return changed(row, recording="stored", recording_seconds=event.seconds, recording_until=event.delete_at)
        case call.RecordingDeleted():
            return changed(row, recording=f"deleted: {event.reason}", recording_until=event.at)
        case call.Summarised():
            return changed(
                row,
                summary=event.summary,
                summary_facts=event.facts,
                mood=event.mood,
                summary_cost=msgspec.to_builtins(event.cost),
            )
        case _:
            return _with_ring(_further(row, event, now))


def _further(row: Call, event: Any, now: datetime) -> Call:
    match event:
        case call.Dialled():
            return changed(
                _moved(row, "dialled"), dialled_at=now, provider=event.provider, provider_ref=event.provider_ref
            )
        case call.OutcomeUnknown():
            return _moved(row, "unknown", event.reason)
        case call.Ringing():
            return changed(_moved(row, "ringing"), ringing_at=event.at)
        case call.Answered():
            return changed(
                _moved(row, "answered"), answered_at=event.at, provider_ref=event.provider_ref or row.provider_ref
            )
        case call.Rejected():
            return changed(_moved(row, "rejected", event.reason), ended_at=now)
        case call.Withheld():
            return changed(_moved(row, "withheld", event.reason), ended_at=now)
        case call.Missed():
            return changed(_moved(row, "missed", event.reason), ended_at=event.at)
        case call.Ended():
            return _ended(row, event, now)
        case _:
            return row


def _moved(row: Call, status: str, reason: str | None = None) -> Call:
    """A status that is further replaces the one before it, and what was its reason."""
    return changed(row, status=status, reason=reason) if RANKS[status] > RANKS[row.status] else row


def _with_ring(row: Call) -> Call:
    """How long it rang: until somebody picked up, or until it was given up."""
    until = row.answered_at or row.ended_at
    if row.ringing_at is None or until is None:
        return row
    return changed(row, ring_seconds=round(max(0.0, (until - row.ringing_at).total_seconds()), 3))


def _ended(row: Call, event: call.Ended, now: datetime) -> Call:
    sums: Counter[str] = Counter()
    for cost in event.costs.values():
        sums[cost.currency] += cost.micros
    total = event.latency_ms.get("total", {})
    return changed(
        _moved(row, "ended", event.reason),
        ended_at=now,
        talk_seconds=event.seconds,
        turns=event.turns,
        costs=msgspec.to_builtins(event.costs),
        cost=dict(sums),
        latency_p50_ms=total.get("p50_ms"),
        latency_p90_ms=total.get("p90_ms"),
        latency_ms=event.latency_ms,
    )


def _wanted(fact: Recorded[Any], event: CallRequested) -> Call:
    row = _new(fact, event.call, "outbound", "wanted", fact.envelope.occurred_at)
    return changed(
        row,
        conversation_id=fact.subject_id,
        followup_id=event.matter,
        purpose=event.purpose,
        asks_person=event.identifies,
    )


def _came_in(fact: Recorded[Any], event: call.CameIn) -> Call:
    row = _new(fact, fact.subject_id, "inbound", "came_in", event.at)
    return changed(row, conversation_id=event.conversation, provider=event.provider, provider_ref=event.provider_ref)


def _new(fact: Recorded[Any], id_: str, direction: str, status: str, at: datetime) -> Call:
    return Call(
        tenant=fact.tenant,
        id=id_,
        conversation_id=None,
        followup_id=None,
        contact_id=fact.envelope.subject,
        direction=direction,
        purpose=None,
        status=status,
        reason=None,
        outcome=None,
        asks_person=None,
        person=None,
        provider=None,
        provider_ref=None,
        wanted_at=at,
        dialled_at=None,
        ringing_at=None,
        answered_at=None,
        ended_at=None,
        ring_seconds=None,
        talk_seconds=None,
        turns=None,
        tool_calls=0,
        switches=[],
        degraded=0,
        transfer=None,
        transfer_seconds=None,
        costs={},
        cost={},
        latency_p50_ms=None,
        latency_p90_ms=None,
        latency_ms={},
        recording=None,
        recording_seconds=None,
        recording_until=None,
        summary=None,
        summary_facts={},
        mood=None,
        summary_cost=None,
        pos=fact.pos,
    )


CALLS = Projection(
    "calls",
    (Call,),
    (
        CallRequested,
        CallTaken,
        RangUs,
        PersonHeard,
        CallOver,
        call.CameIn,
        call.Missed,
        call.Dialled,
        call.OutcomeUnknown,
        call.Rejected,
        call.Withheld,
        call.Ringing,
        call.Answered,
        call.ToolCalled,
        call.ProviderSwitched,
        call.Degraded,
        call.TransferOver,
        call.Ended,
        call.RecordingStored,
        call.RecordingDeleted,
        call.Summarised,
    ),
    reads,
    apply,
)
