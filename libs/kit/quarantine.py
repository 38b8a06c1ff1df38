"""Facts that a reactor could not digest, and what waits behind them: durable, in order, replayed when a person says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from events.base import Recorded
from libs.kit import telemetry

CHANNEL = "quarantine"  # NOTIFY payload: the consumer

QUARANTINED = telemetry.counter("reactor_quarantined", "Facts put into quarantine", "consumer", "shard")

Target = tuple[str, str]  # tenant, what the fact was for

_OPEN = "consumer = $1 AND shard = $2 AND state <> 'resolved'"


class Sick(NamedTuple):
    """A fact for quarantine, which perhaps cannot even be read."""

    pos: int
    event_id: UUID
    type: str

    @classmethod
    def of(cls, fact: Recorded[Any]) -> "Sick":
        return cls(fact.pos, fact.id, fact.envelope.type)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A fact that a reactor gave up on. `error` names the kind of failure and its message; `parked` facts wait behind it."""

    id: int
    consumer: str
    shard: int
    tenant: str
    target: str
    pos: int
    event_id: UUID
    type: str
    error: str
    attempts: int
    state: str
    created_at: datetime
    parked: int


class NotQuarantined(Exception):
    """There is no such entry, or it has been resolved."""

    def __init__(self, entry: int) -> None:
        super().__init__(f"quarantine {entry} does not exist or is resolved; list the open ones first")


async def entries(connection: asyncpg.Connection | asyncpg.Pool, consumer: str | None = None) -> list[Quarantined]:
    """What is in quarantine, oldest first."""
    rows = await connection.fetch(
        "SELECT q.id, q.consumer, q.shard, q.tenant, q.target, q.pos, q.event_id, q.type, q.error, q.attempts, q.state,"
        " q.created_at, (SELECT count(*) FROM ops.parked p WHERE p.consumer = q.consumer AND p.shard = q.shard"
        " AND p.tenant = q.tenant AND p.target = q.target) AS parked"
        " FROM ops.quarantine q WHERE q.state <> 'resolved' AND ($1::text IS NULL OR q.consumer = $1) ORDER BY q.id",
        consumer,
    )
    return [Quarantined(**row) for row in rows]


async def retry(connection: asyncpg.Connection | asyncpg.Pool, entry: int) -> None:
    """Ask the leading reactor to try a quarantined fact again, then what was parked behind it, in order."""
    consumer = await connection.fetchval(
        "UPDATE ops.quarantine SET state = 'retry' WHERE id = $1 AND state <> 'resolved' RETURNING consumer", entry
    )
    if consumer is None:
        raise NotQuarantined(entry)
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, consumer)


class Ward:
    """The quarantine of one consumer in one shard."""

    def __init__(self, consumer: str, shard: int) -> None:
        self._consumer = consumer
        self._shard = shard
        self._closed: set[Target] = set()

    def holds(self, target: Target) -> bool:
        """Whether facts for `target` have to wait."""
        return target in self._closed

    async def load(self, connection: asyncpg.Connection | asyncpg.Pool) -> None:
        """Learn which targets wait."""
        rows = await connection.fetch(
            f"SELECT tenant, target FROM ops.quarantine WHERE {_OPEN}"  # noqa: S608 - a constant of this module
            " UNION SELECT tenant, target FROM ops.parked WHERE consumer = $1 AND shard = $2",
            self._consumer,
            self._shard,
        )
        self._closed = {(row["tenant"], row["target"]) for row in rows}

    async def stranded(self, connection: asyncpg.Connection | asyncpg.Pool) -> list[Target]:
        """Targets with parked facts and nothing in quarantine any more: a replay of theirs was broken off."""
        rows = await connection.fetch(
            "SELECT DISTINCT p.tenant, p.target FROM ops.parked p WHERE p.consumer = $1 AND p.shard = $2 AND NOT EXISTS ("
            " SELECT FROM ops.quarantine q WHERE q.consumer = p.consumer AND q.shard = p.shard AND q.tenant = p.tenant"
            " AND q.target = p.target AND q.state <> 'resolved')",
            self._consumer,
            self._shard,
        )
        return [(row["tenant"], row["target"]) for row in rows]

    async def park(self, connection: asyncpg.Connection, facts: Sequence[tuple[Target, int]]) -> None:
        """Let facts, given by target and position, wait behind what is quarantined for their targets."""
        await connection.executemany(
            "INSERT INTO ops.parked (consumer, shard, tenant, target, pos) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT DO NOTHING",
            [(self._consumer, self._shard, *target, pos) for target, pos in facts],
        )

    async def admit(
        self, connection: asyncpg.Connection, target: Target, fact: Sick, *, error: str, attempts: int
    ) -> None:
        """Put a fact into quarantine."""
        await connection.execute(
            "INSERT INTO ops.quarantine (consumer, shard, tenant, target, pos, event_id, type, error, attempts)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (consumer, shard, pos) DO UPDATE SET"
            " state = 'open', resolved_at = NULL, error = EXCLUDED.error, attempts = quarantine.attempts + EXCLUDED.attempts",
            *(self._consumer, self._shard, *target, fact.pos, fact.event_id, fact.type, error, attempts),
        )

    def close(self, target: Target) -> None:
        """From now on facts for `target` wait: to be called once `admit` is committed."""
        self._closed.add(target)
        QUARANTINED.labels(self._consumer, str(self._shard)).inc()

    def release(self, target: Target) -> None:
        """Nothing waits for `target` any more."""
        self._closed.discard(target)

    async def to_retry(self, connection: asyncpg.Connection | asyncpg.Pool) -> list[tuple[int, Target, int]]:
        """Entries that a person wants tried again: id, target, position."""
        rows = await connection.fetch(
            "SELECT id, tenant, target, pos FROM ops.quarantine"
            " WHERE consumer = $1 AND shard = $2 AND state = 'retry' ORDER BY id",
            self._consumer,
            self._shard,
        )
        return [(row["id"], (row["tenant"], row["target"]), row["pos"]) for row in rows]

    async def resolve(self, connection: asyncpg.Connection, entry: int) -> None:
        """The fact of an entry has been digested."""
        await connection.execute(
            "UPDATE ops.quarantine SET state = 'resolved', resolved_at = clock_timestamp() WHERE id = $1", entry
        )

    async def failed_again(self, connection: asyncpg.Connection, entry: int, error: str) -> None:
        """The retry failed as well."""
        await connection.execute(
            "UPDATE ops.quarantine SET state = 'open', attempts = attempts + 1, error = $2 WHERE id = $1", entry, error
        )

    async def next_parked(self, connection: asyncpg.Connection | asyncpg.Pool, target: Target) -> int | None:
        """The position of the first fact that waits for `target`."""
        pos: int | None = await connection.fetchval(
            "SELECT min(pos) FROM ops.parked WHERE consumer = $1 AND shard = $2 AND tenant = $3 AND target = $4",
            *(self._consumer, self._shard, *target),
        )
        return pos

    async def unpark(self, connection: asyncpg.Connection, pos: int) -> None:
        """A parked fact has been digested, or is in quarantine itself."""
        await connection.execute(
            "DELETE FROM ops.parked WHERE consumer = $1 AND shard = $2 AND pos = $3", self._consumer, self._shard, pos
        )
