"""The lines of each contact's chat: rows that number them in order, and what was said, read from the log."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from events.base import Recorded
from events.conversation import MessageRequested
from events.inbound import Received
from libs.channels import chat
from libs.kit.codec import COLUMNS
from libs.kit.codec import Row as StoredRow
from libs.kit.store import Store
from libs.kit.world import Row
from services.gateways.chat import facts as chat_facts

CHANNEL = "gateways_chat"
"""What Postgres notifies at a commit: the place of a new line, or a place and a frame that is told there."""

PAGE = 100
"""Lines that are read at once for one reader."""
FIRST = 50
"""Lines that a client gets that has seen none."""
READERS = 200
"""Readers that one query serves."""
LOOKED_AT = 200
"""Lines before the newest acknowledged one among which undelivered messages are looked for."""

_ASKED = """INSERT INTO gateways.chat_line (tenant, pos, room, message, draft)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"""
_HEARD = """INSERT INTO gateways.chat_line (tenant, pos, room, number)
SELECT $1, $2, $3, coalesce(max(number), 0) + 1 FROM gateways.chat_line WHERE tenant = $1 AND room = $3
ON CONFLICT DO NOTHING
RETURNING pg_notify('gateways_chat', tenant || '.' || room)"""
_SAID = """UPDATE gateways.chat_line line SET number = (
    SELECT coalesce(max(before.number), 0) + 1 FROM gateways.chat_line before
    WHERE before.tenant = line.tenant AND before.room = line.room
)
WHERE tenant = $1 AND message = $2 AND number IS NULL
RETURNING pg_notify('gateways_chat', tenant || '.' || room)"""
_UNSAID = """DELETE FROM gateways.chat_line WHERE tenant = $1 AND message = $2 AND number IS NULL
RETURNING CASE WHEN draft IS NOT NULL THEN pg_notify(
    'gateways_chat', tenant || '.' || room || ' ' || json_build_object('type', 'retract', 'id', draft)
) END"""
_TOLD = "SELECT pg_notify('gateways_chat', $1)"
_AFTER = f"""SELECT reader.nth, line.number, fact.*
FROM unnest($1::text[], $2::text[], $3::smallint[], $4::int[]) WITH ORDINALITY AS reader (tenant, room, shard, after, nth)
CROSS JOIN LATERAL (
    SELECT number, pos FROM gateways.chat_line line
    WHERE line.tenant = reader.tenant AND line.room = reader.room AND number > reader.after
    ORDER BY number LIMIT {PAGE}
) line
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM log.event event WHERE event.shard = reader.shard AND event.pos = line.pos
) fact
ORDER BY reader.nth, line.number"""  # noqa: S608 - constant column names
_LAST = "SELECT coalesce(max(number), 0) FROM gateways.chat_line WHERE tenant = $1 AND room = $2"
_OUTSTANDING = f"""SELECT line.message FROM gateways.chat_line line
JOIN gateways.message message ON message.tenant = line.tenant AND message.message = line.message
WHERE line.tenant = $1 AND line.room = $2 AND line.number <= $3 AND line.number > $3 - {LOOKED_AT}
AND message.state = ANY ($4)"""  # noqa: S608 - a constant number


def asked(fact: Recorded[MessageRequested]) -> Row:
    """A line that may be shown once it is accepted."""
    return Row(_ASKED, (fact.tenant, fact.pos, chat.room(fact.event.to), fact.id, fact.event.draft))


def heard(fact: Recorded[Received]) -> Row:
    """What the contact wrote is a line at once; every replica is told."""
    return Row(_HEARD, (fact.tenant, fact.pos, chat.room(fact.event.sender)))


def said(tenant: str, message: UUID) -> Row:
    """An accepted message gets its number; every replica is told."""
    return Row(_SAID, (tenant, message))


def unsaid(tenant: str, message: UUID) -> Row:
    """A message that may not go out is no line; its draft is retracted."""
    return Row(_UNSAID, (tenant, message))


def told(tenant: str, contact: str, frame: chat.Passing) -> Row:
    """Something that is no line is told to whoever is there when this commits, on every replica."""
    return Row(_TOLD, (f"{chat.place(tenant, contact)} {chat.write(frame).decode()}",))


class _Asked(NamedTuple):
    tenant: str
    room: str
    shard: int
    after: int
    answer: asyncio.Future[list[chat.Line]]


class Lines:
    """Reads what was said. Those who ask while a query runs are served by the next one together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Asked] = []
        self._reading: asyncio.Task[None] | None = None

    async def after(self, tenant: str, contact: str, position: int) -> list[chat.Line]:
        """At most PAGE lines after a position, in order. Raises Unavailable."""
        shard = await self._store.shard_of(tenant)
        answer: asyncio.Future[list[chat.Line]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(tenant, chat.room(contact), shard, position, answer))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="chat-lines")
        return await answer

    async def last(self, tenant: str, contact: str) -> int:
        """The position of the newest line; 0 before the first."""
        last: int = await self._store.pool.fetchval(_LAST, tenant, chat.room(contact))
        return last

    async def outstanding(self, tenant: str, contact: str, upto: int, states: Sequence[str]) -> list[UUID]:
        """Our messages up to a position that are in one of these states."""
        rows = await self._store.pool.fetch(_OUTSTANDING, tenant, chat.room(contact), upto, list(states))
        return [row["message"] for row in rows]

    async def close(self) -> None:
        """Let go of whoever still asks."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        while self._waiting:
            asking, self._waiting = self._waiting[:READERS], self._waiting[READERS:]
            try:
                found = await self._fetch(asking)
            except BaseException as error:
                for each in asking:
                    if not each.answer.done():
                        each.answer.set_exception(error if isinstance(error, Exception) else ConnectionAbortedError())
                if not isinstance(error, Exception):
                    raise
                continue
            for each, lines in zip(asking, found, strict=True):
                if not each.answer.done():
                    each.answer.set_result(lines)

    async def _fetch(self, asking: Sequence[_Asked]) -> list[list[chat.Line]]:
        columns: list[list[Any]] = [
            [each.tenant for each in asking],
            [each.room for each in asking],
            [each.shard for each in asking],
            [each.after for each in asking],
        ]
        records = await self._store.pool.fetch(_AFTER, *columns)
        facts = await self._store.unseal([StoredRow(*record[2:]) for record in records])
        found: list[list[chat.Line]] = [[] for _ in asking]
        for record, fact in zip(records, facts, strict=True):
            found[record["nth"] - 1].append(chat_facts.line(fact, record["number"]))
        return found
