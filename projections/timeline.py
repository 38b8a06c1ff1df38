"""Which facts belong to a conversation: its own, those about it, and what had led to it before it began.

Facts that belong to no conversation yet are loose: each is kept with the path of its causes, so that a conversation that
grows out of it later can take them all.
"""

from collections.abc import Iterator
from typing import Any

from events import CATEGORIES
from events.base import Recorded
from events.config import CONFIG
from events.conversation import MessageRequested
from events.inbound import StatusReceived
from events.timer import Fired
from libs.domain.contact import is_stranger
from projections.base import Held, Json, Projection, Row, Wanted

REMEMBERED = ("turn",)
"""Families whose facts name their conversation, and cause facts that do not."""


class Entry(Row, frozen=True, kw_only=True):
    """A fact of a conversation."""

    TABLE = "timeline"
    KEY = ("tenant", "conversation_id", "pos")

    conversation_id: str
    pos: int


class Loose(Row, frozen=True, kw_only=True):
    """What may become part of a conversation: by event id, or by the stream of a follow-up or message; `path` holds positions."""

    TABLE = "timeline_loose"
    KEY = ("tenant", "name")

    name: str
    conversation_id: str | None
    path: Json


def reads(fact: Recorded[Any]) -> Iterator[Wanted]:
    """Its cause, and its follow-up."""
    if fact.envelope.causation_id is not None:
        yield Loose, (fact.tenant, str(fact.envelope.causation_id))
    about = about_of(fact)
    if about is not None:
        yield Loose, (fact.tenant, about)


def apply(fact: Recorded[Any], held: Held) -> Iterator[Row]:
    """Put a fact into its conversation with what had led to it, or keep it for the one that may come."""
    tenant = fact.tenant
    cause = held.get(Loose, tenant, str(fact.envelope.causation_id))
    about = held.get(Loose, tenant, about_of(fact) or "")
    conversation = conversation_of(fact, cause, about)
    path = [*(cause.path if cause else ()), fact.pos]
    if fact.family == "followup":
        path = sorted({*(about.path if about else ()), *path})
        yield Loose(tenant=tenant, name=fact.stream, conversation_id=conversation, path=[] if conversation else path)
    if conversation is None:
        yield Loose(tenant=tenant, name=str(fact.id), conversation_id=None, path=path)
        return
    for pos in path:
        yield Entry(tenant=tenant, conversation_id=conversation, pos=pos)
    if cause is not None and cause.conversation_id is None:
        yield Loose(tenant=tenant, name=cause.name, conversation_id=conversation, path=cause.path)
    if fact.family in REMEMBERED:
        yield Loose(tenant=tenant, name=str(fact.id), conversation_id=conversation, path=[])
    if isinstance(fact.event, MessageRequested):
        yield Loose(tenant=tenant, name=f"message-{fact.event.message}", conversation_id=conversation, path=[])


def about_of(fact: Recorded[Any]) -> str | None:
    """The stream whose conversation is this fact's too, where that must be looked up."""
    if fact.family == "followup":
        return fact.stream
    if isinstance(fact.event, StatusReceived) and fact.event.reference is not None:
        return f"message-{fact.event.reference}"
    return None


def conversation_of(fact: Recorded[Any], cause: Loose | None, about: Loose | None) -> str | None:
    """The conversation that a fact belongs to, as far as it says so itself."""
    if fact.family == "conversation":
        return None if is_stranger(fact.subject_id) else fact.subject_id  # else a sender whom nobody knows yet
    named: str | None = getattr(fact.event, "conversation", None)
    if named is not None:
        return named
    if isinstance(fact.event, Fired):
        family, _, subject = fact.event.stream.partition("-")
        return subject if family == "conversation" else None
    if about is not None:
        return about.conversation_id
    if fact.family in ("consent", "reach") and cause is not None:
        return cause.conversation_id
    return None


TIMELINE = Projection(
    "timeline",
    (Entry, Loose),
    tuple(kind for category in CATEGORIES if category is not CONFIG for kind in category.current.values()),
    reads,
    apply,
)
