"""How much there is, how far everybody has come, and what today has cost."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.bus import Bus, BusAway
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.kit.wire import Head, head_subject
from services.console import decide
from services.console.handle import reading

FIRST_WORD_S = 1.0  # the relay tells its head twice a second and more
BY_STATUS = "SELECT status, count(*) FROM read.{} WHERE tenant = $1 GROUP BY status"
MESSAGES = (
    "SELECT channel, direction, status, count(*) FROM read.messages WHERE tenant = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
SPEND = """
SELECT currency, sum(messages)::bigint AS messages, sum(llm)::bigint AS llm, sum(calls)::bigint AS calls FROM (
    SELECT cost->>'currency' AS currency, (cost->>'micros')::bigint AS messages, 0 AS llm, 0 AS calls
    FROM read.messages WHERE tenant = $1 AND "timestamp" >= $2 AND cost IS NOT NULL
    UNION ALL
    SELECT cost->>'currency', 0, (cost->>'micros')::bigint, 0
    FROM read.turns WHERE tenant = $1 AND at >= $2 AND cost IS NOT NULL
    UNION ALL
    SELECT part.key, 0, 0, part.value::bigint
    FROM read.calls, jsonb_each_text(cost) AS part WHERE tenant = $1 AND ended_at >= $2
    UNION ALL
    SELECT summary_cost->>'currency', 0, 0, (summary_cost->>'micros')::bigint
    FROM read.calls WHERE tenant = $1 AND ended_at >= $2 AND summary_cost->>'currency' IS NOT NULL
) AS s GROUP BY currency ORDER BY currency
"""
CONSUMERS = "SELECT consumer, pos FROM log.checkpoint WHERE shard = $1 ORDER BY consumer"


class RelayHeads:
    """What the relay last said of how far it has come, by shard."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._heads: dict[int, int] = {}
        self._first: dict[int, asyncio.Event] = {}

    async def head(self, shard: int) -> int | None:
        """None where it says nothing for FIRST_WORD_S."""
        if shard not in self._first:
            try:
                await self._bus.listen(head_subject(shard), lambda _, body: self._hear(shard, body))
            except BusAway:
                return None
            self._first[shard] = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WORD_S):
                await self._first[shard].wait()
        return self._heads.get(shard)

    def _hear(self, shard: int, body: bytes) -> None:
        self._heads[shard] = msgspec.json.decode(body, type=Head).pos
        if (first := self._first.get(shard)) is not None:
            first.set()


class Stats:
    """The numbers of a tenant."""

    def __init__(self, store: Store, clock: Clock, bundles: Bundles[Bundle], heads: RelayHeads) -> None:
        self._store = store
        self._clock = clock
        self._bundles = bundles
        self._heads = heads

    async def of(self, tenant: str) -> dict[str, Any]:
        """Counts by status, lags in positions of the log, and spend in micros since the tenant's midnight: a call's, with its summary, on the day it ended."""
        pool = self._store.pool
        shard = await self._store.shard_of(tenant)
        since = await self._midnight(tenant)
        async with reading():
            conversations = await pool.fetch(BY_STATUS.format("conversations"), tenant)
            followups = await pool.fetch(BY_STATUS.format("followups"), tenant)
            messages = await pool.fetch(MESSAGES, tenant)
            spend = await pool.fetch(SPEND, tenant, since)
            consumers = await pool.fetch(CONSUMERS, shard)
        head = await self._store.head(shard)
        relayed = await self._heads.head(shard)
        return {
            "conversations": decide.counted(conversations, decide.CONVERSATION_STATUSES),
            "followups": decide.counted(followups, decide.FOLLOWUP_STATUSES),
            "messages": _by_channel(messages),
            "lag": {
                "head": head,
                "relay": None if relayed is None else {"position": relayed, "behind": max(0, head - relayed)},
                "consumers": {
                    row["consumer"]: {"position": row["pos"], "behind": max(0, head - row["pos"])} for row in consumers
                },
            },
            "spend_today": {
                "since": since,
                "currencies": [
                    {
                        "currency": row["currency"],
                        "messages_micros": row["messages"],
                        "llm_micros": row["llm"],
                        "calls_micros": row["calls"],
                        "total_micros": row["messages"] + row["llm"] + row["calls"],
                    }
                    for row in spend
                ],
            },
        }

    async def _midnight(self, tenant: str) -> datetime:
        try:
            zone = (await self._bundles.current(tenant)).policy.timezone
        except NothingPublished:
            zone = "UTC"
        return self._clock.now().astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)


def _by_channel(rows: list[Any]) -> dict[str, dict[str, dict[str, int]]]:
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        directions = counts.setdefault(row["channel"], {"inbound": {}, "outbound": {}})
        directions[row["direction"]][row["status"]] = row["count"]
    return counts
