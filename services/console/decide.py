"""What a request for something to read means, and whether an operator's wish makes sense now. Pure."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from events.base import Recorded
from libs.config.model import CHANNELS
from libs.domain.given import BIGINT, Wrong, check_id
from libs.domain.phone import VOICE
from projections.base import Held, Row, by_kind
from projections.contacts import CONTACTS, Contact
from projections.conversations import CONVERSATIONS, Conversation
from projections.messages import MESSAGES, Message
from projections.state_bindings import STATE_BINDINGS, StateBinding

CONVERSATION_STATUSES = ("open", "waiting", "with_operator", "closed")
FOLLOWUP_STATUSES = ("open", "deferred", "resolved", "exhausted", "cancelled")
MAX_LIMIT = 200
MAX_CONTENT = 4096
"""Characters of an operator's reply: what WhatsApp takes in one message."""

SHOWN = by_kind((CONTACTS, CONVERSATIONS, STATE_BINDINGS, MESSAGES))
BOOKKEEPING = ("tenant", "first_pos", "last_pos", "last_message")


class Senseless(Exception):
    """What the operator asks for makes no sense as things stand; the message says why."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A conversation as it stood at a position."""

    conversation: Conversation
    contact: Contact | None
    bindings: Sequence[StateBinding]
    messages: Sequence[Message]
    facts: Sequence[Recorded[Any]]
    position: int


def at_of(text: str) -> int | datetime:
    """`?at=`: a position of the log, or a time of RFC 3339. Raises Wrong."""
    if text.isascii() and text.isdigit():
        return min(int(text), BIGINT) if len(text) < 30 else BIGINT
    try:
        # An unescaped + arrives as a space.
        at = datetime.fromisoformat(text if "T" not in text else text.replace(" ", "+"))
    except ValueError:
        raise Wrong("at", "write a position such as 42, or a time such as 2026-02-16T10:30:00+05:30") from None
    if at.tzinfo is None:
        raise Wrong("at", "a time needs its zone, such as 2026-02-16T10:30:00+05:30")
    return at


def cursor_of(pos: int) -> str:
    """Where a list goes on, after the row that began at `pos`."""
    return base64.urlsafe_b64encode(b"p%d" % pos).decode().rstrip("=")


def position_of(cursor: str) -> int:
    """The position in a cursor. Raises Wrong for one that no list gave."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    digits = text.removeprefix("p")
    if text[:1] != "p" or not digits.isdigit() or int(digits) > BIGINT:
        raise Wrong("cursor", "send the next_cursor of the answer before, unchanged")
    return int(digits)


def check_limit(limit: int) -> None:
    """Raises Wrong."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Wrong("limit", f"1 to {MAX_LIMIT} are given at once, not {limit}")


def check_filter(path: str, value: str | None, among: Sequence[str] | None = None) -> None:
    """Raises Wrong for a filter that no row can have."""
    if value is not None and among is not None and value not in among:
        raise Wrong(path, f"there are {', '.join(among)}")
    check_id(path, value)


def shown(
    facts: Iterable[Recorded[Any]], conversation: str, position: int, about: Iterable[Recorded[Any]]
) -> Shown | None:
    """A conversation folded from its facts, and from those `about` its contact; None before its opening."""
    own = list(facts)
    held = Held()
    for fact in sorted({each.pos: each for each in (*own, *about)}.values(), key=lambda each: each.pos):
        for projection in SHOWN.get(type(fact.event), ()):
            projection.take(fact, held)
    found = next((row for row in held.all(Conversation) if row.id == conversation), None)
    if found is None:
        return None
    return Shown(
        conversation=found,
        contact=held.get(Contact, found.tenant, found.contact_id),
        bindings=[row for row in held.all(StateBinding) if row.conversation_id == conversation],
        messages=sorted(
            (row for row in held.all(Message) if row.conversation_id == conversation), key=lambda row: row.pos
        ),
        facts=own,
        position=position,
    )


def answer(what: Shown) -> dict[str, Any]:
    """A conversation as the API shows it."""
    row = what.conversation
    return {
        "id": row.id,
        "contact": contact_of(what.contact, row.contact_id),
        "status": row.status,
        "active_channel": row.active_channel,
        "language": row.language,
        "operator": row.operator,
        "follows": row.follows,
        "escalated": row.escalated,
        "closed_reason": row.closed_reason,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "closed_at": row.closed_at,
        "bindings": [binding_of(each) for each in what.bindings if each.process_type is not None],
        "messages": [message_of(each) for each in what.messages],
        "timeline": [entry_of(each) for each in what.facts],
        "position": what.position,
    }


