"""What was said in each exchange of a call, how long the contact waited for the answer, and what Claude asked for in it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.base import Recorded
from events.call import ToolCalled, TurnTaken
from projections.base import Held, Projection, Row, reads_nothing


class CallTurn(Row, frozen=True, kw_only=True):
    """One exchange. Several have one `number` where we spoke again before the contact did. Milliseconds by stage."""

    TABLE = "call_turns"
    KEY = ("tenant", "call_id", "version")

    call_id: str
    version: int
    conversation_id: str
    number: int
    at: datetime
    contact: str
    agent: str
    interrupted: bool
    situation: str | None
    stt_ms: int | None
    decision_ms: int | None
    llm_ms: int | None
    tts_ms: int | None
    transport_ms: int | None
    total_ms: int | None
    pos: int


class CallTool(Row, frozen=True, kw_only=True):
    """Something that Claude asked for, in the exchanges of the number `turn`."""

    TABLE = "call_tools"
    KEY = ("tenant", "call_id", "number")

    call_id: str
    number: int
    conversation_id: str
    turn: int
    tool: str
    at: datetime
    pos: int


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The exchange that is over, or what was asked for."""
    event = fact.event
    if isinstance(event, ToolCalled):
        yield CallTool(
            tenant=fact.tenant,
            call_id=fact.subject_id,
            number=event.number,
            conversation_id=event.conversation,
            turn=event.turn,
            tool=event.tool,
            at=fact.envelope.occurred_at,
            pos=fact.pos,
        )
    else:
        yield _turn(fact, event)


def _turn(fact: Recorded[Any], event: TurnTaken) -> CallTurn:
    waited = event.latency_ms
    return CallTurn(
        tenant=fact.tenant,
        call_id=fact.subject_id,
        version=fact.envelope.version,
        conversation_id=event.conversation,
        number=event.turn,
        at=event.at,
        contact=event.contact,
        agent=event.agent,
        interrupted=event.interrupted,
        situation=event.situation,
        stt_ms=waited.get("stt"),
        decision_ms=waited.get("decision"),
        llm_ms=waited.get("llm"),
        tts_ms=waited.get("tts"),
        transport_ms=waited.get("transport"),
        total_ms=waited.get("total"),
        pos=fact.pos,
    )


CALL_TURNS = Projection("call_turns", (CallTurn, CallTool), (TurnTaken, ToolCalled), reads_nothing, apply)
