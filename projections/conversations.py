"""The conversations: with whom, where they stand, and on which channel."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.base import Recorded
from events.call import CallRequested, CallTaken
from events.conversation import (
    ChannelSwitched,
    Closed,
    ContactSaid,
    Escalated,
    MessageRequested,
    Opened,
    OutcomeHeard,
    Released,
    TakenOver,
    Understood,
)
from events.phone import CallBegun, CallOver
from projections.base import Held, Projection, Row, Wanted, changed

NOT_SENT = ("failed", "withheld")


class Conversation(Row, frozen=True, kw_only=True):
    """`status`: open, waiting (we have spoken and wait for the contact), with_operator, closed."""

    TABLE = "conversations"
    KEY = ("tenant", "id")

    id: str
    contact_id: str
    status: str
    active_channel: str | None
    language: str | None
    operator: str | None
    follows: str | None
    escalated: str | None
    last_message: str | None
    closed_reason: str | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    first_pos: int
    last_pos: int


def reads(fact: Recorded[Any]) -> Iterator[Wanted]:
    """The conversation whose stream it is."""
    yield Conversation, (fact.tenant, fact.subject_id)


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """The conversation after one more fact; facts of a stream that never opened belong to none."""
    row = _opened(fact, fact.event) if isinstance(fact.event, Opened) else None
    row = row or held.get(Conversation, fact.tenant, fact.subject_id)
    if row is not None:
        now = fact.envelope.occurred_at
        yield _after(changed(row, updated_at=now, last_pos=fact.pos), fact.event, now)


def _after(row: Conversation, event: Any, now: datetime) -> Conversation:
    match event:
        case ContactSaid():
            return changed(row, status=_unless_held(row, "open"), active_channel=event.channel, last_message=None)
        case MessageRequested():
            return changed(
                row, status=_unless_held(row, "waiting"), active_channel=event.channel, last_message=event.message
            )
        case CallRequested():
            return changed(row, status=_unless_held(row, "waiting"), active_channel="voice", last_message=event.call)
        case CallBegun() | CallTaken():
            return changed(row, status=_unless_held(row, "open"), active_channel="voice")
        case CallOver(outcome="talked"):
            return changed(row, status=_unless_held(row, "waiting"))
        case CallOver():
            return changed(row, status=_unless_held(row, "open"), last_message=None)
        case OutcomeHeard() if event.intent == row.last_message and event.outcome in NOT_SENT:
            return changed(row, status=_unless_held(row, "open"), last_message=None)
        case Understood():
            return changed(row, language=event.language or row.language)
        case ChannelSwitched():
            return changed(row, active_channel=event.channel)
        case TakenOver():
            return changed(row, status="with_operator", operator=event.operator)
        case Released():
            return changed(row, status="waiting" if row.last_message else "open", operator=None)
        case Escalated():
            return changed(row, escalated=event.reason)
        case Closed():
            return changed(row, status="closed", operator=None, closed_reason=event.reason, closed_at=now)
        case _:
            return row


def _unless_held(row: Conversation, status: str) -> str:
    """A person's conversation, or one that is over, does not change hands because somebody speaks."""
    return row.status if row.status in ("with_operator", "closed") else status


def _opened(fact: Recorded[Any], event: Opened) -> Conversation:
    at = fact.envelope.occurred_at
    return Conversation(
        tenant=fact.tenant,
        id=fact.subject_id,
        contact_id=event.contact_id,
        status="open",
        active_channel=None,
        language=None,
        operator=None,
        follows=event.follows,
        escalated=None,
        last_message=None,
        closed_reason=None,
        created_at=at,
        updated_at=at,
        closed_at=None,
        first_pos=fact.pos,
        last_pos=fact.pos,
    )


CONVERSATIONS = Projection(
    "conversations",
    (Conversation,),
    (
        Opened,
        ContactSaid,
        MessageRequested,
        CallRequested,
        CallTaken,
        CallBegun,
        CallOver,
        OutcomeHeard,
        Understood,
        ChannelSwitched,
        TakenOver,
        Released,
        Escalated,
        Closed,
    ),
    reads,
    apply,
)
