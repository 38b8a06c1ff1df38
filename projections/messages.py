"""Everything that was said, by us and by contacts, and what became of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from events import message
from events.base import Recorded
from events.conversation import ContactSaid, MessageRequested
from projections.base import Held, Json, Projection, Row, Wanted, changed

RANKS = {"requested": 0, "unknown": 1, "accepted": 2, "withheld": 3, "failed": 3, "delivered": 4, "read": 5}
"""States form a lattice: providers tell them out of order, and a later one is never undone by an earlier one."""


class Message(Row, frozen=True, kw_only=True):
    """`id` is ours for what goes out, the inbound stream's for what came in. `cost` is {currency, micros}."""

    TABLE = "messages"
    KEY = ("tenant", "id")

    id: str
    conversation_id: str
    direction: str
    channel: str
    content: str
    timestamp: datetime
    status: str
    cost: Json
    metadata: Json
    pos: int


def reads(fact: Recorded[Any]) -> Iterator[Wanted]:
    """The message whose outcome it is."""
    if fact.family == "message":
        yield Message, (fact.tenant, fact.subject_id)


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The message after one more fact."""
    event = fact.event
    match event:
        case ContactSaid():
            yield _heard(fact, event)
        case MessageRequested():
            yield _said(fact, event)
        case _:
            row = held.get(Message, fact.tenant, fact.subject_id)
            if row is not None:
                yield _after(row, event, fact.envelope.occurred_at)


def _after(row: Message, event: Any, now: datetime) -> Message:
    match event:
        case message.Accepted():
            about = {"provider_ref": event.provider_ref, "accepted_at": now}
            cost = msgspec.to_builtins(event.cost) if event.cost is not None else row.cost
            return changed(_moved(row, "accepted", about), cost=cost)
        case message.OutcomeUnknown():
            return _moved(row, "unknown", {"reason": event.reason})
        case message.Withheld():
            return _moved(row, "withheld", {"reason": event.reason})
        case message.Rejected() | message.Failed():
            return _moved(row, "failed", {"code": event.code, "reason": event.reason})
        case message.Bounced():
            return _moved(row, "failed", {"reason": event.reason})
        case message.Delivered():
            return _moved(row, "delivered", {"delivered_at": event.at})
        case message.Read():
            return _moved(row, "read", {"read_at": event.at})
        case _:
            return row


def _moved(row: Message, status: str, about: dict[str, Any]) -> Message:
    further = RANKS[status] > RANKS[row.status]
    metadata = {**row.metadata, **msgspec.to_builtins(about)}
    return changed(row, status=status if further else row.status, metadata=metadata)


def _heard(fact: Recorded[Any], event: ContactSaid) -> Message:
    return Message(
        tenant=fact.tenant,
        id=event.inbound,
        conversation_id=fact.subject_id,
        direction="inbound",
        channel=event.channel,
        content=event.text,
        timestamp=event.at,
        status="delivered",
        cost=None,
        metadata=_known({"provider_ref": event.provider_ref, "reply_to": event.reply_to}),
        pos=fact.pos,
    )


def _said(fact: Recorded[Any], event: MessageRequested) -> Message:
    body = event.body
    about = {
        "purpose": event.purpose,
        "matter": event.matter,
        "step": event.step,
        "template": body.template,
        "template_name": body.template_name,
        "language": body.language,
        "reply_to": event.reply_to,
        "allowed_by": msgspec.to_builtins(event.allowed_by),
    }
    return Message(
        tenant=fact.tenant,
        id=event.message,
        conversation_id=fact.subject_id,
        direction="outbound",
        channel=event.channel,
        content=body.text,
        timestamp=fact.envelope.occurred_at,
        status="requested",
        cost=None,
        metadata=_known(about),
        pos=fact.pos,
    )


def _known(about: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if value is not None}


MESSAGES = Projection(
    "messages",
    (Message,),
    (
        ContactSaid,
        MessageRequested,
        message.Accepted,
        message.OutcomeUnknown,
        message.Withheld,
        message.Rejected,
        message.Failed,
        message.Bounced,
        message.Delivered,
        message.Read,
    ),
    reads,
    apply,
)
