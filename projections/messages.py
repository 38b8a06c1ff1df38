"""Everything that was said, by us and by contacts, and what became of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from events import message
from events.base import Recorded
from events.conversation import AttachmentsRead, AutomaticHeard, ContactSaid, MessageRequested
from events.phone import Talked
from projections.base import Held, Json, Projection, Row, Wanted, changed

RANKS = {"requested": 0, "unknown": 1, "accepted": 2, "withheld": 3, "failed": 3, "delivered": 4, "read": 5}
"""States form a lattice: providers tell them out of order, and a later one is never undone by an earlier one."""


class Message(Row, frozen=True, kw_only=True):
    """`id` is ours for what goes out, the inbound stream's for what came in. `cost` is {currency, micros}, as we
    reckoned it until its provider has `priced` it."""

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
    """The message whose outcome it is, or whose files were read."""
    if fact.family == "message":
        yield Message, (fact.tenant, fact.subject_id)
    elif isinstance(fact.event, AttachmentsRead):
        yield Message, (fact.tenant, fact.event.inbound)


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The message after one more fact."""
    event = fact.event
    match event:
        case ContactSaid():
            yield _heard(fact, event)
        case MessageRequested():
            yield _said(fact, event)
        case Talked():
            yield from _talked(fact, event)
        case AutomaticHeard():
            yield _noted(fact, event)
        case AttachmentsRead():
            row = held.get(Message, fact.tenant, event.inbound)
            if row is not None:
                yield _with_files(row, event)
        case _:
            row = held.get(Message, fact.tenant, fact.subject_id)
            if row is not None:
                yield _after(row, event, fact.envelope.occurred_at)


def _after(row: Message, event: Any, now: datetime) -> Message:
    match event:
        case message.Accepted():
            about = {"provider_ref": event.provider_ref, "accepted_at": now}
            reckoned = event.cost is not None and not row.metadata.get("priced")
            cost = msgspec.to_builtins(event.cost) if reckoned else row.cost
            return changed(_moved(row, "accepted", about), cost=cost)
        case message.Priced():
            about = _known({"priced": True, "category": event.category})
            return changed(row, cost=msgspec.to_builtins(event.cost), metadata={**row.metadata, **about})
        case message.OutcomeUnknown():
            return _moved(row, "unknown", {"reason": event.reason})
        case message.Withheld():
            return _moved(row, "withheld", {"reason": event.reason})
        case message.Rejected() | message.Failed():
            return _moved(row, "failed", {"code": event.code, "reason": event.reason})
        case message.Bounced():
            return _moved(row, "failed", {"reason": event.reason, "bounced": True})
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
    about = {
        "provider_ref": event.provider_ref,
        "reply_to": event.reply_to,
        "matter": event.matter,
        "kind": event.kind,
        "choice": event.choice,
        "subject": event.subject,
        "attachments": msgspec.to_builtins(event.attachments) or None,
    }
    return _inbound(fact, event, about)


def _noted(fact: Recorded[Any], event: AutomaticHeard) -> Message:
    """What a machine wrote is shown, as such."""
    about = {
        "provider_ref": event.provider_ref,
        "matter": event.matter,
        "automatic": event.automatic,
        "subject": event.subject,
    }
    return _inbound(fact, event, about)


def _inbound(fact: Recorded[Any], event: ContactSaid | AutomaticHeard, about: dict[str, Any]) -> Message:
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
        metadata=_known(about),
        pos=fact.pos,
    )


def _talked(fact: Recorded[Any], event: Talked) -> Iterator[Message]:
    """What was said on the phone and what was heard of our answer, each a message; what nobody said is none."""
    about = {"call": event.call, "turn": event.turn, "matter": event.matter, "interrupted": event.interrupted or None}
    for direction, content in (("inbound", event.contact), ("outbound", event.agent)):
        if content.strip():
            yield Message(
                tenant=fact.tenant,
                id=f"call-{event.call}/{event.turn}/{fact.envelope.version}/{direction}",
                conversation_id=fact.subject_id,
                direction=direction,
                channel="voice",
                content=content,
                timestamp=event.at,
                status="delivered",
                cost=None,
                metadata=_known(about),
                pos=fact.pos,
            )


def _with_files(row: Message, event: AttachmentsRead) -> Message:
    """Files are listed as they were kept; what was said in a voice note is the message's content."""
    about = {
        "attachments": msgspec.to_builtins(event.attachments) or None,
        "transcribed": True if event.transcript else None,
        "files_failed": event.failed,
    }
    content = row.content if row.content.strip() else event.transcript or row.content
    return changed(row, content=content, metadata={**row.metadata, **_known(about)})


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
        "thread": event.thread or None,
        "subject": body.subject,
        "choices": msgspec.to_builtins(body.choices) or None,
        "attachments": msgspec.to_builtins(body.attachments) or None,
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
        AttachmentsRead,
        AutomaticHeard,
        MessageRequested,
        Talked,
        message.Accepted,
        message.OutcomeUnknown,
        message.Withheld,
        message.Rejected,
        message.Failed,
        message.Bounced,
        message.Delivered,
        message.Read,
        message.Priced,
    ),
    reads,
    apply,
)