def contact_of(row: Contact | None, contact_id: str) -> dict[str, Any]:
    """A contact as operators see it; one that the ERP has not told of has only its id."""
    return {"id": contact_id} if row is None else item_of(row)


def binding_of(row: StateBinding) -> dict[str, Any]:
    """Where a process stands."""
    return {
        "process_type": row.process_type,
        "entity_type": row.entity_type,
        "entity_id": row.entity_id,
        "current_state": row.current_state,
        "state_data": row.state_data,
        "followup_id": row.id,
        "settled": row.settled,
        "entered_at": row.entered_at,
    }


def message_of(row: Message) -> dict[str, Any]:
    """Something that was said."""
    return {
        "id": row.id,
        "direction": row.direction,
        "channel": row.channel,
        "content": row.content,
        "timestamp": row.timestamp,
        "status": row.status,
        "cost": row.cost,
        "metadata": row.metadata,
    }


def entry_of(fact: Recorded[Any]) -> dict[str, Any]:
    """A fact of the timeline, with its cause and all that it says."""
    envelope = fact.envelope
    data = msgspec.to_builtins(fact.event)
    data.pop("type", None)
    return {
        "pos": fact.pos,
        "type": fact.type,
        "stream": fact.stream,
        "id": fact.id,
        "causation_id": envelope.causation_id,
        "source": envelope.source,
        "actor": envelope.actor,
        "config": envelope.config,
        "occurred_at": envelope.occurred_at,
        "recorded_at": envelope.recorded_at,
        "data": data,
    }


def item_of(row: Row) -> dict[str, Any]:
    """A row as an item of a list, without what only the tables need."""
    item: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(row).items() if name not in BOOKKEEPING
    }
    return item


def check_takeover(row: Conversation) -> None:
    """Raises Senseless."""
    _check_open(row)
    if row.status == "with_operator":
        raise Senseless(f"{row.operator} has taken it over already")


def check_release(row: Conversation) -> None:
    """Raises Senseless."""
    _check_open(row)
    if row.status != "with_operator":
        raise Senseless("nobody has taken it over")


def check_approval(row: Conversation) -> None:
    """Raises Senseless."""
    _check_open(row)


def check_reply(row: Conversation, contact: Contact | None, channel: str | None) -> None:
    """Raises Senseless for a reply that could not reach the contact, or that the agent would talk into."""
    _check_open(row)
    if row.status != "with_operator":
        raise Senseless("the agent leads it: take it over first")
    if contact is not None and contact.stopped:
        raise Senseless("the contact said stop")
    wanted = channel or row.active_channel
    known = [each for each in _reached_on(row, contact) if each != VOICE]
    if wanted is None or wanted == VOICE:
        why = "nothing was said yet" if wanted is None else "written words reach nobody in a call"
        raise Senseless(f"{why}: name a channel to write on; known are {', '.join(known) or 'none'}")
    if contact is not None and contact.consents.get(wanted) == "withdrawn":
        raise Senseless(f"the contact has unsubscribed from {wanted}")
    if wanted not in known:
        raise Senseless(f"the contact has no address for {wanted}; known are {', '.join(known) or 'none'}")


def _reached_on(row: Conversation, contact: Contact | None) -> list[str]:
    """Where the contact has an address: registered, in the chat by its own id, and where they wrote."""
    known = [each["channel"] for each in contact.channels] if contact is not None else []
    known += ["chat"] if contact is not None and contact.known_to_erp else []
    return list(dict.fromkeys([*known, *([row.active_channel] if row.active_channel else [])]))


def check_content(content: str, channel: str | None) -> None:
    """Raises Wrong for a reply that says nothing, too much, or goes nowhere."""
    if not content.strip():
        raise Wrong("$.content", "say something")
    if len(content) > MAX_CONTENT:
        raise Wrong("$.content", f"at most {MAX_CONTENT} characters are sent at once, this has {len(content)}")
    if channel is not None and channel not in CHANNELS:
        raise Wrong("$.channel", f"{channel!r} is no channel; there are {', '.join(CHANNELS)}")


def _check_open(row: Conversation) -> None:
    if row.status == "closed":
        raise Senseless(f"it is closed ({row.closed_reason})")


def counted(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    """Counts by status, with a zero for each status that no row has."""
    found = {row["status"]: row["count"] for row in rows}
    return {name: found.get(name, 0) for name in names}
