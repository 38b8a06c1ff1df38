"""A conversation as a causal trace: each fact below the one that caused it, with the delay between them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from rich.text import Text
from rich.tree import Tree

from events.base import Recorded
from libs.kit.store import Store
from services.cli.narrate import line

BY_TIMELINE = (
    "SELECT stream_id, pos FROM log.event WHERE (shard, pos) IN"
    " (SELECT $1::smallint, pos FROM read.timeline WHERE tenant = $2 AND conversation_id = $3)"
)
BY_ROOT_CAUSE = "SELECT stream_id, pos FROM log.event WHERE shard = $1 AND tenant = $2 AND correlation_id = ANY($3)"
FAMILY_COLOURS = {
    "business": "cyan",
    "operator": "cyan",
    "rules": "blue",
    "inbound": "green",
    "message": "green",
    "turn": "magenta",
    "backend": "yellow",
    "timer": "red",
}


class UnknownConversation(Exception):
    """There is no such conversation."""


async def facts_of(store: Store, tenant: str, conversation: str) -> list[Recorded[Any]]:
    """Every fact that belongs to a conversation, in log order. Raises UnknownConversation."""
    own = await store.read_stream(tenant, f"conversation-{conversation}")
    if not own:
        raise UnknownConversation(f"there is no conversation {conversation!r} for the tenant {tenant!r}")
    rows = await _places(store, tenant, conversation, own)
    found = {fact.pos: fact for fact in own}
    positions = {row["pos"] for row in rows}
    for stream in {row["stream_id"] for row in rows}:
        found |= {fact.pos: fact for fact in await store.read_stream(tenant, stream) if fact.pos in positions}
    return [found[pos] for pos in sorted(found)]


async def _places(store: Store, tenant: str, conversation: str, own: Sequence[Recorded[Any]]) -> list[Any]:
    """Where its facts stand: by the timeline, or by their root causes while that has not read this conversation."""
    shard = await store.shard_of(tenant)
    exists = await store.pool.fetchval("SELECT to_regclass('read.timeline') IS NOT NULL")
    if exists and await store.watermark("projections", shard) >= own[-1].pos:
        rows: list[Any] = await store.pool.fetch(BY_TIMELINE, shard, tenant, conversation)
    else:
        roots = list({fact.envelope.correlation_id for fact in own})
        rows = await store.pool.fetch(BY_ROOT_CAUSE, shard, tenant, roots)
    return rows


def tree_of(facts: Sequence[Recorded[Any]], title: str) -> Tree:
    """The facts as a tree: causes above, what they led to below."""
    tree = Tree(Text(title, style="bold"), guide_style="dim")
    places: dict[UUID, tuple[Tree, Recorded[Any]]] = {}
    for fact in facts:
        cause = fact.envelope.causation_id
        parent = places.get(cause) if cause is not None else None
        branch = (parent[0] if parent else tree).add(_label(fact, parent[1] if parent else None))
        places[fact.id] = (branch, fact)
    return tree


def as_json(facts: Sequence[Recorded[Any]]) -> bytes:
    """The trace for machines: one object a fact."""
    return msgspec.json.encode(
        [
            {
                "pos": fact.pos,
                "type": fact.type,
                "stream": fact.stream,
                "id": fact.id,
                "causation_id": fact.envelope.causation_id,
                "correlation_id": fact.envelope.correlation_id,
                "occurred_at": fact.envelope.occurred_at,
                "recorded_at": fact.envelope.recorded_at,
                "source": fact.envelope.source,
                "config": fact.envelope.config,
                "says": line(fact),
            }
            for fact in facts
        ]
    )


def _label(fact: Recorded[Any], cause: Recorded[Any] | None) -> Text:
    name = fact.type.rpartition(".")[0]
    bold = " bold" if getattr(type(fact.event), "effect", "") else ""
    text = Text.assemble(
        (f"{fact.pos:>4} ", "dim"), (name, FAMILY_COLOURS.get(fact.family, "white") + bold), ("  ", ""), line(fact)
    )
    if cause is not None:
        delay = fact.envelope.recorded_at - cause.envelope.recorded_at
        text.append(f"  +{delay.total_seconds() * 1000:.0f} ms", style="dim")
    return text
