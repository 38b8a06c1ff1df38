"""Ends the calls of processes that are gone: whoever notices tells it, and it is told once."""

import asyncio
from datetime import timedelta

import asyncpg
import msgspec
import structlog

from events.call import Ended, MissedReason
from libs.kit.failures import left_for_later
from libs.kit.store import Store
from voice_service import decide
from voice_service.decide import ToldEnd, Used
from voice_service.facts import Facts, known
from voice_service.leases import Worker

log = structlog.get_logger(__name__)

EVERY_S = 3.0
PATIENCE = timedelta(minutes=1)
"""How long another media runtime may take to tell the end that the provider has told."""
NOT_CONNECTED = timedelta(seconds=30)
"""How long after a flow asked where a caller's media go they may take to come."""

_ORPHANS = """SELECT c.tenant, c.call, c.conversation, c.contact, c.correlation, c.used, c.told,
    extract(epoch FROM coalesce(w.seen_at, c.held_at) - c.held_at)::int AS seconds
FROM voice.call c LEFT JOIN voice.worker w ON w.id = c.held_by
WHERE c.state <> 'over' AND c.held_by IS NOT NULL AND c.held_by <> $1
    AND (w.id IS NULL OR w.seen_at < now() - $2::interval)
LIMIT 100"""
_UNTOLD = """SELECT c.tenant, c.call, c.conversation, c.contact, c.correlation, c.told,
    (SELECT count(*) FROM voice.exchange e WHERE e.tenant = c.tenant AND e.call = c.call AND e.turn > 0)::int AS turns
FROM voice.call c WHERE c.state <> 'over' AND c.elsewhere AND c.told_at < now() - $1::interval LIMIT 100"""
_MISSED = """SELECT i.tenant, i.call, i.connected_at FROM voice.incoming i
LEFT JOIN voice.worker w ON w.id = i.worker AND w.seen_at > now() - $1::interval
WHERE NOT i.over AND (i.connected_at IS NULL AND i.came_at < now() - $2::interval OR i.connected_at IS NOT NULL AND w.id IS NULL)
    AND NOT EXISTS (SELECT FROM voice.call c WHERE c.tenant = i.tenant AND c.call = i.call AND c.held_by IS NOT NULL)
LIMIT 100"""
_DEAD = """DELETE FROM voice.worker w WHERE w.seen_at < now() - interval '1 hour'
AND NOT EXISTS (SELECT FROM voice.call c WHERE c.state <> 'over' AND c.held_by = w.id)"""


class Orphans:
    """Looks for calls whose holder's lease has run out."""

    def __init__(self, store: Store, facts: Facts, worker: Worker, *, every_s: float = EVERY_S) -> None:
        self._store = store
        self._facts = facts
        self._worker = worker
        self._every_s = every_s

    async def run(self) -> None:
        """Look as long as the process lives."""
        while True:
            with left_for_later("nobody looked after the calls of dead processes"):
                if self._worker.steady():
                    await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> int:
        """End what has no holder any more, one elsewhere that says nothing, or never came; how many calls that were."""
        pool = self._store.pool
        await pool.execute(_DEAD)
        rows = await pool.fetch(_ORPHANS, self._worker.id, self._worker.lease)
        for row in rows:
            await self._end(row)
        untold = await pool.fetch(_UNTOLD, PATIENCE)
        for row in untold:
            told = msgspec.json.decode(row["told"], type=ToldEnd)
            end = Ended(conversation=row["conversation"], reason=told.reason, seconds=told.seconds, turns=row["turns"])
            await self._facts.tell(known(row["tenant"], row), "ended", end)
        missed = await pool.fetch(_MISSED, self._worker.lease, NOT_CONNECTED)
        for row in missed:
            reason: MissedReason = "not_connected" if row["connected_at"] is None else "lost"
            await self._facts.missed(row["tenant"], row["call"], reason)
        return len(rows) + len(untold) + len(missed)

    async def _end(self, row: asyncpg.Record) -> None:
        used = msgspec.json.decode(row["used"], type=Used) if row["used"] else Used(seconds=max(0, row["seconds"]))
        told = msgspec.json.decode(row["told"], type=ToldEnd) if row["told"] else None
        log.warning("a call has died with its process", call=str(row["call"]), seconds=used.seconds)
        await self._facts.tell(known(row["tenant"], row), "ended", decide.cut_off(row["conversation"], used, told))
