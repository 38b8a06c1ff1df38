"""Where each process of a conversation stands, and what is known in it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.base import Recorded
from events.conversation import (
    FlowEnded,
    FlowStarted,
    MatterSettled,
    ProcessBound,
    ProcessMoved,
    StepEntered,
    ToolAnswered,
    Understood,
)
from events.dialogue import SlotAsked, SlotFilled
from projections.base import Held, Json, Projection, Row, Wanted, changed


class StateBinding(Row, frozen=True, kw_only=True):
    """`id` is the matter's, that is the follow-up's; `state_data` what the process has learnt."""

    TABLE = "state_bindings"
    KEY = ("tenant", "conversation_id", "id")

    id: str
    conversation_id: str
    process_type: str | None
    entity_type: str | None
    entity_id: str | None
    current_state: str | None
    state_data: Json
    settled: str | None
    entered_at: datetime
    updated_at: datetime
    pos: int


def reads(fact: Recorded[Any]) -> Iterator[Wanted]:
    """The matter that a fact is about."""
    matter = fact.event.matter
    if matter is not None:
        yield StateBinding, (fact.tenant, fact.subject_id, matter)


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The matter after one more fact."""
    event = fact.event
    if event.matter is None:
        return
    row = held.get(StateBinding, fact.tenant, fact.subject_id, event.matter)
    now = fact.envelope.occurred_at
    if isinstance(event, ProcessBound):
        yield _bound(fact, event, row)
    elif row is not None:
        yield _after(changed(row, updated_at=now), event, now)


def _after(row: StateBinding, event: Any, now: datetime) -> StateBinding:
    match event:
        case ProcessMoved():
            moved = changed(row, current_state=event.to_state, entered_at=now)
            return _learnt(moved, intent=event.trigger.value) if event.trigger.type == "intent" else moved
        case FlowStarted():
            return _learnt(row, flow=event.flow, step=None)
        case StepEntered():
            return _learnt(row, flow=event.flow, step=event.step)
        case FlowEnded():
            return _learnt(row, flow=None, step=None)
        case Understood():
            known = row.state_data.get("extracted_info", {})
            return _learnt(row, extracted_info={**known, **event.extracted_info})
        case SlotAsked():
            return _learnt(row, flow=event.flow, step=event.step)
        case SlotFilled():
            return _learnt(row, slots={**row.state_data.get("slots", {}), event.slot: event.value})
        case ToolAnswered():
            known = row.state_data.get("results", {})
            return _learnt(row, results={**known, event.result_key: event.result})
        case MatterSettled():
            return changed(row, settled=event.how)
        case _:
            return row


def _learnt(row: StateBinding, **what: Any) -> StateBinding:
    return changed(row, state_data={**row.state_data, **what})


def _bound(fact: Recorded[Any], event: ProcessBound, known: StateBinding | None) -> StateBinding:
    at = fact.envelope.occurred_at
    return StateBinding(
        tenant=fact.tenant,
        id=event.matter,
        conversation_id=fact.subject_id,
        process_type=event.process_type,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        current_state=event.state,
        state_data=known.state_data if known else {},
        settled=None,
        entered_at=at,
        updated_at=at,
        pos=known.pos if known else fact.pos,
    )


STATE_BINDINGS = Projection(
    "state_bindings",
    (StateBinding,),
    (
        ProcessBound,
        ProcessMoved,
        FlowStarted,
        StepEntered,
        FlowEnded,
        SlotAsked,
        SlotFilled,
        Understood,
        ToolAnswered,
        MatterSettled,
    ),
    reads,
    apply,
)
