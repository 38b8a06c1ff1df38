"""Answering reads: lists from the read models, one conversation from the log itself, up to the position asked for."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import asyncpg

from events.base import Recorded
from libs.domain.given import BIGINT, may_be_id
from libs.kit.appends import asking_postgres
from libs.kit.codec import COLUMNS
from libs.kit.codec import Row as Sealed
from libs.kit.problems import Problem
from libs.kit.store import Store
from projections import PROJECTIONS
from projections.base import Row, Table
from projections.contacts import Contact
from projections.conversations import Conversation
from projections.followups import Followup
from projections.live import CONSUMER, load
from projections.state_bindings import StateBinding
from services.console import decide
from services.console.decide import Shown

TABLES = {table.kind: table for projection in PROJECTIONS for table in projection.tables}
FACTS = f"SELECT {COLUMNS} FROM log.event WHERE shard = $1 AND pos = ANY($2) ORDER BY pos"  # noqa: S608 - constant names
TIMELINE = "SELECT pos FROM read.timeline WHERE tenant = $1 AND conversation_id = $2 AND pos <= $3 ORDER BY pos"
CONVERSATIONS = (
    "SELECT to_jsonb(t)::text FROM read.conversations t WHERE tenant = $1 AND first_pos < $2"
    " AND ($3::text IS NULL OR status = $3) AND ($4::text IS NULL OR contact_id = $4)"
    " AND ($5::text IS NULL OR EXISTS (SELECT FROM read.state_bindings b"
    " WHERE b.tenant = t.tenant AND b.conversation_id = t.id AND b.process_type = $5))"
    " ORDER BY first_pos DESC LIMIT $6"
)
FOLLOWUPS = (
    "SELECT to_jsonb(t)::text FROM read.followups t WHERE tenant = $1 AND first_pos < $2"
    " AND ($3::text IS NULL OR status = $3) AND ($4::text IS NULL OR contact_id = $4)"
    " AND ($5::text IS NULL OR process_type = $5) ORDER BY first_pos DESC LIMIT $6"
)
BINDINGS = (
    "SELECT to_jsonb(t)::text FROM read.state_bindings t WHERE tenant = $1 AND conversation_id = ANY($2)"
    " AND process_type IS NOT NULL ORDER BY pos"
)

R = TypeVar("R", bound=Row)


class Filters:
    """What a list is narrowed to; checked when made. Raises Wrong."""

    def __init__(
        self,
        statuses: Sequence[str],
        status: str | None,
        contact_id: str | None,
        process_type: str | None,
        cursor: str | None,
        limit: int,
    ) -> None:
        decide.check_filter("status", status, statuses)
        decide.check_filter("contact_id", contact_id)
        decide.check_filter("process_type", process_type)
        decide.check_limit(limit)
        before = BIGINT if cursor is None else decide.position_of(cursor)
        self.args = (before, status, contact_id, process_type, limit + 1)
        self.limit = limit


@asynccontextmanager
async def reading() -> AsyncIterator[None]:
    """Problem 503 while the read models are being made for the first time; Unavailable while Postgres is away."""
    try:
        with asking_postgres():
            yield
    except asyncpg.UndefinedTableError as error:
        detail = "the read models are being built from the log; try again soon"
        raise Problem(503, "Not readable yet", detail, headers={"retry-after": "2"}) from error


class Reader:
    """What operators and programs may look at."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def conversations(self, tenant: str, filters: Filters) -> dict[str, Any]:
        """A page of conversations, the newest first."""
        async with reading():
            rows = await self._rows(Conversation, CONVERSATIONS, tenant, *filters.args)
            page = rows[: filters.limit]
            contacts = await load(
                self._store.pool, [(TABLES[Contact], key) for key in {(tenant, row.contact_id) for row in page}]
            )
            bindings = await self._rows(StateBinding, BINDINGS, tenant, [row.id for row in page])
        items = []
        for row in page:
            item = decide.item_of(row)
            item["contact"] = decide.contact_of(contacts.get(Contact, tenant, row.contact_id), row.contact_id)
            item["bindings"] = [decide.binding_of(each) for each in bindings if each.conversation_id == row.id]
            items.append(item)
        return _page(items, rows, filters)

    async def followups(self, tenant: str, filters: Filters) -> dict[str, Any]:
        """A page of follow-ups, the newest first."""
        async with reading():
            rows = await self._rows(Followup, FOLLOWUPS, tenant, *filters.args)
        return _page([decide.item_of(row) for row in rows[: filters.limit]], rows, filters)

    async def followup(self, tenant: str, followup: str) -> dict[str, Any]:
        """One follow-up. Raises Problem 404."""
        return decide.item_of(await self._one(Followup, tenant, followup, "follow-up"))

    async def contact(self, tenant: str, contact: str) -> dict[str, Any]:
        """One contact, opened. Raises Problem 404."""
        return decide.item_of(await self._one(Contact, tenant, contact, "contact"))

    async def conversation(self, tenant: str, conversation: str, at: int | datetime | None) -> Shown:
        """A conversation at a position or (business) time, the newest without. Raises Problem 404."""
        shard = await self._store.shard_of(tenant)
        newest = await self._store.watermark(CONSUMER, shard)
        position = min(at, newest) if isinstance(at, int) else newest
        facts = await self._facts_of(tenant, shard, conversation, position)
        if isinstance(at, datetime):
            later = (place for place, fact in enumerate(facts) if fact.envelope.occurred_at > at)
            facts = facts[: next(later, len(facts))]
            position = facts[-1].pos if facts else 0
        about = await self._about_contact(tenant, facts, position)
        found = decide.shown(facts, conversation, position, about)
        if found is None:
            when = "" if at is None else f" at {at if isinstance(at, int) else at.isoformat()}"
            raise Problem(404, "Unknown conversation", f"there is no conversation {conversation!r}{when}")
        return found

    async def now(self, tenant: str, conversation: str) -> Conversation:
        """How a conversation stands at the very end of the log. Raises Problem 404."""
        own = await self._store.read_stream(tenant, f"conversation-{conversation}") if may_be_id(conversation) else []
        found = decide.shown(own, conversation, 0, ())
        if found is None:
            raise Problem(404, "Unknown conversation", f"there is no conversation {conversation!r}")
        return found.conversation

    async def contact_now(self, tenant: str, contact: str) -> Contact | None:
        """A contact at the very end of the log."""
        async with reading():
            held = await load(self._store.pool, [(TABLES[Contact], (tenant, contact))])
        return held.get(Contact, tenant, contact)

    async def _facts_of(self, tenant: str, shard: int, conversation: str, position: int) -> list[Recorded[Any]]:
        if not may_be_id(conversation):
            return []
        async with reading():
            rows = await self._store.pool.fetch(TIMELINE, tenant, conversation, position)
            sealed = await self._store.pool.fetch(FACTS, shard, [row["pos"] for row in rows])
        return list(await self._store.unseal([Sealed(*row) for row in sealed]))

    async def _about_contact(self, tenant: str, facts: Iterable[Recorded[Any]], position: int) -> list[Recorded[Any]]:
        """A contact that was known before is not part of the conversation's own story."""
        contacts = {fact.envelope.subject for fact in facts if fact.envelope.subject is not None}
        found: list[Recorded[Any]] = []
        for contact in contacts:
            for family in ("contact", "consent", "reach"):
                found += await self._store.read_stream(tenant, f"{family}-{contact}", upto_pos=position)
        return found

    async def _rows(self, kind: type[R], sql: str, *args: Any) -> list[R]:
        table: Table = TABLES[kind]
        found = [table.read(text) for (text,) in await self._store.pool.fetch(sql, *args)]
        return [row for row in found if isinstance(row, kind)]

    async def _one(self, kind: type[R], tenant: str, name: str, called: str) -> R:
        row = None
        if may_be_id(name):
            async with reading():
                held = await load(self._store.pool, [(TABLES[kind], (tenant, name))])
            row = held.get(kind, tenant, name)
        if row is None:
            raise Problem(404, f"Unknown {called}", f"there is no {called} {name!r}")
        return row


def _page(items: list[dict[str, Any]], rows: Sequence[Conversation | Followup], filters: Filters) -> dict[str, Any]:
    more = len(rows) > filters.limit
    return {"items": items, "next_cursor": decide.cursor_of(rows[filters.limit - 1].first_pos) if more else None}
