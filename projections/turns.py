"""What Claude was asked, what it understood, and what that cost."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from events.base import Recorded
from events.turn import Completed, Failed, Withheld
from projections.base import Held, Json, Projection, Row, reads_nothing


class Turn(Row, frozen=True, kw_only=True):
    """`status`: completed, failed, withheld. `cost` is {currency, micros}, `usage` tokens."""

    TABLE = "turns"
    KEY = ("tenant", "id")

    id: str
    conversation_id: str
    status: str
    model: str | None
    intents: Json
    extracted_info: Json
    language: str | None
    sentiment: str | None
    usage: Json
    cost: Json
    reason: str | None
    at: datetime
    pos: int


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The turn that has come to its end."""
    event = fact.event
    done = event if isinstance(event, Completed) else None
    yield Turn(
        tenant=fact.tenant,
        id=fact.subject_id,
        conversation_id=event.conversation,
        status=fact.type.split(".")[1],
        model=done.model if done else None,
        intents=done.intents if done else [],
        extracted_info=done.extracted_info if done else {},
        language=done.language if done else None,
        sentiment=done.sentiment if done else None,
        usage=msgspec.to_builtins(done.usage) if done else {},
        cost=msgspec.to_builtins(done.cost) if done and done.cost else None,
        reason=None if done else event.reason,
        at=fact.envelope.occurred_at,
        pos=fact.pos,
    )


TURNS = Projection("turns", (Turn,), (Completed, Failed, Withheld), reads_nothing, apply)
